//! Everything that can happen to the state, and the table of what a person can ask for by a key.
//!
//! The table is the one place where an action gets its name (for the config file), its keys and its
//! line of help, so that the help, the hints and the config file cannot disagree with what keys do.
//! It stands apart from the state because the key map and the help read it too.

use std::path::PathBuf;

use super::worker::Response;

/// What happens to the state.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ends the program.
    Quit,
    /// Puts the program into the background.
    Suspend,
    /// Draws everything anew.
    Redraw,
    /// Shows or hides the help.
    Help,
    /// Closes what is open, or steps back.
    Close,
    /// To the line where the query is typed.
    ToQuery,
    /// To the list of results.
    ToResults,
    /// To the parts of the query.
    ToParts,
    /// Shows or hides the filters.
    Filters,
    /// Shows or hides what could not be indexed.
    Failures,

    /// One down.
    Next,
    /// One up.
    Previous,
    /// A screenful down.
    PageDown,
    /// A screenful up.
    PageUp,
    /// To the first.
    First,
    /// To the last.
    Last,

    /// The cursor one to the left.
    Left,
    /// The cursor one to the right.
    Right,
    /// The cursor to the beginning of the line.
    LineStart,
    /// The cursor to the end of the line.
    LineEnd,
    /// Deletes the character before the cursor.
    DeleteBefore,
    /// Deletes the character after the cursor.
    DeleteAfter,
    /// Deletes the word before the cursor.
    DeleteWord,
    /// Empties the line.
    ClearLine,

    /// Makes a part of what is typed, so that another can be typed.
    KeepPart,
    /// The selected sound becomes the query.
    Similar,
    /// The selected sound is added to the query.
    MoreLike,
    /// The query steers away from the selected sound.
    LessLike,
    /// An empty query.
    NewQuery,
    /// The query before this one.
    Back,
    /// The query after this one.
    Forward,
    /// The part counts more.
    Heavier,
    /// The part counts less.
    Lighter,
    /// The part pushes where it pulled, and the other way round.
    Negate,
    /// Takes the part out of the query.
    RemovePart,
    /// Takes a text back into the line to be edited.
    EditPart,
    /// Ranks moments instead of files, or files again.
    Moments,
    /// Shows the files that are alike, or folds them again.
    Unfold,

    /// Takes or drops the choice under the cursor; confirms a line that is asked for.
    Choose,
    /// Into the folder under the cursor.
    Descend,
    /// To the folder above.
    Ascend,
    /// No filter at all.
    ClearFilters,

    /// Plays the selected sound, or stops it.
    PlayStop,
    /// Plays from the moment that matched.
    PlayMoment,
    /// Plays from the beginning.
    PlayStart,
    /// A step back in the sound.
    SeekBack,
    /// A step on in the sound.
    SeekOn,
    /// To the next moment that matches well.
    NextPeak,
    /// To the moment before that matches well.
    PreviousPeak,
    /// Over and over, or once.
    Loop,
    /// Louder.
    Louder,
    /// Softer.
    Softer,
    /// Plays what is selected at once, or only when asked.
    Audition,
    /// The waveform or the spectrogram.
    Spectrogram,
    /// Starts the selected part at the playhead.
    SelectFrom,
    /// Ends the selected part at the playhead.
    SelectTo,

    /// Shows the map.
    Map,
    /// To the next sound in this direction on the map.
    MapMove(i8, i8),
    /// The view of the map in this direction.
    MapPan(i8, i8),
    /// To the sound at this place in the view of the map, -1 to 1 from edge to edge.
    MapPick(f32, f32),
    /// Closer to the map.
    ZoomIn,
    /// Farther from the map.
    ZoomOut,
    /// All of the map.
    ZoomAll,

    /// Marks the selected sound, or drops its mark.
    Mark,
    /// Marks from the sound that was marked last to the selected one.
    MarkRange,
    /// Marks all that is listed, or nothing.
    MarkAll,
    /// Drops all marks.
    UnmarkAll,
    /// Offers what can be done with what is marked, or else selected.
    Menu,
    /// Puts paths onto the clipboard.
    CopyPaths,
    /// Asks for a folder to copy files to.
    CopyFiles,
    /// Asks for a folder to link files in.
    LinkFiles,
    /// Asks for a folder to cut moments to.
    Cut,
    /// Asks for a file to list sounds in.
    Export,
    /// Shows a file in the file manager.
    Reveal,
    /// Opens a window to drag files from.
    Drag,
    /// Opens files with the command of the config file.
    Open,
    /// Makes a sound a favourite, or not any more.
    Favourite,
    /// Asks for tags.
    Tag,
    /// Takes the completion that is offered.
    Complete,

    /// Asks for a folder to index.
    AddFolder,
    /// Brings all known folders up to date.
    Refresh,
    /// Halts indexing, or goes on with it.
    PauseIndexing,

    /// A character was typed into a line.
    Type(char),
    /// A text was pasted into a line.
    Paste(String),
    /// The row of the list with this number was clicked.
    Click(usize),
    /// A place in the drawing of the sound was pressed, as a share of its width, in [0, 1].
    SeekTo(f64),
    /// The mouse was dragged there.
    DragTo(f64),
    /// The row of the filters with this number was clicked.
    ClickFilter(usize),
    /// The wheel was turned over the list, by so many rows.
    Scroll(isize),
    /// A folder was named on the command line: index it.
    Index(Vec<PathBuf>),
    /// The terminal has so many columns and rows.
    Resize(u16, u16),
    /// A worker has something to say.
    Answer(Box<Response>),
}

/// Where keys go, which decides what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// Everywhere, unless the place has another meaning for the key.
    Everywhere,
    /// The line where the query is typed.
    Query,
    /// The list of results.
    Results,
    /// The parts of the query.
    Parts,
    /// The filters.
    Filters,
    /// The map.
    Map,
    /// The menu of what can be done with sounds.
    Menu,
    /// A text to be read: the help, the failures.
    Reading,
    /// A line that is asked for.
    Prompt,
}

impl Context {
    /// All of them, in the order of the help.
    pub const ALL: [Context; 9] = [
        Context::Query,
        Context::Results,
        Context::Parts,
        Context::Filters,
        Context::Map,
        Context::Menu,
        Context::Reading,
        Context::Prompt,
        Context::Everywhere,
    ];

    /// The name in the config file.
    pub fn name(self) -> &'static str {
        match self {
            Context::Everywhere => "everywhere",
            Context::Query => "query",
            Context::Results => "results",
            Context::Parts => "parts",
            Context::Filters => "filters",
            Context::Map => "map",
            Context::Menu => "menu",
            Context::Reading => "reading",
            Context::Prompt => "prompt",
        }
    }

    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Context::Everywhere => "Everywhere",
            Context::Query => "In the query line",
            Context::Results => "In the results",
            Context::Parts => "On the parts of the query",
            Context::Filters => "In the filters",
            Context::Map => "On the map",
            Context::Menu => "In the menu, with the marked sounds or the selected one",
            Context::Reading => "In help and failures",
            Context::Prompt => "When asked for a line",
        }
    }
}

/// What a person can ask for in one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Where.
    pub context: Context,
    /// The name in the config file.
    pub name: &'static str,
    /// The keys, unless the config file has others.
    pub keys: &'static [&'static str],
    /// What happens.
    pub action: Action,
    /// A line of help.
    pub help: &'static str,
}

const fn offer(
    context: Context,
    name: &'static str,
    keys: &'static [&'static str],
    action: Action,
    help: &'static str,
) -> Offer {
    Offer {
        context,
        name,
        keys,
        action,
        help,
    }
}

/// All that can be asked for, in the order of the help.
pub static OFFERS: &[Offer] = &{
    use Action as A;
    use Context::{Everywhere, Filters, Map, Menu, Parts, Prompt, Query, Reading, Results};
    [
        offer(
            Query,
            "to-results",
            &["enter", "down", "tab", "esc"],
            A::ToResults,
            "to the results",
        ),
        offer(
            Query,
            "to-parts",
            &["up"],
            A::ToParts,
            "to the parts of the query",
        ),
        offer(
            Query,
            "keep-part",
            &["ctrl-t"],
            A::KeepPart,
            "keep this as a part and type another; -reverb steers away",
        ),
        offer(
            Query,
            "clear-line",
            &["ctrl-u"],
            A::ClearLine,
            "clear the line",
        ),
        offer(
            Query,
            "delete-word",
            &["ctrl-w", "alt-backspace"],
            A::DeleteWord,
            "delete a word",
        ),
        offer(
            Query,
            "delete-before",
            &["backspace"],
            A::DeleteBefore,
            "delete; on an empty line, the last part",
        ),
        offer(
            Query,
            "delete-after",
            &["delete"],
            A::DeleteAfter,
            "delete under the cursor",
        ),
        offer(Query, "left", &["left"], A::Left, "left"),
        offer(Query, "right", &["right"], A::Right, "right"),
        offer(
            Query,
            "line-start",
            &["home", "ctrl-a"],
            A::LineStart,
            "to the beginning",
        ),
        offer(
            Query,
            "line-end",
            &["end", "ctrl-e"],
            A::LineEnd,
            "to the end",
        ),
        offer(
            Query,
            "page-down",
            &["pagedown"],
            A::PageDown,
            "a page down in the results",
        ),
        offer(
            Query,
            "page-up",
            &["pageup"],
            A::PageUp,
            "a page up in the results",
        ),
        offer(Results, "next", &["j", "down"], A::Next, "next"),
        offer(Results, "previous", &["k", "up"], A::Previous, "previous"),
        offer(
            Results,
            "page-down",
            &["pagedown", "ctrl-d"],
            A::PageDown,
            "a page down",
        ),
        offer(
            Results,
            "page-up",
            &["pageup", "ctrl-u"],
            A::PageUp,
            "a page up",
        ),
        offer(Results, "first", &["g", "home"], A::First, "to the first"),
        offer(Results, "last", &["G", "end"], A::Last, "to the last"),
        offer(
            Results,
            "to-query",
            &["/", "i", "tab", "esc"],
            A::ToQuery,
            "to the query line",
        ),
        offer(Results, "play", &["space"], A::PlayStop, "play, stop"),
        offer(
            Results,
            "play-moment",
            &["enter"],
            A::PlayMoment,
            "play from the moment that matched",
        ),
        offer(
            Results,
            "play-start",
            &["b"],
            A::PlayStart,
            "play from the beginning",
        ),
        offer(
            Results,
            "seek-back",
            &["h", "left"],
            A::SeekBack,
            "seek back",
        ),
        offer(Results, "seek-on", &["l", "right"], A::SeekOn, "seek on"),
        offer(
            Results,
            "next-peak",
            &[">"],
            A::NextPeak,
            "to the next moment that matches",
        ),
        offer(
            Results,
            "previous-peak",
            &["<"],
            A::PreviousPeak,
            "to the moment before that matches",
        ),
        offer(Results, "loop", &["L"], A::Loop, "loop"),
        offer(Results, "louder", &["+", "="], A::Louder, "louder"),
        offer(Results, "softer", &["-"], A::Softer, "softer"),
        offer(
            Results,
            "audition",
            &["a"],
            A::Audition,
            "play what is selected at once, or when asked",
        ),
        offer(
            Results,
            "spectrogram",
            &["v"],
            A::Spectrogram,
            "waveform, spectrogram",
        ),
        offer(
            Results,
            "select-from",
            &[","],
            A::SelectFrom,
            "start the selected part at the playhead",
        ),
        offer(
            Results,
            "select-to",
            &["."],
            A::SelectTo,
            "end the selected part at the playhead",
        ),
        offer(
            Results,
            "similar",
            &["s"],
            A::Similar,
            "find what sounds like this",
        ),
        offer(
            Results,
            "more-like",
            &["S"],
            A::MoreLike,
            "add this to the query",
        ),
        offer(
            Results,
            "less-like",
            &["d"],
            A::LessLike,
            "steer away from this",
        ),
        offer(
            Results,
            "to-parts",
            &["p"],
            A::ToParts,
            "to the parts of the query",
        ),
        offer(Results, "new-query", &["n"], A::NewQuery, "a new query"),
        offer(Results, "back", &["["], A::Back, "the query before"),
        offer(Results, "forward", &["]"], A::Forward, "the query after"),
        offer(
            Results,
            "unfold",
            &["u"],
            A::Unfold,
            "show or fold what is alike",
        ),
        offer(
            Results,
            "moments",
            &["w"],
            A::Moments,
            "rank moments in long files, or files",
        ),
        offer(Results, "filters", &["f"], A::Filters, "filters"),
        offer(
            Results,
            "clear-filters",
            &["F"],
            A::ClearFilters,
            "no filters",
        ),
        offer(Results, "mark", &["m"], A::Mark, "mark, and on to the next"),
        offer(
            Results,
            "mark-range",
            &["V"],
            A::MarkRange,
            "mark from the last mark to here",
        ),
        offer(
            Results,
            "mark-all",
            &["ctrl-a"],
            A::MarkAll,
            "mark all that is listed, or nothing",
        ),
        offer(
            Results,
            "unmark-all",
            &["M"],
            A::UnmarkAll,
            "drop all marks",
        ),
        offer(
            Results,
            "menu",
            &["x"],
            A::Menu,
            "all that can be done with it, or with what is marked",
        ),
        offer(
            Results,
            "copy-paths",
            &["y"],
            A::CopyPaths,
            "the path to the clipboard",
        ),
        offer(
            Results,
            "copy-files",
            &["c"],
            A::CopyFiles,
            "copy into a folder",
        ),
        offer(
            Results,
            "link-files",
            &["C"],
            A::LinkFiles,
            "link in a folder",
        ),
        offer(
            Results,
            "export",
            &["e"],
            A::Export,
            "list in an M3U, CSV or JSON file",
        ),
        offer(
            Results,
            "cut",
            &["X"],
            A::Cut,
            "cut the selected part or the moment to a WAV",
        ),
        offer(
            Results,
            "reveal",
            &["r"],
            A::Reveal,
            "show in the file manager",
        ),
        offer(
            Results,
            "drag",
            &["D"],
            A::Drag,
            "drag into another program",
        ),
        offer(
            Results,
            "open",
            &["o"],
            A::Open,
            "open with another program",
        ),
        offer(Results, "map", &["z"], A::Map, "the map of the library"),
        offer(
            Results,
            "favourite",
            &["*"],
            A::Favourite,
            "favourite, or not",
        ),
        offer(Results, "tag", &["t"], A::Tag, "tags"),
        offer(
            Results,
            "add-folder",
            &["A"],
            A::AddFolder,
            "index a folder",
        ),
        offer(
            Results,
            "refresh",
            &["R"],
            A::Refresh,
            "bring all folders up to date",
        ),
        offer(
            Results,
            "pause-indexing",
            &["P"],
            A::PauseIndexing,
            "pause or resume indexing",
        ),
        offer(
            Results,
            "failures",
            &["!"],
            A::Failures,
            "what could not be indexed, and why",
        ),
        offer(Results, "quit", &["q"], A::Quit, "quit"),
        offer(
            Parts,
            "previous",
            &["h", "left", "backtab"],
            A::Previous,
            "to the left",
        ),
        offer(
            Parts,
            "next",
            &["l", "right", "tab"],
            A::Next,
            "to the right",
        ),
        offer(
            Parts,
            "heavier",
            &["+", "=", "k", "up"],
            A::Heavier,
            "counts more",
        ),
        offer(Parts, "lighter", &["-", "j"], A::Lighter, "counts less"),
        offer(
            Parts,
            "negate",
            &["n", "!"],
            A::Negate,
            "towards it, away from it",
        ),
        offer(
            Parts,
            "remove-part",
            &["x", "delete", "backspace"],
            A::RemovePart,
            "remove",
        ),
        offer(
            Parts,
            "edit-part",
            &["enter", "e"],
            A::EditPart,
            "edit a text",
        ),
        offer(
            Parts,
            "to-query",
            &["/", "i"],
            A::ToQuery,
            "to the query line",
        ),
        offer(
            Parts,
            "to-results",
            &["down", "esc", "q"],
            A::ToResults,
            "to the results",
        ),
        offer(Filters, "next", &["j", "down"], A::Next, "next"),
        offer(Filters, "previous", &["k", "up"], A::Previous, "previous"),
        offer(Filters, "first", &["g", "home"], A::First, "to the first"),
        offer(Filters, "last", &["G", "end"], A::Last, "to the last"),
        offer(
            Filters,
            "choose",
            &["enter", "space"],
            A::Choose,
            "take or drop",
        ),
        offer(
            Filters,
            "descend",
            &["l", "right"],
            A::Descend,
            "into the folder",
        ),
        offer(
            Filters,
            "ascend",
            &["h", "left", "backspace"],
            A::Ascend,
            "to the folder above",
        ),
        offer(
            Filters,
            "clear-filters",
            &["x", "F"],
            A::ClearFilters,
            "no filters",
        ),
        offer(
            Filters,
            "to-query",
            &["/", "i"],
            A::ToQuery,
            "to the query line",
        ),
        offer(
            Filters,
            "to-results",
            &["tab"],
            A::ToResults,
            "to the results; the filters stay open",
        ),
        offer(Filters, "close", &["esc", "f", "q"], A::Close, "close"),
        offer(Map, "left", &["h", "left"], A::MapMove(-1, 0), "left"),
        offer(Map, "right", &["l", "right"], A::MapMove(1, 0), "right"),
        offer(Map, "up", &["k", "up"], A::MapMove(0, 1), "up"),
        offer(Map, "down", &["j", "down"], A::MapMove(0, -1), "down"),
        offer(Map, "pan-left", &["H"], A::MapPan(-1, 0), "look left"),
        offer(Map, "pan-right", &["L"], A::MapPan(1, 0), "look right"),
        offer(Map, "pan-up", &["K"], A::MapPan(0, 1), "look up"),
        offer(Map, "pan-down", &["J"], A::MapPan(0, -1), "look down"),
        offer(Map, "zoom-in", &["+", "="], A::ZoomIn, "closer"),
        offer(Map, "zoom-out", &["-"], A::ZoomOut, "farther"),
        offer(Map, "zoom-all", &["0"], A::ZoomAll, "all of it"),
        offer(Map, "play", &["space"], A::PlayStop, "play, stop"),
        offer(
            Map,
            "similar",
            &["s", "enter"],
            A::Similar,
            "find what sounds like this",
        ),
        offer(
            Map,
            "audition",
            &["a"],
            A::Audition,
            "play what is selected at once, or when asked",
        ),
        offer(
            Map,
            "next",
            &["n", "tab"],
            A::Next,
            "to the next of the results, which are lit",
        ),
        offer(
            Map,
            "previous",
            &["p", "backtab"],
            A::Previous,
            "to the one before",
        ),
        offer(
            Map,
            "spectrogram",
            &["v"],
            A::Spectrogram,
            "waveform, spectrogram",
        ),
        offer(Map, "mark", &["m"], A::Mark, "mark for what is done next"),
        offer(
            Map,
            "favourite",
            &["*"],
            A::Favourite,
            "a favourite, or not",
        ),
        offer(Map, "close", &["esc", "q", "z"], A::Close, "close"),
        offer(
            Menu,
            "copy-paths",
            &["y"],
            A::CopyPaths,
            "the path to the clipboard",
        ),
        offer(
            Menu,
            "copy-files",
            &["c"],
            A::CopyFiles,
            "copy into a folder",
        ),
        offer(Menu, "link-files", &["C"], A::LinkFiles, "link in a folder"),
        offer(
            Menu,
            "export",
            &["e"],
            A::Export,
            "list in an M3U, CSV or JSON file",
        ),
        offer(
            Menu,
            "cut",
            &["X"],
            A::Cut,
            "cut the selected part or the moment to a WAV",
        ),
        offer(
            Menu,
            "reveal",
            &["r"],
            A::Reveal,
            "show in the file manager",
        ),
        offer(Menu, "drag", &["D"], A::Drag, "drag into another program"),
        offer(Menu, "open", &["o"], A::Open, "open with another program"),
        offer(Menu, "favourite", &["*"], A::Favourite, "favourite, or not"),
        offer(Menu, "tag", &["t"], A::Tag, "tags"),
        offer(Menu, "unmark-all", &["M"], A::UnmarkAll, "drop all marks"),
        offer(Menu, "next", &["j", "down"], A::Next, "next"),
        offer(Menu, "previous", &["k", "up"], A::Previous, "previous"),
        offer(Menu, "choose", &["enter", "space"], A::Choose, "do it"),
        offer(Menu, "close", &["esc", "q", "x"], A::Close, "close"),
        offer(Reading, "next", &["j", "down"], A::Next, "down"),
        offer(Reading, "previous", &["k", "up"], A::Previous, "up"),
        offer(
            Reading,
            "page-down",
            &["pagedown", "space"],
            A::PageDown,
            "a page down",
        ),
        offer(Reading, "page-up", &["pageup"], A::PageUp, "a page up"),
        offer(Reading, "first", &["g", "home"], A::First, "to the top"),
        offer(Reading, "last", &["G", "end"], A::Last, "to the end"),
        offer(
            Reading,
            "close",
            &["esc", "q", "enter", "!"],
            A::Close,
            "close",
        ),
        offer(Prompt, "choose", &["enter"], A::Choose, "confirm"),
        offer(
            Prompt,
            "complete",
            &["tab"],
            A::Complete,
            "take the tag that is offered",
        ),
        offer(Prompt, "close", &["esc"], A::Close, "leave it"),
        offer(
            Prompt,
            "clear-line",
            &["ctrl-u"],
            A::ClearLine,
            "clear the line",
        ),
        offer(
            Prompt,
            "delete-word",
            &["ctrl-w", "alt-backspace"],
            A::DeleteWord,
            "delete a word",
        ),
        offer(
            Prompt,
            "delete-before",
            &["backspace"],
            A::DeleteBefore,
            "delete",
        ),
        offer(
            Prompt,
            "delete-after",
            &["delete"],
            A::DeleteAfter,
            "delete under the cursor",
        ),
        offer(Prompt, "left", &["left"], A::Left, "left"),
        offer(Prompt, "right", &["right"], A::Right, "right"),
        offer(
            Prompt,
            "line-start",
            &["home", "ctrl-a"],
            A::LineStart,
            "to the beginning",
        ),
        offer(
            Prompt,
            "line-end",
            &["end", "ctrl-e"],
            A::LineEnd,
            "to the end",
        ),
        offer(
            Everywhere,
            "help",
            &["f1", "?"],
            A::Help,
            "this help; ? also on an empty query line",
        ),
        offer(Everywhere, "filters", &["ctrl-f"], A::Filters, "filters"),
        offer(
            Everywhere,
            "back",
            &["alt-left"],
            A::Back,
            "the query before",
        ),
        offer(
            Everywhere,
            "forward",
            &["alt-right"],
            A::Forward,
            "the query after",
        ),
        offer(
            Everywhere,
            "redraw",
            &["ctrl-l"],
            A::Redraw,
            "draw the screen anew",
        ),
        offer(
            Everywhere,
            "suspend",
            &["ctrl-z"],
            A::Suspend,
            "to the shell; fg comes back",
        ),
        offer(Everywhere, "quit", &["ctrl-c", "ctrl-q"], A::Quit, "quit"),
    ]
};
