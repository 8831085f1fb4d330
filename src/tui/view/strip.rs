//! The strip under a long sound: how well each of its moments matches the query.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::waveform::Extent;
use crate::search::CurvePoint;
use crate::tui::theme::Theme;

/// Heights of a cell in eighths.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws the strip into the first row of an area: the strongest moment about each cell, relative to
/// the strongest of all, in the colour of its strength.
pub fn draw(curve: &[CurvePoint], extent: &Extent, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let similarities = || curve.iter().map(|point| point.similarity);
    let highest = similarities().fold(f32::MIN, f32::max);
    let lowest = similarities().fold(f32::MAX, f32::min);
    let range = (highest - lowest).max(1e-3);
    for cell in 0..area.width {
        let at_s = extent.time(cell, area.width) as f32;
        let here = curve
            .iter()
            .filter(|point| (point.moment.0..=point.moment.1).contains(&at_s));
        let best = here.max_by(|a, b| a.similarity.total_cmp(&b.similarity));
        if let Some(best) = best {
            let height = 1.0 + 7.0 * (best.similarity - lowest) / range;
            let place = &mut buffer[(area.x + cell, area.y)];
            place.set_char(EIGHTHS[(height.round() as usize).min(8)]);
            place.set_style(theme.strength(best.strength));
        }
    }
}
