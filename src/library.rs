//! One opened sound library: which files it knows, where they lie, and the vectors of their sounds.
//!
//! A library is one folder. In it the index crate keeps the vectors under the *content* of a sound
//! (the BLAKE3 of its file), and this module keeps beside them what is known of each *path*. So a
//! moved or copied file needs no new vectors, and several models can hold vectors of the same files.
//!
//! The order of writes makes a crash harmless: a content's vectors first, then the link from the
//! content to the path, then the path's record. Whatever is missing is redone by the next run, and
//! what is left over (vectors without a path) is never shown and is swept by [`Library::sweep`].

mod adapted;
mod cache;
mod catalog;
mod facets;
mod filters;
mod labelled;
mod marks;
mod place;
mod record;
mod relink;
mod settings;
mod upkeep;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use serde::Deserialize;
use soundseek_index::{Config, Database, Holder, Index, Space, SpaceSummary, Table};

use crate::embed::Embedder;
use adapted::HeldAdapter;
pub use cache::Cache;
use catalog::Catalog;
pub use facets::{Facets, LENGTH_EDGES_S};
pub use filters::{Filters, Passing};
use labelled::LabelStore;
pub use labelled::{GivenLabel, Labelling};
use marks::Marked;
pub use marks::{Marks, Tag, TagError};
pub use record::{
    ContentHash, Failure, FileRecord, FileState, Moment, SoundEntry, SoundRecord, Stamp,
};
use record::{parse_record, path_from_bytes, path_to_bytes};
pub use relink::Relinked;
pub use upkeep::{Compacted, Repaired};

/// An opened library.
pub struct Library {
    directory: PathBuf,
    database: Database,
    /// Path to [`FileRecord`].
    files: Table,
    /// Content hash and path to nothing: which paths hold a content.
    links: Table,
    /// Path to [`Failure`].
    failures: Table,
    /// Path of a root to nothing.
    roots: Table,
    /// Path of a folder below a root, on another drive than the folder that it is in, to nothing.
    mounts: Table,
    /// Name of a setting to its value.
    settings: Table,
    /// Content to [`Marks`].
    marked: Marked,
    /// What searches by description were taught.
    adapter: HeldAdapter,
    /// What the model has called sounds.
    labels: LabelStore,
    /// Held while a file's record is written, so that it never differs from the store.
    catalog: RwLock<Option<Catalog>>,
    /// What [`Library::catch_up`] has seen of other processes' changes.
    seen: AtomicU64,
}

impl Library {
    /// Opens the library in a folder, making an empty one where there is none.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or written, it is damaged, or another program has it open and does
    /// not let this one read along.
    pub fn open(directory: &Path) -> Result<Library> {
        Library::with_database(directory, Database::open(directory)?)
    }

    /// Opens a library that must be there already; nothing is created.
    ///
    /// # Errors
    ///
    /// As [`Library::open`], and when there is none.
    pub fn open_existing(directory: &Path) -> Result<Library> {
        Library::with_database(directory, Database::open_existing(directory)?)
    }

    /// The folder that is used when none is named: `soundseek` in the platform's data directory.
    ///
    /// # Errors
    ///
    /// When the user has no home directory.
    pub fn default_directory() -> Result<PathBuf> {
        let directories = directories::ProjectDirs::from("", "", "soundseek")
            .context("there is no home directory: name a library with --library DIR")?;
        Ok(directories.data_dir().join("library"))
    }

    fn with_database(directory: &Path, database: Database) -> Result<Library> {
        Ok(Library {
            directory: directory.to_path_buf(),
            files: database.table("files")?,
            links: database.table("links")?,
            failures: database.table("failures")?,
            roots: database.table("roots")?,
            mounts: database.table("mounts")?,
            settings: database.table("settings")?,
            marked: Marked::open(database.table("marks")?)?,
            adapter: HeldAdapter::default(),
            labels: LabelStore::new(database.table("label sets")?, database.table("labels")?),
            catalog: RwLock::default(),
            seen: AtomicU64::new(database.changes_by_others()?),
            database,
        })
    }

    /// The process that has the library open, if it is another one. Everything can be read then, and
    /// marks can be set; whatever else writes is refused.
    pub fn holder(&self) -> Option<Holder> {
        self.database.holder()
    }

    /// Makes this process the one that has the library open, waiting for half a second if another has.
    /// To be called before files, roots or vectors are changed.
    ///
    /// # Errors
    ///
    /// When another process keeps it; the text names that one.
    pub fn claim(&self) -> Result<()> {
        Ok(self.database.claim()?)
    }

    /// Takes in what another process has written since the library was opened, or since this was
    /// called last; true when there was something.
    ///
    /// # Errors
    ///
    /// When the store is damaged, or the process that has it is gone and it cannot be opened here.
    pub fn catch_up(&self, index: &RwLock<Index>) -> Result<bool> {
        let now = self.database.changes_by_others()?;
        if self.seen.swap(now, Ordering::AcqRel) == now {
            return Ok(false);
        }
        self.marked.reload()?;
        self.labels.forget_held();
        self.reload_catalog()?;
        let mut index = index
            .write()
            .expect("no thread panics while it writes the index");
        index.refresh()?;
        Ok(true)
    }

    /// The library's folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The bytes that the library's folder takes.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn size_on_disk(&self) -> Result<u64> {
        Ok(self.database.size_on_disk()?)
    }

    /// Makes everything written so far survive a power cut.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn flush(&self) -> Result<()> {
        Ok(self.database.flush()?)
    }

    /// The vectors of an embedder's space, to be added to; an empty space is made where there is none.
    ///
    /// # Errors
    ///
    /// When another process has the library open, the model fails its self-test, or the store is damaged.
    pub fn index_for_writing(&self, embedder: &Embedder) -> Result<Index> {
        self.claim()?;
        let config = embedder.index_config()?;
        if !self
            .spaces()?
            .iter()
            .any(|held| held.space.fingerprint == config.space.fingerprint)
        {
            embedder.model().self_test()?;
        }
        Ok(self.database.create_or_open(&config)?)
    }

    /// The vectors of an embedder's space, to be searched.
    ///
    /// # Errors
    ///
    /// When the library holds no vectors of this model; the text names those it holds.
    pub fn index_for_search(&self, embedder: &Embedder) -> Result<Index> {
        let opened = self.database.open_space(&embedder.index_config()?);
        opened.map_err(|error| match error {
            soundseek_index::Error::Space { .. } => anyhow::Error::from(error).context(
                "search with the model that the library was indexed with, or run `soundseek index` \
                 with this one: both models' vectors can lie side by side",
            ),
            other => other.into(),
        })
    }

    /// The models that the library holds vectors of.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn spaces(&self) -> Result<Vec<SpaceSummary>> {
        Ok(self.database.spaces()?)
    }

    /// The contents that have vectors of a model.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn contents_of(&self, space: &Space) -> Result<HashSet<ContentHash>> {
        let mut contents = HashSet::new();
        for key in self.database.keys(&space.fingerprint)? {
            let content = key.try_into();
            contents.insert(
                content
                    .ok()
                    .context("the vectors of something that is no content")?,
            );
        }
        Ok(contents)
    }

    /// True when a known file has no vectors in `index`, as after a change of the model.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn lacks_vectors_in(&self, index: &Index) -> Result<bool> {
        for link in self.links.iter() {
            let (key, _) = link?;
            let content: Option<&ContentHash> = key.first_chunk();
            if !content.is_some_and(|content| index.contains(content)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Drops all vectors of a model; true when there were some.
    ///
    /// # Errors
    ///
    /// When they are in use, or the disk refuses.
    pub fn remove_vectors(&self, space: &Space) -> Result<bool> {
        Ok(self.database.remove_space(&space.fingerprint)?)
    }

    /// What is known of one path.
    ///
    /// # Errors
    ///
    /// When the record is damaged.
    pub fn file(&self, path: &Path) -> Result<Option<FileRecord>> {
        read_record(&self.files, path)
    }

    /// What tells whether files have changed, for all that are known at or below a path. An item is an
    /// error when its record is damaged.
    ///
    /// # Errors
    ///
    /// When the path cannot be one of the library's.
    pub fn states_below(
        &self,
        top: &Path,
    ) -> Result<impl Iterator<Item = Result<(PathBuf, FileState)>> + use<>> {
        let items = self.files.scan_prefix(&path_to_bytes(top)?);
        let top = top.to_path_buf();
        Ok(items.filter_map(move |item| match item {
            Err(error) => Some(Err(error.into())),
            Ok((key, bytes)) => {
                let path = path_from_bytes(&key);
                // Names of others may begin with the same letters.
                let below = path.starts_with(&top);
                below.then(|| parse_record(&path, &bytes).map(|state| (path, state)))
            }
        }))
    }

    /// All files, in the order of their paths.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub fn files(&self) -> Result<BTreeMap<PathBuf, FileRecord>> {
        all_records(&self.files, |_| true).collect()
    }

    /// The files whose paths are wanted; the records of the others are not even read. An item is an
    /// error when its record is damaged.
    pub fn files_where(
        &self,
        wanted: impl Fn(&Path) -> bool,
    ) -> impl Iterator<Item = Result<(PathBuf, FileRecord)>> {
        all_records(&self.files, wanted)
    }

    /// How many files are known.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn file_count(&self) -> Result<usize> {
        Ok(self.files.len()?)
    }

    /// True when a file is known at or below a path.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn has_files_below(&self, top: &Path) -> Result<bool> {
        for item in self.files.scan_prefix(&path_to_bytes(top)?) {
            if path_from_bytes(&item?.0).starts_with(top) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes what is known of a file whose vectors are stored. Forgets an earlier failure.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn put_file(&self, path: &Path, record: &FileRecord) -> Result<()> {
        let key = path_to_bytes(path)?;
        let mut catalog = self.catalog_for_writing();
        let before = self.file(path)?;
        self.links.insert(&link_key(&record.content, &key), b"")?;
        self.files.insert(&key, &serde_json::to_vec(record)?)?;
        if let Some(catalog) = &mut *catalog {
            catalog.put(path, record);
        }
        if let Some(before) = before.filter(|before| before.content != record.content) {
            self.links.remove(&link_key(&before.content, &key))?;
        }
        self.failures.remove(&key)?;
        Ok(())
    }

    /// Forgets a file; true when it was known. Its vectors stay until [`Library::sweep`].
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn forget_file(&self, path: &Path) -> Result<bool> {
        let key = path_to_bytes(path)?;
        let mut catalog = self.catalog_for_writing();
        let Some(record) = self.file(path)? else {
            return Ok(false);
        };
        self.files.remove(&key)?;
        if let Some(catalog) = &mut *catalog {
            catalog.forget(path);
        }
        self.links.remove(&link_key(&record.content, &key))?;
        Ok(true)
    }

    /// The files that hold a content, in the order of their paths.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn files_of(&self, content: &[u8]) -> Result<Vec<(PathBuf, FileRecord)>> {
        let mut files = Vec::new();
        for item in self.links.scan_prefix(content) {
            let (key, _) = item?;
            let path = path_from_bytes(&key[content.len()..]);
            // A link is written before its record and removed after it, so it may stand alone.
            if let Some(record) = self.file(&path)?.filter(|record| record.content == content) {
                files.push((path, record));
            }
        }
        Ok(files)
    }

    /// Removes from `index` the vectors of contents that no path holds any more; gives their number.
    /// It is locked for writing only while one is removed.
    ///
    /// # Errors
    ///
    /// When the store is damaged or the disk refuses.
    pub fn sweep(&self, index: &RwLock<Index>) -> Result<usize> {
        let unpanicked = "no thread panics while it writes the index";
        let mut orphans = Vec::new();
        {
            // Both are in the order of contents, so one pass over the links answers for all keys.
            let index = index.read().expect(unpanicked);
            let mut links = self.links.iter();
            let mut link = links.next().transpose()?;
            for key in index.keys() {
                while link.as_ref().is_some_and(|(linked, _)| &linked[..] < key) {
                    link = links.next().transpose()?;
                }
                if !link
                    .as_ref()
                    .is_some_and(|(linked, _)| linked.starts_with(key))
                {
                    orphans.push(key.to_vec());
                }
            }
        }
        for key in &orphans {
            index.write().expect(unpanicked).remove(key)?;
        }
        Ok(orphans.len())
    }

    /// [`Library::sweep`] for the vectors of every model whose index is not open.
    ///
    /// # Errors
    ///
    /// As [`Library::sweep`].
    pub fn sweep_closed(&self) -> Result<usize> {
        let mut swept = 0;
        for held in self.spaces()? {
            let config = Config::new(held.space, held.dimension);
            match self.database.open_space(&config) {
                Err(soundseek_index::Error::SpaceOpen { .. }) => {}
                opened => swept += self.sweep(&RwLock::new(opened?))?,
            }
        }
        Ok(swept)
    }

    /// Remembers that a file could not be indexed, and why.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn put_failure(&self, path: &Path, failure: &Failure) -> Result<()> {
        self.failures
            .insert(&path_to_bytes(path)?, &serde_json::to_vec(failure)?)?;
        Ok(())
    }

    /// Forgets a failure; true when there was one.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn forget_failure(&self, path: &Path) -> Result<bool> {
        Ok(self.failures.remove(&path_to_bytes(path)?)?)
    }

    /// The failure that is remembered of one path.
    ///
    /// # Errors
    ///
    /// When the record is damaged.
    pub fn failure(&self, path: &Path) -> Result<Option<Failure>> {
        read_record(&self.failures, path)
    }

    /// All files that could not be indexed.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub fn failures(&self) -> Result<BTreeMap<PathBuf, Failure>> {
        all_records(&self.failures, |_| true).collect()
    }

    /// The folders (or single files) that are indexed, in order.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn roots(&self) -> Result<Vec<PathBuf>> {
        paths_of(&self.roots)
    }

    /// Adds a root, whatever others there are: see [`crate::ingest::add_root`].
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn add_root(&self, root: &Path) -> Result<()> {
        self.roots.insert(&path_to_bytes(root)?, b"")?;
        Ok(())
    }

    /// Forgets that a place is a root, and nothing else.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn remove_root(&self, root: &Path) -> Result<()> {
        self.roots.remove(&path_to_bytes(root)?)?;
        Ok(())
    }

    /// The folders below roots that were seen on a drive of their own, in order.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn mounts(&self) -> Result<Vec<PathBuf>> {
        paths_of(&self.mounts)
    }

    /// Remembers that a folder below a root lies on a drive of its own, so that it is not taken for
    /// deleted when the drive is unplugged.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn add_mount(&self, folder: &Path) -> Result<()> {
        self.mounts.insert(&path_to_bytes(folder)?, b"")?;
        Ok(())
    }

    /// Forgets that a folder lies on a drive of its own.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn remove_mount(&self, folder: &Path) -> Result<()> {
        self.mounts.remove(&path_to_bytes(folder)?)?;
        Ok(())
    }

    /// Forgets everything at or below a path: files, failures and roots. Gives the number of files.
    ///
    /// # Errors
    ///
    /// When another process has the library open, or the disk refuses.
    pub fn remove_tree(&self, top: &Path) -> Result<usize> {
        self.claim()?;
        for root in self.roots()?.iter().filter(|root| root.starts_with(top)) {
            self.remove_root(root)?;
        }
        for mount in self.mounts()?.iter().filter(|path| path.starts_with(top)) {
            self.remove_mount(mount)?;
        }
        for path in self.failures()?.keys().filter(|path| path.starts_with(top)) {
            self.forget_failure(path)?;
        }
        let mut forgotten = 0;
        for path in self.files()?.keys().filter(|path| path.starts_with(top)) {
            forgotten += usize::from(self.forget_file(path)?);
        }
        Ok(forgotten)
    }
}

fn link_key(content: &ContentHash, path: &[u8]) -> Vec<u8> {
    [content, path].concat()
}

fn read_record<T: for<'a> Deserialize<'a>>(table: &Table, path: &Path) -> Result<Option<T>> {
    table
        .get(&path_to_bytes(path)?)?
        .map(|bytes| parse_record(path, &bytes))
        .transpose()
}

fn paths_of(table: &Table) -> Result<Vec<PathBuf>> {
    let keys = table
        .iter()
        .map(|item| item.map(|(key, _)| path_from_bytes(&key)));
    Ok(keys.collect::<Result<_, _>>()?)
}

fn all_records<T: for<'a> Deserialize<'a>>(
    table: &Table,
    wanted: impl Fn(&Path) -> bool,
) -> impl Iterator<Item = Result<(PathBuf, T)>> {
    table.iter().filter_map(move |item| match item {
        Err(error) => Some(Err(error.into())),
        Ok((key, bytes)) => {
            let path = path_from_bytes(&key);
            wanted(&path).then(|| parse_record(&path, &bytes).map(|record| (path, record)))
        }
    })
}
