//! The cache that Hugging Face's programs share: which models in it are whole.
//!
//! Its layout is theirs, so that what one of them downloaded needs no second download, and the other
//! way round: `hub/models--OWNER--NAME/` has `refs/REVISION`, a file that names a commit,
//! `snapshots/COMMIT/`, the files under their names, and `blobs/`, their contents under their hashes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::name::{ModelName, Repository};
use crate::model::Checkpoint;

/// The hub as this machine sees it.
#[derive(Debug, Clone)]
pub struct Hub {
    /// `hub/` of the cache; `None` where the user has no home directory and names none.
    cache: Option<PathBuf>,
}

impl Hub {
    /// As the environment says: `HF_HUB_CACHE`, `HF_HOME` and `XDG_CACHE_HOME` name the cache.
    pub fn from_environment() -> Hub {
        Hub::configured(|name| std::env::var_os(name))
    }

    fn configured(variable: impl Fn(&str) -> Option<OsString>) -> Hub {
        let folder = |name| variable(name).filter(|value| !value.is_empty());
        let home = || {
            let caches = folder("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
                let folders = directories::BaseDirs::new()?;
                Some(folders.home_dir().join(".cache"))
            });
            folder("HF_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(caches?.join("huggingface")))
        };
        Hub {
            cache: folder("HF_HUB_CACHE")
                .map(PathBuf::from)
                .or_else(|| Some(home()?.join("hub"))),
        }
    }

    /// The checkpoint of a name; nothing is downloaded.
    ///
    /// # Errors
    ///
    /// When a model of the hub is not on this machine; the text says how to get it.
    pub fn checkpoint(&self, name: &ModelName) -> Result<Checkpoint> {
        match name {
            ModelName::BuiltIn => Ok(Checkpoint::BuiltIn),
            ModelName::Folder(folder) => Ok(Checkpoint::Folder(folder.clone())),
            ModelName::Hub(repository) => match self.snapshot(repository) {
                Some(folder) => Ok(Checkpoint::Folder(folder)),
                None => bail!(
                    "the model {repository} is not on this machine: `soundseek model get {repository}` downloads it"
                ),
            },
        }
    }

    /// The folder of a model that was downloaded whole.
    pub fn snapshot(&self, repository: &Repository) -> Option<PathBuf> {
        let folder = self.repository_folder(repository)?;
        let reference = folder.join("refs").join(repository.revision());
        // A commit is named by itself; a branch or tag by a file that says which commit it was.
        let commit = match std::fs::read_to_string(reference) {
            Ok(commit) => commit.trim().to_owned(),
            Err(_) => repository.revision().to_owned(),
        };
        if !is_commit(&commit) {
            return None;
        }
        let snapshot = folder.join("snapshots").join(commit);
        is_whole(&snapshot).then_some(snapshot)
    }

    fn repository_folder(&self, repository: &Repository) -> Option<PathBuf> {
        let name = format!("models--{}--{}", repository.owner(), repository.name());
        Some(self.cache.as_ref()?.join(name))
    }
}

/// A commit of git: 40 hexadecimal digits. What a file or a server calls one becomes part of a path.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// True when a folder has every file that a checkpoint needs; links to nothing do not count.
fn is_whole(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    has("config.json")
        && has("preprocessor_config.json")
        && (has("model.safetensors") || has("pytorch_model.bin"))
        && (has("tokenizer.json") || has("vocab.json") && has("merges.txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache_of(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let variable = |name: &str| {
            let set = variables.iter().find(|(known, _)| *known == name);
            set.map(|(_, value)| OsString::from(value))
        };
        Hub::configured(variable).cache
    }

    #[test]
    fn the_cache_is_where_hugging_face_s_own_programs_look_for_it() {
        let all = [
            ("XDG_CACHE_HOME", "/caches"),
            ("HF_HOME", "/hf"),
            ("HF_HUB_CACHE", "/hub"),
        ];
        assert_eq!(cache_of(&all), Some("/hub".into()));
        assert_eq!(cache_of(&all[..2]), Some("/hf/hub".into()));
        assert_eq!(cache_of(&all[..1]), Some("/caches/huggingface/hub".into()));
        let empty = [("HF_HOME", ""), ("XDG_CACHE_HOME", "/caches")];
        assert_eq!(cache_of(&empty), Some("/caches/huggingface/hub".into()));
    }
}
