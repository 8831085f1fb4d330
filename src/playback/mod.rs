//! Playing sounds: a handle whose calls never wait, in front of a thread that decodes and writes to
//! whatever makes sound here.
//!
//! [`Player`] takes the latest wish and drops the ones before it. Behind it, one thread decodes
//! ahead (`source`), another (`engine`) feeds the opened [`Output`]: ALSA through its library
//! loaded at run time, or one of the ordinary command-line players, on Linux; cpal elsewhere. The
//! device is opened at the first sound and released about a second after the last one, so that
//! other programs can have it; where there is none, [`PlaybackEvent::Failed`] says so in one line.
//!
//! It stands apart from [`crate::audio`] because it is about time that passes: nothing in there
//! knows a device, nothing in here knows a format.

#[cfg(target_os = "linux")]
mod alsa;
mod capture;
#[cfg(not(target_os = "linux"))]
mod device;
mod engine;
mod output;
mod programs;
mod source;

use std::path::PathBuf;

use crossbeam_channel::Sender;

#[cfg(target_os = "linux")]
pub use alsa::Alsa;
pub use capture::Capture;
#[cfg(not(target_os = "linux"))]
pub use device::SystemDevice;
use engine::{Command, Engine};
pub use output::{Device, Output, OutputError};
pub use programs::{PLAYERS, ProgramPlayer};

/// A sound to be played.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// The file, of any kind that [`crate::audio`] decodes.
    pub path: PathBuf,
    /// Where to begin, in seconds from the start of the file.
    pub start_s: f64,
    /// Where to stop or turn back; `None` for the end of the file.
    pub end_s: Option<f64>,
    /// Whether to turn back to `start_s` at the end.
    pub looped: bool,
}

/// Tells plays of one [`Player`] apart; chosen by whoever plays, and returned in the events.
pub type PlayId = u64;

/// What happens to a play. Sent from the player's thread, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaybackEvent {
    /// Its first samples have been written.
    Started {
        /// Which play.
        play: PlayId,
        /// What makes the sound, such as `ALSA default` or `paplay`.
        output: String,
    },
    /// Where in the file the sound is that is heard now; about 25 times a second.
    Position {
        /// Which play.
        play: PlayId,
        /// Seconds from the start of the file.
        at_s: f64,
    },
    /// It was heard to its end.
    Ended {
        /// Which play.
        play: PlayId,
    },
    /// It cannot be played, or not any further.
    Failed {
        /// Which play.
        play: PlayId,
        /// Why, and what to do, in one line.
        message: String,
    },
}

/// Plays one sound at a time on a thread of its own; no call waits.
///
/// Sound fades over a few milliseconds wherever it is broken off or begins inside a file, so that
/// nothing clicks; a file's own beginning is left as sharp as it is.
///
/// Dropping it ends the sound and the thread.
pub struct Player {
    commands: Sender<Command>,
}

impl Player {
    /// A player on the first of `devices` that works; they are tried in order at each opening.
    ///
    /// `on_event` is called on the player's thread and should return soon.
    pub fn new(
        devices: Vec<Box<dyn Device>>,
        on_event: impl Fn(PlaybackEvent) + Send + 'static,
    ) -> Player {
        let (commands, inbox) = crossbeam_channel::unbounded();
        let started = std::thread::Builder::new()
            .name("playback".into())
            .spawn(|| Engine::new(devices, inbox, Box::new(on_event)).run());
        // A system without another thread to give plays nothing, and the commands go nowhere.
        drop(started);
        Player { commands }
    }

    /// Plays `play` from its start, in place of what is playing. `id` names it in the events.
    pub fn play(&self, id: PlayId, play: Play) {
        self.send(Command::Play(id, play));
    }

    /// Falls silent. There is no event: no [`PlaybackEvent::Ended`] follows for what was playing.
    pub fn stop(&self) {
        self.send(Command::Stop);
    }

    /// Goes on at another place of the file that is playing; does nothing when none is.
    pub fn seek(&self, to_s: f64) {
        self.send(Command::Seek(to_s));
    }

    /// Whether what is playing turns back at its end.
    pub fn set_looped(&self, looped: bool) {
        self.send(Command::Loop(looped));
    }

    /// The loudness, from 0 (silent) to 1 (as in the file; the volume before this is ever called).
    /// It is squared, so that the steps of a slider sound even; a half is -12 dB.
    pub fn set_volume(&self, volume: f32) {
        self.send(Command::Volume(volume));
    }

    fn send(&self, command: Command) {
        // Only fails when the thread is gone, and then there is no sound to be controlled.
        let _ = self.commands.send(command);
    }
}

/// The devices of this system, best first: on Linux the ALSA device of this name (`default` for
/// `None`, which reaches PipeWire and PulseAudio too), then the [`PLAYERS`] on the `PATH`;
/// elsewhere the system's device of this name, or its default.
pub fn devices(name: Option<&str>) -> Vec<Box<dyn Device>> {
    let mut devices: Vec<Box<dyn Device>> = Vec::new();
    #[cfg(target_os = "linux")]
    devices.push(Box::new(Alsa::new(name.unwrap_or("default"))));
    #[cfg(not(target_os = "linux"))]
    devices.push(Box::new(SystemDevice::new(name)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    for player in ProgramPlayer::found_on(&path) {
        devices.push(Box::new(player));
    }
    devices
}
