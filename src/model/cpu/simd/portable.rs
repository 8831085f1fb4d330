//! Plain Rust, for processors that have none of the instruction sets, and as what those are
//! compared with.

use super::Simd;

/// Four lanes, which every compiler target has in some form.
#[derive(Clone, Copy)]
pub(in super::super) struct Portable;

const LANES: usize = 4;

fn each(f: impl Fn(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(f)
}

#[expect(unsafe_code, reason = "vectors are loaded and stored by pointer")]
impl Simd for Portable {
    type Floats = [f32; LANES];
    type Words = [u32; LANES];
    const LANES: usize = LANES;
    const WIDEST_PANEL: usize = 2;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::Floats {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Self::Floats>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: Self::Floats) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<Self::Floats>().write_unaligned(x) }
    }
    #[inline(always)]
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| a[i] / b[i])
    }
    // Rounded twice: a fused operation without an instruction for it is a slow library call.
    #[inline(always)]
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn round(self, x: Self::Floats) -> Self::Floats {
        each(|i| x[i].round_ties_even())
    }
    #[inline(always)]
    fn power_of_two(self, n: Self::Floats) -> Self::Floats {
        each(|i| f32::from_bits(((n[i] as i32 + 127) << 23) as u32))
    }
    #[inline(always)]
    fn sum(self, x: Self::Floats) -> f32 {
        x.iter().sum()
    }
    #[inline(always)]
    fn greatest(self, x: Self::Floats) -> f32 {
        x.iter().copied().fold(x[0], f32::max)
    }

    #[inline(always)]
    fn splat_word(self, x: u32) -> Self::Words {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load_words(self, from: *const u32) -> Self::Words {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Self::Words>().read_unaligned() }
    }
    #[inline(always)]
    fn as_floats(self, x: Self::Words) -> Self::Floats {
        each(|i| f32::from_bits(x[i]))
    }
    #[inline(always)]
    fn mul_words(self, a: Self::Words, b: Self::Words) -> Self::Words {
        std::array::from_fn(|i| a[i].wrapping_mul(b[i]))
    }
    #[inline(always)]
    fn to_floats(self, x: Self::Words) -> Self::Floats {
        each(|i| x[i] as i32 as f32)
    }
    #[inline(always)]
    unsafe fn dot_bytes(self, sum: Self::Words, a: Self::Words, b: Self::Words) -> Self::Words {
        std::array::from_fn(|i| {
            let products = a[i]
                .to_le_bytes()
                .into_iter()
                .zip(b[i].to_le_bytes())
                .map(|(a, b)| i32::from(a) * i32::from(b as i8));
            sum[i].wrapping_add(products.sum::<i32>() as u32)
        })
    }
}
