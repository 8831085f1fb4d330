//! What a person has put on sounds: favourites and free tags.
//!
//! Marks belong to a *content*, as vectors do, so they stay with a sound that is moved, renamed or
//! indexed again, and a copy has them, too. They are a person's own work: nothing but a person ever
//! takes them away, not even when the last file of a content is gone, for it may come back. They
//! stand apart from the records of files because those can be made again and these cannot.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::RwLock;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use soundseek_index::Table;

use super::catalog::ContentHasher;
use super::filters::Filters;
use super::{ContentHash, Library};
use crate::display::printable;

/// The most characters of a tag: it has to fit into a row.
const LONGEST_TAG: usize = 40;

const DAMAGED: &str = "the library's marks of a sound (favourite, tags) cannot be read";

/// A free tag: lower case, words with single spaces between them, nothing that separates tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(String);

/// Why a text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// There is nothing in it.
    #[error("a tag needs at least one character")]
    Empty,
    /// It is too long.
    #[error("a tag has {LONGEST_TAG} characters at most: '{0}' has more")]
    TooLong(String),
    /// It has a character that tags cannot have.
    #[error(
        "'{0}' is no tag: a comma separates tags, a minus before one takes it off, and control characters are never part of one"
    )]
    Character(String),
}

impl Tag {
    /// The tag that a text means, whatever its case and spaces.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 40 characters, begins with a minus, or has a comma or a control
    /// character in it.
    pub fn new(text: &str) -> Result<Tag, TagError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let tag = words.join(" ").to_lowercase();
        if tag.is_empty() {
            return Err(TagError::Empty);
        }
        if tag.contains(',') || tag.starts_with('-') || printable(&tag) != tag {
            return Err(TagError::Character(printable(&tag)));
        }
        if tag.chars().count() > LONGEST_TAG {
            return Err(TagError::TooLong(tag));
        }
        Ok(Tag(tag))
    }

    /// The tag as it is shown and typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person has put on one sound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// It is one of the favourites.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub favourite: bool,
    /// Its tags, in order.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
}

impl Marks {
    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        !self.favourite && self.tags.is_empty()
    }

    fn pass(&self, filters: &Filters) -> bool {
        (self.favourite || !filters.favourite)
            && filters.tags.iter().all(|tag| self.tags.contains(tag))
    }
}

/// Contents, as a set that is cheap to ask.
pub(super) type Contents = HashSet<ContentHash, ContentHasher>;

/// All marks by content.
pub(super) type HeldMarks = HashMap<ContentHash, Marks, ContentHasher>;

/// All marks: the table, and what is in it. There are as many as a person has made, so they are held.
pub(super) struct Marked {
    table: Table,
    held: RwLock<HeldMarks>,
}

impl Marked {
    pub(super) fn open(table: Table) -> Result<Marked> {
        let held = RwLock::new(read_all(&table)?);
        Ok(Marked { table, held })
    }

    /// Takes in what another process has changed.
    pub(super) fn reload(&self) -> Result<()> {
        let mut held = self.held.write().expect("no thread panics while it marks");
        *held = read_all(&self.table)?;
        Ok(())
    }

    fn read<T>(&self, look: impl FnOnce(&HeldMarks) -> T) -> T {
        look(&self.held.read().expect("no thread panics while it marks"))
    }

    fn change(&self, contents: &[ContentHash], change: &dyn Fn(&mut Marks)) -> Result<usize> {
        let mut held = self.held.write().expect("no thread panics while it marks");
        let mut changed = 0;
        for content in contents {
            // Another process may mark the same sound, so what is stored counts, not what is held.
            let after = loop {
                let stored = self.table.get(content)?;
                let before: Marks = match &stored {
                    Some(bytes) => serde_json::from_slice(bytes).context(DAMAGED)?,
                    None => Marks::default(),
                };
                let mut after = before.clone();
                change(&mut after);
                if after == before {
                    break after;
                }
                let new = match after.is_empty() {
                    true => None,
                    false => Some(serde_json::to_vec(&after)?),
                };
                if self
                    .table
                    .swap(content, stored.as_deref(), new.as_deref())?
                {
                    changed += 1;
                    break after;
                }
            };
            if after.is_empty() {
                held.remove(content);
            } else {
                held.insert(*content, after);
            }
        }
        Ok(changed)
    }
}

fn read_all(table: &Table) -> Result<HeldMarks> {
    let mut held = HeldMarks::default();
    for item in table.iter() {
        let (key, value) = item?;
        let content: ContentHash = key.try_into().ok().context(DAMAGED)?;
        held.insert(content, serde_json::from_slice(&value).context(DAMAGED)?);
    }
    Ok(held)
}

impl Library {
    /// The marks of one content.
    pub fn marks(&self, content: &ContentHash) -> Marks {
        let marks = |held: &HashMap<_, Marks, _>| held.get(content).cloned();
        self.marked.read(marks).unwrap_or_default()
    }

    /// All contents that are marked, whether or not a file still holds them.
    pub fn all_marks(&self) -> BTreeMap<ContentHash, Marks> {
        let pairs = |held: &HeldMarks| -> BTreeMap<_, _> {
            let pairs = held.iter();
            pairs
                .map(|(content, marks)| (*content, marks.clone()))
                .collect()
        };
        self.marked.read(pairs)
    }

    /// Changes the marks of contents, each of them as one step; gives how many are not as before.
    ///
    /// # Errors
    ///
    /// When the disk refuses; the contents before the one that it refused are changed.
    pub fn mark(&self, contents: &[ContentHash], change: impl Fn(&mut Marks)) -> Result<usize> {
        self.marked.change(contents, &change)
    }

    /// All tags with the number of sounds that have them, in order.
    pub fn tags(&self) -> BTreeMap<Tag, usize> {
        self.marked.read(|held| {
            let mut tags = BTreeMap::new();
            for tag in held.values().flat_map(|marks| &marks.tags) {
                match tags.get_mut(tag) {
                    Some(count) => *count += 1,
                    None => drop(tags.insert(tag.clone(), 1)),
                }
            }
            tags
        })
    }

    /// A file that holds another content than before was edited, so the marks of the old content go
    /// over to the new one, unless that is a sound that is known from elsewhere, with its own marks.
    /// To be called before the file's new record is written.
    ///
    /// # Errors
    ///
    /// When the store is damaged or the disk refuses.
    pub(crate) fn keep_marks(&self, path: &Path, new: &ContentHash) -> Result<()> {
        if self.marked.read(HashMap::is_empty) {
            return Ok(());
        }
        let before = self.file(path)?.filter(|before| before.content != *new);
        let Some(marks) = before.map(|before| self.marks(&before.content)) else {
            return Ok(());
        };
        if !marks.is_empty() && self.files_of(new)?.is_empty() {
            self.mark(&[*new], |new| {
                new.favourite |= marks.favourite;
                new.tags.extend(marks.tags.iter().cloned());
            })?;
        }
        Ok(())
    }

    /// Looks at all marks; until that is done, none changes.
    pub(super) fn with_held_marks<T>(&self, look: impl FnOnce(&HeldMarks) -> T) -> T {
        self.marked.read(look)
    }

    /// The contents with the marks that filters ask for; `None` when they ask for none.
    pub(super) fn with_marks(&self, filters: &Filters) -> Option<Contents> {
        if !filters.favourite && filters.tags.is_empty() {
            return None;
        }
        Some(self.marked.read(|held| {
            let passing = held.iter().filter(|(_, marks)| marks.pass(filters));
            passing.map(|(content, _)| *content).collect()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_same_whatever_its_case_and_spaces() {
        for (text, tag) in [
            ("Kick", "kick"),
            ("  lo   fi ", "lo fi"),
            ("ÉTÉ", "été"),
            ("80s", "80s"),
            ("sci-fi", "sci-fi"),
        ] {
            assert_eq!(Tag::new(text).map(|tag| tag.0), Ok(tag.to_string()));
        }
    }

    #[test]
    fn what_is_no_tag_is_refused_with_the_reason() {
        let long = "a".repeat(LONGEST_TAG + 1);
        for (text, error) in [
            (" ", TagError::Empty),
            ("a,b", TagError::Character("a,b".into())),
            ("-kick", TagError::Character("-kick".into())),
            ("a\u{1b}[2J", TagError::Character("a\\u{1b}[2j".into())),
            (long.as_str(), TagError::TooLong(long.clone())),
        ] {
            assert_eq!(Tag::new(text), Err(error));
        }
    }
}
