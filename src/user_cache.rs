//! The user's cache folder: where it is, and how a small file in it is replaced.
//!
//! Apart from those that keep something there, which decide what, for how long, and what is believed of
//! it. Whatever lies there may be deleted at any time: that costs time, never a result.

use std::io;
use std::path::{Path, PathBuf};

/// A place in the folder; `None` where the platform has none.
pub(crate) fn place(name: &str) -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "soundseek")?;
    Some(folders.cache_dir().join(name))
}

/// Writes a file, and makes its folder. It changes in one step, so that no other process reads half of
/// it.
///
/// # Errors
///
/// What the system says.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let new = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(new.path(), bytes)?;
    new.persist(file)?;
    Ok(())
}
