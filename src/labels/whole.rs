//! Labelling a whole library from its stored vectors, with nothing decoded.
//!
//! It stands apart from the classifier because here is what makes it fast and safe to interrupt: all
//! cores, a batch of sounds at a time, each batch written in one step. Only sounds without labels of
//! this set are looked at, so the next run goes on where this one ended and adds what was indexed
//! since.

use anyhow::Result;
use rayon::prelude::*;
use soundseek_index::Index;

use super::{Classifier, LabelSet, ranked};
use crate::library::{ContentHash, Labelling, Library};

/// How many sounds are labelled and written at once.
const BATCH: usize = 4096;

/// What labelling a library came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Labelled {
    /// Sounds that were looked at.
    pub sounds: usize,
    /// Labels that they got.
    pub labels: usize,
    /// Sounds that had been looked at before.
    pub known: usize,
    /// Sounds of before that the library no longer has, and that were forgotten.
    pub gone: usize,
}

/// Labels every sound of a library that this labelling does not know yet; what another one of the
/// same name gave is dropped first. `go_on` is asked between batches.
///
/// # Errors
///
/// When the store is damaged or the disk refuses; what was written stays.
pub fn label_library(
    library: &Library,
    index: &Index,
    classifier: &Classifier,
    set: &LabelSet,
    labelling: &Labelling,
    go_on: &dyn Fn(&Labelled) -> bool,
) -> Result<Labelled> {
    library.begin_labelling(&set.name, labelling)?;
    let known = library.labelled_contents(&set.name)?;
    let gone: Vec<ContentHash> = known
        .iter()
        .filter(|content| !index.contains(*content))
        .copied()
        .collect();
    library.forget_labels(&set.name, &gone)?;
    let mut done = Labelled {
        known: known.len() - gone.len(),
        gone: gone.len(),
        ..Labelled::default()
    };
    let keys = index.keys().filter_map(|key| key.try_into().ok());
    let new: Vec<ContentHash> = keys.filter(|key| !known.contains(key)).collect();
    for batch in new.chunks(BATCH) {
        let given: Vec<_> = batch
            .par_iter()
            .filter_map(|content| match index.get(content) {
                Ok(entry) => entry.map(|entry| {
                    let probabilities = classifier.probabilities(&entry.vectors);
                    Ok((*content, likely(&probabilities, labelling.threshold)))
                }),
                Err(error) => Some(Err(error)),
            })
            .collect::<Result<_, _>>()?;
        library.give_labels(&set.name, &given)?;
        done.sounds += given.len();
        done.labels += given.iter().map(|(_, labels)| labels.len()).sum::<usize>();
        if !go_on(&done) {
            break;
        }
    }
    Ok(done)
}

/// The labels that are probable enough, the most probable first.
fn likely(probabilities: &[f32], threshold: f32) -> Vec<(u16, f32)> {
    let probable = ranked(probabilities)
        .into_iter()
        .map(|label| (label, probabilities[label]))
        .take_while(|&(_, probability)| probability >= threshold);
    // A set has fewer labels than a u16 can count.
    probable
        .filter_map(|(label, probability)| Some((u16::try_from(label).ok()?, probability)))
        .collect()
}
