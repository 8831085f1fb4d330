//! The notation of a clip: `FILE[@START[-END]][:WEIGHT]`.
//!
//! It stands apart from the other notations because file names may hold `@`, `:` and bytes that are no
//! Unicode. So the file is the longest beginning of the argument that exists, and only what follows it
//! is taken apart. In a time, a colon is followed by two digits; any other colon begins the weight.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use soundseek::audio::Span;
use soundseek::notation::{seconds, weight};
use soundseek::search::{Part, Source};

/// `a.wav@1:30-1:35:0.5`: a clip, the part of it that is meant, and its weight, 1 when none is given.
pub fn weighted_clip(argument: &OsStr) -> Result<Part> {
    let (path, rest) = split_file(argument)?;
    let (times, weight_text) = split_weight(rest);
    let shown = argument.to_string_lossy();
    let weight = match weight_text {
        Some(text) => {
            weight(text).with_context(|| format!("'{shown}' is not FILE[@START[-END]][:WEIGHT]"))?
        }
        None => 1.0,
    };
    let span = match times {
        "" => None,
        times => Some(
            span(times)
                .with_context(|| format!("'{shown}' names no part of {}", path.display()))?,
        ),
    };
    Ok(Part {
        source: Source::Clip { path, span },
        weight,
    })
}

/// `FILE`, `FILE@START` or `FILE@START-END`.
pub fn clip(argument: &OsStr) -> Result<Source> {
    let (_, rest) = split_file(argument)?;
    if let (_, Some(end)) = split_weight(rest) {
        bail!(
            "'{}' ends in ':{end}', which is no time: write START-END in seconds, or with two digits after each colon, such as 1:05-1:30",
            argument.to_string_lossy()
        );
    }
    Ok(weighted_clip(argument)?.source)
}

/// The longest beginning of the argument that names a file, and what follows it: nothing, `@...` or
/// `:...`.
fn split_file(argument: &OsStr) -> Result<(PathBuf, &str)> {
    let bytes = argument.as_encoded_bytes();
    let ends = (0..bytes.len()).filter(|&at| matches!(bytes[at], b'@' | b':'));
    for end in ends.chain([bytes.len()]).rev() {
        if let Some(path) = beginning(argument, end)
            && path.exists()
        {
            let rest = std::str::from_utf8(&bytes[end..]).with_context(|| {
                format!("what follows the name of {} is no text", path.display())
            })?;
            return Ok((path, rest));
        }
    }
    bail!(
        "there is no file '{}': give a sound file, or FILE@START-END for a part of one",
        argument.to_string_lossy()
    )
}

#[cfg(unix)]
fn beginning(argument: &OsStr, length: usize) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(Path::new(OsStr::from_bytes(&argument.as_bytes()[..length])).to_path_buf())
}

#[cfg(not(unix))]
fn beginning(argument: &OsStr, length: usize) -> Option<PathBuf> {
    argument.to_str().map(|text| PathBuf::from(&text[..length]))
}

/// Parts `@TIMES:WEIGHT` before the colon that no two digits follow.
fn split_weight(rest: &str) -> (&str, Option<&str>) {
    let continues_a_time = |after: &str| {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        rest.starts_with('@') && digits == 2
    };
    let mut colons = rest.match_indices(':');
    let weight = colons.find(|(at, _)| !continues_a_time(&rest[at + 1..]));
    match weight {
        Some((at, _)) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    }
}

/// `@START` or `@START-END`.
fn span(times: &str) -> Result<Span> {
    let times = times.strip_prefix('@').unwrap_or(times);
    let (start, end) = match times.split_once('-') {
        Some((start, end)) => (start, Some(seconds(end)?)),
        None => (times, None),
    };
    let start_s = seconds(start)?;
    ensure!(
        end.is_none_or(|end_s| end_s > start_s),
        "{times} ends before it starts: write START-END, such as 1:30-1:35"
    );
    Ok(Span {
        start_s,
        end_s: end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with files of these names, empty.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            std::fs::write(folder.path().join(name), b"").expect("a file");
        }
        folder
    }

    #[test]
    fn a_part_and_a_weight_follow_the_name() {
        let folder = folder(&["a.wav"]);
        let path = folder.path().join("a.wav");
        let parse = |rest: &str| {
            let part = weighted_clip(OsStr::new(&format!("{}{rest}", path.display())))?;
            match part.source {
                Source::Clip { path: named, span } => {
                    assert_eq!(named, path);
                    Ok((span.map(|span| (span.start_s, span.end_s)), part.weight))
                }
                Source::Text(_) => bail!("a clip is no text"),
            }
        };
        for (rest, expected) in [
            ("", (None, 1.0)),
            (":0.5", (None, 0.5)),
            (":10", (None, 10.0)),
            ("@90", (Some((90.0, None)), 1.0)),
            ("@1:30", (Some((90.0, None)), 1.0)),
            ("@3-4.5", (Some((3.0, Some(4.5))), 1.0)),
            ("@3-4.5:2", (Some((3.0, Some(4.5))), 2.0)),
            ("@1:0.5", (Some((1.0, None)), 0.5)),
            ("@1:30:0.5", (Some((90.0, None)), 0.5)),
            ("@1:30-1:35", (Some((90.0, Some(95.0))), 1.0)),
            ("@1:30-1:35:0.5", (Some((90.0, Some(95.0))), 0.5)),
            ("@1:30.5-1:35.25:2", (Some((90.5, Some(95.25))), 2.0)),
            (
                "@1:02:03-1:02:04:100",
                (Some((3723.0, Some(3724.0))), 100.0),
            ),
            ("@1m30s-1m35s:0.5", (Some((90.0, Some(95.0))), 0.5)),
        ] {
            assert_eq!(parse(rest).expect(rest), expected, "{rest}");
        }
        for rest in [
            ":-1",
            ":0",
            ":nan",
            ":inf",
            ":1e9",
            ":loud",
            ":",
            "@",
            "@x",
            "@4-3",
            "@-3",
            "@3-4:-1",
            "@3-4:nan",
            "@1:30-1:35:0.5:2",
        ] {
            assert!(parse(rest).is_err(), "{rest}");
        }
    }

    #[test]
    fn a_name_that_looks_like_the_notation_wins_if_its_file_exists() {
        let folder = folder(&["a.wav", "a.wav@1-2", "b@c:d.wav"]);
        let parse = |argument: &str| {
            let argument = folder.path().join(argument);
            weighted_clip(argument.as_os_str()).expect("a clip")
        };
        let source = |name: &str, span| Source::Clip {
            path: folder.path().join(name),
            span,
        };
        let span = Span {
            start_s: 1.0,
            end_s: Some(3.0),
        };
        assert_eq!(parse("a.wav@1-2").source, source("a.wav@1-2", None));
        assert_eq!(parse("a.wav@1-3").source, source("a.wav", Some(span)));
        assert_eq!(parse("b@c:d.wav").source, source("b@c:d.wav", None));
        let part = parse("b@c:d.wav@1-3:0.5");
        assert_eq!(
            (part.source, part.weight),
            (source("b@c:d.wav", Some(span)), 0.5)
        );
    }

    #[test]
    fn where_no_weight_is_taken_a_single_digit_after_a_colon_is_explained() {
        let folder = folder(&["a.wav"]);
        let argument = format!("{}@1:5", folder.path().join("a.wav").display());
        let error = clip(OsStr::new(&argument))
            .expect_err("no time")
            .to_string();
        assert!(error.contains("two digits after each colon"), "{error}");
        assert!(clip(OsStr::new("/nowhere/a.wav")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_unicode_have_parts_too() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(OsStr::from_bytes(b"kick-\xff.wav"));
        std::fs::write(&path, b"").expect("a file");
        let argument = [path.as_os_str().as_bytes(), b"@1-2:0.5"].concat();
        let part = weighted_clip(OsStr::from_bytes(&argument)).expect("a clip");
        let span = Some(Span {
            start_s: 1.0,
            end_s: Some(2.0),
        });
        assert_eq!(
            (part.source, part.weight),
            (Source::Clip { path, span }, 0.5)
        );
    }
}
