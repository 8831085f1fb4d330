//! The places that a library was asked to index, and the drives below them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use soundseek_index::Table;

use super::Library;
use super::record::{path_from_bytes, path_to_bytes};

impl Library {
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

fn paths_of(table: &Table) -> Result<Vec<PathBuf>> {
    let keys = table
        .iter()
        .map(|item| item.map(|(key, _)| path_from_bytes(&key)));
    Ok(keys.collect::<Result<_, _>>()?)
}
