//! The real binary with input that is odd, wrong or hostile: numbers out of range, pipes that close,
//! names that are no Unicode, files that cannot be written. It says so once and never panics.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::RwLock;

use serde_json::Value;
use soundseek::library::{FileRecord, SoundEntry, SoundRecord, Stamp};
use soundseek::search::{SearchOptions, Searcher};
use soundseek_index::Vector;

use crate::support::{Studio, command, embedder, soundseek, stderr, stdout, text_part};

fn text(path: &Path) -> &str {
    path.to_str().expect("Unicode")
}

fn indexed(sounds: &[&str]) -> Studio {
    let studio = Studio::new();
    for sound in sounds {
        studio.put(sound, &format!("{sound}.wav"));
    }
    let output = soundseek(&studio.library_dir(), &["index", text(&studio.sounds())]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    studio
}

#[test]
fn numbers_out_of_range_are_refused_with_their_range() {
    let studio = indexed(&["siren"]);
    let search = ["search", "siren"];
    let index = ["index"];
    for (command, flag, values, range) in [
        (
            &search[..],
            "--min-similarity",
            &["nan", "inf", "-inf", "1.01", "-2", "x"][..],
            "from -1 to 1",
        ),
        (&search, "-n", &["0"], "1.."),
        (&search, "--ef", &["0"], "1.."),
        (&index, "--threads", &["0", "257", "1000000"], "1..=256"),
    ] {
        for value in values {
            let flag = format!("{flag}={value}");
            let args = [command, &[flag.as_str()]].concat();
            let output = soundseek(&studio.library_dir(), &args);
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{flag}: {message}");
            assert!(message.contains(range), "{flag}: {message}");
        }
    }
    for like in [":-1", ":nan", "@0-1:0", "@0-1:-0.5"] {
        let clip = format!("{}{like}", text(&studio.sounds().join("siren.wav")));
        let output = soundseek(&studio.library_dir(), &["search", "--like", &clip]);
        assert_eq!(output.status.code(), Some(2));
        let message = stderr(&output);
        assert!(message.contains("from 0.001 to 1000"), "{like}: {message}");
    }
}

#[test]
fn as_many_results_as_there_can_be_are_all() {
    let studio = indexed(&["siren", "kick-drum", "flute"]);
    for flags in [&[][..], &["--moments"], &["--all"]] {
        let args = ["search", "siren", "-0", "-n", "18446744073709551615"];
        let output = soundseek(&studio.library_dir(), &[&args[..], flags].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output).matches('\0').count(), 3);
    }
}

#[test]
fn a_long_list_folds_what_is_alike_and_nothing_else() {
    let studio = Studio::new();
    let library = studio.library();
    let mut index = library.index_for_writing(embedder()).expect("opens");
    let dimension = index.dimension();
    // Pairs of the same direction and one length in every ten: far more than are compared.
    for n in 0..2000_usize {
        let mut numbers = vec![0.0; dimension];
        let (pair, one) = (n / 2, n % 2);
        numbers[pair % dimension] = 1.0;
        numbers[(pair * 7 + pair / dimension + 1) % dimension] += 2.0;
        numbers[(pair * 13 + 5) % dimension] += 0.7;
        numbers[0] += 0.001 * one as f32;
        let sound = SoundRecord {
            format: "WAV".into(),
            codec: "16-bit PCM".into(),
            sample_rate_hz: 44_100,
            channels: 1,
            duration_s: (pair % 10) as f64,
            damage: None,
        };
        let entry = SoundEntry {
            sound: sound.clone(),
            moments: vec![(0.0, 1.0)],
        };
        let vector = Vector::normalized(numbers).expect("a direction");
        let mut content = [0; 32];
        content[..8].copy_from_slice(&n.to_le_bytes());
        index
            .upsert(&content, &entry.to_bytes(), &[vector])
            .expect("stored");
        let stamp = Stamp {
            size: 1,
            modified_ns: 1,
        };
        let record = FileRecord {
            stamp,
            content,
            sound,
        };
        let path = studio.sounds().join(format!("{n:04}.wav"));
        library.put_file(&path, &record).expect("stored");
    }
    let options = SearchOptions {
        n: usize::MAX,
        ..Default::default()
    };
    let index = RwLock::new(index);
    let searcher = Searcher::new(&library, &index, embedder());
    let hits = searcher
        .search(&[text_part("a siren", 1.0)], &options)
        .expect("found");
    let shown: usize = hits.iter().map(|hit| 1 + hit.alike.len()).sum();
    assert_eq!(shown, 2000, "every file is there once");
    let number = |path: &Path| {
        let name = path.file_stem().and_then(|name| name.to_str());
        name.and_then(|name| name.parse::<usize>().ok())
            .expect("a number")
    };
    for hit in &hits {
        let pair = number(&hit.path) / 2;
        assert!(
            hit.alike
                .iter()
                .any(|alike| number(&alike.path) / 2 == pair),
            "{} is on a line of its own",
            hit.path.display()
        );
    }
}

#[test]
fn the_reader_of_a_pipe_may_leave() {
    let studio = indexed(&["siren", "kick-drum"]);
    fs::write(studio.sounds().join("bad.wav"), "no sound").expect("written");
    soundseek(&studio.library_dir(), &["index", "--quiet"]);
    let siren = studio.sounds().join("siren.wav");
    for args in [
        &["search", "siren"][..],
        &["search", "siren", "--json"],
        &["search", "siren", "-0"],
        &["similar", text(&siren)],
        &["status"],
        &["status", "--json"],
        &["status", "--failed"],
        &["roots"],
        &["embed", text(&siren)],
        &["man"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["index"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = command(&studio.library_dir())
            .args(args)
            .stdout(writer)
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let message = stderr(&output);
        assert!(
            !message.contains("panicked") && !message.contains("ipe"),
            "{args:?}: {message}"
        );
    }
}

#[test]
fn nobody_needs_to_read_the_complaints() {
    let studio = indexed(&["siren"]);
    fs::write(studio.sounds().join("bad.wav"), "no sound").expect("written");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command(&studio.library_dir())
        .arg("index")
        .stderr(writer)
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains("1 failed"), "{}", stdout(&output));
}

#[test]
fn without_a_command_the_help_is_shown_whatever_the_environment_says() {
    let studio = Studio::new();
    let bare = |library: Option<&Path>| -> Output {
        let mut command = command(Path::new("unused"));
        command.env_remove("SOUNDSEEK_LIBRARY");
        if let Some(library) = library {
            command.env("SOUNDSEEK_LIBRARY", library);
        }
        command.output().expect("the binary runs")
    };
    let (without, with) = (bare(None), bare(Some(&studio.library_dir())));
    assert!(stderr(&without).contains("Usage: soundseek"));
    assert_eq!(without.status.code(), with.status.code());
    // The help shows what the variable is set to.
    let shown = format!("[env: SOUNDSEEK_LIBRARY={}]", text(&studio.library_dir()));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        words(&stderr(&with)).replace(&shown, "[env: SOUNDSEEK_LIBRARY=]"),
        words(&stderr(&without))
    );
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let studio = indexed(&["siren"]);
    let output = command(&studio.library_dir())
        .args(["search", "siren"])
        .env("SOUNDSEEK_MODEL", "")
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = command(Path::new(""))
        .arg("roots")
        .env("HOME", studio.folder.path())
        .env_remove("XDG_DATA_HOME")
        .output()
        .expect("the binary runs");
    let message = stderr(&output);
    assert!(message.contains("there is no index in"), "{message}");
    assert!(message.contains(text(studio.folder.path())), "{message}");
}

#[test]
fn nothing_found_prints_nothing() {
    let studio = indexed(&["siren"]);
    let output = soundseek(&studio.library_dir(), &["search", "x", "--longer", "1h"]);
    assert_eq!(stdout(&output), "");
    assert_eq!(output.status.code(), Some(1));
}

#[cfg(unix)]
#[test]
fn paths_that_are_no_unicode_are_clips_and_have_their_bytes_in_json() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let studio = Studio::new();
    let odd = |name: &str| {
        let name = [name.as_bytes(), b"-\xff.wav"].concat();
        studio.sounds().join(OsStr::from_bytes(&name))
    };
    studio.put("siren", "siren.wav");
    for name in ["kick", "copy"] {
        fs::rename(studio.put("kick-drum", "kick.wav"), odd(name)).expect("renamed");
    }
    let library = studio.library_dir().join(OsStr::from_bytes(b"lib-\xff"));
    let run = |args: &[&OsStr]| {
        let output = command(&library).args(args).output();
        output.expect("the binary runs")
    };
    let arg = OsStr::new;
    run(&[arg("index"), studio.sounds().as_os_str()]);
    let line = |output: &Output| -> Value {
        let text = stdout(output);
        let first = text.lines().next().expect("a line");
        serde_json::from_str(first).expect("JSON")
    };
    let hex = |path: &Path| {
        let bytes = path.as_os_str().as_bytes().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let hit = line(&run(&[arg("search"), arg("kick drum"), arg("--json")]));
    assert_eq!(hit["path_hex"], hex(&odd("copy")));
    assert_eq!(hit["alike_hex"], Value::from(vec![hex(&odd("kick"))]));
    assert!(
        hit["alike"][0]
            .as_str()
            .is_some_and(|path| path.ends_with("kick-\u{fffd}.wav"))
    );
    let status = line(&run(&[arg("status"), arg("--json")]));
    assert_eq!(status["library_hex"], hex(&library));

    let mut clip = odd("kick").into_os_string();
    clip.push("@0-0.2");
    for args in [
        [arg("similar"), clip.as_os_str(), arg("--json")],
        [arg("search"), arg("--like"), odd("kick").as_os_str()],
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn a_file_for_vectors_is_tried_before_anything_is_embedded() {
    let studio = Studio::new();
    let output = soundseek(
        &studio.library_dir(),
        &["embed", "/nowhere.wav", "--npy", "/nowhere/vectors.npy"],
    );
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(
        message.contains("vectors.npy cannot be written"),
        "{message}"
    );
    assert!(!message.contains("nowhere.wav"), "{message}");
    // A longer file of before leaves nothing behind.
    let npy = studio.folder.path().join("vectors.npy");
    fs::write(&npy, vec![7; 100_000]).expect("written");
    let output = soundseek(
        &studio.library_dir(),
        &["embed", "--text", "a siren", "--npy", text(&npy)],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let bytes = fs::read(&npy).expect("read");
    let file = npyz::NpyFile::new(&bytes[..]).expect("a NumPy file");
    let header = bytes.len() - 4 * 384;
    assert_eq!(file.shape(), [1, 384]);
    assert!(header < 200, "{header}");
}

#[test]
fn the_cause_of_an_error_is_told_once() {
    let studio = Studio::new();
    let model = studio.folder.path().join("model");
    fs::create_dir(&model).expect("made");
    fs::write(model.join("config.json"), "{\"text_config\": 7").expect("written");
    let output = soundseek(
        &studio.library_dir(),
        &["embed", "--text", "x", "--model", text(&model)],
    );
    let message = stderr(&output);
    assert_eq!(message.matches("line 1").count(), 1, "{message}");

    let library = studio.folder.path().join("file");
    fs::write(&library, "no folder").expect("written");
    let output = soundseek(&library, &["index", text(&studio.sounds())]);
    let message = stderr(&output);
    assert_eq!(message.matches("os error").count(), 1, "{message}");
}

#[test]
fn what_only_the_holder_of_a_library_can_do_is_refused_without_the_advice_for_a_missing_one() {
    let studio = indexed(&["siren"]);
    let _held = studio.library();
    let sounds = studio.sounds();
    let sounds = sounds.to_str().expect("a name in Unicode");
    for args in [&["index", sounds][..], &["compact"], &["remove", sounds]] {
        let output = soundseek(&studio.library_dir(), args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.contains("is open in"), "{args:?}: {message}");
        assert!(!message.contains("index DIR"), "{args:?}: {message}");
    }
    for args in [&["search", "siren"][..], &["status"]] {
        let output = soundseek(&studio.library_dir(), args);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn names_in_errors_cannot_steer_the_terminal() {
    let studio = indexed(&["siren"]);
    for args in [
        ["similar", "/nowhere/\u{1b}[31m.wav"],
        ["index", "/nowhere/\u{1b}[31m.wav"],
    ] {
        let output = soundseek(&studio.library_dir(), &args);
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
    }
}
