//! What a person sees: the screens of the terminal UI at three sizes, as text.
//!
//! The pictures are in `snapshots/`; `INSTA_UPDATE=always cargo test` draws them anew, to be looked at
//! before they are committed.

use std::sync::Arc;

use ratatui::style::Color;
use soundseek::library::Facets;
use soundseek::overview::Overview;
use soundseek::playback::PlaybackEvent;
use soundseek::tui::worker::{Failed, IndexingState, Progress, Response};
use soundseek::tui::{Action, ColourDepth};

use crate::desk::{Desk, facts, hit, hits};
use crate::support::{demo_sound, write_wav};

/// Compares the screen at three sizes with the pictures of that name.
#[track_caller]
fn check(name: &str, desk: &mut Desk) {
    for (width, height) in [(60, 15), (80, 24), (120, 40)] {
        let screen = desk.screen(width, height);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen);
    }
}

fn facets() -> Facets {
    Facets {
        files: 1_204,
        folders: vec![
            ("/sounds/drums".into(), 804),
            ("/sounds/field recordings".into(), 96),
            ("/sounds/synthesisers and other machines".into(), 304),
        ],
        extensions: vec![("wav".into(), 1_100), ("flac".into(), 104)],
        lengths: [700, 404, 80, 12, 6, 2],
        ..Facets::default()
    }
}

#[test]
fn an_empty_library_says_what_to_do() {
    check("empty_library", &mut Desk::open(0));
}

#[test]
fn before_the_model_is_loaded_the_line_can_be_typed_in() {
    let mut desk = Desk::new();
    desk.type_text("gla");
    check("loading", &mut desk);
}

#[test]
fn indexing_shows_how_far_it_is() {
    let mut desk = Desk::open(1_204);
    desk.answer(hits(30));
    desk.hear(Response::Indexing(Progress {
        done: 1_204,
        to_do: 12_128,
        per_second: 16.4,
        left_s: Some(666.0),
        failed: vec![Failed {
            path: "/sounds/broken.wav".into(),
            reason: "it ends early".into(),
        }],
        ..Progress::of(IndexingState::Running)
    }));
    check("indexing", &mut desk);
    desk.press("enter P");
    check("indexing_paused", &mut desk);
}

#[test]
fn results_are_ranked_with_their_strength() {
    let mut list = hits(40);
    list[1].alike = vec![hit(2, "copy.wav", 0.5, 1.0), hit(2, "other.wav", 0.5, 2.5)];
    list[2].moment = (41.5, 46.5);
    list[2].record.sound.duration_s = 4_000.0;
    let mut desk = Desk::with_results(list);
    desk.press("a j");
    check("results", &mut desk);
    desk.press("u");
    check("results_unfolded", &mut desk);
}

#[test]
fn a_query_of_several_parts_shows_them() {
    let mut desk = Desk::with_results(hits(12));
    desk.press("a S j d p h + + +");
    desk.answer(hits(9));
    check("parts", &mut desk);
}

#[test]
fn nothing_found_says_what_may_help() {
    let mut desk = Desk::open(2_128);
    desk.type_text("silence");
    desk.answer(vec![]);
    check("nothing_found", &mut desk);
}

#[test]
fn an_error_is_told_in_place_of_the_results() {
    let mut desk = Desk::open(2_128);
    desk.type_text("door");
    let generation = desk.question().generation;
    desk.answer_to(
        generation,
        Err("the parts of the query cancel out: change their weights".into()),
    );
    check("error", &mut desk);
    let mut desk = Desk::new();
    desk.hear(Response::Broken(
        "model.safetensors of /models/clap is cut short: fetch it again".into(),
    ));
    check("broken", &mut desk);
}

#[test]
fn the_help_shows_every_key() {
    let mut desk = Desk::open(100);
    desk.press("f1");
    check("help", &mut desk);
    // On a narrow screen it is read in pages; the last one ends with the last key.
    desk.screen(60, 15);
    desk.press("G");
    let end = desk.screen(60, 15);
    assert!(end.contains("Ctrl-C"), "{end}");
}

#[test]
fn filters_stand_beside_the_results_with_counts() {
    let mut desk = Desk::with_results(hits(30));
    desk.press("f");
    let generation = desk.question().generation;
    desk.hear(Response::Facets {
        generation,
        facets: facets(),
    });
    desk.press("j j j enter");
    desk.answer(hits(30));
    check("filters", &mut desk);
}

#[test]
fn failures_are_listed_with_their_reasons() {
    let mut desk = Desk::open(10);
    let failed = |n: usize| Failed {
        path: format!("/sounds/takes/take-{n:02}.wav").into(),
        reason: "the file ends within its header".into(),
    };
    let mut known = facts(10);
    known.failed = (0..30).map(failed).collect();
    desk.hear(Response::Library(known));
    desk.press("enter ! j j");
    check("failures", &mut desk);
}

#[test]
fn long_wide_and_hostile_names_keep_to_their_cells() {
    let names = [
        "a very long name of a sample that somebody has typed in a hurry and never shortened 01.wav",
        "音楽制作の素材集/ドラム/キック・スネア・ハイハット・シンバル・タム・クラップ.wav",
        "e\u{301}le\u{300}ve/👩‍🎤 vox \u{1f941}.wav",
        "evil/\u{1b}[2J\u{7}\nname\u{202e}gnp.wav",
        "deep/er/and/deeper/down/into/folders/that/nobody/has/ever/tidied/up/kick.wav",
    ];
    let list = names.iter().enumerate();
    let mut list: Vec<_> = list
        .map(|(place, name)| hit(place + 1, name, 0.9 - 0.2 * place as f32, 0.5))
        .collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let mut bytes = hit(6, "x", 0.05, 0.5);
        bytes.path = std::ffi::OsStr::from_bytes(b"/sounds/\xffnot unicode\xfe.wav").into();
        list.push(bytes);
    }
    let mut desk = Desk::with_results(list);
    desk.press("a j");
    check("names", &mut desk);
    for (width, height) in [(60, 15), (80, 24), (120, 40)] {
        let screen = desk.screen(width, height);
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!screen.contains(control) && !screen.contains('\u{202e}'));
    }
}

/// A siren in silence, as it is seen after decoding it.
fn seen_siren() -> Overview {
    let folder = tempfile::tempdir().expect("a folder");
    let mut samples = vec![0.0; 44_100];
    samples.extend(demo_sound("siren").render(44_100));
    samples.extend(vec![0.0; 44_100]);
    let path = write_wav(&folder.path().join("siren.wav"), 44_100, &samples);
    let overview = Overview::of_file(&path, &|| false).expect("decoded");
    overview.expect("not cancelled")
}

#[test]
fn the_selected_sound_is_drawn_with_its_match_and_what_is_heard() {
    let overview = seen_siren();
    let mut long = hit(1, "alarms/siren.wav", 0.9, overview.duration_s);
    long.moment = (1.0, 3.5);
    let mut desk = Desk::with_results(vec![long]);
    desk.drawn(Ok(Arc::new(overview)));
    desk.matched(1.0, 2.0, &[0.1, 0.7, 0.9, 0.5, 0.1, 0.1]);
    check("waveform", &mut desk);
    desk.press("enter L");
    let at_s = 2.0;
    desk.hear(Response::Playback(PlaybackEvent::Position {
        play: 1,
        at_s,
    }));
    check("waveform_playing", &mut desk);
    desk.press("v");
    check("spectrogram", &mut desk);
}

#[test]
fn a_sound_that_cannot_be_drawn_says_why() {
    let mut desk = Desk::with_results(hits(3));
    desk.drawn(Err(
        "/sounds/drums/hit-001.wav cannot be read: no such file".into(),
    ));
    check("no_drawing", &mut desk);
}

#[test]
fn a_screen_that_is_too_small_says_so_in_one_line() {
    let mut desk = Desk::with_results(hits(5));
    assert_eq!(
        desk.screen(59, 14).trim_end(),
        "soundseek needs 60 columns and 15 rows"
    );
    assert_eq!(desk.screen(10, 1).trim_end(), "soundseek…");
}

#[test]
fn no_size_makes_drawing_fail() {
    let mut desk = Desk::with_results(hits(300));
    for keys in ["g", "G", "S", "f", "f1", "esc", "p"] {
        desk.press(keys);
        for width in [1, 59, 60, 61, 76, 90, 200] {
            for height in [1, 14, 15, 16, 23, 40, 90] {
                desk.screen(width, height);
            }
        }
    }
}

#[test]
fn a_terminal_without_colours_gets_none() {
    let mut desk = Desk::with_colours(ColourDepth::Mono);
    desk.hear(Response::Library(facts(50)));
    desk.type_text("kick");
    desk.answer(hits(20));
    desk.press("enter j S p");
    let buffer = desk.buffer(80, 24);
    let plain = |colour| colour == Color::Reset;
    assert!(
        buffer
            .content
            .iter()
            .all(|cell| plain(cell.fg) && plain(cell.bg))
    );
}

#[test]
fn a_frame_is_the_same_as_one_that_follows_another_size() {
    let mut desk = Desk::with_results(hits(100));
    desk.press("a G");
    let before = desk.screen(80, 24);
    desk.screen(120, 40);
    desk.act(Action::Redraw);
    assert_eq!(desk.screen(80, 24), before);
}
