//! A linear layer with its weights packed once, in one of three number formats.

use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use memmap2::Mmap;

use super::super::Precision;
use super::kernels::{
    Activation, DEEPEST_BYTES, Into, Kernels, Multiply, Narrowed, Packed, Words, bfloat16, panels,
};
use super::matrix::{Columns, Matrix};

/// Bytes that parts of a written layer start at multiples of: a line of the cache.
pub(super) const ALIGNMENT: usize = 64;

/// A layer of so many words or more is packed by several threads.
const MANY_WORDS: usize = 1 << 17;

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

/// Does `work` for each item, on all cores if there is much of it. Not on rayon's threads, which might
/// begin something else meanwhile that waits for this.
fn on_all_cores<T: Send>(items: Vec<T>, words: usize, work: impl Fn(T) + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if words < MANY_WORDS || cores == 1 {
        return items.into_iter().for_each(work);
    }
    let left = Mutex::new(items.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
    });
}

fn pack_singles(rows: &[&[f32]], panel: &mut [u32], columns: usize) {
    for (k, words) in panel.chunks_exact_mut(columns).enumerate() {
        for (word, row) in words.iter_mut().zip(rows) {
            *word = row[k].to_bits();
        }
    }
}

fn pack_halves(rows: &[&[f32]], panel: &mut [u32], columns: usize) {
    for (k, words) in panel.chunks_exact_mut(columns).enumerate() {
        for (word, row) in words.iter_mut().zip(rows) {
            let half = |i: usize| row.get(i).map_or(0, |&w| u32::from(bfloat16(w)));
            *word = half(2 * k) | half(2 * k + 1) << 16;
        }
    }
}

fn pack_bytes(rows: &[&[f32]], panel: &mut [u32], steps: &mut [f32], sums: &mut [u32]) {
    let columns = steps.len();
    let mut bytes = Vec::new();
    for (column, row) in rows.iter().enumerate() {
        let step = byte_step(row);
        steps[column] = step;
        bytes.clear();
        bytes.extend(row.iter().map(|&w| to_byte(w, step)));
        sums[column] = bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>() as u32;
        bytes.resize(row.len().next_multiple_of(4), 0);
        for (words, four) in panel.chunks_exact_mut(columns).zip(bytes.chunks_exact(4)) {
            words[column] = u32::from_le_bytes([0, 1, 2, 3].map(|i| four[i] as u8));
        }
    }
}

/// The step that takes a row's greatest weight to 127.
fn byte_step(row: &[f32]) -> f32 {
    // The bits of floats without a sign are in the order of the floats.
    let greatest = row.iter().fold(0, |most, w| w.abs().to_bits().max(most));
    (f32::from_bits(greatest) / 127.0).max(f32::MIN_POSITIVE)
}

/// The nearest number of steps, ties to even, from -127 to 127.
fn to_byte(weight: f32, step: f32) -> i8 {
    // Floats of this size are integers, whose last bits are those of the sum.
    const INTEGERS: f32 = 12_582_912.0;
    (weight / step + INTEGERS).to_bits() as i8
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
