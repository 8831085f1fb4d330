//! How what was found is written as JSON, on the command line and in exported lists.
//!
//! JSON has only Unicode while names of files are bytes; here is what becomes of those that are none.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::display::steers;
use crate::library::Marks;
use crate::search::Hit;

/// Grows when a field of an object changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// An object as one line. JSON allows all but the first 32 control characters as they are; whatever
/// could steer a terminal is escaped all the same, which means the same to every reader.
pub fn line(object: &Value) -> String {
    let mut line = String::new();
    for c in object.to_string().chars() {
        if steers(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(c);
        }
    }
    line
}

/// One hit as an object of the schema that the README documents.
pub fn hit(hit: &Hit, marks: &Marks) -> Value {
    let sound = &hit.record.sound;
    let mut object = json!({
        "schema": SCHEMA,
        "rank": hit.rank,
        "start": hit.moment.0,
        "end": hit.moment.1,
        "similarity": hit.similarity,
        "strength": hit.strength,
        "duration": sound.duration_s,
        "format": sound.format,
        "codec": sound.codec,
        "sample_rate": sound.sample_rate_hz,
        "channels": sound.channels,
        "favourite": marks.favourite,
        "tags": marks.tags,
    });
    put_path(&mut object, "path", &hit.path);
    let alike: Vec<&Path> = hit.alike.iter().map(|alike| alike.path.as_path()).collect();
    put_paths(&mut object, "alike", &alike);
    object
}

/// Puts a path into a field of an object. One that is not Unicode has replacement characters there,
/// and its bytes in a second field with `_hex` added to the name.
pub fn put_path(object: &mut Value, field: &str, path: &Path) {
    object[field] = json!(path.to_string_lossy());
    if let Some(hex) = hex(path) {
        object[format!("{field}_hex")] = json!(hex);
    }
}

/// [`put_path`] for a list; the second one, if any path needs it, is as long and has null for the others.
pub fn put_paths(object: &mut Value, field: &str, paths: &[&Path]) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_steers_no_terminal_and_reads_back_as_it_was() {
        let text = "a\u{1b}[2J\u{9b}31m\u{202e}\u{e0041}\u{7f}\n\"\\ 音";
        let line = line(&json!({ "path": text }));
        assert!(!line.contains(steers), "{line}");
        let back: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(back["path"], text);
    }
}
