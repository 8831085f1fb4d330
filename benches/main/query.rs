//! A query over a large library as a person asks it: text to ranked, folded files. The library's
//! vectors are seeded, clustered and of the built-in model's dimension; `SOUNDSEEK_BENCH_N` sets how
//! many files there are (10,000 when it is unset).

use std::sync::RwLock;

use criterion::Criterion;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use soundseek::embed::Embedder;
use soundseek::library::{FileRecord, Library, SoundEntry, SoundRecord, Stamp};
use soundseek::model::{Checkpoint, Device};
use soundseek::search::{Filters, Part, SearchOptions, Searcher, Source};
use soundseek_index::Vector;

pub fn query(c: &mut Criterion) {
    let files = std::env::var("SOUNDSEEK_BENCH_N")
        .ok()
        .and_then(|n| n.parse().ok());
    let files: usize = files.unwrap_or(10_000);
    let embedder = Embedder::load(&Checkpoint::BuiltIn, Device::Cpu).expect("the built-in model");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = Library::open(folder.path()).expect("a library");
    fill(&library, &embedder, files);
    let index = RwLock::new(library.index_for_search(&embedder).expect("an index"));
    let searcher = Searcher::new(&library, &index, &embedder);
    let remembered = [Part {
        source: Source::Text("a police siren".into()),
        weight: 1.0,
    }];
    let plain = SearchOptions::default();
    let within = vec![std::path::PathBuf::from("/sounds/7")];
    let filters = Filters {
        within,
        ..Filters::default()
    };
    let filtered = SearchOptions {
        filters,
        ..SearchOptions::default()
    };
    let mut group = c.benchmark_group("query");
    let mut asked = 0;
    group.bench_function(format!("{files} files/new text"), |b| {
        b.iter(|| {
            asked += 1;
            let text = Source::Text(format!("a police siren {asked}"));
            searcher.search(
                &[Part {
                    source: text,
                    weight: 1.0,
                }],
                &plain,
            )
        });
    });
    group.bench_function(format!("{files} files/text asked before"), |b| {
        b.iter(|| searcher.search(&remembered, &plain))
    });
    group.bench_function(format!("{files} files/a tenth of the folders"), |b| {
        b.iter(|| searcher.search(&remembered, &filtered))
    });
    library.load_catalog().expect("the records are whole");
    let long = SearchOptions {
        filters: Filters {
            longer_s: Some(2.0),
            ..Filters::default()
        },
        ..SearchOptions::default()
    };
    for (name, options) in [("a tenth of the folders", &filtered), ("by length", &long)] {
        group.bench_function(format!("{files} files/{name}, catalogue loaded"), |b| {
            b.iter(|| searcher.search(&remembered, options))
        });
    }
    group.bench_function(format!("{files} files/facets"), |b| {
        b.iter(|| library.facets(&Filters::default(), Some("/sounds".as_ref())))
    });
    group.finish();
    drop(index);
    c.bench_function(&format!("query/{files} files/open the index"), |b| {
        b.iter(|| library.index_for_search(&embedder).expect("an index"))
    });
}

fn fill(library: &Library, embedder: &Embedder, files: usize) {
    let mut random = StdRng::seed_from_u64(42);
    let dimension = embedder.model().dimension();
    let mut point = |spread: f32, around: Option<&Vec<f32>>| -> Vec<f32> {
        let base = |i| around.map_or(0.0, |center: &Vec<f32>| center[i]);
        (0..dimension)
            .map(|i| base(i) + spread * random.random_range(-1.0f32..1.0))
            .collect()
    };
    let centers: Vec<_> = (0..200).map(|_| point(1.0, None)).collect();
    let mut index = library.index_for_writing(embedder).expect("an index");
    for n in 0..files {
        let content = *blake3::hash(&n.to_le_bytes()).as_bytes();
        let sound = SoundRecord {
            format: "WAV".into(),
            codec: "16-bit PCM".into(),
            sample_rate_hz: 44_100,
            channels: 2,
            duration_s: 1.0 + n as f64 / 1000.0,
            damage: None,
        };
        let entry = SoundEntry {
            sound: sound.clone(),
            moments: vec![(0.0, 1.0)],
        };
        let vector = Vector::normalized(point(0.5, Some(&centers[n % 200]))).expect("a vector");
        index
            .upsert(&content, &entry.to_bytes(), &[vector])
            .expect("written");
        let stamp = Stamp {
            size: n as u64,
            modified_ns: 0,
        };
        let path = format!("/sounds/{}/{n}.wav", n % 10);
        let record = FileRecord {
            stamp,
            content,
            sound,
        };
        library.put_file(path.as_ref(), &record).expect("written");
    }
}
