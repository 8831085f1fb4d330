//! Paths in JSON, which has only Unicode while file names are bytes.

use std::path::Path;

use serde_json::{Value, json};

/// Adds `path_hex`, the bytes of a path that is not Unicode, to an object that shows the path with
/// replacement characters. Objects of ordinary paths stay as they are.
pub fn add_bytes(object: &mut Value, path: &Path) {
    if path.to_str().is_none() {
        let bytes = path.as_os_str().as_encoded_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        object["path_hex"] = json!(hex);
    }
}
