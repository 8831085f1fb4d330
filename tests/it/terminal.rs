//! The real binary in a real pseudo-terminal: what a person sees from the first key to the last, and
//! that the terminal is as it was afterwards.
//!
//! Every wait is for something on the screen; the limit is only how long a loaded machine may take.

use std::path::Path;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::process::{Pid, WaitOptions, kill_process, waitpid};
use soundseek::tui::Screen as OwnScreen;
use termlens::{Key, Screen, Signal, Terminal};

use crate::corpora::sonic_pi;
use crate::support::Studio;

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(120);

/// The first line of the list when the query has no parts shown below it, and when it has.
const FIRST_ROW: u16 = 2;
const FIRST_ROW_BELOW_PARTS: u16 = 3;

fn start(library: &Path, arguments: &[&Path]) -> Terminal {
    let nowhere = library.join("no-settings.toml");
    Terminal::builder()
        .size(100, 30)
        .timeout(LIMIT)
        .env_clear()
        .env("TERM", "xterm-256color")
        .env("COLORTERM", "truecolor")
        .env("SOUNDSEEK_LIBRARY", library)
        .env("SOUNDSEEK_CONFIG", nowhere)
        .args(arguments)
        .spawn(env!("CARGO_BIN_EXE_soundseek"))
        .expect("the binary starts")
}

/// Half blocks whose upper and lower half have colours of their own, as the spectrogram is made of.
fn coloured_half_blocks(screen: &Screen) -> usize {
    let cells = (0..screen.rows()).flat_map(|row| (0..screen.cols()).map(move |col| (row, col)));
    let half_blocks = cells.filter(|&(row, col)| {
        let cell = screen.cell(row, col);
        cell.is_some_and(|cell| cell.contents() == "▀")
    });
    half_blocks.count()
}

/// Types a description, finds `expected`, asks for more like it, looks at its spectrogram, and quits.
fn session(mut terminal: Terminal, description: &str, expected: &str) {
    let wait = |terminal: &mut Terminal, what: &str, seen: &dyn Fn(&Screen) -> bool| {
        terminal.wait_until(seen).expect(what);
    };
    wait(&mut terminal, "all sounds are listed", &|screen| {
        screen.contains("all sounds")
    });
    terminal.send_str(description).expect("typed");
    wait(&mut terminal, "the sound is found", &|screen| {
        screen.contains(description) && screen.row_text(FIRST_ROW).contains(expected)
    });
    terminal.send(Key::Enter).expect("sent");
    terminal.send(Key::Char('s')).expect("sent");
    wait(&mut terminal, "the sound is the query", &|screen| {
        let asked = screen.row_text(1).contains(&format!("♪ {expected}"));
        let first = screen.row_text(FIRST_ROW_BELOW_PARTS);
        asked && first.contains(" 1 ") && !first.contains(expected)
    });
    terminal.send(Key::Char('v')).expect("sent");
    wait(&mut terminal, "the spectrogram is drawn", &|screen| {
        coloured_half_blocks(screen) > 100
    });
    terminal.send(Key::Ctrl('l')).expect("sent");
    terminal.send(Key::Char('q')).expect("sent");
    leave(terminal);
}

/// The program ends well and the terminal is as it was.
fn leave(mut terminal: Terminal) {
    let status = terminal.wait_exit().expect("it ends");
    assert!(status.success(), "{status:?}");
    let screen = terminal.screen();
    assert!(!screen.alternate_screen(), "the shell's screen is back");
    assert!(screen.cursor_visible(), "and its cursor");
    assert!(screen.mouse_modes().is_empty() && !screen.bracketed_paste());
    assert_eq!(screen.text().trim(), "", "nothing was left on it");
}

#[test]
fn a_session_from_the_first_key_to_the_last() {
    let studio = Studio::new();
    for sound in ["kick-drum", "siren", "church-bell", "piano", "rain"] {
        studio.put(sound, &format!("{sound}.wav"));
    }
    studio.index();
    let terminal = start(&studio.library_dir(), &[]);
    session(terminal, "a kick drum", "kick-drum.wav");
}

#[test]
fn a_session_on_real_samples() {
    let Some(library) = sonic_pi() else {
        return;
    };
    let (studio, _) = &*library.lock().expect("the other tests passed");
    let terminal = start(&studio.library_dir(), &[]);
    session(terminal, "burp", "misc_burp.flac");
}

#[test]
fn a_folder_that_is_named_is_indexed_while_one_types() {
    let studio = Studio::new();
    studio.put("siren", "alarms/siren.wav");
    studio.put("piano", "music/piano.wav");
    let mut terminal = start(&studio.library_dir(), &[&studio.sounds()]);
    // What is typed before the program has the terminal is echoed by the system, and stays.
    terminal
        .wait_until(|screen| screen.contains("describe a sound"))
        .expect("the first frame");
    terminal.send_str("a police siren").expect("typed");
    terminal
        .wait_until(|screen| screen.row_text(FIRST_ROW).contains("siren.wav"))
        .expect("what was indexed joins the results");
    terminal
        .wait_until(|screen| screen.contains("2 files indexed"))
        .expect("the end is told");
    terminal.send(Key::Ctrl('c')).expect("sent");
    leave(terminal);
}

#[test]
fn the_terminal_is_given_back_when_the_system_ends_the_program() {
    let studio = Studio::new();
    let mut terminal = start(&studio.library_dir(), &[]);
    terminal
        .wait_until(|screen| screen.contains("No sounds are indexed yet"))
        .expect("an empty library says so");
    terminal.signal(Signal::Term).expect("sent");
    leave(terminal);
}

#[cfg(target_os = "linux")]
fn process(terminal: &Terminal) -> Pid {
    let pid = terminal.pid().expect("it runs").cast_signed();
    Pid::from_raw(pid).expect("a process")
}

/// Waits until the program has stopped, by itself or by a signal.
#[cfg(target_os = "linux")]
fn wait_until_stopped(process: Pid) {
    let waited = waitpid(Some(process), WaitOptions::UNTRACED).expect("it is ours to wait for");
    assert!(waited.is_some_and(|(_, status)| status.stopped()));
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_z_gives_the_terminal_back_until_the_shell_continues_the_program() {
    let studio = Studio::new();
    studio.put("siren", "siren.wav");
    studio.index();
    let mut terminal = start(&studio.library_dir(), &[]);
    let listed = |screen: &Screen| screen.contains("siren.wav") && screen.alternate_screen();
    terminal.wait_until(listed).expect("the list");
    terminal.send(Key::Ctrl('z')).expect("sent");
    let process = process(&terminal);
    wait_until_stopped(process);
    let given_back = |screen: &Screen| !screen.alternate_screen();
    terminal.wait_until(given_back).expect("the shell's screen");
    let screen = terminal.screen();
    assert!(screen.cursor_visible());
    assert!(screen.mouse_modes().is_empty() && !screen.bracketed_paste());
    kill_process(process, rustix::process::Signal::CONT).expect("continued");
    terminal.wait_until(listed).expect("the list is back");
    terminal.send(Key::Ctrl('c')).expect("sent");
    leave(terminal);
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_and_a_new_size_that_come_at_once_are_both_taken() {
    let studio = Studio::new();
    let mut terminal = start(&studio.library_dir(), &[]);
    terminal
        .wait_until(|screen| screen.contains("describe a sound"))
        .expect("the first frame");
    let process = process(&terminal);
    let mut typed = String::new();
    for (letter, columns) in "rainfall".chars().zip(90..) {
        kill_process(process, rustix::process::Signal::STOP).expect("sent");
        wait_until_stopped(process);
        terminal.resize(columns, 30).expect("another size");
        terminal.send(Key::Char(letter)).expect("sent");
        kill_process(process, rustix::process::Signal::CONT).expect("continued");
        typed.push(letter);
        let taken = |screen: &Screen| {
            let ruled = screen.row_text(1).matches('─').count();
            screen.contains(&typed) && ruled == usize::from(columns)
        };
        terminal.wait_until(taken).expect("the letter, as wide");
    }
    terminal.send(Key::Ctrl('c')).expect("sent");
    leave(terminal);
}

/// What [`a_panic_gives_the_terminal_back_before_it_is_told`] starts.
#[test]
#[ignore = "it breaks on purpose: another test starts it in a terminal of its own"]
fn a_program_that_breaks_while_it_draws() {
    let mut screen = OwnScreen::enter().expect("a terminal");
    screen
        .draw(|frame| frame.render_widget("half a frame", frame.area()))
        .expect("drawn");
    panic!("a defect of the drawing");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let program = std::env::current_exe().expect("the tests' own program");
    let test = "terminal::a_program_that_breaks_while_it_draws";
    let mut terminal = Terminal::builder()
        .size(100, 30)
        .timeout(LIMIT)
        .args([test, "--exact", "--ignored", "--nocapture"])
        .spawn(program)
        .expect("the program starts");
    let status = terminal.wait_exit().expect("it ends");
    assert!(!status.success());
    let screen = terminal.screen();
    assert!(!screen.alternate_screen(), "the shell's screen is back");
    assert!(screen.cursor_visible());
    assert!(screen.mouse_modes().is_empty() && !screen.bracketed_paste());
    let text = screen.text();
    assert!(
        text.contains("a defect of the drawing") && !text.contains("half a frame"),
        "the message is on the shell's screen, and nothing else: {text}"
    );
}
