//! Doing something with the marked sounds, or with the selected one: the menu, and what it asks for.
//!
//! It stands apart because here a person's wish becomes a [`Task`]: which sounds are meant, what part
//! of each, and the line that has to be typed first.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::hearing::chosen_span;
use super::{Action, App, Ask, Command, Line, Mode, marking, matched_span};
use crate::display::{count, printable};
use crate::export::{ListFormat, Placing};
use crate::library::{Marks, Tag};
use crate::search::Hit;
use crate::tui::offers::{Context, Offer};
use crate::tui::worker::{AllMarks, Deed, Outcome, Subject, Task};

/// The most bytes that are put onto the clipboard. Terminals take escape sequences of 100,000 bytes,
/// of which base64 and the frame leave this (xterm's limit, which others have taken over).
const MOST_CLIPBOARD_BYTES: usize = 74_994;

/// What there is around the program, as far as it decides what can be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// There is a desktop that windows can open on.
    pub has_screen: bool,
    /// The program that files can be dragged from.
    pub drag_source: Option<&'static str>,
    /// The command that opens sounds, in words.
    pub open: Vec<String>,
    /// The terminal is one of tmux.
    pub in_tmux: bool,
}

/// What the menu offers, in its order.
pub fn menu(app: &App) -> Vec<&'static Offer> {
    let offers = app.keys.offers(Context::Menu);
    let acts = offers.filter(|(offer, _)| {
        !matches!(
            offer.action,
            Action::Next | Action::Previous | Action::Choose | Action::Close
        )
    });
    acts.map(|(offer, _)| offer).collect()
}

/// Why something in the menu cannot be done now, if it cannot.
pub fn obstacle(app: &App, action: &Action) -> Option<&'static str> {
    let around = &app.around;
    match action {
        Action::Reveal | Action::Drag if !around.has_screen => Some("no desktop here"),
        Action::Drag if around.drag_source.is_none() => Some("needs ripdrag or dragon"),
        Action::Open if around.open.is_empty() => Some("set open in the config file"),
        Action::UnmarkAll if app.marked.is_empty() => Some("nothing is marked"),
        _ => None,
    }
}

/// What is acted on, in words: the name of a sound, or how many are marked.
pub fn subjects_text(app: &App) -> String {
    match (app.marked.len(), app.results.path()) {
        (0, Some(path)) => name_of(path),
        (0, None) => String::new(),
        (n, _) => format!("{n} marked"),
    }
}

/// Takes an action that marks sounds or does something with them.
pub fn act(app: &mut App, action: &Action) -> Vec<Command> {
    if let Some(obstacle) = obstacle(app, action) {
        app.complain(obstacle);
        return vec![];
    }
    match action {
        Action::Mark => marking::toggle(app),
        Action::MarkRange => marking::range(app),
        Action::MarkAll => marking::all(app),
        Action::Choose => {
            let chosen = menu(app).get(app.menu).map(|offer| offer.action.clone());
            return chosen.map_or(vec![], |action| act(app, &action));
        }
        Action::Complete => complete(app),
        action => return on_subjects(app, action),
    }
    vec![]
}

fn on_subjects(app: &mut App, action: &Action) -> Vec<Command> {
    let subjects = subjects(app);
    if subjects.is_empty() {
        app.tell("no sound is selected");
        return vec![];
    }
    let many = match subjects.as_slice() {
        [one] => name_of(&one.hit.path),
        many => count(many.len(), "sound"),
    };
    if app.mode == Mode::Menu {
        app.close();
    }
    let deed = match action {
        Action::Menu => {
            app.menu = 0;
            app.open_over(Mode::Menu);
            return vec![];
        }
        Action::UnmarkAll => {
            marking::none(app);
            return vec![];
        }
        Action::CopyPaths => return copy_paths(app, &subjects),
        Action::CopyFiles => return ask(app, Ask::CopyTo, folder_text(app), subjects),
        Action::LinkFiles => return ask(app, Ask::LinkTo, folder_text(app), subjects),
        Action::Cut => return ask(app, Ask::CutTo, folder_text(app), subjects),
        Action::Export => {
            let name = format!("{}sounds.{}", folder_text(app), ListFormat::M3u.extension());
            return ask(app, Ask::Export, name, subjects);
        }
        Action::Tag => {
            let tags = match subjects.as_slice() {
                [one] => marks_of(&app.marks, &one.hit).tags,
                _ => BTreeSet::new(),
            };
            let present = tags.iter().map(|tag| format!("{tag}, "));
            return ask(app, Ask::Tags, present.collect(), subjects);
        }
        Action::Favourite => {
            let is = |subject: &Subject| marks_of(&app.marks, &subject.hit).favourite;
            Deed::Favourite(!subjects.iter().all(is))
        }
        Action::Reveal => {
            app.tell(format!("asking the file manager to show {many}"));
            Deed::Reveal
        }
        Action::Drag => {
            app.tell(format!("a window opens to drag {many} from"));
            Deed::Drag
        }
        Action::Open => {
            let command = app.around.open.clone();
            app.tell(format!("opening {many} with {}", printable(&command[0])));
            Deed::Open(command)
        }
        _ => return vec![],
    };
    vec![Command::Act(Task { deed, subjects })]
}

/// Takes the line that was asked for; it stays open when it cannot be taken.
pub fn answer(app: &mut App, asked: Ask) -> Vec<Command> {
    // Not what is selected by now: another answer may have come while the line was typed.
    let subjects = app.asked_of.clone();
    let typed = app.prompt.text().trim().to_string();
    if asked == Ask::Tags {
        return match retagged(app, &subjects, &typed) {
            Ok(deed) => {
                app.close();
                let tasks = deed.map(|deed| Command::Act(Task { deed, subjects }));
                tasks.into_iter().collect()
            }
            Err(reason) => {
                app.complain(reason);
                vec![]
            }
        };
    }
    if typed.is_empty() {
        app.close();
        return vec![];
    }
    let path = PathBuf::from(&typed);
    let sounds = count(subjects.len(), "sound");
    let (deed, doing) = match asked {
        Ask::CopyTo => (Deed::Place(path, Placing::Copy), "copying"),
        Ask::LinkTo => (Deed::Place(path, Placing::Link), "linking"),
        Ask::CutTo => (Deed::Cut(path), "cutting"),
        Ask::Export => match ListFormat::of_path(&path) {
            Ok(_) => (Deed::List(path), "listing"),
            Err(error) => {
                app.complain(printable(&error.to_string()));
                return vec![];
            }
        },
        _ => return vec![],
    };
    app.last_folder = match asked {
        Ask::Export => match typed.rfind('/') {
            Some(end) => typed[..=end].to_string(),
            None => String::new(),
        },
        _ => typed,
    };
    app.close();
    app.tell(format!("{doing} {sounds}…"));
    vec![Command::Act(Task { deed, subjects })]
}

/// Takes in all favourites and tags; what is filtered by them is asked for again.
pub fn take_marks(app: &mut App, marks: AllMarks) -> Vec<Command> {
    let changed = app.marks != marks;
    app.marks = marks;
    let narrowing = &app.query.narrowing;
    let by_marks = narrowing.favourite || !narrowing.tags.is_empty();
    if changed && (by_marks || app.filters_open) && !app.is_searching() {
        return app.ask_again();
    }
    vec![]
}

/// Tells what came of a deed.
pub fn take_outcome(app: &mut App, outcome: Outcome) {
    match outcome.is_error {
        true => app.complain(outcome.text),
        false => app.tell(outcome.text),
    }
}

/// The known tags that what is being typed may become, in order.
pub fn completions(app: &App) -> Vec<&Tag> {
    let typed = app.prompt.text();
    if app.prompt.before_cursor() != typed {
        return vec![];
    }
    let (before, piece) = typed.rsplit_once(',').unwrap_or(("", typed));
    let piece = piece.trim_start().trim_start_matches('-').to_lowercase();
    let listed: BTreeSet<&str> = before.split(',').map(str::trim).collect();
    let known: BTreeSet<&Tag> = app.marks.values().flat_map(|marks| &marks.tags).collect();
    let fits = |tag: &&Tag| {
        let text = tag.as_str();
        text.starts_with(&piece) && text != piece && !listed.contains(text)
    };
    known.into_iter().filter(fits).collect()
}

/// Takes the first completion into the line.
fn complete(app: &mut App) {
    let Some(tag) = completions(app).first().map(|tag| tag.to_string()) else {
        return;
    };
    let typed = app.prompt.text();
    let piece = typed.rfind(',').map_or(0, |comma| comma + 1);
    let (before, piece) = typed.split_at(piece);
    let minus = if piece.trim_start().starts_with('-') {
        "-"
    } else {
        ""
    };
    let space = if before.is_empty() { "" } else { " " };
    app.prompt = Line::new(format!("{before}{space}{minus}{tag}, "));
}

fn ask(app: &mut App, what: Ask, line: String, subjects: Vec<Subject>) -> Vec<Command> {
    app.asked_of = subjects;
    app.open_over(Mode::Prompt(what));
    app.prompt = Line::new(line);
    vec![]
}

/// The marked sounds, or else the selected one, each with the part that is meant.
fn subjects(app: &App) -> Vec<Subject> {
    let subject = |hit: &Hit, span: Option<crate::audio::Span>| {
        let length_s = hit.record.sound.duration_s;
        Subject {
            hit: hit.clone(),
            span: span.map_or((0.0, length_s), |span| {
                (span.start_s, span.end_s.unwrap_or(length_s))
            }),
        }
    };
    if app.marked.is_empty() {
        let hit = app.results.hit();
        return hit
            .map(|hit| subject(hit, chosen_span(app)))
            .into_iter()
            .collect();
    }
    let hits = app.marked.hits().iter();
    hits.map(|hit| subject(hit, matched_span(hit))).collect()
}

fn marks_of(all: &AllMarks, hit: &Hit) -> Marks {
    all.get(&hit.record.content).cloned().unwrap_or_default()
}

/// Of one sound the line has all tags that it is to have; of several those to put on, and with a
/// minus those to take off. `None` when nothing changes.
fn retagged(app: &App, subjects: &[Subject], typed: &str) -> Result<Option<Deed>, String> {
    let (mut add, mut remove) = (BTreeSet::new(), BTreeSet::new());
    for text in typed.split(',').map(str::trim).filter(|t| !t.is_empty()) {
        let (text, tags) = match text.strip_prefix('-') {
            Some(text) => (text, &mut remove),
            None => (text, &mut add),
        };
        tags.insert(Tag::new(text).map_err(|error| error.to_string())?);
    }
    if let [one] = subjects {
        let present = marks_of(&app.marks, &one.hit).tags;
        let dropped = present.difference(&add).cloned();
        remove.extend(dropped.collect::<Vec<_>>());
        add.retain(|tag| !present.contains(tag));
        remove.retain(|tag| present.contains(tag));
    }
    let changes = !add.is_empty() || !remove.is_empty();
    Ok(changes.then_some(Deed::Tag { add, remove }))
}

fn copy_paths(app: &mut App, subjects: &[Subject]) -> Vec<Command> {
    let is_safe = |path: &&Path| {
        let text = path.to_string_lossy();
        !text.chars().any(char::is_control)
    };
    let paths = subjects.iter().map(|subject| subject.hit.path.as_path());
    let paths: Vec<&Path> = paths.filter(is_safe).collect();
    let left_out = subjects.len() - paths.len();
    let lines: Vec<&[u8]> = paths
        .iter()
        .map(|path| path.as_os_str().as_encoded_bytes())
        .collect();
    let text = lines.join(&b'\n');
    if left_out > 0 && paths.is_empty() {
        app.complain("its path has control characters, which would do something when pasted");
        return vec![];
    }
    if text.len() > MOST_CLIPBOARD_BYTES {
        let paths = count(paths.len(), "path");
        app.complain(format!(
            "{paths} are too long for a terminal's clipboard: export a list instead"
        ));
        return vec![];
    }
    let mut told = format!("copied {}", count(paths.len(), "path"));
    if left_out > 0 {
        told.push_str(&format!(", left out {left_out} with control characters"));
    }
    if app.around.in_tmux {
        told.push_str(" (tmux passes them on with set-clipboard on)");
    }
    app.tell(told);
    vec![Command::CopyText(text)]
}

/// The folder that was typed last, else the home folder, with a slash at its end.
fn folder_text(app: &App) -> String {
    match app.last_folder.as_str() {
        "" => "~/".into(),
        folder if folder.ends_with('/') => folder.into(),
        folder => format!("{folder}/"),
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    printable(&name.to_string_lossy())
}
