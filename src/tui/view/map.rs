//! The map: every sound a dot of braille, in the colour of what it is most like, the results lit.
//!
//! Where sounds are many, dots fill their cell: the density is to be seen without being computed.

use std::collections::HashSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::query::file_name;
use super::results::grouped;
use super::waveform::DOTS;
use super::{draw_lines, rule, wrap};
use crate::library::ContentHash;
use crate::map::{LABELS, Point};
use crate::tui::app::App;
use crate::tui::fit::{cut_middle, width};
use crate::tui::theme::GROUPS;

/// The dots of one cell.
#[derive(Clone, Copy, Default)]
struct Cell {
    pattern: u32,
    /// How many sounds of each group, and last of the others.
    groups: [u32; GROUPS + 1],
    lit: bool,
}

/// Draws the map with a title above and what the colours mean below.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let title = Rect { height: 1, ..area };
    let legend = Rect {
        y: area.bottom() - 1,
        height: 1,
        ..area
    };
    let plot = Rect {
        y: area.y + 1,
        height: area.height - 2,
        ..area
    };
    draw_title(app, title, buffer);
    let Some(chart) = app
        .charting
        .chart
        .as_ref()
        .filter(|chart| !chart.points.is_empty())
    else {
        let text = match (app.charting.progress, &app.charting.chart) {
            (None, Some(_)) => "There are no sounds to put on a map yet.",
            _ => "The map is being made. Esc goes back; it is made meanwhile.",
        };
        let cells = usize::from(plot.width).saturating_sub(4);
        let said = wrap(text, cells).into_iter();
        let said = said.map(|part| Line::styled(format!("  {part}"), app.theme.dim()));
        let lines: Vec<_> = std::iter::once(Line::default()).chain(said).collect();
        return draw_lines(&lines, plot, buffer);
    };
    let groups = groups_of(&chart.points);
    draw_points(app, &chart.points, &groups, plot, buffer);
    draw_legend(app, &chart.points, &groups, legend, buffer);
}

fn draw_title(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let mut left = vec![Span::styled("map", theme.title())];
    if let Some(share) = app.charting.progress {
        left.push(Span::styled(
            format!("  {:.0} %", share * 100.0),
            theme.accent(),
        ));
    } else if let Some(chart) = &app.charting.chart {
        let count = grouped(chart.points.len());
        left.push(Span::styled(format!("  {count} sounds"), theme.dim()));
    }
    if app.charting.zoom > 1.0 {
        left.push(Span::styled(
            format!(" · ×{:.1}", app.charting.zoom),
            theme.dim(),
        ));
    }
    let mut right = vec![];
    if let Some((_, path)) = app.charting.selected() {
        if app.hearing.at_s(path).is_some() {
            right.push(Span::styled("▶ ", theme.accent()));
        }
        let label = app.charting.label().unwrap_or_default();
        let taken: usize = left.iter().map(|span| width(&span.content)).sum();
        let room = usize::from(area.width).saturating_sub(taken + width(label) + 14);
        right.push(Span::styled(
            cut_middle(&file_name(path), room),
            theme.title(),
        ));
        right.push(Span::styled(format!(" · {label}"), theme.dim()));
    }
    rule(app, Line::from(left), Line::from(right), area, buffer);
}

/// The most frequent labels, each of which has a colour of its own.
fn groups_of(points: &[Point]) -> Vec<usize> {
    let mut counts: Vec<(usize, usize)> = (0..LABELS.len()).map(|label| (0, label)).collect();
    for point in points {
        if let Some((count, _)) = counts.get_mut(usize::from(point.label)) {
            *count += 1;
        }
    }
    counts.sort_by_key(|&(count, label)| (std::cmp::Reverse(count), label));
    let present = counts.into_iter().filter(|(count, _)| *count > 0);
    present.take(GROUPS).map(|(_, label)| label).collect()
}

fn draw_points(app: &App, points: &[Point], groups: &[usize], area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let lit: HashSet<&ContentHash> = match app.results.ranked() {
        true => app
            .results
            .hits()
            .iter()
            .map(|hit| &hit.record.content)
            .collect(),
        false => HashSet::new(),
    };
    let dot_of = |point: &Point| {
        let [x, y] = app.charting.seen(point);
        let place = |at: f32, dots: usize| {
            let dot = ((at + 1.0) / 2.0 * (dots - 1) as f32).round();
            (0.0..dots as f32).contains(&dot).then_some(dot as usize)
        };
        // Rows count down, the map's second axis goes up.
        Some((place(x, width * 2)?, place(-y, height * 4)?))
    };
    let mut cells = vec![Cell::default(); width * height];
    for point in points {
        let Some((x, y)) = dot_of(point) else {
            continue;
        };
        let cell = &mut cells[y / 4 * width + x / 2];
        cell.pattern |= DOTS[x % 2][y % 4];
        let group = groups
            .iter()
            .position(|&label| label == usize::from(point.label));
        cell.groups[group.unwrap_or(GROUPS)] += 1;
        cell.lit |= lit.contains(&point.content);
    }
    for (place, cell) in cells
        .iter()
        .enumerate()
        .filter(|(_, cell)| cell.pattern != 0)
    {
        let x = area.x + (place % width) as u16;
        let y = area.y + (place / width) as u16;
        if cell.lit {
            buffer[(x, y)].set_symbol("●").set_style(theme.title());
            continue;
        }
        let most = (0..=GROUPS).max_by_key(|&group| (cell.groups[group], GROUPS - group));
        let dots = char::from_u32(0x2800 + cell.pattern).unwrap_or(' ');
        let style = theme.group(most.unwrap_or(GROUPS));
        buffer[(x, y)].set_char(dots).set_style(style);
    }
    let cursor = points.get(app.charting.cursor).and_then(dot_of);
    if let Some((x, y)) = cursor {
        let at = (area.x + (x / 2) as u16, area.y + (y / 4) as u16);
        let style = theme
            .accent()
            .add_modifier(Modifier::REVERSED | Modifier::BOLD);
        buffer[at].set_symbol("◉").set_style(style);
    }
}

fn draw_legend(app: &App, points: &[Point], groups: &[usize], area: Rect, buffer: &mut Buffer) {
    let mut spans = vec![Span::raw(" ")];
    let mut room = usize::from(area.width).saturating_sub(2);
    for (group, &label) in groups.iter().enumerate() {
        let count = points
            .iter()
            .filter(|point| usize::from(point.label) == label)
            .count();
        let text = format!(" {} {}  ", LABELS[label], grouped(count));
        if width(&text) + 1 > room {
            break;
        }
        room -= width(&text) + 1;
        spans.push(Span::styled("■", app.theme.group(group)));
        spans.push(Span::styled(text, app.theme.dim()));
    }
    Line::from(spans).render(area, buffer);
}
