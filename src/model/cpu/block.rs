//! A Swin block on one group of windows at a time.
//!
//! Every step of a block works within a window or on single tokens, so a group of windows goes
//! through the whole block before the next one starts, and what lies between the steps never
//! leaves the cache. The group's rows are gathered through a list of places, which is all that is
//! left of the cyclic shift and the window cut, and the results are added where they came from.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::super::audio::{offset_index, shift_mask};
use super::super::{AudioConfig, Precision};
use super::affine::{Affine, Norm, activation, affine};
use super::attention::{Attention, FAR_BELOW, score_stride};
use super::kernels::{Activation, Kernels, Narrowed};
use super::linear::Linear;
use super::matrix::Matrix;
use super::shelf::Shelf;

/// Tokens of a group: enough to use a panel of weights often, few enough for the second cache.
const GROUP: usize = 128;

/// `ClapAudioLayer`.
pub(super) struct Block {
    query_key_value: Linear,
    attended: Linear,
    intermediate: Linear,
    output: Linear,
    epsilon: f64,
    heads: usize,
    /// Tokens of a window.
    tokens: usize,
    /// Where the tokens of each window, one after the other, are in the map, row by row.
    places: Vec<usize>,
    /// (heads, tokens, stride of the scores): the learned bias of each offset.
    bias: Vec<f32>,
    /// For each window the mask it has, if it has one.
    masked: Vec<Option<usize>>,
    /// (masks, tokens, stride of the scores).
    masks: Vec<f32>,
}

/// The matrices of a group, kept from group to group and from clip to clip.
#[derive(Default)]
pub(super) struct Workspace {
    pub rows: Matrix,
    pub narrowed: Narrowed,
    pub at: Vec<usize>,
    projected: Matrix,
    attention: Attention,
    mixed: Matrix,
    hidden: Matrix,
}

impl Block {
    pub fn load(
        vb: &VarBuilder,
        shelf: &Shelf,
        precision: Precision,
        config: &AudioConfig,
        stage: usize,
        odd: bool,
    ) -> Result<Block> {
        let (channels, side) = (config.channels(stage), config.side(stage));
        let (heads, window) = (config.num_attention_heads[stage], config.window_size);
        let hidden = (config.mlp_ratio * channels as f64) as usize;
        let shift = if odd && side > window { window / 2 } else { 0 };
        let before = Norm::load(&vb.pp("layernorm_before"), channels)?;
        let after = Norm::load(&vb.pp("layernorm_after"), channels)?;
        let own = vb.pp("attention.self");
        let project = |name| -> Result<Affine> {
            let affine = affine(&own.pp(name), channels, channels, config.qkv_bias)?;
            Ok(affine.after(&before.factor, &before.summand))
        };
        // The scores' scale goes into the queries.
        let scale = 1.0 / ((channels / heads) as f32).sqrt();
        let projections = || {
            let query = project("query")?.scaled(scale);
            Ok(Affine::stacked([query, project("key")?, project("value")?]))
        };
        let read = |name, from, to| affine(&vb.pp(name), from, to, true);
        let layer = |name: &str, shape, activation, affine: &dyn Fn() -> Result<Affine>| {
            let name = format!("{}.{name}", vb.prefix());
            shelf.layer(&name, shape, (precision, activation), |kernels| {
                Ok(Linear::pack(kernels, &affine()?, precision, activation))
            })
        };
        let none = Activation::None;
        let table = own.get(
            ((2 * window - 1) * (2 * window - 1), heads),
            "relative_position_bias_table",
        )?;
        let (masked, masks) = masks(side, window, shift);
        Ok(Block {
            query_key_value: layer("attention", (channels, 3 * channels), none, &projections)?,
            attended: layer("attended", (channels, channels), none, &|| {
                read("attention.output.dense", channels, channels)
            })?,
            intermediate: layer(
                "intermediate",
                (channels, hidden),
                activation(&config.hidden_act),
                &|| {
                    let layer = read("intermediate.dense", channels, hidden)?;
                    Ok(layer.after(&after.factor, &after.summand))
                },
            )?,
            output: layer("output", (hidden, channels), none, &|| {
                read("output.dense", hidden, channels)
            })?,
            epsilon: config.layer_norm_eps,
            heads,
            tokens: window * window,
            places: places(side, window, shift),
            bias: biases(&table, window)?,
            masked,
            masks,
        })
    }

    /// Changes a map of tokens (S · S, C) in place.
    pub fn forward(&self, kernels: &Kernels, x: &mut Matrix, work: &mut Workspace) {
        let windows = (GROUP / self.tokens).max(1);
        for (group, places) in self.places.chunks(windows * self.tokens).enumerate() {
            self.group(kernels, x, work, group * windows, places);
        }
    }

    fn group(
        &self,
        kernels: &Kernels,
        x: &mut Matrix,
        work: &mut Workspace,
        first_window: usize,
        places: &[usize],
    ) {
        let (count, channels, stride) = (places.len(), x.width(), x.stride());
        work.at.clear();
        work.at.extend(places.iter().map(|&place| place * stride));
        work.rows.shape(count, channels);
        kernels.normalise(x, &work.at, &mut work.rows, self.epsilon);
        self.query_key_value
            .apply(kernels, &work.rows, &mut work.narrowed, &mut work.projected);
        work.mixed.shape(count, channels);
        for (i, row) in (0..count).step_by(self.tokens).enumerate() {
            let size = self.tokens * score_stride(self.tokens);
            let mask = self.masked[first_window + i];
            work.attention.forward(
                kernels,
                &work.projected,
                &mut work.mixed.columns(),
                (row, self.tokens),
                self.heads,
                |head| &self.bias[head * size..][..size],
                mask.map(|mask| &self.masks[mask * size..][..size]),
            );
        }
        self.attended
            .add(kernels, &work.mixed, &mut work.narrowed, x, &work.at);
        kernels.normalise(x, &work.at, &mut work.rows, self.epsilon);
        self.intermediate
            .apply(kernels, &work.rows, &mut work.narrowed, &mut work.hidden);
        self.output
            .add(kernels, &work.hidden, &mut work.narrowed, x, &work.at);
    }
}

/// For each window, row by row, the places of its tokens in the map that the shift was applied to.
fn places(side: usize, window: usize, shift: usize) -> Vec<usize> {
    let across = side / window;
    let mut places = Vec::with_capacity(side * side);
    for at in 0..across * across {
        for token in 0..window * window {
            let row = (at / across * window + token / window + shift) % side;
            let column = (at % across * window + token % window + shift) % side;
            places.push(row * side + column);
        }
    }
    places
}

/// The bias table (offsets, heads) laid out as scores: (heads, tokens, stride).
fn biases(table: &Tensor, window: usize) -> Result<Vec<f32>> {
    let (index, tokens) = (offset_index(window), window * window);
    let table = table.to_vec2::<f32>()?;
    let heads = table[0].len();
    let stride = score_stride(tokens);
    let mut biases = vec![FAR_BELOW; heads * tokens * stride];
    for (head, biases) in biases.chunks_exact_mut(tokens * stride).enumerate() {
        for (row, offsets) in biases.chunks_exact_mut(stride).zip(index.chunks(tokens)) {
            for (bias, &offset) in row.iter_mut().zip(offsets) {
                *bias = table[offset as usize][head];
            }
        }
    }
    Ok(biases)
}

/// The masks of a shifted block, laid out as scores, each kept once, and which one each window
/// has. Only windows at the map's last row or column have any.
fn masks(side: usize, window: usize, shift: usize) -> (Vec<Option<usize>>, Vec<f32>) {
    let (across, tokens) = (side / window, window * window);
    if shift == 0 {
        return (vec![None; across * across], Vec::new());
    }
    let all = shift_mask(side, window, shift);
    let stride = score_stride(tokens);
    let mut kept: Vec<&[f32]> = Vec::new();
    let mut masks = Vec::new();
    let masked = all
        .chunks_exact(tokens * tokens)
        .map(|mask| {
            if mask.iter().all(|&m| m == 0.0) {
                return None;
            }
            if let Some(known) = kept.iter().position(|known| *known == mask) {
                return Some(known);
            }
            for row in mask.chunks_exact(tokens) {
                masks.extend_from_slice(row);
                masks.resize(masks.len() + stride - tokens, 0.0);
            }
            kept.push(mask);
            Some(kept.len() - 1)
        })
        .collect();
    (masked, masks)
}
