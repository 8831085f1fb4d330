//! What is drawn of the selected sound, and when it has to be asked for.
//!
//! It stands apart because it follows the selection, whatever has moved it: keys, the mouse, or an
//! answer that has brought other results.

use std::path::PathBuf;
use std::sync::Arc;

use super::{App, Command, matched_span};
use crate::overview::Overview;
use crate::search::{CurvePoint, Part};
use crate::tui::worker::{DrawRequest, Drawn};

/// The drawing of the selected sound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawing {
    /// The sound as a whole; or why it cannot be drawn.
    pub overview: Option<Result<Arc<Overview>, String>>,
    /// How well each moment of a long sound matches the query; empty for a short one.
    pub curve: Vec<CurvePoint>,
    /// What was asked for last.
    asked: Option<Subject>,
    generation: u64,
}

/// What a drawing is of.
#[derive(Debug, Clone, PartialEq)]
struct Subject {
    path: PathBuf,
    /// The query whose match is drawn along a long sound.
    parts: Vec<Part>,
}

/// Asks for the drawing of the selected sound, unless that is what was asked for last.
pub fn follow(app: &mut App) -> Vec<Command> {
    let Some((hit, path)) = app.results.hit().zip(app.results.path()) else {
        return vec![];
    };
    let is_long = app.results.ranked() && matched_span(hit).is_some();
    let subject = Subject {
        path: path.to_path_buf(),
        parts: if is_long {
            app.query.all_parts()
        } else {
            vec![]
        },
    };
    if app.drawing.asked.as_ref() == Some(&subject) {
        return vec![];
    }
    let content = hit.record.content;
    let same_sound = app
        .drawing
        .asked
        .as_ref()
        .is_some_and(|asked| asked.path == subject.path);
    if !same_sound {
        app.drawing.overview = None;
        app.hearing.part = None;
    }
    app.drawing.curve.clear();
    app.drawing.generation += 1;
    app.drawing.asked = Some(subject.clone());
    vec![Command::Draw(DrawRequest {
        generation: app.drawing.generation,
        path: subject.path,
        content,
        parts: subject.parts,
    })]
}

/// Takes in what was drawn, if it is of the sound that is still selected.
pub fn take(app: &mut App, generation: u64, drawn: Drawn) {
    if generation != app.drawing.generation {
        return;
    }
    match drawn {
        Drawn::Overview(overview) => app.drawing.overview = Some(overview),
        Drawn::Curve(curve) => app.drawing.curve = curve,
    }
}
