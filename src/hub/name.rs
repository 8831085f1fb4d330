//! What people call a model: `builtin`, a known name, `owner/name[@revision]`, or a folder.
//!
//! Apart from the cache that finds it, because a name is checked before anything is looked for: what
//! it is made of becomes part of paths and of addresses.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use super::known::{known_models, refusal};

/// The revision that is meant when none is named.
const MAIN: &str = "main";

/// No part of a name on the hub is longer.
const LONGEST_PART: usize = 96;

/// A model as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelName {
    /// The one inside the program.
    BuiltIn,
    /// One of the hub.
    Hub(Repository),
    /// A folder, which may not be there.
    Folder(PathBuf),
}

/// A model repository on the hub, at a revision. Its parts are safe in paths and addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    owner: String,
    name: String,
    revision: String,
}

/// A name that means no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing of this name is known.
    #[error(
        "{found:?} is no model: expected `builtin`, a folder that is there, owner/name[@revision] on \
         the hub, or one of {}",
        known_names()
    )]
    Unknown {
        /// The text given.
        found: String,
    },
    /// The model is known, and known not to work.
    #[error("{repository} cannot be used: {reason}")]
    Broken {
        /// The repository.
        repository: String,
        /// Why, and what to take instead.
        reason: &'static str,
    },
}

fn known_names() -> String {
    let names: Vec<_> = known_models().iter().map(|known| known.name).collect();
    names.join(", ")
}

impl ModelName {
    /// Reads a name. A folder that is there comes before a model of the hub, as everywhere that takes
    /// both; nothing at all means the built-in model.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn parse(text: &OsStr) -> Result<ModelName, NameError> {
        let path = Path::new(text);
        let Some(name) = text.to_str() else {
            return Ok(ModelName::Folder(path.to_path_buf()));
        };
        if matches!(name, "" | "builtin") {
            return Ok(ModelName::BuiltIn);
        }
        if path.is_dir() || path.is_absolute() || name.starts_with('.') || name.ends_with('/') {
            return Ok(ModelName::Folder(path.to_path_buf()));
        }
        Repository::parse(name).map(ModelName::Hub)
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelName::BuiltIn => f.write_str("builtin"),
            ModelName::Hub(repository) => repository.fmt(f),
            ModelName::Folder(folder) => folder.display().fmt(f),
        }
    }
}

impl Repository {
    /// Reads `NAME`, for a known model, or `owner/name`, either with `@revision`.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn parse(text: &str) -> Result<Repository, NameError> {
        let unknown = || NameError::Unknown {
            found: text.to_owned(),
        };
        let (place, revision) = text.split_once('@').unwrap_or((text, MAIN));
        let known = known_models().iter().find(|known| known.name == place);
        let (owner, name) = match known {
            Some(known) => (known.owner, known.name),
            None => match place.split_once('/') {
                Some(parts) => parts,
                // Named only to be refused with the reason.
                None => (known_models()[0].owner, place),
            },
        };
        if let Some(reason) = refusal(owner, name) {
            let repository = format!("{owner}/{name}");
            return Err(NameError::Broken { repository, reason });
        }
        let named = known.is_some() || place.contains('/');
        let valid = is_part(owner) && is_part(name) && revision.split('/').all(is_part);
        if !named || !valid {
            return Err(unknown());
        }
        Ok(Repository {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// Whose it is.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its name without the owner's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The branch, tag or commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// True for the revision that is meant when none is named.
    pub fn is_main(&self) -> bool {
        self.revision == MAIN
    }
}

impl fmt::Display for Repository {
    /// As [`Repository::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        if self.is_main() {
            return Ok(());
        }
        write!(f, "@{}", self.revision)
    }
}

/// Letters, digits, `-`, `_` and `.`, as the hub allows; never a folder above, nor a hidden file.
fn is_part(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=LONGEST_PART).contains(&text.len())
        && text.chars().all(allowed)
        && !text.starts_with('.')
        && !text.contains("..")
        && !text.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, NameError> {
        ModelName::parse(OsStr::new(text)).map(|name| name.to_string())
    }

    #[test]
    fn names_are_read_and_shown_in_full() {
        for (given, shown) in [
            ("", "builtin"),
            ("builtin", "builtin"),
            ("clap-htsat-unfused", "laion/clap-htsat-unfused"),
            (
                "larger_clap_general@8fa0f1c",
                "laion/larger_clap_general@8fa0f1c",
            ),
            ("someone/their.clap-2", "someone/their.clap-2"),
            ("someone/clap@refs/pr/3", "someone/clap@refs/pr/3"),
            ("someone/clap@main", "someone/clap"),
            ("./clap", "./clap"),
            ("/nowhere/clap", "/nowhere/clap"),
        ] {
            assert_eq!(parse(given).as_deref(), Ok(shown), "{given}");
        }
    }

    #[test]
    fn what_could_leave_its_folder_or_means_nothing_is_no_name() {
        for bad in [
            "clap",
            "a/b/c",
            "someone/..",
            "someone/clap@../../x",
            "someone/clap@",
            "someone/clap@a//b",
            "someone/cl ap",
            "someone/cl\u{1b}ap",
            "some--one/clap",
            "someone/clap?x=1",
            "@main",
        ] {
            let refused = parse(bad);
            assert!(
                matches!(refused, Err(NameError::Unknown { .. })),
                "{bad}: {refused:?}"
            );
        }
    }

    #[test]
    fn the_collapsed_model_is_refused_with_the_reason() {
        for name in ["larger_clap_music", "laion/larger_clap_music@main"] {
            let text = parse(name).expect_err("it is collapsed").to_string();
            assert!(text.contains("text tower is collapsed"), "{text}");
        }
        assert!(parse("larger_clap_music_and_speech").is_ok());
    }
}
