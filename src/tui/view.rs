//! Drawing the state: what a person sees, from the whole screen down to its lines.
//!
//! Nothing here changes anything. Names come from anywhere, so each one is made safe to print and cut
//! to its cells before it is drawn. The larger parts of the screen are files of their own.

mod filters;
mod help;
mod map;
mod menu;
mod preview;
mod query;
mod results;
pub mod spectrogram;
mod status;
pub mod strip;
pub mod waveform;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::app::{App, Mode, Opening};
use super::fit::{cut_end, width};
use super::layout::{LEAST_HEIGHT, LEAST_WIDTH};
use crate::display::printable;
pub use help::help_lines;

/// Draws the whole screen.
pub fn draw(app: &App, frame: &mut Frame) {
    let screen = frame.area();
    let Some(areas) = app.areas() else {
        let text = format!("soundseek needs {LEAST_WIDTH} columns and {LEAST_HEIGHT} rows");
        Line::styled(cut_end(&text, screen.width.into()), app.theme.text())
            .render(screen, frame.buffer_mut());
        return;
    };
    // The state may not have heard yet that the terminal has shrunk.
    if screen.width < app.size.0 || screen.height < app.size.1 {
        return;
    }
    let cursor = query::draw(app, areas.query, frame.buffer_mut());
    let buffer = frame.buffer_mut();
    query::draw_parts(app, areas.parts, buffer);
    match app.mode {
        Mode::Map => {
            let area = areas.heading.union(areas.list);
            map::draw(app, area, buffer);
            preview::draw(app, areas.title, areas.preview, buffer);
        }
        Mode::Help | Mode::Failures => {
            let area = Rect {
                height: areas.status.y - areas.heading.y,
                ..areas.heading
            };
            match app.mode {
                Mode::Help => help::draw(app, area, buffer),
                _ => help::draw_failures(app, area, buffer),
            }
        }
        _ => {
            results::draw_heading(app, areas.heading, buffer);
            match &app.opening {
                Opening::Broken(reason) => broken(app, reason, areas.list, buffer),
                _ if app.has_nothing() => results::draw_empty_library(app, areas.list, buffer),
                _ => results::draw(app, areas.list, buffer),
            }
            if let Some(side) = areas.side {
                filters::draw(app, side, buffer);
            }
            preview::draw(app, areas.title, areas.preview, buffer);
            if app.mode == Mode::Menu {
                menu::draw(app, screen, buffer);
            }
        }
    }
    let prompt_cursor = status::draw(app, areas.status, buffer);
    if let Some(position) = prompt_cursor.or(cursor) {
        frame.set_cursor_position(position);
    }
}

fn broken(app: &App, reason: &str, area: Rect, buffer: &mut Buffer) {
    let mut lines = vec![
        Line::default(),
        Line::styled("  The library cannot be opened", app.theme.error()),
        Line::default(),
    ];
    let cells = usize::from(area.width).saturating_sub(4);
    for part in wrap(&printable(reason), cells) {
        lines.push(Line::styled(format!("  {part}"), app.theme.text()));
    }
    draw_lines(&lines, area, buffer);
}

/// Draws lines from the top; what does not fit is left out.
fn draw_lines(lines: &[Line], area: Rect, buffer: &mut Buffer) {
    for (line, row) in lines.iter().zip(area.rows()) {
        line.render(row, buffer);
    }
}

/// A horizontal line with a title at its left and a note at its right.
fn rule(app: &App, left: Line, right: Line, area: Rect, buffer: &mut Buffer) {
    buffer.set_string(
        area.x,
        area.y,
        "─".repeat(area.width.into()),
        app.theme.faint(),
    );
    let edge = |line: Line<'static>| {
        let mut spans = vec![Span::raw(" ")];
        spans.extend(line.spans);
        spans.push(Span::raw(" "));
        Line::from(spans)
    };
    for (line, at_left) in [(left, true), (right, false)] {
        if line.width() == 0 {
            continue;
        }
        let line = edge(owned(line));
        let cells = (line.width() as u16).min(area.width.saturating_sub(2));
        let x = if at_left {
            area.x + 1
        } else {
            area.right() - 1 - cells
        };
        line.render(Rect::new(x, area.y, cells, 1), buffer);
    }
}

fn owned(line: Line) -> Line<'static> {
    let own = |span: Span| Span::styled(span.content.into_owned(), span.style);
    Line::from(line.spans.into_iter().map(own).collect::<Vec<_>>())
}

/// A text in lines of at most so many cells, broken at spaces where there are any.
fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            *line = cut_end(word, cells);
        } else if width(line) + 1 + width(word) <= cells {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(cut_end(word, cells));
        }
    }
    lines
}

/// A key and what it does, as hints show it.
fn hint(app: &App, key: &str, what: &str) -> [Span<'static>; 2] {
    [
        Span::styled(key.to_string(), app.theme.accent()),
        Span::styled(format!(" {what}"), app.theme.dim()),
    ]
}

fn fill(area: Rect, style: Style, buffer: &mut Buffer) {
    buffer.set_style(area, style);
}
