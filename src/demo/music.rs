//! Musical instruments: plucked strings by Karplus-Strong, organs by adding sines, electric pianos by
//! frequency modulation, bowed and blown ones by filtered sawtooths and noise.

use std::f32::consts::TAU;

use super::synth::{Mode, Signal, Studio, decay, gate};

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
            0.03 * string as f32,
            1.0,
            &studio.pluck(2.4, note(key), 0.4, 0.9),
        );
    }
    let body = strum
        .clone()
        .formants(&[(105.0, 0.8, 4.0), (210.0, 0.5, 4.0), (430.0, 0.3, 3.0)]);
    strum.with(0.0, 1.5, &body)
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

/// Strings of a piano are stiff, so that partial n lies at n·sqrt(1 + B·n²), and three to a note.
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
                modes.push(Mode {
                    hz: hz * detune,
                    level: level * part,
                    decay: 0.9 / n.sqrt(),
                });
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

pub(super) fn flute(studio: &mut Studio) -> Signal {
    let tune = [
        (0.0, 74.0, 0.7),
        (0.7, 76.0, 0.35),
        (1.05, 78.0, 0.35),
        (1.4, 81.0, 1.4),
    ];
    let mut phrase = studio.silence(3.0);
    for (at, key, length) in tune {
        let vibrato =
            |t: f32| note(key) * (1.0 + 0.006 * (t / 0.4).min(1.0) * (TAU * 5.2 * t).sin());
        let pipe = studio.sine(length, vibrato);
        let octave = studio.sine(length, |t| 2.0 * vibrato(t));
        let twelfth = studio.sine(length, |t| 3.0 * vibrato(t));
        let breath = studio.noise(length).bandpass(|_| 2.0 * note(key), 1.5);
        let blown = pipe
            .with(0.0, 0.35, &octave)
            .with(0.0, 0.12, &twelfth)
            .with(0.0, 0.18, &breath);
        phrase = phrase.with(at, 1.0, &blown.shape(|t| gate(t, 0.06, length, 0.07)));
    }
    phrase.reverb(1.4, 0.25)
}

/// A bowed string: a sawtooth with vibrato through the resonances of a violin's body.
pub(super) fn violin(studio: &mut Studio) -> Signal {
    let tune = [(0.0, 69.0, 0.9), (0.9, 72.0, 0.6), (1.5, 76.0, 1.7)];
    let mut phrase = studio.silence(3.4);
    for (at, key, length) in tune {
        let hz = |t: f32| note(key) * (1.0 + 0.008 * (t / 0.3).min(1.0) * (TAU * 5.8 * t).sin());
        let bow = studio.noise(length).bandpass(|_| 3000.0, 0.8);
        let string = studio.saw(length, hz).with(0.0, 0.08, &bow);
        phrase = phrase.with(at, 1.0, &string.shape(|t| gate(t, 0.09, length, 0.06)));
    }
    let body = [
        (290.0, 0.8, 6.0),
        (470.0, 1.0, 5.0),
        (700.0, 0.6, 4.0),
        (1200.0, 0.6, 2.5),
        (2600.0, 1.0, 1.5),
    ];
    phrase
        .lowpass(|_| 6500.0, 0.7)
        .formants(&body)
        .reverb(1.6, 0.3)
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
