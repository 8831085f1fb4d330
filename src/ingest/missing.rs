//! Files that the library knows and a walk has not seen: which are gone, and which only out of reach.
//!
//! What is dropped here is dropped with its vectors, which may have taken hours to compute, so a file
//! goes only when its folder was looked into. A drive that is unplugged leaves an empty mount point, or
//! none, or a link to nothing; a folder that was looked into and has other files in it is no drive. It
//! stands apart because it is the one part of indexing that makes the library forget.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{IngestEvent, Report, Scan};
use crate::library::{ContentHash, Library};

/// Forgets the files below present roots that are gone.
pub(super) fn drop_missing(
    library: &Library,
    scan: &Scan,
    on_event: &dyn Fn(IngestEvent<'_>),
    report: &mut Report,
) -> Result<()> {
    let present = |path: &Path| scan.present.iter().any(|root| path.starts_with(root));
    let mut known: BTreeMap<PathBuf, Option<ContentHash>> = BTreeMap::new();
    let failures = library.failures()?.into_keys();
    known.extend(
        failures
            .filter(|path| !scan.seen.contains(path) && present(path))
            .map(|path| (path, None)),
    );
    let missing = scan.seen.missing().filter(|(path, _)| present(path));
    known.extend(missing.map(|(path, content)| (path.to_path_buf(), Some(content))));

    let unplugged = unplugged(library, scan)?;
    let mut folders = HashMap::new();
    let mut away = BTreeSet::new();
    for (path, content) in &known {
        let Some(root) = scan.present.iter().find(|root| path.starts_with(root)) else {
            continue;
        };
        let unreadable = report.unreadable.iter().map(|place| &place.path);
        if unreadable
            .chain(&report.offline)
            .any(|place| path.starts_with(place))
        {
            continue;
        }
        let mount = unplugged
            .iter()
            .find(|mount| path.starts_with(mount) && !is_there(path));
        if let Some(mount) = mount {
            away.insert(mount.clone());
            continue;
        }
        let folder = path.parent().unwrap_or(root);
        let vanished = folders
            .entry(folder.to_path_buf())
            .or_insert_with(|| vanished_folder(folder, root));
        if let Some(vanished) = vanished
            && !has_moved(library, scan, content.as_ref())?
        {
            away.insert(vanished.clone());
            continue;
        }
        report.removed += usize::from(library.forget_file(path)?);
        library.forget_failure(path)?;
    }
    for place in away {
        on_event(IngestEvent::Offline {
            root: &place,
            reason: "nothing is left in it",
        });
        report.offline.push(place);
    }
    Ok(())
}

/// The places where drives were, and where no sound is now.
fn unplugged(library: &Library, scan: &Scan) -> Result<Vec<PathBuf>> {
    let mut unplugged = Vec::new();
    for mount in library.mounts()? {
        // A walk that begins inside a mount, or at it, does not tell whether it is one.
        let passed = |root: &PathBuf| *root != mount && mount.starts_with(root);
        if scan.mounts.contains(&mount) || !scan.present.iter().any(passed) {
            continue;
        }
        if scan.seen.any_below(&mount) {
            // It has become a folder like any other.
            library.remove_mount(&mount)?;
        } else {
            unplugged.push(mount);
        }
    }
    Ok(unplugged)
}

/// The nearest folder at or above `folder`, and below `root`, that is there but may be an unplugged
/// drive: it is empty, a link to nothing, or cannot be looked into.
fn vanished_folder(folder: &Path, root: &Path) -> Option<PathBuf> {
    let below_root = folder.ancestors().take_while(|folder| *folder != root);
    for folder in below_root {
        let vanished = match std::fs::read_dir(folder) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if !folder.is_symlink() {
                    continue;
                }
                true
            }
            // Since the walk it has become a file, or unreadable.
            Err(error) => error.kind() != ErrorKind::NotADirectory,
        };
        return vanished.then(|| folder.to_path_buf());
    }
    None
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// True when the walk has seen the same content at another path.
fn has_moved(library: &Library, scan: &Scan, content: Option<&ContentHash>) -> Result<bool> {
    let Some(content) = content else {
        return Ok(false);
    };
    let files = library.files_of(content)?;
    Ok(files.iter().any(|(path, _)| scan.seen.contains(path)))
}
