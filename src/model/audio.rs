//! The audio encoder: HTSAT, a Swin transformer over a spectrogram folded into a square.
//!
//! Structures and fields follow the checkpoint's tensor names, in their order; every size comes
//! from the configuration. Plain candle operations, so that every device computes it.
//! Reference: `ClapAudioEncoder` and the classes it uses, in transformers 4.57.6,
//! <https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/clap/modeling_clap.py>;
//! paper: Chen et al. 2022, HTS-AT, <https://arxiv.org/abs/2202.00874>.
//!
//! Shapes: `B` clips, `C` channels of a stage, `S` tokens along a side, `w` a window's side.

mod patches;
mod swin;

use candle_core::{Device, Result, Tensor};
use candle_nn::{LayerNorm, Module, VarBuilder, layer_norm};

use super::ClapConfig;
use super::projection::Projection;
use crate::mel::LogMel;
use patches::PatchEmbed;
use swin::Stage;
pub(super) use swin::{offset_index, shift_mask};

/// Epsilon of the normalisations that `layer_norm_eps` does not govern: torch's default, for batch
/// normalisation, patch embedding, merging and the last layer.
pub(super) const TORCH_NORM_EPS: f64 = 1e-5;

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
