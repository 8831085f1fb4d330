//! The panel of filters at the side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::fill;
use super::query::file_name;
use super::results::grouped;
use crate::display::printable;
use crate::tui::app::{AGES, App, FilterRow, LENGTHS, Mode, filter_rows};
use crate::tui::fit::{cut_middle, cut_start, pad, pad_left, width};

/// Draws the rows around the cursor.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    Clear.render(area, buffer);
    for row in area.rows() {
        buffer.set_string(row.x, row.y, "│", theme.faint());
    }
    let inner = Rect {
        x: area.x + 1,
        width: area.width - 1,
        ..area
    };
    let rows = filter_rows(app);
    let shown = rows.iter().enumerate().skip(app.filter_offset());
    for ((place, row), line_area) in shown.zip(inner.rows()) {
        let active = app.mode == Mode::Filters;
        if place == app.filter && active {
            fill(line_area, theme.selected(true), buffer);
        }
        line(app, row, usize::from(inner.width)).render(line_area, buffer);
    }
}

fn line(app: &App, row: &FilterRow, cells: usize) -> Line<'static> {
    let theme = &app.theme;
    let chosen = &app.query.narrowing;
    let (is_on, text, files) = match row {
        FilterRow::Heading(title) => {
            let mut spans = vec![Span::styled(format!(" {title}"), theme.title())];
            if let ("Folder", Some(folder)) = (*title, &chosen.folder) {
                let name = cut_start(&file_name(folder), cells.saturating_sub(11));
                spans.push(Span::styled(format!("  {name}"), theme.filter()));
            }
            return Line::from(spans);
        }
        FilterRow::Above => (false, "↑ the folder above".to_string(), None),
        FilterRow::Folder(path, files) => (false, file_name(path), Some(*files)),
        FilterRow::Extension(extension, files) => (
            chosen.extensions.contains(extension),
            printable(extension),
            Some(*files),
        ),
        FilterRow::Length(length, files) => (
            chosen.length == Some(*length),
            LENGTHS[*length].to_string(),
            Some(*files),
        ),
        FilterRow::Favourite(files) => (chosen.favourite, "★ favourites".to_string(), Some(*files)),
        FilterRow::Tag(tag, files) => (chosen.tags.contains(tag), format!("#{tag}"), Some(*files)),
        FilterRow::Label(label, files) => (
            chosen.labels.contains(label),
            printable(label),
            Some(*files),
        ),
        FilterRow::Age(age) => (chosen.age == Some(*age), AGES[*age].0.to_string(), None),
        FilterRow::Name => match chosen.name.as_str() {
            "" => (false, "any".to_string(), None),
            name => (true, printable(name), None),
        },
    };
    let number = files.map_or(String::new(), grouped);
    let room = cells.saturating_sub(width(&number) + 6);
    let style = match (is_on, files) {
        (true, _) => theme.filter(),
        (false, Some(0)) => theme.faint(),
        (false, _) => theme.text(),
    };
    let mark = if is_on { " ● " } else { "   " };
    let text = pad(&cut_middle(&text, room), room);
    let number = pad_left(&number, cells.saturating_sub(room + 4));
    Line::from(vec![
        Span::styled(mark, theme.filter()),
        Span::styled(text, style),
        Span::styled(
            number,
            if files == Some(0) {
                theme.faint()
            } else {
                theme.dim()
            },
        ),
    ])
}
