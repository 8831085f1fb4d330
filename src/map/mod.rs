//! A map of the library: every sound a point, near those that sound like it, coloured by what it is.
//!
//! [`lay_out`] takes the mean vector of each sound, arranges them in the plane ([`arrange`]) and names
//! each by the nearest of a small list of [`LABELS`]. That takes seconds for a large library, so that
//! it is meant for a thread in the background, and what was made is kept with the library until the
//! library changes. It stands apart from the search because it answers no query.

mod arrange;
mod neighbours;

use std::sync::{PoisonError, RwLock};

use anyhow::Result;
use soundseek_index::{Index, Vector};

use crate::embed::{Embedder, mean};
use crate::library::{ContentHash, Library};
pub use arrange::arrange;

/// Counts up when maps are made differently, so that old ones are made again.
const VERSION: u8 = 1;

/// How many maps the library keeps: one for each of a few models, as the library was last.
const KEPT: u32 = 4;

/// What sounds are called on the map. Descriptions as the models take them, from the classes that
/// sample libraries and field recordings are sorted by.
pub const LABELS: [&str; 46] = [
    "kick drum",
    "snare drum",
    "hi-hat",
    "cymbal",
    "tom drum",
    "hand clap",
    "shaker",
    "drum loop",
    "bass",
    "synthesizer pad",
    "synthesizer lead",
    "guitar",
    "piano",
    "strings",
    "brass",
    "flute",
    "bell",
    "choir",
    "speech",
    "laughter",
    "scream",
    "applause",
    "footsteps",
    "door",
    "glass breaking",
    "explosion",
    "gunshot",
    "laser",
    "click",
    "whoosh",
    "impact",
    "machine",
    "engine",
    "water",
    "rain",
    "thunder",
    "wind",
    "fire",
    "bird",
    "dog",
    "insects",
    "siren",
    "telephone",
    "coin",
    "noise",
    "drone",
];

/// A sound on the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Its content.
    pub content: ContentHash,
    /// Where it is, in [-1, 1].
    pub x: f32,
    /// Where it is, in [-1, 1].
    pub y: f32,
    /// Its place in [`LABELS`].
    pub label: u8,
}

/// All sounds on the map, in the order of their contents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    /// The points.
    pub points: Vec<Point>,
}

/// The map of a library: the kept one if nothing has changed, one made now otherwise. `None` once
/// `cancel` says yes. `progress` is told how much is done, in [0, 1].
///
/// # Errors
/// When the store is damaged or the model cannot be computed.
pub fn lay_out(
    library: &Library,
    index: &RwLock<Index>,
    embedder: &Embedder,
    cancel: &(dyn Fn() -> bool + Sync),
    progress: &dyn Fn(f32),
) -> Result<Option<Map>> {
    let contents: Vec<ContentHash> = {
        let index = index.read().unwrap_or_else(PoisonError::into_inner);
        index.keys().filter_map(|key| key.try_into().ok()).collect()
    };
    let cache = library.cache("maps", KEPT)?;
    let space = embedder.space()?;
    let words = library.adapter(&space)?;
    let words = words.map(|adapter| adapter.fingerprint());
    let digest = digest(&space.fingerprint, words.as_deref(), &contents);
    if let Some(map) = cache
        .get(&digest)?
        .and_then(|bytes| Map::from_bytes(&bytes))
    {
        return Ok(Some(map));
    }
    let labels = LABELS
        .iter()
        .map(|label| library.in_own_words(&space, embedder.embed_text(label)?))
        .collect::<Result<Vec<Vector>>>()?;
    let (mut points, mut rows) = (Vec::new(), Vec::new());
    for (done, content) in contents.iter().enumerate() {
        if cancel() {
            return Ok(None);
        }
        // Locked for one entry at a time, so that indexing can write in between.
        let entry = index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(content)?;
        let Some(vectors) = entry.map(|entry| entry.vectors) else {
            continue;
        };
        // A sound without vectors, or whose vectors cancel out, has no place.
        let Ok(vector) = mean(&vectors) else { continue };
        rows.extend_from_slice(vector.as_slice());
        let likeness = |label: &Vector| dot(label.as_slice(), vector.as_slice());
        let label = (0..labels.len())
            .max_by(|&a, &b| likeness(&labels[a]).total_cmp(&likeness(&labels[b])));
        points.push(Point {
            content: *content,
            x: 0.0,
            y: 0.0,
            label: label.unwrap_or(0) as u8,
        });
        if done % 256 == 0 {
            progress(0.2 * done as f32 / contents.len() as f32);
        }
    }
    let dimension = embedder.model().dimension();
    let told = |share: f32| progress(0.2 + 0.8 * share);
    let Some(places) = arrange(&rows, dimension, cancel, &told) else {
        return Ok(None);
    };
    for (point, [x, y]) in points.iter_mut().zip(places) {
        (point.x, point.y) = (x, y);
    }
    let map = Map { points };
    cache.put(&digest, &map.to_bytes())?;
    Ok(Some(map))
}

/// What a map was made from: the model, the adapter that labels were put through, and the sounds.
fn digest(fingerprint: &str, adapter: Option<&str>, contents: &[ContentHash]) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[VERSION]);
    hasher.update(fingerprint.as_bytes());
    hasher.update(adapter.unwrap_or_default().as_bytes());
    for content in contents {
        hasher.update(content);
    }
    *hasher.finalize().as_bytes()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Map {
    /// For each point its content, two little-endian f32 and the label, after the version.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for point in &self.points {
            bytes.extend(point.content);
            bytes.extend(point.x.to_le_bytes());
            bytes.extend(point.y.to_le_bytes());
            bytes.push(point.label);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Map> {
        const POINT: usize = 41;
        let (&version, points) = bytes.split_first()?;
        let whole = version == VERSION && points.len().is_multiple_of(POINT);
        let points = points.chunks_exact(POINT).map(|point| {
            let number = |at: usize| {
                let bytes = point[at..at + 4].try_into().ok()?;
                let number = f32::from_le_bytes(bytes);
                (-1.0..=1.0).contains(&number).then_some(number)
            };
            Some(Point {
                content: point[..32].try_into().ok()?,
                x: number(32)?,
                y: number(36)?,
                label: Some(point[40]).filter(|&label| usize::from(label) < LABELS.len())?,
            })
        });
        whole.then(|| points.collect::<Option<_>>().map(|points| Map { points }))?
    }
}
