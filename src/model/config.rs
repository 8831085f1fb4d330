//! `config.json` and `preprocessor_config.json`: every size of the two towers, and the features.
//!
//! The published files are sparse and of several ages, so an absent key takes the default of
//! transformers' `ClapConfig` 4.57.6 and an unknown key is ignored. What the forward passes cannot
//! compute is refused here, by key, before anything is allocated:
//! <https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/clap/configuration_clap.py>.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::LoadError;
use super::checkpoint::{CONFIG, Checkpoint, PREPROCESSOR};
use crate::mel::{MelConfig, MelScale, Padding};

/// A whole model, as `config.json` describes it; field names are the file's keys.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClapConfig {
    /// The audio encoder.
    pub audio_config: AudioConfig,
    /// The text encoder.
    pub text_config: TextConfig,
    /// Length of an embedding; overrides whatever the towers' own sections say.
    pub projection_dim: usize,
    /// Nonlinearity between the two layers of both projections.
    pub projection_hidden_act: String,
}

/// HTSAT, the hierarchical token-semantic audio transformer (Chen et al. 2022).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the configuration file's")]
pub struct AudioConfig {
    pub spec_size: usize,
    pub window_size: usize,
    pub num_mel_bins: usize,
    pub patch_size: usize,
    pub patch_stride: Vec<usize>,
    pub patch_embed_input_channels: usize,
    pub patch_embeds_hidden_size: usize,
    pub depths: Vec<usize>,
    pub num_attention_heads: Vec<usize>,
    pub hidden_size: usize,
    pub mlp_ratio: f64,
    pub qkv_bias: bool,
    pub enable_fusion: bool,
    pub fusion_type: Option<String>,
    pub aff_block_r: usize,
    pub enable_patch_layer_norm: bool,
    pub flatten_patch_embeds: bool,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
}

/// RoBERTa (Liu et al. 2019).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the configuration file's")]
pub struct TextConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: String,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub layer_norm_eps: f64,
    pub pad_token_id: u32,
    pub position_embedding_type: String,
}

/// The keys of `preprocessor_config.json` that decide a feature's value.
#[derive(Deserialize)]
#[serde(default)]
struct PreprocessorConfig {
    sampling_rate: u32,
    fft_window_size: usize,
    hop_length: usize,
    feature_size: usize,
    frequency_min: f64,
    frequency_max: f64,
    max_length_s: f64,
    truncation: String,
    padding: String,
}

impl Default for ClapConfig {
    fn default() -> ClapConfig {
        ClapConfig {
            audio_config: AudioConfig::default(),
            text_config: TextConfig::default(),
            projection_dim: 512,
            projection_hidden_act: "relu".into(),
        }
    }
}

impl Default for AudioConfig {
    fn default() -> AudioConfig {
        AudioConfig {
            spec_size: 256,
            window_size: 8,
            num_mel_bins: 64,
            patch_size: 4,
            patch_stride: vec![4, 4],
            patch_embed_input_channels: 1,
            patch_embeds_hidden_size: 96,
            depths: vec![2, 2, 6, 2],
            num_attention_heads: vec![4, 8, 16, 32],
            hidden_size: 768,
            mlp_ratio: 4.0,
            qkv_bias: true,
            enable_fusion: false,
            fusion_type: None,
            aff_block_r: 4,
            enable_patch_layer_norm: true,
            flatten_patch_embeds: true,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-5,
        }
    }
}

impl Default for TextConfig {
    fn default() -> TextConfig {
        TextConfig {
            vocab_size: 50265,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            max_position_embeddings: 514,
            type_vocab_size: 1,
            layer_norm_eps: 1e-12,
            pad_token_id: 1,
            position_embedding_type: "absolute".into(),
        }
    }
}

impl Default for PreprocessorConfig {
    fn default() -> PreprocessorConfig {
        PreprocessorConfig {
            sampling_rate: 48_000,
            fft_window_size: 1024,
            hop_length: 480,
            feature_size: 64,
            frequency_min: 0.0,
            frequency_max: 14_000.0,
            max_length_s: 10.0,
            truncation: "fusion".into(),
            padding: "repeatpad".into(),
        }
    }
}

impl AudioConfig {
    /// Tokens along one side of the square token map of stage `stage`.
    pub(super) fn side(&self, stage: usize) -> usize {
        (self.spec_size / self.patch_size) >> stage
    }

    /// Channels of stage `stage`.
    pub(super) fn channels(&self, stage: usize) -> usize {
        self.patch_embeds_hidden_size << stage
    }

    /// Pieces that the time axis is cut into to make the spectrogram square.
    pub(super) fn freq_ratio(&self) -> usize {
        self.spec_size / self.num_mel_bins
    }
}

impl TextConfig {
    /// The most tokens of one text: positions start behind the padding token's.
    pub(super) fn max_tokens(&self) -> usize {
        self.max_position_embeddings
            .saturating_sub(self.pad_token_id as usize + 1)
    }
}

/// Reads and checks `config.json`.
pub(super) fn read_config(checkpoint: &Checkpoint) -> Result<ClapConfig, LoadError> {
    let config: ClapConfig = parse(checkpoint, CONFIG)?;
    let file = Refusing {
        file: checkpoint.path_of(CONFIG),
    };
    file.check_audio(&config.audio_config)?;
    file.check_text(&config.text_config)?;
    file.within("projection_dim", config.projection_dim, 1, 1 << 14)?;
    file.one_of(
        "projection_hidden_act",
        &config.projection_hidden_act,
        &["relu", "gelu"],
    )?;
    Ok(config)
}

/// Reads and checks `preprocessor_config.json`, and that it fits the audio encoder.
pub(super) fn read_mel_config(
    checkpoint: &Checkpoint,
    audio: &AudioConfig,
) -> Result<MelConfig, LoadError> {
    let raw: PreprocessorConfig = parse(checkpoint, PREPROCESSOR)?;
    let file = Refusing {
        file: checkpoint.path_of(PREPROCESSOR),
    };
    file.one_of("truncation", &raw.truncation, &["rand_trunc", "fusion"])?;
    file.one_of("padding", &raw.padding, &["repeatpad", "repeat", "pad"])?;
    if !(raw.max_length_s > 0.0 && raw.max_length_s <= 600.0) {
        return Err(file.refuse("max_length_s", "above 0 and at most 600", raw.max_length_s));
    }
    let fusion = raw.truncation == "fusion";
    let config = MelConfig {
        sample_rate_hz: raw.sampling_rate,
        n_fft: raw.fft_window_size,
        hop: raw.hop_length,
        n_mels: raw.feature_size,
        f_min_hz: raw.frequency_min,
        f_max_hz: raw.frequency_max,
        max_samples: (raw.max_length_s * f64::from(raw.sampling_rate)).round() as usize,
        scale: if fusion {
            MelScale::Htk
        } else {
            MelScale::Slaney
        },
        padding: match raw.padding.as_str() {
            "repeat" => Padding::Repeat,
            "pad" => Padding::Pad,
            _ => Padding::RepeatPad,
        },
        fusion,
    };
    config.validate().map_err(|error| {
        let key = match error.field {
            "sample_rate_hz" => "sampling_rate",
            "n_fft" => "fft_window_size",
            "hop" => "hop_length",
            "n_mels" => "feature_size",
            "max_samples" => "max_length_s in samples",
            "frames" => "max_length_s in frames",
            _ => "frequency_min to frequency_max",
        };
        file.refuse(key, &error.expected, error.found)
    })?;
    if config.n_mels != audio.num_mel_bins {
        let expected = format!("{}, the num_mel_bins of config.json", audio.num_mel_bins);
        return Err(file.refuse("feature_size", &expected, config.n_mels));
    }
    if fusion != audio.enable_fusion {
        let wanted = if audio.enable_fusion {
            "fusion"
        } else {
            "rand_trunc"
        };
        let expected = format!(
            "{wanted}, since config.json has enable_fusion {}",
            audio.enable_fusion
        );
        return Err(file.refuse("truncation", &expected, raw.truncation));
    }
    let longest = audio.spec_size * audio.freq_ratio();
    if config.frames() > longest {
        let expected = format!("at most {longest} frames, the audio encoder's width");
        return Err(file.refuse(
            "max_length_s",
            &expected,
            format!("{} frames", config.frames()),
        ));
    }
    Ok(config)
}

fn parse<T: DeserializeOwned>(checkpoint: &Checkpoint, name: &'static str) -> Result<T, LoadError> {
    let bytes = checkpoint.require(name)?;
    serde_json::from_slice(&bytes).map_err(|problem| LoadError::Json {
        file: checkpoint.path_of(name),
        problem,
    })
}

/// Names the file in every refusal.
struct Refusing {
    file: String,
}

impl Refusing {
    fn refuse(&self, key: &str, expected: &str, found: impl ToString) -> LoadError {
        LoadError::Config {
            file: self.file.clone(),
            key: key.to_owned(),
            expected: expected.to_owned(),
            found: found.to_string(),
        }
    }

    fn within(&self, key: &str, found: usize, low: usize, high: usize) -> Result<(), LoadError> {
        if (low..=high).contains(&found) {
            return Ok(());
        }
        Err(self.refuse(key, &format!("{low} to {high}"), found))
    }

    fn one_of(&self, key: &str, found: &str, accepted: &[&str]) -> Result<(), LoadError> {
        if accepted.contains(&found) {
            return Ok(());
        }
        Err(self.refuse(key, &accepted.join(" or "), found))
    }

    fn multiple(&self, key: &str, found: usize, of: usize, why: &str) -> Result<(), LoadError> {
        if found.is_multiple_of(of) {
            return Ok(());
        }
        Err(self.refuse(key, &format!("a multiple of {of}, {why}"), found))
    }

    fn epsilon(&self, key: &str, found: f64) -> Result<(), LoadError> {
        if (0.0..=0.1).contains(&found) {
            return Ok(());
        }
        Err(self.refuse(key, "0 to 0.1", found))
    }

    fn check_audio(&self, c: &AudioConfig) -> Result<(), LoadError> {
        let stages = c.depths.len();
        self.within("audio_config.depths (stages)", stages, 1, 6)?;
        for &depth in &c.depths {
            self.within("audio_config.depths", depth, 1, 64)?;
        }
        if c.num_attention_heads.len() != stages {
            let expected = format!("{stages} numbers, one for each of depths");
            let found = format!("{:?}", c.num_attention_heads);
            return Err(self.refuse("audio_config.num_attention_heads", &expected, found));
        }
        self.within("audio_config.num_mel_bins", c.num_mel_bins, 1, 1024)?;
        self.within("audio_config.spec_size", c.spec_size, c.num_mel_bins, 1024)?;
        self.multiple(
            "audio_config.spec_size",
            c.spec_size,
            c.num_mel_bins,
            "num_mel_bins",
        )?;
        self.within("audio_config.patch_size", c.patch_size, 1, 64)?;
        if c.patch_stride != [c.patch_size; 2] {
            let expected = format!("{:?}, the patch_size", [c.patch_size; 2]);
            let found = format!("{:?}", c.patch_stride);
            return Err(self.refuse("audio_config.patch_stride", &expected, found));
        }
        self.within("audio_config.window_size", c.window_size, 1, 32)?;
        // The last token map is whole windows, then so are those before it, twice as wide each.
        let unit = (c.patch_size * c.window_size) << (stages - 1);
        let why = "the patches of one window of the last stage";
        self.multiple("audio_config.spec_size", c.spec_size, unit, why)?;
        let inputs = c.patch_embed_input_channels;
        self.within("audio_config.patch_embed_input_channels", inputs, 1, 1)?;
        let width = c.patch_embeds_hidden_size;
        self.within("audio_config.patch_embeds_hidden_size", width, 1, 1024)?;
        for (stage, &heads) in c.num_attention_heads.iter().enumerate() {
            self.within("audio_config.num_attention_heads", heads, 1, 256)?;
            let key = format!("audio_config.patch_embeds_hidden_size in stage {stage}");
            self.multiple(&key, c.channels(stage), heads, "num_attention_heads")?;
        }
        if c.hidden_size != c.channels(stages - 1) {
            let expected = format!("{}, the width of the last stage", c.channels(stages - 1));
            return Err(self.refuse("audio_config.hidden_size", &expected, c.hidden_size));
        }
        if !(c.mlp_ratio > 0.0 && c.mlp_ratio <= 16.0) {
            return Err(self.refuse("audio_config.mlp_ratio", "above 0, at most 16", c.mlp_ratio));
        }
        if c.enable_fusion {
            self.within("audio_config.aff_block_r", c.aff_block_r, 1, width)?;
            // Only this type has another patch layer; null, too, means attentional fusion.
            if c.fusion_type.as_deref() == Some("channel_map") {
                let expected = "null or aff_2d";
                return Err(self.refuse("audio_config.fusion_type", expected, "channel_map"));
            }
        }
        if !c.flatten_patch_embeds {
            return Err(self.refuse("audio_config.flatten_patch_embeds", "true", false));
        }
        self.one_of("audio_config.hidden_act", &c.hidden_act, &["gelu", "relu"])?;
        self.epsilon("audio_config.layer_norm_eps", c.layer_norm_eps)
    }

    fn check_text(&self, c: &TextConfig) -> Result<(), LoadError> {
        self.within("text_config.vocab_size", c.vocab_size, 4, 1 << 20)?;
        self.within("text_config.hidden_size", c.hidden_size, 1, 1 << 13)?;
        self.within("text_config.num_hidden_layers", c.num_hidden_layers, 1, 128)?;
        self.within(
            "text_config.num_attention_heads",
            c.num_attention_heads,
            1,
            256,
        )?;
        let (heads, why) = (c.num_attention_heads, "num_attention_heads");
        self.multiple("text_config.hidden_size", c.hidden_size, heads, why)?;
        self.within(
            "text_config.intermediate_size",
            c.intermediate_size,
            1,
            1 << 15,
        )?;
        self.within("text_config.type_vocab_size", c.type_vocab_size, 1, 1 << 10)?;
        self.within(
            "text_config.pad_token_id",
            c.pad_token_id as usize,
            0,
            c.vocab_size - 1,
        )?;
        // A start, one token and an end have to fit behind the padding position.
        let fewest = c.pad_token_id as usize + 4;
        let positions = c.max_position_embeddings;
        self.within(
            "text_config.max_position_embeddings",
            positions,
            fewest,
            1 << 16,
        )?;
        let kind = &c.position_embedding_type;
        self.one_of("text_config.position_embedding_type", kind, &["absolute"])?;
        self.one_of("text_config.hidden_act", &c.hidden_act, &["gelu", "relu"])?;
        self.epsilon("text_config.layer_norm_eps", c.layer_norm_eps)
    }
}
