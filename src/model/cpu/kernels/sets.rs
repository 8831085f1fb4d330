//! The loops compiled once for each instruction set, and the table of those that this processor has.

use std::sync::LazyLock;

use super::super::simd::Simd;
use super::product::{self, Bytes, Product, Singles, product};
use super::rows::{self, Function, Narrow, Normalise, Softmax};
use super::{Kernels, Multiply};

/// The loops of one instruction set, each function compiled with its features.
macro_rules! compiled {
    ($module:ident, $proof:expr, $set:ty $(, #[$features:meta])?) => {
        mod $module {
            use super::*;
            pub(super) const LANES: usize = <$set as Simd>::LANES;
            pub(super) const WIDEST_PANEL: usize = <$set as Simd>::WIDEST_PANEL;
            $(#[$features])?
            pub(super) unsafe fn singles(p: &Product) {
                // SAFETY: the caller's promise, here and below.
                unsafe { product::<_, Singles>($proof, p) }
            }
            $(#[$features])?
            pub(super) unsafe fn normalise(n: &Normalise) {
                unsafe { rows::normalise($proof, n) }
            }
            $(#[$features])?
            pub(super) unsafe fn softmax(w: &Softmax) {
                unsafe { rows::softmax($proof, w) }
            }
            $(#[$features])?
            pub(super) unsafe fn apply(function: Function, x: *mut f32, length: usize) {
                unsafe { rows::apply($proof, function, x, length) }
            }
            $(#[$features])?
            pub(super) unsafe fn halve(n: &Narrow) {
                unsafe { rows::halve(n) }
            }
            $(#[$features])?
            pub(super) unsafe fn quantise(n: &Narrow) {
                unsafe { rows::quantise($proof, n) }
            }
        }
    };
}

/// The table of a compiled instruction set.
macro_rules! table {
    ($module:ident, $name:literal, $halves:expr, $bytes:expr) => {
        Kernels {
            name: $name,
            lanes: $module::LANES,
            singles: Multiply {
                lanes: $module::LANES,
                widest_panel: $module::WIDEST_PANEL,
                levelled: false,
                one_step: false,
                run: $module::singles,
            },
            halves: $halves,
            bytes: $bytes,
            normalise: $module::normalise,
            softmax: $module::softmax,
            apply: $module::apply,
            halve: $module::halve,
            quantise: $module::quantise,
        }
    };
}

use super::super::simd::portable::Portable;
compiled!(portable, Portable, Portable);

unsafe fn portable_bytes(p: &Product) {
    // SAFETY: the caller's promise.
    unsafe { product::<_, Bytes>(Portable, p) }
}

const PORTABLE_BYTES: Multiply = Multiply {
    lanes: portable::LANES,
    widest_panel: portable::WIDEST_PANEL,
    levelled: true,
    one_step: false,
    run: portable_bytes,
};

#[cfg(target_arch = "aarch64")]
use super::super::simd::neon::Neon;
#[cfg(target_arch = "aarch64")]
compiled!(neon, Neon, Neon);

#[cfg(target_arch = "aarch64")]
unsafe fn neon_bytes(p: &Product) {
    // SAFETY: the caller's promise.
    unsafe { product::<_, Bytes>(Neon, p) }
}

#[cfg(target_arch = "x86_64")]
use super::super::simd::x86::{Avx2, Avx512};
#[cfg(target_arch = "x86_64")]
compiled!(
    avx2,
    Avx2::new(),
    Avx2,
    #[target_feature(enable = "avx2,fma")]
);
#[cfg(target_arch = "x86_64")]
compiled!(
    avx512,
    Avx512::new(),
    Avx512,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_bytes(p: &Product) {
    // SAFETY: the caller's promise.
    unsafe { product::<_, Bytes>(Avx2::new(), p) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512vnni")]
unsafe fn avx512_bytes(p: &Product) {
    // SAFETY: the caller's promise.
    unsafe { product::<_, Bytes>(Avx512::new(), p) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512bf16")]
unsafe fn avx512_halves(p: &Product) {
    // SAFETY: the caller's promise.
    unsafe { product::<_, product::Halves>(Avx512::new(), p) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512bf16")]
unsafe fn avx512_halve(n: &Narrow) {
    // SAFETY: the caller's promise.
    unsafe { rows::halve_with(n, |from, to, count| Avx512::new().halve(from, to, count)) }
}

/// The tables of all sets that this processor has, the fastest first and the portable ones last.
pub(super) static AVAILABLE: LazyLock<Vec<Kernels>> = LazyLock::new(available);

#[cfg(target_arch = "x86_64")]
fn available() -> Vec<Kernels> {
    let mut all = Vec::new();
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return vec![table!(portable, "portable", None, PORTABLE_BYTES)];
    }
    let bytes = Multiply {
        lanes: avx2::LANES,
        widest_panel: avx2::WIDEST_PANEL,
        levelled: true,
        one_step: false,
        run: avx2_bytes,
    };
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
    {
        let halves = is_x86_feature_detected!("avx512bf16").then_some(Multiply {
            lanes: avx512::LANES,
            widest_panel: avx512::WIDEST_PANEL,
            levelled: false,
            one_step: false,
            run: avx512_halves,
        });
        let bytes = if is_x86_feature_detected!("avx512vnni") {
            Multiply {
                lanes: avx512::LANES,
                widest_panel: avx512::WIDEST_PANEL,
                levelled: true,
                one_step: true,
                run: avx512_bytes,
            }
        } else {
            bytes
        };
        let mut table = table!(avx512, "AVX-512", halves, bytes);
        if halves.is_some() {
            table.halve = avx512_halve;
        }
        all.push(table);
    }
    all.push(table!(avx2, "AVX2", None, bytes));
    all.push(table!(portable, "portable", None, PORTABLE_BYTES));
    all
}

#[cfg(target_arch = "aarch64")]
fn available() -> Vec<Kernels> {
    let bytes = Multiply {
        lanes: neon::LANES,
        widest_panel: neon::WIDEST_PANEL,
        levelled: true,
        one_step: false,
        run: neon_bytes,
    };
    vec![
        table!(neon, "NEON", None, bytes),
        table!(portable, "portable", None, PORTABLE_BYTES),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn available() -> Vec<Kernels> {
    vec![table!(portable, "portable", None, PORTABLE_BYTES)]
}
