//! The text encoder: RoBERTa, its pooler, and the projection into the shared space.
//!
//! The transformer is candle-transformers' `xlm_roberta`, whose tensor names and position ids are
//! RoBERTa's. Reference: `ClapTextModel`,
//! <https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/clap/modeling_clap.py>.

use candle_core::{Device, IndexOp, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};
use candle_transformers::models::xlm_roberta::{Config, XLMRobertaModel};

use super::projection::{Projection, activation_named};
use super::{ClapConfig, TextConfig};

/// Token ids to embeddings.
pub(super) struct TextEncoder {
    roberta: XLMRobertaModel,
    pooler: Linear,
    projection: Projection,
    pad_token_id: u32,
    device: Device,
}

impl TextEncoder {
    /// Reads `text_model.*` and `text_projection.*`.
    pub(super) fn load(vb: VarBuilder, config: &ClapConfig) -> Result<TextEncoder> {
        let text = &config.text_config;
        let (width, activation) = (text.hidden_size, &config.projection_hidden_act);
        let projection = vb.pp("text_projection");
        Ok(TextEncoder {
            roberta: XLMRobertaModel::new(&roberta_config(text), vb.pp("text_model"))?,
            pooler: linear(width, width, vb.pp("text_model.pooler.dense"))?,
            projection: Projection::load(projection, width, config.projection_dim, activation)?,
            pad_token_id: text.pad_token_id,
            device: vb.device().clone(),
        })
    }

    /// Embeds a batch of token ids, each with at least one token: (batch, dimension), unit rows.
    /// Shorter texts are padded to the longest, which changes nothing but the last digits.
    pub(super) fn forward(
        &self,
        batch: &[Vec<u32>],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Tensor> {
        let longest = batch.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(batch.len() * longest);
        let mut mask = Vec::with_capacity(batch.len() * longest);
        for tokens in batch {
            let padding = longest - tokens.len();
            ids.extend_from_slice(tokens);
            ids.extend(std::iter::repeat_n(self.pad_token_id, padding));
            mask.extend(std::iter::repeat_n(1f32, tokens.len()));
            mask.extend(std::iter::repeat_n(0f32, padding));
        }
        let shape = (batch.len(), longest);
        let ids = Tensor::from_vec(ids, shape, &self.device)?;
        let mask = Tensor::from_vec(mask, shape, &self.device)?;
        let hidden = self
            .roberta
            .forward(&ids, &mask, &ids.zeros_like()?, None, None, None)?;
        visit("last_hidden_state", &hidden);
        let pooled = self
            .pooler
            .forward(&hidden.i((.., 0))?.contiguous()?)?
            .tanh()?;
        visit("pooled", &pooled);
        self.projection.forward(&pooled, visit)
    }
}

fn roberta_config(text: &TextConfig) -> Config {
    Config {
        hidden_size: text.hidden_size,
        layer_norm_eps: text.layer_norm_eps,
        attention_probs_dropout_prob: 0.0,
        hidden_dropout_prob: 0.0,
        num_attention_heads: text.num_attention_heads,
        position_embedding_type: text.position_embedding_type.clone(),
        intermediate_size: text.intermediate_size,
        hidden_act: activation_named(&text.hidden_act),
        num_hidden_layers: text.num_hidden_layers,
        vocab_size: text.vocab_size,
        max_position_embeddings: text.max_position_embeddings,
        type_vocab_size: text.type_vocab_size,
        pad_token_id: text.pad_token_id,
    }
}
