//! A linear layer with its weights packed once, in one of three number formats.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;

use super::super::Precision;
use super::affine::Affine;
use super::kernels::{
    Activation, DEEPEST_BYTES, Into, Kernels, Multiply, Narrowed, Packed, Words, panels,
};
use super::matrix::{Columns, Matrix};
use super::packing::{on_all_cores, pack_bytes, pack_halves, pack_singles};

/// Bytes that parts of a written layer start at multiples of: a line of the cache.
pub(super) const ALIGNMENT: usize = 64;

/// `y = x Wᵀ + b`, and an activation.
#[derive(Clone)]
pub(super) struct Linear {
    /// Panels of columns, each with all its words for the first step of the depth first.
    words: Store,
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
    depth: usize,
    format: Format,
    with: Multiply,
    activation: Activation,
}

/// Where packed words lie: in memory of their own, or in a mapped file from a byte on.
#[derive(Clone)]
enum Store {
    Own(Arc<Matrix>),
    Mapped(Arc<Mmap>, Range<usize>),
}

#[derive(Clone)]
enum Format {
    Singles,
    Halves,
    /// The size of each output's step, and the sum of its bytes.
    Bytes(Vec<f32>, Vec<u32>),
}

/// How a layer of a shape is laid out.
struct Layout {
    with: Multiply,
    /// Numbers of a word: the number format.
    numbers: usize,
    depth: usize,
    /// Outputs in whole vectors.
    padded: usize,
}

impl Layout {
    /// For `kernels`: where these have no bfloat16, or a row of weights is too long for sums of bytes,
    /// a layer is one of floats.
    fn new(kernels: &Kernels, precision: Precision, inputs: usize, outputs: usize) -> Layout {
        let (with, numbers) = match (precision, kernels.halves) {
            (Precision::Bf16, Some(halves)) => (halves, 2),
            (Precision::Int8, _) if inputs <= DEEPEST_BYTES => (kernels.bytes, 4),
            _ => (kernels.singles, 1),
        };
        Layout {
            with,
            numbers,
            depth: inputs.div_ceil(numbers),
            padded: outputs.next_multiple_of(with.lanes),
        }
    }

    fn words(&self) -> usize {
        self.padded * self.depth
    }
}

impl Store {
    fn words(&self) -> &[u32] {
        match self {
            Store::Own(words) => words.words(),
            Store::Mapped(map, bytes) => bytemuck::cast_slice(&map[bytes.clone()]),
        }
    }
}

impl Linear {
    /// Packs weights for `kernels`. Where these have no bfloat16, or a row of weights is too long
    /// for sums of bytes, the layer is one of floats.
    pub fn pack(
        kernels: &Kernels,
        affine: &Affine,
        precision: Precision,
        activation: Activation,
    ) -> Linear {
        let rows: Vec<&[f32]> = affine.weight.chunks_exact(affine.inputs()).collect();
        Linear::pack_rows(kernels, &rows, affine.bias.clone(), precision, activation)
    }

    /// As [`Self::pack`], of a row of weights for each output, all of one length.
    pub fn pack_rows(
        kernels: &Kernels,
        rows: &[&[f32]],
        mut bias: Vec<f32>,
        precision: Precision,
        activation: Activation,
    ) -> Linear {
        let (inputs, outputs) = (rows[0].len(), rows.len());
        let layout = Layout::new(kernels, precision, inputs, outputs);
        let Layout {
            with,
            numbers,
            depth,
            padded,
        } = layout;
        bias.resize(padded, 0.0);
        let mut words = Matrix::default();
        words.shape(1, layout.words());
        let (mut steps, mut sums) = (vec![0.0; padded], vec![0; padded]);
        let mut panels_left = Vec::new();
        let mut rest = (words.words_mut(), &mut steps[..], &mut sums[..]);
        for (start, end) in panels(padded / with.lanes, with.widest_panel) {
            let (first, columns) = (start * with.lanes, (end - start) * with.lanes);
            let (panel, words) = rest.0.split_at_mut(columns * depth);
            let (step, steps) = rest.1.split_at_mut(columns);
            let (sum, sums) = rest.2.split_at_mut(columns);
            rest = (words, steps, sums);
            let rows = &rows[first..outputs.min(first + columns)];
            panels_left.push((rows, panel, step, sum));
        }
        on_all_cores(
            panels_left,
            layout.words(),
            |(rows, panel, step, sum)| match numbers {
                1 => pack_singles(rows, panel, step.len()),
                2 => pack_halves(rows, panel, step.len()),
                _ => pack_bytes(rows, panel, step, sum),
            },
        );
        Linear {
            words: Store::Own(Arc::new(words)),
            bias,
            inputs,
            outputs,
            depth,
            format: match numbers {
                1 => Format::Singles,
                2 => Format::Halves,
                _ => Format::Bytes(steps, sums),
            },
            with,
            activation,
        }
    }

    /// Reads what [`Self::write`] wrote at byte `at` of a file: a layer of the same shape and kind
    /// for the same kernels. `None` where the file has nothing of the kind there.
    pub fn mapped(
        kernels: &Kernels,
        (map, at): (&Arc<Mmap>, usize),
        (inputs, outputs): (usize, usize),
        precision: Precision,
        activation: Activation,
    ) -> Option<Linear> {
        let layout = Layout::new(kernels, precision, inputs, outputs);
        let mut end = at;
        let mut next = |words: usize| {
            let start = end;
            end = start
                .checked_add(words.checked_mul(4)?)?
                .checked_next_multiple_of(ALIGNMENT)?;
            let bytes = start..start + 4 * words;
            map.get(bytes.clone())?;
            Some(bytes)
        };
        let words = next(layout.words())?;
        let mut small =
            || -> Option<&[u32]> { bytemuck::try_cast_slice(&map[next(layout.padded)?]).ok() };
        let floats = |words: &[u32]| words.iter().map(|&bits| f32::from_bits(bits)).collect();
        bytemuck::try_cast_slice::<u8, u32>(&map[words.clone()]).ok()?;
        Some(Linear {
            words: Store::Mapped(Arc::clone(map), words),
            bias: floats(small()?),
            inputs,
            outputs,
            depth: layout.depth,
            format: match layout.numbers {
                1 => Format::Singles,
                2 => Format::Halves,
                _ => Format::Bytes(floats(small()?), small()?.to_vec()),
            },
            with: layout.with,
            activation,
        })
    }

    /// Inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    /// Writes the layer, each part at a multiple of [`ALIGNMENT`] bytes, if the first is.
    pub fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        let mut part = |bytes: &[u8]| {
            to.write_all(bytes)?;
            let filled = bytes.len().next_multiple_of(ALIGNMENT) - bytes.len();
            to.write_all(&[0; ALIGNMENT][..filled])
        };
        let words = self.bias.len() * self.depth;
        part(bytemuck::cast_slice(&self.words.words()[..words]))?;
        part(bytemuck::cast_slice(&self.bias))?;
        if let Format::Bytes(step, sum) = &self.format {
            part(bytemuck::cast_slice(step))?;
            part(bytemuck::cast_slice(sum))?;
        }
        Ok(())
    }

    /// The bytes that [`Self::write`] writes.
    pub fn written(&self) -> usize {
        let part = |words: usize| (4 * words).next_multiple_of(ALIGNMENT);
        let small = match self.format {
            Format::Bytes(..) => 3,
            _ => 1,
        };
        part(self.bias.len() * self.depth) + small * part(self.bias.len())
    }

    /// Number of results for each row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// All rows of `x`, whose width is the layer's, into a matrix that takes the results' shape.
    pub fn apply(&self, kernels: &Kernels, x: &Matrix, room: &mut Narrowed, to: &mut Matrix) {
        to.shape(x.rows(), self.outputs);
        let x = self.narrow(kernels, x, room);
        let to = &mut to.columns();
        self.multiply(kernels, &x, (0, self.panels()), &[], &mut Into::Rows(to));
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
        let x = self.narrow(kernels, x, room);
        self.multiply(kernels, &x, (0, self.panels()), &[], &mut Into::Sum(to, at));
    }

    /// Rows in the layer's number format.
    pub fn narrow<'a>(
        &self,
        kernels: &Kernels,
        x: &'a Matrix,
        room: &'a mut Narrowed,
    ) -> Words<'a> {
        match self.format {
            Format::Singles => Words::floats(x),
            Format::Halves => room.halves(kernels, x),
            Format::Bytes(..) => room.bytes(kernels, x),
        }
    }

    /// The ends of at most `parts` parts of the results, for [`Self::apply_part`].
    pub fn ends(&self, parts: usize) -> Vec<usize> {
        let (panels, parts) = (self.panels(), parts.min(self.panels()));
        let ends = (1..=parts).map(|part| self.column(part * panels / parts));
        ends.collect()
    }

    /// Part `part` of `parts` of the results, of rows in the layer's number format. `ahead` is what
    /// this thread reads next, as far as that is known.
    pub fn apply_part(
        &self,
        kernels: &Kernels,
        x: &Words<'_>,
        (part, parts): (usize, usize),
        ahead: &[u32],
        to: &mut Columns<'_>,
    ) {
        let panels = self.panels();
        let part = (part * panels / parts, (part + 1) * panels / parts);
        self.multiply(kernels, x, part, ahead, &mut Into::Rows(to));
    }

    /// The packed words that a part reads, from the first panel to its last.
    pub fn words_of(&self, (part, parts): (usize, usize)) -> &[u32] {
        let panels = self.panels();
        let start = |part| {
            self.column(part * panels / parts)
                .next_multiple_of(self.with.lanes)
        };
        &self.words.words()[start(part) * self.depth..start(part + 1) * self.depth]
    }

    fn panels(&self) -> usize {
        panels(
            self.outputs.div_ceil(self.with.lanes),
            self.with.widest_panel,
        )
        .len()
    }

    /// The first output of a panel.
    fn column(&self, panel: usize) -> usize {
        let vectors = self.outputs.div_ceil(self.with.lanes);
        (panel * vectors / self.panels() * self.with.lanes).min(self.outputs)
    }

    fn multiply(
        &self,
        kernels: &Kernels,
        x: &Words<'_>,
        panels: (usize, usize),
        ahead: &[u32],
        target: &mut Into<'_, '_>,
    ) {
        let levels = match &self.format {
            Format::Bytes(step, sum) => Some((&step[..], &sum[..])),
            _ => None,
        };
        let weights = Packed {
            words: self.words.words(),
            columns: self.outputs,
            depth: self.depth,
            panels,
            ahead,
            bias: &self.bias,
            levels,
        };
        kernels.multiply(self.with, x, &weights, self.activation, target);
    }
}
