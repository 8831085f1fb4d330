//! The demo's sounds: what every one of them keeps to, and what some of them are by definition,
//! measured with the plain DFT and autocorrelation rather than with the code that made them.

use std::collections::HashSet;
use std::f64::consts::TAU;

use soundseek::demo::{DEMO_QUERIES, DemoError, DemoSound, SAMPLE_RATE_HZ, sounds, write_all};

const RATE: usize = SAMPLE_RATE_HZ as usize;

fn named(name: &str) -> &'static DemoSound {
    sounds()
        .iter()
        .find(|sound| sound.name == name)
        .expect("the sound is in the list")
}

fn rendered(name: &str) -> Vec<f32> {
    named(name).render(SAMPLE_RATE_HZ)
}

/// The samples from one time to another, in seconds.
fn between(samples: &[f32], from: f32, to: f32) -> &[f32] {
    &samples[(from * RATE as f32) as usize..(to * RATE as f32) as usize]
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x).powi(2)).sum()
}

/// The amplitude of a sine at `hz` in `samples`: one bin of the DFT under a Hann window.
fn amplitude(samples: &[f32], hz: f64) -> f64 {
    let n = samples.len() as f64;
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let hann = 0.5 - 0.5 * (TAU * i as f64 / n).cos();
        let phase = TAU * hz * i as f64 / RATE as f64;
        re += hann * f64::from(sample) * phase.cos();
        im += hann * f64::from(sample) * phase.sin();
    }
    // A Hann window halves the mean, and a real sine splits between two bins.
    4.0 * re.hypot(im) / n
}

/// The fundamental between `low` and `high` hertz: the shortest period whose autocorrelation comes
/// within a tenth of the best one's.
fn fundamental(samples: &[f32], low: f32, high: f32) -> f32 {
    let lags = (RATE as f32 / high) as usize..=(RATE as f32 / low) as usize;
    let correlation: Vec<(usize, f64)> = lags
        .map(|lag| {
            let pairs = samples.iter().zip(&samples[lag..]);
            (lag, pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum())
        })
        .collect();
    let best = correlation.iter().map(|&(_, r)| r).fold(f64::MIN, f64::max);
    let first = correlation
        .iter()
        .position(|&(_, r)| r > 0.9 * best)
        .expect("the best is there");
    let crest = correlation[first..]
        .windows(2)
        .find(|pair| pair[1].1 < pair[0].1)
        .map_or(correlation[first].0, |pair| pair[0].0);
    RATE as f32 / crest as f32
}

/// Times in seconds at which the level of a 10 ms frame rises above `threshold` of the loudest
/// frame's, after at least `gap` seconds.
fn onsets(samples: &[f32], threshold: f64, gap: f32) -> Vec<f32> {
    let levels: Vec<f64> = samples
        .chunks(RATE / 100)
        .map(|frame| energy(frame).sqrt())
        .collect();
    let loudest = levels.iter().copied().fold(0.0, f64::max);
    let mut found: Vec<f32> = Vec::new();
    for (frame, &level) in levels.iter().enumerate() {
        let at = frame as f32 / 100.0;
        let rises = frame == 0 || levels[frame - 1] < level;
        if rises && level > threshold * loudest && found.last().is_none_or(|last| at - last > gap) {
            found.push(at);
        }
    }
    found
}

#[test]
fn every_sound_is_audible_unclipped_and_as_long_as_promised() {
    for sound in sounds() {
        let (name, samples) = (sound.name, sound.render(SAMPLE_RATE_HZ));
        assert!(
            samples.iter().all(|x| x.is_finite()),
            "{name} has a sample that is no number"
        );
        let peak = samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        assert!(peak > 0.3 && peak <= 1.0, "{name} peaks at {peak}");
        let seconds = samples.len() as f32 / SAMPLE_RATE_HZ as f32;
        assert!(
            (0.3 - 1e-4..=5.0).contains(&seconds),
            "{name} lasts {seconds} s"
        );
        // Clipping leaves runs of samples at the very peak; a wave that bends there leaves few.
        let flat = samples
            .windows(4)
            .filter(|run| run.iter().all(|x| x.abs() > 0.999 * peak));
        let share = flat.count() as f32 / samples.len() as f32;
        assert!(
            share < 0.01,
            "{name} stays at its peak for {share} of its time"
        );
        assert!(
            samples.last().is_some_and(|x| x.abs() < 0.01),
            "{name} ends in a click"
        );
    }
}

#[test]
fn a_sound_is_the_same_every_time_and_like_no_other() {
    let all: Vec<Vec<f32>> = sounds().iter().map(|sound| sound.render(16_000)).collect();
    for (i, (sound, samples)) in sounds().iter().zip(&all).enumerate() {
        assert_eq!(&sound.render(16_000), samples, "{} changed", sound.name);
        for (other, others) in sounds().iter().zip(&all).skip(i + 1) {
            assert_ne!(samples, others, "{} equals {}", sound.name, other.name);
        }
    }
}

#[test]
fn names_and_descriptions_are_unique() {
    let names: HashSet<_> = sounds().iter().map(|sound| sound.name).collect();
    let descriptions: HashSet<_> = sounds().iter().map(|sound| sound.description).collect();
    assert_eq!(
        (names.len(), descriptions.len()),
        (sounds().len(), sounds().len())
    );
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    assert!(
        sounds()
            .iter()
            .all(|sound| plain(sound.name) && plain(sound.folder))
    );
}

#[test]
fn every_demo_query_describes_one_of_the_sounds() {
    for query in DEMO_QUERIES {
        assert!(
            sounds().iter().any(|sound| sound.description == *query),
            "no sound for {query:?}"
        );
    }
}

#[test]
fn the_sampling_rate_changes_no_duration_and_silly_rates_are_held_in_range() {
    for sound in sounds() {
        let seconds = |rate: u32| sound.render(rate).len() as f32 / rate as f32;
        // Each rate cuts to whole samples, so durations differ by one sample at most.
        assert!(
            (seconds(8_000) - seconds(48_000)).abs() <= 1.5 / 8_000.0,
            "{}",
            sound.name
        );
    }
    let kick = named("kick-drum");
    assert_eq!(kick.render(0), kick.render(8_000));
    assert_eq!(kick.render(u32::MAX), kick.render(192_000));
}

#[test]
fn struck_things_start_at_once_and_die_away() {
    let struck = [
        "kick-drum",
        "snare-drum",
        "closed-hi-hat",
        "open-hi-hat",
        "crash-cymbal",
        "tom-drum",
        "hand-clap",
        "cowbell",
        "gun-shot",
        "explosion",
        "church-bell",
        "bass-guitar",
    ];
    for name in struck {
        let samples = rendered(name);
        let quarter = samples.len() / 4;
        let (first, last) = (&samples[..quarter], &samples[3 * quarter..]);
        let loudest = samples
            .chunks(RATE / 100)
            .map(energy)
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |(frame, _)| frame);
        assert!(
            loudest <= 20,
            "{name} is loudest {loudest} hundredths of a second in"
        );
        assert!(
            energy(last) < 0.1 * energy(first),
            "{name} does not die away"
        );
    }
}

#[test]
fn a_kick_is_lower_than_a_tom_and_a_tom_than_a_hi_hat() {
    let centroid = |name: &str| {
        let samples = rendered(name);
        let start = &samples[..RATE / 5];
        let bins: Vec<(f64, f64)> = (1..400)
            .map(|bin| 40.0 * f64::from(bin))
            .map(|hz| (hz, amplitude(start, hz).powi(2)))
            .collect();
        let power: f64 = bins.iter().map(|(_, power)| power).sum();
        bins.iter().map(|(hz, power)| hz * power).sum::<f64>() / power
    };
    let (kick, tom, hat) = (
        centroid("kick-drum"),
        centroid("tom-drum"),
        centroid("closed-hi-hat"),
    );
    assert!(
        kick < tom && tom < 500.0 && hat > 5_000.0,
        "{kick}, {tom}, {hat} Hz"
    );
}

#[test]
fn the_dial_tone_is_350_and_440_hertz_and_nothing_else() {
    let samples = rendered("dial-tone");
    // One second holds whole cycles of both, so that what is measured elsewhere is not leakage.
    let second = between(&samples, 0.2, 1.2);
    let (low, high) = (amplitude(second, 350.0), amplitude(second, 440.0));
    assert!((low / high - 1.0).abs() < 1e-3, "{low} against {high}");
    assert!(
        (0.4..0.5).contains(&low),
        "two equal tones share a peak of 0.9, not {low} each"
    );
    let rest = energy(second) / RATE as f64 - (low * low + high * high) / 2.0;
    // f32 phases drift by some 1e-5 of a cycle in a second.
    assert!(rest.abs() < 1e-4, "{rest} of power is elsewhere");
}

#[test]
fn the_church_bell_has_the_named_partials() {
    let samples = rendered("church-bell");
    let ring = between(&samples, 0.3, 1.3);
    // The hum, the prime, the tierce, the quint, the nominal.
    let partials = [260.0, 520.0, 624.0, 780.0, 1040.0];
    let weakest = partials
        .iter()
        .map(|&hz| amplitude(ring, hz))
        .fold(f64::MAX, f64::min);
    let gaps = [390.0, 572.0, 702.0, 910.0]
        .iter()
        .map(|&hz| amplitude(ring, hz));
    let strongest_gap = gaps.fold(0.0, f64::max);
    assert!(
        weakest > 10.0 * strongest_gap,
        "{weakest} against {strongest_gap} between them"
    );
}

#[test]
fn the_siren_sweeps_from_550_to_1450_hertz_and_back() {
    let samples = rendered("siren");
    for (at, hz) in [
        (0.6, 1000.0),
        (1.2, 1450.0),
        (1.8, 1000.0),
        (2.4, 550.0),
        (3.6, 1450.0),
    ] {
        let heard = fundamental(between(&samples, at - 0.015, at + 0.015), 450.0, 1700.0);
        // 30 ms of glide move the pitch by 23 Hz, and a lag is a whole sample: 5 % covers both.
        assert!(
            (heard / hz - 1.0).abs() < 0.05,
            "{heard} Hz at {at} s, not {hz} Hz"
        );
    }
}

#[test]
fn the_heart_beats_72_times_a_minute_in_pairs() {
    let beats = onsets(&rendered("heartbeat"), 0.3, 0.2);
    assert_eq!(beats.len(), 12, "{beats:?}");
    for pair in beats.chunks(2) {
        assert!((pair[1] - pair[0] - 0.3).abs() < 0.03, "{beats:?}");
    }
    for (pair, next) in beats.iter().step_by(2).zip(beats.iter().skip(2).step_by(2)) {
        assert!((next - pair - 60.0 / 72.0).abs() < 0.03, "{beats:?}");
    }
}

#[test]
fn the_clock_ticks_twice_a_second() {
    let ticks = onsets(&rendered("clock-ticking"), 0.2, 0.1);
    assert_eq!(ticks.len(), 8, "{ticks:?}");
    assert!(
        ticks
            .windows(2)
            .all(|pair| (pair[1] - pair[0] - 0.5).abs() < 0.015),
        "{ticks:?}"
    );
}

#[test]
fn the_bass_guitar_is_in_tune() {
    let samples = rendered("bass-guitar");
    let heard = fundamental(between(&samples, 0.2, 0.7), 40.0, 80.0);
    // A1 is 55 Hz; six hundredths of a semitone are 0.35 %.
    assert!((heard / 55.0 - 1.0).abs() < 0.0035, "{heard} Hz");
}

#[test]
fn the_files_hold_the_rendered_samples() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let paths = write_all(dir.path()).expect("the folder can be written");
    assert_eq!(paths.len(), sounds().len());
    for (sound, path) in sounds().iter().zip(&paths) {
        assert_eq!(
            path,
            &dir.path()
                .join(sound.folder)
                .join(format!("{}.wav", sound.name))
        );
        let reader = hound::WavReader::open(path).expect("a WAV file");
        let spec = reader.spec();
        assert_eq!(
            (spec.channels, spec.sample_rate, spec.bits_per_sample),
            (1, SAMPLE_RATE_HZ, 16)
        );
        let read: Vec<i16> = reader
            .into_samples()
            .collect::<Result<_, _>>()
            .expect("16-bit samples");
        let made = sound.render(SAMPLE_RATE_HZ);
        assert_eq!(read.len(), made.len());
        // Rounding to 16 bits moves a sample by half a step.
        let error = read
            .iter()
            .zip(&made)
            .map(|(r, m)| (f32::from(*r) / 32_767.0 - m).abs());
        assert!(
            error.fold(0.0, f32::max) <= 0.51 / 32_767.0,
            "{}",
            sound.name
        );
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named_in_the_error() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let occupied = dir.path().join("occupied");
    std::fs::write(&occupied, "a file").expect("the folder can be written");
    let error = write_all(&occupied).expect_err("a file is no folder");
    assert!(matches!(&error, DemoError::Folder { path, .. } if path.starts_with(&occupied)));
    assert!(error.to_string().contains("occupied"), "{error}");
}
