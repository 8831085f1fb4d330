//! Where things are on the screen: pure geometry, from a size to areas.
//!
//! It stands apart from the drawing because the state has to know how many lines of the list are to
//! be seen, and the mouse what lies under it, without drawing anything.

use ratatui::layout::{Position, Rect};

/// The least number of columns that the screen is laid out for.
pub const LEAST_WIDTH: u16 = 60;
/// The least number of rows that the screen is laid out for.
pub const LEAST_HEIGHT: u16 = 15;

/// How wide the panel at the side is.
const SIDE_WIDTH: u16 = 34;
/// The least width of the list beside a panel; on a narrower screen the panel covers it.
const LIST_WIDTH: u16 = 56;

/// What is open, as far as it takes room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Openings {
    /// The query has parts or filters, shown in a line of their own.
    pub parts: bool,
    /// The panel of filters.
    pub side: bool,
}

/// The areas of the screen; none overlaps another, but the side panel the list on a narrow screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    /// The line where the query is typed.
    pub query: Rect,
    /// The parts of the query; of no height when there are none.
    pub parts: Rect,
    /// The line above the list: how many there are.
    pub heading: Rect,
    /// The list of results.
    pub list: Rect,
    /// The panel of filters, when it is open.
    pub side: Option<Rect>,
    /// The line above the preview: what the sound is.
    pub title: Rect,
    /// The drawing of the selected sound.
    pub preview: Rect,
    /// What goes on, and the keys that help now.
    pub status: Rect,
}

impl Areas {
    /// The areas of a screen; `None` when it is too small for any.
    pub fn of(width: u16, height: u16, open: Openings) -> Option<Areas> {
        if width < LEAST_WIDTH || height < LEAST_HEIGHT {
            return None;
        }
        let preview_height = match height {
            ..20 => 3,
            20..24 => 5,
            24..32 => 7,
            32..46 => 11,
            _ => height / 4,
        };
        let parts_height = u16::from(open.parts);
        let list_height = height - 4 - parts_height - preview_height;
        let mut top = 0;
        let mut row = |height: u16| {
            let area = Rect::new(0, top, width, height);
            top += height;
            area
        };
        let query = row(1);
        let parts = row(parts_height);
        let heading = row(1);
        let list = row(list_height);
        let (title, preview, status) = (row(1), row(preview_height), row(1));
        let beside = width >= SIDE_WIDTH + LIST_WIDTH;
        let side = open.side.then(|| Rect {
            x: width - SIDE_WIDTH,
            width: SIDE_WIDTH,
            ..list
        });
        let list = match side {
            Some(side) if beside => Rect {
                width: side.x - 1,
                ..list
            },
            _ => list,
        };
        Some(Areas {
            query,
            parts,
            heading,
            list,
            side,
            title,
            preview,
            status,
        })
    }

    /// The row of an area that a place is in, if it is.
    pub fn row_of(area: Rect, column: u16, row: u16) -> Option<usize> {
        let inside = area.contains(Position { x: column, y: row });
        inside.then(|| usize::from(row - area.y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_areas_fill_the_screen_from_top_to_bottom_without_gaps() {
        for width in [60, 80, 120, 300] {
            for height in 15..120 {
                for (parts, side) in [(false, false), (true, false), (false, true), (true, true)] {
                    let areas = Areas::of(width, height, Openings { parts, side }).expect("room");
                    let column = [
                        areas.query,
                        areas.parts,
                        areas.heading,
                        areas.list,
                        areas.title,
                        areas.preview,
                        areas.status,
                    ];
                    let ends = column.iter().scan(0, |top, area| {
                        assert_eq!(area.y, *top, "{width}x{height}");
                        *top += area.height;
                        Some(*top)
                    });
                    assert_eq!(ends.last(), Some(height));
                    assert!(areas.list.height >= 7, "{width}x{height}");
                }
            }
        }
    }

    #[test]
    fn a_screen_that_is_too_small_has_no_areas() {
        assert!(Areas::of(59, 40, Openings::default()).is_none());
        assert!(Areas::of(120, 14, Openings::default()).is_none());
    }

    #[test]
    fn a_panel_stands_beside_the_list_where_there_is_room() {
        let side = |width| {
            let open = Openings {
                side: true,
                ..Openings::default()
            };
            let areas = Areas::of(width, 24, open).expect("room");
            areas.side.expect("open").intersects(areas.list)
        };
        assert!(side(80) && !side(90));
    }
}
