//! A query over a large library as a person asks it: text to ranked, folded files. The library's
//! vectors are made up; `SOUNDSEEK_BENCH_N` sets how many files there are (10,000 when it is unset).

use std::sync::RwLock;

use criterion::Criterion;
use soundseek::embed::Embedder;
use soundseek::library::Library;
use soundseek::model::{Checkpoint, Device};
use soundseek::search::{Filters, Part, SearchOptions, Searcher, Source};

use crate::made_up::fill;

/// How many files the library has.
pub fn files() -> usize {
    let files = std::env::var("SOUNDSEEK_BENCH_N")
        .ok()
        .and_then(|n| n.parse().ok());
    files.unwrap_or(10_000)
}

pub fn query(c: &mut Criterion) {
    let files = files();
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
