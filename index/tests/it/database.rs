//! What a folder holds: spaces side by side, tables, lists, removal, sizes.

use std::sync::atomic::{AtomicBool, Ordering};

use soundseek_index::{Config, Database, Query, SpaceSummary};

use crate::support;

#[test]
fn spaces_lie_side_by_side_and_go_one_at_a_time() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let database = Database::open(dir.path()).expect("opened");
    let mut rng = support::rng(1);
    let (small, large) = (support::named("small", 4), support::named("large", 40));
    for (config, entries) in [(&small, 3), (&large, 5)] {
        let mut index = database.create_or_open(config).expect("opened");
        for i in 0u8..entries {
            let vectors = [(); 2].map(|()| support::random_vector(&mut rng, config.dimension));
            index.upsert(&[i], b"", &vectors).expect("stored");
        }
    }
    let summary = |config: &Config, entries| SpaceSummary {
        space: config.space.clone(),
        dimension: config.dimension,
        entries,
        vectors: 2 * entries,
    };
    let listed = database.spaces().expect("listed");
    assert_eq!(listed, [summary(&large, 5), summary(&small, 3)]);
    assert_eq!(database.keys("small").expect("read"), [[0], [1], [2]]);
    assert!(database.keys("nobody's").expect("read").is_empty());

    assert!(database.remove_space("small").expect("removed"));
    assert!(!database.remove_space("small").expect("nothing to remove"));
    assert_eq!(database.spaces().expect("listed"), [summary(&large, 5)]);
    // A space of the same name again starts empty, and of any dimension.
    let again = database
        .create_or_open(&support::named("small", 7))
        .expect("made");
    assert_eq!(
        (again.entries(), again.vectors(), again.dimension()),
        (0, 0, 7)
    );
    drop(again);
    drop(database);
    let database = Database::open_existing(dir.path()).expect("opened");
    let index = database.open_space(&large).expect("opened");
    assert_eq!(index.entries(), 5);
    index.assert_valid().expect("valid");
}

/// A child shares the lock from its fork to its exec.
#[cfg(unix)]
#[test]
fn a_store_can_be_opened_again_at_once_while_processes_are_started() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let status = std::process::Command::new("true").status();
                    assert!(status.expect("true runs").success());
                }
            });
        }
        let rounds = (0..100).map(|_| Database::open(dir.path()).map(drop));
        let failed: Vec<_> = rounds.filter_map(Result::err).collect();
        ended.store(true, Ordering::Relaxed);
        assert!(failed.is_empty(), "{failed:?}");
    });
}

#[test]
fn a_table_is_an_ordered_map_that_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    {
        let database = Database::open(dir.path()).expect("opened");
        let table = database.table("files").expect("made");
        assert!(!table.insert(b"b", b"1").expect("stored"));
        assert!(table.insert(b"b", b"2").expect("stored"));
        table
            .insert_many([(b"c", b"3"), (b"a", b"1"), (b"d", b"4")])
            .expect("stored");
        assert!(table.remove(b"d").expect("removed"));
        assert!(!table.remove(b"d").expect("nothing to remove"));
        database
            .table("other")
            .expect("made")
            .insert(b"x", b"y")
            .expect("stored");
        database.flush().expect("flushed");
    }
    let database = Database::open_existing(dir.path()).expect("opened");
    let table = database.table("files").expect("there");
    assert_eq!(table.get(b"b").expect("read").as_deref(), Some(&b"2"[..]));
    assert_eq!(table.get(b"d").expect("read"), None);
    let records: Vec<_> = table.iter().map(|item| item.expect("read")).collect();
    let want = [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")];
    assert_eq!(records, want.map(|(k, v)| (k.to_vec(), v.to_vec())));
    assert_eq!(table.len().expect("counted"), 3);
    table.clear().expect("cleared");
    assert!(table.is_empty().expect("counted"));
    assert_eq!(
        database
            .table("other")
            .expect("there")
            .len()
            .expect("counted"),
        1
    );
    assert!(database.size_on_disk().expect("known") > 0);
}

#[test]
fn an_entry_of_thousands_of_vectors_is_one_transaction() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut rng = support::rng(2);
    let vectors: Vec<_> = (0..4000)
        .map(|_| support::random_vector(&mut rng, 128))
        .collect();
    let config = support::config(128);
    {
        let database = Database::open(dir.path()).expect("opened");
        let mut index = database.create_or_open(&config).expect("opened");
        for _ in 0..2 {
            index.upsert(b"long", &[7; 5000], &vectors).expect("stored");
        }
    }
    let database = Database::open(dir.path()).expect("opened");
    let index = database.open_space(&config).expect("opened");
    index.assert_valid().expect("valid");
    let found = index
        .search(&Query::new(&vectors[3210], 1))
        .expect("searched");
    assert_eq!(
        (found[0].key.as_slice(), found[0].ordinal),
        (&b"long"[..], 3210)
    );
}

#[test]
fn compacting_makes_the_graph_forget_what_is_gone() {
    let mut rng = support::rng(4);
    let config = Config {
        exact_below: 100,
        ..support::config(8)
    };
    let (_dir, _database, mut index) = support::fresh(&config);
    for i in 0u32..500 {
        let vector = support::random_vector(&mut rng, 8);
        index
            .upsert(&i.to_be_bytes(), b"", &[vector])
            .expect("stored");
    }
    support::build(&mut index);
    for i in 0u32..300 {
        index.remove(&i.to_be_bytes()).expect("removed");
    }
    let cancelled = index.compact(&|| true, &|_| ());
    assert!(matches!(cancelled, Err(soundseek_index::Error::Cancelled)));
    index
        .assert_valid()
        .expect("a cancelled compaction changes nothing");
    assert!(index.graph_is_ready());
    let done = std::cell::Cell::new(0);
    index
        .compact(&support::never, &|progress| done.set(progress.done))
        .expect("compacted");
    assert_eq!(done.get(), 200, "only what is there is built");
    index.assert_valid().expect("valid");
    done.set(0);
    index
        .compact(&support::never, &|progress| done.set(progress.done))
        .expect("compacted");
    assert_eq!(done.get(), 0, "nothing is dead any more");
}
