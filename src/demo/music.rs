//! Musical instruments: plucked strings by Karplus-Strong, organs by adding sines, electric pianos by
//! frequency modulation, bowed and blown ones by filtered sawtooths and noise.

use std::f32::consts::TAU;

use super::signal::Signal;
use super::synth::{Studio, decay, gate};

/// The frequency of a MIDI note number in equal temperament, A4 (69) at 440 Hz.
fn note(number: f32) -> f32 {
    440.0 * ((number - 69.0) / 12.0).exp2()
}

/// A1, plucked by a finger.
pub(super) fn bass_guitar(studio: &mut Studio) -> Signal {
    let string = studio.pluck(2.0, note(33.0), 1.5, 0.15);
    string
        .lowpass(|_| 3000.0, 0.8)
        .shape(|t| gate(t, 0.002, 2.0, 0.1))
}

/// The open chord of E minor, strummed down once.
pub(super) fn acoustic_guitar(studio: &mut Studio) -> Signal {
    let mut strum = studio.silence(2.5);
    for (string, key) in [40.0, 47.0, 52.0, 55.0, 59.0, 64.0].into_iter().enumerate() {
        strum = strum.with(
            0.06 * string as f32,
            1.0,
            &studio.pluck(2.4, note(key), 0.7, 0.3),
        );
    }
    let body = strum
        .clone()
        .formants(&[(105.0, 0.8, 4.0), (210.0, 0.5, 4.0), (430.0, 0.3, 3.0)]);
    strum.with(0.0, 1.0, &body)
}

/// A C major chord on drawbars 16', 8', 5 1/3', 4', 2' and 1' of a tonewheel organ.
pub(super) fn organ_chord(studio: &mut Studio) -> Signal {
    let drawbars = [
        (0.5, 0.6),
        (1.0, 1.0),
        (1.5, 0.5),
        (2.0, 0.7),
        (4.0, 0.4),
        (8.0, 0.3),
    ];
    let keys = [48.0, 55.0, 60.0, 64.0];
    let pipes = studio.draw(2.5, |t| {
        keys.iter()
            .flat_map(|&key| drawbars.map(|(ratio, level)| (note(key) * ratio, level)))
            .map(|(hz, level)| level * (TAU * hz * t).sin())
            .sum()
    });
    pipes.shape(|t| gate(t, 0.02, 2.5, 0.1))
}

/// The DX7's tine: a body at ratio 1 and a short bright one at ratio 14, here on C major seventh.
pub(super) fn electric_piano(studio: &mut Studio) -> Signal {
    let mut chord = studio.silence(2.5);
    for key in [60.0, 64.0, 67.0, 71.0] {
        let body = studio
            .fm(2.4, note(key), 1.0, |t| 2.0 * decay(t, 0.5))
            .shape(|t| decay(t, 1.2));
        let tine = studio.fm(2.4, note(key), 14.0, |t| 0.5 * decay(t, 0.15));
        chord = chord
            .with(0.0, 1.0, &body)
            .with(0.0, 0.5, &tine.shape(|t| decay(t, 0.2)));
    }
    chord
}

/// Strings of a piano are stiff, so that partial n lies at n·sqrt(1 + B·n²), and a note has several, not quite in tune.
pub(super) fn piano(studio: &mut Studio) -> Signal {
    const INHARMONICITY: f32 = 0.0004;
    let melody = [
        (0.0, 60.0),
        (0.0, 48.0),
        (0.4, 64.0),
        (0.8, 67.0),
        (1.2, 72.0),
        (1.2, 55.0),
    ];
    let mut phrase = studio.silence(3.5);
    for (at, key) in melody {
        let mut modes = Vec::new();
        for n in (1..=14).map(|n| n as f32) {
            let hz = note(key) * n * (1.0 + INHARMONICITY * n * n).sqrt();
            let level = 1.0 / (n * (1.0 + 0.08 * n * n));
            for (detune, part) in [(0.9996, 0.5), (1.0004, 0.5)] {
                modes.push((hz * detune, level * part, 0.9 / n.sqrt()));
            }
        }
        let hammer = studio
            .noise(0.1)
            .lowpass(|_| 1200.0, 0.7)
            .shape(|t| decay(t, 0.012));
        phrase = phrase
            .with(at, 1.0, &studio.strike(2.3, &modes))
            .with(at, 0.25, &hammer);
    }
    phrase.reverb(0.8, 0.15)
}

/// G4 with a strong octave, as a flute has in its low register, and breath.
pub(super) fn flute(studio: &mut Studio) -> Signal {
    let hz = |t: f32| note(67.0) * (1.0 + 0.005 * (t / 0.4).min(1.0) * (TAU * 5.2 * t).sin());
    let octave = studio.sine(2.0, |t| 2.0 * hz(t));
    let twelfth = studio.sine(2.0, |t| 3.0 * hz(t));
    let breath = studio.noise(2.0).bandpass(|_| 2.0 * note(67.0), 1.0);
    let pipe = studio
        .sine(2.0, hz)
        .with(0.0, 0.5, &octave)
        .with(0.0, 0.05, &twelfth);
    pipe.with(0.0, 0.3, &breath)
        .shape(|t| gate(t, 0.06, 2.0, 0.1))
}

/// A bowed A4: a sawtooth with vibrato and the bow's noise through the resonances of a small body.
pub(super) fn violin(studio: &mut Studio) -> Signal {
    let hz = |t: f32| note(69.0) * (1.0 + 0.007 * (t / 0.3).min(1.0) * (TAU * 5.8 * t).sin());
    let bow = studio.noise(2.0).bandpass(|_| 4000.0, 0.6);
    let string = studio.saw(2.0, hz).with(0.0, 0.3, &bow);
    let body = [
        (290.0, 0.5, 3.0),
        (700.0, 0.5, 2.0),
        (1500.0, 0.7, 1.5),
        (3200.0, 1.5, 1.0),
    ];
    string.formants(&body).shape(|t| gate(t, 0.2, 2.0, 0.1))
}

/// Brass opens as it gets louder: the low-pass follows the envelope.
pub(super) fn brass_stab(studio: &mut Studio) -> Signal {
    let swell = |t: f32| gate(t, 0.05, 1.5, 0.1);
    let mut chord = studio.silence(1.6);
    for key in [58.0, 62.0, 65.0, 70.0] {
        let lips = |t: f32| {
            let vibrato = 0.004 * (t / 0.6).min(1.0) * (TAU * 5.2 * t).sin();
            note(key) * (1.0 - 0.02 * decay(t, 0.03) + vibrato)
        };
        let horn = studio
            .saw(1.5, lips)
            .lowpass(|t| 400.0 + 2000.0 * swell(t), 2.0);
        chord = chord.with(0.0, 1.0, &horn.shape(swell));
    }
    chord
}
