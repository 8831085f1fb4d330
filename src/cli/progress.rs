//! Progress of indexing: a live line on a terminal, a plain line now and then elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use soundseek::display::{count, printable, printable_path};
use soundseek::ingest::{Control, IngestEvent};

use super::complain;

/// How often a plain line is written where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// What is shown while indexing.
pub struct Progress {
    quiet: bool,
    control: Arc<Control>,
    /// On a terminal; hidden until the folders have been walked.
    bar: Option<ProgressBar>,
    state: RefCell<State>,
}

struct State {
    to_do: usize,
    done: usize,
    failed: usize,
    segments: usize,
    audio_s: f64,
    started: Instant,
    told: Instant,
}

impl Progress {
    /// Shows nothing but failures when `quiet`.
    pub fn new(quiet: bool, control: Arc<Control>) -> Progress {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let now = Instant::now();
        let state = State {
            to_do: 0,
            done: 0,
            failed: 0,
            segments: 0,
            audio_s: 0.0,
            started: now,
            told: now,
        };
        Progress {
            quiet,
            control,
            bar: terminal.then(|| {
                let bar = ProgressBar::new_spinner().with_message("looking for sounds");
                bar.enable_steady_tick(Duration::from_millis(100));
                bar
            }),
            state: RefCell::new(state),
        }
    }

    /// Takes the next event.
    pub fn show(&self, event: &IngestEvent<'_>) {
        let mut state = self.state.borrow_mut();
        match event {
            IngestEvent::Scanned {
                found,
                to_do,
                bytes,
            } => {
                state.to_do = *to_do;
                state.started = Instant::now();
                self.say(&format!(
                    "{} found, {to_do} to index",
                    count(*found, "sound")
                ));
                if let Some(bar) = &self.bar {
                    bar.set_length(*bytes);
                    // The template is a constant that a test of indexing on a terminal covers.
                    if let Ok(style) = ProgressStyle::with_template(
                        "{spinner} {wide_bar} {percent:>3}%  {msg}  ETA {eta}",
                    ) {
                        bar.set_style(style);
                    }
                    bar.reset_elapsed();
                }
            }
            IngestEvent::Offline { root, reason } => self.warn(&format!(
                "{} is offline ({}): its files are kept; `soundseek remove` forgets them",
                printable_path(root),
                printable(reason)
            )),
            IngestEvent::Unreadable(place) => {
                let path = printable_path(&place.path);
                self.warn(&format!(
                    "{path} cannot be read: {}",
                    printable(&place.reason)
                ));
            }
            IngestEvent::Embedded { segments } => state.segments += segments,
            IngestEvent::Indexed {
                bytes, duration_s, ..
            } => {
                state.done += 1;
                state.audio_s += duration_s.unwrap_or(0.0);
                self.advance(*bytes);
            }
            IngestEvent::Failed {
                path,
                bytes,
                reason,
            } => {
                state.done += 1;
                state.failed += 1;
                self.warn(&format!("{}: {}", printable_path(path), printable(reason)));
                self.advance(*bytes);
            }
        }
        let line = state.line();
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None if state.told.elapsed() >= PLAIN_EVERY => {
                state.told = Instant::now();
                self.say(&line);
            }
            None => {}
        }
    }

    /// Tells how far the graph of a large library is built.
    pub fn show_graph(&self, done: usize, total: usize) {
        let line = format!("linking neighbours: {done} of {total} segments");
        let mut state = self.state.borrow_mut();
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None if state.told.elapsed() >= PLAIN_EVERY => {
                state.told = Instant::now();
                self.say(&line);
            }
            None => {}
        }
    }

    /// Clears the live line.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    fn warn(&self, text: &str) {
        // Once interrupted, what a person waits for is the end.
        if !self.control.is_cancelled() {
            match &self.bar {
                Some(bar) => bar.suspend(|| complain(text)),
                None => complain(text),
            }
        }
    }
}

impl State {
    fn line(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let failed = if self.failed > 0 {
            format!(", {} failed", self.failed)
        } else {
            String::new()
        };
        format!(
            "{}/{} files, {:.0} segments/s, {:.1} h of sound{failed}",
            self.done,
            self.to_do,
            self.segments as f64 / seconds,
            self.audio_s / 3600.0,
        )
    }
}
