//! Attentional feature fusion, as [`super::super::fusion`] computes it, one clip at a time.

use candle_core::Result;
use candle_nn::VarBuilder;

use super::super::audio::batch_norm_affine;
use super::super::{AudioConfig, Precision};
use super::affine::Affine;
use super::audio::{Visit, average};
use super::kernels::{Activation, Function, Kernels, Narrowed};
use super::linear::Linear;
use super::matrix::Matrix;
use super::shelf::Shelf;

/// The part of the patch embedding that only fusion models have: three crops of a long clip, and
/// the attention that weighs them against the whole, per channel and place.
pub(super) struct Fusion {
    crops: Linear,
    local: Bottleneck,
    global: Bottleneck,
}

/// What fusing one clip needs, kept for the next one.
#[derive(Default)]
pub(super) struct Scratch {
    local: Matrix,
    crop: Matrix,
    sum: Matrix,
    mean: Matrix,
    narrow: Matrix,
    weight: Matrix,
    global: Matrix,
    narrowed: Narrowed,
}

/// Two layers with ReLU between them; batch normalisation is folded into both.
struct Bottleneck {
    narrow: Linear,
    widen: Linear,
}

impl Fusion {
    /// Reads the tensors that [`super::super::audio`]'s patch embedding does for fusion.
    pub fn load(vb: &VarBuilder, shelf: &Shelf, config: &AudioConfig) -> Result<Fusion> {
        let (channels, patch) = (config.patch_embeds_hidden_size, config.patch_size);
        let conv = vb.pp("mel_conv2d");
        let pixels = 3 * patch * patch;
        let kind = (Precision::F32, Activation::None);
        let crops = shelf.layer(&conv.prefix(), (pixels, channels), kind, |kernels| {
            let weight = conv.get((channels, 1, patch, 3 * patch), "weight")?;
            let crops = Affine::new(&weight, Some(&conv.get(channels, "bias")?))?;
            Ok(Linear::pack(kernels, &crops, kind.0, kind.1))
        })?;
        let inner = channels / config.aff_block_r;
        let model = vb.pp("fusion_model");
        let bottleneck = |name, at| Bottleneck::load(&model.pp(name), shelf, at, channels, inner);
        Ok(Fusion {
            crops,
            local: bottleneck("local_att", [0, 1, 3, 4])?,
            global: bottleneck("global_att", [1, 2, 4, 5])?,
        })
    }

    /// Starts with the map of the whole clip, (S · S, C).
    pub fn begin(&self, whole: &Matrix, scratch: &mut Scratch) {
        scratch.local.shape(whole.rows(), whole.width());
        scratch.local.numbers_mut().fill(0.0);
    }

    /// Puts crop `i` of three beside the ones before it; `pixels` are its patches, three times as
    /// wide as high, (S · S/3, pixels). The columns that three crops leave free stay 0.
    pub fn add_crop(
        &self,
        kernels: &Kernels,
        side: usize,
        i: usize,
        pixels: &Matrix,
        scratch: &mut Scratch,
        visit: Visit<'_>,
    ) {
        let Scratch {
            local,
            crop,
            narrowed,
            ..
        } = scratch;
        self.crops.apply(kernels, pixels, narrowed, crop);
        visit("mel_conv2d", crop);
        let wide = side / 3;
        for row in 0..crop.rows() {
            let place = row / wide * side + i * wide + row % wide;
            local.row_mut(place).copy_from_slice(crop.row(row));
        }
    }

    /// Replaces the whole clip's map by its fusion with the crops'.
    pub fn fuse(&self, kernels: &Kernels, whole: &mut Matrix, scratch: &mut Scratch) {
        let Scratch {
            local,
            sum,
            mean,
            narrow,
            weight,
            global,
            narrowed,
            ..
        } = scratch;
        sum.shape(whole.rows(), whole.width());
        for row in 0..whole.rows() {
            let parts = whole.row(row).iter().zip(local.row(row));
            for (sum, (a, b)) in sum.row_mut(row).iter_mut().zip(parts) {
                *sum = a + b;
            }
        }
        average(sum, mean);
        self.global.forward(kernels, mean, narrowed, narrow, global);
        self.local.forward(kernels, sum, narrowed, narrow, weight);
        for row in 0..whole.rows() {
            let weight = weight.row_mut(row);
            for (weight, global) in weight.iter_mut().zip(global.row(0)) {
                *weight += global;
            }
            kernels.apply(Function::Sigmoid, weight);
            let parts = weight.iter().zip(local.row(row));
            for (x, (weight, local)) in whole.row_mut(row).iter_mut().zip(parts) {
                *x = 2.0 * (*x * weight + local * (1.0 - weight));
            }
        }
    }
}

impl Bottleneck {
    fn load(
        vb: &VarBuilder,
        shelf: &Shelf,
        at: [usize; 4],
        channels: usize,
        inner: usize,
    ) -> Result<Bottleneck> {
        let pack = |layer: usize, norm: usize, from, to, activation| -> Result<Linear> {
            let name = format!("{}.{layer}", vb.prefix());
            let kind = (Precision::F32, activation);
            shelf.layer(&name, (from, to), kind, |kernels| {
                let weight = vb.get((to, from, 1, 1), &format!("{layer}.weight"))?;
                let affine = Affine::new(&weight, Some(&vb.get(to, &format!("{layer}.bias"))?))?;
                let (factor, summand) = batch_norm_affine(vb.pp(norm), to)?;
                let affine = affine.before(&factor.to_vec1::<f32>()?, &summand.to_vec1::<f32>()?);
                Ok(Linear::pack(kernels, &affine, kind.0, kind.1))
            })
        };
        Ok(Bottleneck {
            narrow: pack(at[0], at[1], channels, inner, Activation::Relu)?,
            widen: pack(at[2], at[3], inner, channels, Activation::None)?,
        })
    }

    fn forward(
        &self,
        kernels: &Kernels,
        x: &Matrix,
        narrowed: &mut Narrowed,
        narrow: &mut Matrix,
        to: &mut Matrix,
    ) {
        self.narrow.apply(kernels, x, narrowed, narrow);
        self.widen.apply(kernels, narrow, narrowed, to);
    }
}
