//! The two inner loops, `f32` and `i8` dot products, in the widest instructions the processor has.
//!
//! The only file with `unsafe`: vector loads through pointers, and calls of functions that need
//! a processor feature, each behind a run-time check. Integer results are equal everywhere; `f32`
//! results differ between processors in the last bits, because the order of the sum does.

#[cfg(target_arch = "aarch64")]
use aarch64 as fastest;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use portable as fastest;
#[cfg(target_arch = "x86_64")]
use x86_64 as fastest;

/// The dot product over the shared leading part of `a` and `b`.
pub(crate) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    fastest::dot_f32(&a[..n], &b[..n])
}

/// The dot product of `query` with each row of `rows` (row length = `query.len()`), exact.
///
/// Up to 131,072 dimensions, no sum can leave `i32`: 127² · 131,072 < 2³¹.
pub(crate) fn dots_i8(query: &[i8], rows: &[i8], out: &mut [i32]) {
    assert_eq!(rows.len(), query.len() * out.len(), "one result per row");
    if !query.is_empty() {
        fastest::dots_i8(query, rows, out);
    }
}

#[cfg_attr(
    target_arch = "aarch64",
    allow(dead_code, reason = "tests compare against it")
)]
mod portable {
    /// Eight partial sums, which compilers turn into whatever vectors the target has.
    pub(super) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0f32; 8];
        let (a_blocks, a_rest) = a.as_chunks::<8>();
        let (b_blocks, b_rest) = b.as_chunks::<8>();
        for (x, y) in a_blocks.iter().zip(b_blocks) {
            for lane in 0..8 {
                sums[lane] += x[lane] * y[lane];
            }
        }
        sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f32>()
    }

    pub(super) fn dots_i8(query: &[i8], rows: &[i8], out: &mut [i32]) {
        for (row, out) in rows.chunks_exact(query.len()).zip(out) {
            *out = row
                .iter()
                .zip(query)
                .map(|(&x, &y)| i32::from(x) * i32::from(y))
                .sum();
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "vector loads take pointers, and features are checked at run time"
)]
mod x86_64 {
    use std::arch::x86_64::*;

    use super::portable;

    pub(super) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the feature.
            unsafe { dot_f32_avx512(a, b) }
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both features.
            unsafe { dot_f32_avx2(a, b) }
        } else {
            portable::dot_f32(a, b)
        }
    }

    pub(super) fn dots_i8(query: &[i8], rows: &[i8], out: &mut [i32]) {
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512bw") {
            // SAFETY: the processor has the features (both imply avx512f).
            unsafe { dots_i8_vnni(query, rows, out) }
        } else if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            unsafe { dots_i8_avx2(query, rows, out) }
        } else {
            portable::dots_i8(query, rows, out);
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn dot_f32_avx512(a: &[f32], b: &[f32]) -> f32 {
        let n = a.len().min(b.len());
        let mut sums = [_mm512_setzero_ps(); 2];
        let mut i = 0;
        while i + 32 <= n {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = i + lane * 16;
                // SAFETY: at + 16 <= n.
                let (x, y) = unsafe {
                    (
                        _mm512_loadu_ps(a.as_ptr().add(at)),
                        _mm512_loadu_ps(b.as_ptr().add(at)),
                    )
                };
                *sum = _mm512_fmadd_ps(x, y, *sum);
            }
            i += 32;
        }
        while i < n {
            let mask = ((1u32 << (n - i).min(16)) - 1) as __mmask16;
            // SAFETY: the mask keeps the load within the n - i numbers that are left.
            let (x, y) = unsafe {
                (
                    _mm512_maskz_loadu_ps(mask, a.as_ptr().add(i)),
                    _mm512_maskz_loadu_ps(mask, b.as_ptr().add(i)),
                )
            };
            sums[0] = _mm512_fmadd_ps(x, y, sums[0]);
            i += 16;
        }
        _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1]))
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn dot_f32_avx2(a: &[f32], b: &[f32]) -> f32 {
        let n = a.len().min(b.len());
        let mut sums = [_mm256_setzero_ps(); 4];
        let blocks = n / 32 * 32;
        for i in (0..blocks).step_by(32) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = i + lane * 8;
                // SAFETY: at + 8 <= blocks <= n.
                let (x, y) = unsafe {
                    (
                        _mm256_loadu_ps(a.as_ptr().add(at)),
                        _mm256_loadu_ps(b.as_ptr().add(at)),
                    )
                };
                *sum = _mm256_fmadd_ps(x, y, *sum);
            }
        }
        let all = _mm256_add_ps(
            _mm256_add_ps(sums[0], sums[1]),
            _mm256_add_ps(sums[2], sums[3]),
        );
        let mut lanes = [0.0f32; 8];
        // SAFETY: lanes is eight numbers long.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), all) };
        lanes.iter().sum::<f32>() + portable::dot_f32(&a[blocks..n], &b[blocks..n])
    }

    /// `vpdpbusd` multiplies unsigned by signed bytes, so the rows are moved up by 128 (a flip of
    /// the top bit) and 128 times the sum of the query is taken off again.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn dots_i8_vnni(query: &[i8], rows: &[i8], out: &mut [i32]) {
        let n = query.len();
        let offset = 128 * query.iter().map(|&q| i32::from(q)).sum::<i32>();
        let flip = _mm512_set1_epi8(-128);
        let blocks = n / 64 * 64;
        let mask = (1u64 << (n - blocks)) - 1;
        for (row, out) in rows.chunks_exact(n).zip(out) {
            let mut sum = _mm512_setzero_si512();
            for i in (0..blocks).step_by(64) {
                // SAFETY: i + 64 <= blocks <= n, the length of both.
                let (x, y) = unsafe {
                    (
                        _mm512_loadu_epi8(row.as_ptr().add(i)),
                        _mm512_loadu_epi8(query.as_ptr().add(i)),
                    )
                };
                sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(x, flip), y);
            }
            if mask != 0 {
                // SAFETY: the mask keeps the load within the n - blocks bytes that are left. The
                // lanes beyond them are 128 in the row and 0 in the query: they add nothing.
                let (x, y) = unsafe {
                    (
                        _mm512_maskz_loadu_epi8(mask, row.as_ptr().add(blocks)),
                        _mm512_maskz_loadu_epi8(mask, query.as_ptr().add(blocks)),
                    )
                };
                sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(x, flip), y);
            }
            *out = _mm512_reduce_add_epi32(sum) - offset;
        }
    }

    /// Widened to 16 bits first: the direct byte product of AVX2 saturates.
    #[target_feature(enable = "avx2")]
    pub(super) fn dots_i8_avx2(query: &[i8], rows: &[i8], out: &mut [i32]) {
        let n = query.len();
        let blocks = n / 16 * 16;
        for (row, out) in rows.chunks_exact(n).zip(out) {
            let mut sum = _mm256_setzero_si256();
            for i in (0..blocks).step_by(16) {
                // SAFETY: i + 16 <= blocks <= n, the length of both.
                let (x, y) = unsafe {
                    (
                        _mm_loadu_si128(row.as_ptr().add(i).cast()),
                        _mm_loadu_si128(query.as_ptr().add(i).cast()),
                    )
                };
                let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(x), _mm256_cvtepi8_epi16(y));
                sum = _mm256_add_epi32(sum, products);
            }
            let mut lanes = [0i32; 8];
            // SAFETY: lanes is 32 bytes long.
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sum) };
            let rest = row[blocks..].iter().zip(&query[blocks..]);
            *out = lanes.iter().sum::<i32>()
                + rest
                    .map(|(&x, &y)| i32::from(x) * i32::from(y))
                    .sum::<i32>();
        }
    }
}

#[cfg(target_arch = "aarch64")]
#[expect(
    unsafe_code,
    reason = "vector loads take pointers; NEON is part of every aarch64"
)]
mod aarch64 {
    use std::arch::aarch64::*;

    pub(super) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
        let n = a.len().min(b.len());
        let blocks = n / 16 * 16;
        // SAFETY: NEON is part of the target, and at + 4 <= blocks <= n.
        let sum = unsafe {
            let mut sums = [vdupq_n_f32(0.0); 4];
            for i in (0..blocks).step_by(16) {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let at = i + lane * 4;
                    *sum = vfmaq_f32(
                        *sum,
                        vld1q_f32(a.as_ptr().add(at)),
                        vld1q_f32(b.as_ptr().add(at)),
                    );
                }
            }
            vaddvq_f32(vaddq_f32(
                vaddq_f32(sums[0], sums[1]),
                vaddq_f32(sums[2], sums[3]),
            ))
        };
        sum + super::portable::dot_f32(&a[blocks..n], &b[blocks..n])
    }

    pub(super) fn dots_i8(query: &[i8], rows: &[i8], out: &mut [i32]) {
        let n = query.len();
        let blocks = n / 16 * 16;
        for (row, out) in rows.chunks_exact(n).zip(out) {
            // SAFETY: NEON is part of the target, and i + 16 <= blocks <= n.
            let sum = unsafe {
                let mut sum = vdupq_n_s32(0);
                for i in (0..blocks).step_by(16) {
                    let x = vld1q_s8(row.as_ptr().add(i));
                    let y = vld1q_s8(query.as_ptr().add(i));
                    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
                    sum = vpadalq_s16(sum, vmull_high_s8(x, y));
                }
                vaddvq_s32(sum)
            };
            let rest = row[blocks..].iter().zip(&query[blocks..]);
            *out = sum
                + rest
                    .map(|(&x, &y)| i32::from(x) * i32::from(y))
                    .sum::<i32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    type Named<F> = Vec<(&'static str, F)>;
    type DotF32 = fn(&[f32], &[f32]) -> f32;
    type DotsI8 = fn(&[i8], &[i8], &mut [i32]);

    /// Every kernel this processor can run.
    #[cfg_attr(
        target_arch = "x86_64",
        expect(unsafe_code, reason = "features are checked here")
    )]
    fn runnable() -> (Named<DotF32>, Named<DotsI8>) {
        let mut f32s: Named<DotF32> = vec![("dispatched", dot_f32)];
        let mut i8s: Named<DotsI8> = vec![("dispatched", dots_i8)];
        f32s.push(("portable", portable::dot_f32));
        i8s.push(("portable", portable::dots_i8));
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY of all four: each is listed only where the processor has its features.
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                f32s.push(("avx2", |a, b| unsafe { x86_64::dot_f32_avx2(a, b) }));
                i8s.push(("avx2", |q, r, o| unsafe { x86_64::dots_i8_avx2(q, r, o) }));
            }
            if is_x86_feature_detected!("avx512f") {
                f32s.push(("avx512", |a, b| unsafe { x86_64::dot_f32_avx512(a, b) }));
            }
            if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512bw") {
                i8s.push(("vnni", |q, r, o| unsafe { x86_64::dots_i8_vnni(q, r, o) }));
            }
        }
        (f32s, i8s)
    }

    #[test]
    fn every_f32_kernel_agrees_with_a_sum_in_f64() {
        let mut rng = StdRng::seed_from_u64(42);
        for n in (0..140).chain([383, 384, 385, 512, 1024]) {
            let a: Vec<f32> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
            let b: Vec<f32> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
            let exact: f64 = a
                .iter()
                .zip(&b)
                .map(|(&x, &y)| f64::from(x) * f64::from(y))
                .sum();
            for (name, dot) in runnable().0 {
                let got = f64::from(dot(&a, &b));
                // n roundings of partial sums that are each at most n/3 in size, in practice
                // far fewer; 1e-7 is the unit of rounding.
                assert!(
                    (got - exact).abs() <= 1e-7 * (n as f64 + 1.0) * 4.0,
                    "{name}, n = {n}"
                );
            }
        }
    }

    #[test]
    fn every_i8_kernel_is_exact_at_the_extremes_too() {
        let mut rng = StdRng::seed_from_u64(43);
        for n in (1..200).chain([383, 384, 385, 512, 1024]) {
            for extreme in [false, true] {
                let mut code = || {
                    if extreme {
                        [-127, 127][rng.random_range(0..2)]
                    } else {
                        rng.random_range(-127..=127)
                    }
                };
                let query: Vec<i8> = (0..n).map(|_| code()).collect();
                let mut rows: Vec<i8> = (0..n * 3).map(|_| code()).collect();
                rows.extend(&query);
                let exact: Vec<i32> = rows
                    .chunks(n)
                    .map(|row| {
                        row.iter()
                            .zip(&query)
                            .map(|(&x, &y)| i32::from(x) * i32::from(y))
                            .sum()
                    })
                    .collect();
                for (name, dots) in runnable().1 {
                    let mut out = [0; 4];
                    dots(&query, &rows, &mut out);
                    assert_eq!(out.as_slice(), exact, "{name}, n = {n}");
                }
            }
        }
    }
}
