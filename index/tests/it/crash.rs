//! A process that is killed while it writes. The test runs itself as a child for that.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use soundseek_index::{Database, Vector};

use crate::support;

const DIMENSION: usize = 16;
const DIR: &str = "SOUNDSEEK_INDEX_CRASH_DIR";

fn vectors(entry: u64) -> Vec<Vector> {
    let mut rng = support::rng(entry);
    (0..1 + entry % 7)
        .map(|_| support::random_vector(&mut rng, DIMENSION))
        .collect()
}

/// Not a test of its own: the child. Writes without end, and says what is flushed.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let database = Database::open(Path::new(&dir)).expect("opened");
    let mut index = database
        .create_or_open(&support::config(DIMENSION))
        .expect("opened");
    let first = index.entries() as u64 - u64::from(index.contains(b"hot"));
    for entry in first.. {
        index
            .upsert(&entry.to_be_bytes(), &entry.to_le_bytes(), &vectors(entry))
            .expect("stored");
        // Rewritten over and over, so that a kill often falls into a replacement.
        index
            .upsert(b"hot", &entry.to_le_bytes(), &vectors(entry))
            .expect("stored");
        if entry % 50 == 49 {
            database.flush().expect("flushed");
            let mut out = std::io::stdout().lock();
            writeln!(out, "flushed {entry}")
                .and_then(|()| out.flush())
                .expect("the parent reads");
        }
    }
}

#[test]
fn what_was_flushed_is_there_after_a_kill_and_the_rest_is_whole_or_absent() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut flushed = None;
    for round in 0..6 {
        let this = std::env::current_exe().expect("the test binary");
        let mut child = Command::new(this)
            .args([
                "--exact",
                "crash::child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // A different number of flushes each time; what follows the last one is cut at random.
        for _ in 0..=round {
            let line = lines.by_ref().map(|line| line.expect("text"));
            let mut reports = line.filter_map(|line| line.split("flushed ").nth(1)?.parse().ok());
            let report: u64 = reports.next().expect("the child writes until it is killed");
            flushed = flushed.max(Some(report));
        }
        child.kill().expect("killed");
        child.wait().expect("gone");

        let database = Database::open_existing(dir.path()).expect("opens after a kill");
        let index = database
            .open_space(&support::config(DIMENSION))
            .expect("opens after a kill");
        index.assert_valid().expect("valid after a kill");
        let entries = index.entries() as u64 - u64::from(index.contains(b"hot"));
        assert!(entries > flushed.expect("a report"));
        for entry in 0..entries {
            let found = index
                .get(&entry.to_be_bytes())
                .expect("read")
                .expect("a prefix is kept");
            assert_eq!(found.payload, entry.to_le_bytes());
            assert_eq!(found.vectors, vectors(entry));
        }
        let hot = index
            .get(b"hot")
            .expect("read")
            .expect("written before the first flush");
        let version = u64::from_le_bytes(hot.payload.try_into().expect("eight bytes"));
        assert_eq!(hot.vectors, vectors(version));
    }
}
