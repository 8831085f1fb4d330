//! What a person has marked: favourites and tags.
//!
//! Marks belong to the content of a sound, so that they follow a file that is moved or renamed and
//! hold for its copies; and they outlive its record, so that a file that comes back has them still.
//! They stand apart from what indexing writes, which may be made again at any time: marks cannot.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{ContentHash, Library};

/// The longest tag, in characters; more is no tag but a note.
pub const MAX_TAG_CHARACTERS: usize = 40;

/// The marks of one sound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Whether it is a favourite.
    #[serde(default)]
    pub favourite: bool,
    /// Its tags, as [`tag`] makes them.
    #[serde(default)]
    pub tags: BTreeSet<String>,
}

impl Marks {
    /// True when nothing is marked.
    pub fn is_empty(&self) -> bool {
        !self.favourite && self.tags.is_empty()
    }
}

/// A tag as it is kept: in lower case, with single blanks, so that `Big  Room` and `big room` are one.
///
/// # Errors
///
/// When there is nothing in it, control characters, or more than [`MAX_TAG_CHARACTERS`].
pub fn tag(text: &str) -> Result<String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let tag = words.join(" ");
    ensure!(!tag.is_empty(), "a tag needs a word");
    ensure!(
        tag.chars().count() <= MAX_TAG_CHARACTERS,
        "a tag has at most {MAX_TAG_CHARACTERS} characters"
    );
    ensure!(
        !tag.chars().any(char::is_control),
        "a tag has no control characters"
    );
    Ok(tag)
}

impl Library {
    /// The marks of a content.
    ///
    /// # Errors
    ///
    /// When the record is damaged.
    pub fn marks(&self, content: &ContentHash) -> Result<Marks> {
        let bytes = self.marks.get(content)?;
        bytes.map_or(Ok(Marks::default()), |bytes| parse(&bytes))
    }

    /// Writes the marks of a content, in place of those it had.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn put_marks(&self, content: &ContentHash, marks: &Marks) -> Result<()> {
        if marks.is_empty() {
            self.marks.remove(content)?;
        } else {
            self.marks.insert(content, &serde_json::to_vec(marks)?)?;
        }
        Ok(())
    }

    /// All contents that are marked, whether or not a file still holds them.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub fn all_marks(&self) -> Result<BTreeMap<ContentHash, Marks>> {
        let mut all = BTreeMap::new();
        for item in self.marks.iter() {
            let (key, bytes) = item?;
            let content = ContentHash::try_from(key.as_slice())
                .context("the library's table of marks has a key that is no content's")?;
            all.insert(content, parse(&bytes)?);
        }
        Ok(all)
    }
}

fn parse(bytes: &[u8]) -> Result<Marks> {
    serde_json::from_slice(bytes)
        .context("the marks of a sound cannot be read: a newer version may have written them")
}
