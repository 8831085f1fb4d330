//! The adapter that a library is searched with, one for each model, on or off.
//!
//! It is a file beside the store, in `adapters/`, named after the model's fingerprint; turned off, it
//! has another ending. It stands apart from the tables because it is a thing that a person may copy,
//! send and throw away.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result};
use soundseek_index::{Space, Vector};

use super::{Library, Stamp};
use crate::adapt::Adapter;

/// The folder in the library's.
const FOLDER: &str = "adapters";

/// How many characters of a fingerprint name a file.
const NAME_LENGTH: usize = 16;

/// The adapter that was read last.
#[derive(Default)]
pub(super) struct HeldAdapter(RwLock<Option<Held>>);

struct Held {
    /// The fingerprint of its model.
    fingerprint: String,
    /// That of its file when it was read: another process may write another one at any time.
    stamp: Stamp,
    adapter: Arc<Adapter>,
}

impl Library {
    /// The adapter that searches with this model's vectors use, if one is on. Its file is looked at at
    /// each call, and read when it is another one than before.
    ///
    /// # Errors
    ///
    /// When its file is damaged or cannot be read; the text says how to turn it off.
    pub fn adapter(&self, space: &Space) -> Result<Option<Arc<Adapter>>> {
        let path = self.adapter_path(space, true);
        let Ok(metadata) = std::fs::metadata(&path) else {
            return Ok(None);
        };
        let stamp = Stamp::of(&metadata);
        let unpanicked = "no thread panics while it reads an adapter";
        if let Some(held) = &*self.adapter.0.read().expect(unpanicked)
            && (&held.fingerprint, held.stamp) == (&space.fingerprint, stamp)
        {
            return Ok(Some(Arc::clone(&held.adapter)));
        }
        let adapter = Arc::new(Adapter::read(&path, space)?);
        *self.adapter.0.write().expect(unpanicked) = Some(Held {
            fingerprint: space.fingerprint.clone(),
            stamp,
            adapter: Arc::clone(&adapter),
        });
        Ok(Some(adapter))
    }

    /// The vector of a text as searches of this library take it: through the adapter that is on, if one
    /// is.
    ///
    /// # Errors
    ///
    /// As [`Library::adapter`], and as [`Adapter::apply`].
    pub fn in_own_words(&self, space: &Space, text: Vector) -> Result<Vector> {
        match self.adapter(space)? {
            Some(adapter) => adapter.apply(&text),
            None => Ok(text),
        }
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
        // Clocks of files may be too coarse to tell two that were written at once.
        *self
            .adapter
            .0
            .write()
            .expect("no thread panics while it reads an adapter") = None;
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
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}
