//! How many files each further narrowing would leave: by folder, extension, length, tag and label.
//!
//! The counts of one facet obey the filters of all others but not its own, so that what is beside the
//! current choice can be seen and chosen. It stands apart from the catalogue because it is what a
//! person is shown, with its own limits.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::labelled::HeldLabels;
use super::{Filters, Library, Marks, Tag};

/// The lengths in seconds at which one bucket ends and the next begins: one-shots, loops and phrases,
/// stems and jingles, short and long recordings, and beyond ten minutes.
pub const LENGTH_EDGES_S: [f64; 5] = [1.0, 5.0, 30.0, 120.0, 600.0];

/// Counts of files; see the module's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// Files that meet all conditions.
    pub files: usize,
    /// The folders directly below the place that was asked for (or the roots, where none was), with
    /// the number of files at or below each, in the order of their paths. None is empty.
    pub folders: Vec<(PathBuf, usize)>,
    /// Extensions without the dot, in lower case, the most frequent first.
    pub extensions: Vec<(String, usize)>,
    /// How many files are so long: below the first of [`LENGTH_EDGES_S`], then from each edge to the
    /// next, and from the last.
    pub lengths: [usize; LENGTH_EDGES_S.len() + 1],
    /// How many files are favourites.
    pub favourites: usize,
    /// Tags, the most frequent first. As a sound has all tags that are asked for, these and favourites
    /// are counted under all conditions: what would be left if one more was asked for.
    pub tags: Vec<(Tag, usize)>,
    /// Labels, the most frequent first, counted as tags are.
    pub labels: Vec<(String, usize)>,
}

impl Facets {
    /// The filter on length that keeps what a bucket counts: its least length, and the one that it
    /// stays below, in seconds.
    pub fn length_bounds_s(bucket: usize) -> (Option<f64>, Option<f64>) {
        let least = bucket
            .checked_sub(1)
            .and_then(|edge| LENGTH_EDGES_S.get(edge));
        (least.copied(), LENGTH_EDGES_S.get(bucket).copied())
    }
}

impl Library {
    /// Counts under `filters`, with the folders directly below `top`, or the roots without it.
    /// Loads the catalogue if that has not been done.
    ///
    /// # Errors
    ///
    /// When a record of the library is damaged.
    pub fn facets(&self, filters: &Filters, top: Option<&Path>) -> Result<Facets> {
        self.load_catalog()?;
        let level = match top {
            Some(top) => Level::Below(top.to_path_buf()),
            None => Level::Roots(self.roots()?),
        };
        let mut marked = self.with_marks(filters);
        if let Some(labelled) = self.with_labels(filters)? {
            marked = Some(match marked {
                Some(marked) => labelled.intersection(&marked).copied().collect(),
                None => labelled,
            });
        }
        let labels = self.held_labels()?;
        let catalog = self.catalog();
        let counts = catalog.as_ref().map(|catalog| {
            self.with_held_marks(|marks| {
                catalog.facets(filters, marked.as_ref(), marks, &labels, &level)
            })
        });
        Ok(counts.unwrap_or_default())
    }
}

/// The folders that are counted.
pub(super) enum Level {
    Roots(Vec<PathBuf>),
    /// Those directly in this one.
    Below(PathBuf),
}

impl Level {
    /// The folder of this level that a folder is, or is in.
    fn folder_of(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Level::Roots(roots) => {
                let above = roots.iter().filter(|root| folder.starts_with(root));
                above.max_by_key(|root| root.as_os_str().len()).cloned()
            }
            Level::Below(top) => {
                let first = folder.strip_prefix(top).ok()?.components().next()?;
                Some(top.join(first))
            }
        }
    }
}

/// Counts on their way to [`Facets`].
#[derive(Default)]
pub(super) struct Tally {
    pub(super) files: usize,
    pub(super) lengths: [usize; LENGTH_EDGES_S.len() + 1],
    folders: BTreeMap<PathBuf, usize>,
    extensions: HashMap<Arc<str>, usize>,
    favourites: usize,
    tags: HashMap<Tag, usize>,
    /// By the label's number.
    labels: Vec<usize>,
}

impl Tally {
    pub(super) fn count_length(&mut self, length_s: f64) {
        self.lengths[LENGTH_EDGES_S.partition_point(|&edge| edge <= length_s)] += 1;
    }

    pub(super) fn count_extension(&mut self, extension: &Arc<str>) {
        match self.extensions.get_mut(extension) {
            Some(files) => *files += 1,
            None => drop(self.extensions.insert(Arc::clone(extension), 1)),
        }
    }

    pub(super) fn count_marks(&mut self, marks: &Marks) {
        self.favourites += usize::from(marks.favourite);
        for tag in &marks.tags {
            match self.tags.get_mut(tag) {
                Some(files) => *files += 1,
                None => drop(self.tags.insert(tag.clone(), 1)),
            }
        }
    }

    pub(super) fn count_labels(&mut self, labels: &[(u32, f32)]) {
        for &(label, _) in labels {
            let label = label as usize;
            if label >= self.labels.len() {
                self.labels.resize(label + 1, 0);
            }
            self.labels[label] += 1;
        }
    }

    pub(super) fn count_folder(&mut self, folder: &Path, level: &Level, files: usize) {
        if files > 0
            && let Some(folder) = level.folder_of(folder)
        {
            *self.folders.entry(folder).or_default() += files;
        }
    }

    pub(super) fn into_facets(self, labels: &HeldLabels) -> Facets {
        let counted = (0..).zip(self.labels).filter(|&(_, files)| files > 0);
        let counted =
            counted.filter_map(|(number, files)| Some((labels.name(number)?.to_string(), files)));
        let extensions = self.extensions.into_iter();
        let extensions = extensions.map(|(extension, files)| (extension.to_string(), files));
        Facets {
            files: self.files,
            folders: self.folders.into_iter().collect(),
            extensions: most_first(extensions),
            lengths: self.lengths,
            favourites: self.favourites,
            tags: most_first(self.tags.into_iter()),
            labels: most_first(counted),
        }
    }
}

/// Counts in the order of their numbers, equal ones in the order of what they count.
fn most_first<T: Ord>(counts: impl Iterator<Item = (T, usize)>) -> Vec<(T, usize)> {
    let mut counts: Vec<(T, usize)> = counts.collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
