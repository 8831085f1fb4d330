//! The promise that nothing leaves the machine: the real binary, under a filter of the system that ends
//! a process at its first try to open a socket to anything but another program on the same machine.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use termlens::{Key, Terminal};

use crate::support::{Studio, command, stderr};

/// Sockets between programs of one machine, by the number that Linux has for them.
const AF_UNIX: u64 = 1;

/// The signal of a process that the filter has ended.
const SIGSYS: i32 = 31;

/// The numbers of the calls that open sockets, or could without being seen.
#[cfg(target_arch = "x86_64")]
const CALLS: (i64, i64) = (41, 425);
#[cfg(target_arch = "aarch64")]
const CALLS: (i64, i64) = (198, 425);

/// Runs what starts processes on a thread under the filter; they have it from there.
fn without_network<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let elsewhere = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, AF_UNIX);
    let rule = SeccompRule::new(vec![elsewhere.expect("a condition")]).expect("a rule");
    let (socket, io_uring) = CALLS;
    let filter = SeccompFilter::new(
        BTreeMap::from([(socket, vec![rule]), (io_uring, vec![])]),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        std::env::consts::ARCH
            .try_into()
            .expect("a known processor"),
    );
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    std::thread::scope(|scope| {
        let filtered = scope.spawn(|| {
            apply_filter(&program).expect("the system takes the filter");
            work()
        });
        filtered.join().expect("the work does not panic")
    })
}

/// What the next test runs as a process of its own.
#[test]
fn a_connection_is_tried() {
    if std::env::var_os("SOUNDSEEK_TEST_CONNECTS").is_some() {
        // Whether anyone answers there is nothing to the filter.
        let _ = TcpStream::connect(("127.0.0.1", 9));
    }
}

#[test]
fn the_filter_ends_a_process_that_tries_to_connect() {
    let connect = || -> ExitStatus {
        let itself = std::env::current_exe().expect("known");
        Command::new(itself)
            .args(["--exact", "no_network::a_connection_is_tried"])
            .env("SOUNDSEEK_TEST_CONNECTS", "1")
            .output()
            .expect("it runs")
            .status
    };
    assert!(connect().success());
    let status = without_network(connect);
    // The test harness runs the test on a thread of its own; the whole process ends.
    assert_eq!(status.signal(), Some(SIGSYS), "{status:?}");
}

#[test]
fn the_whole_flow_opens_no_connection() {
    let studio = Studio::new();
    for sound in ["kick-drum", "siren"] {
        studio.put(sound, &format!("{sound}.wav"));
    }
    let library = studio.library_dir();
    let sounds = studio.sounds();
    let sounds = sounds.to_str().expect("Unicode");
    let siren = format!("{sounds}/siren.wav");
    let texts = studio.sounds().join("texts.txt");
    std::fs::write(&texts, "a siren\na kick drum\n").expect("written");
    let texts = texts.to_str().expect("Unicode");
    for args in [
        &["demo"][..],
        &["index", sounds],
        &["search", "a police siren"],
        &["search", "siren", "--like", &siren, "--json"],
        &["similar", &siren],
        &["embed", &siren, "--text", "a siren"],
        &["status"],
        &["status", "--json"],
        &["roots"],
        &["tag", &siren, "--set", "drums"],
        &["tag", "--all", "--set", "drums"],
        &["captions", &siren, "--from", texts],
        &["model", "list"],
        &["model", "info"],
        &["model", "use", "builtin"],
        &["adapt", "--from-names"],
        &["compact"],
        &["repair"],
        &["remove", &siren],
        &["man"],
        &["completions", "bash"],
    ] {
        let output = without_network(|| command(&library).args(args).output());
        let output = output.expect("the binary runs");
        // Two sounds teach nothing, which is an error.
        let expected = if args[0] == "adapt" { 2 } else { 0 };
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(expected), "{args:?}: {told}");
    }
    let moved = studio.folder.path().join("moved");
    std::fs::rename(studio.sounds(), &moved).expect("moved");
    let mut relink = command(&library);
    relink
        .arg("relink")
        .args([sounds.as_ref(), moved.as_path()]);
    let output = without_network(|| relink.output()).expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn following_changes_opens_no_connection() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick-drum.wav");
    let mut watch = command(&studio.library_dir());
    watch.arg("watch").arg(studio.sounds());
    watch.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = without_network(|| watch.spawn()).expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("read");
    assert!(line().starts_with("1 file indexed"));
    studio.put("siren", "siren.wav");
    assert!(line().starts_with("1 file indexed"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_session_in_the_terminal_opens_no_connection() {
    let studio = Studio::new();
    studio.put("siren", "siren.wav");
    let library = studio.library_dir();
    let mut index = command(&library);
    let indexed = index.arg("index").arg(studio.sounds()).output();
    assert!(indexed.expect("the binary runs").status.success());
    let status = without_network(|| {
        let mut terminal = Terminal::builder()
            .size(100, 30)
            // Far more than any step takes.
            .timeout(Duration::from_secs(120))
            .env_clear()
            .env("TERM", "xterm-256color")
            .env("SOUNDSEEK_LIBRARY", &library)
            .env("SOUNDSEEK_CONFIG", library.join("no-settings.toml"))
            .spawn(env!("CARGO_BIN_EXE_soundseek"))
            .expect("the binary starts");
        terminal
            .wait_until(|screen| screen.contains("siren.wav"))
            .expect("the sound is listed");
        terminal.send_str("siren").expect("typed");
        terminal
            .wait_until(|screen| screen.contains("1 result"))
            .expect("it is found");
        // A new process, which has a device for sounds or says that there is none.
        terminal.send(Key::Enter).expect("sent");
        terminal.send(Key::Char(' ')).expect("sent");
        studio.put("kick-drum", "kick-drum.wav");
        terminal.send(Key::Char('R')).expect("sent");
        terminal
            .wait_until(|screen| screen.contains("2 results"))
            .expect("what is new is indexed");
        terminal.send(Key::Char('q')).expect("sent");
        terminal.wait_exit().expect("it ends")
    });
    assert!(status.success(), "{status:?}");
}
