//! Packed layers, kept in a file from one start of the program to the next.
//!
//! Putting the weights of a large checkpoint into the order in which they are read takes longer than a
//! search, so it is done once: the layers of an encoder go into one file in the user's cache folder,
//! which later starts map, so that processes share them and only what is used is read. The file is
//! named by a key of all that decides its content, and by the digest of its bytes. It is written beside
//! and moved into place whole. The digest is checked when the file is first met and whenever its size,
//! times or inode are no longer the remembered ones, as that of the weights themselves is; a file that
//! fails, or has not what is looked for, is made again. Without a folder, or where it cannot be
//! written, layers are packed at every start.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use candle_core::Result;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use super::super::Precision;
use super::super::digests::Digests;
use super::super::weights;
use super::kernels::{Activation, Kernels};
use super::linear::{ALIGNMENT, Linear};

/// Changes with the format of the file, the layout of packed layers, and the number format that each
/// layer has in a precision.
const FORMAT: u32 = 3;

/// What a file begins with.
const MAGIC: &[u8; 16] = b"soundseek packed";

/// All files together have at most this many bytes; the oldest are deleted. A full-size checkpoint has
/// 0.6 GB in all precisions.
const MOST_BYTES: u64 = 2 << 30;

/// Bytes that are written at once. What a file's bytes are remembered in has pages as large as what is
/// written at once, up to some size, and large pages are read half as fast again: a text reads all
/// layers, and finding the memory of small ones takes longer than reading it.
const BLOCK: usize = 4 << 20;

/// Where the layers of an encoder come from, while it is loaded.
pub(in super::super) struct Shelf {
    pub(super) kernels: &'static Kernels,
    place: Option<Place>,
    found: Option<Found>,
    layers: RefCell<Vec<(String, Linear)>>,
    /// Whether a layer had to be packed.
    packed: Cell<bool>,
}

/// The folder, and what the file's name begins with.
struct Place {
    folder: PathBuf,
    key: String,
    digests: Digests,
}

struct Found {
    map: Arc<Mmap>,
    data: usize,
    header: Header,
}

#[derive(Serialize, Deserialize)]
struct Header {
    layers: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// From the end of the header, in bytes.
    at: usize,
    inputs: usize,
    outputs: usize,
}

impl Shelf {
    /// Keeps nothing.
    pub fn none() -> Shelf {
        Shelf::of(Kernels::fastest(), None)
    }

    /// Keeps layers in a folder. `content` names all that decides them but this processor's kernels.
    pub fn open(folder: PathBuf, digests: Digests, content: &str) -> Shelf {
        let kernels = Kernels::fastest();
        let layout = kernels.layout();
        let whole = format!("{FORMAT} {} {layout} {content}", std::env::consts::ARCH);
        let key = blake3::hash(whole.as_bytes()).to_hex()[..32].to_owned();
        let place = Place {
            folder,
            key,
            digests,
        };
        Shelf::of(kernels, Some(place))
    }

    fn of(kernels: &'static Kernels, place: Option<Place>) -> Shelf {
        Shelf {
            kernels,
            found: place.as_ref().and_then(Place::find),
            place,
            layers: RefCell::default(),
            packed: Cell::new(false),
        }
    }

    /// The layer of that name, shape (inputs, outputs) and kind, packed by `pack` if it is not there.
    pub(super) fn layer(
        &self,
        name: &str,
        shape: (usize, usize),
        (precision, activation): (Precision, Activation),
        pack: impl FnOnce(&Kernels) -> Result<Linear>,
    ) -> Result<Linear> {
        let found = self.found.as_ref().and_then(|found| {
            let entry = found.header.layers.get(name)?;
            let at = found.data.checked_add(entry.at)?;
            ((entry.inputs, entry.outputs) == shape).then_some(())?;
            Linear::mapped(self.kernels, (&found.map, at), shape, precision, activation)
        });
        let layer = match found {
            Some(layer) => layer,
            None => {
                self.packed.set(true);
                pack(self.kernels)?
            }
        };
        if self.place.is_some() {
            let mut layers = self.layers.borrow_mut();
            layers.push((name.to_owned(), layer.clone()));
        }
        Ok(layer)
    }

    /// Writes what had to be packed, for the next start. That this fails costs only time.
    pub fn finish(self) {
        if let Some(place) = self.place
            && self.packed.get()
        {
            let _ = place.write(&self.layers.into_inner());
        }
    }
}

impl Place {
    /// A file whose bytes have the digest in its name. Others of the key are of no use.
    fn find(&self) -> Option<Found> {
        for (path, _) in self.files().ok()? {
            let name = path.file_name()?.to_str()?;
            let Some((key, digest)) = name.split_once('-') else {
                continue;
            };
            if key != self.key {
                continue;
            }
            let whole = self.digests.digest(&path);
            if whole.is_ok_and(|found| found.to_hex().as_str() == digest) {
                return Found::read(&path);
            }
        }
        None
    }

    /// The files of all keys.
    fn files(&self) -> std::io::Result<Vec<(PathBuf, Metadata)>> {
        let entries = std::fs::read_dir(&self.folder)?;
        let files = entries.flatten().filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            metadata.is_file().then(|| (entry.path(), metadata))
        });
        Ok(files.collect())
    }

    fn write(&self, layers: &[(String, Linear)]) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut header = Header {
            layers: BTreeMap::new(),
        };
        let mut at = 0;
        for (name, layer) in layers {
            let (inputs, outputs) = layer.shape();
            let entry = Entry {
                at,
                inputs,
                outputs,
            };
            header.layers.insert(name.clone(), entry);
            at += layer.written();
        }
        let mut head = serde_json::to_vec(&header)?;
        let before = MAGIC.len() + 8;
        // JSON may be followed by blanks.
        head.resize(
            (before + head.len()).next_multiple_of(ALIGNMENT) - before,
            b' ',
        );
        let file = tempfile::NamedTempFile::new_in(&self.folder)?;
        let mut to = Hashed {
            to: file.as_file(),
            hasher: blake3::Hasher::new(),
            block: Vec::with_capacity(BLOCK),
        };
        to.write_all(MAGIC)?;
        to.write_all(&(head.len() as u64).to_le_bytes())?;
        to.write_all(&head)?;
        for (_, layer) in layers {
            layer.write(&mut to)?;
        }
        to.flush()?;
        let digest = to.hasher.finalize();
        drop(to);
        // What a power cut leaves of a file that was not on the disk could have any content.
        file.as_file().sync_all()?;
        let path = self
            .folder
            .join(format!("{}-{}", self.key, digest.to_hex()));
        file.persist(&path)?;
        self.digests.remember(&path, digest)?;
        self.tidy(&path);
        Ok(())
    }

    /// Deletes other files of this key, and the oldest of all that are too many.
    fn tidy(&self, new: &Path) {
        let Ok(mut files) = self.files() else {
            return;
        };
        let age = |(_, metadata): &(PathBuf, Metadata)| {
            metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)
        };
        files.sort_by_key(age);
        let mut bytes: u64 = files.iter().map(|(_, metadata)| metadata.len()).sum();
        for (path, metadata) in files.iter().filter(|(path, _)| path != new) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let same = name.split_once('-').is_some_and(|(key, _)| key == self.key);
            // One that another process has mapped stays there for it.
            if (same || bytes > MOST_BYTES) && std::fs::remove_file(path).is_ok() {
                bytes -= metadata.len();
            }
        }
    }
}

impl Found {
    fn read(path: &Path) -> Option<Found> {
        let map = weights::map(path).ok()?;
        // Only a wish: where the system has no large pages for files, reading takes longer.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        let rest = map.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let header = serde_json::from_slice(rest.get(..length)?).ok()?;
        let data = MAGIC.len() + 8 + length;
        Some(Found {
            map: Arc::new(map),
            data,
            header,
        })
    }
}

/// Bytes on their way into a file, in whole blocks, and their digest.
struct Hashed<W> {
    to: W,
    hasher: blake3::Hasher,
    block: Vec<u8>,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..written]);
        if self.block.len() == BLOCK {
            self.flush()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.hasher.update(&self.block);
        self.to.write_all(&self.block)?;
        self.block.clear();
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::affine::Affine;
    use super::super::kernels::Narrowed;
    use super::super::matrix::Matrix;
    use super::*;

    const KINDS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

    /// Layers of every kind from a shelf in `folder`, what they make of one row, and how many of
    /// them had to be packed.
    fn load(folder: &Path, content: &str) -> (Vec<Vec<f32>>, usize) {
        let digests = Digests::in_file(folder.join("digests.json"));
        let shelf = Shelf::open(folder.join("packed"), digests, content);
        let packed = Cell::new(0);
        let mut row = Matrix::default();
        row.shape(1, 70);
        row.row_mut(0)
            .iter_mut()
            .enumerate()
            .for_each(|(i, x)| *x = (i % 7) as f32 - 3.0);
        let of_layer = |precision: Precision| {
            let kind = (precision, Activation::Relu);
            let pack = |kernels: &Kernels| {
                packed.set(packed.get() + 1);
                let affine = Affine {
                    weight: (0..70 * 50).map(|i| (i % 11) as f32 / 7.0).collect(),
                    bias: (0..50).map(|i| i as f32).collect(),
                };
                Ok(Linear::pack(kernels, &affine, kind.0, kind.1))
            };
            let layer = shelf.layer(&format!("layer {precision}"), (70, 50), kind, pack);
            let mut to = Matrix::default();
            let mut room = Narrowed::default();
            layer
                .expect("a layer")
                .apply(shelf.kernels, &row, &mut room, &mut to);
            to.row(0).to_vec()
        };
        let results = KINDS.map(of_layer).to_vec();
        shelf.finish();
        (results, packed.get())
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder.join("packed")).expect("a folder");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }

    #[test]
    fn packed_layers_are_found_again_and_compute_the_same() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (first, packed) = load(folder.path(), "a model");
        assert_eq!(packed, KINDS.len());
        assert_eq!(load(folder.path(), "a model"), (first.clone(), 0));
        // Another model has a file of its own, and leaves that of the first.
        assert_eq!(load(folder.path(), "another"), (first.clone(), KINDS.len()));
        assert_eq!(load(folder.path(), "a model"), (first, 0));
        assert_eq!(files(folder.path()).len(), 2);
    }

    #[test]
    fn a_file_that_is_cut_changed_or_foreign_is_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (expected, _) = load(folder.path(), "a model");
        let [file] = &files(folder.path())[..] else {
            panic!("not one file");
        };
        let whole = std::fs::read(file).expect("read");
        let mut changed = whole.clone();
        changed[whole.len() - 100] ^= 1;
        let mut foreign = whole.clone();
        foreign[..4].copy_from_slice(b"none");
        let empty = Vec::new();
        for bad in [&whole[..whole.len() / 2], &changed, &foreign, &empty] {
            std::fs::write(file, bad).expect("written");
            assert_eq!(
                load(folder.path(), "a model"),
                (expected.clone(), KINDS.len())
            );
            assert_eq!(std::fs::read(file).expect("there again"), whole);
            assert_eq!(load(folder.path(), "a model"), (expected.clone(), 0));
        }
        // One with the digest of its bytes in its name that holds no layers.
        std::fs::remove_file(file).expect("removed");
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let key = name.split_once('-').expect("key and digest").0;
        let foreign = format!("{key}-{}", blake3::hash(b"no layers").to_hex());
        std::fs::write(file.with_file_name(foreign), b"no layers").expect("written");
        assert_eq!(load(folder.path(), "a model"), (expected, KINDS.len()));
        assert_eq!(files(folder.path()), std::slice::from_ref(file));
    }

    #[test]
    fn a_folder_that_cannot_be_written_only_costs_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (expected, _) = load(folder.path(), "a model");
        let other = tempfile::tempdir().expect("a temporary folder");
        // A file where the folder should be.
        std::fs::write(other.path().join("packed"), b"").expect("written");
        for _ in 0..2 {
            assert_eq!(
                load(other.path(), "a model"),
                (expected.clone(), KINDS.len())
            );
        }
    }
}
