//! Telling the library that files have moved, without reading them again.
//!
//! It stands apart because it is the one change that touches files, failures and roots alike, and
//! because its care is for what is *not* found: nothing that is known may get lost.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::Library;

/// What [`Library::relink`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Relinked {
    /// How many files have their new path.
    pub moved: usize,
    /// The files, by their old paths, that were not found at the new place.
    pub missing: Vec<PathBuf>,
}

impl Library {
    /// Moves everything at or below `old` to `new`, as when a drive has another mount point. Nothing
    /// is read but the new files' stamps; one that is not there, or has another size, keeps its old
    /// path and is listed. A root stays as long as files keep their paths in it, beside the new one;
    /// when no file is found at all, nothing changes. What was indexed at the new place already stays
    /// as it is known from there.
    ///
    /// # Errors
    ///
    /// When the two are the same, the library knows nothing below `old`, nothing is at `new`, another
    /// process has the library open, or the disk refuses. Nothing has changed then, but for what the disk took before it refused.
    pub fn relink(&self, old: &Path, new: &Path) -> Result<Relinked> {
        self.claim()?;
        ensure!(
            old != new,
            "{} is both the old and the new place: name where the files were, then where they are",
            old.display()
        );
        let below = self
            .files_where(|path| path.starts_with(old))
            .collect::<Result<Vec<_>>>()?;
        let mut roots = self.roots()?;
        let covered = roots.iter().any(|root| new.starts_with(root));
        roots.retain(|root| root.starts_with(old));
        if below.is_empty() && roots.is_empty() {
            bail!(
                "the library knows no file below {}: `soundseek roots` lists what it knows",
                old.display()
            );
        }
        ensure!(
            new.exists(),
            "there is nothing at {}: plug in its drive or check the name; nothing was changed",
            new.display()
        );
        let mut relinked = Relinked::default();
        let mut moves = Vec::new();
        for (path, record) in &below {
            let target = moved(path, old, new);
            if has_size(&target, record.stamp.size) {
                moves.push((path, target, record));
            } else {
                relinked.missing.push(path.clone());
            }
        }
        if moves.is_empty() && !below.is_empty() {
            return Ok(relinked);
        }
        relinked.moved = moves.len();
        // All files get their new paths before one loses its old path, so that a crash loses none.
        // One place may lie inside the other, so a path can be both an old and a new one.
        let leaving: HashSet<&Path> = moves.iter().map(|(path, _, _)| path.as_path()).collect();
        let arriving: HashSet<&Path> = moves.iter().map(|(_, to, _)| to.as_path()).collect();
        for (_, target, record) in &moves {
            if leaving.contains(target.as_path()) || self.file(target)?.is_none() {
                self.put_file(target, record)?;
            }
        }
        for path in leaving.difference(&arriving) {
            self.forget_file(path)?;
        }
        self.relink_failures(old, new)?;
        for root in &roots {
            self.add_root(&moved(root, old, new))?;
            if !self.has_files_below(root)? {
                self.remove_root(root)?;
            }
        }
        if roots.is_empty() && !covered {
            self.add_root(new)?;
        }
        Ok(relinked)
    }

    /// A failure without a file at the new place stays while others keep their old paths.
    fn relink_failures(&self, old: &Path, new: &Path) -> Result<()> {
        let others_stay = self.has_files_below(old)?;
        for (path, failure) in self.failures()? {
            if !path.starts_with(old) {
                continue;
            }
            let target = moved(&path, old, new);
            let is_there = has_size(&target, failure.stamp.size);
            if is_there && self.file(&target)?.is_none() {
                self.put_failure(&target, &failure)?;
            }
            if is_there || !others_stay {
                self.forget_failure(&path)?;
            }
        }
        Ok(())
    }
}

fn has_size(path: &Path, size: u64) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

fn moved(path: &Path, old: &Path, new: &Path) -> PathBuf {
    let rest = path
        .strip_prefix(old)
        .expect("only paths below the old one are moved");
    // Joining an empty path would add a trailing separator, which a file must not have.
    if rest.as_os_str().is_empty() {
        new.to_path_buf()
    } else {
        new.join(rest)
    }
}
