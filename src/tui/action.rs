//! Everything that can happen to the state.
//!
//! It stands apart from the state because keys, the mouse and workers make these too.

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
    /// The mouse was let go.
    Release,
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
