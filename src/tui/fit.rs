//! Making names fit: cutting texts to a number of terminal cells, at the end that matters least.
//!
//! It stands apart because widths are not lengths: a Chinese character takes two cells, a combining
//! accent none, and a cut must not fall into the middle of what a person sees as one character.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The mark of what was cut away, one cell wide.
const ELLIPSIS: &str = "…";

/// How many cells a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, or its beginning and an ellipsis: at most `cells` wide.
pub fn cut_end(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_string();
    }
    match cells {
        0 => String::new(),
        _ => format!("{}{ELLIPSIS}", beginning(text, cells - 1)),
    }
}

/// The text, or an ellipsis and its end: of a folder the last parts tell most.
pub fn cut_start(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_string();
    }
    match cells {
        0 => String::new(),
        _ => format!("{ELLIPSIS}{}", ending(text, cells - 1)),
    }
}

/// The text, or its beginning and end with an ellipsis between: of a file the number before the
/// extension tells it from its neighbours.
pub fn cut_middle(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_string();
    }
    if cells < 5 {
        return cut_end(text, cells);
    }
    let end = ending(text, (cells - 1) * 2 / 5);
    let begin = beginning(text, cells - 1 - width(end));
    format!("{begin}{ELLIPSIS}{end}")
}

/// The text with spaces after it up to `cells`; a longer one is left as it is.
pub fn pad(text: &str, cells: usize) -> String {
    let spaces = cells.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(spaces))
}

/// The text with spaces before it up to `cells`.
pub fn pad_left(text: &str, cells: usize) -> String {
    let spaces = cells.saturating_sub(width(text));
    format!("{}{text}", " ".repeat(spaces))
}

fn beginning(text: &str, cells: usize) -> &str {
    let mut taken = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        taken += width(grapheme);
        if taken > cells {
            return &text[..at];
        }
    }
    text
}

fn ending(text: &str, cells: usize) -> &str {
    let mut taken = 0;
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        taken += width(grapheme);
        if taken > cells {
            return &text[at + grapheme.len()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_it_matters_least() {
        assert_eq!(cut_end("glass breaking", 9), "glass br…");
        assert_eq!(cut_start("drums/acoustic/kicks", 9), "…ic/kicks");
        assert_eq!(
            cut_middle("Kick Vintage 808 Long 01.wav", 16),
            "Kick Vint…01.wav"
        );
        assert_eq!(cut_end("kick", 4), "kick");
        assert_eq!(
            (cut_end("kick", 0), cut_start("kick", 1)),
            (String::new(), "…".into())
        );
    }

    #[test]
    fn no_cut_text_is_wider_than_asked_and_no_character_is_torn() {
        for text in [
            "plain",
            "音楽制作の素材集.wav",
            "e\u{301}te\u{301}.wav",
            "👩‍🎤 vox 👩‍🎤.wav",
            "",
        ] {
            for cells in 0..20 {
                for cut in [
                    cut_end(text, cells),
                    cut_start(text, cells),
                    cut_middle(text, cells),
                ] {
                    assert!(width(&cut) <= cells, "{cut:?} in {cells}");
                    let known: Vec<_> = text.graphemes(true).chain([ELLIPSIS]).collect();
                    assert!(cut.graphemes(true).all(|g| known.contains(&g)), "{cut:?}");
                }
            }
        }
    }
}
