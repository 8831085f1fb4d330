//! The seam between the model and everything that uses it: texts and segments in, unit vectors out.
//!
//! [`Embedder`] ties together what must never be mixed up: the weights, the front end's settings and
//! the way a query is phrased. Ingest and search know only this type; the name of its space
//! ([`Embedder::space`]) is what keeps vectors of different models apart in one library. It stands
//! apart from `model/` because the model knows neither the index's vectors nor how people write.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use anyhow::{Context, Result};
use soundseek_index::{Config, Space, Vector};

use crate::audio::SegmentPlan;
use crate::mel::{LogMel, LogMelExtractor, Scratch};
use crate::model::{Checkpoint, ClapModel, Device};

/// The sentences that a short query is put into, `{}` standing for the query.
///
/// Captions in training sets are sentences, queries are mostly words; averaging a few phrasings
/// moves the query towards the captions (Radford et al. 2021, section 3.1.4, do so for images). The
/// choice is measured: see the retrieval report in `benches/retrieval.rs`.
pub const CAPTION_TEMPLATES: [&str; 3] = ["{}", "the sound of {}", "a recording of {}"];

/// The longest query, in words, that is put into [`CAPTION_TEMPLATES`]; a longer one is a sentence
/// already.
pub const SHORT_QUERY_WORDS: usize = 4;

/// How many texts' vectors are remembered. A vector is 2 KiB at most, so this is at most 1 MiB.
const REMEMBERED_TEXTS: usize = 512;

/// Texts and segments of sound to vectors in one shared space.
pub struct Embedder {
    model: ClapModel,
    device: Device,
    extractor: LogMelExtractor,
    texts: Mutex<HashMap<String, Vector>>,
}

impl Embedder {
    /// Loads a checkpoint for a device.
    ///
    /// # Errors
    ///
    /// When the checkpoint is missing, damaged or of a kind that cannot be computed; the text names
    /// the file and what to do.
    pub fn load(checkpoint: &Checkpoint, device: Device) -> Result<Embedder> {
        let model = ClapModel::load(checkpoint, device)?;
        let extractor = LogMelExtractor::new(model.mel_config())?;
        Ok(Embedder {
            model,
            device,
            extractor,
            texts: Mutex::new(HashMap::new()),
        })
    }

    /// The model that computes the vectors.
    pub fn model(&self) -> &ClapModel {
        &self.model
    }

    /// True when the model runs on the processor and not on an accelerator.
    pub fn on_cpu(&self) -> bool {
        matches!(self.device, Device::Cpu)
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

    /// The vectors of a batch of segments' spectrograms, in their order.
    ///
    /// # Errors
    ///
    /// When the model cannot be computed (weights that are not finite, a device that fails).
    pub fn embed_features(&self, batch: &[LogMel]) -> Result<Vec<Vector>> {
        self.model
            .audio_embeddings(batch)?
            .into_iter()
            .map(|embedding| Vector::normalized(embedding).context("an audio embedding"))
            .collect()
    }

    /// The vector of one text exactly as it stands.
    ///
    /// # Errors
    ///
    /// As [`Embedder::embed_features`].
    pub fn embed_text(&self, text: &str) -> Result<Vector> {
        Ok(self.embed_texts(&[text.to_string()])?.remove(0))
    }

    /// The vector of a query: short ones as the normalised mean over [`CAPTION_TEMPLATES`].
    ///
    /// # Errors
    ///
    /// As [`Embedder::embed_features`].
    pub fn embed_query(&self, query: &str) -> Result<Vector> {
        if query.split_whitespace().count() > SHORT_QUERY_WORDS {
            return self.embed_text(query);
        }
        let phrasings: Vec<String> = CAPTION_TEMPLATES
            .iter()
            .map(|template| template.replace("{}", query))
            .collect();
        mean(&self.embed_texts(&phrasings)?)
    }

    fn embed_texts(&self, texts: &[String]) -> Result<Vec<Vector>> {
        let mut remembered = self
            .texts
            .lock()
            .expect("no thread panics while it holds the texts");
        if remembered.len() + texts.len() > REMEMBERED_TEXTS {
            remembered.clear();
        }
        let unknown: BTreeSet<&str> = texts
            .iter()
            .map(String::as_str)
            .filter(|text| !remembered.contains_key(*text))
            .collect();
        if !unknown.is_empty() {
            let unknown: Vec<&str> = unknown.into_iter().collect();
            let embeddings = self.model.text_embeddings(&unknown)?;
            for (text, embedding) in unknown.into_iter().zip(embeddings) {
                let vector = Vector::normalized(embedding).context("a text embedding")?;
                remembered.insert(text.to_string(), vector);
            }
        }
        Ok(texts.iter().map(|text| remembered[text].clone()).collect())
    }
}

/// The normalised mean of unit vectors: the vector of a file as a whole, or of several phrasings.
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
