//! The map in the terminal UI: what is drawn, and moving, zooming, hearing and asking on it.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{MouseButton, MouseEventKind};
use soundseek::library::FileRecord;
use soundseek::map::Point;
use soundseek::search::Source;
use soundseek::tui::worker::{Chart, Response};
use soundseek::tui::{Action, Command};

use crate::desk::{Desk, hit, hits};

/// Three groups of sounds at the corners of a triangle: 30 kick drums at the lower left, 20 snares at
/// the lower right, 10 hi-hats at the top; the first of each in its middle.
fn chart() -> Chart {
    let mut sounds = vec![];
    for (label, count, x, y) in [(0, 30, -0.8, -0.8), (1, 20, 0.8, -0.8), (2, 10, 0.0, 0.8)] {
        for n in 0..count {
            let turn = n as f32 * 2.4;
            let reach = 0.15 * (n as f32 / count as f32).sqrt();
            let number = sounds.len() as u8 + 1;
            let point = Point {
                content: [number; 32],
                x: x + reach * turn.cos(),
                y: y + reach * turn.sin(),
                label,
            };
            let file = format!("/sounds/{label}/{n:02}.wav").into();
            sounds.push((point, file, record(number)));
        }
    }
    Chart::new(sounds)
}

/// Of half a second, with a content of its own.
fn record(number: u8) -> FileRecord {
    FileRecord {
        content: [number; 32],
        ..hit(1, "", 0.0, 0.5).record
    }
}

fn on_map() -> Desk {
    let mut desk = Desk::with_results(hits(5));
    desk.press("z");
    desk.hear(Response::Chart(Ok(Arc::new(chart()))));
    desk.commands.clear();
    desk
}

fn selected(desk: &Desk) -> String {
    let (_, path) = desk.app.charting.selected().expect("a sound is selected");
    path.strip_prefix("/sounds")
        .expect("below it")
        .to_string_lossy()
        .into_owned()
}

fn played(desk: &mut Desk) -> Vec<PathBuf> {
    let commands = desk.commands.drain(..);
    let played = commands.filter_map(|command| match command {
        Command::Play(_, play) => Some(play.path),
        _ => None,
    });
    played.collect()
}

#[test]
fn the_map_shows_groups_in_the_legend_and_lights_the_results() {
    let mut desk = on_map();
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let screen = desk.screen(width, height);
        insta::assert_snapshot!(format!("map_{width}x{height}"), screen);
    }
}

#[test]
fn while_the_map_is_made_it_says_how_far_it_is() {
    let mut desk = Desk::with_results(hits(5));
    desk.press("z");
    assert!(desk.commands.contains(&Command::Chart));
    desk.hear(Response::Charting(0.42));
    let screen = desk.screen(80, 24);
    assert!(
        screen.contains("map  42 %") && screen.contains("is being made"),
        "{screen}"
    );
    desk.hear(Response::Chart(Err("the store is damaged".into())));
    let screen = desk.screen(80, 24);
    assert!(screen.contains("the store is damaged"));
    desk.press("+");
    let screen = desk.screen(80, 24);
    assert!(
        screen.contains("the store is damaged") && !screen.contains("is being made"),
        "{screen}"
    );
}

#[test]
fn an_empty_library_has_an_empty_map() {
    let mut desk = Desk::open(0);
    desk.press("esc z");
    desk.hear(Response::Chart(Ok(Arc::new(Chart::default()))));
    assert!(desk.screen(80, 24).contains("no sounds to put on a map"));
    desk.press("j l + - space s");
    assert!(played(&mut desk).is_empty());
}

#[test]
fn moving_goes_to_the_nearest_sound_in_that_direction_and_plays_it() {
    let mut desk = on_map();
    assert_eq!(selected(&desk), "0/00.wav");
    for _ in 0..8 {
        desk.press("right");
    }
    assert!(selected(&desk).starts_with("1/"), "{}", selected(&desk));
    let heard = played(&mut desk);
    assert!(!heard.is_empty());
    assert_eq!(
        heard.last(),
        desk.app.charting.selected().map(|(_, path)| path)
    );
    for _ in 0..12 {
        desk.press("k");
    }
    assert!(selected(&desk).starts_with("2/"), "{}", selected(&desk));
    // Nothing lies beyond the edge.
    let top = (0..20).map(|_| {
        desk.press("k");
        selected(&desk)
    });
    let top: Vec<String> = top.collect();
    assert_eq!(top[18], top[19]);
}

#[test]
fn nothing_is_played_by_moving_when_auditioning_is_off() {
    let mut desk = on_map();
    desk.press("a l l");
    assert!(played(&mut desk).is_empty());
    desk.press("space");
    assert_eq!(played(&mut desk).len(), 1);
}

#[test]
fn zooming_goes_to_the_cursor_and_back_to_all() {
    let mut desk = on_map();
    desk.press("+ + +");
    let charting = &desk.app.charting;
    assert!((charting.zoom - 3.375).abs() < 1e-3);
    assert_eq!(charting.centre, [-0.8, -0.8]);
    desk.press("L");
    let moved = desk.app.charting.centre[0] + 0.8;
    // A quarter of the view, which is 2 / 3.375 wide.
    assert!((moved - 0.25 * 2.0 / 3.375).abs() < 1e-3, "{moved}");
    desk.press("0");
    assert_eq!(
        (desk.app.charting.zoom, desk.app.charting.centre),
        (1.0, [0.0, 0.0])
    );
    // The view follows a cursor that leaves it.
    desk.press("+ + +");
    for _ in 0..12 {
        desk.press("l");
    }
    let (point, _) = desk.app.charting.selected().expect("a sound is selected");
    let seen = desk.app.charting.seen(point);
    assert!(seen.iter().all(|at| at.abs() <= 1.0), "{seen:?}");
}

#[test]
fn the_sound_under_the_mouse_is_selected() {
    let mut desk = on_map();
    desk.act(Action::Resize(80, 24));
    desk.mouse(MouseEventKind::Down(MouseButton::Left), 71, 12);
    assert!(selected(&desk).starts_with("1/"), "{}", selected(&desk));
    desk.mouse(MouseEventKind::Down(MouseButton::Left), 40, 4);
    assert!(selected(&desk).starts_with("2/"), "{}", selected(&desk));
    desk.mouse(MouseEventKind::ScrollUp, 40, 4);
    assert!(desk.app.charting.zoom > 1.0);
}

#[test]
fn similar_asks_for_the_sound_under_the_cursor_and_goes_to_the_results() {
    let mut desk = on_map();
    desk.press("s");
    let parts = &desk.question().parts;
    let [part] = parts.as_slice() else {
        panic!("{parts:?}")
    };
    assert_eq!(
        part.source,
        Source::Clip {
            path: "/sounds/0/00.wav".into(),
            span: None,
        }
    );
    assert!(!desk.screen(80, 24).contains("map  60 sounds"));
}

#[test]
fn a_new_map_keeps_the_cursor_on_its_sound() {
    let mut desk = on_map();
    desk.press("l l l");
    let before = selected(&desk);
    let mut grown = chart();
    grown.points.rotate_right(7);
    grown.files.rotate_right(7);
    grown.records.rotate_right(7);
    desk.hear(Response::Chart(Ok(Arc::new(grown))));
    assert_eq!(selected(&desk), before);
}

#[test]
fn the_sound_under_the_cursor_is_drawn_until_the_map_is_closed() {
    let mut desk = on_map();
    let drawn = |desk: &Desk| {
        let commands = desk.commands.iter().rev();
        let mut drawn = commands.filter_map(|command| match command {
            Command::Draw(request) => Some(request.path.clone()),
            _ => None,
        });
        drawn.next()
    };
    for _ in 0..8 {
        desk.press("right");
    }
    let on_map = selected(&desk);
    assert!(drawn(&desk).expect("it is drawn").ends_with(&on_map));
    let name = on_map.rsplit('/').next().expect("a name");
    // What is done is done to it, and the cursor stays.
    desk.press("m");
    let marked = desk.app.marked.hits().iter();
    let marked: Vec<_> = marked.map(|hit| hit.path.clone()).collect();
    assert!(marked.len() == 1 && marked[0].ends_with(&on_map));
    assert_eq!(selected(&desk), on_map);
    // In the map's title, and in that of the drawing.
    assert_eq!(desk.screen(80, 24).matches(name).count(), 2);
    desk.press("esc");
    // The last result that the cursor came by is the one that stays selected in the list.
    let listed = drawn(&desk).expect("it is drawn");
    assert_eq!(desk.app.results.path(), Some(listed.as_path()));
    let hits = desk.app.results.hits();
    assert!(hits.iter().any(|hit| hit.path == listed));
}

#[test]
fn the_next_result_is_one_key_away() {
    let mut desk = on_map();
    // The results have the contents of the first five points.
    desk.press("n n");
    assert_eq!(selected(&desk), "0/02.wav");
    desk.press("p");
    assert_eq!(selected(&desk), "0/01.wav");
}

#[test]
fn results_are_lit_by_their_strength_and_the_rest_stands_back() {
    let mut desk = on_map();
    let theme = desk.app.theme;
    let buffer = desk.buffer(120, 40);
    let lit = buffer.content.iter().filter(|cell| cell.symbol() == "●");
    let colours: Vec<_> = lit.map(|cell| cell.fg).collect();
    assert!(!colours.is_empty());
    assert!(
        colours
            .iter()
            .all(|colour| Some(*colour) == theme.strength(0.9).fg)
    );
    let dots = |buffer: &ratatui::buffer::Buffer| {
        let dots = buffer.content.iter().filter(|cell| cell.symbol() == "•");
        dots.map(|cell| cell.fg).collect::<Vec<_>>()
    };
    let beside_lit = dots(&buffer);
    assert!(
        beside_lit
            .iter()
            .all(|colour| Some(*colour) != theme.group(0).fg)
    );
    // Without a query nothing is lit, and nothing stands back.
    desk.press("esc n");
    desk.answer(vec![]);
    desk.press("esc z");
    let plain = dots(&desk.buffer(120, 40));
    assert!(
        plain
            .iter()
            .any(|colour| Some(*colour) == theme.group(0).fg)
    );
}
