//! The thread that indexes: one run after another, with its progress told now and then.
//!
//! It stands apart from the engine's indexing, which tells every single step: here steps become a
//! rate, a time that is left, and a list of what failed, as often as a person can read them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Answer, Engine, Response, caught};
use crate::display::{count, printable_path};
use crate::ingest::{Control, IngestEvent, IngestOptions, add_root, ingest};

/// How often progress is told at most.
const TELL_EVERY: Duration = Duration::from_millis(150);

/// A file that could not be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What the indexing thread is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexingState {
    /// Nothing.
    Idle,
    /// Looking for files.
    Scanning,
    /// Reading files.
    Running,
    /// It ended, and this is its outcome in words.
    Done(String),
    /// It broke off, for this reason.
    Broken(String),
}

/// How far indexing is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub state: IndexingState,
    /// Files that have been read.
    pub done: usize,
    /// Files that have to be read.
    pub to_do: usize,
    /// Files read in a second, on average.
    pub per_second: f64,
    /// About how many seconds are left, by the bytes that are.
    pub left_s: Option<f64>,
    /// Files that failed since it was last told.
    pub failed: Vec<Failed>,
    /// Places that cannot be looked into or are offline, since it was last told.
    pub notes: Vec<String>,
}

impl Progress {
    /// No progress, in a state.
    pub fn of(state: IndexingState) -> Progress {
        Progress {
            state,
            done: 0,
            to_do: 0,
            per_second: 0.0,
            left_s: None,
            failed: vec![],
            notes: vec![],
        }
    }
}

/// What waits to be indexed, and the switches of the run.
#[derive(Default)]
pub struct Indexer {
    queue: Mutex<Queue>,
    changed: Condvar,
    control: Control,
}

#[derive(Default)]
struct Queue {
    runs: VecDeque<Vec<PathBuf>>,
    closed: bool,
}

impl Indexer {
    /// Adds a run over folders; over all known ones when none is named.
    pub fn add(&self, roots: Vec<PathBuf>) {
        self.lock().runs.push_back(roots);
        self.changed.notify_all();
    }

    /// Holds a run where it is, or lets it go on.
    pub fn pause(&self, pause: bool) {
        if pause {
            self.control.pause();
        } else {
            self.control.resume();
        }
    }

    /// Ends the run within a file, and the thread.
    pub fn close(&self) {
        self.control.cancel();
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Does run after run until closed.
    pub fn serve(&self, engine: &Engine, answer: &Answer) {
        while let Some(roots) = self.next_run() {
            let run = caught("it broke off", || self.run(engine, &roots, answer));
            // What was written in the run, and what it left of a graph.
            engine.prepare_graph();
            let end = match run {
                Ok(outcome) => IndexingState::Done(outcome),
                Err(error) => IndexingState::Broken(format!("{error:#}")),
            };
            answer(Response::Indexing(Progress::of(end)));
            if let Ok(facts) = engine.facts() {
                answer(Response::Library(facts));
            }
        }
    }

    fn next_run(&self) -> Option<Vec<PathBuf>> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(run) = queue.runs.pop_front() {
                return Some(run);
            }
            queue = self
                .changed
                .wait(queue)
                .expect("no thread panics while it holds the queue");
        }
    }

    fn run(&self, engine: &Engine, roots: &[PathBuf], answer: &Answer) -> Result<String> {
        self.control.resume();
        answer(Response::Indexing(Progress::of(IndexingState::Scanning)));
        let library = &engine.library;
        library.claim()?;
        let named = roots.iter().map(|root| {
            let root = from_home(root);
            std::fs::metadata(&root)
                .with_context(|| format!("{} cannot be indexed", printable_path(&root)))?;
            library.place(&root)
        });
        let mut roots = named.collect::<Result<Vec<_>>>()?;
        for root in &roots {
            add_root(library, root)?;
        }
        if roots.is_empty() {
            roots = library.roots()?;
        }
        let teller = RefCell::new(Teller::new(answer));
        let report = ingest(
            library,
            &engine.index,
            &engine.embedder,
            &roots,
            IngestOptions::for_this_machine(),
            &self.control,
            &|event| teller.borrow_mut().hear(&event),
        )?;
        teller.borrow_mut().tell();
        let mut outcome = format!("{} indexed", count(report.embedded, "file"));
        for (n, what) in [
            (report.recognised, "recognised"),
            (report.unchanged, "unchanged"),
            (report.removed, "gone"),
            (report.failed.len(), "failed"),
        ] {
            if n > 0 {
                outcome.push_str(&format!(", {n} {what}"));
            }
        }
        Ok(outcome)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue
            .lock()
            .expect("no thread panics while it holds the queue")
    }
}

/// A path that may begin with the tilde that shells take for the home folder.
pub(super) fn from_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(below), Some(directories)) => directories.home_dir().join(below),
        _ => path.to_path_buf(),
    }
}

/// Gathers steps and tells them now and then.
struct Teller<'a> {
    answer: &'a Answer,
    started: Instant,
    told: Instant,
    progress: Progress,
    bytes: u64,
    bytes_done: u64,
}

impl<'a> Teller<'a> {
    fn new(answer: &'a Answer) -> Teller<'a> {
        Teller {
            answer,
            started: Instant::now(),
            told: Instant::now(),
            progress: Progress::of(IndexingState::Scanning),
            bytes: 0,
            bytes_done: 0,
        }
    }

    fn hear(&mut self, event: &IngestEvent<'_>) {
        match event {
            IngestEvent::Scanned { to_do, bytes, .. } => {
                self.started = Instant::now();
                self.progress.state = IndexingState::Running;
                self.progress.to_do = *to_do;
                self.bytes = *bytes;
                self.tell();
            }
            IngestEvent::Offline { root, reason } => {
                let note = format!("{} is offline: {reason}", printable_path(root));
                self.progress.notes.push(note);
            }
            IngestEvent::Unreadable(place) => {
                let note = format!("{}: {}", printable_path(&place.path), place.reason);
                self.progress.notes.push(note);
            }
            IngestEvent::Embedded { .. } => {}
            IngestEvent::Indexed { bytes, .. } => self.read(*bytes),
            IngestEvent::Failed {
                path,
                bytes,
                reason,
            } => {
                self.progress.failed.push(Failed {
                    path: path.to_path_buf(),
                    reason: (*reason).to_string(),
                });
                self.read(*bytes);
            }
        }
        if self.told.elapsed() >= TELL_EVERY {
            self.tell();
        }
    }

    fn read(&mut self, bytes: u64) {
        self.progress.done += 1;
        self.bytes_done += bytes;
    }

    fn tell(&mut self) {
        self.told = Instant::now();
        let passed_s = self.started.elapsed().as_secs_f64().max(0.001);
        self.progress.per_second = self.progress.done as f64 / passed_s;
        let left = self.bytes.saturating_sub(self.bytes_done) as f64;
        self.progress.left_s =
            (self.bytes_done > 0).then(|| passed_s * left / self.bytes_done as f64);
        (self.answer)(Response::Indexing(self.progress.clone()));
        self.progress.failed.clear();
        self.progress.notes.clear();
    }
}
