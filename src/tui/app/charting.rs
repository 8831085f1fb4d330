//! The map of the library: what of it is to be seen, and the sound that the cursor is on.
//!
//! It stands apart because it is another way through the same library: it has a cursor of its own,
//! and the results are only points on it that are lit.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Action, App, Command, Mode, hearing};
use crate::map::{LABELS, Point};
use crate::search::{Hit, Part, Source};
use crate::tui::worker::Chart;

/// How much one key press magnifies, and the most that is of use.
const ZOOM_STEP: f32 = 1.5;
const MOST_ZOOM: f32 = 60.0;

/// The share of what is seen that one key press moves the view by.
const PAN_SHARE: f32 = 0.25;

/// What is known of the map, and what is seen of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Charting {
    /// The map, once it is made.
    pub chart: Option<Arc<Chart>>,
    /// How far the making of a new one is, in [0, 1].
    pub progress: Option<f32>,
    /// Why there is no new one.
    pub failure: Option<String>,
    /// The place in the middle of the view.
    pub centre: [f32; 2],
    /// 1 shows all of it.
    pub zoom: f32,
    /// The point that the cursor is on.
    pub cursor: usize,
}

impl Default for Charting {
    fn default() -> Charting {
        Charting {
            chart: None,
            progress: None,
            failure: None,
            centre: [0.0, 0.0],
            zoom: 1.0,
            cursor: 0,
        }
    }
}

impl Charting {
    /// The point that the cursor is on, and its file.
    pub fn selected(&self) -> Option<(&Point, &PathBuf)> {
        let chart = self.chart.as_ref()?;
        Some((
            chart.points.get(self.cursor)?,
            chart.files.get(self.cursor)?,
        ))
    }

    /// What the sound under the cursor is most like.
    pub fn label(&self) -> Option<&'static str> {
        let (point, _) = self.selected()?;
        LABELS.get(usize::from(point.label)).copied()
    }

    /// A place as seen: -1 to 1 from edge to edge of the view.
    pub fn seen(&self, point: &Point) -> [f32; 2] {
        [
            (point.x - self.centre[0]) * self.zoom,
            (point.y - self.centre[1]) * self.zoom,
        ]
    }
}

/// Opens the map, and has it made if the library has changed.
pub fn open(app: &mut App) -> Vec<Command> {
    app.open_over(Mode::Map);
    // Whoever comes from a sound finds it.
    let content = app.results.hit().map(|hit| hit.record.content);
    let place = app.charting.chart.as_ref().and_then(|chart| {
        let is_it = |point: &Point| Some(point.content) == content;
        chart.points.iter().position(is_it)
    });
    if let Some(place) = place {
        app.charting.cursor = place;
        bring_into_view(app);
    }
    select(app);
    vec![Command::Chart]
}

/// Closes the map; what is selected in the list counts again.
pub fn close(app: &mut App) {
    app.close();
    app.results.select_on_map(None);
}

/// Makes the sound under the cursor the selected one, so that it is drawn and can be acted on.
fn select(app: &mut App) {
    let hit = app.charting.chart.as_ref().and_then(|chart| {
        let path = chart.files.get(app.charting.cursor)?.clone();
        let record = chart.records.get(app.charting.cursor)?.clone();
        Some(Hit::whole(path, record))
    });
    app.results.select_on_map(hit);
}

/// Moves in the results, so many down or up, and to the sound there.
pub fn step_in_results(app: &mut App, by: isize) -> Vec<Command> {
    app.results.step(by);
    let content = app.results.hit().map(|hit| hit.record.content);
    let place = app.charting.chart.as_ref().and_then(|chart| {
        let is_it = |point: &Point| Some(point.content) == content;
        chart.points.iter().position(is_it)
    });
    place.map_or(vec![], |place| go_to(app, place))
}

/// Takes in a new map; the cursor stays on its sound.
pub fn take(app: &mut App, chart: Result<Arc<Chart>, String>) {
    app.charting.progress = None;
    app.charting.failure = None;
    match chart {
        Ok(chart) => {
            let selected = app.charting.selected().map(|(point, _)| point.content);
            let hit = app.results.hit().map(|hit| hit.record.content);
            let content = selected.or(hit);
            let is_it = |point: &Point| Some(point.content) == content;
            let place = chart.points.iter().position(is_it);
            app.charting.cursor = place.unwrap_or(0);
            app.charting.chart = Some(chart);
            bring_into_view(app);
            if app.mode == Mode::Map {
                select(app);
            }
        }
        Err(reason) => {
            app.charting.failure = Some(reason.clone());
            app.complain(reason);
        }
    }
}

/// Takes an action on the map.
pub fn act(app: &mut App, action: &Action) -> Vec<Command> {
    match action {
        Action::MapMove(x, y) => return step(app, [f32::from(*x), f32::from(*y)]),
        Action::MapPan(x, y) => {
            let reach = PAN_SHARE * 2.0 / app.charting.zoom;
            let centre = &mut app.charting.centre;
            centre[0] = (centre[0] + f32::from(*x) * reach).clamp(-1.0, 1.0);
            centre[1] = (centre[1] + f32::from(*y) * reach).clamp(-1.0, 1.0);
        }
        Action::ZoomIn => zoom(app, ZOOM_STEP),
        Action::ZoomOut => zoom(app, 1.0 / ZOOM_STEP),
        Action::ZoomAll => {
            app.charting.zoom = 1.0;
            app.charting.centre = [0.0, 0.0];
        }
        Action::MapPick(x, y) => return pick(app, [*x, *y]),
        Action::PlayStop if app.hearing.playing.is_some() => {
            app.hearing.playing = None;
            return vec![Command::Stop];
        }
        Action::PlayStop => return play(app),
        Action::Similar => {
            let Some((_, path)) = app.charting.selected() else {
                return vec![];
            };
            let clip = Part {
                source: Source::Clip {
                    path: path.clone(),
                    span: None,
                },
                weight: 1.0,
            };
            app.mode = Mode::Results;
            return app.change(|query| {
                query.keep_typed();
                query.parts = vec![clip];
                true
            });
        }
        _ => {}
    }
    vec![]
}

fn play(app: &mut App) -> Vec<Command> {
    let Some((_, path)) = app.charting.selected() else {
        return vec![];
    };
    let path = path.clone();
    hearing::play_file(app, path, 0.0, None)
}

fn go_to(app: &mut App, place: usize) -> Vec<Command> {
    if place == app.charting.cursor {
        return vec![];
    }
    app.charting.cursor = place;
    bring_into_view(app);
    select(app);
    if app.hearing.audition {
        play(app)
    } else {
        vec![]
    }
}

/// To the nearest point that lies in a direction, within 45 degrees to either side of it as seen on the
/// screen or else farther to the side; and at least a cell away: where sounds are many, a step is still
/// one to be seen.
fn step(app: &mut App, towards: [f32; 2]) -> Vec<Command> {
    let Some((from, _)) = app.charting.selected() else {
        return vec![];
    };
    let Some(chart) = &app.charting.chart else {
        return vec![];
    };
    let Some(areas) = app.areas() else {
        return vec![];
    };
    // In the widths of a cell, which is about twice as high as wide.
    let (width, height) = (f32::from(areas.list.width), f32::from(areas.list.height));
    let scale = [width, 2.0 * height].map(|cells| cells * app.charting.zoom / 2.0);
    let way = |point: &Point| {
        let (dx, dy) = ((point.x - from.x) * scale[0], (point.y - from.y) * scale[1]);
        let along = dx * towards[0] + dy * towards[1];
        let across = (dx * towards[1] - dy * towards[0]).abs();
        let least = towards[0].abs() + 2.0 * towards[1].abs();
        (along >= 0.75 * least).then_some((along, across))
    };
    let cost = |(along, across): (f32, f32)| along + 2.0 * across;
    let ahead = |point: &Point| way(point).filter(|(along, across)| across <= along);
    let next = nearest(&chart.points, |point| ahead(point).map(cost))
        .or_else(|| nearest(&chart.points, |point| way(point).map(cost)));
    next.map_or(vec![], |place| go_to(app, place))
}

/// To the point that is nearest to a place in the view, -1 to 1 from edge to edge.
fn pick(app: &mut App, at: [f32; 2]) -> Vec<Command> {
    let Some(chart) = &app.charting.chart else {
        return vec![];
    };
    let next = nearest(&chart.points, |point| {
        let seen = app.charting.seen(point);
        Some((seen[0] - at[0]).powi(2) + (seen[1] - at[1]).powi(2))
    });
    next.map_or(vec![], |place| go_to(app, place))
}

/// The point of the least cost among those that have one.
fn nearest(points: &[Point], cost: impl Fn(&Point) -> Option<f32>) -> Option<usize> {
    let costs = points.iter().enumerate();
    let costs = costs.filter_map(|(place, point)| Some((place, cost(point)?)));
    costs
        .min_by(|(_, a), (_, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal))
        .map(|(place, _)| place)
}

/// Magnifies about the cursor.
fn zoom(app: &mut App, factor: f32) {
    app.charting.zoom = (app.charting.zoom * factor).clamp(1.0, MOST_ZOOM);
    if let Some((point, _)) = app.charting.selected() {
        app.charting.centre = [point.x, point.y];
    }
    if app.charting.zoom == 1.0 {
        app.charting.centre = [0.0, 0.0];
    }
}

fn bring_into_view(app: &mut App) {
    let Some((point, _)) = app.charting.selected() else {
        return;
    };
    let seen = app.charting.seen(point);
    if seen.iter().any(|at| at.abs() > 1.0) {
        app.charting.centre = [point.x, point.y];
    }
}
