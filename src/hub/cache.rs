//! The cache that Hugging Face's programs share: which models in it are whole.
//!
//! Its layout is theirs, so that what one of them downloaded needs no second download, and the other
//! way round: `hub/models--OWNER--NAME/` has `refs/REVISION`, a file that names a commit,
//! `snapshots/COMMIT/`, the files under their names, and `blobs/`, their contents under their hashes.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::HubError;
use super::name::Repository;

/// The folder `hub/` of the cache.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Cache {
        Cache { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a model that was downloaded whole.
    pub(super) fn snapshot(&self, repository: &Repository) -> Option<PathBuf> {
        let folder = self.repository_folder(repository);
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

    /// The folder of a model with everything that was downloaded of it.
    pub(super) fn repository_folder(&self, repository: &Repository) -> PathBuf {
        self.folder.join(folder_name(repository))
    }

    /// Where a content lies.
    pub(super) fn blob(&self, repository: &Repository, hash: &str) -> PathBuf {
        self.repository_folder(repository).join("blobs").join(hash)
    }

    /// What is locked while a content is downloaded.
    pub(super) fn lock(&self, repository: &Repository, hash: &str) -> PathBuf {
        let locks = self.folder.join(".locks").join(folder_name(repository));
        locks.join(format!("{hash}.lock"))
    }

    /// Gives contents their names at a commit, and the commit that of the revision. Gives the folder.
    pub(super) fn publish(
        &self,
        repository: &Repository,
        commit: &str,
        files: &[(&str, &str)],
    ) -> Result<PathBuf, HubError> {
        let folder = self.repository_folder(repository);
        let snapshot = folder.join("snapshots").join(commit);
        make_folder(&snapshot)?;
        for (name, hash) in files {
            let (link, blob) = (snapshot.join(name), self.blob(repository, hash));
            if same_file(&link, &blob) {
                continue;
            }
            let new = snapshot.join(format!(".{name}.new"));
            let _ = std::fs::remove_file(&new);
            point(&new, &blob, hash)
                .and_then(|()| std::fs::rename(&new, &link))
                .map_err(|source| HubError::Cache { path: link, source })?;
        }
        if repository.revision() != commit {
            let reference = folder.join("refs").join(repository.revision());
            write_whole(&reference, commit.as_bytes()).map_err(|source| HubError::Cache {
                path: reference,
                source,
            })?;
        }
        Ok(snapshot)
    }
}

fn folder_name(repository: &Repository) -> String {
    format!("models--{}--{}", repository.owner(), repository.name())
}

fn make_folder(folder: &Path) -> Result<(), HubError> {
    std::fs::create_dir_all(folder).map_err(|source| HubError::Cache {
        path: folder.to_path_buf(),
        source,
    })
}

fn same_file(link: &Path, blob: &Path) -> bool {
    match (link.canonicalize(), blob.canonicalize()) {
        (Ok(link), Ok(blob)) => link == blob,
        _ => false,
    }
}

/// A link from a snapshot to a content.
#[cfg(unix)]
fn point(link: &Path, _blob: &Path, hash: &str) -> std::io::Result<()> {
    // Relative, so that the cache can be moved as a whole.
    std::os::unix::fs::symlink(Path::new("../../blobs").join(hash), link)
}

/// Links to files need rights that few people have elsewhere, and a second name for one does not.
#[cfg(not(unix))]
fn point(link: &Path, blob: &Path, _hash: &str) -> std::io::Result<()> {
    std::fs::hard_link(blob, link).or_else(|_| std::fs::copy(blob, link).map(drop))
}

/// Writes a small file in one step, so that nobody reads half of it.
fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(content)?;
    new.persist(path)?;
    Ok(())
}

/// A commit of git: 40 hexadecimal digits. What a file or a server calls one becomes part of a path.
pub(super) fn is_commit(text: &str) -> bool {
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
