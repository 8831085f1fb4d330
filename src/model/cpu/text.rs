//! The text encoder: RoBERTa, as [`super::super::text`] computes it, for a few short texts.
//!
//! The tokens of all texts are rows of one matrix, so that weights are read once for all of them,
//! and nothing is padded. Time goes into reading weights, so the outputs of each layer are divided
//! among the threads, and floats are multiplied where the checkpoint's tensors lie.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Result, Storage, Tensor};
use candle_nn::VarBuilder;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use super::super::{ClapConfig, Precision};
use super::attention::{Attention, FAR_BELOW, score_stride};
use super::kernels::{Activation, Function, Kernels, Narrowed};
use super::linear::{Affine, Linear, Norm};
use super::matrix::Matrix;
use super::projection::Projection;

/// Tokens that are computed at once, but for a single longer text.
const TOKENS_AT_ONCE: usize = 512;

/// Token ids to embeddings.
pub(in super::super) struct TextTower {
    kernels: &'static Kernels,
    words: Tensor,
    positions: Tensor,
    kind: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    pooler: Shared,
    projection: Projection,
    epsilon: f64,
    heads: usize,
    function: Function,
    pad_token_id: u32,
    scratch: Mutex<Scratch>,
}

struct Layer {
    query_key_value: Shared,
    attended: Shared,
    attended_norm: Norm,
    intermediate: Shared,
    output: Shared,
    output_norm: Norm,
}

#[derive(Default)]
struct Scratch {
    x: Matrix,
    projected: Matrix,
    mixed: Matrix,
    hidden: Matrix,
    added: Matrix,
    attention: Attention,
    bias: Vec<f32>,
    parts: Parts,
}

/// For each part of a layer its results, and room for its smaller numbers.
type Parts = Vec<(Matrix, Narrowed)>;

/// A linear layer whose outputs are divided among threads.
struct Shared {
    parts: Vec<Part>,
    outputs: usize,
}

enum Part {
    /// Rows of a tensor (outputs, inputs) as it is stored.
    Rows {
        weight: Tensor,
        first: usize,
        bias: Vec<f32>,
    },
    Packed(Linear),
}

impl TextTower {
    /// Reads what [`super::super::text::TextEncoder::load`] does.
    pub fn load(vb: VarBuilder, precision: Precision, config: &ClapConfig) -> Result<TextTower> {
        let kernels = Kernels::fastest();
        let text = &config.text_config;
        let width = text.hidden_size;
        let model = vb.pp("text_model");
        let embeddings = model.pp("embeddings");
        let table = |name: &str, rows| embeddings.get((rows, width), &format!("{name}.weight"));
        let shared = |vb: VarBuilder, names: &[&str], from, to| {
            Shared::load(&vb, names, kernels, precision, (from, to))
        };
        let layer = |i: usize| -> Result<Layer> {
            let vb = model.pp("encoder.layer").pp(i);
            let (attention, inner) = (vb.pp("attention"), text.intermediate_size);
            let names = ["query", "key", "value"];
            Ok(Layer {
                query_key_value: shared(attention.pp("self"), &names, width, width)?,
                attended: shared(attention.pp("output"), &["dense"], width, width)?,
                attended_norm: Norm::load(&attention.pp("output.LayerNorm"), width)?,
                intermediate: shared(vb.pp("intermediate"), &["dense"], width, inner)?,
                output: shared(vb.pp("output"), &["dense"], inner, width)?,
                output_norm: Norm::load(&vb.pp("output.LayerNorm"), width)?,
            })
        };
        let kinds = table("token_type_embeddings", text.type_vocab_size)?;
        Ok(TextTower {
            kernels,
            words: table("word_embeddings", text.vocab_size)?,
            positions: table("position_embeddings", text.max_position_embeddings)?,
            kind: kinds.get(0)?.to_vec1()?,
            norm: Norm::load(&embeddings.pp("LayerNorm"), width)?,
            layers: (0..text.num_hidden_layers)
                .map(layer)
                .collect::<Result<_>>()?,
            pooler: shared(model.pp("pooler"), &["dense"], width, width)?,
            projection: Projection::load(
                &vb.pp("text_projection"),
                kernels,
                (width, config.projection_dim),
                &config.projection_hidden_act,
            )?,
            epsilon: text.layer_norm_eps,
            heads: text.num_attention_heads,
            function: if text.hidden_act == "relu" {
                Function::Relu
            } else {
                Function::Gelu
            },
            pad_token_id: text.pad_token_id,
            scratch: Mutex::new(Scratch::default()),
        })
    }

    /// Embeds token ids, each text with at least one: unit vectors in the texts' order. Stages are
    /// shown with the reference's names; `last_hidden_state` is 0 behind a shorter text's end.
    pub fn forward(
        &self,
        texts: &[Vec<u32>],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Vec<Vec<f32>>> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen: Vec<(String, Vec<Tensor>)> = Vec::new();
        let mut collect =
            |name: &str, tensor: Tensor| match seen.iter_mut().find(|(known, _)| known == name) {
                Some((_, tensors)) => tensors.push(tensor),
                None => seen.push((name.to_owned(), vec![tensor])),
            };
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let mut embeddings = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = |text: &&Vec<u32>| {
                tokens += text.len();
                tokens <= TOKENS_AT_ONCE
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let group;
            (group, rest) = rest.split_at(count);
            embeddings.extend(self.embed(group, longest, &mut scratch, &mut collect)?);
        }
        for (name, tensors) in seen {
            visit(&name, &Tensor::cat(&tensors, 0)?);
        }
        Ok(embeddings)
    }

    fn embed(
        &self,
        texts: &[Vec<u32>],
        longest: usize,
        scratch: &mut Scratch,
        visit: &mut dyn FnMut(&str, Tensor),
    ) -> Result<Vec<Vec<f32>>> {
        let kernels = self.kernels;
        self.look_up(texts, &mut scratch.x)?;
        kernels.normalise_in_place(&mut scratch.x, self.epsilon, Some(&self.norm));
        for layer in &self.layers {
            self.layer(layer, texts, scratch)?;
        }
        let x = &scratch.x;
        let width = x.width();
        let mut hidden = Vec::with_capacity(texts.len() * longest * width);
        let first = &mut scratch.mixed;
        first.shape(texts.len(), width);
        let mut row = 0;
        for (i, text) in texts.iter().enumerate() {
            first.row_mut(i).copy_from_slice(x.row(row));
            for token in 0..text.len() {
                hidden.extend_from_slice(x.row(row + token));
            }
            hidden.resize((i + 1) * longest * width, 0.0);
            row += text.len();
        }
        let shape = (texts.len(), longest, width);
        visit(
            "last_hidden_state",
            Tensor::from_vec(hidden, shape, &Device::Cpu)?,
        );
        let pooled = &mut scratch.added;
        self.pooler
            .forward(kernels, first, &mut scratch.parts, pooled)?;
        for row in 0..pooled.rows() {
            for x in pooled.row_mut(row) {
                *x = x.tanh();
            }
        }
        let rows = |x: &Matrix| {
            let data = (0..x.rows()).flat_map(|row| x.row(row).to_vec()).collect();
            Tensor::from_vec(data, (x.rows(), x.width()), &Device::Cpu)
        };
        visit("pooled", rows(pooled)?);
        let mut failed = None;
        let mut show = |name: &str, x: &Matrix| match rows(x) {
            Ok(tensor) => visit(name, tensor),
            Err(error) => failed = Some(error),
        };
        let unit = self
            .projection
            .forward(kernels, pooled, &mut scratch.hidden, &mut show);
        match failed {
            Some(error) => Err(error),
            None => Ok(unit
                .chunks(unit.len() / texts.len())
                .map(<[f32]>::to_vec)
                .collect()),
        }
    }

    /// The sum of each token's embeddings. Positions count from behind the padding token's; a
    /// padding token within a text has its own and is not counted.
    fn look_up(&self, texts: &[Vec<u32>], x: &mut Matrix) -> Result<()> {
        let (words, positions) = (floats(&self.words), floats(&self.positions));
        let width = self.kind.len();
        x.shape(texts.iter().map(Vec::len).sum(), width);
        let mut row = 0;
        for text in texts {
            let mut counted = 0;
            for &id in text {
                let mut position = self.pad_token_id as usize;
                if id != self.pad_token_id {
                    counted += 1;
                    position += counted;
                }
                let word = &words.slice()?[id as usize * width..][..width];
                let position = &positions.slice()?[position * width..][..width];
                let parts = word.iter().zip(position).zip(&self.kind);
                for (x, ((word, position), kind)) in x.row_mut(row).iter_mut().zip(parts) {
                    *x = word + kind + position;
                }
                row += 1;
            }
        }
        Ok(())
    }

    fn layer(&self, layer: &Layer, texts: &[Vec<u32>], scratch: &mut Scratch) -> Result<()> {
        let kernels = self.kernels;
        let Scratch {
            x,
            projected,
            mixed,
            hidden,
            added,
            attention,
            bias,
            parts,
        } = scratch;
        layer
            .query_key_value
            .forward(kernels, x, parts, projected)?;
        let (rows, width) = (x.rows(), x.width());
        let scale = 1.0 / ((width / self.heads) as f32).sqrt();
        for row in 0..rows {
            for query in &mut projected.row_mut(row)[..width] {
                *query *= scale;
            }
        }
        mixed.shape(rows, width);
        let mut row = 0;
        for text in texts {
            let (tokens, stride) = (text.len(), score_stride(text.len()));
            bias.clear();
            for _ in 0..tokens {
                bias.resize(bias.len() + tokens, 0.0);
                bias.resize(bias.len() + stride - tokens, FAR_BELOW);
            }
            let none = |_| &bias[..];
            attention.forward(
                kernels,
                projected,
                mixed,
                (row, tokens),
                self.heads,
                none,
                None,
            );
            row += tokens;
        }
        layer.attended.forward(kernels, mixed, parts, added)?;
        add(x, added);
        kernels.normalise_in_place(x, self.epsilon, Some(&layer.attended_norm));
        layer.intermediate.forward(kernels, x, parts, hidden)?;
        for row in 0..rows {
            kernels.apply(self.function, hidden.row_mut(row));
        }
        layer.output.forward(kernels, hidden, parts, added)?;
        add(x, added);
        kernels.normalise_in_place(x, self.epsilon, Some(&layer.output_norm));
        Ok(())
    }
}

fn add(x: &mut Matrix, added: &Matrix) {
    for row in 0..x.rows() {
        for (x, added) in x.row_mut(row).iter_mut().zip(added.row(row)) {
            *x += added;
        }
    }
}

impl Shared {
    /// Reads layers that take the same input, one behind the other, each (to, from).
    fn load(
        vb: &VarBuilder,
        names: &[&str],
        kernels: &Kernels,
        precision: Precision,
        (from, to): (usize, usize),
    ) -> Result<Shared> {
        let threads = rayon::current_num_threads().min(to);
        let mut parts = Vec::new();
        for name in names {
            let vb = vb.pp(name);
            let weight = vb.get((to, from), "weight")?;
            let bias = vb.get(to, "bias")?.to_vec1::<f32>()?;
            for thread in 0..threads {
                let (first, end) = (thread * to / threads, (thread + 1) * to / threads);
                let bias = bias[first..end].to_vec();
                parts.push(if precision == Precision::F32 {
                    let weight = weight.clone();
                    Part::Rows {
                        weight,
                        first,
                        bias,
                    }
                } else {
                    let weight = weight.narrow(0, first, end - first)?;
                    let weight = weight.flatten_all()?.to_vec1()?;
                    let affine = Affine { weight, bias };
                    Part::Packed(Linear::pack(kernels, affine, precision, Activation::None))
                });
            }
        }
        Ok(Shared {
            parts,
            outputs: names.len() * to,
        })
    }

    fn forward(
        &self,
        kernels: &Kernels,
        x: &Matrix,
        results: &mut Parts,
        to: &mut Matrix,
    ) -> Result<()> {
        results.resize_with(results.len().max(self.parts.len()), Default::default);
        let mut jobs: Vec<_> = self.parts.iter().zip(results.iter_mut()).collect();
        jobs.par_iter_mut().try_for_each(|(part, (to, room))| {
            match part {
                Part::Packed(linear) => linear.apply(kernels, x, room, to),
                Part::Rows {
                    weight,
                    first,
                    bias,
                } => {
                    let weights = floats(weight);
                    let rows = &weights.slice()?[first * x.width()..];
                    kernels.multiply_rows(x, rows, bias, to);
                }
            }
            Ok::<_, candle_core::Error>(())
        })?;
        to.shape(x.rows(), self.outputs);
        let mut first = 0;
        for (part, _) in &results[..self.parts.len()] {
            for row in 0..x.rows() {
                to.row_mut(row)[first..][..part.width()].copy_from_slice(part.row(row));
            }
            first += part.width();
        }
        Ok(())
    }
}

/// A tensor on the processor, held for reading.
struct Floats<Guard> {
    storage: Guard,
    start: usize,
}

fn floats(tensor: &Tensor) -> Floats<impl Deref<Target = Storage> + '_> {
    let (storage, layout) = tensor.storage_and_layout();
    let start = layout.start_offset();
    Floats { storage, start }
}

impl<Guard: Deref<Target = Storage>> Floats<Guard> {
    fn slice(&self) -> Result<&[f32]> {
        match &*self.storage {
            Storage::Cpu(storage) => Ok(&storage.as_slice::<f32>()?[self.start..]),
            _ => candle_core::bail!("a tensor that is not on the processor"),
        }
    }
}
