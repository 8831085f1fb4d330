//! The thread that answers questions: texts to vectors, vectors to files.
//!
//! It stands apart from indexing because the two run side by side; they meet at the index's lock,
//! which indexing holds only for the moment in which one file is written.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Result;

use super::slot::Slot;
use super::{Answer, Engine, Request, Response, caught};
use crate::library::Facets;
use crate::search::{Hit, SearchOptions};

/// Answers questions until the place where they wait is closed.
pub fn serve(engine: &Engine, requests: &Slot<Request>, answer: &Answer) {
    while let Some(request) = requests.take() {
        // A question that breaks something must not end the answering of all others.
        let hits = caught("the search failed", || search(engine, &request))
            .map_err(|error| format!("{error:#}"));
        answer(Response::Found {
            generation: request.generation,
            hits,
        });
        // Whoever types on does not want these any more.
        if request.count
            && requests.is_empty()
            && let Ok(facets) = caught("the filters", || count(engine, &request))
        {
            answer(Response::Facets {
                generation: request.generation,
                facets,
            });
        }
    }
}

fn search(engine: &Engine, request: &Request) -> Result<Vec<Hit>> {
    if request.parts.is_empty() {
        return browse(engine, request);
    }
    let options = SearchOptions {
        filters: request.narrowing.filters(SystemTime::now())?,
        n: request.n,
        moments: request.moments,
        ..SearchOptions::default()
    };
    engine.searcher().search(&request.parts, &options)
}

fn count(engine: &Engine, request: &Request) -> Result<Facets> {
    let filters = request.narrowing.filters(SystemTime::now())?;
    let roots = engine.library.roots()?;
    // Of a single indexed folder, what is in it is worth choosing.
    let only = match roots.as_slice() {
        [root] => Some(root),
        _ => None,
    };
    let top = request.narrowing.folder.as_ref().or(only);
    engine.library.facets(&filters, top.map(PathBuf::as_path))
}

/// The files of the library one after the other, as if each were found whole.
fn browse(engine: &Engine, request: &Request) -> Result<Vec<Hit>> {
    let filters = request.narrowing.filters(SystemTime::now())?;
    let files = engine.library.first_files(&filters, request.n)?;
    let hits = files
        .into_iter()
        .enumerate()
        .map(|(place, (path, record))| Hit {
            rank: place + 1,
            ..Hit::whole(path, record)
        });
    Ok(hits.collect())
}
