//! How values look on a terminal: names made safe, times, sizes, bars.
//!
//! File names come from anywhere; one with escape sequences or line breaks in it must not steer the
//! terminal that it is printed on. Every name that is printed goes through [`printable`].

use std::fmt::Write as _;
use std::path::Path;

/// A name with everything escaped that would move the cursor, colour or reorder the text.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A path made safe to print; bytes that are no Unicode show as U+FFFD.
pub fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// True for characters that steer a terminal: control characters, the bidirectional controls of
/// Unicode (UAX #9, section 2) and the line separators.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `0:04.5`, `1:02:03.0`: a place in a recording.
pub fn clock(seconds: f32) -> String {
    let tenths = (f64::from(seconds) * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let rest = format!("{:02}.{}", rest / 10, rest % 10);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{rest}")
    } else {
        format!("{minutes}:{rest}")
    }
}

/// A strength in [0, 1] as a bar of so many cells, in steps of an eighth of one.
pub fn bar(strength: f32, cells: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (strength.clamp(0.0, 1.0) * 8.0 * cells as f32).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if eighths < 8 * cells {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar.extend(std::iter::repeat_n(' ', cells - bar.chars().count()));
    bar
}

/// `1 file`, `2 files`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\nc\u{202e}d"),
            "a\\u{1b}[2Jb\\nc\\u{202e}d"
        );
        assert_eq!(printable("Ümläut 音 🐦.wav"), "Ümläut 音 🐦.wav");
    }

    #[test]
    fn places_are_told_to_a_tenth_of_a_second() {
        assert_eq!(clock(0.0), "0:00.0");
        assert_eq!(clock(59.96), "1:00.0");
        assert_eq!(clock(3723.45), "1:02:03.4");
    }

    #[test]
    fn a_bar_always_has_its_width() {
        for strength in [-1.0, 0.0, 0.01, 0.5, 0.99, 1.0, 2.0, f32::NAN] {
            for cells in [0, 1, 4, 8] {
                let width = bar(strength, cells).chars().count();
                assert_eq!(width, cells, "strength {strength}");
            }
        }
        assert_eq!(bar(0.5, 8), "████    ");
    }
}
