//! The nearest neighbours of points among chosen ones, exactly, on all cores.

use rayon::prelude::*;

/// For each row of `rows`, up to `count` nearest of the rows in `among` by Euclidean distance, without
/// itself, nearest first. `None` once `cancel` says yes.
pub(super) fn nearest(
    rows: &[f32],
    dimension: usize,
    among: &[usize],
    count: usize,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Vec<usize>>> {
    let of_row = |(row, point): (usize, &[f32])| {
        if cancel() {
            return None;
        }
        let mut best: Vec<(f32, usize)> = Vec::with_capacity(count + 1);
        for &other in among {
            if other == row {
                continue;
            }
            let candidate = &rows[other * dimension..(other + 1) * dimension];
            let distance: f32 = point
                .iter()
                .zip(candidate)
                .map(|(a, b)| (a - b) * (a - b))
                .sum();
            let farthest = best.last().map_or(f32::INFINITY, |&(distance, _)| distance);
            if best.len() < count || distance < farthest {
                let at = best.partition_point(|&(held, _)| held <= distance);
                best.insert(at, (distance, other));
                best.truncate(count);
            }
        }
        Some(best.into_iter().map(|(_, other)| other).collect())
    };
    rows.par_chunks_exact(dimension)
        .enumerate()
        .map(of_row)
        .collect()
}
