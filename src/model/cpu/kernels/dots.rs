//! The matrix product for few rows: weights as checkpoints store them, one row for each output,
//! read once from front to back.
//!
//! A text of a dozen tokens takes less time to multiply than its weights take to come from memory,
//! and packing them would read them twice. A tile of rows and four outputs takes a vector of each
//! along the inputs; lanes are added up at the end.

#![expect(
    unsafe_op_in_unsafe_fn,
    reason = "every line handles a pointer that the caller answers for"
)]

use super::super::simd::Simd;

/// `to = a bᵀ + bias`, (rows, width) by (columns, width).
pub(super) struct Dots {
    pub rows: usize,
    pub width: usize,
    pub columns: usize,
    pub a: *const f32,
    pub a_stride: usize,
    pub b: *const f32,
    pub bias: *const f32,
    pub to: *mut f32,
    pub to_stride: usize,
}

/// Outputs of a tile.
const COLUMNS: usize = 4;

/// Computes all of it, four outputs at a time for all rows.
///
/// # Safety
/// `d` describes memory that is there.
#[inline(always)]
pub(super) unsafe fn dots<S: Simd>(s: S, d: &Dots) {
    let whole = d.columns / COLUMNS * COLUMNS;
    for column in (0..whole).step_by(COLUMNS) {
        rows::<S, COLUMNS>(s, d, column);
    }
    for column in whole..d.columns {
        rows::<S, 1>(s, d, column);
    }
}

#[inline(always)]
unsafe fn rows<S: Simd, const C: usize>(s: S, d: &Dots, column: usize) {
    let mut row = 0;
    // Twenty-four sums in thirty-two registers, eight in sixteen.
    if S::WIDEST_PANEL == 3 {
        while row + 6 <= d.rows {
            tile::<S, 6, C>(s, d, row, column);
            row += 6;
        }
        while row + 3 <= d.rows {
            tile::<S, 3, C>(s, d, row, column);
            row += 3;
        }
    }
    while row + 2 <= d.rows {
        tile::<S, 2, C>(s, d, row, column);
        row += 2;
    }
    while row < d.rows {
        tile::<S, 1, C>(s, d, row, column);
        row += 1;
    }
}

/// Indices have constant bounds, so that the compiler unrolls them and keeps all sums in registers.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "the same indices on several things"
)]
unsafe fn tile<S: Simd, const R: usize, const C: usize>(s: S, d: &Dots, row: usize, column: usize) {
    let (a, b) = (d.a.add(row * d.a_stride), d.b.add(column * d.width));
    let mut sums = [[s.splat(0.0); C]; R];
    let whole = d.width / S::LANES * S::LANES;
    let mut k = 0;
    while k < whole {
        let mut of_b = [s.splat(0.0); C];
        for j in 0..C {
            of_b[j] = s.load(b.add(j * d.width + k));
        }
        for i in 0..R {
            let of_a = s.load(a.add(i * d.a_stride + k));
            for j in 0..C {
                sums[i][j] = s.mul_add(of_a, of_b[j], sums[i][j]);
            }
        }
        k += S::LANES;
    }
    let left = d.width - whole;
    for i in 0..R {
        for j in 0..C {
            let mut sum = sums[i][j];
            if left > 0 {
                let of_a = s.load_part(a.add(i * d.a_stride + whole), left);
                let of_b = s.load_part(b.add(j * d.width + whole), left);
                sum = s.mul_add(of_a, of_b, sum);
            }
            let at = column + j;
            *d.to.add((row + i) * d.to_stride + at) = s.sum(sum) + *d.bias.add(at);
        }
    }
}
