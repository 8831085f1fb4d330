//! A linear layer with its weights packed once, in one of three number formats.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::super::Precision;
use super::kernels::{
    Activation, DEEPEST_BYTES, Into, Kernels, Multiply, Narrowed, Packed, Words, bfloat16, panels,
};
use super::matrix::Matrix;

/// `y = x Wᵀ + b`, and an activation.
pub(super) struct Linear {
    /// Panels of columns, each with all its words for the first step of the depth first.
    words: Matrix,
    bias: Vec<f32>,
    outputs: usize,
    depth: usize,
    format: Format,
    with: Multiply,
    activation: Activation,
}

enum Format {
    Singles,
    Halves,
    /// The size of each output's step, and the sum of its bytes.
    Bytes(Vec<f32>, Vec<u32>),
}

/// Weights (outputs, inputs) and bias as plain numbers, on their way from a checkpoint into a
/// [`Linear`]; what can be computed beforehand is folded in here.
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

    fn inputs(&self) -> usize {
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

impl Linear {
    /// Packs weights for `kernels`. Where these have no bfloat16, or a row of weights is too long
    /// for sums of bytes, the layer is one of floats.
    pub fn pack(
        kernels: &Kernels,
        affine: Affine,
        precision: Precision,
        activation: Activation,
    ) -> Linear {
        let (inputs, outputs) = (affine.inputs(), affine.bias.len());
        let row = |output: usize| &affine.weight[output * inputs..][..inputs];
        let (format, with, numbers) = match (precision, kernels.halves) {
            (Precision::Bf16, Some(halves)) => (Format::Halves, halves, 2),
            (Precision::Int8, _) if inputs <= DEEPEST_BYTES => {
                let padded = outputs.next_multiple_of(kernels.bytes.lanes);
                let (mut step, mut sum) = (vec![0.0; padded], vec![0; padded]);
                for output in 0..outputs {
                    let row = row(output);
                    step[output] = byte_step(row);
                    let bytes = row.iter().map(|&w| i32::from(to_byte(w, step[output])));
                    sum[output] = bytes.sum::<i32>() as u32;
                }
                (Format::Bytes(step, sum), kernels.bytes, 4)
            }
            _ => (Format::Singles, kernels.singles, 1),
        };
        let depth = inputs.div_ceil(numbers);
        let vectors = outputs.div_ceil(with.lanes);
        let mut bias = affine.bias.clone();
        bias.resize(vectors * with.lanes, 0.0);
        let mut words = Matrix::default();
        words.shape(1, vectors * with.lanes * depth);
        let mut rest = words.words_mut();
        let mut first = 0;
        for width in panels(vectors, with.widest_panel) {
            let columns = width * with.lanes;
            let panel;
            (panel, rest) = rest.split_at_mut(columns * depth);
            for output in first..outputs.min(first + columns) {
                let row = row(output);
                for k in 0..depth {
                    panel[k * columns + output - first] = match &format {
                        Format::Singles => row[k].to_bits(),
                        Format::Halves => {
                            let half = |i| row.get(i).map_or(0, |&w| u32::from(bfloat16(w)));
                            half(2 * k) | half(2 * k + 1) << 16
                        }
                        Format::Bytes(step, _) => {
                            let byte = |i| row.get(i).map_or(0, |&w| to_byte(w, step[output]));
                            u32::from_le_bytes([0, 1, 2, 3].map(|i| byte(4 * k + i) as u8))
                        }
                    };
                }
            }
            first += columns;
        }
        Linear {
            words,
            bias,
            outputs,
            depth,
            format,
            with,
            activation,
        }
    }

    /// Number of results for each row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// All rows of `x`, whose width is the layer's, into a matrix that takes the results' shape.
    pub fn apply(&self, kernels: &Kernels, x: &Matrix, room: &mut Narrowed, to: &mut Matrix) {
        to.shape(x.rows(), self.outputs);
        self.forward(kernels, x, room, Into::Rows(to));
    }

    /// Adds the results of all rows of `x` to a matrix, those of row `r` from number `at[r]` on.
    pub fn add(
        &self,
        kernels: &Kernels,
        x: &Matrix,
        room: &mut Narrowed,
        to: &mut Matrix,
        at: &[usize],
    ) {
        self.forward(kernels, x, room, Into::Sum(to, at));
    }

    fn forward(&self, kernels: &Kernels, x: &Matrix, room: &mut Narrowed, mut target: Into<'_>) {
        let x = match self.format {
            Format::Singles => Words {
                rows: x.rows(),
                words: x.words(),
                stride: x.stride(),
                levels: None,
            },
            Format::Halves => room.halves(kernels, x),
            Format::Bytes(..) => room.bytes(kernels, x),
        };
        let levels = match &self.format {
            Format::Bytes(step, sum) => Some((&step[..], &sum[..])),
            _ => None,
        };
        let weights = Packed {
            words: self.words.words(),
            columns: self.outputs,
            depth: self.depth,
            bias: &self.bias,
            levels,
        };
        kernels.multiply(self.with, &x, &weights, self.activation, &mut target);
    }
}

/// The step that takes a row's greatest weight to 127.
fn byte_step(row: &[f32]) -> f32 {
    let greatest = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    (greatest / 127.0).max(f32::MIN_POSITIVE)
}

fn to_byte(weight: f32, step: f32) -> i8 {
    (weight / step).round_ties_even() as i8
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
