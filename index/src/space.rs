//! How one space lies in the store: five trees and their byte layouts. **The truth.**
//!
//! | tree | key | value |
//! |---|---|---|
//! | `meta` | `state` | next id, entries, vectors: `u64` each |
//! | `entries` | the caller's key | first id `u64`, count `u32`, the caller's payload |
//! | `vectors` | id, `u64` **big-endian**, so that order is numeric | the numbers, `f32` each |
//! | `codes` | chunk number, `u64` big-endian | see `codes.rs`; a rebuildable copy |
//! | `graph` | see `saved.rs` | a rebuildable copy |
//!
//! Numbers are little-endian where not said otherwise. The vectors of an entry take consecutive
//! ids, so that the entry's record says which they are and no second tree has to map ids back to
//! keys. Ids only grow and are never used again: a stale id in a rebuildable copy can then miss
//! its vector, but never mean another one. The vectors lie apart from the entries because opening
//! reads all entries and (thanks to `codes`) hardly any vector.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::records::{Batch, Records, commit};
use crate::store::Store;
use crate::vector::Vector;

const STATE: &[u8] = b"state";
const ENTRY_HEADER_BYTES: usize = 12;

/// The ids of an entry's vectors: `first..first + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) first: u64,
    pub(crate) count: u32,
}

impl Ids {
    pub(crate) fn range(self) -> std::ops::Range<u64> {
        self.first..self.first + u64::from(self.count)
    }
}

/// Counters that change with every write.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) next_id: u64,
    pub(crate) entries: u64,
    pub(crate) vectors: u64,
}

impl State {
    fn to_bytes(self) -> Vec<u8> {
        let numbers = [self.next_id, self.entries, self.vectors];
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        bytes.collect()
    }
}

/// The trees of one space.
#[derive(Clone)]
pub(crate) struct SpaceStore {
    meta: Records,
    entries: Records,
    vectors: Records,
    pub(crate) codes: Records,
    pub(crate) graph: Records,
    pub(crate) dimension: usize,
}

/// The prefix of the names of all trees of the space with this number.
pub(crate) fn tree_prefix(number: u64) -> String {
    format!("space.{number}.")
}

impl SpaceStore {
    pub(crate) fn open(store: &Store, number: u64, dimension: usize) -> SpaceStore {
        let records = |name| store.records(&format!("{}{name}", tree_prefix(number)));
        SpaceStore {
            meta: records("meta"),
            entries: records("entries"),
            vectors: records("vectors"),
            codes: records("codes"),
            graph: records("graph"),
            dimension,
        }
    }

    /// Whether another process has the store open.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.meta.is_elsewhere()
    }

    /// Makes sure that this process has the store open.
    pub(crate) fn is_here(&self) -> Result<()> {
        self.meta.is_here()
    }

    pub(crate) fn path(&self) -> &Path {
        self.meta.path()
    }

    pub(crate) fn corrupt(&self, what: String) -> Error {
        Error::Corrupt {
            path: self.path().to_path_buf(),
            what,
        }
    }

    pub(crate) fn state(&self) -> Result<State> {
        let Some(bytes) = self.meta.get(STATE)? else {
            return Ok(State::default());
        };
        let bytes = bytes.as_ref();
        let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        match (bytes.len(), number(0), number(8), number(16)) {
            (24, Some(next_id), Some(entries), Some(vectors)) => Ok(State {
                next_id,
                entries,
                vectors,
            }),
            _ => Err(self.corrupt(format!("its counters take {} bytes, not 24", bytes.len()))),
        }
    }

    /// All entries in the order of their keys, with their payloads.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<(Vec<u8>, Ids, Vec<u8>)>> {
        self.entries.iter().map(|item| {
            let (key, mut record) = item?;
            let ids = self.ids(&key, &record)?;
            record.drain(..ENTRY_HEADER_BYTES);
            Ok((key, ids, record))
        })
    }

    pub(crate) fn payload(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(record) = self.entries.get(key)? else {
            return Ok(None);
        };
        self.ids(key, record.as_ref())?;
        Ok(Some(record.as_ref()[ENTRY_HEADER_BYTES..].to_vec()))
    }

    /// The ids that the entry has now, whatever it had when it was read into memory.
    pub(crate) fn ids_now(&self, key: &[u8]) -> Result<Option<Ids>> {
        let record = self.entries.get(key)?;
        let ids = record.map(|record| self.ids(key, record.as_ref()));
        ids.transpose()
    }

    fn ids(&self, key: &[u8], record: &[u8]) -> Result<Ids> {
        parse_ids(record).ok_or_else(|| {
            self.corrupt(format!(
                "the record of entry {} has no valid header",
                shown(key)
            ))
        })
    }

    /// The stored vector `id` of the entry `key`, checked to be one.
    pub(crate) fn vector(&self, key: &[u8], id: u64) -> Result<Vector> {
        let damaged = |what: &str| self.corrupt(format!("a vector of entry {} {what}", shown(key)));
        let bytes = self
            .vectors
            .get(&id.to_be_bytes())?
            .ok_or_else(|| damaged("is missing"))?;
        let bytes = bytes.as_ref();
        let numbers = self.numbers(bytes).ok_or_else(|| {
            damaged(&format!(
                "takes {} bytes, not {}",
                bytes.len(),
                self.dimension * 4
            ))
        })?;
        Vector::restored(numbers).ok_or_else(|| damaged("is not of length 1 any more"))
    }

    /// The stored vector `id`, if it is there and whole.
    pub(crate) fn find_vector(&self, id: u64) -> Result<Option<Vec<f32>>> {
        let Some(bytes) = self.vectors.get(&id.to_be_bytes())? else {
            return Ok(None);
        };
        Ok(self
            .numbers(bytes.as_ref())
            .and_then(Vector::restored)
            .map(Vector::into_numbers))
    }

    fn numbers(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        let (numbers, rest) = bytes.as_chunks::<4>();
        let whole = numbers.len() == self.dimension && rest.is_empty();
        whole.then(|| {
            numbers
                .iter()
                .map(|&number| f32::from_le_bytes(number))
                .collect()
        })
    }

    /// How many vector records there are; walks them.
    pub(crate) fn count_vectors(&self) -> Result<usize> {
        self.vectors.len()
    }

    /// Replaces the entry (`old` are the ids it has now) in one transaction.
    pub(crate) fn put(
        &self,
        key: &[u8],
        old: Option<Ids>,
        (ids, payload, vectors): (Ids, &[u8], &[Vector]),
        state: State,
    ) -> Result<()> {
        let mut entries = Batch::default();
        let mut record = Vec::with_capacity(ENTRY_HEADER_BYTES + payload.len());
        record.extend(ids.first.to_le_bytes());
        record.extend(ids.count.to_le_bytes());
        record.extend(payload);
        entries.insert(key, record);
        let mut batch = removal(old);
        for (id, vector) in ids.range().zip(vectors) {
            let bytes = vector
                .as_slice()
                .iter()
                .flat_map(|number| number.to_le_bytes());
            batch.insert(&id.to_be_bytes(), bytes.collect());
        }
        commit(&[
            (&self.meta, state_change(state)),
            (&self.entries, entries),
            (&self.vectors, batch),
        ])
    }

    /// Replaces the payload alone.
    pub(crate) fn put_payload(&self, key: &[u8], ids: Ids, payload: &[u8]) -> Result<()> {
        let mut record = Vec::with_capacity(ENTRY_HEADER_BYTES + payload.len());
        record.extend(ids.first.to_le_bytes());
        record.extend(ids.count.to_le_bytes());
        record.extend(payload);
        self.entries.insert(key, record).map(drop)
    }

    /// Removes the entry and its vectors in one transaction.
    pub(crate) fn remove(&self, key: &[u8], ids: Ids, state: State) -> Result<()> {
        let mut entries = Batch::default();
        entries.remove(key);
        let vectors = removal(Some(ids));
        commit(&[
            (&self.meta, state_change(state)),
            (&self.entries, entries),
            (&self.vectors, vectors),
        ])
    }
}

/// What is left of a space whose store was damaged, as records of its trees.
pub(crate) struct Recovered {
    pub(crate) meta: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) entries: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) vectors: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The keys of entries that do not have all of their vectors.
    pub(crate) lost: Vec<Vec<u8>>,
    /// How many more entries were counted than were found.
    pub(crate) missing: u64,
}

impl Recovered {
    /// The entries that have all of their vectors, and nothing else, out of what was found in the
    /// trees `meta`, `entries` and `vectors`.
    pub(crate) fn of(
        [meta, mut entries, mut vectors]: [BTreeMap<Vec<u8>, Vec<u8>>; 3],
    ) -> Recovered {
        let mut state = State::default();
        let mut lost = Vec::new();
        let mut kept = BTreeMap::new();
        entries.retain(|key, record| {
            let own = parse_ids(record).map(|ids| {
                let own = ids
                    .range()
                    .map(|id| vectors.remove_entry(&id.to_be_bytes()[..]));
                (ids, own.collect::<Option<Vec<_>>>())
            });
            let Some((ids, Some(own))) = own else {
                lost.push(key.clone());
                return false;
            };
            state.next_id = state.next_id.max(ids.range().end);
            state.entries += 1;
            state.vectors += u64::from(ids.count);
            kept.extend(own);
            true
        });
        let counters = meta.get(STATE).map_or(&[][..], Vec::as_slice);
        let counter = |at: usize| {
            let bytes = counters.get(at..).and_then(|bytes| bytes.first_chunk());
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        // Ids are never given out twice, not even those of what is lost.
        state.next_id = state.next_id.max(counter(0));
        let found = state.entries + lost.len() as u64;
        Recovered {
            meta: BTreeMap::from([(STATE.to_vec(), state.to_bytes())]),
            entries,
            vectors: kept,
            lost,
            missing: counter(8).saturating_sub(found),
        }
    }
}

fn parse_ids(record: &[u8]) -> Option<Ids> {
    let (first, rest) = record.split_first_chunk()?;
    let ids = Ids {
        first: u64::from_le_bytes(*first),
        count: u32::from_le_bytes(*rest.first_chunk()?),
    };
    ids.first.checked_add(u64::from(ids.count)).map(|_| ids)
}

fn removal(ids: Option<Ids>) -> Batch {
    let mut batch = Batch::default();
    for id in ids.into_iter().flat_map(Ids::range) {
        batch.remove(&id.to_be_bytes());
    }
    batch
}

fn state_change(state: State) -> Batch {
    let mut batch = Batch::default();
    batch.insert(STATE, state.to_bytes());
    batch
}

/// A key as people can read it in a message.
pub(crate) fn shown(key: &[u8]) -> String {
    format!("\"{}\"", key.escape_ascii())
}
