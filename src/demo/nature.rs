//! Weather, water, fire and animals: mostly noise, shaped slowly for masses of air and water and
//! scattered in grains for drops and sparks.

use std::f32::consts::TAU;

use super::signal::Signal;
use super::synth::{Studio, decay, gate};

pub(super) fn rain(studio: &mut Studio) -> Signal {
    let drops = studio.scatter(5.0, 500.0, |studio| {
        let (hz, level) = (studio.between(1500.0, 9000.0), studio.between(0.0, 1.0));
        studio
            .noise(0.01)
            .bandpass(|_| hz, 1.5)
            .shape(|t| decay(t, 0.002))
            .gain(level.powi(3))
    });
    let sheet = studio
        .noise(5.0)
        .highpass(900.0, 0.6)
        .lowpass(|_| 9000.0, 0.6);
    sheet.gain(0.22).with(0.0, 2.0, &drops)
}

pub(super) fn thunder(studio: &mut Studio) -> Signal {
    let rumble = studio.wander(4.9, 6.0);
    let roll = studio
        .noise(4.9)
        .lowpass(|t| 120.0 + 200.0 * decay(t, 0.8), 0.6);
    let far = roll
        .follow(&rumble, 0.2, 1.0)
        .shape(|t| gate(t, 0.1, 4.9, 2.0) * decay(t, 4.0));
    far.reverb(3.0, 0.4)
}

/// Two waves: each is louder and brighter as it breaks.
pub(super) fn ocean_waves(studio: &mut Studio) -> Signal {
    let swell = |t: f32| 0.5 - 0.5 * (TAU * t / 2.45).cos();
    let water = studio
        .noise(4.9)
        .lowpass(|t| 600.0 + 1500.0 * swell(t), 0.5);
    water.shape(|t| 0.1 + swell(t).powi(2))
}

pub(super) fn wind(studio: &mut Studio) -> Signal {
    let gusts = studio.wander(5.0, 0.9);
    let air = studio
        .noise(5.0)
        .lowpass(|_| 500.0, 0.6)
        .follow(&gusts, 0.3, 1.0);
    let howl = |t: f32| 480.0 + 170.0 * (TAU * 0.31 * t).sin() + 60.0 * (TAU * 0.83 * t).sin();
    let whistle = studio
        .noise(5.0)
        .bandpass(howl, 14.0)
        .follow(&gusts, 0.05, 1.0);
    air.gain(0.5).with(0.0, 2.5, &whistle)
}

pub(super) fn creek(studio: &mut Studio) -> Signal {
    let bubbles = studio.scatter(4.9, 200.0, |studio| {
        let hz = 900.0 * studio.between(0.0, 2.0).exp2();
        let (size, level) = (studio.between(0.02, 0.05), studio.between(0.1, 1.0));
        let rising = studio.sine(5.0 * size, |t| hz * (1.0 + 0.1 * t / size));
        rising.shape(|t| decay(t, size)).gain(level * level)
    });
    let flow = studio.noise(4.9).bandpass(|_| 1000.0, 0.4);
    bubbles.with(0.0, 0.3, &flow)
}

/// Drops in a basin; the tone rises as the bubble that each one leaves behind nears the surface (van
/// den Doel 2005, "Physically based models for liquid sounds").
pub(super) fn water_drop(studio: &mut Studio) -> Signal {
    let rising = studio.sine(0.2, |t| 1000.0 * (1.0 + 10.0 * t));
    let drop = rising.shape(|t| gate(t, 0.002, 0.2, 0.05) * decay(t, 0.06));
    (0..5)
        .fold(studio.silence(3.6), |basin, i| {
            basin.with(0.7 * i as f32, 1.0, &drop)
        })
        .reverb(1.5, 0.1)
}

pub(super) fn camp_fire(studio: &mut Studio) -> Signal {
    let crackles = studio.scatter(4.9, 120.0, |studio| {
        let (hz, level) = (studio.between(1000.0, 6000.0), studio.between(0.1, 1.0));
        let length = studio.between(0.003, 0.015);
        studio
            .noise(0.06)
            .bandpass(|_| hz, 1.0)
            .shape(|t| decay(t, length))
            .gain(level.powi(3))
    });
    let flicker = studio.wander(4.9, 6.0);
    let flames = studio
        .noise(4.9)
        .lowpass(|_| 200.0, 0.6)
        .follow(&flicker, 0.3, 1.0);
    flames.gain(0.6).with(0.0, 2.0, &crackles)
}

/// A field cricket chirps in groups of wing strokes near 4.5 kHz; a second one sits further away.
pub(super) fn crickets(studio: &mut Studio) -> Signal {
    let song = |t: f32, chirps_hz: f32, strokes: f32| {
        let chirp = (t * chirps_hz).fract() / chirps_hz;
        let stroke = (chirp / 0.024).fract() * 0.024;
        if chirp < strokes * 0.024 {
            gate(stroke, 0.006, 0.018, 0.008)
        } else {
            0.0
        }
    };
    let near = studio.sine(5.0, |_| 4500.0).shape(|t| song(t, 2.6, 4.0));
    let far = studio
        .sine(5.0, |_| 4870.0)
        .shape(|t| song(t + 0.17, 3.1, 3.0));
    let night = studio.noise(5.0).bandpass(|_| 5200.0, 2.0);
    near.with(0.0, 0.4, &far).with(0.0, 0.05, &night)
}

pub(super) fn bird_song(studio: &mut Studio) -> Signal {
    let mut song = studio.silence(4.0);
    for phrase in [0.0, 1.3, 2.6] {
        for syllable in 0..6 {
            let length = studio.between(0.06, 0.13);
            let (from, to) = (
                studio.between(2800.0, 5200.0),
                studio.between(2800.0, 6200.0),
            );
            let trill = studio.between(0.0, 300.0);
            let sweep =
                move |t: f32| from + (to - from) * t / length + trill * (TAU * 45.0 * t).sin();
            let chirp = studio
                .sine(length, sweep)
                .shape(|t| gate(t, 0.015, length, 0.03));
            song = song.with(phrase + 0.16 * syllable as f32, 1.0, &chirp);
        }
    }
    song.reverb(0.7, 0.15)
}
