//! What `--precision auto` computes in: the fastest that agrees with 32-bit floats, remembered.
//!
//! It stands apart from the measuring because it decides, tells why, and keeps what was decided from one
//! run of the program to the next.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Measured, Probe, load, measure};
use crate::model::{Checkpoint, PREPROCESSING_VERSION, Precision, processor};
use crate::user_cache;

/// How many sounds [`fastest`] compares.
const SOUNDS_TO_CHOOSE_BY: usize = 32;

/// How many choices are remembered.
const MOST_CHOICES: usize = 64;

/// What [`Precision::Auto`] is for a checkpoint on this machine, and what speaks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// What is computed in.
    pub precision: Precision,
    /// How many times as many segments a second as in 32-bit floats.
    pub speed: f64,
    /// The mean cosine of sounds' vectors to those in 32-bit floats.
    pub sounds: f64,
    /// As `sounds`, of texts.
    pub texts: f64,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choice {
            precision,
            speed,
            sounds,
            texts,
        } = self;
        match precision {
            Precision::F32 => f.write_str(
                "auto computes in f32: on this machine nothing smaller is faster and agrees with it",
            ),
            precision => write!(
                f,
                "auto computes in {precision}, {speed:.1} times as fast as f32 on this machine, with mean cosines to it of {sounds:.5} (sounds) and {texts:.5} (texts)"
            ),
        }
    }
}

/// The fastest for sounds of those that agree with 32-bit floats, of what [`measure`] gave.
pub fn choice(measured: &[Measured]) -> Option<Choice> {
    let agreeing = measured.iter().filter(|measured| measured.agrees());
    let fastest = agreeing.max_by(|a, b| a.clips_per_s.total_cmp(&b.clips_per_s))?;
    let whole = |measured: &&Measured| measured.precision == Precision::F32;
    let floats = measured.iter().find(whole)?;
    Some(Choice {
        precision: fastest.precision,
        speed: fastest.clips_per_s / floats.clips_per_s,
        sounds: fastest.sounds.mean,
        texts: fastest.texts.mean,
    })
}

/// What [`Precision::Auto`] is for a checkpoint on the processor, and whether that was measured just
/// now: with the demo's sounds, which takes seconds with a large checkpoint. It is remembered in the
/// user's cache folder for these weights, this kind of processor and this version.
///
/// # Errors
///
/// When the checkpoint cannot be loaded or computed.
pub fn fastest(checkpoint: &Checkpoint) -> Result<(Choice, bool)> {
    let model = load(checkpoint, Precision::F32)?;
    let memory = Memory::of_this_user();
    let key = key(&model.fingerprint()?);
    if let Some(choice) = memory.recall(&key) {
        return Ok((choice, false));
    }
    let probe = Probe::of_demo(&model, SOUNDS_TO_CHOOSE_BY)?;
    drop(model);
    let choice = choice(&measure(checkpoint, &probe)?)
        .context("32-bit floats do not agree with themselves: the weights are damaged")?;
    memory.remember(key, &choice);
    Ok((choice, true))
}

/// What [`fastest`] has chosen for a model in an earlier run, by the model's fingerprint.
pub fn remembered(fingerprint: &str) -> Option<Choice> {
    Memory::of_this_user().recall(&key(fingerprint))
}

/// Has [`fastest`] choose this for a model from now on, as when more was measured than it would.
pub fn remember(fingerprint: &str, choice: &Choice) {
    Memory::of_this_user().remember(key(fingerprint), choice);
}

/// What a choice is remembered by.
fn key(fingerprint: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "{fingerprint} {version}.{PREPROCESSING_VERSION} {}",
        processor()
    )
}

/// The file that choices are remembered in.
struct Memory {
    /// `None` remembers nothing.
    file: Option<PathBuf>,
}

/// A choice in the file.
#[derive(Serialize, Deserialize)]
struct Remembered {
    precision: String,
    speed: f64,
    sounds: f64,
    texts: f64,
}

impl Memory {
    fn of_this_user() -> Memory {
        Memory {
            file: user_cache::place("precisions.json"),
        }
    }

    /// All of them; none, if the file is damaged or of an earlier version.
    fn all(&self) -> BTreeMap<String, Remembered> {
        let bytes = self.file.as_ref().and_then(|file| std::fs::read(file).ok());
        serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default()
    }

    fn recall(&self, key: &str) -> Option<Choice> {
        let remembered = self.all().remove(key)?;
        Some(Choice {
            precision: remembered.precision.parse().ok()?,
            speed: remembered.speed,
            sounds: remembered.sounds,
            texts: remembered.texts,
        })
    }

    /// A cache folder that cannot be written costs only time.
    fn remember(&self, key: String, choice: &Choice) {
        let Some(file) = &self.file else { return };
        let mut known = self.all();
        if known.len() >= MOST_CHOICES {
            known.clear();
        }
        let remembered = Remembered {
            precision: choice.precision.to_string(),
            speed: choice.speed,
            sounds: choice.sounds,
            texts: choice.texts,
        };
        known.insert(key, remembered);
        if let Ok(bytes) = serde_json::to_vec(&known) {
            let _ = user_cache::replace(file, &bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cosines;
    use super::*;

    fn measured(precision: Precision, clips_per_s: f64, mean: f64) -> Measured {
        let cosines = Cosines { mean, least: mean };
        Measured {
            precision,
            clips_per_s,
            text_ms: 1.0,
            sounds: cosines,
            texts: cosines,
            top10_overlap: 1.0,
        }
    }

    #[test]
    fn the_fastest_that_agrees_is_chosen_and_says_why() {
        let f32 = measured(Precision::F32, 10.0, 1.0);
        let bf16 = measured(Precision::Bf16, 17.0, 0.9996);
        let int8 = measured(Precision::Int8, 27.0, 0.9985);
        let far = measured(Precision::Int8, 27.0, 0.9975);
        for (rows, expected) in [
            (vec![f32.clone(), bf16.clone(), int8], "in int8, 2.7 times"),
            (vec![f32.clone(), bf16, far.clone()], "in bf16, 1.7 times"),
            (vec![f32, far], "in f32: on this machine nothing smaller"),
        ] {
            let text = choice(&rows).expect("f32 agrees with itself").to_string();
            assert!(text.contains(expected), "{text}");
        }
        assert_eq!(choice(&[]), None);
    }

    #[test]
    fn a_choice_is_remembered_and_a_file_of_another_kind_is_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let memory = Memory {
            file: Some(folder.path().join("cache/precisions.json")),
        };
        let choice = Choice {
            precision: Precision::Bf16,
            speed: 1.75,
            sounds: 0.99994,
            texts: 0.9997,
        };
        assert_eq!(memory.recall("a model"), None);
        memory.remember("a model".into(), &choice);
        assert_eq!(memory.recall("a model"), Some(choice));
        assert_eq!(memory.recall("another"), None);
        let file = memory.file.as_ref().expect("a file");
        std::fs::write(file, "{\"a model\": \"bf16\"}").expect("written");
        assert_eq!(memory.recall("a model"), None);
        memory.remember("a model".into(), &choice);
        assert_eq!(memory.recall("a model"), Some(choice));
    }
}
