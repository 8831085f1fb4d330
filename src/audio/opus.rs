//! Opus packets to samples: the codec that symphonia's demuxers deliver but cannot decode.
//!
//! The stream header (`OpusHead`, RFC 7845 section 5.1, or `dOps` of the Opus-in-ISOBMFF
//! specification, which is the same in big-endian order) gives the channel mapping, the output gain
//! and the pre-skip; the packets (RFC 6716) go to ropus. Output is always 48 kHz.

use ropus::OpusMSDecoder;

use super::error::DecodeErrorKind;

pub(super) const OPUS_RATE_HZ: u32 = 48_000;

/// The longest packet, 120 ms (RFC 6716, section 2.1.4), in frames.
const MAX_PACKET_FRAMES: usize = 5_760;

pub(super) struct OpusDecoder {
    inner: OpusMSDecoder,
    header: Header,
    pcm: Vec<i16>,
}

#[derive(Debug, Clone, PartialEq)]
struct Header {
    channels: usize,
    pre_skip: usize,
    gain: f32,
    streams: u8,
    coupled: u8,
    mapping: Vec<u8>,
}

impl OpusDecoder {
    /// A decoder from the track's header, whose integers are big-endian in MP4.
    pub(super) fn new(head: &[u8], big_endian: bool) -> Result<Self, DecodeErrorKind> {
        let header = Header::parse(head, big_endian).ok_or_else(|| {
            DecodeErrorKind::malformed(format!(
                "an Opus header of {} bytes with impossible fields",
                head.len()
            ))
        })?;
        let inner = OpusMSDecoder::new(
            OPUS_RATE_HZ as i32,
            header.channels as i32,
            i32::from(header.streams),
            i32::from(header.coupled),
            &header.mapping,
        )
        .map_err(|code| {
            DecodeErrorKind::malformed(format!(
                "an Opus channel mapping that the decoder refuses (code {code})"
            ))
        })?;
        let pcm = vec![0; MAX_PACKET_FRAMES * header.channels];
        Ok(Self { inner, header, pcm })
    }

    pub(super) fn channels(&self) -> usize {
        self.header.channels
    }

    /// Frames at the start of the stream that only settle the decoder.
    pub(super) fn pre_skip(&self) -> usize {
        self.header.pre_skip
    }

    /// Replaces `output` by the packet's interleaved samples; says what is wrong with a bad packet.
    pub(super) fn decode(&mut self, packet: &[u8], output: &mut Vec<f32>) -> Result<(), String> {
        output.clear();
        let length =
            i32::try_from(packet.len()).map_err(|_| "an Opus packet of over 2 GiB".to_owned())?;
        let frames = self
            .inner
            .decode(
                Some(packet),
                length,
                &mut self.pcm,
                MAX_PACKET_FRAMES as i32,
                false,
            )
            .map_err(|code| format!("an Opus packet that does not decode (code {code})"))?;
        let samples = &self.pcm[..frames.max(0) as usize * self.header.channels];
        let scale = self.header.gain / 32_768.0;
        output.extend(samples.iter().map(|&s| f32::from(s) * scale));
        Ok(())
    }
}

impl Header {
    fn parse(head: &[u8], big_endian: bool) -> Option<Self> {
        let fields = head.strip_prefix(b"OpusHead")?;
        let u16_at = |at: usize| {
            let raw = fields.get(at..at + 2)?.try_into().ok()?;
            Some(if big_endian {
                u16::from_be_bytes(raw)
            } else {
                u16::from_le_bytes(raw)
            })
        };
        let channels = *fields.get(1)?;
        let pre_skip = usize::from(u16_at(2)?);
        // Q7.8 decibels.
        let gain_db = f32::from(u16_at(8)?.cast_signed()) / 256.0;
        let (streams, coupled, mapping) = match *fields.get(10)? {
            // Family 0: mono or stereo in one stream.
            0 if (1..=2).contains(&channels) => (1, channels - 1, (0..channels).collect()),
            0 => return None,
            _ => (
                *fields.get(11)?,
                *fields.get(12)?,
                fields.get(13..13 + usize::from(channels))?.to_vec(),
            ),
        };
        // 255 marks a silent channel; any other entry names one of the decoded channels.
        let decoded = u16::from(streams) + u16::from(coupled);
        let possible = channels > 0 && streams > 0 && coupled <= streams && decoded <= 255;
        let mapped = mapping
            .iter()
            .all(|&m: &u8| m == 255 || u16::from(m) < decoded);
        (possible && mapped).then(|| Self {
            channels: usize::from(channels),
            pre_skip,
            gain: 10.0_f32.powf(gain_db / 20.0),
            streams,
            coupled,
            mapping,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_stereo_stream_is_read_in_both_byte_orders() {
        let ogg = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\xfa\x00";
        let mp4 = b"OpusHead\x00\x02\x01\x38\x00\x00\xbb\x80\xfa\x00\x00";
        let expected = Header {
            channels: 2,
            pre_skip: 312,
            gain: 10.0_f32.powf(-6.0 / 20.0),
            streams: 1,
            coupled: 1,
            mapping: vec![0, 1],
        };
        assert_eq!(Header::parse(ogg, false), Some(expected.clone()));
        assert_eq!(Header::parse(mp4, true), Some(expected));
    }

    #[test]
    fn headers_with_impossible_mappings_are_refused() {
        let family_1 = |channels: u8, streams: u8, coupled: u8, mapping: &[u8]| {
            let mut head = b"OpusHead\x01".to_vec();
            head.extend([channels, 0, 0, 0, 0, 0, 0, 0, 0, 1, streams, coupled]);
            head.extend(mapping);
            Header::parse(&head, false)
        };
        assert!(family_1(3, 2, 1, &[0, 2, 1]).is_some());
        assert!(
            family_1(3, 2, 1, &[0, 3, 1]).is_none(),
            "a channel that no stream decodes"
        );
        assert!(
            family_1(3, 2, 3, &[0, 1, 2]).is_none(),
            "more coupled streams than streams"
        );
        assert!(
            family_1(3, 2, 1, &[0, 1]).is_none(),
            "a mapping that is cut short"
        );
        assert!(family_1(0, 1, 0, &[]).is_none(), "no channels");
        assert!(Header::parse(b"OpusHead", false).is_none(), "no fields");
    }
}
