//! Log-mel features against the reference implementation's, and against a direct Fourier sum.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::prelude::*;
use soundseek::mel::{LogMelExtractor, MelConfig, MelScale, Padding, Scratch};

use crate::golden::Golden;

/// Both transform in double precision; the reference then rounds the spectrum to single, this
/// program the power. In decibels that is a few parts in a million, more only near the floor.
const WORST_DB: f32 = 1e-3;

/// The mean over a whole spectrogram, where rounding averages out.
const MEAN_DB: f64 = 1e-5;

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
            let mean = features.data.iter().map(|&x| f64::from(x)).sum::<f64>();
            let mean = mean / features.data.len() as f64;
            // The file sums over the four equal channels that fusion models give short clips.
            let channels = if model.mel_config().fusion { 4 } else { 1 };
            let expected = golden.tensors[&format!("features_sum.{clip}")].to_vec1::<f64>();
            let expected = expected.unwrap()[0] / (channels * frames * n_mels) as f64;
            assert!(
                (mean - expected).abs() < MEAN_DB,
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
            let worst = (0..channels * kept)
                .map(|i| (i / kept) * frames + (i % kept) * every)
                .flat_map(|row| &features.data[row * n_mels..][..n_mels])
                .zip(&expected)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert_eq!(expected.len(), channels * kept * n_mels);
            assert!(worst <= WORST_DB, "{clip}: {worst}");
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
            // The program rounds powers and bank to 32 bits: 1e-6 of a value, 1e-5 dB.
            prop_assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} {expected}");
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

/// The definition, term by term, in double precision, with a Fourier sum over every sample.
fn direct(config: &MelConfig, samples: &[f32]) -> Vec<f64> {
    let power = |frame: &[f64]| -> Vec<f64> {
        (0..config.n_bins())
            .map(|bin| {
                let (mut re, mut im) = (0.0, 0.0);
                for (n, x) in frame.iter().enumerate() {
                    let turn = std::f64::consts::TAU * (n * bin) as f64 / frame.len() as f64;
                    re += x * turn.cos();
                    im -= x * turn.sin();
                }
                re * re + im * im
            })
            .collect()
    };
    log_mel(config, &padded(config, samples, config.max_samples), power)
}

/// The clip filled up to `length` by the configuration's rule.
fn padded(config: &MelConfig, samples: &[f32], length: usize) -> Vec<f64> {
    let given = &samples[..samples.len().min(length)];
    let filled = match config.padding {
        Padding::RepeatPad => length / given.len() * given.len(),
        Padding::Repeat => length,
        Padding::Pad => given.len(),
    };
    let sample = |n: usize| {
        if n < filled {
            f64::from(given[n % given.len()])
        } else {
            0.0
        }
    };
    (0..length).map(sample).collect()
}

/// Reflect, window, `power`, triangles, decibels.
fn log_mel(config: &MelConfig, clip: &[f64], power: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let n_fft = config.n_fft;
    let last = clip.len() as isize - 1;
    let reflected = |n: isize| {
        clip[(if n < 0 {
            -n
        } else if n > last {
            2 * last - n
        } else {
            n
        }) as usize]
    };
    let nyquist = f64::from(config.sample_rate_hz) / 2.0;
    let mel = |hz: f64| match config.scale {
        MelScale::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
        MelScale::Slaney if hz < 1000.0 => hz * 0.015,
        MelScale::Slaney => 15.0 + 27.0 * (hz / 1000.0).ln() / 6.4f64.ln(),
    };
    // The inverse by bisection, so that it shares no formula with the program's.
    let hz = |wanted: f64| {
        let (mut low, mut high) = (0.0, 2.0 * nyquist);
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
    let (first, last_mel) = (mel(config.f_min_hz), mel(config.f_max_hz));
    let step = (last_mel - first) / (config.n_mels + 1) as f64;
    let edges: Vec<f64> = (0..config.n_mels + 2)
        .map(|i| hz(first + step * i as f64))
        .collect();
    let window = |n: usize| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / n_fft as f64).cos();
    let mut out = Vec::new();
    for frame in 0..=clip.len() / config.hop {
        let start = (frame * config.hop) as isize - (n_fft / 2) as isize;
        let windowed: Vec<f64> = (0..n_fft)
            .map(|n| reflected(start + n as isize) * window(n))
            .collect();
        let power = power(&windowed);
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
                    let f = nyquist * bin as f64 / (n_fft / 2) as f64;
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
