//! Sounds that people make: with the voice, the hands and the feet.

use std::f32::consts::TAU;

use super::synth::{Mode, Signal, Studio, decay, gate};

/// The first three formants of "ah" in hertz with levels and Qs (Peterson and Barney 1952, men).
const AH: [(f32, f32, f32); 3] = [(730.0, 1.0, 8.0), (1090.0, 0.6, 9.0), (2440.0, 0.25, 12.0)];

/// Lub-dub at 72 beats a minute, the second sound 0.3 s after the first.
pub(super) fn heartbeat(studio: &mut Studio) -> Signal {
    let valve = |hz: f32| studio.sine(0.3, |t| hz + 25.0 * decay(t, 0.03)).shape(|t| gate(t, 0.008, 0.3, 0.1) * decay(t, 0.05));
    let (lub, dub) = (valve(42.0), valve(55.0));
    (0..6).fold(studio.silence(5.0), |beats, i| {
        let at = i as f32 * 60.0 / 72.0;
        beats.with(at, 1.0, &lub).with(at + 0.3, 0.7, &dub)
    })
}

pub(super) fn footsteps(studio: &mut Studio) -> Signal {
    let mut walk = studio.silence(4.0);
    for step in 0..7 {
        let at = 0.1 + 0.55 * step as f32;
        let hz = studio.between(70.0, 100.0);
        let heel = studio.sine(0.2, |t| hz + 60.0 * decay(t, 0.01)).shape(|t| decay(t, 0.03));
        let scuff = studio.noise(0.2).bandpass(|_| 1400.0, 0.7);
        let sole = scuff.shape(|t| decay(t, 0.012) + 0.4 * decay(t - 0.06, 0.03));
        walk = walk.with(at, 0.8, &heel).with(at, 0.9, &sole);
    }
    walk.reverb(0.5, 0.2)
}

pub(super) fn door_knock(studio: &mut Studio) -> Signal {
    let modes = [(118.0, 1.0, 0.05), (236.0, 0.8, 0.035), (410.0, 0.5, 0.02), (690.0, 0.3, 0.012)];
    let panel = studio.strike(0.3, &modes.map(|(hz, level, decay)| Mode { hz, level, decay }));
    let knuckle = studio.noise(0.3).lowpass(|_| 1800.0, 0.7).shape(|t| decay(t, 0.004));
    let knock = panel.with(0.0, 0.8, &knuckle);
    [0.0, 0.22, 0.44, 1.2, 1.42, 1.64]
        .iter()
        .fold(studio.silence(2.2), |door, &at| door.with(at, 1.0, &knock))
        .reverb(0.4, 0.2)
}

pub(super) fn applause(studio: &mut Studio) -> Signal {
    let hall = studio.scatter(4.5, 320.0, |studio| {
        let (hz, level) = (studio.between(700.0, 2600.0), studio.between(0.15, 1.0));
        studio.noise(0.05).bandpass(|_| hz, 1.4).shape(|t| decay(t, 0.006)).gain(level * level)
    });
    hall.shape(|t| gate(t, 0.4, 4.5, 1.2)).reverb(1.2, 0.3)
}

pub(super) fn whistling(studio: &mut Studio) -> Signal {
    let tune = [(0.0, 1318.5, 0.35), (0.4, 1568.0, 0.35), (0.8, 1760.0, 0.6), (1.5, 1568.0, 0.3), (1.85, 1318.5, 0.9)];
    let mut phrase = studio.silence(3.0);
    for (at, hz, length) in tune {
        let lips = studio.sine(length, |t| hz * (1.0 - 0.06 * decay(t, 0.03) + 0.008 * (TAU * 5.5 * t).sin()));
        let breath = studio.noise(length).bandpass(|_| hz, 4.0);
        phrase = phrase.with(at, 1.0, &lips.with(0.0, 0.25, &breath).shape(|t| gate(t, 0.04, length, 0.06)));
    }
    phrase.reverb(0.8, 0.2)
}

/// Twelve singers on an open fifth, each with a vibrato of their own.
pub(super) fn choir(studio: &mut Studio) -> Signal {
    let mut voices = studio.silence(4.5);
    for hz in [130.8, 196.0, 261.6, 329.6] {
        for _ in 0..3 {
            let (detune, pace) = (studio.between(0.993, 1.007), studio.between(4.6, 6.0));
            let throat = studio.saw(4.5, |t| hz * detune * (1.0 + 0.007 * (TAU * pace * t).sin()));
            voices = voices.with(0.0, 0.2, &throat);
        }
    }
    let air = studio.noise(4.5);
    voices.with(0.0, 0.05, &air).formants(&AH).shape(|t| gate(t, 0.5, 4.3, 0.8)).reverb(2.2, 0.5)
}

/// A robot that says vowels: a monotone buzz through formants that jump from one to the next.
pub(super) fn robot_voice(studio: &mut Studio) -> Signal {
    let vowels = [
        [(270.0, 1.0, 7.0), (2290.0, 0.5, 14.0), (3010.0, 0.2, 14.0)],
        AH,
        [(300.0, 1.0, 7.0), (870.0, 0.5, 9.0), (2240.0, 0.1, 12.0)],
        [(530.0, 1.0, 8.0), (1840.0, 0.5, 12.0), (2480.0, 0.2, 12.0)],
        AH,
        [(570.0, 1.0, 8.0), (840.0, 0.6, 9.0), (2410.0, 0.1, 12.0)],
    ];
    let mut speech = studio.silence(2.4);
    for (i, vowel) in vowels.into_iter().enumerate() {
        let buzz = studio.saw(0.34, |t| 112.0 + 12.0 * (t - 0.1)).formants(&vowel);
        let hiss = studio.noise(0.06).highpass(3500.0, 0.7).gain(0.08);
        let at = 0.38 * i as f32;
        speech = speech.with(at, 1.0, &hiss).with(at + 0.04, 1.0, &buzz.shape(|t| gate(t, 0.03, 0.34, 0.06)));
    }
    speech
}
