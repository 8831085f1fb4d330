//! The panel of filters: what can be chosen, with how many sounds it would leave.
//!
//! It stands apart because its rows are made anew from the counts and the choices each time they are
//! looked at, so that nothing can get out of step.

use std::path::PathBuf;

use super::narrowing::{AGES, LENGTHS, Narrowing};
use super::{Action, App, Ask, Command, Mode};
use crate::library::{Facets, Tag};
use crate::tui::line::Line;

/// How many labels are offered, the most frequent first: sets have hundreds.
const LABELS_OFFERED: usize = 15;

/// A row of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterRow {
    /// The title of the choices below.
    Heading(&'static str),
    /// To the folder above.
    Above,
    /// A folder, and how many sounds are in it.
    Folder(PathBuf, usize),
    /// An extension, and how many sounds have it.
    Extension(String, usize),
    /// One of the lengths, and how many sounds are so long.
    Length(usize, usize),
    /// One of the ages.
    Age(usize),
    /// The name.
    Name,
    /// The favourites, and how many there are.
    Favourite(usize),
    /// A tag, and how many sounds have it.
    Tag(Tag, usize),
    /// A label, and how many sounds have it.
    Label(String, usize),
}

impl FilterRow {
    /// True when both offer the same, whatever they would leave.
    fn offers_the_same_as(&self, other: &FilterRow) -> bool {
        match (self, other) {
            (FilterRow::Folder(a, _), FilterRow::Folder(b, _)) => a == b,
            (FilterRow::Extension(a, _), FilterRow::Extension(b, _)) => a == b,
            (FilterRow::Length(a, _), FilterRow::Length(b, _)) => a == b,
            (FilterRow::Tag(a, _), FilterRow::Tag(b, _)) => a == b,
            (FilterRow::Label(a, _), FilterRow::Label(b, _)) => a == b,
            (FilterRow::Favourite(_), FilterRow::Favourite(_)) => true,
            (a, b) => a == b,
        }
    }

    fn is_choice(&self) -> bool {
        !matches!(self, FilterRow::Heading(_))
    }
}

/// The rows of the panel.
pub fn filter_rows(app: &App) -> Vec<FilterRow> {
    let (facets, chosen) = (&app.facets, &app.query.narrowing);
    let mut rows = vec![FilterRow::Heading("Folder")];
    if chosen.folder.is_some() {
        rows.push(FilterRow::Above);
    }
    let folders = facets.folders.iter().cloned();
    rows.extend(folders.map(|(path, files)| FilterRow::Folder(path, files)));
    rows.push(FilterRow::Heading("Format"));
    let counted = facets.extensions.iter().cloned();
    rows.extend(counted.map(|(extension, files)| FilterRow::Extension(extension, files)));
    // A format that is chosen can be dropped also when no sound of it is left.
    let is_counted = |extension: &str| {
        facets
            .extensions
            .iter()
            .any(|(known, _)| known == extension)
    };
    let gone = chosen
        .extensions
        .iter()
        .filter(|extension| !is_counted(extension));
    rows.extend(gone.map(|extension| FilterRow::Extension(extension.clone(), 0)));
    rows.push(FilterRow::Heading("Length"));
    rows.extend((0..LENGTHS.len()).map(|length| FilterRow::Length(length, facets.lengths[length])));
    rows.extend(mark_rows(facets, chosen));
    rows.extend(label_rows(facets, chosen));
    rows.push(FilterRow::Heading("Name"));
    rows.push(FilterRow::Name);
    rows.push(FilterRow::Heading("Not older than"));
    rows.extend((0..AGES.len()).map(FilterRow::Age));
    rows
}

/// Favourites and tags, as far as there are any, or as they are chosen.
fn mark_rows(facets: &Facets, chosen: &Narrowing) -> Vec<FilterRow> {
    let mut rows = vec![];
    if facets.favourites > 0 || chosen.favourite {
        rows.push(FilterRow::Favourite(facets.favourites));
    }
    let counted = facets.tags.iter().cloned();
    rows.extend(counted.map(|(tag, files)| FilterRow::Tag(tag, files)));
    let is_counted = |tag: &Tag| facets.tags.iter().any(|(known, _)| known == tag);
    let gone = chosen.tags.iter().filter(|tag| !is_counted(tag));
    rows.extend(gone.map(|tag| FilterRow::Tag(tag.clone(), 0)));
    if !rows.is_empty() {
        rows.insert(0, FilterRow::Heading("Favourites and tags"));
    }
    rows
}

/// The labels that most sounds have, and those that are chosen.
fn label_rows(facets: &Facets, chosen: &Narrowing) -> Vec<FilterRow> {
    let offered = facets.labels.iter().take(LABELS_OFFERED);
    let mut rows: Vec<FilterRow> = offered
        .map(|(label, files)| FilterRow::Label(label.clone(), *files))
        .collect();
    for label in &chosen.labels {
        let counted = facets.labels.iter().position(|(known, _)| known == label);
        if counted.is_none_or(|place| place >= LABELS_OFFERED) {
            let files = counted.map_or(0, |place| facets.labels[place].1);
            rows.push(FilterRow::Label(label.clone(), files));
        }
    }
    if !rows.is_empty() {
        rows.insert(0, FilterRow::Heading("Label"));
    }
    rows
}

/// Opens the panel, or closes it.
pub fn toggle(app: &mut App) -> Vec<Command> {
    if app.filters_open {
        close(app);
        return vec![];
    }
    app.filters_open = true;
    app.mode = Mode::Filters;
    // The title of the folders, until there are some.
    app.filter = 0;
    // The counts are only made for who sees them.
    app.ask_again()
}

/// Takes new counts; the cursor stays on what it is on, if that is still offered.
pub fn take_facets(app: &mut App, facets: Facets) {
    let before = filter_rows(app).get(app.filter).cloned();
    app.facets = facets;
    let rows = filter_rows(app);
    let same = |row: &FilterRow| before.as_ref().is_some_and(|b| row.offers_the_same_as(b));
    app.filter = rows.iter().position(same).unwrap_or(app.filter);
    step(app, 0);
}

/// Closes the panel; the filters stay.
pub fn close(app: &mut App) {
    app.filters_open = false;
    app.mode = Mode::Results;
}

/// Moves over the choices, so many down or up.
pub fn step(app: &mut App, by: isize) {
    let rows = filter_rows(app);
    let choices: Vec<usize> = (0..rows.len())
        .filter(|&row| rows[row].is_choice())
        .collect();
    let at = choices.partition_point(|&row| row < app.filter);
    let last = choices.len().saturating_sub(1);
    let to = at.saturating_add_signed(by).min(last);
    app.filter = choices.get(to).copied().unwrap_or(0);
}

/// Takes an action that means something in the panel.
pub fn act(app: &mut App, action: &Action) -> Vec<Command> {
    let rows = filter_rows(app);
    let row = rows.get(app.filter).cloned();
    let commands = match (action, row) {
        (Action::ClickFilter(row), _) => {
            let clicked = app.filter_offset() + row;
            if !rows.get(clicked).is_some_and(FilterRow::is_choice) {
                return vec![];
            }
            app.mode = Mode::Filters;
            app.filter = clicked;
            return act(app, &Action::Choose);
        }
        (Action::Choose, Some(FilterRow::Name)) => {
            app.open_over(Mode::Prompt(Ask::Name));
            app.prompt = Line::new(app.query.narrowing.name.clone());
            vec![]
        }
        (Action::Ascend, _) | (Action::Choose, Some(FilterRow::Above)) => {
            let roots = app.library.roots.clone();
            app.change(|query| query.narrowing.ascend(&roots))
        }
        (Action::Choose | Action::Descend, Some(FilterRow::Folder(path, _))) => {
            app.filter = 0;
            app.narrow(|narrowing| narrowing.folder = Some(path))
        }
        (Action::Choose, Some(FilterRow::Extension(extension, _))) => {
            app.narrow(|narrowing| narrowing.toggle_extension(&extension))
        }
        (Action::Choose, Some(FilterRow::Favourite(_))) => {
            app.narrow(|narrowing| narrowing.favourite = !narrowing.favourite)
        }
        (Action::Choose, Some(FilterRow::Tag(tag, _))) => {
            app.narrow(|narrowing| narrowing.toggle_tag(&tag))
        }
        (Action::Choose, Some(FilterRow::Label(label, _))) => {
            app.narrow(|narrowing| narrowing.toggle_label(&label))
        }
        (Action::Choose, Some(FilterRow::Length(length, _))) => app.narrow(|narrowing| {
            narrowing.length = Some(length).filter(|_| narrowing.length != Some(length));
        }),
        (Action::Choose, Some(FilterRow::Age(age))) => app.narrow(|narrowing| {
            narrowing.age = Some(age).filter(|_| narrowing.age != Some(age));
        }),
        _ => vec![],
    };
    step(app, 0);
    commands
}
