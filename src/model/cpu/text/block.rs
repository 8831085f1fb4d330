//! A block of the text encoder, divided among the threads of a team.
//!
//! Apart from the encoder because all that is done for speed is here: what each thread computes and
//! reads next, and how many digits each layer has.

use std::sync::{Mutex, PoisonError};

use candle_core::Result;
use candle_nn::VarBuilder;

use super::super::super::{Precision, TextConfig};
use super::super::affine::Norm;
use super::super::attention::{Attention, FAR_BELOW, score_stride};
use super::super::kernels::{Activation, Kernels, Narrowed, Words};
use super::super::linear::Linear;
use super::super::matrix::{Columns, Matrix};
use super::super::team::{MOST_PARTS, Team, Turn};
use super::source::Source;

/// Blocks at the end whose layers all need more digits: what goes wrong there is not evened out by
/// others. Two of twelve lower the error by a sixth.
const FINE_BLOCKS: usize = 2;

/// What a block is multiplied in. Values and what attention gives need more digits: with a sixth of the
/// weights they made two thirds of the error when all were bytes. Queries and keys add nothing to it,
/// since a softmax is between.
pub(super) struct Precisions {
    scores: Precision,
    values: Precision,
    rest: Precision,
}

impl Precisions {
    /// What the pooler is multiplied in.
    pub(super) fn of_pooler(precision: Precision) -> Precision {
        Precisions::of_block(precision, true).values
    }

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

/// A block: attention, and two layers, each beside a residual and before a normalisation.
pub(super) struct Layer {
    pub(super) heads: Vec<Projections>,
    /// The ends of the heads' columns.
    ends: Vec<usize>,
    attended: Shared,
    attended_norm: Norm,
    intermediate: Shared,
    output: Shared,
    output_norm: Norm,
}

/// A head's query, key and value, one behind the other: one layer where all have the same precision.
pub(super) struct Projections {
    pub(super) layers: Vec<Linear>,
    /// The end of each layer's columns.
    pub(super) ends: Vec<usize>,
}

/// A linear layer whose outputs are divided among threads, into so many parts that one that the
/// system interrupts holds up little.
pub(super) struct Shared {
    pub(super) layer: Linear,
    pub(super) ends: Vec<usize>,
}

/// What a team does after what it is doing, so that memory can be asked for it meanwhile.
#[derive(Clone, Copy)]
pub(super) enum Next<'a> {
    Heads(&'a [Projections]),
    Shared(&'a Shared),
    Nothing,
}

impl<'a> Next<'a> {
    /// The weights that a member of the team begins with.
    fn words(self, team: &Team, member: usize) -> &'a [u32] {
        match self {
            Next::Heads(heads) => {
                let parts = heads.len().min(MOST_PARTS);
                heads[team.first(member, parts) * heads.len() / parts].words()
            }
            Next::Shared(Shared { layer, ends }) => {
                layer.words_of((team.first(member, ends.len()), ends.len()))
            }
            Next::Nothing => &[],
        }
    }
}

/// What one group of texts needs, kept for the next one.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) x: Matrix,
    pub(super) mixed: Matrix,
    pub(super) hidden: Matrix,
    pub(super) added: Matrix,
    pub(super) narrowed: Narrowed,
    of_heads: Vec<Narrowed>,
    heads: Vec<Mutex<Head>>,
}

/// What a head's attention needs.
#[derive(Default)]
pub(super) struct Head {
    projected: Matrix,
    attention: Attention,
    bias: Vec<f32>,
}

impl Layer {
    /// Block `i` of `text_model`.
    pub(super) fn load(
        source: &Source<'_>,
        model: &VarBuilder,
        precision: Precision,
        text: &TextConfig,
        i: usize,
    ) -> Result<Layer> {
        let (width, inner, heads) = (
            text.hidden_size,
            text.intermediate_size,
            text.num_attention_heads,
        );
        let function = if text.hidden_act == "relu" {
            Activation::Relu
        } else {
            Activation::Gelu
        };
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
    }

    /// Changes the rows of `x` in place. What the team does next is `next`.
    pub(super) fn forward(
        &self,
        team: &Team,
        kernels: &Kernels,
        next: Next<'_>,
        epsilon: f64,
        texts: &[Vec<u32>],
        scratch: &mut Scratch,
    ) {
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
        heads.resize_with(self.heads.len(), Default::default);
        let heads = &*heads;
        // All heads have layers of the same kinds.
        let kinds = &self.heads[0].layers;
        of_heads.resize_with(kinds.len().max(of_heads.len()), Default::default);
        let kinds = kinds.iter().zip(of_heads);
        let words: Vec<Words<'_>> = kinds
            .map(|(layer, room)| layer.narrow(kernels, x, room))
            .collect();
        let mixed_by_heads = mixed.divided(&self.ends);
        let (attended, intermediate) = (&self.attended, &self.intermediate);
        let count = self.heads.len();
        let parts = count.min(MOST_PARTS);
        let first_of = |part| part * count / parts;
        team.run(parts, &|turn| {
            let end = first_of(turn.part + 1);
            let of_part = heads.iter().enumerate().take(end);
            for (head, room) in of_part.skip(first_of(turn.part)) {
                let ahead = match team.next(turn, parts) {
                    _ if head + 1 < end => self.heads[head + 1].words(),
                    Some(part) => self.heads[first_of(part)].words(),
                    None => Next::Shared(attended).words(team, turn.member),
                };
                let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
                let projections = &self.heads[head];
                let to = &mut mixed_by_heads.part(head);
                room.attend(kernels, projections, &words, ahead, texts, to);
            }
        });
        let room = (&mut *narrowed, &mut *added);
        attended.forward(team, kernels, mixed, room, Next::Shared(intermediate));
        add(x, added);
        kernels.normalise_in_place(x, epsilon, Some(&self.attended_norm));
        let room = (&mut *narrowed, &mut *hidden);
        intermediate.forward(team, kernels, x, room, Next::Shared(&self.output));
        let room = (narrowed, &mut *added);
        self.output.forward(team, kernels, hidden, room, next);
        add(x, added);
        kernels.normalise_in_place(x, epsilon, Some(&self.output_norm));
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

impl Shared {
    /// All rows of `x` into a matrix that takes the results' shape; the other one is room.
    pub(super) fn forward(
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
pub(super) fn divide(
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
