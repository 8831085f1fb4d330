//! Writing a store anew beside itself, record by record: to begin one, to migrate it, to compact it.
//!
//! What is new takes the place of what was in one renaming ([`crate::folder`]), so whatever stops it
//! half-way has changed nothing. Apart from the store, which is open while this is not.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::folder::{self, Found};
use crate::held::{check_acknowledged, is_closed, open_sealed, storing};
use crate::index::Progress;
use crate::local::{Change, Local, Storing, Tree, commit};
use crate::seal;

/// Counts up when a store written before can no longer be read. Format 1 had bare records, its files
/// in the folder itself, and no seal.
pub(crate) const FORMAT: u32 = 2;
pub(crate) const ABOUT: &str = "database";
const FORMAT_KEY: &[u8] = b"format";
/// The bytes that the store took when it was written anew.
pub(crate) const BYTES_KEY: &[u8] = b"bytes";

/// Records are written in transactions of about this size.
const BATCH_BYTES: usize = 1 << 20;

/// The folder of the store in `dir`, begun if there is none, and migrated if it is of an older format.
/// To be called by whoever has the lock.
pub(crate) fn prepare(dir: &Path) -> Result<PathBuf> {
    let failed = |source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    };
    folder::sweep(dir).map_err(failed)?;
    match folder::look(dir).map_err(failed)? {
        Found::Store(number) => Ok(folder::store(dir, number)),
        Found::Nothing => write_anew(dir, &|_| Ok(())),
        Found::First => {
            seal::tidy(dir).map_err(failed)?;
            let old = Local::open(dir, dir)?;
            check(dir, &old, Storing::Plain, 1)?;
            let store = write_anew(dir, &|fresh| {
                copy(&old, &|_| Storing::Plain, fresh, &|| false, &|_| ())
            })?;
            drop(old);
            // What is left of the old store is swept now or, after a crash, at the next opening.
            folder::sweep(dir).map_err(failed)?;
            Ok(store)
        }
    }
}

/// Refuses a store of another format.
pub(crate) fn check_format(dir: &Path, store: &Local) -> Result<()> {
    check(dir, store, Storing::Framed, FORMAT)
}

fn check(dir: &Path, store: &Local, storing: Storing, expected: u32) -> Result<()> {
    let path = dir.to_path_buf();
    let number = match store.has_tree(ABOUT) {
        false => None,
        true => store.tree(ABOUT, storing)?.get(FORMAT_KEY)?,
    };
    let Some(number) = number else {
        let what = "it has no format number".to_owned();
        return Err(Error::Corrupt { path, what });
    };
    let found = number
        .as_ref()
        .try_into()
        .map_or(u32::MAX, u32::from_le_bytes);
    if found == expected {
        Ok(())
    } else {
        Err(Error::Format {
            path,
            expected: FORMAT,
            found,
        })
    }
}

/// Writes the live records of the store in `dir` into a new one, which takes its place.
pub(crate) fn compact(
    dir: &Path,
    cancel: &dyn Fn() -> bool,
    progress: &dyn Fn(Progress),
) -> Result<()> {
    let store = prepare(dir)?;
    let old = open_sealed(dir, &store)?;
    check_format(dir, &old)?;
    check_acknowledged(dir, &store, &old)?;
    write_anew(dir, &|fresh| copy(&old, &storing, fresh, cancel, progress))?;
    drop(old);
    is_closed(&store);
    folder::sweep(dir).map_err(|source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    })
}

/// Writes the live records of an open store into one beside it, and gives its number.
pub(crate) fn copy_beside(
    dir: &Path,
    from: &Local,
    cancel: &dyn Fn() -> bool,
    progress: &dyn Fn(Progress),
) -> Result<u64> {
    write_beside(dir, &|fresh| copy(from, &storing, fresh, cancel, progress))
}

/// Makes a store of the current format, has it filled, and puts it in place.
pub(crate) fn write_anew(dir: &Path, fill: &dyn Fn(&Local) -> Result<()>) -> Result<PathBuf> {
    put_in_place(dir, write_beside(dir, fill)?)
}

/// Makes the store of this number the one that counts.
pub(crate) fn put_in_place(dir: &Path, number: u64) -> Result<PathBuf> {
    folder::finish(dir, number).map_err(|source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    })
}

fn write_beside(dir: &Path, fill: &dyn Fn(&Local) -> Result<()>) -> Result<u64> {
    let failed = |source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    };
    let (new, number) = folder::start(dir).map_err(failed)?;
    {
        let fresh = Local::open(&new, dir)?;
        fill(&fresh)?;
        let about = fresh.tree(ABOUT, Storing::Framed)?;
        about.put(FORMAT_KEY, Some(&FORMAT.to_le_bytes()))?;
        fresh.flush()?;
        about.put(BYTES_KEY, Some(&fresh.size_on_disk()?.to_le_bytes()))?;
        fresh.flush()?;
    }
    if !is_closed(&new) {
        let source = std::io::Error::other("the disk refuses what was written anew");
        return Err(failed(source));
    }
    seal::put(&new).map_err(failed)?;
    Ok(number)
}

/// Copies all live records of one store into another.
fn copy(
    from: &Local,
    storing_of: &dyn Fn(&str) -> Storing,
    to: &Local,
    cancel: &dyn Fn() -> bool,
    progress: &dyn Fn(Progress),
) -> Result<()> {
    let names = from.names();
    let total = names.len();
    for (done, name) in names.iter().enumerate() {
        progress(Progress { done, total });
        let old = from.tree(name, storing_of(name))?;
        let mut filling = Filling::new(to.tree(name, storing(name))?);
        for record in old.iter() {
            let (key, value) = record?;
            if filling.add(key, value)? && cancel() {
                return Err(Error::Cancelled);
            }
        }
        filling.finish()?;
    }
    Ok(())
}

/// Gathers records of one tree into transactions.
pub(crate) struct Filling {
    tree: Tree,
    waiting: Vec<Change>,
    bytes: usize,
}

impl Filling {
    pub(crate) fn new(tree: Tree) -> Filling {
        Filling {
            tree,
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds a record. Returns whether a transaction was written for it.
    pub(crate) fn add(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<bool> {
        self.bytes += key.len() + value.len();
        self.waiting.push((key, Some(value)));
        let full = self.bytes >= BATCH_BYTES;
        if full {
            self.write()?;
        }
        Ok(full)
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        commit(&[(&self.tree, &self.waiting)])?;
        self.waiting.clear();
        self.bytes = 0;
        Ok(())
    }
}
