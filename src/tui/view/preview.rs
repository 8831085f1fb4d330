//! The foot of the screen: what the selected sound is, how it looks, and where in it the match is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::query::file_name;
use super::results::folder_text;
use super::waveform::{self, Extent};
use super::{draw_lines, rule, spectrogram, strip, wrap};
use crate::display::{clock, printable};
use crate::search::Hit;
use crate::tui::app::{App, matched_span};
use crate::tui::fit::{cut_middle, cut_start, width};

/// From how many rows on one of them is given to the times.
const ROWS_WITH_TIMES: u16 = 5;

/// Draws the title and the sound below it.
pub fn draw(app: &App, title: Rect, area: Rect, buffer: &mut Buffer) {
    let Some(hit) = app.results.hit() else {
        rule(app, Line::default(), Line::default(), title, buffer);
        return;
    };
    draw_title(app, hit, title, buffer);
    match &app.drawing.overview {
        Some(Ok(overview)) => {
            let extent = extent(app, hit, overview.duration_s);
            let below = u16::from(!app.drawing.curve.is_empty());
            let times = u16::from(area.height >= ROWS_WITH_TIMES);
            let sound = Rect {
                height: area.height - below - times,
                ..area
            };
            if app.spectrogram {
                spectrogram::draw(overview, &extent, &app.theme, sound, buffer);
            } else {
                waveform::draw(overview, &extent, &app.theme, sound, buffer);
            }
            let match_row = Rect {
                y: sound.bottom(),
                height: below,
                ..area
            };
            if below > 0 {
                strip::draw(&app.drawing.curve, &extent, &app.theme, match_row, buffer);
            }
            if times > 0 {
                let row = Rect {
                    y: area.bottom() - 1,
                    height: 1,
                    ..area
                };
                draw_times(app, &extent, row, buffer);
            }
        }
        Some(Err(reason)) => {
            let cells = usize::from(area.width).saturating_sub(4);
            let lines = wrap(&printable(reason), cells);
            let lines = lines.into_iter();
            let lines: Vec<_> = lines
                .map(|line| Line::styled(format!("  {line}"), app.theme.error()))
                .collect();
            draw_lines(&lines, area, buffer);
        }
        // It is being looked at; most sounds are there with the next frame.
        None => {}
    }
}

fn draw_title(app: &App, hit: &Hit, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let Some(path) = app.results.path() else {
        return;
    };
    let sound = &hit.record.sound;
    let channels = match sound.channels {
        1 => "mono".to_string(),
        2 => "stereo".to_string(),
        n => format!("{n} channels"),
    };
    let mut facts = vec![
        clock(sound.duration_s as f32),
        printable(&sound.codec),
        format!("{} kHz", f64::from(sound.sample_rate_hz) / 1000.0),
        channels,
    ];
    if area.width < 76 {
        facts.remove(1);
    }
    let facts = facts.join(" · ");
    let hearing = &app.hearing;
    let mut state = String::new();
    if hearing.looped {
        state.push_str("loop · ");
    }
    if !hearing.audition {
        state.push_str("audition off · ");
    }
    let right = Line::from(vec![
        Span::styled(state.clone(), theme.filter()),
        Span::styled(facts.clone(), theme.dim()),
    ]);
    let mut room = usize::from(area.width).saturating_sub(right.width() + 8);
    let mut left = vec![];
    if hearing.at_s(path).is_some() {
        left.push(Span::styled("▶ ", theme.accent()));
        room = room.saturating_sub(2);
    }
    let name = cut_middle(&file_name(path), room);
    room = room.saturating_sub(width(&name) + 2);
    left.push(Span::styled(name, theme.title()));
    if room >= 8 {
        let folder = cut_start(&folder_text(app, path), room);
        left.push(Span::styled(format!("  {folder}"), theme.dim()));
    }
    if let Some(damage) = &sound.damage {
        let damage = cut_middle(&printable(damage), room);
        left = vec![
            left.swap_remove(0),
            Span::styled(format!("  {damage}"), theme.error()),
        ];
    }
    rule(app, Line::from(left), right, area, buffer);
}

/// All of the sound, with the part that is selected or else the moment that matched.
fn extent(app: &App, hit: &Hit, duration_s: f64) -> Extent {
    let matched = matched_span(hit).map(|span| (span.start_s, span.end_s.unwrap_or(duration_s)));
    let path = app.results.path();
    Extent {
        from_s: 0.0,
        to_s: duration_s,
        span: app.hearing.part.or(matched),
        playhead_s: path.and_then(|path| app.hearing.at_s(path)),
    }
}

/// The beginning and the end, and between them the marked part or what is heard.
fn draw_times(app: &App, extent: &Extent, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let end = clock(extent.to_s as f32);
    let cells = usize::from(area.width);
    Line::styled(clock(extent.from_s as f32), theme.faint()).render(area, buffer);
    let end_x = area.right().saturating_sub(end.len() as u16);
    buffer.set_string(end_x, area.y, &end, theme.faint());
    let middle = match (extent.playhead_s, extent.span) {
        (Some(at_s), _) => (at_s, clock(at_s as f32), theme.accent()),
        (None, Some((from_s, to_s))) => {
            let text = format!("{}–{}", clock(from_s as f32), clock(to_s as f32));
            (from_s, text, theme.dim())
        }
        (None, None) => return,
    };
    let (at_s, text, style) = middle;
    let free = end.len() + 1..cells.saturating_sub(end.len() + 1 + width(&text));
    if free.is_empty() {
        return;
    }
    let cell = usize::from(extent.cell(at_s, area.width).unwrap_or(0));
    let x = area.x + cell.clamp(free.start, free.end) as u16;
    buffer.set_string(x, area.y, text, style);
}
