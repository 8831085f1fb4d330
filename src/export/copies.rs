//! Copies of files, or links to them, in a folder of a person's choice.
//!
//! It stands apart because it takes many files at once: one that cannot be read stops none of the
//! others, and one that is there already is not put there twice.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::fresh;

/// Bytes compared at a time.
const BLOCK_BYTES: usize = 1 << 16;

/// How a file gets into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// Its bytes, with its times and permissions.
    Copy,
    /// A symbolic link to it.
    Link,
    /// Another name of the same file, on the same drive.
    HardLink,
}

/// What [`place_files`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    /// The new files or links.
    pub made: Vec<PathBuf>,
    /// How many were in the folder already.
    pub already: usize,
    /// What could not be placed, and why.
    pub failed: Vec<(PathBuf, String)>,
}

/// Puts files into a folder, which is made where there is none. A name that is taken by something
/// else is numbered; a file whose copy or link is there already is counted as such. Stops between
/// two files when `cancelled` says so.
///
/// # Errors
///
/// When the folder cannot be made. What goes wrong with one file is told in [`Placed`].
pub fn place_files(
    files: &[PathBuf],
    folder: &Path,
    placing: Placing,
    cancelled: &dyn Fn() -> bool,
) -> Result<Placed> {
    fresh::ready(folder)?;
    let mut placed = Placed::default();
    for file in files {
        if cancelled() {
            break;
        }
        match place_file(file, folder, placing) {
            Ok(Some(path)) => placed.made.push(path),
            Ok(None) => placed.already += 1,
            Err(error) => placed.failed.push((file.clone(), format!("{error:#}"))),
        }
    }
    Ok(placed)
}

/// Where the file was placed; `None` when it was there.
fn place_file(file: &Path, folder: &Path, placing: Placing) -> Result<Option<PathBuf>> {
    let metadata = std::fs::metadata(file).context("it cannot be read")?;
    ensure!(metadata.is_file(), "it is no file");
    let name = file.file_name().context("it has no name")?;
    // Made at the first name that is free, and kept if another program takes that meanwhile.
    let mut copied = None;
    for place in fresh::names(folder, name) {
        if std::fs::symlink_metadata(&place).is_ok() {
            if is_there(file, &place, placing) {
                return Ok(None);
            }
            continue;
        }
        let linked = match placing {
            Placing::Link => link(file, &place),
            Placing::HardLink => std::fs::hard_link(file, &place),
            Placing::Copy => {
                let part = match copied.take() {
                    Some(part) => part,
                    None => {
                        let part = fresh::begin(folder)?;
                        copy(file, &metadata, &part).context("it cannot be copied")?;
                        part
                    }
                };
                copied = fresh::publish(part, &place)?;
                match copied {
                    None => return Ok(Some(place)),
                    Some(_) => continue,
                }
            }
        };
        match linked {
            Ok(()) => return Ok(Some(place)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context("it cannot be linked there: copy it instead"),
        }
    }
    bail!(
        "there are too many files of its name in {}",
        folder.display()
    )
}

fn copy(file: &Path, metadata: &std::fs::Metadata, part: &Path) -> std::io::Result<()> {
    std::fs::copy(file, part)?;
    // A read-only original makes a read-only copy, which can still be given its time by its owner.
    let copy = File::open(part)?;
    if let Ok(modified) = metadata.modified() {
        // Some file systems have no such time; the copy is none the worse.
        let _ = copy.set_modified(modified);
    }
    copy.sync_all()
}

#[cfg(unix)]
fn link(file: &Path, place: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(file, place)
}

#[cfg(windows)]
fn link(file: &Path, place: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(file, place)
}

/// True when what is at a place is what would be put there.
fn is_there(file: &Path, place: &Path, placing: Placing) -> bool {
    let same = std::fs::canonicalize(place)
        .is_ok_and(|place| std::fs::canonicalize(file).is_ok_and(|file| file == place));
    let links = std::fs::symlink_metadata(place).is_ok_and(|place| place.is_symlink());
    match placing {
        Placing::Link => same,
        _ if links => false,
        Placing::HardLink => same || is_same_file(file, place),
        Placing::Copy => same || has_same_bytes(file, place).unwrap_or(false),
    }
}

#[cfg(unix)]
fn is_same_file(file: &Path, place: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((id(file), id(place)), (Ok(file), Ok(place)) if file == place)
}

#[cfg(not(unix))]
fn is_same_file(file: &Path, place: &Path) -> bool {
    has_same_bytes(file, place).unwrap_or(false)
}

fn has_same_bytes(one: &Path, other: &Path) -> std::io::Result<bool> {
    let is_plain = std::fs::metadata(other)?.is_file();
    if !is_plain || std::fs::metadata(one)?.len() != std::fs::metadata(other)?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    loop {
        for (file, bytes) in [(&mut one, &mut of_one), (&mut other, &mut of_other)] {
            bytes.clear();
            file.take(BLOCK_BYTES as u64).read_to_end(bytes)?;
        }
        if of_one != of_other || of_one.is_empty() {
            return Ok(of_one == of_other);
        }
    }
}
