//! A similarity on a scale that a person can read.
//!
//! The cosine between a text and a sound is .3 for a good match of one model and .6 of another, so it
//! is no number to show. What can be said is how far a sound stands out for *this* query from the rest
//! of *this* library. The background is the cosines of the query to a sample of the library's segments,
//! evenly spread over its sounds, so that hours of one recording are not most of it; the strength is a
//! logistic function of a hit's distance from the background's mean in its standard deviations.
//! `benches/retrieval.rs` measures how often hits of each strength are right.

/// How many segments make the background. The mean of so many is known to 3 % of a standard deviation.
pub const SAMPLE: usize = 1000;

/// The distance, in standard deviations, at which a hit is as likely right as wrong.
const MIDPOINT: f32 = 3.0;

/// How fast the strength rises about the midpoint, for each standard deviation.
const SLOPE: f32 = 1.8;

/// The least standard deviation that is believed, so that a library of one sound is no division by 0.
const LEAST_DEVIATION: f32 = 0.02;

/// How the query stands to the library as a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Background {
    mean: f32,
    deviation: f32,
}

impl Background {
    /// From the cosine similarities of the query to a sample of segments.
    pub fn new(similarities: &[f32]) -> Background {
        let n = similarities.len().max(1) as f32;
        let mean = similarities.iter().sum::<f32>() / n;
        let variance = similarities.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
        Background {
            mean,
            deviation: variance.sqrt().max(LEAST_DEVIATION),
        }
    }

    /// The strength of a cosine similarity, in (0, 1): .5 is as likely right as wrong.
    pub fn strength(&self, similarity: f32) -> f32 {
        1.0 / (1.0 + (-SLOPE * (self.standing(similarity) - MIDPOINT)).exp())
    }

    /// How many standard deviations a cosine similarity lies above the background's mean.
    pub fn standing(&self, similarity: f32) -> f32 {
        (similarity - self.mean) / self.deviation
    }
}
