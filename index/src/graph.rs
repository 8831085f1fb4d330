//! The HNSW graph (Malkov and Yashunin, 2018, arXiv 1603.09320) through hnsw_rs.
//!
//! The only file that names the library, and the one that keeps its limits: no removal, so nodes
//! whose vectors are gone are skipped by a filter; no equal ids; no equal vectors either, because
//! the neighbour heuristic (section 4 of the paper, algorithm 4) links bit-equal vectors to only one
//! of their kind, and a few hundred copies of a sound would cut each other off. A node is therefore
//! a distinct vector, and lists the ids that have it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use hnsw_rs::prelude::{AnnT, Distance, Hnsw, HnswIo};
use rayon::prelude::*;

use crate::codes::fingerprint;
use crate::vector::cosine_distance;

/// hnsw_rs refuses to write a graph with any other number of layers.
const LAYERS: usize = 16;

/// Inserted one after another before threads work side by side: with an almost empty graph all
/// threads would link to the same few nodes, and miss each other.
const SERIAL_NODES: usize = 256;

/// `1 - dot`, clamped: the library asserts that distances are not negative.
#[derive(Clone, Copy, Default)]
pub(crate) struct UnitDistance;

impl Distance<f32> for UnitDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        cosine_distance(a, b)
    }
}

/// A vector that is to go into the graph.
pub(crate) struct NewPoint {
    pub(crate) id: u64,
    pub(crate) fingerprint: u64,
    pub(crate) vector: Vec<f32>,
}

/// The graph, and which ids its nodes stand for.
pub(crate) struct Graph {
    hnsw: Hnsw<'static, f32, UnitDistance>,
    nodes: HashMap<u64, usize>,
    members: Vec<Vec<u64>>,
    dead: usize,
}

impl Graph {
    pub(crate) fn new(m: usize, ef_construction: usize, expected: usize) -> Graph {
        Graph {
            hnsw: Hnsw::new(m, expected, LAYERS, ef_construction, UnitDistance),
            nodes: HashMap::new(),
            members: Vec::new(),
            dead: 0,
        }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.members.len()
    }

    /// How many nodes stand for no id any more.
    pub(crate) fn dead(&self) -> usize {
        self.dead
    }

    /// The ids that share the vector of `node`.
    pub(crate) fn members(&self, node: usize) -> &[u64] {
        &self.members[node]
    }

    /// Whether `id`, whose vector has this fingerprint, is in the graph.
    pub(crate) fn contains(&self, id: u64, fingerprint: u64) -> bool {
        self.nodes
            .get(&fingerprint)
            .is_some_and(|&node| self.members[node].contains(&id))
    }

    /// Adds `id` to the node of its vector, if there is one.
    pub(crate) fn attach(&mut self, id: u64, fingerprint: u64) -> bool {
        let Some(&node) = self.nodes.get(&fingerprint) else {
            return false;
        };
        let members = &mut self.members[node];
        if members.is_empty() {
            self.dead -= 1;
        }
        members.push(id);
        true
    }

    pub(crate) fn remove(&mut self, id: u64, fingerprint: u64) {
        let Some(&node) = self.nodes.get(&fingerprint) else {
            return;
        };
        let members = &mut self.members[node];
        let before = members.len();
        members.retain(|&member| member != id);
        if members.is_empty() && before > 0 {
            self.dead += 1;
        }
    }

    /// Removes the ids that `keep` refuses.
    pub(crate) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        for members in &mut self.members {
            members.retain(|&id| keep(id));
        }
        self.dead = self
            .members
            .iter()
            .filter(|members| members.is_empty())
            .count();
    }

    /// Adds points, on all threads of the current pool.
    pub(crate) fn insert(&mut self, points: Vec<NewPoint>) {
        let mut fresh = Vec::with_capacity(points.len());
        for point in points {
            if self.attach(point.id, point.fingerprint) {
                continue;
            }
            let node = self.members.len();
            self.nodes.insert(point.fingerprint, node);
            self.members.push(vec![point.id]);
            fresh.push((point.vector, node));
        }
        let serial = SERIAL_NODES
            .saturating_sub(self.hnsw.get_nb_point())
            .min(fresh.len());
        for (vector, node) in &fresh[..serial] {
            self.hnsw.insert((vector, *node));
        }
        fresh[serial..]
            .par_iter()
            .for_each(|(vector, node)| self.hnsw.insert((vector, *node)));
    }

    /// Up to `ef` nodes near `query` that `keep` accepts, nearest first, with their distances.
    pub(crate) fn search(
        &self,
        query: &[f32],
        ef: usize,
        keep: Option<&dyn Fn(usize) -> bool>,
    ) -> Vec<(usize, f32)> {
        // The library reserves memory for ef candidates up front.
        let ef = ef.clamp(1, self.nodes().max(1));
        let found = match keep {
            None => self.hnsw.search(query, ef, ef),
            Some(keep) => {
                let filter = |node: &usize| keep(*node);
                self.hnsw.search_filter(query, ef, ef, Some(&filter))
            }
        };
        found
            .iter()
            .map(|neighbour| (neighbour.d_id, neighbour.distance))
            .collect()
    }

    /// Writes `NAME.hnsw.graph` and `NAME.hnsw.data` into an empty folder.
    pub(crate) fn dump(&self, dir: &Path, name: &str) -> Result<(), String> {
        let written = catch_unwind(AssertUnwindSafe(|| self.hnsw.file_dump(dir, name)));
        match written {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("hnsw_rs panicked".to_owned()),
        }
    }

    /// Reads what [`Graph::dump`] wrote; every node is dead until [`Graph::attach`]. The bytes have
    /// to be verified before: the library ends the process on some damaged ones.
    pub(crate) fn load(dir: &Path, name: &str, dimension: usize) -> Option<Graph> {
        // The graph borrows its loader, though it takes nothing from it without memory mapping.
        // Leaking the loader costs a few hundred bytes per opening, and no unsafe code.
        let loaded = catch_unwind(|| {
            let loader: &'static mut HnswIo = Box::leak(Box::new(HnswIo::new(dir, name)));
            loader.load_hnsw::<f32, UnitDistance>()
        });
        let mut hnsw = loaded.ok()?.ok()?;
        // The library turns this on for loaded graphs, and off for built ones.
        hnsw.set_extend_candidates(false);
        let count = hnsw.get_nb_point();
        let mut nodes = HashMap::with_capacity(count);
        let mut seen = 0;
        for point in hnsw.get_point_indexation() {
            let node = point.get_origin_id();
            if node >= count || point.get_v().len() != dimension {
                return None;
            }
            nodes.insert(fingerprint(point.get_v()), node);
            seen += 1;
        }
        if seen != count || nodes.len() != count {
            return None;
        }
        Some(Graph {
            hnsw,
            nodes,
            members: vec![Vec::new(); count],
            dead: count,
        })
    }
}
