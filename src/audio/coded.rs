//! Everything that is not raw PCM: symphonia's demuxers and codecs, and Opus behind the same
//! demuxers.
//!
//! A packet that does not decode is skipped and counted; a stream that breaks off gives what it had.
//! Rates and channels are those of the decoded buffers, not of headers, and may change on the way:
//! later parts at another rate are brought to the first one.

mod conversion;
mod track;

use std::io::{ErrorKind, Seek};

use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known as format_id;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;

use super::error::DecodeErrorKind;
use super::file::SoundFile;
use super::stream::{Mixing, SourceInfo};
use conversion::Conversion;
use track::{Decoder, choose_track, probe_failure};

/// Failed packets in a row after which the rest is taken as lost.
const MAX_FAILURES_IN_A_ROW: u32 = 1_000;

/// The most packets of pure padding at an end: LAME's field for it goes to 4,095 frames, of which a
/// packet holds 1,152.
const MAX_PADDING_PACKETS: u32 = 4;

/// Frames decoded and dropped after a jump, so that overlapping transforms and bit reservoirs have
/// settled: two of the longest Vorbis blocks, more than MP3's reservoir of nine frames.
const SETTLING_FRAMES: u64 = 16_384;

pub(super) struct CodedReader {
    format: Box<dyn FormatReader>,
    decoder: Decoder,
    track: u32,
    codec: String,
    rate_hz: u32,
    channels: usize,
    mixing: Mixing,
    /// The first block, decoded on opening to learn the real rate and channels.
    first: Vec<f32>,
    /// A packet read ahead to learn where a jump led.
    held: Option<Packet>,
    interleaved: Vec<f32>,
    /// Brings a later part of another rate to the first one's.
    conversion: Option<Conversion>,
    /// Whether packets are trimmed here rather than by their decoder.
    trims: bool,
    padding_packets: u32,
    /// The packet time of the first frame that is given out.
    origin: i64,
    /// Encoder delay that is still to be dropped, in frames.
    delay_left: usize,
    /// Frames that the container promises after trimming.
    promised: Option<u64>,
    decoded: u64,
    skipped: u64,
    first_skip: u64,
    failures_in_a_row: u32,
    last_failure: String,
    broke_off: Option<String>,
    replaced: u64,
}

impl CodedReader {
    /// Finds the format of `file`, which begins with `start`, and decodes its first block.
    pub(super) fn open(
        mut file: SoundFile,
        start: &[u8],
        mixing: Mixing,
    ) -> Result<Self, DecodeErrorKind> {
        file.rewind()?;
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let format = symphonia::default::get_probe()
            .probe(
                &Hint::new(),
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
            .map_err(|error| probe_failure(error, start))?;
        let chosen = choose_track(&*format)?;
        let mut reader = Self {
            format,
            decoder: chosen.decoder,
            track: chosen.id,
            codec: chosen.codec,
            rate_hz: 0,
            channels: 0,
            mixing,
            first: Vec::new(),
            held: None,
            interleaved: Vec::new(),
            conversion: None,
            trims: chosen.trims,
            padding_packets: 0,
            origin: 0,
            delay_left: chosen.delay,
            promised: chosen.promised,
            decoded: 0,
            skipped: 0,
            first_skip: 0,
            failures_in_a_row: 0,
            last_failure: String::new(),
            broke_off: None,
            replaced: 0,
        };
        let mut first = Vec::new();
        while first.is_empty() {
            if !reader.decode_packet(&mut first)? {
                return Err(reader.nothing_decoded());
            }
        }
        reader.first = first;
        Ok(reader)
    }

    pub(super) fn info(&self) -> SourceInfo {
        SourceInfo {
            format: self.format.format_info().short_name.to_owned(),
            codec: self.codec.clone(),
            sample_rate_hz: self.rate_hz,
            channels: self.channels as u32,
            duration_s: 0.0,
            damage: None,
        }
    }

    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Appends what the next packet gives, which may be nothing; `false` at the end.
    pub(super) fn next_block(&mut self, output: &mut Vec<f32>) -> Result<bool, DecodeErrorKind> {
        if !self.first.is_empty() {
            output.append(&mut self.first);
            return Ok(true);
        }
        let more = self.decode_packet(output)?;
        if !more && let Some(conversion) = self.conversion.take() {
            conversion.finish(output);
        }
        Ok(more)
    }

    /// Jumps to a packet well before `frame`, lets the codec settle, and returns the frame that
    /// comes next.
    ///
    /// `None` where the format cannot say exactly where it landed: the reader is then of no more
    /// use, and decoding must go on from the start of the file.
    pub(super) fn seek(&mut self, frame: u64) -> Option<u64> {
        let target = frame.checked_sub(2 * SETTLING_FRAMES)?;
        let ts = Timestamp::new(i64::try_from(target).ok()?.checked_add(self.origin)?);
        if !self.jumps_exactly() || self.promised.is_some_and(|promised| frame > promised) {
            return None;
        }
        self.format
            .seek(
                SeekMode::Accurate,
                SeekTo::Timestamp {
                    ts,
                    track_id: self.track,
                },
            )
            .ok()?;
        self.decoder.reset();
        self.first.clear();
        self.conversion = None;
        self.delay_left = 0;
        let mut settled = 0;
        loop {
            let packet = self.format.next_packet().ok()??;
            if packet.track_id != self.track {
                continue;
            }
            if settled >= SETTLING_FRAMES {
                let start = packet
                    .pts
                    .get()
                    .checked_add_unsigned(packet.trim_start.get())?;
                let reached = u64::try_from(start.checked_sub(self.origin)?).ok()?;
                if reached > frame {
                    return None;
                }
                self.held = Some(packet);
                self.decoded = reached;
                return Some(reached);
            }
            let (_, channels) = self.decoder.decode(&packet, &mut self.interleaved).ok()?;
            settled += (self.interleaved.len() / channels.max(1)) as u64;
        }
    }

    /// Whether packet times are frame counts of what is decoded, and jumps by them are exact.
    ///
    /// Matroska's times are in milliseconds and its jumps land late; packets of ADTS and CAF carry
    /// no or differently counted times.
    fn jumps_exactly(&self) -> bool {
        let by_frames = self
            .format
            .tracks()
            .iter()
            .find(|track| track.id == self.track)
            .is_some_and(|track| {
                track
                    .time_base
                    .is_some_and(|base| base.numer.get() == 1 && base.denom.get() == self.rate_hz)
            });
        let format = self.format.format_info().format;
        by_frames
            && [
                format_id::FORMAT_ID_WAVE,
                format_id::FORMAT_ID_AIFF,
                format_id::FORMAT_ID_FLAC,
                format_id::FORMAT_ID_MP1,
                format_id::FORMAT_ID_MP2,
                format_id::FORMAT_ID_MP3,
                format_id::FORMAT_ID_OGG,
                format_id::FORMAT_ID_ISOMP4,
            ]
            .contains(&format)
    }

    /// What was lost, in words, after `position` frames.
    pub(super) fn damage(&self, position: u64, ended: bool) -> Vec<String> {
        let seconds = |frames: u64| frames as f64 / f64::from(self.rate_hz.max(1));
        let mut notes = Vec::new();
        if self.skipped > 0 {
            let at_s = seconds(self.first_skip);
            notes.push(format!(
                "{} packets skipped, the first at {at_s:.3} s ({})",
                self.skipped, self.last_failure
            ));
        }
        match (&self.broke_off, self.promised) {
            (Some(reason), _) => {
                notes.push(format!("cut short at {:.3} s: {reason}", seconds(position)))
            }
            // Encoders round up to whole packets and miscount priming, by less than a few packets.
            (None, Some(promised))
                if ended && position + 8_192 < self.promised_from_origin(promised) =>
            {
                let promised = self.promised_from_origin(promised);
                let (has, claims) = (seconds(position), seconds(promised));
                notes.push(format!(
                    "cut short at {has:.3} s: the header promises {claims:.3} s"
                ));
            }
            _ => {}
        }
        notes
    }

    /// `promised` less what lies before the first packet: recordings cut from a live stream start
    /// at a time above 0.
    fn promised_from_origin(&self, promised: u64) -> u64 {
        promised.saturating_sub(self.origin.unsigned_abs())
    }

    fn decode_packet(&mut self, output: &mut Vec<f32>) -> Result<bool, DecodeErrorKind> {
        let next = match self.held.take() {
            Some(packet) => Ok(Some(packet)),
            None => self.format.next_packet(),
        };
        let packet = match next {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(false),
            // A chained stream starts anew, with tracks of its own.
            Err(Error::ResetRequired) => {
                let chosen = choose_track(&*self.format)?;
                (self.decoder, self.track) = (chosen.decoder, chosen.id);
                (self.trims, self.delay_left) = (chosen.trims, chosen.delay);
                self.promised = None;
                return Ok(true);
            }
            Err(Error::IoError(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                return Err(error.into());
            }
            Err(Error::IoError(_)) => {
                self.broke_off = Some("the file ends in the middle of a packet".into());
                return Ok(false);
            }
            Err(error) => {
                self.broke_off = Some(error.to_string());
                return Ok(false);
            }
        };
        if packet.track_id != self.track {
            return Ok(true);
        }
        match self.decoder.decode(&packet, &mut self.interleaved) {
            Ok((rate_hz, channels)) => {
                self.failures_in_a_row = 0;
                self.trim(&packet, channels);
                if self.rate_hz == 0 {
                    let start = packet
                        .pts
                        .get()
                        .saturating_add_unsigned(packet.trim_start.get());
                    self.origin = start.max(0).saturating_add_unsigned(self.delay_left as u64);
                }
                self.take_decoded(rate_hz, channels, output);
                Ok(true)
            }
            Err(failure) => {
                if self.skipped == 0 {
                    self.first_skip = self.decoded;
                }
                self.skipped += 1;
                self.failures_in_a_row += 1;
                self.last_failure = failure;
                if self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW {
                    self.broke_off = Some(format!(
                        "{MAX_FAILURES_IN_A_ROW} packets in a row do not decode"
                    ));
                    return Ok(false);
                }
                Ok(true)
            }
        }
    }

    /// Cuts from `self.interleaved` what the container says an encoder added to the packet.
    ///
    /// Packets wholly past the promised end are dropped only as long as they can be an encoder's
    /// padding; after that the promise was wrong, as where two MP3 files were joined.
    fn trim(&mut self, packet: &Packet, channels: usize) {
        if !self.trims || channels == 0 {
            return;
        }
        let frames = self.interleaved.len() / channels;
        let start = usize::try_from(packet.trim_start.get()).map_or(frames, |n| n.min(frames));
        // A promise of nothing is a header that was never filled in.
        let end = match usize::try_from(packet.trim_end.get()) {
            _ if self.promised == Some(0) => 0,
            Ok(end) => end.min(frames - start),
            Err(_) => frames - start,
        };
        let padding_only = end > 0 && start + end == frames;
        if padding_only {
            self.padding_packets += 1;
            if self.padding_packets > MAX_PADDING_PACKETS {
                return;
            }
        }
        self.interleaved.truncate((frames - end) * channels);
        self.interleaved.drain(..start * channels);
    }

    /// Trims, mixes down and appends `self.interleaved`, at the rate of the first block.
    fn take_decoded(&mut self, rate_hz: u32, channels: usize, output: &mut Vec<f32>) {
        if channels == 0 || self.interleaved.is_empty() {
            return;
        }
        let frames = self.interleaved.len() / channels;
        let trimmed = self.delay_left.min(frames);
        self.delay_left -= trimmed;
        let kept = &self.interleaved[trimmed * channels..];
        let before = output.len();
        if self.rate_hz == 0 {
            (self.rate_hz, self.channels) = (rate_hz, channels);
        }
        if rate_hz == self.rate_hz {
            if let Some(conversion) = self.conversion.take() {
                conversion.finish(output);
            }
            self.replaced += self.mixing.append(kept, channels, self.channels, output);
        } else {
            self.convert(rate_hz, channels, trimmed, output);
        }
        let width = self.mixing.width(self.channels);
        self.decoded += ((output.len() - before) / width) as u64;
    }

    fn convert(&mut self, rate_hz: u32, channels: usize, trimmed: usize, output: &mut Vec<f32>) {
        if self
            .conversion
            .as_ref()
            .is_none_or(|conversion| conversion.from_hz != rate_hz)
        {
            if let Some(conversion) = self.conversion.take() {
                conversion.finish(output);
            }
            let width = self.mixing.width(self.channels);
            self.conversion = Conversion::new(rate_hz, self.rate_hz, width);
        }
        let Some(conversion) = &mut self.conversion else {
            return;
        };
        let kept = &self.interleaved[trimmed * channels..];
        conversion.frames.clear();
        self.replaced += self
            .mixing
            .append(kept, channels, self.channels, &mut conversion.frames);
        conversion.push(output);
    }

    fn nothing_decoded(&self) -> DecodeErrorKind {
        let format = self.format.format_info().long_name;
        if self.skipped > 0 {
            let what = format!(
                "none of {} packets of {} decodes ({})",
                self.skipped, self.codec, self.last_failure
            );
            return DecodeErrorKind::malformed(what);
        }
        match &self.broke_off {
            Some(reason) => DecodeErrorKind::malformed(format!("{format}: {reason}")),
            None => DecodeErrorKind::Empty {
                what: format!("{format} headers with no samples behind them"),
            },
        }
    }
}
