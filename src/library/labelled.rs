//! Labels that the model has given to sounds: kept apart from a person's own tags, and made again at
//! any time.
//!
//! A labelling is what one set of labels gave, by its name: which labels there are, from which list
//! and which model. It belongs to *contents*, as vectors do, so moved and copied files have the labels
//! of their sound. They stand apart from the marks because those are a person's work, which nothing
//! but a person takes away, and these are replaced whenever the set or the model is another.

mod held;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use soundseek_index::{Space, Table};

use super::filters::Filters;
use super::marks::Contents;
use super::{ContentHash, Library};
use crate::display::printable;
pub(super) use held::HeldLabels;

/// The length of a key before the set's name.
const CONTENT_LENGTH: usize = size_of::<ContentHash>();

/// The bytes of one label of a sound: its place in the list and its probability.
const GIVEN_LENGTH: usize = 6;

/// What labels of one name are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labelling {
    /// The digest of the list and its captions.
    pub digest: String,
    /// The name of the model that gave them.
    pub model: String,
    /// The fingerprint of the model's space.
    pub space: String,
    /// The fingerprint of the adapter that captions were put through, if one was on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// How probable a label had to be.
    pub threshold: f32,
    /// All labels of the list.
    pub labels: Vec<String>,
}

impl Labelling {
    /// True when the labels were given by the model of this space.
    pub fn is_of(&self, space: &Space) -> bool {
        self.space == space.fingerprint
    }
}

/// A label of a sound.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenLabel {
    /// The name of its set.
    pub set: String,
    /// The label.
    pub label: String,
    /// How probable it is among its set, in [0, 1].
    pub probability: f32,
}

/// All labels: the tables, and what is in them once that has been asked for.
pub(super) struct LabelStore {
    /// Name of a set to [`Labelling`].
    sets: Table,
    /// Content and name of a set to the labels of the sound: for each its place in the list (u16,
    /// little-endian) and its probability (f32, little-endian), the most probable first. A sound that
    /// was looked at and got none has an empty value.
    sounds: Table,
    held: RwLock<Option<Arc<HeldLabels>>>,
}

impl LabelStore {
    pub(super) fn new(sets: Table, sounds: Table) -> LabelStore {
        LabelStore {
            sets,
            sounds,
            held: RwLock::default(),
        }
    }

    pub(super) fn forget_held(&self) {
        *self.held.write().expect("no thread panics while it labels") = None;
    }
}

impl Library {
    /// What each set of labels gave, by the set's name.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub fn labellings(&self) -> Result<BTreeMap<String, Labelling>> {
        let items = self.labels.sets.iter().map(|item| {
            let (key, value) = item?;
            let damaged =
                "the library's list of labels cannot be read: run `soundseek tag --clear`";
            let name = String::from_utf8(key).context(damaged)?;
            Ok((name, serde_json::from_slice(&value).context(damaged)?))
        });
        items.collect()
    }

    /// The sets of labels that a model gave in other words than those in use now: before there was an
    /// adapter, with another one, or with one that has been turned off.
    ///
    /// # Errors
    ///
    /// When a record or the adapter is damaged.
    pub fn labels_in_other_words(&self, space: &Space) -> Result<Vec<String>> {
        let adapter = self.adapter(space)?.map(|adapter| adapter.fingerprint());
        let others = self
            .labellings()?
            .into_iter()
            .filter(|(_, labelling)| labelling.is_of(space) && labelling.adapter != adapter);
        Ok(others.map(|(set, _)| set).collect())
    }

    /// How many sounds each set of labels has looked at.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn labelled_counts(&self) -> Result<BTreeMap<String, usize>> {
        let mut counts: BTreeMap<String, usize> =
            self.labellings()?.into_keys().map(|set| (set, 0)).collect();
        for item in self.labels.sounds.iter() {
            let (key, _) = item?;
            let set = key.get(CONTENT_LENGTH..).unwrap_or_default();
            if let Some(count) = std::str::from_utf8(set)
                .ok()
                .and_then(|set| counts.get_mut(set))
            {
                *count += 1;
            }
        }
        Ok(counts)
    }

    /// The names of the sets that the library was labelled with, damaged ones included.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn label_set_names(&self) -> Result<Vec<String>> {
        let names = self.labels.sets.iter().map(|item| {
            let (key, _) = item?;
            Ok(String::from_utf8_lossy(&key).into_owned())
        });
        names.collect()
    }

    /// How many sounds have each label of a set, in the order of its list.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub fn label_counts(&self, set: &str) -> Result<Vec<usize>> {
        let labels = self
            .labelling(set)?
            .map_or(0, |labelling| labelling.labels.len());
        let mut counts = vec![0; labels];
        for item in self.labels.sounds.iter() {
            let (key, value) = item?;
            if set_of(&key)? == set {
                for (place, _) in parse_given(&value)? {
                    *counts.get_mut(usize::from(place)).context(DAMAGED)? += 1;
                }
            }
        }
        Ok(counts)
    }

    /// The labels of one sound, set by set, the most probable first.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub fn labels_of(&self, content: &ContentHash) -> Result<Vec<GivenLabel>> {
        let mut all = Vec::new();
        for item in self.labels.sounds.scan_prefix(content) {
            let (key, value) = item?;
            let set = set_of(&key)?;
            let Some(labelling) = self.labelling(set)? else {
                continue;
            };
            for (place, probability) in parse_given(&value)? {
                let label = labelling.labels.get(usize::from(place));
                all.push(GivenLabel {
                    set: set.to_string(),
                    label: label.context(DAMAGED)?.clone(),
                    probability,
                });
            }
        }
        Ok(all)
    }

    /// Starts or continues a labelling: labels of this name that another list or another model gave
    /// are dropped.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn begin_labelling(&self, set: &str, labelling: &Labelling) -> Result<()> {
        // A record that cannot be read is as good as one of another list.
        if self.labelling(set).ok().flatten().as_ref() != Some(labelling) {
            self.clear_labels(set)?;
            let record = serde_json::to_vec(labelling)?;
            self.labels.sets.insert(set.as_bytes(), &record)?;
        }
        Ok(())
    }

    /// The contents that a set of labels has looked at.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn labelled_contents(&self, set: &str) -> Result<HashSet<ContentHash>> {
        let mut contents = HashSet::new();
        for item in self.labels.sounds.iter() {
            let (key, _) = item?;
            if set_of(&key)? == set {
                contents.extend(key.first_chunk::<CONTENT_LENGTH>());
            }
        }
        Ok(contents)
    }

    /// Writes the labels of sounds, of all or (over an error or a crash) of none: each the place of a
    /// label in the set's list and its probability, the most probable first.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn give_labels(&self, set: &str, given: &[(ContentHash, Vec<(u16, f32)>)]) -> Result<()> {
        let records = given.iter().map(|(content, labels)| {
            let bytes = labels.iter().flat_map(|(place, probability)| {
                place
                    .to_le_bytes()
                    .into_iter()
                    .chain(probability.to_le_bytes())
            });
            (key_of(content, set), bytes.collect::<Vec<u8>>())
        });
        self.labels.sounds.insert_many(records)?;
        self.labels.forget_held();
        Ok(())
    }

    /// Forgets what a set of labels gave to these contents.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn forget_labels(&self, set: &str, contents: &[ContentHash]) -> Result<()> {
        for content in contents {
            self.labels.sounds.remove(&key_of(content, set))?;
        }
        self.labels.forget_held();
        Ok(())
    }

    /// Forgets a labelling; true when there was one.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn clear_labels(&self, set: &str) -> Result<bool> {
        // The list goes last, so that an interrupted removal is seen and can be finished.
        let contents: Vec<ContentHash> = self.labelled_contents(set)?.into_iter().collect();
        self.forget_labels(set, &contents)?;
        let was_there = self.labels.sets.remove(set.as_bytes())?;
        self.labels.forget_held();
        Ok(was_there)
    }

    /// Checks that a label is in some list that the library was labelled with, and gives it as it
    /// stands there.
    ///
    /// # Errors
    ///
    /// When it is in none; the text names those that are like it.
    pub fn known_label(&self, text: &str) -> Result<String> {
        let labellings = self.labellings()?;
        if labellings.is_empty() {
            bail!("the library has no labels yet: `soundseek tag --all` gives them");
        }
        let all = || labellings.values().flat_map(|labelling| &labelling.labels);
        let wanted = text.trim().to_lowercase();
        if let Some(label) = all().find(|label| label.to_lowercase() == wanted) {
            return Ok(label.clone());
        }
        let alike = |label: &&String| {
            let label = label.to_lowercase();
            wanted.split_whitespace().any(|word| label.contains(word))
        };
        let alike: Vec<String> = all().filter(alike).take(5).map(|l| printable(l)).collect();
        let hint = match alike.as_slice() {
            [] => {
                let sets: Vec<&str> = labellings.keys().map(String::as_str).collect();
                format!("the library was labelled with {}", sets.join(", "))
            }
            alike => format!("there are '{}'", alike.join("', '")),
        };
        bail!("no set has the label '{}': {hint}", printable(text))
    }

    /// The contents that have all of these labels, whatever their case, each with the probability of
    /// the least probable one.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub fn labelled_with(&self, labels: &[String]) -> Result<Vec<(ContentHash, f32)>> {
        Ok(self.held_labels()?.with_all(labels))
    }

    fn labelling(&self, set: &str) -> Result<Option<Labelling>> {
        let record = self.labels.sets.get(set.as_bytes())?;
        let parsed = record.map(|record| serde_json::from_slice(&record).context(DAMAGED));
        parsed.transpose()
    }

    /// All labels, read at the first call and after each change.
    pub(super) fn held_labels(&self) -> Result<Arc<HeldLabels>> {
        let unpanicked = "no thread panics while it labels";
        if let Some(held) = &*self.labels.held.read().expect(unpanicked) {
            return Ok(Arc::clone(held));
        }
        let mut place = self.labels.held.write().expect(unpanicked);
        let held = HeldLabels::read(self.labellings()?, &self.labels.sounds)?;
        let held = Arc::new(held);
        *place = Some(Arc::clone(&held));
        Ok(held)
    }

    /// The contents with the labels that filters ask for; `None` when they ask for none.
    pub(super) fn with_labels(&self, filters: &Filters) -> Result<Option<Contents>> {
        if filters.labels.is_empty() {
            return Ok(None);
        }
        let labelled = self.labelled_with(&filters.labels)?.into_iter();
        Ok(Some(labelled.map(|(content, _)| content).collect()))
    }
}

const DAMAGED: &str =
    "the library's labels of a sound cannot be read: `soundseek tag --clear` drops them all";

fn key_of(content: &ContentHash, set: &str) -> Vec<u8> {
    [content, set.as_bytes()].concat()
}

fn set_of(key: &[u8]) -> Result<&str> {
    let set = key.get(CONTENT_LENGTH..).context(DAMAGED)?;
    std::str::from_utf8(set).context(DAMAGED)
}

fn parse_given(value: &[u8]) -> Result<Vec<(u16, f32)>> {
    anyhow::ensure!(value.len().is_multiple_of(GIVEN_LENGTH), DAMAGED);
    let given = value.chunks_exact(GIVEN_LENGTH).map(|bytes| {
        let (place, probability) = bytes.split_first_chunk::<2>().context(DAMAGED)?;
        let probability = probability.try_into().context(DAMAGED)?;
        Ok((u16::from_le_bytes(*place), f32::from_le_bytes(probability)))
    });
    given.collect()
}
