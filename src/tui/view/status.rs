//! The last line: what goes on at the left, the keys that help now at the right; or a line that is
//! asked for.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::hint;
use super::results::grouped;
use crate::display::printable;
use crate::tui::action::Action;
use crate::tui::app::{App, Ask, Mode, completions, subjects_text};
use crate::tui::fit::{cut_end, cut_start, width};
use crate::tui::offers::Context;
use crate::tui::worker::IndexingState;

/// How wide the name of what is acted on is at most, in a question.
const SUBJECTS_WIDTH: usize = 20;
/// The least width in which a note behind what is typed is worth showing.
const LEAST_NOTE_WIDTH: usize = 8;

/// Draws the line; gives the place of the cursor when a line is asked for.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    // What is wrong with a line is told in its place, until the next key.
    if let (Mode::Prompt(ask), None) = (app.mode, &app.notice) {
        return Some(draw_prompt(app, ask, area, buffer));
    }
    let hints = hints(app);
    let theme = &app.theme;
    let left = match (&app.notice, indexing(app)) {
        (Some(notice), _) => {
            let style = if notice.is_error {
                theme.error()
            } else {
                theme.text()
            };
            Line::styled(printable(&notice.text), style)
        }
        (None, Some(line)) => line,
        (None, None) => Line::default(),
    };
    let cells = usize::from(area.width).saturating_sub(2);
    let left_width = left.width();
    let left: Line = if left_width > cells {
        let text: String = left
            .spans
            .iter()
            .map(|span| span.content.as_ref())
            .collect();
        let style = left
            .spans
            .first()
            .map(|span| span.style)
            .unwrap_or_default();
        Line::styled(cut_end(&text, cells), style.patch(left.style))
    } else {
        left
    };
    left.render(
        Rect {
            x: area.x + 1,
            width: area.width - 2,
            ..area
        },
        buffer,
    );
    // Of the hints as many are shown as there is room for; the first are the most useful.
    let mut room = cells.saturating_sub(left_width.min(cells) + 3);
    let mut shown: Vec<Span> = vec![];
    for (place, hint) in hints.into_iter().enumerate() {
        let gap = if place > 0 { 3 } else { 0 };
        let needed = gap + hint.iter().map(|span| width(&span.content)).sum::<usize>();
        if needed > room {
            break;
        }
        room -= needed;
        if gap > 0 {
            shown.push(Span::raw(" ".repeat(gap)));
        }
        shown.extend(hint);
    }
    let line = Line::from(shown);
    let x = area.right().saturating_sub(line.width() as u16 + 1);
    line.render(
        Rect {
            x,
            width: area.right() - x,
            ..area
        },
        buffer,
    );
    None
}

/// What indexing does, in words.
fn indexing(app: &App) -> Option<Line<'static>> {
    let theme = &app.theme;
    let progress = &app.indexing;
    let text = match progress.state {
        IndexingState::Scanning => "looking for sounds…".to_string(),
        IndexingState::Running => {
            let mut text = format!(
                "indexing {} of {} · {:.0}/s",
                grouped(progress.done),
                grouped(progress.to_do),
                progress.per_second
            );
            if let Some(left_s) = progress.left_s.filter(|_| !app.paused) {
                text.push_str(&format!(" · {} left", roughly(left_s)));
            }
            text
        }
        _ => return None,
    };
    let mut spans = vec![];
    if app.paused {
        spans.push(Span::styled("paused ", theme.filter()));
    }
    spans.push(Span::styled(text, theme.dim()));
    if !app.library.failed.is_empty() {
        let failed = grouped(app.library.failed.len());
        spans.push(Span::styled(format!(" · {failed} failed"), theme.error()));
    }
    Some(Line::from(spans))
}

/// A length of time in the unit that a person would use.
fn roughly(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn hints(app: &App) -> Vec<[Span<'static>; 2]> {
    let context = app.context();
    let wanted: &[(Action, &str)] = match context {
        Context::Query => &[
            (Action::ToResults, "results"),
            (Action::KeepPart, "keep as a part"),
            (Action::Help, "help"),
        ],
        Context::Results => &[
            (Action::Help, "help"),
            (Action::PlayStop, "play"),
            (Action::Similar, "similar"),
            (Action::ToQuery, "type"),
            (Action::Filters, "filters"),
            (Action::Menu, "do"),
            (Action::LessLike, "less like it"),
            (Action::AddFolder, "add folder"),
        ],
        Context::Parts => &[
            (Action::Heavier, "more"),
            (Action::Lighter, "less"),
            (Action::Negate, "steer away"),
            (Action::RemovePart, "remove"),
            (Action::ToResults, "done"),
        ],
        Context::Filters => &[
            (Action::Choose, "take or drop"),
            (Action::Ascend, "folder above"),
            (Action::ClearFilters, "none"),
            (Action::Close, "close"),
        ],
        Context::Map => &[
            (Action::Close, "close"),
            (Action::PlayStop, "play"),
            (Action::Similar, "similar"),
            (Action::ZoomIn, "closer"),
            (Action::ZoomOut, "farther"),
        ],
        Context::Menu => &[(Action::Choose, "do it"), (Action::Close, "close")],
        Context::Reading => &[(Action::Close, "close"), (Action::PageDown, "on")],
        Context::Prompt | Context::Everywhere => &[],
    };
    let key = |action: &Action| {
        let own = app.keys.key_of(context, action);
        own.or_else(|| app.keys.key_of(Context::Everywhere, action))
    };
    let shown = wanted.iter().filter_map(|(action, what)| {
        let key = key(action)?;
        Some(hint(app, &key, what))
    });
    shown.collect()
}

fn draw_prompt(app: &App, ask: Ask, area: Rect, buffer: &mut Buffer) -> Position {
    let what = cut_end(&subjects_text(app), SUBJECTS_WIDTH);
    let question = match ask {
        Ask::Folder => " Folder to index: ".to_string(),
        Ask::Name => " Name has: ".to_string(),
        Ask::CopyTo => format!(" Copy {what} to: "),
        Ask::LinkTo => format!(" Link {what} in: "),
        Ask::CutTo => format!(" Cut {what} to: "),
        Ask::Export => format!(" List {what} in: "),
        Ask::Tags => format!(" Tags of {what}: "),
    };
    buffer.set_string(area.x, area.y, &question, app.theme.accent());
    let start = area.x + width(&question) as u16;
    let cells = usize::from(area.right() - start).saturating_sub(1);
    let before = cut_start(app.prompt.before_cursor(), cells);
    let whole = width(app.prompt.text()) < cells;
    let shown = if whole { app.prompt.text() } else { &before };
    buffer.set_string(start, area.y, shown, app.theme.title());
    let note = match ask {
        Ask::Tags => offered_tags(app),
        Ask::Export => ".m3u8, .csv or .json".to_string(),
        _ => String::new(),
    };
    let after = start + width(shown) as u16 + 3;
    let room = usize::from(area.right().saturating_sub(after + 1));
    if room >= LEAST_NOTE_WIDTH {
        buffer.set_string(after, area.y, cut_end(&note, room), app.theme.faint());
    }
    Position::new(start + width(&before) as u16, area.y)
}

/// The tags that what is typed may become; the first of them is taken by a key.
fn offered_tags(app: &App) -> String {
    let tags: Vec<&str> = completions(app).iter().map(|tag| tag.as_str()).collect();
    match app.keys.key_of(Context::Prompt, &Action::Complete) {
        Some(key) if !tags.is_empty() => format!("{key} {}", tags.join(", ")),
        _ if app.prompt.is_blank() => "commas between them; -tag takes one off".to_string(),
        _ => String::new(),
    }
}
