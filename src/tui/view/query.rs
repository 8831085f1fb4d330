//! The head of the screen: the line where the query is typed, and its parts below it.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::display::{clock, printable, printable_path};
use crate::search::{Part, Source};
use crate::tui::app::{App, Mode, Opening};
use crate::tui::fit::{cut_end, cut_middle, cut_start, width};

/// What stands before the line.
const PROMPT: &str = " ⌕ ";
/// The name at the right.
const NAME: &str = " soundseek ";
/// How wide a part of the query is at most.
const PART_WIDTH: usize = 28;

/// Draws the line; gives the place of the cursor when keys go there.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let theme = &app.theme;
    let active = app.mode == Mode::Query;
    let prompt = if active { theme.accent() } else { theme.dim() };
    buffer.set_string(area.x, area.y, PROMPT, prompt);
    let state = match &app.opening {
        Opening::Loading => " loading the model… ",
        _ => NAME,
    };
    let state_x = area.right() - width(state) as u16;
    buffer.set_string(state_x, area.y, state, theme.dim());
    let start = area.x + width(PROMPT) as u16;
    let cells = usize::from(state_x - start);
    let line = &app.query.line;
    if line.text().is_empty() {
        let hint = match (app.query.parts.is_empty(), active) {
            (true, _) => "describe a sound: glass breaking in a large hall",
            (false, true) => "add to it, or -something to steer away",
            (false, false) => "",
        };
        buffer.set_string(start, area.y, cut_end(hint, cells), theme.faint());
        return active.then_some(Position::new(start, area.y));
    }
    // A long line is shown around its cursor.
    let before = width(line.before_cursor());
    if before < cells {
        let style = if active { theme.title() } else { theme.text() };
        buffer.set_string(start, area.y, cut_end(line.text(), cells), style);
        return active.then_some(Position::new(start + before as u16, area.y));
    }
    let shown = cut_start(line.before_cursor(), cells - 1);
    buffer.set_string(start, area.y, &shown, theme.title());
    active.then_some(Position::new(start + width(&shown) as u16, area.y))
}

/// Draws the parts of the query in a line.
pub fn draw_parts(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let mut spans = vec![Span::raw("   ")];
    for (place, part) in app.query.parts.iter().enumerate() {
        let chosen = app.mode == Mode::Parts && place == app.part;
        let style = match (part.weight < 0.0, &part.source) {
            (true, _) => app.theme.less(),
            (false, Source::Clip { .. }) => app.theme.clip(),
            (false, Source::Text(_)) => app.theme.text(),
        };
        let text = format!(" {} ", part_text(part));
        let style = if chosen {
            style.patch(app.theme.cursor())
        } else {
            style
        };
        push_chip(app, &mut spans, text, style);
    }
    let conditions = app.query.narrowing.conditions();
    for (place, (_, text)) in conditions.into_iter().enumerate() {
        let chosen = app.mode == Mode::Parts && place + app.query.parts.len() == app.part;
        let style = app.theme.filter();
        let style = if chosen {
            style.patch(app.theme.cursor())
        } else {
            style
        };
        push_chip(app, &mut spans, format!(" {text} "), style);
    }
    // Of more parts than fit, those around the chosen one are worth seeing; the last are, otherwise.
    let line = Line::from(spans);
    if line.width() <= usize::from(area.width) {
        line.render(area, buffer);
    } else {
        scrolled(app, line, area, buffer);
    }
}

fn push_chip(app: &App, spans: &mut Vec<Span>, text: String, style: Style) {
    let edge = app.theme.faint();
    spans.push(Span::styled("‹", edge));
    spans.push(Span::styled(text, style));
    spans.push(Span::styled("› ", edge));
}

fn scrolled(app: &App, line: Line, area: Rect, buffer: &mut Buffer) {
    let chosen = match app.mode {
        Mode::Parts => app.part,
        _ => app.chips().saturating_sub(1),
    };
    // Three spans to a part, after the first of the line.
    let mut spans: Vec<Span> = line.spans;
    while Line::from(spans[..(1 + 3 * (chosen + 1)).min(spans.len())].to_vec()).width()
        > usize::from(area.width)
        && spans.len() > 4
    {
        spans.drain(1..4);
        if spans.len() <= 1 + 3 {
            break;
        }
    }
    Line::from(spans).render(area, buffer);
}

/// A part as a person reads it: `warm pad ×2`, `♪ kick.wav 0:01.0–0:03.0`, `− reverb ×0.5`.
pub fn part_text(part: &Part) -> String {
    let sign = if part.weight < 0.0 { "− " } else { "" };
    let weight = match part.weight.abs() {
        1.0 => String::new(),
        weight => format!(" ×{}", short_number(weight)),
    };
    let what = match &part.source {
        Source::Text(text) => cut_end(&printable(text), PART_WIDTH),
        Source::Clip { path, span } => {
            let name = cut_middle(&file_name(path), PART_WIDTH);
            match span {
                Some(span) => {
                    let end = span.end_s.map_or(String::new(), |end| clock(end as f32));
                    format!("♪ {name} {}–{end}", clock(span.start_s as f32))
                }
                None => format!("♪ {name}"),
            }
        }
    };
    format!("{sign}{what}{weight}")
}

/// The name of a file, made safe to print.
pub fn file_name(path: &Path) -> String {
    match path.file_name() {
        Some(name) => printable(&name.to_string_lossy()),
        None => printable_path(path),
    }
}

fn short_number(number: f32) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
