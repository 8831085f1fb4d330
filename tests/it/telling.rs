//! What single files are told to be: by the labels of a set, or by given sentences; with what an earlier
//! run has kept of them, and what is no set.

use std::fs;

use serde_json::Value;
use soundseek::search::embed_file;

use crate::labels::{SET, json_lines, set_file, studio};
use crate::support::{Studio, command, embedder, soundseek, stderr, stdout};

#[test]
fn a_file_is_told_with_probabilities_that_make_one_indexed_or_not() {
    let studio = studio(&["siren"]);
    let inside = studio.sounds().join("siren.wav");
    let outside = studio.folder.path().join("outside.wav");
    fs::copy(&inside, &outside).expect("copied");
    let labels = set_file(&studio, SET);
    let (inside, outside) = (
        inside.to_str().expect("Unicode"),
        outside.to_str().expect("Unicode"),
    );
    let args = ["tag", inside, outside, "--labels", &labels, "--json"];
    let output = soundseek(&studio.library_dir(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = json_lines(&stdout(&output));
    assert_eq!(
        (&told[0]["path"], &told[1]["path"]),
        (&inside.into(), &outside.into())
    );
    for object in &told {
        assert_eq!(
            (&object["schema"], &object["set"]),
            (&1.into(), &"mine".into())
        );
        let labels = object["labels"].as_array().expect("labels");
        assert_eq!(labels[0]["label"], "siren");
        let p = |label: &Value| label["probability"].as_f64().expect("a number");
        let sum: f64 = labels.iter().map(p).sum();
        // Four f32 of about a quarter each, added and printed.
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        assert!(labels.windows(2).all(|pair| p(&pair[0]) >= p(&pair[1])));
    }
    // Stored vectors are those of the sound itself, to the bit.
    assert_eq!(told[0]["labels"], told[1]["labels"]);
    let text = stdout(&soundseek(
        &studio.library_dir(),
        &["tag", inside, "--set", "drums", "-n", "2"],
    ));
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn what_a_file_is_told_needs_no_library_and_a_bad_file_does_not_stop_the_others() {
    let studio = Studio::new();
    let siren = studio.put("siren", "siren.wav");
    let bad = studio.sounds().join("bad\u{1b}.wav");
    fs::write(&bad, "no sound").expect("written");
    let labels = set_file(&studio, SET);
    let paths = [
        bad.to_str().expect("Unicode"),
        siren.to_str().expect("Unicode"),
    ];
    let args = ["tag", paths[0], paths[1], "--labels", &labels, "-n", "1"];
    let output = soundseek(&studio.library_dir(), &args);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("bad\\u{1b}.wav") && !stderr(&output).contains('\u{1b}'));
    assert!(stdout(&output).contains("siren.wav") && stdout(&output).contains("  siren\n"));
    assert!(!studio.library_dir().exists());
}

#[test]
fn sentences_are_ranked_by_how_well_they_describe_a_sound() {
    let studio = Studio::new();
    let siren = studio.put("siren", "siren.wav");
    let from = studio.folder.path().join("texts.txt");
    fs::write(
        &from,
        "a calm flute\n\na police siren\na police siren\na kick drum\n",
    )
    .expect("written");
    let (siren, from) = (
        siren.to_str().expect("Unicode"),
        from.to_str().expect("Unicode"),
    );
    let run = |args: &[&str]| soundseek(&studio.library_dir(), args);
    let output = run(&["captions", siren, "--from", from, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let ranked = json_lines(&stdout(&output));
    assert_eq!(ranked.len(), 3, "each sentence once");
    assert_eq!(
        (&ranked[0]["rank"], &ranked[0]["text"]),
        (&1.into(), &"a police siren".into())
    );
    let query = embedder().embed_text("a police siren").expect("embedded");
    let moments = embed_file(embedder(), siren.as_ref(), None).expect("decoded");
    let cosines = moments.iter().map(|(_, vector)| vector.dot(&query));
    let mean = cosines.sum::<f32>() / moments.len() as f32;
    let similarity = ranked[0]["similarity"].as_f64().expect("a number");
    // The same f32 summed in another order, and written as JSON.
    assert!(
        (similarity - f64::from(mean)).abs() < 1e-5,
        "{similarity} {mean}"
    );
    fs::write(from, "\n \n").expect("written");
    let empty = run(&["captions", siren, "--from", from]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(
        stderr(&empty).contains("has no sentences"),
        "{}",
        stderr(&empty)
    );
}

#[test]
fn captions_are_kept_for_the_next_run_and_a_damaged_file_is_made_again() {
    let studio = Studio::new();
    let siren = studio.put("siren", "siren.wav");
    let siren = siren.to_str().expect("Unicode");
    let cache = studio.folder.path().join("cache");
    let tag = |more: &[&str]| {
        let output = command(&studio.library_dir())
            .args(["tag", siren, "--set", "drums", "--json"])
            .args(more)
            .env("XDG_CACHE_HOME", &cache)
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let files = || {
        let entries = fs::read_dir(cache.join("soundseek/texts")).expect("a folder");
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("readable").path())
            .collect();
        files.sort();
        files
    };
    let first = tag(&[]);
    let [file] = &files()[..] else {
        panic!("not one file: {:?}", files());
    };
    let whole = fs::read(file).expect("read");
    assert_eq!(tag(&[]), first);
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 64;
    for bad in [&damaged[..], &whole[..100], &[]] {
        fs::write(file, bad).expect("written");
        assert_eq!(tag(&[]), first);
        assert_eq!(fs::read(file).expect("read"), whole);
    }
    // What decides the vectors has a file of its own.
    let captioned = tag(&["--template", "the noise of {}"]);
    assert_ne!(captioned, first);
    tag(&["--precision", "int8"]);
    assert_eq!(files().len(), 3);
    assert_eq!(tag(&[]), first);
    // Where nothing can be written, everything is computed.
    fs::remove_dir_all(&cache).expect("removed");
    fs::write(&cache, "no folder").expect("written");
    assert_eq!(tag(&[]), first);
}

#[test]
fn bad_sets_and_settings_are_refused_with_the_file_and_the_line() {
    let studio = studio(&["siren"]);
    let siren = studio.sounds().join("siren.wav");
    let siren = siren.to_str().expect("Unicode");
    let run = |args: &[&str]| soundseek(&studio.library_dir(), args);
    let labels = set_file(&studio, "a\nb\tc\td\n");
    for (args, expected) in [
        (
            &["tag", siren, "--labels", &labels][..],
            "line 2 is not LABEL or LABEL<TAB>PHRASE",
        ),
        (&["tag", siren, "--labels", "/nowhere.txt"], "/nowhere.txt"),
        (
            &["tag", siren, "--set", "birds"],
            "there is no set of labels 'birds'",
        ),
        (
            &["tag", siren, "--template", "a sound"],
            "{} where the label stands",
        ),
        (&["tag", "--all", "--threshold", "2"], "from 0 to 1"),
        (&["tag"], "there is nothing to label"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(expected),
            "{args:?}: {}",
            stderr(&output)
        );
    }
    let path = studio.folder.path().join("latin.txt");
    fs::write(&path, b"kick\ncaf\xe9\n").expect("written");
    let output = run(&["tag", siren, "--labels", path.to_str().expect("Unicode")]);
    assert!(
        stderr(&output).contains("line 2 is not UTF-8"),
        "{}",
        stderr(&output)
    );
}
