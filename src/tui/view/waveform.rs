//! A waveform in braille: two dots across and four down in every cell, the mean inside the extremes.
//!
//! It is drawn from an overview, so that a frame costs the same for a click and for two hours.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::overview::{Column, Overview};
use crate::tui::theme::Theme;

/// What part of a sound is shown, and what is marked in it; all in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// The left edge.
    pub from_s: f64,
    /// The right edge.
    pub to_s: f64,
    /// The moment that matched.
    pub span: Option<(f64, f64)>,
    /// What is heard now.
    pub playhead_s: Option<f64>,
}

impl Extent {
    /// The cell of a time in an area so many cells wide, if it is shown.
    pub fn cell(&self, at_s: f64, width: u16) -> Option<u16> {
        let share = (at_s - self.from_s) / (self.to_s - self.from_s);
        // Casts saturate.
        let cell = (share * f64::from(width)).floor();
        (0.0..f64::from(width))
            .contains(&cell)
            .then_some(cell as u16)
    }

    /// The time at the middle of a cell.
    pub fn time(&self, cell: u16, width: u16) -> f64 {
        let share = (f64::from(cell) + 0.5) / f64::from(width.max(1));
        self.from_s + share * (self.to_s - self.from_s)
    }
}

/// Braille dots by column and row, from the top (Unicode 16.0, table "Braille Patterns").
pub(super) const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Draws the waveform, full scale at the edges of the area.
pub fn draw(overview: &Overview, extent: &Extent, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let columns = overview.gather(extent.from_s, extent.to_s, usize::from(area.width) * 2);
    let dots_high = i32::from(area.height) * 4;
    let reach = |column: &Column| {
        let row = |sample: f32| {
            let place = (1.0 - sample.clamp(-1.0, 1.0)) / 2.0 * (dots_high - 1) as f32;
            place.round() as i32
        };
        (row(column.max), row(column.min))
    };
    for (x, pair) in (area.x..area.right()).zip(columns.chunks_exact(2)) {
        for (line, y) in (area.y..area.bottom()).enumerate() {
            let top = line as i32 * 4;
            let mut pattern = 0;
            let (mut inner, mut clipped) = (false, false);
            for (column, dots) in pair.iter().zip(DOTS) {
                let Some(column) = column else { continue };
                let (high, low) = reach(column);
                for (row, dot) in dots.into_iter().enumerate() {
                    if (high..=low).contains(&(top + row as i32)) {
                        pattern |= dot;
                        clipped |= column.clipped;
                    }
                }
                let middle = (dots_high as f32 - 1.0) / 2.0;
                let mean = column.rms * middle;
                // The part of the cell that is nearest to the middle line.
                let nearest = middle.clamp(top as f32, top as f32 + 3.0);
                inner |= (nearest - middle).abs() <= mean;
            }
            let style = match (pattern != 0, clipped, inner) {
                (false, ..) => continue,
                (_, true, _) => theme.error(),
                (_, _, true) => theme.wave(),
                (_, _, false) => theme.wave_peak(),
            };
            let dots = char::from_u32(0x2800 + pattern).unwrap_or(' ');
            buffer[(x, y)].set_char(dots).set_style(style);
        }
    }
    mark(extent, theme, area, buffer);
}

/// Marks the moment that matched and what is heard, over any drawing.
pub fn mark(extent: &Extent, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if let Some((start_s, end_s)) = extent.span {
        for cell in 0..area.width {
            if (start_s..end_s).contains(&extent.time(cell, area.width)) {
                let stripe = Rect::new(area.x + cell, area.y, 1, area.height);
                buffer.set_style(stripe, theme.span());
            }
        }
    }
    let playhead = extent
        .playhead_s
        .and_then(|at_s| extent.cell(at_s, area.width));
    if let Some(cell) = playhead {
        for y in area.y..area.bottom() {
            let style = theme.accent().add_modifier(Modifier::BOLD);
            buffer[(area.x + cell, y)].set_symbol("┃").set_style(style);
        }
    }
}
