//! The thread that makes what is drawn of a sound: its overview, and how well each moment matches.
//!
//! It stands apart from searching because a first look at a two-hour recording takes seconds, which no
//! keystroke may wait for; it is given up as soon as another sound is selected.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::slot::Slot;
use super::{Answer, DrawRequest, Drawn, Engine, Response};
use crate::library::Stamp;
use crate::overview::{Overview, Overviews};
use crate::search::Searcher;

/// Draws until the place where requests wait is closed.
pub fn serve(engine: &Engine, requests: &Slot<DrawRequest>, answer: &Answer) {
    let overviews = match Overviews::new(&engine.library) {
        Ok(overviews) => overviews,
        Err(error) => return answer(Response::Broken(format!("{error:#}"))),
    };
    while let Some(request) = requests.take() {
        let tell = |drawn| {
            answer(Response::Drawn {
                generation: request.generation,
                drawn,
            });
        };
        // The curve comes from stored vectors and is there at once.
        if !request.parts.is_empty() {
            let searcher = Searcher::new(&engine.library, &engine.index, &engine.embedder);
            if let Ok(curve) = searcher.curve(&request.parts, &request.path) {
                tell(Drawn::Curve(curve));
            }
        }
        let cancelled = || !requests.is_empty() || requests.is_closed();
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| {
            if has_changed(engine, &request.path) {
                // What it holds now has another content, under which nothing may be kept yet.
                return Ok(Overview::of_file(&request.path, &cancelled)?.map(Arc::new));
            }
            // Of sounds that are folded into one row, each has a content of its own.
            let own = engine.library.file(&request.path)?;
            let content = own.map_or(request.content, |record| record.content);
            overviews.get(&content, &request.path, &cancelled)
        }));
        let made: Result<_> = made
            .ok()
            .context("the sound cannot be drawn: this is a defect of the program")
            .flatten();
        match made {
            Ok(Some(overview)) => tell(Drawn::Overview(Ok(overview))),
            // Another sound is selected.
            Ok(None) => {}
            Err(error) => tell(Drawn::Overview(Err(format!("{error:#}")))),
        }
    }
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
