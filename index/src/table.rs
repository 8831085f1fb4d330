//! [`Table`]: the caller's own records, in the same folder and under the same lock as its vectors.
//!
//! Apart from the database, which hands tables out, because it has nothing to do with spaces.

use crate::error::Result;
use crate::records::{Batch, Records, commit};

/// Ordered records that the caller keeps beside its vectors; keys and values are opaque.
#[derive(Clone)]
pub struct Table {
    pub(crate) records: Records,
}

impl Table {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`crate::Error::Storage`] or [`crate::Error::Corrupt`], as in every method of this type.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.records.get(key)?.map(|value| value.as_ref().to_vec()))
    }

    /// Sets the value of `key`. Returns whether it had one before.
    ///
    /// # Errors
    /// See [`Table::get`].
    pub fn insert(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.records.insert(key, value.to_vec())
    }

    /// Sets all these values, or (over an error or a crash) none of them.
    ///
    /// # Errors
    /// See [`Table::get`].
    pub fn insert_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        records: impl IntoIterator<Item = (K, V)>,
    ) -> Result<()> {
        let mut batch = Batch::default();
        for (key, value) in records {
            batch.insert(key.as_ref(), value.as_ref().to_vec());
        }
        commit(&[(&self.records, batch)])
    }

    /// Sets (or with `None` removes) the value of `key` if it is `old` now. Returns whether it was.
    /// Another process may write to a table, too, so this is how to change what one has read.
    ///
    /// # Errors
    /// See [`Table::get`].
    pub fn swap(&self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        self.records.swap(key, old, new)
    }

    /// Removes `key`. Returns whether it had a value.
    ///
    /// # Errors
    /// See [`Table::get`].
    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        self.records.remove(key)
    }

    /// All records in the order of their keys. Records that are written meanwhile may or may not
    /// be among them.
    pub fn iter(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + use<> {
        self.records.iter()
    }

    /// The records whose keys start with `prefix`, in the order of their keys.
    pub fn scan_prefix(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + use<> {
        self.records.with_prefix(prefix)
    }

    /// How many records there are. Walks all of them.
    ///
    /// # Errors
    /// See [`Table::get`].
    pub fn len(&self) -> Result<usize> {
        self.records.len()
    }

    /// Whether there are no records.
    ///
    /// # Errors
    /// See [`Table::get`].
    pub fn is_empty(&self) -> Result<bool> {
        self.records.is_empty()
    }

    /// Removes all records.
    ///
    /// # Errors
    /// [`crate::Error::Held`] if another process has the store open; see also [`Table::get`].
    pub fn clear(&self) -> Result<()> {
        self.records.clear()
    }
}
