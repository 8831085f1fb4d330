//! Every error: when it comes, and the whole text that a person reads.

use std::path::Path;

use soundseek_index::{Config, Database, Error, Query, Vector, VectorError};

use crate::support;

/// The text of the error with the folder's name taken out.
fn text<T>(result: Result<T, Error>, dir: &Path) -> String {
    match result {
        Ok(_) => panic!("refused"),
        Err(error) => error.to_string().replace(&dir.display().to_string(), "DIR"),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn a_folder_without_a_store_is_missing_and_stays_untouched() {
    let dir = folder();
    let inner = dir.path().join("none");
    assert_eq!(
        text(Database::open_existing(&inner), &inner),
        "there is no index in DIR; add something to it first, or name another folder"
    );
    assert!(!inner.exists());
}

#[test]
fn a_store_that_nobody_serves_is_locked() {
    let dir = folder();
    drop(Database::open(dir.path()).expect("opened"));
    let _other = support::raw_store(dir.path());
    assert_eq!(
        text(Database::open(dir.path()), dir.path()),
        "the index in DIR is open in another program; end that one and try again"
    );
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let dir = folder();
    drop(Database::open(dir.path()).expect("opened"));
    {
        let store = support::raw_store(dir.path());
        let about = store.open_tree("database").expect("opened");
        let number = support::frame("database", b"format", &3u32.to_le_bytes());
        about.insert("format", number).expect("written");
    }
    assert_eq!(
        text(Database::open(dir.path()), dir.path()),
        "the index in DIR has format 3, and this version reads format 2; \
         use the version that wrote it, or a newer one, or another folder"
    );
}

#[test]
fn a_space_that_is_not_there_is_named_with_those_that_are() {
    let dir = folder();
    let database = Database::open(dir.path()).expect("opened");
    let wanted = support::named("new", 4);
    assert_eq!(
        text(database.open_space(&wanted), dir.path()),
        "the index in DIR has no vectors of a model (new); it has none at all; \
         use one of those, or add the vectors of this one"
    );
    drop(
        database
            .create_or_open(&support::named("old", 4))
            .expect("made"),
    );
    assert_eq!(
        text(database.open_space(&wanted), dir.path()),
        "the index in DIR has no vectors of a model (new); it has a model (old); \
         use one of those, or add the vectors of this one"
    );
}

#[test]
fn a_space_is_opened_once_at_a_time() {
    let (dir, database, index) = support::fresh(&support::config(4));
    let message = "the vectors of a model (demo) in DIR are already open; close that index first";
    assert_eq!(
        text(database.create_or_open(&support::config(4)), dir.path()),
        message
    );
    assert_eq!(text(database.remove_space("demo"), dir.path()), message);
    drop(index);
    assert!(database.open_space(&support::config(4)).is_ok());
}

#[test]
fn vectors_of_another_dimension_are_refused_everywhere() {
    let (dir, database, mut index) = support::fresh(&support::config(4));
    let long = support::random_vector(&mut support::rng(1), 5);
    let message = "a vector of 5 numbers was given where the index holds vectors of 4; \
                   use the model that the index was built with";
    assert_eq!(
        text(
            index.upsert(b"a", b"", std::slice::from_ref(&long)),
            dir.path()
        ),
        message
    );
    assert_eq!(
        text(index.search(&Query::new(&long, 1)), dir.path()),
        message
    );
    assert_eq!(text(index.background(&long, 1), dir.path()), message);
    assert_eq!(index.entries(), 0);
    drop(index);
    assert_eq!(
        text(database.create_or_open(&support::config(5)), dir.path()),
        message
    );
}

#[test]
fn settings_that_a_dependency_would_end_the_process_for_are_refused() {
    let dir = folder();
    let database = Database::open(dir.path()).expect("opened");
    let good = support::config(4);
    let refusals = [
        (
            Config {
                m: 256,
                ..good.clone()
            },
            "m is 256, and has to lie in 2..=255",
        ),
        (
            Config {
                m: 1,
                ..good.clone()
            },
            "m is 1, and has to lie in 2..=255",
        ),
        (
            Config {
                ef_construction: 0,
                ..good.clone()
            },
            "ef_construction is 0, and has to lie in 1..=4096",
        ),
        (
            Config {
                dimension: 0,
                ..good.clone()
            },
            "dimension is 0, and has to lie in 1..=16384",
        ),
    ];
    for (config, message) in refusals {
        assert_eq!(text(database.create_or_open(&config), dir.path()), message);
    }
    assert_eq!(database.spaces().expect("listed"), []);
}

#[test]
fn numbers_without_a_direction_say_what_is_wrong() {
    let message = |numbers: Vec<f32>| match Vector::normalized(numbers) {
        Ok(_) => panic!("refused"),
        Err(error) => Error::from(error).to_string(),
    };
    assert_eq!(message(vec![]), "an empty vector has no direction");
    assert_eq!(message(vec![0.0; 3]), "a vector of zeros has no direction");
    let not_finite = "the vector has a number that is not finite at position 1";
    assert_eq!(message(vec![1.0, f32::INFINITY]), not_finite);
    assert_eq!(
        VectorError::NotFinite { position: 1 }.to_string(),
        not_finite
    );
}

#[test]
fn a_damaged_vector_is_named_by_its_key() {
    let (dir, database, mut index) = support::fresh(&support::config(2));
    let vector = support::random_vector(&mut support::rng(1), 2);
    index
        .upsert(b"kick\xff.wav", b"", std::slice::from_ref(&vector))
        .expect("stored");
    drop((index, database));
    let damages: [(&[u8], &str); 3] = [
        (&[0; 8], "is not of length 1 any more"),
        (&[0; 7], "takes 7 bytes, not 8"),
        (&[255; 8], "is not of length 1 any more"),
    ];
    for (bytes, what) in damages {
        {
            let store = support::raw_store(dir.path());
            let vectors = store.open_tree("space.0.vectors").expect("opened");
            let key = 0u64.to_be_bytes();
            let record = support::frame("space.0.vectors", &key, bytes);
            vectors.insert(key, record).expect("written");
        }
        let database = Database::open(dir.path()).expect("opened");
        assert_eq!(
            text(database.open_space(&support::config(2)), dir.path()),
            format!(
                "the index in DIR is damaged: a vector of entry \"kick\\xff.wav\" {what}; \
                 `soundseek repair` keeps all that is whole"
            )
        );
    }
}

#[test]
fn a_record_with_a_wrong_byte_is_named() {
    let (dir, database, mut index) = support::fresh(&support::config(2));
    let vector = support::random_vector(&mut support::rng(1), 2);
    index
        .upsert(b"kick.wav", b"payload", std::slice::from_ref(&vector))
        .expect("stored");
    drop((index, database));
    {
        let store = support::raw_store(dir.path());
        let entries = store.open_tree("space.0.entries").expect("opened");
        let record = entries.get("kick.wav").expect("read").expect("there");
        let mut record = record.to_vec();
        let last = record.len() - 1;
        record[last] ^= 1;
        entries.insert("kick.wav", record).expect("written");
    }
    let database = Database::open(dir.path()).expect("opened");
    assert_eq!(
        text(database.open_space(&support::config(2)), dir.path()),
        "the index in DIR is damaged: the record of \"kick.wav\" in space.0.entries is not what was \
         written; `soundseek repair` keeps all that is whole"
    );
}

#[test]
fn sizes_of_any_kind_are_clamped() {
    let (_dir, _database, mut index) = support::fresh(&support::config(4));
    let vector = support::random_vector(&mut support::rng(1), 4);
    let query = |k, ef| Query {
        ef,
        ..Query::new(&vector, k)
    };
    assert_eq!(
        index.search(&query(10, 10)).expect("an empty index").len(),
        0
    );
    support::build(&mut index);
    index
        .upsert(b"a", b"", std::slice::from_ref(&vector))
        .expect("stored");
    for graph in [false, true] {
        if graph {
            support::build(&mut index);
        }
        for (k, ef, found) in [(0, 10, 0), (1, 0, 1), (usize::MAX, usize::MAX, 1)] {
            let got = index.search(&query(k, ef)).expect("searched");
            assert_eq!(got.len(), found);
        }
    }
}
