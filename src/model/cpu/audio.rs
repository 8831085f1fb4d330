//! The audio encoder, one clip on one core.
//!
//! The same network as the candle encoder's, read by the same tensor names: channels last, one map
//! of tokens that every block changes in place, and no memory taken for a clip but its result.
//! Normalisation factors, the scale of the scores and batch normalisation are folded into the
//! weights beside them.

use std::sync::{Mutex, PoisonError};

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::super::audio::{TORCH_NORM_EPS, batch_norm_affine, bicubic_taps};
use super::super::{AudioConfig, ClapConfig, Precision};
use super::affine::{Affine, Norm, affine};
use super::block::{Block, Workspace};
use super::fusion::Fusion;
use super::kernels::{Activation, Kernels};
use super::linear::Linear;
use super::matrix::Matrix;
use super::projection::Projection;
use super::shelf::Shelf;
use crate::mel::LogMel;

/// Merged tokens that are computed together.
const MERGE_GROUP: usize = 64;

/// Log-mel spectrograms to embeddings, as [`super::super::audio::AudioEncoder`] computes them.
pub(in super::super) struct AudioTower {
    kernels: &'static Kernels,
    picture: Picture,
    patches: Linear,
    fusion: Option<Fusion>,
    patch_norm: Option<Norm>,
    stages: Vec<Stage>,
    norm: Norm,
    projection: Projection,
    scratch: Mutex<Vec<Scratch>>,
}

struct Stage {
    blocks: Vec<(String, Block)>,
    merge: Option<(String, Merge)>,
}

/// What one clip at a time needs, kept for the next one.
#[derive(Default)]
struct Scratch {
    x: Matrix,
    merged: Matrix,
    pixels: Matrix,
    line: Vec<f32>,
    fusion: super::fusion::Scratch,
    work: Workspace,
}

/// Shows a stage: its name and its rows.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&str, &Matrix);

impl AudioTower {
    /// Reads what [`super::super::audio::AudioEncoder::load`] does and packs it for this
    /// processor.
    pub fn load(
        vb: VarBuilder,
        shelf: &Shelf,
        precision: Precision,
        config: &ClapConfig,
        frames: usize,
    ) -> Result<AudioTower> {
        let audio = &config.audio_config;
        let encoder = vb.pp("audio_model.audio_encoder");
        let embed = encoder.pp("patch_embed");
        let (channels, patch) = (audio.patch_embeds_hidden_size, audio.patch_size);
        let kind = (Precision::F32, Activation::None);
        let patches = shelf.layer("patches", (patch * patch, channels), kind, |kernels| {
            let weight = embed.get((channels, 1, patch, patch), "proj.weight")?;
            let patches = Affine::new(&weight, Some(&embed.get(channels, "proj.bias")?))?;
            Ok(Linear::pack(kernels, &patches, kind.0, kind.1))
        })?;
        let stage = |stage: usize| -> Result<Stage> {
            let vb = encoder.pp("layers").pp(stage);
            let blocks = (0..audio.depths[stage]).map(|i| -> Result<_> {
                let (vb, odd) = (vb.pp("blocks").pp(i), i % 2 == 1);
                let block = Block::load(&vb, shelf, precision, audio, stage, odd)?;
                Ok((format!("block.{stage}.{i}"), block))
            });
            let blocks = blocks.collect::<Result<_>>()?;
            let merge = (stage + 1 < audio.depths.len()).then(|| -> Result<_> {
                let merge = Merge::load(&vb.pp("downsample"), shelf, precision, audio, stage)?;
                Ok((format!("merge.{stage}"), merge))
            });
            let merge = merge.transpose()?;
            Ok(Stage { blocks, merge })
        };
        let (last, to) = (audio.hidden_size, config.projection_dim);
        Ok(AudioTower {
            kernels: shelf.kernels,
            picture: Picture::load(&encoder, audio, frames)?,
            patches,
            fusion: audio
                .enable_fusion
                .then(|| Fusion::load(&embed, shelf, audio))
                .transpose()?,
            patch_norm: audio
                .enable_patch_layer_norm
                .then(|| Norm::load(&embed.pp("norm"), channels))
                .transpose()?,
            stages: (0..audio.depths.len()).map(stage).collect::<Result<_>>()?,
            norm: Norm::load(&encoder.pp("norm"), last)?,
            projection: Projection::load(
                &vb.pp("audio_projection"),
                shelf,
                (last, to),
                &config.projection_hidden_act,
            )?,
            scratch: Mutex::new(Vec::new()),
        })
    }

    /// Embeds spectrograms, each on a thread of the current rayon pool: unit vectors in the clips'
    /// order.
    pub fn forward(&self, clips: &[&LogMel]) -> Vec<Vec<f32>> {
        clips
            .par_iter()
            .map(|clip| self.with_scratch(|scratch| self.embed(clip, scratch, &mut |_, _| ())))
            .collect()
    }

    /// As [`Self::forward`], one after the other, showing the stages by the reference's names and in
    /// its shapes. `batch_norm` and `mel2img` do not exist here.
    pub fn stages(
        &self,
        clips: &[&LogMel],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Vec<Vec<f32>>> {
        let mut seen: Vec<(String, Vec<Tensor>)> = Vec::new();
        let mut embeddings = Vec::new();
        for clip in clips {
            let mut failed = None;
            let mut collect = |name: &str, x: &Matrix| match self.shown(name, x) {
                Ok(tensor) => match seen.iter_mut().find(|(known, _)| known == name) {
                    Some((_, tensors)) => tensors.push(tensor),
                    None => seen.push((name.to_owned(), vec![tensor])),
                },
                Err(error) => failed = Some(error),
            };
            embeddings.push(self.with_scratch(|scratch| self.embed(clip, scratch, &mut collect)));
            if let Some(error) = failed {
                return Err(error);
            }
        }
        for (name, tensors) in seen {
            visit(&name, &Tensor::stack(&tensors, 0)?);
        }
        Ok(embeddings)
    }

    /// A stage's rows in the shape that the reference gives it.
    fn shown(&self, name: &str, x: &Matrix) -> Result<Tensor> {
        let (rows, width) = (x.rows(), x.width());
        let data: Vec<f32> = (0..rows).flat_map(|row| x.row(row).to_vec()).collect();
        let tensor = Tensor::from_vec(data, (rows, width), &candle_core::Device::Cpu)?;
        match name {
            "patch_proj" | "aff" | "mel_conv2d" => {
                let side = self.picture.side();
                tensor.t()?.reshape((width, side, rows / side))
            }
            "pooled" | "proj.linear1" | "proj" => tensor.squeeze(0),
            _ => Ok(tensor),
        }
    }

    fn with_scratch<T>(&self, f: impl FnOnce(&mut Scratch) -> T) -> T {
        let pool = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = pool().pop().unwrap_or_default();
        let result = f(&mut scratch);
        pool().push(scratch);
        result
    }

    fn embed(&self, clip: &LogMel, scratch: &mut Scratch, visit: Visit<'_>) -> Vec<f32> {
        let kernels = self.kernels;
        let Scratch {
            x,
            merged,
            pixels,
            line,
            fusion,
            work,
        } = scratch;
        let one = clip.frames * clip.n_mels;
        let patch = self.picture.patch;
        self.picture.unfold(&clip.data[..one], patch, line, pixels);
        self.patches.apply(kernels, pixels, &mut work.narrowed, x);
        visit("patch_proj", x);
        if let Some(part) = self.fusion.as_ref().filter(|_| clip.is_longer()) {
            let side = self.picture.side();
            part.begin(x, fusion);
            for (i, crop) in clip.data[one..].chunks_exact(one).enumerate() {
                self.picture.unfold(crop, 3 * patch, line, pixels);
                part.add_crop(kernels, side, i, pixels, fusion, visit);
            }
            part.fuse(kernels, x, fusion);
            visit("aff", x);
        }
        if let Some(norm) = &self.patch_norm {
            kernels.normalise_in_place(x, TORCH_NORM_EPS, Some(norm));
        }
        visit("patch_embed", x);
        for stage in &self.stages {
            for (name, block) in &stage.blocks {
                block.forward(kernels, x, work);
                visit(name, x);
            }
            if let Some((name, merge)) = &stage.merge {
                merge.forward(kernels, x, merged, work);
                std::mem::swap(x, merged);
                visit(name, x);
            }
        }
        kernels.normalise_in_place(x, TORCH_NORM_EPS, Some(&self.norm));
        visit("final_norm", x);
        average(x, &mut work.rows);
        visit("pooled", &work.rows);
        let Workspace { rows, narrowed, .. } = work;
        let mut apply = |layer: &Linear, x: &Matrix, to: &mut Matrix| {
            layer.apply(kernels, x, narrowed, to);
        };
        self.projection
            .forward(kernels, rows, merged, &mut apply, visit)
    }
}

/// The mean of all rows, as a matrix of one row.
pub(super) fn average(x: &Matrix, mean: &mut Matrix) {
    mean.shape(1, x.width());
    let sum = mean.row_mut(0);
    sum.fill(0.0);
    for row in 0..x.rows() {
        for (sum, x) in sum.iter_mut().zip(x.row(row)) {
            *sum += x;
        }
    }
    for sum in sum {
        *sum /= x.rows() as f32;
    }
}

/// A spectrogram as a square picture, never made as such: normalised, stretched, and cut into
/// patches at once.
struct Picture {
    factor: Vec<f32>,
    summand: Vec<f32>,
    /// For each column of the stretched spectrogram the frames it is mixed from, with weights that
    /// add up to 1.
    taps: Vec<[(usize, f32); 4]>,
    n_mels: usize,
    spec_size: usize,
    patch: usize,
}

impl Picture {
    fn load(encoder: &VarBuilder, audio: &AudioConfig, frames: usize) -> Result<Picture> {
        let n_mels = audio.num_mel_bins;
        let (factor, summand) = batch_norm_affine(encoder.pp("batch_norm"), n_mels)?;
        let width = audio.spec_size * audio.freq_ratio();
        Ok(Picture {
            factor: factor.to_vec1()?,
            summand: summand.to_vec1()?,
            taps: if frames == width {
                let itself = |t| [(t, 1.0), (t, 0.0), (t, 0.0), (t, 0.0)];
                (0..frames).map(itself).collect()
            } else {
                bicubic_taps(frames, width)
            },
            n_mels,
            spec_size: audio.spec_size,
            patch: audio.patch_size,
        })
    }

    /// Patches along a side.
    fn side(&self) -> usize {
        self.spec_size / self.patch
    }

    /// A spectrogram (frames, n_mels) to its patches, (patches, patch height · `patch_width`), row
    /// by row; what is left of the width beyond whole patches is dropped. Pieces of the time axis
    /// lie one under the other (`reshape_mel2img`), so that the picture's row is piece · n_mels +
    /// mel band and its column the frame within the piece.
    fn unfold(&self, mel: &[f32], patch_width: usize, line: &mut Vec<f32>, to: &mut Matrix) {
        let across = self.spec_size / patch_width;
        to.shape(self.side() * across, self.patch * patch_width);
        line.resize(self.n_mels, 0.0);
        let stride = to.stride();
        for (t, taps) in self.taps.iter().enumerate() {
            let (piece, column) = (t / self.spec_size, t % self.spec_size);
            let (patch_column, within) = (column / patch_width, column % patch_width);
            if patch_column >= across {
                continue;
            }
            let [a, b, c, d] =
                taps.map(|(frame, weight)| (&mel[frame * self.n_mels..][..self.n_mels], weight));
            for (band, x) in line.iter_mut().enumerate() {
                let mixed = a.0[band] * a.1 + b.0[band] * b.1 + c.0[band] * c.1 + d.0[band] * d.1;
                *x = mixed * self.factor[band] + self.summand[band];
            }
            let to = to.numbers_mut();
            for (band, &x) in line.iter().enumerate() {
                let row = piece * self.n_mels + band;
                let patch = row / self.patch * across + patch_column;
                to[patch * stride + row % self.patch * patch_width + within] = x;
            }
        }
    }
}

/// `ClapAudioPatchMerging`: four neighbouring tokens become one.
struct Merge {
    reduction: Linear,
    side: usize,
}

impl Merge {
    fn load(
        vb: &VarBuilder,
        shelf: &Shelf,
        precision: Precision,
        config: &AudioConfig,
        stage: usize,
    ) -> Result<Merge> {
        let (channels, side) = (config.channels(stage), config.side(stage));
        let (shape, kind) = ((4 * channels, 2 * channels), (precision, Activation::None));
        let reduction = shelf.layer(&vb.prefix(), shape, kind, |kernels| {
            let norm = Norm::load(&vb.pp("norm"), shape.0)?;
            let reduction = affine(&vb.pp("reduction"), shape.0, shape.1, false)?;
            let reduction = reduction.after(&norm.factor, &norm.summand);
            Ok(Linear::pack(kernels, &reduction, kind.0, kind.1))
        })?;
        Ok(Merge { reduction, side })
    }

    /// (S · S, C) to (S/2 · S/2, 2C). The four lie in the order of the reference: (row, column) =
    /// (0, 0), (1, 0), (0, 1), (1, 1).
    fn forward(&self, kernels: &Kernels, x: &Matrix, to: &mut Matrix, work: &mut Workspace) {
        let (channels, half) = (x.width(), self.side / 2);
        to.shape(half * half, self.reduction.outputs());
        let stride = to.stride();
        // The group's rows are added to where they go, which is 0 before.
        to.numbers_mut().fill(0.0);
        for first in (0..half * half).step_by(MERGE_GROUP) {
            let count = MERGE_GROUP.min(half * half - first);
            work.rows.shape(count, 4 * channels);
            for i in 0..count {
                let corner = (first + i) / half * 2 * self.side + (first + i) % half * 2;
                let row = work.rows.row_mut(i);
                for (part, at) in
                    row.chunks_exact_mut(channels)
                        .zip([0, self.side, 1, self.side + 1])
                {
                    part.copy_from_slice(x.row(corner + at));
                }
            }
            kernels.normalise_in_place(&mut work.rows, TORCH_NORM_EPS, None);
            work.at.clear();
            work.at
                .extend((first..first + count).map(|row| row * stride));
            let Workspace {
                rows, narrowed, at, ..
            } = &mut *work;
            self.reduction.add(kernels, rows, narrowed, to, at);
        }
    }
}
