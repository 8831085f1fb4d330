//! An adapter: what a library's own descriptions teach about its sounds, as a small file on top of a
//! model that stays as it is.
//!
//! Both projections get a residual map of low rank: a sound x becomes x + x·D·U, a text q becomes
//! q + q·E·V, with D and E of shape (dimension, rank), U and V of shape (rank, dimension). How well they
//! fit is the scalar product of the two, (x + xDU)·t with t = q + qEV, and that is x·(t + D(U t)): both
//! maps act on the *text alone*. So stored vectors, the index and files that are indexed later need no
//! change at all, nothing is embedded again, and an adapter is turned on and off between two searches.
//!
//! This needs the sound's side not to be normalised again after its map. Measured on 1,789 sounds of
//! Debian packages with captions made from their names, four splits, the form that normalises both sides
//! gained as much within the spread between splits (`train.rs` has the numbers), so nothing is lost.
//!
//! Clips as queries stay as they are: two sounds are compared as the model hears them, not by words.
//!
//! It stands apart from `model/` because it is a library's, not a checkpoint's; the checkpoint that it
//! is made for is named in it, and it is refused for any other.

mod examples;
mod lesson;
mod train;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use soundseek_index::{Space, Vector};

pub use examples::{Example, ExampleError, description_of, from_names, from_table};
pub use lesson::{Lesson, TrainError};
pub use train::{Learned, Recalls, TrainOptions, learn};

/// What the file says it is.
const FORMAT: &str = "soundseek adapter 1";

/// The largest file that is read: a rank of 1,024 in 4,096 dimensions.
const MOST_BYTES: u64 = 64 << 20;

/// The names of the four matrices D, U, E, V in the file.
const NAMES: [&str; 4] = ["audio.down", "audio.up", "text.down", "text.up"];

/// A residual map for each projection of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    base: Space,
    dimension: usize,
    rank: usize,
    /// D, U, E, V, each row after row.
    matrices: [Vec<f32>; 4],
}

/// Why a file is no adapter that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// It cannot be read.
    #[error("the adapter {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what `soundseek adapt` wrote.
    #[error(
        "{} is no adapter, or a damaged one: {what}; learn it anew with `soundseek adapt`, or turn it off with `soundseek adapt --off`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It was learned for another model.
    #[error(
        "{} was learned for the model {learned_for}, not for {model}: learn one for this model with `soundseek adapt`",
        path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// The model that it is for.
        learned_for: Space,
        /// The model that is there.
        model: Space,
    },
}

impl Adapter {
    /// From the four matrices, each row after row.
    fn new(base: Space, dimension: usize, rank: usize, matrices: [Vec<f32>; 4]) -> Adapter {
        Adapter {
            base,
            dimension,
            rank,
            matrices,
        }
    }

    /// The space of the model that it was learned for.
    pub fn base(&self) -> &Space {
        &self.base
    }

    /// The rank of both maps.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// BLAKE3, in hexadecimal, of the base's fingerprint and the numbers: what tells it from others.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for text in [FORMAT, &self.base.fingerprint] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        for size in [self.dimension, self.rank] {
            hasher.update(&(size as u64).to_le_bytes());
        }
        for matrix in &self.matrices {
            hasher.update(&bytes_of(matrix));
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The vector to search with in the place of a text's: normalise(t + D(U t)), t = q + qEV.
    ///
    /// # Errors
    ///
    /// When the text is of another dimension, or nothing is left of it.
    pub fn apply(&self, text: &Vector) -> Result<Vector> {
        let q = text.as_slice();
        anyhow::ensure!(
            q.len() == self.dimension,
            "the adapter is for vectors of {} dimensions, not {}",
            self.dimension,
            q.len()
        );
        let [down, up, text_down, text_up] = &self.matrices;
        let mut t = q.to_vec();
        add(&mut t, &times(&times(q, text_down), text_up));
        let sounds: Vec<f32> = up
            .chunks_exact(self.dimension)
            .map(|row| dot(row, &t))
            .collect();
        let back: Vec<f32> = down
            .chunks_exact(self.rank)
            .map(|row| dot(row, &sounds))
            .collect();
        add(&mut t, &back);
        Vector::normalized(t).context("the adapter leaves nothing of the text")
    }

    /// Writes it to a file, which is replaced in one step.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        let wanted = || format!("the adapter {} cannot be written", path.display());
        let bytes: Vec<Vec<u8>> = self
            .matrices
            .iter()
            .map(|matrix| bytes_of(matrix))
            .collect();
        let mut tensors = BTreeMap::new();
        for ((name, shape), bytes) in NAMES.iter().zip(self.shapes()).zip(&bytes) {
            tensors.insert(*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?);
        }
        let about = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("model".to_string(), self.base.name.clone()),
            ("base".to_string(), self.base.fingerprint.clone()),
            ("fingerprint".to_string(), self.fingerprint()),
        ]);
        let file = safetensors::serialize(tensors, Some(about))?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(folder).with_context(wanted)?;
        std::io::Write::write_all(&mut new, &file).with_context(wanted)?;
        new.as_file().sync_all().with_context(wanted)?;
        new.persist(path).with_context(wanted)?;
        Ok(())
    }

    /// Reads one that [`Adapter::write`] wrote, for a model's space.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is anything else or damaged, or is for another model.
    pub fn read(path: &Path, space: &Space) -> Result<Adapter, AdapterError> {
        let unreadable = |source| AdapterError::Unreadable {
            path: path.to_path_buf(),
            source,
        };
        let damaged = |what: &str| AdapterError::Damaged {
            path: path.to_path_buf(),
            what: what.to_string(),
        };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > MOST_BYTES {
            return Err(damaged("it is too large"));
        }
        let file = std::fs::read(path).map_err(unreadable)?;
        let adapter = parse(&file).map_err(damaged)?;
        if adapter.base.fingerprint != space.fingerprint {
            return Err(AdapterError::OtherModel {
                path: path.to_path_buf(),
                learned_for: adapter.base,
                model: space.clone(),
            });
        }
        Ok(adapter)
    }

    fn shapes(&self) -> [[usize; 2]; 4] {
        let (down, up) = ([self.dimension, self.rank], [self.rank, self.dimension]);
        [down, up, down, up]
    }
}

fn parse(file: &[u8]) -> Result<Adapter, &'static str> {
    let (_, header) = SafeTensors::read_metadata(file).map_err(|_| "its header cannot be read")?;
    let tensors = SafeTensors::deserialize(file).map_err(|_| "its header cannot be read")?;
    let about = header
        .metadata()
        .as_ref()
        .ok_or("it does not say what it is")?;
    if about.get("format").map(String::as_str) != Some(FORMAT) {
        return Err("it does not say that it is an adapter of this version");
    }
    let text = |key: &str| about.get(key).cloned().ok_or("it does not name its model");
    let base = Space {
        name: text("model")?,
        fingerprint: text("base")?,
    };
    let mut matrices = [const { Vec::new() }; 4];
    let mut sizes = None;
    for (place, (name, matrix)) in NAMES.iter().zip(&mut matrices).enumerate() {
        let tensor = tensors.tensor(name).map_err(|_| "a matrix is missing")?;
        let &[rows, columns] = tensor.shape() else {
            return Err("a matrix is none");
        };
        let size = if place % 2 == 0 {
            (rows, columns)
        } else {
            (columns, rows)
        };
        if tensor.dtype() != Dtype::F32 || *sizes.get_or_insert(size) != size {
            return Err("its matrices do not fit together");
        }
        let numbers = tensor.data().chunks_exact(4);
        *matrix = numbers
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
            .collect();
        if matrix.iter().any(|x| !x.is_finite()) {
            return Err("a number in it is not finite");
        }
    }
    let (dimension, rank) = sizes
        .filter(|size| size.0 > 0 && size.1 > 0)
        .ok_or("it is empty")?;
    let adapter = Adapter::new(base, dimension, rank, matrices);
    if about.get("fingerprint") != Some(&adapter.fingerprint()) {
        return Err("its numbers are not those that were written");
    }
    Ok(adapter)
}

/// A row vector times a matrix with as many rows.
fn times(x: &[f32], matrix: &[f32]) -> Vec<f32> {
    let columns = matrix.len() / x.len();
    let mut product = vec![0.0; columns];
    for (x, row) in x.iter().zip(matrix.chunks_exact(columns)) {
        for (sum, y) in product.iter_mut().zip(row) {
            *sum += x * y;
        }
    }
    product
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sum: &mut [f32], more: &[f32]) {
    for (sum, x) in sum.iter_mut().zip(more) {
        *sum += x;
    }
}

fn bytes_of(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(fingerprint: &str) -> Space {
        Space {
            name: "a model".into(),
            fingerprint: fingerprint.into(),
        }
    }

    /// Three dimensions, rank 2, numbers without a pattern.
    fn adapter() -> Adapter {
        let matrix = |seed: i16| {
            (0..6)
                .map(|i| f32::from((i * 7 + seed) % 11 - 5) / 10.0)
                .collect()
        };
        Adapter::new(space("base"), 3, 2, [1, 2, 3, 4].map(matrix))
    }

    #[test]
    fn both_maps_fold_into_the_text() {
        let adapter = adapter();
        let [down, up, text_down, text_up] = &adapter.matrices;
        let q = Vector::normalized(vec![0.3, -0.8, 0.5]).expect("a direction");
        let folded = adapter.apply(&q).expect("applied");
        let mut t = q.as_slice().to_vec();
        add(&mut t, &times(&times(q.as_slice(), text_down), text_up));
        let mut ratios = vec![];
        for x in [[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [-0.6, 0.48, 0.64]] {
            let mut mapped = x.to_vec();
            add(&mut mapped, &times(&times(&x, down), up));
            ratios.push(dot(&mapped, &t) / dot(&x, folded.as_slice()));
        }
        // Both are the same but for the length of the folded text, which is the same for all sounds.
        for ratio in &ratios {
            assert!(
                (ratio - ratios[0]).abs() < 1e-5 * ratios[0].abs(),
                "{ratios:?}"
            );
        }
    }

    #[test]
    fn a_file_gives_back_what_was_written_and_every_damage_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.safetensors");
        let written = adapter();
        written.write(&path).expect("written");
        let read = Adapter::read(&path, &space("base")).expect("read");
        assert_eq!(read, written);
        assert_eq!(read.fingerprint(), written.fingerprint());
        let whole = std::fs::read(&path).expect("read");
        for byte in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x10;
            std::fs::write(&path, &damaged).expect("written");
            let read = Adapter::read(&path, &space("base"));
            // The name of the model is shown and decides nothing.
            let same = read
                .as_ref()
                .is_ok_and(|read| read.matrices == written.matrices);
            assert!(read.is_err() || same, "byte {byte}");
        }
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("written");
            let error = Adapter::read(&path, &space("base")).expect_err("cut");
            assert!(error.to_string().contains("soundseek adapt"), "{error}");
        }
    }

    #[test]
    fn another_model_is_refused_by_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.safetensors");
        adapter().write(&path).expect("written");
        let error = Adapter::read(&path, &space("other")).expect_err("another model");
        assert!(matches!(error, AdapterError::OtherModel { .. }));
        assert!(
            error
                .to_string()
                .contains("learned for the model a model (base)"),
            "{error}"
        );
    }
}
