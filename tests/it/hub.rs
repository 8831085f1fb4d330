//! `model get` against a hub on loopback, through the real binary by `HF_ENDPOINT`: what a download
//! leaves behind, what breaks it and does not, and what it refuses.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use soundseek::hub::{Hub, Repository, Settings};
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
struct Desk {
    folder: TempDir,
    server: HubServer,
}

impl Desk {
    fn with(manners: Manners) -> Desk {
        Desk::serving("clap-tiny-unfused", &FILES, manners)
    }

    fn serving(checkpoint: &str, files: &[&str], manners: Manners) -> Desk {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        Desk {
            folder: tempfile::tempdir().expect("a temporary folder"),
            server: HubServer::start(&data.join(checkpoint), files, manners),
        }
    }

    fn command(&self) -> Command {
        let mut command = command(&self.folder.path().join("library"));
        for name in [
            "HF_HUB_CACHE",
            "HF_TOKEN",
            "HF_TOKEN_PATH",
            "HF_HUB_OFFLINE",
            "http_proxy",
            "HTTP_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            command.env_remove(name);
        }
        command
            .env("HF_HOME", self.folder.path().join("hf"))
            .env("HF_ENDPOINT", self.server.address())
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        let output = self.command().args(args).output();
        output.expect("the binary runs")
    }

    fn get(&self) -> Output {
        self.run(&["model", "get", REPOSITORY, "--yes"])
    }

    /// What a run says that ends with an error; nothing of the model may be usable then.
    fn refusal(&self) -> String {
        let output = self.get();
        assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
        let used = self.run(&["model", "info", REPOSITORY]);
        assert_eq!(used.status.code(), Some(2));
        let text = stderr(&output);
        assert!(!text.contains('\u{1b}'), "{text}");
        text
    }

    fn place(&self) -> PathBuf {
        let place = "hf/hub/models--laion--clap-htsat-unfused";
        self.folder.path().join(place)
    }

    fn blob(&self, name: &str) -> PathBuf {
        self.place().join("blobs").join(self.server.hash(name))
    }

    fn incomplete(&self, name: &str) -> PathBuf {
        let mut path = self.blob(name).into_os_string();
        path.push(".incomplete");
        path.into()
    }

    /// Every part of a file that was asked for, as the first byte of it.
    fn parts(&self, name: &str) -> Vec<usize> {
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

    fn served(&self, name: &str) -> Vec<u8> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clap-tiny-unfused");
        fs::read(data.join(name)).expect("a file that is served")
    }

    fn assert_whole(&self) {
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
fn without_consent_nothing_comes_but_the_size_and_the_licence() {
    let desk = Desk::with(Manners::default());
    let output = desk.run(&["model", "get", "clap-htsat-unfused"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("to download into") && text.contains("licence: apache-2.0"),
        "{text}"
    );
    assert!(text.contains("say yes with --yes"), "{text}");
    assert!(!desk.place().exists());
    assert!(
        desk.server
            .questions()
            .iter()
            .all(|question| !question.to_store)
    );
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

fn desk_size() -> usize {
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
fn content_that_is_not_what_the_hub_says_is_never_kept() {
    let size = desk_size();
    let hash = Desk::with(Manners::default())
        .server
        .hash("model.safetensors");
    for (manners, expected) in [
        (
            Manners {
                alter: true,
                ..Manners::default()
            },
            format!("expected {hash}, received "),
        ),
        (
            Manners {
                announced: Some(size + 1),
                ..Manners::default()
            },
            format!("expected {size} bytes, received {} bytes", size + 1),
        ),
        (
            Manners {
                announced: Some(1),
                ..Manners::default()
            },
            format!("expected {size} bytes, received 1 bytes"),
        ),
    ] {
        let desk = Desk::with(manners);
        let text = desk.refusal();
        assert!(
            text.contains("model.safetensors of laion/clap-htsat-unfused"),
            "{text}"
        );
        assert!(text.contains(&expected), "{text}");
        let kept = [
            desk.blob("model.safetensors"),
            desk.incomplete("model.safetensors"),
        ];
        assert!(!kept.iter().any(|path| path.exists()));
    }
}

#[test]
fn a_part_that_is_not_the_one_asked_for_is_refused() {
    let desk = Desk::with(Manners {
        wrong_parts: true,
        ..Manners::default()
    });
    fs::create_dir_all(desk.place().join("blobs")).expect("made");
    let content = desk.served("model.safetensors");
    fs::write(desk.incomplete("model.safetensors"), &content[..1000]).expect("written");
    let text = desk.refusal();
    assert!(text.contains("expected bytes 1000 to"), "{text}");
}

#[test]
fn the_hub_s_refusals_say_what_to_do() {
    let desk = Desk::with(Manners::default());
    let refused = |name: &str| stderr(&desk.run(&["model", "get", name, "--yes"]));
    let text = refused("laion/nothing-here");
    assert!(
        text.contains("has no model laion/nothing-here") && text.contains("HF_TOKEN"),
        "{text}"
    );
    let text = refused("laion/clap-htsat-unfused@v9");
    assert!(
        text.contains("laion/clap-htsat-unfused@v9 is no revision"),
        "{text}"
    );

    let gated = Desk::with(Manners {
        gated: true,
        ..Manners::default()
    });
    let text = gated.refusal();
    assert!(
        text.contains("accept its terms")
            && text.contains("/laion/clap-htsat-unfused and set HF_TOKEN"),
        "{text}"
    );

    for (manners, says) in [
        (
            Manners {
                etag: Some("\"../../../x\""),
                ..Manners::default()
            },
            "no hash of the file",
        ),
        (
            Manners {
                redirect: Some("file:///etc/passwd"),
                ..Manners::default()
            },
            "a redirect to \"file:///etc/passwd\"",
        ),
        (
            Manners {
                redirect: Some(
                    "/laion/clap-htsat-unfused/resolve/0123456789abcdef0123456789abcdef01234567/model.safetensors",
                ),
                ..Manners::default()
            },
            "one redirect after another",
        ),
        (
            Manners {
                api: Some("<html>"),
                ..Manners::default()
            },
            "no description of a model",
        ),
        (
            Manners {
                api: Some(r#"{"sha": "../../../x"}"#),
                ..Manners::default()
            },
            "the commit \"../../../x\"",
        ),
        (
            Manners {
                api: Some(
                    r#"{"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [{"rfilename": "config.json"}]}"#,
                ),
                ..Manners::default()
            },
            "has no preprocessor_config.json, so it is no CLAP checkpoint",
        ),
    ] {
        let text = Desk::with(manners).refusal();
        assert!(text.contains(says), "{says}\n{text}");
    }
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let desk = Desk::with(Manners {
        token: Some("hf_secret"),
        ..Manners::default()
    });
    let text = desk.refusal();
    assert!(text.contains("or does not show it"), "{text}");
    // In a file, as `hf auth login` leaves it.
    fs::create_dir_all(desk.folder.path().join("hf")).expect("made");
    fs::write(desk.folder.path().join("hf/token"), "hf_secret\n").expect("written");
    let output = desk.get();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let questions = desk.server.questions();
    let (store, hub): (Vec<_>, Vec<_>) = questions.iter().partition(|question| question.to_store);
    assert!(!store.is_empty());
    assert!(
        store
            .iter()
            .all(|question| question.header("authorization").is_none())
    );
    let authorised = hub
        .iter()
        .filter(|question| question.header("authorization") == Some("Bearer hf_secret"));
    assert!(authorised.count() > 4);
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
fn a_server_that_falls_silent_is_given_up_and_what_came_is_kept() {
    let desk = Desk::with(Manners {
        silent: true,
        ..Manners::default()
    });
    let hub = Hub::new(Settings {
        cache: Some(desk.folder.path().join("hf/hub")),
        endpoint: desk.server.address(),
        token: None,
        token_file: None,
        offline: false,
        patience: Duration::from_millis(100),
        pause: Duration::from_millis(1),
    });
    let repository = Repository::parse(REPOSITORY).expect("a name");
    let offer = hub.offer(&repository).expect("an offer");
    let error = hub
        .download(&offer, &mut |_| {})
        .expect_err("nothing comes");
    assert!(error.is_passing(), "{error}");
    assert!(error.to_string().contains("config.json"), "{error}");
}

#[test]
fn offline_means_that_nobody_is_asked() {
    let desk = Desk::with(Manners::default());
    let mut get = desk.command();
    get.args(["model", "get", REPOSITORY, "--yes"]);
    let output = get.env("HF_HUB_OFFLINE", "1").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("HF_HUB_OFFLINE is set"),
        "{}",
        stderr(&output)
    );
    assert!(desk.server.questions().is_empty());
    // A hub that is not there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let mut get = desk.command();
    get.args(["model", "get", REPOSITORY, "--yes"]);
    let output = get.env("HF_ENDPOINT", &address).output().expect("it runs");
    let text = stderr(&output);
    assert!(
        text.contains(&address) && text.contains("HF_ENDPOINT names a mirror"),
        "{text}"
    );
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

/// The system's limit on the size of files stands for a full drive.
#[test]
#[cfg(unix)]
fn a_full_drive_is_said_and_what_came_is_kept() {
    let desk = Desk::with(Manners::default());
    let full = desk.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""]);
    shell
        .arg(full.get_program())
        .args(["model", "get", REPOSITORY, "--yes"]);
    for (name, value) in full.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.output().expect("a shell");
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("no room for model.safetensors of laion/clap-htsat-unfused"),
        "{text}"
    );
    let kept = fs::metadata(desk.incomplete("model.safetensors"))
        .expect("kept")
        .len();
    assert!(kept > 0);
    assert_eq!(desk.get().status.code(), Some(0));
    desk.assert_whole();
    assert_eq!(desk.parts("model.safetensors"), [0, kept as usize]);
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
