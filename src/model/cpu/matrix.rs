//! Matrices that are kept from clip to clip: rows at a stride that suits the cache, with room
//! behind the last one for a whole vector.

#![expect(
    unsafe_code,
    reason = "numbers are seen through lines of the cache's size"
)]

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
}
