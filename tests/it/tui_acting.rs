//! Acting on sounds in the terminal UI: which ones are meant, what is asked for, what is done by the
//! worker and told of it, and how it looks.

use std::path::Path;

use soundseek::export::Placing;
use soundseek::library::{Facets, Marks, Tag};
use soundseek::tui::worker::{AllMarks, Deed, Outcome, Response, Task};
use soundseek::tui::{Command, Mode, Surroundings};

use crate::desk::{Desk, hit, hits};

pub(crate) fn tag(text: &str) -> Tag {
    Tag::new(text).expect("a tag")
}

pub(crate) fn marks(favourite: bool, tags: &[&str]) -> Marks {
    Marks {
        favourite,
        tags: tags.iter().map(|text| tag(text)).collect(),
    }
}

/// The marks of the first sounds of [`hits`].
pub(crate) fn all_marks(of: &[Marks]) -> AllMarks {
    let numbered = of.iter().enumerate();
    numbered
        .map(|(place, marks)| ([place as u8 + 1; 32], marks.clone()))
        .collect()
}

/// Five results, on a desktop where everything can be done.
fn desk() -> Desk {
    let mut desk = Desk::with_results(hits(5));
    desk.app.around = Surroundings {
        has_screen: true,
        drag_source: Some("ripdrag"),
        open: vec!["reaper".into()],
        in_tmux: false,
    };
    desk
}

fn tasks(desk: &Desk) -> Vec<&Task> {
    let commands = desk.commands.iter();
    commands
        .filter_map(|command| match command {
            Command::Act(task) => Some(task),
            _ => None,
        })
        .collect()
}

/// The last task, and the ranks of the sounds that it is for.
fn task(desk: &Desk) -> (Deed, Vec<usize>) {
    let task = *tasks(desk).last().expect("something is to be done");
    let ranks = task.subjects.iter().map(|subject| subject.hit.rank);
    (task.deed.clone(), ranks.collect())
}

fn notice(desk: &Desk) -> &str {
    let notice = desk.app.notice.as_ref();
    notice.map_or("", |notice| notice.text.as_str())
}

#[test]
fn keys_mark_one_a_range_or_all_and_marks_outlive_the_query() {
    let marked = |keys: &str| {
        let mut desk = desk();
        desk.press(keys);
        let mut ranks: Vec<usize> = desk.app.marked.hits().iter().map(|hit| hit.rank).collect();
        ranks.sort_unstable();
        (ranks, desk.selected())
    };
    for (keys, ranks, selected) in [
        ("m", &[1][..], "hit-002.wav"),
        ("m m", &[1, 2], "hit-003.wav"),
        ("m k m", &[], "hit-002.wav"),
        ("j m j V", &[2, 3, 4], "hit-004.wav"),
        ("G m g V", &[1, 2, 3, 4, 5], "hit-001.wav"),
        ("ctrl-a", &[1, 2, 3, 4, 5], "hit-001.wav"),
        ("m ctrl-a ctrl-a", &[], "hit-002.wav"),
        ("m m x M", &[], "hit-003.wav"),
        ("m m M", &[], "hit-003.wav"),
        ("V", &[], "hit-001.wav"),
    ] {
        assert_eq!(
            marked(keys),
            (ranks.to_vec(), selected.to_string()),
            "{keys}"
        );
    }
    let mut desk = desk();
    desk.press("m / a");
    desk.answer(vec![hit(1, "other.wav", 0.5, 1.0)]);
    assert_eq!(desk.app.marked.len(), 1);
    assert!(
        desk.app
            .marked
            .contains(Path::new("/sounds/drums/kit-0/hit-001.wav"))
    );
}

#[test]
fn a_file_that_is_alike_is_marked_itself() {
    let mut first = hit(1, "kick.wav", 0.9, 1.0);
    first.alike = vec![hit(1, "copy.wav", 0.9, 1.0)];
    let mut desk = Desk::with_results(vec![first]);
    desk.press("u j m y");
    assert!(desk.app.marked.contains(Path::new("/sounds/copy.wav")));
    assert_eq!(desk.app.marked.len(), 1);
    assert_eq!(
        desk.commands.last(),
        Some(&Command::CopyText(b"/sounds/copy.wav".to_vec()))
    );
}

#[test]
fn what_the_menu_does_is_done_to_what_is_marked_or_else_selected() {
    for (keys, typed, deed, ranks) in [
        ("x r", "", Deed::Reveal, &[1][..]),
        ("j x r", "", Deed::Reveal, &[2]),
        // In the order of marking.
        ("G m g m x D", "", Deed::Drag, &[5, 1]),
        ("m m j x D", "", Deed::Drag, &[1, 2]),
        ("m m x o", "", Deed::Open(vec!["reaper".into()]), &[1, 2]),
        ("x *", "", Deed::Favourite(true), &[1]),
        ("*", "", Deed::Favourite(true), &[1]),
        (
            "x c ctrl-u",
            "/to",
            Deed::Place("/to".into(), Placing::Copy),
            &[1],
        ),
        (
            "x C",
            "set",
            Deed::Place("~/set".into(), Placing::Link),
            &[1],
        ),
        (
            "ctrl-a x X ctrl-u",
            "/to",
            Deed::Cut("/to".into()),
            &[1, 2, 3, 4, 5],
        ),
        ("x e ctrl-u", "a.csv", Deed::List("a.csv".into()), &[1]),
        // The first line of the menu is the path, so one down is the folder.
        (
            "x j enter ctrl-u",
            "/to",
            Deed::Place("/to".into(), Placing::Copy),
            &[1],
        ),
    ] {
        let mut desk = desk();
        desk.press(keys);
        if !typed.is_empty() {
            desk.type_text(typed);
            desk.press("enter");
        }
        assert_eq!(task(&desk), (deed, ranks.to_vec()), "{keys}");
        assert_eq!(desk.app.mode, Mode::Results, "{keys}");
    }
}

#[test]
fn what_cannot_be_done_says_why_and_the_menu_stays_open() {
    let mut desk = Desk::with_results(hits(2));
    for (key, reason) in [
        ("r", "no desktop here"),
        ("D", "no desktop here"),
        ("o", "set open in the config file"),
        ("M", "nothing is marked"),
    ] {
        desk.press(&format!("x {key}"));
        assert_eq!((notice(&desk), desk.app.mode), (reason, Mode::Menu));
        desk.press("esc");
    }
    desk.app.around.has_screen = true;
    desk.press("x D");
    assert_eq!(notice(&desk), "needs ripdrag or dragon");
    assert!(tasks(&desk).is_empty());
    let mut empty = Desk::with_results(vec![]);
    empty.press("x");
    assert_eq!(
        (notice(&empty), empty.app.mode),
        ("no sound is selected", Mode::Results)
    );
}

#[test]
fn a_moment_is_cut_where_it_matched_and_else_as_it_is_selected() {
    let mut long = hit(1, "rain.wav", 0.9, 60.0);
    long.moment = (20.0, 30.0);
    let mut desk = Desk::with_results(vec![long, hit(2, "kick.wav", 0.8, 0.5)]);
    let span = |desk: &Desk| tasks(desk).last().expect("a cut").subjects[0].span;
    desk.press("x X enter");
    assert_eq!(span(&desk), (20.0, 30.0));
    desk.app.hearing.part = Some((1.25, 2.5));
    desk.press("x X enter");
    assert_eq!(span(&desk), (1.25, 2.5));
    desk.press("j x X enter");
    assert_eq!(span(&desk), (0.0, 0.5));
}

#[test]
fn a_folder_is_offered_again_and_an_empty_one_asks_for_nothing() {
    let mut desk = desk();
    desk.press("x c");
    assert_eq!(desk.app.prompt.text(), "~/");
    desk.type_text("set");
    desk.press("enter x e");
    assert_eq!(desk.app.prompt.text(), "~/set/sounds.m3u8");
    desk.press("esc x c ctrl-u enter");
    assert_eq!(desk.app.mode, Mode::Results);
    assert_eq!(tasks(&desk).len(), 1);
}

#[test]
fn a_list_of_no_known_format_is_asked_for_again() {
    let mut desk = desk();
    desk.press("x e ctrl-u");
    desk.type_text("list.xls");
    desk.press("enter");
    assert!(notice(&desk).contains(".m3u8, .csv and .json"));
    assert_eq!(desk.app.prompt.text(), "list.xls");
    desk.press("ctrl-u");
    desk.type_text("list.json");
    desk.press("enter");
    assert_eq!(task(&desk).0, Deed::List("list.json".into()));
}

#[test]
fn paths_go_to_the_clipboard_but_none_that_would_do_something_when_pasted() {
    let mut desk = desk();
    desk.press("m m y");
    let two = b"/sounds/drums/kit-0/hit-001.wav\n/sounds/drums/kit-1/hit-002.wav";
    assert_eq!(desk.commands.last(), Some(&Command::CopyText(two.to_vec())));
    assert_eq!(notice(&desk), "copied 2 paths");
    desk.app.around.in_tmux = true;
    desk.press("y");
    assert!(notice(&desk).contains("set-clipboard"));
    let mut hostile = Desk::with_results(vec![hit(1, "a\nrm -rf b.wav", 0.9, 1.0)]);
    hostile.press("y");
    assert_eq!(hostile.commands, []);
    assert!(notice(&hostile).contains("control characters"));
    let long = |n: usize| hit(n, &format!("{}{n}.wav", "long/".repeat(40)), 0.5, 1.0);
    let mut many = Desk::with_results((1..=400).map(long).collect());
    many.press("ctrl-a y");
    assert_eq!(many.commands, []);
    assert!(notice(&many).contains("export a list"));
}

#[test]
fn favourites_are_made_of_all_unless_all_are() {
    let mut desk = desk();
    desk.hear(Response::Marks(all_marks(&[marks(true, &[])])));
    desk.press("*");
    assert_eq!(task(&desk), (Deed::Favourite(false), vec![1]));
    desk.press("m m *");
    assert_eq!(task(&desk), (Deed::Favourite(true), vec![1, 2]));
}

#[test]
fn a_file_that_is_alike_has_the_favourites_and_tags_of_its_own_content() {
    let mut first = hit(1, "kick.wav", 0.9, 1.0);
    first.alike = vec![hit(2, "kick.flac", 0.9, 1.0)];
    let mut desk = Desk::with_results(vec![first]);
    desk.hear(Response::Marks(all_marks(&[
        marks(true, &["deep"]),
        marks(false, &["lossless"]),
    ])));
    desk.press("u j *");
    let (deed, _) = task(&desk);
    assert_eq!(deed, Deed::Favourite(true));
    assert_eq!(tasks(&desk)[0].subjects[0].hit.record.content, [2; 32]);
    desk.press("t");
    assert_eq!(desk.app.prompt.text(), "lossless, ");
    let screen = desk.screen(100, 24);
    assert!(
        screen.contains("kick.wav ★ #deep") && screen.contains("kick.flac #lossless"),
        "{screen}"
    );
}

#[test]
fn the_line_of_tags_is_what_one_sound_has_and_what_several_get() {
    let deed = |add: &[&str], remove: &[&str]| Deed::Tag {
        add: add.iter().map(|text| tag(text)).collect(),
        remove: remove.iter().map(|text| tag(text)).collect(),
    };
    for (keys, line, typed, expected) in [
        ("t", "deep, drum, ", "Punchy", Some(deed(&["punchy"], &[]))),
        ("t ctrl-u", "", "drum", Some(deed(&[], &["deep"]))),
        (
            "t",
            "deep, drum, ",
            "-deep, big  room",
            Some(deed(&["big room"], &["deep"])),
        ),
        ("t", "deep, drum, ", "drum", None),
        ("m m t", "", "new, -deep", Some(deed(&["new"], &["deep"]))),
        ("m m t", "", " , ", None),
    ] {
        let mut desk = desk();
        desk.hear(Response::Marks(all_marks(&[marks(
            false,
            &["deep", "drum"],
        )])));
        desk.press(keys);
        assert_eq!(desk.app.prompt.text(), line, "{keys}");
        desk.type_text(typed);
        desk.press("enter");
        let last = tasks(&desk).last().map(|task| task.deed.clone());
        assert_eq!(last, expected, "{keys}: {typed}");
        assert_eq!(desk.app.mode, Mode::Results);
    }
}

#[test]
fn a_line_is_about_the_sounds_it_was_asked_for_whatever_is_selected_meanwhile() {
    let mut desk = desk();
    let asked_for = desk
        .app
        .results
        .path()
        .expect("a selected sound")
        .to_owned();
    desk.press("t");
    desk.type_text("punchy");
    let mut others = hits(5);
    others.rotate_left(2);
    // An answer to whatever was asked last.
    desk.answer_to(u64::MAX, Ok(others));
    assert_ne!(desk.app.results.path(), Some(asked_for.as_path()));
    desk.press("enter");
    let tasks = tasks(&desk);
    let subjects = &tasks.last().expect("a task").subjects;
    assert_eq!(subjects.len(), 1);
    assert_eq!(subjects[0].hit.path, asked_for);
}

#[test]
fn a_wrong_tag_is_told_and_the_line_stays() {
    let mut desk = desk();
    desk.press("t");
    desk.type_text(&"a".repeat(41));
    desk.press("enter");
    assert!(notice(&desk).contains("40 characters at most"));
    assert_eq!(desk.app.prompt.text().len(), 41);
    assert!(tasks(&desk).is_empty());
    let told = desk.screen(80, 24);
    assert!(told.contains("a tag has 40 characters at most"), "{told}");
    desk.press("backspace");
    assert!(desk.screen(80, 24).contains("Tags of hit-001.wav: aaa"));
}

#[test]
fn known_tags_are_completed() {
    for (typed, completed) in [
        ("dr", "drum, "),
        ("new, De", "new, deep, "),
        ("-de", "-deep, "),
        ("drum, dr", "drum, drone, "),
        ("xyz", "xyz"),
    ] {
        let mut desk = desk();
        let known = all_marks(&[marks(false, &[]), marks(false, &["deep", "drone", "drum"])]);
        desk.hear(Response::Marks(known));
        desk.press("t");
        desk.type_text(typed);
        desk.press("tab");
        let completed = match typed {
            // The first of those that fit.
            "dr" => "drone, ",
            _ => completed,
        };
        assert_eq!(desk.app.prompt.text(), completed, "{typed}");
    }
}

#[test]
fn typed_tags_and_fav_become_filters_and_no_description() {
    let mut desk = Desk::open(10);
    desk.type_text("tag:deep");
    assert!(desk.question().parts.is_empty(), "it may go on");
    assert!(desk.question().narrowing.is_empty());
    desk.type_text(" fav kick");
    let request = desk.question();
    assert_eq!(request.narrowing.tags, [tag("deep")].into());
    assert!(request.narrowing.favourite);
    assert_eq!(desk.app.query.line.text(), "kick");
    assert_eq!(request.parts.len(), 1);
    desk.type_text(" tag:drum");
    desk.press("enter");
    assert_eq!(desk.question().narrowing.tags.len(), 2);
    assert_eq!(desk.app.query.line.text().trim(), "kick");
    // The last chip is the last tag.
    desk.press("p x");
    assert_eq!(desk.question().narrowing.tags, [tag("deep")].into());
}

#[test]
fn results_filtered_by_tags_follow_when_tags_change() {
    let mut desk = Desk::open(10);
    desk.type_text("tag:deep kick");
    desk.answer(hits(3));
    desk.commands.clear();
    desk.hear(Response::Marks(all_marks(&[marks(false, &["deep"])])));
    assert_eq!(desk.questions().len(), 1);
    desk.answer(hits(2));
    desk.commands.clear();
    desk.hear(Response::Marks(all_marks(&[marks(false, &["deep"])])));
    assert!(desk.questions().is_empty(), "nothing has changed");
}

#[test]
fn what_came_of_it_is_one_line() {
    let mut desk = desk();
    for is_error in [false, true] {
        desk.hear(Response::Acted(Outcome {
            text: "kick.wav: it\u{1b}[2J cannot be read".into(),
            is_error,
        }));
        let notice = desk.app.notice.clone().expect("told");
        assert_eq!(notice.is_error, is_error);
        let screen = desk.screen(80, 24);
        assert!(
            screen.contains("kick.wav: it\\u{1b}[2J cannot be read"),
            "{screen}"
        );
    }
}

fn check(name: &str, desk: &mut Desk) {
    for (width, height) in [(60, 15), (80, 24), (120, 40)] {
        let screen = desk.screen(width, height);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen);
    }
}

fn labelled() -> Desk {
    let mut desk = desk();
    desk.hear(Response::Marks(all_marks(&[
        marks(true, &["deep"]),
        marks(false, &["big room", "drum", "live", "tape"]),
        marks(true, &[]),
    ])));
    desk
}

#[test]
fn marked_and_labelled_rows_look_so() {
    let mut desk = labelled();
    desk.press("j m m");
    check("marked", &mut desk);
}

#[test]
fn the_menu_looks_so() {
    let mut desk = labelled();
    desk.app.around.drag_source = None;
    desk.press("x j j");
    check("menu", &mut desk);
}

#[test]
fn the_line_of_tags_looks_so() {
    let mut desk = labelled();
    desk.press("t");
    desk.type_text("d");
    check("tags", &mut desk);
}

#[test]
fn favourites_and_tags_are_among_the_filters() {
    let mut desk = labelled();
    desk.press("f");
    let facets = Facets {
        files: 5,
        extensions: vec![("wav".into(), 5)],
        favourites: 2,
        tags: vec![(tag("deep"), 1), (tag("drum"), 1)],
        ..Facets::default()
    };
    let generation = desk.question().generation;
    desk.hear(Response::Facets { generation, facets });
    // From the only format down to the favourites and the second tag.
    desk.press("j j j j j j j enter j j enter");
    assert!(desk.question().narrowing.favourite);
    assert_eq!(desk.question().narrowing.tags, [tag("drum")].into());
    check("filters_labels", &mut desk);
}
