//! From a tower's output into the shared space, as [`super::super::projection`] computes it.

use candle_core::Result;
use candle_nn::VarBuilder;

use super::super::Precision;
use super::affine::affine;
use super::audio::Visit;
use super::kernels::{Activation, Function, Kernels};
use super::linear::Linear;
use super::matrix::Matrix;
use super::shelf::Shelf;

/// `linear1`, activation, `linear2`, and length 1. Always in floats: it is a thousandth of the
/// work, and what goes wrong here is not averaged out any more.
pub(super) struct Projection {
    linear1: Linear,
    activation: Function,
    linear2: Linear,
}

impl Projection {
    pub fn load(
        vb: &VarBuilder,
        shelf: &Shelf,
        (from, to): (usize, usize),
        activation: &str,
    ) -> Result<Projection> {
        let kind = (Precision::F32, Activation::None);
        let pack = |name, from| -> Result<Linear> {
            let vb = vb.pp(name);
            shelf.layer(&vb.prefix(), (from, to), kind, |kernels| {
                let affine = affine(&vb, from, to, true)?;
                Ok(Linear::pack(kernels, &affine, kind.0, kind.1))
            })
        };
        Ok(Projection {
            linear1: pack("linear1", from)?,
            activation: if activation == "relu" {
                Function::Relu
            } else {
                Function::Gelu
            },
            linear2: pack("linear2", to)?,
        })
    }

    /// The pooled rows, (rows, from), to unit vectors one behind the other; `other` is room, and
    /// `apply` computes a layer.
    pub fn forward(
        &self,
        kernels: &Kernels,
        pooled: &mut Matrix,
        other: &mut Matrix,
        apply: &mut dyn FnMut(&Linear, &Matrix, &mut Matrix),
        visit: Visit<'_>,
    ) -> Vec<f32> {
        apply(&self.linear1, pooled, other);
        visit("proj.linear1", other);
        for row in 0..other.rows() {
            kernels.apply(self.activation, other.row_mut(row));
        }
        apply(&self.linear2, other, pooled);
        visit("proj", pooled);
        let mut unit = Vec::with_capacity(pooled.rows() * pooled.width());
        for row in 0..pooled.rows() {
            let row = pooled.row(row);
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            unit.extend(row.iter().map(|x| x / length));
        }
        unit
    }
}
