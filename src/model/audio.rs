//! The audio encoder: HTSAT, a Swin transformer over a spectrogram folded into a square.
//!
//! Structures and fields follow the checkpoint's tensor names, in their order; every size comes
//! from the configuration. Plain candle operations, so that every device computes it.
//! Reference: `ClapAudioEncoder` and the classes it uses, in transformers 4.57.6,
//! <https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/clap/modeling_clap.py>;
//! paper: Chen et al. 2022, HTS-AT, <https://arxiv.org/abs/2202.00874>.
//!
//! Shapes: `B` clips, `C` channels of a stage, `S` tokens along a side, `w` a window's side.

use candle_core::{Device, Result, Tensor};
use candle_nn::{
    Activation, Conv2d, Conv2dConfig, LayerNorm, Linear, Module, VarBuilder, conv2d, layer_norm,
    linear, linear_b, linear_no_bias, ops,
};

use super::fusion::AttentionalFusion;
use super::projection::{Projection, activation_named};
use super::{AudioConfig, ClapConfig};
use crate::mel::LogMel;

/// Epsilon of the normalisations that `layer_norm_eps` does not govern: torch's default, for batch
/// normalisation, patch embedding, merging and the last layer.
pub(super) const TORCH_NORM_EPS: f64 = 1e-5;

/// Added to the attention score of tokens that only the cyclic shift brought together.
const MASKED: f32 = -100.0;

/// Log-mel spectrograms to embeddings.
pub(super) struct AudioEncoder {
    batch_norm: MelNorm,
    resize: Option<Tensor>,
    patch_embed: PatchEmbed,
    layers: Vec<Stage>,
    norm: LayerNorm,
    projection: Projection,
    spec_size: usize,
    device: Device,
}

impl AudioEncoder {
    /// Reads `audio_model.audio_encoder.*` and `audio_projection.*` for spectrograms of `frames`
    /// frames.
    pub(super) fn load(vb: VarBuilder, config: &ClapConfig, frames: usize) -> Result<AudioEncoder> {
        let audio = &config.audio_config;
        let encoder = vb.pp("audio_model.audio_encoder");
        let last = audio.hidden_size;
        let (to, activation) = (config.projection_dim, &config.projection_hidden_act);
        let width = audio.spec_size * audio.freq_ratio();
        let resize = if frames == width {
            None
        } else {
            Some(Tensor::from_vec(
                bicubic_matrix(frames, width),
                (width, frames),
                vb.device(),
            )?)
        };
        Ok(AudioEncoder {
            batch_norm: MelNorm::load(encoder.pp("batch_norm"), audio.num_mel_bins)?,
            resize,
            patch_embed: PatchEmbed::load(encoder.pp("patch_embed"), audio)?,
            layers: (0..audio.depths.len())
                .map(|stage| Stage::load(encoder.pp("layers").pp(stage), audio, stage))
                .collect::<Result<_>>()?,
            norm: layer_norm(last, TORCH_NORM_EPS, encoder.pp("norm"))?,
            projection: Projection::load(vb.pp("audio_projection"), last, to, activation)?,
            spec_size: audio.spec_size,
            device: vb.device().clone(),
        })
    }

    /// Embeds spectrograms of equal size: (B, dimension), unit rows.
    ///
    /// `visit` sees the stages by the reference's names; up to `mel2img` they hold the clips'
    /// first channels, followed by the three crops of each longer clip.
    pub(super) fn forward(
        &self,
        clips: &[&LogMel],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Tensor> {
        let longer: Vec<usize> = (0..clips.len()).filter(|&i| clips[i].is_longer()).collect();
        let images = self.images(clips, &longer, visit)?;
        let mut x = self
            .patch_embed
            .forward(&images, clips.len(), &longer, visit)?;
        for (stage, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, stage, visit)?;
        }
        let x = self.norm.forward(&x)?;
        visit("final_norm", &x);
        // The reference regroups the tokens by frequency first and then averages over all of them.
        let pooled = x.mean(1)?;
        visit("pooled", &pooled);
        self.projection.forward(&pooled, visit)
    }

    /// Normalised, stretched and folded spectrograms: (B + 3 · longer, 1, spec, spec).
    fn images(
        &self,
        clips: &[&LogMel],
        longer: &[usize],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Tensor> {
        let (frames, n_mels) = clips
            .first()
            .map_or((0, 0), |clip| (clip.frames, clip.n_mels));
        let one = frames * n_mels;
        let count = clips.len() + 3 * longer.len();
        let mut data = Vec::with_capacity(count * one);
        for clip in clips {
            data.extend_from_slice(&clip.data[..one]);
        }
        for &i in longer {
            data.extend_from_slice(&clips[i].data[one..]);
        }
        let x = Tensor::from_vec(data, (count, frames, n_mels), &self.device)?;
        let x = self.batch_norm.forward(&x)?;
        visit("batch_norm", &x);
        let x = match &self.resize {
            Some(matrix) => matrix.broadcast_matmul(&x)?,
            None => x,
        };
        // Pieces of the time axis, one under the other: row = piece · n_mels + mel band, column =
        // frame within the piece (`reshape_mel2img`).
        let pieces = self.spec_size / n_mels;
        let x = x
            .reshape((count, pieces, self.spec_size, n_mels))?
            .transpose(2, 3)?
            .contiguous()?
            .reshape((count, 1, self.spec_size, self.spec_size))?;
        visit("mel2img", &x);
        Ok(x)
    }
}

/// Batch normalisation over mel bands, with the running statistics folded into one factor and one
/// summand per band.
struct MelNorm {
    scale: Tensor,
    shift: Tensor,
}

impl MelNorm {
    fn load(vb: VarBuilder, n_mels: usize) -> Result<MelNorm> {
        let (scale, shift) = batch_norm_affine(vb, n_mels)?;
        Ok(MelNorm { scale, shift })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_mul(&self.scale)?.broadcast_add(&self.shift)
    }
}

/// Factor and summand, each (features,), of a batch normalisation at inference.
pub(super) fn batch_norm_affine(vb: VarBuilder, features: usize) -> Result<(Tensor, Tensor)> {
    let variance = vb.get(features, "running_var")?;
    let scale = (vb.get(features, "weight")? / (variance + TORCH_NORM_EPS)?.sqrt()?)?;
    let shift = (vb.get(features, "bias")? - (vb.get(features, "running_mean")? * &scale)?)?;
    Ok((scale, shift))
}

/// The matrix (to, from) that stretches the time axis.
fn bicubic_matrix(from: usize, to: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; from * to];
    for (row, taps) in matrix.chunks_exact_mut(from).zip(bicubic_taps(from, to)) {
        for (at, weight) in taps {
            row[at] += weight;
        }
    }
    matrix
}

/// For each of `to` places on a stretched axis of `from` numbers, which four it is mixed from and
/// their weights: bicubic with a = -0.75, align_corners = true, clamped at the ends, positions in
/// single precision, as `torch.nn.functional.interpolate` does it.
pub(super) fn bicubic_taps(from: usize, to: usize) -> Vec<[(usize, f32); 4]> {
    const A: f32 = -0.75;
    let near = |z: f32| ((A + 2.0) * z - (A + 3.0)) * z * z + 1.0;
    let far = |z: f32| ((A * z - 5.0 * A) * z + 8.0 * A) * z - 4.0 * A;
    let step = (from - 1) as f32 / (to - 1) as f32;
    let taps = |t: usize| {
        let position = step * t as f32;
        let before = position.floor();
        let z = position - before;
        let at = |tap: isize| (before as isize + tap - 1).clamp(0, from as isize - 1) as usize;
        [
            (at(0), far(z + 1.0)),
            (at(1), near(z)),
            (at(2), near(1.0 - z)),
            (at(3), far(2.0 - z)),
        ]
    };
    (0..to).map(taps).collect()
}

/// `ClapAudioPatchEmbed`: square patches to tokens; in fusion models also the crops of longer
/// clips, joined to the whole by attention.
struct PatchEmbed {
    proj: Conv2d,
    norm: Option<LayerNorm>,
    fusion: Option<Crops>,
}

/// The part of the patch embedding that only fusion models have.
struct Crops {
    mel_conv2d: Conv2d,
    fusion_model: AttentionalFusion,
}

impl PatchEmbed {
    fn load(vb: VarBuilder, config: &AudioConfig) -> Result<PatchEmbed> {
        let (channels, patch) = (config.patch_embeds_hidden_size, config.patch_size);
        let stride = Conv2dConfig {
            stride: patch,
            ..Conv2dConfig::default()
        };
        let norm = config
            .enable_patch_layer_norm
            .then(|| layer_norm(channels, TORCH_NORM_EPS, vb.pp("norm")))
            .transpose()?;
        let fusion = config
            .enable_fusion
            .then(|| Crops::load(&vb, config))
            .transpose()?;
        let proj = conv2d(1, channels, patch, stride, vb.pp("proj"))?;
        Ok(PatchEmbed { proj, norm, fusion })
    }

    /// (B + 3 · longer, 1, spec, spec) to tokens (B, S · S, C), row by row.
    fn forward(
        &self,
        images: &Tensor,
        clips: usize,
        longer: &[usize],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Tensor> {
        let mut x = self.proj.forward(&images.narrow(0, 0, clips)?)?;
        visit("patch_proj", &x);
        if let Some(crops) = self.fusion.as_ref().filter(|_| !longer.is_empty()) {
            let images = images.narrow(0, clips, 3 * longer.len())?;
            x = crops.fuse(&x, &images, longer, visit)?;
        }
        let x = x.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        let x = match &self.norm {
            Some(norm) => norm.forward(&x)?,
            None => x,
        };
        visit("patch_embed", &x);
        Ok(x)
    }
}

impl Crops {
    fn load(vb: &VarBuilder, config: &AudioConfig) -> Result<Crops> {
        let (channels, patch) = (config.patch_embeds_hidden_size, config.patch_size);
        let conv = vb.pp("mel_conv2d");
        // Three crops share the width of one image, so a patch is three times as wide; candle's
        // convolution has one stride, which `forward` makes two by folding the width.
        let weight = conv.get((channels, 1, patch, 3 * patch), "weight")?;
        let weight = weight.reshape((channels, patch * 3 * patch, 1, 1))?;
        let bias = conv.get(channels, "bias")?;
        Ok(Crops {
            mel_conv2d: Conv2d::new(weight, Some(bias), Conv2dConfig::default()),
            fusion_model: AttentionalFusion::load(
                vb.pp("fusion_model"),
                channels,
                channels / config.aff_block_r,
            )?,
        })
    }

    /// Replaces the maps of longer clips in `x` (B, C, S, S) by their fusion with the crops
    /// (3 · longer, 1, spec, spec).
    fn fuse(
        &self,
        x: &Tensor,
        images: &Tensor,
        longer: &[usize],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Tensor> {
        let (_, channels, side, _) = x.dims4()?;
        let count = longer.len();
        let patch = images.dim(2)? / side;
        let wide = side / 3;
        // Kernel and stride are equal, so the convolution is a product with each patch's pixels.
        let patches = images
            .narrow(3, 0, wide * 3 * patch)?
            .contiguous()?
            .reshape((3 * count, side, patch, wide, 3 * patch))?
            .permute((0, 2, 4, 1, 3))?
            .contiguous()?
            .reshape((3 * count, patch * 3 * patch, side, wide))?;
        let local = self.mel_conv2d.forward(&patches)?;
        visit("mel_conv2d", &local);
        // Front, middle and back side by side along the width, then zeros up to the side.
        let local = local
            .reshape((count, 3, channels, side, wide))?
            .permute((0, 2, 3, 1, 4))?
            .contiguous()?
            .reshape((count, channels, side, 3 * wide))?
            .pad_with_zeros(3, 0, side - 3 * wide)?;
        let which: Vec<u32> = longer.iter().map(|&i| i as u32).collect();
        let whole = x.index_select(&Tensor::from_vec(which, count, x.device())?, 0)?;
        let fused = self.fusion_model.forward(&whole, &local)?;
        visit("aff", &fused);
        let rows = (0..x.dim(0)?)
            .map(|i| match longer.binary_search(&i) {
                Ok(at) => fused.narrow(0, at, 1),
                Err(_) => x.narrow(0, i, 1),
            })
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&rows, 0)
    }
}

/// `ClapAudioStage`: blocks of one resolution, then half the side and twice the channels.
struct Stage {
    blocks: Vec<Block>,
    downsample: Option<PatchMerging>,
}

impl Stage {
    fn load(vb: VarBuilder, config: &AudioConfig, stage: usize) -> Result<Stage> {
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

    fn forward(
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
pub(super) fn offset_index(window: usize) -> Vec<u32> {
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
pub(super) fn shift_mask(side: usize, window: usize, shift: usize) -> Vec<f32> {
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
