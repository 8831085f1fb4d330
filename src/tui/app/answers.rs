//! What workers say, and what becomes of the state by it.
//!
//! An answer may come late, or after another question: here it is decided which are taken.

use std::collections::HashSet;
use std::path::Path;

use super::{App, Command, Opening, acting, charting, drawing, filters, hearing};
use crate::tui::worker::{IndexingState, Progress, Response};

/// Takes in what a worker says.
pub(super) fn hear(app: &mut App, response: Response) -> Vec<Command> {
    match response {
        Response::Library(facts) => {
            let opened = app.opening == Opening::Loading;
            let grown = facts.files != app.library.files;
            app.opening = Opening::Open;
            app.library = facts;
            if opened && !app.is_searching() {
                return app.ask();
            }
            if grown {
                return app.ask_again();
            }
        }
        Response::Changed(facts) => {
            app.library = facts;
            // An answer on its way may or may not know of it; a search that takes long still gets there.
            if app.is_searching() {
                app.is_behind = true;
            } else {
                return app.ask_again();
            }
        }
        Response::Broken(reason) => app.opening = Opening::Broken(reason),
        Response::Found { generation, hits } => {
            if generation < app.generation {
                return vec![];
            }
            app.answered = generation;
            match hits {
                Ok(hits) => {
                    app.failure = None;
                    let ranked = !app.query.is_empty();
                    app.results.replace(hits, ranked, app.keep_selection);
                }
                Err(reason) => {
                    app.failure = Some(reason);
                    app.results.replace(vec![], true, false);
                }
            }
            app.keep_selection = false;
            if std::mem::take(&mut app.is_behind) {
                return app.ask_again();
            }
        }
        Response::Facets { generation, facets } if generation == app.generation => {
            filters::take_facets(app, facets);
        }
        // Those of another question come after them, or have been overtaken.
        Response::Facets { .. } => {}
        Response::Drawn {
            generation,
            overview,
        } => drawing::take(app, generation, overview),
        Response::Matched { generation, curve } => drawing::take_match(app, generation, curve),
        Response::Charting(share) => app.charting.progress = Some(share),
        Response::Chart(chart) => charting::take(app, chart),
        Response::Playback(event) => hearing::hear(app, event),
        Response::Marks(marks) => return acting::take_marks(app, marks),
        Response::Acted(outcome) => acting::take_outcome(app, outcome),
        Response::Indexing(progress) => return hear_progress(app, progress),
    }
    vec![]
}

fn hear_progress(app: &mut App, progress: Progress) -> Vec<Command> {
    // A file that is tried again and fails again is told once.
    let again: HashSet<&Path> = progress.failed.iter().map(|f| f.path.as_path()).collect();
    let told = &mut app.library.failed;
    told.retain(|failed| !again.contains(failed.path.as_path()));
    told.extend(progress.failed.iter().cloned());
    if let Some(note) = progress.notes.last() {
        app.complain(note.clone());
    }
    // At its end too: what was only changed, moved or dropped counts no files.
    let ended = matches!(progress.state, IndexingState::Done(_));
    let grown = progress.done > app.indexing.done || ended;
    match &progress.state {
        IndexingState::Done(outcome) => app.tell(outcome.clone()),
        IndexingState::Broken(reason) => app.complain(format!("indexing failed: {reason}")),
        _ => {}
    }
    if matches!(progress.state, IndexingState::Scanning) {
        app.paused = false;
    }
    app.indexing = progress;
    // What was indexed joins the results, unless they are being asked for anyway.
    if grown && !app.is_searching() {
        return app.ask_again();
    }
    vec![]
}
