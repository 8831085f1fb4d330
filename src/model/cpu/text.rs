//! The text encoder: RoBERTa, as [`super::super::text`] computes it, for a few short texts.
//!
//! The tokens of all texts are rows of one matrix, so that weights are read once for all of them,
//! and nothing is padded. Time goes into reading weights as much as into multiplying, so each layer
//! is divided among threads that stay together for the whole text ([`Team`]), head by head and then
//! by outputs. Rows of the tables of tokens and positions are taken where they lie in the mapped
//! checkpoint.

mod block;
mod source;

use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::super::weights::{Floats, InPlace};
use super::super::{ClapConfig, Precision};
use super::affine::Norm;
use super::kernels::{Activation, Kernels};
use super::linear::Linear;
use super::matrix::Matrix;
use super::projection::Projection;
use super::shelf::Shelf;
use super::team::{MOST_PARTS, Team};
use block::{Layer, Next, Precisions, Scratch, Shared, divide};
use source::Source;

/// Tokens that are computed at once, but for a single longer text.
const TOKENS_AT_ONCE: usize = 512;

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
    pad_token_id: u32,
    scratch: Mutex<Vec<Scratch>>,
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
        let width = text.hidden_size;
        let model = vb.pp("text_model");
        let embeddings = model.pp("embeddings");
        let table = |name: &str, rows| {
            let name = format!("text_model.embeddings.{name}.weight");
            in_place.unread_floats(&name, &[rows, width])
        };
        let fine = Precisions::of_pooler(precision);
        let source = Source { shelf, in_place };
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
                .map(|i| Layer::load(&source, &model, precision, text, i))
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
        Team::gather(|team| {
            for (i, layer) in self.layers.iter().enumerate() {
                let next = match self.layers.get(i + 1) {
                    Some(layer) => Next::Heads(&layer.heads),
                    None => Next::Shared(&self.pooler),
                };
                layer.forward(team, kernels, next, self.epsilon, texts, scratch);
            }
            let (x, first) = (&scratch.x, &mut scratch.mixed);
            first.shape(texts.len(), x.width());
            let mut row = 0;
            for (i, text) in texts.iter().enumerate() {
                first.row_mut(i).copy_from_slice(x.row(row));
                row += text.len();
            }
            let room = (&mut scratch.narrowed, &mut scratch.added);
            self.pooler
                .forward(team, kernels, first, room, Next::Nothing);
            self.show_rows(texts, longest, &scratch.x, visit)?;
            self.project(team, scratch, visit)
        })
    }

    /// Shows the last layer's rows, texts one behind the other, each filled up with 0.
    fn show_rows(
        &self,
        texts: &[Vec<u32>],
        longest: usize,
        x: &Matrix,
        visit: &mut dyn FnMut(&str, Tensor),
    ) -> Result<()> {
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
        let hidden = Tensor::from_vec(hidden, shape, &Device::Cpu)?;
        visit("last_hidden_state", hidden);
        Ok(())
    }

    /// The pooler's results, which are in `added`, to unit vectors.
    fn project(
        &self,
        team: &Team,
        scratch: &mut Scratch,
        visit: &mut dyn FnMut(&str, Tensor),
    ) -> Result<Vec<Vec<f32>>> {
        let kernels = self.kernels;
        let pooled = &mut scratch.added;
        let texts = pooled.rows();
        for row in 0..texts {
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
        let narrowed = &mut scratch.narrowed;
        let mut apply = |layer: &Linear, x: &Matrix, to: &mut Matrix| {
            let parts = (layer, &layer.ends(MOST_PARTS)[..]);
            divide(team, kernels, parts, x, (narrowed, to), Next::Nothing);
        };
        let unit =
            self.projection
                .forward(kernels, pooled, &mut scratch.hidden, &mut apply, &mut show);
        match failed {
            Some(error) => Err(error),
            None => Ok(unit
                .chunks(unit.len() / texts)
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
}
