//! Acting on sounds in the terminal UI: marks, favourites, tags, and what is done with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use soundseek::audio::Span;
use soundseek::export::Placing;
use soundseek::library::marks::Marks;
use soundseek::tui::worker::{Deed, Response};
use soundseek::tui::{Command, FilterRow, filter_rows};

use crate::desk::{Desk, hit, hits};

/// What is to be done to sounds since it was last looked.
fn deeds(desk: &mut Desk) -> Vec<Deed> {
    let commands = desk.commands.drain(..);
    let deeds = commands.filter_map(|command| match command {
        Command::Do(deed) => Some(deed),
        _ => None,
    });
    deeds.collect()
}

fn clear_line(desk: &mut Desk) {
    desk.press("ctrl-u");
}

fn paths(numbers: &[usize]) -> Vec<PathBuf> {
    let hits = hits(10);
    numbers.iter().map(|n| hits[*n].path.clone()).collect()
}

#[test]
fn without_marks_a_deed_is_done_to_the_selected_sound() {
    let mut desk = Desk::with_results(hits(5));
    desk.press("j r D o");
    assert_eq!(
        deeds(&mut desk),
        [
            Deed::Reveal(paths(&[1])[0].clone()),
            Deed::Drag(paths(&[1])),
            Deed::Open(paths(&[1])),
        ]
    );
}

#[test]
fn marked_sounds_are_copied_in_the_order_of_marking_and_marking_goes_on() {
    let mut desk = Desk::with_results(hits(10));
    desk.press("j m m k k k m c");
    desk.type_text("~/project");
    desk.press("enter");
    let expected = Deed::Place {
        files: paths(&[1, 2, 0]),
        folder: "~/project".into(),
        placing: Placing::Copy,
    };
    assert_eq!(deeds(&mut desk), [expected]);
    // The folder is offered again.
    desk.press("M C enter");
    let expected = Deed::Place {
        files: paths(&[1]),
        folder: "~/project".into(),
        placing: Placing::SymLink,
    };
    assert_eq!(deeds(&mut desk), [expected]);
}

#[test]
fn a_mark_is_taken_away_by_the_same_key_and_shown_in_the_list() {
    let mut desk = Desk::with_results(hits(3));
    desk.press("m k");
    let screen = desk.screen(80, 24);
    assert!(
        screen.contains("1●") && screen.contains("1 marked"),
        "{screen}"
    );
    desk.press("m");
    let screen = desk.screen(80, 24);
    assert!(
        !screen.contains('●') && !screen.contains("marked"),
        "{screen}"
    );
}

#[test]
fn paths_go_to_the_clipboard_one_a_line() {
    let mut desk = Desk::with_results(hits(3));
    desk.press("m m y");
    let copied = desk.commands.iter().find_map(|command| match command {
        Command::CopyText(text) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(
        copied,
        Some("/sounds/drums/kit-0/hit-001.wav\n/sounds/drums/kit-1/hit-002.wav")
    );
    assert!(desk.screen(80, 24).contains("copied 2 paths"));
}

#[test]
fn a_cut_is_of_the_moment_that_matched_and_named_by_it() {
    let mut long = hit(1, "takes/storm.wav", 0.9, 3_600.0);
    long.moment = (62.5, 67.5);
    let mut desk = Desk::with_results(vec![long]);
    desk.press("x enter");
    let expected = Deed::Cut {
        path: "/sounds/takes/storm.wav".into(),
        span: Span {
            start_s: 62.5,
            end_s: Some(67.5),
        },
        to: "storm 1m02.5s.wav".into(),
    };
    assert_eq!(deeds(&mut desk), [expected]);
}

#[test]
fn a_list_has_lengths_strengths_and_tags() {
    let mut desk = Desk::with_results(hits(3));
    let tagged = Marks {
        favourite: false,
        tags: ["dark".to_string()].into(),
    };
    desk.hear(Response::Marks(BTreeMap::from([([2; 32], tagged)])));
    desk.press("m m e");
    clear_line(&mut desk);
    desk.type_text("list.csv");
    desk.press("enter");
    let deeds = deeds(&mut desk);
    let [Deed::Export { items, to }] = deeds.as_slice() else {
        panic!("{deeds:?}")
    };
    assert_eq!(to, &PathBuf::from("list.csv"));
    let tags: Vec<&[String]> = items.iter().map(|item| item.tags.as_slice()).collect();
    assert_eq!(tags, [&[][..], &["dark".to_string()][..]]);
    assert_eq!(items[0].strength, Some(0.97));
}

#[test]
fn favourites_are_toggled_together_and_shown() {
    let mut desk = Desk::with_results(hits(3));
    desk.press("*");
    assert!(desk.screen(80, 24).contains("1★"));
    let favourite = |content, favourite| {
        let marks = Marks {
            favourite,
            ..Marks::default()
        };
        ([content; 32], marks)
    };
    assert_eq!(deeds(&mut desk), [Deed::Mark(vec![favourite(1, true)])]);
    // One of the two is none yet, so both become favourites; then neither is.
    desk.press("m m *");
    let both = vec![favourite(1, true), favourite(2, true)];
    assert_eq!(deeds(&mut desk), [Deed::Mark(both)]);
    desk.press("*");
    let none = vec![favourite(1, false), favourite(2, false)];
    assert_eq!(deeds(&mut desk), [Deed::Mark(none)]);
}

#[test]
fn the_tags_of_one_sound_are_edited_and_those_of_several_added_to() {
    let mut desk = Desk::with_results(hits(3));
    desk.press("t");
    desk.type_text("Dark, big  room");
    desk.press("enter t");
    assert!(desk.screen(80, 24).contains("big room, dark"));
    clear_line(&mut desk);
    desk.type_text("dark");
    desk.press("enter");
    desk.press("m m t");
    desk.type_text("new");
    desk.press("enter");
    let tags = |content: u8| desk.app.acting.tags(&[content; 32]);
    assert_eq!([tags(1), tags(2), tags(3)], ["dark, new", "new", ""]);
    desk.press("t");
    desk.type_text(&"x".repeat(41));
    desk.press("enter");
    assert!(
        desk.screen(80, 24)
            .contains("a tag has at most 40 characters")
    );
}

#[test]
fn marks_are_filters_once_there_are_some() {
    let mut desk = Desk::with_results(hits(3));
    let rows = |desk: &Desk| filter_rows(&desk.app);
    assert!(!rows(&desk).contains(&FilterRow::Favourites(0)));
    desk.press("* t");
    desk.type_text("dark");
    desk.press("enter f");
    assert!(rows(&desk).contains(&FilterRow::Favourites(1)));
    assert!(rows(&desk).contains(&FilterRow::Tag("dark".into(), 1)));
    desk.press("G enter k enter");
    let narrowing = &desk.question().narrowing;
    assert!(narrowing.favourites);
    assert_eq!(narrowing.tag.as_deref(), Some("dark"));
    let screen = desk.screen(80, 24);
    assert!(
        screen.contains("favourites") && screen.contains("tag dark"),
        "{screen}"
    );
}

#[test]
fn what_was_done_is_told_and_what_failed_is_told_as_an_error() {
    let mut desk = Desk::with_results(hits(1));
    desk.hear(Response::Done(Ok("copied 1 file into /project".into())));
    assert!(desk.screen(80, 24).contains("copied 1 file into /project"));
    desk.hear(Response::Done(Err("/project is full".into())));
    let notice = desk.app.notice.as_ref().expect("it is told");
    assert!(notice.is_error && notice.text == "/project is full");
}
