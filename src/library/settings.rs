//! What is set for one library: the model that it is searched and indexed with when none is named.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use anyhow::Result;

use super::Library;
use super::record::{path_from_bytes, path_to_bytes};

const MODEL: &[u8] = b"model";

impl Library {
    /// The name of the model to take when none is given, as it was set; it may be the path of a folder.
    ///
    /// # Errors
    ///
    /// When the store is damaged.
    pub fn model_name(&self) -> Result<Option<OsString>> {
        let bytes = self.settings.get(MODEL)?;
        Ok(bytes.map(|bytes| path_from_bytes(&bytes).into_os_string()))
    }

    /// Sets the model to take when none is given.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn set_model_name(&self, name: &OsStr) -> Result<()> {
        self.settings
            .insert(MODEL, &path_to_bytes(Path::new(name))?)?;
        Ok(())
    }
}
