//! The real binary as its user runs it: output, JSON, exit status, refusals.

use std::fs;

use serde_json::Value;

use crate::support::{Studio, command, soundseek, stderr, stdout};

fn indexed() -> Studio {
    let studio = Studio::new();
    for sound in ["kick-drum", "siren", "flute"] {
        studio.put(sound, &format!("{sound}.wav"));
    }
    let sounds = studio.sounds();
    let output = soundseek(
        &studio.library_dir(),
        &["index", sounds.to_str().expect("Unicode")],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    studio
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

#[test]
fn index_then_search_answers_with_ranked_lines() {
    let studio = indexed();
    let output = soundseek(&studio.library_dir(), &["search", "a", "police", "siren"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let first = text.lines().next().expect("a line");
    assert!(
        first.starts_with("  1 ") && first.contains("siren.wav"),
        "{text}"
    );
}

#[test]
fn json_hits_have_the_documented_fields() {
    let studio = indexed();
    let output = soundseek(
        &studio.library_dir(),
        &["search", "a police siren", "--json"],
    );
    let hits = json_lines(&stdout(&output));
    assert_eq!(hits.len(), 3);
    for (place, hit) in hits.iter().enumerate() {
        assert_eq!(hit["schema"], 1);
        assert_eq!(hit["rank"], place + 1);
        assert_eq!(hit["start"], 0.0);
        assert!(hit["end"].as_f64() > Some(0.0));
        let similarity = hit["similarity"].as_f64().expect("a number");
        assert!((-1.0..=1.0).contains(&similarity));
        let strength = hit["strength"].as_f64().expect("a number");
        assert!((0.0..=1.0).contains(&strength));
        assert_eq!(hit["format"], "WAV");
        assert_eq!(hit["sample_rate"], 44_100);
    }
    let path = studio.sounds().join("siren.wav");
    assert_eq!(hits[0]["path"], path.to_str().expect("Unicode"));
}

#[test]
fn paths_end_with_nul_on_demand() {
    let studio = indexed();
    let output = soundseek(&studio.library_dir(), &["search", "siren", "-0", "-n", "2"]);
    let text = stdout(&output);
    let paths: Vec<_> = text.split_terminator('\0').collect();
    assert_eq!(paths.len(), 2);
    assert!(paths.iter().all(|path| fs::metadata(path).is_ok()));
}

#[test]
fn the_exit_status_tells_found_nothing_found_and_error_apart() {
    let studio = indexed();
    let code = |args: &[&str]| soundseek(&studio.library_dir(), args).status.code();
    assert_eq!(code(&["search", "siren"]), Some(0));
    assert_eq!(code(&["search", "siren", "--ext", "flac"]), Some(1));
    assert_eq!(code(&["search", "siren", "--longer", "x"]), Some(2));
    assert_eq!(code(&["search"]), Some(2));
    assert_eq!(code(&["similar", "/nowhere.wav"]), Some(2));
}

#[test]
fn searching_without_a_library_says_what_to_do_and_makes_none() {
    let studio = Studio::new();
    let output = soundseek(&studio.library_dir(), &["search", "siren"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("soundseek index DIR"), "{text}");
    assert!(
        text.contains(studio.library_dir().to_str().expect("Unicode")),
        "{text}"
    );
    assert!(!studio.library_dir().exists());
}

#[test]
fn a_failed_file_is_named_with_its_reason_and_makes_the_status_2() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    fs::write(studio.sounds().join("bad\u{1b}[31m.wav"), "no sound").expect("written");
    let sounds = studio.sounds();
    let sounds = sounds.to_str().expect("Unicode");
    let output = soundseek(&studio.library_dir(), &["index", sounds]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("bad\\u{1b}[31m.wav"),
        "{}",
        stderr(&output)
    );
    assert!(!stderr(&output).contains('\u{1b}'));
    assert!(
        stdout(&output).contains("1 file indexed"),
        "{}",
        stdout(&output)
    );

    let listed = soundseek(&studio.library_dir(), &["status", "--failed", "--json"]);
    let failures = json_lines(&stdout(&listed));
    assert_eq!(failures.len(), 1);
    assert!(
        failures[0]["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty())
    );
    // It is not tried again, so the next run has nothing to complain of.
    assert_eq!(
        soundseek(&studio.library_dir(), &["index"]).status.code(),
        Some(0)
    );
}

#[test]
fn status_counts_files_windows_and_failures() {
    let studio = indexed();
    fs::write(studio.sounds().join("bad.wav"), "no sound").expect("written");
    soundseek(&studio.library_dir(), &["index", "--quiet"]);
    let status = &json_lines(&stdout(&soundseek(
        &studio.library_dir(),
        &["status", "--json"],
    )))[0];
    assert_eq!(
        (&status["files"], &status["failed"]),
        (&Value::from(3), &Value::from(1))
    );
    assert!(status["windows"].as_u64() >= Some(3));
    assert_eq!(status["models"][0]["dimension"], 384);
    let text = stdout(&soundseek(&studio.library_dir(), &["status"]));
    assert!(
        text.contains("files    3") && text.contains("failed   1"),
        "{text}"
    );
}

#[test]
fn removed_folders_are_forgotten_with_their_vectors() {
    let studio = indexed();
    let sounds = studio.sounds();
    let sounds = sounds.to_str().expect("Unicode");
    let output = soundseek(&studio.library_dir(), &["remove", sounds]);
    assert_eq!(stdout(&output), "3 files forgotten\n");
    let status = &json_lines(&stdout(&soundseek(
        &studio.library_dir(),
        &["status", "--json"],
    )))[0];
    assert_eq!(
        (&status["files"], &status["windows"]),
        (&Value::from(0), &Value::from(0))
    );
    let again = soundseek(&studio.library_dir(), &["remove", sounds]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        fs::metadata(studio.sounds().join("siren.wav")).is_ok(),
        "files are never touched"
    );
}

#[test]
fn vectors_of_files_and_texts_are_printed_or_written_for_numpy() {
    let studio = indexed();
    let siren = studio.sounds().join("siren.wav");
    let siren = siren.to_str().expect("Unicode");
    let args = ["embed", siren, "--text", "a police siren"];
    let lines = json_lines(&stdout(&soundseek(&studio.library_dir(), &args)));
    assert_eq!(lines[0]["text"], "a police siren");
    assert_eq!(lines[1]["path"], siren);
    for line in &lines {
        let vector = line["vector"].as_array().expect("a vector");
        let square: f64 = vector
            .iter()
            .map(|x| x.as_f64().expect("a number").powi(2))
            .sum();
        assert_eq!(vector.len(), 384);
        // Rounding of 384 f32 squares stays below this.
        assert!((square - 1.0).abs() < 1e-5, "{square}");
    }
    let npy = studio.folder.path().join("vectors.npy");
    let npy_name = npy.to_str().expect("Unicode");
    soundseek(
        &studio.library_dir(),
        &[
            "embed",
            siren,
            "--text",
            "a police siren",
            "--npy",
            npy_name,
        ],
    );
    let bytes = fs::read(&npy).expect("written");
    let file = npyz::NpyFile::new(&bytes[..]).expect("a NumPy file");
    assert_eq!(file.shape(), [lines.len() as u64, 384]);
    let values: Vec<f32> = file.into_vec().expect("f32");
    let first: f64 = lines[0]["vector"][0].as_f64().expect("a number");
    assert_eq!(values[0], first as f32);
}

#[test]
fn the_demo_finds_what_it_made() {
    let studio = Studio::new();
    let keep = studio.folder.path().join("demo");
    let args = ["demo", "--keep", keep.to_str().expect("Unicode")];
    let output = soundseek(&studio.library_dir(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for query in soundseek::demo::DEMO_QUERIES {
        assert!(
            text.contains(&format!("soundseek search \"{query}\"")),
            "{text}"
        );
    }
    let library = keep.join("library");
    for query in soundseek::demo::DEMO_QUERIES {
        let sounds = soundseek::demo::sounds();
        let asked = sounds
            .iter()
            .find(|sound| sound.description == *query)
            .expect("its sound");
        let hits = json_lines(&stdout(&soundseek(&library, &["search", query, "--json"])));
        let best = hits[0]["path"].as_str().expect("a path");
        assert!(
            best.ends_with(&format!("{}.wav", asked.name)),
            "{query}: {best}"
        );
    }
    assert!(
        !studio.library_dir().exists(),
        "the demo leaves the user's library alone"
    );
}

#[test]
fn another_models_vectors_are_not_mixed_up_but_lie_side_by_side() {
    let studio = indexed();
    let with_other = |args: &[&str]| {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/clap-tiny-unfused");
        let mut command = command(&studio.library_dir());
        command
            .args(args)
            .args(["--model", model])
            .output()
            .expect("the binary runs")
    };
    let refused = with_other(&["search", "siren"]);
    assert_eq!(refused.status.code(), Some(2));
    let text = stderr(&refused);
    for part in ["builtin", "clap-tiny-unfused", "soundseek index"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }

    let before = stdout(&soundseek(
        &studio.library_dir(),
        &["search", "siren", "--json"],
    ));
    let output = with_other(&["index"]);
    assert!(
        stdout(&output).starts_with("3 files indexed"),
        "{}",
        stdout(&output)
    );
    assert_eq!(
        json_lines(&stdout(&with_other(&["search", "siren", "--json"]))).len(),
        3
    );
    let after = stdout(&soundseek(
        &studio.library_dir(),
        &["search", "siren", "--json"],
    ));
    assert_eq!(before, after);
    let status = &json_lines(&stdout(&soundseek(
        &studio.library_dir(),
        &["status", "--json"],
    )))[0];
    assert_eq!(status["files"], 3);
    let models = status["models"].as_array().expect("models");
    let mut dimensions: Vec<_> = models.iter().map(|m| m["dimension"].as_u64()).collect();
    dimensions.sort();
    assert_eq!(dimensions, [Some(24), Some(384)]);
}

#[test]
fn completions_and_the_man_page_know_every_command() {
    let studio = Studio::new();
    for args in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["man"],
    ] {
        let text = stdout(&soundseek(&studio.library_dir(), args));
        for command in [
            "index", "search", "similar", "demo", "embed", "status", "relink",
        ] {
            assert!(text.contains(command), "{args:?} lacks {command}");
        }
    }
}

#[test]
fn help_does_not_repeat_what_the_environment_says() {
    let studio = Studio::new();
    for args in [&["--help"][..], &["-h"], &["search", "--help"]] {
        let mut help = command(&studio.library_dir());
        for name in ["SOUNDSEEK_LIBRARY", "SOUNDSEEK_MODEL", "SOUNDSEEK_CONFIG"] {
            help.env(name, "\u{1b}]0;secret\u{7}");
        }
        let output = help.args(args).output().expect("the binary runs");
        let text = stdout(&output) + &stderr(&output);
        assert!(text.contains("SOUNDSEEK_LIBRARY"), "{text}");
        assert!(
            !text.contains("secret") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
}
