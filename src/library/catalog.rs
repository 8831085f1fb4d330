//! What is known of all files, in memory: for programs that filter and count at every keystroke.
//!
//! The store holds a record of JSON for each file, and reading 100,000 of them takes a good part of a
//! second. A catalogue holds the same in rows, about 200 bytes a file, gathered by folder, so that a
//! condition on folders is decided once for each folder. It is a copy: [`Library`] loads it, and
//! changes it under one lock with the store, so that it never differs from it.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLockReadGuard, RwLockWriteGuard};

use anyhow::Result;

use super::facets::{Facets, Level, Tally};
use super::filters::{Filters, Passing, extension_of};
use super::labelled::HeldLabels;
use super::marks::{Contents, HeldMarks};
use super::{ContentHash, FileRecord, Library};

/// Hashes a content hash by its first eight bytes, which are as good as random.
pub(super) type ContentHasher = BuildHasherDefault<FirstBytes>;

/// See [`ContentHasher`].
#[derive(Default)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        let first = bytes.first_chunk().copied().unwrap_or_default();
        self.0 = u64::from_le_bytes(first);
    }

    fn write_usize(&mut self, _: usize) {
        // The length of the slice, the same for all.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The files of a library by folder and name.
#[derive(Default)]
pub(super) struct Catalog {
    folders: BTreeMap<PathBuf, BTreeMap<OsString, Row>>,
    /// Extensions, each held once.
    extensions: HashSet<Arc<str>>,
}

/// What filters and facets ask of a file.
struct Row {
    content: ContentHash,
    length_s: f64,
    modified_ns: i64,
    extension: Option<Arc<str>>,
}

impl Catalog {
    pub(super) fn put(&mut self, path: &Path, record: &FileRecord) {
        let (folder, name) = place_of(path);
        let extension = extension_of(name).map(|extension| self.shared(&extension));
        let row = Row {
            content: record.content,
            length_s: record.sound.duration_s,
            modified_ns: record.stamp.modified_ns,
            extension,
        };
        if !self.folders.contains_key(folder) {
            self.folders.insert(folder.to_path_buf(), BTreeMap::new());
        }
        if let Some(files) = self.folders.get_mut(folder) {
            files.insert(name.to_os_string(), row);
        }
    }

    pub(super) fn forget(&mut self, path: &Path) {
        let (folder, name) = place_of(path);
        if let Some(files) = self.folders.get_mut(folder) {
            files.remove(name);
            if files.is_empty() {
                self.folders.remove(folder);
            }
        }
    }

    fn shared(&mut self, extension: &str) -> Arc<str> {
        if let Some(known) = self.extensions.get(extension) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(extension);
        self.extensions.insert(Arc::clone(&new));
        new
    }

    /// Whatever the marks and labels are.
    pub(super) fn passing_contents(&self, filters: &Filters) -> Contents {
        self.passing(filters)
            .map(|(_, _, row)| row.content)
            .collect()
    }

    /// The first files that pass and have one of the contents, if those are given.
    fn first_paths(&self, filters: &Filters, contents: Option<&Passing>, n: usize) -> Vec<PathBuf> {
        let files = self
            .passing(filters)
            .filter(|(_, _, row)| contents.is_none_or(|contents| contents.contains(&row.content)));
        let paths = files.map(|(folder, name, _)| folder.join(name));
        paths.take(n).collect()
    }

    /// The files that pass, whatever their marks and labels are: folder, name, and what is known.
    fn passing<'a>(
        &'a self,
        filters: &'a Filters,
    ) -> impl Iterator<Item = (&'a Path, &'a OsStr, &'a Row)> {
        let folders = self.folders.iter();
        let places = folders.map(|(folder, files)| (folder, files, Place::of(folder, filters)));
        let inside = places.filter(|(_, _, place)| !matches!(place, Place::Outside));
        inside.flat_map(move |(folder, files, place)| {
            let files = files.iter().filter(move |(name, row)| {
                filters.pass_extension(row.extension.as_deref())
                    && filters.pass_length(row.length_s)
                    && filters.pass_age(row.modified_ns)
                    && filters.pass_name(name)
                    && place.holds(name)
            });
            files.map(|(name, row)| (folder.as_path(), name.as_os_str(), row))
        })
    }

    /// Counts the files of every choice that one facet offers, under the conditions of the others.
    /// `marked` holds the contents with the marks and labels that are asked for, if any are; `marks` and
    /// `labels` are all there are.
    pub(super) fn facets(
        &self,
        filters: &Filters,
        marked: Option<&Contents>,
        marks: &HeldMarks,
        labels: &HeldLabels,
        level: &Level,
    ) -> Facets {
        let mut tally = Tally::default();
        for (folder, files) in &self.folders {
            let place = Place::of(folder, filters);
            let mut in_folder = 0;
            for (name, row) in files {
                let marked = marked.is_none_or(|marked| marked.contains(&row.content));
                if !marked || !filters.pass_age(row.modified_ns) || !filters.pass_name(name) {
                    continue;
                }
                let within = place.holds(name);
                let extension = filters.pass_extension(row.extension.as_deref());
                let length = filters.pass_length(row.length_s);
                if within && extension && length {
                    tally.files += 1;
                    if let Some(marks) = marks.get(&row.content) {
                        tally.count_marks(marks);
                    }
                    tally.count_labels(labels.of(&row.content));
                }
                in_folder += usize::from(extension && length);
                if within && extension {
                    tally.count_length(row.length_s);
                }
                if within
                    && length
                    && let Some(extension) = &row.extension
                {
                    tally.count_extension(extension);
                }
            }
            tally.count_folder(folder, level, in_folder);
        }
        tally.into_facets(labels)
    }
}

impl Library {
    /// Reads what is known of all files into memory, unless that has been done, and keeps it up to
    /// date from then on: with it, filters and [`Library::facets`] answer in a few milliseconds for
    /// 100,000 files. For programs that ask more than once; until it is loaded, writes wait.
    ///
    /// # Errors
    ///
    /// When a record is damaged.
    pub fn load_catalog(&self) -> Result<()> {
        if self.catalog().is_some() {
            return Ok(());
        }
        let mut held = self.catalog_for_writing();
        if held.is_none() {
            *held = Some(self.read_catalog()?);
        }
        Ok(())
    }

    /// Takes in what another process has changed, if the catalogue is loaded.
    pub(super) fn reload_catalog(&self) -> Result<()> {
        let mut held = self.catalog_for_writing();
        if held.is_some() {
            *held = Some(self.read_catalog()?);
        }
        Ok(())
    }

    fn read_catalog(&self) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        for file in self.files_where(|_| true) {
            let (path, record) = file?;
            catalog.put(&path, &record);
        }
        Ok(catalog)
    }

    /// The first `n` files that pass the filters, folder by folder, each with the files of a folder
    /// before those of the folders in it. Loads the catalogue.
    ///
    /// # Errors
    ///
    /// When a record of the library, or the labels, are damaged.
    pub fn first_files(&self, filters: &Filters, n: usize) -> Result<Vec<(PathBuf, FileRecord)>> {
        self.load_catalog()?;
        let contents = self.passing_contents(filters)?;
        let paths = match &*self.catalog() {
            Some(catalog) => catalog.first_paths(filters, contents.as_ref(), n),
            None => vec![],
        };
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            // One that is dropped meanwhile is not there any more.
            if let Some(record) = self.file(&path)? {
                files.push((path, record));
            }
        }
        Ok(files)
    }

    pub(super) fn catalog(&self) -> RwLockReadGuard<'_, Option<Catalog>> {
        self.catalog
            .read()
            .expect("no thread panics while it changes the catalogue")
    }

    pub(super) fn catalog_for_writing(&self) -> RwLockWriteGuard<'_, Option<Catalog>> {
        self.catalog
            .write()
            .expect("no thread panics while it changes the catalogue")
    }
}

/// How a folder stands to [`Filters::within`].
enum Place<'a> {
    Inside,
    Outside,
    /// Only these of its files are named.
    Only(Vec<&'a OsStr>),
}

impl Place<'_> {
    fn of<'a>(folder: &Path, filters: &'a Filters) -> Place<'a> {
        let within = &filters.within;
        if within.is_empty() || within.iter().any(|place| folder.starts_with(place)) {
            return Place::Inside;
        }
        let here = within.iter().filter(|place| place.parent() == Some(folder));
        let names: Vec<&OsStr> = here.filter_map(|place| place.file_name()).collect();
        if names.is_empty() {
            Place::Outside
        } else {
            Place::Only(names)
        }
    }

    fn holds(&self, name: &OsStr) -> bool {
        match self {
            Place::Inside => true,
            Place::Outside => false,
            Place::Only(names) => names.contains(&name),
        }
    }
}

fn place_of(path: &Path) -> (&Path, &OsStr) {
    (
        path.parent().unwrap_or(Path::new("")),
        path.file_name().unwrap_or_default(),
    )
}
