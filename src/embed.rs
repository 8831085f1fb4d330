//! The seam between the model and everything that uses it: texts and segments in, unit vectors out.
//!
//! [`Embedder`] ties together what must never be mixed up: the weights and the front end's settings.
//! Ingest and search know only this type; the name of its space ([`Embedder::space`]) is what keeps
//! vectors of different models apart in one library. It stands apart from `model/` because the model
//! does not know the index's vectors.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use soundseek_index::{Config, Space, Vector};

use crate::agreement::{self, Choice};
use crate::audio::SegmentPlan;
use crate::batches::Batches;
use crate::mel::{LogMel, LogMelExtractor, Scratch};
use crate::model::{Checkpoint, ClapModel, Device, LoadOptions, ModelError, Precision};

/// How many texts' vectors are remembered. A vector is 2 KiB at most, so this is at most 1 MiB.
const REMEMBERED_TEXTS: usize = 512;

/// What computes the embeddings of a batch of spectrograms.
pub type Tower =
    Box<dyn Fn(&ClapModel, &[LogMel]) -> Result<Vec<Vec<f32>>, ModelError> + Send + Sync>;

/// Texts and segments of sound to vectors in one shared space.
pub struct Embedder {
    model: ClapModel,
    accelerator: Option<Accelerator>,
    extractor: LogMelExtractor,
    /// What [`Precision::Auto`] was taken for, and whether that was measured just now.
    choice: Option<(Choice, bool)>,
    texts: Mutex<HashMap<String, Vector>>,
}

/// A device with memory of its own, which may be full.
struct Accelerator {
    batches: Batches,
    tower: Tower,
}

impl Embedder {
    /// Loads a checkpoint; a [`Device`] alone stands for itself and the defaults. What
    /// [`Precision::Auto`] is here is measured, if no earlier run of the program has.
    ///
    /// # Errors
    ///
    /// When the checkpoint is missing, damaged or of a kind that cannot be computed; the text names
    /// the file and what to do.
    pub fn load(checkpoint: &Checkpoint, options: impl Into<LoadOptions>) -> Result<Embedder> {
        let mut options = options.into();
        options.precision = options.precision.resolve(options.device).0;
        let choice = match options.precision {
            Precision::Auto => Some(agreement::fastest(checkpoint)?),
            _ => None,
        };
        if let Some((choice, _)) = &choice {
            options.precision = choice.precision;
        }
        let model = ClapModel::load(checkpoint, options)?;
        let extractor = LogMelExtractor::new(model.mel_config())?;
        let accelerator = (options.device != Device::Cpu).then(|| Accelerator {
            batches: Batches::for_memory(model.free_bytes(), model.clip_bytes()),
            tower: Box::new(ClapModel::audio_embeddings),
        });
        Ok(Embedder {
            model,
            accelerator,
            extractor,
            choice,
            texts: Mutex::new(HashMap::new()),
        })
    }

    /// The model that computes the vectors.
    pub fn model(&self) -> &ClapModel {
        &self.model
    }

    /// Where [`Precision::Auto`] was asked for: what it is here, and true when that was measured just now
    /// and not in an earlier run.
    pub fn choice(&self) -> Option<&(Choice, bool)> {
        self.choice.as_ref()
    }

    /// The same model with segments computed by `tower`, in batches as for an accelerator. This is how
    /// what is done around a device can be tried where there is none.
    pub fn on_accelerator(self, batches: Batches, tower: Tower) -> Embedder {
        Embedder {
            accelerator: Some(Accelerator { batches, tower }),
            ..self
        }
    }

    /// True when the model runs on the processor and not on an accelerator.
    pub fn on_cpu(&self) -> bool {
        self.accelerator.is_none()
    }

    /// How many segments an accelerator takes at once; `None` on the processor.
    pub fn batch(&self) -> Option<usize> {
        Some(self.accelerator.as_ref()?.batches.most())
    }

    /// The space that the vectors lie in: the model's name and the digest of all that decides them.
    ///
    /// # Errors
    ///
    /// When the checkpoint's files can no longer be read.
    pub fn space(&self) -> Result<Space> {
        let (name, fingerprint) = (self.model.name().to_string(), self.model.fingerprint()?);
        Ok(Space { name, fingerprint })
    }

    /// The settings of an index of these vectors.
    ///
    /// # Errors
    ///
    /// As [`Embedder::space`].
    pub fn index_config(&self) -> Result<Config> {
        Ok(Config::new(self.space()?, self.model.dimension()))
    }

    /// How a file is cut for this model: segments of its clip length, every half a segment.
    ///
    /// Half-overlapping segments leave no moment at the edge of all the segments that hold it.
    pub fn segment_plan(&self) -> SegmentPlan {
        let mel = self.model.mel_config();
        SegmentPlan {
            sample_rate_hz: mel.sample_rate_hz,
            length: mel.max_samples,
            hop: mel.max_samples / 2,
        }
    }

    /// The log-mel spectrogram of one segment, `samples` at the plan's rate and at most its length.
    /// `scratch` is kept from segment to segment, one for each thread.
    pub fn features(&self, samples: &[f32], scratch: &mut Scratch) -> LogMel {
        self.extractor.extract(samples, scratch)
    }

    /// The vectors of a batch of segments' spectrograms, in their order. An accelerator that has no room
    /// for so many gets fewer at a time, from then on.
    ///
    /// # Errors
    ///
    /// When the model cannot be computed (weights that are not finite, a device that fails or has no
    /// room for a single segment).
    pub fn embed_features(&self, batch: &[LogMel]) -> Result<Vec<Vector>> {
        let embeddings = match &self.accelerator {
            None => self.model.audio_embeddings(batch)?,
            Some(accelerator) => self.accelerated(accelerator, batch)?,
        };
        embeddings
            .into_iter()
            .map(|embedding| Vector::normalized(embedding).context("an audio embedding"))
            .collect()
    }

    fn accelerated(&self, accelerator: &Accelerator, batch: &[LogMel]) -> Result<Vec<Vec<f32>>> {
        let Accelerator { batches, tower } = accelerator;
        let embeddings = batches.run(batch, ModelError::is_out_of_memory, |batch| {
            tower(&self.model, batch)
        });
        embeddings.map_err(|error| match error.is_out_of_memory() {
            true => anyhow::Error::from(error).context(
                "the accelerator has no room for a single segment: end other programs that use it, \
                 or compute with --device cpu",
            ),
            false => error.into(),
        })
    }

    /// The vector of a text, exactly as it stands.
    ///
    /// Putting short queries into caption templates ("the sound of ...") and averaging lowers what the
    /// built-in model finds; `benches/retrieval.rs` measures it, the README has the table.
    ///
    /// # Errors
    ///
    /// As [`Embedder::embed_features`].
    pub fn embed_text(&self, text: &str) -> Result<Vector> {
        // Not held while a text is computed, for which others need not wait.
        let texts = || self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vector) = texts().get(text) {
            return Ok(vector.clone());
        }
        let embedding = self
            .model
            .text_embeddings(&[text])?
            .pop()
            .context("a text has a vector")?;
        let vector = Vector::normalized(embedding).context("a text embedding")?;
        let mut remembered = texts();
        if remembered.len() >= REMEMBERED_TEXTS {
            remembered.clear();
        }
        remembered.insert(text.to_string(), vector.clone());
        Ok(vector)
    }
}

/// The normalised mean of unit vectors: the vector of a file as a whole.
///
/// # Errors
///
/// When there is no vector, or they cancel out.
pub fn mean(vectors: &[Vector]) -> Result<Vector> {
    weighted_sum(
        &vectors
            .iter()
            .map(|vector| (vector, 1.0))
            .collect::<Vec<_>>(),
    )
}

/// The normalised weighted sum of unit vectors.
///
/// # Errors
///
/// When there is no part, the parts are of different dimensions, or they cancel out.
pub fn weighted_sum(parts: &[(&Vector, f32)]) -> Result<Vector> {
    let (first, _) = parts.first().context("there is nothing to sum")?;
    let mut sum = vec![0.0f32; first.as_slice().len()];
    for (vector, weight) in parts {
        anyhow::ensure!(
            vector.as_slice().len() == sum.len(),
            "vectors of {} and of {} dimensions cannot be summed",
            sum.len(),
            vector.as_slice().len()
        );
        for (total, x) in sum.iter_mut().zip(vector.as_slice()) {
            *total += weight * x;
        }
    }
    Vector::normalized(sum).context("the parts of the query cancel out: change their weights")
}
