//! Following changes: when something is done about them, what is walked for it, and that it is as if
//! everything had been. Time is passed in; what the system tells is played by the test, but for one run
//! of the real program.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use soundseek::ingest::IGNORE_FILE;
use soundseek::watch::{Change, Due, Pending, scope};

use crate::support::{Studio, index_roots};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(path: &str) -> Change {
    Change::At(PathBuf::from(path))
}

#[test]
fn a_round_waits_until_it_is_quiet_and_not_for_ever() {
    let mut pending = Pending::new(s(0), s(600));
    assert_eq!(pending.take(s(100)), None);
    assert_eq!(pending.rest(s(100)), s(500), "nothing to wake up for");
    pending.note(at("/a.wav"), s(100));
    pending.note(at("/b.wav"), s(101));
    assert_eq!(pending.take(s(102)), None);
    let both = vec![PathBuf::from("/a.wav"), PathBuf::from("/b.wav")];
    assert_eq!(pending.take(s(103)), Some(Due::Places(both)));
    assert_eq!(pending.take(s(104)), None, "it is no longer pending");
    // A file that is written to all the time.
    for second in 200..230 {
        pending.note(at("/a.wav"), s(second));
        assert_eq!(pending.take(s(second)), None);
    }
    assert_eq!(
        pending.take(s(230)),
        Some(Due::Places(vec!["/a.wav".into()]))
    );
    assert_eq!(pending.take(s(600)), Some(Due::Everything), "the interval");
    assert_eq!(pending.rest(s(600)), s(600));
}

#[test]
fn changes_that_were_missed_or_are_too_many_mean_everything() {
    let mut pending = Pending::new(s(0), s(600));
    pending.note(at("/a.wav"), s(1));
    pending.note(Change::Missed, s(1));
    pending.note(at("/b.wav"), s(1));
    assert_eq!(pending.take(s(3)), Some(Due::Everything));
    for n in 0..10_000 {
        pending.note(at(&format!("/{n}.wav")), s(10));
    }
    assert_eq!(pending.take(s(12)), Some(Due::Everything));
}

#[test]
fn only_the_folder_of_a_change_is_walked() {
    let studio = Studio::new();
    studio.put("kick-drum", "drums/kick.wav");
    studio.put("siren", "alarms/siren.wav");
    studio.index();
    let library = studio.library();
    library.add_root(&studio.sounds()).expect("added");
    let snare = studio.put("snare-drum", "drums/snare.wav");
    let folders = scope(&library, Due::Places(vec![snare])).expect("known");
    assert_eq!(folders, [studio.sounds().join("drums")]);
    let report = index_roots(&library, &folders);
    assert_eq!((report.embedded, report.unchanged), (1, 1), "{report:?}");
    // What is nothing to the library wakes nobody.
    let sounds = studio.sounds();
    fs::write(sounds.join("notes.txt"), "text").expect("written");
    fs::create_dir(sounds.join(".hidden")).expect("made");
    let nothing = ["notes.txt", ".hidden", ".hidden/a.wav", "gone"].map(|name| sounds.join(name));
    let elsewhere = studio.folder.path().join("elsewhere.wav");
    let places = [&nothing[..], &[elsewhere]].concat();
    let folders = scope(&library, Due::Places(places)).expect("known");
    assert!(folders.is_empty(), "{folders:?}");
}

#[test]
fn a_root_that_moves_away_and_comes_back_keeps_its_sounds() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    studio.index();
    let library = studio.library();
    library.add_root(&studio.sounds()).expect("added");
    let away = studio.folder.path().join("away");
    let gone = |library| scope(library, Due::Places(vec![studio.sounds()])).expect("known");
    let sounds = studio.sounds();
    fs::rename(&sounds, &away).expect("moved");
    let report = index_roots(&library, &gone(&library));
    assert_eq!((report.offline.len(), report.removed), (1, 0), "{report:?}");
    fs::rename(&away, &sounds).expect("moved back");
    let report = index_roots(&library, &gone(&library));
    assert_eq!((report.unchanged, report.embedded), (1, 0), "{report:?}");
}

/// What happens to files between two rounds.
#[derive(Debug, Clone)]
enum Step {
    Put(usize, usize),
    Delete(usize),
    Move(usize, usize),
    DeleteFolder(usize),
    MoveFolder(usize, usize),
    Ignore(usize),
}

const FOLDERS: [&str; 5] = ["", "a", "a/b", "a/b/c", "d"];
const SOUNDS: [&str; 3] = ["kick-drum", "closed-hi-hat", "coin"];

fn step() -> impl Strategy<Value = Step> {
    let folder = 0..FOLDERS.len();
    prop_oneof![
        3 => (folder.clone(), 0..SOUNDS.len()).prop_map(|(f, sound)| Step::Put(f, sound)),
        1 => (0..9usize).prop_map(Step::Delete),
        1 => (0..9usize, folder.clone()).prop_map(|(file, to)| Step::Move(file, to)),
        1 => (1..FOLDERS.len()).prop_map(Step::DeleteFolder),
        1 => (1..FOLDERS.len(), folder.clone()).prop_map(|(from, to)| Step::MoveFolder(from, to)),
        1 => folder.prop_map(Step::Ignore),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 12, ..ProptestConfig::default() })]

    /// The oracle is a library that walks its whole root after the same steps.
    #[test]
    fn rounds_over_changed_folders_come_to_the_same_as_walking_everything(
        rounds in prop::collection::vec(prop::collection::vec(step(), 1..5), 1..5),
    ) {
        let (studio, whole) = (Studio::new(), tempfile::tempdir().expect("a folder"));
        studio.put("kick-drum", "kick.wav");
        studio.index();
        let library = studio.library();
        let oracle = soundseek::library::Library::open(whole.path()).expect("opens");
        oracle.add_root(&studio.sounds()).expect("added");
        library.add_root(&studio.sounds()).expect("added");
        index_roots(&oracle, &[studio.sounds()]);
        for round in rounds {
            let places = round.iter().flat_map(|step| take(&studio, step)).collect();
            let folders = scope(&library, Due::Places(places)).expect("known");
            if !folders.is_empty() {
                index_roots(&library, &folders);
            }
            index_roots(&oracle, &[studio.sounds()]);
            let known = |library: &soundseek::library::Library| {
                let files = library.files().expect("readable").into_iter();
                files.map(|(path, record)| (path, record.content)).collect::<Vec<_>>()
            };
            prop_assert_eq!(known(&library), known(&oracle), "after {:?}", round);
        }
    }
}

/// Does a step, and gives the places that the system would name.
fn take(studio: &Studio, step: &Step) -> Vec<PathBuf> {
    let folder = |n: usize| studio.sounds().join(FOLDERS[n]);
    let files = || {
        let walk = walkdir::WalkDir::new(studio.sounds()).sort_by_file_name();
        let files = walk
            .into_iter()
            .flatten()
            .filter(|entry| entry.file_type().is_file());
        files.map(|entry| entry.into_path()).collect::<Vec<_>>()
    };
    match *step {
        Step::Put(to, sound) => {
            let name = format!("{}/{}.wav", FOLDERS[to], SOUNDS[sound]);
            let path = studio.put(SOUNDS[sound], name.trim_start_matches('/'));
            let folders = path
                .ancestors()
                .take_while(|folder| *folder != studio.sounds());
            folders.map(PathBuf::from).collect()
        }
        Step::Delete(n) => {
            let file = files().into_iter().cycle().nth(n);
            file.filter(|file| fs::remove_file(file).is_ok())
                .into_iter()
                .collect()
        }
        Step::Move(n, to) => {
            let Some(file) = files().into_iter().cycle().nth(n) else {
                return vec![];
            };
            let place = folder(to).join(file.file_name().expect("a name"));
            match fs::rename(&file, &place) {
                Ok(()) => vec![file, place],
                Err(_) => vec![],
            }
        }
        Step::DeleteFolder(n) => match fs::remove_dir_all(folder(n)) {
            Ok(()) => vec![folder(n)],
            Err(_) => vec![],
        },
        Step::MoveFolder(from, to) => {
            let place = folder(to).join("moved");
            match fs::rename(folder(from), &place) {
                Ok(()) => vec![folder(from), place],
                Err(_) => vec![],
            }
        }
        Step::Ignore(n) => {
            let rules = folder(n).join(IGNORE_FILE);
            match fs::write(&rules, "coin*\n") {
                Ok(()) => vec![rules],
                Err(_) => vec![],
            }
        }
    }
}

/// The real program, told by the real system.
#[cfg(target_os = "linux")]
#[test]
fn the_program_follows_until_it_is_interrupted() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    let mut child = crate::support::command(&studio.library_dir())
        .arg("watch")
        .arg(studio.sounds())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("read");
    assert!(line().starts_with("1 file indexed"));
    studio.put("siren", "new/folder/siren.wav");
    assert!(line().starts_with("1 file indexed"));
    fs::remove_file(studio.sounds().join("kick.wav")).expect("removed");
    assert_eq!(line(), "0 files indexed, 1 unchanged, 1 gone and dropped");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(studio.library().file_count().expect("readable"), 1);
}
