//! Texts to be read over the results: every key, and what could not be indexed.
//!
//! The help is made from the key map that is in force, so that it cannot say anything else than what
//! the keys do.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{draw_lines, rule};
use crate::display::{count, printable};
use crate::tui::app::App;
use crate::tui::fit::{cut_end, cut_start, pad, width};
use crate::tui::offers::Context;

/// How wide the keys of a line are.
const KEYS_WIDTH: usize = 20;
/// How wide one of two columns is at least.
const COLUMN_WIDTH: usize = 58;

/// The lines of the help for the width of the screen.
pub fn help_lines(app: &App) -> Vec<Line<'static>> {
    let cells = usize::from(app.size.0);
    let columns = if cells >= 2 * COLUMN_WIDTH { 2 } else { 1 };
    let column_width = cells / columns;
    let blocks: Vec<Vec<Line>> = Context::ALL
        .iter()
        .map(|context| block(app, *context, column_width))
        .collect();
    if columns == 1 {
        return blocks.concat();
    }
    // The left column is filled up to about a half; blocks stay whole.
    let total: usize = blocks.iter().map(Vec::len).sum();
    let mut sides = [vec![], vec![]];
    for lines in blocks {
        let side = usize::from(sides[0].len() + lines.len() / 2 > total / 2);
        sides[side].extend(lines);
    }
    let [left, right] = sides;
    let rows = left.len().max(right.len());
    let mut joined = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut spans = left
            .get(row)
            .map_or(vec![], |line: &Line| line.spans.clone());
        let used: usize = spans.iter().map(|span| width(&span.content)).sum();
        spans.push(Span::raw(" ".repeat(column_width.saturating_sub(used))));
        spans.extend(
            right
                .get(row)
                .map_or(vec![], |line: &Line| line.spans.clone()),
        );
        joined.push(Line::from(spans));
    }
    joined
}

fn block(app: &App, context: Context, cells: usize) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let mut lines = vec![Line::from(vec![Span::styled(
        format!("  {}", context.title()),
        theme.title(),
    )])];
    for (offer, chords) in app.keys.offers(context) {
        if chords.is_empty() {
            continue;
        }
        let keys: Vec<_> = chords.iter().map(ToString::to_string).collect();
        let keys = pad(&cut_end(&keys.join("  "), KEYS_WIDTH), KEYS_WIDTH);
        let help = cut_end(offer.help, cells.saturating_sub(KEYS_WIDTH + 5));
        lines.push(Line::from(vec![
            Span::styled(format!("  {keys} "), theme.accent()),
            Span::styled(help, theme.text()),
        ]));
    }
    lines.push(Line::default());
    lines
}

/// Draws the help over an area.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let title = Line::styled("keys", app.theme.title());
    let version = Line::styled(env!("CARGO_PKG_VERSION"), app.theme.dim());
    draw_text(app, title, version, &help_lines(app), area, buffer);
}

/// Draws what could not be indexed over an area.
pub fn draw_failures(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let cells = usize::from(area.width).saturating_sub(4);
    let mut lines: Vec<Line> = vec![];
    for (path, reason) in app.failure_lines() {
        let path = cut_start(&path, cells / 2);
        let reason = cut_end(&printable(reason), cells.saturating_sub(width(&path) + 2));
        lines.push(Line::from(vec![
            Span::styled(format!("  {path}  "), theme.text()),
            Span::styled(reason, theme.error()),
        ]));
    }
    if lines.is_empty() {
        lines.push(Line::styled("  Everything could be indexed.", theme.dim()));
    }
    let title = Line::styled("could not be indexed", theme.title());
    let number = Line::styled(count(app.library.failed.len(), "file"), theme.dim());
    draw_text(app, title, number, &lines, area, buffer);
}

fn draw_text(app: &App, title: Line, note: Line, lines: &[Line], area: Rect, buffer: &mut Buffer) {
    rule(app, title, note, Rect { height: 1, ..area }, buffer);
    let below = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    draw_lines(lines.get(app.scroll..).unwrap_or_default(), below, buffer);
}
