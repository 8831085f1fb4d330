//! Log-mel features against the reference implementation's, and against a direct Fourier sum.

use proptest::prelude::*;
use soundseek::mel::{LogMelExtractor, MelConfig, MelScale, Padding, Scratch};

use crate::golden::Golden;

/// The reference transforms in double precision, this program in single. Where a band of near
/// silence lies beside a full-scale tone, the rounding of the tone is all there is: up to 0.1 dB.
const WORST_DB: f32 = 0.1;

/// Everywhere else the two agree to a few parts in ten thousand of a decibel.
const MEDIAN_DB: f32 = 1e-3;

#[test]
fn features_equal_the_references() {
    let clips = [
        "burst", "tone", "silence", "exact", "corner", "long", "long@mid",
    ];
    for (golden, clips) in [
        (Golden::unfused(), &clips[..]),
        (Golden::fused(), &clips[..6]),
    ] {
        let model = golden.model();
        let (frames, n_mels) = (model.mel_config().frames(), model.mel_config().n_mels);
        assert_eq!((frames, n_mels), (1001, 64));
        let mut compared = 0;
        for clip in clips {
            let features = golden.features(&model, clip);
            let sum: f64 = features.data.iter().map(|&x| f64::from(x)).sum();
            let mean = sum / features.data.len() as f64;
            // The file sums over the four equal channels that fusion models give short clips.
            let channels = if model.mel_config().fusion { 4 } else { 1 };
            let expected = golden.tensors[&format!("features_sum.{clip}")].to_vec1::<f64>();
            let expected = expected.unwrap()[0] / (channels * frames * n_mels) as f64;
            assert!(
                (mean - expected).abs() < f64::from(MEDIAN_DB),
                "{clip}: {mean} {expected}"
            );

            let Some(tensor) = golden.tensors.get(&format!("features.{clip}")) else {
                continue;
            };
            let (_, channels, kept, _) = tensor.dims4().unwrap();
            let every = if kept == frames {
                1
            } else {
                frames.div_ceil(kept)
            };
            let expected = golden.floats(&format!("features.{clip}"));
            let mut differences: Vec<f32> = (0..channels * kept)
                .map(|i| (i / kept) * frames + (i % kept) * every)
                .flat_map(|row| &features.data[row * n_mels..][..n_mels])
                .zip(&expected)
                .map(|(a, b)| (a - b).abs())
                .collect();
            differences.sort_by(f32::total_cmp);
            let worst = differences[differences.len() - 1];
            let median = differences[differences.len() / 2];
            assert!(
                worst <= WORST_DB && median <= MEDIAN_DB,
                "{clip}: {worst} {median}"
            );
            compared += 1;
        }
        assert_eq!(compared, if model.mel_config().fusion { 3 } else { 5 });
    }
}

#[test]
fn silence_and_nothing_are_exactly_100_db_below() {
    let model = Golden::unfused().model();
    let extractor = LogMelExtractor::new(model.mel_config()).unwrap();
    for samples in [&[][..], &[0.0; 7], &[0.0; 480_000]] {
        let features = extractor.extract(samples, &mut Scratch::default());
        assert!(features.data.iter().all(|&x| x == -100.0));
    }
}

#[test]
fn hostile_samples_give_finite_features() {
    let model = Golden::unfused().model();
    let extractor = LogMelExtractor::new(model.mel_config()).unwrap();
    for sample in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE] {
        let features = extractor.extract(&[0.1, sample, -0.1], &mut Scratch::default());
        assert!(features.data.iter().all(|x| x.is_finite()), "{sample}");
    }
}

#[test]
fn scratch_of_a_longer_clip_does_not_leak_into_the_next() {
    let golden = Golden::fused();
    let model = golden.model();
    let extractor = LogMelExtractor::new(model.mel_config()).unwrap();
    let mut scratch = Scratch::default();
    let fresh = extractor.extract(&golden.clip("burst"), &mut Scratch::default());
    extractor.extract(&golden.clip("long"), &mut scratch);
    assert_eq!(
        extractor.extract(&golden.clip("burst"), &mut scratch),
        fresh
    );
}

#[test]
fn impossible_configurations_are_refused_by_field() {
    let good = small(16, 5, 4, 64, MelScale::Htk, Padding::Pad);
    let refused = |change: fn(&mut MelConfig)| {
        let mut config = good.clone();
        change(&mut config);
        LogMelExtractor::new(&config)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(refused(|_| ()), None);
    assert_eq!(
        refused(|c| c.n_fft = 15).as_deref(),
        Some("n_fft is 15, expected an even number")
    );
    assert_eq!(
        refused(|c| c.hop = 0).as_deref(),
        Some("hop is 0, expected 1 to 65536")
    );
    assert_eq!(
        refused(|c| c.max_samples = 8).as_deref(),
        Some("max_samples is 8, expected 9 to 4800000")
    );
    assert_eq!(
        refused(|c| c.f_max_hz = 5000.0).as_deref(),
        Some("f_min_hz..f_max_hz is 100 to 5000 Hz, expected rising, within 0 to 4000 Hz")
    );
    assert!(refused(|c| c.f_min_hz = f64::NAN).is_some());
    assert!(refused(|c| c.n_mels = usize::MAX).is_some());
}

proptest! {
    #[test]
    fn any_small_spectrogram_equals_the_direct_sum(
        samples in prop::collection::vec(-1.0f32..1.0, 1..90),
        half_fft in 8usize..20,
        hop in 1usize..12,
        n_mels in 1usize..5,
        max_samples in 24usize..90,
        slaney: bool,
        padding in prop_oneof![Just(Padding::RepeatPad), Just(Padding::Repeat), Just(Padding::Pad)],
    ) {
        let scale = if slaney { MelScale::Slaney } else { MelScale::Htk };
        let config = small(2 * half_fft, hop, n_mels, max_samples, scale, padding);
        let extractor = LogMelExtractor::new(&config).unwrap();
        let features = extractor.extract(&samples, &mut Scratch::default());
        let expected = direct(&config, &samples);
        prop_assert_eq!(features.data.len(), expected.len());
        for (found, expected) in features.data.iter().zip(expected) {
            // Rounding of the transform relative to the strongest bin, about 1e-7 of amplitude,
            // matters only for bands that far below it; compare amplitudes, not decibels, there.
            let amplitude = |db: f64| 10f64.powf(db / 20.0);
            let error = (amplitude(f64::from(*found)) - amplitude(expected)).abs();
            prop_assert!(error < 1e-5, "{} against {}", found, expected);
        }
    }
}

fn small(
    n_fft: usize,
    hop: usize,
    n_mels: usize,
    max_samples: usize,
    scale: MelScale,
    padding: Padding,
) -> MelConfig {
    MelConfig {
        sample_rate_hz: 8000,
        n_fft,
        hop,
        n_mels,
        f_min_hz: 100.0,
        f_max_hz: 3900.0,
        max_samples,
        scale,
        padding,
        fusion: false,
    }
}

/// The definition, term by term, in double precision: pad, reflect, window, Fourier sum, triangles.
fn direct(config: &MelConfig, samples: &[f32]) -> Vec<f64> {
    let (length, n_fft) = (config.max_samples, config.n_fft);
    let given = &samples[..samples.len().min(length)];
    let whole_repeats = length / given.len() * given.len();
    let padded = |n: usize| {
        let filled = match config.padding {
            Padding::RepeatPad => whole_repeats,
            Padding::Repeat => length,
            Padding::Pad => given.len(),
        };
        if n < filled {
            f64::from(given[n % given.len()])
        } else {
            0.0
        }
    };
    let reflected = |n: isize| {
        let last = length as isize - 1;
        padded(if n < 0 {
            -n
        } else if n > last {
            2 * last - n
        } else {
            n
        } as usize)
    };
    let mel = |hz: f64| match config.scale {
        MelScale::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
        MelScale::Slaney if hz < 1000.0 => hz * 0.015,
        MelScale::Slaney => 15.0 + 27.0 * (hz / 1000.0).ln() / 6.4f64.ln(),
    };
    // The inverse by bisection, so that it shares no formula with the program's.
    let hz = |wanted: f64| {
        let (mut low, mut high) = (0.0, 8000.0);
        for _ in 0..80 {
            let middle = (low + high) / 2.0;
            if mel(middle) < wanted {
                low = middle
            } else {
                high = middle
            }
        }
        low
    };
    let (first, last) = (mel(config.f_min_hz), mel(config.f_max_hz));
    let edge = |i: usize| hz(first + (last - first) * i as f64 / (config.n_mels + 1) as f64);
    let edges: Vec<f64> = (0..config.n_mels + 2).map(edge).collect();
    let mut out = Vec::new();
    for frame in 0..=length / config.hop {
        let start = (frame * config.hop) as isize - (n_fft / 2) as isize;
        let power: Vec<f64> = (0..=n_fft / 2)
            .map(|bin| {
                let (mut re, mut im) = (0.0, 0.0);
                for n in 0..n_fft {
                    let turn = std::f64::consts::TAU * n as f64 / n_fft as f64;
                    let x = reflected(start + n as isize) * (0.5 - 0.5 * turn.cos());
                    re += x * (turn * bin as f64).cos();
                    im -= x * (turn * bin as f64).sin();
                }
                re * re + im * im
            })
            .collect();
        for e in edges.windows(3) {
            let norm = if config.scale == MelScale::Slaney {
                2.0 / (e[2] - e[0])
            } else {
                1.0
            };
            let band: f64 = power
                .iter()
                .enumerate()
                .map(|(bin, p)| {
                    let f = bin as f64 * 8000.0 / n_fft as f64;
                    let rise = (f - e[0]) / (e[1] - e[0]);
                    let fall = (e[2] - f) / (e[2] - e[1]);
                    p * norm * rise.min(fall).max(0.0)
                })
                .sum();
            out.push(10.0 * band.max(1e-10).log10());
        }
    }
    out
}
