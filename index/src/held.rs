//! A store that is open in this process: what is written to it, what was acknowledged, how it closes.
//!
//! Apart from [`crate::store`], which finds out where a store is open and asks whoever has it: here it
//! is open, and all that share it, in this process or another, write through this one place. So
//! writes are counted here, flushes are noted outside of the log ([`crate::acknowledged`]), another
//! store can take the place of this one while nobody writes, and the last that lets go seals it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use crate::acknowledged::{self, Noted};
use crate::error::{Error, Result};
use crate::folder;
use crate::holder::{LOCK_PAUSE, LOCK_RETRIES, Lock};
use crate::local::{Local, Storing, Tree};
use crate::rewrite::ABOUT;
use crate::seal::{self, Seal};

/// In the tree [`ABOUT`]: the number of the last flush.
const FLUSHED_KEY: &[u8] = b"flushed";

/// What is open, and what others have done to it.
pub(crate) struct Held {
    trees: Mutex<Vec<(String, Tree)>>,
    pub(crate) local: Local,
    changes: AtomicU64,
    changes_by_others: AtomicU64,
    /// The number of the last flush, and of the changes before it.
    flushed: Mutex<(u64, u64)>,
    closing: Closing,
}

/// Seals the store and lets go of it, once all that had it open is gone.
struct Closing {
    store: PathBuf,
    /// Whether another store has been put in its place. Held for reading by all that write.
    replaced: RwLock<bool>,
    lock: Mutex<Option<Lock>>,
}

/// Opens the files of a store in `dir`, after a look at each byte if it is sealed. It is not from then
/// on: sled writes when it opens, too.
pub(crate) fn open_sealed(dir: &Path, store: &Path) -> Result<Local> {
    let failed = |source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    };
    let damaged = |what| Error::Corrupt {
        path: dir.to_path_buf(),
        what,
    };
    if let Seal::Damaged(what) = seal::check(store).map_err(failed)? {
        return Err(damaged(what));
    }
    if !store.join(folder::LOG).is_file() {
        return Err(damaged(format!("its file {} is gone", folder::LOG)));
    }
    seal::break_open(store).map_err(failed)?;
    seal::tidy(store).map_err(failed)?;
    Local::open(store, dir)
}

/// Refuses a store that does not have all that was acknowledged. Gives the number of its last flush.
pub(crate) fn check_acknowledged(dir: &Path, store: &Path, local: &Local) -> Result<u64> {
    let failed = |source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    };
    let damaged = |what: &str| Error::Corrupt {
        path: dir.to_path_buf(),
        what: what.to_owned(),
    };
    let known = local.tree(ABOUT, Storing::Framed)?.get(FLUSHED_KEY)?;
    let known = known.and_then(|known| known.as_ref().try_into().ok());
    let known = known.map_or(0, u64::from_le_bytes);
    match acknowledged::read(store).map_err(failed)? {
        Noted::Damaged => Err(damaged("its count of flushes is not what was written")),
        Noted::Flush(noted) if noted > known => Err(damaged("what was written to it last is gone")),
        Noted::Nothing | Noted::Flush(_) => Ok(known),
    }
}

impl Held {
    /// What was opened of the store in the folder `store`, if it has all that it ought to have.
    pub(crate) fn new(dir: &Path, store: PathBuf, local: Local) -> Result<Held> {
        let flushes = check_acknowledged(dir, &store, &local)?;
        Ok(Held {
            trees: Mutex::default(),
            local,
            changes: AtomicU64::new(0),
            changes_by_others: AtomicU64::new(0),
            flushed: Mutex::new((flushes, 0)),
            closing: Closing {
                store,
                replaced: RwLock::new(false),
                lock: Mutex::default(),
            },
        })
    }

    /// Keeps the folder's lock for as long as this is open.
    pub(crate) fn keep(&self, lock: Lock) {
        let kept = self.closing.lock.lock();
        *kept.unwrap_or_else(PoisonError::into_inner) = Some(lock);
    }

    /// The tree of this name, made if absent.
    pub(crate) fn tree(&self, name: &str) -> Result<Tree> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tree)) = trees.iter().find(|(known, _)| known == name) {
            return Ok(tree.clone());
        }
        let tree = self.local.tree(name, storing(name))?;
        trees.push((name.to_owned(), tree.clone()));
        Ok(tree)
    }

    pub(crate) fn tree_if_there(&self, name: &str) -> Result<Option<Tree>> {
        let there = self.local.has_tree(name);
        there.then(|| self.tree(name)).transpose()
    }

    /// Returns when everything written so far is on the disk, and known to be.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut flushed = self.flushed.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, seen) = *flushed;
        let changes = self.changes();
        if changes != seen {
            let about = self.local.tree(ABOUT, Storing::Framed)?;
            about.put(FLUSHED_KEY, Some(&(last + 1).to_le_bytes()))?;
        }
        self.local.flush()?;
        if changes != seen {
            let noted = acknowledged::note(&self.closing.store, last + 1);
            noted.map_err(|source| self.local.refused(source))?;
            *flushed = (last + 1, changes);
        }
        Ok(())
    }

    /// Does something that writes, and counts it; not any more once the store has another in its place.
    pub(crate) fn writing<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let replaced = self.closing.replaced.read();
        let replaced = replaced.unwrap_or_else(PoisonError::into_inner);
        if *replaced {
            let what = "it was written anew just now, and has to be opened again";
            return Err(self.local.refused(std::io::Error::other(what)));
        }
        self.changes.fetch_add(1, Ordering::AcqRel);
        work()
    }

    /// [`Held::writing`] for another process.
    pub(crate) fn writing_for_others<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.writing(|| {
            self.changes_by_others.fetch_add(1, Ordering::AcqRel);
            work()
        })
    }

    /// Whether another store has been put in the place of this one.
    pub(crate) fn is_replaced(&self) -> bool {
        let replaced = self.closing.replaced.read();
        *replaced.unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a store written anew and, if nothing was written to this one meanwhile, put in its place.
    /// Gives its folder if it was.
    pub(crate) fn replace(
        &self,
        write: impl FnOnce(&Local) -> Result<u64>,
        put_in_place: impl FnOnce(u64) -> Result<PathBuf>,
    ) -> Result<Option<PathBuf>> {
        let gate = || self.closing.replaced.write();
        let before = {
            // Nobody is writing at this moment.
            let _gate = gate().unwrap_or_else(PoisonError::into_inner);
            self.changes()
        };
        let number = write(&self.local)?;
        let mut replaced = gate().unwrap_or_else(PoisonError::into_inner);
        if *replaced || self.changes() != before {
            return Ok(None);
        }
        let store = put_in_place(number)?;
        *replaced = true;
        Ok(Some(store))
    }

    pub(crate) fn changes_by_others(&self) -> u64 {
        self.changes_by_others.load(Ordering::Acquire)
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}

/// Copies that carry digests of their own are stored as they are.
pub(crate) fn storing(name: &str) -> Storing {
    let copy = name.starts_with("space.") && (name.ends_with(".codes") || name.ends_with(".graph"));
    if copy {
        Storing::Plain
    } else {
        Storing::Framed
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let is_closed = is_closed(&self.store);
        let replaced = self.replaced.get_mut();
        if *replaced.unwrap_or_else(PoisonError::into_inner) {
            if let Some(dir) = self.store.parent() {
                // What is left of it is swept when the folder is opened next.
                let _ = folder::sweep(dir);
            }
        } else if is_closed {
            // Without a seal the next opening looks less closely, and that is all.
            let _ = seal::put(&self.store);
        }
    }
}

/// Waits until sled's threads have let go of a store.
pub(crate) fn is_closed(store: &Path) -> bool {
    let Ok(log) = std::fs::File::open(store.join(folder::LOG)) else {
        return false;
    };
    (0..LOCK_RETRIES).any(|_| {
        let closed = log.try_lock().is_ok();
        if !closed {
            std::thread::sleep(LOCK_PAUSE);
        }
        closed
    })
}
