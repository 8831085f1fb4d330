//! Vectors of 32-bit lanes: the few operations that the kernels are written in, once for each
//! instruction set.
//!
//! A value of a type that implements [`Simd`] is the proof that the processor has its instructions,
//! so arithmetic is safe and only pointers are not. The kernels are generic over it and compiled
//! once per set (`kernels.rs`); nothing else knows an intrinsic.

#![expect(unsafe_code, reason = "vectors are loaded and stored by pointer")]

#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod portable;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

/// A set of vector instructions.
///
/// Methods with pointers need `LANES` readable or writable numbers there, of any alignment.
pub(super) trait Simd: Copy {
    /// `LANES` 32-bit floats.
    type Floats: Copy;
    /// `LANES` 32-bit words: integers, or four bytes or two halves each.
    type Words: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Vectors of a panel of packed weights at most: three where there are thirty-two registers, two
    /// where there are sixteen.
    const WIDEST_PANEL: usize;

    fn splat(self, x: f32) -> Self::Floats;
    unsafe fn load(self, from: *const f32) -> Self::Floats;
    unsafe fn store(self, to: *mut f32, x: Self::Floats);
    /// The first `count` numbers of a vector, or all where it is as long or longer; 0 for the rest.
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> Self::Floats {
        let mut lanes = [0.0f32; 16];
        // SAFETY: the caller's promise, and no set has more lanes.
        unsafe {
            from.copy_to_nonoverlapping(lanes.as_mut_ptr(), count.min(Self::LANES));
            self.load(lanes.as_ptr())
        }
    }
    /// As [`Self::load_part`]; what lies behind the `count` numbers stays.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, x: Self::Floats, count: usize) {
        let mut lanes = [0.0f32; 16];
        // SAFETY: as above.
        unsafe {
            self.store(lanes.as_mut_ptr(), x);
            lanes
                .as_ptr()
                .copy_to_nonoverlapping(to, count.min(Self::LANES));
        }
    }
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn div(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The greater; `b` where one of the two is no number.
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The lesser; `b` where one of the two is no number.
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// To the nearest integer.
    fn round(self, x: Self::Floats) -> Self::Floats;
    /// 2 to the power of an integer from -126 to 127.
    fn power_of_two(self, n: Self::Floats) -> Self::Floats;
    /// The sum of all lanes.
    fn sum(self, x: Self::Floats) -> f32;
    /// The greatest of all lanes.
    fn greatest(self, x: Self::Floats) -> f32;

    /// Asks memory for what is at a place, which need not be any; the second cache will have it.
    #[inline(always)]
    fn ask(self, _: *const u32) {}

    fn splat_word(self, x: u32) -> Self::Words;
    unsafe fn load_words(self, from: *const u32) -> Self::Words;
    /// The words' bits as floats.
    fn as_floats(self, x: Self::Words) -> Self::Floats;
    /// Lane by lane, as signed integers.
    fn mul_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The values of signed integers.
    fn to_floats(self, x: Self::Words) -> Self::Floats;
    /// Integers from 0 to 255 as `LANES` bytes.
    ///
    /// # Safety
    /// There is room for as many at `to`, and all are such integers or no numbers.
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, x: Self::Floats) {
        let mut lanes = [0.0f32; 16];
        // SAFETY: the caller's promise, and no set has more lanes.
        unsafe {
            self.store(lanes.as_mut_ptr(), x);
            for (i, lane) in lanes[..Self::LANES].iter().enumerate() {
                *to.add(i) = *lane as u8;
            }
        }
    }
    /// In each lane `sum` plus the four products of an unsigned byte of `a` and a signed one of
    /// `b`, exactly.
    ///
    /// # Safety
    /// With AVX-512 the processor must have VNNI, too.
    unsafe fn dot_bytes(self, sum: Self::Words, a: Self::Words, b: Self::Words) -> Self::Words;
}
