//! The terminal itself: taken over, given back in every way that the program can end or stop.
//!
//! It stands apart because it is all effects. Raw mode, the alternate screen, the mouse and bracketed
//! paste are on between [`Screen::enter`] and the drop of it; a panic of the thread that draws gives
//! the terminal back before its message is printed, and panics of workers, which are caught and told
//! in the UI, print nothing into it.

use std::io::{Stdout, Write, stdout};
use std::sync::Once;
use std::thread::ThreadId;

use anyhow::{Context, Result};
use crossbeam_channel::Sender;
use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal};

use super::Event;
#[cfg(unix)]
use super::Signal;

/// The terminal while the program has it.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn enter() -> Result<Screen> {
        restore_on_panic(std::thread::current().id());
        take().context("the terminal cannot be taken over")?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))
            .inspect_err(|_| give_back())
            .context("the terminal cannot be drawn on")?;
        Ok(Screen { terminal })
    }

    /// Columns and rows.
    ///
    /// # Errors
    ///
    /// When the terminal does not say.
    pub fn size(&self) -> Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draws a frame; only what has changed is written.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be written.
    pub fn draw(&mut self, how: impl FnOnce(&mut Frame)) -> Result<()> {
        self.terminal
            .draw(how)
            .context("the terminal cannot be written")?;
        Ok(())
    }

    /// Takes the terminal over again and forgets what is on it, so that the next frame draws it all.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be written.
    pub fn redraw(&mut self) -> Result<()> {
        take()?;
        // Not `clear`, which asks the terminal where the cursor is: the answer would come to the
        // thread that waits for keys, and this one would give up after two seconds.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))?;
        Ok(())
    }

    /// Puts a text onto the clipboard of whoever sits at the terminal, also over ssh (OSC 52).
    ///
    /// # Errors
    ///
    /// When the terminal cannot be written; one that does not know how passes it over.
    pub fn copy(&mut self, text: &[u8]) -> Result<()> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
            .context("the terminal cannot be written")
    }

    /// Gives the terminal back and stops the program, until the shell continues it.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be written.
    pub fn suspend(&mut self) -> Result<()> {
        #[cfg(unix)]
        {
            give_back();
            signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
            self.redraw()?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> std::io::Result<()> {
    enable_raw_mode()?;
    execute!(
        stdout(),
        EnterAlternateScreen,
        EnableMouseCapture,
        EnableBracketedPaste
    )
}

/// Gives the terminal back; what fails of it, nothing can be done about.
fn give_back() {
    let _ = execute!(
        stdout(),
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
    let _ = stdout().flush();
}

/// Gives the terminal back before a panic of this thread is told; keeps those of others off it.
fn restore_on_panic(drawing: ThreadId) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == drawing {
                give_back();
                tell(panic);
            }
        }));
    });
}

/// Hears what the system asks for, so that the terminal is given back before the program ends.
///
/// # Errors
///
/// When the system does not let the program listen.
#[cfg(unix)]
pub fn listen_to_signals(sender: &Sender<Event>) -> Result<()> {
    use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
    let mut signals =
        signal_hook::iterator::Signals::new([SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP])
            .context("signals cannot be heard")?;
    let sender = sender.clone();
    std::thread::spawn(move || {
        for number in signals.forever() {
            let signal = match number {
                SIGTSTP => Signal::Suspend,
                SIGCONT => Signal::Continue,
                _ => Signal::End,
            };
            if sender.send(Event::Signal(signal)).is_err() {
                // A refusal leaves the program to end by itself.
                let _ = signal_hook::low_level::emulate_default_handler(number);
            }
        }
    });
    Ok(())
}

/// Other systems have keys for all of it.
///
/// # Errors
///
/// Never.
#[cfg(not(unix))]
pub fn listen_to_signals(_sender: &Sender<Event>) -> Result<()> {
    Ok(())
}
