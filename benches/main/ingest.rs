//! Indexing as a whole: the demo's sounds from files to a library, with one core and with all.

use std::path::PathBuf;
use std::sync::RwLock;

use criterion::{BatchSize, Criterion, Throughput};
use soundseek::demo::write_all;
use soundseek::embed::Embedder;
use soundseek::ingest::{Control, IngestOptions, Report, ingest as ingest_files};
use soundseek::library::Library;
use soundseek::model::{Checkpoint, Device};
use tempfile::TempDir;

pub fn ingest(c: &mut Criterion) {
    let embedder = Embedder::load(&Checkpoint::BuiltIn, Device::Cpu).expect("the built-in model");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = write_all(folder.path()).expect("the demo's sounds");
    let roots = [folder.path().canonicalize().expect("the folder")];
    let all = IngestOptions::for_this_machine();
    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(files.len() as u64));
    for threads in [1, all.threads] {
        let options = IngestOptions { threads, ..all };
        group.bench_function(format!("{} sounds/{threads} threads", files.len()), |b| {
            b.iter_batched(
                || tempfile::tempdir().expect("a temporary folder"),
                |library| index(&library, &embedder, &roots, options),
                BatchSize::PerIteration,
            );
        });
    }
    let library = tempfile::tempdir().expect("a temporary folder");
    index(&library, &embedder, &roots, all);
    group.bench_function(format!("{} unchanged sounds", files.len()), |b| {
        b.iter(|| index(&library, &embedder, &roots, all));
    });
    group.finish();
}

fn index(
    folder: &TempDir,
    embedder: &Embedder,
    roots: &[PathBuf],
    options: IngestOptions,
) -> Report {
    let library = Library::open(folder.path()).expect("a library");
    let index = RwLock::new(library.index_for_writing(embedder).expect("an index"));
    let control = Control::new();
    let report = ingest_files(
        &library,
        &index,
        embedder,
        roots,
        options,
        &control,
        &|_| {},
    );
    report.expect("indexing succeeds")
}
