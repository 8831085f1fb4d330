//! CLAP: the dual encoder that puts sounds and texts into one space.
//!
//! [`ClapModel`] loads a checkpoint of Hugging Face transformers' `ClapModel`, of any of the three
//! published families and any size, and computes embeddings: on the processor by kernels of its own
//! ([`Backend`]), elsewhere with candle. The text encoder is RoBERTa, the audio encoder HTSAT (Wu et
//! al. 2023, <https://arxiv.org/abs/2211.06687>). This module reads no audio and opens no index; it
//! turns log-mel spectrograms and texts into vectors.

mod audio;
mod checkpoint;
mod config;
mod converted;
mod cpu;
mod device;
mod digests;
mod error;
mod fusion;
mod options;
mod pickled;
mod projection;
mod text;
mod tokens;
mod weights;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::Tensor;

pub use checkpoint::Checkpoint;
pub use config::{AudioConfig, ClapConfig, TextConfig};
pub use cpu::{instruction_set, processor};
pub use device::{Device, DeviceChoice, ParseDeviceError};
pub use error::{LoadError, ModelError};
pub use options::{Backend, LoadOptions, ParsePrecisionError, Precision};
pub use tokens::TextTokenizer;

use crate::mel::{LogMel, MelConfig};
use crate::user_cache;
use audio::AudioEncoder;
use cpu::{AudioTower, Shelf, TextTower};
use digests::Digests;
use text::TextEncoder;
use weights::Weights;

/// Counts the changes to [`crate::mel`] and to the encoders that move embeddings by more than
/// rounding. It is part of the fingerprint: a new number makes old indexes be rebuilt.
pub const PREPROCESSING_VERSION: u32 = 1;

/// Texts that have nothing to do with each other, for [`ClapModel::self_test`].
const UNRELATED_TEXTS: [&str; 4] = [
    "a dog barking",
    "slow piano music",
    "heavy rain on a roof",
    "a car engine starting",
];

/// The largest mean cosine of unrelated texts that a working text encoder may give. Working
/// published ones lie between 0.18 and 0.29, the collapsed `larger_clap_music` at 0.999.
const COLLAPSED_COSINE: f32 = 0.9;

/// A loaded checkpoint. Loading checks everything but the weights' values; each encoder is built
/// when it is first needed, so that a text search never pays for the audio encoder.
pub struct ClapModel {
    checkpoint: Checkpoint,
    name: String,
    config: ClapConfig,
    mel_config: MelConfig,
    tokenizer: TextTokenizer,
    weights: Arc<Weights>,
    device: candle_core::Device,
    options: LoadOptions,
    logit_scale_audio: f32,
    logit_scale_text: f32,
    text: OnceLock<Text>,
    audio: OnceLock<Audio>,
    building: Mutex<()>,
    fingerprint: OnceLock<String>,
}

/// Shows a stage by its name.
type Visit<'a> = &'a mut dyn FnMut(&str, &Tensor);

/// The audio encoder of the chosen implementation.
enum Audio {
    Fast(Box<AudioTower>),
    Reference(Box<AudioEncoder>),
}

/// The text encoder of the chosen implementation.
enum Text {
    Fast(Box<TextTower>),
    Reference(Box<TextEncoder>),
}

impl ClapModel {
    /// Opens a checkpoint: configurations, tokenizer, and the weight file's header, in which every
    /// tensor of both encoders must have the shape that the configuration implies.
    ///
    /// # Errors
    /// [`LoadError`] for a file that is missing or bad, a configuration that cannot be computed, or
    /// a device that is not there. A precision that the device does not have is replaced as
    /// [`Precision::resolve`] says, [`Precision::Auto`] by 32-bit floats.
    pub fn load(
        checkpoint: &Checkpoint,
        options: impl Into<LoadOptions>,
    ) -> Result<ClapModel, LoadError> {
        let mut options = options.into();
        options.precision = match options.precision.resolve(options.device).0 {
            Precision::Auto => Precision::F32,
            precision => precision,
        };
        checkpoint.check_exists()?;
        let config = config::read_config(checkpoint)?;
        let mel_config = config::read_mel_config(checkpoint, &config.audio_config)?;
        let weights = Arc::new(Weights::open(checkpoint)?);
        weights.check(|vb| TextEncoder::load(vb, &config))?;
        weights.check(|vb| AudioEncoder::load(vb, &config, mel_config.frames()))?;
        let scale = |name| {
            weights.build(&candle_core::Device::Cpu, |vb| {
                vb.get((), name)?.to_scalar::<f32>()
            })
        };
        let (logit_scale_audio, logit_scale_text) =
            (scale("logit_scale_a")?, scale("logit_scale_t")?);
        Ok(ClapModel {
            checkpoint: checkpoint.clone(),
            name: checkpoint.name(),
            tokenizer: TextTokenizer::load(checkpoint, &config.text_config)?,
            device: options.device.open()?,
            options,
            config,
            mel_config,
            weights,
            // Checkpoints store the logarithms.
            logit_scale_audio: logit_scale_audio.exp(),
            logit_scale_text: logit_scale_text.exp(),
            text: OnceLock::new(),
            audio: OnceLock::new(),
            building: Mutex::new(()),
            fingerprint: OnceLock::new(),
        })
    }

    /// The checkpoint's name for people; see [`Checkpoint::name`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is computed in, which is what was asked for where the device has it.
    pub fn precision(&self) -> Precision {
        self.options.precision
    }

    /// Identifies what decides an embedding's value: BLAKE3, in hexadecimal, of weights,
    /// configurations, tokenizer and [`PREPROCESSING_VERSION`]. Embeddings are comparable only
    /// under one fingerprint. The first call reads the whole weight file, unless its digest is
    /// remembered from an earlier run of the program.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`] if a file has gone since it was loaded.
    pub fn fingerprint(&self) -> Result<String, LoadError> {
        if let Some(fingerprint) = self.fingerprint.get() {
            return Ok(fingerprint.clone());
        }
        let digest = self
            .checkpoint
            .digest(PREPROCESSING_VERSION)?
            .to_hex()
            .to_string();
        Ok(self.fingerprint.get_or_init(|| digest).clone())
    }

    /// Length of an embedding.
    pub fn dimension(&self) -> usize {
        self.config.projection_dim
    }

    /// The architecture.
    pub fn config(&self) -> &ClapConfig {
        &self.config
    }

    /// How features for this model are computed; also its sampling rate and clip length.
    pub fn mel_config(&self) -> &MelConfig {
        &self.mel_config
    }

    /// The checkpoint's tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// About the most memory, in bytes, that a clip takes on its way through the audio encoder on an
    /// accelerator: the widest stage is the first, whose tokens have their channels about 22 times (in,
    /// out, query, key, value, and the four times as wide hidden layer with its copies) and for each
    /// head the scores of a window thrice.
    pub fn clip_bytes(&self) -> u64 {
        let audio = &self.config.audio_config;
        let side = audio.spec_size / audio.patch_size;
        let window = audio.window_size * audio.window_size;
        let heads = audio.num_attention_heads.first().copied().unwrap_or(1);
        let floats = 22 * audio.patch_embeds_hidden_size + 3 * heads * window;
        (side * side * floats * size_of::<f32>()) as u64
    }

    /// The bytes that are free on the model's device, where it tells.
    pub fn free_bytes(&self) -> Option<u64> {
        device::free_bytes(&self.device)
    }

    /// Factor from cosine to logit when texts are ranked for one clip.
    pub fn logit_scale_audio(&self) -> f32 {
        self.logit_scale_audio
    }

    /// Factor from cosine to logit when clips are ranked for one text.
    pub fn logit_scale_text(&self) -> f32 {
        self.logit_scale_text
    }

    /// Embeds texts: (n, dimension), each of length 1. Longer texts are cut to
    /// [`TextTokenizer::max_tokens`]; an empty one has an embedding, too.
    ///
    /// # Errors
    /// [`ModelError`], among them bad weights, which are first read here.
    pub fn text_embeddings(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, ModelError> {
        let tokens = texts
            .iter()
            .map(|text| self.tokenizer.encode(text))
            .collect::<Result<Vec<_>, _>>()?;
        self.token_embeddings(&tokens)
    }

    /// Embeds texts that are already token ids, start and end tokens included.
    ///
    /// # Errors
    /// [`ModelError::TokenCount`] and [`ModelError::TokenId`] for ids that the encoder cannot take,
    /// and those of [`Self::text_embeddings`].
    pub fn token_embeddings(&self, tokens: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.embed_tokens(tokens, &mut |_, _| ())
    }

    /// Embeds log-mel spectrograms made with [`Self::mel_config`]: (n, dimension), each of length
    /// 1. A clip's embedding does not depend on the others of its batch but for rounding.
    ///
    /// # Errors
    /// [`ModelError::Features`] for spectrograms of another shape, and bad weights, which are first
    /// read here.
    pub fn audio_embeddings(&self, features: &[LogMel]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.embed_audio(features, None)
    }

    /// Shows the inner stages of [`Self::audio_embeddings`] to `visit`, by the names of the
    /// reference's modules: `batch_norm`, `mel2img`, `patch_proj`, `mel_conv2d`, `aff`,
    /// `patch_embed`, `block.STAGE.BLOCK`, `merge.STAGE`, `final_norm`, `pooled`, `proj.linear1`,
    /// `proj`. This is how a port, another precision, or another device is compared with a
    /// reference. The first two hold every clip's first channel, then the crops of longer clips;
    /// [`Backend::Fast`] computes neither, it joins them to the cut into patches.
    ///
    /// # Errors
    /// Those of [`Self::audio_embeddings`].
    pub fn audio_stages(
        &self,
        features: &[LogMel],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<(), ModelError> {
        self.embed_audio(features, Some(visit)).map(|_| ())
    }

    /// As [`Self::audio_stages`], for [`Self::token_embeddings`]: `last_hidden_state`, `pooled`,
    /// `proj.linear1`, `proj`.
    ///
    /// # Errors
    /// Those of [`Self::token_embeddings`].
    pub fn text_stages(
        &self,
        tokens: &[Vec<u32>],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<(), ModelError> {
        self.embed_tokens(tokens, visit).map(|_| ())
    }

    /// Embeds a few unrelated texts and checks that they differ.
    ///
    /// # Errors
    /// [`ModelError::Collapsed`] if their mean cosine is 0.9 or more; bad weights of the text
    /// encoder.
    pub fn self_test(&self) -> Result<(), ModelError> {
        let embeddings = self.text_embeddings(&UNRELATED_TEXTS)?;
        let mut cosines = Vec::new();
        for (i, a) in embeddings.iter().enumerate() {
            for b in &embeddings[..i] {
                cosines.push(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
            }
        }
        let found = cosines.iter().sum::<f32>() / cosines.len() as f32;
        if found < COLLAPSED_COSINE {
            return Ok(());
        }
        Err(ModelError::Collapsed {
            model: self.checkpoint.location(),
            found,
            limit: COLLAPSED_COSINE,
        })
    }

    fn embed_tokens(
        &self,
        tokens: &[Vec<u32>],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let text = &self.config.text_config;
        for ids in tokens {
            let (found, limit) = (ids.len(), text.max_tokens());
            if found == 0 || found > limit {
                return Err(ModelError::TokenCount { limit, found });
            }
            if let Some(&id) = ids.iter().find(|&&id| id as usize >= text.vocab_size) {
                return Err(ModelError::TokenId {
                    id,
                    vocab_size: text.vocab_size,
                });
            }
        }
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let encoder = self.encoder(&self.text, || {
            let (config, precision, weights) =
                (&self.config, self.options.precision, &self.weights);
            Ok(if self.is_fast() {
                let shelf = self.shelf("text")?;
                let tower = weights.build_in_place(|vb, in_place| {
                    TextTower::load(vb, in_place, &shelf, precision, config)
                })?;
                shelf.finish();
                Text::Fast(Box::new(tower))
            } else {
                let encoder = weights.build(&self.device, |vb| TextEncoder::load(vb, config))?;
                Text::Reference(Box::new(encoder))
            })
        })?;
        let rows = match encoder {
            Text::Fast(tower) => tower.forward(tokens, visit)?,
            Text::Reference(encoder) => host_rows(&encoder.forward(tokens, visit)?)?,
        };
        self.checked(rows, "text")
    }

    fn embed_audio(
        &self,
        features: &[LogMel],
        visit: Option<Visit<'_>>,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let (frames, n_mels) = (self.mel_config.frames(), self.mel_config.n_mels);
        let most = if self.mel_config.fusion { 4 } else { 1 };
        let clips: Vec<&LogMel> = features.iter().collect();
        for clip in &clips {
            let fits = clip.frames == frames
                && clip.n_mels == n_mels
                && (clip.channels == 1 || clip.channels == most)
                && clip.data.len() == clip.channels * frames * n_mels;
            if !fits {
                let or = if most > 1 { "1 or 4" } else { "1" };
                return Err(ModelError::Features {
                    expected: format!("({frames}, {n_mels}, {or})"),
                    found: format!("({}, {}, {})", clip.frames, clip.n_mels, clip.channels),
                });
            }
        }
        if clips.is_empty() {
            return Ok(Vec::new());
        }
        let encoder = self.encoder(&self.audio, || {
            let (config, precision, weights) =
                (&self.config, self.options.precision, &self.weights);
            Ok(if self.is_fast() {
                let shelf = self.shelf("audio")?;
                let tower = weights.build(&self.device, |vb| {
                    AudioTower::load(vb, &shelf, precision, config, frames)
                })?;
                shelf.finish();
                Audio::Fast(Box::new(tower))
            } else {
                let encoder =
                    weights.build(&self.device, |vb| AudioEncoder::load(vb, config, frames))?;
                Audio::Reference(Box::new(encoder))
            })
        })?;
        let rows = match (encoder, visit) {
            (Audio::Fast(tower), None) => tower.forward(&clips),
            (Audio::Fast(tower), Some(visit)) => tower.stages(&clips, visit)?,
            (Audio::Reference(encoder), visit) => {
                host_rows(&encoder.forward(&clips, visit.unwrap_or(&mut |_, _| ()))?)?
            }
        };
        self.checked(rows, "clip")
    }

    /// Where an encoder's packed layers are kept: for a large checkpoint in the user's cache folder.
    fn shelf(&self, encoder: &str) -> Result<Shelf, LoadError> {
        let folder = user_cache::place("packed");
        let Some(folder) = folder.filter(|_| self.weights.worth_keeping()) else {
            return Ok(Shelf::none());
        };
        let content = format!(
            "{} {encoder} {}",
            self.fingerprint()?,
            self.options.precision
        );
        Ok(Shelf::open(folder, Digests::of_this_user(), &content))
    }

    /// Whether the implementation made for speed is the one to compute with.
    fn is_fast(&self) -> bool {
        self.options.backend == Backend::Fast && self.options.device == Device::Cpu
    }

    /// The encoder in `cell`, built first if this is its first use.
    fn encoder<'a, T>(
        &self,
        cell: &'a OnceLock<T>,
        build: impl FnOnce() -> Result<T, LoadError>,
    ) -> Result<&'a T, LoadError> {
        if let Some(encoder) = cell.get() {
            return Ok(encoder);
        }
        let _one_at_a_time = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoder) = cell.get() {
            return Ok(encoder);
        }
        let encoder = build()?;
        Ok(cell.get_or_init(|| encoder))
    }

    /// Refuses embeddings that are not finite.
    fn checked(&self, rows: Vec<Vec<f32>>, what: &str) -> Result<Vec<Vec<f32>>, ModelError> {
        match rows
            .iter()
            .position(|row| row.iter().any(|x| !x.is_finite()))
        {
            None => Ok(rows),
            Some(i) => Err(ModelError::NoDirection {
                model: self.weights.file().to_owned(),
                input: format!("{what} {} of {}", i + 1, rows.len()),
            }),
        }
    }
}

/// A tensor's rows, fetched from wherever it is.
fn host_rows(embeddings: &Tensor) -> candle_core::Result<Vec<Vec<f32>>> {
    embeddings
        .to_device(&candle_core::Device::Cpu)?
        .to_vec2::<f32>()
}
