//! Folding results that are the same sound into one line.
//!
//! Sample libraries are full of copies and of the same sound in two formats; without folding they
//! crowd out everything else. Among moments, what is folded are the overlapping segments around one
//! event. It stands apart from the search because it is a rule of its own, with its own thresholds.

use std::collections::HashMap;

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

/// Gathers hits, best first.
pub(super) struct Folder<'a> {
    index: &'a Index,
    moments: bool,
    unfold: bool,
    hits: Vec<Hit>,
    wholes: HashMap<ContentHash, Vector>,
}

impl<'a> Folder<'a> {
    pub(super) fn new(index: &'a Index, moments: bool, unfold: bool) -> Folder<'a> {
        Folder {
            index,
            moments,
            unfold,
            hits: vec![],
            wholes: HashMap::new(),
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
            let repeated = self.hits.iter().any(|better| {
                let same_sound = better.record.content == hit.record.content;
                let other_copy = same_sound && better.path != hit.path && !self.unfold;
                same_sound && overlaps(better, &hit) && better.path == hit.path || other_copy
            });
            if !repeated {
                self.hits.push(hit);
            }
            return Ok(());
        }
        if self.folds()
            && let Some(place) = self.place_of_alike(&hit)?
        {
            self.hits[place].alike.push(hit.path);
        } else {
            self.hits.push(hit);
        }
        Ok(())
    }

    /// The first `n` hits, ranked.
    pub(super) fn into_hits(mut self, n: usize) -> Vec<Hit> {
        self.hits.truncate(n);
        for (place, hit) in self.hits.iter_mut().enumerate() {
            hit.rank = place + 1;
        }
        self.hits
    }

    fn place_of_alike(&mut self, hit: &Hit) -> Result<Option<usize>> {
        for place in 0..self.hits.len() {
            let better = &self.hits[place].record;
            if better.content == hit.record.content {
                return Ok(Some(place));
            }
            let difference_s = (better.sound.duration_s - hit.record.sound.duration_s).abs();
            if difference_s > ALIKE_DURATION_S {
                continue;
            }
            let better = better.content;
            let cosine = self.whole(&better)?.dot(&self.whole(&hit.record.content)?);
            if cosine >= ALIKE_COSINE {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The vector of a sound as a whole.
    fn whole(&mut self, content: &ContentHash) -> Result<Vector> {
        if let Some(whole) = self.wholes.get(content) {
            return Ok(whole.clone());
        }
        let entry = self.index.get(content)?;
        let whole = mean(&entry.map(|entry| entry.vectors).unwrap_or_default())?;
        self.wholes.insert(*content, whole.clone());
        Ok(whole)
    }
}

fn overlaps(a: &Hit, b: &Hit) -> bool {
    a.moment.0 < b.moment.1 && b.moment.0 < a.moment.1
}
