//! Changing the query and the line of a prompt.
//!
//! It stands apart from the rest of [`super::update`] because every change here is a step in the
//! history and a new question.

use std::path::PathBuf;

use super::hearing::chosen_span;
use super::{Action, App, Ask, Command, Line, Mode, Narrowing, Query, acting, filters};
use crate::audio::Span;
use crate::search::{Part, Source};

/// Takes an action that edits something; others mean nothing here.
pub fn edit(app: &mut App, action: Action) -> Vec<Command> {
    match (app.mode, &action) {
        (Mode::Prompt(Ask::Folder), Action::Choose) => return choose_folder(app),
        (Mode::Prompt(Ask::Name), Action::Choose) => {
            app.history.settle();
            app.close();
            return vec![];
        }
        (Mode::Prompt(asked), Action::Choose) => return acting::answer(app, asked),
        (Mode::Prompt(Ask::Name), _) => {
            edit_line(&mut app.prompt, &action);
            return name_anew(app);
        }
        (Mode::Prompt(_), _) => {
            edit_line(&mut app.prompt, &action);
            return vec![];
        }
        (Mode::Query, Action::DeleteBefore) if app.query.line.text().is_empty() => {
            return app.change(|query| query.parts.pop().is_some());
        }
        (Mode::Query, Action::KeepPart) => return app.change(Query::keep_typed),
        (Mode::Query, _) if edits_line(&action) => return edit_query_line(app, &action),
        // Whatever else has the keys, a text that is pasted is a query.
        (_, Action::Paste(_)) => {
            app.mode = Mode::Query;
            return edit_query_line(app, &action);
        }
        _ => {}
    }
    match action {
        Action::Similar => with_clip(app, |query, clip| {
            // What may be found stays: whoever looks among drums goes on there.
            query.parts = vec![clip];
        }),
        Action::MoreLike => with_clip(app, |query, clip| query.parts.push(clip)),
        Action::LessLike => with_clip(app, |query, clip| {
            query.parts.push(Part {
                weight: -clip.weight,
                ..clip
            });
        }),
        Action::NewQuery => {
            app.mode = Mode::Query;
            app.change(|query| {
                *query = Query::default();
                true
            })
        }
        Action::Back => go(app, |history, query| history.back(query)),
        Action::Forward => go(app, |history, query| history.forward(query)),
        Action::Heavier => change_part(app, |query, part| query.weigh(part, 1)),
        Action::Lighter => change_part(app, |query, part| query.weigh(part, -1)),
        Action::Negate => change_part(app, |query, place| {
            if let Some(part) = query.parts.get_mut(place) {
                part.weight = -part.weight;
            }
            true
        }),
        Action::RemovePart => remove_part(app),
        Action::ClearFilters => app.narrow(|narrowing| *narrowing = Narrowing::default()),
        Action::Choose | Action::Descend | Action::Ascend | Action::ClickFilter(_) => {
            filters::act(app, &action)
        }
        Action::EditPart => {
            let commands = change_part(app, Query::edit);
            if commands.is_empty() {
                app.tell("a clip cannot be edited: x removes it");
            } else {
                app.mode = Mode::Query;
            }
            commands
        }
        _ => vec![],
    }
}

fn edits_line(action: &Action) -> bool {
    edit_line(&mut Line::default(), action).is_some()
}

/// Edits a line; true when its text changed, `None` when the action edits no line.
fn edit_line(line: &mut Line, action: &Action) -> Option<bool> {
    match action {
        Action::Type(character) => line.insert(character.encode_utf8(&mut [0; 4])),
        Action::Paste(text) => line.insert(text),
        Action::DeleteBefore => return Some(line.delete_before()),
        Action::DeleteAfter => return Some(line.delete_after()),
        Action::DeleteWord => return Some(line.delete_word()),
        Action::ClearLine => return Some(line.clear()),
        Action::Left => {
            line.left();
            return Some(false);
        }
        Action::Right => {
            line.right();
            return Some(false);
        }
        Action::LineStart => {
            line.home();
            return Some(false);
        }
        Action::LineEnd => {
            line.end();
            return Some(false);
        }
        _ => return None,
    }
    Some(true)
}

fn edit_query_line(app: &mut App, action: &Action) -> Vec<Command> {
    let before = app.query.clone();
    if edit_line(&mut app.query.line, action) != Some(true) {
        return vec![];
    }
    app.history.note_typing(&before);
    // A word has ended, so it is known whether it is a filter.
    if app.query.line.before_cursor().ends_with(' ') && app.query.take_filters(false) {
        return app.ask();
    }
    // A space at the end asks for nothing new.
    if app.query.all_parts() == before.all_parts() {
        return vec![];
    }
    app.ask()
}

/// Makes filters of the words of the line that are some; with `all` also of one that may go on.
pub fn take_filters(app: &mut App, all: bool) -> Vec<Command> {
    app.change(|query| query.take_filters(all))
}

impl App {
    /// Changes the query as one step of the history, and asks; nothing when it says that nothing
    /// changed.
    pub(super) fn change(&mut self, how: impl FnOnce(&mut Query) -> bool) -> Vec<Command> {
        let before = self.query.clone();
        if !how(&mut self.query) {
            return vec![];
        }
        self.history.note(&before);
        self.part = self.part.min(self.chips().saturating_sub(1));
        if self.mode == Mode::Parts && self.chips() == 0 {
            self.mode = Mode::Query;
        }
        self.ask()
    }

    /// Changes what may be found.
    pub(super) fn narrow(&mut self, how: impl FnOnce(&mut Narrowing)) -> Vec<Command> {
        self.change(|query| {
            let before = query.narrowing.clone();
            how(&mut query.narrowing);
            query.narrowing != before
        })
    }
}

/// Changes the part that keys go to; of a filter nothing can be changed.
fn change_part(app: &mut App, how: impl FnOnce(&mut Query, usize) -> bool) -> Vec<Command> {
    let part = app.part;
    if part >= app.query.parts.len() {
        app.tell("a filter can only be removed");
        return vec![];
    }
    app.change(|query| how(query, part))
}

/// Takes the part or the filter out that keys go to.
fn remove_part(app: &mut App) -> Vec<Command> {
    let part = app.part;
    app.change(|query| {
        if part < query.parts.len() {
            query.parts.remove(part);
            return true;
        }
        let set = query.narrowing.conditions();
        let condition = set.get(part - query.parts.len());
        if let Some((condition, _)) = condition {
            query.narrowing.drop_condition(condition);
        }
        condition.is_some()
    })
}

/// Changes the query by the selected sound.
fn with_clip(app: &mut App, how: impl FnOnce(&mut Query, Part)) -> Vec<Command> {
    let Some(clip) = selected_clip(app) else {
        app.tell("no sound is selected");
        return vec![];
    };
    app.change(|query| {
        query.keep_typed();
        how(query, clip);
        true
    })
}

/// The selected sound as a part of a query: the part of it that is selected, or else, of a long
/// recording, the moment that matched.
fn selected_clip(app: &App) -> Option<Part> {
    let path = app.results.path()?.to_path_buf();
    Some(Part {
        source: Source::Clip {
            path,
            span: chosen_span(app),
        },
        weight: 1.0,
    })
}

/// The moment that matched, unless it is the whole sound.
pub fn matched_span(hit: &crate::search::Hit) -> Option<Span> {
    let (start, end) = hit.moment;
    // A segment at the end is padded to the segment's length, so the sound may be a little shorter.
    let is_whole = f64::from(end - start) + 0.05 >= hit.record.sound.duration_s;
    (!is_whole).then(|| Span {
        start_s: f64::from(start),
        end_s: Some(f64::from(end)),
    })
}

fn go(
    app: &mut App,
    step: impl FnOnce(&mut super::History, &Query) -> Option<Query>,
) -> Vec<Command> {
    let Some(query) = step(&mut app.history, &app.query) else {
        app.tell("there is no other query");
        return vec![];
    };
    app.query = query;
    app.part = app.part.min(app.chips().saturating_sub(1));
    if app.mode == Mode::Parts && app.chips() == 0 {
        app.mode = Mode::Results;
    }
    app.ask()
}

/// Narrows to the name that is being typed; its letters are one step of the history.
fn name_anew(app: &mut App) -> Vec<Command> {
    let name = app.prompt.text().trim();
    if name == app.query.narrowing.name {
        return vec![];
    }
    app.history.note_typing(&app.query);
    app.query.narrowing.name = name.to_string();
    app.ask()
}

/// Indexes the folder that was typed.
fn choose_folder(app: &mut App) -> Vec<Command> {
    let typed = app.prompt.take();
    app.close();
    let typed = typed.trim();
    if typed.is_empty() {
        return vec![];
    }
    vec![Command::Index(vec![PathBuf::from(typed)])]
}
