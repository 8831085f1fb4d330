//! All labels of a library in memory, for filters and counts.
//!
//! They stand apart from the tables because they are read whole, once, and dropped as a whole when the
//! tables change, be it by another process.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use soundseek_index::Table;

use super::super::ContentHash;
use super::super::catalog::ContentHasher;
use super::{CONTENT_LENGTH, DAMAGED, Labelling, parse_given, set_of};

/// The labels of all sounds, in memory.
#[derive(Default)]
pub(in super::super) struct HeldLabels {
    /// Each label, by the number that it has in `given`. One that several sets have is one label.
    names: Vec<String>,
    /// The number of each label in lower case.
    numbers: HashMap<String, u32>,
    /// The numbers of each sound's labels, each once, with their probabilities.
    given: HashMap<ContentHash, Vec<(u32, f32)>, ContentHasher>,
}

impl HeldLabels {
    /// Reads what each set of labels gave.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub(super) fn read(
        labellings: BTreeMap<String, Labelling>,
        sounds: &Table,
    ) -> Result<HeldLabels> {
        let mut held = HeldLabels::default();
        let mut sets = HashMap::new();
        for (set, labelling) in labellings {
            let labels = labelling.labels.into_iter();
            let numbers: Vec<u32> = labels.map(|label| held.number(label)).collect();
            sets.insert(set, numbers);
        }
        for item in sounds.iter() {
            let (key, value) = item?;
            let Some(numbers) = sets.get(set_of(&key)?) else {
                continue;
            };
            let given = parse_given(&value)?;
            if given.is_empty() {
                continue;
            }
            let content = key.first_chunk::<CONTENT_LENGTH>().context(DAMAGED)?;
            let labels = held.given.entry(*content).or_default();
            for (place, probability) in given {
                let number = *numbers.get(usize::from(place)).context(DAMAGED)?;
                match labels.iter_mut().find(|(known, _)| *known == number) {
                    Some((_, known)) => *known = probability.max(*known),
                    None => labels.push((number, probability)),
                }
            }
        }
        Ok(held)
    }

    /// The numbers and probabilities of a sound's labels.
    pub(in super::super) fn of(&self, content: &ContentHash) -> &[(u32, f32)] {
        self.given.get(content).map_or(&[], Vec::as_slice)
    }

    /// The label of a number.
    pub(in super::super) fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(String::as_str)
    }

    /// The number of a label, which is new if need be.
    fn number(&mut self, label: String) -> u32 {
        let new = self.names.len() as u32;
        let number = *self.numbers.entry(label.to_lowercase()).or_insert(new);
        if number == new {
            self.names.push(label);
        }
        number
    }

    /// The contents that have all of these labels, whatever their case, each with the probability of
    /// the least probable one.
    pub(super) fn with_all(&self, labels: &[String]) -> Vec<(ContentHash, f32)> {
        let number = |label: &String| self.numbers.get(&label.to_lowercase()).copied();
        let Some(wanted) = labels.iter().map(number).collect::<Option<Vec<u32>>>() else {
            return vec![];
        };
        let least = |given: &[(u32, f32)]| {
            wanted.iter().try_fold(1.0f32, |least, number| {
                let label = given.iter().find(|(label, _)| label == number)?;
                Some(least.min(label.1))
            })
        };
        let all = self.given.iter();
        all.filter_map(|(content, given)| Some((*content, least(given)?)))
            .collect()
    }
}
