//! From a tower's output into the shared space: two linear layers and the unit sphere.
//!
//! Both towers end in one, so it belongs to neither. Reference: `ClapProjectionLayer`,
//! <https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/models/clap/modeling_clap.py>.

use candle_core::{D, Result, Tensor};
use candle_nn::{Activation, Linear, Module, VarBuilder, linear};

/// `linear1`, activation, `linear2`.
pub(super) struct Projection {
    linear1: Linear,
    activation: Activation,
    linear2: Linear,
}

impl Projection {
    /// Reads the layers; `from` is the tower's width, `to` the embedding's length.
    pub(super) fn load(vb: VarBuilder, from: usize, to: usize, activation: &str) -> Result<Self> {
        Ok(Projection {
            linear1: linear(from, to, vb.pp("linear1"))?,
            activation: activation_named(activation),
            linear2: linear(to, to, vb.pp("linear2"))?,
        })
    }

    /// (batch, from) to (batch, to), each row of length 1.
    pub(super) fn forward(
        &self,
        pooled: &Tensor,
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Tensor> {
        let hidden = self.linear1.forward(pooled)?;
        visit("proj.linear1", &hidden);
        let projected = self.linear2.forward(&self.activation.forward(&hidden)?)?;
        visit("proj", &projected);
        projected.broadcast_div(&projected.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
    }
}

/// The nonlinearities that configurations may name; `config.rs` refuses any other. `gelu` is the
/// exact one, with the error function.
pub(super) fn activation_named(name: &str) -> Activation {
    if name == "relu" {
        Activation::Relu
    } else {
        Activation::Gelu
    }
}
