//! The whole state of the terminal UI, and what can be read off it.
//!
//! It stands apart from what changes it, so that a view, which only reads, has one file to know. The
//! fields that nothing outside needs are the business of the functions that change the state.

use std::path::Path;

use super::Command;
use super::acting::Surroundings;
use super::charting::Charting;
use super::drawing::Drawing;
use super::hearing::Hearing;
use super::marking::Marked;
use super::query::{History, Query};
use super::results::Results;
use crate::display::printable_path;
use crate::library::Facets;
use crate::tui::action::Action;
use crate::tui::keys::{Chord, KeyMap};
use crate::tui::layout::{Areas, Openings};
use crate::tui::line::Line;
use crate::tui::offers::Context;
use crate::tui::theme::Theme;
use crate::tui::worker::{
    AllMarks, Failed, IndexingState, LibraryFacts, Progress, Request, Subject,
};

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To the line of the query.
    Query,
    /// To the results.
    Results,
    /// To the parts of the query.
    Parts,
    /// To the filters.
    Filters,
    /// To the map.
    Map,
    /// To the menu of what can be done with sounds.
    Menu,
    /// To the help.
    Help,
    /// To the list of what could not be indexed.
    Failures,
    /// To a line that is asked for.
    Prompt(Ask),
}

/// What a line is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A folder to index.
    Folder,
    /// A name that files are to have.
    Name,
    /// A folder to copy files to.
    CopyTo,
    /// A folder to link files in.
    LinkTo,
    /// A folder to cut moments to.
    CutTo,
    /// A file to list sounds in.
    Export,
    /// Tags.
    Tags,
}

/// Whether there is a library to search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The model is being loaded.
    Loading,
    /// All is there.
    Open,
    /// It cannot be opened, for this reason.
    Broken(String),
}

/// A line that tells something until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it tells.
    pub text: String,
    /// True when something went wrong.
    pub is_error: bool,
}

/// The whole state.
pub struct App {
    /// What keys mean.
    pub keys: KeyMap,
    /// How things look.
    pub theme: Theme,
    /// Where keys go.
    pub mode: Mode,
    /// Where they went before the help, a list or a prompt was opened.
    pub(super) beneath: Mode,
    /// The columns and rows of the terminal.
    pub size: (u16, u16),
    /// Whether the library is there.
    pub opening: Opening,
    /// What is known of the library.
    pub library: LibraryFacts,
    /// What is asked for.
    pub query: Query,
    pub(super) history: History,
    /// Rank moments instead of files.
    pub moments: bool,
    /// What was found.
    pub results: Results,
    /// Why the last question has no answer.
    pub failure: Option<String>,
    /// The part of the query that keys go to.
    pub part: usize,
    /// What is heard.
    pub hearing: Hearing,
    /// The map.
    pub charting: Charting,
    /// What is drawn of the selected sound.
    pub drawing: Drawing,
    /// The spectrogram is drawn, not the waveform.
    pub spectrogram: bool,
    /// Where the mouse was pressed in the drawing, as a share of its width.
    pub(super) pressed: Option<f64>,
    /// The sounds that are marked.
    pub marked: Marked,
    /// What a person has put on sounds for good: favourites and tags.
    pub marks: AllMarks,
    /// What there is around the program.
    pub around: Surroundings,
    /// The row of the menu that keys go to.
    pub menu: usize,
    /// The folder that was typed last, as it was typed.
    pub(super) last_folder: String,
    /// The sounds that the line is asked for.
    pub(super) asked_of: Vec<Subject>,
    /// How many sounds each choice of the filters leaves.
    pub facets: Facets,
    /// The filters are shown.
    pub filters_open: bool,
    /// The row of the filters that keys go to.
    pub filter: usize,
    /// The line that is asked for.
    pub prompt: Line,
    /// The first line of the text that is read.
    pub scroll: usize,
    /// How far indexing is.
    pub indexing: Progress,
    /// Indexing is held.
    pub paused: bool,
    /// What is told until the next key.
    pub notice: Option<Notice>,
    /// The last question.
    pub(super) generation: u64,
    /// The last question that was answered.
    pub(super) answered: u64,
    /// The answer is to the same query as the one before: the selection stays.
    pub(super) keep_selection: bool,
    /// The library has changed since the question that is on its way was asked.
    pub(super) is_behind: bool,
}

impl App {
    /// The state at the start.
    pub fn new(keys: KeyMap, theme: Theme, hearing: Hearing) -> App {
        App {
            keys,
            theme,
            mode: Mode::Query,
            beneath: Mode::Query,
            size: (80, 24),
            opening: Opening::Loading,
            library: LibraryFacts::default(),
            query: Query::default(),
            history: History::default(),
            moments: false,
            results: Results::default(),
            failure: None,
            part: 0,
            hearing,
            charting: Charting::default(),
            drawing: Drawing::default(),
            spectrogram: false,
            pressed: None,
            marked: Marked::default(),
            marks: AllMarks::default(),
            around: Surroundings::default(),
            menu: 0,
            last_folder: String::new(),
            asked_of: vec![],
            facets: Facets::default(),
            filters_open: false,
            filter: 0,
            prompt: Line::default(),
            scroll: 0,
            indexing: Progress::of(IndexingState::Idle),
            paused: false,
            notice: None,
            generation: 0,
            answered: 0,
            keep_selection: false,
            is_behind: false,
        }
    }

    /// The table of keys that holds now.
    pub fn context(&self) -> Context {
        match self.mode {
            Mode::Query => Context::Query,
            Mode::Results => Context::Results,
            Mode::Parts => Context::Parts,
            Mode::Filters => Context::Filters,
            Mode::Map => Context::Map,
            Mode::Menu => Context::Menu,
            Mode::Help | Mode::Failures => Context::Reading,
            Mode::Prompt(_) => Context::Prompt,
        }
    }

    /// What a key asks for now: in a line characters are typed, but a question mark on an empty query
    /// line asks for help.
    pub fn action_of(&self, chord: Chord) -> Option<Action> {
        let context = self.context();
        let in_line = matches!(context, Context::Query | Context::Prompt);
        let meaning = self.keys.action(context, chord).cloned();
        match chord.typed() {
            Some(character) if in_line => {
                let helps = meaning == Some(Action::Help)
                    && self.mode == Mode::Query
                    && self.query.line.text().is_empty();
                Some(if helps {
                    Action::Help
                } else {
                    Action::Type(character)
                })
            }
            _ => meaning,
        }
    }

    /// Where things are; `None` when the terminal is too small.
    pub fn areas(&self) -> Option<Areas> {
        let open = Openings {
            parts: self.chips() > 0,
            side: self.filters_open,
        };
        Areas::of(self.size.0, self.size.1, open)
    }

    /// How many chips there are: the parts of the query, and after them the filters.
    pub fn chips(&self) -> usize {
        self.query.parts.len() + self.query.narrowing.conditions().len()
    }

    /// The row of the filters that is drawn first, so that the one with the cursor is to be seen.
    pub fn filter_offset(&self) -> usize {
        let side = self.areas().and_then(|areas| areas.side);
        let lines = side.map_or(1, |side| usize::from(side.height));
        (self.filter + 2).saturating_sub(lines)
    }

    /// Where the keys go, or went before something was opened over it.
    pub fn mode_beneath(&self) -> Mode {
        match self.mode {
            Mode::Query | Mode::Results | Mode::Parts | Mode::Filters => self.mode,
            Mode::Map | Mode::Menu | Mode::Help | Mode::Failures | Mode::Prompt(_) => self.beneath,
        }
    }

    /// True while a question has no answer yet.
    pub fn is_searching(&self) -> bool {
        self.answered < self.generation
    }

    /// True when the library is open and holds nothing, so that there is nothing to search.
    pub fn has_nothing(&self) -> bool {
        self.opening == Opening::Open && self.library.files == 0 && self.results.hits().is_empty()
    }

    /// True while indexing goes on.
    pub fn is_indexing(&self) -> bool {
        matches!(
            self.indexing.state,
            IndexingState::Scanning | IndexingState::Running
        )
    }

    pub(super) fn open_over(&mut self, mode: Mode) {
        self.beneath = self.mode_beneath();
        self.mode = mode;
        self.scroll = 0;
    }

    pub(super) fn close(&mut self) {
        self.mode = self.beneath;
    }

    /// How many lines of the list are on the screen.
    pub(super) fn list_height(&self) -> usize {
        self.areas().map_or(1, |areas| areas.list.height.into())
    }

    /// Asks anew: another query, so the first result is selected.
    pub(super) fn ask(&mut self) -> Vec<Command> {
        self.results.start_anew();
        self.keep_selection = false;
        self.request()
    }

    /// Asks the same again: more results, or a library that has grown.
    pub(super) fn ask_again(&mut self) -> Vec<Command> {
        // While another query is on its way, its answer is the one to show; and who has not left the
        // query line yet wants to see the best.
        let chosen = self.mode_beneath() != Mode::Query || self.results.selected() > 0;
        self.keep_selection = chosen && (self.keep_selection || !self.is_searching());
        self.request()
    }

    pub(super) fn request(&mut self) -> Vec<Command> {
        self.generation += 1;
        vec![Command::Search(Request {
            generation: self.generation,
            parts: self.query.all_parts(),
            narrowing: self.query.narrowing.clone(),
            count: self.filters_open,
            n: self.results.asked(),
            moments: self.moments,
        })]
    }

    pub(super) fn tell(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            is_error: false,
        });
    }

    pub(super) fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            is_error: true,
        });
    }

    /// The greatest useful scroll of the text that is read.
    pub(super) fn most_scroll(&self) -> usize {
        let lines = match self.mode {
            Mode::Failures => self.library.failed.len(),
            _ => crate::tui::view::help_lines(self).len(),
        };
        lines.saturating_sub(usize::from(self.size.1).saturating_sub(4))
    }

    /// The folder that all indexed folders lie in, so that names can be shown below it.
    pub fn common_root(&self) -> Option<&Path> {
        match self.library.roots.as_slice() {
            [root] => Some(root),
            _ => None,
        }
    }

    /// The failures as lines.
    pub fn failure_lines(&self) -> impl Iterator<Item = (String, &str)> {
        self.library
            .failed
            .iter()
            .map(|Failed { path, reason }| (printable_path(path), reason.as_str()))
    }
}
