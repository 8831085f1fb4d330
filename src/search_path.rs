//! Programs by their names, in a list of folders as in `PATH`.
//!
//! It stands apart because players are started by the playback and file managers by the export, which
//! know nothing of each other.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The folders in which programs are looked for, in order.
#[derive(Debug, Clone)]
pub(crate) struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    /// From a list of folders as in `PATH`.
    pub(crate) fn new(path: &OsStr) -> SearchPath {
        SearchPath(std::env::split_paths(path).collect())
    }

    /// The first file of this name, without the system's suffix, that can be run.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        let mut places = self.0.iter().map(|folder| folder.join(&name));
        places.find(|place| is_program(place))
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path);
    metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
