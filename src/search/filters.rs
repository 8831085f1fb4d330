//! What may be found: by folder, kind, length, age and name.
//!
//! It stands apart from the search because it looks at files, of which a content may have several,
//! while the index asks about contents; [`Filters::passing_contents`] translates.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use globset::GlobMatcher;

use crate::library::{ContentHash, FileRecord, Library};

/// Conditions on files; a file must meet all of them. The default passes everything.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// At or below one of these paths; empty for anywhere.
    pub within: Vec<PathBuf>,
    /// One of these extensions, without the dot, in lower case; empty for any.
    pub extensions: Vec<String>,
    /// Longer than so many seconds.
    pub longer_s: Option<f64>,
    /// Shorter than so many seconds.
    pub shorter_s: Option<f64>,
    /// Modified after this time, in nanoseconds since 1970.
    pub newer_than_ns: Option<i64>,
    /// A pattern on the file's name.
    pub name: Option<GlobMatcher>,
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
    }

    /// True when a file meets all conditions.
    pub fn pass(&self, path: &Path, record: &FileRecord) -> bool {
        self.pass_path(path) && self.pass_record(record)
    }

    fn pass_path(&self, path: &Path) -> bool {
        let extension = || path.extension().map(|e| e.to_string_lossy().to_lowercase());
        (self.within.is_empty() || self.within.iter().any(|folder| path.starts_with(folder)))
            && (self.extensions.is_empty()
                || extension().is_some_and(|extension| self.extensions.contains(&extension)))
            && self.name.as_ref().is_none_or(|name| {
                path.file_name()
                    .is_some_and(|file_name| name.is_match(file_name))
            })
    }

    fn pass_record(&self, record: &FileRecord) -> bool {
        let length_s = record.sound.duration_s;
        self.longer_s.is_none_or(|least| length_s > least)
            && self.shorter_s.is_none_or(|most| length_s < most)
            && self
                .newer_than_ns
                .is_none_or(|time| record.stamp.modified_ns > time)
    }

    /// The contents that at least one passing file holds; `None` when every file passes.
    ///
    /// # Errors
    ///
    /// When a record of the library is damaged.
    pub fn passing_contents(&self, library: &Library) -> Result<Option<HashSet<ContentHash>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut passing = HashSet::new();
        for file in library.files_where(|path| self.pass_path(path)) {
            let (_, record) = file?;
            if self.pass_record(&record) {
                passing.insert(record.content);
            }
        }
        Ok(Some(passing))
    }
}
