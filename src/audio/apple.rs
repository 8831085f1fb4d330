//! The headers before raw PCM in AIFF, AIFF-C and CAF.
//!
//! symphonia reads these too, but refuses a file that was cut short, where every sample it still
//! has is good. Compressed codecs in AIFF-C and CAF are left to symphonia.
//!
//! Sources: Apple's "Audio Interchange File Format AIFF-C" (1991 draft) and "Apple Core Audio Format
//! Specification 1.0".

use std::io::{Read, Seek};

use super::containers::{Coding, MAX_CHUNKS, PcmLayout, read_at};
use super::error::DecodeErrorKind;

/// Reads the headers of an AIFF or CAF file of `file_len` bytes; `None` if it is neither or not PCM.
pub(super) fn apple_layout(
    file: &mut (impl Read + Seek),
    file_len: u64,
) -> Result<Option<PcmLayout>, DecodeErrorKind> {
    let start = read_at(file, 0, 52)?;
    let magic = |from: usize, text: &[u8]| start.get(from..).is_some_and(|s| s.starts_with(text));
    let (description, sound) = if magic(0, b"FORM") && (magic(8, b"AIFF") || magic(8, b"AIFC")) {
        let common = find_chunk(file, 12, 4, b"COMM")?;
        (
            common.map(|c| read_at(file, c.0, 22)).transpose()?,
            find_chunk(file, 12, 4, b"SSND")?,
        )
    } else if magic(0, b"caff") {
        (
            start.get(20..).map(<[u8]>::to_vec),
            find_chunk(file, 8, 8, b"data")?,
        )
    } else {
        return Ok(None);
    };
    let format = if magic(0, b"caff") { "CAF" } else { "AIFF" };
    let Some(description) = description else {
        return Err(DecodeErrorKind::malformed(format!(
            "{format} without a description of its samples"
        )));
    };
    let read = if format == "CAF" {
        caf_format
    } else {
        aiff_format
    };
    let Some(found) = read(&description) else {
        return Ok(None);
    };
    let Some((position, size)) = sound else {
        let what = format!("{format} headers without a chunk of samples");
        return Err(DecodeErrorKind::Empty { what });
    };
    // Before the samples stand AIFF's offset and block size, or CAF's count of edits.
    let skipped = if format == "CAF" {
        4
    } else {
        let offset = be_u32(&read_at(file, position, 4)?, 0).unwrap_or(0);
        8 + u64::from(offset)
    };
    let data_start = position.saturating_add(skipped);
    let there = file_len.saturating_sub(data_start);
    // Both mark a length unknown when the header was written by the largest number.
    let unknown = size == u64::MAX || format == "AIFF" && size >= u64::from(u32::MAX);
    let claimed = if unknown {
        there
    } else {
        size.saturating_sub(skipped)
    };
    let damage = (claimed > there).then(|| {
        format!("cut short: the header promises {claimed} bytes of samples, the file has {there}")
    });
    Ok(Some(PcmLayout {
        format,
        coding: found.coding,
        big_endian: found.big_endian,
        channels: found.channels,
        sample_rate_hz: found.sample_rate_hz,
        data_start,
        data_len: claimed.min(there),
        damage,
    }))
}

struct Format {
    coding: Coding,
    big_endian: bool,
    channels: u32,
    sample_rate_hz: u32,
}

/// Position and size of the data of the first chunk called `name`, walking from `first`; sizes have
/// `width` bytes, and those of 4 bytes are padded to even.
fn find_chunk(
    file: &mut (impl Read + Seek),
    first: u64,
    width: usize,
    name: &[u8; 4],
) -> Result<Option<(u64, u64)>, DecodeErrorKind> {
    let mut position = first;
    for _ in 0..MAX_CHUNKS {
        let header = read_at(file, position, 4 + width as u64)?;
        let Some(raw) = header.get(4..4 + width) else {
            break;
        };
        let size = raw
            .iter()
            .fold(0, |size: u64, byte| size << 8 | u64::from(*byte));
        let start = position + header.len() as u64;
        if header.starts_with(name) {
            return Ok(Some((start, size)));
        }
        let padded = if width == 4 { size + size % 2 } else { size };
        position = start.saturating_add(padded);
    }
    Ok(None)
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn be_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The `COMM` chunk: channels, frames, bits, rate and, in AIFF-C, the compression's name.
fn aiff_format(common: &[u8]) -> Option<Format> {
    let channels = be_u16(common, 0).filter(|channels| *channels > 0)?;
    let bytes = usize::from(be_u16(common, 6)?).div_ceil(8);
    let signed = (1..=8).contains(&bytes).then_some(Coding::Signed { bytes });
    // In plain AIFF the name is missing, and what follows the chunk's 18 bytes is the next chunk.
    let (coding, big_endian) = match common.get(18..22) {
        Some(b"sowt") => (signed?, false),
        Some(b"raw ") => (Coding::Unsigned8, true),
        Some(b"fl32" | b"FL32") => (Coding::Float { bytes: 4 }, true),
        Some(b"fl64" | b"FL64") => (Coding::Float { bytes: 8 }, true),
        Some(b"alaw" | b"ALAW") => (Coding::ALaw, true),
        Some(b"ulaw" | b"ULAW") => (Coding::MuLaw, true),
        Some(b"ima4" | b"MAC3" | b"MAC6" | b"GSM " | b"QDM2" | b"Qclp") => return None,
        _ => (signed?, true),
    };
    // IEEE 754 extended: a 15-bit exponent and an explicit 64-bit mantissa.
    let exponent = i32::from(be_u16(common, 8)?) - 16_383 - 63;
    let mantissa = u64::from_be_bytes(common.get(10..18)?.try_into().ok()?);
    let sample_rate_hz = (mantissa as f64 * 2.0_f64.powi(exponent)).round() as u32;
    Some(Format {
        coding,
        big_endian,
        channels: channels.into(),
        sample_rate_hz,
    })
}

/// The `desc` chunk of CAF: rate, codec, flags, bytes and frames a packet, channels, bits.
fn caf_format(description: &[u8]) -> Option<Format> {
    let sample_rate_hz = f64::from_be_bytes(description.get(..8)?.try_into().ok()?).round() as u32;
    let flags = be_u32(description, 12)?;
    let (packet_bytes, packet_frames) = (be_u32(description, 16)?, be_u32(description, 20)?);
    let channels = be_u32(description, 24).filter(|channels| *channels > 0)?;
    let bytes = (packet_bytes / channels) as usize;
    let (float, little_endian) = (flags & 1 != 0, flags & 2 != 0);
    let coding = match (description.get(8..12)?, float, bytes) {
        _ if packet_frames != 1 || packet_bytes % channels != 0 => return None,
        (b"lpcm", true, 4 | 8) => Coding::Float { bytes },
        (b"lpcm", false, 1..=8) => Coding::Signed { bytes },
        (b"alaw", _, 1) => Coding::ALaw,
        (b"ulaw", _, 1) => Coding::MuLaw,
        _ => return None,
    };
    Some(Format {
        coding,
        big_endian: !little_endian,
        channels,
        sample_rate_hz,
    })
}
