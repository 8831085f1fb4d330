//! The headers that stand before raw PCM: WAV (RIFF and RIFX), RF64/BW64, Wave64 and AU.
//!
//! AIFF and CAF have a file of their own, [`super::apple`].
//!
//! They live here because symphonia lacks three of the four and believes the fourth's lengths. A
//! header only says where samples start and how they are coded; how many there are is decided by
//! the file's size, and a header that claims otherwise is noted as damage. WAV with a compressed
//! codec inside is left to symphonia.
//!
//! Sources: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" (RIFF), EBU
//! Tech 3306 and ITU-R BS.2088 (RF64, BW64), Sony's Wave64 specification, Sun's audio(5) page (AU).

use std::io::{self, Read, Seek, SeekFrom};

use super::apple::apple_layout;
use super::error::DecodeErrorKind;

/// The most chunks walked before the sample data; real files have a handful.
pub(super) const MAX_CHUNKS: usize = 4_096;

/// How one sample is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Unsigned 8-bit integers, silence at 128.
    Unsigned8,
    /// Signed integers of 1 to 8 bytes, left-justified.
    Signed { bytes: usize },
    /// IEEE 754, 4 or 8 bytes.
    Float { bytes: usize },
    /// ITU-T G.711 A-law.
    ALaw,
    /// ITU-T G.711 mu-law.
    MuLaw,
}

impl Coding {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Signed { bytes } | Self::Float { bytes } => bytes,
            Self::Unsigned8 | Self::ALaw | Self::MuLaw => 1,
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Unsigned8 => "unsigned 8-bit PCM".into(),
            Self::Signed { bytes } => format!("{}-bit PCM", bytes * 8),
            Self::Float { bytes } => format!("{}-bit float PCM", bytes * 8),
            Self::ALaw => "A-law".into(),
            Self::MuLaw => "mu-law".into(),
        }
    }
}

/// Where the samples of a file are and how they are coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PcmLayout {
    pub(super) format: &'static str,
    pub(super) coding: Coding,
    pub(super) big_endian: bool,
    pub(super) channels: u32,
    pub(super) sample_rate_hz: u32,
    /// Byte position of the first sample.
    pub(super) data_start: u64,
    /// Bytes of samples that the file really has.
    pub(super) data_len: u64,
    /// What the header claimed wrongly.
    pub(super) damage: Option<String>,
}

/// Reads the headers of a file of `file_len` bytes; `None` if it is not one of these formats or not
/// PCM.
pub(super) fn pcm_layout(
    file: &mut (impl Read + Seek),
    file_len: u64,
) -> Result<Option<PcmLayout>, DecodeErrorKind> {
    let mut start = Vec::with_capacity(40);
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(40).read_to_end(&mut start)?;
    let magic =
        |from: usize, expected: &[u8]| start.get(from..from + expected.len()) == Some(expected);
    if magic(0, b".snd") {
        return au(&start, file_len).map(Some);
    }
    let chunks = if magic(0, b"riff\x2e\x91\xcf\x11") && magic(24, b"wave") {
        ChunkStyle {
            format: "Wave64",
            first: 40,
            big_endian: false,
            wide: true,
        }
    } else if magic(8, b"WAVE") {
        let format = match start.get(..4) {
            Some(b"RIFF" | b"RIFX") => "WAV",
            Some(b"RF64" | b"BW64") => "RF64",
            _ => return Ok(None),
        };
        ChunkStyle {
            format,
            first: 12,
            big_endian: magic(0, b"RIFX"),
            wide: false,
        }
    } else {
        return apple_layout(file, file_len);
    };
    riff(file, file_len, chunks)
}

/// The two shapes of chunk headers: RIFF's four-letter name and 32-bit size, aligned to 2, and
/// Wave64's GUID and 64-bit size that counts its own header, aligned to 8.
#[derive(Clone, Copy)]
struct ChunkStyle {
    format: &'static str,
    first: u64,
    big_endian: bool,
    wide: bool,
}

struct Chunk {
    name: [u8; 4],
    data_start: u64,
    size: u64,
}

impl ChunkStyle {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if self.big_endian {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big_endian {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        })
    }

    /// The chunk whose header is at `position`; `None` past the last whole header.
    fn read_header(
        self,
        file: &mut (impl Read + Seek),
        position: u64,
    ) -> io::Result<Option<Chunk>> {
        let length = if self.wide { 24 } else { 8 };
        let header = read_at(file, position, length)?;
        if header.len() < length as usize {
            return Ok(None);
        }
        let name = [header[0], header[1], header[2], header[3]];
        let size = if self.wide {
            let raw = header[16..24].try_into().expect("eight bytes");
            u64::from_le_bytes(raw).saturating_sub(24)
        } else {
            u64::from(self.u32(&header, 4).unwrap_or(0))
        };
        Ok(Some(Chunk {
            name,
            data_start: position + length,
            size,
        }))
    }

    /// Where the chunk after `chunk` begins. Some writers forget the pad byte after an odd size: a
    /// letter where it should be is the next chunk's name.
    fn next(self, file: &mut (impl Read + Seek), chunk: &Chunk) -> io::Result<u64> {
        let end = chunk.data_start.saturating_add(chunk.size);
        if self.wide {
            return Ok(end.saturating_add(7) & !7);
        }
        let padded = end % 2 == 1
            && !read_at(file, end, 1)?
                .first()
                .is_some_and(u8::is_ascii_alphabetic);
        Ok(end + u64::from(padded))
    }
}

/// At most `length` bytes from `position`; fewer where the file ends.
pub(super) fn read_at(
    file: &mut (impl Read + Seek),
    position: u64,
    length: u64,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(position))?;
    file.by_ref().take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn riff(
    file: &mut (impl Read + Seek),
    file_len: u64,
    style: ChunkStyle,
) -> Result<Option<PcmLayout>, DecodeErrorKind> {
    let (mut format, mut data, mut long_size) = (None, None, None);
    let mut position = style.first;
    for _ in 0..MAX_CHUNKS {
        let Some(chunk) = style.read_header(file, position)? else {
            break;
        };
        match &chunk.name {
            b"fmt " => format = Some(read_at(file, chunk.data_start, chunk.size.min(40))?),
            b"ds64" => {
                let sizes = read_at(file, chunk.data_start, chunk.size.min(16))?;
                long_size = sizes
                    .get(8..16)
                    .and_then(|raw| raw.try_into().ok())
                    .map(u64::from_le_bytes);
            }
            b"data" => {
                data = Some((chunk.data_start, chunk.size));
                if format.is_some() {
                    break;
                }
            }
            _ => {}
        }
        position = style.next(file, &chunk)?;
    }
    let Some(format) = format else {
        return Err(DecodeErrorKind::malformed(format!(
            "{} without a \"fmt \" chunk",
            style.format
        )));
    };
    let Some((coding, channels, sample_rate_hz)) = read_format(style, &format)? else {
        return Ok(None);
    };
    let Some((data_start, mut claimed)) = data else {
        return Err(DecodeErrorKind::Empty {
            what: format!("{} headers without a \"data\" chunk", style.format),
        });
    };
    let there = file_len.saturating_sub(data_start);
    let unknown = u64::from(u32::MAX);
    if style.format == "RF64" && claimed == unknown {
        claimed = long_size.unwrap_or(0);
    }
    let mut damage = None;
    let open_ended = !style.wide && claimed == unknown
        || claimed == 0 && !only_chunks_follow(file, style, data_start, file_len)?;
    let data_len = if open_ended {
        damage = Some(
            "the header gives no length; everything to the end of the file was taken".to_owned(),
        );
        there
    } else {
        if claimed > there {
            damage = Some(format!(
                "cut short: the header promises {claimed} bytes of samples, the file has {there}"
            ));
        }
        claimed.min(there)
    };
    Ok(Some(PcmLayout {
        format: style.format,
        coding,
        big_endian: style.big_endian,
        channels,
        sample_rate_hz,
        data_start,
        data_len,
        damage,
    }))
}

/// Whether the rest of the file is a whole number of well-formed chunks, so that a data size of 0
/// means no samples. Otherwise the size was never filled in, as after a crash while recording.
fn only_chunks_follow(
    file: &mut (impl Read + Seek),
    style: ChunkStyle,
    from: u64,
    file_len: u64,
) -> io::Result<bool> {
    let mut position = from;
    for _ in 0..MAX_CHUNKS {
        if position >= file_len {
            return Ok(true);
        }
        let Some(chunk) = style.read_header(file, position)? else {
            return Ok(false);
        };
        if !chunk
            .name
            .iter()
            .all(|b| b.is_ascii_graphic() || *b == b' ')
            || chunk.size > file_len
        {
            return Ok(false);
        }
        position = style.next(file, &chunk)?;
    }
    Ok(false)
}

/// Coding, channels and rate from a `WAVEFORMATEX`; `None` if it is not PCM.
fn read_format(
    style: ChunkStyle,
    format: &[u8],
) -> Result<Option<(Coding, u32, u32)>, DecodeErrorKind> {
    let field = |at: usize| style.u16(format, at);
    let (Some(mut tag), Some(channels), Some(rate), Some(block), Some(bits)) = (
        field(0),
        field(2),
        style.u32(format, 4),
        field(12),
        field(14),
    ) else {
        let what = format!(
            "{} with a \"fmt \" chunk of {} bytes instead of at least 16",
            style.format,
            format.len()
        );
        return Err(DecodeErrorKind::malformed(what));
    };
    // WAVE_FORMAT_EXTENSIBLE: the real tag begins the sub-format's GUID.
    if tag == 0xfffe {
        tag = field(24).unwrap_or(0);
    }
    if channels == 0 {
        return Err(DecodeErrorKind::malformed(format!(
            "{} with 0 channels",
            style.format
        )));
    }
    // The block says how much room a sample takes, the bits how much of it is used, from the top.
    let used = usize::from(bits).div_ceil(8);
    let room = usize::from(block) / usize::from(channels);
    let bytes = if block % channels == 0 && room >= used {
        room
    } else {
        used
    };
    let coding = match (tag, bytes) {
        (1, 1) => Coding::Unsigned8,
        (1, 2..=8) => Coding::Signed { bytes },
        (3, 4 | 8) => Coding::Float { bytes },
        (6, _) => Coding::ALaw,
        (7, _) => Coding::MuLaw,
        (1 | 3, _) => {
            let what = format!(
                "{} with {bits} bits a sample in blocks of {block} bytes for {channels} channels",
                style.format
            );
            return Err(DecodeErrorKind::malformed(what));
        }
        // Microsoft's and IMA's ADPCM, which symphonia decodes.
        (2 | 0x11, _) => return Ok(None),
        _ => {
            let found = format!("{} with a codec of number {tag:#06x}", style.format);
            return Err(DecodeErrorKind::Unsupported { found });
        }
    };
    Ok(Some((coding, u32::from(channels), rate)))
}

fn au(header: &[u8], file_len: u64) -> Result<PcmLayout, DecodeErrorKind> {
    let field = |index: usize| {
        let raw = header.get(index * 4..index * 4 + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(raw))
    };
    let (Some(offset), Some(claimed), Some(encoding), Some(sample_rate_hz), Some(channels)) =
        (field(1), field(2), field(3), field(4), field(5))
    else {
        return Err(DecodeErrorKind::malformed(format!(
            "AU with a header of {} bytes instead of 24",
            header.len()
        )));
    };
    let coding = match encoding {
        1 => Coding::MuLaw,
        2..=5 => Coding::Signed {
            bytes: encoding as usize - 1,
        },
        6 => Coding::Float { bytes: 4 },
        7 => Coding::Float { bytes: 8 },
        27 => Coding::ALaw,
        _ => {
            return Err(DecodeErrorKind::Unsupported {
                found: format!("AU with encoding {encoding}"),
            });
        }
    };
    if channels == 0 || channels > u32::from(u16::MAX) {
        return Err(DecodeErrorKind::malformed(format!(
            "AU with {channels} channels"
        )));
    }
    let data_start = u64::from(offset.max(24));
    let there = file_len.saturating_sub(data_start);
    // 0xffffffff is the format's own mark for a length unknown when the header was written.
    let claimed = if claimed == u32::MAX {
        there
    } else {
        u64::from(claimed)
    };
    let damage = (claimed > there).then(|| {
        format!("cut short: the header promises {claimed} bytes of samples, the file has {there}")
    });
    Ok(PcmLayout {
        format: "AU",
        coding,
        big_endian: true,
        channels,
        sample_rate_hz,
        data_start,
        data_len: claimed.min(there),
        damage,
    })
}
