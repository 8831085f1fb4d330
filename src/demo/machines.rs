//! Engines, rotors and clockwork, and the noises of machines that play recordings.

use super::signal::Signal;
use super::synth::{Studio, decay, gate};

/// An engine of 70 ignitions a second that is given some gas: pulses, uneven by chance and from one
/// ignition to the next, through a dull exhaust.
pub(super) fn car_engine(studio: &mut Studio) -> Signal {
    let ignitions = |t: f32| 70.0 * (1.0 + 0.3 * gate(t - 1.0, 1.0, 3.0, 1.0));
    let uneven = studio.wander(4.5, 14.0);
    let every = studio.saw(4.5, ignitions);
    let pulses = every.with(0.0, 0.6, &studio.saw(4.5, |t| 0.5 * ignitions(t)));
    let intake = studio.noise(4.5).lowpass(|_| 900.0, 0.7);
    let exhaust = pulses
        .follow(&uneven, 0.8, 1.0)
        .with(0.0, 0.2, &intake)
        .saturate(1.5);
    exhaust.lowpass(|_| 2000.0, 0.7)
}

/// Rotor blades chop the air eighteen times a second.
pub(super) fn helicopter(studio: &mut Studio) -> Signal {
    let slap = |t: f32| decay((t * 18.0).fract() / 18.0, 0.05);
    studio
        .noise(4.9)
        .lowpass(|t| 300.0 + 500.0 * slap(t), 0.7)
        .shape(|t| 0.5 + slap(t))
}

/// Tick and tock, a second for both.
pub(super) fn clock_ticking(studio: &mut Studio) -> Signal {
    let stroke = |studio: &mut Studio, hz: f32| {
        let modes = [
            (hz, 1.0, 0.003),
            (1.73 * hz, 0.7, 0.0021),
            (2.9 * hz, 0.5, 0.0015),
        ];
        let catch = studio
            .noise(0.1)
            .highpass(2500.0, 0.7)
            .shape(|t| decay(t, 0.002));
        studio.strike(0.1, &modes).with(0.0, 4.0, &catch)
    };
    let (tick, tock) = (stroke(studio, 3500.0), stroke(studio, 2800.0));
    (0..4).fold(studio.silence(4.0), |clock, second| {
        clock
            .with(second as f32, 1.0, &tick)
            .with(second as f32 + 0.5, 1.0, &tock)
    })
}

pub(super) fn vinyl_crackle(studio: &mut Studio) -> Signal {
    let dust = studio.scatter(4.9, 20.0, |studio| {
        let (level, length) = (studio.between(0.1, 1.0), studio.between(0.0006, 0.002));
        studio
            .noise(0.02)
            .highpass(900.0, 0.7)
            .shape(|t| decay(t, length))
            .gain(level.powi(4))
    });
    let groove = studio.noise(4.9).bandpass(|_| 2500.0, 0.4);
    dust.with(0.0, 0.02, &groove)
}

pub(super) fn white_noise(studio: &mut Studio) -> Signal {
    studio.noise(3.0)
}
