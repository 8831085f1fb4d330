//! From vectors to places in the plane: principal components first, then neighbours drawn together.
//!
//! Two principal components alone show the two largest contrasts of a library and pile everything
//! else up in one cloud. So they are only the start: after them, neighbours attract each other and
//! random others repel, as in UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426, section 3.2,
//! with a = b = 1 and edges of equal weight). All random choices are seeded: the same library has the
//! same map.

use rayon::prelude::*;

use super::neighbours::nearest;

/// Principal components in which neighbours are sought: they keep nearly all of the likeness in an
/// embedding of some hundreds of dimensions, and are a tenth of the work.
const COMPONENTS: usize = 32;

/// Rounds of orthogonal iteration; the leading two have settled long before.
const ROUNDS: usize = 12;

/// Neighbours that attract a point; UMAP's default is 15.
const NEIGHBOURS: usize = 12;

/// Points that are arranged by forces; the others of a larger library are put among their nearest.
const MOST_ARRANGED: usize = 25_000;

/// Random points that repel for each neighbour that attracts (UMAP's `negative_sample_rate`).
const REPELLING: usize = 5;

/// The places of points in [-1, 1]²: `rows` holds their vectors of `dimension` one after another.
/// `None` once `cancel` says yes; `progress` is told how much is done, in [0, 1].
///
/// # Panics
/// If `rows` is no whole number of vectors.
pub fn arrange(
    rows: &[f32],
    dimension: usize,
    cancel: &(dyn Fn() -> bool + Sync),
    progress: &dyn Fn(f32),
) -> Option<Vec<[f32; 2]>> {
    assert!(
        dimension > 0 && rows.len().is_multiple_of(dimension),
        "rows must be whole vectors"
    );
    let count = rows.len() / dimension;
    if count < 3 {
        // One in the middle, or two side by side.
        let places = (0..count).map(|n| [n as f32 * 0.5 - 0.25 * (count - 1) as f32, 0.0]);
        return Some(places.collect());
    }
    let components = COMPONENTS.min(dimension);
    let projected = principal(rows, dimension, components, cancel)?;
    progress(0.3);
    let step = count.div_ceil(MOST_ARRANGED);
    let arranged: Vec<usize> = (0..count).step_by(step).collect();
    let neighbours = nearest(&projected, components, &arranged, NEIGHBOURS, cancel)?;
    progress(0.5);
    let mut places: Vec<[f32; 2]> = projected
        .chunks_exact(components)
        .map(|row| [row[0], row[1.min(components - 1)]])
        .collect();
    spread(&mut places, 10.0);
    pull_together(&mut places, &arranged, &neighbours, cancel, progress)?;
    if step > 1 {
        let among: Vec<[f32; 2]> = neighbours
            .iter()
            .enumerate()
            .map(|(row, near)| match row % step {
                0 => places[row],
                _ => middle(near.iter().take(3).map(|&other| places[other])),
            })
            .collect();
        places = among;
    }
    spread(&mut places, 1.0);
    for place in &mut places {
        *place = place.map(|x| x.clamp(-1.0, 1.0));
    }
    Some(places)
}

fn middle(places: impl Iterator<Item = [f32; 2]>) -> [f32; 2] {
    let (mut sum, mut count) = ([0.0, 0.0], 0.0_f32);
    for [x, y] in places {
        sum = [sum[0] + x, sum[1] + y];
        count += 1.0;
    }
    sum.map(|x| x / count.max(1.0))
}

/// Moves and scales the places so that all but the outermost hundredth lie within `reach`.
fn spread(places: &mut [[f32; 2]], reach: f32) {
    for axis in 0..2 {
        let mut sorted: Vec<f32> = places.iter().map(|place| place[axis]).collect();
        sorted.sort_by(f32::total_cmp);
        let cut = sorted.len() / 200;
        let (low, high) = (sorted[cut], sorted[sorted.len() - 1 - cut]);
        let scale = 2.0 * reach / (high - low).max(f32::MIN_POSITIVE);
        for place in places.iter_mut() {
            let centred = (place[axis] - (low + high) / 2.0) * scale;
            place[axis] = if centred.is_finite() { centred } else { 0.0 };
        }
    }
}

/// The leading principal components of the rows, by orthogonal iteration (Golub and Van Loan, Matrix
/// Computations, section 8.2.4), without the covariance matrix.
fn principal(
    rows: &[f32],
    dimension: usize,
    components: usize,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<f32>> {
    let count = rows.len() / dimension;
    let mut centre = vec![0.0_f64; dimension];
    for row in rows.chunks_exact(dimension) {
        for (sum, &x) in centre.iter_mut().zip(row) {
            *sum += f64::from(x) / count as f64;
        }
    }
    let centred: Vec<f32> = rows
        .par_chunks_exact(dimension)
        .flat_map_iter(|row| {
            row.iter()
                .zip(&centre)
                .map(|(&x, &c)| (f64::from(x) - c) as f32)
        })
        .collect();
    let mut random = Random(0x5eed);
    let mut basis: Vec<Vec<f32>> = (0..components)
        .map(|_| (0..dimension).map(|_| random.unit() - 0.5).collect())
        .collect();
    orthonormalise(&mut basis);
    for _ in 0..ROUNDS {
        if cancel() {
            return None;
        }
        // The basis times the covariance: each row adds itself by its own projections.
        let sum_of = |part: &[f32]| {
            let mut sums = vec![vec![0.0_f32; dimension]; components];
            for row in part.chunks_exact(dimension) {
                for (vector, sum) in basis.iter().zip(&mut sums) {
                    let share = super::dot(vector, row);
                    for (total, &x) in sum.iter_mut().zip(row) {
                        *total += share * x;
                    }
                }
            }
            sums
        };
        // Parts of fixed size, added in order, so that the sums do not depend on the cores.
        let parts: Vec<_> = centred.par_chunks(dimension * 512).map(sum_of).collect();
        let mut next = vec![vec![0.0_f32; dimension]; components];
        for part in parts {
            for (total, sum) in next.iter_mut().zip(part) {
                for (t, s) in total.iter_mut().zip(sum) {
                    *t += s;
                }
            }
        }
        basis = next;
        orthonormalise(&mut basis);
    }
    let project = |row: &[f32]| -> Vec<f32> { basis.iter().map(|v| super::dot(v, row)).collect() };
    Some(
        centred
            .par_chunks_exact(dimension)
            .flat_map_iter(project)
            .collect(),
    )
}

/// Gram and Schmidt's process. A vector that vanishes stays zero.
fn orthonormalise(basis: &mut [Vec<f32>]) {
    for at in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(at);
        let vector = &mut rest[0];
        for other in before.iter() {
            let share = super::dot(other, vector);
            for (x, &o) in vector.iter_mut().zip(other) {
                *x -= share * o;
            }
        }
        let length = super::dot(vector, vector).sqrt();
        let scale = if length > 1e-12 { 1.0 / length } else { 0.0 };
        for x in vector.iter_mut() {
            *x *= scale;
        }
    }
}

/// Moves the arranged points by the forces between them.
fn pull_together(
    places: &mut [[f32; 2]],
    arranged: &[usize],
    neighbours: &[Vec<usize>],
    cancel: &(dyn Fn() -> bool + Sync),
    progress: &dyn Fn(f32),
) -> Option<()> {
    let epochs = if arranged.len() > 10_000 { 200 } else { 400 };
    let mut random = Random(0xf0ace);
    for epoch in 0..epochs {
        if cancel() {
            return None;
        }
        progress(0.5 + 0.5 * epoch as f32 / epochs as f32);
        let pace = 1.0 - epoch as f32 / epochs as f32;
        for &point in arranged {
            for &other in &neighbours[point] {
                push(
                    places,
                    point,
                    other,
                    pace,
                    |square| -2.0 / (1.0 + square),
                    true,
                );
                for _ in 0..REPELLING {
                    let stranger = arranged[random.below(arranged.len())];
                    let force = |square: f32| 2.0 / ((0.001 + square) * (1.0 + square));
                    push(places, point, stranger, pace, force, false);
                }
            }
        }
    }
    Some(())
}

/// Moves a point from another one by the force at their squared distance, and with `both` the other
/// one as far the other way.
fn push(
    places: &mut [[f32; 2]],
    point: usize,
    other: usize,
    pace: f32,
    force: impl Fn(f32) -> f32,
    both: bool,
) {
    let apart = [0, 1].map(|axis| places[point][axis] - places[other][axis]);
    let coefficient = force(apart[0] * apart[0] + apart[1] * apart[1]);
    for axis in 0..2 {
        // UMAP's bound on a single step.
        let step = (coefficient * apart[axis]).clamp(-4.0, 4.0) * pace;
        places[point][axis] += step;
        if both {
            places[other][axis] -= step;
        }
    }
}

/// Steele, Lea and Flood's SplitMix64 (2014): short, seeded, good enough for sampling.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}
