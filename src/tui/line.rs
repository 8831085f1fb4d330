//! One line of text being typed: the cursor moves and deletes by what a person sees as a character.
//!
//! It stands apart because the query, the name filter and the prompts all edit a line the same way.

use unicode_segmentation::UnicodeSegmentation;

use crate::display::steers;

/// A line and where the cursor is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// A byte offset at the edge of a grapheme cluster.
    cursor: usize,
}

impl Line {
    /// A line with the cursor at its end.
    pub fn new(text: impl Into<String>) -> Line {
        let text = text.into();
        Line {
            cursor: text.len(),
            text,
        }
    }

    /// What is typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when nothing is typed, or only spaces.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// What is before the cursor.
    pub fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Inserts text at the cursor, without characters that steer the terminal; a line break becomes a space.
    pub fn insert(&mut self, text: &str) {
        let spaced = text.replace(['\n', '\r', '\t'], " ");
        let clean: String = spaced.chars().filter(|c| !steers(*c)).collect();
        self.text.insert_str(self.cursor, &clean);
        self.cursor += clean.len();
    }

    /// Deletes the character before the cursor; false when there is none.
    pub fn delete_before(&mut self) -> bool {
        let from = self.previous();
        self.delete(from, self.cursor)
    }

    /// Deletes the character after the cursor; false when there is none.
    pub fn delete_after(&mut self) -> bool {
        self.delete(self.cursor, self.next())
    }

    /// Deletes the word before the cursor and the spaces after it; false when there is none.
    pub fn delete_word(&mut self) -> bool {
        let before = self.before_cursor().trim_end();
        let from = before.rfind(' ').map_or(0, |space| space + 1);
        self.delete(from, self.cursor)
    }

    /// Deletes everything; false when there is nothing.
    pub fn clear(&mut self) -> bool {
        self.delete(0, self.text.len())
    }

    /// Takes the text out, leaving the line empty.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// One character to the left.
    pub fn left(&mut self) {
        self.cursor = self.previous();
    }

    /// One character to the right.
    pub fn right(&mut self) {
        self.cursor = self.next();
    }

    /// To the beginning.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// To the end.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }

    fn delete(&mut self, from: usize, to: usize) -> bool {
        self.text.replace_range(from..to, "");
        self.cursor = from;
        from < to
    }

    fn previous(&self) -> usize {
        let last = self.before_cursor().grapheme_indices(true).next_back();
        last.map_or(0, |(at, _)| at)
    }

    fn next(&self) -> usize {
        let first = self.text[self.cursor..].graphemes(true).next();
        self.cursor + first.map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_moves_by_what_a_person_sees() {
        let mut line = Line::new("ae\u{301}👩‍🎤");
        line.left();
        assert_eq!(line.before_cursor(), "ae\u{301}");
        line.left();
        assert_eq!(line.before_cursor(), "a");
        assert!(line.delete_after());
        assert_eq!(line.text(), "a👩‍🎤");
        line.end();
        assert!(line.delete_before() && line.delete_before() && !line.delete_before());
    }

    #[test]
    fn words_are_deleted_with_the_spaces_after_them() {
        let mut line = Line::new("glass  breaking ");
        assert!(line.delete_word());
        assert_eq!(line.text(), "glass  ");
        assert!(line.delete_word() && !line.delete_word());
        assert_eq!(line.text(), "");
    }

    #[test]
    fn what_is_pasted_is_one_line_that_steers_nothing() {
        let mut line = Line::new("ab");
        line.left();
        line.insert("x\n\u{1b}[2Jy\u{7}\u{202e}");
        assert_eq!(line.text(), "ax [2Jyb");
        assert_eq!(line.before_cursor(), "ax [2Jy");
    }
}
