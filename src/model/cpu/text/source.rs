//! Where the text encoder's layers come from: packed from an earlier start, or else from the checkpoint.

use std::cell::OnceCell;

use candle_core::Result;
use candle_nn::VarBuilder;

use super::super::super::Precision;
use super::super::super::weights::{Floats, InPlace};
use super::super::kernels::Activation;
use super::super::linear::Linear;
use super::super::shelf::Shelf;
use super::super::team::MOST_PARTS;
use super::block::{Projections, Shared};

/// Where layers come from.
pub(super) struct Source<'a> {
    pub(super) shelf: &'a Shelf,
    pub(super) in_place: &'a InPlace,
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
    pub(super) fn heads(
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

    /// A layer with outputs for a team.
    pub(super) fn shared(
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
