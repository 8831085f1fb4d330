//! Which names fit a sound: labels that the model gives without having been trained for them.
//!
//! This is zero-shot classification as the CLAP paper does it (Wu et al. 2023,
//! <https://arxiv.org/abs/2211.06687>, section 4.2): every label is put into a caption, and the
//! softmax of the cosines between a sound and all captions, times the model's scale, is how probable
//! each label is among its set. It stands apart from searching because it asks the other way round,
//! and because what comes out depends on the whole set and not only on the sound.
//!
//! The caption is the paper's, [`TEMPLATE`]. For searching, templates lower what is found (the README
//! has the table); for labels they do not: of 1,133 sounds of Debian packages whose names say what
//! they are, among 47 labels, 53.6 % got the right one first with it and 52.9 % with the bare label
//! (mean over the labels 46.3 and 44.5), with the built-in model; of 462 drums among 19 labels 46.8
//! and 43.7 %. LAION's checkpoints are evaluated with captions like it, too.
//!
//! Where a library was taught its own words ([`crate::adapt`]), captions are taken in them, as queries
//! are. Of the drums of half of 15 kits, among 48 labels, told with adapters that were learned from what
//! else there was, 33.1 % got the right one first and 71.1 % among the first three, instead of 31.0 and
//! 61.0 (means of five partings, of 185 or 264 drums each); of the labels that are probable enough to be
//! given to a library's sounds 36.5 % were right instead of 29.4.
//!
//! A sound of several segments has the mean of their probabilities, not the probabilities of their
//! mean: a recording of a dog and then of rain is both, a half each, where the mean of its vectors
//! lies between the two and may be nearest to something that is heard nowhere in it.

mod kept;
mod set;
mod whole;

use anyhow::{Context, Result};
use soundseek_index::Vector;

use crate::adapt::Adapter;
use crate::embed::Embedder;
pub use kept::KeptTexts;
pub use set::{BuiltInSet, Label, LabelSet, LabelSetError, ParseBuiltInSetError};
pub use whole::{Labelled, label_library};

/// The caption that labels are put into, in the place of `{}`.
pub const TEMPLATE: &str = "This is a sound of {}.";

/// How many captions are embedded at once; more need more memory and are no faster.
const CAPTION_BATCH: usize = 64;

/// Texts among which sounds are told apart.
pub struct Classifier {
    texts: Vec<Vector>,
    /// Factor from a cosine to a logit.
    scale: f32,
}

impl Classifier {
    /// For these texts, each taken as it stands. Vectors that an earlier run has kept are read.
    ///
    /// # Errors
    ///
    /// When the model cannot be computed.
    pub fn new(
        embedder: &Embedder,
        texts: &[impl AsRef<str>],
        kept: &KeptTexts,
    ) -> Result<Classifier> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let embeddings = kept.embeddings(embedder, &texts, || {
            let mut embeddings = Vec::with_capacity(texts.len());
            for batch in texts.chunks(CAPTION_BATCH) {
                embeddings.extend(embedder.model().text_embeddings(batch)?);
            }
            Ok(embeddings)
        })?;
        let vectors = embeddings.into_iter().map(Vector::normalized);
        let texts: Result<_, _> = vectors.collect();
        Ok(Classifier {
            texts: texts.context("a text embedding")?,
            scale: embedder.model().logit_scale_audio(),
        })
    }

    /// The same texts in a library's own words, as its searches take them.
    ///
    /// # Errors
    ///
    /// When the adapter is of other dimensions, or leaves nothing of a text.
    pub fn adapted(self, adapter: &Adapter) -> Result<Classifier> {
        let texts = self.texts.iter().map(|text| adapter.apply(text));
        Ok(Classifier {
            texts: texts.collect::<Result<_>>()?,
            ..self
        })
    }

    /// For each text the mean of its cosines to a sound's segments, in [-1, 1].
    pub fn similarities(&self, segments: &[Vector]) -> Vec<f32> {
        self.mean(segments, |_| ())
    }

    /// For each text how probable it is for a sound, among all of them: in [0, 1], 1 together, and 0
    /// each for a sound without segments.
    pub fn probabilities(&self, segments: &[Vector]) -> Vec<f32> {
        self.mean(segments, |cosines| softmax(cosines, self.scale))
    }

    /// The mean of the segments' cosines, each row of them changed before.
    fn mean(&self, segments: &[Vector], change: impl Fn(&mut [f32])) -> Vec<f32> {
        let mut sum = vec![0.0; self.texts.len()];
        for segment in segments {
            let mut row: Vec<f32> = self.texts.iter().map(|text| text.dot(segment)).collect();
            change(&mut row);
            for (total, x) in sum.iter_mut().zip(row) {
                *total += x / segments.len() as f32;
            }
        }
        sum
    }
}

/// The places of numbers from the largest to the smallest, equal ones in their order.
pub fn ranked(numbers: &[f32]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..numbers.len()).collect();
    places.sort_by(|&a, &b| numbers[b].total_cmp(&numbers[a]));
    places
}

/// How probable a label of a set of so many has to be for a sound to get it: 1.5 / √n, at most .9.
///
/// The more labels there are, the more of them mean nearly the same and share what is probable, so no
/// one number serves all sets; in proportion to 1 / n, on the other hand, large sets would give every
/// sound a dozen. Measured with the built-in model on sounds whose names say what they are, up to ten
/// of each label, the labels that were given were right in 93 % of cases among 5 labels, 83 among 10,
/// 67 among 20, 49 among 47, and 46 (mean over what the sounds are) among AudioSet's 527, where
/// each file got 1.4. At 1 / √n those are 84, 73, 55, 38 and 38 % for half as many labels again.
pub fn threshold(labels: usize) -> f32 {
    (1.5 / (labels.max(1) as f32).sqrt()).min(0.9)
}

fn softmax(row: &mut [f32], scale: f32) {
    let most = row.iter().copied().fold(f32::MIN, f32::max);
    for x in row.iter_mut() {
        *x = (scale * (*x - most)).exp();
    }
    let sum: f32 = row.iter().sum();
    for x in row.iter_mut() {
        *x /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: [f32; 2]) -> Vector {
        Vector::normalized(values.to_vec()).expect("a direction")
    }

    #[test]
    fn a_sound_of_two_halves_is_a_half_of_each() {
        let classifier = Classifier {
            texts: vec![
                vector([1.0, 0.0]),
                vector([0.0, 1.0]),
                vector([1.0, 1.0]), // Between both, and heard in neither half.
            ],
            scale: 100.0,
        };
        let halves = [vector([1.0, 0.0]), vector([0.0, 1.0])];
        let probabilities = classifier.probabilities(&halves);
        // The scale makes each half certain, but for exp(-29).
        for (probability, expected) in probabilities.iter().zip([0.5, 0.5, 0.0]) {
            assert!((probability - expected).abs() < 1e-6, "{probabilities:?}");
        }
        assert_eq!(ranked(&probabilities), [0, 1, 2]);
        let similarities = classifier.similarities(&halves);
        assert_eq!(ranked(&similarities)[0], 2);
    }

    #[test]
    fn probabilities_are_those_of_the_formula_and_make_one() {
        let classifier = Classifier {
            texts: vec![vector([1.0, 0.0]), vector([0.6, 0.8])],
            scale: 2.0,
        };
        let [first, second] = classifier.probabilities(&[vector([1.0, 0.0])])[..] else {
            panic!("two probabilities");
        };
        let expected = 1.0 / (1.0 + (2.0f32 * (0.6 - 1.0)).exp());
        assert!((first - expected).abs() < 1e-6 && (first + second - 1.0).abs() < 1e-6);
    }

    #[test]
    fn larger_sets_ask_for_less_and_none_for_certainty() {
        assert_eq!(threshold(2), 0.9);
        assert!((threshold(25) - 0.3).abs() < 1e-6);
        assert!(threshold(527) < 0.07);
    }
}
