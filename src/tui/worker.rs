//! What takes time, off the thread that draws: opening the library, searching it, indexing.
//!
//! Each is a thread that is given work and answers with a [`Response`], which carries the generation
//! of the question, so that the state drops an answer to a question it no longer asks. Questions wait
//! in a place for one (`Slot`), where a newer one replaces an older one: typing never queues up.
//! It stands apart because it is the one part of the terminal UI that knows threads, and the engine.

mod acting;
mod charting;
mod drawing;
mod following;
mod indexing;
mod searching;
mod slot;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use crossbeam_channel::{Sender, bounded};
use soundseek_index::Index;

use crate::embed::Embedder;
use crate::export::Desktop;
use crate::library::{ContentHash, Facets, Library};
use crate::overview::Overview;
use crate::playback::{Device, PlaybackEvent, Player};
use crate::search::{Clips, CurvePoint, Hit, Part, Searcher};
use crate::tui::app::Narrowing;

use acting::Actor;
pub use acting::{AllMarks, Deed, Outcome, Subject, Task};
pub use charting::Chart;
use indexing::Indexer;
pub use indexing::{Failed, IndexingState, Progress};
use slot::Slot;

/// Loads the model, which takes time and is done while the first frame is on the screen.
pub type LoadModel = Box<dyn FnOnce() -> Result<Embedder> + Send>;

/// A question to the library.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Which question it is; they count up.
    pub generation: u64,
    /// What is asked for; nothing to see all files.
    pub parts: Vec<Part>,
    /// What may be found.
    pub narrowing: Narrowing,
    /// Count what each choice of the filters leaves, too.
    pub count: bool,
    /// How many results at most.
    pub n: usize,
    /// Moments instead of files.
    pub moments: bool,
}

/// A sound to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawRequest {
    /// Which request it is; they count up.
    pub generation: u64,
    /// The file.
    pub path: PathBuf,
    /// Its content.
    pub content: ContentHash,
}

/// A sound whose moments are to be compared with a query.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchRequest {
    /// Which request it is; they count up.
    pub generation: u64,
    /// The file.
    pub path: PathBuf,
    /// The query.
    pub parts: Vec<Part>,
}

/// What a worker has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// The library and the model are open, or it has grown.
    Library(LibraryFacts),
    /// Another process has changed the library: its files, marks or labels, or what searches were taught.
    Changed(LibraryFacts),
    /// The library or the model cannot be opened: nothing will work.
    Broken(String),
    /// The answer to a question.
    Found {
        /// Which question it was.
        generation: u64,
        /// Best first; or why the question cannot be answered.
        hits: Result<Vec<Hit>, String>,
    },
    /// What each choice of the filters leaves.
    Facets {
        /// The question whose filters were counted.
        generation: u64,
        /// The counts.
        facets: Facets,
    },
    /// What is to be drawn of a sound.
    Drawn {
        /// Which request it was.
        generation: u64,
        /// The sound as a whole; or why it cannot be drawn.
        overview: Result<Arc<Overview>, String>,
    },
    /// How well each moment of a sound matches.
    Matched {
        /// Which request it was.
        generation: u64,
        /// The moments in the order of time.
        curve: Vec<CurvePoint>,
    },
    /// How far the making of the map is, in [0, 1].
    Charting(f32),
    /// The map; or why there is none.
    Chart(Result<Arc<Chart>, String>),
    /// The player has something to tell.
    Playback(PlaybackEvent),
    /// All favourites and tags there are.
    Marks(AllMarks),
    /// What came of something that was to be done with sounds.
    Acted(Outcome),
    /// How far indexing is.
    Indexing(Progress),
}

/// What is known of the library as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibraryFacts {
    /// How many files are known.
    pub files: usize,
    /// The folders that are indexed.
    pub roots: Vec<PathBuf>,
    /// The files that could not be indexed, and why.
    pub failed: Vec<Failed>,
}

/// Where workers' responses go.
pub type Answer = Arc<dyn Fn(Response) + Send + Sync>;

/// What something gives; a panic in it is told as an error and ends nothing else.
fn caught<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = std::panic::catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(anyhow!("{what}: this is a defect of the program")))
}

/// The open library with all that is needed to search and fill it, shared by the workers.
struct Engine {
    library: Arc<Library>,
    index: RwLock<Index>,
    embedder: Embedder,
    clips: Clips,
}

impl Engine {
    fn open(library: Arc<Library>, load_model: LoadModel) -> Result<Engine> {
        let embedder = load_model()?;
        // Another process may have the library open: then it is searched, and that one indexes.
        let opened = match library.index_for_writing(&embedder) {
            Err(_) if library.holder().is_some() => library.index_for_search(&embedder)?,
            opened => opened?,
        };
        let index = RwLock::new(opened);
        library.load_catalog()?;
        let engine = Engine {
            library,
            index,
            embedder,
            clips: Clips::default(),
        };
        engine.prepare_graph();
        Ok(engine)
    }

    fn searcher(&self) -> Searcher<'_> {
        Searcher::new(&self.library, &self.index, &self.embedder).remembering(&self.clips)
    }

    /// Has the graph loaded, or built where it pays and is not there yet; searches scan meanwhile.
    fn prepare_graph(&self) {
        let index = self.index.write();
        index
            .unwrap_or_else(PoisonError::into_inner)
            .prepare_graph();
    }

    /// Whether there is something to embed for this process. A store that cannot be read says so where
    /// it matters.
    fn lacks_vectors(&self) -> bool {
        if self.library.holder().is_some() {
            return false;
        }
        let index = self.index.read();
        let index = index.expect("no thread panics while it writes the index");
        self.library.lacks_vectors_in(&index).unwrap_or(false)
    }

    fn facts(&self) -> Result<LibraryFacts> {
        let failures = self.library.failures()?.into_iter();
        Ok(LibraryFacts {
            files: self.library.file_count()?,
            roots: self.library.roots()?,
            failed: failures
                .map(|(path, failure)| Failed {
                    path,
                    reason: failure.reason,
                })
                .collect(),
        })
    }
}

/// The threads that work for the terminal UI. Dropping them ends them: a file that is being indexed
/// is finished, and what was written is kept.
pub struct Workers {
    requests: Arc<Slot<Request>>,
    drawings: Arc<Slot<DrawRequest>>,
    matches: Arc<Slot<MatchRequest>>,
    charts: Arc<Slot<()>>,
    player: Player,
    actor: Actor,
    indexer: Arc<Indexer>,
    /// Dropped to end the following of other processes.
    following: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts them. Questions may be asked at once; they are answered when the model is there.
    pub fn start(
        library: Library,
        load_model: LoadModel,
        devices: Vec<Box<dyn Device>>,
        desktop: Desktop,
        answer: Answer,
    ) -> Workers {
        let player = {
            let answer = Arc::clone(&answer);
            Player::new(devices, move |event| answer(Response::Playback(event)))
        };
        let drawings = Arc::new(Slot::default());
        let for_drawing = Arc::clone(&drawings);
        let matches = Arc::new(Slot::default());
        let for_matching = Arc::clone(&matches);
        let charts = Arc::new(Slot::default());
        let for_charting = Arc::clone(&charts);
        let requests = Arc::new(Slot::default());
        let indexer = Arc::new(Indexer::default());
        let (following, followed_until) = bounded(0);
        let library = Arc::new(library);
        let actor = Actor::start(Arc::clone(&library), desktop, Arc::clone(&answer));
        let (for_search, for_indexing) = (Arc::clone(&requests), Arc::clone(&indexer));
        let opening = std::thread::spawn(move || {
            let opened = caught("the library cannot be opened", || {
                Engine::open(library, load_model)
            });
            let engine = match opened {
                Ok(engine) => Arc::new(engine),
                Err(error) => return answer(Response::Broken(format!("{error:#}"))),
            };
            if let Ok(facts) = engine.facts() {
                answer(Response::Library(facts));
            }
            let indexing = {
                let (engine, answer) = (Arc::clone(&engine), Arc::clone(&answer));
                std::thread::spawn(move || {
                    // Another model was chosen: what has no vectors of it is not found until it has.
                    if engine.lacks_vectors() {
                        for_indexing.add(vec![]);
                    }
                    for_indexing.serve(&engine, &answer);
                })
            };
            let drawing = {
                let (engine, answer) = (Arc::clone(&engine), Arc::clone(&answer));
                std::thread::spawn(move || drawing::serve(&engine, &for_drawing, &answer))
            };
            let matching = {
                let (engine, answer) = (Arc::clone(&engine), Arc::clone(&answer));
                std::thread::spawn(move || drawing::compare(&engine, &for_matching, &answer))
            };
            let charting = {
                let (engine, answer) = (Arc::clone(&engine), Arc::clone(&answer));
                std::thread::spawn(move || charting::serve(&engine, &for_charting, &answer))
            };
            let follower = {
                let (engine, answer) = (Arc::clone(&engine), Arc::clone(&answer));
                std::thread::spawn(move || following::serve(&engine, &followed_until, &answer))
            };
            searching::serve(&engine, &for_search, &answer);
            for thread in [indexing, drawing, matching, charting, follower] {
                // What went wrong there has been told.
                let _ = thread.join();
            }
        });
        Workers {
            requests,
            drawings,
            matches,
            charts,
            player,
            actor,
            indexer,
            following: Some(following),
            threads: vec![opening],
        }
    }

    /// Asks a question; one that still waits is forgotten.
    pub fn search(&self, request: Request) {
        self.requests.put(request);
    }

    /// Asks for a drawing; one that still waits is forgotten, one that is being made is given up.
    pub fn draw(&self, request: DrawRequest) {
        self.drawings.put(request);
    }

    /// Asks how well each moment of a sound matches; one that still waits is forgotten.
    pub fn compare(&self, request: MatchRequest) {
        self.matches.put(request);
    }

    /// Asks for the map.
    pub fn chart(&self) {
        self.charts.put(());
    }

    /// What plays sounds.
    pub fn player(&self) -> &Player {
        &self.player
    }

    /// Does something with sounds, after what was to be done before.
    pub fn act(&self, task: Task) {
        self.actor.act(task);
    }

    /// Indexes folders, after those that are being indexed; all known ones when none is named.
    pub fn index(&self, roots: Vec<PathBuf>) {
        self.indexer.add(roots);
    }

    /// Halts indexing, or goes on with it.
    pub fn pause_indexing(&self, pause: bool) {
        self.indexer.pause(pause);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.requests.close();
        self.drawings.close();
        self.matches.close();
        self.charts.close();
        self.indexer.close();
        self.following = None;
        for thread in self.threads.drain(..) {
            // Whatever it was, it has been told.
            let _ = thread.join();
        }
    }
}
