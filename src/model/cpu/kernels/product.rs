//! The matrix product: a block of rows times packed weights, finished in registers.
//!
//! One loop serves three number formats, because a step of each takes one 32-bit word of a row and
//! a vector of words of the other matrix: one float, two bfloat16 or four bytes. A tile of eight rows
//! and three vectors, or six and two, stays in registers while it runs down the depth; bias, activation
//! and residual are applied before it is stored, so that no result is read again.

#![expect(
    unsafe_op_in_unsafe_fn,
    reason = "every line handles a pointer that the caller answers for"
)]

use super::super::simd::Simd;
use super::rows::gelu;

/// What is done to each result, after the bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Activation {
    /// Nothing.
    None,
    /// `x Φ(x)`, with the error function.
    Gelu,
    /// `max(0, x)`.
    Relu,
}

/// Where results go; rows are `rows` of the product.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// Over what is there, one row each `stride` numbers.
    Store { to: *mut f32, stride: usize },
    /// Added to what is there, row `r` at number `at[r]`.
    Add { to: *mut f32, at: *const usize },
}

/// How bytes stand for numbers; see [`super::rows::quantise`].
#[derive(Clone, Copy)]
pub(super) struct Levels {
    /// For each row of `a`, the size of a step.
    pub a_step: *const f32,
    /// For each row of `a`, the byte that stands for 0.
    pub a_zero: *const u32,
    /// For each column of `b`, the size of a step.
    pub b_step: *const f32,
    /// For each column of `b`, the sum of its bytes.
    pub b_sum: *const u32,
}

/// A product `a b`, (rows, depth) by (depth, columns), depths in words.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    pub a: *const u32,
    pub a_stride: usize,
    pub b: *const u32,
    /// Words between two rows of `b`; none where it is packed into panels.
    pub b_stride: Option<usize>,
    /// Which of the panels of `b`, as [`panels`] counts them.
    pub panels: (usize, usize),
    /// Whether memory is asked for the next panel while one is multiplied.
    pub few_rows: bool,
    /// What is read after the last panel, with its number of words.
    pub ahead: (*const u32, usize),
    /// For each column, padded to whole vectors; null for none.
    pub bias: *const f32,
    /// Null unless the words are bytes.
    pub levels: *const Levels,
    pub activation: Activation,
    pub target: Target,
}

/// The first and the last vector but one of each panel of `vectors` vectors: as few panels as there
/// can be, each of at most `widest` vectors, of nearly equal widths.
pub(in super::super) fn panels(
    vectors: usize,
    widest: usize,
) -> impl ExactSizeIterator<Item = (usize, usize)> {
    let count = vectors.div_ceil(widest);
    (0..count).map(move |i| (i * vectors / count, (i + 1) * vectors / count))
}

/// A number format: how a word of `a` and a word of `b` are multiplied and added up.
pub(super) trait Format<S: Simd> {
    type Sum: Copy;
    unsafe fn start(s: S, p: &Product, row: usize, column: usize) -> Self::Sum;
    unsafe fn step(s: S, sum: Self::Sum, a: S::Words, b: S::Words) -> Self::Sum;
    unsafe fn value(s: S, p: &Product, row: usize, column: usize, sum: Self::Sum) -> S::Floats;
}

/// A word is a float.
pub(super) struct Singles;

impl<S: Simd> Format<S> for Singles {
    type Sum = S::Floats;
    #[inline(always)]
    unsafe fn start(s: S, _: &Product, _: usize, _: usize) -> S::Floats {
        s.splat(0.0)
    }
    #[inline(always)]
    unsafe fn step(s: S, sum: S::Floats, a: S::Words, b: S::Words) -> S::Floats {
        s.mul_add(s.as_floats(a), s.as_floats(b), sum)
    }
    #[inline(always)]
    unsafe fn value(_: S, _: &Product, _: usize, _: usize, sum: S::Floats) -> S::Floats {
        sum
    }
}

/// A word is two bfloat16, the first one in its low half.
#[cfg(target_arch = "x86_64")]
pub(super) struct Halves;

#[cfg(target_arch = "x86_64")]
impl Format<super::super::simd::x86::Avx512> for Halves {
    type Sum = std::arch::x86_64::__m512;
    #[inline(always)]
    unsafe fn start(
        s: super::super::simd::x86::Avx512,
        _: &Product,
        _: usize,
        _: usize,
    ) -> Self::Sum {
        s.splat(0.0)
    }
    #[inline(always)]
    unsafe fn step(
        s: super::super::simd::x86::Avx512,
        sum: Self::Sum,
        a: std::arch::x86_64::__m512i,
        b: std::arch::x86_64::__m512i,
    ) -> Self::Sum {
        s.dot_halves(sum, a, b)
    }
    #[inline(always)]
    unsafe fn value(
        _: super::super::simd::x86::Avx512,
        _: &Product,
        _: usize,
        _: usize,
        sum: Self::Sum,
    ) -> Self::Sum {
        sum
    }
}

/// A word is four bytes, those of `a` unsigned and those of `b` signed. Sums are exact.
pub(super) struct Bytes;

impl<S: Simd> Format<S> for Bytes {
    type Sum = S::Words;
    // Sums start at what the zero level of the row would add too much.
    #[inline(always)]
    unsafe fn start(s: S, p: &Product, row: usize, column: usize) -> S::Words {
        let levels = &*p.levels;
        let zero = s.splat_word((*levels.a_zero.add(row)).wrapping_neg());
        s.mul_words(zero, s.load_words(levels.b_sum.add(column)))
    }
    #[inline(always)]
    unsafe fn step(s: S, sum: S::Words, a: S::Words, b: S::Words) -> S::Words {
        s.dot_bytes(sum, a, b)
    }
    #[inline(always)]
    unsafe fn value(s: S, p: &Product, row: usize, column: usize, sum: S::Words) -> S::Floats {
        let levels = &*p.levels;
        let step = s.mul(
            s.splat(*levels.a_step.add(row)),
            s.load(levels.b_step.add(column)),
        );
        s.mul(s.to_floats(sum), step)
    }
}

/// Computes a product: panel by panel, so that a panel stays in the cache for all rows.
///
/// # Safety
/// `p` describes memory that is there: rows of `a` with `depth` words, rows or panels of `b` with
/// whole vectors, `bias` and `levels` likewise, and a target for all rows.
#[inline(always)]
pub(super) unsafe fn product<S: Simd, F: Format<S>>(s: S, p: &Product) {
    let (first, end) = p.panels;
    let all = panels(p.columns.div_ceil(S::LANES), S::WIDEST_PANEL);
    let mut all = all.take(end).skip(first).peekable();
    while let Some((start, after)) = all.next() {
        let (width, column) = (after - start, start * S::LANES);
        let (b, stride) = match p.b_stride {
            Some(stride) => (p.b.add(column), stride),
            None => (p.b.add(column * p.depth), width * S::LANES),
        };
        let ahead = match all.peek() {
            _ if !p.few_rows => (b, 0),
            Some((start, after)) => {
                let words = (after - start) * S::LANES * p.depth;
                (p.b.add(start * S::LANES * p.depth), words)
            }
            None => p.ahead,
        };
        match width {
            3 if S::WIDEST_PANEL == 3 => panel::<S, F, 3>(s, p, column, b, stride, ahead),
            2 => panel::<S, F, 2>(s, p, column, b, stride, ahead),
            _ => panel::<S, F, 1>(s, p, column, b, stride, ahead),
        }
    }
}

/// Rows in tiles of nearly equal heights: a low tile at the end would read the panel for little. `ahead`
/// is what memory is asked for meanwhile, and its number of words; tiles share that.
#[inline(always)]
unsafe fn panel<S: Simd, F: Format<S>, const V: usize>(
    s: S,
    p: &Product,
    column: usize,
    b: *const u32,
    stride: usize,
    ahead: (*const u32, usize),
) {
    // Twenty-four sums in thirty-two registers, twelve in sixteen.
    let highest = if S::WIDEST_PANEL == 3 { 8 } else { 6 };
    let tiles = p.rows.div_ceil(highest);
    let lines = ahead.1.div_ceil(LINE).div_ceil(tiles * p.depth).min(V);
    for i in 0..tiles {
        let (row, end) = (i * p.rows / tiles, (i + 1) * p.rows / tiles);
        let at = Place {
            row,
            column,
            b,
            stride,
            // What lies behind may be anything: it is asked for and never read.
            ahead: ahead.0.wrapping_add(i * p.depth * lines * LINE),
            lines,
        };
        match end - row {
            8 if S::WIDEST_PANEL == 3 => tile::<S, F, 8, V>(s, p, at),
            7 if S::WIDEST_PANEL == 3 => tile::<S, F, 7, V>(s, p, at),
            6 => tile::<S, F, 6, V>(s, p, at),
            5 => tile::<S, F, 5, V>(s, p, at),
            4 => tile::<S, F, 4, V>(s, p, at),
            3 => tile::<S, F, 3, V>(s, p, at),
            2 => tile::<S, F, 2, V>(s, p, at),
            _ => tile::<S, F, 1, V>(s, p, at),
        }
    }
}

/// Words in a line of the cache.
const LINE: usize = 16;

/// Where a tile is, and where its panel.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    column: usize,
    b: *const u32,
    stride: usize,
    /// From where on memory is asked for lines, and how many for each step of the depth.
    ahead: *const u32,
    lines: usize,
}

/// Indices have constant bounds, so that the compiler unrolls them and keeps all sums in registers.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "the same indices on several things"
)]
unsafe fn tile<S: Simd, F: Format<S>, const R: usize, const V: usize>(
    s: S,
    p: &Product,
    at: Place,
) {
    let Place {
        row,
        column,
        b,
        stride,
        ahead,
        lines,
    } = at;
    let mut sums = [[F::start(s, p, row, column); V]; R];
    for i in 0..R {
        for j in 0..V {
            sums[i][j] = F::start(s, p, row + i, column + j * S::LANES);
        }
    }
    let a = p.a.add(row * p.a_stride);
    for k in 0..p.depth {
        let mut of_b = [s.splat_word(0); V];
        for j in 0..V {
            of_b[j] = s.load_words(b.add(k * stride + j * S::LANES));
            if j < lines {
                s.ask(ahead.wrapping_add((k * lines + j) * LINE));
            }
        }
        for i in 0..R {
            let of_a = s.splat_word(*a.add(i * p.a_stride + k));
            for j in 0..V {
                sums[i][j] = F::step(s, sums[i][j], of_a, of_b[j]);
            }
        }
    }
    // In two steps: the second is too long to be unrolled, and sums with a variable index would be
    // kept in memory all the way.
    let mut values = [[s.splat(0.0); V]; R];
    for i in 0..R {
        for j in 0..V {
            values[i][j] = F::value(s, p, row + i, column + j * S::LANES, sums[i][j]);
        }
    }
    for i in 0..R {
        for j in 0..V {
            finish(s, p, row + i, column + j * S::LANES, values[i][j]);
        }
    }
}

/// Bias, activation, and the way to the target.
#[inline(always)]
unsafe fn finish<S: Simd>(s: S, p: &Product, row: usize, column: usize, mut value: S::Floats) {
    if !p.bias.is_null() {
        value = s.add(value, s.load(p.bias.add(column)));
    }
    value = match p.activation {
        Activation::None => value,
        Activation::Gelu => gelu(s, value),
        Activation::Relu => s.max(s.splat(0.0), value),
    };
    let (to, added) = match p.target {
        Target::Store { to, stride } => (to.add(row * stride + column), false),
        Target::Add { to, at } => (to.add(*at.add(row) + column), true),
    };
    let left = p.columns - column;
    if left >= S::LANES {
        let value = if added {
            s.add(s.load(to), value)
        } else {
            value
        };
        s.store(to, value);
    } else {
        let before = if added {
            s.load_part(to, left)
        } else {
            s.splat(0.0)
        };
        s.store_part(to, s.add(before, value), left);
    }
}
