//! Attentional feature fusion (AFF): how a fusion model joins the crops of a long clip to the
//! whole.
//!
//! Apart from the audio encoder because only one family of checkpoints has it. Reference:
//! `ClapAudioAFFBlock`,
//! <https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/clap/modeling_clap.py>;
//! paper: Dai et al. 2021, <https://arxiv.org/abs/2009.14082>.

use candle_core::{D, Result, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, Module, VarBuilder, conv2d, ops};

use super::audio::batch_norm_affine;

/// Weighs two maps against each other, per channel and place.
pub(super) struct AttentionalFusion {
    local_att: Bottleneck,
    global_att: Bottleneck,
}

impl AttentionalFusion {
    /// Reads both branches; the layers' numbers are their places in torch's `Sequential`.
    pub(super) fn load(vb: VarBuilder, channels: usize, inner: usize) -> Result<Self> {
        let local_att = Bottleneck::load(vb.pp("local_att"), [0, 1, 3, 4], channels, inner)?;
        // The global branch starts with a pooling layer, without weights.
        let global_att = Bottleneck::load(vb.pp("global_att"), [1, 2, 4, 5], channels, inner)?;
        Ok(AttentionalFusion {
            local_att,
            global_att,
        })
    }

    /// Two maps (B, C, S, S) to one.
    pub(super) fn forward(&self, whole: &Tensor, local: &Tensor) -> Result<Tensor> {
        let sum = (whole + local)?;
        let mean = sum.mean_keepdim(D::Minus1)?.mean_keepdim(D::Minus2)?;
        let places = self.local_att.forward(&sum)?;
        let weight = ops::sigmoid(&places.broadcast_add(&self.global_att.forward(&mean)?)?)?;
        let rest = weight.affine(-1.0, 1.0)?;
        ((whole * weight)? + (local * rest)?)? * 2.0
    }
}

/// Two 1 × 1 convolutions with batch normalisation, and ReLU between them.
struct Bottleneck {
    narrow: Conv2d,
    narrow_norm: MapNorm,
    widen: Conv2d,
    widen_norm: MapNorm,
}

impl Bottleneck {
    fn load(vb: VarBuilder, at: [usize; 4], channels: usize, inner: usize) -> Result<Bottleneck> {
        let pointwise = Conv2dConfig::default();
        Ok(Bottleneck {
            narrow: conv2d(channels, inner, 1, pointwise, vb.pp(at[0]))?,
            narrow_norm: MapNorm::load(vb.pp(at[1]), inner)?,
            widen: conv2d(inner, channels, 1, pointwise, vb.pp(at[2]))?,
            widen_norm: MapNorm::load(vb.pp(at[3]), channels)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.narrow_norm.forward(&self.narrow.forward(x)?)?.relu()?;
        self.widen_norm.forward(&self.widen.forward(&x)?)
    }
}

/// Batch normalisation of a map's channels, folded into factor and summand.
struct MapNorm {
    scale: Tensor,
    shift: Tensor,
}

impl MapNorm {
    fn load(vb: VarBuilder, channels: usize) -> Result<MapNorm> {
        let (scale, shift) = batch_norm_affine(vb, channels)?;
        let map = (1, channels, 1, 1);
        Ok(MapNorm {
            scale: scale.reshape(map)?,
            shift: shift.reshape(map)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_mul(&self.scale)?.broadcast_add(&self.shift)
    }
}
