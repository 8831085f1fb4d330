//! What becomes of what was found: copies, links, lists, cut moments, and other programs.
//!
//! Everything here leaves the library and its files as they are and writes beside them. It stands
//! apart from the front ends because all of it keeps three promises, which `fresh.rs` makes good:
//! nothing is overwritten, nothing is left half written, and a name that is taken is numbered.

mod copies;
mod cut;
mod desktop;
mod fresh;
mod lists;
mod uri;

pub use copies::{Placed, Placing, place_files};
pub use cut::cut_moment;
pub use desktop::Desktop;
pub use lists::{ListFormat, Listed, write_list};
