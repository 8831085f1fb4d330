//! What smaller numbers save on this machine, and how well they agree with 32-bit floats.
//!
//! The same sounds and texts go through a model in each precision; vectors are compared by cosine, and
//! rankings of the sounds for each text by their first ten. `soundseek model bench` prints it, and
//! `--precision auto` takes the fastest whose agreement holds ([`fastest`]). It stands apart from the
//! model because the sounds have to come from somewhere: the demo's, or a person's own files.

mod choice;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

pub use choice::{Choice, choice, fastest, remember, remembered};

use crate::demo;
use crate::mel::{LogMel, LogMelExtractor, Scratch};
use crate::model::{Checkpoint, ClapModel, Device, LoadOptions, Precision};

/// How many sounds, and how many texts, a speed is measured with in each round at most.
const MOST_TIMED: usize = 8;

/// How many rounds; the least time counts, since other programs can only add to it.
const ROUNDS: usize = 3;

/// How many results two rankings are compared by.
const FIRST: usize = 10;

/// Sounds and texts that are compared.
pub struct Probe {
    /// Spectrograms of segments, made for the model.
    pub sounds: Vec<LogMel>,
    /// Descriptions.
    pub texts: Vec<String>,
}

impl Probe {
    /// The demo's sounds and their descriptions, at most `count`, evenly taken from the list.
    ///
    /// # Errors
    ///
    /// When the model's features cannot be computed.
    pub fn of_demo(model: &ClapModel, count: usize) -> Result<Probe> {
        let (all, mel) = (demo::sounds(), model.mel_config());
        let extractor = LogMelExtractor::new(mel)?;
        let mut scratch = Scratch::default();
        let count = count.min(all.len());
        let chosen = || (0..count).map(|i| &all[i * all.len() / count]);
        let spectrogram = |sound: &demo::DemoSound| {
            let mut samples = sound.render(mel.sample_rate_hz);
            samples.truncate(mel.max_samples);
            extractor.extract(&samples, &mut scratch)
        };
        Ok(Probe {
            sounds: chosen().map(spectrogram).collect(),
            texts: chosen().map(|sound| sound.description.to_owned()).collect(),
        })
    }
}

/// What one precision gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// What was computed in.
    pub precision: Precision,
    /// Segments of the model's length a second, on all cores.
    pub clips_per_s: f64,
    /// Milliseconds for one text of a few words, the model being warm.
    pub text_ms: f64,
    /// Cosines of the sounds' vectors to those in 32-bit floats.
    pub sounds: Cosines,
    /// As `sounds`, of the texts.
    pub texts: Cosines,
    /// The share, from 0 to 1, of the first ten sounds for each text that are among the first ten in
    /// 32-bit floats as well.
    pub top10_overlap: f64,
}

/// Cosines of vectors to those in 32-bit floats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cosines {
    /// Their mean.
    pub mean: f64,
    /// The least.
    pub least: f64,
}

impl Measured {
    /// Whether vectors agree with those in 32-bit floats so well that nobody would notice: mean cosines
    /// of .9995 in bfloat16 and .998 in bytes, of sounds and of texts, where two encodings of one
    /// recording have .997.
    pub fn agrees(&self) -> bool {
        let bar = match self.precision {
            Precision::Bf16 => 0.9995,
            Precision::Int8 => 0.998,
            _ => 1.0 - 1e-5,
        };
        self.sounds.mean >= bar && self.texts.mean >= bar
    }
}

/// Measures a checkpoint on the processor in 32-bit floats and in the smaller formats that it has,
/// in this order: f32, bf16, int8. The precisions take turns, so that what else the machine does
/// touches all of them.
///
/// # Errors
///
/// When the checkpoint cannot be loaded or computed, or there is nothing to compare.
pub fn measure(checkpoint: &Checkpoint, probe: &Probe) -> Result<Vec<Measured>> {
    ensure!(
        !probe.sounds.is_empty() && !probe.texts.is_empty(),
        "there is no sound or no text to compare"
    );
    let mut models = Vec::new();
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        if precision.resolve(Device::Cpu).0 == precision {
            models.push((precision, load(checkpoint, precision)?));
        }
    }
    let texts: Vec<&str> = probe.texts.iter().map(String::as_str).collect();
    let mut vectors = Vec::new();
    for (_, model) in &models {
        vectors.push((
            model.audio_embeddings(&probe.sounds)?,
            model.text_embeddings(&texts)?,
        ));
    }
    let timed_sounds = &probe.sounds[..probe.sounds.len().min(MOST_TIMED)];
    let timed_texts = &texts[..texts.len().min(MOST_TIMED)];
    let mut least = vec![(Duration::MAX, Duration::MAX); models.len()];
    for _ in 0..ROUNDS {
        for ((_, model), least) in models.iter().zip(&mut least) {
            let start = Instant::now();
            black_box(model.audio_embeddings(timed_sounds)?);
            least.0 = least.0.min(start.elapsed());
            let start = Instant::now();
            for text in timed_texts {
                black_box(model.text_embeddings(&[text])?);
            }
            least.1 = least.1.min(start.elapsed());
        }
    }
    let timed = (timed_sounds.len(), timed_texts.len());
    let (sounds, texts) = &vectors[0];
    let rows = models.iter().zip(&vectors).zip(least);
    let rows = rows.map(|(((precision, _), found), (clips, text))| Measured {
        precision: *precision,
        clips_per_s: timed.0 as f64 / clips.as_secs_f64(),
        text_ms: 1000.0 * text.as_secs_f64() / timed.1 as f64,
        sounds: cosines(sounds, &found.0),
        texts: cosines(texts, &found.1),
        top10_overlap: overlap((sounds, texts), (&found.0, &found.1)),
    });
    Ok(rows.collect())
}

fn load(checkpoint: &Checkpoint, precision: Precision) -> Result<ClapModel> {
    let options = LoadOptions {
        precision,
        ..LoadOptions::from(Device::Cpu)
    };
    Ok(ClapModel::load(checkpoint, options)?)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a) * f64::from(b))
        .sum()
}

fn cosines(expected: &[Vec<f32>], found: &[Vec<f32>]) -> Cosines {
    // Vectors are of length 1 but for rounding, which would show in the last digits.
    let cosine = |(a, b): (&Vec<f32>, &Vec<f32>)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let all: Vec<f64> = expected.iter().zip(found).map(cosine).collect();
    Cosines {
        mean: all.iter().sum::<f64>() / all.len() as f64,
        least: all.iter().copied().fold(1.0, f64::min),
    }
}

type Vectors<'a> = (&'a [Vec<f32>], &'a [Vec<f32>]);

fn overlap(expected: Vectors<'_>, found: Vectors<'_>) -> f64 {
    let first = |sounds: &[Vec<f32>], text: &[f32]| {
        let mut order: Vec<usize> = (0..sounds.len()).collect();
        order.sort_by(|&a, &b| dot(&sounds[b], text).total_cmp(&dot(&sounds[a], text)));
        order.truncate(FIRST);
        order
    };
    let shares = expected
        .1
        .iter()
        .zip(found.1)
        .map(|(of_expected, of_found)| {
            let (expected, found) = (first(expected.0, of_expected), first(found.0, of_found));
            let common = found.iter().filter(|sound| expected.contains(sound));
            common.count() as f64 / expected.len() as f64
        });
    let shares: Vec<f64> = shares.collect();
    shares.iter().sum::<f64>() / shares.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_and_overlaps_equal_those_counted_by_hand() {
        let axes: Vec<Vec<f32>> = (0..12)
            .map(|i| (0..12).map(|j| if i == j { 1.0 } else { 0.0 }).collect())
            .collect();
        let text: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let backwards: Vec<f32> = text.iter().rev().copied().collect();
        let itself = (&axes[..], std::slice::from_ref(&text));
        assert_eq!(overlap(itself, itself), 1.0);
        // Of twelve sounds the first ten either way have eight in common.
        assert_eq!(overlap(itself, (&axes, &[backwards])), 0.8);
        let found = [vec![3.0, 4.0], vec![0.0, 2.0]];
        let expected = [vec![1.0, 0.0], vec![0.0, 1.0]];
        let cosines = cosines(&expected, &found);
        assert!((cosines.mean - 0.8).abs() < 1e-12 && (cosines.least - 0.6).abs() < 1e-12);
    }
}
