//! The menu of what can be done with the marked sounds, or with the selected one, over the list.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::fill;
use crate::tui::app::{App, menu, obstacle, subjects_text};
use crate::tui::fit::{cut_end, pad, width};
use crate::tui::offers::Offer;

/// How wide the menu is, with its frame.
const WIDTH: u16 = 56;
/// How wide the keys are.
const KEYS_WIDTH: usize = 4;

/// Draws it in the middle of the screen.
pub fn draw(app: &App, screen: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let offers = menu(app);
    let (cells, rows) = (WIDTH.min(screen.width), offers.len() as u16 + 2);
    let area = Rect {
        x: screen.x + (screen.width - cells) / 2,
        y: screen.y + screen.height.saturating_sub(rows) / 2,
        width: cells,
        height: rows.min(screen.height),
    };
    let title = cut_end(&subjects_text(app), usize::from(cells) - 6);
    let frame = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.faint())
        .title(Line::styled(format!(" {title} "), theme.title()));
    let inner = frame.inner(area);
    Clear.render(area, buffer);
    frame.render(area, buffer);
    for ((place, offer), row) in offers.into_iter().enumerate().zip(inner.rows()) {
        if place == app.menu {
            fill(row, theme.selected(true), buffer);
        }
        line(app, offer, usize::from(inner.width)).render(row, buffer);
    }
}

fn line(app: &App, offer: &Offer, cells: usize) -> Line<'static> {
    let theme = &app.theme;
    let obstacle = obstacle(app, &offer.action);
    let (keys_style, text_style) = match obstacle {
        None => (theme.accent(), theme.text()),
        Some(_) => (theme.faint(), theme.faint()),
    };
    let key = app.keys.key_of(offer.context, &offer.action);
    let key = pad(&key.unwrap_or_default(), KEYS_WIDTH);
    let text = cut_end(offer.help, cells.saturating_sub(KEYS_WIDTH + 2));
    let mut spans = vec![
        Span::styled(format!(" {key} "), keys_style),
        Span::styled(text.clone(), text_style),
    ];
    if let Some(obstacle) = obstacle {
        let room = cells.saturating_sub(KEYS_WIDTH + 4 + width(&text));
        spans.push(Span::styled(
            format!("  {}", cut_end(obstacle, room)),
            theme.dim(),
        ));
    }
    Line::from(spans)
}
