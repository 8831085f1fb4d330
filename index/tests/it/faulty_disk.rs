//! Running a process on a disk that refuses its n-th change: see `faulty_disk.c`, which the system's C
//! compiler makes a library of that is loaded before the process's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// linux/errno-base.h: an error of the device, and a full one.
pub const EIO: i32 = 5;
pub const ENOSPC: i32 = 28;

/// What happens once or from one call on, as an unplugged or a full disk is for good.
pub const KINDS: [(i32, bool); 3] = [(EIO, false), (EIO, true), (ENOSPC, true)];

/// Far more than a run takes: one that is not done by then hangs.
const HANGS: Duration = Duration::from_secs(120);

/// One call that fails.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Which, counted from 1.
    pub at: u64,
    pub errno: i32,
    /// Whether all calls after it fail as well.
    pub lasts: bool,
}

/// How a run went.
pub struct Run {
    pub output: Output,
    /// The calls that would have changed a file, where the process came to its end.
    pub calls: u64,
    /// The call that failed, and the file.
    pub failed: Option<String>,
}

/// The library; none where there is no C compiler.
fn library() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<(TempDir, PathBuf)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let dir = tempfile::tempdir().ok()?;
        let (source, library) = (dir.path().join("disk.c"), dir.path().join("disk.so"));
        std::fs::write(&source, include_str!("faulty_disk.c")).ok()?;
        let made = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status();
        made.ok()?.success().then_some((dir, library))
    });
    built.as_ref().map(|(_, library)| library.as_path())
}

/// Whether there is a C compiler to build it with; says so if not.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn can_be_made() -> bool {
    let can = library().is_some();
    if !can {
        eprintln!("skipped: there is no C compiler `cc` for Linux here");
    }
    can
}

/// Every how-many-th call is tried: all of them with `SOUNDSEEK_FAULT_EVERY=1`.
pub fn every(default: usize) -> usize {
    let every = std::env::var("SOUNDSEEK_FAULT_EVERY");
    let every = every.ok().and_then(|every| every.parse().ok());
    every.unwrap_or(default)
}

/// Runs a command, with the fault at what it changes below a folder.
pub fn run(command: &mut Command, below: &Path, fault: Option<Fault>) -> Run {
    let told = tempfile::NamedTempFile::new().expect("a temporary file");
    command
        .env("LD_PRELOAD", library().expect("asked before"))
        .env("FAULT_BELOW", below)
        .env("FAULT_TOLD", told.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(fault) = fault {
        command
            .env("FAULT_AT", fault.at.to_string())
            .env("FAULT_ERRNO", fault.errno.to_string());
        if fault.lasts {
            command.env("FAULT_LASTS", "1");
        }
    }
    let mut child = command.spawn().expect("it starts");
    let begun = Instant::now();
    while child.try_wait().expect("asked").is_none() {
        if begun.elapsed() > HANGS {
            child.kill().expect("killed");
            let output = child.wait_with_output().expect("gone");
            panic!(
                "it hangs with {fault:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("gone");
    let told = std::fs::read_to_string(told.path()).expect("read");
    let line = |word: &str| told.lines().find_map(|line| line.strip_prefix(word));
    Run {
        output,
        calls: line("calls ").map_or(0, |calls| calls.trim().parse().expect("a number")),
        failed: line("failed ").map(str::to_owned),
    }
}
