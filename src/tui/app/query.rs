//! The query as a person builds it: parts that are kept, the line being typed, what may be found; and
//! the queries before and after it.
//!
//! It stands apart from the rest of the state because a step in the history replaces all of it at
//! once, and because the worker is given exactly this.

use crate::library::Tag;
use crate::notation;
use crate::search::{Part, Source};

use super::narrowing::Narrowing;
use crate::tui::line::Line;

/// How many queries are remembered.
const REMEMBERED: usize = 200;

/// How much one key press changes a weight: four presses double it.
const WEIGHT_STEP: f32 = 1.189_207_1;

/// The bounds of a weight, as on the command line.
const WEIGHTS: std::ops::RangeInclusive<f32> = 0.05..=20.0;

/// What begins a word that is a filter by a tag.
const TAG: &str = "tag:";

/// The word that is the filter by favourites.
const FAVOURITE: &str = "fav";

/// A query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// What is kept: texts, clips, things to steer away from.
    pub parts: Vec<Part>,
    /// What is being typed; a part like the others, unless it is blank.
    pub line: Line,
    /// What may be found.
    pub narrowing: Narrowing,
}

impl Query {
    /// All parts that count, the typed one last.
    pub fn all_parts(&self) -> Vec<Part> {
        let typed = self.typed_part();
        self.parts.iter().cloned().chain(typed).collect()
    }

    /// The typed text as a part: `reverb`, `reverb:0.5`, and with a minus before it something to
    /// steer away from.
    pub fn typed_part(&self) -> Option<Part> {
        // A filter that is being typed is no description.
        let words = self.line.text().split_whitespace();
        let words: Vec<&str> = words.filter(|word| !word.starts_with(TAG)).collect();
        let text = words.join(" ");
        let (text, sign) = match text.strip_prefix('-') {
            Some(text) => (text.trim_start(), -1.0),
            None => (text.as_str(), 1.0),
        };
        if text.is_empty() {
            return None;
        }
        // What is no weight yet, while it is being typed, belongs to the text.
        let part = notation::text_part(text).unwrap_or_else(|_| Part {
            source: Source::Text(text.to_string()),
            weight: 1.0,
        });
        Some(Part {
            weight: sign * part.weight,
            ..part
        })
    }

    /// True when nothing is asked for, whatever may be found.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.typed_part().is_none()
    }

    /// Makes filters of those words of the line that are some, `fav` and `tag:kick`: all of them, or
    /// only those with a space behind them. False when there are none.
    pub fn take_filters(&mut self, all: bool) -> bool {
        let text = self.line.text();
        let end = if all {
            text.len()
        } else {
            text.rfind(' ').map_or(0, |space| space + 1)
        };
        let (ended, open) = text.split_at(end);
        let mut left = String::new();
        let mut taken = false;
        for word in ended.split_whitespace() {
            let tag = word.strip_prefix(TAG).map(Tag::new);
            match (word, tag) {
                (FAVOURITE, _) => self.narrowing.favourite = true,
                (_, Some(Ok(tag))) => {
                    self.narrowing.tags.insert(tag);
                }
                _ => {
                    left.push_str(word);
                    left.push(' ');
                    continue;
                }
            }
            taken = true;
        }
        if taken {
            left.push_str(open);
            self.line = Line::new(left);
        }
        taken
    }

    /// Makes parts and filters of what is typed; false when nothing is.
    pub fn keep_typed(&mut self) -> bool {
        let filtered = self.take_filters(true);
        let typed = self.typed_part();
        self.line.take();
        self.parts.extend(typed.clone());
        filtered || typed.is_some()
    }

    /// Takes a part out into the line, as it would be typed; false when it is a clip.
    pub fn edit(&mut self, place: usize) -> bool {
        let Some(Part {
            source: Source::Text(text),
            weight,
        }) = self.parts.get(place)
        else {
            return false;
        };
        let minus = if *weight < 0.0 { "-" } else { "" };
        let typed = match weight.abs() {
            1.0 => format!("{minus}{text}"),
            weight => format!("{minus}{text}:{weight:.2}"),
        };
        self.keep_typed();
        self.parts.remove(place);
        self.line = Line::new(typed);
        true
    }

    /// Makes a part count more, or less with a negative number of steps; false when there is none, or
    /// its weight is at its bound.
    pub fn weigh(&mut self, place: usize, steps: i32) -> bool {
        let Some(part) = self.parts.get_mut(place) else {
            return false;
        };
        let weight = part.weight.abs() * WEIGHT_STEP.powi(steps);
        // A weight that comes back to about 1 is meant to be 1.
        let weight = if (weight - 1.0).abs() < 0.01 {
            1.0
        } else {
            weight
        };
        let weight = weight.clamp(*WEIGHTS.start(), *WEIGHTS.end());
        let before = part.weight;
        part.weight = weight.copysign(part.weight);
        part.weight != before
    }
}

/// The queries before and after the present one.
#[derive(Debug, Clone, Default)]
pub struct History {
    past: Vec<Query>,
    future: Vec<Query>,
    /// True while a line is being typed: its letters are one step.
    typing: bool,
}

impl History {
    /// Notes a query that is about to be changed.
    pub fn note(&mut self, before: &Query) {
        self.typing = false;
        self.push(before);
    }

    /// Notes a query that is about to be changed by typing; letters typed on end are one step.
    pub fn note_typing(&mut self, before: &Query) {
        if !self.typing {
            self.push(before);
        }
        self.typing = true;
    }

    /// Ends a stretch of typing.
    pub fn settle(&mut self) {
        self.typing = false;
    }

    /// The query before `present`, if there is one.
    pub fn back(&mut self, present: &Query) -> Option<Query> {
        self.typing = false;
        let query = self.past.pop()?;
        self.future.push(present.clone());
        Some(query)
    }

    /// The query after `present`, if there is one.
    pub fn forward(&mut self, present: &Query) -> Option<Query> {
        self.typing = false;
        let query = self.future.pop()?;
        self.past.push(present.clone());
        Some(query)
    }

    fn push(&mut self, before: &Query) {
        self.future.clear();
        if *before == Query::default() || self.past.last() == Some(before) {
            return;
        }
        if self.past.len() == REMEMBERED {
            self.past.remove(0);
        }
        self.past.push(before.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Option<(String, f32)> {
        let query = Query {
            line: Line::new(text),
            ..Query::default()
        };
        let part = query.typed_part()?;
        match part.source {
            Source::Text(text) => Some((text, part.weight)),
            Source::Clip { .. } => None,
        }
    }

    #[test]
    fn what_is_typed_is_a_part_with_a_sign_and_a_weight() {
        for (text, expected) in [
            ("  glass ", Some(("glass", 1.0))),
            ("-reverb", Some(("reverb", -1.0))),
            ("- reverb:0.5", Some(("reverb", -0.5))),
            ("wooden:2", Some(("wooden", 2.0))),
            ("wooden:", Some(("wooden:", 1.0))),
            ("wooden:0", Some(("wooden:0", 1.0))),
            ("-", None),
            ("  ", None),
        ] {
            let expected = expected.map(|(text, weight)| (text.to_string(), weight));
            assert_eq!(typed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_edited_part_comes_back_as_it_would_be_typed() {
        let mut query = Query {
            line: Line::new("-reverb:0.5"),
            ..Query::default()
        };
        assert!(query.keep_typed());
        assert!(query.line.is_blank());
        assert!(query.edit(0));
        assert_eq!(query.line.text(), "-reverb:0.50");
        assert!(query.parts.is_empty());
    }

    #[test]
    fn weights_go_up_and_come_back_and_keep_their_sign() {
        let mut query = Query {
            line: Line::new("-reverb"),
            ..Query::default()
        };
        query.keep_typed();
        assert!(query.weigh(0, 4));
        // Four steps are an octave, to the precision of f32.
        assert!((query.parts[0].weight + 2.0).abs() < 1e-5);
        assert!(query.weigh(0, -4));
        assert_eq!(query.parts[0].weight, -1.0);
        query.weigh(0, 100);
        assert!(!query.weigh(0, 1), "at its bound");
        assert!(!query.weigh(1, 1), "there is no such part");
    }

    #[test]
    fn history_goes_back_and_forward_and_takes_a_typed_line_for_one_step() {
        let query = |text: &str| Query {
            line: Line::new(text),
            ..Query::default()
        };
        let mut history = History::default();
        history.note_typing(&query(""));
        history.note_typing(&query("k"));
        history.settle();
        history.note_typing(&query("kick"));
        history.note(&query("kick s"));
        let back = history.back(&query("snare"));
        assert_eq!(back, Some(query("kick s")));
        assert_eq!(history.back(&query("kick s")), Some(query("kick")));
        assert_eq!(history.back(&query("kick")), None);
        assert_eq!(history.forward(&query("kick")), Some(query("kick s")));
        history.note(&query("kick s"));
        assert_eq!(
            history.forward(&query("tom")),
            None,
            "a change cuts the future off"
        );
    }
}
