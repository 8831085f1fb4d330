//! Folders with things in them that are no sounds, or have no end: pipes, sockets, devices, files that
//! the system makes up, files with nothing in them, links in circles. They are reported or left aside,
//! and the sounds beside them are indexed. A test that hangs is the failure here.
#![cfg(unix)]
#![expect(clippy::print_stderr, reason = "tests that skip say so")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use soundseek::audio::{AudioStream, DecodeErrorKind, open_regular, segment_file};
use soundseek::export::{Placing, place_files};
use soundseek::ingest::IGNORE_FILE;

use crate::support::{Studio, embedder, index_roots};

/// A pipe that nobody writes to: whoever opens it for reading waits for ever.
fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).expect("a FIFO is made");
}

/// Ends the thread that is in the way of a test, however the test ends.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_is_no_regular_file_is_left_aside() {
    let studio = Studio::new();
    let sounds = studio.sounds();
    studio.put("kick-drum", "kick.wav");
    fifo(&sounds.join("fifo.wav"));
    let _socket = UnixListener::bind(sounds.join("socket.wav")).expect("a socket");
    symlink("/dev/zero", sounds.join("zero.wav")).expect("linked");
    symlink("/dev/tty", sounds.join("tty.wav")).expect("linked");
    symlink(sounds.join("fifo.wav"), sounds.join("to-fifo.wav")).expect("linked");
    fs::create_dir(sounds.join("folder.wav")).expect("made");
    symlink("self.wav", sounds.join("self.wav")).expect("linked");
    symlink("b.wav", sounds.join("a.wav")).expect("linked");
    symlink("a.wav", sounds.join("b.wav")).expect("linked");
    symlink(".", sounds.join("round")).expect("linked");
    fifo(&sounds.join(IGNORE_FILE));
    let report = studio.index();
    assert_eq!(report.embedded, 1, "{report:?}");
    assert!(report.failed.is_empty(), "{report:?}");
}

/// The kind is looked at before opening and after it; here only the second look can tell.
#[test]
fn a_name_that_a_pipe_takes_between_two_looks_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (regular, pipe) = (folder.path().join("a.wav"), folder.path().join("b.wav"));
    let name = folder.path().join("sound.wav");
    fs::write(&regular, "sound").expect("written");
    fifo(&pipe);
    symlink(&regular, &name).expect("linked");
    let spare = folder.path().join("spare");
    let done = AtomicBool::new(false);
    let (mut opened, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for target in [&pipe, &regular].into_iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                symlink(target, &spare).expect("linked");
                fs::rename(&spare, &name).expect("replaced at once");
            }
        });
        let _end = AtEnd(&done);
        for _ in 0..20_000 {
            match open_regular(&name) {
                Ok(_) => opened += 1,
                Err(DecodeErrorKind::NotAFile { found: "a FIFO" }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert_eq!(opened + refused, 20_000);
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} not");
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_the_system_makes_up_are_reported_and_not_read_to_their_end() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    // Of no size, and of some hundred gigabytes to whoever reads on.
    symlink("/proc/self/pagemap", studio.sounds().join("pages.wav")).expect("linked");
    symlink("/proc/self/maps", studio.sounds().join("maps.wav")).expect("linked");
    // A link to the system's own folders is not walked, whatever is in them.
    symlink("/proc", studio.sounds().join("proc")).expect("linked");
    symlink("/sys", studio.sounds().join("sys")).expect("linked");
    let report = studio.index();
    assert_eq!(report.embedded, 1, "{report:?}");
    assert_eq!(report.failed.len(), 2, "{report:?}");
    for (path, reason) in &report.failed {
        // The one refuses to be read a byte at a time.
        assert!(reason.starts_with("cannot be read: "), "{reason}");
        if path.ends_with("maps.wav") {
            assert!(reason.contains("more than its size of 0 bytes"), "{reason}");
        }
    }
    assert!(report.unreadable.is_empty(), "{report:?}");
}

#[test]
fn a_terabyte_of_nothing_is_not_decoded() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    let giant = studio.put("siren", "giant.wav");
    let mut bytes = fs::read(&giant).expect("read");
    // The lengths of the file and of its samples, as large as they can be.
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut file = File::create(&giant).expect("made");
    file.write_all(&bytes).expect("written");
    if file.set_len(1 << 40).is_err() {
        return eprintln!("skipped: this file system has no files with holes");
    }
    let report = studio.index();
    assert_eq!(report.embedded, 1, "{report:?}");
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert!(report.failed[0].1.contains("are holes"), "{report:?}");
    let Err(error) = AudioStream::open(&giant) else {
        panic!("the giant was opened");
    };
    assert!(matches!(error.kind, DecodeErrorKind::Hollow { bytes, .. } if bytes == 1 << 40));
}

#[test]
fn a_large_file_with_something_in_it_is_no_hollow_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("half.wav");
    let mut file = File::create(&path).expect("made");
    file.write_all(&vec![7; 20 << 20]).expect("written");
    if file.set_len(1 << 30).is_err() {
        return eprintln!("skipped: this file system has no files with holes");
    }
    assert!(open_regular(&path).is_ok());
}

#[test]
fn patterns_without_end_are_reported_and_the_folder_is_kept() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    studio.index();
    let rules = studio.sounds().join(IGNORE_FILE);
    fs::write(&rules, "*.wav\n".repeat(100_000)).expect("written");
    let report = studio.index();
    assert_eq!(report.unreadable.len(), 1, "{report:?}");
    assert_eq!(report.unreadable[0].path, rules);
    assert_eq!((report.unchanged, report.removed), (1, 0), "{report:?}");
}

#[test]
fn a_folder_that_may_not_be_read_is_reported_and_what_is_known_of_it_stays() {
    let studio = Studio::new();
    studio.put("kick-drum", "closed/kick.wav");
    studio.put("siren", "open/siren.wav");
    studio.index();
    let closed = studio.sounds().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("closed");
    let privileged = fs::read_dir(&closed).is_ok();
    let report = studio.index();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("opened");
    if privileged {
        return eprintln!("skipped: nothing is closed to this user");
    }
    assert_eq!(report.unreadable.len(), 1, "{report:?}");
    assert_eq!(report.unreadable[0].path, closed);
    assert_eq!((report.unchanged, report.removed), (1, 0), "{report:?}");
    assert_eq!(studio.library().file_count().expect("counted"), 2);
}

/// Folders come, go and become files while they are walked, as while a program unpacks an archive.
#[test]
fn folders_that_change_while_they_are_walked_end_in_no_error() {
    let studio = Studio::new();
    let kick = fs::read(studio.put("kick-drum", "kick.wav")).expect("read");
    let busy = studio.sounds().join("busy");
    let done = AtomicBool::new(false);
    let library = studio.library();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::create_dir_all(busy.join("deep/deeper")).expect("made");
                fs::write(busy.join("deep/kick.wav"), &kick).expect("written");
                fs::write(busy.join("deep/deeper/kick.wav"), &kick).expect("written");
                fs::remove_dir_all(&busy).expect("removed");
                fs::write(&busy, "a file").expect("written");
                fs::remove_file(&busy).expect("removed");
            }
        });
        let _end = AtEnd(&done);
        for _ in 0..20 {
            // What is seen half-made may be told as failed or offline; the run goes on to its end.
            let report = index_roots(&library, &[studio.sounds()]);
            assert!(!report.interrupted && report.unchanged + report.embedded > 0);
        }
    });
    let report = index_roots(&library, &[studio.sounds()]);
    assert!(report.failed.is_empty(), "{report:?}");
    assert!(
        library
            .file(&studio.sounds().join("kick.wav"))
            .expect("read")
            .is_some()
    );
}

#[test]
fn a_pipe_is_not_copied() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.wav");
    fifo(&pipe);
    let to = folder.path().join("to");
    let placed =
        place_files(std::slice::from_ref(&pipe), &to, Placing::Copy, &|| false).expect("done");
    assert_eq!(placed.failed.len(), 1);
    assert_eq!(placed.failed[0].0, pipe);
}

#[test]
fn a_panic_over_the_samples_of_a_sound_is_an_error_of_that_sound() {
    let studio = Studio::new();
    let path = studio.put("siren", "siren.wav");
    let plan = embedder().segment_plan();
    let mut calls = 0;
    let failed = segment_file(&path, &plan, None, &mut |_| {
        calls += 1;
        panic!("no spectrum of this")
    });
    let text = failed.expect_err("a panic is no success").to_string();
    assert_eq!(calls, 1);
    assert!(text.contains("siren.wav"), "{text}");
    assert!(text.contains("no spectrum of this"), "{text}");
}
