//! Which sounds a walk has seen, beside those that the library knew before.
//!
//! Apart from the walk and from what follows from it, because both ask it of every file. What the
//! library knows below a root is read once, in order: asking the store for each file as the walk comes
//! upon it, and going through all of them again for those that are gone, took twice as long.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::library::{ContentHash, FileState, Library};

/// The files of the roots of one run.
#[derive(Default)]
pub(super) struct Seen {
    known: HashMap<PathBuf, Known>,
    new: HashSet<PathBuf>,
    read: Vec<PathBuf>,
    count: usize,
}

struct Known {
    state: FileState,
    seen: bool,
}

impl Seen {
    /// Reads what the library knows below a root, before it is walked.
    pub(super) fn read(&mut self, library: &Library, root: &Path) -> Result<()> {
        if self.read.iter().any(|read| root.starts_with(read)) {
            return Ok(());
        }
        for item in library.states_below(root)? {
            let (path, state) = item?;
            self.known
                .entry(path)
                .or_insert(Known { state, seen: false });
        }
        self.read.push(root.to_path_buf());
        Ok(())
    }

    /// Notes a file. True when it had not been seen in this run.
    pub(super) fn insert(&mut self, path: &Path) -> bool {
        let first = match self.known.get_mut(path) {
            Some(known) => !std::mem::replace(&mut known.seen, true),
            None => self.new.insert(path.to_path_buf()),
        };
        self.count += usize::from(first);
        first
    }

    /// What the library knew of a file.
    pub(super) fn state(&self, path: &Path) -> Option<&FileState> {
        self.known.get(path).map(|known| &known.state)
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.known.get(path).is_some_and(|known| known.seen) || self.new.contains(path)
    }

    /// Whether a file was seen at or below a folder.
    pub(super) fn any_below(&self, folder: &Path) -> bool {
        let known = self.known.iter().filter(|(_, known)| known.seen);
        let mut all = known.map(|(path, _)| path).chain(&self.new);
        all.any(|path| path.starts_with(folder))
    }

    /// How many files were seen.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The files that the library knew and nobody has seen.
    pub(super) fn missing(&self) -> impl Iterator<Item = (&Path, ContentHash)> {
        let missing = self.known.iter().filter(|(_, known)| !known.seen);
        missing.map(|(path, known)| (path.as_path(), known.state.content))
    }

    /// The contents of the files that the library knew.
    pub(super) fn contents(&self) -> HashSet<ContentHash> {
        let contents = self.known.values().map(|known| known.state.content);
        contents.collect()
    }
}
