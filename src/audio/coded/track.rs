//! Which track of a container is decoded, by what, and what is refused before a decoder is made for it.

use std::io::ErrorKind;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codec_id;
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::errors::Error;
use symphonia::core::formats::well_known as format_id;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::packet::Packet;

use crate::audio::error::DecodeErrorKind;
use crate::audio::opus::{OPUS_RATE_HZ, OpusDecoder};
use crate::audio::sniff;

/// The most frames a packet may claim before a decoder is made for it. symphonia's PCM decoder
/// allocates by this number; the largest real block is FLAC's, of 65,535 frames.
const MAX_FRAMES_PER_PACKET: u64 = 1 << 20;

/// The most channels of a coded stream; the largest real ones are third-order ambisonics and Opus
/// mappings, which end at 255.
const MAX_CHANNELS: usize = 255;

/// What turns packets into samples.
pub(super) enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<OpusDecoder>),
}

impl Decoder {
    /// Decodes `packet` into `interleaved`; gives rate and channels, or what is wrong with the packet.
    pub(super) fn decode(
        &mut self,
        packet: &Packet,
        interleaved: &mut Vec<f32>,
    ) -> Result<(u32, usize), String> {
        match self {
            Decoder::Symphonia(decoder) => {
                let buffer = decoder.decode(packet).map_err(|error| error.to_string())?;
                buffer.copy_to_vec_interleaved(interleaved);
                Ok((buffer.spec().rate(), buffer.spec().channels().count()))
            }
            Decoder::Opus(decoder) => {
                decoder.decode(&packet.data, interleaved)?;
                Ok((OPUS_RATE_HZ, decoder.channels()))
            }
        }
    }

    /// Forgets what came before, for a jump.
    pub(super) fn reset(&mut self) {
        match self {
            Decoder::Symphonia(decoder) => decoder.reset(),
            // A fresh decoder would need the header again; the settling covers an old state too.
            Decoder::Opus(_) => {}
        }
    }
}

/// The track that is decoded, and what decodes it.
pub(super) struct Track {
    /// Its number in the container.
    pub(super) id: u32,
    pub(super) decoder: Decoder,
    /// The short name of its codec.
    pub(super) codec: String,
    /// Whether packets are to be trimmed after decoding rather than by the decoder.
    pub(super) trims: bool,
    /// Encoder delay at the start, in frames.
    pub(super) delay: usize,
    /// Frames that the container promises after trimming.
    pub(super) promised: Option<u64>,
}

/// The default audio track and a decoder for it.
pub(super) fn choose_track(format: &dyn FormatReader) -> Result<Track, DecodeErrorKind> {
    let info = format.format_info();
    let no_track = || DecodeErrorKind::NoTrack {
        format: info.long_name.to_owned(),
    };
    let track = format
        .default_track(TrackType::Audio)
        .or_else(|| format.first_track(TrackType::Audio))
        .ok_or_else(no_track)?;
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        return Err(no_track());
    };
    check_allocations(params)?;
    if params.codec == codec_id::CODEC_ID_OPUS {
        let head = params.extra_data.as_deref().unwrap_or_default();
        let decoder = OpusDecoder::new(head, info.format == format_id::FORMAT_ID_ISOMP4)?;
        return Ok(Track {
            id: track.id,
            codec: "opus".into(),
            trims: true,
            delay: decoder.pre_skip(),
            decoder: Decoder::Opus(Box::new(decoder)),
            promised: track.num_frames,
        });
    }
    // symphonia trims MPEG audio by a length in the header, however much follows.
    let mpeg = [
        codec_id::CODEC_ID_MP1,
        codec_id::CODEC_ID_MP2,
        codec_id::CODEC_ID_MP3,
    ];
    let trims = mpeg.contains(&params.codec);
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(params, &AudioDecoderOptions::default().gapless(!trims))
        .map_err(|error| match error {
            Error::Unsupported(what) => {
                let codec = codec_name(params.codec).map_or_else(|| what.to_owned(), str::to_owned);
                DecodeErrorKind::Unsupported {
                    found: format!("{codec} in {}", info.long_name),
                }
            }
            error => DecodeErrorKind::malformed(error.to_string()),
        })?;
    // CAF is the one container whose priming symphonia reports but leaves in AAC's output.
    let primed = info.format == format_id::FORMAT_ID_CAF && params.codec == codec_id::CODEC_ID_AAC;
    Ok(Track {
        id: track.id,
        codec: decoder.codec_info().short_name.to_owned(),
        decoder: Decoder::Symphonia(decoder),
        trims,
        delay: if primed {
            track.delay.unwrap_or(0) as usize
        } else {
            0
        },
        promised: track.num_frames,
    })
}

/// Refuses parameters by which a decoder would allocate absurdly.
fn check_allocations(params: &AudioCodecParameters) -> Result<(), DecodeErrorKind> {
    let channels = params
        .channels
        .as_ref()
        .map_or(0, |channels| channels.count());
    if channels > MAX_CHANNELS {
        return Err(DecodeErrorKind::malformed(format!(
            "{channels} channels; at most {MAX_CHANNELS} are decoded"
        )));
    }
    let frames = params
        .max_frames_per_packet
        .unwrap_or(0)
        .max(params.frames_per_block.unwrap_or(0));
    if frames > MAX_FRAMES_PER_PACKET {
        return Err(DecodeErrorKind::malformed(format!(
            "{frames} frames a packet; at most {MAX_FRAMES_PER_PACKET} are decoded"
        )));
    }
    Ok(())
}

pub(super) fn probe_failure(error: Error, start: &[u8]) -> DecodeErrorKind {
    match error {
        Error::IoError(error) if error.kind() != ErrorKind::UnexpectedEof => error.into(),
        // The prober reports the end of the file when no known format begins anywhere in it.
        Error::IoError(_) | Error::Unsupported(_) => sniff::not_decodable(start),
        error => DecodeErrorKind::malformed(error.to_string()),
    }
}

fn codec_name(codec: AudioCodecId) -> Option<&'static str> {
    Some(match codec {
        codec_id::CODEC_ID_AC3 => "AC-3",
        codec_id::CODEC_ID_EAC3 => "E-AC-3",
        codec_id::CODEC_ID_AC4 => "AC-4",
        codec_id::CODEC_ID_DCA => "DTS",
        codec_id::CODEC_ID_TRUEHD => "TrueHD",
        codec_id::CODEC_ID_SPEEX => "Speex",
        codec_id::CODEC_ID_WMA => "WMA",
        codec_id::CODEC_ID_WAVPACK => "WavPack",
        codec_id::CODEC_ID_TTA => "TTA",
        codec_id::CODEC_ID_ADPCM_G722 => "G.722",
        codec_id::CODEC_ID_ADPCM_G726 | codec_id::CODEC_ID_ADPCM_G726LE => "G.726",
        _ => return None,
    })
}
