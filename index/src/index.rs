//! [`Index`]: one open space. Ties the store (the truth) to what is held in memory for searching.
//!
//! Every write goes to the store first, in one transaction, and then to the memory; so a write
//! that fails changes nothing. `&mut self` to write and `&self` to search is hnsw_rs's rule that
//! insertion and search must not overlap, checked by the compiler.

use crate::codes::{Chunk, Code, ids_per_chunk, write_chunk};
use crate::database::{Claim, Config, Space};
use crate::error::{Error, Result};
use crate::flat::Flat;
use crate::graph::{Graph, NewPoint};
use crate::preparation::{Base, Preparation, TOO_MANY_DEAD, Wanted, obtain};
use crate::roster::Roster;
use crate::saved;
use crate::space::{Ids, SpaceStore, State, shown};
use crate::vector::Vector;

/// Points that wait for the graph are moved into it with each write, at most this many beyond
/// the write's own, so that no write takes much longer than the others.
const CATCH_UP_PER_WRITE: usize = 64;

/// Rows reserved ahead at opening, at most: the number comes from the disk.
const MAX_RESERVED: usize = 1 << 18;

/// How often an entry is read that another process is replacing.
const READ_AGAIN: usize = 4;

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
    fn own(&mut self) -> Result<()> {
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

    /// Has the graph loaded, or built if none is saved, by a thread in the background, if there are
    /// at least `exact_below` vectors and it is not here already. Searches stay exact until then.
    pub fn prepare_graph(&mut self) {
        if matches!(self.graph, GraphState::Absent) && self.graph_pays() {
            self.tail.clear();
            let preparation = Preparation::start(self.space.clone(), self.wanted());
            self.graph = GraphState::Preparing(preparation);
        }
    }

    /// Loads or builds the graph, whatever the number of vectors, and saves it; returns when that
    /// is done. `cancel` is asked, and `progress` told, every tenth of a second or so. A vector that
    /// is damaged in the store is left out; [`Index::assert_valid`] names it.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Storage`]; the index then has no graph, and searches are exact.
    pub fn build_graph(
        &mut self,
        cancel: &dyn Fn() -> bool,
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        self.own()?;
        self.adopt();
        self.tail.clear();
        let base = match std::mem::replace(&mut self.graph, GraphState::Absent) {
            GraphState::Ready(graph) => Base::Held(graph),
            // A thread that is at it is stopped: here the caller waits, and more cores may work.
            GraphState::Preparing(_) | GraphState::Absent => Base::Saved,
        };
        if self.flat.len() > 0 {
            let graph = obtain(&self.space, &self.wanted(), base, cancel, progress)?;
            self.graph = GraphState::Ready(graph);
        }
        Ok(())
    }

    /// Whether there are so many vectors that searches are faster through the graph. An index that
    /// [follows](Index::follows) has none: the graph is the other process's to keep.
    pub fn graph_pays(&self) -> bool {
        !self.follows && self.flat.len() >= self.config.exact_below.max(1)
    }

    /// Whether searches go through the graph by now.
    pub fn graph_is_ready(&self) -> bool {
        self.ready_graph().is_some()
    }

    /// Rebuilds the graph if more than a fifth of its nodes are vectors that are gone, and drops
    /// what the store holds in copies for vectors that are gone, and writes the copies of codes that a
    /// damage has cost. Searches give the same results
    /// before and after, but for the graph's own approximation.
    ///
    /// # Errors
    /// [`Error::Cancelled`] (the graph before is kept), [`Error::Storage`].
    pub fn compact(
        &mut self,
        cancel: &dyn Fn() -> bool,
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        self.own()?;
        self.adopt();
        if let GraphState::Ready(graph) = &self.graph
            && graph.dead() * TOO_MANY_DEAD > graph.nodes()
        {
            if self.graph_pays() {
                let graph = obtain(&self.space, &self.wanted(), Base::Nothing, cancel, progress)?;
                self.graph = GraphState::Ready(graph);
            } else {
                saved::remove(&self.space)?;
                self.graph = GraphState::Absent;
            }
            self.tail.clear();
        }
        let per_chunk = ids_per_chunk(self.space.dimension);
        let live: std::collections::HashSet<u64> =
            self.flat.ids().iter().map(|id| id / per_chunk).collect();
        let held: std::collections::HashSet<u64> =
            Chunk::numbers(&self.space)?.into_iter().collect();
        for number in held.difference(&live) {
            self.space.codes.remove(&number.to_be_bytes())?;
        }
        let full = self.state.next_id / per_chunk;
        for &number in live.difference(&held).filter(|&&number| number < full) {
            self.write_chunk(number)?;
        }
        Ok(())
    }

    pub(crate) fn check_dimension(&self, vector: &Vector) -> Result<()> {
        let (expected, received) = (self.config.dimension, vector.dimension());
        if expected == received {
            Ok(())
        } else {
            Err(Error::Dimension { expected, received })
        }
    }

    /// The graph, if it can be searched now.
    pub(crate) fn ready_graph(&self) -> Option<&Graph> {
        match &self.graph {
            GraphState::Absent => None,
            GraphState::Preparing(preparation) => preparation.ready(),
            GraphState::Ready(graph) => Some(graph),
        }
    }

    fn wanted(&self) -> Wanted {
        let slots = 0..self.flat.len();
        let mut points: Vec<(u64, u64)> = slots
            .map(|slot| (self.flat.id(slot), self.flat.fingerprint(slot)))
            .collect();
        // In the order of ids, whatever was removed before: the same space, the same graph.
        points.sort_unstable();
        Wanted {
            m: self.config.m,
            ef_construction: self.config.ef_construction,
            points,
        }
    }

    /// Takes over what a thread has finished.
    fn adopt(&mut self) {
        let finished =
            matches!(&self.graph, GraphState::Preparing(preparation) if preparation.finished());
        if !finished {
            return;
        }
        let GraphState::Preparing(preparation) =
            std::mem::replace(&mut self.graph, GraphState::Absent)
        else {
            return;
        };
        match preparation.take() {
            Some(mut graph) => {
                graph.retain(|id| self.flat.slot(id).is_some());
                self.graph = GraphState::Ready(graph);
            }
            None => self.tail.clear(),
        }
    }

    /// Moves up to `count` waiting points into the graph.
    fn catch_up(&mut self, count: usize) -> Result<()> {
        self.adopt();
        let GraphState::Ready(graph) = &mut self.graph else {
            return Ok(());
        };
        let rest = self.tail.split_off(count.min(self.tail.len()));
        let mut points = Vec::new();
        for id in std::mem::replace(&mut self.tail, rest) {
            let Some(slot) = self.flat.slot(id) else {
                continue;
            };
            if let Some(vector) = self.space.find_vector(id)? {
                points.push(NewPoint {
                    id,
                    fingerprint: self.flat.fingerprint(slot),
                    vector,
                });
            }
        }
        graph.insert(points);
        Ok(())
    }

    fn forget(&mut self, ids: Option<Ids>) {
        for id in ids.into_iter().flat_map(Ids::range) {
            if let (GraphState::Ready(graph), Some(slot)) = (&mut self.graph, self.flat.slot(id)) {
                graph.remove(id, self.flat.fingerprint(slot));
            }
            self.flat.remove(id);
        }
        if ids.is_some() && !self.tail.is_empty() {
            let flat = &self.flat;
            self.tail.retain(|&id| flat.slot(id).is_some());
        }
    }

    /// Writes the chunks that these new ids have filled up.
    fn write_full_chunks(&self, ids: Ids) -> Result<()> {
        let per_chunk = ids_per_chunk(self.space.dimension);
        for number in ids.first / per_chunk..ids.range().end / per_chunk {
            self.write_chunk(number)?;
        }
        Ok(())
    }

    fn write_chunk(&self, number: u64) -> Result<()> {
        let per_chunk = ids_per_chunk(self.space.dimension);
        let range = number * per_chunk..(number + 1) * per_chunk;
        let codes = range.map(|id| self.flat.slot(id).map(|slot| self.flat.code(slot)));
        write_chunk(&self.space, number, codes)
    }
}

/// Reads the space into memory: the entries, and the codes from their chunks, or where no chunk
/// has them from the vectors. Where another process may be writing, an entry that is replaced
/// meanwhile is left out.
fn read(space: &SpaceStore, follows: bool) -> Result<(Roster, Flat, State)> {
    let state = space.state()?;
    let mut roster = Roster::default();
    for item in space.entries() {
        let (key, ids, _) = item?;
        if ids.range().end > state.next_id && !follows {
            return Err(space.corrupt(format!("entry {} has ids never given out", shown(&key))));
        }
        roster.set(&key, ids);
    }
    let mut by_id: Vec<(Ids, u32)> = roster.iter().map(|(number, m)| (m.ids, number)).collect();
    by_id.sort_unstable_by_key(|(ids, _)| (ids.first, ids.count));
    let shared = by_id
        .windows(2)
        .any(|pair| pair[0].0.range().end > pair[1].0.first);
    let vectors: u64 = by_id.iter().map(|(ids, _)| u64::from(ids.count)).sum();
    let counted = (roster.len() as u64, vectors);
    if shared || (counted != (state.entries, state.vectors) && !follows) {
        let what = format!(
            "it counts {} entries and {} vectors, and has {} and {}",
            state.entries, state.vectors, counted.0, counted.1
        );
        return Err(space.corrupt(what));
    }

    let mut flat = Flat::new(space.dimension);
    flat.reserve(usize::try_from(vectors).unwrap_or(0).min(MAX_RESERVED));
    let per_chunk = ids_per_chunk(space.dimension);
    let mut chunks = Chunk::all(space).peekable();
    let mut current: Option<(u64, Chunk)> = None;
    let mut replaced: Vec<(Ids, u32)> = Vec::new();
    'entries: for (ids, owner) in by_id {
        for id in ids.range() {
            let (number, position) = (id / per_chunk, (id % per_chunk) as usize);
            while current.as_ref().is_none_or(|(at, _)| *at < number) {
                let Some(next) = chunks.next() else { break };
                current = Some(next?);
            }
            let chunk = current.as_ref().filter(|(at, _)| *at == number);
            match chunk.and_then(|(_, chunk)| chunk.get(position)) {
                Some((scale, fingerprint, codes)) => {
                    flat.push((id, owner), (scale, fingerprint), codes);
                }
                None => {
                    let key = roster.member(owner).map_or(&[][..], |member| &member.key);
                    let code = match space.find_vector(id)? {
                        None if follows => {
                            replaced.push((ids, owner));
                            continue 'entries;
                        }
                        Some(vector) => Code::new(&vector),
                        None => Code::new(space.vector(key, id)?.as_slice()),
                    };
                    let Code {
                        scale,
                        fingerprint,
                        codes,
                    } = code;
                    flat.push((id, owner), (scale, fingerprint), codes.into_iter());
                }
            }
        }
    }
    for (ids, owner) in replaced {
        for id in ids.range() {
            flat.remove(id);
        }
        let Some(key) = roster.member(owner).map(|member| member.key.clone()) else {
            continue;
        };
        match read_again(space, &key)? {
            None => roster.remove(&key),
            Some((ids, codes)) => {
                roster.set(&key, ids);
                for (id, code) in ids.range().zip(codes) {
                    let (scale, fingerprint) = (code.scale, code.fingerprint);
                    flat.push((id, owner), (scale, fingerprint), code.codes.into_iter());
                }
            }
        }
    }
    Ok((roster, flat, state))
}

/// An entry that was replaced while it was read, as it is now; `None` if it is gone, or never at rest.
fn read_again(space: &SpaceStore, key: &[u8]) -> Result<Option<(Ids, Vec<Code>)>> {
    for _ in 0..READ_AGAIN {
        let Some(ids) = space.ids_now(key)? else {
            return Ok(None);
        };
        let code = |id| Ok(space.find_vector(id)?.map(|vector| Code::new(&vector)));
        let codes: Option<Vec<Code>> = ids.range().map(code).collect::<Result<_>>()?;
        if let Some(codes) = codes {
            return Ok(Some((ids, codes)));
        }
    }
    Ok(None)
}
