//! Models as people name them: the list, what is known of one, and what stands in an existing cache
//! of Hugging Face's programs; and the change of a library's model. No test here opens a connection.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use crossbeam_channel::unbounded;
use serde_json::Value;
use soundseek::embed::Embedder;
use soundseek::export::Desktop;
use soundseek::model::{Checkpoint, Device};
use soundseek::tui::worker::{IndexingState, Progress, Response, Workers};
use tempfile::TempDir;

use crate::support::{Studio, command, soundseek, stderr, stdout};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A cache folder of its own, and the binary that looks there.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Machine {
        Machine {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn command(&self) -> Command {
        let mut command = command(&self.folder.path().join("library"));
        command
            .env("HF_HOME", self.folder.path().join("hf"))
            .env_remove("HF_HUB_CACHE");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("the binary runs")
    }

    /// Puts a checkpoint into the cache as Hugging Face's programs do, but for the links.
    fn cache(&self, repository: &str, files: &[&str]) -> PathBuf {
        let name = format!("models--{}", repository.replace('/', "--"));
        let place = self.folder.path().join("hf/hub").join(name);
        let snapshot = place.join("snapshots").join(COMMIT);
        std::fs::create_dir_all(place.join("refs")).expect("made");
        std::fs::create_dir_all(&snapshot).expect("made");
        std::fs::write(place.join("refs/main"), COMMIT).expect("written");
        for file in files {
            std::fs::copy(tiny().join(file), snapshot.join(file)).expect("copied");
        }
        snapshot
    }
}

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clap-tiny-unfused")
}

const WHOLE: [&str; 4] = [
    "config.json",
    "preprocessor_config.json",
    "model.safetensors",
    "tokenizer.json",
];

fn json_lines(output: &Output) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    stdout(output).lines().map(line).collect()
}

#[test]
fn the_list_names_size_licence_and_use_and_what_is_downloaded() {
    let machine = Machine::new();
    machine.cache("laion/clap-htsat-unfused", &WHOLE);
    // Without its weights it is not there.
    machine.cache("laion/clap-htsat-fused", &WHOLE[..2]);
    let text = stdout(&machine.run(&["model", "list"]));
    for line in [
        "laion/clap-htsat-unfused  about 614 MB, apache-2.0, downloaded",
        "laion/clap-htsat-fused  about 614 MB, apache-2.0",
        "laion/larger_clap_general  about 776 MB, apache-2.0",
        "laion/larger_clap_music_and_speech  about 776 MB, apache-2.0",
    ] {
        assert!(text.lines().any(|listed| listed == line), "{line}\n{text}");
    }
    let models = json_lines(&machine.run(&["model", "list", "--json"]));
    let downloaded: Vec<_> = models.iter().map(|model| &model["downloaded"]).collect();
    assert_eq!(downloaded, [true, false, false, false]);
}

#[test]
fn a_model_in_an_existing_cache_is_used_by_every_name_it_has() {
    let machine = Machine::new();
    let snapshot = machine.cache("laion/clap-htsat-unfused", &WHOLE);
    let revision = format!("laion/clap-htsat-unfused@{COMMIT}");
    let fingerprints: Vec<_> = [
        "clap-htsat-unfused",
        "laion/clap-htsat-unfused",
        &revision,
        snapshot.to_str().expect("Unicode"),
    ]
    .into_iter()
    .map(|name| {
        let output = machine.run(&["model", "info", name, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        json_lines(&output)[0]["fingerprint"].clone()
    })
    .collect();
    assert!(fingerprints.iter().all(|one| one == &fingerprints[0]));

    let by_flag = machine.run(&["model", "info", "--model", "clap-htsat-unfused"]);
    assert!(stdout(&by_flag).contains("name         laion/clap-htsat-unfused\n"));
    let built_in = &json_lines(&machine.run(&["model", "info", "--json"]))[0];
    assert_eq!(
        (&built_in["name"], &built_in["dimension"]),
        (&"builtin".into(), &384.into())
    );
}

#[test]
fn a_model_that_is_not_there_is_refused_with_what_to_do() {
    let machine = Machine::new();
    for (name, says) in [
        (
            "clap-htsat-unfused",
            "`soundseek model get laion/clap-htsat-unfused` downloads it",
        ),
        (
            "clap",
            "is no model: expected `builtin`, a folder that is there",
        ),
        ("larger_clap_music", "its text tower is collapsed"),
        ("someone/../../x", "is no model"),
        ("./nowhere", "./nowhere is not a folder"),
    ] {
        let output = machine.run(&["embed", "--text", "a siren", "--model", name]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    // A reference that leads out of the cache leads nowhere.
    let snapshot = machine.cache("laion/clap-htsat-unfused", &WHOLE);
    let reference = snapshot.join("../../refs/main");
    std::fs::write(reference, "../../../../somewhere").expect("written");
    let output = machine.run(&["model", "info", "clap-htsat-unfused"]);
    assert!(
        stderr(&output).contains("not on this machine"),
        "{}",
        stderr(&output)
    );
}

/// A library of three sounds, one of them twice, indexed with the built-in model.
fn indexed() -> Studio {
    let studio = Studio::new();
    for sound in ["kick-drum", "siren", "flute"] {
        studio.put(sound, &format!("{sound}.wav"));
    }
    studio.put("siren", "copy/siren.wav");
    let sounds = studio.sounds();
    done(&studio, &["index", sounds.to_str().expect("Unicode")]);
    studio
}

/// What a command prints that ends well.
fn done(studio: &Studio, args: &[&str]) -> String {
    let output = soundseek(&studio.library_dir(), args);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{args:?}: {}",
        stderr(&output)
    );
    stdout(&output)
}

/// What a command says that ends with this status.
fn refused(studio: &Studio, status: i32, args: &[&str]) -> String {
    let output = soundseek(&studio.library_dir(), args);
    assert_eq!(output.status.code(), Some(status), "{args:?}");
    stderr(&output)
}

/// For each model of the library, how many files have its vectors.
fn files_with_vectors(studio: &Studio) -> Vec<(String, u64)> {
    let status: Value =
        serde_json::from_str(&done(studio, &["status", "--json"])).expect("a line of JSON");
    assert_eq!(status["files"], 4);
    let models = status["models"].as_array().expect("models").iter();
    let mut models: Vec<_> = models
        .map(|model| {
            let name = model["name"].as_str().expect("a name").to_owned();
            (name, model["files"].as_u64().expect("a number"))
        })
        .collect();
    models.sort();
    models
}

#[test]
fn another_model_is_chosen_indexed_with_and_the_old_one_dropped_when_asked() {
    let studio = indexed();
    let tiny = tiny();
    let tiny = tiny.to_str().expect("Unicode");
    let said = done(&studio, &["model", "use", tiny]);
    for part in [
        "4 of 4 files have no vectors of it",
        "`soundseek index`",
        "about ",
        "an estimate",
        "the vectors of builtin (3 sounds) stay",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let said = done(&studio, &["status"]);
    let lacking = format!("uses     {tiny} (no sound has vectors of it yet: `soundseek index`");
    assert!(said.contains(&lacking), "{said}");
    assert!(
        said.contains("model    builtin: 4 files, 3 sounds in "),
        "{said}"
    );

    // Nothing can be found with it yet, and that is said; the old one is a flag away.
    let said = refused(&studio, 2, &["search", "siren"]);
    assert!(said.contains("run `soundseek index`"), "{said}");
    done(&studio, &["search", "siren", "--model", "builtin"]);
    assert_eq!(files_with_vectors(&studio), [("builtin".to_owned(), 4)]);

    // Nothing about the files has changed, and yet all of them are embedded.
    let said = done(&studio, &["index"]);
    assert!(
        said.starts_with("3 files indexed") && said.contains("1 recognised"),
        "{said}"
    );
    let both = [
        ("builtin".to_owned(), 4),
        ("clap-tiny-unfused".to_owned(), 4),
    ];
    assert_eq!(files_with_vectors(&studio), both);
    let said = done(&studio, &["status"]);
    assert!(said.contains(&format!("uses     {tiny}\n")), "{said}");
    assert!(done(&studio, &["index"]).contains("4 unchanged"));
    done(&studio, &["search", "siren"]);
    // The library's model makes the vectors of `embed`, too, unless the environment names another.
    let length = |text: &str| {
        let line: Value = serde_json::from_str(text).expect("a line of JSON");
        line["vector"].as_array().expect("a vector").len()
    };
    let tiny_length = length(&done(&studio, &["embed", "--text", "a siren"]));
    let mut built_in = command(&studio.library_dir());
    let built_in = built_in.args(["embed", "--text", "a siren"]);
    let built_in = built_in
        .env("SOUNDSEEK_MODEL", "builtin")
        .output()
        .expect("it runs");
    assert_ne!(length(&stdout(&built_in)), tiny_length);

    let said = refused(&studio, 2, &["model", "remove", tiny]);
    assert!(
        said.contains("is the model that this library uses"),
        "{said}"
    );
    let said = refused(&studio, 2, &["model", "remove", "builtin"]);
    assert!(
        said.contains("3 sounds in") && said.contains("--yes"),
        "{said}"
    );
    assert_eq!(files_with_vectors(&studio), both);
    done(&studio, &["model", "remove", "builtin", "--yes"]);
    assert_eq!(files_with_vectors(&studio), both[1..]);
    refused(&studio, 1, &["model", "remove", "builtin", "--yes"]);
    done(&studio, &["search", "siren"]);
    let said = done(&studio, &["model", "use", "builtin"]);
    assert!(
        said.contains("4 of 4 files have no vectors of it"),
        "{said}"
    );
}

#[test]
fn the_terminal_ui_embeds_what_the_chosen_model_lacks_without_being_asked() {
    let studio = indexed();
    done(
        &studio,
        &["model", "use", tiny().to_str().expect("Unicode")],
    );
    let (sender, answers) = unbounded();
    let load = || Embedder::load(&Checkpoint::Folder(tiny()), Device::Cpu);
    let workers = Workers::start(
        studio.library(),
        Box::new(load),
        vec![],
        Desktop::new("".as_ref(), false),
        Arc::new(move |response| drop(sender.send(response))),
    );
    let outcome = answers.iter().find_map(|response| match response {
        Response::Indexing(Progress {
            state: IndexingState::Done(outcome),
            ..
        }) => Some(outcome),
        _ => None,
    });
    assert_eq!(
        outcome.expect("it indexes"),
        "3 files indexed, 1 recognised"
    );
    drop(workers);
    // The next time there is nothing to do.
    let (library, embedder) = (studio.library(), load().expect("the model"));
    let index = library.index_for_search(&embedder).expect("its vectors");
    assert!(!library.lacks_vectors_in(&index).expect("read"));
}

#[test]
fn only_what_lacks_vectors_of_the_chosen_model_is_counted() {
    let studio = indexed();
    studio.put("flute", "another.wav");
    let said = done(&studio, &["model", "use", "builtin"]);
    assert!(!said.contains("have no vectors"), "{said}");
    let tiny = tiny();
    let tiny = tiny.to_str().expect("Unicode");
    let one = studio.sounds().join("copy");
    // One file alone is indexed with the other model.
    done(
        &studio,
        &["index", one.to_str().expect("Unicode"), "--model", tiny],
    );
    let said = done(&studio, &["model", "use", tiny]);
    // The two sirens are one content.
    assert!(
        said.contains("2 of 4 files have no vectors of it"),
        "{said}"
    );
}

#[test]
fn a_model_that_is_not_there_is_not_chosen() {
    let studio = indexed();
    for name in ["clap-htsat-unfused", "./nowhere", "larger_clap_music"] {
        let mut choose = command(&studio.library_dir());
        let choose = choose.env("HF_HOME", studio.library_dir());
        let output = choose
            .args(["model", "use", name])
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(2));
    }
    assert!(!done(&studio, &["status"]).contains("uses "));
}
