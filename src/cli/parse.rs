//! The small notations of the command line: `TEXT:WEIGHT`, `FILE@START-END`, lengths, ages.
//!
//! They stand apart from clap's definition because each is a pure function with rules of its own; a
//! file that really has `@` or `:` in its name always wins over the notation.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use soundseek::audio::Span;
use soundseek::search::{Part, Source};

/// `wooden:0.5`: a text and its weight, 1 when none is given.
pub fn text_part(argument: &str) -> Result<Part> {
    let (text, weight) = split_weight(argument)?;
    ensure!(
        !text.trim().is_empty(),
        "'{argument}' describes nothing: write TEXT or TEXT:WEIGHT"
    );
    Ok(Part {
        source: Source::Text(text.to_string()),
        weight,
    })
}

/// `a.wav@1:30-1:35:0.5`: a clip, the part of it that is meant, and its weight.
pub fn clip_part(argument: &str) -> Result<Part> {
    if Path::new(argument).exists() {
        return Ok(Part {
            source: clip(argument)?,
            weight: 1.0,
        });
    }
    match split_weight(argument) {
        // In `a.wav@1:30` the last number belongs to the time.
        Ok((rest, weight)) if rest.len() < argument.len() && clip(rest).is_ok() => {
            let with_time = clip(argument);
            let is_time = matches!(&with_time, Ok(Source::Clip { span: Some(_), .. }));
            if is_time {
                Ok(Part {
                    source: with_time?,
                    weight: 1.0,
                })
            } else {
                Ok(Part {
                    source: clip(rest)?,
                    weight,
                })
            }
        }
        _ => Ok(Part {
            source: clip(argument)?,
            weight: 1.0,
        }),
    }
}

/// `FILE`, `FILE@START` or `FILE@START-END`.
pub fn clip(argument: &str) -> Result<Source> {
    if Path::new(argument).exists() {
        return Ok(Source::Clip {
            path: PathBuf::from(argument),
            span: None,
        });
    }
    let Some((file, times)) = argument
        .rsplit_once('@')
        .filter(|(file, _)| Path::new(file).exists())
    else {
        bail!(
            "there is no file {argument}: give a sound file, or FILE@START-END for a part of one"
        );
    };
    let (start, end) = match times.split_once('-') {
        Some((start, end)) => (start, Some(seconds(end)?)),
        None => (times, None),
    };
    let start_s = seconds(start)?;
    ensure!(
        end.is_none_or(|end_s| end_s > start_s),
        "the part {times} of {file} ends before it starts: write START-END, such as 1:30-1:35"
    );
    Ok(Source::Clip {
        path: PathBuf::from(file),
        span: Some(Span {
            start_s,
            end_s: end,
        }),
    })
}

fn split_weight(argument: &str) -> Result<(&str, f32)> {
    let Some((rest, weight)) = argument.rsplit_once(':') else {
        return Ok((argument, 1.0));
    };
    match weight.parse::<f32>() {
        Ok(weight) if weight.is_finite() && weight > 0.0 => Ok((rest, weight)),
        Ok(weight) => bail!("the weight {weight} of '{rest}' must be above 0"),
        // What follows is no number, so the colon is part of the text.
        Err(_) => Ok((argument, 1.0)),
    }
}

/// `90`, `1:30`, `1:02:03.5` or `1m30s`, in seconds.
pub fn seconds(argument: &str) -> Result<f64> {
    let argument = argument.trim();
    let mut total = 0.0;
    for part in argument.split(':') {
        match part.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => total = total * 60.0 + value,
            _ => {
                let spelled = humantime::parse_duration(argument).ok();
                return spelled
                    .map(|duration| duration.as_secs_f64())
                    .with_context(|| {
                        format!("'{argument}' is no length: write seconds, h:m:s, or 1m30s")
                    });
            }
        }
    }
    Ok(total)
}

/// `7d` (before now) or `2026-01-31` (UTC), in nanoseconds since 1970.
pub fn newer_than(argument: &str, now: SystemTime) -> Result<i64> {
    let time = match humantime::parse_duration(argument) {
        Ok(age) => now.checked_sub(age),
        Err(_) => humantime::parse_rfc3339_weak(&format!("{argument} 00:00:00")).ok(),
    };
    let time = time.with_context(|| {
        format!("'{argument}' is no age or date: write 7d, 2h30m, or 2026-01-31")
    })?;
    let since = time
        .duration_since(UNIX_EPOCH)
        .context("the date lies before 1970")?;
    Ok(i64::try_from(since.as_nanos())?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lengths_are_seconds_clock_times_or_spelled_out() {
        assert_eq!(seconds("90").expect("seconds"), 90.0);
        assert_eq!(seconds("1:30").expect("m:s"), 90.0);
        assert_eq!(seconds("1:02:03.5").expect("h:m:s"), 3723.5);
        assert_eq!(seconds("1m30s").expect("spelled"), 90.0);
        for wrong in ["", "long", "-1", "1:x", "nan", "inf"] {
            let error = seconds(wrong).expect_err("not a length").to_string();
            assert!(error.contains("write seconds, h:m:s, or 1m30s"), "{error}");
        }
    }

    #[test]
    fn a_weight_follows_the_last_colon_if_it_is_a_number() {
        let part = text_part("wooden:0.5").expect("a weighted text");
        assert_eq!(
            part,
            Part {
                source: Source::Text("wooden".into()),
                weight: 0.5
            }
        );
        let part = text_part("FX: door").expect("a text with a colon");
        assert_eq!(
            part,
            Part {
                source: Source::Text("FX: door".into()),
                weight: 1.0
            }
        );
        assert!(text_part("reverb:-1").is_err());
        assert!(text_part(":2").is_err());
    }

    #[test]
    fn a_part_of_a_clip_follows_its_name_unless_a_file_has_that_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let plain = folder.path().join("a.wav");
        let odd = folder.path().join("a.wav@1-2");
        for path in [&plain, &odd] {
            std::fs::write(path, b"").expect("a file");
        }
        let source = |suffix: &str| clip_part(&format!("{}{suffix}", plain.display()));
        let span = |start_s, end_s| Some(Span { start_s, end_s });
        let expect = |span, weight| Part {
            source: Source::Clip {
                path: plain.clone(),
                span,
            },
            weight,
        };
        assert_eq!(source("").expect("whole"), expect(None, 1.0));
        assert_eq!(source(":0.5").expect("weighted"), expect(None, 0.5));
        assert_eq!(
            source("@1:30").expect("from a time"),
            expect(span(90.0, None), 1.0)
        );
        assert_eq!(
            source("@3-4.5").expect("a part"),
            expect(span(3.0, Some(4.5)), 1.0)
        );
        assert!(source("@4-3").is_err());
        let literal = source("@1-2").expect("a file of that name");
        assert_eq!(
            literal.source,
            Source::Clip {
                path: odd,
                span: None
            }
        );
        assert!(clip_part("/nowhere/a.wav").is_err());
    }

    #[test]
    fn ages_count_back_from_now_and_dates_are_utc() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(
            newer_than("1d", now).expect("an age"),
            (1_000_000 - 86_400) * 1_000_000_000
        );
        assert_eq!(
            newer_than("1970-01-02", now).expect("a date"),
            86_400 * 1_000_000_000
        );
        assert!(newer_than("recently", now).is_err());
    }
}
