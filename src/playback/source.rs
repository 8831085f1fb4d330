//! A file as the stereo frames that a device takes, decoded ahead on a thread of its own.
//!
//! The thread is what keeps a slow drive, or a format that can only be decoded from its start, from
//! holding up the engine: chunks come through a short channel, and a decoder whose chunks nobody
//! wants any more ends at the next one.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, SendError, Sender};

use crate::audio::{AudioStream, DecodeError, Resampler};

/// Chunks decoded ahead. With [`CHUNK_FRAMES`] that is a third of a second at 48 kHz.
const CHUNKS_AHEAD: usize = 8;

/// Frames of a chunk at the most.
pub(super) const CHUNK_FRAMES: usize = 2_048;

/// Seconds over which sound fades in when it begins inside a file: a period and a half of 500 Hz.
const FADE_IN_S: f64 = 0.003;

/// Seconds over which sound fades out where it is cut before the file's end.
const FADE_OUT_S: f64 = 0.005;

/// Which part of which file, and where in it to begin.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Where each lap but the first begins, in seconds.
    pub(super) start_s: f64,
    /// Where the first lap begins, in seconds.
    pub(super) from_s: f64,
    /// Where a lap ends, in seconds; `None` for the end of the file.
    pub(super) end_s: Option<f64>,
}

/// Some consecutive frames.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Interleaved stereo at the device's rate.
    pub(super) samples: Vec<f32>,
    /// The place of the first frame in the file, in seconds.
    pub(super) at_s: f64,
    /// How often the part was played to its end before this.
    pub(super) lap: u64,
}

/// Decodes `part` on a thread of its own for a device of `rate_hz`. The channel ends with the sound,
/// or with an error as its last item. `looped` is read at each end of the part.
pub(super) fn decode_ahead(
    part: Part,
    rate_hz: u32,
    looped: Arc<AtomicBool>,
) -> Receiver<Result<Chunk, DecodeError>> {
    let (chunks, receiver) = crossbeam_channel::bounded(CHUNKS_AHEAD);
    let spawned = std::thread::Builder::new()
        .name("playback decoder".into())
        .spawn(move || {
            if let Err(error) = decode(&part, rate_hz, &looped, &chunks) {
                // Nobody listens any more when this fails.
                let _ = chunks.send(Err(error));
            }
        });
    // Without a thread the channel ends at once, as if the file were empty.
    drop(spawned);
    receiver
}

fn decode(
    part: &Part,
    rate_hz: u32,
    looped: &AtomicBool,
    chunks: &Sender<Result<Chunk, DecodeError>>,
) -> Result<(), DecodeError> {
    let mut stream = AudioStream::open_with_channels(&part.path)?;
    let (from_hz, channels) = (stream.info().sample_rate_hz, stream.info().channels);
    let frame_at = |seconds: f64| (seconds.max(0.0) * f64::from(from_hz)).round() as u64;
    let (start, from) = (frame_at(part.start_s), frame_at(part.from_s));
    let end = part.end_s.map_or(u64::MAX, frame_at);
    let fades = Fades {
        from,
        over_in: (FADE_IN_S * f64::from(from_hz)) as u64,
        end,
        over_out: (FADE_OUT_S * f64::from(from_hz)) as u64,
    };
    let mut conversion = Conversion::new(from_hz, rate_hz, from);
    if from > 0 {
        stream.seek(from)?;
    }
    let (mut at, mut lap_start, mut first_lap) = (from, from, true);
    let (mut block, mut stereo) = (Vec::new(), Vec::new());
    loop {
        block.clear();
        stereo.clear();
        if at < end && stream.next_block(&mut block)? {
            to_stereo(&block, channels as usize, &mut stereo);
            stereo.truncate(usize::try_from(end - at).unwrap_or(usize::MAX));
            let last_lap = !looped.load(Ordering::Relaxed);
            fades.apply(at, first_lap, last_lap, &mut stereo);
            at += stereo.len() as u64;
            conversion.push(&stereo);
        } else if looped.load(Ordering::Relaxed) && at > lap_start {
            conversion.begin_lap(start);
            (at, lap_start, first_lap) = (start, start, false);
            stream.seek(start)?;
        } else {
            conversion.finish();
            // The receiver may be gone, and the thread ends either way.
            let _ = conversion.send(1, chunks);
            return Ok(());
        }
        if conversion.send(CHUNK_FRAMES, chunks).is_err() {
            return Ok(());
        }
    }
}

/// Puts the channels of `interleaved` on two: one on both, more than two mixed on both.
fn to_stereo(interleaved: &[f32], channels: usize, stereo: &mut Vec<[f32; 2]>) {
    let scale = 1.0 / channels as f32;
    stereo.extend(
        interleaved
            .chunks_exact(channels)
            .map(|frame| match *frame {
                [left, right] => [left, right],
                ref all => [all.iter().sum::<f32>() * scale; 2],
            }),
    );
}

/// Where sound fades in and out; all in frames of the file.
struct Fades {
    from: u64,
    over_in: u64,
    end: u64,
    over_out: u64,
}

impl Fades {
    /// Fades `frames`, the first of which is the file's frame `at`.
    fn apply(&self, at: u64, first_lap: bool, last_lap: bool, frames: &mut [[f32; 2]]) {
        let fades_in = first_lap && self.from > 0;
        for (place, frame) in (at..).zip(frames) {
            let mut gain = 1.0;
            if fades_in && place - self.from < self.over_in {
                gain = (place - self.from) as f32 / self.over_in as f32;
            }
            if last_lap && self.end - place <= self.over_out {
                gain *= (self.end - place) as f32 / self.over_out as f32;
            }
            for sample in frame {
                *sample *= gain;
            }
        }
    }
}

/// Two resamplers in step, and where in the file the frames are that come out of them.
struct Conversion {
    from_hz: u32,
    to_hz: u32,
    resamplers: [Resampler; 2],
    /// Frames at the file's rate that went in.
    taken: u64,
    /// Frames at the device's rate that are to be sent.
    ready: [Vec<f32>; 2],
    /// Frames at the device's rate that were sent.
    sent: u64,
    /// The lap of the next frame to be sent, then those after it.
    laps: VecDeque<Lap>,
    /// Laps that were sent to their end.
    laps_sent: u64,
}

struct Lap {
    /// Its first frame, counted at the device's rate over all laps.
    begins: u64,
    /// The place of that frame in the file, in seconds.
    place_s: f64,
}

impl Conversion {
    fn new(from_hz: u32, to_hz: u32, first: u64) -> Conversion {
        let resampler = || {
            Resampler::new(from_hz, to_hz)
                .expect("streams have rates that are supported, and devices are opened at such")
        };
        let lap = Lap {
            begins: 0,
            place_s: first as f64 / f64::from(from_hz),
        };
        Conversion {
            from_hz,
            to_hz,
            resamplers: [resampler(), resampler()],
            taken: 0,
            ready: [Vec::new(), Vec::new()],
            sent: 0,
            laps: VecDeque::from([lap]),
            laps_sent: 0,
        }
    }

    fn push(&mut self, frames: &[[f32; 2]]) {
        self.taken += frames.len() as u64;
        let mut channel = Vec::with_capacity(frames.len());
        for (side, resampler) in self.resamplers.iter_mut().enumerate() {
            channel.clear();
            channel.extend(frames.iter().map(|frame| frame[side]));
            resampler.push(&channel, &mut self.ready[side]);
        }
    }

    fn finish(&mut self) {
        for (resampler, ready) in self.resamplers.iter_mut().zip(&mut self.ready) {
            resampler.finish(ready);
        }
    }

    /// The next frame that goes in is the file's frame `place`, of a new lap.
    fn begin_lap(&mut self, place: u64) {
        let begins = (self.taken * u64::from(self.to_hz)).div_ceil(u64::from(self.from_hz));
        self.laps.push_back(Lap {
            begins,
            place_s: place as f64 / f64::from(self.from_hz),
        });
    }

    /// Sends what is ready in chunks, as long as at least `least` frames are.
    fn send(
        &mut self,
        least: usize,
        chunks: &Sender<Result<Chunk, DecodeError>>,
    ) -> Result<(), SendError<Result<Chunk, DecodeError>>> {
        let mut from = 0;
        while self.ready[0].len() - from >= least {
            while self
                .laps
                .get(1)
                .is_some_and(|next| next.begins <= self.sent)
            {
                self.laps.pop_front();
                self.laps_sent += 1;
            }
            let left_of_lap = self
                .laps
                .get(1)
                .map_or(u64::MAX, |next| next.begins - self.sent);
            let length = (self.ready[0].len() - from)
                .min(CHUNK_FRAMES)
                .min(usize::try_from(left_of_lap).unwrap_or(usize::MAX));
            let range = from..from + length;
            let sides = self.ready[0][range.clone()]
                .iter()
                .zip(&self.ready[1][range]);
            let samples = sides.flat_map(|(&left, &right)| [left, right]).collect();
            let lap = &self.laps[0];
            let at_s = lap.place_s + (self.sent - lap.begins) as f64 / f64::from(self.to_hz);
            chunks.send(Ok(Chunk {
                samples,
                at_s,
                lap: self.laps_sent,
            }))?;
            self.sent += length as u64;
            from += length;
        }
        for ready in &mut self.ready {
            ready.drain(..from);
        }
        Ok(())
    }
}
