//! The table of what a person can ask for by a key.
//!
//! It is the one place where an action gets its name (for the config file), its keys and its line of
//! help, so that the help, the hints and the config file cannot disagree with what keys do.

use super::action::Action;

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

/// Makes [`OFFERS`] of a table with a line for each offer: its name, its keys, what happens and its line
/// of help, below the place where the keys go.
macro_rules! offers {
    ($($context:ident { $($name:literal [$($key:literal)*] $action:expr => $help:literal;)* })*) => {
        /// All that can be asked for, in the order of the help.
        pub static OFFERS: &[Offer] = &{
            use Action::*;
            [$($(Offer {
                context: Context::$context,
                name: $name,
                keys: &[$($key),*],
                action: $action,
                help: $help,
            },)*)*]
        };
    };
}

offers! {
    Query {
        "to-results" ["enter" "down" "tab" "esc"] ToResults => "to the results";
        "to-parts" ["up"] ToParts => "to the parts of the query";
        "keep-part" ["ctrl-t"] KeepPart => "keep this as a part and type another; -reverb steers away";
        "clear-line" ["ctrl-u"] ClearLine => "clear the line";
        "delete-word" ["ctrl-w" "alt-backspace"] DeleteWord => "delete a word";
        "delete-before" ["backspace"] DeleteBefore => "delete; on an empty line, the last part";
        "delete-after" ["delete"] DeleteAfter => "delete under the cursor";
        "left" ["left"] Left => "left";
        "right" ["right"] Right => "right";
        "line-start" ["home" "ctrl-a"] LineStart => "to the beginning";
        "line-end" ["end" "ctrl-e"] LineEnd => "to the end";
        "page-down" ["pagedown"] PageDown => "a page down in the results";
        "page-up" ["pageup"] PageUp => "a page up in the results";
    }
    Results {
        "next" ["j" "down"] Next => "next";
        "previous" ["k" "up"] Previous => "previous";
        "page-down" ["pagedown" "ctrl-d"] PageDown => "a page down";
        "page-up" ["pageup" "ctrl-u"] PageUp => "a page up";
        "first" ["g" "home"] First => "to the first";
        "last" ["G" "end"] Last => "to the last";
        "to-query" ["/" "i" "tab" "esc"] ToQuery => "to the query line";
        "play" ["space"] PlayStop => "play, stop";
        "play-moment" ["enter"] PlayMoment => "play from the moment that matched";
        "play-start" ["b"] PlayStart => "play from the beginning";
        "seek-back" ["h" "left"] SeekBack => "seek back";
        "seek-on" ["l" "right"] SeekOn => "seek on";
        "next-peak" [">"] NextPeak => "to the next moment that matches";
        "previous-peak" ["<"] PreviousPeak => "to the moment before that matches";
        "loop" ["L"] Loop => "loop";
        "louder" ["+" "="] Louder => "louder";
        "softer" ["-"] Softer => "softer";
        "audition" ["a"] Audition => "play what is selected at once, or when asked";
        "spectrogram" ["v"] Spectrogram => "waveform, spectrogram";
        "select-from" [","] SelectFrom => "start the selected part at the playhead";
        "select-to" ["."] SelectTo => "end the selected part at the playhead";
        "similar" ["s"] Similar => "find what sounds like this";
        "more-like" ["S"] MoreLike => "add this to the query";
        "less-like" ["d"] LessLike => "steer away from this";
        "to-parts" ["p"] ToParts => "to the parts of the query";
        "new-query" ["n"] NewQuery => "a new query";
        "back" ["["] Back => "the query before";
        "forward" ["]"] Forward => "the query after";
        "unfold" ["u"] Unfold => "show or fold what is alike";
        "moments" ["w"] Moments => "rank moments in long files, or files";
        "filters" ["f"] Filters => "filters";
        "clear-filters" ["F"] ClearFilters => "no filters";
        "mark" ["m"] Mark => "mark, and on to the next";
        "mark-range" ["V"] MarkRange => "mark from the last mark to here";
        "mark-all" ["ctrl-a"] MarkAll => "mark all that is listed, or nothing";
        "unmark-all" ["M"] UnmarkAll => "drop all marks";
        "menu" ["x"] Menu => "all that can be done with it, or with what is marked";
        "copy-paths" ["y"] CopyPaths => "the path to the clipboard";
        "copy-files" ["c"] CopyFiles => "copy into a folder";
        "link-files" ["C"] LinkFiles => "link in a folder";
        "export" ["e"] Export => "list in an M3U, CSV or JSON file";
        "cut" ["X"] Cut => "cut the selected part or the moment to a WAV";
        "reveal" ["r"] Reveal => "show in the file manager";
        "drag" ["D"] Drag => "drag into another program";
        "open" ["o"] Open => "open with another program";
        "map" ["z"] Map => "the map of the library";
        "favourite" ["*"] Favourite => "favourite, or not";
        "tag" ["t"] Tag => "tags";
        "add-folder" ["A"] AddFolder => "index a folder";
        "refresh" ["R"] Refresh => "bring all folders up to date";
        "pause-indexing" ["P"] PauseIndexing => "pause or resume indexing";
        "failures" ["!"] Failures => "what could not be indexed, and why";
        "quit" ["q"] Quit => "quit";
    }
    Parts {
        "previous" ["h" "left" "backtab"] Previous => "to the left";
        "next" ["l" "right" "tab"] Next => "to the right";
        "heavier" ["+" "=" "k" "up"] Heavier => "counts more";
        "lighter" ["-" "j"] Lighter => "counts less";
        "negate" ["n" "!"] Negate => "towards it, away from it";
        "remove-part" ["x" "delete" "backspace"] RemovePart => "remove";
        "edit-part" ["enter" "e"] EditPart => "edit a text";
        "to-query" ["/" "i"] ToQuery => "to the query line";
        "to-results" ["down" "esc" "q"] ToResults => "to the results";
    }
    Filters {
        "next" ["j" "down"] Next => "next";
        "previous" ["k" "up"] Previous => "previous";
        "first" ["g" "home"] First => "to the first";
        "last" ["G" "end"] Last => "to the last";
        "choose" ["enter" "space"] Choose => "take or drop";
        "descend" ["l" "right"] Descend => "into the folder";
        "ascend" ["h" "left" "backspace"] Ascend => "to the folder above";
        "clear-filters" ["x" "F"] ClearFilters => "no filters";
        "to-query" ["/" "i"] ToQuery => "to the query line";
        "to-results" ["tab"] ToResults => "to the results; the filters stay open";
        "close" ["esc" "f" "q"] Close => "close";
    }
    Map {
        "left" ["h" "left"] MapMove(-1, 0) => "left";
        "right" ["l" "right"] MapMove(1, 0) => "right";
        "up" ["k" "up"] MapMove(0, 1) => "up";
        "down" ["j" "down"] MapMove(0, -1) => "down";
        "pan-left" ["H"] MapPan(-1, 0) => "look left";
        "pan-right" ["L"] MapPan(1, 0) => "look right";
        "pan-up" ["K"] MapPan(0, 1) => "look up";
        "pan-down" ["J"] MapPan(0, -1) => "look down";
        "zoom-in" ["+" "="] ZoomIn => "closer";
        "zoom-out" ["-"] ZoomOut => "farther";
        "zoom-all" ["0"] ZoomAll => "all of it";
        "play" ["space"] PlayStop => "play, stop";
        "similar" ["s" "enter"] Similar => "find what sounds like this";
        "audition" ["a"] Audition => "play what is selected at once, or when asked";
        "next" ["n" "tab"] Next => "to the next of the results, which are lit";
        "previous" ["p" "backtab"] Previous => "to the one before";
        "spectrogram" ["v"] Spectrogram => "waveform, spectrogram";
        "mark" ["m"] Mark => "mark for what is done next";
        "favourite" ["*"] Favourite => "a favourite, or not";
        "close" ["esc" "q" "z"] Close => "close";
    }
    Menu {
        "copy-paths" ["y"] CopyPaths => "the path to the clipboard";
        "copy-files" ["c"] CopyFiles => "copy into a folder";
        "link-files" ["C"] LinkFiles => "link in a folder";
        "export" ["e"] Export => "list in an M3U, CSV or JSON file";
        "cut" ["X"] Cut => "cut the selected part or the moment to a WAV";
        "reveal" ["r"] Reveal => "show in the file manager";
        "drag" ["D"] Drag => "drag into another program";
        "open" ["o"] Open => "open with another program";
        "favourite" ["*"] Favourite => "favourite, or not";
        "tag" ["t"] Tag => "tags";
        "unmark-all" ["M"] UnmarkAll => "drop all marks";
        "next" ["j" "down"] Next => "next";
        "previous" ["k" "up"] Previous => "previous";
        "choose" ["enter" "space"] Choose => "do it";
        "close" ["esc" "q" "x"] Close => "close";
    }
    Reading {
        "next" ["j" "down"] Next => "down";
        "previous" ["k" "up"] Previous => "up";
        "page-down" ["pagedown" "space"] PageDown => "a page down";
        "page-up" ["pageup"] PageUp => "a page up";
        "first" ["g" "home"] First => "to the top";
        "last" ["G" "end"] Last => "to the end";
        "close" ["esc" "q" "enter" "!"] Close => "close";
    }
    Prompt {
        "choose" ["enter"] Choose => "confirm";
        "complete" ["tab"] Complete => "take the tag that is offered";
        "close" ["esc"] Close => "leave it";
        "clear-line" ["ctrl-u"] ClearLine => "clear the line";
        "delete-word" ["ctrl-w" "alt-backspace"] DeleteWord => "delete a word";
        "delete-before" ["backspace"] DeleteBefore => "delete";
        "delete-after" ["delete"] DeleteAfter => "delete under the cursor";
        "left" ["left"] Left => "left";
        "right" ["right"] Right => "right";
        "line-start" ["home" "ctrl-a"] LineStart => "to the beginning";
        "line-end" ["end" "ctrl-e"] LineEnd => "to the end";
    }
    Everywhere {
        "help" ["f1" "?"] Help => "this help; ? also on an empty query line";
        "filters" ["ctrl-f"] Filters => "filters";
        "back" ["alt-left"] Back => "the query before";
        "forward" ["alt-right"] Forward => "the query after";
        "redraw" ["ctrl-l"] Redraw => "draw the screen anew";
        "suspend" ["ctrl-z"] Suspend => "to the shell; fg comes back";
        "quit" ["ctrl-c" "ctrl-q"] Quit => "quit";
    }
}
