//! sled, and nothing but sled: opening, trees of records, atomic batches, errors with the path.
//!
//! With [`opened`] the only file that names the crate. sled is a log: what a crash leaves is a prefix
//! of what was written, cut between transactions, and a transaction may span trees (it "pegs" the
//! log, so that recovery takes all of its writes or none). Writes reach the disk within
//! [`FLUSH_INTERVAL_MS`] or at [`Local::flush`].
//!
//! Every record is stored in a frame ([`crate::frame`]) that says what it is, so that wrong bytes
//! are found when they are read; copies that carry a digest of their own are stored as they are.

mod opened;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sled::transaction::{TransactionError, Transactional};

use crate::error::{Error, Result};
use crate::frame::{self, Content};
use opened::Opened;

/// sled's own default; a kill or power cut loses at most this much finished work.
const FLUSH_INTERVAL_MS: u64 = 500;

/// sled's default is 1 GB. What searches read in the long run is copied out of the store once at
/// opening, so the cache only has to hold what is being written and reranked.
const CACHE_BYTES: u64 = 48 << 20;

/// The tree that sled itself keeps in every store.
const OWN_TREE: &[u8] = b"__sled__default";

/// A record as it is listed: key and value.
pub(crate) type Record = (Vec<u8>, Vec<u8>);

/// How the records of a tree are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storing {
    /// In frames.
    Framed,
    /// As they are: copies with digests of their own, and everything that format 1 wrote.
    Plain,
}

/// One open store.
#[derive(Clone)]
pub(crate) struct Local {
    opened: Arc<Opened>,
    path: Arc<Path>,
}

impl Local {
    /// Opens the store whose files lie in `dir`, creating it if absent; messages name `shown`.
    ///
    /// # Errors
    /// [`Error::Locked`] at once if it is open elsewhere.
    pub(crate) fn open(dir: &Path, shown: &Path) -> Result<Local> {
        let path: Arc<Path> = Arc::from(shown);
        std::fs::create_dir_all(dir).map_err(|source| storage(shown, source))?;
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(FLUSH_INTERVAL_MS));
        // Recovery of a damaged log can run into sled's own assertions.
        let opened = catch_unwind(AssertUnwindSafe(|| Opened::new(config, dir)))
            .map_err(|_| corrupt(shown, "its log cannot be read"))?;
        let opened = opened.map_err(|error| opening_error(&path, error))?;
        let opened = Arc::new(opened);
        Ok(Local { opened, path })
    }

    fn db(&self) -> &sled::Db {
        self.opened.db()
    }

    /// The tree of this name, made if absent.
    pub(crate) fn tree(&self, name: &str, storing: Storing) -> Result<Tree> {
        let tree = self
            .opened
            .write(|| self.db().open_tree(name))
            .map_err(|error| map(&self.path, error))?;
        Ok(Tree {
            tree,
            name: Arc::from(name),
            storing,
            home: self.clone(),
        })
    }

    pub(crate) fn has_tree(&self, name: &str) -> bool {
        self.db().tree_names().iter().any(|known| *known == name)
    }

    /// Removes the tree of this name with everything in it.
    pub(crate) fn remove_tree(&self, name: &str) -> Result<()> {
        self.opened
            .write(|| self.db().drop_tree(name))
            .map(drop)
            .map_err(|error| map(&self.path, error))
    }

    /// The names of all trees that were made, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.db().tree_names();
        let mut names: Vec<String> = names
            .iter()
            .filter(|name| *name != OWN_TREE)
            .filter_map(|name| String::from_utf8(name.to_vec()).ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// Returns when everything written so far is on the disk.
    pub(crate) fn flush(&self) -> Result<()> {
        self.opened.flush().map_err(|error| map(&self.path, error))
    }

    /// Bytes that the store takes on the disk.
    pub(crate) fn size_on_disk(&self) -> Result<u64> {
        self.db()
            .size_on_disk()
            .map_err(|error| map(&self.path, error))
    }

    /// The error of a system that refuses what belongs to this store.
    pub(crate) fn refused(&self, source: std::io::Error) -> Error {
        storage(&self.path, source)
    }

    /// A number greater than all that were given out before, over restarts too.
    fn sequence(&self) -> Result<u64> {
        self.opened
            .write(|| self.db().generate_id())
            .map_err(|error| map(&self.path, error))
    }
}

/// A value, shared with the store where it is.
pub(crate) struct Value(sled::IVec);

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Value {
        Value(bytes.into())
    }
}

/// One ordered map from bytes to bytes.
#[derive(Clone)]
pub(crate) struct Tree {
    tree: sled::Tree,
    name: Arc<str>,
    storing: Storing,
    home: Local,
}

/// What to do with one key.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

impl Tree {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        let stored = self.tree.get(key).map_err(|error| self.map(error))?;
        match stored {
            None => Ok(None),
            Some(stored) => self.open(key, stored),
        }
    }

    /// Sets or removes a value. Returns whether the key had one before.
    pub(crate) fn put(&self, key: &[u8], value: Option<&[u8]>) -> Result<bool> {
        let stored = self.close(key, value)?;
        let old = self.home.opened.write(|| match stored {
            Some(stored) => self.tree.insert(key, stored),
            None => self.tree.remove(key),
        });
        match old.map_err(|error| self.map(error))? {
            None => Ok(false),
            Some(old) => Ok(self.open(key, old)?.is_some()),
        }
    }

    /// Sets or removes a value if the key has `old` now. Returns whether it had.
    pub(crate) fn swap(&self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        loop {
            let stored = self.tree.get(key).map_err(|error| self.map(error))?;
            let held = match &stored {
                None => None,
                Some(stored) => self.open(key, stored.clone())?,
            };
            if held.as_ref().map(AsRef::as_ref) != old {
                return Ok(false);
            }
            let new = self.close(key, new)?;
            let swap = || self.tree.compare_and_swap(key, stored, new);
            let swapped = self.home.opened.write(swap);
            // Else somebody was faster, and the key has to be looked at again.
            if swapped.map_err(|error| self.map(error))?.is_ok() {
                return Ok(true);
            }
        }
    }

    /// All records, in the order of their keys.
    pub(crate) fn iter(&self) -> Walk {
        self.walk(self.tree.iter())
    }

    /// The records whose key starts with `prefix`, in order.
    pub(crate) fn with_prefix(&self, prefix: &[u8]) -> Walk {
        self.walk(self.tree.scan_prefix(prefix))
    }

    /// The records whose key starts with `prefix` and comes after `after`, in order.
    pub(crate) fn after(
        &self,
        prefix: &[u8],
        after: &[u8],
    ) -> impl Iterator<Item = Result<Record>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let range: (std::ops::Bound<&[u8]>, std::ops::Bound<&[u8]>) = (Excluded(after), Unbounded);
        let prefix = prefix.to_vec();
        self.walk(self.tree.range::<&[u8], _>(range))
            .take_while(move |item| {
                item.as_ref()
                    .map_or(true, |(key, _)| key.starts_with(&prefix))
            })
    }

    fn walk(&self, iter: sled::Iter) -> Walk {
        Walk {
            tree: self.clone(),
            iter,
        }
    }

    pub(crate) fn clear(&self) -> Result<()> {
        let cleared = self.home.opened.write(|| self.tree.clear());
        cleared.map_err(|error| self.map(error))
    }

    /// What is to be stored for a value, or for the lack of one.
    fn close(&self, key: &[u8], value: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        if self.storing == Storing::Plain {
            return Ok(value.map(<[u8]>::to_vec));
        }
        let sequence = self.home.sequence()?;
        Ok(Some(frame::write(&self.name, key, value, sequence)))
    }

    /// The value in what is stored.
    fn open(&self, key: &[u8], stored: sled::IVec) -> Result<Option<Value>> {
        if self.storing == Storing::Plain {
            return Ok(Some(Value(stored)));
        }
        match frame::read(&self.name, key, &stored) {
            Some(Content::Value(range)) => {
                Ok(Some(Value(stored.subslice(range.start, range.len()))))
            }
            Some(Content::Gone) => Ok(None),
            None => Err(corrupt(
                &self.home.path,
                &format!(
                    "the record of \"{}\" in {} is not what was written",
                    key.escape_ascii(),
                    self.name
                ),
            )),
        }
    }

    fn map(&self, error: sled::Error) -> Error {
        map(&self.home.path, error)
    }
}

/// Goes through records.
pub(crate) struct Walk {
    // Before the tree, which keeps the store open.
    iter: sled::Iter,
    tree: Tree,
}

impl Iterator for Walk {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            let (key, stored) = match self.iter.next()? {
                Ok(record) => record,
                Err(error) => return Some(Err(self.tree.map(error))),
            };
            match self.tree.open(&key, stored) {
                Ok(None) => {}
                Ok(Some(value)) => return Some(Ok((key.to_vec(), value.0.to_vec()))),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Applies the changes to their trees, all of them or none, over a crash too.
pub(crate) fn commit(parts: &[(&Tree, &[Change])]) -> Result<()> {
    let Some((first, _)) = parts.first() else {
        return Ok(());
    };
    let mut batches = Vec::with_capacity(parts.len());
    for (tree, changes) in parts {
        let mut batch = sled::Batch::default();
        for (key, value) in *changes {
            match tree.close(key, value.as_deref())? {
                Some(stored) => batch.insert(key.as_slice(), stored),
                None => batch.remove(key.as_slice()),
            }
        }
        batches.push(batch);
    }
    let trees: Vec<sled::Tree> = parts.iter().map(|(tree, _)| tree.tree.clone()).collect();
    let work = || {
        let done = trees.as_slice().transaction(|views| {
            for (view, batch) in views.iter().zip(&batches) {
                view.apply_batch(batch)?;
            }
            Ok(())
        });
        done.map_err(|error: TransactionError<()>| match error {
            TransactionError::Storage(error) => error,
            TransactionError::Abort(()) => sled::Error::Unsupported("an abort".to_owned()),
        })
    };
    let done = first.home.opened.write(work);
    done.map_err(|error| first.map(error))
}

fn opening_error(path: &Path, error: sled::Error) -> Error {
    match &error {
        // sled wraps the system's WouldBlock into text (config.rs, `try_lock`).
        sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => Error::Locked {
            path: path.to_path_buf(),
            holder: None,
        },
        // A log or a snapshot that ends too early.
        sled::Error::Io(io) if io.kind() == ErrorKind::UnexpectedEof => {
            corrupt(path, "its log ends too early")
        }
        _ => map(path, error),
    }
}

fn map(path: &Path, error: sled::Error) -> Error {
    match error {
        sled::Error::Corruption { at, .. } => match at {
            Some(at) => corrupt(
                path,
                &format!("bytes at {at} of its log are not what was written"),
            ),
            None => corrupt(path, "its log is not what was written"),
        },
        sled::Error::Io(source) => storage(path, by_number(source)),
        sled::Error::ReportableBug(what) | sled::Error::Unsupported(what) => corrupt(path, &what),
        other => storage(path, std::io::Error::other(other)),
    }
}

/// What the system said, where sled has kept no more of it than its text, such as
/// `Os { code: 5, kind: Uncategorized, message: "Input/output error" }` (sled 0.34, result.rs, `clone`).
fn by_number(error: std::io::Error) -> std::io::Error {
    let text = error.to_string();
    let number = text.split_once("Os { code: ");
    let number = number.and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
    number.map_or(error, std::io::Error::from_raw_os_error)
}

fn storage(path: &Path, source: std::io::Error) -> Error {
    Error::Storage {
        path: path.to_path_buf(),
        source,
    }
}

fn corrupt(path: &Path, what: &str) -> Error {
    Error::Corrupt {
        path: PathBuf::from(path),
        what: what.to_owned(),
    }
}
