//! Names that are made to steer a terminal, break a list or run a formula: of files, folders, roots and
//! libraries, in tags, in errors, and in what a screen shows. Every command is run on a library that is
//! full of them, and what it prints is looked at byte by byte.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Output;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use soundseek::display::steers;
use soundseek::export::{ListFormat, Listed, write_list};
use soundseek::library::{Library, Marks, Tag};
use soundseek::search::SearchOptions;
use soundseek::tui::worker::{Failed, IndexingState, Progress, Response};

use crate::desk::{Desk, hits};
use crate::support::{Studio, command};

/// What names are put together from: sequences that clear the screen, set its title or the clipboard,
/// 8-bit controls, line breaks, directions, characters without width, formulas, bytes that are no
/// Unicode, and letters.
const PIECES: [&[u8]; 24] = [
    b"\x1b[2J",
    b"\x1b]0;title\x07",
    b"\x1b]52;c;aGk=\x1b\\",
    b"\x1b[31m",
    "\u{9b}31m".as_bytes(),
    "\u{9d}0;title\u{9c}".as_bytes(),
    b"\n",
    b"\r",
    b"\t",
    b"\x08",
    b"\x7f",
    "\u{202e}gpj".as_bytes(),
    "\u{2066}".as_bytes(),
    "\u{200b}\u{200d}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{e0041}".as_bytes(),
    b"=cmd()",
    b"+1-@x",
    b",\"';#",
    b"\xff\xfe",
    b"\x9b31m",
    "é音".as_bytes(),
    b"kick",
];

fn name() -> impl Strategy<Value = OsString> {
    vec(prop::sample::select(&PIECES[..]), 1..5)
        .prop_map(|pieces| OsString::from_vec(pieces.concat()))
}

/// Nothing that was printed steers the terminal, and all of it is text.
#[track_caller]
fn check_printed(what: &str, output: &Output) {
    for (stream, bytes) in [("output", &output.stdout), ("errors", &output.stderr)] {
        let text = std::str::from_utf8(bytes);
        let text = text.unwrap_or_else(|_| panic!("{what}: the {stream} is no UTF-8: {bytes:?}"));
        let steering = text.chars().find(|c| steers(*c) && *c != '\n');
        assert_eq!(steering, None, "{what}: in the {stream}: {text:?}");
        assert!(!text.contains("panicked"), "{what}: {text}");
    }
}

/// A library in a folder of a hostile name, of a root with a hostile name.
struct Hostile {
    studio: Studio,
    root: PathBuf,
    library: PathBuf,
    sounds: Vec<PathBuf>,
}

impl Hostile {
    fn new(names: &[OsString]) -> Hostile {
        let studio = Studio::new();
        let root = studio.sounds().join(with(b"root ", &names[0], b""));
        let library = studio.folder.path().join(with(b"library ", &names[0], b""));
        fs::create_dir_all(&root).expect("made");
        let model = studio.put("kick-drum", "plain.wav");
        let bytes = fs::read(&model).expect("read");
        let mut sounds = vec![];
        for (place, name) in names.iter().enumerate() {
            // Each a sound of its own, but for one pair.
            let mut bytes = bytes.clone();
            let tail = bytes.len() - 1 - place / 2;
            bytes[tail] ^= 1;
            let folder = root.join(with(b"", name, b" folder"));
            fs::create_dir_all(&folder).expect("made");
            // Some begin with what they begin with, as formulas do.
            let path = folder.join(with(b"", name, format!(" {place}.wav").as_bytes()));
            fs::write(&path, bytes).expect("written");
            sounds.push(path);
            let broken = root.join(with(b"broken ", name, format!(" {place}.flac").as_bytes()));
            fs::write(broken, b"fLaC\x1b[2J").expect("written");
        }
        fs::remove_file(model).expect("removed");
        Hostile {
            studio,
            root,
            library,
            sounds,
        }
    }

    fn run(&self, args: &[&OsStr]) -> Output {
        let output = command(&self.library).args(args).output();
        let output = output.expect("the binary runs");
        check_printed(&format!("{args:?}"), &output);
        output
    }

    /// As [`Hostile::run`]; every line is JSON.
    fn run_json(&self, args: &[&OsStr]) -> Vec<Value> {
        let output = self.run(args);
        let text = String::from_utf8(output.stdout).expect("checked");
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("every line is JSON"))
            .collect()
    }
}

fn with(before: &[u8], name: &OsStr, after: &[u8]) -> OsString {
    OsString::from_vec([before, name.as_bytes(), after].concat())
}

fn arg(text: &str) -> &OsStr {
    OsStr::new(text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn no_command_and_no_list_lets_a_name_through(names in vec(name(), 4)) {
        let hostile = Hostile::new(&names);
        let root = hostile.root.as_os_str();
        let first = hostile.sounds[0].as_os_str();
        let nowhere = with(b"/nowhere/", &names[1], b".wav");
        hostile.run(&[arg("index"), root]);
        hostile.run(&[arg("index"), &nowhere]);
        hostile.run(&[arg("search"), arg("kick drum")]);
        hostile.run(&[arg("search"), arg("kick drum"), arg("--moments"), arg("--all")]);
        hostile.run(&[arg("search"), arg("kick"), arg("--in"), &nowhere]);
        hostile.run(&[arg("search"), arg("kick"), arg("--name"), arg("[\u{1b}[2J")]);
        hostile.run(&[arg("search"), arg("kick"), arg("--longer"), arg("\u{1b}[2J\u{202e}")]);
        hostile.run(&[arg("search"), arg("kick"), arg("--tag"), arg("-\u{9b}31m")]);
        hostile.run(&[arg("search"), arg("--more"), arg("a:\u{1b}[2J")]);
        hostile.run(&[arg("similar"), first]);
        hostile.run(&[arg("similar"), &with(b"", first, b"@\x1b[2J")]);
        hostile.run(&[arg("similar"), &nowhere]);
        hostile.run(&[arg("search"), arg("x"), arg("--like"), first]);
        hostile.run(&[arg("embed"), &nowhere]);
        hostile.run(&[arg("embed"), arg("--text"), arg("x"), arg("--npy"), &with(b"/nowhere/", &names[2], b".npy")]);
        hostile.run(&[arg("status")]);
        hostile.run(&[arg("status"), arg("--failed")]);
        hostile.run(&[arg("roots")]);
        hostile.run(&[arg("status"), arg("--model"), &nowhere]);
        hostile.run(&[arg("search"), arg("x"), arg("--model"), &nowhere]);
        hostile.run(&[&nowhere]);
        hostile.run(&[&nowhere, arg("status")]);
        hostile.run(&[&with(b"--", &names[3], b"")]);
        hostile.run(&[arg("index"), arg("-j"), &names[3]]);
        hostile.run(&[arg("status"), &names[3]]);
        for json in [
            &[arg("search"), arg("kick drum"), arg("--json"), arg("--all")][..],
            &[arg("search"), arg("kick drum"), arg("--json")],
            &[arg("status"), arg("--json")],
            &[arg("status"), arg("--failed"), arg("--json")],
            &[arg("embed"), first],
        ] {
            prop_assert!(!hostile.run_json(json).is_empty(), "{:?}", json);
        }
        let lists = hostile.studio.folder.path().join("lists");
        check_lists(&hostile, &lists);
        hostile.run(&[arg("relink"), root, &with(b"/nowhere/", &names[1], b"")]);
        hostile.run(&[arg("remove"), first]);
        hostile.run(&[arg("remove"), &nowhere]);
        fs::remove_dir_all(&hostile.root).expect("removed");
        hostile.run(&[arg("index")]);
    }
}

/// The three lists of all sounds have as many entries as there are sounds, whatever these are called.
fn check_lists(hostile: &Hostile, folder: &Path) {
    let library = Library::open(&hostile.library).expect("opens");
    let index = std::sync::RwLock::new(
        library
            .index_for_search(crate::support::embedder())
            .expect("opens"),
    );
    let searcher = soundseek::search::Searcher::new(&library, &index, crate::support::embedder());
    let options = SearchOptions {
        n: 100,
        unfold: true,
        ..SearchOptions::default()
    };
    let found = searcher.search(&[crate::support::text_part("kick", 1.0)], &options);
    let found = found.expect("found");
    assert_eq!(found.len(), hostile.sounds.len());
    let marks = Marks::default();
    let list: Vec<Listed<'_>> = found
        .iter()
        .map(|hit| Listed { hit, marks: &marks })
        .collect();
    for format in ListFormat::ALL {
        let path = folder.join(format!("list.{}", format.extension()));
        let written = write_list(&path, format, &list).expect("written");
        let text = fs::read_to_string(written).expect("UTF-8");
        match format {
            ListFormat::M3u => {
                assert!(!text.contains(|c| steers(c) && c != '\n'), "{text:?}");
                let entries = text.lines().filter(|line| !line.starts_with('#'));
                assert_eq!(entries.count(), list.len(), "{text:?}");
            }
            ListFormat::Json => {
                assert!(!text.contains(|c| steers(c) && c != '\n'), "{text:?}");
                let entries: Vec<Value> = serde_json::from_str(&text).expect("JSON");
                assert_eq!(entries.len(), list.len());
            }
            ListFormat::Csv => {
                let rows = csv_rows(&text);
                assert_eq!(rows.len(), list.len() + 1, "{text:?}");
                for row in &rows {
                    assert_eq!(row.len(), rows[0].len(), "{row:?}");
                    for cell in row {
                        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                        assert!(!formula || cell.parse::<f64>().is_ok(), "{cell:?}");
                    }
                }
            }
        }
    }
}

/// The rows of a table as RFC 4180 has them.
fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![];
    let (mut row, mut cell, mut quoted) = (vec![], String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {
                letters.next();
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            letter => cell.push(letter),
        }
    }
    assert!(cell.is_empty() && row.is_empty() && !quoted, "{text:?}");
    rows
}

#[test]
fn tags_cannot_hold_what_steers_a_terminal() {
    for text in [
        "\u{1b}[2J",
        "a\u{202e}b",
        "a\u{9b}b",
        "a\u{200b}b",
        "a\nb\u{7f}",
    ] {
        assert!(Tag::new(text).is_err(), "{text:?}");
    }
}

/// The screens of the terminal UI, with hostile names wherever a name is shown.
#[test]
fn no_cell_of_a_screen_holds_what_steers_a_terminal() {
    let nasty = "\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}\r\n\t\u{7f}\u{e0041}x";
    let mut list = hits(12);
    for hit in &mut list {
        let path = format!("/sounds/{nasty}/{}{nasty}.wav", hit.rank);
        hit.path = PathBuf::from(path);
        hit.record.sound.format = nasty.into();
        hit.record.sound.codec = nasty.into();
        hit.record.sound.damage = Some(nasty.into());
        hit.alike = vec![hit.clone()];
    }
    let mut desk = Desk::with_results(list.clone());
    let progress = Progress {
        failed: vec![Failed {
            path: PathBuf::from(format!("/sounds/{nasty}")),
            reason: nasty.into(),
        }],
        notes: vec![nasty.into()],
        ..Progress::of(IndexingState::Running)
    };
    desk.hear(Response::Indexing(progress));
    let mut seen = BTreeSet::new();
    for keys in [
        "", "j", "x", "esc", "f", "l", "esc", "!", "esc", "S", "p", "esc", "m", "t", "esc", "z",
        "esc", "w", "?",
    ] {
        if !keys.is_empty() {
            desk.press(keys);
        }
        for (width, height) in [(60, 15), (120, 40)] {
            let screen = desk.screen(width, height);
            let steering = screen.chars().find(|c| steers(*c) && *c != '\n');
            assert_eq!(steering, None, "after {keys:?}:\n{screen:?}");
            seen.insert(screen);
        }
    }
    assert!(seen.len() > 10, "only {} screens were seen", seen.len());
    let failed = Response::Found {
        generation: desk.question().generation,
        hits: Err(nasty.into()),
    };
    desk.hear(failed);
    assert!(!desk.screen(80, 24).contains(|c| steers(c) && c != '\n'));
}
