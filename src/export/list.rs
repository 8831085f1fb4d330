//! Lists of sounds as text: M3U for players, CSV for spreadsheets, JSON for programs.
//!
//! M3U is written in the bytes of the paths, so that a name that is no Unicode still opens; CSV and
//! JSON are text, where such a name is shown with replacement characters and JSON has its bytes
//! beside it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Item;
use super::folder::free_name;

/// An extended M3U playlist with a line `#EXTINF:SECONDS,NAME` before each path. Parts of files have
/// VLC's `start-time` and `stop-time`, which other players pass over.
///
/// A path with a line break in it would be two entries: it is left out, in a comment.
pub fn to_m3u(items: &[Item]) -> Vec<u8> {
    let mut list = b"#EXTM3U\n".to_vec();
    for item in items {
        let path = path_bytes(&item.path);
        if path.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            list.extend(b"# left out: a name with a line break in it\n");
            continue;
        }
        let name = item.path.file_stem().unwrap_or_default().to_string_lossy();
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let (from, to) = item.span.unwrap_or((0.0, item.duration_s));
        list.extend(format!("#EXTINF:{:.0},{name}\n", to - from).into_bytes());
        if item.span.is_some() {
            list.extend(format!("#EXTVLCOPT:start-time={from:.3}\n").into_bytes());
            list.extend(format!("#EXTVLCOPT:stop-time={to:.3}\n").into_bytes());
        }
        list.extend(path);
        list.push(b'\n');
    }
    list
}

/// Comma-separated values (RFC 4180) with a heading: path, start and end in seconds, length,
/// strength, tags.
///
/// A text that a spreadsheet would take for a formula gets an apostrophe before it
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
pub fn to_csv(items: &[Item]) -> String {
    let mut csv = "path,start,end,duration,strength,tags\r\n".to_string();
    for item in items {
        let (start, end) = item.span.unwrap_or((0.0, item.duration_s));
        let strength = item.strength.map(|s| format!("{s:.3}")).unwrap_or_default();
        let path = field(&item.path.to_string_lossy());
        let tags = field(&item.tags.join("; "));
        let duration = item.duration_s;
        csv.push_str(&format!(
            "{path},{start:.3},{end:.3},{duration:.3},{strength},{tags}\r\n"
        ));
    }
    csv
}

/// A text as a quoted field that is no formula.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A JSON array of objects with `path`, `start`, `end`, `duration`, `strength` (null where nothing
/// was searched for), `tags`, and `path_hex` where the path is no Unicode.
pub fn to_json(items: &[Item]) -> String {
    let objects = items.iter().map(|item| {
        let (start, end) = item.span.unwrap_or((0.0, item.duration_s));
        let mut object = json!({
            "path": item.path.to_string_lossy(),
            "start": start,
            "end": end,
            "duration": item.duration_s,
            "strength": item.strength,
            "tags": item.tags,
        });
        if item.path.to_str().is_none() {
            let bytes = path_bytes(&item.path);
            let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
            object["path_hex"] = Value::String(hex.collect());
        }
        object
    });
    format!("{:#}\n", Value::Array(objects.collect()))
}

/// Writes a list to `wanted`, or beside it under a numbered name if that is taken; gives the path.
///
/// # Errors
/// When the folder does not exist or cannot be written.
pub fn write_new(wanted: &Path, content: &[u8]) -> Result<PathBuf> {
    let path = free_name(wanted);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

#[cfg(unix)]
fn path_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(not(unix))]
fn path_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}
