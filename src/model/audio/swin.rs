//! The Swin transformer between patches and embedding: stages of blocks with attention in windows.
//!
//! Apart from [`super`] because it knows nothing of spectrograms: tokens of a square go in and tokens
//! of a smaller square come out. Reference and shapes: [`super`].

use candle_core::{Result, Tensor};
use candle_nn::{
    Activation, LayerNorm, Linear, Module, VarBuilder, layer_norm, linear, linear_b,
    linear_no_bias, ops,
};

use super::super::AudioConfig;
use super::super::projection::activation_named;
use super::TORCH_NORM_EPS;

/// Added to the attention score of tokens that only the cyclic shift brought together.
const MASKED: f32 = -100.0;

/// `ClapAudioStage`: blocks of one resolution, then half the side and twice the channels.
pub(super) struct Stage {
    blocks: Vec<Block>,
    downsample: Option<PatchMerging>,
}

impl Stage {
    pub(super) fn load(vb: VarBuilder, config: &AudioConfig, stage: usize) -> Result<Stage> {
        let blocks = (0..config.depths[stage])
            .map(|block| Block::load(vb.pp("blocks").pp(block), config, stage, block % 2 == 1))
            .collect::<Result<_>>()?;
        let downsample = (stage + 1 < config.depths.len())
            .then(|| {
                let (channels, side) = (config.channels(stage), config.side(stage));
                PatchMerging::load(vb.pp("downsample"), channels, side)
            })
            .transpose()?;
        Ok(Stage { blocks, downsample })
    }

    pub(super) fn forward(
        &self,
        mut x: Tensor,
        stage: usize,
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Tensor> {
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x)?;
            visit(&format!("block.{stage}.{i}"), &x);
        }
        if let Some(downsample) = &self.downsample {
            x = downsample.forward(&x)?;
            visit(&format!("merge.{stage}"), &x);
        }
        Ok(x)
    }
}

/// `ClapAudioLayer`: window attention and a two-layer network, each behind a normalisation and
/// beside a residual.
struct Block {
    layernorm_before: LayerNorm,
    attention: WindowAttention,
    layernorm_after: LayerNorm,
    intermediate: Linear,
    activation: Activation,
    output: Linear,
    side: usize,
    window: usize,
    shift: usize,
}

impl Block {
    fn load(vb: VarBuilder, config: &AudioConfig, stage: usize, odd: bool) -> Result<Block> {
        let (channels, side) = (config.channels(stage), config.side(stage));
        let eps = config.layer_norm_eps;
        let hidden = (config.mlp_ratio * channels as f64) as usize;
        let window = config.window_size;
        // A map of a single window has nothing to shift to.
        let shift = if odd && side > window { window / 2 } else { 0 };
        Ok(Block {
            layernorm_before: layer_norm(channels, eps, vb.pp("layernorm_before"))?,
            attention: WindowAttention::load(vb.pp("attention"), config, stage, shift)?,
            layernorm_after: layer_norm(channels, eps, vb.pp("layernorm_after"))?,
            intermediate: linear(channels, hidden, vb.pp("intermediate.dense"))?,
            activation: activation_named(&config.hidden_act),
            output: linear(hidden, channels, vb.pp("output.dense"))?,
            side,
            window,
            shift,
        })
    }

    /// (B, S · S, C) to the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, tokens, channels) = x.dims3()?;
        let (side, window, shift) = (self.side, self.window, self.shift as i32);
        let across = side / window;
        let map = (batch, side, side, channels);
        let mut h = self.layernorm_before.forward(x)?.reshape(map)?;
        if shift > 0 {
            h = h.roll(-shift, 1)?.roll(-shift, 2)?;
        }
        // (B · windows, w · w, C)
        let h = h
            .reshape((batch, across, window, across, window, channels))?
            .permute((0, 1, 3, 2, 4, 5))?
            .contiguous()?
            .reshape((batch * across * across, window * window, channels))?;
        let h = self.attention.forward(&h)?;
        let mut h = h
            .reshape((batch, across, across, window, window, channels))?
            .permute((0, 1, 3, 2, 4, 5))?
            .contiguous()?
            .reshape(map)?;
        if shift > 0 {
            h = h.roll(shift, 1)?.roll(shift, 2)?;
        }
        let x = (x + h.reshape((batch, tokens, channels))?)?;
        let h = self
            .intermediate
            .forward(&self.layernorm_after.forward(&x)?)?;
        x + self.output.forward(&self.activation.forward(&h)?)?
    }
}

/// `ClapAudioAttention`: attention within windows, with a learned bias per offset.
struct WindowAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
    /// (windows or 1, heads, w · w, w · w): position bias and, in shifted blocks, the mask.
    bias: Tensor,
}

impl WindowAttention {
    fn load(vb: VarBuilder, config: &AudioConfig, stage: usize, shift: usize) -> Result<Self> {
        let (channels, side) = (config.channels(stage), config.side(stage));
        let (heads, window) = (config.num_attention_heads[stage], config.window_size);
        let attention = vb.pp("self");
        let project = |name| linear_b(channels, channels, config.qkv_bias, attention.pp(name));
        let offsets = (2 * window - 1) * (2 * window - 1);
        let table = attention.get((offsets, heads), "relative_position_bias_table")?;
        let tokens = window * window;
        let index = Tensor::from_vec(offset_index(window), tokens * tokens, vb.device())?;
        let mut bias = table
            .contiguous()?
            .index_select(&index, 0)?
            .reshape((tokens, tokens, heads))?
            .permute((2, 0, 1))?
            .contiguous()?
            .unsqueeze(0)?;
        if shift > 0 {
            let windows = (side / window) * (side / window);
            let mask = shift_mask(side, window, shift);
            let mask = Tensor::from_vec(mask, (windows, 1, tokens, tokens), vb.device())?;
            bias = bias.broadcast_add(&mask)?;
        }
        Ok(WindowAttention {
            query: project("query")?,
            key: project("key")?,
            value: project("value")?,
            output: linear(channels, channels, vb.pp("output.dense"))?,
            heads,
            bias,
        })
    }

    /// (B · windows, w · w, C) to the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (windows, tokens, channels) = x.dims3()?;
        let heads = self.heads;
        let split = |x: Tensor| {
            x.reshape((windows, tokens, heads, channels / heads))?
                .transpose(1, 2)?
                .contiguous()
        };
        let query = split(self.query.forward(x)?)?;
        let key = split(self.key.forward(x)?)?;
        let value = split(self.value.forward(x)?)?;
        let scale = 1.0 / ((channels / heads) as f64).sqrt();
        let scores = (query.matmul(&key.t()?)? * scale)?;
        let kinds = self.bias.dim(0)?;
        let scores = scores
            .reshape((windows / kinds, kinds, heads, tokens, tokens))?
            .broadcast_add(&self.bias)?
            .reshape((windows, heads, tokens, tokens))?;
        let mixed = ops::softmax_last_dim(&scores)?.matmul(&value)?;
        self.output
            .forward(&mixed.transpose(1, 2)?.contiguous()?.reshape(x.shape())?)
    }
}

/// For each pair (query, key) of a window's tokens, the row of the bias table: the offset of the
/// two, (rows + w - 1) · (2w - 1) + columns + w - 1. Checkpoints store the same numbers as
/// `relative_position_index`.
pub(in super::super) fn offset_index(window: usize) -> Vec<u32> {
    let tokens = window * window;
    let mut index = Vec::with_capacity(tokens * tokens);
    for query in 0..tokens {
        for key in 0..tokens {
            let rows = query / window + window - 1 - key / window;
            let columns = query % window + window - 1 - key % window;
            index.push((rows * (2 * window - 1) + columns) as u32);
        }
    }
    index
}

/// The mask of a shifted block, (windows, w · w, w · w): tokens attend to each other only where
/// they were neighbours before the cyclic shift (Liu et al. 2021, Swin, section 3.2).
pub(in super::super) fn shift_mask(side: usize, window: usize, shift: usize) -> Vec<f32> {
    let band = |n: usize| usize::from(n >= side - window) + usize::from(n >= side - shift);
    let across = side / window;
    let tokens = window * window;
    let mut mask = Vec::with_capacity(across * across * tokens * tokens);
    for at in 0..across * across {
        let region = |token: usize| {
            let row = at / across * window + token / window;
            let column = at % across * window + token % window;
            3 * band(row) + band(column)
        };
        for query in 0..tokens {
            for key in 0..tokens {
                mask.push(if region(query) == region(key) {
                    0.0
                } else {
                    MASKED
                });
            }
        }
    }
    mask
}

/// `ClapAudioPatchMerging`: four neighbouring tokens become one.
struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
    side: usize,
}

impl PatchMerging {
    fn load(vb: VarBuilder, channels: usize, side: usize) -> Result<PatchMerging> {
        Ok(PatchMerging {
            norm: layer_norm(4 * channels, TORCH_NORM_EPS, vb.pp("norm"))?,
            reduction: linear_no_bias(4 * channels, 2 * channels, vb.pp("reduction"))?,
            side,
        })
    }

    /// (B, S · S, C) to (B, S/2 · S/2, 2C). The four lie in the order of the reference: (row,
    /// column) = (0, 0), (1, 0), (0, 1), (1, 1), columns outermost.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, _, channels) = x.dims3()?;
        let half = self.side / 2;
        let x = x
            .reshape((batch, half, 2, half, 2, channels))?
            .permute((0, 1, 3, 4, 2, 5))?
            .contiguous()?
            .reshape((batch, half * half, 4 * channels))?;
        self.reduction.forward(&self.norm.forward(&x)?)
    }
}
