//! The sounds of video games: swept squares, and noise with a fast filter.

use super::signal::Signal;
use super::synth::{Studio, decay, gate};

pub(super) fn laser(studio: &mut Studio) -> Signal {
    studio
        .saw(0.3, |t| 400.0 + 4000.0 * decay(t, 0.15))
        .shape(|t| gate(t, 0.002, 0.3, 0.18))
}

pub(super) fn explosion(studio: &mut Studio) -> Signal {
    let debris = studio.wander(3.0, 22.0);
    let blast = studio
        .noise(3.0)
        .lowpass(|t| 110.0 + 2500.0 * decay(t, 0.25), 0.6);
    let blast = blast
        .follow(&debris, 0.4, 1.0)
        .shape(|t| gate(t, 0.004, 3.0, 1.0) * decay(t, 1.3));
    let boom = studio
        .sine(3.0, |t| 32.0 + 60.0 * decay(t, 0.15))
        .shape(|t| decay(t, 0.5));
    blast.gain(3.0).with(0.0, 1.0, &boom).saturate(2.0)
}

pub(super) fn gun_shot(studio: &mut Studio) -> Signal {
    let crack = studio
        .noise(1.5)
        .highpass(500.0, 0.7)
        .shape(|t| decay(t, 0.018));
    let blast = studio
        .noise(1.5)
        .lowpass(|t| 200.0 + 4000.0 * decay(t, 0.06), 0.7);
    let blast = blast.shape(|t| decay(t, 0.09));
    crack.with(0.0, 1.5, &blast).saturate(3.0).reverb(1.4, 0.35)
}

/// A short note, then a fifth above.
pub(super) fn coin(studio: &mut Studio) -> Signal {
    studio
        .square(0.4, |t| if t < 0.08 { 700.0 } else { 1050.0 })
        .shape(|t| if t < 0.08 { 1.0 } else { decay(t - 0.08, 0.25) })
        .lowpass(|_| 9000.0, 0.7)
}

/// A rising warble.
pub(super) fn power_up(studio: &mut Studio) -> Signal {
    let warble = |t: f32| {
        if (t * 12.0).fract() < 0.5 {
            60.0
        } else {
            -60.0
        }
    };
    studio
        .square(0.4, |t| 200.0 + 900.0 * t + warble(t))
        .lowpass(|_| 9000.0, 0.7)
        .shape(|t| gate(t, 0.005, 0.4, 0.1))
}
