//! Rewriting a store: what it gives back, what it keeps, and that stopping it changes nothing.

use soundseek_index::{Database, Error};

use crate::support;

const DIMENSION: usize = 64;

/// A store that was written several times over, and of which most is gone.
fn worn(dir: &std::path::Path) {
    let database = Database::open(dir).expect("opened");
    let mut index = database
        .create_or_open(&support::config(DIMENSION))
        .expect("opened");
    let marks = database.table("marks").expect("made");
    for round in 0..4u64 {
        let mut rng = support::rng(round);
        for entry in 0..400u32 {
            let vectors = [(); 4].map(|()| support::random_vector(&mut rng, DIMENSION));
            index
                .upsert(&entry.to_be_bytes(), &[round as u8; 50], &vectors)
                .expect("stored");
        }
    }
    for entry in 40..400u32 {
        index.remove(&entry.to_be_bytes()).expect("removed");
        marks.insert(&entry.to_be_bytes(), b"x").expect("stored");
        if entry > 50 {
            marks.remove(&entry.to_be_bytes()).expect("removed");
        }
    }
}

fn contents(dir: &std::path::Path) -> Vec<(Vec<u8>, Vec<u8>, Vec<f32>)> {
    let database = Database::open_existing(dir).expect("opened");
    let index = database
        .open_space(&support::config(DIMENSION))
        .expect("opened");
    index.assert_valid().expect("valid");
    let entries = index.keys().map(|key| {
        let entry = index.get(key).expect("read").expect("there");
        let numbers = entry.vectors.iter().flat_map(|v| v.as_slice().to_vec());
        (key.to_vec(), entry.payload, numbers.collect())
    });
    let marks = database.table("marks").expect("there");
    let marks = marks.iter().map(|item| {
        let (key, value) = item.expect("read");
        (key, value, vec![])
    });
    entries.chain(marks).collect()
}

fn bytes(dir: &std::path::Path) -> u64 {
    let database = Database::open_existing(dir).expect("opened");
    database.size_on_disk().expect("known")
}

#[test]
fn a_compacted_store_holds_the_same_in_less_space() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    worn(dir.path());
    let (before, had) = (contents(dir.path()), bytes(dir.path()));
    assert_eq!(before.len(), 40 + 11);

    let cancelled = Database::compact(dir.path(), &|| true, &|_| ());
    // So little is live that one batch holds it, and nobody is asked.
    assert!(matches!(cancelled, Ok(()) | Err(Error::Cancelled)));
    Database::compact(dir.path(), &support::never, &|_| ()).expect("compacted");
    assert_eq!(contents(dir.path()), before);
    let has = bytes(dir.path());
    // 40 entries of 4 vectors of 256 bytes are 41 kB; sled's log grows by segments of 512 KiB.
    assert!(has <= 1 << 20 && has * 2 < had, "{had} before, {has} after");
}

#[test]
fn a_compaction_that_was_cut_off_changes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    worn(dir.path());
    let before = contents(dir.path());
    std::fs::create_dir(dir.path().join("new.2")).expect("made");
    std::fs::write(dir.path().join("new.2/db"), b"half a log").expect("written");
    assert_eq!(contents(dir.path()), before);
    assert!(!dir.path().join("new.2").exists());
    // After the new store was put in place, and before the old one was removed.
    let kept = tempfile::tempdir().expect("a temporary folder");
    support::copy(&dir.path().join("store.1"), kept.path());
    Database::compact(dir.path(), &support::never, &|_| ()).expect("compacted");
    support::copy(kept.path(), &dir.path().join("store.1"));
    assert_eq!(contents(dir.path()), before);
    assert!(!dir.path().join("store.1").exists());
}

#[test]
fn a_store_that_is_open_is_not_compacted() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let _open = Database::open(dir.path()).expect("opened");
    let refused = Database::compact(dir.path(), &support::never, &|_| ());
    assert!(
        matches!(refused, Err(Error::Locked { holder: Some(holder), .. })
        if holder.pid == std::process::id())
    );
}

#[test]
fn a_store_is_written_anew_while_it_is_open_and_others_read_on() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    worn(dir.path());
    let (before, had) = (contents(dir.path()), bytes(dir.path()));
    let database = Database::open_existing(dir.path()).expect("opened");
    let reader = Database::open_existing(dir.path()).expect("opened");
    let read = || {
        let table = reader.table("marks").expect("there");
        table.len().expect("read")
    };
    // On systems where nobody is served there is no reader to look at.
    let served = reader.holder().is_some();
    assert!(!served || read() == 11);
    let renewed = database.renew(&support::never, &|_| ());
    let takes = renewed.expect("renewed").expect("nobody wrote");
    let marks = database.table("marks").expect("there");
    let refused = marks
        .insert(b"late", b"x")
        .expect_err("it is not the store any more");
    assert!(matches!(refused, Error::Storage { .. }), "{refused}");
    drop((marks, database));

    if served {
        // The reader has it now, and may write.
        assert_eq!(read(), 11);
        let marks = reader.table("marks").expect("there");
        marks.insert(b"later", b"x").expect("stored");
        assert!(marks.remove(b"later").expect("removed"));
    }
    drop(reader);
    assert_eq!(contents(dir.path()), before);
    assert!(!dir.path().join("store.1").exists());
    assert!(takes * 2 < had, "{had} before, {takes} after");
}

#[test]
fn a_store_that_is_written_to_while_it_is_written_anew_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    worn(dir.path());
    let before = contents(dir.path());
    {
        let database = Database::open_existing(dir.path()).expect("opened");
        let marks = database.table("marks").expect("there");
        let write = |_| {
            marks.insert(b"meanwhile", b"x").expect("stored");
        };
        let renewed = database.renew(&support::never, &write).expect("tried");
        assert_eq!(renewed, None);
        marks.remove(b"meanwhile").expect("it goes on");
        let cancelled = database.renew(&|| true, &|_| ());
        assert!(matches!(cancelled, Ok(Some(_)) | Err(Error::Cancelled)));
    }
    assert_eq!(contents(dir.path()), before);
    assert!(!dir.path().join("new.2").exists());
}
