//! The one function that changes the state of the terminal UI.
//!
//! [`update`] takes what happened and gives what is to be done about it. It touches no terminal, file,
//! clock or thread, so that everything a person can do is tested as a table of state, keys and what is
//! expected. It stands apart from the drawing, which only reads the state, and from the workers, which
//! do the commands.

mod acting;
mod answers;
mod charting;
mod drawing;
mod editing;
mod filters;
mod hearing;
mod marking;
mod narrowing;
mod query;
mod results;
mod state;

use std::path::PathBuf;

use super::action::Action;
use super::line::Line;
use super::worker::{DrawRequest, MatchRequest, Request, Task};
use crate::playback::{Play, PlayId};
pub use acting::{Surroundings, completions, menu, obstacle, subjects_text};
pub use drawing::Drawing;
pub use editing::matched_span;
pub use filters::{FilterRow, filter_rows};
pub use hearing::Hearing;
pub use marking::Marked;
pub use narrowing::{AGES, LENGTHS, Narrowing};
pub use query::{History, Query};
pub use results::{Results, Row};
pub use state::{App, Ask, Mode, Notice, Opening};

/// What is to be done outside the state.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Ask the library.
    Search(Request),
    /// Draw a sound.
    Draw(DrawRequest),
    /// Compare each moment of a sound with the query.
    Match(MatchRequest),
    /// Play a sound, under this name.
    Play(PlayId, Play),
    /// Fall silent.
    Stop,
    /// Go on at this second of what plays.
    Seek(f64),
    /// Play over and over, or once.
    SetLoop(bool),
    /// This loud, from 0 to 1.
    SetVolume(f32),
    /// Make the map, or bring it up to date.
    Chart,
    /// Do something with sounds.
    Act(Task),
    /// Put a text onto the clipboard.
    CopyText(Vec<u8>),
    /// Index folders; all known ones when none is named.
    Index(Vec<PathBuf>),
    /// Hold indexing where it is, or go on.
    PauseIndexing(bool),
    /// Draw everything anew, whatever the terminal shows.
    Redraw,
    /// Give the terminal back and stop until the shell continues the program.
    Suspend,
    /// End.
    Quit,
}

/// Changes the state by what happened; gives what is to be done.
pub fn update(app: &mut App, action: Action) -> Vec<Command> {
    let mut commands = match action {
        Action::Answer(response) => answers::hear(app, *response),
        Action::Resize(width, height) => {
            app.size = (width, height);
            vec![]
        }
        action => {
            app.notice = None;
            act(app, action)
        }
    };
    app.results.bring_into_view(app.list_height());
    commands.extend(drawing::follow(app));
    commands
}

fn act(app: &mut App, action: Action) -> Vec<Command> {
    match action {
        Action::Quit => return vec![Command::Quit],
        Action::Suspend => return vec![Command::Suspend],
        Action::Redraw => return vec![Command::Redraw],
        Action::Help if app.mode == Mode::Help => app.close(),
        Action::Help => app.open_over(Mode::Help),
        Action::Map => return charting::open(app),
        Action::Failures => app.open_over(Mode::Failures),
        Action::Filters => return filters::toggle(app),
        Action::Close if app.mode == Mode::Map => charting::close(app),
        Action::Close if app.mode == Mode::Filters => filters::close(app),
        Action::Close => app.close(),
        Action::ToQuery => app.mode = Mode::Query,
        Action::ToResults => {
            app.history.settle();
            app.mode = Mode::Results;
            return editing::take_filters(app, true);
        }
        Action::ToParts => {
            let before = app.query.narrowing.clone();
            if app.query.keep_typed() {
                app.history.settle();
            }
            // A typed description was asked for with its last letter, a typed filter was not.
            let filtered = app.query.narrowing != before;
            match app.chips().checked_sub(1) {
                Some(last) => {
                    app.part = last;
                    app.mode = Mode::Parts;
                }
                None => app.tell("the query has no parts yet: type one, or press s on a sound"),
            }
            if filtered {
                return app.ask();
            }
        }
        Action::AddFolder => {
            app.open_over(Mode::Prompt(Ask::Folder));
            app.prompt = Line::default();
        }
        Action::Refresh if app.library.roots.is_empty() => {
            app.tell("no folder is known yet: A asks for one");
        }
        Action::Refresh => return vec![Command::Index(vec![])],
        Action::Index(folders) => return vec![Command::Index(folders)],
        Action::PauseIndexing if !app.is_indexing() => app.tell("nothing is being indexed"),
        Action::PauseIndexing => {
            app.paused = !app.paused;
            return vec![Command::PauseIndexing(app.paused)];
        }
        Action::MapMove(..)
        | Action::MapPan(..)
        | Action::MapPick(..)
        | Action::ZoomIn
        | Action::ZoomOut
        | Action::ZoomAll => return charting::act(app, &action),
        Action::PlayStop | Action::Similar if app.mode == Mode::Map => {
            return charting::act(app, &action);
        }
        Action::Spectrogram => app.spectrogram = !app.spectrogram,
        Action::PlayStop
        | Action::PlayMoment
        | Action::PlayStart
        | Action::SeekBack
        | Action::SeekOn
        | Action::SeekTo(_)
        | Action::DragTo(_)
        | Action::Release
        | Action::NextPeak
        | Action::PreviousPeak
        | Action::Loop
        | Action::Louder
        | Action::Softer
        | Action::Audition
        | Action::SelectFrom
        | Action::SelectTo => {
            match action {
                Action::SeekTo(share) => app.pressed = Some(share),
                Action::Release => app.pressed = None,
                _ => {}
            }
            return hearing::act(app, &action);
        }
        Action::Choose if app.mode == Mode::Menu => return acting::act(app, &action),
        Action::Mark
        | Action::MarkRange
        | Action::MarkAll
        | Action::UnmarkAll
        | Action::Menu
        | Action::CopyPaths
        | Action::CopyFiles
        | Action::LinkFiles
        | Action::Cut
        | Action::Export
        | Action::Reveal
        | Action::Drag
        | Action::Open
        | Action::Favourite
        | Action::Tag
        | Action::Complete => return acting::act(app, &action),
        Action::Moments => {
            app.moments = !app.moments;
            return app.ask();
        }
        Action::Unfold => {
            if !app.results.toggle_fold() {
                app.tell("nothing is alike to this");
            }
        }
        Action::Click(row) => {
            app.mode = Mode::Results;
            app.history.settle();
            let moved = app.results.select(app.results.offset() + row);
            return heard(app, moved);
        }
        Action::Scroll(rows) => return step(app, rows),
        Action::Next => return step(app, 1),
        Action::Previous => return step(app, -1),
        Action::PageDown => return step(app, page(app)),
        Action::PageUp => return step(app, -page(app)),
        Action::First => return step(app, isize::MIN),
        Action::Last => return step(app, isize::MAX),
        other => return editing::edit(app, other),
    }
    vec![]
}

fn page(app: &App) -> isize {
    isize::try_from(app.list_height()).unwrap_or(1).max(2) - 1
}

/// Moves in whatever the keys go to.
fn step(app: &mut App, by: isize) -> Vec<Command> {
    match app.mode {
        Mode::Help | Mode::Failures => {
            app.scroll = app.scroll.saturating_add_signed(by).min(app.most_scroll());
            vec![]
        }
        Mode::Parts => {
            let last = app.chips().saturating_sub(1);
            app.part = app.part.saturating_add_signed(by).min(last);
            vec![]
        }
        Mode::Filters => {
            filters::step(app, by);
            vec![]
        }
        Mode::Map => charting::step_in_results(app, by),
        Mode::Menu => {
            let last = menu(app).len().saturating_sub(1);
            app.menu = app.menu.saturating_add_signed(by).min(last);
            vec![]
        }
        Mode::Query | Mode::Results | Mode::Prompt(_) => {
            let moved = app.results.step(by);
            heard(app, moved)
        }
    }
}

/// What a move in the results brings: the sound, if it is to be heard, and more results near the end.
fn heard(app: &mut App, moved: bool) -> Vec<Command> {
    let mut commands = if moved {
        app.hearing.part = None;
        hearing::audition(app)
    } else {
        vec![]
    };
    commands.extend(more(app));
    commands
}

fn more(app: &mut App) -> Vec<Command> {
    if app.is_searching() || !app.results.wants_more() {
        return vec![];
    }
    app.ask_again()
}
