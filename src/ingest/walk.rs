//! Finding the sounds below a root: which files there are, and which are left aside.
//!
//! Hidden files and folders and whatever `.soundseekignore` files (in the syntax of `.gitignore`)
//! name are left aside; symbolic links are followed, each folder once. It stands apart from the
//! pipeline because it is the only part that asks the file system what exists.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use walkdir::WalkDir;

use crate::audio::EXTENSIONS;
use crate::library::Stamp;

/// The name of the files that list patterns of what to leave aside.
pub const IGNORE_FILE: &str = ".soundseekignore";

/// A regular file that looks like a sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path, below the root as it was given.
    pub path: PathBuf,
    /// Its size and time.
    pub stamp: Stamp,
}

/// A place that could not be looked into; nothing below it may be taken for gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The folder or file.
    pub path: PathBuf,
    /// What the system said.
    pub reason: String,
}

/// Walks `root`, a folder or a single file, and hands over what it finds, in the order of names.
///
/// A file that is named itself is taken whatever its extension; in folders only
/// [`EXTENSIONS`] are. Ends at the next entry once `cancel` is true.
pub fn walk(
    root: &Path,
    cancel: &AtomicBool,
    mut visit: impl FnMut(Result<Found, Unreadable>) -> std::ops::ControlFlow<()>,
) {
    let mut entered = HashSet::new();
    let mut ignores: Vec<(PathBuf, Gitignore)> = Vec::new();
    let walker = WalkDir::new(root).follow_links(true).sort_by_file_name();
    let mut entries = walker.into_iter();
    while let Some(entry) = entries.next() {
        if cancel.load(Ordering::Relaxed) {
            return;
        }
        let entry = match entry {
            Ok(entry) => entry,
            // Walkdir finds links to an ancestor itself; that is no fault of the folder.
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                // A link to nothing hides no file.
                if path.is_symlink() && !path.exists() {
                    continue;
                }
                let reason = match error.io_error() {
                    Some(io) => io.to_string(),
                    None => error.to_string(),
                };
                if visit(Err(Unreadable { path, reason })).is_break() {
                    return;
                }
                continue;
            }
        };
        let path = entry.path();
        let is_root = entry.depth() == 0;
        let is_folder = entry.file_type().is_dir();
        ignores.retain(|(folder, _)| path.starts_with(folder));
        let left_aside = !is_root
            && (entry.file_name().as_encoded_bytes().starts_with(b".")
                || is_ignored(&ignores, path, is_folder));
        if is_folder {
            let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
            if left_aside || !entered.insert(real) {
                entries.skip_current_dir();
            } else if path.join(IGNORE_FILE).is_file() {
                let mut builder = GitignoreBuilder::new(path);
                // A pattern that cannot be parsed is skipped by the builder, the others count.
                let _ = builder.add(path.join(IGNORE_FILE));
                ignores.extend(
                    builder
                        .build()
                        .ok()
                        .map(|rules| (path.to_path_buf(), rules)),
                );
            }
            continue;
        }
        if left_aside || !(is_root || has_sound_extension(path)) {
            continue;
        }
        let found = match entry.metadata() {
            // Pipes, sockets and devices are no sounds and may never answer a reader.
            Ok(metadata) if !metadata.is_file() => continue,
            Ok(metadata) => Ok(Found {
                path: path.to_path_buf(),
                stamp: Stamp::of(&metadata),
            }),
            Err(error) => Err(Unreadable {
                path: path.to_path_buf(),
                reason: error.to_string(),
            }),
        };
        if visit(found).is_break() {
            return;
        }
    }
}

/// The deepest folder's rules decide first, as in git; a `!pattern` there takes a file back in.
fn is_ignored(ignores: &[(PathBuf, Gitignore)], path: &Path, is_folder: bool) -> bool {
    for (_, rules) in ignores.iter().rev() {
        let verdict = rules.matched(path, is_folder);
        if !verdict.is_none() {
            return verdict.is_ignore();
        }
    }
    false
}

fn has_sound_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| {
            EXTENSIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(extension))
        })
}
