//! Keeping a library up to date while files come, go and change.
//!
//! What the system tells of changes is gathered in [`Pending`] until it has been quiet for a moment;
//! then [`scope`] decides what has to be walked for it, and the ordinary indexing walks that. What the
//! system does not tell (drives over a network send nothing, queues overflow) is found by walking
//! everything now and then. It stands apart from indexing because that knows no time; here the caller
//! passes it in, so that nothing but [`Follower`] touches the system.

mod follow;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::audio::EXTENSIONS;
use crate::ingest::{IGNORE_FILE, reaches};
use crate::library::Library;
pub use follow::{Follower, Unfollowed};

/// How long it has to be quiet before something is done about changes: a copy of many files is one
/// round, and a file that is being written is not read again and again.
const QUIET: Duration = Duration::from_secs(2);

/// How long changes wait at the most, where it is never quiet.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most places that are remembered, and the most folders that are walked one by one; beyond them
/// everything is walked.
const MOST_PLACES: usize = 4_096;
const MOST_FOLDERS: usize = 32;

/// What is told of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Something at this path was made, changed, moved or deleted.
    At(PathBuf),
    /// Changes were missed.
    Missed,
}

/// What has changed since the last round, and when it is time for the next. All times are since one
/// moment of the caller's choice.
#[derive(Debug)]
pub struct Pending {
    places: BTreeSet<PathBuf>,
    everything: bool,
    first: Option<Duration>,
    last: Duration,
    every: Duration,
    next_walk: Duration,
}

/// What a round is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// All folders: the interval is over, or changes were missed.
    Everything,
    /// These places and nothing else.
    Places(Vec<PathBuf>),
}

impl Pending {
    /// With nothing pending; everything is due `every` so often, first after one such interval.
    pub fn new(now: Duration, every: Duration) -> Pending {
        Pending {
            places: BTreeSet::new(),
            everything: false,
            first: None,
            last: now,
            every,
            next_walk: now.saturating_add(every),
        }
    }

    /// Takes in a change.
    pub fn note(&mut self, change: Change, now: Duration) {
        self.first.get_or_insert(now);
        self.last = now;
        match change {
            Change::Missed => self.everything = true,
            Change::At(place) => {
                self.places.insert(place);
            }
        }
        if self.places.len() > MOST_PLACES {
            self.everything = true;
        }
        if self.everything {
            self.places.clear();
        }
    }

    /// How long nothing needs to be done unless something changes.
    pub fn rest(&self, now: Duration) -> Duration {
        let settled = self.first.map(|first| {
            let quiet = self.last.saturating_add(QUIET);
            quiet.min(first.saturating_add(PATIENCE))
        });
        let next = settled.map_or(self.next_walk, |settled| settled.min(self.next_walk));
        next.saturating_sub(now)
    }

    /// What is to be done now, if anything; it is no longer pending then.
    pub fn take(&mut self, now: Duration) -> Option<Due> {
        if !self.rest(now).is_zero() {
            return None;
        }
        let everything = self.everything || now >= self.next_walk;
        let places = std::mem::take(&mut self.places);
        (self.everything, self.first) = (false, None);
        if everything {
            self.next_walk = now.saturating_add(self.every);
            return Some(Due::Everything);
        }
        Some(Due::Places(places.into_iter().collect()))
    }
}

/// The folders to walk for a round, none inside another; none at all when what has changed is nothing
/// to the library. They can be given to [`crate::ingest::ingest`] in the place of roots.
///
/// A folder is walked instead of its root only where that comes to the same: no list of patterns on the
/// way down applies to it, and a sound lies in it, so that it is not taken for an unplugged drive.
///
/// # Errors
///
/// When the store is damaged.
pub fn scope(library: &Library, due: Due) -> Result<Vec<PathBuf>> {
    let roots = library.roots()?;
    let Due::Places(places) = due else {
        return Ok(roots);
    };
    let mut folders = BTreeSet::new();
    for place in &places {
        // The deepest root: roots inside others are those that the others do not get to.
        let inside = roots.iter().filter(|root| place.starts_with(root));
        let Some(root) = inside.max_by_key(|root| root.as_os_str().len()) else {
            // What a root is in has gone or come back, and the root with it.
            folders.extend(roots.iter().filter(|root| root.starts_with(place)).cloned());
            continue;
        };
        if place.starts_with(library.directory()) || !concerns(library, root, place)? {
            continue;
        }
        folders.insert(folder_of(root, place));
    }
    if folders.len() > MOST_FOLDERS {
        return Ok(roots);
    }
    let outermost = |folder: &&PathBuf| {
        let mut others = folders.iter().filter(|other| other != folder);
        !others.any(|other| folder.starts_with(other))
    };
    Ok(folders.iter().filter(outermost).cloned().collect())
}

/// True when something at a place may be, have been or hide a sound.
fn concerns(library: &Library, root: &Path, place: &Path) -> Result<bool> {
    let name = place.file_name().unwrap_or_default();
    if place == root || name == IGNORE_FILE || place.is_dir() && reaches(root, place) {
        return Ok(true);
    }
    let extension = place.extension().unwrap_or_default();
    let is_sound = EXTENSIONS
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known));
    // What is gone was a folder, perhaps, and hides nothing unless something in it is known.
    Ok(is_sound && reaches(root, place) || library.has_files_below(place)?)
}

fn folder_of(root: &Path, place: &Path) -> PathBuf {
    let has_rules = place
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .any(|folder| folder.join(IGNORE_FILE).exists());
    let is_rules = place.file_name().is_some_and(|name| name == IGNORE_FILE);
    if has_rules || is_rules {
        return root.to_path_buf();
    }
    let below_root = place.ancestors().take_while(|folder| *folder != root);
    let holding = below_root.into_iter().find(|folder| holds_a_sound(folder));
    holding.unwrap_or(root).to_path_buf()
}

fn holds_a_sound(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        let extension = path.extension().unwrap_or_default();
        EXTENSIONS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
            && path.is_file()
    })
}
