//! The terminal UI: search while typing, see what was found, and ask for more like it.
//!
//! State, update and drawing are apart. [`update`] changes the [`App`] by an [`Action`] and gives
//! [`Command`]s; [`draw`] reads the state; keys become actions by the [`KeyMap`]. What takes time runs
//! in [`worker`] threads. Here are only the one loop over a closed set of events, and what ties the
//! rest to a terminal.

mod action;
mod app;
mod config;
mod fit;
mod keys;
mod layout;
mod line;
mod mouse;
mod offers;
mod terminal;
mod theme;
mod view;
pub mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use crossbeam_channel::{Receiver, Sender, unbounded};
use crossterm::event::{Event as TerminalEvent, KeyEvent, KeyEventKind, MouseEvent};

use crate::export::Desktop;
use crate::library::Library;
use crate::playback::devices;
pub use action::Action;
pub use app::{
    App, Ask, Command, Drawing, FilterRow, Hearing, Marked, Mode, Narrowing, Notice, Opening,
    Query, Results, Row, Surroundings, update,
};
pub use config::Config;
pub use keys::{Chord, KeyMap, OwnKeys};
pub use layout::{Areas, LEAST_HEIGHT, LEAST_WIDTH, Openings};
pub use line::Line;
pub use mouse::action_of as mouse_action;
pub use offers::{Context, OFFERS, Offer};
pub use terminal::Screen;
pub use theme::{ColourDepth, Ground, Palette, Rgb, Theme};
pub use view::{draw, spectrogram, strip, waveform};
use worker::{LoadModel, Response, Workers};

/// What the loop hears.
#[derive(Debug)]
enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// A text was pasted.
    Paste(String),
    /// The terminal has another size, which the loop asks for before each frame.
    Resized,
    /// A worker has something to say.
    Worker(Response),
    /// The system asks for something.
    Signal(Signal),
    /// The terminal can no longer be read.
    Lost(String),
}

/// What the system asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "other systems send none"))]
enum Signal {
    /// To end.
    End,
    /// To stop until continued.
    Suspend,
    /// It goes on after a stop.
    Continue,
}

/// What the terminal UI is started with.
pub struct Session {
    /// The open library.
    pub library: Library,
    /// Loads the model.
    pub load_model: LoadModel,
    /// Folders to index while searching.
    pub folders: Vec<PathBuf>,
    /// Keys, colours and the rest of what a person has set.
    pub config: Config,
}

/// Runs the terminal UI until the person leaves it.
///
/// # Errors
///
/// When there is no terminal, or it is lost; the terminal is as it was before in any case.
pub fn run(session: Session) -> Result<()> {
    let keys = KeyMap::new(&session.config.keys)?;
    let theme = session.config.theme(|name| std::env::var(name).ok());
    let hearing = Hearing::new(session.config.volume, session.config.audition);
    let mut app = App::new(keys, theme, hearing);
    let desktop = Desktop::of_environment();
    app.around = Surroundings {
        has_screen: desktop.has_screen(),
        drag_source: desktop.drag_source(),
        open: session.config.open.clone(),
        in_tmux: std::env::var_os("TMUX").is_some(),
    };
    let (sender, events) = unbounded();
    terminal::listen_to_signals(&sender)?;
    let mut screen = Screen::enter()?;
    listen_to_terminal(&sender);
    let answer = {
        let sender = sender.clone();
        // Nobody listens any more when the loop has ended, which is when the workers are ended too.
        Arc::new(move |response| drop(sender.send(Event::Worker(response))))
    };
    let workers = Workers::start(
        session.library,
        session.load_model,
        devices(session.config.device.as_deref()),
        desktop,
        answer,
    );
    workers.player().set_volume(app.hearing.volume);
    let mut commands = vec![];
    if !session.folders.is_empty() {
        commands = update(&mut app, Action::Index(session.folders));
    }
    let outcome = serve(&mut app, &mut screen, &workers, &events, commands);
    // The person has the shell back while the last file is finished.
    drop(screen);
    // From here on a signal does what it does to any program, should a worker take long to end.
    drop(events);
    drop(workers);
    outcome
}

/// The loop: what has been asked for is done, a frame is drawn, and the next event is waited for.
/// Events that have come in the meantime share a frame.
fn serve(
    app: &mut App,
    screen: &mut Screen,
    workers: &Workers,
    events: &Receiver<Event>,
    mut commands: Vec<Command>,
) -> Result<()> {
    loop {
        let size = screen.size()?;
        if size != app.size {
            commands.extend(update(app, Action::Resize(size.0, size.1)));
        }
        for command in commands.drain(..) {
            match command {
                Command::Search(request) => workers.search(request),
                Command::Draw(request) => workers.draw(request),
                Command::Match(request) => workers.compare(request),
                Command::Play(id, play) => workers.player().play(id, play),
                Command::Stop => workers.player().stop(),
                Command::Seek(to_s) => workers.player().seek(to_s),
                Command::SetLoop(looped) => workers.player().set_looped(looped),
                Command::SetVolume(volume) => workers.player().set_volume(volume),
                Command::Chart => workers.chart(),
                Command::Act(task) => workers.act(task),
                Command::CopyText(text) => screen.copy(&text)?,
                Command::Index(folders) => workers.index(folders),
                Command::PauseIndexing(pause) => workers.pause_indexing(pause),
                Command::Redraw => screen.redraw()?,
                Command::Suspend => screen.suspend()?,
                Command::Quit => return Ok(()),
            }
        }
        screen.draw(|frame| draw(app, frame))?;
        let mut event = events.recv().context("the terminal is gone")?;
        loop {
            if let Event::Lost(reason) = event {
                anyhow::bail!("the terminal cannot be read: {reason}");
            }
            if let Some(action) = action_of(app, event) {
                commands.extend(update(app, action));
            }
            match events.try_recv() {
                Ok(next) => event = next,
                Err(_) => break,
            }
        }
    }
}

/// What an event means for the state, if anything.
fn action_of(app: &App, event: Event) -> Option<Action> {
    match event {
        Event::Key(key) => app.action_of(Chord::of(&key)),
        Event::Mouse(mouse) => mouse::action_of(app, &mouse),
        Event::Paste(text) => Some(Action::Paste(text)),
        Event::Worker(response) => Some(Action::Answer(Box::new(response))),
        Event::Signal(Signal::End) => Some(Action::Quit),
        Event::Signal(Signal::Suspend) => Some(Action::Suspend),
        Event::Signal(Signal::Continue) => Some(Action::Redraw),
        Event::Resized | Event::Lost(_) => None,
    }
}

/// Reads the terminal on a thread of its own, which ends with the program.
fn listen_to_terminal(sender: &Sender<Event>) {
    let sender = sender.clone();
    std::thread::spawn(move || {
        loop {
            let event = match crossterm::event::read() {
                Ok(TerminalEvent::Key(key)) if key.kind != KeyEventKind::Release => Event::Key(key),
                Ok(TerminalEvent::Mouse(mouse)) => Event::Mouse(mouse),
                Ok(TerminalEvent::Paste(text)) => Event::Paste(text),
                Ok(TerminalEvent::Resize(..)) => Event::Resized,
                Ok(_) => continue,
                Err(error) => Event::Lost(error.to_string()),
            };
            let lost = matches!(event, Event::Lost(_));
            if sender.send(event).is_err() || lost {
                return;
            }
        }
    });
}
