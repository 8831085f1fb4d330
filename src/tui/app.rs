//! The state of the terminal UI, and the one function that changes it.
//!
//! [`update`] takes what happened and gives what is to be done about it. It touches no terminal, file,
//! clock or thread, so that everything a person can do is tested as a table of state, keys and what is
//! expected. It stands apart from the drawing, which only reads the state, and from the workers, which
//! do the commands.

mod acting;
mod charting;
mod drawing;
mod editing;
mod filters;
mod hearing;
mod marking;
mod narrowing;
mod query;
mod results;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::action::Action;
use super::keys::{Chord, KeyMap};
use super::layout::{Areas, Openings};
use super::line::Line;
use super::offers::Context;
use super::theme::Theme;
use super::worker::{
    AllMarks, DrawRequest, Failed, IndexingState, LibraryFacts, MatchRequest, Progress, Request,
    Response, Subject, Task,
};
use crate::display::printable_path;
use crate::library::Facets;
use crate::playback::{Play, PlayId};
pub use acting::{Surroundings, completions, menu, obstacle, subjects_text};
pub use charting::Charting;
pub use drawing::Drawing;
pub use editing::matched_span;
pub use filters::{FilterRow, filter_rows};
pub use hearing::Hearing;
pub use marking::Marked;
pub use narrowing::{AGES, LENGTHS, Narrowing};
pub use query::{History, Query};
pub use results::{Results, Row};

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
    beneath: Mode,
    /// The columns and rows of the terminal.
    pub size: (u16, u16),
    /// Whether the library is there.
    pub opening: Opening,
    /// What is known of the library.
    pub library: LibraryFacts,
    /// What is asked for.
    pub query: Query,
    history: History,
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
    last_folder: String,
    /// The sounds that the line is asked for.
    asked_of: Vec<Subject>,
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
    generation: u64,
    /// The last question that was answered.
    answered: u64,
    /// The answer is to the same query as the one before: the selection stays.
    keep_selection: bool,
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

    fn open_over(&mut self, mode: Mode) {
        self.beneath = self.mode_beneath();
        self.mode = mode;
        self.scroll = 0;
    }

    fn close(&mut self) {
        self.mode = self.beneath;
    }

    /// How many lines of the list are on the screen.
    fn list_height(&self) -> usize {
        self.areas().map_or(1, |areas| areas.list.height.into())
    }

    /// Asks anew: another query, so the first result is selected.
    fn ask(&mut self) -> Vec<Command> {
        self.results.start_anew();
        self.keep_selection = false;
        self.request()
    }

    /// Asks the same again: more results, or a library that has grown.
    fn ask_again(&mut self) -> Vec<Command> {
        // While another query is on its way, its answer is the one to show; and who has not left the
        // query line yet wants to see the best.
        let chosen = self.mode_beneath() != Mode::Query || self.results.selected() > 0;
        self.keep_selection = chosen && (self.keep_selection || !self.is_searching());
        self.request()
    }

    fn request(&mut self) -> Vec<Command> {
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

    fn tell(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            is_error: false,
        });
    }

    fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            is_error: true,
        });
    }
}

/// Changes the state by what happened; gives what is to be done.
pub fn update(app: &mut App, action: Action) -> Vec<Command> {
    let mut commands = match action {
        Action::Answer(response) => hear(app, *response),
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

/// Takes in what a worker says.
fn hear(app: &mut App, response: Response) -> Vec<Command> {
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

impl App {
    /// The greatest useful scroll of the text that is read.
    fn most_scroll(&self) -> usize {
        let lines = match self.mode {
            Mode::Failures => self.library.failed.len(),
            _ => super::view::help_lines(self).len(),
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
