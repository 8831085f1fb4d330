//! How good the answers are: the scan and the graph against a look at everything, on vectors that
//! lie in clusters as embeddings do.

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::Rng;
use soundseek_index::{Config, Database, Index, KeyFilter, Query, Vector};

use crate::support::{self, Entries};

const DIMENSION: usize = 64;

/// 5,000 vectors in entries of 1 to 5, and 30 queries that lie between the clusters too.
fn library() -> (tempfile::TempDir, Database, Index, Entries, Vec<Vector>) {
    let mut rng = support::rng(42);
    // So that the walk is used with filters too, which pays in far larger spaces only.
    let config = Config {
        exact_below: 1000,
        ..support::config(DIMENSION)
    };
    let (dir, database, mut index) = support::fresh(&config);
    let vectors = support::clustered(&mut rng, 5030, DIMENSION, 200);
    let (queries, mut rest) = vectors.split_at(30);
    let mut entries = Entries::new();
    while !rest.is_empty() {
        let (own, others) = rest.split_at(rng.random_range(1..=5).min(rest.len()));
        let key = format!("{:05}", entries.len()).into_bytes();
        index.upsert(&key, b"", own).expect("stored");
        entries.insert(key, (Vec::new(), own.to_vec()));
        rest = others;
    }
    (dir, database, index, entries, queries.to_vec())
}

/// The mean recall@10 of `search` over all combinations of queries, counting and filters.
fn mean_recall(
    index: &Index,
    entries: &Entries,
    queries: &[Vector],
    filter: Option<KeyFilter<'_>>,
) -> f64 {
    let mut sum = 0.0;
    for vector in queries {
        for per_entry in [false, true] {
            let query = Query {
                per_entry,
                filter,
                ..Query::new(vector, 10)
            };
            let got = index.search(&query).expect("searched");
            let want = support::exact(entries, &query);
            assert_eq!(got.len(), want.len());
            assert!(got.is_sorted_by(|a, b| a.distance <= b.distance));
            sum += support::recall(&got, &want);
        }
    }
    sum / (2 * queries.len()) as f64
}

#[test]
fn the_scan_finds_what_a_look_at_everything_finds() {
    let (_dir, _database, index, entries, queries) = library();
    // Exact but for an error of more than four deviations at the border of the top ten.
    assert!(mean_recall(&index, &entries, &queries, None) >= 0.999);
    let outside = support::offset(&mut support::rng(5), &queries);
    assert!(mean_recall(&index, &entries, &outside, None) >= 0.999);
    for keep_one_in in [2, 10, 1000] {
        let filter = move |key: &[u8]| number(key).is_multiple_of(keep_one_in);
        assert!(mean_recall(&index, &entries, &queries, Some(&filter)) >= 0.999);
    }
}

#[test]
fn the_graph_finds_nearly_all_of_it_with_and_without_filters() {
    let (_dir, _database, mut index, entries, queries) = library();
    support::build(&mut index);
    // The bar that the project sets for queries like the vectors and for those that are not.
    assert!(mean_recall(&index, &entries, &queries, None) >= 0.99);
    let outside = support::offset(&mut support::rng(5), &queries);
    assert!(mean_recall(&index, &entries, &outside, None) >= 0.99);
    let all_but_one_in = |n: usize| move |key: &[u8]| !number(key).is_multiple_of(n);
    // Kept by the walk (9 of 10), and by the scan (1 of 10, 1 of 1000).
    assert!(mean_recall(&index, &entries, &queries, Some(&all_but_one_in(10))) >= 0.95);
    let one_in = |n: usize| move |key: &[u8]| number(key).is_multiple_of(n);
    assert!(mean_recall(&index, &entries, &queries, Some(&one_in(10))) >= 0.999);
    assert!(mean_recall(&index, &entries, &queries, Some(&one_in(1000))) >= 0.999);
}

#[test]
fn one_long_recording_does_not_crowd_out_the_others() {
    let mut rng = support::rng(7);
    let (_dir, _database, mut index) = support::fresh(&support::config(DIMENSION));
    let mut entries = Entries::new();
    let middle = support::random_vector(&mut rng, DIMENSION);
    let near = |rng: &mut _, by: f32| {
        let noise = support::random_vector(rng, DIMENSION);
        let numbers = middle.as_slice().iter().zip(noise.as_slice());
        Vector::normalized(numbers.map(|(m, n)| m + by * n).collect()).expect("finite")
    };
    // 2,000 windows near the query in one entry, and 200 others farther off.
    let long: Vec<Vector> = (0..2000).map(|_| near(&mut rng, 0.2)).collect();
    entries.insert(b"long".to_vec(), (Vec::new(), long));
    for i in 0..200 {
        let vector = near(&mut rng, 2.0);
        entries.insert(format!("{i:03}").into_bytes(), (Vec::new(), vec![vector]));
    }
    for (key, (payload, vectors)) in &entries {
        index.upsert(key, payload, vectors).expect("stored");
    }
    for graph in [false, true] {
        if graph {
            support::build(&mut index);
        }
        let query = Query {
            per_entry: true,
            ..Query::new(&middle, 10)
        };
        let got = index.search(&query).expect("searched");
        assert_eq!(got, support::exact(&entries, &query), "graph: {graph}");
    }
}

#[test]
fn a_filter_is_asked_at_most_once_per_entry() {
    let (_dir, _database, mut index, entries, queries) = library();
    for graph in [false, true] {
        if graph {
            support::build(&mut index);
        }
        for keep_one_in in [1, 100] {
            let asked: Vec<AtomicUsize> = entries.iter().map(|_| AtomicUsize::new(0)).collect();
            let filter = |key: &[u8]| {
                asked[number(key)].fetch_add(1, Ordering::Relaxed);
                number(key).is_multiple_of(keep_one_in)
            };
            let query = Query {
                per_entry: true,
                filter: Some(&filter),
                ..Query::new(&queries[0], 10)
            };
            let got = index.search(&query).expect("searched");
            assert_eq!(got.len(), 10);
            assert!(
                got.iter()
                    .all(|hit| number(&hit.key).is_multiple_of(keep_one_in))
            );
            let most = asked
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .max();
            assert_eq!(most, Some(1), "graph: {graph}, one in {keep_one_in}");
        }
    }
}

#[test]
fn the_background_is_a_spread_sample_of_similarities() {
    let (_dir, _database, index, entries, queries) = library();
    let all: Vec<f32> = entries
        .values()
        .flat_map(|(_, vectors)| vectors.iter().map(|vector| vector.dot(&queries[0])))
        .collect();
    let every = index
        .background(&queries[0], usize::MAX)
        .expect("same dimension");
    assert_eq!(every.len(), all.len());
    for (got, want) in every.iter().zip(&all) {
        // Both vectors in codes: eight deviations of the documented error at 64 dimensions.
        assert!((got - want).abs() < 0.01, "{got} is not {want}");
    }
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let sample = index.background(&queries[0], 500).expect("same dimension");
    assert_eq!(sample.len(), 500);
    // Four standard errors of a mean of 500 values with a deviation of about .15.
    assert!((mean(&sample) - mean(&all)).abs() < 0.03);
}

#[test]
fn an_entry_of_many_vectors_is_not_the_whole_background() {
    let (_dir, _database, mut index) = support::fresh(&support::config(DIMENSION));
    let mut rng = support::rng(7);
    let vectors = support::clustered(&mut rng, 101, DIMENSION, 101);
    let (long, short) = vectors.split_first().expect("101 of them");
    index
        .upsert(b"hours", b"", &vec![long.clone(); 2000])
        .expect("stored");
    for (place, vector) in short.iter().enumerate() {
        let key = format!("{place:03}").into_bytes();
        let vectors = std::slice::from_ref(vector);
        index.upsert(&key, b"", vectors).expect("stored");
    }
    let sample = index.background(long, 1000).expect("same dimension");
    let itself = sample.iter().filter(|&&similarity| similarity > 0.99);
    // A thousand for 101 entries is nine for each that has so many.
    assert_eq!((itself.count(), sample.len()), (9, 109));
}

#[test]
fn a_graph_that_is_made_in_the_background_answers_as_one_that_is_waited_for() {
    let mut rng = support::rng(3);
    let config = Config {
        exact_below: 100,
        ..support::config(16)
    };
    let (_dir, _database, mut index) = support::fresh(&config);
    let vectors = support::clustered(&mut rng, 1200, 16, 20);
    let mut entries = Entries::new();
    for (i, vector) in vectors.iter().enumerate().take(1000) {
        let key = format!("{i:05}").into_bytes();
        index
            .upsert(&key, b"", std::slice::from_ref(vector))
            .expect("stored");
        entries.insert(key, (Vec::new(), vec![vector.clone()]));
    }
    index.prepare_graph();
    // Written and removed while the thread is at work, or after: it must not make a difference.
    for (i, vector) in vectors.iter().enumerate().skip(1000) {
        let key = format!("{i:05}").into_bytes();
        index
            .upsert(&key, b"", std::slice::from_ref(vector))
            .expect("stored");
        entries.insert(key, (Vec::new(), vec![vector.clone()]));
        let gone = format!("{:05}", i - 1000).into_bytes();
        assert!(index.remove(&gone).expect("removed"));
        entries.remove(&gone);
        let query = Query::new(vector, 10);
        let got = index.search(&query).expect("searched");
        assert_eq!(got[0].distance, vector.distance(vector));
        assert!(got.iter().all(|hit| entries.contains_key(&hit.key)));
    }
    while !index.graph_is_ready() {
        std::thread::yield_now();
    }
    index.assert_valid().expect("valid");
    assert!(mean_recall(&index, &entries, &vectors[500..600], None) >= 0.95);
}

fn number(key: &[u8]) -> usize {
    std::str::from_utf8(key)
        .ok()
        .and_then(|key| key.parse().ok())
        .expect("a number")
}
