//! A process that is killed while it indexes, over and over: what it had finished is there and whole,
//! and in the end the library is the one that a run without interruption makes.
//!
//! `SOUNDSEEK_CRASH_ROUNDS` sets how often it is killed, `SOUNDSEEK_CRASH_SEED` what happens; both are
//! printed, and `--nocapture` shows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::RwLock;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use soundseek::library::{FileRecord, Library, SoundEntry};
use soundseek_index::{Database, Index, Query, Vector};

use crate::support::{Studio, command, embedder, stderr, write_wav};

const SOUNDS: usize = 200;
/// Sounds that change before each round, so that there is always something to index.
const CHANGED: usize = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn name(sound: usize) -> String {
    format!("{}/{sound}.wav", ["a", "b", "c/d"][sound % 3])
}

/// A short tone with noise, unlike any other.
fn put(studio: &Studio, sound: usize, rng: &mut StdRng) {
    let pitch = rng.random_range(0.01..0.5f32);
    let samples: Vec<f32> = (0..2000)
        .map(|n| (n as f32 * pitch).sin() * 0.5 + rng.random_range(-0.1..0.1))
        .collect();
    write_wav(&studio.sounds().join(name(sound)), 16_000, &samples);
}

/// Lets a process work for a while: for some milliseconds, or until it has written so often.
fn wait(dir: &Path, child: &mut Child, rng: &mut StdRng) -> String {
    let pause = Duration::from_millis(1);
    if rng.random_range(0..3) == 0 {
        // Mostly short, so that it is killed while it makes or opens the store.
        let most = rng.random_range(1..=600);
        let moment = rng.random_range(0..most);
        std::thread::sleep(pause * moment);
        return format!("{moment} ms");
    }
    let most = if rng.random() { 60 } else { 600 };
    let writes = rng.random_range(1..=most);
    let own = child.id().to_string();
    let mut lives = || child.try_wait().expect("asked").is_none();
    // Whoever opens the library before it has it would have it instead.
    let note = || std::fs::read_to_string(dir.join("holder")).unwrap_or_default();
    while note().lines().next() != Some(&own) {
        if !lives() {
            return "it was done".to_owned();
        }
        std::thread::sleep(pause);
    }
    let reader = Database::open_existing(dir);
    while reader
        .as_ref()
        .is_ok_and(|reader| reader.changes_by_others().is_ok_and(|seen| seen < writes))
    {
        if !lives() {
            return "it was done".to_owned();
        }
        std::thread::sleep(pause);
    }
    format!("{writes} writes")
}

fn indexing(studio: &Studio, library: &Path) -> std::process::Command {
    let mut indexing = command(library);
    indexing
        .arg("index")
        .arg(studio.sounds())
        .args(["--quiet", "--threads", "2"]);
    indexing
}

/// All that has to hold of a library at any time.
fn check(dir: &Path, rng: &mut StdRng) -> usize {
    let library = Library::open(dir).expect("opens after a kill");
    library.check().expect("valid after a kill");
    let files = library.files().expect("read");
    if library.spaces().expect("read").is_empty() {
        assert!(files.is_empty());
        return 0;
    }
    let index = library.index_for_search(embedder()).expect("opens");
    for (path, record) in &files {
        let entry = index.get(&record.content).expect("read");
        let entry = entry.expect("a file that is known has its vectors");
        let moments = SoundEntry::from_bytes(&entry.payload)
            .expect("whole")
            .moments;
        assert_eq!(moments.len(), entry.vectors.len());
        let holders = library.files_of(&record.content).expect("read");
        assert!(holders.iter().any(|(holder, _)| holder == path));
    }
    let numbers = (0..index.dimension()).map(|_| rng.random_range(-1.0..1.0));
    let query = Vector::normalized(numbers.collect()).expect("not zero");
    let found = index.search(&Query::new(&query, 10)).expect("searched");
    let found: Vec<f32> = found.iter().map(|neighbor| neighbor.distance).collect();
    assert_eq!(found, exact(&index, &query));
    files.len()
}

fn exact(index: &Index, query: &Vector) -> Vec<f32> {
    let mut all = Vec::new();
    for key in index.keys() {
        let entry = index.get(key).expect("read").expect("there");
        all.extend(entry.vectors.iter().map(|vector| query.distance(vector)));
    }
    all.sort_by(f32::total_cmp);
    all.truncate(10);
    all
}

type Entries = BTreeMap<PathBuf, (FileRecord, SoundEntry, Vec<Vector>)>;

fn entries(dir: &Path) -> Entries {
    let library = Library::open(dir).expect("opens");
    let index = library.index_for_search(embedder()).expect("opens");
    let index = RwLock::new(index);
    assert_eq!(
        library.sweep(&index).expect("swept"),
        0,
        "nothing is left over"
    );
    let index = index.into_inner().expect("nobody panicked");
    let files = library.files().expect("read").into_iter();
    files
        .map(|(path, record)| {
            let entry = index.get(&record.content).expect("read").expect("there");
            let sound = SoundEntry::from_bytes(&entry.payload).expect("whole");
            (path, (record, sound, entry.vectors))
        })
        .collect()
}

#[expect(
    clippy::print_stderr,
    reason = "what happens is drawn by lot, and has to be told when it fails"
)]
#[test]
fn a_library_survives_any_number_of_kills_and_ends_as_if_there_had_been_none() {
    let rounds = number("SOUNDSEEK_CRASH_ROUNDS").unwrap_or(8);
    let seed = number("SOUNDSEEK_CRASH_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("SOUNDSEEK_CRASH_ROUNDS={rounds} SOUNDSEEK_CRASH_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let studio = Studio::new();
    for sound in 0..SOUNDS {
        put(&studio, sound, &mut rng);
    }
    std::fs::write(studio.sounds().join("broken.wav"), b"no sound").expect("written");
    let dir = studio.library_dir();
    let (mut killed, mut most) = (0, 0);
    for round in 0..rounds {
        let mut child = indexing(&studio, &dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let moment = wait(&dir, &mut child, &mut rng);
        killed += u64::from(child.try_wait().expect("asked").is_none());
        child.kill().expect("killed");
        child.wait().expect("gone");
        let known = check(&dir, &mut rng);
        most = most.max(known);
        eprintln!("round {round}: killed after {moment}, {known} files known");
        for _ in 0..CHANGED {
            let sound = rng.random_range(0..SOUNDS);
            match rng.random_range(0..4) {
                0 => drop(std::fs::remove_file(studio.sounds().join(name(sound)))),
                _ => put(&studio, sound, &mut rng),
            }
        }
    }
    assert!(killed > 0, "no process lived until it was killed");

    let whole = studio.folder.path().join("whole");
    for library in [&dir, &whole] {
        let output = indexing(&studio, library).output().expect("it runs");
        // 2 where the file that is no sound is met for the first time.
        let status = output.status.code();
        assert!(matches!(status, Some(0 | 2)), "{}", stderr(&output));
    }
    let (got, want) = (entries(&dir), entries(&whole));
    assert!(got.keys().eq(want.keys()));
    for (path, (record, sound, vectors)) in &want {
        let (got_record, got_sound, got_vectors) = &got[path];
        assert_eq!(
            (got_record, got_sound),
            (record, sound),
            "{}",
            path.display()
        );
        assert_eq!(got_vectors.len(), vectors.len());
        for (got, want) in got_vectors.iter().zip(vectors) {
            // Batches of other sizes add up in another order.
            assert!(got.distance(want) < 1e-5, "{}", path.display());
        }
    }
    let failures = |dir: &Path| Library::open(dir).expect("opens").failures().expect("read");
    assert_eq!(failures(&dir), failures(&whole));
}
