//! A disk that refuses to write: an error that says so, nothing lost that was acknowledged before, and
//! a store that opens when there is room again. The test runs itself as a child, below a limit on the
//! length of files (every write beyond fails with EFBIG), and on a small disk in memory that fills up
//! (ENOSPC), where this user may mount one.

use std::path::Path;
use std::process::{Command, Output};

use soundseek_index::{Database, Error, Vector};

use crate::support;

const DIMENSION: usize = 64;
const DIR: &str = "SOUNDSEEK_INDEX_FULL_DIR";
const CHECK: &str = "SOUNDSEEK_INDEX_FULL_CHECK";

fn vectors(entry: u64) -> Vec<Vector> {
    let mut rng = support::rng(entry);
    (0..10)
        .map(|_| support::random_vector(&mut rng, DIMENSION))
        .collect()
}

/// Not a test of its own: the child that writes until the disk refuses.
#[test]
fn child_that_writes_until_the_disk_refuses() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let mut acknowledged = 0;
    let filled = || -> Result<(), Error> {
        let database = Database::open(Path::new(&dir))?;
        let mut index = database.create_or_open(&support::config(DIMENSION))?;
        for entry in index.entries() as u64.. {
            index.upsert(&entry.to_be_bytes(), &entry.to_le_bytes(), &vectors(entry))?;
            if entry % 20 == 19 {
                database.flush()?;
                acknowledged = entry + 1;
            }
        }
        Ok(())
    };
    let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(filled));
    let told = match error {
        Ok(Ok(())) => "it never refused".to_owned(),
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", cause.unwrap_or_default())
        }
        Err(_) => "a panic".to_owned(),
    };
    say(&format!("acknowledged {acknowledged}\nrefused {told}"));
}

/// Not a test of its own: the child that looks at what is there, where only it can.
#[test]
fn child_that_checks_what_is_there() {
    let Some(dir) = std::env::var_os(CHECK) else {
        return;
    };
    say(&format!("whole {}", whole(Path::new(&dir))));
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn say(text: &str) {
    println!("\n{text}");
}

/// Opens and checks a store; how many entries it has.
fn whole(dir: &Path) -> u64 {
    let database = Database::open_existing(dir).expect("opens");
    let mut index = database
        .create_or_open(&support::config(DIMENSION))
        .expect("opens");
    index.assert_valid().expect("valid");
    let entries = index.entries() as u64;
    for entry in 0..entries {
        let found = index.get(&entry.to_be_bytes()).expect("read");
        assert_eq!(found.expect("a prefix").vectors, vectors(entry));
    }
    index.upsert(b"another", b"", &[]).expect("it goes on");
    index.remove(b"another").expect("it goes on");
    entries
}

/// The rest of the line that begins so.
fn said<'a>(output: &'a str, word: &str) -> Option<&'a str> {
    output.lines().find_map(|line| line.strip_prefix(word))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A command line that runs a child of this test.
fn child(name: &str) -> String {
    let this = std::env::current_exe().expect("the test binary");
    format!("'{}' --exact full_disk::{name} --nocapture", this.display())
}

fn check_refusal(output: &str, reason: &str, dir: &Path) -> u64 {
    let refused = said(output, "refused ").unwrap_or_else(|| panic!("it ends: {output}"));
    let place = dir.display().to_string();
    assert!(
        refused.contains(&place) && refused.contains(reason),
        "{refused}"
    );
    let acknowledged = said(output, "acknowledged ").expect("told");
    acknowledged.parse().expect("a number")
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_costs_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Blocks of 512 bytes: the log grows by 1,024 of them at a time.
    for blocks in [1_500, 2_048, 3_333, 5_000, 9_999] {
        // Ignored, the signal becomes an error of the call.
        let line = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {}",
            child("child_that_writes_until_the_disk_refuses")
        );
        let output = Command::new("sh")
            .args(["-c", &line])
            .env(DIR, dir.path())
            .output()
            .expect("it runs");
        let acknowledged = check_refusal(&text(&output), "File too large", dir.path());
        let there = whole(dir.path());
        assert!(
            there >= acknowledged,
            "{acknowledged} acknowledged, {there} there"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_full_disk_costs_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).expect("made");
    // The disk is there for this shell and its children alone, and goes with them.
    let line = format!(
        "mount -t tmpfs -o size=2m tmpfs '{0}' || exit 77\n{1}\n\
         mount -o remount,size=64m '{0}' || exit 77\n{CHECK}='{0}' {2}",
        disk.display(),
        child("child_that_writes_until_the_disk_refuses"),
        child("child_that_checks_what_is_there"),
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &line])
        .env(DIR, &disk)
        .output();
    let output = match output {
        Ok(output) if output.status.code() != Some(77) && !text(&output).is_empty() => {
            text(&output)
        }
        _ => {
            eprintln!("skipped: this user may not mount a disk");
            return;
        }
    };
    let acknowledged = check_refusal(&output, "No space left on device", &disk);
    let there = said(&output, "whole ").unwrap_or_else(|| panic!("it opens: {output}"));
    let there: u64 = there.parse().expect("a number");
    assert!(
        there >= acknowledged,
        "{acknowledged} acknowledged, {there} there"
    );
}
