//! Paths in JSON, which has only Unicode while file names are bytes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Puts a path into a field of an object. One that is not Unicode has replacement characters there,
/// and its bytes in a second field with `_hex` added to the name.
pub fn put(object: &mut Value, field: &str, path: &Path) {
    object[field] = json!(path.to_string_lossy());
    if let Some(hex) = hex(path) {
        object[format!("{field}_hex")] = json!(hex);
    }
}

/// [`put`] for a list; the second one, if any path needs it, is as long and has null for the others.
pub fn put_all(object: &mut Value, field: &str, paths: &[PathBuf]) {
    let texts = paths.iter().map(|path| path.to_string_lossy());
    object[field] = json!(texts.collect::<Vec<_>>());
    let bytes: Vec<_> = paths.iter().map(|path| hex(path)).collect();
    if bytes.iter().any(Option::is_some) {
        object[format!("{field}_hex")] = json!(bytes);
    }
}

fn hex(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    path.to_str().is_none().then(hex)
}
