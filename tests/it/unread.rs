//! Files that cannot be read, that change under the reader, and runs that are interrupted while they
//! read: what is remembered, what is tried again, how soon it ends.

use std::fs;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use soundseek::audio::DECODERS_VERSION;
use soundseek::embed::Embedder;
use soundseek::ingest::{Control, IngestEvent, IngestOptions, ingest};
use soundseek::library::{Failure, Stamp};
use soundseek::model::{Checkpoint, Device};

use crate::support::{Studio, command, soundseek, stderr, write_wav};

/// Where a read always fails, also for the superuser.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_tried_again_on_every_run() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    let bad = studio.sounds().join("bad.wav");
    std::os::unix::fs::symlink("/proc/self/mem", &bad).expect("linked");
    for run in 0..2 {
        let report = studio.index();
        assert_eq!(
            (report.failed.len(), report.known_failures),
            (1, 0),
            "run {run}"
        );
        assert!(
            report.failed[0].1.starts_with("cannot be read: "),
            "{report:?}"
        );
    }
    let sounds = studio.sounds();
    let again = soundseek(
        &studio.library_dir(),
        &["index", sounds.to_str().expect("Unicode")],
    );
    assert_eq!(again.status.code(), Some(2), "{}", stderr(&again));
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_known_of_a_file_stays_while_it_cannot_be_read() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    studio.index();
    fs::remove_file(&kick).expect("deleted");
    std::os::unix::fs::symlink("/proc/self/mem", &kick).expect("linked");
    assert_eq!(studio.index().failed.len(), 1);
    assert!(studio.library().file(&kick).expect("readable").is_some());
}

#[test]
fn a_failure_of_other_decoders_is_tried_again() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    let stamp = Stamp::of(&fs::metadata(&kick).expect("there"));
    let failed_with = |decoders| Failure {
        stamp,
        reason: "is damaged".into(),
        decoders,
    };
    let put = |decoders| {
        let library = studio.library();
        library
            .put_failure(&kick, &failed_with(decoders))
            .expect("written");
    };
    put(Some(DECODERS_VERSION));
    assert_eq!(studio.index().known_failures, 1);
    put(Some(DECODERS_VERSION - 1));
    assert_eq!(studio.index().embedded, 1);
    // The record of a version that did not write them.
    let old = r#"{"stamp":{"size":1,"modified_ns":2},"reason":"is damaged"}"#;
    let old: Failure = serde_json::from_str(old).expect("readable");
    assert!(!old.is_final(old.stamp));
}

/// The smallest model, so that many segments take no time.
fn tiny() -> Embedder {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/clap-tiny-unfused");
    let checkpoint = Checkpoint::Folder(folder.into());
    Embedder::load(&checkpoint, Device::Cpu).expect("the model loads")
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_taken_for_what_it_was() {
    let studio = Studio::new();
    let embedder = tiny();
    // More segments than the channels hold: the first is embedded long before the last is read.
    let plan = embedder.segment_plan();
    let samples = vec![0.25; plan.length + 90 * plan.hop];
    let paths = ["a.wav", "b.wav"].map(|name| studio.sounds().join(name));
    for path in &paths {
        write_wav(path, plan.sample_rate_hz, &samples);
    }
    let library = studio.library();
    let index = RwLock::new(library.index_for_writing(&embedder).expect("opens"));
    let options = IngestOptions {
        threads: 2,
        batch: 2,
    };
    let touched = AtomicBool::new(false);
    let run = |on_event: &dyn Fn(IngestEvent<'_>)| {
        let roots = [studio.sounds()];
        let control = Control::new();
        ingest(
            &library, &index, &embedder, &roots, options, &control, on_event,
        )
        .expect("indexing succeeds")
    };
    let report = run(&|event| {
        if matches!(event, IngestEvent::Embedded { .. }) && !touched.swap(true, Ordering::Relaxed) {
            for path in &paths {
                let file = fs::File::options().append(true).open(path).expect("opened");
                file.set_modified(std::time::UNIX_EPOCH).expect("touched");
            }
        }
    });
    // The identical file that waited for it is read in its stead.
    assert_eq!((report.failed.len(), report.embedded), (1, 1), "{report:?}");
    assert!(report.failed[0].1.contains("changed"), "{report:?}");
    let report = run(&|_| {});
    assert_eq!(
        (report.failed.len(), report.recognised),
        (0, 1),
        "{report:?}"
    );
    index
        .into_inner()
        .expect("nobody panicked")
        .assert_valid()
        .expect("valid");
}

#[cfg(target_os = "linux")]
fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the child is there");
}

#[cfg(target_os = "linux")]
#[test]
fn an_interruption_ends_the_reading_of_a_large_file() {
    let studio = Studio::new();
    // A hole of sixteen gigabytes, with just enough room on the disk not to be taken for an empty file.
    let path = studio.sounds().join("large.wav");
    let file = fs::File::create(&path).expect("made");
    let whole = rustix::fs::FallocateFlags::empty();
    rustix::fs::fallocate(&file, whole, 0, 257 << 20).expect("there is room on the disk");
    file.set_len(1 << 34).expect("holes take no room");
    let mut child = command(&studio.library_dir())
        .arg("index")
        .arg(studio.sounds())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary runs");
    let bytes_read = || {
        let text = fs::read_to_string(format!("/proc/{}/io", child.id())).expect("readable");
        let bytes = text.lines().find_map(|line| line.strip_prefix("rchar: "));
        bytes
            .and_then(|bytes| bytes.parse::<u64>().ok())
            .expect("a number")
    };
    while bytes_read() < 1 << 30 {
        std::thread::yield_now();
    }
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_second_interruption_ends_a_run_that_cannot_end_by_itself() {
    use std::io::{BufRead, BufReader};
    let studio = Studio::new();
    for n in 0..600 {
        let name = format!("{n}{}.wav", "-long".repeat(45));
        fs::write(studio.sounds().join(name), "no sound").expect("written");
    }
    let mut child = command(&studio.library_dir())
        .arg("index")
        .arg(studio.sounds())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // More is written to the pipe than it holds, and nobody reads.
    let mut pipe = child.stderr.take().expect("piped");
    let mut reader = BufReader::with_capacity(1, &mut pipe);
    reader.read_until(b'\n', &mut vec![]).expect("a line");
    while rustix::io::ioctl_fionread(&pipe).expect("a pipe") < 60_000 {
        std::thread::yield_now();
    }
    interrupt(&child);
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        interrupt(&child);
    };
    assert_eq!(status.code(), Some(130));
}

#[test]
fn a_run_that_is_cancelled_before_it_starts_looks_at_nothing() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    studio.index();
    let seen = AtomicBool::new(false);
    let control = Control::new();
    control.cancel();
    let report =
        crate::support::index_with(&studio.library(), &[studio.sounds()], &control, &|event| {
            let nothing = matches!(event, IngestEvent::Scanned { found: 0, .. });
            seen.fetch_or(!nothing, Ordering::Relaxed);
        });
    assert!(
        report.interrupted && !seen.load(Ordering::Relaxed),
        "{report:?}"
    );
}
