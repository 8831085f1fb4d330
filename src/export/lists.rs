//! What was found as a list in a file: a playlist, a table, or JSON.
//!
//! Names of files come from anywhere. In a playlist one with a line break in it is written as an
//! address; in a table one that a spreadsheet would take for a formula is made text. It stands apart
//! because each format is a few rules on what a name may do to it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{fresh, uri::file_uri};
use crate::display::printable;
use crate::json;
use crate::library::Marks;
use crate::search::Hit;

/// A format of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// A playlist for players: extended M3U in UTF-8, with lengths, and start and end of a moment that
    /// is not the whole file as VLC reads them.
    M3u,
    /// A table for spreadsheets (RFC 4180), in UTF-8. Bytes that are no Unicode are U+FFFD in it.
    Csv,
    /// An array of the objects that `search --json` prints.
    Json,
}

impl ListFormat {
    /// All of them.
    pub const ALL: [ListFormat; 3] = [ListFormat::M3u, ListFormat::Csv, ListFormat::Json];

    /// The extension of its files, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            ListFormat::M3u => "m3u8",
            ListFormat::Csv => "csv",
            ListFormat::Json => "json",
        }
    }

    /// The format that a file's extension asks for; `.m3u` is a playlist, too.
    ///
    /// # Errors
    ///
    /// When it is none of these.
    pub fn of_path(path: &Path) -> Result<ListFormat> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let known = ListFormat::ALL.into_iter();
        let mut matching = known.filter(|format| extension == format.extension());
        let playlist = (extension == "m3u").then_some(ListFormat::M3u);
        matching.next().or(playlist).with_context(|| {
            format!(
                "{} has none of the extensions .m3u8, .csv and .json, which say what to write",
                path.display()
            )
        })
    }
}

/// A line of a list.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// What was found.
    pub hit: &'a Hit,
    /// What a person has put on it.
    pub marks: &'a Marks,
}

/// Writes a list to a new file; its folder is made where there is none, and a number is added to a
/// name that is taken. Gives the path that it has in the end.
///
/// # Errors
///
/// When the path has no name, or the folder cannot be written to; nothing is left behind then.
pub fn write_list(path: &Path, format: ListFormat, list: &[Listed<'_>]) -> Result<PathBuf> {
    let name = path.file_name().context("the list needs a name")?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fresh::ready(folder)?;
    fresh::write(folder, name, |out| {
        match format {
            ListFormat::M3u => write_m3u(out, list)?,
            ListFormat::Csv => write_csv(out, list)?,
            ListFormat::Json => write_json(out, list)?,
        }
        Ok(())
    })
}

fn write_m3u(out: &mut dyn Write, list: &[Listed<'_>]) -> std::io::Result<()> {
    writeln!(out, "#EXTM3U")?;
    for Listed { hit, .. } in list {
        let length_s = hit.record.sound.duration_s;
        let title = printable(&hit.path.file_stem().unwrap_or_default().to_string_lossy());
        writeln!(out, "#EXTINF:{length_s:.0},{title}")?;
        let (start, end) = (f64::from(hit.moment.0), f64::from(hit.moment.1));
        // Moments are in f32, and one of the whole file ends within a hundredth of its length.
        if start > 0.0 || end + 0.01 < length_s {
            writeln!(out, "#EXTVLCOPT:start-time={start:.3}")?;
            writeln!(out, "#EXTVLCOPT:stop-time={end:.3}")?;
        }
        match hit.path.to_str() {
            Some(text) if printable(text) == text && !text.starts_with('#') => {
                writeln!(out, "{text}")?;
            }
            _ => writeln!(out, "{}", file_uri(&hit.path))?,
        }
    }
    Ok(())
}

/// The columns of a table; times in seconds.
const COLUMNS: &str = "path,name,start_s,end_s,duration_s,similarity,strength,format,codec,\
                       sample_rate_hz,channels,favourite,tags";

fn write_csv(out: &mut dyn Write, list: &[Listed<'_>]) -> std::io::Result<()> {
    // RFC 4180 ends lines as Windows does.
    write!(out, "{COLUMNS}\r\n")?;
    for Listed { hit, marks } in list {
        let sound = &hit.record.sound;
        let name = hit.path.file_name().unwrap_or_default();
        let tags: Vec<&str> = marks.tags.iter().map(|tag| tag.as_str()).collect();
        let fields = [
            cell(&hit.path.to_string_lossy()),
            cell(&name.to_string_lossy()),
            format!("{:.3}", hit.moment.0),
            format!("{:.3}", hit.moment.1),
            format!("{:.3}", sound.duration_s),
            format!("{:.4}", hit.similarity),
            format!("{:.3}", hit.strength),
            cell(&sound.format),
            cell(&sound.codec),
            sound.sample_rate_hz.to_string(),
            sound.channels.to_string(),
            marks.favourite.to_string(),
            cell(&tags.join(", ")),
        ];
        write!(out, "{}\r\n", fields.join(","))?;
    }
    Ok(())
}

/// A text as a field, quoted where it must be. One that begins as a formula gets an apostrophe, which
/// spreadsheets take for "this is text" (OWASP, "CSV Injection").
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_string()
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn write_json(out: &mut dyn Write, list: &[Listed<'_>]) -> std::io::Result<()> {
    let objects = list
        .iter()
        .map(|Listed { hit, marks }| json::line(&json::hit(hit, marks)));
    let lines: Vec<String> = objects.collect();
    writeln!(out, "[\n{}\n]", lines.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_of_a_table_is_a_formula_or_breaks_out_of_its_quotes() {
        for (text, expected) in [
            ("kick.wav", "kick.wav"),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("-a\nb", "\"'-a\nb\""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
