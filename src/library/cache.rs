//! Things made from sounds that can be made again: kept with the library, by content, up to a number.
//!
//! The oldest entry goes when a new one comes, through a ring of slots, so that nothing is ever
//! counted or sorted. It stands apart because nothing else in the library may be thrown away.

use anyhow::Result;
use soundseek_index::Table;

use super::{ContentHash, Library};

/// The slot that is filled next.
const NEXT: &[u8] = b"next";

/// A bounded table of bytes by content.
pub struct Cache {
    entries: Table,
    /// Number of a slot to the content in it, and [`NEXT`] to a number.
    slots: Table,
    capacity: u32,
    /// Another process has the library, and keeps the order of the slots.
    follows: bool,
}

impl Library {
    /// The cache of a name, holding at most `capacity` entries.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn cache(&self, name: &str, capacity: u32) -> Result<Cache> {
        Ok(Cache {
            entries: self.database.table(name)?,
            slots: self.database.table(&format!("{name} slots"))?,
            capacity,
            follows: self.database.holder().is_some(),
        })
    }
}

impl Cache {
    /// What was put for a content, if it is still there.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn get(&self, content: &ContentHash) -> Result<Option<Vec<u8>>> {
        Ok(self.entries.get(content)?)
    }

    /// Keeps bytes for a content, in place of what it had and, when the cache is full, of the oldest
    /// entry. Only the process that has the library open keeps anything.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn put(&self, content: &ContentHash, bytes: &[u8]) -> Result<()> {
        if self.follows {
            return Ok(());
        }
        if self.entries.insert(content, bytes)? {
            return Ok(());
        }
        let next = self.slots.get(NEXT)?;
        let next = next.and_then(|bytes| bytes.try_into().ok());
        let slot = next.map_or(0, u32::from_be_bytes) % self.capacity;
        if let Some(oldest) = self.slots.get(&slot.to_be_bytes())? {
            self.entries.remove(&oldest)?;
        }
        self.slots.insert(&slot.to_be_bytes(), content)?;
        self.slots.insert(NEXT, &(slot + 1).to_be_bytes())?;
        Ok(())
    }
}
