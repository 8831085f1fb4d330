//! Several processes and one store: who has it serves the others, and none of them can hurt it. The
//! test runs itself as a child for that.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use soundseek_index::{Database, Error, Index, Query, Vector, introduce};

use crate::support;

const DIMENSION: usize = 16;
const DIR: &str = "SOUNDSEEK_INDEX_SHARED_DIR";

fn vectors(entry: u64) -> Vec<Vector> {
    let mut rng = support::rng(entry);
    (0..1 + entry % 3)
        .map(|_| support::random_vector(&mut rng, DIMENSION))
        .collect()
}

fn put(index: &mut Index, entry: u64) -> Result<(), Error> {
    index.upsert(&entry.to_be_bytes(), &entry.to_le_bytes(), &vectors(entry))
}

/// Not a test of its own: the child, which has the store open and does as it is told.
#[test]
fn child_that_holds_the_store() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    introduce("soundseek index");
    let database = Database::open(Path::new(&dir)).expect("opened");
    let mut index = database
        .create_or_open(&support::config(DIMENSION))
        .expect("opened");
    let say = |text: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "child: {text}")
            .and_then(|()| out.flush())
            .expect("the parent reads");
    };
    say("open");
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let (word, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: u64 = number.parse().expect("a number");
        match word {
            // Entries up to this one.
            "write" => {
                for entry in index.entries() as u64..number {
                    put(&mut index, entry).expect("stored");
                }
                database.flush().expect("flushed");
            }
            // The same entries again and again, until it is killed.
            "churn" => {
                say("done");
                for entry in (0..number).cycle() {
                    put(&mut index, entry).expect("stored");
                }
            }
            "mark" => {
                let marks = database.table("marks").expect("there");
                let mark = marks.get(b"a").expect("read").expect("marked by the other");
                assert_eq!(mark, number.to_le_bytes());
            }
            _ => return,
        }
        say("done");
    }
}

/// A child that has the store of a folder open.
struct Holder {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Box<dyn Iterator<Item = String>>,
}

impl Holder {
    fn start(dir: &Path) -> Holder {
        let this = std::env::current_exe().expect("the test binary");
        let mut child = Command::new(this)
            .args([
                "--exact",
                "shared::child_that_holds_the_store",
                "--nocapture",
            ])
            .env(DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = |line: String| Some(line.split("child: ").nth(1)?.to_owned());
        let mut holder = Holder {
            orders: child.stdin.take(),
            answers: Box::new(lines.map_while(Result::ok).filter_map(said)),
            child,
        };
        assert_eq!(holder.answers.next().as_deref(), Some("open"));
        holder
    }

    fn order(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("it listens");
        writeln!(orders, "{order}").expect("the child reads");
        assert_eq!(self.answers.next().as_deref(), Some("done"), "{order}");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(dir: &Path) -> (Database, Index) {
    let database = Database::open_existing(dir).expect("opened");
    let index = database
        .open_space(&support::config(DIMENSION))
        .expect("opened");
    (database, index)
}

fn check(index: &Index, entries: u64) {
    assert_eq!(index.entries() as u64, entries);
    for entry in 0..entries {
        let found = index.get(&entry.to_be_bytes()).expect("read");
        let found = found.expect("there");
        assert_eq!(found.payload, entry.to_le_bytes());
        assert_eq!(found.vectors, vectors(entry));
    }
}

#[test]
fn another_process_reads_what_the_holder_has_and_searches_alike() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut holder = Holder::start(dir.path());
    // More than one answer holds, so that scans come in parts.
    holder.order("write 4000");
    let (database, mut index) = open(dir.path());
    let told = database.holder().expect("another process has it");
    assert_eq!(told.pid, holder.child.id());
    assert_eq!(
        told.to_string(),
        format!("`soundseek index` (process {})", holder.child.id())
    );
    check(&index, 4000);
    index.assert_valid().expect("valid");
    assert_eq!(database.spaces().expect("listed")[0].entries, 4000);
    assert!(database.size_on_disk().expect("known") > 0);
    database.flush().expect("flushed");

    let before = database.changes_by_others().expect("known");
    assert_eq!(database.changes_by_others().expect("known"), before);
    holder.order("write 4100");
    assert_ne!(database.changes_by_others().expect("known"), before);
    index.refresh().expect("read again");
    check(&index, 4100);

    let mut rng = support::rng(99);
    let queries: Vec<Vector> = (0..20)
        .map(|_| support::random_vector(&mut rng, DIMENSION))
        .collect();
    let search = |index: &Index| -> Vec<_> {
        let queries = queries.iter();
        let found = queries.map(|query| index.search(&Query::new(query, 20)).expect("searched"));
        found.collect()
    };
    let found = search(&index);
    drop((index, database));
    holder.order("write 4100");
    drop(holder.orders.take());
    assert!(holder.child.wait().expect("ended").success());
    let (_database, index) = open(dir.path());
    assert!(!index.follows());
    assert_eq!(search(&index), found);
}

#[test]
fn another_process_sets_records_of_tables_and_no_vectors() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut holder = Holder::start(dir.path());
    holder.order("write 10");
    let (database, mut index) = open(dir.path());
    let marks = database.table("marks").expect("made");
    assert!(!marks.insert(b"a", &1u64.to_le_bytes()).expect("stored"));
    assert!(marks.insert(b"a", &2u64.to_le_bytes()).expect("stored"));
    let swap = |old: u64, new: u64| {
        marks
            .swap(b"a", Some(&old.to_le_bytes()), Some(&new.to_le_bytes()))
            .expect("asked")
    };
    assert!(!swap(7, 8), "it is not 7");
    assert!(swap(2, 3));
    marks
        .insert_many([(b"b", b"x"), (b"c", b"y")])
        .expect("stored");
    assert!(marks.remove(b"c").expect("removed"));
    assert_eq!(marks.len().expect("counted"), 2);
    holder.order("mark 3");

    let refused = |result: Result<(), Error>| {
        let text = result.expect_err("refused").to_string();
        let told = format!(
            "is open in `soundseek index` (process {}), which alone can change what it holds; \
             let that one finish, or end it, and try again",
            holder.child.id()
        );
        assert!(text.ends_with(&told), "{text}");
    };
    refused(put(&mut index, 11));
    refused(index.remove(&0u64.to_be_bytes()).map(drop));
    refused(index.set_payload(&0u64.to_be_bytes(), b"").map(drop));
    refused(marks.clear());
    refused(database.claim());
    refused(
        database
            .create_or_open(&support::named("other", 4))
            .map(drop),
    );
    drop(index);
    refused(database.remove_space("demo").map(drop));
    check(&open(dir.path()).1, 10);
}

#[test]
fn when_the_holder_is_killed_the_reader_goes_on_and_takes_its_place() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for churn in [false, true] {
        let mut holder = Holder::start(dir.path());
        holder.order("write 3000");
        let (database, mut index) = open(dir.path());
        let table = database.table("files").expect("made");
        for file in 0u32..500 {
            table
                .insert(&file.to_be_bytes(), &[7; 2000])
                .expect("stored");
        }
        // The holder has it on the disk, as it would within half a second by itself.
        holder.order("write 3000");
        // A scan is under way, in parts, when the holder goes.
        let mut scan = table.iter();
        let first = scan.by_ref().take(3).count();
        if churn {
            holder.order("churn 3000");
        }
        holder.kill();
        let rest: Result<Vec<_>, _> = scan.collect();
        assert_eq!(first + rest.expect("read here").len(), 500);
        assert!(database.holder().is_none(), "it is this process now");
        index.refresh().expect("read again");
        assert!(!index.follows());
        index.assert_valid().expect("valid");
        check(&index, 3000);
        put(&mut index, 3000).expect("it can be written to");
        index.remove(&3000u64.to_be_bytes()).expect("removed");
    }
}

#[test]
fn while_the_holder_rewrites_everything_what_a_reader_sees_is_whole() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut holder = Holder::start(dir.path());
    holder.order("write 300");
    holder.order("churn 300");
    let (_database, mut index) = open(dir.path());
    let mut rng = support::rng(3);
    for _ in 0..20 {
        let query = support::random_vector(&mut rng, DIMENSION);
        for found in index.search(&Query::new(&query, 10)).expect("searched") {
            let entry = u64::from_be_bytes(found.key.try_into().expect("eight bytes"));
            let vector = &vectors(entry)[found.ordinal as usize];
            assert_eq!(vector.distance(&query), found.distance);
        }
        index.refresh().expect("read again");
        // The entry that is being replaced may be left out, and its neighbours in that moment.
        assert!(index.entries() > 250, "{}", index.entries());
    }
}

#[test]
fn a_holder_that_does_not_answer_is_given_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut holder = Holder::start(dir.path());
    holder.order("write 10");
    let (database, _index) = open(dir.path());
    holder.signal("-STOP");
    let told = format!(
        "is open in `soundseek index` (process {}), which does not answer; end that one and try again",
        holder.child.id()
    );
    let opened = Database::open_existing(dir.path()).map(drop);
    for silent in [opened, database.spaces().map(drop)] {
        let text = silent.expect_err("no answer").to_string();
        assert!(text.ends_with(&told), "{text}");
    }
    holder.signal("-CONT");
    assert_eq!(database.spaces().expect("it answers again")[0].entries, 10);
}

fn socket(dir: &Path) -> PathBuf {
    let note = std::fs::read_to_string(dir.join("holder")).expect("a note");
    PathBuf::from(note.lines().nth(2).expect("three lines"))
}

#[test]
fn nonsense_and_silence_on_the_socket_hurt_nobody() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut holder = Holder::start(dir.path());
    let call = || UnixStream::connect(socket(dir.path())).expect("it listens");
    let mut rng = support::rng(17);
    // Some that never say a word.
    let _silent: Vec<UnixStream> = (0..4).map(|_| call()).collect();
    for round in 0..20usize {
        let mut stream = call();
        if round % 2 == 0 {
            stream.write_all(b"soundseek store1").expect("sent");
            let mut hello = [0; 16];
            stream.read_exact(&mut hello).expect("greeted");
        }
        let nonsense: Vec<u8> = (0..round * 50)
            .map(|_| rand::Rng::random(&mut rng))
            .collect();
        // It may hang up before all of it is sent.
        let _ = stream.write_all(&nonsense);
    }
    // One that asks for a lot, and takes nothing of it.
    holder.order("write 2000");
    let mut greedy = call();
    greedy.write_all(b"soundseek store1").expect("sent");
    let mut scan = vec![1];
    for part in [&b"space.0.vectors"[..], b""] {
        scan.extend((part.len() as u32).to_le_bytes());
        scan.extend(part);
    }
    scan.extend([0, 0]);
    let mut message = (scan.len() as u32).to_le_bytes().to_vec();
    message.extend(&scan);
    for _ in 0..50 {
        greedy.write_all(&message).expect("sent");
    }
    holder.order("write 2100");
    check(&open(dir.path()).1, 2100);
}

#[test]
fn what_a_killed_process_left_behind_is_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut holder = Holder::start(dir.path());
    holder.order("write 10");
    let left = socket(dir.path());
    holder.kill();
    assert!(left.exists());
    let (database, index) = open(dir.path());
    assert!(database.holder().is_none());
    check(&index, 10);
    drop((database, index));
    assert!(!left.exists(), "what it took over, it took away");
    assert_eq!(std::fs::read(dir.path().join("holder")).expect("read"), b"");
}
