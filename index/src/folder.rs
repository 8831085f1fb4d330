//! Where the store lies in a folder, and how one takes the place of another.
//!
//! A store is a folder `store.N` of its own, and the one with the highest number counts. So a store
//! that was rewritten (to migrate, repair or compact it) takes the place of the one before in a
//! single renaming: it is made as `new.N` and is nothing until that is done. Whatever a crash leaves
//! beside the store that counts is swept when the folder is opened next. A store that was found
//! damaged is kept as `damaged.N` until a person deletes it.
//!
//! In format 1 the files of the store lay in the folder itself.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const STORE: &str = "store.";
const NEW: &str = "new.";
const DAMAGED: &str = "damaged.";

/// sled's log; a store without it is none.
pub(crate) const LOG: &str = "db";
/// sled's settings, always the same.
pub(crate) const SETTINGS: &str = "conf";
/// Where sled puts what is too large for its log.
pub(crate) const LARGE: &str = "blobs";
/// How the names of sled's snapshots begin.
pub(crate) const SNAPSHOT: &str = "snap.";

/// What a folder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No store.
    Nothing,
    /// One of format 1.
    First,
    /// `store.N`.
    Store(u64),
}

pub(crate) fn look(dir: &Path) -> io::Result<Found> {
    match highest(dir, STORE)? {
        Some(number) => Ok(Found::Store(number)),
        None if dir.join(LOG).is_file() => Ok(Found::First),
        None => Ok(Found::Nothing),
    }
}

/// The folder of the store with this number.
pub(crate) fn store(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{STORE}{number}"))
}

/// An empty folder for a store that is to take the place of what is there, and its number.
pub(crate) fn start(dir: &Path) -> io::Result<(PathBuf, u64)> {
    let number = highest(dir, STORE)?
        .max(highest(dir, DAMAGED)?)
        .unwrap_or(0)
        + 1;
    let new = dir.join(format!("{NEW}{number}"));
    remove(&new)?;
    fs::create_dir_all(&new)?;
    Ok((new, number))
}

/// Makes `new.N` the store that counts.
pub(crate) fn finish(dir: &Path, number: u64) -> io::Result<PathBuf> {
    let (new, store) = (dir.join(format!("{NEW}{number}")), store(dir, number));
    sync(&new)?;
    fs::rename(new, &store)?;
    sync(dir)?;
    Ok(store)
}

/// Keeps the store that counted before `number` under another name. Gives its folder.
pub(crate) fn set_aside(dir: &Path, before: Found) -> io::Result<Option<PathBuf>> {
    match before {
        Found::Nothing => Ok(None),
        Found::Store(number) => {
            let kept = dir.join(format!("{DAMAGED}{number}"));
            fs::rename(store(dir, number), &kept)?;
            Ok(Some(kept))
        }
        Found::First => {
            let kept = dir.join(format!("{DAMAGED}0"));
            fs::create_dir_all(&kept)?;
            for path in first_files(dir)? {
                if let Some(name) = path.file_name() {
                    fs::rename(&path, kept.join(name))?;
                }
            }
            Ok(Some(kept))
        }
    }
}

/// Removes what an interrupted rewriting left beside the store that counts.
pub(crate) fn sweep(dir: &Path) -> io::Result<()> {
    for path in listed(dir, NEW)?.into_values() {
        remove(&path)?;
    }
    let mut stores = listed(dir, STORE)?;
    if stores.pop_last().is_some() {
        for path in stores.values().chain(&first_files(dir)?) {
            remove(path)?;
        }
    }
    Ok(())
}

/// The files of a store of format 1.
fn first_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = [LARGE, SETTINGS].map(|name| dir.join(name)).to_vec();
    files.extend(snapshots(dir)?);
    // Last, since without it the others are no store.
    files.push(dir.join(LOG));
    files.retain(|path| path.exists());
    Ok(files)
}

/// The snapshots in the folder of a store.
pub(crate) fn snapshots(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for item in fs::read_dir(store)? {
        let item = item?;
        if item.file_name().to_string_lossy().starts_with(SNAPSHOT) {
            found.push(item.path());
        }
    }
    Ok(found)
}

/// The files of a store that hold records.
pub(crate) fn logs(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = vec![store.join(LOG)];
    match fs::read_dir(store.join(LARGE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        items => {
            for item in items? {
                files.push(item?.path());
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The bytes that the records of a store take.
pub(crate) fn size(store: &Path) -> io::Result<u64> {
    let files = logs(store)?.into_iter();
    files.map(|file| Ok(fs::metadata(file)?.len())).sum()
}

fn highest(dir: &Path, prefix: &str) -> io::Result<Option<u64>> {
    Ok(listed(dir, prefix)?.pop_last().map(|(number, _)| number))
}

fn listed(dir: &Path, prefix: &str) -> io::Result<std::collections::BTreeMap<u64, PathBuf>> {
    let mut found = std::collections::BTreeMap::new();
    let items = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        items => items?,
    };
    for item in items {
        let item = item?;
        let name = item.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
            found.insert(number, item.path());
        }
    }
    Ok(found)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes what happened in a folder survive a power cut, where folders can be asked for that.
pub(crate) fn sync(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}
