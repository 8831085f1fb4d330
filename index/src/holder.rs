//! Which process has a folder open: a lock, and a note in it of who that is.
//!
//! The lock is on a file of our own, not on sled's, because it has to be held while one store is put
//! in place of another, and before sled sees a byte. The note (process id, what it is doing, the
//! socket it listens on) is for the other processes: whom to ask, and whom to name. It lies in the
//! locked file itself, so a note of a process that was killed is known by the lock that is gone.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::error::{Error, Result};

const NAME: &str = "holder";

/// How often a lock that is held is asked for again, and how long to wait each time: half a second
/// in all. The lock belongs to the open file, which a child process shares from its fork to its
/// exec, so a store that was just closed can look open for a moment.
pub(crate) const LOCK_RETRIES: u32 = 50;
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A note is three short lines.
const LONGEST_NOTE: u64 = 8 << 10;

static PROGRAM: OnceLock<String> = OnceLock::new();

/// Says what this process is doing, for the messages of others that want what it has open: a
/// command such as `soundseek index`. The first call counts; without one it is the program's name.
pub fn introduce(program: &str) {
    let one_line: String = program.chars().filter(|c| !c.is_control()).collect();
    // Somebody has said it before: then that stands.
    let _ = PROGRAM.set(one_line);
}

/// The process that has a folder open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// What it is doing: see [`introduce`].
    pub program: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.program, self.pid)
    }
}

/// The lock of a folder; dropping it takes the note back and lets go.
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock; `None` if another process (or another part of this one) has it.
    pub(crate) fn take(dir: &Path) -> Result<Option<Lock>> {
        let failed = |source| Error::Storage {
            path: dir.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(dir.join(NAME)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Writes the note. What cannot be written costs others the name and the service only.
    pub(crate) fn announce(&mut self, socket: Option<&Path>) {
        let program = PROGRAM.get().cloned().unwrap_or_else(|| {
            let program = std::env::current_exe().unwrap_or_default();
            let name = program.file_stem().unwrap_or_default();
            name.to_string_lossy().into_owned()
        });
        let socket = socket.and_then(Path::to_str).unwrap_or_default();
        let note = format!("{}\n{program}\n{socket}\n", std::process::id());
        let _ = self.replace(note.as_bytes());
    }

    fn replace(&mut self, note: &[u8]) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(note)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.replace(b"");
    }
}

/// Who says that it holds the folder, and where it listens.
pub(crate) fn note(dir: &Path) -> Option<(Holder, Option<PathBuf>)> {
    let mut text = String::new();
    let file = File::open(dir.join(NAME)).ok()?;
    file.take(LONGEST_NOTE).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let holder = Holder {
        pid: lines.next()?.parse().ok()?,
        program: lines.next()?.chars().filter(|c| !c.is_control()).collect(),
    };
    let socket = lines.next()?;
    Some((holder, (!socket.is_empty()).then(|| PathBuf::from(socket))))
}
