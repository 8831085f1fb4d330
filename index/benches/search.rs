//! Ratios of the index on clustered vectors: store, open, build, recall@10 and queries per second
//! over `ef` against the exact scan, and where scan and graph take the same time.
//!
//! Not criterion: everything that is compared is measured in one run, side by side, and printed as
//! ratios, which mean the same on a busy machine. `SOUNDSEEK_BENCH_N` lists the sizes
//! (default `1000,10000,20000`; 50000 and 100000 take minutes to build). Vectors: 384 dimensions,
//! 2,000 clusters in a 48-dimensional subspace, seed 42.

#![expect(clippy::print_stdout, reason = "a bench reports on the terminal")]
#![expect(clippy::unwrap_used, reason = "a bench that fails may stop")]

use std::time::{Duration, Instant};

use soundseek_index::{Config, Database, Index, Neighbor, Query, Space, Vector};

#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod support;

const DIMENSION: usize = 384;
const CLUSTERS: usize = 2000;
const QUERIES: usize = 200;

fn main() {
    let sizes = std::env::var("SOUNDSEEK_BENCH_N").unwrap_or_else(|_| "1000,10000,20000".into());
    let sizes: Vec<usize> = sizes
        .split(',')
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    let most = sizes.iter().copied().max().unwrap_or(0);
    let vectors = support::clustered(&mut support::rng(42), most + QUERIES, DIMENSION, CLUSTERS);
    let (queries, vectors) = vectors.split_at(QUERIES);
    for n in sizes {
        measure(&vectors[..n], queries);
    }
}

fn measure(vectors: &[Vector], queries: &[Vector]) {
    let n = vectors.len();
    let space = Space {
        name: "bench".into(),
        fingerprint: "bench".into(),
    };
    let config = Config {
        exact_below: 1,
        ..Config::new(space, DIMENSION)
    };
    let dir = tempfile::tempdir().unwrap();
    println!("n = {n}");
    {
        let database = Database::open(dir.path()).unwrap();
        let mut index = database.create_or_open(&config).unwrap();
        let start = Instant::now();
        for (i, vector) in vectors.iter().enumerate() {
            index
                .upsert(
                    &(i as u64).to_be_bytes(),
                    &[0; 64],
                    std::slice::from_ref(vector),
                )
                .unwrap();
        }
        let each = start.elapsed() / n as u32;
        let start = Instant::now();
        database.flush().unwrap();
        println!(
            "  upsert one by one  {each:?} each, then flush {:?}",
            start.elapsed()
        );
    }
    let start = Instant::now();
    let database = Database::open(dir.path()).unwrap();
    let store = start.elapsed();
    let mut index = database.open_space(&config).unwrap();
    println!(
        "  open               {:?} (of it the store {store:?})",
        start.elapsed()
    );

    let (exact, scan) = ask(&index, queries, 1);
    let outside = support::offset(&mut support::rng(5), queries);
    let (exact_outside, _) = ask(&index, &outside, 1);
    let naive = naive(vectors, queries, &exact);
    println!(
        "  exact scan         {scan:?} a query, f32 look at everything {:.1}x",
        ratio(naive, scan)
    );

    let start = Instant::now();
    index.build_graph(&|| false, &|_| ()).unwrap();
    let build = start.elapsed();
    println!(
        "  build and save     {build:?}, {:.1} queries of the scan per vector",
        ratio(build, scan) / n as f64
    );
    for ef in [16, 32, 64, 128, 256, 512] {
        let (found, walk) = ask(&index, queries, ef);
        let recall = mean_recall(&found, &exact);
        let (found, _) = ask(&index, &outside, ef);
        let outside = mean_recall(&found, &exact_outside);
        println!(
            "  graph, ef {ef:<3}      {walk:?} a query, {:.0} queries/s, recall@10 {recall:.4}, of offset queries {outside:.4}, {:.2}x the scan",
            1.0 / walk.as_secs_f64(),
            ratio(walk, scan)
        );
    }
    for kept in [0.9, 0.6, 0.5, 0.3, 0.1, 0.01] {
        let filter = |key: &[u8]| {
            let number = key.iter().fold(0u64, |n, &b| (n << 8) | u64::from(b));
            (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as f64 / f64::from(u32::MAX) < kept
        };
        let start = Instant::now();
        for vector in &queries[..20] {
            index
                .search(&Query {
                    filter: Some(&filter),
                    ..Query::new(vector, 10)
                })
                .unwrap();
        }
        println!(
            "  filter keeps {kept:<5} {:.2}x the scan",
            ratio(start.elapsed() / 20, scan)
        );
    }
    drop((index, database));
    for which in ["after a build", "again"] {
        let start = Instant::now();
        let database = Database::open(dir.path()).unwrap();
        let store = start.elapsed();
        let mut index = database.open_space(&config).unwrap();
        let open = start.elapsed();
        index.prepare_graph();
        while !index.graph_is_ready() {
            std::thread::yield_now();
        }
        let load = start.elapsed() - open;
        println!("  open {which:<13} {open:?} (the store {store:?}), then the graph {load:?}");
    }
    let database = Database::open(dir.path()).unwrap();
    println!(
        "  on the disk        {} bytes a vector",
        database.size_on_disk().unwrap() / n as u64
    );
}

fn ask(index: &Index, queries: &[Vector], ef: usize) -> (Vec<Vec<Neighbor>>, Duration) {
    // The median of the queries: one core of two may be someone else's for a while.
    let mut times = Vec::new();
    let mut found = Vec::new();
    for vector in queries {
        let start = Instant::now();
        found.push(
            index
                .search(&Query {
                    ef,
                    ..Query::new(vector, 10)
                })
                .unwrap(),
        );
        times.push(start.elapsed());
    }
    times.sort();
    (found, times[times.len() / 2])
}

/// One query at a time over `f32` vectors in memory on one core; checks the scan on the way.
fn naive(vectors: &[Vector], queries: &[Vector], exact: &[Vec<Neighbor>]) -> Duration {
    let mut times = Vec::new();
    let mut missed = 0;
    for (query, found) in queries.iter().zip(exact) {
        let start = Instant::now();
        let mut distances: Vec<f32> = vectors
            .iter()
            .map(|vector| query.distance(vector))
            .collect();
        let (_, &mut tenth, _) = distances.select_nth_unstable_by(9, f32::total_cmp);
        times.push(start.elapsed());
        missed += found.iter().filter(|hit| hit.distance > tenth).count();
    }
    println!(
        "  exact scan         recall@10 {:.5}",
        1.0 - missed as f64 / (10 * queries.len()) as f64
    );
    times.sort();
    times[times.len() / 2]
}

fn mean_recall(found: &[Vec<Neighbor>], exact: &[Vec<Neighbor>]) -> f64 {
    let each = found.iter().zip(exact);
    let sum: f64 = each.map(|(got, want)| support::recall(got, want)).sum();
    sum / found.len() as f64
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}
