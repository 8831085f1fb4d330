//! The list of results: which of its lines is selected, which are on the screen, what is unfolded.
//!
//! It stands apart because it is a list like any other to the rest of the state: it knows hits and
//! lines, and nothing of how they were found.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::search::Hit;

/// How many results are asked for at first: more than a screenful.
pub const FIRST_ASKED: usize = 60;

/// The most results that are asked for. Who has not found it by then types another query.
const MOST_ASKED: usize = 2000;

/// How close to the end of the list more of it is asked for.
const LEAD: usize = 20;

/// A line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The hit at this place.
    Hit(usize),
    /// Of the hit at the first place, the file alike at the second.
    Alike(usize, usize),
}

/// The results of a query and the place of the person in them.
#[derive(Debug, Clone, Default)]
pub struct Results {
    hits: Vec<Hit>,
    /// False when nothing was asked for and all files are shown, unranked.
    ranked: bool,
    rows: Vec<Row>,
    selected: usize,
    offset: usize,
    unfolded: HashSet<PathBuf>,
    /// A sound that is selected on the map and is no result.
    elsewhere: Option<Hit>,
    asked: usize,
}

impl Results {
    /// The hits, best first.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// True when the hits are ranked by a query; otherwise they are files in the order of their paths.
    pub fn ranked(&self) -> bool {
        self.ranked
    }

    /// The lines of the list: the hits, and below unfolded ones the files that are alike.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The number of the selected line.
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// The number of the line that is drawn first.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many results are asked for.
    pub fn asked(&self) -> usize {
        self.asked.max(FIRST_ASKED)
    }

    /// True when all that can be found was found.
    pub fn is_complete(&self) -> bool {
        self.hits.len() < self.asked()
    }

    /// The hit of a line: that of the list, or one that is folded into it.
    pub fn hit_of(&self, row: &Row) -> Option<&Hit> {
        match *row {
            Row::Hit(place) => self.hits.get(place),
            Row::Alike(place, other) => self.hits.get(place)?.alike.get(other),
        }
    }

    /// The hit of the selected line, or the sound that is selected on the map.
    pub fn hit(&self) -> Option<&Hit> {
        let listed = || self.hit_of(self.rows.get(self.selected)?);
        self.elsewhere.as_ref().or_else(listed)
    }

    /// The sound that is selected on the map, if it is no result.
    pub fn elsewhere(&self) -> Option<&Hit> {
        self.elsewhere.as_ref()
    }

    /// The selected file.
    pub fn path(&self) -> Option<&Path> {
        self.hit().map(|hit| hit.path.as_path())
    }

    /// Takes new hits. With `keep` the selected file stays selected and on its line of the screen if
    /// it is still there; without, the first is.
    pub fn replace(&mut self, hits: Vec<Hit>, ranked: bool, keep: bool) {
        let before = self.path().map(Path::to_path_buf);
        let moment = self.hit().map(|hit| hit.moment);
        if !keep {
            self.elsewhere = None;
        }
        let line = self.selected - self.offset.min(self.selected);
        self.hits = hits;
        self.ranked = ranked;
        self.lay_out();
        let found = before.filter(|_| keep).and_then(|path| {
            let same = |row: &Row| {
                let hit = self.hit_of(row);
                hit.is_some_and(|hit| hit.path == path && Some(hit.moment) == moment)
            };
            let anywhere = |row: &Row| self.hit_of(row).is_some_and(|hit| hit.path == path);
            let rows = || self.rows.iter();
            rows().position(same).or_else(|| rows().position(anywhere))
        });
        match (found, keep) {
            (Some(at), _) => {
                self.selected = at;
                self.offset = at.saturating_sub(line);
            }
            (None, true) => self.selected = self.selected.min(self.rows.len().saturating_sub(1)),
            (None, false) => {
                self.selected = 0;
                self.offset = 0;
            }
        }
    }

    /// Selects the result with the content of a sound on the map, or that sound itself when it is no
    /// result; with `None` the selected line counts again.
    pub fn select_on_map(&mut self, sound: Option<Hit>) {
        let line = sound.as_ref().and_then(|sound| {
            let content = sound.record.content;
            let is_it =
                |row: &Row| matches!(*row, Row::Hit(at) if self.hits[at].record.content == content);
            self.rows.iter().position(is_it)
        });
        self.selected = line.unwrap_or(self.selected);
        self.elsewhere = sound.filter(|_| line.is_none());
    }

    /// Another query: as few as at first are asked for again, and nothing is unfolded.
    pub fn start_anew(&mut self) {
        self.asked = FIRST_ASKED;
        self.unfolded.clear();
    }

    /// Asks for more when the selection comes close to the end and there may be more; true then.
    pub fn wants_more(&mut self) -> bool {
        let near = self.selected + LEAD >= self.rows.len();
        let more = near && !self.is_complete() && self.asked() < MOST_ASKED;
        if more {
            self.asked = (self.asked() * 4).min(MOST_ASKED);
        }
        more
    }

    /// Selects another line, so many down or up; true when it changed.
    pub fn step(&mut self, lines: isize) -> bool {
        let at = self.selected.saturating_add_signed(lines);
        self.select(at)
    }

    /// Selects a line, the last one when there is none of that number; true when it changed.
    pub fn select(&mut self, line: usize) -> bool {
        let before = self.selected;
        self.elsewhere = None;
        self.selected = line.min(self.rows.len().saturating_sub(1));
        self.selected != before
    }

    /// Shows or folds what is alike to the selected hit; false when nothing is.
    pub fn toggle_fold(&mut self) -> bool {
        let Some(Row::Hit(place) | Row::Alike(place, _)) = self.rows.get(self.selected) else {
            return false;
        };
        let hit = self.hits.get(*place);
        let Some(hit) = hit.filter(|hit| self.elsewhere.is_none() && !hit.alike.is_empty()) else {
            return false;
        };
        let path = hit.path.clone();
        if !self.unfolded.remove(&path) {
            self.unfolded.insert(path.clone());
        }
        self.lay_out();
        let of_hit = |row: &Row| matches!(*row, Row::Hit(n) if self.hits[n].path == path);
        self.selected = self.rows.iter().position(of_hit).unwrap_or(0);
        true
    }

    /// True when what is alike to a hit is shown.
    pub fn is_unfolded(&self, hit: &Hit) -> bool {
        self.unfolded.contains(&hit.path)
    }

    /// Moves the part that is on a screen of so many lines, so that the selected one is on it.
    pub fn bring_into_view(&mut self, lines: usize) {
        let last_offset = self.rows.len().saturating_sub(lines);
        let least = (self.selected + 1).saturating_sub(lines);
        self.offset = self
            .offset
            .clamp(least, self.selected.max(least))
            .min(last_offset);
    }

    fn lay_out(&mut self) {
        self.rows.clear();
        for (place, hit) in self.hits.iter().enumerate() {
            self.rows.push(Row::Hit(place));
            if self.unfolded.contains(&hit.path) {
                let alike = (0..hit.alike.len()).map(|other| Row::Alike(place, other));
                self.rows.extend(alike);
            }
        }
    }
}
