//! Rows in the smaller number formats, for products with packed weights.

use super::super::matrix::Matrix;
use super::rows::Narrow;
use super::{Kernels, Words};

/// Rows in a smaller number format, and room for the next ones.
#[derive(Default)]
pub(in super::super) struct Narrowed {
    words: Vec<u32>,
    step: Vec<f32>,
    zero: Vec<u32>,
}

impl Narrowed {
    /// The rows of a matrix as bfloat16, two a word.
    pub fn halves(&mut self, kernels: &Kernels, from: &Matrix) -> Words<'_> {
        self.narrow(kernels.halve, from, from.width().div_ceil(2));
        Words {
            rows: from.rows(),
            words: &self.words,
            stride: from.width().div_ceil(2),
            levels: None,
        }
    }

    /// The rows of a matrix as bytes, four a word, each row with levels of its own.
    pub fn bytes(&mut self, kernels: &Kernels, from: &Matrix) -> Words<'_> {
        self.narrow(kernels.quantise, from, from.width().div_ceil(4));
        Words {
            rows: from.rows(),
            words: &self.words,
            stride: from.width().div_ceil(4),
            levels: Some((&self.step, &self.zero)),
        }
    }

    fn narrow(&mut self, with: unsafe fn(&Narrow), from: &Matrix, depth: usize) {
        let rows = from.rows();
        if self.words.len() < rows * depth {
            self.words.resize(rows * depth, 0);
        }
        if self.step.len() < rows {
            self.step.resize(rows, 0.0);
            self.zero.resize(rows, 0);
        }
        let narrow = Narrow {
            rows,
            width: from.width(),
            from: from.numbers().as_ptr(),
            from_stride: from.stride(),
            to: self.words.as_mut_ptr(),
            depth,
            step: self.step.as_mut_ptr(),
            zero: self.zero.as_mut_ptr(),
        };
        // SAFETY: there is room for all rows; the function is of a table of this processor's.
        unsafe { with(&narrow) }
    }
}
