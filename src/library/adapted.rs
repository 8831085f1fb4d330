//! The adapter that a library is searched with, one for each model, on or off.
//!
//! It is a file beside the store, in `adapters/`, named after the model's fingerprint; turned off, it
//! has another ending. It stands apart from the tables because it is a thing that a person may copy,
//! send and throw away.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result};
use soundseek_index::Space;

use super::Library;
use crate::adapt::Adapter;

/// The folder in the library's.
const FOLDER: &str = "adapters";

/// How many characters of a fingerprint name a file.
const NAME_LENGTH: usize = 16;

/// The adapter that was asked for last, by the fingerprint of its model.
pub(super) type HeldAdapter = RwLock<Option<(String, Option<Arc<Adapter>>)>>;

impl Library {
    /// The adapter that searches with this model's vectors use, if one is on.
    ///
    /// # Errors
    ///
    /// When its file is damaged or cannot be read; the text says how to turn it off.
    pub fn adapter(&self, space: &Space) -> Result<Option<Arc<Adapter>>> {
        let unpanicked = "no thread panics while it reads an adapter";
        if let Some((fingerprint, adapter)) = &*self.adapter.read().expect(unpanicked)
            && *fingerprint == space.fingerprint
        {
            return Ok(adapter.clone());
        }
        let path = self.adapter_path(space, true);
        let adapter = match path.exists() {
            true => Some(Arc::new(Adapter::read(&path, space)?)),
            false => None,
        };
        let held = (space.fingerprint.clone(), adapter.clone());
        *self.adapter.write().expect(unpanicked) = Some(held);
        Ok(adapter)
    }

    /// Keeps an adapter and turns it on, in the place of the one before.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn keep_adapter(&self, adapter: &Adapter) -> Result<PathBuf> {
        let path = self.adapter_path(adapter.base(), true);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        }
        adapter.write(&path)?;
        remove_if_there(&self.adapter_path(adapter.base(), false))?;
        self.forget_held_adapter();
        Ok(path)
    }

    /// Turns the adapter of a model on or off; false when there is none to turn. It can be turned off
    /// even if it is damaged.
    ///
    /// # Errors
    ///
    /// When the disk refuses, or a damaged one is turned on.
    pub fn turn_adapter(&self, space: &Space, on: bool) -> Result<bool> {
        let (from, to) = (self.adapter_path(space, !on), self.adapter_path(space, on));
        if !from.exists() {
            return Ok(to.exists());
        }
        if on {
            Adapter::read(&from, space)?;
        }
        std::fs::rename(&from, &to)
            .with_context(|| format!("{} cannot be renamed", from.display()))?;
        self.forget_held_adapter();
        Ok(true)
    }

    /// True when there is an adapter of a model that is turned off.
    pub fn has_adapter_off(&self, space: &Space) -> bool {
        self.adapter_path(space, false).exists()
    }

    fn adapter_path(&self, space: &Space, on: bool) -> PathBuf {
        let name: String = space.fingerprint.chars().take(NAME_LENGTH).collect();
        let ending = if on { "safetensors" } else { "off" };
        self.directory.join(FOLDER).join(format!("{name}.{ending}"))
    }

    fn forget_held_adapter(&self) {
        *self
            .adapter
            .write()
            .expect("no thread panics while it reads an adapter") = None;
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}
