//! [`Index`]: one open space. Ties the store (the truth) to what is held in memory for searching.
//!
//! Every write goes to the store first, in one transaction, and then to the memory; so a write
//! that fails changes nothing. `&mut self` to write and `&self` to search is hnsw_rs's rule that
//! insertion and search must not overlap, checked by the compiler.

use crate::codes::Code;
use crate::config::{Config, Space};
use crate::database::Claim;
use crate::error::{Error, Result};
use crate::flat::Flat;
use crate::graph::Graph;
use crate::preparation::Preparation;
use crate::reading::read;
use crate::roster::Roster;
use crate::space::{Ids, SpaceStore, State, shown};
use crate::vector::Vector;

/// Points that wait for the graph are moved into it with each write, at most this many beyond
/// the write's own, so that no write takes much longer than the others.
const CATCH_UP_PER_WRITE: usize = 64;

/// What is stored under a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The caller's bytes.
    pub payload: Vec<u8>,
    /// The vectors in the order in which they were given.
    pub vectors: Vec<Vector>,
}

/// How far a long task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Vectors done.
    pub done: usize,
    /// Vectors in all.
    pub total: usize,
}

pub(crate) enum GraphState {
    Absent,
    Preparing(Preparation),
    Ready(Graph),
}

/// One open space: write entries, search their vectors.
pub struct Index {
    pub(crate) space: SpaceStore,
    pub(crate) config: Config,
    pub(crate) roster: Roster,
    pub(crate) flat: Flat,
    pub(crate) graph: GraphState,
    /// Ids that the graph does not have yet.
    pub(crate) tail: Vec<u64>,
    pub(crate) state: State,
    /// Another process had the store open when this was read: nothing can be written, and what is in
    /// memory may be older than what is stored.
    pub(crate) follows: bool,
    _claim: Claim,
}

impl Index {
    pub(crate) fn open(space: SpaceStore, config: Config, claim: Claim) -> Result<Index> {
        let follows = space.is_elsewhere();
        let (roster, flat, state) = read(&space, follows)?;
        let graph = GraphState::Absent;
        let tail = Vec::new();
        Ok(Index {
            space,
            config,
            roster,
            flat,
            graph,
            tail,
            state,
            follows,
            _claim: claim,
        })
    }

    /// Whether another process had the store open when this was opened or refreshed. What that one
    /// writes is then seen after [`Index::refresh`].
    pub fn follows(&self) -> bool {
        self.follows
    }

    /// Reads what another process has written since, if this index [follows](Index::follows) one. When
    /// that process is gone and this one has the store open in its place, the index can be written to
    /// from then on.
    ///
    /// # Errors
    /// As [`Database::open_space`](crate::Database::open_space); nothing has changed then.
    pub fn refresh(&mut self) -> Result<()> {
        if !self.follows {
            return Ok(());
        }
        // Asked first, since the first question may find the other process gone.
        self.space.state()?;
        let follows = self.space.is_elsewhere();
        let (roster, flat, state) = read(&self.space, follows)?;
        (self.roster, self.flat, self.state, self.follows) = (roster, flat, state, follows);
        Ok(())
    }

    /// Makes sure that this index may be written to.
    pub(crate) fn own(&mut self) -> Result<()> {
        if self.follows {
            self.space.is_here()?;
            self.refresh()?;
        }
        Ok(())
    }

    /// Whose vectors these are.
    pub fn space(&self) -> &Space {
        &self.config.space
    }

    /// The length of every vector.
    pub fn dimension(&self) -> usize {
        self.config.dimension
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.roster.len()
    }

    /// How many vectors all entries have together.
    pub fn vectors(&self) -> usize {
        self.flat.len()
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.roster.keys()
    }

    /// Whether there is an entry of this key.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.roster.ids(key).is_some()
    }

    /// The entry of this key.
    ///
    /// # Errors
    /// [`Error::Corrupt`], naming the key, if what is stored is not what was written;
    /// [`Error::Storage`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Entry>> {
        let ids = match self.follows {
            true => self.space.ids_now(key)?,
            false => self.roster.ids(key),
        };
        let Some(ids) = ids else {
            return Ok(None);
        };
        let Some(payload) = self.payload(key)? else {
            return Ok(None);
        };
        let vectors = ids
            .range()
            .map(|id| self.space.vector(key, id))
            .collect::<Result<_>>()?;
        Ok(Some(Entry { payload, vectors }))
    }

    /// The payload of this key's entry, without its vectors.
    ///
    /// # Errors
    /// As [`Index::get`].
    pub fn payload(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if self.follows {
            return self.space.payload(key);
        }
        if !self.contains(key) {
            return Ok(None);
        }
        let payload = self.space.payload(key)?;
        let gone = || {
            self.space
                .corrupt(format!("the record of {} is gone", shown(key)))
        };
        payload.ok_or_else(gone).map(Some)
    }

    /// Sets payload and vectors of `key`, in place of all that it had, in one transaction. An entry
    /// may have no vectors; no search finds it then.
    ///
    /// # Errors
    /// [`Error::Dimension`] for a vector of another length, [`Error::Storage`], [`Error::Held`] if another
    /// process has the store open; nothing has changed then.
    pub fn upsert(&mut self, key: &[u8], payload: &[u8], vectors: &[Vector]) -> Result<()> {
        for vector in vectors {
            self.check_dimension(vector)?;
        }
        self.own()?;
        let old = self.roster.ids(key);
        let count = u32::try_from(vectors.len()).map_err(|_| Error::Config {
            setting: "the number of vectors of an entry",
            received: vectors.len(),
            lowest: 0,
            highest: u32::MAX as usize,
        })?;
        let ids = Ids {
            first: self.state.next_id,
            count,
        };
        let removed = old.map_or(0, |old| u64::from(old.count));
        let state = State {
            next_id: ids.range().end,
            entries: self.state.entries + u64::from(old.is_none()),
            vectors: self.state.vectors - removed + u64::from(count),
        };
        self.space.put(key, old, (ids, payload, vectors), state)?;

        self.state = state;
        self.forget(old);
        let number = self.roster.set(key, ids);
        for (id, vector) in ids.range().zip(vectors) {
            let Code {
                scale,
                fingerprint,
                codes,
            } = Code::new(vector.as_slice());
            self.flat
                .push((id, number), (scale, fingerprint), codes.into_iter());
        }
        if !matches!(self.graph, GraphState::Absent) {
            self.tail.extend(ids.range());
        }
        self.catch_up(vectors.len() + CATCH_UP_PER_WRITE)?;
        self.write_full_chunks(ids)
    }

    /// Sets the payload of `key` and leaves its vectors alone. Returns whether there is such an
    /// entry.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn set_payload(&mut self, key: &[u8], payload: &[u8]) -> Result<bool> {
        self.own()?;
        let Some(ids) = self.roster.ids(key) else {
            return Ok(false);
        };
        self.space.put_payload(key, ids, payload)?;
        Ok(true)
    }

    /// Removes the entry with its vectors. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Storage`]; nothing has changed then.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool> {
        self.own()?;
        let Some(ids) = self.roster.ids(key) else {
            return Ok(false);
        };
        let state = State {
            next_id: self.state.next_id,
            entries: self.state.entries - 1,
            vectors: self.state.vectors - u64::from(ids.count),
        };
        self.space.remove(key, ids, state)?;
        self.state = state;
        self.forget(Some(ids));
        self.roster.remove(key);
        self.catch_up(CATCH_UP_PER_WRITE)?;
        Ok(true)
    }

    pub(crate) fn check_dimension(&self, vector: &Vector) -> Result<()> {
        let (expected, received) = (self.config.dimension, vector.dimension());
        if expected == received {
            Ok(())
        } else {
            Err(Error::Dimension { expected, received })
        }
    }
}
