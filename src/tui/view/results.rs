//! The list of results. Only the rows that are to be seen are looked at.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::query::file_name;
use super::{draw_lines, fill, hint, rule, wrap};
use crate::display::{bar, clock, count, printable, printable_path};
use crate::search::Hit;
use crate::tui::action::Action;
use crate::tui::app::{App, Mode, Row, matched_span};
use crate::tui::fit::{cut_end, cut_middle, cut_start, pad, pad_left, width};
use crate::tui::offers::Context;

/// How wide favourites and tags are at most in a row.
const MARKS_WIDTH: usize = 18;

/// Draws the line above the list: how many there are, of what.
pub fn draw_heading(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let found = app.results.hits().len();
    let left = match (app.results.ranked(), app.results.is_complete()) {
        _ if found == 0 => Line::default(),
        (true, true) => Line::styled(count(found, "result"), theme.dim()),
        (true, false) => Line::styled(format!("best {found}"), theme.dim()),
        (false, _) => Line::styled("all sounds", theme.dim()),
    };
    let mut right = vec![];
    if !app.marked.is_empty() {
        let marked = format!("{} marked", grouped(app.marked.len()));
        right.push(Span::styled(marked, theme.filter()));
        right.push(Span::styled(" · ", theme.faint()));
    }
    if app.moments {
        right.push(Span::styled("moments", theme.filter()));
        right.push(Span::styled(" · ", theme.faint()));
    }
    if app.library.files > 0 {
        let files = grouped(app.library.files);
        let noun = if app.library.files == 1 {
            "sound"
        } else {
            "sounds"
        };
        right.push(Span::styled(format!("{files} {noun}"), theme.dim()));
    }
    rule(app, left, Line::from(right), area, buffer);
}

/// Draws the rows that are to be seen.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    if app.results.rows().is_empty() {
        let said = match &app.failure {
            Some(reason) => (printable(reason), theme.error()),
            None if app.is_searching() => return,
            None if !app.query.narrowing.is_empty() => {
                let drop = app.keys.key_of(Context::Results, &Action::ClearFilters);
                let drop = drop.unwrap_or_default();
                (
                    format!("No sound passes the filters. {drop} in the results drops them."),
                    theme.dim(),
                )
            }
            None if app.results.ranked() => (
                "Nothing was found. Index more folders, or ask for something else.".into(),
                theme.dim(),
            ),
            None => return,
        };
        let cells = usize::from(area.width).saturating_sub(4);
        let lines: Vec<_> = std::iter::once(Line::default())
            .chain(
                wrap(&said.0, cells)
                    .into_iter()
                    .map(|part| Line::styled(format!("  {part}"), said.1)),
            )
            .collect();
        return draw_lines(&lines, area, buffer);
    }
    let first = app.results.offset();
    let rows = app.results.rows().iter().enumerate().skip(first);
    let shown: Vec<_> = rows.take(area.height.into()).collect();
    let columns = Columns::of(app, &shown, area.width);
    for ((place, row), line_area) in shown.into_iter().zip(area.rows()) {
        let selected = place == app.results.selected();
        if selected {
            let active = matches!(app.mode_beneath(), Mode::Results);
            fill(line_area, theme.selected(active), buffer);
        }
        columns.line(app, *row, selected).render(line_area, buffer);
    }
}

/// How the width is shared out; the same for all rows of a screen.
struct Columns {
    rank: usize,
    bar: usize,
    name: usize,
    folder: usize,
    moment: usize,
    length: usize,
    format: usize,
    alike: usize,
}

impl Columns {
    fn of(app: &App, shown: &[(usize, &Row)], cells: u16) -> Columns {
        let cells = usize::from(cells);
        let hits = || {
            let rows = shown.iter();
            rows.filter_map(|(_, row)| app.results.hit_of(row))
        };
        let widest = |of: &dyn Fn(&Hit) -> usize| hits().map(of).max().unwrap_or(0);
        let bar = match (app.results.ranked(), cells) {
            (false, _) => 0,
            (true, ..80) => 4,
            (true, _) => 8,
        };
        let rank = widest(&|hit| width(&hit.rank.to_string())).max(2);
        let moment = widest(&|hit| width(&moment_text(hit)));
        let length = widest(&|hit| width(&clock(hit.record.sound.duration_s as f32)));
        let format = if cells < 68 {
            0
        } else {
            widest(&|hit| width(&format_text(hit)).min(6))
        };
        let alike = widest(&|hit| width(&alike_text(hit)));
        let gap = |column: usize| if column > 0 { column + 2 } else { 0 };
        let number = if bar > 0 { bar + 1 + 3 + 2 } else { 1 };
        let taken =
            1 + rank + 1 + number + gap(moment) + gap(length) + gap(format) + gap(alike) + 1;
        let room = cells.saturating_sub(taken);
        let longest = widest(&|hit| width(&file_name(&hit.path)) + width(&marks_text(app, hit)));
        // A folder is worth a third of the room beside a cut name, if it takes as much.
        let folder = widest(&|hit| width(&folder_text(app, &hit.path))).min(room / 3);
        let name = longest.min(room.saturating_sub(folder + 2));
        let folder = room.saturating_sub(name + 2);
        Columns {
            rank,
            bar,
            name,
            folder: if folder < 6 { 0 } else { folder },
            moment,
            length,
            format,
            alike,
        }
    }

    fn line(&self, app: &App, row: Row, selected: bool) -> Line<'static> {
        let theme = &app.theme;
        let mark = if selected { "▌" } else { " " };
        let mut spans = vec![Span::styled(mark, theme.accent())];
        let Some(hit) = app.results.hit_of(&row) else {
            return Line::default();
        };
        let is_hit = matches!(row, Row::Hit(_));
        let path = hit.path.as_path();
        let rank = match row {
            Row::Hit(_) => hit.rank.to_string(),
            Row::Alike(..) => "≈".to_string(),
        };
        spans.push(Span::styled(pad_left(&rank, self.rank), theme.dim()));
        let is_marked = app.marked.contains(path);
        let mark = if is_marked { "●" } else { " " };
        spans.push(Span::styled(mark, theme.filter()));
        if self.bar > 0 {
            let percent = format!("{:>3}", (hit.strength * 100.0).round());
            let (shown, percent) = match is_hit {
                true => (bar(hit.strength, self.bar), percent),
                false => (" ".repeat(self.bar), "   ".to_string()),
            };
            let style = theme.strength(hit.strength);
            spans.push(Span::styled(shown, style));
            spans.push(Span::styled(format!(" {percent}  "), style));
        } else {
            spans.push(Span::raw(" "));
        }
        let name_style = match (selected, is_hit) {
            (true, _) => theme.title(),
            (false, true) => theme.text(),
            (false, false) => theme.dim(),
        };
        let marks = marks_text(app, hit);
        let room = self.name.saturating_sub(width(&marks));
        let name = cut_middle(&file_name(path), room);
        let gap = " ".repeat(self.name.saturating_sub(width(&name) + width(&marks)));
        spans.push(Span::styled(name, name_style));
        spans.push(Span::styled(marks, theme.filter()));
        spans.push(Span::raw(gap));
        if self.folder > 0 {
            let folder = cut_start(&folder_text(app, path), self.folder);
            spans.push(Span::styled(
                format!("  {}", pad(&folder, self.folder)),
                theme.dim(),
            ));
        }
        let mut column = |text: String, cells: usize, style: Style| {
            if cells > 0 {
                let text = cut_end(&text, cells);
                spans.push(Span::styled(format!("  {}", pad_left(&text, cells)), style));
            }
        };
        column(alike_text(hit), self.alike, theme.clip());
        column(moment_text(hit), self.moment, theme.accent());
        column(
            clock(hit.record.sound.duration_s as f32),
            self.length,
            theme.dim(),
        );
        column(format_text(hit), self.format, theme.dim());
        Line::from(spans)
    }
}

/// What a person has put on a sound: ` ★ #deep #drum`, cut to a few cells.
fn marks_text(app: &App, hit: &Hit) -> String {
    let Some(marks) = app.marks.get(&hit.record.content) else {
        return String::new();
    };
    let star = if marks.favourite { " ★" } else { "" };
    let tags: String = marks.tags.iter().map(|tag| format!(" #{tag}")).collect();
    cut_end(&format!("{star}{tags}"), MARKS_WIDTH)
}

/// Where the moment that matched begins, if it is not the whole sound.
fn moment_text(hit: &Hit) -> String {
    matched_span(hit).map_or(String::new(), |span| {
        format!("@{}", clock(span.start_s as f32))
    })
}

fn alike_text(hit: &Hit) -> String {
    match hit.alike.len() {
        0 => String::new(),
        n => format!("+{n}"),
    }
}

fn format_text(hit: &Hit) -> String {
    printable(&hit.record.sound.format.to_lowercase())
}

/// The folder of a file, below the indexed folder where there is only one.
pub fn folder_text(app: &App, path: &Path) -> String {
    let folder = path.parent().unwrap_or(Path::new(""));
    let below = app
        .common_root()
        .and_then(|root| folder.strip_prefix(root).ok());
    printable_path(below.unwrap_or(folder))
}

/// Draws what to do when nothing is indexed yet.
pub fn draw_empty_library(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let add = app.keys.key_of(Context::Results, &Action::AddFolder);
    let leave = app.keys.key_of(Context::Query, &Action::ToResults);
    let (add, leave) = (add.unwrap_or_default(), leave.unwrap_or_default());
    let mut lines = vec![Line::default()];
    if app.is_indexing() {
        lines.push(Line::styled(
            "  The first sounds are on their way.",
            theme.title(),
        ));
    } else {
        lines.push(Line::styled("  No sounds are indexed yet.", theme.title()));
        lines.push(Line::default());
        let keys = if app.mode == Mode::Query {
            format!("{leave}, then {add}")
        } else {
            add
        };
        let mut asks = vec![Span::raw("  ")];
        asks.extend(hint(
            app,
            &keys,
            "asks for a folder of samples or recordings to index;",
        ));
        lines.push(Line::from(asks));
        lines.push(Line::from(vec![
            Span::styled("  or start with one: ", theme.dim()),
            Span::styled("soundseek ~/Samples", theme.accent()),
        ]));
        lines.push(Line::default());
        lines.push(Line::styled(
            "  They stay where they are. Then type what you want to hear.",
            theme.dim(),
        ));
    }
    draw_lines(&lines, area, buffer);
}

/// `1,234,567`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
