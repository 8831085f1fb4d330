//! Keeping a library in order: giving space back, and getting out of a damaged one what is whole.
//!
//! Apart from the rest of the library, because these work on the store as a whole: compacting and
//! repairing on one that nobody has open, renewing on one that others go on searching.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::Result;
use soundseek_index::{Config, Database, Progress};

use super::{ContentHash, Library};

/// What a library takes that was just written anew, in the bytes of its vectors, about: with the
/// built-in model three times as much, with other records and codes (`index/benches/soak.rs`).
const TIGHT: u64 = 3;

/// A library that takes more than so many times what it took when it was written anew holds much that
/// is not used. One that was just filled takes a fifth more.
const LOOSE: u64 = 2;

/// Below this nobody would notice.
const WORTH_COMPACTING: u64 = 64 << 20;

/// What [`Library::compact`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// The bytes that the library took before.
    pub before: u64,
    /// The bytes that it takes now.
    pub after: u64,
    /// How many contents' vectors were forgotten, since no file has them any more.
    pub forgotten: usize,
}

/// What [`Library::repair`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repaired {
    /// Every record could be read, so nothing.
    NothingWrong,
    /// A new library was written.
    Rewritten {
        /// How many sounds' vectors are in it.
        sounds: usize,
        /// How many files are in it.
        files: usize,
        /// The files whose vectors, or some of them, were lost: they are indexed again by the next run.
        lost: Vec<PathBuf>,
        /// By how many sounds the library counted more than were found at all.
        missing: u64,
        /// The folder of the damaged library.
        kept: Option<PathBuf>,
    },
}

impl Library {
    /// The bytes that all vectors take by themselves.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn vector_bytes(&self) -> Result<u64> {
        let spaces = self.spaces()?;
        let bytes = spaces
            .iter()
            .map(|held| held.vectors * held.dimension as u64 * 4);
        Ok(bytes.sum())
    }

    /// True when compacting would give a good part of the disk back.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn is_loose(&self) -> Result<bool> {
        // Many names of few sounds, or vectors of few numbers, may take more than the vectors by far.
        let anew = self.database.size_when_written_anew()?.unwrap_or(0);
        let needed = anew.max(TIGHT * self.vector_bytes()?);
        Ok(self.size_on_disk()? > LOOSE * needed + WORTH_COMPACTING)
    }

    /// Writes the library in a folder anew, without what is no longer used.
    ///
    /// # Errors
    ///
    /// When there is none, another process has it open, it is damaged, the disk is full, or `cancel` says
    /// so; nothing has changed then.
    pub fn compact(
        directory: &Path,
        cancel: &dyn Fn() -> bool,
        progress: &dyn Fn(Progress),
    ) -> Result<Compacted> {
        let library = Library::open_existing(directory)?;
        library.claim()?;
        let forgotten = library.sweep_closed()?;
        library.tidy_indexes()?;
        let before = library.size_on_disk()?;
        drop(library);
        Database::compact(directory, cancel, progress)?;
        let after = Library::open_existing(directory)?.size_on_disk()?;
        Ok(Compacted {
            before,
            after,
            forgotten,
        })
    }

    /// Writes the library anew, without what is no longer used, while it is open and others search it.
    /// Gives the bytes that it takes then; `None` if something was written meanwhile and nothing has
    /// changed. Nothing can be written through this one afterwards: it is to be dropped.
    ///
    /// # Errors
    ///
    /// When another process has it open, it is damaged, the disk is full, or `cancel` says so; nothing has
    /// changed then.
    pub fn renew(
        &self,
        cancel: &dyn Fn() -> bool,
        progress: &dyn Fn(Progress),
    ) -> Result<Option<u64>> {
        self.sweep_closed()?;
        self.tidy_indexes()?;
        Ok(self.database.renew(cancel, progress)?)
    }

    /// Writes all that is whole in the library of a folder into a new one, in its place, and keeps the
    /// damaged one; unless there is nothing wrong with it.
    ///
    /// # Errors
    ///
    /// When there is none, another process has it open, or the disk refuses.
    pub fn repair(directory: &Path) -> Result<Repaired> {
        // What is damaged may run into assertions of the store's own.
        let checked = catch_unwind(AssertUnwindSafe(|| -> Result<()> {
            let library = Library::open_existing(directory)?;
            library.claim()?;
            library.check()
        }));
        match checked {
            Ok(Ok(())) => return Ok(Repaired::NothingWrong),
            Ok(Err(error)) if is_no_damage(&error) => return Err(error),
            Ok(Err(_)) | Err(_) => {}
        }
        let salvaged = Database::repair(directory)?;
        let library = Library::open_existing(directory)?;
        library.check()?;
        // A file whose link is lost would never be found.
        for (path, record) in library.files()? {
            library.put_file(&path, &record)?;
        }
        library.tidy_indexes()?;
        library.flush()?;
        Ok(Repaired::Rewritten {
            sounds: salvaged.entries,
            files: library.file_count()?,
            lost: library.without_vectors()?,
            missing: salvaged.missing,
            kept: salvaged.kept,
        })
    }

    /// Reads everything there is.
    ///
    /// # Errors
    ///
    /// When anything is not what was written.
    pub fn check(&self) -> Result<()> {
        self.files()?;
        self.failures()?;
        self.roots()?;
        self.mounts()?;
        for link in self.links.iter() {
            link?;
        }
        for held in self.spaces()? {
            let config = Config::new(held.space, held.dimension);
            self.database.open_space(&config)?.assert_valid()?;
        }
        Ok(())
    }

    /// Brings the copies that indexes keep of their vectors in order.
    fn tidy_indexes(&self) -> Result<()> {
        for held in self.spaces()? {
            let config = Config::new(held.space, held.dimension);
            let mut index = self.database.open_space(&config)?;
            index.compact(&|| false, &|_| ())?;
        }
        Ok(())
    }

    /// The files whose content has vectors in no space.
    fn without_vectors(&self) -> Result<Vec<PathBuf>> {
        let mut known: BTreeSet<ContentHash> = BTreeSet::new();
        for held in self.spaces()? {
            let config = Config::new(held.space, held.dimension);
            let index = self.database.open_space(&config)?;
            let contents = index.keys().map(ContentHash::try_from);
            known.extend(contents.flatten());
        }
        let files = self.files()?.into_iter();
        let without = files.filter(|(_, record)| !known.contains(&record.content));
        Ok(without.map(|(path, _)| path).collect())
    }
}

/// True for what no repair would help against.
fn is_no_damage(error: &anyhow::Error) -> bool {
    use soundseek_index::Error;
    matches!(
        error.downcast_ref(),
        Some(
            Error::Missing { .. }
                | Error::Locked { .. }
                | Error::Held { .. }
                | Error::Silent { .. }
                | Error::Format { .. }
        )
    )
}
