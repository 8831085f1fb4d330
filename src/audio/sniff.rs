//! What the first bytes of a file say where no decoder takes it, and the one header that must be
//! checked before symphonia reads it.
//!
//! The names serve error messages only: which file decodes is never decided here.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::error::DecodeErrorKind;

/// The most bytes of a CAF packet. symphonia reads up to 1,152 uncompressed packets at once, and a
/// compressed packet as a whole.
const MAX_CAF_PACKET_BYTES: u32 = 1 << 20;
/// The most frames of a CAF packet; Apple's codecs use 4,096 at the most.
const MAX_CAF_PACKET_FRAMES: u32 = 1 << 16;
/// The most channels of a CAF file.
const MAX_CAF_CHANNELS: u32 = 255;

/// The first 64 bytes, or fewer; the file is left at its start.
pub(super) fn first_bytes(file: &mut File) -> Result<Vec<u8>, DecodeErrorKind> {
    let mut bytes = Vec::with_capacity(64);
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(64).read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(bytes)
}

/// Refuses a CAF file whose audio description asks for absurd buffers: symphonia's PCM decoder
/// allocates channels times frames a packet before it reads one, which ends the process.
///
/// The description is the first chunk, at byte 8 ("Apple Core Audio Format Specification 1.0").
pub(super) fn check_caf(start: &[u8]) -> Result<(), DecodeErrorKind> {
    if !start.starts_with(b"caff") {
        return Ok(());
    }
    let field = |at: usize| {
        let raw = start.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(raw))
    };
    let (Some(b"desc"), Some(packet_bytes), Some(packet_frames), Some(channels)) =
        (start.get(8..12), field(36), field(40), field(44))
    else {
        return Err(DecodeErrorKind::malformed(
            "CAF that does not begin with an audio description",
        ));
    };
    for (found, limit, what) in [
        (packet_bytes, MAX_CAF_PACKET_BYTES, "bytes a packet"),
        (packet_frames, MAX_CAF_PACKET_FRAMES, "frames a packet"),
        (channels, MAX_CAF_CHANNELS, "channels"),
    ] {
        if found > limit {
            return Err(DecodeErrorKind::malformed(format!(
                "CAF with {found} {what}; at most {limit} are decoded"
            )));
        }
    }
    Ok(())
}

/// The error for a file in which no decoder found a beginning.
pub(super) fn not_decodable(start: &[u8]) -> DecodeErrorKind {
    const DECODABLE: &[(usize, &[u8], &str)] = &[
        (0, b"fLaC", "FLAC"),
        (0, b"OggS", "Ogg"),
        (0, b"FORM", "AIFF"),
        (0, b"caff", "CAF"),
        (0, b"RIFF", "RIFF"),
        (4, b"ftyp", "MP4"),
        (0, b"\x1a\x45\xdf\xa3", "Matroska"),
    ];
    const FOREIGN: &[(usize, &[u8], &str)] = &[
        (0, b"wvpk", "WavPack"),
        (0, b"MAC ", "Monkey's Audio"),
        (0, b"TTA", "True Audio"),
        (0, b"MPCK", "Musepack"),
        (0, b"MP+", "Musepack"),
        (0, b"OFR ", "OptimFROG"),
        (0, b"tBaK", "TAK"),
        (0, b"DSD ", "DSD"),
        (0, b"FRM8", "DSDIFF"),
        (0, b"#!AMR", "AMR"),
        (0, b"MThd", "MIDI"),
        (0, b".RMF", "RealMedia"),
        (0, b"\x30\x26\xb2\x75", "ASF (WMA)"),
        (0, b"\x0b\x77", "AC-3"),
        (0, b"Creative Voice File", "Creative VOC"),
        (0, b"\x89PNG", "a PNG image"),
        (0, b"\xff\xd8\xff", "a JPEG image"),
        (0, b"PK\x03\x04", "a ZIP archive"),
        (0, b"%PDF", "a PDF document"),
    ];
    let find = |table: &[(usize, &[u8], &'static str)]| {
        table
            .iter()
            .find(|(at, magic, _)| start.get(*at..).is_some_and(|rest| rest.starts_with(magic)))
            .map(|entry| entry.2)
    };
    if let Some(format) = find(DECODABLE) {
        return DecodeErrorKind::malformed(format!(
            "{format} with headers that are cut short or broken"
        ));
    }
    let found = match find(FOREIGN) {
        Some(format) => format.to_owned(),
        None if start.trim_ascii_start().first() == Some(&b'<') => {
            "a page of HTML or XML".to_owned()
        }
        None => {
            let text: String = start
                .iter()
                .take(16)
                .flat_map(|b| std::ascii::escape_default(*b))
                .map(char::from)
                .collect();
            format!("content that no decoder knows (it begins \"{text}\")")
        }
    };
    DecodeErrorKind::Unsupported { found }
}
