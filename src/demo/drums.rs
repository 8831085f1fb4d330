//! Drums and percussion, after the circuits of analogue drum machines: tuned sines for skins, squares
//! at unrelated frequencies for metal, filtered noise for the rest.

use super::signal::Signal;
use super::synth::{Studio, decay, gate};

/// The six square-wave frequencies of the TR-808's cymbal circuit, in hertz, as measured by Werner,
/// Abel and Smith (2014, "The TR-808 Cymbal").
const CYMBAL_HZ: [f32; 6] = [205.3, 304.4, 369.6, 522.7, 540.0, 800.0];

pub(super) fn kick(studio: &mut Studio) -> Signal {
    let skin = studio
        .sine(0.6, |t| 40.0 + 250.0 * decay(t, 0.05))
        .shape(|t| decay(t, 0.1));
    let beater = studio
        .noise(0.6)
        .lowpass(|_| 4000.0, 0.7)
        .shape(|t| decay(t, 0.004));
    skin.with(0.0, 0.2, &beater).saturate(1.6)
}

pub(super) fn snare(studio: &mut Studio) -> Signal {
    let skin = studio
        .sine(0.5, |t| 185.0 + 60.0 * decay(t, 0.02))
        .shape(|t| decay(t, 0.06));
    let ring = studio.sine(0.5, |_| 331.0).shape(|t| decay(t, 0.05));
    let wires = studio
        .noise(0.5)
        .highpass(1400.0, 0.8)
        .shape(|t| decay(t, 0.09));
    skin.with(0.0, 0.5, &ring)
        .with(0.0, 0.9, &wires)
        .saturate(1.2)
}

/// The six squares, `scale` times as high as in the original, with as much `noise`.
fn metal(studio: &mut Studio, seconds: f32, scale: f32, noise: f32) -> Signal {
    CYMBAL_HZ
        .iter()
        .fold(studio.noise(seconds).gain(noise), |sum, hz| {
            sum.with(0.0, 0.4, &studio.square(seconds, |_| hz * scale))
        })
}

pub(super) fn closed_hi_hat(studio: &mut Studio) -> Signal {
    metal(studio, 0.3, 1.4, 1.0)
        .highpass(7500.0, 0.9)
        .shape(|t| decay(t, 0.03))
}

pub(super) fn open_hi_hat(studio: &mut Studio) -> Signal {
    metal(studio, 1.0, 1.4, 1.0)
        .highpass(7000.0, 0.9)
        .shape(|t| decay(t, 0.28))
}

pub(super) fn crash_cymbal(studio: &mut Studio) -> Signal {
    metal(studio, 4.0, 1.3, 0.5)
        .highpass(4000.0, 0.8)
        .shape(|t| decay(t, 0.6))
}

pub(super) fn tom(studio: &mut Studio) -> Signal {
    let slack = |t: f32| 1.0 + 0.4 * decay(t, 0.05);
    let skin = studio
        .sine(0.9, |t| 130.0 * slack(t))
        .shape(|t| decay(t, 0.15));
    let over = studio
        .sine(0.9, |t| 208.0 * slack(t))
        .shape(|t| decay(t, 0.075));
    let stick = studio
        .noise(0.9)
        .lowpass(|_| 3000.0, 0.7)
        .shape(|t| decay(t, 0.012));
    skin.with(0.0, 0.3, &over).with(0.0, 0.8, &stick)
}

/// Several hands never meet at once: four short bursts, then the room.
pub(super) fn hand_clap(studio: &mut Studio) -> Signal {
    let hands = |t: f32| {
        [0.0, 0.011, 0.022]
            .iter()
            .map(|at| decay(t - at, 0.003))
            .sum::<f32>()
            + 0.8 * decay(t - 0.031, 0.05)
    };
    studio
        .noise(0.5)
        .bandpass(|_| 1200.0, 1.6)
        .shape(hands)
        .reverb(0.3, 0.3)
}

/// The TR-808's pair of squares, at 540 and 800 Hz.
pub(super) fn cowbell(studio: &mut Studio) -> Signal {
    let pair = studio
        .square(0.6, |_| 540.0)
        .with(0.0, 1.0, &studio.square(0.6, |_| 800.0));
    pair.bandpass(|_| 800.0, 0.7)
        .shape(|t| 0.5 * decay(t, 0.015) + 0.5 * decay(t, 0.06))
}

pub(super) fn wood_block(studio: &mut Studio) -> Signal {
    let modes = [
        (600.0, 1.0, 0.015),
        (1212.0, 0.6, 0.009),
        (1980.0, 0.3, 0.005),
    ];
    let wood = studio.strike(0.4, &modes);
    let stick = studio
        .noise(0.4)
        .bandpass(|_| 3000.0, 1.0)
        .shape(|t| decay(t, 0.002));
    wood.with(0.0, 0.5, &stick)
}

/// Sixteenth notes at 120 beats a minute, every other one softer.
pub(super) fn shaker(studio: &mut Studio) -> Signal {
    (0..16).fold(studio.silence(2.2), |bar, step| {
        let beads = studio.noise(0.18).bandpass(|_| 8000.0, 0.7);
        let shake = beads.shape(|t| gate(t, 0.04, 0.16, 0.09).powi(2));
        bar.with(
            0.125 * step as f32,
            if step % 2 == 0 { 1.0 } else { 0.6 },
            &shake,
        )
    })
}
