//! Getting a graph: from the store if a good one is saved there, otherwise built, and saved.
//!
//! The same steps serve the caller who waits ([`obtain`]) and the thread in the background
//! ([`Preparation`]). Neither holds the index: vectors that are written or removed meanwhile are
//! the index's to add and to skip.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::graph::{Graph, NewPoint};
use crate::index::Progress;
use crate::saved;
use crate::space::SpaceStore;

/// Inserted between two looks at `cancel`: about a tenth of a second of work.
const POINTS_PER_STEP: usize = 128;

/// A graph is built anew when more than one in this many nodes is dead: the walk then visits
/// a fifth more nodes than it has to, and more with every removal.
pub(crate) const TOO_MANY_DEAD: usize = 5;

/// A saved graph that lacked more than one in this many points is saved again.
const WORTH_SAVING: usize = 50;

/// What to start from.
pub(crate) enum Base {
    Nothing,
    Saved,
    Held(Graph),
}

/// What a graph is to cover, and with which settings.
pub(crate) struct Wanted {
    pub(crate) m: usize,
    pub(crate) ef_construction: usize,
    /// Id and fingerprint of every vector.
    pub(crate) points: Vec<(u64, u64)>,
}

/// Loads or builds the graph of `wanted` on the current thread pool; saves it if that is news.
///
/// Points whose vector is gone from the store by now, or damaged, are left out.
pub(crate) fn obtain(
    space: &SpaceStore,
    wanted: &Wanted,
    base: Base,
    cancel: &dyn Fn() -> bool,
    progress: &dyn Fn(Progress),
) -> Result<Graph> {
    let (m, ef_construction) = (wanted.m, wanted.ef_construction);
    let held = matches!(base, Base::Held(_));
    let start = match base {
        Base::Nothing => None,
        Base::Saved => saved::load(space, m, ef_construction)?,
        Base::Held(graph) => Some(graph),
    };
    let attached = start.and_then(|mut graph| {
        graph.retain(|_| false);
        let missing = attach(&mut graph, &wanted.points);
        (graph.dead() * TOO_MANY_DEAD <= graph.nodes()).then_some((graph, missing))
    });
    let (mut graph, missing) = attached.unwrap_or_else(|| {
        (
            Graph::new(m, ef_construction, wanted.points.len()),
            wanted.points.clone(),
        )
    });
    let total = wanted.points.len();
    let mut done = total - missing.len();
    for step in missing.chunks(POINTS_PER_STEP) {
        if cancel() {
            return Err(Error::Cancelled);
        }
        let mut points = Vec::with_capacity(step.len());
        for &(id, fingerprint) in step {
            if let Some(vector) = space.find_vector(id)? {
                points.push(NewPoint {
                    id,
                    fingerprint,
                    vector,
                });
            }
        }
        graph.insert(points);
        done += step.len();
        progress(Progress { done, total });
    }
    // Of a graph that was held, nobody knows here how old the saved one is.
    let news = held || missing.len() * WORTH_SAVING > total;
    if news && graph.nodes() > 0 {
        if cancel() {
            return Err(Error::Cancelled);
        }
        saved::save(space, &graph, m, ef_construction)?;
    }
    Ok(graph)
}

/// Gives the points to the nodes that have their vectors. Returns the points without one.
fn attach(graph: &mut Graph, points: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let without = points
        .iter()
        .filter(|&&(id, fingerprint)| !graph.attach(id, fingerprint));
    without.copied().collect()
}

/// A graph that a thread is getting ready. Dropping it stops the thread and waits for that.
pub(crate) struct Preparation {
    graph: Arc<OnceLock<Graph>>,
    cancel: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Preparation {
    /// Starts the thread. A failure of any kind leaves the index without a graph, as it was.
    pub(crate) fn start(space: SpaceStore, wanted: Wanted) -> Preparation {
        let graph = Arc::new(OnceLock::new());
        let cancel = Arc::new(AtomicBool::new(false));
        let (result, cancelled) = (Arc::clone(&graph), Arc::clone(&cancel));
        let work = move || {
            // Not on the pool that searches scan with, which would then wait behind it.
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(cores.div_ceil(2))
                .build();
            let Ok(pool) = pool else { return };
            let stop = || cancelled.load(Ordering::Relaxed);
            let obtained = obtain_on(&pool, &space, &wanted, &stop);
            if let Ok(ready) = obtained {
                // The only writer, so the cell is empty.
                let _ = result.set(ready);
            }
        };
        let thread = std::thread::Builder::new()
            .name("index graph".to_owned())
            .spawn(work)
            .ok();
        Preparation {
            graph,
            cancel,
            thread,
        }
    }

    /// The graph, once it is there.
    pub(crate) fn ready(&self) -> Option<&Graph> {
        self.graph.get()
    }

    /// Whether the thread has nothing more to do.
    pub(crate) fn finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the thread and takes the graph; `None` if it did not succeed.
    pub(crate) fn take(mut self) -> Option<Graph> {
        self.join();
        Arc::get_mut(&mut self.graph).and_then(OnceLock::take)
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by the panic hook, and left no graph.
            let _ = thread.join();
        }
    }
}

fn obtain_on(
    pool: &rayon::ThreadPool,
    space: &SpaceStore,
    wanted: &Wanted,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<Graph> {
    pool.install(|| obtain(space, wanted, Base::Saved, &|| cancel(), &|_| ()))
}

impl Drop for Preparation {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.join();
    }
}
