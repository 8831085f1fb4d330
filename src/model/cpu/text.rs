//! The text encoder: RoBERTa, as [`super::super::text`] computes it, for a few short texts.
//!
//! The tokens of all texts are rows of one matrix, so that weights are read once for all of them,
//! and nothing is padded. Time goes into reading weights as much as into multiplying, so each layer
//! is divided among threads that stay together for the whole text ([`Team`]), head by head and then
//! by outputs. Rows of the tables of tokens and positions are taken where they lie in the mapped
//! checkpoint.

use std::cell::OnceCell;
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::super::weights::{Floats, InPlace};
use super::super::{ClapConfig, Precision};
use super::attention::{Attention, FAR_BELOW, score_stride};
use super::kernels::{Activation, Kernels, Narrowed, Words};
use super::linear::{Linear, Norm};
use super::matrix::{Columns, Matrix};
use super::projection::Projection;
use super::shelf::Shelf;
use super::team::Team;

/// Tokens that are computed at once, but for a single longer text.
const TOKENS_AT_ONCE: usize = 512;

/// Parts that a layer's outputs are divided into: some for each of a few threads, so that one that
/// the system interrupts holds up little.
const PARTS: usize = 16;

/// Token ids to embeddings.
pub(in super::super) struct TextTower {
    kernels: &'static Kernels,
    words: Floats,
    positions: Floats,
    kind: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    pooler: Shared,
    projection: Projection,
    epsilon: f64,
    heads: usize,
    pad_token_id: u32,
    scratch: Mutex<Vec<Scratch>>,
}

struct Layer {
    /// For each head its query, key and value, one behind the other.
    heads: Vec<Linear>,
    /// The ends of the heads' columns.
    ends: Vec<usize>,
    attended: Shared,
    attended_norm: Norm,
    intermediate: Shared,
    output: Shared,
    output_norm: Norm,
}

/// What one group of texts needs, kept for the next one.
#[derive(Default)]
struct Scratch {
    x: Matrix,
    mixed: Matrix,
    hidden: Matrix,
    added: Matrix,
    narrowed: Narrowed,
    heads: Vec<Mutex<Head>>,
}

/// What a head's attention needs.
#[derive(Default)]
struct Head {
    projected: Matrix,
    attention: Attention,
    bias: Vec<f32>,
}

/// A linear layer whose outputs are divided among threads.
struct Shared {
    layer: Linear,
    ends: Vec<usize>,
}

/// Blocks at the end whose layers all need more digits: what goes wrong there is not evened out by
/// others. Two of twelve lower the error by a sixth.
const FINE_BLOCKS: usize = 2;

/// What attention and the rest of a block are multiplied in. Attention needs more digits: with a third
/// of the weights it made two thirds of the error when all were bytes.
fn precisions(precision: Precision) -> (Precision, Precision) {
    match precision {
        Precision::Int8 => (Precision::Bf16, Precision::Int8),
        other => (other, other),
    }
}

impl TextTower {
    /// Reads what [`super::super::text::TextEncoder::load`] does.
    pub fn load(
        vb: VarBuilder,
        in_place: &InPlace,
        shelf: &Shelf,
        precision: Precision,
        config: &ClapConfig,
    ) -> Result<TextTower> {
        let text = &config.text_config;
        let (width, inner, heads) = (
            text.hidden_size,
            text.intermediate_size,
            text.num_attention_heads,
        );
        let model = vb.pp("text_model");
        let embeddings = model.pp("embeddings");
        let table = |name: &str, rows| {
            let name = format!("text_model.embeddings.{name}.weight");
            in_place.unread_floats(&name, &[rows, width])
        };
        let (fine, coarse) = precisions(precision);
        let source = Source { shelf, in_place };
        let function = if text.hidden_act == "relu" {
            Activation::Relu
        } else {
            Activation::Gelu
        };
        let layer = |i: usize| -> Result<Layer> {
            let vb = model.pp("encoder.layer").pp(i);
            let attention = vb.pp("attention");
            let dense = |vb: VarBuilder, shape, kind| source.shared(&vb.pp("dense"), shape, kind);
            let none = Activation::None;
            let last = i + FINE_BLOCKS >= text.num_hidden_layers;
            let rest = if last { fine } else { coarse };
            Ok(Layer {
                heads: source.heads(&attention.pp("self"), width, heads, fine)?,
                ends: (1..=heads).map(|head| head * (width / heads)).collect(),
                attended: dense(attention.pp("output"), (width, width), (fine, none))?,
                attended_norm: Norm::load(&attention.pp("output.LayerNorm"), width)?,
                intermediate: dense(vb.pp("intermediate"), (width, inner), (rest, function))?,
                output: dense(vb.pp("output"), (inner, width), (rest, none))?,
                output_norm: Norm::load(&vb.pp("output.LayerNorm"), width)?,
            })
        };
        let kinds = embeddings.get(
            (text.type_vocab_size, width),
            "token_type_embeddings.weight",
        )?;
        Ok(TextTower {
            kernels: shelf.kernels,
            words: table("word_embeddings", text.vocab_size)?,
            positions: table("position_embeddings", text.max_position_embeddings)?,
            kind: kinds.get(0)?.to_vec1()?,
            norm: Norm::load(&embeddings.pp("LayerNorm"), width)?,
            layers: (0..text.num_hidden_layers)
                .map(layer)
                .collect::<Result<_>>()?,
            pooler: source.shared(
                &model.pp("pooler.dense"),
                (width, width),
                (fine, Activation::None),
            )?,
            projection: Projection::load(
                &vb.pp("text_projection"),
                shelf,
                (width, config.projection_dim),
                &config.projection_hidden_act,
            )?,
            epsilon: text.layer_norm_eps,
            heads,
            pad_token_id: text.pad_token_id,
            scratch: Mutex::new(Vec::new()),
        })
    }

    /// Embeds token ids, each text with at least one: unit vectors in the texts' order. Stages are
    /// shown with the reference's names; `last_hidden_state` is 0 behind a shorter text's end.
    pub fn forward(
        &self,
        texts: &[Vec<u32>],
        visit: &mut dyn FnMut(&str, &Tensor),
    ) -> Result<Vec<Vec<f32>>> {
        let pool = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = pool().pop().unwrap_or_default();
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
        pool().push(scratch);
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
        self.look_up(texts, &mut scratch.x);
        kernels.normalise_in_place(&mut scratch.x, self.epsilon, Some(&self.norm));
        scratch.heads.resize_with(self.heads, Default::default);
        Team::gather(|team| {
            for layer in &self.layers {
                self.layer(team, layer, texts, scratch);
            }
            let (x, first) = (&scratch.x, &mut scratch.mixed);
            first.shape(texts.len(), x.width());
            let mut row = 0;
            for (i, text) in texts.iter().enumerate() {
                first.row_mut(i).copy_from_slice(x.row(row));
                row += text.len();
            }
            let (narrowed, pooled) = (&mut scratch.narrowed, &mut scratch.added);
            self.pooler.forward(team, kernels, first, narrowed, pooled);
        });
        let x = &scratch.x;
        let width = x.width();
        let mut hidden = Vec::with_capacity(texts.len() * longest * width);
        let mut row = 0;
        for (i, text) in texts.iter().enumerate() {
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
    fn look_up(&self, texts: &[Vec<u32>], x: &mut Matrix) {
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
                let word = &self.words[id as usize * width..][..width];
                let position = &self.positions[position * width..][..width];
                let parts = word.iter().zip(position).zip(&self.kind);
                for (x, ((word, position), kind)) in x.row_mut(row).iter_mut().zip(parts) {
                    *x = word + kind + position;
                }
                row += 1;
            }
        }
    }

    fn layer(&self, team: &Team, layer: &Layer, texts: &[Vec<u32>], scratch: &mut Scratch) {
        let kernels = self.kernels;
        let Scratch {
            x,
            mixed,
            hidden,
            added,
            narrowed,
            heads,
        } = scratch;
        mixed.shape(x.rows(), x.width());
        let words = layer.heads[0].narrow(kernels, x, narrowed);
        let of_heads = mixed.divided(&layer.ends);
        team.run(self.heads, &|head| {
            let mut room = heads[head].lock().unwrap_or_else(PoisonError::into_inner);
            let projections = &layer.heads[head];
            room.attend(
                kernels,
                projections,
                &words,
                texts,
                &mut of_heads.part(head),
            );
        });
        let attended = &layer.attended;
        attended.forward(team, kernels, mixed, narrowed, added);
        add(x, added);
        kernels.normalise_in_place(x, self.epsilon, Some(&layer.attended_norm));
        let intermediate = &layer.intermediate;
        intermediate.forward(team, kernels, x, narrowed, hidden);
        layer.output.forward(team, kernels, hidden, narrowed, added);
        add(x, added);
        kernels.normalise_in_place(x, self.epsilon, Some(&layer.output_norm));
    }
}

impl Head {
    /// One head's attention within each text, from rows into its columns.
    fn attend(
        &mut self,
        kernels: &Kernels,
        projections: &Linear,
        rows: &Words<'_>,
        texts: &[Vec<u32>],
        to: &mut Columns<'_>,
    ) {
        let width = to.range().1 - to.range().0;
        self.projected.shape(rows.rows, 3 * width);
        let projected = &mut self.projected;
        projections.apply_part(kernels, rows, (0, 1), &mut projected.columns());
        let scale = 1.0 / (width as f32).sqrt();
        for row in 0..rows.rows {
            for query in &mut self.projected.row_mut(row)[..width] {
                *query *= scale;
            }
        }
        let mut row = 0;
        for text in texts {
            let (tokens, stride) = (text.len(), score_stride(text.len()));
            self.bias.clear();
            for _ in 0..tokens {
                self.bias.resize(self.bias.len() + tokens, 0.0);
                self.bias
                    .resize(self.bias.len() + stride - tokens, FAR_BELOW);
            }
            let none = |_| &self.bias[..];
            let at = (row, tokens);
            self.attention
                .forward(kernels, &self.projected, to, at, 1, none, None);
            row += tokens;
        }
    }
}

fn add(x: &mut Matrix, added: &Matrix) {
    for row in 0..x.rows() {
        for (x, added) in x.row_mut(row).iter_mut().zip(added.row(row)) {
            *x += added;
        }
    }
}

/// Where layers come from.
struct Source<'a> {
    shelf: &'a Shelf,
    in_place: &'a InPlace,
}

impl Source<'_> {
    /// A layer's weights (to, from) and bias.
    fn read(&self, vb: &VarBuilder, from: usize, to: usize) -> Result<(Floats, Vec<f32>)> {
        let name = format!("{}.weight", vb.prefix());
        let weight = self.in_place.floats(&name, &[to, from])?;
        Ok((weight, vb.get(to, "bias")?.to_vec1()?))
    }

    /// The projections of attention, one layer for each head.
    fn heads(
        &self,
        vb: &VarBuilder,
        width: usize,
        heads: usize,
        precision: Precision,
    ) -> Result<Vec<Linear>> {
        let wide = width / heads;
        let kind = (precision, Activation::None);
        let read = OnceCell::new();
        let layer = |head: usize| {
            let name = format!("{}.{head}", vb.prefix());
            self.shelf.layer(&name, (width, 3 * wide), kind, |kernels| {
                if read.get().is_none() {
                    let read_one = |name| self.read(&vb.pp(name), width, width);
                    let all = [read_one("query")?, read_one("key")?, read_one("value")?];
                    let _ = read.set(all);
                }
                let (mut rows, mut bias) = (Vec::new(), Vec::new());
                for (weight, bias_of_all) in read.get().into_iter().flatten() {
                    let first = head * wide;
                    rows.extend(weight[first * width..][..wide * width].chunks_exact(width));
                    bias.extend_from_slice(&bias_of_all[first..][..wide]);
                }
                Ok(Linear::pack_rows(kernels, &rows, bias, kind.0, kind.1))
            })
        };
        (0..heads).map(layer).collect()
    }

    fn shared(
        &self,
        vb: &VarBuilder,
        (from, to): (usize, usize),
        kind: (Precision, Activation),
    ) -> Result<Shared> {
        let layer = self
            .shelf
            .layer(&vb.prefix(), (from, to), kind, |kernels| {
                let (weight, bias) = self.read(vb, from, to)?;
                let rows: Vec<&[f32]> = weight.chunks_exact(from).collect();
                Ok(Linear::pack_rows(kernels, &rows, bias, kind.0, kind.1))
            })?;
        let ends = layer.ends(PARTS);
        Ok(Shared { layer, ends })
    }
}

impl Shared {
    /// All rows of `x` into a matrix that takes the results' shape.
    fn forward(
        &self,
        team: &Team,
        kernels: &Kernels,
        x: &Matrix,
        room: &mut Narrowed,
        to: &mut Matrix,
    ) {
        to.shape(x.rows(), self.layer.outputs());
        let rows = self.layer.narrow(kernels, x, room);
        let (parts, divided) = (self.ends.len(), to.divided(&self.ends));
        team.run(parts, &|part| {
            let to = &mut divided.part(part);
            self.layer.apply_part(kernels, &rows, (part, parts), to);
        });
    }
}
