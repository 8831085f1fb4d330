//! The small notations in which people write values: `TEXT:WEIGHT`, weights, lengths, ages.
//!
//! They stand apart from the command line and the terminal UI because both read them, and because each
//! is a pure function with rules of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::search::{Part, Source};
use anyhow::{Context, Result, ensure};

/// `wooden:0.5`: a text and its weight, 1 when none is given.
///
/// # Errors
///
/// When the text is empty, or the weight out of its bounds.
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

fn split_weight(argument: &str) -> Result<(&str, f32)> {
    match argument.rsplit_once(':') {
        Some((text, number)) if number.parse::<f32>().is_ok() => Ok((text, weight(number)?)),
        // What follows is no number, so the colon is part of the text.
        _ => Ok((argument, 1.0)),
    }
}

/// How much a part of a query counts. Within these bounds no sum of parts overflows or vanishes.
///
/// # Errors
///
/// When it is no number, or out of bounds.
pub fn weight(argument: &str) -> Result<f32> {
    let weight = argument.parse::<f32>().ok();
    weight
        .filter(|weight| (0.001..=1000.0).contains(weight))
        .with_context(|| {
            format!(
                "the weight '{argument}' is not a number from 0.001 to 1000; to move away from something use --less"
            )
        })
}

/// A cosine similarity.
///
/// # Errors
///
/// When it is no number from -1 to 1.
pub fn cosine(argument: &str) -> Result<f32, String> {
    let cosine = argument.parse::<f32>().ok();
    cosine
        .filter(|cosine| (-1.0..=1.0).contains(cosine))
        .ok_or_else(|| "a cosine is a number from -1 to 1".to_string())
}

/// A probability.
///
/// # Errors
///
/// When it is no number from 0 to 1.
pub fn probability(argument: &str) -> Result<f32, String> {
    let probability = argument.parse::<f32>().ok();
    probability
        .filter(|probability| (0.0..=1.0).contains(probability))
        .ok_or_else(|| "a probability is a number from 0 to 1".to_string())
}

/// A caption with a place for a label, `{}`.
///
/// # Errors
///
/// When it has none.
pub fn template(argument: &str) -> Result<String, String> {
    match argument.contains("{}") {
        true => Ok(argument.to_string()),
        false => Err("a caption has {} where the label stands: \"a recording of {}\"".to_string()),
    }
}

/// `90`, `1:30`, `1:02:03.5` or `1m30s`, in seconds.
///
/// # Errors
///
/// When it is none of these.
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
///
/// # Errors
///
/// When it is neither.
pub fn newer_than(argument: &str, now: SystemTime) -> Result<i64> {
    let time = match humantime::parse_duration(argument) {
        Ok(age) => now.checked_sub(age),
        Err(_) => humantime::parse_rfc3339_weak(&format!("{argument} 00:00:00")).ok(),
    };
    let time = time.with_context(|| {
        format!("'{argument}' is no age or date: write 7d, 2h30m, or 2026-01-31")
    })?;
    // Before 1970 there are no files.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
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
        for wrong in [
            "reverb:-1",
            "reverb:0",
            "reverb:nan",
            "reverb:inf",
            "reverb:1e30",
        ] {
            let error = text_part(wrong).expect_err("no weight").to_string();
            assert!(error.contains("from 0.001 to 1000"), "{error}");
        }
        assert!(text_part(":2").is_err());
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
        assert_eq!(newer_than("100y", now).expect("a long age"), 0);
        assert!(newer_than("recently", now).is_err());
    }
}
