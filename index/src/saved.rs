//! The graph as bytes in the store: a **rebuildable copy** that spares building it at every start.
//!
//! hnsw_rs writes two files by path, in the machine's own byte order. They are dumped into a
//! temporary folder and copied into the tree `graph` as chunks: generation `u64` big-endian, part
//! `u8` (0 graph, 1 data), chunk `u32` big-endian. One last write, the manifest, makes a generation
//! valid. Loading verifies both lengths and the digest before the library sees a byte, since it
//! ends the process (or asks for gigabytes) on damaged ones.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::space::SpaceStore;

const MANIFEST: &[u8] = b"manifest";

/// Measured: a store of 1 MiB values takes twice the disk of one of 64 KiB, and opens five times
/// slower.
const CHUNK_BYTES: usize = 64 << 10;

const TEMPORARY_PREFIX: &str = ".graph-";
const NAME: &str = "graph";
const PARTS: [&str; 2] = ["hnsw.graph", "hnsw.data"];

/// Where a dump states the scale of its level distribution (after a magic number, the mode and
/// `m`), and the magic number of the layout that has it there.
const LEVEL_SCALE: std::ops::Range<usize> = 6..14;
const LAYOUT_WITH_LEVEL_SCALE: u32 = 0x002a_6779;

/// Says that a generation is whole, and what it was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Manifest {
    generation: u64,
    lengths: [u64; 2],
    m: u64,
    ef_construction: u64,
    digest: [u8; 32],
}

impl Manifest {
    const BYTES: usize = 5 * 8 + 32;

    fn to_bytes(&self) -> Vec<u8> {
        let [graph, data] = self.lengths;
        let numbers = [self.generation, graph, data, self.m, self.ef_construction];
        let mut bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        bytes.extend(self.digest);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Manifest> {
        let (digest, _) = bytes.get(40..)?.split_first_chunk()?;
        let (numbers, _) = bytes.as_chunks::<8>();
        let number = |at: usize| u64::from_le_bytes(numbers[at]);
        (bytes.len() == Manifest::BYTES).then(|| Manifest {
            generation: number(0),
            lengths: [number(1), number(2)],
            m: number(3),
            ef_construction: number(4),
            digest: *digest,
        })
    }
}

/// Removes the temporary folders of saves and loads that were cut off.
pub(crate) fn sweep(dir: &Path) {
    let Ok(listing) = fs::read_dir(dir) else {
        return;
    };
    for item in listing.flatten() {
        if item
            .file_name()
            .to_string_lossy()
            .starts_with(TEMPORARY_PREFIX)
        {
            // What cannot be removed costs disk space only, and is tried again next time.
            let _ = fs::remove_dir_all(item.path());
        }
    }
}

/// Writes the graph, and removes the generation before it.
pub(crate) fn save(
    space: &SpaceStore,
    graph: &Graph,
    m: usize,
    ef_construction: usize,
) -> Result<()> {
    let failed = |source| Error::Storage {
        path: space.path().to_path_buf(),
        source,
    };
    let folder = temporary_folder(space).map_err(failed)?;
    graph
        .dump(folder.path(), NAME)
        .map_err(|what| failed(io::Error::other(what)))?;

    let old = manifest(space)?;
    let generation = old.map_or(1, |old| old.generation.wrapping_add(1));
    // A generation that a crash cut off may have left chunks under this number.
    remove_generations(space, |found| found == generation)?;
    let mut hasher = blake3::Hasher::new();
    let mut lengths = [0; 2];
    for (part, length) in lengths.iter_mut().enumerate() {
        let mut file = File::open(part_path(folder.path(), part)).map_err(failed)?;
        for number in 0u32.. {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            (&mut file)
                .take(CHUNK_BYTES as u64)
                .read_to_end(&mut chunk)
                .map_err(failed)?;
            if chunk.is_empty() {
                break;
            }
            if (part, number) == (0, 0) {
                state_level_scale_as_factor(&mut chunk);
            }
            hasher.update(&chunk);
            *length += chunk.len() as u64;
            space
                .graph
                .insert(&chunk_key(generation, part as u8, number), chunk)?;
        }
    }
    let manifest = Manifest {
        generation,
        lengths,
        m: m as u64,
        ef_construction: ef_construction as u64,
        digest: *hasher.finalize().as_bytes(),
    };
    space.graph.insert(MANIFEST, manifest.to_bytes())?;
    remove_generations(space, |found| found != generation)
}

/// The saved graph, if there is one that is whole and was built with these settings.
pub(crate) fn load(space: &SpaceStore, m: usize, ef_construction: usize) -> Result<Option<Graph>> {
    let Some(manifest) = manifest(space)? else {
        return Ok(None);
    };
    if (manifest.m, manifest.ef_construction) != (m as u64, ef_construction as u64) {
        return Ok(None);
    }
    let failed = |source| Error::Storage {
        path: space.path().to_path_buf(),
        source,
    };
    let folder = temporary_folder(space).map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    for (part, expected) in manifest.lengths.into_iter().enumerate() {
        let mut file = File::create(part_path(folder.path(), part)).map_err(failed)?;
        let mut length = 0;
        let mut prefix = manifest.generation.to_be_bytes().to_vec();
        prefix.push(part as u8);
        for record in space.graph.with_prefix(&prefix) {
            let (_, chunk) = record?;
            hasher.update(&chunk);
            length += chunk.len() as u64;
            file.write_all(&chunk).map_err(failed)?;
        }
        if length != expected {
            return Ok(None);
        }
    }
    if *hasher.finalize().as_bytes() != manifest.digest {
        return Ok(None);
    }
    Ok(Graph::load(folder.path(), NAME, space.dimension))
}

/// Removes the saved graph.
pub(crate) fn remove(space: &SpaceStore) -> Result<()> {
    space.graph.clear()
}

fn manifest(space: &SpaceStore) -> Result<Option<Manifest>> {
    Ok(space
        .graph
        .get(MANIFEST)?
        .and_then(|bytes| Manifest::from_bytes(bytes.as_ref())))
}

/// Beside the store: the system's temporary folder may be small, or in memory.
fn temporary_folder(space: &SpaceStore) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempdir_in(space.path())
}

fn part_path(folder: &Path, part: usize) -> std::path::PathBuf {
    folder.join(format!("{NAME}.{}", PARTS[part]))
}

fn chunk_key(generation: u64, part: u8, number: u32) -> Vec<u8> {
    let mut key = generation.to_be_bytes().to_vec();
    key.push(part);
    key.extend(number.to_be_bytes());
    key
}

fn remove_generations(space: &SpaceStore, which: impl Fn(u64) -> bool) -> Result<()> {
    for record in space.graph.iter() {
        let (key, _) = record?;
        let generation = key
            .first_chunk()
            .map(|generation| u64::from_be_bytes(*generation));
        if key.len() == 13 && generation.is_some_and(&which) {
            space.graph.remove(&key)?;
        }
    }
    Ok(())
}

/// hnsw_rs 0.3.5 writes the scale itself, and multiplies what it reads with the default scale
/// (hnswio.rs `load_point_indexation`, hnsw.rs `new_with_scale`): every later insertion would stay
/// in the lowest layers. The factor that it means to read is 1.
fn state_level_scale_as_factor(graph: &mut [u8]) {
    if graph.first_chunk() == Some(&LAYOUT_WITH_LEVEL_SCALE.to_ne_bytes())
        && let Some(scale) = graph.get_mut(LEVEL_SCALE)
    {
        scale.copy_from_slice(&1.0f64.to_ne_bytes());
    }
}
