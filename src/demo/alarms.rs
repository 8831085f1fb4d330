//! Sounds that are meant to be noticed: bells, horns, sirens, telephones, alarms.

use super::signal::Signal;
use super::synth::{Studio, gate};

/// A wail that glides from 550 Hz to 1450 Hz and back in 2.4 s.
pub(super) fn siren(studio: &mut Studio) -> Signal {
    let glide = |t: f32| {
        let turn = (t / 2.4).fract();
        550.0 + 900.0 * (1.0 - (2.0 * turn - 1.0).abs())
    };
    let horn = studio.saw(4.8, glide).lowpass(|_| 3200.0, 0.8);
    horn.bandpass(|_| 1300.0, 0.6)
        .saturate(1.5)
        .reverb(0.8, 0.2)
}

/// The named partials of a minor-third church bell (Fletcher and Rossing, "The Physics of Musical
/// Instruments", chapter 21) over a prime of 520 Hz: hum, prime, tierce, quint, nominal and up.
pub(super) fn church_bell(studio: &mut Studio) -> Signal {
    const PARTIALS: [(f32, f32, f32); 9] = [
        (0.5, 0.7, 3.9),
        (1.0, 0.8, 2.4),
        (1.2, 1.0, 2.0),
        (1.5, 0.4, 1.35),
        (2.0, 1.0, 1.35),
        (2.5, 0.4, 0.75),
        (3.0, 0.5, 0.68),
        (4.17, 0.4, 0.45),
        (5.43, 0.3, 0.3),
    ];
    studio.strike(
        4.5,
        &PARTIALS.map(|(ratio, level, fall)| (520.0 * ratio, level, fall)),
    )
}

/// A thumb bell: the hammer rattles round a small bright cup.
pub(super) fn bicycle_bell(studio: &mut Studio) -> Signal {
    let modes = [
        (2480.0, 1.0, 0.5),
        (4130.0, 0.5, 0.3),
        (6890.0, 0.4, 0.18),
        (9700.0, 0.2, 0.1),
    ];
    let cup = studio.strike(1.2, &modes);
    [0.0, 0.07, 0.14, 0.21, 0.7, 0.77, 0.84, 0.91]
        .iter()
        .fold(studio.silence(2.0), |ring, &at| ring.with(at, 1.0, &cup))
}

/// An electronic ringer that warbles between 600 Hz and 700 Hz, thirty times a second.
pub(super) fn telephone_ring(studio: &mut Studio) -> Signal {
    let warble = |t: f32| {
        if (t * 30.0).fract() < 0.5 {
            600.0
        } else {
            700.0
        }
    };
    studio
        .square(1.6, warble)
        .lowpass(|_| 5000.0, 0.7)
        .shape(|t| gate(t, 0.01, 1.0, 0.02))
}

/// The precise dial tone of North America: 350 Hz and 440 Hz at equal levels (ITU-T E.180, supplement 2).
pub(super) fn dial_tone(studio: &mut Studio) -> Signal {
    studio
        .sine(3.0, |_| 350.0)
        .with(0.0, 1.0, &studio.sine(3.0, |_| 440.0))
}

/// Two short beeps a second.
pub(super) fn alarm_clock(studio: &mut Studio) -> Signal {
    let beep = studio
        .sine(0.06, |_| 2048.0)
        .shape(|t| gate(t, 0.003, 0.06, 0.003));
    [0.0, 0.096, 1.0, 1.096]
        .iter()
        .fold(studio.silence(2.0), |clock, &at| clock.with(at, 1.0, &beep))
}

/// Two reeds a major third apart.
pub(super) fn car_horn(studio: &mut Studio) -> Signal {
    let reeds = studio
        .saw(1.2, |_| 415.0)
        .with(0.0, 1.0, &studio.saw(1.2, |_| 523.0));
    reeds
        .saturate(0.7)
        .lowpass(|_| 2500.0, 0.7)
        .shape(|t| gate(t, 0.02, 1.1, 0.04))
}

/// A referee's whistle: the pea chops the tone some 40 times a second.
pub(super) fn referee_whistle(studio: &mut Studio) -> Signal {
    let pea = |t: f32| (std::f32::consts::TAU * 38.0 * t).sin();
    let pipe = studio.sine(1.6, |t| 2650.0 + 120.0 * pea(t)).with(
        0.0,
        0.6,
        &studio.sine(1.6, |t| 3120.0 + 90.0 * pea(t)),
    );
    let breath = studio.noise(1.6).bandpass(|_| 3000.0, 1.5);
    let blow = |t: f32| gate(t, 0.02, 0.35, 0.03) + gate(t - 0.5, 0.02, 1.0, 0.06);
    pipe.shape(|t| 0.65 + 0.35 * pea(t))
        .with(0.0, 0.4, &breath)
        .shape(blow)
}
