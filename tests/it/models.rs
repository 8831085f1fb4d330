//! Models as people name them: the list, what is known of one, and what stands in an existing cache
//! of Hugging Face's programs. No test here opens a connection.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{command, stderr, stdout};

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
