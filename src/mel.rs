//! Log-mel spectrograms, as CLAP's reference feature extractor computes them.
//!
//! This is the only signal processing between samples and the audio encoder, and its numbers are
//! part of the model: another mel scale moves the features by 20 dB. It stands apart because it
//! can be checked alone, against stored reference features and a direct Fourier sum, where an
//! embedding would hide the mistake. It knows no tensor, and nothing but its own files names `realfft`.
//!
//! Source of every rule: `ClapFeatureExtractor` and `audio_utils.py` in Hugging Face transformers
//! 4.57.6,
//! <https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/clap/feature_extraction_clap.py>.

mod bands;

use std::sync::Arc;

use bands::Bands;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Power below this is raised to it before the logarithm, so that silence is exactly -100 dB
/// (`mel_floor` of the reference's `spectrogram`).
const MEL_FLOOR: f32 = 1e-10;

/// The mel scale and the height of its triangles; each CLAP family was trained with one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MelScale {
    /// Slaney's scale, linear below 1 kHz, each triangle divided by half its width in hertz
    /// (`norm="slaney"`). Checkpoints with `truncation: rand_trunc`.
    Slaney,
    /// The HTK scale `2595 log10(1 + f / 700)`, triangles of height 1. Checkpoints with
    /// `truncation: fusion`.
    Htk,
}

/// How a clip shorter than the model's length is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// As many whole repeats as fit, then zeros.
    RepeatPad,
    /// Repeats without a gap, the last one cut.
    Repeat,
    /// Zeros only.
    Pad,
}

/// Everything that decides a feature's value; read from `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct MelConfig {
    /// Sampling rate the samples must have, in hertz.
    pub sample_rate_hz: u32,
    /// Length of the Fourier transform and of its Hann window, in samples; even.
    pub n_fft: usize,
    /// Distance between two frames, in samples.
    pub hop: usize,
    /// Number of mel bands.
    pub n_mels: usize,
    /// Lower edge of the first band, in hertz.
    pub f_min_hz: f64,
    /// Upper edge of the last band, in hertz.
    pub f_max_hz: f64,
    /// Length of the clip that the model sees, in samples; shorter clips are padded to it.
    pub max_samples: usize,
    /// Mel scale and normalisation.
    pub scale: MelScale,
    /// Padding rule for shorter clips.
    pub padding: Padding,
    /// Whether clips longer than `max_samples` are given whole, as one shrunk spectrogram and three
    /// crops ("feature fusion", Wu et al. 2023), instead of being cut.
    pub fusion: bool,
}

/// A [`MelConfig`] that cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}, expected {expected}")]
pub struct MelConfigError {
    /// The field of [`MelConfig`].
    pub field: &'static str,
    /// What would be accepted.
    pub expected: String,
    /// What the configuration says.
    pub found: String,
}

impl MelConfig {
    /// Frames of a spectrogram of `max_samples` samples, for example 1001 for 10 s at 48 kHz.
    pub fn frames(&self) -> usize {
        self.frames_of(self.max_samples)
    }

    /// Length of the clip that the model sees, in seconds.
    pub fn max_length_s(&self) -> f64 {
        self.max_samples as f64 / f64::from(self.sample_rate_hz)
    }

    /// Number of power bins of one frame.
    pub fn n_bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    fn frames_of(&self, samples: usize) -> usize {
        samples / self.hop + 1
    }

    /// Checks that every value is one that can be computed, within generous bounds that keep a
    /// damaged file from asking for gigabytes.
    ///
    /// # Errors
    /// [`MelConfigError`] for the first value out of bounds.
    pub fn validate(&self) -> Result<(), MelConfigError> {
        let rate = self.sample_rate_hz;
        let nyquist = f64::from(rate) / 2.0;
        let bounded = |field, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(MelConfigError {
                field,
                expected: format!("{low} to {high}"),
                found: value.to_string(),
            })
        };
        bounded("sample_rate_hz", rate as usize, 1_000, 768_000)?;
        bounded("n_fft", self.n_fft, 4, 1 << 16)?;
        if !self.n_fft.is_multiple_of(2) {
            return Err(MelConfigError {
                field: "n_fft",
                expected: "an even number".into(),
                found: self.n_fft.to_string(),
            });
        }
        bounded("hop", self.hop, 1, 1 << 16)?;
        bounded("n_mels", self.n_mels, 1, 1024)?;
        // The reflection at the ends needs half a window of samples beside the first one.
        bounded(
            "max_samples",
            self.max_samples,
            self.n_fft / 2 + 1,
            rate as usize * 600,
        )?;
        bounded("frames", self.frames(), 2, 1 << 16)?;
        if !(0.0 <= self.f_min_hz && self.f_min_hz < self.f_max_hz && self.f_max_hz <= nyquist) {
            return Err(MelConfigError {
                field: "f_min_hz..f_max_hz",
                expected: format!("rising, within 0 to {nyquist} Hz"),
                found: format!("{} to {} Hz", self.f_min_hz, self.f_max_hz),
            });
        }
        Ok(())
    }
}

/// The log-mel spectrogram of one clip.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMel {
    /// Number of frames; [`MelConfig::frames`] for every clip.
    pub frames: usize,
    /// Number of mel bands.
    pub n_mels: usize,
    /// 1, or 4 for a clip longer than a fusion model's length: the whole clip shrunk, then a crop
    /// from its front, its middle and its back.
    pub channels: usize,
    /// Decibels, (channel, frame, mel) with the mel band moving fastest; at least -100.
    pub data: Vec<f32>,
}

impl LogMel {
    /// Whether the clip was longer than the model's length, so that the audio encoder fuses the
    /// three crops into the whole. The reference marks one random short clip of a batch as longer;
    /// the models were not trained so, and here it never happens.
    pub fn is_longer(&self) -> bool {
        self.channels > 1
    }
}

/// Working memory of [`LogMelExtractor::extract`]: one per thread, kept between clips.
#[derive(Default)]
pub struct Scratch {
    clip: Vec<f32>,
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    fft: Vec<Complex<f64>>,
    powers: Vec<f32>,
}

/// Computes log-mel spectrograms; built once, shared by threads.
///
/// The transform is in double precision, as the reference's: in single precision its rounding moves
/// the near-silent bands beside a pure tone by more than 1 dB.
pub struct LogMelExtractor {
    config: MelConfig,
    fft: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    bands: Bands,
}

impl LogMelExtractor {
    /// Plans the transform and builds the mel bank.
    ///
    /// # Errors
    /// [`MelConfigError`] if `config` cannot be computed.
    pub fn new(config: &MelConfig) -> Result<LogMelExtractor, MelConfigError> {
        config.validate()?;
        // The periodic Hann window: its period is n_fft, not n_fft - 1.
        let window = (0..config.n_fft)
            .map(|n| {
                let turn = std::f64::consts::TAU * n as f64 / config.n_fft as f64;
                0.5 - 0.5 * turn.cos()
            })
            .collect();
        Ok(LogMelExtractor {
            config: config.clone(),
            fft: RealFftPlanner::new().plan_fft_forward(config.n_fft),
            window,
            bands: Bands::new(&mel_bank(config), config.n_bins()),
        })
    }

    /// What this extractor computes.
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// The features of one mono clip at [`MelConfig::sample_rate_hz`], nominally within -1 to 1.
    ///
    /// A shorter clip is padded by the checkpoint's rule; an empty one is silence. A clip longer
    /// than `max_samples` is cut to its beginning (pass a slice to choose another part) or, by a
    /// fusion model, given whole; the reference crops at random, here the crops are the middle of
    /// each third, so that the same clip always has the same features.
    pub fn extract(&self, samples: &[f32], scratch: &mut Scratch) -> LogMel {
        let config = &self.config;
        let (frames, n_mels) = (config.frames(), config.n_mels);
        let mut data = Vec::with_capacity(frames * n_mels);
        if samples.len() <= config.max_samples || !config.fusion {
            self.fit(&samples[..samples.len().min(config.max_samples)], scratch);
            self.spectrogram(scratch, &mut data);
        } else {
            scratch.clip.clear();
            scratch.clip.resize(config.n_fft / 2, 0.0);
            scratch.clip.extend_from_slice(samples);
            self.spectrogram(scratch, &mut data);
            if data.len() > frames * n_mels {
                data = fuse(&data, frames, n_mels);
            }
        }
        LogMel {
            frames,
            n_mels,
            channels: data.len() / (frames * n_mels),
            data,
        }
    }

    /// Puts the clip, padded to `max_samples`, behind room for the reflection.
    fn fit(&self, samples: &[f32], scratch: &mut Scratch) {
        let (clip, length) = (&mut scratch.clip, self.config.max_samples);
        let front = self.config.n_fft / 2;
        clip.clear();
        clip.resize(front, 0.0);
        if !samples.is_empty() {
            let whole = length / samples.len();
            let repeats = match self.config.padding {
                Padding::RepeatPad => whole,
                Padding::Repeat => whole + 1,
                Padding::Pad => 1,
            };
            for _ in 0..repeats {
                clip.extend_from_slice(samples);
            }
        }
        clip.resize(front + length, 0.0);
    }

    /// The log-mel frames of `scratch.clip`, whose first half window is still to be filled.
    fn spectrogram(&self, scratch: &mut Scratch, out: &mut Vec<f32>) {
        let (n_fft, hop) = (self.config.n_fft, self.config.hop);
        let half = n_fft / 2;
        let Scratch {
            clip,
            frame,
            spectrum,
            fft,
            powers,
        } = scratch;
        let length = clip.len() - half;
        // Reflection about the first and the last sample, neither of them repeated.
        for i in 0..half {
            clip[half - 1 - i] = clip[half + 1 + i];
        }
        for i in 0..half {
            clip.push(clip[half + length - 2 - i]);
        }
        frame.resize(n_fft, 0.0);
        spectrum.resize(half + 1, Complex::default());
        fft.resize(self.fft.get_scratch_len(), Complex::default());
        powers.resize(self.bands.powers_len(), 0.0);
        for start in (0..self.config.frames_of(length)).map(|t| t * hop) {
            self.bands
                .window(&clip[start..start + n_fft], &self.window, frame);
            self.fft
                .process_with_scratch(frame, spectrum, fft)
                .expect("the buffers have the planned lengths");
            self.bands.powers(spectrum, powers);
            self.bands.decibels(powers, out);
        }
    }
}

/// The dense mel bank in double precision, `n_mels` filters of `n_bins` weights.
fn mel_bank(config: &MelConfig) -> Vec<Vec<f64>> {
    let (low, high) = (
        config.scale.mel_of_hz(config.f_min_hz),
        config.scale.mel_of_hz(config.f_max_hz),
    );
    let step = (high - low) / (config.n_mels + 1) as f64;
    let edges: Vec<f64> = (0..config.n_mels + 2)
        .map(|i| config.scale.hz_of_mel(low + step * i as f64))
        .collect();
    // The reference spaces its bins over `sampling_rate // 2`, an integer.
    let bin_hz = f64::from(config.sample_rate_hz / 2) / (config.n_bins() - 1) as f64;
    edges
        .windows(3)
        .map(|edge| {
            let (left, centre, right) = (edge[0], edge[1], edge[2]);
            let height = match config.scale {
                MelScale::Slaney => 2.0 / (right - left),
                MelScale::Htk => 1.0,
            };
            (0..config.n_bins())
                .map(|bin| bin as f64 * bin_hz)
                .map(|f| ((f - left) / (centre - left)).min((right - f) / (right - centre)))
                .map(|weight| weight.max(0.0) * height)
                .collect()
        })
        .collect()
}

impl MelScale {
    /// Slaney's logarithmic part starts at 1 kHz = 15 mel and grows by 6.4 in 27 mel.
    fn mel_of_hz(self, hz: f64) -> f64 {
        match self {
            MelScale::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            MelScale::Slaney if hz < 1000.0 => 3.0 * hz / 200.0,
            MelScale::Slaney => 15.0 + (hz / 1000.0).ln() * 27.0 / 6.4f64.ln(),
        }
    }

    fn hz_of_mel(self, mel: f64) -> f64 {
        match self {
            MelScale::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
            MelScale::Slaney if mel < 15.0 => 200.0 * mel / 3.0,
            MelScale::Slaney => 1000.0 * (6.4f64.ln() / 27.0 * (mel - 15.0)).exp(),
        }
    }
}

/// The four channels of a fusion model, from the spectrogram of a whole clip with more than
/// `frames` frames: the whole shrunk along time, and the middle crop of each third.
fn fuse(whole: &[f32], frames: usize, n_mels: usize) -> Vec<f32> {
    let total = whole.len() / n_mels;
    let mut data = Vec::with_capacity(4 * frames * n_mels);
    // Bilinear, align_corners = false, without antialiasing, positions in single precision as in
    // torch.nn.functional.interpolate.
    let scale = total as f32 / frames as f32;
    for t in 0..frames {
        let position = (scale * (t as f32 + 0.5) - 0.5).max(0.0);
        let before = (position as usize).min(total - 1);
        let after = (before + 1).min(total - 1);
        let share = position - before as f32;
        let (a, b) = (
            &whole[before * n_mels..][..n_mels],
            &whole[after * n_mels..][..n_mels],
        );
        data.extend(a.iter().zip(b).map(|(a, b)| (1.0 - share) * a + share * b));
    }
    for start in crop_starts(total - frames + 1) {
        data.extend_from_slice(&whole[start * n_mels..][..frames * n_mels]);
    }
    data
}

/// The middle of each third of `0..positions`, split as numpy's `array_split` does: the first parts
/// take the remainder, and an empty part stands for position 0.
fn crop_starts(positions: usize) -> [usize; 3] {
    let mut start = 0;
    [0, 1, 2].map(|part| {
        let length = positions / 3 + usize::from(part < positions % 3);
        let first = start;
        start += length;
        if length == 0 {
            0
        } else {
            first + (length - 1) / 2
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_start_in_the_middle_of_each_third() {
        assert_eq!(crop_starts(230), [38, 115, 191]);
        assert_eq!(crop_starts(2), [0, 1, 0]);
        assert_eq!(crop_starts(4), [0, 2, 3]);
    }

    /// The reference's own banks, summed up: for each filter the first and last bin above zero, the
    /// sum and the maximum of its weights.
    #[test]
    fn mel_banks_equal_the_references() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/clap-tiny-unfused/golden.safetensors"
        );
        let bytes = std::fs::read(file).expect("the reference data is there");
        let golden = safetensors::SafeTensors::deserialize(&bytes).expect("it is whole");
        let column = |name: String| -> Vec<[u8; 8]> {
            let tensor = golden.tensor(&name).expect("it has all banks");
            let values = tensor.data().chunks_exact(8);
            values
                .map(|value| value.try_into().expect("chunks of 8"))
                .collect()
        };
        for (name, scale) in [("htk", MelScale::Htk), ("slaney", MelScale::Slaney)] {
            let bank = mel_bank(&MelConfig {
                sample_rate_hz: 48_000,
                n_fft: 1024,
                hop: 480,
                n_mels: 64,
                f_min_hz: 50.0,
                f_max_hz: 14_000.0,
                max_samples: 480_000,
                scale,
                padding: Padding::RepeatPad,
                fusion: false,
            });
            let column = |what| column(format!("mel.{name}.{what}"));
            let (first, last) = (column("first_bin"), column("last_bin"));
            let (sum, max) = (column("sum"), column("max"));
            assert_eq!(bank.len(), first.len());
            for (i, filter) in bank.iter().enumerate() {
                let above = |w: &f64| *w > 0.0;
                let bins = (
                    filter.iter().position(above),
                    filter.iter().rposition(above),
                );
                let golden_bin = |bytes| Some(i64::from_le_bytes(bytes) as usize);
                assert_eq!(
                    bins,
                    (golden_bin(first[i]), golden_bin(last[i])),
                    "{name} {i}"
                );
                // Both in double precision, by formulas that round differently.
                let close = |a: f64, b: [u8; 8]| (a / f64::from_le_bytes(b) - 1.0).abs() < 1e-9;
                assert!(close(filter.iter().sum(), sum[i]), "{name} {i}");
                assert!(
                    close(filter.iter().fold(0.0, |a: f64, &b| a.max(b)), max[i]),
                    "{name} {i}"
                );
            }
        }
    }
}
