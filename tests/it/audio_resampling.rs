//! The resampler against sines computed at the new rate: level, delay, length, images and aliases.

use std::f64::consts::TAU;

use soundseek::audio::Resampler;

const RATES_HZ: [(u32, u32); 10] = [
    (44_100, 48_000),
    (96_000, 48_000),
    (8_000, 48_000),
    (44_100, 32_000),
    (192_000, 32_000),
    (11_025, 32_000),
    (4_000, 48_000),
    (384_000, 48_000),
    // Rates whose exact ratio would need one-second blocks.
    (47_999, 48_000),
    (44_056, 32_000),
];

fn sine(rate_hz: u32, frequency_hz: f64, frames: usize) -> Vec<f32> {
    (0..frames)
        .map(|n| (0.5 * (TAU * frequency_hz * n as f64 / f64::from(rate_hz)).sin()) as f32)
        .collect()
}

fn resampled(from_hz: u32, to_hz: u32, input: &[f32], block: usize) -> Vec<f32> {
    let mut resampler = Resampler::new(from_hz, to_hz).expect("rates in range");
    let mut output = Vec::new();
    for samples in input.chunks(block) {
        resampler.push(samples, &mut output);
    }
    resampler.finish(&mut output);
    output
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-12).log10()
}

/// Steps through the pass-band: what comes out must be the sine itself at the new rate, in level and
/// phase within 0.001 dB (a millionth of full power is what f32 filter sums leave). Everything but
/// that sine, images and aliases included, must be 110 dB below it.
#[test]
fn a_tone_in_the_pass_band_is_the_same_tone_at_the_new_rate() {
    for (from_hz, to_hz) in RATES_HZ {
        let nyquist = f64::from(from_hz.min(to_hz)) / 2.0;
        // Coprime rates need a block of two seconds, and their filter rings as long.
        let block = if from_hz == 47_999 { 96_000.0 } else { 8_192.0 };
        // Five of the resampler's blocks, so that its two ends leave room for a measurement.
        let frames = (5.0 * block * f64::from(from_hz) / (2.0 * nyquist)) as usize;
        for part in [0.011, 0.1, 0.37, 0.63, 0.9, 0.95] {
            let frequency = nyquist * part;
            let output = resampled(from_hz, to_hz, &sine(from_hz, frequency, frames), 4_096);
            let expected = sine(to_hz, frequency, output.len());
            // The filter rings where the tone starts and stops: one block at each end.
            let margin = (block * f64::from(to_hz) / (2.0 * nyquist)) as usize;
            let range = margin..output.len() - margin;
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                range
                    .clone()
                    .map(|n| f64::from(a[n]) * f64::from(b[n]))
                    .sum()
            };
            let gain = dot(&output, &expected) / dot(&expected, &expected);
            assert!(
                db(gain).abs() < 0.001,
                "{from_hz} -> {to_hz} at {part} of Nyquist: gain {gain}"
            );
            let rest: Vec<f32> = output
                .iter()
                .zip(&expected)
                .map(|(a, b)| a - b * gain as f32)
                .collect();
            let level = db((dot(&rest, &rest) / dot(&expected, &expected)).sqrt());
            assert!(
                level < -110.0,
                "{from_hz} -> {to_hz} at {part} of Nyquist: {level:.1} dB"
            );
        }
    }
}

/// Going down, what lies above the new Nyquist frequency must vanish.
#[test]
fn a_tone_beyond_the_new_nyquist_frequency_vanishes() {
    for (from_hz, to_hz) in RATES_HZ.into_iter().filter(|(from, to)| from > to) {
        let (old, new) = (f64::from(from_hz) / 2.0, f64::from(to_hz) / 2.0);
        for part in [0.02, 0.1, 0.3, 0.6, 0.97] {
            let frequency = new + (old - new) * part;
            let output = resampled(
                from_hz,
                to_hz,
                &sine(from_hz, frequency, from_hz as usize * 9 / 4),
                4_096,
            );
            let inner = &output[8_192..output.len() - 8_192];
            let rms = (inner.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>()
                / inner.len() as f64)
                .sqrt();
            let level = db(rms / (0.5 / 2.0_f64.sqrt()));
            assert!(
                level < -110.0,
                "{from_hz} -> {to_hz} at {frequency:.0} Hz: alias {level:.1} dB"
            );
        }
    }
}

#[test]
fn lengths_are_exact_and_blocks_leave_no_trace() {
    for (from_hz, to_hz) in RATES_HZ {
        for frames in [0, 1, 2, 47, 8_191, 30_001] {
            let input = sine(from_hz, 300.0, frames);
            let whole = resampled(from_hz, to_hz, &input, 1 << 20);
            let expected = (frames as u64 * u64::from(to_hz)).div_ceil(u64::from(from_hz));
            assert_eq!(
                whole.len() as u64,
                expected,
                "{from_hz} -> {to_hz}, {frames} frames"
            );
            assert_eq!(
                whole,
                resampled(from_hz, to_hz, &input, 1_013),
                "{from_hz} -> {to_hz}, {frames} frames"
            );
        }
    }
}

#[test]
fn equal_rates_pass_samples_through() {
    let input = sine(48_000, 1_000.0, 10_000);
    assert_eq!(resampled(48_000, 48_000, &input, 777), input);
}

#[test]
fn rates_out_of_range_are_named() {
    for (from_hz, to_hz, bad) in [
        (3_999, 48_000, 3_999),
        (384_001, 48_000, 384_001),
        (48_000, 0, 0),
    ] {
        assert_eq!(
            Resampler::new(from_hz, to_hz)
                .expect_err("out of range")
                .rate_hz,
            bad
        );
    }
}
