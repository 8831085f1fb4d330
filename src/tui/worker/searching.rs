//! The thread that answers questions: texts to vectors, vectors to files.
//!
//! It stands apart from indexing because the two run side by side; they meet at the index's lock,
//! which indexing holds only for the moment in which one file is written.

use std::panic::AssertUnwindSafe;

use anyhow::{Result, anyhow};

use super::slot::Slot;
use super::{Answer, Engine, Request, Response};
use crate::search::{Hit, SearchOptions, Searcher};

/// Answers questions until the place where they wait is closed.
pub fn serve(engine: &Engine, requests: &Slot<Request>, answer: &Answer) {
    while let Some(request) = requests.take() {
        // A question that breaks something must not end the answering of all others.
        let found = std::panic::catch_unwind(AssertUnwindSafe(|| search(engine, &request)));
        let hits = found
            .unwrap_or_else(|_| {
                Err(anyhow!(
                    "the search failed: this is a defect of the program"
                ))
            })
            .map_err(|error| format!("{error:#}"));
        answer(Response::Found {
            generation: request.generation,
            hits,
        });
    }
}

fn search(engine: &Engine, request: &Request) -> Result<Vec<Hit>> {
    if request.parts.is_empty() {
        return browse(engine, request);
    }
    let options = SearchOptions {
        n: request.n,
        moments: request.moments,
        ..SearchOptions::default()
    };
    Searcher::new(&engine.library, &engine.index, &engine.embedder).search(&request.parts, &options)
}

/// All files in the order of their paths, as if each were found whole.
fn browse(engine: &Engine, request: &Request) -> Result<Vec<Hit>> {
    let files = engine.library.files_where(|_| true).take(request.n);
    let hits = files.enumerate().map(|(place, file)| {
        let (path, record) = file?;
        let moment = (0.0, record.sound.duration_s as f32);
        Ok(Hit {
            rank: place + 1,
            path,
            record,
            moment,
            similarity: 0.0,
            strength: 0.0,
            alike: vec![],
        })
    });
    hits.collect()
}
