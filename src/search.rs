//! Searching a library: a query of texts and clips in, ranked files or moments out.
//!
//! A query is one vector, the normalised weighted sum of its parts; a part with a negative weight
//! pushes away. Filters are applied inside the index's search, so a narrow one never empties the
//! list. What the index finds are contents; here they become files, copies and near-identical sounds
//! are folded, and similarities are put on a scale that a person can read ([`strength`]).

mod clips;
mod fold;
mod labelled;
pub mod strength;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{RwLock, RwLockReadGuard};

use anyhow::{Context, Result, bail, ensure};
use soundseek_index::{Entry, Index, Neighbor, Query as IndexQuery, Vector};

use crate::audio::{Span, segment_file};
use crate::embed::{Embedder, mean, weighted_sum};
pub use crate::library::Filters;
use crate::library::{FileRecord, Library, Moment, SoundEntry, Stamp};
use crate::mel::Scratch;
pub use clips::Clips;
use fold::Folder;
pub use labelled::labelled;
use strength::Background;

/// How many segments of a clip that is not indexed are embedded at once.
const CLIP_BATCH: usize = 8;

/// One part of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it sounds like.
    pub source: Source,
    /// How much it counts against the others; below zero it pushes away.
    pub weight: f32,
}

/// What a part of a query is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A description.
    Text(String),
    /// A sound, indexed or not.
    Clip {
        /// Its file.
        path: PathBuf,
        /// The part of it that is meant; all of it when `None`.
        span: Option<Span>,
    },
}

/// How to search and what to show.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// How many results at most.
    pub n: usize,
    /// How far the graph looks (`ef` of the HNSW paper, section 4); more finds more and takes longer.
    pub ef: usize,
    /// The least cosine similarity, in [-1, 1].
    pub min_similarity: f32,
    /// Rank moments, several of one file if they match, instead of files.
    pub moments: bool,
    /// Show copies and near-identical sounds each on their own.
    pub unfold: bool,
    /// What may be found.
    pub filters: Filters,
}

impl Default for SearchOptions {
    fn default() -> SearchOptions {
        SearchOptions {
            n: 10,
            ef: 128,
            min_similarity: -1.0,
            moments: false,
            unfold: false,
            filters: Filters::default(),
        }
    }
}

/// A file, or a moment of one, that matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// 1 for the best.
    pub rank: usize,
    /// The file; of several with the same content the first by path.
    pub path: PathBuf,
    /// What is known of it.
    pub record: FileRecord,
    /// Where the best matching moment starts and ends, in seconds.
    pub moment: Moment,
    /// Cosine similarity of the moment to the query, in [-1, 1].
    pub similarity: f32,
    /// The similarity on a readable scale, in [0, 1]: see [`strength`].
    pub strength: f32,
    /// Other files that are the same sound, by content or very nearly; these fold nothing themselves.
    pub alike: Vec<Hit>,
}

impl Hit {
    /// A file that nothing was asked of: all of it is meant, and it is like nothing, of no rank.
    pub fn whole(path: PathBuf, record: FileRecord) -> Hit {
        Hit {
            rank: 0,
            moment: (0.0, record.sound.duration_s as f32),
            path,
            record,
            similarity: 0.0,
            strength: 0.0,
            alike: vec![],
        }
    }
}

/// How well one stored moment of a file matches a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Where the moment starts and ends, in seconds.
    pub moment: Moment,
    /// Its cosine similarity to the query, in [-1, 1].
    pub similarity: f32,
    /// The similarity on a readable scale, in [0, 1]: see [`strength`].
    pub strength: f32,
}

/// A library's files and one model's vectors of them, ready to be searched.
///
/// It borrows what it works on, costs nothing to make, and can be made and used on any thread. The
/// index is locked, for reading, only while it is asked, never while the model computes; so a library
/// can be searched and indexed at the same time, and what is found is what is written by then.
pub struct Searcher<'a> {
    library: &'a Library,
    index: &'a RwLock<Index>,
    embedder: &'a Embedder,
    clips: Option<&'a Clips>,
}

impl<'a> Searcher<'a> {
    /// Ties together a library, an index that was opened from it, and the model of that index.
    pub fn new(
        library: &'a Library,
        index: &'a RwLock<Index>,
        embedder: &'a Embedder,
    ) -> Searcher<'a> {
        Searcher {
            library,
            index,
            embedder,
            clips: None,
        }
    }

    /// Remembers clips that have to be embedded; `clips` is for this model alone.
    pub fn remembering(self, clips: &'a Clips) -> Searcher<'a> {
        Searcher {
            clips: Some(clips),
            ..self
        }
    }

    /// Searches by the weighted sum of the parts.
    ///
    /// # Errors
    ///
    /// When there is no part or they cancel out, a clip cannot be read, or the store is damaged.
    pub fn search(&self, parts: &[Part], options: &SearchOptions) -> Result<Vec<Hit>> {
        let vector = self.query_vector(parts)?;
        let seeds = Seeds::of(parts, self.library)?;
        self.search_vector(&vector, &seeds, options)
    }

    /// How well each moment of one file matches the weighted sum of the parts, in the order of time;
    /// empty for a file that is not in the library.
    ///
    /// # Errors
    ///
    /// As [`Searcher::search`].
    pub fn curve(&self, parts: &[Part], path: &Path) -> Result<Vec<CurvePoint>> {
        let vector = self.query_vector(parts)?;
        let Some(record) = self.library.file(path)? else {
            return Ok(vec![]);
        };
        let index = self.index();
        let background = Background::new(&index.background(&vector, strength::SAMPLE)?);
        let Some(entry) = index.get(&record.content)? else {
            return Ok(vec![]);
        };
        let moments = SoundEntry::from_bytes(&entry.payload)?.moments;
        let points = moments.into_iter().zip(&entry.vectors);
        Ok(points
            .map(|(moment, stored)| {
                let similarity = 1.0 - stored.distance(&vector);
                CurvePoint {
                    moment,
                    similarity,
                    strength: background.strength(similarity),
                }
            })
            .collect())
    }

    /// The normalised weighted sum of the parts' vectors.
    fn query_vector(&self, parts: &[Part]) -> Result<Vector> {
        ensure!(
            !parts.is_empty(),
            "there is nothing to search for: give a description or a clip"
        );
        let vectors = parts
            .iter()
            .map(|part| self.part_vector(&part.source))
            .collect::<Result<Vec<_>>>()?;
        let weighted: Vec<_> = vectors
            .iter()
            .zip(parts)
            .map(|(vector, part)| (vector, part.weight))
            .collect();
        weighted_sum(&weighted)
    }

    fn index(&self) -> RwLockReadGuard<'a, Index> {
        self.index
            .read()
            .expect("no thread panics while it writes the index")
    }

    fn part_vector(&self, source: &Source) -> Result<Vector> {
        match source {
            Source::Text(text) => self.text_vector(text),
            Source::Clip { path, span } => self.clip_vector(path, span.as_ref()),
        }
    }

    /// A text's vector, in the library's own words where it was taught some.
    fn text_vector(&self, text: &str) -> Result<Vector> {
        let vector = self.embedder.embed_text(text)?;
        self.library.in_own_words(&self.embedder.space()?, vector)
    }

    /// The normalised mean of a clip's segments: stored ones where the file is indexed and unchanged.
    fn clip_vector(&self, path: &Path, span: Option<&Span>) -> Result<Vector> {
        let metadata = std::fs::metadata(path)
            .with_context(|| format!("the clip {} cannot be read", path.display()))?;
        let stamp = Stamp::of(&metadata);
        if span.is_none()
            && let Some(entry) = self.stored(path, stamp)?
        {
            return mean(&entry.vectors);
        }
        let known = self.clips.and_then(|clips| clips.recall(path, stamp, span));
        if let Some(vector) = known {
            return Ok(vector);
        }
        let vectors = embed_file(self.embedder, path, span)?.into_iter();
        let vector = mean(&vectors.map(|(_, vector)| vector).collect::<Vec<_>>())?;
        if let Some(clips) = self.clips {
            clips.remember(path, stamp, span, &vector);
        }
        Ok(vector)
    }

    /// The moments and vectors of a file: stored ones where it is indexed and unchanged, else it is
    /// decoded now.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or decoded, or the store is damaged.
    pub fn moments(&self, path: &Path) -> Result<Vec<(Moment, Vector)>> {
        let metadata = std::fs::metadata(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        match self.stored(path, Stamp::of(&metadata))? {
            Some(entry) => {
                let moments = SoundEntry::from_bytes(&entry.payload)?.moments;
                Ok(moments.into_iter().zip(entry.vectors).collect())
            }
            None => embed_file(self.embedder, path, None),
        }
    }

    /// What the index holds of a file that has not changed since.
    fn stored(&self, path: &Path, stamp: Stamp) -> Result<Option<Entry>> {
        let record = self.library.file(&self.library.place(path)?)?;
        match record.filter(|record| record.stamp == stamp) {
            Some(record) => Ok(self.index().get(&record.content)?),
            None => Ok(None),
        }
    }

    fn search_vector(
        &self,
        vector: &Vector,
        seeds: &Seeds,
        options: &SearchOptions,
    ) -> Result<Vec<Hit>> {
        let passing = self.library.passing_contents(&options.filters)?;
        let index = self.index();
        let filter = passing
            .as_ref()
            .map(|passing| move |key: &[u8]| passing.contains(key));
        let background = Background::new(&index.background(vector, strength::SAMPLE)?);
        // Folding and copies take more neighbours than lines, so the list grows until it suffices.
        let all = index.vectors() + 1;
        let mut k = options.n.saturating_mul(2).saturating_add(8).min(all);
        loop {
            let neighbors = index.search(&IndexQuery {
                vector,
                k,
                ef: options.ef.max(k),
                per_entry: !options.moments,
                filter: filter
                    .as_ref()
                    .map(|filter| filter as &(dyn Fn(&[u8]) -> bool + Sync)),
            })?;
            let exhausted = neighbors.len() < k
                || neighbors
                    .last()
                    .is_some_and(|last| similarity(last) < options.min_similarity);
            let hits = self.hits(&index, &neighbors, &background, seeds, options)?;
            if hits.len() >= options.n || exhausted {
                return Ok(hits);
            }
            k = k.saturating_mul(4).min(all);
        }
    }

    fn hits(
        &self,
        index: &Index,
        neighbors: &[Neighbor],
        background: &Background,
        seeds: &Seeds,
        options: &SearchOptions,
    ) -> Result<Vec<Hit>> {
        let mut folder = Folder::new(index, options.moments, options.unfold);
        let mut entries: HashMap<&[u8], SoundEntry> = HashMap::new();
        for neighbor in neighbors {
            let similarity = similarity(neighbor);
            if similarity < options.min_similarity || folder.len() == options.n && !folder.folds() {
                break;
            }
            let entry = match entries.entry(&neighbor.key) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => {
                    let Some(payload) = index.payload(&neighbor.key)? else {
                        continue;
                    };
                    place.insert(SoundEntry::from_bytes(&payload)?)
                }
            };
            let Some(&moment) = entry.moments.get(neighbor.ordinal as usize) else {
                bail!("a sound has a vector without a moment: index its folder again")
            };
            let files = self.library.files_of(&neighbor.key)?;
            let files = files.into_iter().filter(|(path, record)| {
                options.filters.pass(path, record) && !seeds.hold(path, moment, options.moments)
            });
            for (path, record) in files {
                let strength = background.strength(similarity);
                folder.add(Hit {
                    rank: 0,
                    path,
                    record,
                    moment,
                    similarity,
                    strength,
                    alike: vec![],
                })?;
            }
        }
        Ok(folder.into_hits(options.n))
    }
}

/// The moments and vectors of a file, decoded now.
///
/// # Errors
///
/// When the file cannot be decoded or the model not computed.
pub fn embed_file(
    embedder: &Embedder,
    path: &Path,
    span: Option<&Span>,
) -> Result<Vec<(Moment, Vector)>> {
    let mut scratch = Scratch::default();
    let mut vectors = Vec::new();
    let mut moments = Vec::new();
    let mut batch = Vec::new();
    let mut failure = None;
    let mut embed = |batch: &mut Vec<_>| -> Result<()> {
        vectors.extend(embedder.embed_features(batch)?);
        batch.clear();
        Ok(())
    };
    segment_file(path, &embedder.segment_plan(), span, &mut |segment| {
        moments.push((segment.start_s as f32, segment.end_s as f32));
        batch.push(embedder.features(&segment.samples, &mut scratch));
        if batch.len() == CLIP_BATCH
            && let Err(error) = embed(&mut batch)
        {
            failure = Some(error);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    if !batch.is_empty() {
        embed(&mut batch)?;
    }
    Ok(moments.into_iter().zip(vectors).collect())
}

fn similarity(neighbor: &Neighbor) -> f32 {
    1.0 - neighbor.distance
}

/// The clips that a query is made of: nobody wants them back as results.
struct Seeds(Vec<(PathBuf, Option<Span>)>);

impl Seeds {
    fn of(parts: &[Part], library: &Library) -> Result<Seeds> {
        let mut clips = Vec::new();
        for part in parts {
            if let Source::Clip { path, span } = &part.source
                && part.weight > 0.0
            {
                clips.push((library.place(path)?, *span));
            }
        }
        Ok(Seeds(clips))
    }

    /// Among moments, the other moments of a file of which a part was given are welcome.
    fn hold(&self, path: &Path, (start, end): Moment, moments: bool) -> bool {
        self.0.iter().any(|(seed, span)| {
            let overlaps = span.as_ref().is_none_or(|span| {
                f64::from(end) > span.start_s
                    && span
                        .end_s
                        .is_none_or(|span_end| f64::from(start) < span_end)
            });
            seed == path && (!moments || overlaps)
        })
    }
}
