//! `model get` against a hub on loopback, through the real binary by `HF_ENDPOINT`: what a download
//! leaves behind, and what breaks it and does not.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use termlens::{Key, Terminal};

use crate::hub_server::{COMMIT, HubServer, Manners, REPOSITORY};
use crate::support::{command, stderr, stdout};

/// Far more than a loaded machine takes to ask a question.
const LIMIT: Duration = Duration::from_secs(120);

const FILES: [&str; 4] = [
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "model.safetensors",
];

/// A machine with an empty cache, and a hub.
pub struct Desk {
    pub folder: TempDir,
    pub server: HubServer,
}

impl Desk {
    pub fn with(manners: Manners) -> Desk {
        Desk::serving("clap-tiny-unfused", &FILES, manners)
    }

    fn serving(checkpoint: &str, files: &[&str], manners: Manners) -> Desk {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        Desk {
            folder: tempfile::tempdir().expect("a temporary folder"),
            server: HubServer::start(&data.join(checkpoint), files, manners),
        }
    }

    pub fn command(&self) -> Command {
        let mut command = command(&self.folder.path().join("library"));
        for name in [
            "HF_HUB_CACHE",
            "HF_TOKEN",
            "HF_TOKEN_PATH",
            "HF_HUB_OFFLINE",
            "http_proxy",
            "HTTP_PROXY",
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
            "no_proxy",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
        ] {
            command.env_remove(name);
        }
        command
            .env("HF_HOME", self.folder.path().join("hf"))
            .env("HF_ENDPOINT", self.server.address())
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        let output = self.command().args(args).output();
        output.expect("the binary runs")
    }

    pub fn get(&self) -> Output {
        self.run(&["model", "get", REPOSITORY, "--yes"])
    }

    /// What a run says that ends with an error; nothing of the model may be usable then.
    pub fn refusal(&self) -> String {
        let output = self.get();
        assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
        let used = self.run(&["model", "info", REPOSITORY]);
        assert_eq!(used.status.code(), Some(2));
        let text = stderr(&output);
        assert!(!text.contains('\u{1b}'), "{text}");
        text
    }

    pub fn place(&self) -> PathBuf {
        let place = "hf/hub/models--laion--clap-htsat-unfused";
        self.folder.path().join(place)
    }

    pub fn blob(&self, name: &str) -> PathBuf {
        self.place().join("blobs").join(self.server.hash(name))
    }

    pub fn incomplete(&self, name: &str) -> PathBuf {
        let mut path = self.blob(name).into_os_string();
        path.push(".incomplete");
        path.into()
    }

    /// Every part of a file that was asked for, as the first byte of it.
    pub fn parts(&self, name: &str) -> Vec<usize> {
        let questions = self.server.questions();
        let of_file = questions.iter().filter(|question| {
            question.to_store && question.method == "GET" && question.path.ends_with(name)
        });
        let first = |range: &str| {
            range["bytes=".len()..range.len() - 1]
                .parse()
                .expect("a number")
        };
        of_file
            .map(|question| question.header("range").map_or(0, first))
            .collect()
    }

    pub fn served(&self, name: &str) -> Vec<u8> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clap-tiny-unfused");
        fs::read(data.join(name)).expect("a file that is served")
    }

    pub fn assert_whole(&self) {
        for name in FILES {
            let snapshot = self.place().join("snapshots").join(COMMIT).join(name);
            assert_eq!(
                fs::read(snapshot).expect("a file"),
                self.served(name),
                "{name}"
            );
            assert!(!self.incomplete(name).exists(), "{name}");
        }
    }
}

#[test]
fn a_model_is_downloaded_into_the_layout_of_hugging_face_s_cache_and_used() {
    let desk = Desk::with(Manners::default());
    let output = desk.get();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let snapshot = desk.place().join("snapshots").join(COMMIT);
    assert_eq!(
        stdout(&output),
        format!("{REPOSITORY} is in {}\n", snapshot.display())
    );
    desk.assert_whole();
    for name in FILES {
        assert_eq!(
            fs::read(desk.blob(name)).expect("a content"),
            desk.served(name)
        );
        #[cfg(unix)]
        assert_eq!(
            fs::read_link(snapshot.join(name)).expect("a link"),
            Path::new("../../blobs").join(desk.server.hash(name))
        );
    }
    assert_eq!(
        fs::read_to_string(desk.place().join("refs/main")).expect("a reference"),
        COMMIT
    );
    // The names that the hub lists are not what is written: ../../x is nowhere.
    let mut there: Vec<_> = fs::read_dir(&snapshot)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("Unicode")
        })
        .collect();
    there.sort();
    let mut expected = FILES.to_vec();
    expected.sort_unstable();
    assert_eq!(there, expected);
    assert!(!desk.place().join("x").exists() && !Path::new("/tmp/x").exists());

    // From now on nothing is asked for.
    let before = desk.server.questions().len();
    assert_eq!(desk.get().status.code(), Some(0));
    for name in [REPOSITORY, "clap-htsat-unfused"] {
        let used = desk.run(&["embed", "--text", "a siren", "--model", name]);
        assert_eq!(used.status.code(), Some(0), "{}", stderr(&used));
    }
    assert_eq!(desk.server.questions().len(), before);
}

#[test]
fn a_download_that_breaks_again_and_again_goes_on_where_it_broke() {
    let desk = Desk::with(Manners {
        cut_after: Some(300_000),
        ..Manners::default()
    });
    let output = desk.get();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    desk.assert_whole();
    let size = desk.served("model.safetensors").len();
    let expected: Vec<_> = (0..size).step_by(300_000).collect();
    assert!(
        expected.len() > 1,
        "the weights are too small for this test"
    );
    assert_eq!(desk.parts("model.safetensors"), expected);
}

#[test]
fn what_an_earlier_run_left_is_not_downloaded_again() {
    let desk = Desk::with(Manners::default());
    let content = desk.served("model.safetensors");
    fs::create_dir_all(desk.place().join("blobs")).expect("made");
    fs::write(desk.incomplete("model.safetensors"), &content[..1000]).expect("written");
    assert_eq!(desk.get().status.code(), Some(0));
    desk.assert_whole();
    assert_eq!(desk.parts("model.safetensors"), [1000]);
}

#[test]
fn a_spoiled_beginning_is_downloaded_again() {
    for spoiled in [
        vec![0; 1000],
        vec![0; desk_size()],
        vec![0; desk_size() + 1],
    ] {
        let desk = Desk::with(Manners::default());
        fs::create_dir_all(desk.place().join("blobs")).expect("made");
        fs::write(desk.incomplete("model.safetensors"), &spoiled).expect("written");
        let output = desk.get();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        desk.assert_whole();
    }
}

/// The bytes of the weights.
pub fn desk_size() -> usize {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clap-tiny-unfused");
    let weights = fs::metadata(data.join("model.safetensors"));
    weights.expect("the weights").len() as usize
}

#[test]
fn a_server_that_sends_no_parts_sends_the_whole() {
    let desk = Desk::with(Manners {
        no_parts: true,
        ..Manners::default()
    });
    fs::create_dir_all(desk.place().join("blobs")).expect("made");
    let content = desk.served("model.safetensors");
    fs::write(desk.incomplete("model.safetensors"), &content[..1000]).expect("written");
    assert_eq!(desk.get().status.code(), Some(0));
    desk.assert_whole();
}

#[test]
fn a_renamed_repository_and_a_named_revision_are_found() {
    let desk = Desk::with(Manners::default());
    for name in ["laion/old-name", "laion/clap-htsat-unfused@refs/pr/1"] {
        let output = desk.run(&["model", "get", name, "--yes"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let output = desk.run(&["model", "info", name]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let output = desk.run(&["model", "info", &format!("{REPOSITORY}@{COMMIT}")]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_slow_server_and_one_that_has_a_bad_moment_are_waited_for() {
    let desk = Desk::with(Manners {
        slow: true,
        failing: vec![503].into(),
        ..Manners::default()
    });
    let output = desk.get();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    desk.assert_whole();
}

#[test]
fn a_file_that_another_program_downloads_is_waited_for_and_not_downloaded_twice() {
    let desk = Desk::with(Manners::default());
    let locks = desk
        .folder
        .path()
        .join("hf/hub/.locks/models--laion--clap-htsat-unfused");
    fs::create_dir_all(&locks).expect("made");
    let name = format!("{}.lock", desk.server.hash("model.safetensors"));
    let lock = File::create(locks.join(name)).expect("made");
    lock.lock().expect("locked");
    let mut get = desk.command();
    get.args(["model", "get", REPOSITORY, "--yes"]);
    let mut running = get
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(running.stderr.take().expect("piped")).lines();
    let line = lines.next().expect("a line").expect("text");
    assert!(
        line.contains("another program downloads model.safetensors"),
        "{line}"
    );
    fs::create_dir_all(desk.place().join("blobs")).expect("made");
    fs::write(
        desk.blob("model.safetensors"),
        desk.served("model.safetensors"),
    )
    .expect("written");
    drop(lock);
    assert_eq!(running.wait().expect("it ends").code(), Some(0));
    desk.assert_whole();
    assert!(desk.parts("model.safetensors").is_empty());
}

#[test]
fn consent_is_asked_for_at_a_terminal() {
    let desk = Desk::with(Manners::default());
    for (answer, says) in [("n", "nothing was downloaded"), ("y", "is in ")] {
        let mut terminal = Terminal::builder().size(200, 30).timeout(LIMIT).env_clear();
        for (name, value) in desk.command().get_envs() {
            if let Some(value) = value {
                terminal = terminal.env(name, value);
            }
        }
        let mut terminal = terminal
            .args(["model", "get", REPOSITORY])
            .spawn(env!("CARGO_BIN_EXE_soundseek"))
            .expect("the binary starts");
        let asked = terminal.wait_until(|screen| screen.contains("Download it? [y/N]"));
        asked.expect("it asks");
        terminal.send_str(answer).expect("typed");
        terminal.send(Key::Enter).expect("sent");
        terminal
            .wait_until(|screen| screen.contains(says))
            .expect(says);
        assert_eq!(desk.place().join("refs/main").exists(), answer == "y");
    }
    desk.assert_whole();
}

/// Where the copy lies follows the platform; here it is known.
#[test]
#[cfg(target_os = "linux")]
fn a_model_that_has_only_a_pickle_is_copied_once_to_what_can_be_mapped() {
    let files = [
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "pytorch_model.bin",
    ];
    let desk = Desk::serving("clap-tiny-fused", &files, Manners::default());
    let output = desk.get();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let copies = desk.folder.path().join("cache/soundseek/converted");
    let copies: Vec<_> = fs::read_dir(copies)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let [copy] = &copies[..] else {
        panic!("one copy, not {copies:?}");
    };
    // With the copy and without it the model is the same one.
    let ask = |args: &[&str], cache: &str| {
        let mut ask = desk.command();
        let ask = ask.env("XDG_CACHE_HOME", desk.folder.path().join(cache));
        ask.args(args)
            .args(["--model", REPOSITORY])
            .output()
            .expect("it runs")
    };
    for args in [&["model", "info"][..], &["embed", "--text", "a siren"]] {
        let (with, without) = (ask(args, "cache"), ask(args, "another"));
        assert_eq!(with.status.code(), Some(0), "{}", stderr(&with));
        assert_eq!(stdout(&with), stdout(&without));
    }
    // That it is the copy which is read, another model's weights in its place show.
    let whole = fs::read(copy).expect("the copy");
    fs::write(copy, desk.served("model.safetensors")).expect("written");
    assert_eq!(
        ask(&["embed", "--text", "a siren"], "cache").status.code(),
        Some(2)
    );
    // One that is cut short is as good as none.
    fs::write(copy, &whole[..whole.len() - 1]).expect("written");
    assert_eq!(
        ask(&["embed", "--text", "a siren"], "cache").status.code(),
        Some(0)
    );
}
