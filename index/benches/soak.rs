//! A large index under load: entries are written while others search and a second process's reader
//! follows; then how long it takes to open, and what it takes on the disk, before and after
//! rewriting it some times and compacting.
//!
//! `SOUNDSEEK_SOAK_N` is the number of entries (default 300,000; each has one vector of 384 numbers),
//! `SOUNDSEEK_SOAK_SECONDS` the time that writing and searching are spread over (default 0: as fast as
//! it goes), `SOUNDSEEK_SOAK_ROUNDS` how often all of it is written again (default 3). Percentiles are of searches that ran while entries were written; memory is told ten times.

#![expect(clippy::print_stdout, reason = "a bench reports on the terminal")]
#![expect(clippy::unwrap_used, reason = "a bench that fails may stop")]

use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use soundseek_index::{Config, Database, Index, Query, Space, Vector};

#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod support;

const DIMENSION: usize = 384;
/// Vectors are made of so many, so that making them costs nothing beside what is measured.
const DISTINCT: usize = 20_000;
/// Told so often while it runs.
const REPORTS: usize = 10;

fn number(name: &str, default: usize) -> usize {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn config() -> Config {
    let space = Space {
        name: "soak".into(),
        fingerprint: "soak".into(),
    };
    Config::new(space, DIMENSION)
}

fn main() {
    let n = number("SOUNDSEEK_SOAK_N", 300_000);
    let spread = Duration::from_secs(number("SOUNDSEEK_SOAK_SECONDS", 0) as u64);
    let made = support::clustered(&mut support::rng(42), DISTINCT, DIMENSION, 2000);
    let dir = tempfile::tempdir().unwrap();
    let raw = (n * DIMENSION * 4) as f64;

    println!(
        "{n} entries of one vector of {DIMENSION} numbers, {:.0} MB raw",
        raw / 1e6
    );
    write_and_search(dir.path(), n, &made, spread);
    let disk = |what: &str| {
        let start = Instant::now();
        let database = Database::open_existing(dir.path()).unwrap();
        let opened = start.elapsed();
        let index = database.open_space(&config()).unwrap();
        let read = start.elapsed();
        let bytes = database.size_on_disk().unwrap() as f64;
        drop(index);
        let start = Instant::now();
        drop(database);
        println!(
            "{what}: {:.0} MB on the disk, {:.2} times raw; opened in {:.2} s, ready in {:.2} s, closed in {:.2} s",
            bytes / 1e6,
            bytes / raw,
            opened.as_secs_f64(),
            read.as_secs_f64(),
            start.elapsed().as_secs_f64()
        );
    };
    disk("written");
    let rounds = number("SOUNDSEEK_SOAK_ROUNDS", 3);
    for round in 1..=rounds {
        rewrite(dir.path(), n, &made, round);
        disk("written again");
    }
    let start = Instant::now();
    {
        let database = Database::open_existing(dir.path()).unwrap();
        let mut index = database.open_space(&config()).unwrap();
        index.compact(&|| false, &|_| ()).unwrap();
    }
    Database::compact(dir.path(), &|| false, &|_| ()).unwrap();
    println!("compacted in {:.1} s", start.elapsed().as_secs_f64());
    disk("compacted");
    // As `soundseek index` does it at the end of a run.
    let mut most: f64 = 0.0;
    for round in rounds + 1..=2 * rounds {
        rewrite(dir.path(), n, &made, round);
        let database = Database::open_existing(dir.path()).unwrap();
        let bytes = database.size_on_disk().unwrap() as f64;
        most = most.max(bytes / raw);
        if bytes > 6.0 * raw {
            let mut index = database.open_space(&config()).unwrap();
            index.compact(&|| false, &|_| ()).unwrap();
            drop(index);
            database.renew(&|| false, &|_| ()).unwrap();
        }
    }
    println!("at most {most:.2} times raw when it is written anew beyond six times");
    disk("written again and anew");
}

fn vector(made: &[Vector], entry: usize, round: usize) -> Vector {
    // Moved a little, so that no two are equal.
    let mut numbers = made[(entry + round) % made.len()].as_slice().to_vec();
    numbers[entry % DIMENSION] += 0.01 * (1 + entry / made.len()) as f32;
    Vector::normalized(numbers).unwrap()
}

fn put(index: &RwLock<Index>, made: &[Vector], entry: usize, round: usize) {
    let key = blake3::hash(&entry.to_le_bytes());
    let vector = vector(made, entry, round);
    let mut index = index.write().unwrap();
    index
        .upsert(key.as_bytes(), &[7; 180], std::slice::from_ref(&vector))
        .unwrap();
}

fn rewrite(dir: &Path, n: usize, made: &[Vector], round: usize) {
    let database = Database::open_existing(dir).unwrap();
    let index = RwLock::new(database.open_space(&config()).unwrap());
    for entry in 0..n {
        put(&index, made, entry, round);
    }
}

fn write_and_search(dir: &Path, n: usize, made: &[Vector], spread: Duration) {
    let database = Database::open(dir).unwrap();
    let index = RwLock::new(database.create_or_open(&config()).unwrap());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| {
            let mut times = Vec::new();
            for query in made.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let start = Instant::now();
                let found = index
                    .read()
                    .unwrap()
                    .search(&Query::new(query, 20))
                    .unwrap();
                times.push((start.elapsed(), found.len()));
                // A person types five letters a second.
                std::thread::sleep(Duration::from_millis(200));
            }
            times
        });
        let start = Instant::now();
        for entry in 0..n {
            put(&index, made, entry, 0);
            let due = spread.mul_f64(entry as f64 / n as f64);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            if (entry + 1) % (n / REPORTS).max(1) == 0 {
                println!(
                    "{:>8} written after {:>6.1} s, {:>5} MB of memory",
                    entry + 1,
                    start.elapsed().as_secs_f64(),
                    memory_mb()
                );
            }
        }
        done.store(true, Ordering::Relaxed);
        let mut times = searching.join().unwrap();
        times.sort_unstable();
        let at = |part: f64| {
            times[((times.len() - 1) as f64 * part) as usize]
                .0
                .as_secs_f64()
                * 1e3
        };
        println!(
            "{} searches meanwhile: p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
            times.len(),
            at(0.5),
            at(0.95),
            at(0.99)
        );
    });
    database.flush().unwrap();
}

/// Resident memory, where the system tells.
fn memory_mb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    number.unwrap_or(0) / 1000
}
