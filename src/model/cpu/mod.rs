//! The encoders on the processor: the same networks as candle's, several times as fast.
//!
//! Apart from them because everything here serves speed: weights packed once in the order in which
//! they are read, kernels for each instruction set chosen at run time, steps joined so that what
//! lies between them stays in the cache. The candle encoders say what is computed; these are
//! compared with them, stage by stage. From the inside out: `simd` (vectors), `kernels` (loops),
//! `matrix`, `affine`, `packing`, `linear` and `shelf` (data), `team` (threads), `attention`, `block`, `fusion`,
//! `projection`, `audio` and `text` (the networks).

mod affine;
mod attention;
mod audio;
mod block;
mod fusion;
mod kernels;
mod linear;
mod matrix;
mod packing;
mod projection;
mod shelf;
mod simd;
mod team;
#[cfg(test)]
mod tests;
mod text;

pub(super) use audio::AudioTower;
pub(super) use shelf::Shelf;
pub(super) use text::TextTower;

/// Whether the processor has instructions for bfloat16.
pub(super) fn has_bf16() -> bool {
    kernels::Kernels::fastest().halves.is_some()
}

/// The name of the instruction set that the processor is used by.
pub fn instruction_set() -> &'static str {
    kernels::Kernels::fastest().name
}

/// What the processor is used by, and whether it has bfloat16: all that decides speed and digits.
pub fn processor() -> String {
    let kernels = kernels::Kernels::fastest();
    let bfloat16 = if kernels.halves.is_some() {
        "with"
    } else {
        "without"
    };
    let bytes = if kernels.bytes_in_one_step() {
        "with"
    } else {
        "without"
    };
    format!(
        "{} {bfloat16} bfloat16, {bytes} products of bytes",
        kernels.name
    )
}
