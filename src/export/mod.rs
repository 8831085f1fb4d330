//! What leaves the program: lists of results, files put into a folder, moments cut out, and sounds
//! handed to other programs.
//!
//! Nothing here ever overwrites a file or stops at the first bad one: a name that is taken gets a
//! number, and what went wrong is told file by file. It stands apart from what shows results because
//! each of these acts on the world outside, and from [`crate::library`] because none needs it.

mod cut;
mod folder;
mod hand;
mod list;

use std::path::PathBuf;

pub use cut::cut_to_wav;
pub use folder::{Placing, free_name, place_files};
pub use hand::{DRAGGERS, drag_out, find_program, open_with, reveal};
pub use list::{to_csv, to_json, to_m3u, write_new};

/// A sound, or a part of one, to be listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its file.
    pub path: PathBuf,
    /// The length of the file, in seconds.
    pub duration_s: f64,
    /// The part that is meant, in seconds from the start of the file; all of it when `None`.
    pub span: Option<(f64, f64)>,
    /// How well it matched, in [0, 1], if it was searched for.
    pub strength: Option<f32>,
    /// Its tags.
    pub tags: Vec<String>,
}
