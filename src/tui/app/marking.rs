//! The sounds that are marked, so that something can be done with all of them at once.
//!
//! It stands apart from the list because marks outlive it: what was marked under one query stays
//! marked under the next, until something is done with it or the marks are dropped.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{App, Mode, Row};
use crate::search::Hit;

/// Marked sounds, in the order in which they were marked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marked {
    hits: Vec<Hit>,
    paths: HashSet<PathBuf>,
    /// The one that was marked last, where a range begins.
    last: Option<PathBuf>,
}

impl Marked {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.hits.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// True when a file is one of them.
    pub fn contains(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// All of them.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    fn add(&mut self, hit: Hit) {
        self.last = Some(hit.path.clone());
        if self.paths.insert(hit.path.clone()) {
            self.hits.push(hit);
        }
    }

    fn drop(&mut self, path: &Path) {
        if self.paths.remove(path) {
            self.hits.retain(|hit| hit.path != path);
        }
    }
}

/// Marks the selected sound or drops its mark, and goes on to the next.
pub(super) fn toggle(app: &mut App) {
    let Some(hit) = app.results.hit().cloned() else {
        return app.tell("no sound is selected");
    };
    if app.marked.contains(&hit.path) {
        app.marked.drop(&hit.path);
    } else {
        app.marked.add(hit);
    }
    // On the map there is no next one that would be meant.
    if app.mode != Mode::Map {
        app.results.step(1);
    }
}

/// Marks what lies between the sound that was marked last and the selected one, and both.
pub(super) fn range(app: &mut App) {
    let rows = app.results.rows();
    let here = app.results.selected();
    let last = app.marked.last.as_deref();
    let path_of = |row: &Row| app.results.hit_of(row).map(|hit| hit.path.as_path());
    let is_last = |row: &Row| last.is_some() && path_of(row) == last;
    let Some(from) = rows.iter().position(is_last) else {
        return app.tell("mark the first sound of the range before");
    };
    let between = from.min(here)..=from.max(here);
    let hits: Vec<Hit> = rows[between]
        .iter()
        .filter_map(|row| app.results.hit_of(row).cloned())
        .collect();
    hits.into_iter().for_each(|hit| app.marked.add(hit));
}

/// Marks all that is listed; drops all marks when it is all marked.
pub(super) fn all(app: &mut App) {
    let rows = app.results.rows().iter();
    let listed = rows.filter_map(|row| app.results.hit_of(row).cloned());
    let listed: Vec<Hit> = listed.collect();
    if listed.iter().all(|hit| app.marked.contains(&hit.path)) {
        return none(app);
    }
    let count = listed.len();
    listed.into_iter().for_each(|hit| app.marked.add(hit));
    if !app.results.is_complete() {
        app.tell(format!(
            "marked the first {count}, which are listed; scroll down for more"
        ));
    }
}

/// Drops all marks.
pub(super) fn none(app: &mut App) {
    app.marked = Marked::default();
}
