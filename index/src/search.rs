//! What is nearest: the exact scan, the walk through the graph, and the choice between them.
//!
//! The scan is used below the size where the graph pays, while the graph loads or builds, for
//! filters that keep little (a walk would spend its time on nodes that the filter refuses), and
//! wherever a walk ends with fewer results than there are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};

use rayon::prelude::*;

use crate::codes::Code;
use crate::error::Result;
use crate::flat::Candidate;
use crate::graph::Graph;
use crate::index::Index;
use crate::vector::{Vector, cosine_distance};

/// `ef` of [`Query::new`]: recall@10 of .99 and more on clustered vectors (`benches/search.rs`).
const DEFAULT_EF: usize = 64;

/// A filter that keeps less than this part of the entries is answered by the exact scan.
const NARROW: f32 = 0.5;

/// How much larger a space has to be before a walk with a filter pays: hnsw_rs does not stop early
/// when it has a filter, and was measured to take 4 to 6 times as long as without.
const FILTERED_WALK_COST: usize = 5;

/// Entries asked to learn how much a filter keeps; the estimate is within 5 % nineteen times
/// out of twenty.
const FILTER_SAMPLE: usize = 384;

/// A walk whose entries do not suffice is repeated with twice the `ef`, up to one node in this
/// many; beyond, the scan is cheaper.
const WIDEST_WALK: usize = 16;

/// Distinct vectors read from the store for one query, at least, and per result asked for.
const MAX_RERANKED: usize = 4096;
const MAX_RERANKED_PER_RESULT: usize = 32;

/// Below this many vectors to read, threads cost more than they save.
const SERIAL_RERANK: usize = 64;

/// Says of a key whether its entry may be among the results.
pub type KeyFilter<'a> = &'a (dyn Fn(&[u8]) -> bool + Sync);

/// What to look for.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The vector that the results are to be near to.
    pub vector: &'a Vector,
    /// How many results; 0 gives none.
    pub k: usize,
    /// How many candidates a walk through the graph keeps: more is slower and finds more. At least
    /// `k` are kept. The exact scan has no use for it.
    pub ef: usize,
    /// Count entries, each by its nearest vector, instead of vectors.
    pub per_entry: bool,
    /// Only entries whose key this accepts. Asked at most once per entry and query, before the
    /// nearest are chosen, possibly from several threads.
    pub filter: Option<KeyFilter<'a>>,
}

impl<'a> Query<'a> {
    /// The `k` vectors nearest to `vector`, with `ef` = 64, of all entries.
    pub fn new(vector: &'a Vector, k: usize) -> Query<'a> {
        Query {
            vector,
            k,
            ef: DEFAULT_EF,
            per_entry: false,
            filter: None,
        }
    }
}

/// A vector that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbor {
    /// The entry that has it.
    pub key: Vec<u8>,
    /// Its place among the vectors of the entry, from 0.
    pub ordinal: u32,
    /// `1 - cos`, in [0, 2].
    pub distance: f32,
}

/// A result before it gets its key.
#[derive(Debug, Clone, Copy)]
struct Hit {
    distance: f32,
    slot: usize,
}

/// A filter that remembers its answers.
struct Filter<'a> {
    accepts: KeyFilter<'a>,
    /// Per entry: 0 not asked, 1 refused, 2 accepted.
    answers: Vec<AtomicU8>,
}

impl Index {
    /// The `k` vectors (or entries) nearest to the query, the nearest first; equally near ones in
    /// the order of their keys, then of their ordinals.
    ///
    /// # Errors
    /// [`Error::Dimension`](crate::Error::Dimension) for a query of another length,
    /// [`Error::Corrupt`](crate::Error::Corrupt) if a stored vector is damaged.
    pub fn search(&self, query: &Query<'_>) -> Result<Vec<Neighbor>> {
        self.check_dimension(query.vector)?;
        if query.k == 0 || self.flat.len() == 0 {
            return Ok(Vec::new());
        }
        let filter = query.filter.map(|accepts| Filter {
            accepts,
            answers: (0..self.roster.numbers_end())
                .map(|_| AtomicU8::new(0))
                .collect(),
        });
        let walked = match self.ready_graph() {
            Some(graph) if self.worth_walking(graph, query, filter.as_ref()) => {
                self.walk(graph, query, filter.as_ref())?
            }
            _ => None,
        };
        let hits = match walked {
            Some(hits) => hits,
            None => self.scan_all(query, filter.as_ref())?,
        };
        Ok(hits.into_iter().map(|hit| self.neighbor(hit)).collect())
    }

    /// The cosine similarities, each within 0.01, of `vector` to about `sample` stored vectors (to all
    /// if there are fewer), evenly spread over the entries: against which background does a result
    /// stand out? No entry gives more than its share (`sample` by the number of entries, at least one),
    /// so that hours of one recording are not the whole background.
    ///
    /// # Errors
    /// [`Error::Dimension`](crate::Error::Dimension) for a vector of another length.
    pub fn background(&self, vector: &Vector, sample: usize) -> Result<Vec<f32>> {
        self.check_dimension(vector)?;
        let code = Code::new(vector.as_slice());
        let entries = self.roster.numbers_end();
        let asked = sample.min(entries);
        let each = sample / entries.max(1);
        let members = (0..asked).filter_map(|i| {
            let number = i as u128 * entries as u128 / asked as u128;
            self.roster.member(number as u32)
        });
        let ids = members.flat_map(|member| {
            let count = u64::from(member.ids.count);
            let taken = count.min(each.max(1) as u64);
            (0..taken).map(move |i| member.ids.first + (2 * i + 1) * count / (2 * taken))
        });
        Ok(ids
            .filter_map(|id| self.flat.slot(id))
            .map(|slot| self.flat.similarity(&code, slot))
            .collect())
    }

    fn worth_walking(&self, graph: &Graph, query: &Query<'_>, filter: Option<&Filter<'_>>) -> bool {
        graph.dead() * 2 <= graph.nodes()
            && query.k.saturating_mul(WIDEST_WALK) <= graph.nodes()
            && self.tail.len() * 2 <= self.flat.len()
            && filter.is_none_or(|filter| {
                let pays = self.config.exact_below.saturating_mul(FILTERED_WALK_COST);
                graph.nodes() >= pays && self.kept_of_sample(filter) >= NARROW
            })
    }

    /// The part of the vectors that the filter keeps, estimated on evenly spread ones.
    fn kept_of_sample(&self, filter: &Filter<'_>) -> f32 {
        let count = self.flat.len().min(FILTER_SAMPLE);
        let slots = (0..count).map(|i| i * self.flat.len() / count);
        let kept = slots
            .filter(|&slot| self.passes(Some(filter), self.flat.owner(slot)))
            .count();
        kept as f32 / count as f32
    }

    fn passes(&self, filter: Option<&Filter<'_>>, owner: u32) -> bool {
        let Some(filter) = filter else { return true };
        let answer = &filter.answers[owner as usize];
        match answer.load(Ordering::Relaxed) {
            0 => {
                let key = self.roster.member(owner).map(|member| &member.key);
                let accepted = key.is_some_and(|key| (filter.accepts)(key));
                answer.store(1 + u8::from(accepted), Ordering::Relaxed);
                accepted
            }
            answer => answer == 2,
        }
    }

    fn scan_all(&self, query: &Query<'_>, filter: Option<&Filter<'_>>) -> Result<Vec<Hit>> {
        let Some(filter) = filter else {
            return self.scan(query, None);
        };
        // One entry, one task: no entry is asked twice.
        let numbers = 0..self.roster.numbers_end() as u32;
        numbers
            .into_par_iter()
            .with_min_len(1024)
            .for_each(|number| {
                self.passes(Some(filter), number);
            });
        let slots = 0..self.flat.len() as u32;
        let kept: Vec<u32> = slots
            .filter(|&slot| self.passes(Some(filter), self.flat.owner(slot as usize)))
            .collect();
        self.scan(query, Some(&kept))
    }

    /// The nearest of these slots, or of all, by the stored numbers.
    fn scan(&self, query: &Query<'_>, slots: Option<&[u32]>) -> Result<Vec<Hit>> {
        let code = Code::new(query.vector.as_slice());
        let entries = query.per_entry.then(|| self.roster.numbers_end());
        let candidates = self.flat.candidates(&code, slots, query.k, entries);
        let hits = self.rerank(query, &candidates)?;
        Ok(self.best(hits, query))
    }

    /// Distances by the stored numbers. Equal vectors are read once; where more distinct ones are
    /// candidates than anyone can tell apart by a glance at the list, the last are left out.
    fn rerank(&self, query: &Query<'_>, candidates: &[Candidate]) -> Result<Vec<Hit>> {
        let most = query
            .k
            .saturating_mul(MAX_RERANKED_PER_RESULT)
            .max(MAX_RERANKED);
        let mut place_of: HashMap<u64, usize> = HashMap::new();
        let mut distinct: Vec<usize> = Vec::new();
        let mut wanted: Vec<(usize, usize)> = Vec::with_capacity(candidates.len());
        for &Candidate { slot, .. } in candidates {
            let fingerprint = self.flat.fingerprint(slot);
            let place = match place_of.get(&fingerprint) {
                Some(&place) => place,
                None if distinct.len() == most => continue,
                None => {
                    distinct.push(slot);
                    place_of.insert(fingerprint, distinct.len() - 1);
                    distinct.len() - 1
                }
            };
            wanted.push((slot, place));
        }
        let distances: Vec<f32> = distinct
            .par_iter()
            .with_min_len(SERIAL_RERANK)
            .map(|&slot| {
                let key = self
                    .roster
                    .member(self.flat.owner(slot))
                    .map(|member| &member.key);
                let key = key.map_or(&[][..], |key| key);
                let id = self.flat.id(slot);
                if self.follows {
                    // What was replaced since is not found, until the index is refreshed.
                    let vector = self.space.find_vector(id)?;
                    let distance =
                        |vector: Vec<f32>| cosine_distance(query.vector.as_slice(), &vector);
                    return Ok(vector.map_or(f32::INFINITY, distance));
                }
                let vector = self.space.vector(key, id)?;
                Ok(cosine_distance(query.vector.as_slice(), vector.as_slice()))
            })
            .collect::<Result<_>>()?;
        let hits = wanted.into_iter().map(|(slot, place)| Hit {
            distance: distances[place],
            slot,
        });
        Ok(hits.filter(|hit| hit.distance.is_finite()).collect())
    }

    /// The nearest by the graph, and exactly among what is not in it yet. `None` if there may be
    /// more results than the walk came upon.
    fn walk(
        &self,
        graph: &Graph,
        query: &Query<'_>,
        filter: Option<&Filter<'_>>,
    ) -> Result<Option<Vec<Hit>>> {
        let slots_of = |node: usize| {
            let slots = graph
                .members(node)
                .iter()
                .filter_map(|&id| self.flat.slot(id));
            slots.filter(|&slot| self.passes(filter, self.flat.owner(slot)))
        };
        // Dead nodes are few, and cost less as candidates to drop than as a filter.
        let keep = |node: usize| slots_of(node).next().is_some();
        let keep: Option<&dyn Fn(usize) -> bool> =
            if filter.is_some() { Some(&keep) } else { None };

        let mut rest = Vec::new();
        if !self.tail.is_empty() {
            let slots: Vec<u32> = self
                .tail
                .iter()
                .filter_map(|&id| self.flat.slot(id))
                .filter(|&slot| self.passes(filter, self.flat.owner(slot)))
                .map(|slot| slot as u32)
                .collect();
            rest = self.scan(query, Some(&slots))?;
        }
        let live = graph.nodes() - graph.dead();
        let mut ef = query.ef.max(query.k).min(graph.nodes()) * graph.nodes() / live.max(1);
        loop {
            let found = graph.search(query.vector.as_slice(), ef, keep);
            let hits = found.iter().flat_map(|&(node, distance)| {
                slots_of(node).map(move |slot| Hit { distance, slot })
            });
            let best = self.best(rest.iter().copied().chain(hits).collect(), query);
            if best.len() == query.k {
                return Ok(Some(best));
            }
            ef = ef.saturating_mul(2);
            if ef > graph.nodes() / WIDEST_WALK {
                return Ok(None);
            }
        }
    }

    /// The `k` nearest of these in order, one per entry if so asked.
    fn best(&self, mut hits: Vec<Hit>, query: &Query<'_>) -> Vec<Hit> {
        hits.sort_unstable_by(|a, b| {
            let by_distance = a.distance.total_cmp(&b.distance);
            by_distance.then_with(|| self.rank(a).cmp(&self.rank(b)))
        });
        if query.per_entry {
            let mut seen = std::collections::HashSet::new();
            hits.retain(|hit| seen.len() < query.k && seen.insert(self.flat.owner(hit.slot)));
        } else {
            hits.truncate(query.k);
        }
        hits
    }

    /// What orders equally near vectors: key, then ordinal (ids of an entry are in that order).
    fn rank(&self, hit: &Hit) -> (Option<&[u8]>, u64) {
        let member = self.roster.member(self.flat.owner(hit.slot));
        (member.map(|member| &*member.key), self.flat.id(hit.slot))
    }

    fn neighbor(&self, hit: Hit) -> Neighbor {
        let id = self.flat.id(hit.slot);
        let member = self.roster.member(self.flat.owner(hit.slot));
        let (key, first) = member.map_or((Vec::new(), id), |m| (m.key.to_vec(), m.ids.first));
        Neighbor {
            key,
            ordinal: (id - first) as u32,
            distance: hit.distance,
        }
    }
}
