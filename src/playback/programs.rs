//! The ordinary command-line players as a device: what remains where ALSA's library cannot open one.
//!
//! Each is given an endless stream on its standard input, so that no file is written and any place
//! of any sound can be played; a sound that is broken off is silenced by ending the program.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::output::{Device, Output, OutputError};
use crate::search_path::SearchPath;

/// The players that are looked for, best first: those that reach a sound server before those that
/// want the card for themselves.
pub const PLAYERS: [&str; 5] = ["pw-play", "paplay", "aplay", "ffplay", "mpv"];

const RATE_HZ: u32 = 48_000;

/// How far the stream may run ahead of the time that passes: enough for a player to begin with.
const LEAD: Duration = Duration::from_millis(200);

/// How a player reads stereo 32-bit floats at 48 kHz from its standard input.
fn arguments(player: &str) -> &'static [&'static str] {
    match player {
        "pw-play" => &[
            "--raw",
            "--rate=48000",
            "--channels=2",
            "--format=f32",
            "--latency=50ms",
            "-",
        ],
        "paplay" => &[
            "--raw",
            "--rate=48000",
            "--channels=2",
            "--format=float32le",
            "--latency-msec=50",
        ],
        "aplay" => &[
            "--quiet",
            "--file-type=raw",
            "--rate=48000",
            "--channels=2",
            "--format=FLOAT_LE",
            "--buffer-time=100000",
        ],
        // A WAV header says what the options of its many versions would; without the limits it waits
        // for more of the stream than is ever ahead.
        "ffplay" => &[
            "-nodisp",
            "-autoexit",
            "-loglevel",
            "quiet",
            "-f",
            "wav",
            "-probesize",
            "64",
            "-analyzeduration",
            "0",
            "-fflags",
            "nobuffer",
            "-i",
            "pipe:0",
        ],
        _ => &[
            "--no-terminal",
            "--no-video",
            "--no-config",
            "--cache=no",
            "--audio-buffer=0.05",
            "--demuxer=rawaudio",
            "--demuxer-rawaudio-rate=48000",
            "--demuxer-rawaudio-channels=2",
            "--demuxer-rawaudio-format=floatle",
            "-",
        ],
    }
}

/// Whether a player wants a WAV header before the samples.
fn wants_header(player: &str) -> bool {
    player == "ffplay"
}

/// The header of a WAV stream without an end: 32-bit floats (format 3 of RFC 2361), the lengths at
/// their largest.
fn header() -> Vec<u8> {
    let mut header = Vec::with_capacity(44);
    header.extend(b"RIFF\xff\xff\xff\xffWAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(3_u16.to_le_bytes());
    header.extend(2_u16.to_le_bytes());
    header.extend(RATE_HZ.to_le_bytes());
    header.extend((RATE_HZ * 8).to_le_bytes());
    header.extend(8_u16.to_le_bytes());
    header.extend(32_u16.to_le_bytes());
    header.extend(b"data\xff\xff\xff\xff");
    header
}

/// One of the [`PLAYERS`].
#[derive(Debug, Clone)]
pub struct ProgramPlayer {
    player: &'static str,
    program: PathBuf,
}

impl ProgramPlayer {
    /// Those of the [`PLAYERS`] that lie in a folder of `path`, a list as in `PATH`, best first.
    pub fn found_on(path: &OsStr) -> Vec<ProgramPlayer> {
        let path = SearchPath::new(path);
        let find = |player: &'static str| {
            let program = path.find(player)?;
            Some(ProgramPlayer { player, program })
        };
        PLAYERS.into_iter().filter_map(find).collect()
    }
}

impl Device for ProgramPlayer {
    fn name(&self) -> String {
        self.player.to_owned()
    }

    fn open(&self) -> Result<Box<dyn Output>, OutputError> {
        let running = Running::start(self)?;
        Ok(Box::new(Stream {
            program: self.clone(),
            running: Some(running),
        }))
    }
}

/// A player that is opened, whether or not its program runs.
struct Stream {
    program: ProgramPlayer,
    running: Option<Running>,
}

struct Running {
    child: Child,
    began: Instant,
    frames: u64,
    bytes: Vec<u8>,
}

impl Running {
    fn start(program: &ProgramPlayer) -> Result<Running, OutputError> {
        let child = Command::new(&program.program)
            .args(arguments(program.player))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| OutputError::new(program.player, error))?;
        let bytes = if wants_header(program.player) {
            header()
        } else {
            Vec::new()
        };
        Ok(Running {
            child,
            began: Instant::now(),
            frames: 0,
            bytes,
        })
    }

    /// How far the stream is ahead of the time that has passed.
    fn lead(&self) -> Duration {
        let written = Duration::from_secs_f64(self.frames as f64 / f64::from(RATE_HZ));
        written.saturating_sub(self.began.elapsed())
    }

    fn write(&mut self, frames: &[f32]) -> std::io::Result<()> {
        self.bytes
            .extend(frames.iter().flat_map(|sample| sample.to_le_bytes()));
        if let Some(input) = &mut self.child.stdin {
            input.write_all(&self.bytes)?;
        }
        self.bytes.clear();
        self.frames += (frames.len() / 2) as u64;
        std::thread::sleep(self.lead().saturating_sub(LEAD));
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output for Stream {
    fn rate_hz(&self) -> u32 {
        RATE_HZ
    }

    fn write(&mut self, frames: &[f32]) -> Result<(), OutputError> {
        let running = match &mut self.running {
            Some(running) => running,
            None => self.running.insert(Running::start(&self.program)?),
        };
        running.write(frames).map_err(|error| {
            let reason = match running.child.try_wait() {
                Ok(Some(status)) => format!("it ended with {status}"),
                _ => error.to_string(),
            };
            OutputError::new(self.program.player, reason)
        })
    }

    fn queued(&mut self) -> usize {
        let lead = self.running.as_ref().map_or(Duration::ZERO, Running::lead);
        (lead.as_secs_f64() * f64::from(RATE_HZ)) as usize
    }

    fn interrupt(&mut self) {
        self.running = None;
    }
}
