//! What is done to rows between two products: normalising, softmax, smaller number formats; and
//! the functions of one number that they and the products are finished with.

#![expect(
    unsafe_op_in_unsafe_fn,
    reason = "every line handles a pointer that the caller answers for"
)]

use super::super::simd::Simd;

/// `x Φ(x)`, the exact GELU, within 3e-7 · max(1, |x|) in absolute terms.
///
/// erf(x / √2) is a rational function of degrees 11 and 10, the best one on -5.5..5.5, where its
/// error is 1.5e-8; beyond, erf is 1 to within 4e-8. Found by iterated weighted least squares.
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, x: S::Floats) -> S::Floats {
    const EDGE: f32 = 5.5;
    const P: [f32; 6] = [
        4.549_916e-8,
        1.270_324_8e-5,
        3.375_933e-4,
        9.354_165e-3,
        6.770_025e-2,
        7.978_844_7e-1,
    ];
    const Q: [f32; 6] = [
        1.197_473_4e-6,
        7.363_662e-5,
        1.884_283e-3,
        2.864_436_8e-2,
        2.515_156e-1,
        1.0,
    ];
    // The number comes second, so that what is no number stays none.
    let z = s.min(s.splat(EDGE), s.max(s.splat(-EDGE), x));
    let square = s.mul(z, z);
    let (mut p, mut q) = (s.splat(P[0]), s.splat(Q[0]));
    for i in 1..6 {
        p = s.mul_add(p, square, s.splat(P[i]));
        q = s.mul_add(q, square, s.splat(Q[i]));
    }
    let erf = s.div(s.mul(z, p), q);
    let half = s.mul(x, s.splat(0.5));
    s.mul_add(half, erf, half)
}

/// `e^x` within 3e-7 of its value for x in -87..88; what lies beyond is taken to the nearer end.
///
/// 2^n e^r with |r| ≤ ln 2 / 2, e^r by the polynomial of degree 5 with the least relative error,
/// 8e-8, found as for [`gelu`].
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::Floats) -> S::Floats {
    const P: [f32; 6] = [
        8.296_921e-3,
        4.192_035e-2,
        1.666_761_2e-1,
        4.999_885e-1,
        9.999_996_7e-1,
        1.000_000_1,
    ];
    // ln 2 in two parts, the first with so few digits that its multiples are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = s.min(s.splat(88.0), s.max(s.splat(-87.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-LN_2_HIGH), x);
    let r = s.mul_add(n, s.splat(-LN_2_LOW), r);
    let mut p = s.splat(P[0]);
    for &coefficient in &P[1..] {
        p = s.mul_add(p, r, s.splat(coefficient));
    }
    s.mul(p, s.power_of_two(n))
}

/// Rows to be normalised: row `r` starts at number `at[r]` of `from`, or without `at` lies as in
/// `to`, and goes to row `r` of `to`.
pub(super) struct Normalise {
    pub rows: usize,
    pub width: usize,
    pub from: *const f32,
    pub at: *const usize,
    pub to: *mut f32,
    pub to_stride: usize,
    pub epsilon: f32,
    /// For each column, or null.
    pub factor: *const f32,
    /// For each column; null where `factor` is.
    pub summand: *const f32,
}

/// Layer normalisation: each row to mean 0 and variance 1, then factor and summand if there are
/// any. `to` may be `from`.
///
/// # Safety
/// `n` describes memory that is there.
#[inline(always)]
pub(super) unsafe fn normalise<S: Simd>(s: S, n: &Normalise) {
    let whole = n.width / S::LANES * S::LANES;
    for row in 0..n.rows {
        let to = n.to.add(row * n.to_stride);
        let from = if n.at.is_null() {
            n.from.add(row * n.to_stride)
        } else {
            n.from.add(*n.at.add(row))
        };
        let mut sums = s.splat(0.0);
        for i in (0..whole).step_by(S::LANES) {
            sums = s.add(sums, s.load(from.add(i)));
        }
        let mut sum = s.sum(sums);
        for i in whole..n.width {
            sum += *from.add(i);
        }
        let mean = sum / n.width as f32;
        let means = s.splat(mean);
        let mut squares = s.splat(0.0);
        for i in (0..whole).step_by(S::LANES) {
            let x = s.sub(s.load(from.add(i)), means);
            squares = s.mul_add(x, x, squares);
        }
        let mut square = s.sum(squares);
        for i in whole..n.width {
            square += (*from.add(i) - mean) * (*from.add(i) - mean);
        }
        let scale = 1.0 / (square / n.width as f32 + n.epsilon).sqrt();
        let scales = s.splat(scale);
        for i in (0..whole).step_by(S::LANES) {
            let mut x = s.mul(s.sub(s.load(from.add(i)), means), scales);
            if !n.factor.is_null() {
                x = s.mul_add(x, s.load(n.factor.add(i)), s.load(n.summand.add(i)));
            }
            s.store(to.add(i), x);
        }
        for i in whole..n.width {
            let mut x = (*from.add(i) - mean) * scale;
            if !n.factor.is_null() {
                x = x * *n.factor.add(i) + *n.summand.add(i);
            }
            *to.add(i) = x;
        }
    }
}

/// Scores to be turned into weights, in place; all rows have the same `stride` and whole vectors.
pub(super) struct Softmax {
    pub rows: usize,
    pub width: usize,
    pub stride: usize,
    pub scores: *mut f32,
    /// Added first. Columns beyond the width hold a number so low that its weight is nothing.
    pub bias: *const f32,
    /// Added as well, or null.
    pub mask: *const f32,
}

/// Softmax along each row of scores and biases.
///
/// # Safety
/// `w` describes memory that is there.
#[inline(always)]
pub(super) unsafe fn softmax<S: Simd>(s: S, w: &Softmax) {
    for row in 0..w.rows {
        let scores = w.scores.add(row * w.stride);
        let bias = w.bias.add(row * w.stride);
        let mut greatest = s.splat(f32::MIN);
        for i in (0..w.width).step_by(S::LANES) {
            // What an earlier row left beyond the width may be no number, which no bias would hide.
            let x = s.load_part(scores.add(i), w.width - i);
            let mut x = s.add(x, s.load(bias.add(i)));
            if !w.mask.is_null() {
                x = s.add(x, s.load(w.mask.add(row * w.stride + i)));
            }
            s.store(scores.add(i), x);
            greatest = s.max(x, greatest);
        }
        let greatest = s.splat(s.greatest(greatest));
        let mut sum = s.splat(0.0);
        for i in (0..w.width).step_by(S::LANES) {
            let x = exp(s, s.sub(s.load(scores.add(i)), greatest));
            s.store(scores.add(i), x);
            sum = s.add(sum, x);
        }
        let scale = s.splat(1.0 / s.sum(sum));
        for i in (0..w.width).step_by(S::LANES) {
            s.store(scores.add(i), s.mul(s.load(scores.add(i)), scale));
        }
    }
}

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Function {
    /// `x Φ(x)`.
    Gelu,
    /// `max(0, x)`.
    Relu,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
}

/// A function of each number, in place.
///
/// # Safety
/// `length` numbers are at `x`.
#[inline(always)]
pub(super) unsafe fn apply<S: Simd>(s: S, function: Function, x: *mut f32, length: usize) {
    let one = s.splat(1.0);
    for i in (0..length).step_by(S::LANES) {
        let left = length - i;
        let value = s.load_part(x.add(i), left);
        let value = match function {
            Function::Gelu => gelu(s, value),
            Function::Relu => s.max(s.splat(0.0), value),
            Function::Sigmoid => s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), value)))),
        };
        s.store_part(x.add(i), value, left);
    }
}

/// Rows to be put into a smaller number format, each to `depth` words from `to` on.
pub(super) struct Narrow {
    pub rows: usize,
    pub width: usize,
    pub from: *const f32,
    pub from_stride: usize,
    pub to: *mut u32,
    pub depth: usize,
    /// For each row, the size of a step; only for bytes.
    pub step: *mut f32,
    /// For each row, the byte that stands for 0; only for bytes.
    pub zero: *mut u32,
}

/// Floats to bfloat16, to the nearest, ties to even; an odd width is filled up with 0.
///
/// # Safety
/// `n` describes memory that is there.
#[inline(always)]
pub(super) unsafe fn halve(n: &Narrow) {
    halve_with(n, |from, to, count| {
        for i in 0..count {
            *to.add(i) = super::bfloat16(*from.add(i));
        }
    });
}

/// As [`halve`], by a function of sixteen numbers, or fewer at a row's end.
///
/// # Safety
/// As for [`halve`].
#[inline(always)]
pub(super) unsafe fn halve_with(n: &Narrow, halve: impl Fn(*const f32, *mut u16, usize)) {
    const AT_ONCE: usize = 16;
    for row in 0..n.rows {
        let from = n.from.add(row * n.from_stride);
        let to = n.to.add(row * n.depth).cast::<u16>();
        for i in (0..n.width).step_by(AT_ONCE) {
            halve(from.add(i), to.add(i), AT_ONCE.min(n.width - i));
        }
        for i in n.width..2 * n.depth {
            *to.add(i) = 0;
        }
    }
}

/// Floats to unsigned bytes: of each row the numbers from the least to the greatest are divided
/// into 255 equal steps, moved so that 0 lies on one. The last word is filled up with bytes that
/// meet weights of 0.
///
/// # Safety
/// `n` describes memory that is there.
#[inline(always)]
pub(super) unsafe fn quantise<S: Simd>(s: S, n: &Narrow) {
    let whole = n.width / S::LANES * S::LANES;
    for row in 0..n.rows {
        let from = n.from.add(row * n.from_stride);
        let to = n.to.add(row * n.depth).cast::<u8>();
        let (mut low, mut high) = (s.splat(0.0), s.splat(0.0));
        // Not a number as soon as one of the row's is none, and 0 else.
        let mut sound = s.splat(0.0);
        for i in (0..whole).step_by(S::LANES) {
            let x = s.load(from.add(i));
            low = s.min(x, low);
            high = s.max(x, high);
            sound = s.mul_add(x, s.splat(0.0), sound);
        }
        let mut low = -s.greatest(s.sub(s.splat(0.0), low));
        let mut high = s.greatest(high);
        let mut sound = s.sum(sound);
        for i in whole..n.width {
            let x = *from.add(i);
            low = low.min(x);
            high = high.max(x);
            sound += x * 0.0;
        }
        let step = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
        let zero = (-low / step).round_ties_even().clamp(0.0, 255.0);
        *n.step.add(row) = step + sound;
        *n.zero.add(row) = zero as u32;
        let per_step = 1.0 / step;
        let (per_steps, zeros) = (s.splat(per_step), s.splat(zero));
        for i in (0..whole).step_by(S::LANES) {
            let level = s.round(s.mul_add(s.load(from.add(i)), per_steps, zeros));
            // From 0 to 255, also where it was no number.
            let level = s.max(s.min(level, s.splat(255.0)), s.splat(0.0));
            s.store_bytes(to.add(i), level);
        }
        for i in whole..n.width {
            let level = (*from.add(i) * per_step + zero).round_ties_even();
            *to.add(i) = level.clamp(0.0, 255.0) as u8;
        }
        for i in n.width..4 * n.depth {
            *to.add(i) = 0;
        }
    }
}
