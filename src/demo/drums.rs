//! Drums and percussion, after the circuits of analogue drum machines: tuned sines for skins, squares
//! at unrelated frequencies for metal, filtered noise for the rest.

use super::synth::{Mode, Signal, Studio, decay, gate};

/// The six square-wave frequencies of the TR-808's cymbal circuit, in hertz, as measured by Werner,
/// Abel and Smith (2014, "The TR-808 Cymbal").
const CYMBAL_HZ: [f32; 6] = [205.3, 304.4, 369.6, 522.7, 540.0, 800.0];

pub(super) fn kick(studio: &mut Studio) -> Signal {
    let skin = studio
        .sine(0.6, |t| 48.0 + 130.0 * decay(t, 0.025))
        .shape(|t| decay(t, 0.16));
    let beater = studio
        .noise(0.6)
        .lowpass(|_| 2500.0, 0.7)
        .shape(|t| decay(t, 0.004));
    skin.with(0.0, 0.4, &beater).saturate(1.6)
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

fn metal(studio: &mut Studio, seconds: f32, scale: f32) -> Signal {
    CYMBAL_HZ.iter().fold(studio.noise(seconds), |sum, hz| {
        sum.with(0.0, 0.4, &studio.square(seconds, |_| hz * scale))
    })
}

pub(super) fn closed_hi_hat(studio: &mut Studio) -> Signal {
    metal(studio, 0.3, 1.4)
        .highpass(7500.0, 0.9)
        .shape(|t| decay(t, 0.03))
}

pub(super) fn open_hi_hat(studio: &mut Studio) -> Signal {
    metal(studio, 1.0, 1.4)
        .highpass(7000.0, 0.9)
        .shape(|t| decay(t, 0.28))
}

pub(super) fn crash_cymbal(studio: &mut Studio) -> Signal {
    let wash = metal(studio, 3.0, 1.73)
        .highpass(2800.0, 0.7)
        .shape(|t| decay(t, 0.8));
    let stroke = studio
        .noise(3.0)
        .highpass(5000.0, 0.7)
        .shape(|t| decay(t, 0.08));
    let body = metal(studio, 3.0, 1.13)
        .bandpass(|_| 900.0, 1.0)
        .shape(|t| decay(t, 0.5));
    wash.with(0.0, 1.0, &stroke).with(0.0, 0.3, &body)
}

pub(super) fn tom(studio: &mut Studio) -> Signal {
    let skin = studio
        .sine(0.9, |t| 92.0 + 50.0 * decay(t, 0.05))
        .shape(|t| decay(t, 0.22));
    let over = studio
        .sine(0.9, |t| 150.0 + 70.0 * decay(t, 0.05))
        .shape(|t| decay(t, 0.11));
    let stick = studio
        .noise(0.9)
        .lowpass(|_| 1800.0, 0.7)
        .shape(|t| decay(t, 0.012));
    skin.with(0.0, 0.35, &over).with(0.0, 0.5, &stick)
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
    pair.bandpass(|_| 1500.0, 1.2)
        .shape(|t| 0.5 * decay(t, 0.015) + 0.5 * decay(t, 0.13))
}

pub(super) fn wood_block(studio: &mut Studio) -> Signal {
    let modes = [
        (820.0, 1.0, 0.035),
        (1660.0, 0.6, 0.022),
        (2710.0, 0.3, 0.012),
    ];
    let wood = studio.strike(
        0.4,
        &modes.map(|(hz, level, decay)| Mode { hz, level, decay }),
    );
    let stick = studio
        .noise(0.4)
        .bandpass(|_| 3000.0, 1.0)
        .shape(|t| decay(t, 0.002));
    wood.with(0.0, 0.5, &stick)
}

pub(super) fn shaker(studio: &mut Studio) -> Signal {
    let mut bar = studio.silence(2.0);
    for step in 0..16 {
        let beads = studio.noise(0.12).bandpass(|_| 6500.0, 1.1);
        let shake = beads.shape(|t| gate(t, 0.03, 0.11, 0.07).powi(2));
        bar = bar.with(
            step as f32 * 0.125,
            if step % 2 == 0 { 1.0 } else { 0.55 },
            &shake,
        );
    }
    bar
}
