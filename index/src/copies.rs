//! Keeping an index's copies of its vectors in step with them: the graph, and the chunks of codes.
//!
//! Apart from the index, which is right without any of it: these are what makes searching and opening
//! fast, may lag behind or be lost, and are made again from the store.

use crate::codes::{Chunk, ids_per_chunk, write_chunk};
use crate::error::Result;
use crate::graph::{Graph, NewPoint};
use crate::index::{GraphState, Index, Progress};
use crate::preparation::{Base, Preparation, TOO_MANY_DEAD, Wanted, obtain};
use crate::saved;
use crate::space::Ids;

impl Index {
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
    /// [`crate::Error::Cancelled`], [`crate::Error::Storage`]; the index then has no graph, and searches are exact.
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

    /// Rebuilds the graph if more than a fifth of its nodes are vectors that are gone, drops what the
    /// store holds in copies for vectors that are gone, and writes the copies of codes that a damage
    /// has cost. Searches give the same results before and after, but for the graph's own
    /// approximation.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`] (the graph before is kept), [`crate::Error::Storage`].
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
    pub(crate) fn catch_up(&mut self, count: usize) -> Result<()> {
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

    pub(crate) fn forget(&mut self, ids: Option<Ids>) {
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
    pub(crate) fn write_full_chunks(&self, ids: Ids) -> Result<()> {
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
