//! A spectrogram in half blocks, two levels in every cell, the low notes at the bottom.
//!
//! Levels become colours by magma, whose lightness rises evenly with the level, so that twice as
//! bright looks twice as loud; without colours, blocks of four densities stand for them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::waveform::{Extent, mark};
use crate::overview::{BANDS, Overview};
use crate::tui::theme::{ColourDepth, Rgb, Theme};

/// Every sixteenth colour of magma, by Smith and van der Walt
/// (<https://bids.github.io/colormap/>, CC0), and its last.
const MAGMA: [Rgb; 17] = [
    Rgb(0, 0, 4),
    Rgb(12, 9, 38),
    Rgb(27, 16, 68),
    Rgb(47, 17, 99),
    Rgb(68, 16, 122),
    Rgb(90, 22, 126),
    Rgb(111, 31, 129),
    Rgb(133, 38, 129),
    Rgb(155, 46, 127),
    Rgb(178, 53, 123),
    Rgb(200, 62, 115),
    Rgb(221, 74, 105),
    Rgb(238, 91, 94),
    Rgb(248, 118, 92),
    Rgb(253, 146, 103),
    Rgb(254, 178, 124),
    Rgb(252, 253, 191),
];

/// Levels that quiet recordings do not use are left to the black: 0 is 80 dB below full scale.
const BLACK: u8 = 42;

/// Draws the spectrogram.
pub fn draw(overview: &Overview, extent: &Extent, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let rows = usize::from(area.height) * 2;
    for cell in 0..area.width {
        let at_s = extent.time(cell, area.width);
        if at_s >= overview.duration_s {
            break;
        }
        for line in 0..area.height {
            // Rows count from the top, bands from the bottom.
            let level = |row: usize| {
                let from_bottom = rows - 1 - row;
                let first = from_bottom * BANDS / rows;
                let last = ((from_bottom + 1) * BANDS / rows).max(first + 1);
                let levels = (first..last).map(|band| overview.image.level(at_s, band));
                levels.max().unwrap_or(0).saturating_sub(BLACK)
            };
            let row = usize::from(line) * 2;
            let place = &mut buffer[(area.x + cell, area.y + line)];
            let (upper, lower) = (level(row), level(row + 1));
            if theme.depth == ColourDepth::Mono {
                place.set_char(density(upper.max(lower)));
            } else {
                let colour = |level| theme.depth.colour(magma(level));
                place.set_char('▀');
                place.set_style(Style::new().fg(colour(upper)).bg(colour(lower)));
            }
        }
    }
    let playhead_only = Extent {
        span: None,
        ..*extent
    };
    mark(&playhead_only, theme, area, buffer);
}

/// The colour of a level, up to 255 less [`BLACK`].
fn magma(level: u8) -> Rgb {
    let place = f32::from(level) / f32::from(255 - BLACK) * 16.0;
    let below = (place as usize).min(15);
    let share = (place - below as f32).clamp(0.0, 1.0);
    let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * share).round() as u8;
    let (Rgb(r, g, b), Rgb(r2, g2, b2)) = (MAGMA[below], MAGMA[below + 1]);
    Rgb(mix(r, r2), mix(g, g2), mix(b, b2))
}

fn density(level: u8) -> char {
    let steps = [' ', '░', '▒', '▓', '█'];
    steps[(usize::from(level) * steps.len() / (256 - usize::from(BLACK))).min(steps.len() - 1)]
}
