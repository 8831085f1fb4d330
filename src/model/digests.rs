//! Digests of large weight files, remembered from one start of the program to the next.
//!
//! A checkpoint's fingerprint covers every byte of its weights, and reading them takes longer than
//! everything else that a search does. So the digest of a large file is kept in the user's cache
//! folder beside what tells that the file is still the same: its path, size, time of modification and,
//! where the system has them, its device and inode. The memory is only a short cut: without it, or
//! when it cannot be read or written, the file is read again.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::user_cache;

use serde::{Deserialize, Serialize};

/// Smaller files are read in a few milliseconds.
const LEAST_BYTES: u64 = 8 << 20;

/// How many files are remembered; nobody has more checkpoints in use.
const MOST_FILES: usize = 64;

/// The file of digests.
pub(super) struct Digests {
    file: Option<PathBuf>,
}

/// What tells that a file is still the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified_ns: u64,
    /// The change of the file's record, which programs cannot set back as they can its modification.
    changed_ns: i128,
    device: u64,
    inode: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    stamp: Stamp,
    blake3: String,
    /// Greater than that of all files that were known before.
    #[serde(default)]
    since: u64,
}

impl Digests {
    /// Those in the user's cache folder.
    pub(super) fn of_this_user() -> Digests {
        Digests {
            file: user_cache::place("weights.json"),
        }
    }

    /// Those in a file of one's own.
    #[cfg(test)]
    pub(super) fn in_file(file: PathBuf) -> Digests {
        Digests { file: Some(file) }
    }

    /// The BLAKE3 digest of a file's bytes.
    pub(super) fn digest(&self, path: &Path) -> std::io::Result<blake3::Hash> {
        let path = path.canonicalize()?;
        let Some(stamp) = stamp(&std::fs::metadata(&path)?) else {
            return read(&path);
        };
        let (Some(file), Some(name)) = (&self.file, path.to_str()) else {
            return read(&path);
        };
        let known = remembered(file);
        let before = known.get(name).filter(|known| known.stamp == stamp);
        if let Some(digest) = before.and_then(|known| blake3::Hash::from_hex(&known.blake3).ok()) {
            return Ok(digest);
        }
        let digest = read(&path)?;
        // What changed while it was read is not remembered.
        if self::stamp(&std::fs::metadata(&path)?).as_ref() == Some(&stamp) {
            // A cache folder that cannot be written costs only time.
            let _ = remember(file, known, name, stamp, digest);
        }
        Ok(digest)
    }

    /// Remembers the digest of a file that was written just now.
    pub(super) fn remember(&self, path: &Path, digest: blake3::Hash) -> std::io::Result<()> {
        let path = path.canonicalize()?;
        match (&self.file, path.to_str(), stamp(&std::fs::metadata(&path)?)) {
            (Some(file), Some(name), Some(stamp)) => {
                remember(file, remembered(file), name, stamp, digest)
            }
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> std::io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap(path)?;
    Ok(hasher.finalize())
}

/// `None` for a file that is too small to be remembered, or whose system has no times.
fn stamp(metadata: &Metadata) -> Option<Stamp> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    #[cfg(unix)]
    let (device, inode, changed_ns) = {
        use std::os::unix::fs::MetadataExt;
        let changed_ns =
            i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
        (metadata.dev(), metadata.ino(), changed_ns)
    };
    #[cfg(not(unix))]
    let (device, inode, changed_ns) = (0, 0, 0);
    (metadata.len() >= LEAST_BYTES).then_some(Stamp {
        size: metadata.len(),
        modified_ns: u64::try_from(since.as_nanos()).ok()?,
        changed_ns,
        device,
        inode,
    })
}

fn remembered(file: &Path) -> BTreeMap<String, Remembered> {
    let bytes = std::fs::read(file).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Adds a file to those that are known, in place of the one that has been known for longest if they
/// are too many.
fn remember(
    file: &Path,
    mut known: BTreeMap<String, Remembered>,
    name: &str,
    stamp: Stamp,
    digest: blake3::Hash,
) -> std::io::Result<()> {
    known.remove(name);
    while known.len() >= MOST_FILES {
        let oldest = known.iter().min_by_key(|(_, known)| known.since);
        let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
            break;
        };
        known.remove(&oldest);
    }
    let since = known.values().map(|known| known.since + 1).max();
    let one = Remembered {
        stamp,
        blake3: digest.to_hex().to_string(),
        since: since.unwrap_or(0),
    };
    known.insert(name.to_owned(), one);
    user_cache::replace(file, &serde_json::to_vec(&known)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of weights and a memory beside it.
    fn weights(folder: &Path, byte: u8) -> (PathBuf, Digests) {
        let path = folder.join("model.safetensors");
        std::fs::write(&path, vec![byte; LEAST_BYTES as usize]).expect("written");
        let digests = Digests::in_file(folder.join("cache/weights.json"));
        (path.canonicalize().expect("there"), digests)
    }

    #[test]
    fn a_digest_is_remembered_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, digests) = weights(folder.path(), 1);
        let first = digests.digest(&path).expect("read");
        assert_eq!(first, blake3::hash(&vec![1; LEAST_BYTES as usize]));

        // A lie in the memory is believed, which shows that the file is not read again.
        let file = digests.file.as_ref().expect("a memory");
        let lie = blake3::hash(b"a lie");
        let text = std::fs::read_to_string(file).expect("remembered");
        let text = text.replace(first.to_hex().as_str(), lie.to_hex().as_str());
        std::fs::write(file, text).expect("written");
        assert_eq!(digests.digest(&path).expect("remembered"), lie);

        // Other weights of the same size, under the modification time of the first.
        let modified = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
        let (path, digests) = weights(folder.path(), 2);
        let changed = std::fs::File::options().append(true).open(&path);
        let changed = changed.expect("opened");
        changed
            .set_modified(modified.expect("a time"))
            .expect("set");
        let second = digests.digest(&path).expect("read");
        assert_eq!(second, blake3::hash(&vec![2; LEAST_BYTES as usize]));
    }

    #[test]
    fn a_memory_that_cannot_be_read_or_written_only_costs_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, digests) = weights(folder.path(), 3);
        let expected = blake3::hash(&vec![3; LEAST_BYTES as usize]);
        let file = digests.file.as_ref().expect("a memory");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, "no JSON").expect("written");
        assert_eq!(digests.digest(&path).expect("read"), expected);
        // A file where a folder should be.
        let nowhere = Digests::in_file(path.join("weights.json"));
        assert_eq!(nowhere.digest(&path).expect("read"), expected);
        let none = Digests { file: None };
        assert_eq!(none.digest(&path).expect("read"), expected);
    }

    #[test]
    fn of_too_many_files_the_one_known_for_longest_is_forgotten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, digests) = weights(folder.path(), 4);
        let file = digests.file.as_ref().expect("a memory");
        // The first one's name is the last of the alphabet.
        for n in 0..=MOST_FILES {
            let name = format!(
                "/{}",
                char::from(b'a' + 25 - n as u8 % 26)
                    .to_string()
                    .repeat(n + 1)
            );
            let stamp = stamp(&std::fs::metadata(&path).expect("there")).expect("a large file");
            let digest = blake3::hash(name.as_bytes());
            remember(file, remembered(file), &name, stamp, digest).expect("written");
        }
        let known = remembered(file);
        assert_eq!(known.len(), MOST_FILES);
        assert!(!known.contains_key("/z") && known.contains_key("/yy"));
    }
}
