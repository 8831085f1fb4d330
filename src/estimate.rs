//! What a library still lacks of a model's vectors, and how long making them would take.
//!
//! A person who changes the model wants to know the price before paying it. It is measured: a few of
//! the library's own sounds are decoded and embedded on all cores for a moment, and that is
//! extrapolated over all segments that are missing.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::audio::Span;
use crate::embed::Embedder;
use crate::ingest::worker_pool;
use crate::library::Library;
use crate::mel::Scratch;
use crate::search::embed_file;

/// No more files than this are tried; they are spread evenly over the library.
const MOST_EXAMPLES: usize = 256;

/// Of a long file so many segments are tried.
const MOST_SEGMENTS: f64 = 4.0;

/// What a library lacks of a model's vectors.
#[derive(Debug, Clone)]
pub struct Backlog {
    /// Files without vectors of the model.
    pub files: usize,
    /// All files of the library.
    pub of: usize,
    /// Segments to embed, identical files once.
    pub segments: usize,
    examples: Vec<PathBuf>,
}

impl Backlog {
    /// Counts what is missing.
    ///
    /// # Errors
    ///
    /// When the library or the model's files cannot be read.
    pub fn of(library: &Library, embedder: &Embedder) -> Result<Backlog> {
        let held = library.contents_of(&embedder.space()?)?;
        let plan = embedder.segment_plan();
        let all = library.files()?;
        let mut backlog = Backlog {
            files: 0,
            of: all.len(),
            segments: 0,
            examples: vec![],
        };
        let mut counted = HashSet::new();
        for (path, record) in all {
            if held.contains(&record.content) {
                continue;
            }
            backlog.files += 1;
            if counted.insert(record.content) {
                backlog.segments += plan.segments_in(record.sound.duration_s);
                backlog.examples.push(path);
            }
        }
        let step = backlog.examples.len().div_ceil(MOST_EXAMPLES).max(1);
        backlog.examples = backlog.examples.into_iter().step_by(step).collect();
        Ok(backlog)
    }

    /// About how long embedding it all would take here. Works for about `budget`, and at least until
    /// every core has embedded something. A file that cannot be read counts as silence.
    ///
    /// # Errors
    ///
    /// When the model cannot be computed.
    pub fn time(&self, embedder: &Embedder, budget: Duration) -> Result<Duration> {
        if self.segments == 0 {
            return Ok(Duration::ZERO);
        }
        let clip_s = embedder.model().mel_config().max_length_s();
        let silence = embedder.features(&[0.0], &mut Scratch::default());
        // The first clip of a model waits for its weights to be laid out.
        embedder.embed_features(std::slice::from_ref(&silence))?;
        let beginning = Span {
            start_s: 0.0,
            end_s: Some(clip_s * (MOST_SEGMENTS + 1.0) / 2.0),
        };
        let threads = match embedder.on_cpu() {
            true => std::thread::available_parallelism().map_or(1, usize::from),
            false => 1,
        };
        let (next, segments) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let started = Instant::now();
        let work = || -> Result<()> {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let path = self.examples.get(n % self.examples.len().max(1));
                let read = path.and_then(|path| embed_file(embedder, path, Some(&beginning)).ok());
                let done = match read {
                    Some(vectors) => vectors.len(),
                    None => embedder
                        .embed_features(std::slice::from_ref(&silence))?
                        .len(),
                };
                segments.fetch_add(done, Ordering::Relaxed);
                if started.elapsed() >= budget {
                    return Ok(());
                }
            }
        };
        std::thread::scope(|scope| {
            // As indexing does it: one clip a core, giving way to other programs.
            let workers: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| worker_pool(1, "estimate")?.install(work)))
                .collect();
            for worker in workers {
                worker
                    .join()
                    .map_err(|_| anyhow!("measuring broke off"))??;
            }
            anyhow::Ok(())
        })?;
        let measured = segments.into_inner().max(1) as f64;
        let seconds = started.elapsed().as_secs_f64() * self.segments as f64 / measured;
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}
