//! Where a checkpoint's files come from: a folder, or the program itself.
//!
//! The rest of the loader asks for files by name and cannot tell the two apart, so the built-in
//! model goes through every check that a downloaded one does.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::LoadError;
use super::digests::Digests;
use super::weights::Weights;

/// `config.json`, the architecture.
pub(super) const CONFIG: &str = "config.json";
/// `preprocessor_config.json`, the features.
pub(super) const PREPROCESSOR: &str = "preprocessor_config.json";
/// The weights, preferred form.
pub(super) const SAFETENSORS: &str = "model.safetensors";
/// The weights as PyTorch pickles them; some checkpoints have only this.
pub(super) const PICKLE: &str = "pytorch_model.bin";
/// The whole tokenizer.
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// Token ids of a byte-level BPE tokenizer; used with [`MERGES`] where there is no [`TOKENIZER`].
pub(super) const VOCAB: &str = "vocab.json";
/// Merge rules of a byte-level BPE tokenizer.
pub(super) const MERGES: &str = "merges.txt";

/// No text file of a real checkpoint comes near this; RoBERTa's `tokenizer.json` has 2 MB.
const TEXT_FILE_LIMIT: u64 = 64 << 20;

/// The files of the built-in model, in the format of any other checkpoint.
static BUILT_IN: [(&str, &[u8]); 4] = [
    (CONFIG, include_bytes!("builtin/config.json")),
    (
        PREPROCESSOR,
        include_bytes!("builtin/preprocessor_config.json"),
    ),
    (TOKENIZER, include_bytes!("builtin/tokenizer.json")),
    (SAFETENSORS, include_bytes!("builtin/model.safetensors")),
];

/// A CLAP checkpoint in the format of Hugging Face transformers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkpoint {
    /// A folder with `config.json`, `preprocessor_config.json`, `model.safetensors` or
    /// `pytorch_model.bin`, and `tokenizer.json` or `vocab.json` with `merges.txt`.
    Folder(PathBuf),
    /// The small model inside the program.
    BuiltIn,
}

/// One file of a checkpoint.
pub(super) enum File {
    /// On disk.
    OnDisk(PathBuf),
    /// Inside the program.
    BuiltIn(&'static [u8]),
}

impl Checkpoint {
    /// A name for people: `builtin`, or the folder's. In the Hugging Face download cache, whose
    /// folders are named after commits, it is the repository's, such as `clap-htsat-unfused`.
    pub fn name(&self) -> String {
        let Checkpoint::Folder(folder) = self else {
            return "builtin".to_owned();
        };
        let absolute = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let named = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        if let Some(snapshots) = absolute
            .parent()
            .filter(|parent| named(parent) == "snapshots")
            && let Some(repository) = snapshots.parent()
            && let Some((_, name)) = named(repository).rsplit_once("--")
        {
            return name.to_owned();
        }
        named(&absolute)
    }

    /// Where the weights are a pickle, copies them once to a form that starts quicker, in the user's
    /// cache folder. The fingerprint stays as it is.
    ///
    /// # Errors
    ///
    /// [`LoadError`] for weights that cannot be read, or a cache folder that cannot be written.
    pub fn prepare(&self) -> Result<(), LoadError> {
        self.check_exists()?;
        Weights::convert(self)
    }

    /// The folder, as error texts name it.
    pub(super) fn location(&self) -> String {
        match self {
            Checkpoint::Folder(folder) => folder.display().to_string(),
            Checkpoint::BuiltIn => "the built-in model".to_owned(),
        }
    }

    /// A file of the checkpoint, as error texts name it.
    pub(super) fn path_of(&self, name: &str) -> String {
        match self {
            Checkpoint::Folder(folder) => folder.join(name).display().to_string(),
            Checkpoint::BuiltIn => format!("built-in {name}"),
        }
    }

    /// Looks a file up by name; `None` if the checkpoint has no such file.
    pub(super) fn find(&self, name: &str) -> Option<File> {
        match self {
            Checkpoint::Folder(folder) => {
                let path = folder.join(name);
                path.is_file().then_some(File::OnDisk(path))
            }
            Checkpoint::BuiltIn => {
                let (_, bytes) = BUILT_IN.iter().find(|(file, _)| *file == name)?;
                Some(File::BuiltIn(bytes))
            }
        }
    }

    /// The bytes of a text file; `None` if the checkpoint has no such file.
    pub(super) fn read(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>, LoadError> {
        let path = match self.find(name) {
            None => return Ok(None),
            Some(File::BuiltIn(bytes)) => return Ok(Some(Cow::Borrowed(bytes))),
            Some(File::OnDisk(path)) => path,
        };
        let unreadable = |source| LoadError::Unreadable {
            file: self.path_of(name),
            source,
        };
        let found = std::fs::metadata(&path).map_err(unreadable)?.len();
        if found > TEXT_FILE_LIMIT {
            let file = self.path_of(name);
            return Err(LoadError::TooLarge {
                file,
                limit: TEXT_FILE_LIMIT,
                found,
            });
        }
        Ok(Some(Cow::Owned(std::fs::read(&path).map_err(unreadable)?)))
    }

    /// The bytes of a text file that every checkpoint has.
    pub(super) fn require(&self, name: &'static str) -> Result<Cow<'static, [u8]>, LoadError> {
        let missing = || LoadError::MissingFile {
            folder: self.location(),
            wanted: name,
        };
        self.read(name)?.ok_or_else(missing)
    }

    /// Checks that there is a checkpoint at all, for a plainer error than a missing file's.
    pub(super) fn check_exists(&self) -> Result<(), LoadError> {
        match self {
            Checkpoint::Folder(path) if !path.is_dir() => {
                Err(LoadError::NoSuchFolder { path: path.clone() })
            }
            _ => Ok(()),
        }
    }

    /// BLAKE3 over the files that decide an embedding's value, each under its name.
    pub(super) fn digest(&self, preprocessing_version: u32) -> Result<blake3::Hash, LoadError> {
        let weights = if self.find(SAFETENSORS).is_some() {
            SAFETENSORS
        } else {
            PICKLE
        };
        let tokenizer: &[&str] = if self.find(TOKENIZER).is_some() {
            &[TOKENIZER]
        } else {
            &[VOCAB, MERGES]
        };
        let mut whole = blake3::Hasher::new();
        whole.update(&preprocessing_version.to_le_bytes());
        let digests = Digests::of_this_user();
        for name in [CONFIG, PREPROCESSOR, weights].iter().chain(tokenizer) {
            let one = match self.find(name) {
                None => blake3::hash(&[]),
                Some(File::BuiltIn(bytes)) => blake3::hash(bytes),
                Some(File::OnDisk(path)) => {
                    digests
                        .digest(&path)
                        .map_err(|source| LoadError::Unreadable {
                            file: self.path_of(name),
                            source,
                        })?
                }
            };
            whole.update(name.as_bytes());
            whole.update(one.as_bytes());
        }
        Ok(whole.finalize())
    }
}
