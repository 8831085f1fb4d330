//! What is learned from, as vectors, and how it is parted: to learn from, to stop by, to judge by.
//!
//! It stands apart from the learning because what is held out decides what a gain is worth, and no
//! gradient has a part in it.

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use soundseek_index::{Space, Vector};

use super::Example;
use crate::embed::Embedder;

/// The part of the sounds that is held out to stop by, and again to judge by.
const HELD_OUT: f64 = 0.2;

/// The least number of descriptions in each part that is held out: fewer tell nothing.
const LEAST_HELD_OUT: usize = 10;

/// Pairs that nothing can be learned from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// There are too few of them.
    #[error(
        "{sounds} sounds with {descriptions} different descriptions are too few to learn from: about {} descriptions are needed, a fifth of them to judge by",
        6 * LEAST_HELD_OUT
    )]
    TooFew {
        /// The sounds.
        sounds: usize,
        /// The different descriptions.
        descriptions: usize,
    },
}

/// Pairs as vectors.
#[derive(Debug, Clone)]
pub struct Lesson {
    /// The space of the vectors.
    pub base: Space,
    /// The factors from cosine to logit, when texts are ranked for a sound and sounds for a text.
    pub scales: [f64; 2],
    /// For each description the vectors of its phrasings, the first as people ask.
    pub texts: Vec<Vec<Vector>>,
    /// The sounds, each with the number of its description.
    pub sounds: Vec<(Vector, usize)>,
}

impl Lesson {
    /// The lesson of examples; descriptions that differ in case only are one.
    ///
    /// # Errors
    ///
    /// When the model cannot be computed.
    pub fn new(embedder: &Embedder, examples: &[Example]) -> Result<Lesson> {
        let mut numbers = std::collections::HashMap::new();
        let mut lesson = Lesson {
            base: embedder.space()?,
            scales: [
                f64::from(embedder.model().logit_scale_audio()),
                f64::from(embedder.model().logit_scale_text()),
            ],
            texts: Vec::new(),
            sounds: Vec::new(),
        };
        let mut phrasings: Vec<Vec<String>> = Vec::new();
        for example in examples {
            let new = numbers.len();
            let number = *numbers
                .entry(example.description.to_lowercase())
                .or_insert(new);
            if number == new {
                phrasings.push(example.phrasings());
            }
            lesson.sounds.push((example.sound.clone(), number));
        }
        for phrasings in phrasings {
            let texts: Vec<&str> = phrasings.iter().map(String::as_str).collect();
            let embeddings = embedder.model().text_embeddings(&texts)?;
            let vectors = embeddings.into_iter().map(Vector::normalized);
            lesson.texts.push(vectors.collect::<Result<_, _>>()?);
        }
        Ok(lesson)
    }

    /// Parts the sounds by description: to learn from, to stop by, to judge by. A description with more
    /// sounds than a part has room for is learned from.
    pub(super) fn parts(&self, rng: &mut StdRng) -> Result<[Vec<usize>; 3], TrainError> {
        let mut of_each = vec![Vec::new(); self.texts.len()];
        for (sound, (_, description)) in self.sounds.iter().enumerate() {
            of_each[*description].push(sound);
        }
        of_each.retain(|sounds| !sounds.is_empty());
        let descriptions = of_each.len();
        of_each.shuffle(rng);
        let room = (self.sounds.len() as f64 * HELD_OUT).ceil() as usize;
        let mut parts = [vec![], vec![], vec![]];
        let mut asked = [0; 3];
        for sounds in of_each {
            let fits = |part: &usize| parts[*part].len() + sounds.len() <= room;
            let part = [2, 1].into_iter().find(fits).unwrap_or(0);
            asked[part] += 1;
            parts[part].extend(sounds);
        }
        match asked {
            [learned, stopped, judged]
                if learned >= LEAST_HELD_OUT
                    && stopped >= LEAST_HELD_OUT
                    && judged >= LEAST_HELD_OUT =>
            {
                Ok(parts)
            }
            _ => Err(TrainError::TooFew {
                sounds: self.sounds.len(),
                descriptions,
            }),
        }
    }
}
