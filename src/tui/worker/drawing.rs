//! The threads that make what is drawn of a sound: its overview, and how well each moment matches.
//!
//! They stand apart from searching because a first look at a two-hour recording takes seconds, which
//! no keystroke may wait for; it is given up as soon as another sound is selected. And apart from each
//! other because the match is another with every letter of the query, while the sound stays the same.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::slot::Slot;
use super::{Answer, DrawRequest, Engine, MatchRequest, Response, caught};
use crate::library::Stamp;
use crate::overview::{Overview, Overviews};

/// Draws until the place where requests wait is closed.
pub fn serve(engine: &Engine, requests: &Slot<DrawRequest>, answer: &Answer) {
    let overviews = match Overviews::new(&engine.library) {
        Ok(overviews) => overviews,
        Err(error) => return answer(Response::Broken(format!("{error:#}"))),
    };
    while let Some(request) = requests.take() {
        let cancelled = || !requests.is_empty() || requests.is_closed();
        let made = caught("the sound cannot be drawn", || {
            draw(engine, &overviews, &request, &cancelled)
        });
        let overview = match made {
            Ok(Some(overview)) => Ok(overview),
            // Another sound is selected.
            Ok(None) => continue,
            Err(error) => Err(format!("{error:#}")),
        };
        answer(Response::Drawn {
            generation: request.generation,
            overview,
        });
    }
}

/// Compares sounds with queries until the place where requests wait is closed.
pub fn compare(engine: &Engine, requests: &Slot<MatchRequest>, answer: &Answer) {
    while let Some(request) = requests.take() {
        let curve = caught("the match cannot be drawn", || {
            engine.searcher().curve(&request.parts, &request.path)
        });
        answer(Response::Matched {
            generation: request.generation,
            // What is wrong with the query or the store, the search for it tells.
            curve: curve.unwrap_or_default(),
        });
    }
}

fn draw(
    engine: &Engine,
    overviews: &Overviews,
    request: &DrawRequest,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Arc<Overview>>> {
    if has_changed(engine, &request.path) {
        // What it holds now has another content, under which nothing may be kept yet.
        return Ok(Overview::of_file(&request.path, cancelled)?.map(Arc::new));
    }
    overviews.get(&request.content, &request.path, cancelled)
}

/// True when a file is not what was indexed under its path. One that is gone, as on an unplugged drive,
/// is still drawn as it was.
fn has_changed(engine: &Engine, path: &Path) -> bool {
    let known = engine.library.file(path).ok().flatten();
    match (known, std::fs::metadata(path)) {
        (Some(record), Ok(metadata)) => record.stamp != Stamp::of(&metadata),
        _ => false,
    }
}
