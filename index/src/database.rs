//! One folder: one store, one lock, one log; any number of spaces and of side tables in it.
//!
//! Apart from the index, because what is shared by all spaces (the folder, its format number, the
//! list of spaces) has another lifetime than any one of them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Config, MAX_DIMENSION, Space};
use crate::error::{Error, Result};
use crate::holder::Holder;
use crate::index::{Index, Progress};
use crate::records::{Batch, Records, commit};
use crate::rewrite::{self, ABOUT, BYTES_KEY};
use crate::salvage::{self, Repaired};
use crate::space::{SpaceStore, tree_prefix};
use crate::store::Store;
use crate::table::Table;

pub(crate) const NEXT_SPACE_KEY: &[u8] = b"next space";

/// What a space holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceSummary {
    /// The space.
    pub space: Space,
    /// The length of its vectors.
    pub dimension: usize,
    /// How many entries it has.
    pub entries: u64,
    /// How many vectors all of them have together.
    pub vectors: u64,
}

/// One folder on the disk: any number of spaces, and of tables that the caller keeps beside them.
///
/// The first process that opens a folder holds it, until the last [`Database`], [`Index`] and
/// [`Table`] made from it is dropped. Others that open it meanwhile read along through that process, and
/// may change tables record by record; what changes vectors is refused there with [`Error::Held`].
pub struct Database {
    store: Store,
    spaces: Records,
    /// The numbers of the spaces that an [`Index`] has open.
    open: Arc<Mutex<HashSet<u64>>>,
}

/// The record of one space in the list.
struct Listed {
    number: u64,
    dimension: usize,
    space: Space,
}

impl Database {
    /// Opens the store in `dir`, and makes folder and store if absent. A store of an older format is
    /// migrated first; nothing in it is lost.
    ///
    /// # Errors
    /// [`Error::Locked`] if it is open elsewhere, is not served there, and stays so for half a second,
    /// [`Error::Silent`] if the process that has it does not answer, [`Error::Format`] if a newer version
    /// wrote it, [`Error::Corrupt`] if it is damaged, [`Error::Storage`] if the system refuses.
    pub fn open(dir: &Path) -> Result<Database> {
        Database::with_store(Store::open(dir, false)?)
    }

    /// Opens the store in `dir`, and creates nothing.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none; otherwise as [`Database::open`].
    pub fn open_existing(dir: &Path) -> Result<Database> {
        Database::with_store(Store::open(dir, true)?)
    }

    fn with_store(store: Store) -> Result<Database> {
        let database = Database {
            spaces: store.records("spaces"),
            store,
            open: Arc::default(),
        };
        if database.holder().is_none() {
            database.sweep()?;
        }
        Ok(database)
    }

    /// The process that has the store open, if it is another one.
    pub fn holder(&self) -> Option<Holder> {
        self.store.holder()
    }

    /// Makes this process the one that has the store open, waiting for half a second if another has.
    /// To be called before an [`Index`] is opened that is to be written to.
    ///
    /// # Errors
    /// [`Error::Held`], naming the other; otherwise as [`Database::open`].
    pub fn claim(&self) -> Result<()> {
        self.store.claim()
    }

    /// A number that is another one when another process has written since it was asked for last.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Locked`].
    pub fn changes_by_others(&self) -> Result<u64> {
        self.store.changes_by_others()
    }

    /// Writes the store in `dir` anew without what is no longer used, in place of the one before. What
    /// stops it half-way changes nothing. It takes as much disk again as the live records while it runs.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Cancelled`], [`Error::Locked`] if it is open anywhere; otherwise as
    /// [`Database::open`].
    pub fn compact(
        dir: &Path,
        cancel: &dyn Fn() -> bool,
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        let _lock = salvage::lock(dir)?;
        rewrite::compact(dir, cancel, progress)
    }

    /// As [`Database::compact`], while this one is open: others go on reading what it holds. Gives the
    /// bytes that the store takes then; `None`, with nothing changed, if something was written
    /// meanwhile. Once it is done nothing can be written through this one, its indexes and tables: it
    /// is to be dropped.
    ///
    /// # Errors
    /// [`Error::Held`] if another process has the store open; otherwise as [`Database::compact`].
    pub fn renew(
        &self,
        cancel: &dyn Fn() -> bool,
        progress: &dyn Fn(Progress),
    ) -> Result<Option<u64>> {
        self.store.renew(cancel, progress)
    }

    /// Writes every record of the store in `dir` that is whole into a new store, whatever state the
    /// log is in, and puts that in place. The store before is kept beside it. Where the newest version of a
    /// record is lost, an older one may be back.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Locked`] if it is open anywhere, [`Error::Storage`].
    pub fn repair(dir: &Path) -> Result<Repaired> {
        let _lock = salvage::lock(dir)?;
        salvage::repair(dir)
    }

    /// Removes what an interrupted [`Database::remove_space`] or graph save left behind.
    fn sweep(&self) -> Result<()> {
        let prefixes: Vec<String> = self
            .listed()?
            .iter()
            .map(|listed| tree_prefix(listed.number))
            .collect();
        for name in self.store.names()? {
            let orphan = name.starts_with("space.")
                && !prefixes.iter().any(|prefix| name.starts_with(prefix));
            if orphan {
                self.store.remove_records(&name)?;
            }
        }
        crate::saved::sweep(self.store.path());
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// The caller's table of this name, made if absent.
    ///
    /// # Errors
    /// [`Error::Storage`] or [`Error::Corrupt`].
    pub fn table(&self, name: &str) -> Result<Table> {
        Ok(Table {
            records: self.store.records(&format!("table.{name}")),
        })
    }

    /// All spaces in the folder, in the order of their fingerprints.
    ///
    /// # Errors
    /// [`Error::Storage`] or [`Error::Corrupt`].
    pub fn spaces(&self) -> Result<Vec<SpaceSummary>> {
        let summary = |listed: Listed| {
            let state = SpaceStore::open(&self.store, listed.number, listed.dimension).state()?;
            Ok(SpaceSummary {
                space: listed.space,
                dimension: listed.dimension,
                entries: state.entries,
                vectors: state.vectors,
            })
        };
        self.listed()?.into_iter().map(summary).collect()
    }

    /// The keys of a space's entries, in order; none where there is no such space. Its vectors are not
    /// read.
    ///
    /// # Errors
    /// [`Error::Storage`] or [`Error::Corrupt`].
    pub fn keys(&self, fingerprint: &str) -> Result<Vec<Vec<u8>>> {
        let Some(listed) = self.find(fingerprint)? else {
            return Ok(vec![]);
        };
        let space = SpaceStore::open(&self.store, listed.number, listed.dimension);
        let entries = space.entries();
        entries.map(|entry| entry.map(|(key, _, _)| key)).collect()
    }

    /// Opens the space of `config`, and makes it if absent.
    ///
    /// # Errors
    /// [`Error::Dimension`] if the space has vectors of another length, [`Error::Config`] for a
    /// setting out of range, [`Error::SpaceOpen`] if an [`Index`] of it is still alive.
    pub fn create_or_open(&self, config: &Config) -> Result<Index> {
        config.check()?;
        match self.find(&config.space.fingerprint)? {
            Some(listed) => self.open_listed(listed, config),
            None => self.open_listed(self.create(config)?, config),
        }
    }

    /// Opens the space of `config`.
    ///
    /// # Errors
    /// [`Error::Space`] if the folder has no such space; otherwise as
    /// [`Database::create_or_open`].
    pub fn open_space(&self, config: &Config) -> Result<Index> {
        config.check()?;
        match self.find(&config.space.fingerprint)? {
            Some(listed) => self.open_listed(listed, config),
            None => Err(Error::Space {
                path: self.path().to_path_buf(),
                wanted: config.space.clone(),
                held: self
                    .listed()?
                    .into_iter()
                    .map(|listed| listed.space)
                    .collect(),
            }),
        }
    }

    /// Removes the space with all its entries. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::SpaceOpen`] if an [`Index`] of it is still alive.
    pub fn remove_space(&self, fingerprint: &str) -> Result<bool> {
        let Some(listed) = self.find(fingerprint)? else {
            return Ok(false);
        };
        let _claim = self.claim_space(&listed)?;
        // Once it is off the list it is gone; trees left by a crash are swept at the next opening.
        self.spaces.remove(fingerprint.as_bytes())?;
        let prefix = tree_prefix(listed.number);
        for name in self
            .store
            .names()?
            .iter()
            .filter(|name| name.starts_with(&prefix))
        {
            self.store.remove_records(name)?;
        }
        Ok(true)
    }

    /// Returns when everything written so far is on the disk. Without it that happens within
    /// half a second.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn flush(&self) -> Result<()> {
        self.store.flush()
    }

    /// Bytes that the store takes on the disk.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn size_on_disk(&self) -> Result<u64> {
        self.store.size_on_disk()
    }

    /// Bytes that the store took when it was written anew (begun, migrated, compacted or repaired), if it
    /// was since this is noted.
    ///
    /// # Errors
    /// [`Error::Storage`] or [`Error::Corrupt`].
    pub fn size_when_written_anew(&self) -> Result<Option<u64>> {
        let bytes = self.store.records(ABOUT).get(BYTES_KEY)?;
        let bytes = bytes.and_then(|bytes| bytes.as_ref().try_into().ok());
        Ok(bytes.map(u64::from_le_bytes))
    }

    fn create(&self, config: &Config) -> Result<Listed> {
        let about = self.store.records(ABOUT);
        let number = match about.get(NEXT_SPACE_KEY)? {
            Some(bytes) => bytes
                .as_ref()
                .first_chunk()
                .map_or(0, |b| u64::from_le_bytes(*b)),
            None => 0,
        };
        let mut record = number.to_le_bytes().to_vec();
        record.extend((config.dimension as u32).to_le_bytes());
        record.extend(config.space.name.as_bytes());
        let (mut counter, mut list) = (Batch::default(), Batch::default());
        counter.insert(NEXT_SPACE_KEY, (number + 1).to_le_bytes().to_vec());
        list.insert(config.space.fingerprint.as_bytes(), record);
        commit(&[(&about, counter), (&self.spaces, list)])?;
        Ok(Listed {
            number,
            dimension: config.dimension,
            space: config.space.clone(),
        })
    }

    fn open_listed(&self, listed: Listed, config: &Config) -> Result<Index> {
        if listed.dimension != config.dimension {
            let (expected, received) = (listed.dimension, config.dimension);
            return Err(Error::Dimension { expected, received });
        }
        let claim = self.claim_space(&listed)?;
        let space = SpaceStore::open(&self.store, listed.number, listed.dimension);
        Index::open(space, config.clone(), claim)
    }

    fn claim_space(&self, listed: &Listed) -> Result<Claim> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.insert(listed.number) {
            let path = self.path().to_path_buf();
            return Err(Error::SpaceOpen {
                path,
                space: listed.space.clone(),
            });
        }
        Ok(Claim {
            number: listed.number,
            open: Arc::clone(&self.open),
        })
    }

    fn find(&self, fingerprint: &str) -> Result<Option<Listed>> {
        let listed = self.listed()?;
        Ok(listed
            .into_iter()
            .find(|listed| listed.space.fingerprint == fingerprint))
    }

    fn listed(&self) -> Result<Vec<Listed>> {
        let parse = |key: Vec<u8>, record: Vec<u8>| {
            let (number, rest) = record.split_first_chunk()?;
            let (dimension, name) = rest.split_first_chunk()?;
            let dimension = u32::from_le_bytes(*dimension) as usize;
            let space = Space {
                name: String::from_utf8(name.to_vec()).ok()?,
                fingerprint: String::from_utf8(key).ok()?,
            };
            let valid = (1..=MAX_DIMENSION).contains(&dimension);
            valid.then(|| Listed {
                number: u64::from_le_bytes(*number),
                dimension,
                space,
            })
        };
        let damaged = || Error::Corrupt {
            path: self.path().to_path_buf(),
            what: "its list of spaces cannot be read".to_owned(),
        };
        self.spaces
            .iter()
            .map(|item| item.and_then(|(k, r)| parse(k, r).ok_or_else(damaged)))
            .collect()
    }
}

/// Says that a space is open, for as long as it lives.
pub(crate) struct Claim {
    number: u64,
    open: Arc<Mutex<HashSet<u64>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.number);
    }
}
