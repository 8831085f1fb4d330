//! Putting files into a folder: copied or linked, never over what is there.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// How a file gets into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// As a file of its own.
    Copy,
    /// As another name of the same file, which needs no room but must be on the same drive; copied
    /// where that cannot be.
    HardLink,
    /// As a symbolic link to where it lies.
    SymLink,
}

/// Puts each file into `folder`, which is made if it is not there. Gives for each, in order, its new
/// path or what is wrong; one that fails stops none of the others.
///
/// A name that is taken gets a number: `kick.wav`, `kick (2).wav`.
///
/// # Errors
/// When the folder is no folder or cannot be made.
pub fn place_files(
    files: &[PathBuf],
    folder: &Path,
    placing: Placing,
) -> Result<Vec<Result<PathBuf>>> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    Ok(files
        .iter()
        .map(|file| place(file, folder, placing))
        .collect())
}

fn place(file: &Path, folder: &Path, placing: Placing) -> Result<PathBuf> {
    let name = file
        .file_name()
        .with_context(|| format!("{} has no name", file.display()))?;
    ensure!(file.is_file(), "{} is not there any more", file.display());
    let mut target = free_name(&folder.join(name));
    // Another program may take the name between the look and the act, which then fails.
    for _ in 0..3 {
        match act(file, &target, placing) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                target = free_name(&folder.join(name));
            }
            done => {
                done.with_context(|| {
                    format!("{} cannot be put into {}", file.display(), folder.display())
                })?;
                return Ok(target);
            }
        }
    }
    anyhow::bail!("{} keeps being taken by another program", target.display())
}

fn act(file: &Path, target: &Path, placing: Placing) -> io::Result<()> {
    match placing {
        Placing::Copy => copy(file, target),
        Placing::HardLink => match std::fs::hard_link(file, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => copy(file, target),
            linked => linked,
        },
        Placing::SymLink => symlink(&std::path::absolute(file)?, target),
    }
}

/// `std::fs::copy` would write over a file that came in between.
fn copy(file: &Path, target: &Path) -> io::Result<()> {
    let mut from = File::open(file)?;
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(target)?;
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.sync_all());
    if copied.is_err() {
        drop(to);
        // Half a file is worse than none; the error that counts is the first one.
        let _ = std::fs::remove_file(target);
        return copied;
    }
    if let Ok(modified) = from.metadata().and_then(|metadata| metadata.modified()) {
        // Without its time the copy is as good.
        let _ = to.set_modified(modified);
    }
    Ok(())
}

#[cfg(unix)]
fn symlink(file: &Path, target: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(file, target)
}

#[cfg(windows)]
fn symlink(file: &Path, target: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(file, target)
}

/// `wanted`, or the first of `name (2).wav`, `name (3).wav` and so on that is not taken.
pub fn free_name(wanted: &Path) -> PathBuf {
    let taken = |path: &Path| path.symlink_metadata().is_ok();
    if !taken(wanted) {
        return wanted.to_owned();
    }
    let numbered = |number: u64| {
        let mut name: OsString = wanted.file_stem().unwrap_or_default().to_owned();
        name.push(format!(" ({number})"));
        if let Some(extension) = wanted.extension() {
            name.push(".");
            name.push(extension);
        }
        wanted.with_file_name(name)
    };
    let mut number = 2;
    while taken(&numbered(number)) {
        number += 1;
    }
    numbered(number)
}
