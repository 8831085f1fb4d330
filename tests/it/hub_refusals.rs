//! What `model get` refuses, and what it says then: hubs that refuse, lie or fall silent, and drives
//! without room.

use std::fs;
use std::process::Command;
use std::time::Duration;

use soundseek::hub::{Hub, Repository, Settings};

use crate::hub::{Desk, desk_size};
use crate::hub_server::{Manners, REPOSITORY};
use crate::support::stderr;

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
        free_bytes: |_| None,
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
fn a_drive_with_too_little_room_is_said_before_anything_comes() {
    let desk = Desk::with(Manners::default());
    let hub = |free_bytes| {
        Hub::new(Settings {
            cache: Some(desk.folder.path().join("hf/hub")),
            endpoint: desk.server.address(),
            token: None,
            token_file: None,
            offline: false,
            patience: Duration::from_secs(60),
            pause: Duration::from_millis(1),
            free_bytes,
        })
    };
    let repository = Repository::parse(REPOSITORY).expect("a name");
    let offer = hub(|_| None).offer(&repository).expect("an offer");
    let small = hub(|_| Some(100_000));
    let error = small
        .download(&offer, &mut |_| {})
        .expect_err("there is no room");
    let text = error.to_string();
    assert!(
        text.contains("100.00 kB are free") && text.contains("HF_HOME"),
        "{text}"
    );
    assert!(!desk.place().exists());
    // It is the drive of a folder that is there which is asked.
    let asked = hub(|folder| folder.is_dir().then_some(u64::MAX));
    asked.check_room(&offer).expect("room");
    asked.download(&offer, &mut |_| {}).expect("downloaded");
    desk.assert_whole();
}
