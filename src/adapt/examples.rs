//! What an adapter learns from: sounds of the library, each with a description in words.
//!
//! Descriptions come from a table that a person has, or from the names that the files have anyway. It
//! stands apart from the learning because here is what is believed of names: that they are words, run
//! together or numbered, and that the folder says what a bare name leaves out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use soundseek_index::Index;
use soundseek_index::Vector;

use crate::embed::mean;
use crate::library::{ContentHash, Filters, Library};

/// A sound and what it is described as.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The description, as a person would search for it.
    pub description: String,
    /// What its folder adds, if there is anything in its name.
    pub folder: Option<String>,
    /// The normalised mean of the sound's vectors.
    pub sound: Vector,
}

/// Why a table of descriptions cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExampleError {
    /// It cannot be opened, or is no text.
    #[error("the descriptions in {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A row has no file or no description, or a quote that does not end.
    #[error(
        "line {line} of {} is not FILE,DESCRIPTION: it has {found}",
        path.display()
    )]
    Row {
        /// The file.
        path: PathBuf,
        /// The line that the row begins on, from 1.
        line: usize,
        /// What it has.
        found: &'static str,
    },
}

/// The files and descriptions of a table: CSV (RFC 4180), or with tabs between the columns if its first
/// line has one. Columns named `file` or `path`, and `description`, `caption` or `text`, may stand
/// anywhere; without such names the first two are taken. A path that is not absolute lies below the
/// table's folder.
///
/// # Errors
///
/// When the file cannot be read or a row is incomplete; the text names the line.
pub fn from_table(path: &Path) -> Result<Vec<(PathBuf, String)>, ExampleError> {
    let text = std::fs::read_to_string(path).map_err(|source| ExampleError::Unreadable {
        path: path.to_path_buf(),
        source,
    })?;
    let wrong = |line, found| ExampleError::Row {
        path: path.to_path_buf(),
        line,
        found,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains('\t') { '\t' } else { ',' };
    let rows = rows_of(text, delimiter).map_err(|line| wrong(line, "a quote that does not end"))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut columns = (0, 1);
    let mut described = Vec::new();
    for (place, (line, row)) in rows.iter().enumerate() {
        if place == 0 {
            let named = |names: &[&str]| {
                let is_one = |column: &String| names.contains(&column.to_lowercase().as_str());
                row.iter().position(is_one)
            };
            let file = named(&["file", "path"]);
            if let Some(both) = file.zip(named(&["description", "caption", "text"])) {
                columns = both;
                continue;
            }
        }
        let field = |column: usize| row.get(column).filter(|field| !field.is_empty());
        let file = field(columns.0).ok_or_else(|| wrong(*line, "no file"))?;
        let text = field(columns.1).ok_or_else(|| wrong(*line, "no description"))?;
        described.push((folder.join(file), text.clone()));
    }
    Ok(described)
}

/// The rows of a table that are not empty, each with the line that it begins on, from 1; fields lose the
/// spaces around them. In quotes a field may hold delimiters, line breaks, and quotes that are doubled.
/// An error is the line of a row with a quote that does not end.
fn rows_of(text: &str, delimiter: char) -> Result<Vec<(usize, Vec<String>)>, usize> {
    let mut rows = Vec::new();
    let (mut row, mut field) = (Vec::new(), String::new());
    let (mut line, mut first_line, mut quoted) = (1, 1, false);
    let mut letters = text.chars().chain(['\n']).peekable();
    while let Some(c) = letters.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted || field.trim().is_empty() => quoted = !quoted,
            c if quoted => field.push(c),
            '\n' => {
                row.push(std::mem::take(&mut field).trim().to_string());
                let fields = std::mem::take(&mut row);
                if fields.iter().any(|field| !field.is_empty()) {
                    rows.push((first_line, fields));
                }
                first_line = line;
            }
            c if c == delimiter => row.push(std::mem::take(&mut field).trim().to_string()),
            c => field.push(c),
        }
    }
    if quoted { Err(first_line) } else { Ok(rows) }
}

/// The files of the library that pass, with the descriptions in their names; files whose names hold no
/// word are left aside.
///
/// # Errors
///
/// When a record is damaged.
pub fn from_names(library: &Library, filters: &Filters) -> Result<Vec<(PathBuf, String)>> {
    let files = library.files_where(|path| filters.pass_path(path));
    let named = files.map(|file| {
        let path = file?.0;
        let description = description_of(path.file_stem().unwrap_or_default());
        Ok(description.map(|description| (path, description)))
    });
    named.filter_map(Result::transpose).collect()
}

/// The words in a name: parted at everything that is no letter, and where a capital follows a small
/// letter; in lower case, without numbers and single letters. `None` when there are none.
///
/// ```
/// use soundseek::adapt::description_of;
///
/// assert_eq!(description_of("SnareDrum-Soft_02 (a)".as_ref()).as_deref(), Some("snare drum soft"));
/// assert_eq!(description_of("0427_b".as_ref()), None);
/// ```
pub fn description_of(name: &std::ffi::OsStr) -> Option<String> {
    let name = name.to_string_lossy();
    let mut words: Vec<String> = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphabetic() || c.is_uppercase() && before.is_lowercase() {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.last_mut()?.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| word.chars().count() > 1);
    Some(words.join(" ")).filter(|description| !description.is_empty())
}

impl Example {
    /// The examples of described files that the library has vectors of, each sound once, and the files
    /// that it has none of.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn gather(
        library: &Library,
        index: &Index,
        described: &[(PathBuf, String)],
    ) -> Result<(Vec<Example>, Vec<PathBuf>)> {
        let (mut examples, mut unknown) = (Vec::new(), Vec::new());
        let mut seen: HashSet<ContentHash> = HashSet::new();
        for (path, description) in described {
            let place = library.place(path).unwrap_or_else(|_| path.clone());
            let Some(record) = library.file(&place)? else {
                unknown.push(path.clone());
                continue;
            };
            let Some(entry) = index.get(&record.content)? else {
                unknown.push(path.clone());
                continue;
            };
            if seen.insert(record.content) {
                let folder = place.parent().and_then(Path::file_name);
                examples.push(Example {
                    description: description.clone(),
                    folder: folder.and_then(description_of),
                    sound: mean(&entry.vectors).context("the vectors of a sound")?,
                });
            }
        }
        Ok((examples, unknown))
    }

    /// The ways in which the description is put while learning, the first as it stands. Names are bare
    /// words, and models were trained on sentences; learning these as well keeps both findable.
    pub fn phrasings(&self) -> Vec<String> {
        let description = &self.description;
        let mut phrasings = vec![
            description.clone(),
            format!("a {description}"),
            format!("the sound of {description}"),
        ];
        if let Some(folder) = &self.folder {
            phrasings.push(format!("{description}, {folder}"));
        }
        phrasings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Vec<(PathBuf, String)>, ExampleError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pairs.csv");
        std::fs::write(&path, text).expect("written");
        let rows = from_table(&path)?;
        let below = |path: PathBuf| match path.strip_prefix(folder.path()) {
            Ok(below) => below.to_path_buf(),
            Err(_) => path,
        };
        Ok(rows
            .into_iter()
            .map(|(path, text)| (below(path), text))
            .collect())
    }

    #[test]
    fn tables_have_commas_or_tabs_quotes_and_columns_by_name_or_place() {
        let rows = [
            (PathBuf::from("a.wav"), "a dog, far away".to_string()),
            (PathBuf::from("/b.wav"), "rain".to_string()),
        ];
        for text in [
            "a.wav,\"a dog, far away\"\n/b.wav, rain\n",
            "\u{feff}path\tkind\tCaption\na.wav\tx\ta dog, far away\n/b.wav\t\train",
            "file,text\n\"a.wav\" ,\"a dog, far away\"\n/b.wav,rain",
            "description,file\r\n\"a dog, far away\",a.wav\r\n\r\nrain,/b.wav\r\n",
        ] {
            assert_eq!(table(text).expect(text), rows, "{text}");
        }
    }

    #[test]
    fn an_incomplete_row_is_named_by_its_line() {
        for (text, line, found) in [
            ("a.wav,dog\nb.wav\n", "line 2", "no description"),
            ("file,text\n,dog\n", "line 2", "no file"),
            (
                "a.wav,\"a\nb\"\n\"b.wav,dog\n",
                "line 3",
                "a quote that does not end",
            ),
        ] {
            let error = table(text).expect_err(text).to_string();
            assert!(error.contains(line) && error.contains(found), "{error}");
        }
    }

    #[test]
    fn names_are_taken_apart_into_words() {
        for (name, words) in [
            ("kick", Some("kick")),
            ("Kick_Drum 03", Some("kick drum")),
            ("doorSlamWood2", Some("door slam wood")),
            ("TR808-HiHat", Some("tr hi hat")),
            ("Grüner Vogel", Some("grüner vogel")),
            ("C#3", None),
            ("01", None),
            ("", None),
        ] {
            assert_eq!(description_of(name.as_ref()).as_deref(), words, "{name}");
        }
    }
}
