//! Sets of labels: those that come with the program, and a person's own, as lists in text files.
//!
//! A list has a label on each line; what follows a tab, if anything does, is what is put into the
//! caption in its place, since names of categories ("Fill (with liquid)") are not how sounds are
//! described. It stands apart from the classifier because here is what a file may hold and what is
//! said when it holds something else.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::display::printable;

/// The most labels of a set. Every one is compared with every sound.
const MOST_LABELS: usize = 10_000;

/// The most characters of a label, and of its phrase: more does not fit into a row, or into the model.
const LONGEST: usize = 200;

/// The sets that come with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltInSet {
    /// The 527 evaluated classes of AudioSet.
    AudioSet,
    /// The subcategories of the Universal Category System for sound effects.
    Ucs,
    /// The 50 everyday classes of ESC-50.
    Esc50,
    /// Drums and percussion.
    Drums,
    /// What music and ambience feel like.
    Moods,
}

/// A text that names none of the sets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no set of labels '{found}': take audioset, ucs, esc50, drums or moods")]
pub struct ParseBuiltInSetError {
    /// The text.
    pub found: String,
}

impl BuiltInSet {
    /// All of them.
    pub const ALL: [BuiltInSet; 5] = [
        BuiltInSet::AudioSet,
        BuiltInSet::Ucs,
        BuiltInSet::Esc50,
        BuiltInSet::Drums,
        BuiltInSet::Moods,
    ];

    /// The name that it is chosen by.
    pub fn name(self) -> &'static str {
        match self {
            BuiltInSet::AudioSet => "audioset",
            BuiltInSet::Ucs => "ucs",
            BuiltInSet::Esc50 => "esc50",
            BuiltInSet::Drums => "drums",
            BuiltInSet::Moods => "moods",
        }
    }

    fn text(self) -> &'static str {
        match self {
            BuiltInSet::AudioSet => include_str!("sets/audioset.txt"),
            BuiltInSet::Ucs => include_str!("sets/ucs.txt"),
            BuiltInSet::Esc50 => include_str!("sets/esc50.txt"),
            BuiltInSet::Drums => include_str!("sets/drums.txt"),
            BuiltInSet::Moods => include_str!("sets/moods.txt"),
        }
    }
}

impl FromStr for BuiltInSet {
    type Err = ParseBuiltInSetError;

    fn from_str(text: &str) -> Result<BuiltInSet, ParseBuiltInSetError> {
        let named = |set: &BuiltInSet| set.name() == text;
        let found = BuiltInSet::ALL.into_iter().find(named);
        found.ok_or_else(|| ParseBuiltInSetError {
            found: printable(text),
        })
    }
}

impl fmt::Display for BuiltInSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What it is called.
    pub name: String,
    /// What stands for it in a caption.
    pub phrase: String,
}

/// Labels that are told apart from each other; two at least, no two of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSet {
    /// What the set is called.
    pub name: String,
    labels: Vec<Label>,
}

/// Why a file is no set of labels.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelSetError {
    /// It cannot be read.
    #[error("the labels in {} cannot be read", printable(&path.to_string_lossy()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not UTF-8.
    #[error("line {line} is not UTF-8 text: save the list of labels as UTF-8")]
    NotText {
        /// The first line that is not, from 1.
        line: usize,
    },
    /// A line has a tab and nothing on one side of it, or more than one.
    #[error(
        "line {line} is not LABEL or LABEL<TAB>PHRASE: it has {found}; lines that begin with # are comments"
    )]
    Shape {
        /// The line, from 1.
        line: usize,
        /// What it has.
        found: &'static str,
    },
    /// A label or phrase is too long.
    #[error("line {line} has {found} characters; a label or phrase has at most {LONGEST}")]
    TooLong {
        /// The line, from 1.
        line: usize,
        /// How many characters there are.
        found: usize,
    },
    /// A label stands there a second time, be it in other letters.
    #[error(
        "line {line} has the label '{}' again, which is on line {first}",
        printable(label)
    )]
    Twice {
        /// The line, from 1.
        line: usize,
        /// The line of the first one.
        first: usize,
        /// The label.
        label: String,
    },
    /// There are too few or too many labels to tell apart.
    #[error("a set has 2 to {MOST_LABELS} labels, one on a line; here are {found}")]
    Count {
        /// How many there are.
        found: usize,
    },
}

impl LabelSet {
    /// A set that comes with the program.
    pub fn built_in(set: BuiltInSet) -> LabelSet {
        LabelSet::parse(set.name(), set.text()).expect("the program's own lists are well formed")
    }

    /// The set in a file, under the file's name without its extension.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is no list of labels; the text names the line.
    pub fn read(path: &Path) -> Result<LabelSet, LabelSetError> {
        let bytes = std::fs::read(path).map_err(|source| LabelSetError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let before = valid.iter().filter(|&&byte| byte == b'\n').count();
            LabelSetError::NotText { line: before + 1 }
        })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        LabelSet::parse(&name, &text)
    }

    /// The set that a text lists: a label on each line, with a phrase after a tab where another text
    /// stands for it in captions. Empty lines and those that begin with `#` are left aside.
    ///
    /// # Errors
    ///
    /// When a line is something else, a label is there twice, or there are too few or too many.
    pub fn parse(name: &str, text: &str) -> Result<LabelSet, LabelSetError> {
        let mut labels: Vec<Label> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let mut parts = text.split('\t').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let phrase = parts.next().unwrap_or(name);
            let found = match (name, phrase) {
                ("", _) => Some("nothing before the tab"),
                (_, "") => Some("nothing after the tab"),
                _ => parts.next().map(|_| "two tabs"),
            };
            if let Some(found) = found {
                return Err(LabelSetError::Shape { line, found });
            }
            let longest = name.chars().count().max(phrase.chars().count());
            if longest > LONGEST {
                let found = longest;
                return Err(LabelSetError::TooLong { line, found });
            }
            if let Some(first) = lines.insert(name.to_lowercase(), line) {
                let label = name.to_string();
                return Err(LabelSetError::Twice { line, first, label });
            }
            labels.push(Label {
                name: name.to_string(),
                phrase: phrase.to_string(),
            });
        }
        let found = labels.len();
        if !(2..=MOST_LABELS).contains(&found) {
            return Err(LabelSetError::Count { found });
        }
        Ok(LabelSet {
            name: name.to_string(),
            labels,
        })
    }

    /// The labels in the order of the list.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The captions of the labels: the template with each phrase in the place of `{}`.
    pub fn captions(&self, template: &str) -> Vec<String> {
        let caption = |label: &Label| template.replace("{}", &label.phrase);
        self.labels.iter().map(caption).collect()
    }

    /// What tells this set with this template from all others: BLAKE3, in hexadecimal, of the names
    /// and captions.
    pub fn digest(&self, template: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        for (label, caption) in self.labels.iter().zip(self.captions(template)) {
            for text in [&label.name, &caption] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "a sound of {}";

    #[test]
    fn the_lists_that_come_with_the_program_are_whole() {
        let sizes = [
            (BuiltInSet::AudioSet, 527),
            (BuiltInSet::Ucs, 661),
            (BuiltInSet::Esc50, 50),
            (BuiltInSet::Drums, 48),
            (BuiltInSet::Moods, 22),
        ];
        for (set, size) in sizes {
            let list = LabelSet::built_in(set);
            assert_eq!(list.labels().len(), size, "{set}");
            assert_eq!(set.name().parse(), Ok(set));
            // Two labels of one phrase could not be told apart.
            let mut phrases: Vec<&str> = list.labels().iter().map(|l| l.phrase.as_str()).collect();
            phrases.sort_unstable();
            phrases.dedup();
            assert_eq!(phrases.len(), size, "{set}");
        }
        assert!("AudioSet".parse::<BuiltInSet>().is_err());
    }

    #[test]
    fn a_list_has_labels_phrases_comments_and_empty_lines() {
        let text = "\u{feff}# mine\r\nkick\ta bass drum\r\n\r\n  snare drum \n";
        let set = LabelSet::parse("mine", text).expect("a list");
        let names: Vec<&str> = set.labels().iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["kick", "snare drum"]);
        assert_eq!(
            set.captions("hear {}!"),
            ["hear a bass drum!", "hear snare drum!"]
        );
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_line() {
        let long = format!("a\n{}", "b".repeat(LONGEST + 1));
        let many: String = (0..=MOST_LABELS).map(|n| format!("{n}\n")).collect();
        for (text, error) in [
            ("# x\na\n\tb\n", "line 3 is not LABEL"),
            ("a\nb\t \n", "line 2 is not LABEL"),
            ("a\nb\tc\td\n", "it has two tabs"),
            (&long, "line 2 has 201 characters"),
            (
                "Kick\n\nkick\n",
                "line 3 has the label 'kick' again, which is on line 1",
            ),
            ("a\n", "here are 1"),
            ("", "here are 0"),
            (&many, "here are 10001"),
        ] {
            let found = LabelSet::parse("x", text).expect_err(text).to_string();
            assert!(found.contains(error), "{found}");
        }
    }

    #[test]
    fn the_digest_is_of_the_names_and_the_captions() {
        let digest = |text: &str, template: &str| {
            let set = LabelSet::parse("x", text).expect("a list");
            set.digest(template)
        };
        let one = digest("a\nb\n", TEMPLATE);
        assert_eq!(one, digest("# said otherwise\na\ta\nb", TEMPLATE));
        assert_ne!(one, digest("a\nb\tc\n", TEMPLATE));
        assert_ne!(one, digest("b\na\n", TEMPLATE));
        assert_ne!(one, digest("a\nb\n", "{}"));
    }
}
