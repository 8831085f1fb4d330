//! The foot of the screen: what the selected sound is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::query::file_name;
use super::results::folder_text;
use super::{draw_lines, rule};
use crate::display::{clock, printable};
use crate::tui::app::{App, matched_span};
use crate::tui::fit::{cut_middle, cut_start};

/// Draws the title and what is below it.
pub fn draw(app: &App, title: Rect, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let (Some(hit), Some(path)) = (app.results.hit(), app.results.path()) else {
        rule(app, Line::default(), Line::default(), title, buffer);
        return;
    };
    let sound = &hit.record.sound;
    let channels = match sound.channels {
        1 => "mono".to_string(),
        2 => "stereo".to_string(),
        n => format!("{n} channels"),
    };
    let kilohertz = f64::from(sound.sample_rate_hz) / 1000.0;
    let facts = format!(
        "{} · {} · {kilohertz} kHz {channels}",
        clock(sound.duration_s as f32),
        printable(&sound.codec),
    );
    let room = usize::from(title.width).saturating_sub(facts.chars().count() + 8);
    let name = Line::styled(cut_middle(&file_name(path), room), theme.title());
    rule(app, name, Line::styled(facts, theme.dim()), title, buffer);
    let cells = usize::from(area.width).saturating_sub(4);
    let mut lines = vec![Line::styled(
        format!("  {}", cut_start(&folder_text(app, path), cells)),
        theme.dim(),
    )];
    if let Some(span) = matched_span(hit) {
        lines.push(Line::from(vec![
            Span::styled("  matches at ", theme.dim()),
            Span::styled(clock(span.start_s as f32), theme.accent()),
        ]));
    }
    if let Some(damage) = &sound.damage {
        lines.push(Line::styled(
            format!("  {}", printable(damage)),
            theme.error(),
        ));
    }
    draw_lines(&lines, area, buffer);
}
