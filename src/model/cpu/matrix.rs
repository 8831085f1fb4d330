//! Matrices that are kept from clip to clip: rows at a stride that suits the cache, with room
//! behind the last one for a whole vector; and parts of their columns, for threads that write into
//! one matrix side by side.

#![expect(
    unsafe_code,
    reason = "numbers are seen through lines of the cache's size, and columns through pointers"
)]

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

/// A line of the cache; vectors that lie across two cost twice as much.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; LINE]);

/// Numbers in a line.
const LINE: usize = 16;

/// Numbers behind the last row that may be read with it, by vectors of at most this length.
const MARGIN: usize = 16;

/// Rows of floats, all of one width.
#[derive(Default)]
pub(super) struct Matrix {
    lines: Vec<Line>,
    rows: usize,
    width: usize,
    stride: usize,
}

impl Matrix {
    /// Gives it another shape; what it held is then meaningless. Takes memory only for more numbers
    /// than it ever had.
    pub fn shape(&mut self, rows: usize, width: usize) {
        let mut stride = width.next_multiple_of(LINE);
        // Rows at a multiple of 4096 bytes would share one set of the first cache.
        if stride.is_multiple_of(1024) {
            stride += LINE;
        }
        (self.rows, self.width, self.stride) = (rows, width, stride);
        let lines = (rows * stride + MARGIN).div_ceil(LINE);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; LINE]));
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Numbers from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    fn length(&self) -> usize {
        let length = self.rows * self.stride + MARGIN;
        length.min(self.lines.len() * LINE)
    }

    /// All numbers, those between and behind the rows as well.
    pub fn numbers(&self) -> &[f32] {
        // SAFETY: lines are arrays of words without gaps, at least so many, and any word is a float.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length()) }
    }

    /// As [`Self::numbers`].
    pub fn numbers_mut(&mut self) -> &mut [f32] {
        let length = self.length();
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), length) }
    }

    /// All numbers as words.
    pub fn words(&self) -> &[u32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length()) }
    }

    /// As [`Self::words`].
    pub fn words_mut(&mut self) -> &mut [u32] {
        let length = self.length();
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), length) }
    }

    /// A row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.numbers()[row * self.stride..][..self.width]
    }

    /// A row.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let (stride, width) = (self.stride, self.width);
        &mut self.numbers_mut()[row * stride..][..width]
    }

    /// All columns.
    pub fn columns(&mut self) -> Columns<'_> {
        Columns {
            rows: self.rows,
            stride: self.stride,
            columns: (0, self.width),
            to: self.numbers_mut().as_mut_ptr(),
            matrix: PhantomData,
        }
    }

    /// The columns in parts, each from the end of the one before to the column that `ends` has for
    /// it.
    pub fn divided<'a>(&'a mut self, ends: &'a [usize]) -> Divided<'a> {
        assert!(ends.is_sorted() && ends.last().is_none_or(|&e| e <= self.width));
        Divided {
            rows: self.rows,
            stride: self.stride,
            to: self.numbers_mut().as_mut_ptr(),
            ends,
            taken: ends.iter().map(|_| AtomicBool::new(false)).collect(),
        }
    }
}

/// Some columns of a matrix, to be written.
pub(super) struct Columns<'a> {
    rows: usize,
    stride: usize,
    /// The first one, and the one behind the last.
    columns: (usize, usize),
    /// The first number of the whole matrix.
    to: *mut f32,
    matrix: PhantomData<&'a mut Matrix>,
}

impl Columns<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The first column and the one behind the last, as the whole matrix counts them.
    pub fn range(&self) -> (usize, usize) {
        self.columns
    }

    /// The same columns as a matrix of their own, which counts them from 0.
    pub fn alone(self) -> Self {
        let (first, end) = self.columns;
        Columns {
            columns: (0, end - first),
            to: self.to.wrapping_add(first),
            ..self
        }
    }

    /// The first number of the whole matrix; only that of these columns may be written.
    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.to
    }
}

/// A matrix whose columns are written in parts.
pub(super) struct Divided<'a> {
    rows: usize,
    stride: usize,
    to: *mut f32,
    ends: &'a [usize],
    /// Which parts somebody has.
    taken: Vec<AtomicBool>,
}

// SAFETY: each part is handed out once, and parts have no number in common.
unsafe impl Sync for Divided<'_> {}

impl Divided<'_> {
    /// A part, which can be had once.
    pub fn part(&self, part: usize) -> Columns<'_> {
        let first = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = self.ends[part];
        let taken = self.taken[part].swap(true, Ordering::Relaxed);
        assert!(!taken, "part {part} is taken");
        Columns {
            rows: self.rows,
            stride: self.stride,
            columns: (first, end),
            to: self.to,
            matrix: PhantomData,
        }
    }
}
