//! Finding the sounds below a root: which files there are, and which are left aside.
//!
//! Hidden files and folders and whatever `.soundseekignore` files (in the syntax of `.gitignore`)
//! name are left aside; symbolic links are followed, each folder once. It stands apart from the
//! pipeline because it is the only part that asks the file system what exists.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use walkdir::WalkDir;

use super::Control;
use crate::audio::{EXTENSIONS, open_regular};
use crate::library::Stamp;

/// The name of the files that list patterns of what to leave aside.
pub const IGNORE_FILE: &str = ".soundseekignore";

/// The most bytes of a list of patterns; those that people write have a few hundred.
const RULES_BYTES: u64 = 256 << 10;

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

/// What a walk comes upon.
#[derive(Debug, PartialEq, Eq)]
pub enum Sight {
    /// A file that looks like a sound.
    Sound(Found),
    /// A folder on another drive than the folder that it is in.
    Mount(PathBuf),
    /// A place that could not be looked into.
    Unreadable(Unreadable),
}

/// Walks `root`, a folder or a single file, and hands over what it finds, in the order of names.
///
/// A file that is named itself is taken whatever its extension; in folders only
/// [`EXTENSIONS`] are. Ends at the next entry once `control` is cancelled.
pub fn walk(root: &Path, control: &Control, mut visit: impl FnMut(Sight) -> ControlFlow<()>) {
    let mut entered = HashSet::new();
    let mut ignores = Ignores::default();
    // The drives of the folder that is walked and of those above it, by depth.
    let mut drives = Vec::new();
    let walker = WalkDir::new(root).follow_links(true).sort_by_file_name();
    let mut entries = walker.into_iter();
    while let Some(entry) = entries.next() {
        if control.wait() {
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
                if visit(Sight::Unreadable(Unreadable { path, reason })).is_break() {
                    return;
                }
                continue;
            }
        };
        let path = entry.path();
        let is_root = entry.depth() == 0;
        let is_folder = entry.file_type().is_dir();
        ignores.leave_for(path);
        let left_aside =
            !is_root && (is_hidden(entry.file_name()) || ignores.name(path, is_folder));
        if is_folder {
            let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
            if left_aside || !entered.insert(real) {
                entries.skip_current_dir();
                continue;
            }
            if let Err(place) = ignores.enter(path)
                && visit(Sight::Unreadable(place)).is_break()
            {
                return;
            }
            drives.truncate(entry.depth());
            drives.push(entry.metadata().ok().and_then(|metadata| drive(&metadata)));
            let is_mount = drives.iter().rev().nth(1).is_some_and(|above| {
                let here = drives.last().copied().flatten();
                above.is_some() && here.is_some() && *above != here
            });
            if is_mount && is_made_up(path) {
                entries.skip_current_dir();
                continue;
            }
            if is_mount && visit(Sight::Mount(path.to_path_buf())).is_break() {
                return;
            }
            continue;
        }
        if left_aside || !(is_root || has_sound_extension(path)) {
            continue;
        }
        let found = match entry.metadata() {
            // Pipes, sockets and devices are no sounds and may never answer a reader.
            Ok(metadata) if !metadata.is_file() => continue,
            Ok(metadata) => Sight::Sound(Found {
                path: path.to_path_buf(),
                stamp: Stamp::of(&metadata),
            }),
            Err(error) => Sight::Unreadable(Unreadable {
                path: path.to_path_buf(),
                reason: error.to_string(),
            }),
        };
        if visit(found).is_break() {
            return;
        }
    }
}

/// True when the walk of `root` gets to `path`: nothing on the way is hidden, ignored or no sound.
pub fn reaches(root: &Path, path: &Path) -> bool {
    let Ok(rest) = path.strip_prefix(root) else {
        return false;
    };
    let mut ignores = Ignores::default();
    let mut place = root.to_path_buf();
    for name in rest {
        // Rules that cannot be read hide nothing, here as in the walk.
        let _ = ignores.enter(&place);
        place.push(name);
        let is_folder = place.is_dir();
        if is_hidden(name)
            || ignores.name(&place, is_folder)
            || !(is_folder || has_sound_extension(&place))
        {
            return false;
        }
    }
    true
}

/// The rules of the folder that is walked and of those above it.
#[derive(Default)]
struct Ignores(Vec<(PathBuf, Gitignore)>);

impl Ignores {
    /// Drops the rules of folders that `path` is not in.
    fn leave_for(&mut self, path: &Path) {
        self.0.retain(|(folder, _)| path.starts_with(folder));
    }

    /// Takes in the rules of a folder, if it has any.
    fn enter(&mut self, folder: &Path) -> Result<(), Unreadable> {
        let file = folder.join(IGNORE_FILE);
        if !file.is_file() {
            return Ok(());
        }
        let text = read_rules(&file).map_err(|reason| Unreadable {
            path: file.clone(),
            reason,
        })?;
        let mut builder = GitignoreBuilder::new(folder);
        for line in text.trim_start_matches('\u{feff}').lines() {
            // A pattern that cannot be parsed is left out, the others count.
            let _ = builder.add_line(Some(file.clone()), line);
        }
        let rules = builder.build().ok();
        self.0
            .extend(rules.map(|rules| (folder.to_path_buf(), rules)));
        Ok(())
    }

    /// True when a path is named. The deepest folder's rules decide first, as in git; a `!pattern`
    /// there takes a file back in.
    fn name(&self, path: &Path, is_folder: bool) -> bool {
        let rules = self.0.iter().rev();
        rules
            .map(|(_, rules)| rules.matched(path, is_folder))
            .find(|verdict| !verdict.is_none())
            .is_some_and(|verdict| verdict.is_ignore())
    }
}

/// The text of an ignore file, or why it is not read.
fn read_rules(file: &Path) -> Result<String, String> {
    let (opened, _) = open_regular(file).map_err(|kind| kind.to_string())?;
    let mut bytes = Vec::new();
    opened
        .take(RULES_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > RULES_BYTES {
        return Err(format!(
            "it has more than {RULES_BYTES} bytes, too much for a list of patterns"
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// What tells the drive of a folder from others, where the system has such a thing.
#[cfg(unix)]
fn drive(metadata: &Metadata) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(metadata.dev())
}

#[cfg(not(unix))]
fn drive(_: &Metadata) -> Option<u64> {
    None
}

/// True for file systems whose files the system makes up as they are read: nothing in them is a sound,
/// and reading some of them never ends.
#[cfg(target_os = "linux")]
fn is_made_up(folder: &Path) -> bool {
    // linux/magic.h: proc, sysfs, debugfs, tracefs, cgroup, cgroup2.
    const MADE_UP: [u32; 6] = [
        0x0000_9fa0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x0027_e0eb,
        0x6367_7270,
    ];
    rustix::fs::statfs(folder).is_ok_and(|system| MADE_UP.contains(&(system.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_made_up(_: &Path) -> bool {
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
