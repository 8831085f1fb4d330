//! What may be found, as a person chooses it: a folder, formats, a length, an age, a name, labels.
//!
//! It stands apart from the library's [`Filters`] because it is choices, not bounds: it can be shown,
//! compared and undone, and its age is counted from whenever the question is answered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use globset::GlobBuilder;

use crate::display::printable;
use crate::library::{Facets, Filters, Tag};

/// The ages that can be chosen: a name and days.
pub const AGES: [(&str, u64); 4] = [
    ("a day", 1),
    ("a week", 7),
    ("a month", 30),
    ("a year", 365),
];

/// The lengths that can be chosen, as the facets count them.
pub const LENGTHS: [&str; crate::library::LENGTH_EDGES_S.len() + 1] = [
    "below 1 s",
    "1 to 5 s",
    "5 to 30 s",
    "30 s to 2 min",
    "2 to 10 min",
    "over 10 min",
];

/// What may be found. The default is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// In this folder, at any depth.
    pub folder: Option<PathBuf>,
    /// With one of these extensions, in lower case; empty for any.
    pub extensions: BTreeSet<String>,
    /// Of this one of `LENGTHS`.
    pub length: Option<usize>,
    /// Not older than this one of `AGES`.
    pub age: Option<usize>,
    /// With a name like this: a glob, or a part of it. Empty for any.
    pub name: String,
    /// With all of these tags.
    pub tags: BTreeSet<Tag>,
    /// One of the favourites.
    pub favourite: bool,
    /// With all of these labels, which the model has given.
    pub labels: BTreeSet<String>,
}

/// One condition of a narrowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// On the folder.
    Folder,
    /// On the format.
    Extensions,
    /// On the length.
    Length,
    /// On the age.
    Age,
    /// On the name.
    Name,
    /// On a tag.
    Tag(Tag),
    /// On being a favourite.
    Favourite,
    /// On a label.
    Label(String),
}

impl Narrowing {
    /// True when everything may be found.
    pub fn is_empty(&self) -> bool {
        *self == Narrowing::default()
    }

    /// The conditions that are set, each as it is shown.
    pub fn conditions(&self) -> Vec<(Condition, String)> {
        let mut set = vec![];
        if let Some(folder) = &self.folder {
            let name = folder.file_name().unwrap_or(folder.as_os_str());
            let name = printable(&name.to_string_lossy());
            set.push((Condition::Folder, format!("in {name}")));
        }
        if !self.extensions.is_empty() {
            let names: Vec<_> = self.extensions.iter().map(String::as_str).collect();
            set.push((Condition::Extensions, printable(&names.join(" "))));
        }
        if let Some(length) = self.length.and_then(|length| LENGTHS.get(length)) {
            set.push((Condition::Length, (*length).to_string()));
        }
        if let Some((age, _)) = self.age.and_then(|age| AGES.get(age)) {
            set.push((Condition::Age, format!("newer than {age}")));
        }
        if !self.name.is_empty() {
            set.push((Condition::Name, format!("name {}", printable(&self.name))));
        }
        if self.favourite {
            set.push((Condition::Favourite, "★".to_string()));
        }
        let tags = self.tags.iter();
        set.extend(tags.map(|tag| (Condition::Tag(tag.clone()), format!("#{tag}"))));
        let labels = self.labels.iter();
        set.extend(labels.map(|label| {
            let shown = format!("is {}", printable(label));
            (Condition::Label(label.clone()), shown)
        }));
        set
    }

    /// Drops a condition.
    pub fn drop_condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Folder => self.folder = None,
            Condition::Extensions => self.extensions.clear(),
            Condition::Length => self.length = None,
            Condition::Age => self.age = None,
            Condition::Name => self.name.clear(),
            Condition::Tag(tag) => {
                self.tags.remove(tag);
            }
            Condition::Favourite => self.favourite = false,
            Condition::Label(label) => {
                self.labels.remove(label);
            }
        }
    }

    /// Takes an extension, or drops it.
    pub fn toggle_extension(&mut self, extension: &str) {
        if !self.extensions.remove(extension) {
            self.extensions.insert(extension.to_string());
        }
    }

    /// Takes a tag, or drops it.
    pub fn toggle_tag(&mut self, tag: &Tag) {
        if !self.tags.remove(tag) {
            self.tags.insert(tag.clone());
        }
    }

    /// Takes a label, or drops it.
    pub fn toggle_label(&mut self, label: &str) {
        if !self.labels.remove(label) {
            self.labels.insert(label.to_string());
        }
    }

    /// To the folder above, everywhere when that is none of what is indexed; false at the top.
    pub fn ascend(&mut self, roots: &[PathBuf]) -> bool {
        let Some(folder) = self.folder.take() else {
            return false;
        };
        // The only indexed folder is everywhere, too.
        let inside = |folder: &Path| match roots {
            [root] => folder != root && folder.starts_with(root),
            roots => roots.iter().any(|root| folder.starts_with(root)),
        };
        self.folder = folder
            .parent()
            .filter(|parent| inside(parent))
            .map(Path::to_path_buf);
        true
    }

    /// The filters at a time.
    ///
    /// # Errors
    ///
    /// When the name is no pattern.
    pub fn filters(&self, now: SystemTime) -> Result<Filters> {
        let (longer_s, shorter_s) = self.length.map_or((None, None), Facets::length_bounds_s);
        let since = self.age.and_then(|age| AGES.get(age)).map(|(_, days)| {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            let since = now
                .as_nanos()
                .saturating_sub(u128::from(days * 86_400) * 1_000_000_000);
            i64::try_from(since).unwrap_or(i64::MAX)
        });
        let name = match self.name.trim() {
            "" => None,
            name => Some(
                GlobBuilder::new(&pattern(name))
                    .case_insensitive(true)
                    .build()
                    .with_context(|| format!("the name '{name}' is no pattern"))?
                    .compile_matcher(),
            ),
        };
        Ok(Filters {
            within: self.folder.iter().cloned().collect(),
            extensions: self.extensions.iter().cloned().collect(),
            longer_s,
            shorter_s,
            newer_than_ns: since,
            name,
            tags: self.tags.iter().cloned().collect(),
            favourite: self.favourite,
            labels: self.labels.iter().cloned().collect(),
        })
    }
}

/// A name without wildcards may stand anywhere in a file's name.
fn pattern(name: &str) -> String {
    if name.contains(['*', '?', '[', '{']) {
        name.to_string()
    } else {
        format!("*{name}*")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn choices_become_bounds() {
        let narrowing = Narrowing {
            folder: Some("/s/drums".into()),
            extensions: BTreeSet::from(["wav".into()]),
            length: Some(1),
            age: Some(1),
            name: "kick".into(),
            tags: BTreeSet::from([Tag::new("deep").expect("a tag")]),
            favourite: true,
            labels: BTreeSet::from(["Snare drum".into()]),
        };
        let now = UNIX_EPOCH + Duration::from_secs(8 * 86_400);
        let filters = narrowing.filters(now).expect("filters");
        assert_eq!(filters.within, [PathBuf::from("/s/drums")]);
        assert_eq!(
            (filters.longer_s, filters.shorter_s),
            (Some(1.0), Some(5.0))
        );
        assert_eq!(filters.newer_than_ns, Some(86_400 * 1_000_000_000));
        assert_eq!(filters.labels, ["Snare drum"]);
        let name = filters.name.expect("a pattern");
        assert!(name.is_match("Deep Kick 1.wav") && !name.is_match("snare.wav"));
        let shown: Vec<_> = narrowing
            .conditions()
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert_eq!(
            shown,
            [
                "in drums",
                "wav",
                "1 to 5 s",
                "newer than a week",
                "name kick",
                "★",
                "#deep",
                "is Snare drum"
            ]
        );
    }

    #[test]
    fn wildcards_are_taken_as_they_stand_and_wrong_ones_explained() {
        let named = |name: &str| Narrowing {
            name: name.into(),
            ..Narrowing::default()
        };
        let filters = named("kick*").filters(UNIX_EPOCH).expect("filters");
        assert!(!filters.name.expect("a pattern").is_match("deep kick.wav"));
        let error = named("[").filters(UNIX_EPOCH).expect_err("no pattern");
        assert!(error.to_string().contains("'[' is no pattern"));
    }

    #[test]
    fn above_an_indexed_folder_is_everywhere() {
        let roots = [PathBuf::from("/s"), PathBuf::from("/t")];
        let mut narrowing = Narrowing {
            folder: Some("/s/drums".into()),
            ..Narrowing::default()
        };
        assert!(narrowing.ascend(&roots));
        assert_eq!(narrowing.folder, Some("/s".into()));
        assert!(narrowing.ascend(&roots));
        assert_eq!(narrowing.folder, None);
        assert!(!narrowing.ascend(&roots));
        narrowing.folder = Some("/s/drums".into());
        assert!(narrowing.ascend(&roots[..1]));
        assert_eq!(narrowing.folder, None, "the only indexed folder");
    }
}
