//! How values look on a terminal: names made safe, times, sizes, bars.
//!
//! File names come from anywhere; one with escape sequences or line breaks in it must not steer the
//! terminal that it is printed on. Every name that is printed goes through [`printable`].

use std::fmt::Write as _;
use std::path::Path;

/// A name with everything escaped that would move the cursor, colour, reorder or hide the text. Joiners
/// stay where they join, as in emoji of several parts and in Persian words, and are escaped elsewhere.
pub fn printable(text: &str) -> String {
    let joined = |c: char| !c.is_ascii() && !steers(c) && !is_joiner(c);
    let mut safe = String::with_capacity(text.len());
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let after = letters.peek().copied();
        let hides = is_joiner(c) && !(before.is_some_and(joined) && after.is_some_and(joined));
        if hides || steers(c) {
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
        before = Some(c);
    }
    safe
}

/// The characters that join or part their neighbours and have no width themselves.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// A path made safe to print; bytes that are no Unicode show as U+FFFD.
pub fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// True for characters that steer a terminal or hide in a text: control characters, the bidirectional
/// controls of Unicode (UAX #9, section 2), the line separators, and what has no width or ink
/// (the default-ignorable characters of DerivedCoreProperties.txt, but for the variation selectors
/// that emoji need and the joiners, of which [`printable`] takes care).
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
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
        for joined in [
            "\u{1f469}\u{200d}\u{1f3a4}.wav",
            "\u{645}\u{6cc}\u{200c}\u{62e}.wav",
        ] {
            assert_eq!(printable(joined), joined);
        }
        assert_eq!(printable("ki\u{200d}ck\u{200c}"), "ki\\u{200d}ck\\u{200c}");
        assert_eq!(printable("a\u{200b}\u{9b}31m"), "a\\u{200b}\\u{9b}31m");
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
