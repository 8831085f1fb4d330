//! Folding results that are the same sound into one line.
//!
//! Sample libraries are full of copies and of the same sound in two formats; without folding they
//! crowd out everything else. Among moments, what is folded are the overlapping segments around one
//! event. It stands apart from the search because it is a rule of its own, with its own thresholds.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::Result;
use soundseek_index::{Index, Vector};

use super::Hit;
use crate::embed::mean;
use crate::library::ContentHash;

/// Two sounds this close, whole against whole, are the same sound to a listener. Two encodings of one
/// recording have cosines of .997 and more; see the README for how the value was chosen.
pub const ALIKE_COSINE: f32 = 0.995;

/// How much the lengths of two encodings of one sound may differ: codecs pad up to two frames, which is
/// 2,304 samples of MP3, 52 ms at 44.1 kHz.
const ALIKE_DURATION_S: f64 = 0.06;

/// With how many hits of its length a further one is compared: the latest, which are nearest to it in
/// similarity to the query, as the same sound is. Without a bound the work would grow with the square
/// of the list.
const COMPARED: usize = 256;

/// Gathers hits, best first.
pub(super) struct Folder<'a> {
    index: &'a Index,
    moments: bool,
    unfold: bool,
    hits: Vec<Hit>,
    /// The place of each content's first hit.
    firsts: HashMap<ContentHash, usize>,
    /// Among files: the places of hits by their length, in units of [`ALIKE_DURATION_S`].
    by_length: HashMap<i64, Vec<usize>>,
    wholes: HashMap<ContentHash, Vector>,
    /// Among moments: the ends of those that are shown of each file by their starts, whose bits have
    /// the order of the numbers as none is negative.
    shown: HashMap<PathBuf, BTreeMap<u32, f32>>,
}

impl<'a> Folder<'a> {
    pub(super) fn new(index: &'a Index, moments: bool, unfold: bool) -> Folder<'a> {
        Folder {
            index,
            moments,
            unfold,
            hits: vec![],
            firsts: HashMap::new(),
            by_length: HashMap::new(),
            wholes: HashMap::new(),
            shown: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.hits.len()
    }

    /// True when a further hit may still be folded into one that is there.
    pub(super) fn folds(&self) -> bool {
        !self.unfold && !self.moments
    }

    /// Takes the next hit, which is no better than those before.
    pub(super) fn add(&mut self, hit: Hit) -> Result<()> {
        if self.moments {
            if self.is_repeated(&hit) {
                return Ok(());
            }
            let ends = self.shown.entry(hit.path.clone()).or_default();
            ends.insert(hit.moment.0.to_bits(), hit.moment.1);
        } else if self.folds() {
            if let Some(place) = self.place_of_alike(&hit)? {
                self.hits[place].alike.push(hit);
                return Ok(());
            }
            let places = self.by_length.entry(length_of(&hit)).or_default();
            places.push(self.hits.len());
        }
        self.firsts
            .entry(hit.record.content)
            .or_insert(self.hits.len());
        self.hits.push(hit);
        Ok(())
    }

    /// The first `n` hits, ranked.
    pub(super) fn into_hits(mut self, n: usize) -> Vec<Hit> {
        self.hits.truncate(n);
        for (place, hit) in self.hits.iter_mut().enumerate() {
            hit.rank = place + 1;
            hit.alike
                .iter_mut()
                .for_each(|alike| alike.rank = place + 1);
        }
        self.hits
    }

    /// True when a moment overlaps a better one of its file, or is one of another copy of it.
    fn is_repeated(&self, hit: &Hit) -> bool {
        let first = self.firsts.get(&hit.record.content);
        let other_copy = first.is_some_and(|place| self.hits[*place].path != hit.path);
        if other_copy && !self.unfold {
            return true;
        }
        // Those that are shown do not overlap, so only its two neighbours may reach into it.
        let (start, end) = hit.moment;
        self.shown.get(&hit.path).is_some_and(|ends| {
            let before = ends.range(..=start.to_bits()).next_back();
            let after = ends.range(start.to_bits()..).next();
            before.is_some_and(|(_, before_end)| *before_end > start)
                || after.is_some_and(|(after_start, _)| f32::from_bits(*after_start) < end)
        })
    }

    fn place_of_alike(&mut self, hit: &Hit) -> Result<Option<usize>> {
        if let Some(place) = self.firsts.get(&hit.record.content) {
            return Ok(Some(*place));
        }
        let length = length_of(hit);
        let mut places: Vec<usize> = (length.saturating_sub(1)..=length.saturating_add(1))
            .filter_map(|length| self.by_length.get(&length))
            .flat_map(|places| places.iter().rev().take(COMPARED).copied())
            .collect();
        places.sort_unstable();
        for place in places {
            let better = &self.hits[place].record;
            let difference_s = (better.sound.duration_s - hit.record.sound.duration_s).abs();
            if difference_s > ALIKE_DURATION_S {
                continue;
            }
            let better = better.content;
            self.remember_whole(&better)?;
            self.remember_whole(&hit.record.content)?;
            if self.wholes[&better].dot(&self.wholes[&hit.record.content]) >= ALIKE_COSINE {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Makes sure that the vector of a sound as a whole is at hand.
    fn remember_whole(&mut self, content: &ContentHash) -> Result<()> {
        if !self.wholes.contains_key(content) {
            let entry = self.index.get(content)?;
            let whole = mean(&entry.map(|entry| entry.vectors).unwrap_or_default())?;
            self.wholes.insert(*content, whole);
        }
        Ok(())
    }
}

/// Two lengths that differ by no more than [`ALIKE_DURATION_S`] are at most one unit apart.
fn length_of(hit: &Hit) -> i64 {
    (hit.record.sound.duration_s / ALIKE_DURATION_S).floor() as i64
}
