//! The map: every sound a dot of braille, in the colour of what it is most like, the results lit.
//!
//! Where sounds are many, dots fill their cell: the density is to be seen without being computed; where
//! they are few, each is a larger point. Names stand where most sounds of a label lie.

use std::collections::{BTreeMap, HashMap};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::query::file_name;
use super::results::grouped;
use super::waveform::DOTS;
use super::{draw_lines, rule, wrap};
use crate::display::printable;
use crate::library::ContentHash;
use crate::map::{LABELS, Point};
use crate::tui::app::App;
use crate::tui::fit::{cut_middle, width};
use crate::tui::theme::{GROUPS, Theme};

/// Sounds are larger points where there are no more of them than one in so many cells.
const CELLS_A_POINT: usize = 6;

/// The cells across and down in which the sounds of a label are counted to place its name.
const NAME_CELLS: (u16, u16) = (12, 4);

/// The dots of one cell.
#[derive(Clone, Copy, Default)]
struct Cell {
    pattern: u32,
    /// How many sounds of each group, and last of the others.
    groups: [u32; GROUPS + 1],
    /// The strength of the best result in it.
    lit: Option<f32>,
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
        let being_made = app.charting.progress.is_some();
        let text = match (&app.charting.failure, &app.charting.chart) {
            (Some(reason), _) if !being_made => printable(reason),
            (None, Some(_)) if !being_made => "There are no sounds to put on a map yet.".into(),
            _ => "The map is being made. Esc goes back; it is made meanwhile.".into(),
        };
        let cells = usize::from(plot.width).saturating_sub(4);
        let said = wrap(&text, cells).into_iter();
        let said = said.map(|part| Line::styled(format!("  {part}"), app.theme.dim()));
        let lines: Vec<_> = std::iter::once(Line::default()).chain(said).collect();
        return draw_lines(&lines, plot, buffer);
    };
    // The most frequent labels have a colour of their own.
    let groups = &chart.labels[..chart.labels.len().min(GROUPS)];
    draw_points(app, &chart.points, groups, plot, buffer);
    draw_legend(app, groups, legend, buffer);
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

fn draw_points(
    app: &App,
    points: &[Point],
    groups: &[(usize, usize)],
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &app.theme;
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let hits = app.results.hits().iter().filter(|_| app.results.ranked());
    let lit: HashMap<&ContentHash, f32> = hits
        .map(|hit| (&hit.record.content, hit.strength))
        .collect();
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
            .position(|&(label, _)| label == usize::from(point.label));
        cell.groups[group.unwrap_or(GROUPS)] += 1;
        if let Some(&strength) = lit.get(&point.content) {
            cell.lit = Some(cell.lit.map_or(strength, |best| best.max(strength)));
        }
    }
    let seen: u32 = cells.iter().flat_map(|cell| cell.groups).sum();
    let are_few = seen as usize * CELLS_A_POINT <= width * height;
    for (place, cell) in cells
        .iter()
        .enumerate()
        .filter(|(_, cell)| cell.pattern != 0)
    {
        let x = area.x + (place % width) as u16;
        let y = area.y + (place / width) as u16;
        if let Some(strength) = cell.lit {
            let style = theme.strength(strength).add_modifier(Modifier::BOLD);
            buffer[(x, y)].set_symbol("●").set_style(style);
            continue;
        }
        let most = (0..=GROUPS).max_by_key(|&group| (cell.groups[group], GROUPS - group));
        let dots = char::from_u32(0x2800 + cell.pattern).unwrap_or(' ');
        let group = most.unwrap_or(GROUPS);
        let style = if lit.is_empty() {
            theme.group(group)
        } else {
            theme.group_unlit(group)
        };
        let symbol = if are_few { '•' } else { dots };
        buffer[(x, y)].set_char(symbol).set_style(style);
    }
    let cell_of = |point: &Point| {
        let (x, y) = dot_of(point)?;
        Some((area.x + (x / 2) as u16, area.y + (y / 4) as u16))
    };
    let cursor = points.get(app.charting.cursor).and_then(cell_of);
    let lights = points
        .iter()
        .filter(|point| lit.contains_key(&point.content));
    let taken = lights.filter_map(cell_of).chain(cursor);
    let taken = taken.map(|(x, y)| Rect::new(x, y, 1, 1)).collect();
    let mut names = vec![];
    for (group, &(label, _)) in groups.iter().enumerate() {
        let of_label = points
            .iter()
            .filter(|point| usize::from(point.label) == label);
        names.push((group, LABELS[label], of_label.filter_map(cell_of).collect()));
    }
    draw_names(theme, names, taken, area, buffer);
    if let Some(at) = cursor {
        let style = theme
            .accent()
            .add_modifier(Modifier::REVERSED | Modifier::BOLD);
        buffer[at].set_symbol("◉").set_style(style);
    }
}

/// The number of a group, its name and the cells of its sounds.
type Name = (usize, &'static str, Vec<(u16, u16)>);

/// Writes each name where most of its sounds are, if there is room beside what is `taken`.
fn draw_names(
    theme: &Theme,
    names: Vec<Name>,
    mut taken: Vec<Rect>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let (across, down) = NAME_CELLS;
    for (group, name, cells) in names {
        let mut blocks: BTreeMap<(u16, u16), Vec<(u16, u16)>> = BTreeMap::new();
        for (x, y) in cells {
            let block = ((x - area.x) / across, (y - area.y) / down);
            blocks.entry(block).or_default().push((x, y));
        }
        let Some(block) = blocks.values().max_by_key(|block| block.len()) else {
            continue;
        };
        let mean = |axis: &dyn Fn(&(u16, u16)) -> u16| {
            let sum: usize = block.iter().map(|cell| usize::from(axis(cell))).sum();
            (sum / block.len()) as u16
        };
        let (x, y) = (mean(&|cell| cell.0), mean(&|cell| cell.1));
        let length = width(name) as u16;
        if length > area.width {
            continue;
        }
        let x = x
            .saturating_sub(length / 2)
            .clamp(area.x, area.right() - length);
        // Above the middle of its sounds, or else close to it.
        let rows = [-1, 0, 1, -2, 2, 3].map(|row| y.checked_add_signed(row));
        let free = rows.into_iter().flatten().find_map(|row| {
            let place = Rect::new(x, row, length, 1);
            let inside = (area.y..area.bottom()).contains(&row);
            let is_free = !taken.iter().any(|other| other.intersects(place));
            (inside && is_free).then_some(place)
        });
        if let Some(place) = free {
            // Two names side by side are kept apart.
            taken.push(Rect {
                x: place.x.saturating_sub(1),
                width: length + 2,
                ..place
            });
            let style = theme.group(group).add_modifier(Modifier::BOLD);
            buffer.set_string(place.x, place.y, name, style);
        }
    }
}

fn draw_legend(app: &App, groups: &[(usize, usize)], area: Rect, buffer: &mut Buffer) {
    let mut spans = vec![Span::raw(" ")];
    let mut room = usize::from(area.width).saturating_sub(2);
    for (group, &(label, count)) in groups.iter().enumerate() {
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
