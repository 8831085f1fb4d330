//! Layers as a checkpoint has them, in plain numbers, and what can be computed into them beforehand.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::kernels::Activation;

/// Weights (outputs, inputs) and bias as plain numbers, on their way from a checkpoint into a
/// [`Linear`](super::linear::Linear); what can be computed beforehand is folded in here.
pub(super) struct Affine {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Affine {
    /// From tensors on the processor; without a bias it is 0.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Affine> {
        let weight = weight.flatten_from(1)?;
        let outputs = weight.dim(0)?;
        Ok(Affine {
            weight: weight.flatten_all()?.to_vec1()?,
            bias: match bias {
                Some(bias) => bias.to_vec1()?,
                None => vec![0.0; outputs],
            },
        })
    }

    /// Numbers of a row of weights.
    pub fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// The layer that takes `x` where this one takes `x · factor + summand`.
    pub fn after(mut self, factor: &[f32], summand: &[f32]) -> Affine {
        let inputs = self.inputs();
        for (row, bias) in self.weight.chunks_exact_mut(inputs).zip(&mut self.bias) {
            let sum = row.iter().zip(summand);
            *bias += sum.map(|(&w, &s)| f64::from(w) * f64::from(s)).sum::<f64>() as f32;
            for (w, f) in row.iter_mut().zip(factor) {
                *w *= f;
            }
        }
        self
    }

    /// The layer whose results are this one's times `factor` plus `summand`, for each output.
    pub fn before(mut self, factor: &[f32], summand: &[f32]) -> Affine {
        let inputs = self.inputs();
        for (i, row) in self.weight.chunks_exact_mut(inputs).enumerate() {
            for w in row {
                *w *= factor[i];
            }
            self.bias[i] = self.bias[i] * factor[i] + summand[i];
        }
        self
    }

    /// All results times one number.
    pub fn scaled(mut self, by: f32) -> Affine {
        for x in self.weight.iter_mut().chain(&mut self.bias) {
            *x *= by;
        }
        self
    }

    /// The results of several layers with the same input, one behind the other.
    pub fn stacked(parts: impl IntoIterator<Item = Affine>) -> Affine {
        let mut all = Affine {
            weight: Vec::new(),
            bias: Vec::new(),
        };
        for part in parts {
            all.weight.extend(part.weight);
            all.bias.extend(part.bias);
        }
        all
    }
}

/// Factor and summand of a layer normalisation.
pub(super) struct Norm {
    pub factor: Vec<f32>,
    pub summand: Vec<f32>,
}

impl Norm {
    pub fn load(vb: &VarBuilder, width: usize) -> Result<Norm> {
        Ok(Norm {
            factor: vb.get(width, "weight")?.to_vec1()?,
            summand: vb.get(width, "bias")?.to_vec1()?,
        })
    }
}

/// Reads a linear layer.
pub(super) fn affine(vb: &VarBuilder, from: usize, to: usize, bias: bool) -> Result<Affine> {
    let weight = vb.get((to, from), "weight")?;
    let bias = bias.then(|| vb.get(to, "bias")).transpose()?;
    Affine::new(&weight, bias.as_ref())
}

/// The activation that a configuration names; `config.rs` refuses any other.
pub(super) fn activation(name: &str) -> Activation {
    if name == "relu" {
        Activation::Relu
    } else {
        Activation::Gelu
    }
}
