//! Rows of weights into the order in which a product reads them: panels of columns, in one of three
//! number formats.

use std::sync::{Mutex, PoisonError};

use super::kernels::bfloat16;

/// A layer of so many words or more is packed by several threads.
const MANY_WORDS: usize = 1 << 17;

/// Does `work` for each item, on all cores if there is much of it. Not on rayon's threads, which might
/// begin something else meanwhile that waits for this.
pub(super) fn on_all_cores<T: Send>(items: Vec<T>, words: usize, work: impl Fn(T) + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if words < MANY_WORDS || cores == 1 {
        return items.into_iter().for_each(work);
    }
    let left = Mutex::new(items.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
    });
}

/// Floats as they are, column by column.
pub(super) fn pack_singles(rows: &[&[f32]], panel: &mut [u32], columns: usize) {
    for (k, words) in panel.chunks_exact_mut(columns).enumerate() {
        for (word, row) in words.iter_mut().zip(rows) {
            *word = row[k].to_bits();
        }
    }
}

/// The nearest bfloat16, two a word.
pub(super) fn pack_halves(rows: &[&[f32]], panel: &mut [u32], columns: usize) {
    for (k, words) in panel.chunks_exact_mut(columns).enumerate() {
        for (word, row) in words.iter_mut().zip(rows) {
            let half = |i: usize| row.get(i).map_or(0, |&w| u32::from(bfloat16(w)));
            *word = half(2 * k) | half(2 * k + 1) << 16;
        }
    }
}

/// Bytes, four a word, with the size of each column's step and the sum of its bytes.
pub(super) fn pack_bytes(rows: &[&[f32]], panel: &mut [u32], steps: &mut [f32], sums: &mut [u32]) {
    let columns = steps.len();
    let mut bytes = Vec::new();
    for (column, row) in rows.iter().enumerate() {
        let step = byte_step(row);
        steps[column] = step;
        bytes.clear();
        bytes.extend(row.iter().map(|&w| to_byte(w, step)));
        sums[column] = bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>() as u32;
        bytes.resize(row.len().next_multiple_of(4), 0);
        for (words, four) in panel.chunks_exact_mut(columns).zip(bytes.chunks_exact(4)) {
            words[column] = u32::from_le_bytes([0, 1, 2, 3].map(|i| four[i] as u8));
        }
    }
}

/// The step that takes a row's greatest weight to 127.
fn byte_step(row: &[f32]) -> f32 {
    // The bits of floats without a sign are in the order of the floats.
    let greatest = row.iter().fold(0, |most, w| w.abs().to_bits().max(most));
    (f32::from_bits(greatest) / 127.0).max(f32::MIN_POSITIVE)
}

/// The nearest number of steps, ties to even, from -127 to 127.
fn to_byte(weight: f32, step: f32) -> i8 {
    // Floats of this size are integers, whose last bits are those of the sum.
    const INTEGERS: f32 = 12_582_912.0;
    (weight / step + INTEGERS).to_bits() as i8
}
