//! The player's thread: commands in, frames to the device, events out.
//!
//! It waits in one of two places only: for a command or the next decoded chunk, or in the device's
//! own write, which lasts about as long as the block that is written. So a command acts within a
//! block. All time is counted in frames; there is no clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Select, TryRecvError};

use super::output::{Device, Output, OutputError};
use super::source::{Chunk, Part, decode_ahead};
use super::{Play, PlayId, PlaybackEvent};
use crate::audio::DecodeError;

/// Frames written at a time: 10 ms at 48 kHz.
const BLOCK_FRAMES: usize = 480;

/// Blocks from one [`PlaybackEvent::Position`] to the next: 25 a second at 48 kHz.
const BLOCKS_PER_POSITION: u64 = 4;

/// Frames over which sound that is broken off fades out: 5 ms at 48 kHz.
const FADE_FRAMES: usize = 240;

/// Seconds of silence after the last sound before the device is released; the next sound within it
/// starts without opening the device anew.
const IDLE_S: f64 = 1.0;

/// A wish of the player's owner.
pub(super) enum Command {
    Play(PlayId, Play),
    Stop,
    Seek(f64),
    Loop(bool),
    Volume(f32),
}

pub(super) struct Engine {
    devices: Vec<Box<dyn Device>>,
    commands: Receiver<Command>,
    on_event: Box<dyn Fn(PlaybackEvent) + Send>,
    opened: Option<Opened>,
    playing: Option<Playing>,
    /// The faded end of what was broken off, to be mixed into the next block; interleaved.
    tail: Vec<f32>,
    /// The gain of the last sample written, and the one that is wanted.
    gain: f32,
    wanted_gain: f32,
}

struct Opened {
    name: String,
    /// Its place among the devices.
    number: usize,
    output: Box<dyn Output>,
    /// Frames of silence since the last sound.
    silent: usize,
}

struct Playing {
    id: PlayId,
    part: Part,
    looped: Arc<AtomicBool>,
    chunks: Receiver<Result<Chunk, DecodeError>>,
    /// Whether no more chunks are wanted.
    ended: bool,
    rate_hz: u32,
    /// The chunk that is being taken up, and the next sample in it.
    chunk: Option<Chunk>,
    next: usize,
    /// The lap of what was taken up last.
    lap: u64,
    /// The samples to be written next; complete at [`BLOCK_FRAMES`].
    block: Vec<f32>,
    /// The place of the block's first frame in the file, in seconds.
    at_s: f64,
    /// Blocks written.
    blocks: u64,
    /// Frames of silence still to be written before the end has been heard.
    ending: Option<usize>,
}

/// What the decoder has for the next block.
enum Next {
    Frames,
    NotYet,
    End,
    Failed(DecodeError),
}

impl Engine {
    pub(super) fn new(
        devices: Vec<Box<dyn Device>>,
        commands: Receiver<Command>,
        on_event: Box<dyn Fn(PlaybackEvent) + Send>,
    ) -> Engine {
        Engine {
            devices,
            commands,
            on_event,
            opened: None,
            playing: None,
            tail: Vec::new(),
            gain: 1.0,
            wanted_gain: 1.0,
        }
    }

    /// Runs until the player is dropped.
    pub(super) fn run(mut self) {
        loop {
            // Only the latest of the commands that have gathered counts for what is played.
            let mut latest_play = None;
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Play(id, play)) => latest_play = Some((id, play)),
                    Ok(Command::Stop) => {
                        latest_play = None;
                        self.stop();
                    }
                    Ok(command) => {
                        if let Some((id, play)) = latest_play.take() {
                            self.play(id, play);
                        }
                        self.adjust(&command);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            if let Some((id, play)) = latest_play {
                self.play(id, play);
            }
            if self.opened.is_none() {
                // Nothing can sound, so that there is nothing to do before the next command.
                match self.commands.recv() {
                    Ok(Command::Play(id, play)) => self.play(id, play),
                    Ok(command) => self.adjust(&command),
                    Err(_) => return,
                }
            } else {
                self.step();
            }
        }
    }

    fn adjust(&mut self, command: &Command) {
        match command {
            Command::Seek(to_s) => self.seek(*to_s),
            Command::Loop(looped) => {
                if let Some(playing) = &self.playing {
                    playing.looped.store(*looped, Ordering::Relaxed);
                }
            }
            Command::Volume(volume) => {
                let volume = if volume.is_finite() { *volume } else { 0.0 };
                self.wanted_gain = volume.clamp(0.0, 1.0).powi(2);
            }
            Command::Play(..) | Command::Stop => {}
        }
    }

    fn play(&mut self, id: PlayId, play: Play) {
        self.stop();
        match self.open(0) {
            Ok(rate_hz) => {
                let part = Part {
                    path: play.path,
                    start_s: play.start_s,
                    from_s: play.start_s,
                    end_s: play.end_s,
                };
                let looped = Arc::new(AtomicBool::new(play.looped));
                self.playing = Some(Playing::new(id, part, rate_hz, looped));
            }
            Err(message) => (self.on_event)(PlaybackEvent::Failed { play: id, message }),
        }
    }

    /// The rate of the opened device, or why none opens.
    fn open(&mut self, first: usize) -> Result<u32, String> {
        if let Some(opened) = &self.opened {
            return Ok(opened.output.rate_hz());
        }
        let mut reasons = Vec::new();
        for (number, device) in self.devices.iter().enumerate().skip(first) {
            match device.open() {
                Ok(output) => {
                    let rate_hz = output.rate_hz();
                    self.gain = self.wanted_gain;
                    self.opened = Some(Opened {
                        name: device.name(),
                        number,
                        output,
                        silent: 0,
                    });
                    return Ok(rate_hz);
                }
                Err(error) => reasons.push(error.to_string()),
            }
        }
        if reasons.is_empty() {
            reasons.push("no device and none of the players is there".into());
        }
        Err(format!("no sound: {}", reasons.join("; ")))
    }

    fn stop(&mut self) {
        self.break_off();
        self.playing = None;
    }

    fn seek(&mut self, to_s: f64) {
        self.break_off();
        let (Some(playing), Some(opened)) = (&mut self.playing, &self.opened) else {
            return;
        };
        let to_s = if to_s.is_finite() { to_s.max(0.0) } else { 0.0 };
        // A place outside the part that was asked for is asked for now.
        playing.part.start_s = playing.part.start_s.min(to_s);
        playing.part.end_s = playing.part.end_s.filter(|&end_s| to_s < end_s);
        playing.go_to(to_s, opened.output.rate_hz());
    }

    /// Keeps the next few frames of what is broken off, fading, for the next block.
    fn break_off(&mut self) {
        let (Some(playing), Some(opened)) = (&self.playing, &mut self.opened) else {
            return;
        };
        opened.output.interrupt();
        if playing.blocks == 0 {
            return;
        }
        let rest = playing
            .chunk
            .as_ref()
            .map(|chunk| &chunk.samples[playing.next..]);
        let coming = playing.block.iter().chain(rest.unwrap_or_default());
        self.tail.clear();
        self.tail.extend(coming.copied().take(FADE_FRAMES * 2));
        let frames = self.tail.len() / 2;
        for (frame, pair) in self.tail.chunks_exact_mut(2).enumerate() {
            let gain = self.gain * (frames - frame) as f32 / (frames + 1) as f32;
            for sample in pair {
                *sample *= gain;
            }
        }
    }

    /// Writes the next block: of sound, or of the silence that follows it.
    fn step(&mut self) {
        let mut block = None;
        if let (Some(playing), Some(opened)) = (&mut self.playing, &mut self.opened)
            && playing.ending.is_none()
        {
            match playing.fill(&self.commands) {
                Next::Frames => block = Some(std::mem::take(&mut playing.block)),
                Next::NotYet => return,
                // The wish to loop came after the decoder had ended.
                Next::End if playing.looped.load(Ordering::Relaxed) && playing.blocks > 0 => {
                    playing.go_to(playing.part.start_s, opened.output.rate_hz());
                    return;
                }
                Next::End => playing.ending = Some(opened.output.queued()),
                Next::Failed(error) => {
                    let play = playing.id;
                    self.playing = None;
                    (self.on_event)(PlaybackEvent::Failed {
                        play,
                        message: error.to_string(),
                    });
                }
            }
        }
        let sounding = block.is_some();
        let mut block = block.unwrap_or_else(|| vec![0.0; BLOCK_FRAMES * 2]);
        self.apply_gain(&mut block);
        for (sample, tail) in block.iter_mut().zip(self.tail.drain(..)) {
            *sample += tail;
        }
        self.write(&block, sounding);
    }

    /// Ramps the gain over the block, so that a change of volume is smooth.
    fn apply_gain(&mut self, block: &mut [f32]) {
        let (before, after) = (self.gain, self.wanted_gain);
        for (frame, pair) in block.chunks_exact_mut(2).enumerate() {
            let share = (frame + 1) as f32 / BLOCK_FRAMES as f32;
            let gain = before + (after - before) * share;
            for sample in pair {
                *sample *= gain;
            }
        }
        self.gain = after;
    }

    fn write(&mut self, block: &[f32], sounding: bool) {
        let Some(opened) = &mut self.opened else {
            return;
        };
        if let Err(error) = opened.output.write(block) {
            self.device_failed(&error);
            return;
        }
        if sounding {
            opened.silent = 0;
            self.tell_progress();
            return;
        }
        opened.silent += BLOCK_FRAMES;
        let released = opened.silent as f64 >= IDLE_S * f64::from(opened.output.rate_hz());
        if let Some(playing) = &mut self.playing
            && let Some(left) = &mut playing.ending
        {
            *left = left.saturating_sub(BLOCK_FRAMES);
            if *left == 0 {
                let play = playing.id;
                self.playing = None;
                (self.on_event)(PlaybackEvent::Ended { play });
            }
        }
        if released && self.playing.is_none() {
            self.opened = None;
        }
    }

    fn tell_progress(&mut self) {
        let (Some(opened), Some(playing)) = (&mut self.opened, &mut self.playing) else {
            return;
        };
        let play = playing.id;
        if playing.blocks == 0 {
            (self.on_event)(PlaybackEvent::Started {
                play,
                output: opened.name.clone(),
            });
        }
        if playing.blocks.is_multiple_of(BLOCKS_PER_POSITION) {
            let queued_s = opened.output.queued() as f64 / f64::from(opened.output.rate_hz());
            let at_s = (playing.at_s - queued_s).max(playing.part.start_s);
            (self.on_event)(PlaybackEvent::Position { play, at_s });
        }
        playing.blocks += 1;
    }

    /// Goes on with the next device that opens, from where the sound was.
    fn device_failed(&mut self, error: &OutputError) {
        let next = self.opened.take().map_or(0, |opened| opened.number + 1);
        self.tail.clear();
        let Some(playing) = &mut self.playing else {
            return;
        };
        let (play, at_s) = (playing.id, playing.at_s);
        match self.open(next) {
            Ok(rate_hz) => {
                if let Some(playing) = &mut self.playing {
                    playing.go_to(at_s, rate_hz);
                }
            }
            Err(_) => {
                self.playing = None;
                let message = format!("no sound: {error}");
                (self.on_event)(PlaybackEvent::Failed { play, message });
            }
        }
    }
}

impl Playing {
    fn new(id: PlayId, part: Part, rate_hz: u32, looped: Arc<AtomicBool>) -> Playing {
        Playing {
            id,
            chunks: decode_ahead(part.clone(), rate_hz, Arc::clone(&looped)),
            rate_hz,
            looped,
            ended: false,
            chunk: None,
            next: 0,
            lap: 0,
            block: Vec::with_capacity(BLOCK_FRAMES * 2),
            at_s: part.from_s,
            part,
            blocks: 0,
            ending: None,
        }
    }

    /// Turns to another place with a new decoder; what was decoded ahead is dropped.
    fn go_to(&mut self, from_s: f64, rate_hz: u32) {
        self.part.from_s = from_s;
        (self.rate_hz, self.at_s) = (rate_hz, from_s);
        self.chunks = decode_ahead(self.part.clone(), rate_hz, Arc::clone(&self.looped));
        (self.chunk, self.next, self.lap) = (None, 0, 0);
        (self.ending, self.ended) = (None, false);
        self.block.clear();
    }

    /// Fills the block; waits for the decoder as long as no command comes.
    fn fill(&mut self, commands: &Receiver<Command>) -> Next {
        while self.block.len() < BLOCK_FRAMES * 2 {
            let Some(chunk) = &self.chunk else {
                match self.receive(commands) {
                    Next::Frames => continue,
                    Next::End if !self.block.is_empty() => break,
                    other => return other,
                }
            };
            if chunk.lap > self.lap && !self.looped.load(Ordering::Relaxed) {
                // Decoded before the loop was switched off.
                self.chunk = None;
                self.ended = true;
                continue;
            }
            self.lap = chunk.lap;
            if self.block.is_empty() {
                self.at_s = chunk.at_s + (self.next / 2) as f64 / f64::from(self.rate_hz);
            }
            let rest = &chunk.samples[self.next..];
            let taken = rest.len().min(BLOCK_FRAMES * 2 - self.block.len());
            self.block.extend_from_slice(&rest[..taken]);
            self.next += taken;
            if taken == rest.len() {
                self.chunk = None;
            }
        }
        self.block.resize(BLOCK_FRAMES * 2, 0.0);
        Next::Frames
    }

    fn receive(&mut self, commands: &Receiver<Command>) -> Next {
        if self.ended {
            return Next::End;
        }
        let mut either = Select::new();
        either.recv(&self.chunks);
        either.recv(commands);
        either.ready();
        match self.chunks.try_recv() {
            Ok(Ok(chunk)) => {
                (self.chunk, self.next) = (Some(chunk), 0);
                Next::Frames
            }
            Ok(Err(error)) => Next::Failed(error),
            Err(TryRecvError::Empty) => Next::NotYet,
            Err(TryRecvError::Disconnected) => {
                self.ended = true;
                Next::End
            }
        }
    }
}
