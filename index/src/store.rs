//! sled, and nothing but sled: opening, trees of records, atomic batches, errors with the path.
//!
//! The only file that names the crate. sled is a log: what a crash leaves is a prefix of what
//! was written, cut between transactions, and a transaction may span trees (it "pegs" the log, so
//! that recovery takes all of its writes or none). Writes reach the disk within
//! [`FLUSH_INTERVAL_MS`] or at [`Store::flush`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sled::transaction::{TransactionError, Transactional};

use crate::error::{Error, Result};

/// sled's own default; a kill or power cut loses at most this much finished work.
const FLUSH_INTERVAL_MS: u64 = 500;

/// sled's default is 1 GB. What searches read in the long run is copied out of the store once at
/// opening, so the cache only has to hold what is being written and reranked.
const CACHE_BYTES: u64 = 48 << 20;

/// How often a lock that is held is asked for again, and how long to wait each time: half a second
/// in all. The lock belongs to the open file, which a child process shares from its fork to its
/// exec, so a store that was just closed can look open for a moment.
const LOCK_RETRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// One open folder.
#[derive(Clone)]
pub(crate) struct Store {
    db: sled::Db,
    path: Arc<Path>,
}

impl Store {
    /// Opens the store in `dir`, creating both if absent.
    pub(crate) fn open(dir: &Path) -> Result<Store> {
        let path: Arc<Path> = Arc::from(dir);
        std::fs::create_dir_all(dir).map_err(|source| Error::Storage {
            path: dir.to_path_buf(),
            source,
        })?;
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(FLUSH_INTERVAL_MS));
        let mut retries = 0;
        loop {
            // Recovery of a damaged log can run into sled's own assertions.
            let opened =
                catch_unwind(AssertUnwindSafe(|| config.open())).map_err(|_| Error::Corrupt {
                    path: dir.to_path_buf(),
                    what: "its log cannot be read".to_owned(),
                })?;
            match opened.map_err(|error| opening_error(&path, error)) {
                Ok(db) => return Ok(Store { db, path }),
                Err(Error::Locked { .. }) if retries < LOCK_RETRIES => {
                    retries += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether `dir` holds a store. Touches nothing.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join("db").is_file()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The tree of this name, made if absent.
    pub(crate) fn records(&self, name: &str) -> Result<Records> {
        let tree = self
            .db
            .open_tree(name)
            .map_err(|error| map(&self.path, error))?;
        Ok(Records {
            tree,
            path: Arc::clone(&self.path),
        })
    }

    /// Removes the tree of this name with everything in it.
    pub(crate) fn remove_records(&self, name: &str) -> Result<()> {
        self.db
            .drop_tree(name)
            .map(drop)
            .map_err(|error| map(&self.path, error))
    }

    /// The names of all trees that this crate made.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.db.tree_names();
        names
            .iter()
            .filter_map(|name| String::from_utf8(name.to_vec()).ok())
            .collect()
    }

    /// Returns when everything written so far is on the disk.
    pub(crate) fn flush(&self) -> Result<()> {
        self.db
            .flush()
            .map(drop)
            .map_err(|error| map(&self.path, error))
    }

    /// Bytes that the store takes on the disk.
    pub(crate) fn size_on_disk(&self) -> Result<u64> {
        self.db
            .size_on_disk()
            .map_err(|error| map(&self.path, error))
    }
}

/// One ordered map from bytes to bytes.
#[derive(Clone)]
pub(crate) struct Records {
    tree: sled::Tree,
    path: Arc<Path>,
}

impl Records {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<impl AsRef<[u8]> + use<>>> {
        self.tree.get(key).map_err(|error| map(&self.path, error))
    }

    /// Returns whether the key had a value before.
    pub(crate) fn insert(&self, key: &[u8], value: Vec<u8>) -> Result<bool> {
        let old = self
            .tree
            .insert(key, value)
            .map_err(|error| map(&self.path, error))?;
        Ok(old.is_some())
    }

    /// Returns whether there was a value.
    pub(crate) fn remove(&self, key: &[u8]) -> Result<bool> {
        let old = self
            .tree
            .remove(key)
            .map_err(|error| map(&self.path, error))?;
        Ok(old.is_some())
    }

    /// All records, in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + use<> {
        self.walk(self.tree.iter())
    }

    /// The records whose key starts with `prefix`, in order.
    pub(crate) fn with_prefix(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + use<> {
        self.walk(self.tree.scan_prefix(prefix))
    }

    fn walk(&self, iter: sled::Iter) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + use<> {
        let path = Arc::clone(&self.path);
        iter.map(move |item| {
            let (key, value) = item.map_err(|error| map(&path, error))?;
            Ok((key.to_vec(), value.to_vec()))
        })
    }

    /// Walks all records; sled has no stored count.
    pub(crate) fn len(&self) -> usize {
        self.tree.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    pub(crate) fn clear(&self) -> Result<()> {
        self.tree.clear().map_err(|error| map(&self.path, error))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Changes to one tree.
#[derive(Default)]
pub(crate) struct Batch(sled::Batch);

impl Batch {
    pub(crate) fn insert(&mut self, key: &[u8], value: Vec<u8>) {
        self.0.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

/// Applies the changes to their trees, all of them or none, over a crash too.
pub(crate) fn commit(parts: &[(&Records, Batch)]) -> Result<()> {
    let trees: Vec<sled::Tree> = parts
        .iter()
        .map(|(records, _)| records.tree.clone())
        .collect();
    let done = trees.as_slice().transaction(|views| {
        for (view, (_, batch)) in views.iter().zip(parts) {
            view.apply_batch(&batch.0)?;
        }
        Ok(())
    });
    done.map_err(|error: TransactionError<()>| {
        let path = parts
            .first()
            .map_or(Path::new(""), |(records, _)| records.path());
        match error {
            TransactionError::Storage(error) => map(path, error),
            TransactionError::Abort(()) => Error::Storage {
                path: path.to_path_buf(),
                source: std::io::Error::other("a transaction was aborted"),
            },
        }
    })
}

fn opening_error(path: &Path, error: sled::Error) -> Error {
    match &error {
        // sled wraps the system's WouldBlock into text (config.rs, `try_lock`).
        sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => Error::Locked {
            path: path.to_path_buf(),
        },
        // A log or a snapshot that ends too early.
        sled::Error::Io(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
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
        sled::Error::Io(source) => Error::Storage {
            path: path.to_path_buf(),
            source,
        },
        sled::Error::ReportableBug(what) | sled::Error::Unsupported(what) => corrupt(path, &what),
        other => Error::Storage {
            path: path.to_path_buf(),
            source: std::io::Error::other(other),
        },
    }
}

fn corrupt(path: &Path, what: &str) -> Error {
    Error::Corrupt {
        path: PathBuf::from(path),
        what: what.to_owned(),
    }
}
