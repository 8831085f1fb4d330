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
mod files;
mod filters;
mod labelled;
mod marks;
mod place;
mod record;
mod relink;
mod roots;
mod settings;
mod upkeep;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
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
}
