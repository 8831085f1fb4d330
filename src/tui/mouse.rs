//! From the mouse to what it asks for, by what lies under it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use ratatui::layout::Rect;

use super::action::Action;
use super::app::{App, Mode};
use super::layout::Areas;

/// How many rows one notch of the wheel moves.
const WHEEL: isize = 3;

/// What the mouse asks for, if anything.
pub fn action_of(app: &App, mouse: &MouseEvent) -> Option<Action> {
    let areas = app.areas()?;
    let (column, row) = (mouse.column, mouse.row);
    let reading = matches!(app.mode, Mode::Help | Mode::Failures | Mode::Menu);
    if app.mode == Mode::Map {
        return on_map(&areas, mouse);
    }
    match mouse.kind {
        MouseEventKind::ScrollDown => Some(Action::Scroll(WHEEL)),
        MouseEventKind::ScrollUp => Some(Action::Scroll(-WHEEL)),
        MouseEventKind::Up(MouseButton::Left) => Some(Action::Release),
        MouseEventKind::Drag(MouseButton::Left) if !reading => {
            share_of(areas.preview, column, row).map(Action::DragTo)
        }
        MouseEventKind::Down(MouseButton::Left) if !reading => {
            if let Some(share) = share_of(areas.preview, column, row) {
                return Some(Action::SeekTo(share));
            }
            if Areas::row_of(areas.query, column, row).is_some() {
                return Some(Action::ToQuery);
            }
            if Areas::row_of(areas.parts, column, row).is_some() {
                return Some(Action::ToParts);
            }
            let side = areas.side.and_then(|side| Areas::row_of(side, column, row));
            match side {
                Some(row) => Some(Action::ClickFilter(row)),
                None => Areas::row_of(areas.list, column, row).map(Action::Click),
            }
        }
        _ => None,
    }
}

/// What the mouse asks for on the map, which lies between its title and its legend.
fn on_map(areas: &Areas, mouse: &MouseEvent) -> Option<Action> {
    let (top, bottom) = (areas.heading.y + 1, areas.title.y - 1);
    let plot = Rect {
        y: top,
        height: bottom - top,
        ..areas.heading
    };
    match mouse.kind {
        MouseEventKind::ScrollUp => Some(Action::ZoomIn),
        MouseEventKind::ScrollDown => Some(Action::ZoomOut),
        MouseEventKind::Down(MouseButton::Left) => {
            let row = Areas::row_of(plot, mouse.column, mouse.row)?;
            let middle = |at: f32, of: u16| (at + 0.5) / f32::from(of) * 2.0 - 1.0;
            let x = middle(f32::from(mouse.column - plot.x), plot.width);
            Some(Action::MapPick(x, -middle(row as f32, plot.height)))
        }
        _ => None,
    }
}

/// Where in an area's width a place is, if it is in the area.
fn share_of(area: Rect, column: u16, row: u16) -> Option<f64> {
    Areas::row_of(area, column, row)?;
    Some(f64::from(column - area.x) / f64::from(area.width.max(1)))
}
