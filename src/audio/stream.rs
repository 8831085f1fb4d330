//! One decoded file as a stream of blocks at its own rate, whatever decodes it: mixed down to mono,
//! as the models hear it, or with all its channels, as a person does.
//!
//! This is where the promises about hostile files are kept: only regular files are opened, a panic
//! in a codec becomes an error, output is bounded by the file's size, and every sample is finite.

use std::any::Any;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::coded::CodedReader;
use super::containers::pcm_layout;
use super::error::{DecodeError, DecodeErrorKind};
use super::file::{Budget, SoundFile, open_regular};
use super::pcm::PcmReader;
use super::resample::{MAX_RATE_HZ, MIN_RATE_HZ};
use super::sniff;

/// The largest sample magnitude taken as sound; full scale is 1.
///
/// Float files with 16-bit integer values in them stay below it. Samples beyond it, infinite or not
/// a number become 0, so that no power spectrum overflows.
pub const MAX_AMPLITUDE: f32 = 65_536.0;

/// The most frames a byte of a file may decode to.
///
/// The densest honest coding is a FLAC frame of constant subframes: 65,535 samples in about 14
/// bytes (RFC 9639, section 9), or 4,681 a byte.
const MAX_FRAMES_PER_BYTE: u64 = 8_192;

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceInfo {
    /// The container, such as `WAV` or `ogg`.
    pub format: String,
    /// The codec, such as `16-bit PCM` or `vorbis`.
    pub codec: String,
    /// The file's own sample rate in Hz.
    pub sample_rate_hz: u32,
    /// Channels before the mix-down.
    pub channels: u32,
    /// Seconds of audio decoded so far, never what a header claims.
    pub duration_s: f64,
    /// What was skipped, replaced or cut short, and where, in words.
    pub damage: Option<String>,
}

/// What becomes of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mixing {
    /// One channel, the mean of all.
    Down,
    /// All of them, interleaved.
    Kept,
}

impl Mixing {
    /// The channels that come out of a file of so many.
    pub(super) fn width(self, channels: usize) -> usize {
        match self {
            Mixing::Down => 1,
            Mixing::Kept => channels.max(1),
        }
    }

    /// Appends the frames of `interleaved` to `output`, as [`Mixing::width`] of `to` channels; gives
    /// how many samples were replaced by 0 because they were not finite or beyond [`MAX_AMPLITUDE`].
    ///
    /// Only a stream that changes its channels on the way has `from` other than `to`: its later
    /// parts are then mixed down and put on every channel.
    pub(super) fn append(
        self,
        interleaved: &[f32],
        from: usize,
        to: usize,
        output: &mut Vec<f32>,
    ) -> u64 {
        match self {
            Mixing::Down => mix_down(interleaved, from, output),
            Mixing::Kept if from == to => mix_down(interleaved, 1, output),
            Mixing::Kept => {
                let mut mono = Vec::new();
                let replaced = mix_down(interleaved, from, &mut mono);
                output.extend(mono.iter().flat_map(|&s| std::iter::repeat_n(s, to)));
                replaced
            }
        }
    }
}

/// A decoder of blocks; channels are mixed down by their mean unless they are asked for.
///
/// ```no_run
/// # fn main() -> Result<(), soundseek::audio::DecodeError> {
/// let mut stream = soundseek::audio::AudioStream::open("door.flac".as_ref())?;
/// let mut samples = Vec::new();
/// while stream.next_block(&mut samples)? {}
/// assert!(stream.info().duration_s > 0.0);
/// # Ok(())
/// # }
/// ```
pub struct AudioStream {
    path: PathBuf,
    bytes: u64,
    budget: Arc<Budget>,
    source: Source,
    mixing: Mixing,
    info: SourceInfo,
    /// Frames from the start of the file to the next one that the source gives.
    position: u64,
    /// Frames to drop until the position that was sought.
    to_skip: u64,
    ended: bool,
}

enum Source {
    Pcm(Box<PcmReader>),
    Coded(Box<CodedReader>),
}

impl AudioStream {
    /// Opens `path` and finds out what it is from its content.
    ///
    /// # Errors
    /// Any [`DecodeErrorKind`] but those about spans. A file without a decodable first block fails
    /// here.
    pub fn open(path: &Path) -> Result<Self, DecodeError> {
        Self::open_mixing(path, Mixing::Down)
    }

    /// As [`open`](Self::open), but every block holds all channels of [`SourceInfo::channels`],
    /// interleaved.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_channels(path: &Path) -> Result<Self, DecodeError> {
        Self::open_mixing(path, Mixing::Kept)
    }

    fn open_mixing(path: &Path, mixing: Mixing) -> Result<Self, DecodeError> {
        let opened = open_source(path, mixing).map_err(|kind| kind.at(path))?;
        let Opened {
            source,
            bytes,
            budget,
        } = opened;
        let info = source.info();
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&info.sample_rate_hz) {
            return Err(DecodeErrorKind::SampleRate {
                found_hz: info.sample_rate_hz,
            }
            .at(path));
        }
        Ok(Self {
            path: path.to_owned(),
            bytes,
            budget,
            source,
            mixing,
            info,
            position: 0,
            to_skip: 0,
            ended: false,
        })
    }

    /// What is known so far; duration and damage grow with what is decoded.
    pub fn info(&self) -> &SourceInfo {
        &self.info
    }

    /// Appends the next samples to `output`: mono or whole frames of all channels, as it was opened,
    /// at the file's own rate, finite, within [`MAX_AMPLITUDE`]. `false` means that the file has ended and nothing was appended.
    ///
    /// # Errors
    /// Reading failed, a codec panicked, the file decodes to more than its size allows, or it ended
    /// without a single sample.
    pub fn next_block(&mut self, output: &mut Vec<f32>) -> Result<bool, DecodeError> {
        let before = output.len();
        let width = self.mixing.width(self.info.channels as usize);
        while !self.ended && output.len() == before {
            let source = &mut self.source;
            let more = guarded(&self.budget, || source.next_block(output))
                .map_err(|kind| self.fail(kind))?;
            self.ended = !more;
            let decoded = ((output.len() - before) / width) as u64;
            self.position += decoded;
            self.note_progress()?;
            let skipped = decoded.min(self.to_skip);
            self.to_skip -= skipped;
            output.drain(before..before + skipped as usize * width);
        }
        Ok(output.len() > before)
    }

    /// Makes `frame`, counted at the file's own rate from its start, the next one to be given.
    ///
    /// Formats that can jump exactly do; the others are decoded up to it. A frame past the end is
    /// no error here: the next block is the end.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`next_block`](Self::next_block).
    pub fn seek(&mut self, frame: u64) -> Result<(), DecodeError> {
        let source = &mut self.source;
        let reached = if self.ended {
            None
        } else {
            guarded(&self.budget, || source.seek(frame)).unwrap_or(None)
        };
        match reached {
            Some(reached) => self.position = reached,
            // A jump that failed may have left the source anywhere, so it starts anew.
            None => {
                let opened = open_source(&self.path, self.mixing);
                let opened = opened.map_err(|kind| kind.at(&self.path))?;
                (self.source, self.budget) = (opened.source, opened.budget);
                self.position = 0;
            }
        }
        self.to_skip = frame.saturating_sub(self.position);
        self.ended = false;
        self.note_progress()
    }

    /// Updates the info and holds the stream to its budget.
    fn note_progress(&mut self) -> Result<(), DecodeError> {
        let rate = u64::from(self.info.sample_rate_hz);
        self.info.duration_s = self.position as f64 / rate as f64;
        self.budget.earn(self.info.duration_s);
        self.info.damage = self.source.damage(self.position, self.ended);
        let limit = self
            .bytes
            .saturating_mul(MAX_FRAMES_PER_BYTE)
            .saturating_add(rate);
        if self.position > limit {
            let limit_s = limit as f64 / rate as f64;
            return Err(self.fail(DecodeErrorKind::OverBudget {
                limit_s,
                bytes: self.bytes,
            }));
        }
        if self.ended && self.position == 0 && self.to_skip == 0 {
            let what = format!("{} headers with no samples behind them", self.info.format);
            return Err(self.fail(DecodeErrorKind::Empty { what }));
        }
        Ok(())
    }

    /// Ends the stream with `kind`, placed in time where that is known.
    fn fail(&mut self, mut kind: DecodeErrorKind) -> DecodeError {
        self.ended = true;
        if let DecodeErrorKind::Malformed { at_s, .. } = &mut kind {
            *at_s = Some(self.info.duration_s);
        }
        kind.at(&self.path)
    }
}

impl Source {
    fn info(&self) -> SourceInfo {
        match self {
            Self::Pcm(pcm) => SourceInfo {
                format: pcm.layout.format.to_owned(),
                codec: pcm.layout.coding.name(),
                sample_rate_hz: pcm.layout.sample_rate_hz,
                channels: pcm.layout.channels,
                duration_s: 0.0,
                damage: pcm.layout.damage.clone(),
            },
            Self::Coded(coded) => coded.info(),
        }
    }

    fn next_block(&mut self, output: &mut Vec<f32>) -> Result<bool, DecodeErrorKind> {
        match self {
            Self::Pcm(pcm) => pcm.next_block(output),
            Self::Coded(coded) => coded.next_block(output),
        }
    }

    fn seek(&mut self, frame: u64) -> Result<Option<u64>, DecodeErrorKind> {
        match self {
            Self::Pcm(pcm) => pcm.seek(frame).map(Some),
            Self::Coded(coded) => Ok(coded.seek(frame)),
        }
    }

    /// Everything wrong so far, after `position` frames.
    fn damage(&self, position: u64, ended: bool) -> Option<String> {
        let (mut notes, replaced) = match self {
            Self::Pcm(pcm) => (
                pcm.layout.damage.clone().into_iter().collect(),
                pcm.replaced,
            ),
            Self::Coded(coded) => (coded.damage(position, ended), coded.replaced()),
        };
        if replaced > 0 {
            notes.push(format!(
                "{replaced} samples were not finite or beyond {MAX_AMPLITUDE} and became 0"
            ));
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// A source at its start, the file's size, and the budget that it is now charged to.
struct Opened {
    source: Source,
    bytes: u64,
    budget: Arc<Budget>,
}

fn open_source(path: &Path, mixing: Mixing) -> Result<Opened, DecodeErrorKind> {
    let (file, metadata) = open_regular(path)?;
    let bytes = metadata.len();
    if bytes == 0 {
        return Err(DecodeErrorKind::Empty {
            what: "the file has zero bytes".into(),
        });
    }
    let budget = Budget::of(bytes);
    let file = SoundFile::new(file, bytes, Arc::clone(&budget));
    let source = guarded(&budget, || {
        let mut reader = BufReader::new(file);
        let start = sniff::first_bytes(&mut reader)?;
        sniff::refuse(&start)?;
        if let Some(layout) = pcm_layout(&mut reader, bytes)? {
            return PcmReader::new(reader, layout, mixing).map(|pcm| Source::Pcm(Box::new(pcm)));
        }
        CodedReader::open(reader.into_inner(), &start, mixing)
            .map(|coded| Source::Coded(Box::new(coded)))
    })?;
    Ok(Opened {
        source,
        bytes,
        budget,
    })
}

/// Runs decoder code within the file's budget, turning a panic in it into an error; what panicked is
/// not used again.
fn guarded<T>(
    budget: &Budget,
    work: impl FnOnce() -> Result<T, DecodeErrorKind>,
) -> Result<T, DecodeErrorKind> {
    budget.charge(|| caught("the decoder", work).and_then(|done| done))
}

/// Turns a panic into an error of the file that is worked on; `what` worked on it.
pub(super) fn caught<T>(what: &str, work: impl FnOnce() -> T) -> Result<T, DecodeErrorKind> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic_text(&*panic);
        DecodeErrorKind::malformed(format!("{what} gave up on it ({text})"))
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Appends the mean of each frame of `interleaved` to `output`; returns how many samples were
/// replaced by 0 because they were not finite or beyond [`MAX_AMPLITUDE`].
fn mix_down(interleaved: &[f32], channels: usize, output: &mut Vec<f32>) -> u64 {
    match channels {
        1 => mix_down_frames(interleaved.as_chunks::<1>().0, output),
        2 => mix_down_frames(interleaved.as_chunks::<2>().0, output),
        _ => mix_down_frames(interleaved.chunks_exact(channels), output),
    }
}

/// As [`mix_down`], of frames whose width the compiler may know.
fn mix_down_frames<F: AsRef<[f32]>>(
    frames: impl IntoIterator<Item = F, IntoIter: ExactSizeIterator>,
    output: &mut Vec<f32>,
) -> u64 {
    let mut replaced = 0;
    output.extend(frames.into_iter().map(|frame| {
        let frame = frame.as_ref();
        let sum = frame.iter().fold(0.0, |sum, &sample| {
            // The comparison is false for NaN.
            let is_sound = sample.abs() <= MAX_AMPLITUDE;
            replaced += u32::from(!is_sound);
            sum + if is_sound { sample } else { 0.0 }
        });
        sum * (1.0 / frame.len() as f32)
    }));
    u64::from(replaced)
}
