//! Everything that can go wrong in the index, in one type.
//!
//! Every variant names the folder it happened in, what was expected and found, and what the
//! reader of the message can do. Callers match on the variants, people read the texts; what the
//! system said is the `source`, and not in the text as well.

use std::path::PathBuf;

use crate::config::Space;
use crate::holder::Holder;
use crate::vector::VectorError;

/// The result of every fallible call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no store in the folder, and the caller asked for an existing one.
    #[error("there is no index in {}; add something to it first, or name another folder", path.display())]
    Missing {
        /// The folder that was looked in.
        path: PathBuf,
    },
    /// Another process has the store open, and does not serve it to others.
    #[error(
        "the index in {} is open in {}; end that one and try again",
        path.display(), known(holder.as_ref())
    )]
    Locked {
        /// The folder of the store.
        path: PathBuf,
        /// Who has it, where that is known.
        holder: Option<Holder>,
    },
    /// Another process has the store open, and only that one can do this.
    #[error(
        "the index in {} is open in {holder}, which alone can change what it holds; \
         let that one finish, or end it, and try again",
        path.display()
    )]
    Held {
        /// The folder of the store.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// Another process has the store open, and does not answer.
    #[error(
        "the index in {} is open in {holder}, which does not answer; end that one and try again",
        path.display()
    )]
    Silent {
        /// The folder of the store.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// The store was written by another version of this crate.
    #[error(
        "the index in {} has format {found}, and this version reads format {expected}; \
         use the version that wrote it, or a newer one, or another folder",
        path.display()
    )]
    Format {
        /// The folder of the store.
        path: PathBuf,
        /// The format this version reads and writes.
        expected: u32,
        /// The format found in the store.
        found: u32,
    },
    /// The folder holds no vectors of the wanted space.
    #[error(
        "the index in {} has no vectors of {wanted}; it has {}; \
         use one of those, or add the vectors of this one",
        path.display(), list(held)
    )]
    Space {
        /// The folder of the store.
        path: PathBuf,
        /// The space that was asked for.
        wanted: Space,
        /// The spaces that the folder does hold.
        held: Vec<Space>,
    },
    /// The space is already open in this process; one [`Index`](crate::Index) at a time may hold it.
    #[error("the vectors of {space} in {} are already open; close that index first", path.display())]
    SpaceOpen {
        /// The folder of the store.
        path: PathBuf,
        /// The space that is open.
        space: Space,
    },
    /// A vector, or the configuration, has another length than the space.
    #[error(
        "a vector of {received} numbers was given where the index holds vectors of {expected}; \
         use the model that the index was built with"
    )]
    Dimension {
        /// The dimension of the space.
        expected: usize,
        /// The dimension that was given.
        received: usize,
    },
    /// A setting is out of its range.
    #[error("{setting} is {received}, and has to lie in {lowest}..={highest}")]
    Config {
        /// The field of [`Config`](crate::Config).
        setting: &'static str,
        /// The value that was given.
        received: usize,
        /// The smallest allowed value.
        lowest: usize,
        /// The largest allowed value.
        highest: usize,
    },
    /// Numbers that have no direction.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// Stored bytes are not what this crate wrote.
    #[error(
        "the index in {} is damaged: {what}; `soundseek repair` keeps all that is whole",
        path.display()
    )]
    Corrupt {
        /// The folder of the store.
        path: PathBuf,
        /// What was found to be wrong.
        what: String,
    },
    /// The operating system refused a read or a write.
    #[error("the index in {} cannot be read or written", path.display())]
    Storage {
        /// The folder of the store.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The caller's `cancel` said to stop; what was there before is unchanged.
    #[error("cancelled; the index is as it was before")]
    Cancelled,
}

fn known(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another program".to_owned(), Holder::to_string)
}

fn list(spaces: &[Space]) -> String {
    if spaces.is_empty() {
        return "none at all".to_owned();
    }
    spaces
        .iter()
        .map(Space::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
