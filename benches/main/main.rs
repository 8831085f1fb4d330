//! Benchmarks, a module for each stage, in the order in which a sound passes through them.
//!
//! `cargo bench --bench main` prints times and throughput for each task; to compare two ways of doing
//! one, read the ratios within a run, since absolute times say more of the machine. What is made
//! before measuring (sounds, files, libraries) is not counted.

mod decode;
mod features;
mod ingest;
mod made_up;
mod query;
mod tower;
mod tui;

use criterion::{criterion_group, criterion_main};

/// As the binary does: tensors come and go, and glibc's allocator gives each back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group! {
    name = benches;
    config = criterion::Criterion::default()
        .sample_size(10)
        .measurement_time(std::time::Duration::from_secs(3));
    targets = decode::decode, features::features, tower::tower, ingest::ingest, query::query, tui::tui
}
criterion_main!(benches);
