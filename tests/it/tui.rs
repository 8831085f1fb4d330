//! What keys, the mouse and workers do to the state of the terminal UI, as tables of what is done and
//! what comes of it. How it looks is in `tui_screens`.

use std::path::PathBuf;

use crossterm::event::{MouseButton, MouseEventKind};
use soundseek::audio::Span;
use soundseek::library::Facets;
use soundseek::playback::PlaybackEvent;
use soundseek::search::{Part, Source};
use soundseek::tui::worker::{Failed, IndexingState, Progress, Response};
use soundseek::tui::{Action, Command, Context, KeyMap, Mode};

use crate::desk::{Desk, facts, hit, hits};

fn text(text: &str, weight: f32) -> Part {
    Part {
        source: Source::Text(text.into()),
        weight,
    }
}

fn clip(path: &str, span: Option<(f64, f64)>, weight: f32) -> Part {
    Part {
        source: Source::Clip {
            path: PathBuf::from("/sounds").join(path),
            span: span.map(|(start_s, end_s)| Span {
                start_s,
                end_s: Some(end_s),
            }),
        },
        weight,
    }
}

/// Keys on the results of "drum", and the parts of the question that they lead to.
#[track_caller]
fn check_query(keys: &str, expected: &[Part]) {
    let mut desk = Desk::with_results(hits(5));
    desk.press(keys);
    assert_eq!(desk.question().parts, expected, "after {keys}");
}

#[test]
fn every_letter_asks_and_only_the_answer_to_the_last_question_is_taken() {
    let mut desk = Desk::open(100);
    desk.commands.clear();
    desk.type_text("kick");
    let asked: Vec<_> = desk
        .questions()
        .iter()
        .map(|request| request.generation)
        .collect();
    assert_eq!(asked.len(), 4);
    assert_eq!(desk.question().parts, [text("kick", 1.0)]);
    // The last answer comes first, an early one after it.
    desk.answer_to(asked[3], Ok(vec![hit(1, "kick.wav", 0.9, 0.5)]));
    desk.answer_to(asked[1], Ok(vec![hit(1, "kid.wav", 0.9, 0.5)]));
    assert_eq!(desk.selected(), "kick.wav");
    desk.answer_to(asked[0], Err("too late to matter".into()));
    assert_eq!(desk.app.failure, None);
}

#[test]
fn an_answer_that_is_overtaken_by_a_key_does_not_show() {
    let mut desk = Desk::open(100);
    desk.type_text("ki");
    let before_last = desk.question().generation;
    desk.type_text("c");
    desk.answer_to(before_last, Ok(hits(3)));
    assert!(desk.app.is_searching());
    assert!(desk.app.results.hits().is_empty());
}

#[test]
fn keys_on_the_results_change_the_query() {
    let drum = || text("drum", 1.0);
    let first = || clip("drums/kit-0/hit-001.wav", None, 1.0);
    let second = || clip("drums/kit-1/hit-002.wav", None, 1.0);
    for (keys, expected) in [
        ("s", &[first()][..]),
        ("j s", &[second()]),
        ("j S", &[drum(), second()]),
        (
            "S j d",
            &[
                drum(),
                first(),
                Part {
                    weight: -1.0,
                    ..second()
                },
            ],
        ),
        ("s [", &[drum()]),
        ("s [ ]", &[first()]),
        ("S p x", &[drum()]),
        (
            "S p h n",
            &[
                Part {
                    weight: -1.0,
                    ..drum()
                },
                first(),
            ],
        ),
        ("S p h enter x", &[first(), text("drumx", 1.0)]),
        ("n", &[]),
    ] {
        check_query(keys, expected);
    }
}

#[test]
fn a_part_counts_more_or_less_by_a_quarter_of_an_octave() {
    let mut desk = Desk::with_results(hits(2));
    desk.press("p + + + +");
    let weight = desk.question().parts[0].weight;
    // Four steps of 2^(1/4), to the precision of f32.
    assert!((weight - 2.0).abs() < 1e-5, "{weight}");
}

#[test]
fn what_is_kept_as_a_part_stays_while_the_next_is_typed() {
    let mut desk = Desk::open(10);
    desk.type_text("pad:0.5");
    desk.press("ctrl-t");
    desk.type_text("-reverb");
    assert_eq!(
        desk.question().parts,
        [text("pad", 0.5), text("reverb", -1.0)]
    );
    desk.press("ctrl-u");
    assert_eq!(desk.question().parts, [text("pad", 0.5)]);
    desk.press("backspace");
    assert_eq!(desk.question().parts, []);
}

#[test]
fn a_filter_that_is_typed_is_asked_for_however_one_leaves_the_line() {
    for keys in ["ctrl-t", "up"] {
        let mut desk = Desk::open(2_128);
        desk.type_text("fav");
        assert!(!desk.question().narrowing.favourite, "{keys}");
        desk.press(keys);
        assert!(desk.question().narrowing.favourite, "{keys}");
        assert_eq!(desk.app.query.line.text(), "", "{keys}");
    }
}

#[test]
fn a_question_mark_helps_on_an_empty_line_and_is_typed_on_another() {
    let mut desk = Desk::open(10);
    desk.press("?");
    assert_eq!(desk.app.mode, Mode::Help);
    desk.press("esc");
    assert_eq!(desk.app.mode, Mode::Query);
    desk.type_text("who");
    desk.press("?");
    assert_eq!(desk.app.query.line.text(), "who?");
}

#[test]
fn moving_plays_what_is_selected_unless_that_is_switched_off() {
    let played = |desk: &Desk| -> Vec<String> {
        let name = |command: &Command| match command {
            Command::Play(_, play) => {
                let name = play.path.file_name().expect("a name");
                Some(name.to_string_lossy().into_owned())
            }
            _ => None,
        };
        desk.commands.iter().filter_map(name).collect()
    };
    let mut desk = Desk::with_results(hits(5));
    desk.press("j j k");
    assert_eq!(played(&desk), ["hit-002.wav", "hit-003.wav", "hit-002.wav"]);
    desk.commands.clear();
    desk.press("a j j");
    assert_eq!(played(&desk), [""; 0]);
    desk.press("space");
    assert_eq!(played(&desk), ["hit-004.wav"]);
    desk.press("space");
    assert_eq!(desk.commands.last(), Some(&Command::Stop));
}

#[test]
fn a_long_recording_plays_from_the_moment_that_matched_or_from_its_beginning() {
    let mut long = hit(1, "walk.wav", 0.9, 600.0);
    long.moment = (40.0, 45.0);
    let starts = |keys: &str| -> Option<f64> {
        let mut desk = Desk::with_results(vec![long.clone()]);
        desk.press(keys);
        desk.commands
            .iter()
            .rev()
            .find_map(|command| match command {
                Command::Play(_, play) => Some(play.start_s),
                Command::Seek(to_s) => Some(*to_s),
                _ => None,
            })
    };
    assert_eq!(starts("enter"), Some(40.0));
    assert_eq!(starts("b"), Some(0.0));
    // A step is a twentieth of the length, and at most five seconds.
    assert_eq!(starts("enter l l h"), Some(45.0));
    assert_eq!(starts("b h"), Some(0.0));
}

#[test]
fn peaks_of_the_match_are_gone_to_in_turn() {
    let mut long = hit(1, "walk.wav", 0.9, 60.0);
    long.moment = (10.0, 15.0);
    let mut desk = Desk::with_results(vec![long]);
    desk.matched(5.0, 10.0, &[0.1, 0.9, 0.3, 0.2, 0.8, 0.1, 0.2, 0.1]);
    desk.press("enter >");
    assert_eq!(desk.commands.last(), Some(&Command::Seek(20.0)));
    desk.press("<");
    assert_eq!(desk.commands.last(), Some(&Command::Seek(5.0)));
}

#[test]
fn the_selected_part_of_a_sound_is_what_similar_asks_for() {
    let mut desk = Desk::with_results(vec![hit(1, "loop.wav", 0.9, 4.0)]);
    desk.press("space");
    let position = |at_s| Response::Playback(PlaybackEvent::Position { play: 1, at_s });
    desk.hear(position(1.0));
    desk.press(",");
    desk.hear(position(2.5));
    desk.press(". s");
    assert_eq!(
        desk.question().parts,
        [clip("loop.wav", Some((1.0, 2.5)), 1.0)]
    );
}

#[test]
fn what_the_player_tells_of_an_earlier_play_is_passed_over() {
    let mut desk = Desk::with_results(hits(3));
    desk.press("space j");
    let position = |play, at_s| Response::Playback(PlaybackEvent::Position { play, at_s });
    desk.hear(position(2, 0.2));
    desk.hear(position(1, 0.4));
    let playing = desk.app.hearing.playing.clone().expect("it plays");
    assert_eq!(playing.at_s, 0.2);
    desk.hear(Response::Playback(PlaybackEvent::Ended { play: 1 }));
    assert!(desk.app.hearing.playing.is_some());
    desk.hear(Response::Playback(PlaybackEvent::Failed {
        play: 2,
        message: "no device".into(),
    }));
    assert!(desk.app.hearing.playing.is_none());
    assert_eq!(
        desk.app.notice.as_ref().expect("a notice").text,
        "no device"
    );
}

#[test]
fn results_that_join_while_indexing_leave_the_selection_where_it_is() {
    let mut desk = Desk::with_results(hits(5));
    desk.press("j j");
    assert_eq!(desk.selected(), "hit-003.wav");
    let progress = Progress {
        done: 10,
        to_do: 20,
        ..Progress::of(IndexingState::Running)
    };
    desk.hear(Response::Indexing(progress));
    let mut grown = vec![hit(1, "new.wav", 0.99, 1.0)];
    grown.extend(hits(5));
    desk.answer(grown);
    assert_eq!(desk.selected(), "hit-003.wav");
    assert_eq!(desk.app.results.selected(), 3);
}

#[test]
fn results_that_join_while_one_types_show_the_best() {
    let mut desk = Desk::open(5);
    desk.type_text("drum");
    desk.answer(hits(5));
    let progress = Progress {
        done: 10,
        to_do: 20,
        ..Progress::of(IndexingState::Running)
    };
    desk.hear(Response::Indexing(progress));
    desk.answer(vec![hit(1, "new.wav", 0.99, 1.0)]);
    assert_eq!(desk.selected(), "new.wav");
}

#[test]
fn more_results_are_asked_for_near_the_end_and_only_once_at_a_time() {
    let mut desk = Desk::with_results(hits(60));
    desk.press("G");
    assert_eq!(desk.question().n, 240);
    let asked = desk.questions().len();
    desk.press("k j");
    assert_eq!(desk.questions().len(), asked, "an answer is on its way");
    desk.answer(hits(240));
    assert_eq!(desk.selected(), "hit-060.wav");
    desk.press("G");
    desk.answer(hits(300));
    desk.press("G");
    assert_eq!(
        desk.question().n,
        960,
        "fewer came than were asked for: there are no more"
    );
}

#[test]
fn alike_files_are_unfolded_in_place() {
    let mut first = hit(1, "a.wav", 0.9, 1.0);
    first.alike = vec![hit(1, "b.wav", 0.9, 1.0), hit(1, "c.wav", 0.9, 1.0)];
    let mut desk = Desk::with_results(vec![first, hit(2, "d.wav", 0.5, 1.0)]);
    desk.press("u j");
    assert_eq!(desk.selected(), "b.wav");
    desk.press("s");
    assert_eq!(desk.question().parts, [clip("b.wav", None, 1.0)]);
    let mut desk = Desk::with_results(hits(2));
    desk.press("u");
    assert!(
        desk.app.notice.is_some(),
        "nothing is alike, and that is said"
    );
}

#[test]
fn filters_are_chosen_counted_and_undone() {
    let mut desk = Desk::with_results(hits(5));
    desk.press("f");
    assert!(desk.question().count, "who sees the counts asks for them");
    let facets = Facets {
        files: 30,
        folders: vec![("/sounds/drums".into(), 20), ("/sounds/pads".into(), 10)],
        extensions: vec![("wav".into(), 25), ("flac".into(), 5)],
        lengths: [12, 18, 0, 0, 0, 0],
        ..Facets::default()
    };
    let generation = desk.question().generation;
    desk.hear(Response::Facets { generation, facets });
    desk.press("j enter");
    let narrowing = desk.question().narrowing.clone();
    assert_eq!(narrowing.folder, Some("/sounds/pads".into()));
    // Down to the second format, then the first length, which is a choice of one.
    desk.press("j j j j enter");
    assert!(desk.question().narrowing.extensions.contains("flac"));
    desk.press("j enter j enter");
    assert_eq!(desk.question().narrowing.length, Some(1));
    desk.press("h");
    assert_eq!(desk.question().narrowing.folder, None);
    desk.press("esc [");
    assert_eq!(
        desk.question().narrowing.folder,
        Some("/sounds/pads".into())
    );
    desk.press("F");
    assert!(desk.question().narrowing.is_empty());
}

#[test]
fn a_name_narrows_with_each_letter_and_is_one_step_back() {
    let mut desk = Desk::with_results(hits(5));
    // The line of the name comes before the four ages, which are last.
    desk.press("f G k k k k enter");
    desk.type_text("kick");
    assert_eq!(desk.question().narrowing.name, "kick");
    desk.press("enter esc [");
    assert_eq!(desk.question().narrowing.name, "");
}

#[test]
fn the_mouse_selects_scrolls_seeks_and_drags() {
    let mut desk = Desk::with_results(hits(50));
    // The list begins in the third row of the screen.
    desk.click(10, 5);
    assert_eq!(desk.selected(), "hit-004.wav");
    desk.mouse(MouseEventKind::ScrollDown, 10, 5);
    assert_eq!(desk.selected(), "hit-007.wav");
    let areas = desk.app.areas().expect("room");
    let (middle, row) = (areas.preview.width / 2, areas.preview.y);
    desk.click(middle, row);
    let length_s = 0.4 + 6.0 * 0.3;
    match desk.commands.last() {
        // Half of 80 columns is exactly a half.
        Some(Command::Seek(to_s)) => assert!((to_s - length_s / 2.0).abs() < 1e-9, "{to_s}"),
        other => panic!("no seek but {other:?}"),
    }
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), middle + 20, row);
    let (from, to) = desk.app.hearing.part.expect("a part");
    assert!((from / length_s - 0.5).abs() < 1e-9 && (to / length_s - 0.75).abs() < 1e-9);
    desk.mouse(MouseEventKind::Up(MouseButton::Left), middle + 20, row);
    desk.click(10, 0);
    assert_eq!(desk.app.mode, Mode::Query);
    // A drag that began elsewhere selects nothing in the drawing.
    let part = desk.app.hearing.part;
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), 4, row);
    assert_eq!(desk.app.hearing.part, part);
}

#[test]
fn typing_beside_a_long_sound_asks_for_its_match_and_not_for_its_drawing() {
    let mut long = hit(1, "walk.wav", 0.9, 60.0);
    long.moment = (10.0, 15.0);
    let mut desk = Desk::with_results(vec![long.clone()]);
    let asked = |desk: &Desk| {
        let is_drawing = |command: &&Command| matches!(command, Command::Draw(_));
        let is_match = |command: &&Command| matches!(command, Command::Match(_));
        let commands = || desk.commands.iter();
        (
            commands().filter(is_drawing).count(),
            commands().filter(is_match).count(),
        )
    };
    desk.matched(5.0, 10.0, &[0.1, 0.9, 0.3]);
    desk.press("/ s");
    assert_eq!(asked(&desk), (0, 1));
    assert_eq!(
        desk.app.drawing.curve.len(),
        3,
        "the old match stands until the new one is there"
    );
    desk.matched(5.0, 10.0, &[0.2, 0.3]);
    assert_eq!(desk.app.drawing.curve.len(), 2);
    // The same file with other sound in it is another drawing.
    let before = asked(&desk);
    long.record.content = [77; 32];
    desk.answer(vec![long]);
    assert_eq!(asked(&desk), (before.0 + 1, before.1 + 1));
    assert!(desk.app.drawing.curve.is_empty());
}

#[test]
fn indexing_is_told_paused_and_its_failures_are_kept() {
    let mut desk = Desk::open(0);
    desk.press("enter A");
    desk.type_text("/more");
    desk.press("enter");
    assert_eq!(
        desk.commands.last(),
        Some(&Command::Index(vec!["/more".into()]))
    );
    let failed = Failed {
        path: "/more/broken.wav".into(),
        reason: "no sound in it".into(),
    };
    desk.hear(Response::Indexing(Progress {
        done: 1,
        to_do: 3,
        failed: vec![failed.clone()],
        ..Progress::of(IndexingState::Running)
    }));
    // It is tried again in the next run.
    desk.hear(Response::Indexing(Progress {
        done: 2,
        to_do: 3,
        failed: vec![failed.clone()],
        ..Progress::of(IndexingState::Running)
    }));
    desk.press("P");
    assert_eq!(desk.commands.last(), Some(&Command::PauseIndexing(true)));
    desk.press("P");
    assert_eq!(desk.commands.last(), Some(&Command::PauseIndexing(false)));
    assert_eq!(desk.app.library.failed, [failed]);
    let done = IndexingState::Done("2 files indexed, 1 failed".into());
    desk.answer(vec![]);
    let asked = desk.questions().len();
    desk.hear(Response::Indexing(Progress::of(done)));
    assert!(!desk.app.is_indexing());
    assert_eq!(
        desk.questions().len(),
        asked + 1,
        "what was only changed is seen, too"
    );
    desk.hear(Response::Library(facts(2)));
    assert_eq!(desk.app.library.files, 2);
}

#[test]
fn pasted_text_goes_to_the_query_wherever_the_keys_are() {
    let mut desk = Desk::with_results(hits(2));
    desk.press("n enter");
    desk.act(Action::Paste("metal\nscrape\u{1b}[2J".into()));
    assert_eq!(desk.question().parts, [text("metal scrape[2J", 1.0)]);
    assert_eq!(desk.app.mode, Mode::Query);
}

#[test]
fn leaving_and_stopping_are_asked_for_from_everywhere() {
    for keys in [
        "ctrl-c",
        "enter ctrl-c",
        "enter q",
        "f1 ctrl-c",
        "ctrl-f ctrl-q",
    ] {
        let mut desk = Desk::open(3);
        desk.press(keys);
        assert_eq!(desk.commands.last(), Some(&Command::Quit), "{keys}");
    }
    let mut desk = Desk::open(3);
    desk.press("ctrl-z");
    assert_eq!(desk.commands.last(), Some(&Command::Suspend));
}

#[test]
fn the_readme_lists_every_key_as_it_is() {
    let readme = include_str!("../../README.md");
    let mut expected = String::new();
    for context in Context::ALL {
        expected.push_str(&format!("{} (`{}`)\n\n", context.title(), context.name()));
        expected.push_str("| keys | action | |\n|---|---|---|\n");
        for (offer, chords) in KeyMap::default().offers(context) {
            let keys: Vec<_> = chords.iter().map(|chord| format!("`{chord}`")).collect();
            let keys = keys.join(" ");
            expected.push_str(&format!("| {keys} | `{}` | {} |\n", offer.name, offer.help));
        }
        expected.push('\n');
    }
    assert!(
        readme.contains(&expected),
        "the tables of keys in the README should be:\n\n{expected}"
    );
}
