//! A picture's patches as tokens, and the crops that fusion models join to them.
//!
//! Apart from the transformer behind it because all that a model's family decides about its input is
//! here. Reference and shapes: [`super`].

use candle_core::{Result, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, LayerNorm, Module, VarBuilder, conv2d, layer_norm};

use super::super::AudioConfig;
use super::super::fusion::AttentionalFusion;
use super::TORCH_NORM_EPS;

/// `ClapAudioPatchEmbed`: square patches to tokens; in fusion models also the crops of longer
/// clips, joined to the whole by attention.
pub(super) struct PatchEmbed {
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
    pub(super) fn load(vb: VarBuilder, config: &AudioConfig) -> Result<PatchEmbed> {
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
    pub(super) fn forward(
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
