//! A disk that refuses the n-th write, for every n: the error comes back and names the folder, nothing
//! panics or hangs, and the store opens afterwards with all that was acknowledged. The test runs
//! itself as a child for that, below a library that lets calls of the system fail.

use std::path::Path;
use std::process::Command;

use soundseek_index::{Database, Error};

use crate::faulty_disk::{self, Fault, KINDS, Run};
use crate::support::{self, Entries};

const DIMENSION: usize = 64;
const DIR: &str = "SOUNDSEEK_INDEX_FAULT_DIR";
const TASK: &str = "SOUNDSEEK_INDEX_FAULT_TASK";

const ENTRIES: u32 = 60;
/// As much as fills a few of sled's segments of 512 KiB.
const PAYLOAD_BYTES: usize = 20_000;
const FLUSHED_EVERY: u32 = 12;

fn entry(number: u32, version: u8) -> (Vec<u8>, Vec<soundseek_index::Vector>) {
    let mut rng = support::rng(number.into());
    let vectors = (0..1 + number % 4).map(|_| support::random_vector(&mut rng, DIMENSION));
    (vec![version; PAYLOAD_BYTES], vectors.collect())
}

fn write(dir: &Path, version: u8, told: &dyn Fn(u32)) -> Result<(), Error> {
    let database = Database::open(dir)?;
    let mut index = database.create_or_open(&support::config(DIMENSION))?;
    for number in 0..ENTRIES {
        let (payload, vectors) = entry(number, version);
        index.upsert(&number.to_be_bytes(), &payload, &vectors)?;
        if (number + 1) % FLUSHED_EVERY == 0 {
            database.flush()?;
            told(number + 1);
        }
    }
    Ok(())
}

/// Not a test of its own: the child.
#[test]
fn child_that_works_on_a_failing_disk() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    let done = match std::env::var(TASK).as_deref() {
        Ok("write") => write(dir, 2, &|number| say(&format!("acknowledged {number}"))),
        Ok("compact") => Database::compact(dir, &support::never, &|_| ()),
        _ => Database::repair(dir).map(drop),
    };
    match done {
        Ok(()) => say("done"),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            say(&format!("refused {error}: {}", cause.unwrap_or_default()));
        }
    }
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn say(text: &str) {
    println!("\n{text}");
}

/// All that a store has, which has to be valid.
fn contents(dir: &Path) -> Entries {
    let database = Database::open_existing(dir).expect("opens");
    let index = database
        .create_or_open(&support::config(DIMENSION))
        .expect("opens");
    index.assert_valid().expect("valid");
    let entries = index.keys().map(|key| {
        let entry = index.get(key).expect("read").expect("there");
        (key.to_vec(), (entry.payload, entry.vectors))
    });
    entries.collect()
}

fn work(task: &str, dir: &Path, fault: Option<Fault>) -> Run {
    let this = std::env::current_exe().expect("the test binary");
    let mut child = Command::new(this);
    child
        .args([
            "--exact",
            "failing_disk::child_that_works_on_a_failing_disk",
            "--nocapture",
        ])
        .env(DIR, dir)
        .env(TASK, task);
    faulty_disk::run(&mut child, dir, fault)
}

/// Does a task on a copy of a folder over and over, each time with another call that fails. `check`
/// looks at what is there then, and gets what the child said.
fn try_every_call(task: &str, start: &Path, check: &dyn Fn(&Path, &str)) {
    let copy = || {
        let dir = tempfile::tempdir().expect("a temporary folder");
        support::copy(start, dir.path());
        dir
    };
    let calls = work(task, copy().path(), None).calls;
    assert!(calls > 20, "{calls}");
    let mut refused = 0;
    for (errno, lasts) in KINDS {
        // Threads write in turns that differ from run to run, so that a few may come later.
        for at in (1..=calls).step_by(faulty_disk::every(5)) {
            let fault = Fault { at, errno, lasts };
            let dir = copy();
            let run = work(task, dir.path(), Some(fault));
            let said = String::from_utf8_lossy(&run.output.stdout);
            let failed = run.failed.unwrap_or_default();
            let what = format!("{fault:?} {failed}: {said}");
            assert!(run.output.status.success(), "{what}");
            // sled asks the disk once more when it lets go of its log, in a thread that it may end.
            let panicked = String::from_utf8_lossy(&run.output.stderr);
            let mut panics = panicked.lines().filter(|line| line.contains("panicked"));
            assert!(
                panics.all(|line| line.contains("'store closing'")),
                "{what} {panicked}"
            );
            if let Some(told) = said.lines().find_map(|line| line.strip_prefix("refused ")) {
                refused += 1;
                let place = dir.path().display().to_string();
                let reason = [&format!("os error {errno}"), "the disk refuses"];
                assert!(told.contains(&place), "{what}");
                assert!(reason.iter().any(|reason| told.contains(*reason)), "{what}");
            } else {
                assert!(said.contains("\ndone"), "{what}");
            }
            check(dir.path(), &said);
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_write_that_fails_costs_nothing_that_was_acknowledged() {
    if !faulty_disk::can_be_made() {
        return;
    }
    let start = tempfile::tempdir().expect("a temporary folder");
    write(start.path(), 1, &|_| ()).expect("written");
    try_every_call("write", start.path(), &|dir, said| {
        let acknowledged = said.lines().rev();
        let mut acknowledged = acknowledged.filter_map(|line| line.strip_prefix("acknowledged "));
        let acknowledged: u32 = acknowledged
            .next()
            .map_or(0, |n| n.parse().expect("a number"));
        let found = contents(dir);
        assert_eq!(found.len(), ENTRIES as usize, "{said}");
        for number in 0..ENTRIES {
            let found = &found[&number.to_be_bytes()[..]];
            let newer = *found == entry(number, 2);
            assert!(
                newer || number >= acknowledged && *found == entry(number, 1),
                "{number} {said}"
            );
        }
    });
}

#[test]
fn a_first_store_that_cannot_be_made_is_made_by_the_next_try() {
    if !faulty_disk::can_be_made() {
        return;
    }
    let start = tempfile::tempdir().expect("a temporary folder");
    try_every_call("write", start.path(), &|dir, said| {
        let acknowledged = said.matches("acknowledged ").count() as u32 * FLUSHED_EVERY;
        if acknowledged > 0 {
            assert!(contents(dir).len() >= acknowledged as usize, "{said}");
        }
        write(dir, 1, &|_| ()).expect("written");
        assert_eq!(contents(dir).len(), ENTRIES as usize);
    });
}

#[test]
fn a_store_that_cannot_be_written_anew_is_the_one_before() {
    if !faulty_disk::can_be_made() {
        return;
    }
    let start = tempfile::tempdir().expect("a temporary folder");
    for version in [1, 2] {
        write(start.path(), version, &|_| ()).expect("written");
    }
    let before = contents(start.path());
    for task in ["compact", "repair"] {
        try_every_call(task, start.path(), &|dir, said| {
            let found = contents(dir);
            assert!(found == before, "{} of {ENTRIES}: {said}", found.len());
        });
    }
}
