//! AVX2 with FMA, and AVX-512.

use std::arch::x86_64::*;

use super::Simd;

/// AVX2 and FMA: sixteen registers of eight lanes. A value proves that the processor has both.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(());

/// AVX-512 F, BW, DQ and VL: thirty-two registers of sixteen lanes. A value proves that the
/// processor has them, and AVX2 and FMA as well.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512(());

/// Methods that are one instruction.
macro_rules! instructions {
    ($($name:ident($($arg:ident),*) = $intrinsic:ident;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: Self::Floats),*) -> Self::Floats {
                // SAFETY: `self` proves that the processor has the instruction.
                unsafe { $intrinsic($($arg),*) }
            }
        )*
    };
}

#[expect(
    unsafe_code,
    reason = "intrinsics, each allowed by the proof that `self` is"
)]
impl Avx2 {
    /// # Safety
    /// The processor has AVX2 and FMA.
    #[inline(always)]
    pub(in super::super) unsafe fn new() -> Avx2 {
        Avx2(())
    }
}

#[expect(
    unsafe_code,
    reason = "intrinsics, each allowed by the proof that `self` is"
)]
impl Simd for Avx2 {
    type Floats = __m256;
    type Words = __m256i;
    const LANES: usize = 8;
    const WIDEST_PANEL: usize = 2;

    instructions! {
        add(a, b) = _mm256_add_ps;
        sub(a, b) = _mm256_sub_ps;
        mul(a, b) = _mm256_mul_ps;
        div(a, b) = _mm256_div_ps;
        mul_add(a, b, c) = _mm256_fmadd_ps;
        max(a, b) = _mm256_max_ps;
        min(a, b) = _mm256_min_ps;
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: as for the instructions above.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: __m256) {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm256_storeu_ps(to, x) }
    }
    #[inline(always)]
    fn round(self, x: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }
    #[inline(always)]
    fn power_of_two(self, n: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn sum(self, x: __m256) -> f32 {
        // SAFETY: as above.
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }
    #[inline(always)]
    fn greatest(self, x: __m256) -> f32 {
        // SAFETY: as above.
        unsafe {
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }

    #[inline(always)]
    fn ask(self, at: *const u32) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
    #[inline(always)]
    fn splat_word(self, x: u32) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_set1_epi32(x as i32) }
    }
    #[inline(always)]
    unsafe fn load_words(self, from: *const u32) -> __m256i {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    fn as_floats(self, x: __m256i) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_castsi256_ps(x) }
    }
    #[inline(always)]
    fn mul_words(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_mullo_epi32(a, b) }
    }
    #[inline(always)]
    fn to_floats(self, x: __m256i) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_cvtepi32_ps(x) }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, x: __m256) {
        // SAFETY: as above, and the caller's promise.
        unsafe {
            let words = _mm256_cvtps_epi32(x);
            let (low, high) = (
                _mm256_castsi256_si128(words),
                _mm256_extracti128_si256::<1>(words),
            );
            let halves = _mm_packus_epi32(low, high);
            _mm_storeu_si64(to, _mm_packus_epi16(halves, halves));
        }
    }
    // The instruction for bytes saturates in between, so they are widened: the even ones, the odd
    // ones, and two products of pairs of 16 bits.
    #[inline(always)]
    unsafe fn dot_bytes(self, sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let even = _mm256_madd_epi16(
                _mm256_and_si256(a, _mm256_set1_epi16(0xff)),
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)),
            );
            let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
            _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
        }
    }
}

#[expect(
    unsafe_code,
    reason = "intrinsics, each allowed by the proof that `self` is"
)]
impl Avx512 {
    /// # Safety
    /// The processor has AVX-512 F, BW, DQ and VL.
    #[inline(always)]
    pub(in super::super) unsafe fn new() -> Avx512 {
        Avx512(())
    }

    /// In each lane `sum` plus the two products of the bfloat16 halves of `a` and `b`.
    ///
    /// # Safety
    /// The processor has AVX-512 BF16.
    #[inline(always)]
    pub(in super::super) unsafe fn dot_halves(self, sum: __m512, a: __m512i, b: __m512i) -> __m512 {
        // SAFETY: the caller's promise; all three are 64 bytes, and any bits are valid.
        unsafe {
            let halves = |x| std::mem::transmute::<__m512i, __m512bh>(x);
            _mm512_dpbf16_ps(sum, halves(a), halves(b))
        }
    }

    /// At most sixteen floats to the nearest bfloat16, ties to even; what is below 2⁻¹²⁶ becomes 0.
    ///
    /// # Safety
    /// The processor has AVX-512 BF16; `count` floats can be read and as many halves written.
    #[inline(always)]
    pub(in super::super) unsafe fn halve(self, from: *const f32, to: *mut u16, count: usize) {
        // SAFETY: the caller's promise; both types are 32 bytes, and any bits are valid.
        unsafe {
            let floats = _mm512_maskz_loadu_ps(first(count), from);
            let halves = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(floats));
            _mm256_mask_storeu_epi16(to.cast(), first(count), halves);
        }
    }
}

#[expect(
    unsafe_code,
    reason = "intrinsics, each allowed by the proof that `self` is"
)]
impl Simd for Avx512 {
    type Floats = __m512;
    type Words = __m512i;
    const LANES: usize = 16;
    const WIDEST_PANEL: usize = 3;

    instructions! {
        add(a, b) = _mm512_add_ps;
        sub(a, b) = _mm512_sub_ps;
        mul(a, b) = _mm512_mul_ps;
        div(a, b) = _mm512_div_ps;
        mul_add(a, b, c) = _mm512_fmadd_ps;
        max(a, b) = _mm512_max_ps;
        min(a, b) = _mm512_min_ps;
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: as for the instructions above.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: __m512) {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> __m512 {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm512_maskz_loadu_ps(first(count), from) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, x: __m512, count: usize) {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm512_mask_storeu_ps(to, first(count), x) }
    }
    #[inline(always)]
    fn round(self, x: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }
    #[inline(always)]
    fn power_of_two(self, n: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    fn sum(self, x: __m512) -> f32 {
        // SAFETY: as above.
        unsafe { _mm512_reduce_add_ps(x) }
    }
    #[inline(always)]
    fn greatest(self, x: __m512) -> f32 {
        // SAFETY: as above.
        unsafe { _mm512_reduce_max_ps(x) }
    }

    #[inline(always)]
    fn ask(self, at: *const u32) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
    #[inline(always)]
    fn splat_word(self, x: u32) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_set1_epi32(x as i32) }
    }
    #[inline(always)]
    unsafe fn load_words(self, from: *const u32) -> __m512i {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    fn as_floats(self, x: __m512i) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_castsi512_ps(x) }
    }
    #[inline(always)]
    fn mul_words(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_mullo_epi32(a, b) }
    }
    #[inline(always)]
    fn to_floats(self, x: __m512i) -> __m512 {
        // SAFETY: as above.
        unsafe { _mm512_cvtepi32_ps(x) }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, x: __m512) {
        // SAFETY: as above, and the caller's promise.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtusepi32_epi8(_mm512_cvtps_epu32(x))) }
    }
    #[inline(always)]
    unsafe fn dot_bytes(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_dpbusd_epi32(sum, a, b) }
    }
}

/// The mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1u32 << count.min(16)) - 1) as __mmask16
}
