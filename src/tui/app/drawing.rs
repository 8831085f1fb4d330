//! What is drawn of the selected sound, and when it has to be asked for.
//!
//! It stands apart because it follows the selection, whatever has moved it: keys, the mouse, or an
//! answer that has brought other results. The sound and its match are asked for apart: the match is
//! another with every letter of the query, the sound is not.

use std::path::PathBuf;
use std::sync::Arc;

use super::{App, Command, matched_span};
use crate::library::ContentHash;
use crate::overview::Overview;
use crate::search::{CurvePoint, Part};
use crate::tui::worker::{DrawRequest, MatchRequest};

/// The drawing of the selected sound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawing {
    /// The sound as a whole; or why it cannot be drawn.
    pub overview: Option<Result<Arc<Overview>, String>>,
    /// How well each moment of a long sound matches the query; empty for a short one.
    pub curve: Vec<CurvePoint>,
    /// What was asked for last.
    sound: Option<Sound>,
    /// The query whose match along that sound was asked for; none for a short one.
    parts: Vec<Part>,
    /// Counts up with each request of either kind.
    generation: u64,
    /// The last request for the sound, and for its match.
    drawn: u64,
    matched: u64,
}

/// A sound as it is drawn: the file, and what was in it.
#[derive(Debug, Clone, PartialEq)]
struct Sound {
    path: PathBuf,
    content: ContentHash,
}

/// Asks for the drawing of the selected sound, and for its match, unless they were asked for last.
pub fn follow(app: &mut App) -> Vec<Command> {
    let Some(hit) = app.results.hit() else {
        return vec![];
    };
    let sound = Sound {
        path: hit.path.clone(),
        content: hit.record.content,
    };
    let is_long = app.results.ranked() && matched_span(hit).is_some();
    let parts = match is_long {
        true => app.query.all_parts(),
        false => vec![],
    };
    let drawing = &mut app.drawing;
    let mut commands = vec![];
    let is_new = drawing.sound.as_ref() != Some(&sound);
    if is_new {
        drawing.generation += 1;
        drawing.drawn = drawing.generation;
        drawing.overview = None;
        app.hearing.part = None;
        commands.push(Command::Draw(DrawRequest {
            generation: drawing.drawn,
            path: sound.path.clone(),
            content: sound.content,
        }));
    }
    if is_new || parts != drawing.parts {
        drawing.generation += 1;
        drawing.matched = drawing.generation;
        // Of the same sound the old match stands until the new one is there, so that nothing flickers.
        if is_new || parts.is_empty() {
            drawing.curve.clear();
        }
        if !parts.is_empty() {
            commands.push(Command::Match(MatchRequest {
                generation: drawing.matched,
                path: sound.path.clone(),
                parts: parts.clone(),
            }));
        }
    }
    drawing.sound = Some(sound);
    drawing.parts = parts;
    commands
}

/// Takes in what was drawn, if it is of the sound that is still selected.
pub fn take(app: &mut App, generation: u64, overview: Result<Arc<Overview>, String>) {
    if generation == app.drawing.drawn {
        app.drawing.overview = Some(overview);
    }
}

/// Takes in the match along a sound, if it is of the sound and the query that are still meant.
pub fn take_match(app: &mut App, generation: u64, curve: Vec<CurvePoint>) {
    if generation == app.drawing.matched {
        app.drawing.curve = curve;
    }
}
