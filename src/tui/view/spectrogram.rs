//! A spectrogram in half blocks, two levels in every cell, the low notes at the bottom.
//!
//! Levels become colours by magma, whose lightness rises evenly with the level, so that twice as
//! bright looks twice as loud; on a light ground they run the other way, so that silence is the
//! ground. Without colours, blocks of four densities stand for them. What is brightest is the loudest
//! place of the sound itself, so that quiet recordings are seen too.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::waveform::{Extent, mark};
use crate::overview::{BANDS, FLOOR_DB, Image, Overview};
use crate::tui::theme::{ColourDepth, Ground, Rgb, Theme};

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

/// What lies this far below the loudest place is drawn as silence.
const RANGE_DB: f32 = 80.0;

/// A sound whose loudest place is below this is drawn darker: it may be the noise of a microphone.
const LEAST_BRIGHTEST_DB: f32 = -48.0;

/// Steps of an image's levels in a decibel.
const STEPS_A_DB: f32 = -255.0 / FLOOR_DB;

/// Draws the spectrogram.
pub fn draw(overview: &Overview, extent: &Extent, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let rows = usize::from(area.height) * 2;
    let image = &overview.image;
    let loudest = image.levels.iter().copied().max().unwrap_or(0);
    let brightest = f32::from(loudest).max(255.0 + LEAST_BRIGHTEST_DB * STEPS_A_DB);
    let darkest = brightest - RANGE_DB * STEPS_A_DB;
    let cell_s = (extent.to_s - extent.from_s) / f64::from(area.width.max(1));
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
                let level = level_about(image, at_s, cell_s, first..last);
                ((level - darkest) / (brightest - darkest)).clamp(0.0, 1.0)
            };
            let row = usize::from(line) * 2;
            let place = &mut buffer[(area.x + cell, area.y + line)];
            let (upper, lower) = (level(row), level(row + 1));
            if theme.depth == ColourDepth::Mono {
                place.set_char(density(upper.max(lower)));
            } else {
                let colour = |level| theme.depth.colour(magma(level, theme.ground));
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

/// The loudest level of some bands in the columns about a time that a cell covers; between two columns
/// where a cell is shorter than one.
fn level_about(image: &Image, at_s: f64, cell_s: f64, bands: std::ops::Range<usize>) -> f32 {
    let Some(last) = image.columns().checked_sub(1) else {
        return 0.0;
    };
    let level = |column: usize| {
        let levels = &image.levels[column * BANDS..][bands.clone()];
        f32::from(levels.iter().copied().max().unwrap_or(0))
    };
    let (place, cell) = (at_s / image.column_s, cell_s / image.column_s);
    if cell < 1.0 {
        // A column's own time is its middle.
        let place = (place - 0.5).clamp(0.0, last as f64);
        let before = place as usize;
        let share = (place - before as f64) as f32;
        return level(before) * (1.0 - share) + level((before + 1).min(last)) * share;
    }
    let edge = |at: f64| at.max(0.0).round() as usize;
    let first = edge(place - cell / 2.0).min(last);
    let end = edge(place + cell / 2.0).clamp(first + 1, last + 1);
    (first..end).map(level).fold(0.0, f32::max)
}

/// The colour of a level in [0, 1].
fn magma(level: f32, ground: Ground) -> Rgb {
    let level = match ground {
        Ground::Dark => level,
        Ground::Light => 1.0 - level,
    };
    let place = level * (MAGMA.len() - 1) as f32;
    let below = (place as usize).min(MAGMA.len() - 2);
    MAGMA[below].mix(MAGMA[below + 1], place - below as f32)
}

/// The density of a level in [0, 1].
fn density(level: f32) -> char {
    let steps = [' ', '░', '▒', '▓', '█'];
    // Casts saturate.
    steps[((level * steps.len() as f32) as usize).min(steps.len() - 1)]
}
