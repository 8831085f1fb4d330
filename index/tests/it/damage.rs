//! Bytes that are flipped, lost or gone in any file of a store: it opens with nothing wrong in it, or
//! is refused, and a repair keeps all that is whole.
//!
//! `SOUNDSEEK_DAMAGE_CASES` sets how many damages are tried.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use soundseek_index::{Database, Error, Vector};
use tempfile::TempDir;

use crate::support;

const DIMENSION: usize = 48;
const ENTRIES: u32 = 120;

type Contents = BTreeMap<Vec<u8>, (Vec<u8>, Vec<Vector>)>;

fn contents() -> Contents {
    let mut rng = support::rng(5);
    let entry = |entry: u32| {
        let vectors = (0..entry % 5).map(|_| support::random_vector(&mut rng, DIMENSION));
        let key = entry.to_be_bytes().to_vec();
        (key, (vec![entry as u8; 200], vectors.collect()))
    };
    (0..ENTRIES).map(entry).collect()
}

/// A store that was written, opened again, changed and closed; made once.
fn whole() -> &'static Path {
    static WHOLE: OnceLock<TempDir> = OnceLock::new();
    WHOLE
        .get_or_init(|| {
            let dir = tempfile::tempdir().expect("a temporary folder");
            for pass in 0..2 {
                let database = Database::open(dir.path()).expect("opened");
                let mut index = database
                    .create_or_open(&support::config(DIMENSION))
                    .expect("opened");
                for (key, (payload, vectors)) in contents() {
                    let payload = if pass == 0 { b"older" } else { &payload[..] };
                    index.upsert(&key, payload, &vectors).expect("stored");
                }
                index.upsert(b"gone", b"", &[]).expect("stored");
                index.remove(b"gone").expect("removed");
                let table = database.table("files").expect("made");
                table.insert(b"/sounds/a.wav", b"a").expect("stored");
            }
            dir
        })
        .path()
}

/// The same store as a kill leaves it, right after everything was acknowledged.
fn unsealed() -> &'static Path {
    static UNSEALED: OnceLock<TempDir> = OnceLock::new();
    UNSEALED
        .get_or_init(|| {
            let dir = tempfile::tempdir().expect("a temporary folder");
            support::copy(whole(), dir.path());
            let killed = tempfile::tempdir().expect("a temporary folder");
            let database = Database::open(dir.path()).expect("opened");
            let mut index = database
                .create_or_open(&support::config(DIMENSION))
                .expect("opened");
            for (key, (payload, vectors)) in contents().into_iter().step_by(3) {
                index.upsert(&key, &payload, &vectors).expect("stored");
            }
            database.flush().expect("flushed");
            support::copy(dir.path(), killed.path());
            killed
        })
        .path()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir).expect("listed").flatten() {
        if item.path().is_dir() {
            found.extend(files(&item.path()));
        } else {
            found.push(item.path());
        }
    }
    found.sort();
    found
}

#[derive(Debug, Clone)]
enum Damage {
    Flip { bit: u8 },
    Zero,
    Random(u64),
    Cut,
    Truncate,
    Append,
    Delete,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (0u8..8).prop_map(|bit| Damage::Flip { bit }),
        2 => Just(Damage::Zero),
        2 => any::<u64>().prop_map(Damage::Random),
        2 => Just(Damage::Cut),
        2 => Just(Damage::Truncate),
        1 => Just(Damage::Append),
        1 => Just(Damage::Delete),
    ]
}

fn apply(damage: &Damage, file: &Path, at: usize, length: usize) {
    let mut bytes = std::fs::read(file).expect("read");
    let range = at.min(bytes.len())..(at + length).min(bytes.len());
    match damage {
        Damage::Flip { bit } => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        Damage::Zero => bytes[range].fill(0),
        Damage::Random(seed) => {
            let mut rng = support::rng(*seed);
            bytes[range].fill_with(|| rand::Rng::random(&mut rng));
        }
        Damage::Cut => drop(bytes.drain(range)),
        Damage::Truncate => bytes.truncate(at),
        Damage::Append => bytes.extend(b"something else"),
        Damage::Delete => return std::fs::remove_file(file).expect("removed"),
    }
    std::fs::write(file, bytes).expect("written");
}

/// Everything that is there is as it was written, or as it was `before`; gives the keys of what is there.
fn read(database: &Database, before: Option<&[u8]>) -> Result<Vec<Vec<u8>>, Error> {
    let index = database.open_space(&support::config(DIMENSION))?;
    index.assert_valid()?;
    let want = contents();
    for key in index.keys() {
        let entry = index.get(key)?.expect("a key has an entry");
        let Some((payload, vectors)) = want.get(key) else {
            // It was removed, and what said so is lost.
            assert_eq!((key, before.is_some()), (&b"gone"[..], true));
            continue;
        };
        assert!(entry.payload == *payload || Some(&entry.payload[..]) == before);
        assert_eq!(entry.vectors, *vectors);
    }
    Ok(index.keys().map(<[u8]>::to_vec).collect())
}

fn cases() -> u32 {
    let cases = std::env::var("SOUNDSEEK_DAMAGE_CASES");
    cases
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_damaged_store_opens_with_nothing_wrong_in_it_or_is_refused_and_repaired(
        which in any::<prop::sample::Index>(),
        cut_off in any::<bool>(),
        // Half of the files' bytes are the zeros after the log's end, which nobody reads.
        place in 0.0f64..1.0,
        length in prop_oneof![1usize..16, 1usize..5000, 1usize..200_000],
        damage in damage(),
    ) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        support::copy(if cut_off { unsealed() } else { whole() }, dir.path());
        let files = files(dir.path());
        // Every other damage is one to the log, which is what there is to lose.
        let log = dir.path().join("store.1/db");
        let file = files.get(which.index(files.len() * 2)).unwrap_or(&log);
        let bytes = std::fs::read(file).expect("read");
        let used = bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == 0).count();
        apply(&damage, file, (place * used as f64) as usize, length);

        let opened = Database::open_existing(dir.path()).and_then(|database| {
            let keys = read(&database, None)?;
            Ok((keys, database.table("files")?.get(b"/sounds/a.wav")?))
        });
        match opened {
            Ok((keys, file)) => {
                prop_assert!(keys.iter().eq(contents().keys()), "entries are gone");
                prop_assert_eq!(file.as_deref(), Some(&b"a"[..]));
            }
            Err(error) => {
                let text = error.to_string();
                prop_assert!(matches!(error, Error::Corrupt { .. }), "{}", text);
                prop_assert!(text.contains(&dir.path().display().to_string()), "{}", text);
                prop_assert!(text.contains("`soundseek repair`"), "{}", text);

                let repaired = Database::repair(dir.path()).expect("repaired");
                let database = Database::open_existing(dir.path()).expect("opened");
                let kept = match read(&database, Some(b"older")) {
                    // Not even the list of spaces was left.
                    Err(Error::Space { .. }) => Vec::new(),
                    kept => kept.expect("valid"),
                };
                prop_assert_eq!(kept.len(), repaired.entries);
                let named = repaired.lost.len() + usize::try_from(repaired.missing).expect("few");
                prop_assert!(named <= ENTRIES as usize + 1, "{repaired:?}");
                if !matches!(damage, Damage::Delete | Damage::Truncate) && length < 16 && !cut_off {
                    // A frame, or what sled keeps around it, is all that so few bytes can spoil. A store
                    // that was cut off has been opened by sled, which drops what follows a torn record.
                    prop_assert!(kept.len() + 2 >= ENTRIES as usize, "{} of {ENTRIES}", kept.len());
                }
                let aside = repaired.kept.expect("the store before is kept");
                prop_assert!(aside.is_dir());
            }
        }
    }
}

/// sled writes when it opens a store, too, so the seal has to be made anew even when nobody writes.
#[test]
fn a_store_that_is_only_opened_stays_whole() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    support::copy(whole(), dir.path());
    for _ in 0..5 {
        let database = Database::open_existing(dir.path()).expect("opened");
        assert_eq!(read(&database, None).expect("read").len(), ENTRIES as usize);
    }
}
