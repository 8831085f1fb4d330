//! What several modules need: seeded vectors, a plain exact search to compare with, spaces.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use soundseek_index::{Config, Database, Index, Neighbor, Query, Space, Vector};
use tempfile::TempDir;

pub fn config(dimension: usize) -> Config {
    named("demo", dimension)
}

pub fn named(fingerprint: &str, dimension: usize) -> Config {
    let space = Space {
        name: "a model".to_owned(),
        fingerprint: fingerprint.to_owned(),
    };
    Config::new(space, dimension)
}

/// A new folder with an empty index in it.
pub fn fresh(config: &Config) -> (TempDir, Database, Index) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let database = Database::open(dir.path()).expect("a new store");
    let index = database.create_or_open(config).expect("a new space");
    (dir, database, index)
}

/// The store below the index, to damage it as nothing but a program could: the seal is broken. Other
/// tests start processes, each of which shares the lock of a store that was just closed until it runs
/// its own program.
pub fn raw_store(dir: &Path) -> sled::Db {
    let store = dir.join("store.1");
    let _ = std::fs::remove_file(store.join("seal"));
    loop {
        match sled::open(&store) {
            Err(error) if error.to_string().contains("could not acquire lock") => {
                std::thread::yield_now();
            }
            opened => return opened.expect("opened"),
        }
    }
}

/// A record's frame, by its description in `frame.rs`.
pub fn frame(tree: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut covered = 1u64.to_le_bytes().to_vec();
    covered.push(0);
    covered.push(tree.len() as u8);
    covered.extend((key.len() as u32).to_le_bytes());
    covered.extend((value.len() as u32).to_le_bytes());
    covered.extend(tree.as_bytes());
    covered.extend(key);
    covered.extend(value);
    let mut frame = b"\xf5sk2".to_vec();
    frame.extend(crc32fast::hash(&covered).to_le_bytes());
    frame.extend(covered);
    frame
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for item in std::fs::read_dir(from).expect("listed").flatten() {
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).expect("copied");
        }
    }
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub fn normal(rng: &mut StdRng) -> f32 {
    // The sum of twelve uniform numbers: near enough to normal, and without a dependency.
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

pub fn random_vector(rng: &mut StdRng, dimension: usize) -> Vector {
    let numbers = (0..dimension).map(|_| normal(rng)).collect();
    Vector::normalized(numbers).expect("not all zero")
}

/// Vectors as embeddings are: around `centres` points of a `latent`-dimensional subspace.
pub fn clustered(rng: &mut StdRng, n: usize, dimension: usize, centres: usize) -> Vec<Vector> {
    let latent = 48.min(dimension);
    let basis: Vec<Vec<f32>> = (0..latent)
        .map(|_| (0..dimension).map(|_| normal(rng)).collect())
        .collect();
    let middles: Vec<Vec<f32>> = (0..centres)
        .map(|_| (0..latent).map(|_| normal(rng)).collect())
        .collect();
    let point = |_| {
        let middle = &middles[rng.random_range(0..centres)];
        let place: Vec<f32> = middle.iter().map(|m| m + 0.5 * normal(rng)).collect();
        let mut numbers = vec![0.0; dimension];
        for (weight, direction) in place.iter().zip(&basis) {
            for (number, d) in numbers.iter_mut().zip(direction) {
                *number += weight * d;
            }
        }
        Vector::normalized(numbers).expect("not all zero")
    };
    (0..n).map(point).collect()
}

/// Queries from outside the distribution of what is searched, as the texts of a dual encoder are to its
/// sounds: each moved by one common offset as long as itself.
pub fn offset(rng: &mut StdRng, queries: &[Vector]) -> Vec<Vector> {
    let Some(first) = queries.first() else {
        return Vec::new();
    };
    let common = random_vector(rng, first.dimension());
    let moved = |query: &Vector| {
        let numbers = query.as_slice().iter().zip(common.as_slice());
        Vector::normalized(numbers.map(|(q, c)| q + c).collect()).expect("not all zero")
    };
    queries.iter().map(moved).collect()
}

pub type Entries = std::collections::BTreeMap<Vec<u8>, (Vec<u8>, Vec<Vector>)>;

/// The definition of the answer, by looking at everything.
pub fn exact(entries: &Entries, query: &Query<'_>) -> Vec<Neighbor> {
    let mut all = Vec::new();
    for (key, (_, vectors)) in entries {
        if query.filter.is_some_and(|accepts| !accepts(key)) {
            continue;
        }
        let distances = vectors.iter().map(|vector| query.vector.distance(vector));
        let mut own: Vec<Neighbor> = distances
            .enumerate()
            .map(|(i, distance)| Neighbor {
                key: key.clone(),
                ordinal: i as u32,
                distance,
            })
            .collect();
        sort(&mut own);
        if query.per_entry {
            own.truncate(1);
        }
        all.extend(own);
    }
    sort(&mut all);
    all.truncate(query.k);
    all
}

fn sort(found: &mut [Neighbor]) {
    found.sort_by(|a, b| {
        let by_distance = a.distance.total_cmp(&b.distance);
        by_distance
            .then(a.key.cmp(&b.key))
            .then(a.ordinal.cmp(&b.ordinal))
    });
}

/// The part of `want` that is in `got`.
pub fn recall(got: &[Neighbor], want: &[Neighbor]) -> f64 {
    let same = |a: &Neighbor, b: &Neighbor| a.key == b.key && a.ordinal == b.ordinal;
    let found = want
        .iter()
        .filter(|w| got.iter().any(|g| same(g, w)))
        .count();
    found as f64 / want.len() as f64
}

pub fn never() -> bool {
    false
}

pub fn build(index: &mut Index) {
    index
        .build_graph(&never, &|_| ())
        .expect("every vector is whole");
    assert_eq!(index.graph_is_ready(), index.vectors() > 0);
}
