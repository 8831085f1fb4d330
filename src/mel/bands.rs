//! The inner loops between samples and decibels: window, power, mel bands, logarithm.
//!
//! It stands apart because these loops are most of a spectrogram's cost besides the Fourier
//! transform, and are written for vectors: plain loops over fixed lanes, compiled twice, for AVX2 and
//! for whatever the target has, and chosen at run time. Both give the same numbers, as neither
//! reorders a sum nor fuses a product into it.

use std::ops::Range;

use realfft::num_complex::Complex;

use super::MEL_FLOOR;

/// Partial sums of a band: two AVX registers' worth keeps the additions from waiting for each other.
const LANES: usize = 8;

/// Powers are cut here, so that no sum of them overflows. Full scale is below 1e6.
const MAX_POWER: f64 = 1e35;

/// The mel bank, each filter as its weights above zero, padded to whole [`LANES`].
pub(super) struct Bands {
    /// Where each filter's first weight meets the powers, and where its weights are.
    filters: Vec<(usize, Range<usize>)>,
    weights: Vec<f32>,
    n_bins: usize,
}

impl Bands {
    /// From filters of one weight for each power bin.
    pub(super) fn new(bank: &[Vec<f64>], n_bins: usize) -> Bands {
        let mut weights = Vec::new();
        let filters = bank.iter().map(|filter| {
            let above = |w: &f64| *w > 0.0;
            let first = filter.iter().position(above).unwrap_or(0);
            let end = filter
                .iter()
                .rposition(above)
                .map_or(first, |last| last + 1);
            let start = weights.len();
            weights.extend(filter[first..end].iter().map(|&w| w as f32));
            weights.resize(start + (end - first).next_multiple_of(LANES), 0.0);
            (first, start..weights.len())
        });
        Bands {
            filters: filters.collect(),
            weights,
            n_bins,
        }
    }

    /// The length of a buffer of powers: the last filter's padding may reach beyond the last bin.
    pub(super) fn powers_len(&self) -> usize {
        self.n_bins + LANES
    }

    /// A frame of samples times the window.
    #[inline(always)]
    fn window_lanes(&self, samples: &[f32], window: &[f64], frame: &mut [f64]) {
        for ((x, &sample), &w) in frame.iter_mut().zip(samples).zip(window) {
            *x = f64::from(sample) * w;
        }
    }

    /// The power of each bin of a frame's spectrum.
    #[inline(always)]
    fn powers_lanes(&self, spectrum: &[Complex<f64>], powers: &mut [f32]) {
        for (power, bin) in powers.iter_mut().zip(spectrum) {
            let exact = bin.re * bin.re + bin.im * bin.im;
            // A NaN stays one here, and becomes silence with the logarithm.
            *power = if exact > MAX_POWER { MAX_POWER } else { exact } as f32;
        }
    }

    /// Appends the decibels of each band.
    #[inline(always)]
    fn decibels_lanes(&self, powers: &[f32], out: &mut Vec<f32>) {
        let start = out.len();
        for (first, weights) in &self.filters {
            let (weights, _) = self.weights[weights.clone()].as_chunks::<LANES>();
            let (powers, _) = powers[*first..].as_chunks::<LANES>();
            let mut sums = [0.0f32; LANES];
            for (weights, powers) in weights.iter().zip(powers) {
                for lane in 0..LANES {
                    sums[lane] += weights[lane] * powers[lane];
                }
            }
            // In halves, so that no addition waits for more than two others.
            let four: [f32; 4] = std::array::from_fn(|i| sums[i] + sums[i + 4]);
            out.push((four[0] + four[2]) + (four[1] + four[3]));
        }
        for band in &mut out[start..] {
            *band = decibels(*band);
        }
    }
}

/// 10 log10 of a power, at least -100: within 1e-5 dB, and 2e-7 of the value.
///
/// The polynomial is that of `logf` in Moshier's Cephes library (single/logf.c, error 7e-8 on the
/// octave about 1); it has no branch, so that it runs in vectors.
#[inline(always)]
fn decibels(power: f32) -> f32 {
    const DB_PER_OCTAVE: f32 = 3.010_3;
    const DB_PER_NEPER: f32 = 4.342_944_8;
    // `max` also turns a NaN into silence, which `clamp` would keep.
    let bits = power.max(MEL_FLOOR).to_bits();
    // The octave that begins half an octave below a power of two, so that its mantissa is about 1.
    let octave = bits.wrapping_sub(std::f32::consts::FRAC_1_SQRT_2.to_bits()) as i32 >> 23;
    let x = f32::from_bits(bits.wrapping_sub((octave << 23) as u32)) - 1.0;
    let mut y = 7.037_683_6e-2f32;
    for coefficient in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        y = y * x + coefficient;
    }
    let logarithm = x * x * (y * x - 0.5) + x;
    octave as f32 * DB_PER_OCTAVE + logarithm * DB_PER_NEPER
}

/// A loop of [`Bands`] under its public name, dispatched to the widest instructions there are.
macro_rules! dispatched {
    ($name:ident, $avx2:ident, $lanes:ident, ($($argument:ident: $type:ty),*)) => {
        impl Bands {
            pub(super) fn $name(&self, $($argument: $type),*) {
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    #[expect(unsafe_code, reason = "the processor has the feature")]
                    // SAFETY: AVX2 was detected, and nothing else is asked for.
                    return unsafe { self.$avx2($($argument),*) };
                }
                self.$lanes($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn $avx2(&self, $($argument: $type),*) {
                self.$lanes($($argument),*);
            }
        }
    };
}

dispatched!(window, window_avx2, window_lanes, (
    samples: &[f32],
    window: &[f64],
    frame: &mut [f64]
));
dispatched!(powers, powers_avx2, powers_lanes, (
    spectrum: &[Complex<f64>],
    powers: &mut [f32]
));
dispatched!(decibels, decibels_avx2, decibels_lanes, (powers: &[f32], out: &mut Vec<f32>));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_are_those_of_the_logarithm() {
        // Every 997th of the floats from the floor to full scale of the largest transform.
        for bits in (MEL_FLOOR.to_bits()..1e35f32.to_bits()).step_by(997) {
            let power = f32::from_bits(bits);
            let expected = 10.0 * f64::from(power).log10();
            let error = (f64::from(decibels(power)) - expected).abs();
            assert!(error <= 1e-5 + 2e-7 * expected.abs(), "{power}: {error}");
        }
    }

    #[test]
    fn what_is_no_power_is_silence() {
        for power in [0.0, -1.0, f32::NAN, f32::NEG_INFINITY, 1e-10] {
            assert_eq!(decibels(power), -100.0, "{power}");
        }
    }

    #[test]
    fn a_bin_that_is_no_number_is_silence() {
        let bands = Bands::new(&[vec![1.0]], 1);
        let mut powers = vec![0.0; bands.powers_len()];
        let mut out = Vec::new();
        bands.powers(&[Complex::new(f64::NAN, 0.0)], &mut powers);
        bands.decibels(&powers, &mut out);
        assert_eq!(out, [-100.0]);
    }

    #[test]
    fn both_compilations_give_the_same_numbers() {
        let bank = vec![
            vec![0.0, 0.5, 1.0, 0.25, 0.0],
            vec![0.0, 0.0, 0.1, 0.9, 0.7],
        ];
        let bands = Bands::new(&bank, 5);
        let samples: Vec<f32> = (0..8).map(|i| ((i * 3) as f32).sin()).collect();
        let window: Vec<f64> = (0..8).map(|i| 1.0 / f64::from(i + 1)).collect();
        let run = |wide: bool| {
            let mut frame = vec![0.0; 8];
            let mut powers = vec![0.0; bands.powers_len()];
            let mut out = Vec::new();
            // Any five bins serve: here pairs of the frame's own numbers.
            let pairs = |frame: &[f64]| -> Vec<Complex<f64>> {
                let pair = |i: usize| Complex::new(frame[i], frame[i + 3]);
                (0..5).map(pair).collect()
            };
            if wide {
                bands.window(&samples, &window, &mut frame);
                bands.powers(&pairs(&frame), &mut powers);
                bands.decibels(&powers, &mut out);
            } else {
                bands.window_lanes(&samples, &window, &mut frame);
                bands.powers_lanes(&pairs(&frame), &mut powers);
                bands.decibels_lanes(&powers, &mut out);
            }
            out
        };
        assert_eq!(run(true), run(false));
        assert_eq!(run(true).len(), 2);
    }
}
