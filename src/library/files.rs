//! What a library knows of paths: the record of each file, which paths hold a content, and why a file
//! could not be indexed.
//!
//! Apart from the vectors, which belong to contents: here is the order of writes that makes a crash
//! between the two harmless.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;
use soundseek_index::Table;

use super::Library;
use super::record::{
    ContentHash, Failure, FileRecord, FileState, parse_record, path_from_bytes, path_to_bytes,
};

impl Library {
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
