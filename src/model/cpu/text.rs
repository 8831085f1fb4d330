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
use super::team::{MOST_PARTS, Team, Turn};

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
    heads: usize,
    pad_token_id: u32,
    scratch: Mutex<Vec<Scratch>>,
}

struct Layer {
    heads: Vec<Projections>,
    /// The ends of the heads' columns.
    ends: Vec<usize>,
    attended: Shared,
    attended_norm: Norm,
    intermediate: Shared,
    output: Shared,
    output_norm: Norm,
}

/// A head's query, key and value, one behind the other: one layer where all have the same precision.
struct Projections {
    layers: Vec<Linear>,
    /// The end of each layer's columns.
    ends: Vec<usize>,
}

/// What one group of texts needs, kept for the next one.
#[derive(Default)]
struct Scratch {
    x: Matrix,
    mixed: Matrix,
    hidden: Matrix,
    added: Matrix,
    narrowed: Narrowed,
    of_heads: Vec<Narrowed>,
    heads: Vec<Mutex<Head>>,
}

/// What a head's attention needs.
#[derive(Default)]
struct Head {
    projected: Matrix,
    attention: Attention,
    bias: Vec<f32>,
}

/// A linear layer whose outputs are divided among threads, into so many parts that one that the
/// system interrupts holds up little.
struct Shared {
    layer: Linear,
    ends: Vec<usize>,
}

/// What a team does after what it is doing, so that memory can be asked for it meanwhile.
#[derive(Clone, Copy)]
enum Next<'a> {
    Heads(&'a [Projections]),
    Shared(&'a Shared),
    Nothing,
}

impl<'a> Next<'a> {
    /// The weights that a member of the team begins with.
    fn words(self, team: &Team, member: usize) -> &'a [u32] {
        match self {
            Next::Heads(heads) => heads[team.first(member, heads.len())].words(),
            Next::Shared(Shared { layer, ends }) => {
                layer.words_of((team.first(member, ends.len()), ends.len()))
            }
            Next::Nothing => &[],
        }
    }
}

/// Blocks at the end whose layers all need more digits: what goes wrong there is not evened out by
/// others. Two of twelve lower the error by a sixth.
const FINE_BLOCKS: usize = 2;

/// What a block is multiplied in. Values and what attention gives need more digits: with a sixth of the
/// weights they made two thirds of the error when all were bytes. Queries and keys add nothing to it,
/// since a softmax is between.
struct Precisions {
    scores: Precision,
    values: Precision,
    rest: Precision,
}

impl Precisions {
    fn of_block(precision: Precision, is_last: bool) -> Precisions {
        let fine = match precision {
            Precision::Int8 => Precision::Bf16,
            other => other,
        };
        Precisions {
            scores: if is_last { fine } else { precision },
            values: fine,
            rest: if is_last { fine } else { precision },
        }
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
        let fine = Precisions::of_block(precision, true).values;
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
            let is_last = i + FINE_BLOCKS >= text.num_hidden_layers;
            let Precisions {
                scores,
                values,
                rest,
            } = Precisions::of_block(precision, is_last);
            let kinds: &[(&[&str], Precision)] = if scores == values {
                &[(&["query", "key", "value"], values)]
            } else {
                &[(&["query", "key"], scores), (&["value"], values)]
            };
            Ok(Layer {
                heads: source.heads(&attention.pp("self"), width, heads, kinds)?,
                ends: (1..=heads).map(|head| head * (width / heads)).collect(),
                attended: dense(attention.pp("output"), (width, width), (values, none))?,
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
            for (i, layer) in self.layers.iter().enumerate() {
                let next = match self.layers.get(i + 1) {
                    Some(layer) => Next::Heads(&layer.heads),
                    None => Next::Shared(&self.pooler),
                };
                self.layer(team, layer, next, texts, scratch);
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

    fn layer(
        &self,
        team: &Team,
        layer: &Layer,
        next: Next<'_>,
        texts: &[Vec<u32>],
        scratch: &mut Scratch,
    ) {
        let kernels = self.kernels;
        let Scratch {
            x,
            mixed,
            hidden,
            added,
            narrowed,
            of_heads,
            heads,
        } = scratch;
        mixed.shape(x.rows(), x.width());
        // All heads have layers of the same kinds.
        let kinds = &layer.heads[0].layers;
        of_heads.resize_with(kinds.len().max(of_heads.len()), Default::default);
        let kinds = kinds.iter().zip(of_heads);
        let words: Vec<Words<'_>> = kinds
            .map(|(layer, room)| layer.narrow(kernels, x, room))
            .collect();
        let mixed_by_heads = mixed.divided(&layer.ends);
        let (attended, intermediate) = (&layer.attended, &layer.intermediate);
        team.run(self.heads, &|turn| {
            let head = turn.part;
            let ahead = match team.next(turn, self.heads) {
                Some(head) => layer.heads[head].words(),
                None => Next::Shared(attended).words(team, turn.member),
            };
            let mut room = heads[head].lock().unwrap_or_else(PoisonError::into_inner);
            let projections = &layer.heads[head];
            let to = &mut mixed_by_heads.part(head);
            room.attend(kernels, projections, &words, ahead, texts, to);
        });
        let room = (&mut *narrowed, &mut *added);
        attended.forward(team, kernels, mixed, room, Next::Shared(intermediate));
        add(x, added);
        kernels.normalise_in_place(x, self.epsilon, Some(&layer.attended_norm));
        let room = (&mut *narrowed, &mut *hidden);
        intermediate.forward(team, kernels, x, room, Next::Shared(&layer.output));
        let room = (narrowed, &mut *added);
        layer.output.forward(team, kernels, hidden, room, next);
        add(x, added);
        kernels.normalise_in_place(x, self.epsilon, Some(&layer.output_norm));
    }
}

impl Projections {
    /// The weights that are read first.
    fn words(&self) -> &[u32] {
        self.layers[0].words_of((0, 1))
    }
}

impl Head {
    /// One head's attention within each text, from rows into its columns.
    fn attend(
        &mut self,
        kernels: &Kernels,
        projections: &Projections,
        rows: &[Words<'_>],
        ahead: &[u32],
        texts: &[Vec<u32>],
        to: &mut Columns<'_>,
    ) {
        let width = to.range().1 - to.range().0;
        self.projected.shape(rows[0].rows, 3 * width);
        let layers = &projections.layers;
        let projected = self.projected.divided(&projections.ends);
        for (i, (layer, rows)) in layers.iter().zip(rows).enumerate() {
            let ahead = layers
                .get(i + 1)
                .map_or(ahead, |next| next.words_of((0, 1)));
            let to = &mut projected.part(i).alone();
            layer.apply_part(kernels, rows, (0, 1), ahead, to);
        }
        drop(projected);
        let scale = 1.0 / (width as f32).sqrt();
        for row in 0..rows[0].rows {
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

    /// The projections of attention, for each head. `kinds` are layers by the names of what they give,
    /// and their precisions.
    fn heads(
        &self,
        vb: &VarBuilder,
        width: usize,
        heads: usize,
        kinds: &[(&[&str], Precision)],
    ) -> Result<Vec<Projections>> {
        let wide = width / heads;
        let mut all: Vec<Projections> = Vec::new();
        all.resize_with(heads, || Projections {
            layers: Vec::new(),
            ends: Vec::new(),
        });
        for &(names, precision) in kinds {
            let (kind, shape) = ((precision, Activation::None), (width, names.len() * wide));
            let read = OnceCell::new();
            for (head, projections) in all.iter_mut().enumerate() {
                let name = format!("{}.{}.{head}", vb.prefix(), names.join(" "));
                let layer = self.shelf.layer(&name, shape, kind, |kernels| {
                    if read.get().is_none() {
                        let read_one = |name: &&str| self.read(&vb.pp(name), width, width);
                        let _ = read.set(names.iter().map(read_one).collect::<Result<Vec<_>>>()?);
                    }
                    let (mut rows, mut bias) = (Vec::new(), Vec::new());
                    for (weight, bias_of_all) in read.get().into_iter().flatten() {
                        let first = head * wide;
                        rows.extend(weight[first * width..][..wide * width].chunks_exact(width));
                        bias.extend_from_slice(&bias_of_all[first..][..wide]);
                    }
                    Ok(Linear::pack_rows(kernels, &rows, bias, kind.0, kind.1))
                })?;
                let before = projections.ends.last().copied().unwrap_or(0);
                projections.layers.push(layer);
                projections.ends.push(before + shape.1);
            }
        }
        Ok(all)
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
        let ends = layer.ends(MOST_PARTS);
        Ok(Shared { layer, ends })
    }
}

impl Shared {
    /// All rows of `x` into a matrix that takes the results' shape; the other one is room.
    fn forward(
        &self,
        team: &Team,
        kernels: &Kernels,
        x: &Matrix,
        room: (&mut Narrowed, &mut Matrix),
        next: Next<'_>,
    ) {
        divide(team, kernels, (&self.layer, &self.ends), x, room, next);
    }
}

/// A layer's results, by a team that divides them at `ends`.
fn divide(
    team: &Team,
    kernels: &Kernels,
    (layer, ends): (&Linear, &[usize]),
    x: &Matrix,
    (room, to): (&mut Narrowed, &mut Matrix),
    next: Next<'_>,
) {
    to.shape(x.rows(), layer.outputs());
    let rows = layer.narrow(kernels, x, room);
    let (parts, divided) = (ends.len(), to.divided(ends));
    team.run(parts, &|turn: Turn| {
        let ahead = match team.next(turn, parts) {
            Some(part) => layer.words_of((part, parts)),
            None => next.words(team, turn.member),
        };
        let (part, to) = ((turn.part, parts), &mut divided.part(turn.part));
        layer.apply_part(kernels, &rows, part, ahead, to);
    });
}
