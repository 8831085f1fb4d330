//! Sounds that people make, with heart, hands and feet.

use super::signal::Signal;
use super::synth::{Studio, decay, gate};

/// Lub-dub at 72 beats a minute, the second sound 0.3 s after the first.
pub(super) fn heartbeat(studio: &mut Studio) -> Signal {
    let valve = |hz: f32| {
        studio
            .sine(0.3, |t| hz + 25.0 * decay(t, 0.03))
            .shape(|t| gate(t, 0.008, 0.3, 0.1) * decay(t, 0.05))
    };
    let (lub, dub) = (valve(42.0), valve(55.0));
    (0..6).fold(studio.silence(5.0), |beats, i| {
        let at = i as f32 * 60.0 / 72.0;
        beats.with(at, 1.0, &lub).with(at + 0.3, 0.7, &dub)
    })
}

/// Heel, then sole.
pub(super) fn footsteps(studio: &mut Studio) -> Signal {
    (0..9).fold(studio.silence(4.0), |walk, step| {
        let heel = studio
            .noise(0.1)
            .lowpass(|_| 700.0, 0.7)
            .shape(|t| decay(t, 0.02));
        let sole = studio
            .noise(0.1)
            .lowpass(|_| 1500.0, 0.7)
            .shape(|t| decay(t, 0.015));
        let at = 0.05 + 0.42 * step as f32;
        walk.with(at, 1.0, &heel).with(at + 0.09, 0.5, &sole)
    })
}

/// Three knocks on a thin panel.
pub(super) fn door_knock(studio: &mut Studio) -> Signal {
    let modes = [
        (110.0, 1.0, 0.008),
        (231.0, 0.8, 0.0056),
        (396.0, 0.5, 0.004),
        (671.0, 0.3, 0.0024),
    ];
    let knuckle = studio
        .noise(0.3)
        .lowpass(|_| 2500.0, 0.7)
        .shape(|t| decay(t, 0.004));
    let knock = studio.strike(0.3, &modes).with(0.0, 0.6, &knuckle);
    [0.0, 0.18, 0.36]
        .iter()
        .fold(studio.silence(1.0), |door, &at| door.with(at, 1.0, &knock))
        .reverb(0.4, 0.15)
}

pub(super) fn applause(studio: &mut Studio) -> Signal {
    let hall = studio.scatter(4.5, 320.0, |studio| {
        let (hz, level) = (studio.between(700.0, 2600.0), studio.between(0.15, 1.0));
        studio
            .noise(0.05)
            .bandpass(|_| hz, 1.4)
            .shape(|t| decay(t, 0.006))
            .gain(level * level)
    });
    hall.shape(|t| gate(t, 0.4, 4.5, 1.2)).reverb(1.2, 0.3)
}
