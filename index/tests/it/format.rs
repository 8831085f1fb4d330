//! A store that an earlier version wrote opens for ever. `tests/data/v1` holds one of format 1, and so
//! on; what is in all of them is written down here, and `SOUNDSEEK_WRITE_FORMAT_FIXTURE=DIR cargo test format`
//! writes one of the current format (a new folder beside the old ones, when the format changes).

use std::path::Path;

use soundseek_index::{Config, Database, Query, Vector};

use crate::support;

fn config() -> Config {
    Config {
        exact_below: 1,
        ..support::named("weights-1", 3)
    }
}

fn contents() -> Vec<(&'static [u8], &'static [u8], Vec<Vector>)> {
    let vector = |x, y, z| Vector::normalized(vec![x, y, z]).expect("not zero");
    vec![
        (
            b"birds/wren.wav",
            b"\x00payload",
            vec![vector(1.0, 0.0, 0.0), vector(3.0, 4.0, 0.0)],
        ),
        (b"empty", b"", vec![]),
        (b"kick.wav", b"", vec![vector(0.0, 0.0, -1.0)]),
    ]
}

fn write(dir: &Path) {
    let database = Database::open(dir).expect("made");
    let mut index = database.create_or_open(&config()).expect("made");
    index
        .upsert(b"kick.wav", b"replaced below", &contents()[0].2)
        .expect("stored");
    index
        .upsert(b"removed", b"", &contents()[0].2)
        .expect("stored");
    for (key, payload, vectors) in contents() {
        index.upsert(key, payload, &vectors).expect("stored");
    }
    index.remove(b"removed").expect("removed");
    support::build(&mut index);
    database
        .table("roots")
        .expect("made")
        .insert(b"/sounds", b"1")
        .expect("stored");
}

fn check(dir: &Path) {
    let database = Database::open_existing(dir).expect("opened");
    let mut index = database.open_space(&config()).expect("opened");
    assert!(index.keys().eq(contents().iter().map(|(key, ..)| *key)));
    for (key, payload, vectors) in contents() {
        let entry = index.get(key).expect("read").expect("there");
        assert_eq!(
            (entry.payload.as_slice(), entry.vectors),
            (payload, vectors)
        );
    }
    let roots: Vec<_> = database
        .table("roots")
        .expect("there")
        .iter()
        .flatten()
        .collect();
    assert_eq!(roots, [(b"/sounds".to_vec(), b"1".to_vec())]);
    for graph in [false, true] {
        if graph {
            support::build(&mut index);
        }
        let down = &contents()[2].2[0];
        let found = index.search(&Query::new(down, 1)).expect("searched");
        assert_eq!(
            (found[0].key.as_slice(), found[0].distance),
            (&b"kick.wav"[..], 0.0)
        );
        index.assert_valid().expect("valid");
    }
}

fn fixture(format: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    support::copy(&data.join(format!("v{format}")), dir.path());
    dir
}

#[test]
fn a_store_of_every_format_opens() {
    if let Some(dir) = std::env::var_os("SOUNDSEEK_WRITE_FORMAT_FIXTURE") {
        write(Path::new(&dir));
    }
    for format in [1, 2] {
        let dir = fixture(format);
        check(dir.path());
        // And again, as what it is now.
        check(dir.path());
    }
}

#[test]
fn a_migration_that_was_cut_off_is_done_again() {
    // Before the new store was whole: what there is of it is nothing.
    let dir = fixture(1);
    std::fs::create_dir(dir.path().join("new.1")).expect("made");
    std::fs::write(dir.path().join("new.1/db"), b"half a log").expect("written");
    check(dir.path());
    assert!(!dir.path().join("new.1").exists());

    // After it was put in place: the old store is left over.
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1");
    support::copy(&old, dir.path());
    check(dir.path());
    assert!(!dir.path().join("db").exists());
}
