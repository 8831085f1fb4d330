//! The inner loops, compiled once for each instruction set, and the choice between them.
//!
//! Everything that runs for long is here, behind calls that check lengths; what is above
//! (`linear.rs`, `audio.rs`) is safe code that says what is computed. Results differ between
//! instruction sets in the last bits, because sums are taken in another order; products of bytes
//! are exact and equal everywhere.

#![expect(
    unsafe_code,
    reason = "vectors are loaded through pointers, and features are checked at run time"
)]

mod narrowed;
mod product;
mod rows;
mod sets;

use super::affine::Norm;
use super::matrix::{Columns, Matrix};
pub(super) use narrowed::Narrowed;
pub(super) use product::{Activation, panels};
use product::{Levels, Product, Target};
pub(super) use rows::Function;
use rows::{Narrow, Normalise, Softmax};
use sets::AVAILABLE;

/// Weights beyond this many bytes in a row could leave 32 bits: 255 · 127 · 65,536 < 2³¹.
pub(super) const DEEPEST_BYTES: usize = 65_536;

/// With as few rows, or fewer, weights are multiplied faster than memory gives them.
const FEW_ROWS: usize = 32;

/// One instruction set's loops.
pub(super) struct Kernels {
    /// The set's name.
    pub name: &'static str,
    /// Numbers in a vector; a softmax needs whole ones.
    pub lanes: usize,
    /// Products of floats.
    pub singles: Multiply,
    /// Products of bfloat16, where the processor has them.
    pub halves: Option<Multiply>,
    /// Products of bytes.
    pub bytes: Multiply,
    normalise: unsafe fn(&Normalise),
    softmax: unsafe fn(&Softmax),
    apply: unsafe fn(Function, *mut f32, usize),
    halve: unsafe fn(&Narrow),
    quantise: unsafe fn(&Narrow),
}

/// A product's loop, and the width of the vectors that its packed weights are laid out for.
#[derive(Clone, Copy)]
pub(super) struct Multiply {
    pub lanes: usize,
    pub widest_panel: usize,
    /// Whether it multiplies bytes, whose levels have to be given.
    levelled: bool,
    /// Whether four numbers of a lane are multiplied and added up by one instruction.
    one_step: bool,
    run: unsafe fn(&Product),
}

/// Where a product's results go.
pub(super) enum Into<'a, 'm> {
    /// Over the rows of a matrix, or over some columns of them, which the product's panels have.
    Rows(&'a mut Columns<'m>),
    /// Added to a matrix, row `r` of the product from number `at[r]` on.
    Sum(&'a mut Matrix, &'a [usize]),
}

/// Weights (outputs, inputs) in the order in which a product reads them, with what finishes it.
pub(super) struct Packed<'a> {
    pub words: &'a [u32],
    pub columns: usize,
    /// Words of a row of the other factor.
    pub depth: usize,
    /// Which panels are multiplied, from the first to the one behind the last.
    pub panels: (usize, usize),
    /// What is read after them, if that is known: memory is asked for its beginning.
    pub ahead: &'a [u32],
    /// Whole vectors.
    pub bias: &'a [f32],
    /// For bytes: the size of each column's step and the sum of its bytes; whole vectors.
    pub levels: Option<(&'a [f32], &'a [u32])>,
}

/// Rows as words: what a product multiplies with packed weights.
pub(super) struct Words<'a> {
    pub rows: usize,
    pub words: &'a [u32],
    pub stride: usize,
    /// For bytes: each row's size of a step and zero level.
    pub levels: Option<(&'a [f32], &'a [u32])>,
}

impl Words<'_> {
    /// The rows of a matrix as they are.
    pub fn floats(x: &Matrix) -> Words<'_> {
        Words {
            rows: x.rows(),
            words: x.words(),
            stride: x.stride(),
            levels: None,
        }
    }
}

/// A float's nearest bfloat16, ties to even, as its bits. What is no number stays none.
#[inline(always)]
pub(super) fn bfloat16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // Rounding up could carry out of the bits that say "none"; this one is left of all of them.
    let none = u32::from(x.is_nan()) << 6;
    ((if x.is_nan() { bits >> 16 } else { rounded }) | none) as u16
}

impl Kernels {
    /// All that this processor can run, the fastest first and the portable ones last.
    #[cfg(test)]
    pub fn available() -> &'static [Kernels] {
        &AVAILABLE
    }

    /// The fastest that this processor can run.
    pub fn fastest() -> &'static Kernels {
        &AVAILABLE[0]
    }

    /// Whether bytes are multiplied and added up by one instruction.
    pub fn bytes_in_one_step(&self) -> bool {
        self.bytes.one_step
    }

    /// What decides how weights are laid out for these kernels.
    pub fn layout(&self) -> String {
        let of = |with: &Multiply| format!("{} {}", with.lanes, with.widest_panel);
        let halves = self.halves.as_ref().map_or("none".to_owned(), of);
        format!("{}, {halves}, {}", of(&self.singles), of(&self.bytes))
    }

    /// `rows` times packed weights, plus bias, `activation` of that, into a target.
    pub fn multiply(
        &self,
        with: Multiply,
        rows: &Words<'_>,
        weights: &Packed<'_>,
        activation: Activation,
        target: &mut Into<'_, '_>,
    ) {
        if rows.rows == 0 {
            return;
        }
        let (count, depth, columns) = (rows.rows, weights.depth, weights.columns);
        let padded = columns.next_multiple_of(with.lanes);
        assert!(rows.words.len() >= (count - 1) * rows.stride + depth);
        assert!(rows.stride >= depth && weights.words.len() >= padded * depth);
        assert!(weights.bias.len() >= padded);
        let columns_of = |panel: usize| {
            let vectors = padded / with.lanes;
            let count = vectors.div_ceil(with.widest_panel);
            assert!(panel <= count);
            (panel * vectors / count * with.lanes).min(columns)
        };
        let (first, end) = (columns_of(weights.panels.0), columns_of(weights.panels.1));
        let levels = rows.levels.zip(weights.levels);
        assert_eq!(levels.is_some(), with.levelled, "bytes have levels");
        let levels = levels.map(|(a, b)| {
            assert!(a.0.len() >= count && a.1.len() >= count);
            assert!(b.0.len() >= padded && b.1.len() >= padded);
            Levels {
                a_step: a.0.as_ptr(),
                a_zero: a.1.as_ptr(),
                b_step: b.0.as_ptr(),
                b_sum: b.1.as_ptr(),
            }
        });
        let target = match target {
            Into::Rows(to) => {
                assert!(to.rows() >= count && to.range().0 <= first && to.range().1 >= end);
                let stride = to.stride();
                let to = to.as_mut_ptr();
                Target::Store { to, stride }
            }
            Into::Sum(to, at) => {
                let last = at[..count].iter().max().map_or(0, |&at| at + end);
                assert!(to.numbers().len() >= last);
                let to = to.numbers_mut().as_mut_ptr();
                Target::Add {
                    to,
                    at: at.as_ptr(),
                }
            }
        };
        let product = Product {
            rows: count,
            depth,
            columns,
            a: rows.words.as_ptr(),
            a_stride: rows.stride,
            b: weights.words.as_ptr(),
            b_stride: None,
            panels: weights.panels,
            few_rows: count <= FEW_ROWS,
            ahead: (weights.ahead.as_ptr(), weights.ahead.len()),
            bias: weights.bias.as_ptr(),
            levels: levels.as_ref().map_or(std::ptr::null(), |l| l),
            activation,
            target,
        };
        // SAFETY: the lengths were checked above; `self` has only what this processor can run.
        unsafe { (with.run)(&product) }
    }

    /// The product of two parts of matrices: (rows, depth) from number `a.1` of `a.0` on by
    /// (depth, columns) from `b.1` of `b.0` on, into `to` from a row and a column of it on.
    pub fn multiply_parts(
        &self,
        (rows, depth, columns): (usize, usize, usize),
        a: (&Matrix, usize),
        b: (&Matrix, usize),
        (to, row, column): (&mut Columns<'_>, usize, usize),
    ) {
        let (of_a, of_b, stride) = (&a.0.numbers()[a.1..], &b.0.numbers()[b.1..], to.stride());
        assert!(rows > 0 && depth > 0);
        assert!(of_a.len() >= (rows - 1) * a.0.stride() + depth);
        // Vectors are read whole; a matrix has room for that behind its last row.
        let padded = columns.next_multiple_of(self.singles.lanes);
        assert!(of_b.len() >= (depth - 1) * b.0.stride() + padded);
        let (first, end) = to.range();
        assert!(to.rows() >= row + rows && end - first >= column + columns);
        let panels = (padded / self.singles.lanes).div_ceil(self.singles.widest_panel);
        let product = Product {
            rows,
            depth,
            columns,
            a: of_a.as_ptr().cast(),
            a_stride: a.0.stride(),
            b: of_b.as_ptr().cast(),
            b_stride: Some(b.0.stride()),
            panels: (0, panels),
            few_rows: false,
            ahead: (std::ptr::null(), 0),
            bias: std::ptr::null(),
            levels: std::ptr::null(),
            activation: Activation::None,
            target: Target::Store {
                // SAFETY: within the matrix, as was checked above.
                to: unsafe { to.as_mut_ptr().add(row * stride + first + column) },
                stride,
            },
        };
        // SAFETY: the lengths were checked above; `self` has only what this processor can run.
        unsafe { (self.singles.run)(&product) }
    }

    /// Layer normalisation of rows of `from`, row `r` from number `at[r]` on, into the first rows
    /// of `to`, whose width they have.
    pub fn normalise(&self, from: &Matrix, at: &[usize], to: &mut Matrix, epsilon: f64) {
        let (width, to_stride) = (to.width(), to.stride());
        let last = at.iter().max().map_or(0, |&at| at + width);
        assert!(from.numbers().len() >= last && to.rows() >= at.len());
        let normalise = Normalise {
            rows: at.len(),
            width,
            from: from.numbers().as_ptr(),
            at: at.as_ptr(),
            to: to.numbers_mut().as_mut_ptr(),
            to_stride,
            epsilon: epsilon as f32,
            factor: std::ptr::null(),
            summand: std::ptr::null(),
        };
        // SAFETY: the lengths were checked above; `self` has only what this processor can run.
        unsafe { (self.normalise)(&normalise) }
    }

    /// Layer normalisation of all rows in place, then a factor and a summand for each column.
    pub fn normalise_in_place(&self, x: &mut Matrix, epsilon: f64, affine: Option<&Norm>) {
        let width = x.width();
        let (factor, summand) = affine.map_or((std::ptr::null(), std::ptr::null()), |norm| {
            assert!(norm.factor.len() >= width && norm.summand.len() >= width);
            (norm.factor.as_ptr(), norm.summand.as_ptr())
        });
        let (rows, to_stride) = (x.rows(), x.stride());
        let to = x.numbers_mut().as_mut_ptr();
        let normalise = Normalise {
            rows,
            width,
            from: to,
            at: std::ptr::null(),
            to,
            to_stride,
            epsilon: epsilon as f32,
            factor,
            summand,
        };
        // SAFETY: the rows are those of the matrix; `self` has only what this processor can run.
        unsafe { (self.normalise)(&normalise) }
    }

    /// Softmax along the rows of `scores` plus `bias` plus `mask`, in place. `bias` and `mask` have
    /// the rows and the stride of `scores`; beyond the width, biases are far below all others.
    pub fn softmax(&self, scores: &mut Matrix, bias: &[f32], mask: Option<&[f32]>) {
        let (rows, stride) = (scores.rows(), scores.stride());
        assert!(stride >= scores.width().next_multiple_of(self.lanes));
        let all = rows * stride;
        assert!(bias.len() >= all && mask.is_none_or(|mask| mask.len() >= all));
        let softmax = Softmax {
            rows,
            width: scores.width(),
            stride,
            scores: scores.numbers_mut().as_mut_ptr(),
            bias: bias.as_ptr(),
            mask: mask.map_or(std::ptr::null(), <[f32]>::as_ptr),
        };
        // SAFETY: the lengths were checked above; `self` has only what this processor can run.
        unsafe { (self.softmax)(&softmax) }
    }

    /// A function of each number, in place.
    pub fn apply(&self, function: Function, x: &mut [f32]) {
        // SAFETY: a slice; `self` has only what this processor can run.
        unsafe { (self.apply)(function, x.as_mut_ptr(), x.len()) }
    }
}
