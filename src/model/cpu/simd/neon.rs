//! NEON, which every 64-bit Arm processor has.

use std::arch::aarch64::*;

use super::Simd;

/// Thirty-two registers of four lanes.
#[derive(Clone, Copy)]
pub(in super::super) struct Neon;

/// Methods that are one instruction.
macro_rules! instructions {
    ($($name:ident($($arg:ident),*) = $intrinsic:ident;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: Self::Floats),*) -> Self::Floats {
                // SAFETY: the target has NEON.
                unsafe { $intrinsic($($arg),*) }
            }
        )*
    };
}

#[expect(unsafe_code, reason = "intrinsics of instructions that the target has")]
impl Simd for Neon {
    type Floats = float32x4_t;
    type Words = uint32x4_t;
    const LANES: usize = 4;
    const WIDEST_PANEL: usize = 3;

    instructions! {
        add(a, b) = vaddq_f32;
        sub(a, b) = vsubq_f32;
        mul(a, b) = vmulq_f32;
        div(a, b) = vdivq_f32;
        round(x) = vrndnq_f32;
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: as for the instructions above.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: as above, and the caller's promise.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: float32x4_t) {
        // SAFETY: as above, and the caller's promise.
        unsafe { vst1q_f32(to, x) }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vfmaq_f32(c, a, b) }
    }
    // By comparison, because the instructions for it return any NaN.
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn power_of_two(self, n: float32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe {
            let biased = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
        }
    }
    #[inline(always)]
    fn sum(self, x: float32x4_t) -> f32 {
        // SAFETY: as above.
        unsafe { vaddvq_f32(x) }
    }
    #[inline(always)]
    fn greatest(self, x: float32x4_t) -> f32 {
        // SAFETY: as above.
        unsafe { vmaxvq_f32(x) }
    }

    #[inline(always)]
    fn splat_word(self, x: u32) -> uint32x4_t {
        // SAFETY: as above.
        unsafe { vdupq_n_u32(x) }
    }
    #[inline(always)]
    unsafe fn load_words(self, from: *const u32) -> uint32x4_t {
        // SAFETY: as above, and the caller's promise.
        unsafe { vld1q_u32(from) }
    }
    #[inline(always)]
    fn as_floats(self, x: uint32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vreinterpretq_f32_u32(x) }
    }
    #[inline(always)]
    fn mul_words(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above.
        unsafe { vmulq_u32(a, b) }
    }
    #[inline(always)]
    fn to_floats(self, x: uint32x4_t) -> float32x4_t {
        // SAFETY: as above.
        unsafe { vcvtq_f32_s32(vreinterpretq_s32_u32(x)) }
    }
    // Bytes are widened to 16 bits; products of pairs are added while they are widened again.
    #[inline(always)]
    unsafe fn dot_bytes(self, sum: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: as above.
        unsafe {
            let (a, b) = (vreinterpretq_u8_u32(a), vreinterpretq_s8_u32(b));
            let (a_low, a_high) = (vmovl_u8(vget_low_u8(a)), vmovl_high_u8(a));
            let (a_low, a_high) = (vreinterpretq_s16_u16(a_low), vreinterpretq_s16_u16(a_high));
            let (b_low, b_high) = (vmovl_s8(vget_low_s8(b)), vmovl_high_s8(b));
            let low = vpaddq_s32(
                vmull_s16(vget_low_s16(a_low), vget_low_s16(b_low)),
                vmull_high_s16(a_low, b_low),
            );
            let high = vpaddq_s32(
                vmull_s16(vget_low_s16(a_high), vget_low_s16(b_high)),
                vmull_high_s16(a_high, b_high),
            );
            vaddq_u32(sum, vreinterpretq_u32_s32(vpaddq_s32(low, high)))
        }
    }
}
