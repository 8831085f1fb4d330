//! The names of places: which of the many paths to a file is the one that the library keeps.
//!
//! A path is kept as the walk of a root found it, and roots are kept without symbolic links. People
//! name the same place through links, from other folders, and while its drive is unplugged. It stands
//! apart because it asks the file system about names alone.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use super::Library;

/// As many links as Linux follows before it says that they go in circles (`path_resolution(7)`).
const MAX_LINKS: u32 = 40;

impl Library {
    /// The name under which the library knows a place, or else the one under which it would.
    ///
    /// The path without its links is tried first, then those that keep a link inside a root, which
    /// the walk of that root went through.
    ///
    /// # Errors
    ///
    /// When the path is empty, or the store is damaged.
    pub fn place(&self, path: &Path) -> Result<PathBuf> {
        let absolute = std::path::absolute(path)
            .with_context(|| format!("'{}' is no path", path.display()))?;
        for head in absolute.ancestors() {
            let rest = absolute
                .strip_prefix(head)
                .expect("an ancestor is a beginning of the path");
            let plain = |part| matches!(part, Component::Normal(_));
            if !rest.components().all(plain) {
                break;
            }
            let place = if rest.as_os_str().is_empty() {
                resolve(head)
            } else {
                resolve(head).join(rest)
            };
            if self.knows(&place)? {
                return Ok(place);
            }
        }
        Ok(resolve(&absolute))
    }

    /// True when a root, a file or a failure is known at or below a path.
    fn knows(&self, top: &Path) -> Result<bool> {
        Ok(self.has_files_below(top)?
            || self.roots()?.iter().any(|root| root.starts_with(top))
            || self.failures()?.keys().any(|path| path.starts_with(top)))
    }
}

/// An absolute path without links, also where what they lead to is not there.
fn resolve(absolute: &Path) -> PathBuf {
    std::fs::canonicalize(absolute).unwrap_or_else(|_| resolve_missing(absolute))
}

fn resolve_missing(absolute: &Path) -> PathBuf {
    let parts = |path: &Path| {
        let parts = path.components().rev();
        parts
            .map(|part| part.as_os_str().to_owned())
            .collect::<Vec<OsString>>()
    };
    let mut resolved = PathBuf::new();
    let mut links = 0;
    let mut to_come = parts(absolute);
    while let Some(part) = to_come.pop() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        // Pushing the root again, which an absolute link begins with, starts anew.
        let next = resolved.join(&part);
        match std::fs::read_link(&next) {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                to_come.extend(parts(&target));
            }
            _ => resolved = next,
        }
    }
    resolved
}
