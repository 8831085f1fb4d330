//! What may be found: by folder, kind, length, age, name, tag and label.
//!
//! Filters look at files, of which a content may have several, while the index asks about contents;
//! [`Library::passing_contents`] translates. They stand apart from the library's records because they
//! are a person's choice, and from the search because facets count by them, too.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use globset::GlobMatcher;

use super::marks::{Contents, Tag};
use super::{FileRecord, Library};

/// Conditions on files; a file must meet all of them. The default passes everything.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// At or below one of these paths; empty for anywhere.
    pub within: Vec<PathBuf>,
    /// One of these extensions, without the dot, in lower case; empty for any.
    pub extensions: Vec<String>,
    /// At least so many seconds long.
    pub longer_s: Option<f64>,
    /// Shorter than so many seconds.
    pub shorter_s: Option<f64>,
    /// Modified after this time, in nanoseconds since 1970.
    pub newer_than_ns: Option<i64>,
    /// A pattern on the file's name.
    pub name: Option<GlobMatcher>,
    /// With all of these tags.
    pub tags: Vec<Tag>,
    /// One of the favourites.
    pub favourite: bool,
    /// With all of these labels, which the model has given.
    pub labels: Vec<String>,
}

impl Filters {
    /// True when every file passes.
    pub fn is_empty(&self) -> bool {
        self.within.is_empty()
            && self.extensions.is_empty()
            && self.longer_s.is_none()
            && self.shorter_s.is_none()
            && self.newer_than_ns.is_none()
            && self.name.is_none()
            && self.tags.is_empty()
            && !self.favourite
            && self.labels.is_empty()
    }

    /// True when a file meets all conditions on its path and record. Marks and labels are its content's:
    /// a file passes when [`Library::passing_contents`] holds its content, too.
    pub fn pass(&self, path: &Path, record: &FileRecord) -> bool {
        self.pass_path(path) && self.pass_record(record)
    }

    /// True when a path meets the conditions on paths; its record has not been read then.
    pub fn pass_path(&self, path: &Path) -> bool {
        (self.within.is_empty() || self.within.iter().any(|place| path.starts_with(place)))
            && self.pass_extension(extension_of(path.file_name().unwrap_or_default()).as_deref())
            && self.pass_name(path.file_name().unwrap_or_default())
    }

    fn pass_record(&self, record: &FileRecord) -> bool {
        self.pass_length(record.sound.duration_s) && self.pass_age(record.stamp.modified_ns)
    }

    /// Of an extension as [`extension_of`] gives it.
    pub(super) fn pass_extension(&self, extension: Option<&str>) -> bool {
        let known = |extension: &str| self.extensions.iter().any(|wanted| wanted == extension);
        self.extensions.is_empty() || extension.is_some_and(known)
    }

    pub(super) fn pass_name(&self, name: &OsStr) -> bool {
        self.name
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(name))
    }

    pub(super) fn pass_length(&self, length_s: f64) -> bool {
        self.longer_s.is_none_or(|least| length_s >= least)
            && self.shorter_s.is_none_or(|most| length_s < most)
    }

    pub(super) fn pass_age(&self, modified_ns: i64) -> bool {
        self.newer_than_ns.is_none_or(|time| modified_ns > time)
    }
}

/// The extension of a file's name, without the dot, in lower case.
pub(super) fn extension_of(name: &OsStr) -> Option<String> {
    let extension = Path::new(name).extension()?;
    Some(extension.to_string_lossy().to_lowercase())
}

/// The contents that at least one passing file holds.
pub struct Passing(Contents);

impl Passing {
    /// True when a file that passes holds this content.
    pub fn contains(&self, content: &[u8]) -> bool {
        self.0.contains(content)
    }
}

impl Library {
    /// The contents that at least one passing file holds; `None` when every file passes.
    ///
    /// Answered by the catalogue once it is loaded. Without it the records are read, those of paths
    /// that do not pass not even parsed: for a single question that is faster than loading it.
    ///
    /// # Errors
    ///
    /// When a record of the library, or the labels, are damaged.
    pub fn passing_contents(&self, filters: &Filters) -> Result<Option<Passing>> {
        if filters.is_empty() {
            return Ok(None);
        }
        let marked = self.with_marks(filters);
        let labelled = self.with_labels(filters)?;
        let mut passing = if let Some(catalog) = &*self.catalog() {
            catalog.passing_contents(filters)
        } else {
            let mut passing = Contents::default();
            for file in self.files_where(|path| filters.pass_path(path)) {
                let (_, record) = file?;
                if filters.pass_record(&record) {
                    passing.insert(record.content);
                }
            }
            passing
        };
        for asked in [marked, labelled].into_iter().flatten() {
            passing.retain(|content| asked.contains(content));
        }
        Ok(Some(Passing(passing)))
    }
}
