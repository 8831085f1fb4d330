//! A pickle's tensors as safetensors, made once and mapped from then on.
//!
//! Tensors of a pickle are unpacked and copied at every start; safetensors are mapped, shared between
//! processes, and only what is used is read. So a checkpoint that has only a pickle gets a copy in the
//! user's cache folder, which lies under the digest of the pickle and can stand for no other. It holds
//! the same numbers, so the checkpoint's fingerprint stays that of the pickle: vectors that were made
//! before the copy are found after it. Without the copy, the pickle is read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::DType;
use candle_core::pickle::PthTensors;

use super::LoadError;
use super::digests::Digests;
use crate::user_cache;

/// Where the copy of a pickle lies, whether it is there or not; `None` without a cache folder.
pub(super) fn place(pickle: &Path) -> Option<PathBuf> {
    let folder = user_cache::place("converted")?;
    let digest = Digests::of_this_user().digest(pickle).ok()?;
    Some(folder.join(format!("{}.safetensors", digest.to_hex())))
}

/// Writes the floats of a pickle that was checked; counters and buffers of integers are left out, no
/// constructor asks for them. The copy appears in one step.
pub(super) fn write(tensors: &PthTensors, file: &str, to: &Path) -> Result<(), LoadError> {
    let unreadable = |source| LoadError::Network {
        file: file.to_owned(),
        source,
    };
    let unwritable = |source| LoadError::Unwritable {
        file: to.display().to_string(),
        source,
    };
    let mut floats = HashMap::new();
    for (name, info) in tensors.tensor_infos() {
        if matches!(
            info.dtype,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64
        ) && let Some(tensor) = tensors.get(name).map_err(unreadable)?
        {
            floats.insert(name.clone(), tensor);
        }
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let new = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    candle_core::safetensors::save(&floats, new.path()).map_err(unreadable)?;
    new.as_file().sync_all().map_err(unwritable)?;
    new.persist(to).map_err(|error| unwritable(error.error))?;
    Ok(())
}
