//! The vectors of texts that are asked of many sounds, kept from one run of the program to the next.
//!
//! A set of labels has hundreds of captions; embedding them takes seconds, and they are the same each
//! time. So the vectors of a list of texts are one small file in the user's cache folder. The file is
//! named by a key of all that decides the vectors: the model, what it is computed in, and the texts
//! themselves, a template among them. It begins with a digest of the key and the vectors; one that does
//! not fit is made again. It stands apart from the classifier, which need not know whether its vectors
//! were computed or read.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;

use crate::embed::Embedder;
use crate::user_cache;

/// Changes with the format of the file. The program's version counts, too, since kernels may round
/// otherwise in another one.
const FORMAT: &str = concat!("texts 1, ", env!("CARGO_PKG_VERSION"));

/// The bytes before the vectors: the digest.
const DIGEST_LENGTH: usize = blake3::OUT_LEN;

/// All files together have at most this many bytes; the oldest are deleted. The captions of the largest
/// set that comes with the program take 1.4 MB.
const MOST_BYTES: u64 = 64 << 20;

/// Where vectors of texts are kept.
#[derive(Debug, Clone)]
pub struct KeptTexts {
    /// `None` keeps nothing.
    folder: Option<PathBuf>,
}

impl KeptTexts {
    /// In the user's cache folder; nowhere, if there is none.
    pub fn of_this_user() -> KeptTexts {
        KeptTexts {
            folder: user_cache::place("texts"),
        }
    }

    /// Nowhere: everything is computed.
    pub fn nowhere() -> KeptTexts {
        KeptTexts { folder: None }
    }

    /// The embeddings of texts by a model, each of its dimension: as an earlier run wrote them, or
    /// computed now and written. That they cannot be read or written costs only time.
    ///
    /// # Errors
    ///
    /// When the model cannot be read, or `embed` fails.
    pub(super) fn embeddings(
        &self,
        embedder: &Embedder,
        texts: &[&str],
        embed: impl FnOnce() -> Result<Vec<Vec<f32>>>,
    ) -> Result<Vec<Vec<f32>>> {
        let Some(folder) = &self.folder else {
            return embed();
        };
        let model = embedder.model();
        let file = KeptFile {
            key: key(&model.fingerprint()?, &model.precision().to_string(), texts),
            folder,
            shape: (texts.len(), model.dimension()),
        };
        if let Some(kept) = file.read() {
            return Ok(kept);
        }
        let computed = embed()?;
        let _ = file.write(&computed);
        Ok(computed)
    }
}

/// What decides the vectors, as a digest.
fn key(fingerprint: &str, precision: &str, texts: &[&str]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in [FORMAT, fingerprint, precision].iter().chain(texts) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize()
}

/// The file of one list of texts.
struct KeptFile<'a> {
    folder: &'a Path,
    key: blake3::Hash,
    /// How many vectors, of how many numbers.
    shape: (usize, usize),
}

impl KeptFile<'_> {
    fn path(&self) -> PathBuf {
        self.folder.join(&self.key.to_hex()[..32])
    }

    /// The digest of the key and the vectors.
    fn digest(&self, vectors: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.key.as_bytes());
        hasher.update(vectors);
        hasher.finalize()
    }

    fn read(&self) -> Option<Vec<Vec<f32>>> {
        let (count, dimension) = self.shape;
        let length = DIGEST_LENGTH + count * dimension * size_of::<f32>();
        let file = File::open(self.path()).ok()?;
        let mut bytes = Vec::new();
        // A byte more than there should be shows that it is another file.
        file.take(length as u64 + 1).read_to_end(&mut bytes).ok()?;
        let (digest, vectors) = bytes.split_first_chunk::<DIGEST_LENGTH>()?;
        if bytes.len() != length || self.digest(vectors) != blake3::Hash::from_bytes(*digest) {
            return None;
        }
        let numbers = vectors.as_chunks::<4>().0.iter();
        let numbers: Vec<f32> = numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Some(numbers.chunks(dimension).map(<[f32]>::to_vec).collect())
    }

    fn write(&self, vectors: &[Vec<f32>]) -> std::io::Result<()> {
        let numbers = vectors.iter().flatten();
        let vectors: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        let whole = [self.digest(&vectors).as_bytes(), &vectors[..]].concat();
        let path = self.path();
        user_cache::replace(&path, &whole)?;
        self.tidy(&path);
        Ok(())
    }

    /// Deletes the oldest files where all together are too large.
    fn tidy(&self, new: &Path) {
        let Ok(entries) = fs::read_dir(self.folder) else {
            return;
        };
        let files = entries.flatten().filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some((modified, entry.path(), metadata.len()))
        });
        let mut files: Vec<_> = files.collect();
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, _, length)| length).sum();
        for (_, path, length) in files {
            if bytes > MOST_BYTES && path != new && fs::remove_file(path).is_ok() {
                bytes -= length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file for `texts` in a folder, and what it is to hold.
    fn file<'a>(folder: &'a Path, texts: &[&str]) -> (KeptFile<'a>, Vec<Vec<f32>>) {
        let file = KeptFile {
            folder,
            key: key("a model", "f32", texts),
            shape: (texts.len(), 3),
        };
        let vector = |text: &&str| vec![text.len() as f32, -0.5, f32::MIN_POSITIVE];
        (file, texts.iter().map(vector).collect())
    }

    #[test]
    fn vectors_are_read_as_they_were_written_for_the_same_texts_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().join("made");
        let (kick, vectors) = file(&folder, &["a kick", "a snare drum"]);
        assert_eq!(kick.read(), None);
        kick.write(&vectors).expect("written");
        assert_eq!(kick.read(), Some(vectors));
        // The same letters in other texts, and the texts in another order.
        for other in [["a kicka", " snare drum"], ["a snare drum", "a kick"]] {
            assert_eq!(file(&folder, &other).0.read(), None);
        }
        let texts = ["a kick", "a snare drum"];
        assert_ne!(
            key("a model", "f32", &texts),
            key("a model", "int8", &texts)
        );
        assert_ne!(key("a model", "f32", &texts), key("another", "f32", &texts));
    }

    #[test]
    fn what_is_cut_changed_longer_or_of_other_texts_is_not_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (kick, vectors) = file(folder.path(), &["kick"]);
        let (snare, others) = file(folder.path(), &["snare"]);
        kick.write(&vectors).expect("written");
        snare.write(&others).expect("written");
        let whole = fs::read(kick.path()).expect("read");
        let mut changed = whole.clone();
        changed[DIGEST_LENGTH + 1] ^= 1;
        let longer = [&whole[..], &[0]].concat();
        let foreign = fs::read(snare.path()).expect("read");
        for bad in [&whole[..whole.len() - 4], &changed, &longer, &foreign, &[]] {
            fs::write(kick.path(), bad).expect("written");
            assert_eq!(kick.read(), None);
        }
        kick.write(&vectors).expect("written");
        assert_eq!(kick.read(), Some(vectors));
    }

    #[test]
    fn the_oldest_files_go_when_there_are_too_many() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let old = folder.path().join("old");
        let sparse = File::create(&old).expect("made");
        sparse.set_len(MOST_BYTES).expect("grown");
        sparse
            .set_modified(SystemTime::UNIX_EPOCH)
            .expect("made old");
        let (kick, vectors) = file(folder.path(), &["kick"]);
        kick.write(&vectors).expect("written");
        assert!(!old.exists());
        assert_eq!(kick.read(), Some(vectors));
    }
}
