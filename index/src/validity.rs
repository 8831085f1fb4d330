//! What has to hold between the store and the memory, checked whole.
//!
//! Apart from [`Index`], which keeps these invariants and never calls this: tests do after every
//! random sequence of operations, and whoever looks for damage.

use std::collections::HashSet;

use crate::codes::Code;
use crate::error::Result;
use crate::index::{GraphState, Index};
use crate::space::{State, shown};

impl Index {
    /// Checks everything that has to hold between the store and the memory; for tests and for
    /// finding damage. Reads the whole space.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) with the first thing that does not hold.
    pub fn assert_valid(&self) -> Result<()> {
        let wrong = |what: String| Err(self.space.corrupt(what));
        let mut state = State {
            next_id: self.state.next_id,
            entries: 0,
            vectors: 0,
        };
        for item in self.space.entries() {
            let (key, ids, _) = item?;
            state.entries += 1;
            state.vectors += u64::from(ids.count);
            if self.roster.ids(&key) != Some(ids) {
                return wrong(format!(
                    "entry {} is not in memory as it is stored",
                    shown(&key)
                ));
            }
            for id in ids.range() {
                let vector = self.space.vector(&key, id)?;
                let code = Code::new(vector.as_slice());
                let held = self.flat.slot(id).map(|slot| self.flat.code(slot));
                if held != Some((code.scale, code.fingerprint, code.codes.as_slice())) {
                    return wrong(format!(
                        "a code of entry {} is not of its vector",
                        shown(&key)
                    ));
                }
            }
        }
        let stored = self.space.count_vectors()? as u64;
        let counts = [self.space.state()?, self.state, state];
        if counts.iter().any(|&counted| counted != state) || stored != state.vectors {
            return wrong(format!(
                "the counts differ: {counts:?}, {stored} stored vectors"
            ));
        }
        if (self.roster.len(), self.flat.len()) != (state.entries as usize, stored as usize) {
            return wrong("there is more in memory than in the store".to_owned());
        }
        let GraphState::Ready(graph) = &self.graph else {
            return Ok(());
        };
        let waiting: HashSet<u64> = self.tail.iter().copied().collect();
        for slot in 0..self.flat.len() {
            let (id, fingerprint) = (self.flat.id(slot), self.flat.fingerprint(slot));
            if graph.contains(id, fingerprint) == waiting.contains(&id) {
                return wrong(format!(
                    "vector {id} is not in exactly one of graph and tail"
                ));
            }
        }
        let members = (0..graph.nodes())
            .map(|node| graph.members(node).len())
            .sum::<usize>();
        let dead = (0..graph.nodes())
            .filter(|&node| graph.members(node).is_empty())
            .count();
        if (members, dead) != (self.flat.len() - waiting.len(), graph.dead()) {
            return wrong("the graph stands for vectors that are gone".to_owned());
        }
        Ok(())
    }
}
