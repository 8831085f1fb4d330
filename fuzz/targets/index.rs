//! The records of the vector index: a small, sound one in which some have been replaced. Opening it
//! works or is refused, and whatever opens can be searched and written to.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use soundseek_index::{Config, Database, Query, Space, Vector};

static SOUND: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = soundseek_fuzz::folder();
    let database = Database::open(folder.path()).expect("opens");
    let mut index = database.create_or_open(&config()).expect("opens");
    for key in [b"one", b"two"] {
        index.upsert(key, b"payload", &[direction(0), direction(1)]).expect("written");
    }
    database.flush().expect("flushed");
    drop((index, database));
    folder
});

fn config() -> Config {
    let space = Space {
        name: "model".into(),
        fingerprint: "weights".into(),
    };
    Config::new(space, 4)
}

fn direction(axis: usize) -> Vector {
    let mut numbers = vec![0.0; 4];
    numbers[axis] = 1.0;
    Vector::normalized(numbers).expect("a direction")
}

fuzz_target!(
    init: soundseek_fuzz::let_panics_unwind(),
    |input: &[u8]| {
        let folder = soundseek_fuzz::folder();
        copy(SOUND.path(), folder.path());
        damage(folder.path(), input);
        let Ok(database) = Database::open_existing(folder.path()) else {
            return;
        };
        let _ = database.spaces();
        let Ok(mut index) = database.open_space(&config()) else {
            return;
        };
        let _ = index.assert_valid();
        let query = direction(0);
        let _ = index.search(&Query::new(&query, 3));
        for key in [&b"one"[..], b"two"] {
            let _ = index.get(key);
            let _ = index.upsert(key, b"new", &[direction(2)]);
        }
        let _ = index.search(&Query::new(&query, 3));
    }
);

/// Replaces records: each as the number of a tree, of a record in it, and a length, then that many
/// bytes; past the last record one is added.
fn damage(folder: &Path, mut input: &[u8]) {
    let store = sled::open(folder).expect("the copy is sound");
    let mut names = store.tree_names();
    names.sort();
    while let [tree, record, length, rest @ ..] = input {
        let (value, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        input = rest;
        let name = &names[usize::from(*tree) % names.len()];
        let tree = store.open_tree(name).expect("opens");
        let key = tree.iter().keys().nth(usize::from(*record));
        let key = key.map_or_else(|| value.to_vec().into(), |key| key.expect("read"));
        tree.insert(key, value).expect("written");
    }
    store.flush().expect("flushed");
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("read");
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&place).expect("made");
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).expect("copied");
        }
    }
}
