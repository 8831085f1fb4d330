//! The saved graph as an enemy would leave it: changed, cut, gone, of other settings. It is a copy,
//! so every search answers as before. The store is changed through sled, below this crate.

use std::path::Path;

use soundseek_index::{Config, Database, Query, Vector};

use crate::support::{self, Entries};

const DIMENSION: usize = 12;

fn config() -> Config {
    Config {
        exact_below: 1,
        ..support::config(DIMENSION)
    }
}

fn saved_graph(dir: &Path) -> Entries {
    let mut rng = support::rng(11);
    let mut entries = Entries::new();
    let database = Database::open(dir).expect("opened");
    let mut index = database.create_or_open(&config()).expect("opened");
    for i in 0u32..800 {
        let vectors = vec![support::random_vector(&mut rng, DIMENSION)];
        index
            .upsert(&i.to_be_bytes(), b"", &vectors)
            .expect("stored");
        entries.insert(i.to_be_bytes().to_vec(), (Vec::new(), vectors));
    }
    support::build(&mut index);
    entries
}

fn check(dir: &Path, entries: &Entries, queries: &[Vector], what: &str) {
    let database = Database::open(dir).expect("opened");
    let mut index = database.open_space(&config()).expect("opened");
    for graph in [false, true] {
        if graph {
            support::build(&mut index);
        }
        for vector in queries {
            let query = Query {
                ef: 800,
                ..Query::new(vector, 10)
            };
            let got = index.search(&query).expect("searched");
            assert_eq!(
                got,
                support::exact(entries, &query),
                "{what}, graph: {graph}"
            );
        }
        index.assert_valid().expect("valid");
    }
}

#[test]
fn a_damaged_saved_graph_costs_nothing_but_time() {
    let mut rng = support::rng(12);
    let queries: Vec<_> = (0..5)
        .map(|_| support::random_vector(&mut rng, DIMENSION))
        .collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let entries = saved_graph(dir.path());
    check(dir.path(), &entries, &queries, "whole");

    type Damage = (&'static str, fn(&sled::Tree, Vec<u8>, Vec<u8>));
    let damages: [Damage; 5] = [
        ("bytes flipped", |tree, key, mut chunk| {
            let middle = chunk.len() / 2;
            chunk[middle] ^= 0x10;
            tree.insert(key, chunk).expect("written");
        }),
        ("chunk cut", |tree, key, mut chunk| {
            chunk.truncate(chunk.len() - 1);
            tree.insert(key, chunk).expect("written");
        }),
        ("chunk longer", |tree, key, mut chunk| {
            chunk.push(0);
            tree.insert(key, chunk).expect("written");
        }),
        ("record gone", |tree, key, _| {
            tree.remove(key).expect("removed");
        }),
        ("record empty", |tree, key, _| {
            tree.insert(key, vec![]).expect("written");
        }),
    ];
    for (what, damage) in damages {
        for place in [0, 1, 2, usize::MAX] {
            {
                let store = support::raw_store(dir.path());
                let tree = store.open_tree("space.0.graph").expect("opened");
                let records: Vec<_> = tree.iter().map(|item| item.expect("read")).collect();
                // The chunks of both parts, and the manifest behind them.
                assert!(records.len() >= 4);
                let (key, value) = &records[place.min(records.len() - 1)];
                damage(&tree, key.to_vec(), value.to_vec());
            }
            check(dir.path(), &entries, &queries, what);
        }
    }
}

#[test]
fn a_damaged_chunk_of_codes_costs_nothing_but_time() {
    let mut rng = support::rng(13);
    let queries: Vec<_> = (0..5)
        .map(|_| support::random_vector(&mut rng, DIMENSION))
        .collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    // 64 KiB hold the codes of 2,730 ids of 24 bytes.
    let mut entries = Entries::new();
    {
        let database = Database::open(dir.path()).expect("opened");
        let mut index = database.create_or_open(&config()).expect("opened");
        let vectors: Vec<_> = (0..6000)
            .map(|_| support::random_vector(&mut rng, DIMENSION))
            .collect();
        for (i, vectors) in vectors.chunks(100).enumerate() {
            index
                .upsert(&i.to_be_bytes(), b"", vectors)
                .expect("stored");
            entries.insert(i.to_be_bytes().to_vec(), (Vec::new(), vectors.to_vec()));
        }
    }
    for flipped in [0, 20, 30, 40_000] {
        {
            let store = support::raw_store(dir.path());
            let tree = store.open_tree("space.0.codes").expect("opened");
            assert_eq!(tree.len(), 2);
            let (key, chunk) = tree.first().expect("read").expect("a chunk");
            let mut chunk = chunk.to_vec();
            chunk[flipped] ^= 1;
            tree.insert(key, chunk).expect("written");
        }
        let database = Database::open(dir.path()).expect("opened");
        let index = database.open_space(&config()).expect("opened");
        index.assert_valid().expect("valid");
        for vector in &queries {
            let query = Query::new(vector, 10);
            assert_eq!(
                index.search(&query).expect("searched"),
                support::exact(&entries, &query)
            );
        }
    }
}
