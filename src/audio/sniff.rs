//! What the first bytes of a file rule out: formats that no decoder here takes, and headers that
//! must not reach symphonia.
//!
//! Formats without a decoder are refused before the search for one begins, because some of them
//! (WavPack, Monkey's Audio, TAK, OptimFROG) carry a whole WAV header inside and would be taken for
//! WAV, their compressed bytes for samples.

use std::io::{Read, Seek, SeekFrom};

use super::error::DecodeErrorKind;

/// The most bytes of a CAF packet. symphonia reads up to 1,152 uncompressed packets at once, and a
/// compressed packet as a whole.
const MAX_CAF_PACKET_BYTES: u32 = 1 << 20;
/// The most frames of a CAF packet; Apple's codecs use 4,096 at the most.
const MAX_CAF_PACKET_FRAMES: u32 = 1 << 16;
/// The most channels of a CAF file.
const MAX_CAF_CHANNELS: u32 = 255;

/// Signatures of what is not decoded, each with its name.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"wvpk", "WavPack"),
    (b"MAC ", "Monkey's Audio"),
    (b"TTA", "True Audio"),
    (b"MPCK", "Musepack"),
    (b"MP+", "Musepack"),
    (b"OFR ", "OptimFROG"),
    (b"tBaK", "TAK"),
    (b"DSD ", "DSD"),
    (b"FRM8", "DSDIFF"),
    (b"#!AMR", "AMR"),
    (b"MThd", "MIDI"),
    (b".RMF", "RealMedia"),
    (b"\x30\x26\xb2\x75", "ASF (WMA)"),
    (b"\x0b\x77", "AC-3"),
    (b"Creative Voice File", "Creative VOC"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "a PDF document"),
];

/// The first 64 bytes, or fewer; the file is left at its start.
pub(super) fn first_bytes(file: &mut (impl Read + Seek)) -> Result<Vec<u8>, DecodeErrorKind> {
    let mut bytes = Vec::with_capacity(64);
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(64).read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(bytes)
}

/// Refuses a file by its first bytes; see the module's text.
pub(super) fn refuse(start: &[u8]) -> Result<(), DecodeErrorKind> {
    match FOREIGN.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, format)) => Err(DecodeErrorKind::Unsupported {
            found: (*format).to_owned(),
        }),
        None => check_caf(start),
    }
}

/// Refuses a CAF file whose audio description asks for absurd buffers: symphonia's PCM decoder
/// allocates channels times frames a packet before it reads one, which ends the process.
///
/// The description is the first chunk, at byte 8 ("Apple Core Audio Format Specification 1.0").
fn check_caf(start: &[u8]) -> Result<(), DecodeErrorKind> {
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
    let known = DECODABLE
        .iter()
        .find(|(at, magic, _)| start.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some((_, _, format)) = known {
        return DecodeErrorKind::malformed(format!("{format} that is cut short or broken"));
    }
    let found = if start.trim_ascii_start().first() == Some(&b'<') {
        "a page of HTML or XML".to_owned()
    } else {
        let escaped = start
            .iter()
            .take(16)
            .flat_map(|b| std::ascii::escape_default(*b));
        let text: String = escaped.map(char::from).collect();
        format!("content that no decoder knows (it begins \"{text}\")")
    };
    DecodeErrorKind::Unsupported { found }
}
