//! The exact scan over one-byte codes (what the field calls a flat index), and its error bars.
//!
//! A scan of codes is fast but not exact, so it only proposes: every vector that can be among the
//! best, given how far its code may be off, is a candidate, and the caller reranks the candidates
//! by the stored `f32` numbers. How many those are follows from the data (many where vectors lie
//! close together, few where not) instead of a fixed over-fetch.
//!
//! The error of a score is the sum over dimensions of independent rounding errors, each uniform
//! over a step: for unit vectors a deviation of `√((s² + t²) / 12)`, with the two scales `s` and
//! `t`. [`DEVIATIONS`] of them are allowed for on either side.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::codes::Code;
use crate::kernels;

/// A normal error leaves ±4 deviations once in 16,000 times, and then changes a result only if it
/// does so at the border of the top k.
const DEVIATIONS: f32 = 4.0;

/// Rows scored per task: 2,048 rows of 384 bytes fill the usual 1 MiB of L2 cache.
const ROWS_PER_TASK: usize = 2048;

/// The codes of all vectors of a space, in memory. Row numbers ("slots") are dense and change
/// when something is removed; ids do not.
pub(crate) struct Flat {
    dimension: usize,
    ids: Vec<u64>,
    owners: Vec<u32>,
    fingerprints: Vec<u64>,
    scales: Vec<f32>,
    codes: Vec<i8>,
    slots: HashMap<u64, u32>,
}

/// A row that may be among the best.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) slot: usize,
    /// The score is at most this, but for [`DEVIATIONS`].
    pub(crate) reach: f32,
}

impl Flat {
    pub(crate) fn new(dimension: usize) -> Flat {
        Flat {
            dimension,
            ids: Vec::new(),
            owners: Vec::new(),
            fingerprints: Vec::new(),
            scales: Vec::new(),
            codes: Vec::new(),
            slots: HashMap::new(),
        }
    }

    pub(crate) fn reserve(&mut self, rows: usize) {
        self.ids.reserve(rows);
        self.owners.reserve(rows);
        self.fingerprints.reserve(rows);
        self.scales.reserve(rows);
        self.codes.reserve(rows.saturating_mul(self.dimension));
        self.slots.reserve(rows);
    }

    pub(crate) fn push(
        &mut self,
        (id, owner): (u64, u32),
        (scale, fingerprint): (f32, u64),
        codes: impl Iterator<Item = i8>,
    ) {
        self.slots.insert(id, self.ids.len() as u32);
        self.ids.push(id);
        self.owners.push(owner);
        self.fingerprints.push(fingerprint);
        self.scales.push(scale);
        self.codes.extend(codes);
    }

    /// Removes the row of `id`; the last row takes its place.
    pub(crate) fn remove(&mut self, id: u64) {
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        let slot = slot as usize;
        let last = self.ids.len() - 1;
        self.ids.swap_remove(slot);
        self.owners.swap_remove(slot);
        self.fingerprints.swap_remove(slot);
        self.scales.swap_remove(slot);
        let d = self.dimension;
        self.codes.copy_within(last * d..(last + 1) * d, slot * d);
        self.codes.truncate(last * d);
        if slot < last {
            self.slots.insert(self.ids[slot], slot as u32);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn slot(&self, id: u64) -> Option<usize> {
        self.slots.get(&id).map(|&slot| slot as usize)
    }

    pub(crate) fn id(&self, slot: usize) -> u64 {
        self.ids[slot]
    }

    /// The number of the entry that the row belongs to.
    pub(crate) fn owner(&self, slot: usize) -> u32 {
        self.owners[slot]
    }

    pub(crate) fn fingerprint(&self, slot: usize) -> u64 {
        self.fingerprints[slot]
    }

    pub(crate) fn code(&self, slot: usize) -> (f32, u64, &[i8]) {
        let row = &self.codes[slot * self.dimension..(slot + 1) * self.dimension];
        (self.scales[slot], self.fingerprints[slot], row)
    }

    pub(crate) fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The cosine similarity of the query and the row, as far as codes can tell.
    pub(crate) fn similarity(&self, query: &Code, slot: usize) -> f32 {
        let (scale, _, row) = self.code(slot);
        let mut dot = [0];
        kernels::dots_i8(&query.codes, row, &mut dot);
        dot[0] as f32 * scale * query.scale
    }

    /// How far a score of this row may be off.
    fn width(&self, query: &Code, slot: usize) -> f32 {
        let scale = self.scales[slot];
        DEVIATIONS * ((scale * scale + query.scale * query.scale) / 12.0).sqrt()
    }

    /// The least score of each row in `slots`, or of every row.
    fn least(&self, query: &Code, slots: Option<&[u32]>) -> Vec<(u32, f32)> {
        let score = |slot: usize, dot: i32| {
            let similarity = dot as f32 * self.scales[slot] * query.scale;
            (slot as u32, similarity - self.width(query, slot))
        };
        match slots {
            Some(slots) => slots
                .par_iter()
                .with_min_len(ROWS_PER_TASK)
                .map(|&slot| {
                    let mut dot = [0];
                    kernels::dots_i8(&query.codes, self.code(slot as usize).2, &mut dot);
                    score(slot as usize, dot[0])
                })
                .collect(),
            None => {
                let mut scores = vec![(0, 0.0); self.len()];
                let rows = self.codes.par_chunks(ROWS_PER_TASK * self.dimension);
                let tasks = scores.par_chunks_mut(ROWS_PER_TASK).zip(rows).enumerate();
                tasks.for_each(|(task, (scores, rows))| {
                    let mut dots = [0; ROWS_PER_TASK];
                    let dots = &mut dots[..scores.len()];
                    kernels::dots_i8(&query.codes, rows, dots);
                    for (row, (out, &dot)) in scores.iter_mut().zip(&*dots).enumerate() {
                        *out = score(task * ROWS_PER_TASK + row, dot);
                    }
                });
                scores
            }
        }
    }

    /// Every row that may be among the `k` best of `slots` (of all rows where `None`), the most
    /// promising first. With `entries`, the number of entries, only the best row of each entry
    /// counts towards `k`.
    pub(crate) fn candidates(
        &self,
        query: &Code,
        slots: Option<&[u32]>,
        k: usize,
        entries: Option<usize>,
    ) -> Vec<Candidate> {
        let least = self.least(query, slots);
        let best_of_entry = entries.map(|entries| {
            let mut best = vec![f32::NEG_INFINITY; entries];
            for &(slot, least) in &least {
                let best = &mut best[self.owners[slot as usize] as usize];
                *best = best.max(least);
            }
            best
        });
        let border = match &best_of_entry {
            Some(best) => kth_largest(best.iter().copied(), k),
            None => kth_largest(least.iter().map(|&(_, least)| least), k),
        };
        let mut candidates = Vec::new();
        for (slot, least) in least {
            let slot = slot as usize;
            let reach = least + 2.0 * self.width(query, slot);
            let own = best_of_entry
                .as_ref()
                .map_or(f32::NEG_INFINITY, |best| best[self.owners[slot] as usize]);
            if reach >= border && reach >= own {
                candidates.push(Candidate { slot, reach });
            }
        }
        candidates.sort_unstable_by(|a, b| b.reach.total_cmp(&a.reach));
        candidates
    }
}

/// The `k`-th largest of `values`, or minus infinity where there are fewer.
fn kth_largest(values: impl Iterator<Item = f32>, k: usize) -> f32 {
    let mut values: Vec<f32> = values.collect();
    if k == 0 || k > values.len() {
        return f32::NEG_INFINITY;
    }
    *values
        .select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a))
        .1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kth_largest_counts_from_one() {
        let values = [3.0, 1.0, 2.0, 2.0];
        let kth = |k| kth_largest(values.into_iter(), k);
        assert_eq!([kth(1), kth(2), kth(3), kth(4)], [3.0, 2.0, 2.0, 1.0]);
        assert_eq!(kth(5), f32::NEG_INFINITY);
    }

    #[test]
    fn removing_a_row_moves_the_last_one_into_its_place() {
        let mut flat = Flat::new(2);
        for id in [10, 11, 12] {
            flat.push((id, 0), (1.0, id * 7), [id as i8, -(id as i8)].into_iter());
        }
        flat.remove(10);
        flat.remove(10);
        assert_eq!(flat.len(), 2);
        for id in [11u64, 12] {
            let slot = flat.slot(id).expect("still there");
            assert_eq!(
                flat.code(slot),
                (1.0, id * 7, [id as i8, -(id as i8)].as_slice())
            );
        }
        flat.remove(11);
        flat.remove(12);
        assert_eq!((flat.len(), flat.slot(12)), (0, None));
    }
}
