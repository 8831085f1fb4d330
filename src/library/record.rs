//! What a library writes down: the records of files and failures, and how they become bytes.
//!
//! Records are JSON, so that an older version reads what a newer one wrote and the other way round;
//! only the moments of a content's vectors, of which a long recording has thousands, are packed. It
//! stands apart from the library's logic because it is the on-disk format.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::audio::{DECODERS_VERSION, SourceInfo};

/// The BLAKE3 of a file's bytes: the key of its vectors.
pub type ContentHash = [u8; 32];

/// What tells a file that has not changed from one that may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The length in bytes.
    pub size: u64,
    /// The time of the last modification, in nanoseconds since 1970; 0 where the system has none.
    pub modified_ns: i64,
}

impl Stamp {
    /// The stamp of a file as the file system gives it.
    pub fn of(metadata: &std::fs::Metadata) -> Stamp {
        let modified_ns = match metadata
            .modified()
            .map(|time| time.duration_since(UNIX_EPOCH))
        {
            Ok(Ok(since)) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Ok(Err(before)) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
            Err(_) => 0,
        };
        Stamp {
            size: metadata.len(),
            modified_ns,
        }
    }
}

/// What the library knows of one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The stamp that the file had when it was read.
    pub stamp: Stamp,
    /// The key of its vectors.
    #[serde(with = "content_hex")]
    pub content: ContentHash,
    /// What the file was found to be.
    #[serde(flatten)]
    pub sound: SoundRecord,
}

/// The part of a [`FileRecord`] that tells whether its file has changed, read several times faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct FileState {
    /// The stamp that the file had when it was read.
    pub stamp: Stamp,
    /// The key of its vectors.
    #[serde(with = "content_hex")]
    pub content: ContentHash,
}

/// What decoding a sound told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoundRecord {
    /// The container, such as `WAV` or `ogg`.
    pub format: String,
    /// The codec, such as `16-bit PCM` or `vorbis`.
    pub codec: String,
    /// The file's own sampling rate.
    pub sample_rate_hz: u32,
    /// The file's own channel count.
    pub channels: u32,
    /// The length as decoded.
    pub duration_s: f64,
    /// What was skipped or cut short while decoding, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

impl From<SourceInfo> for SoundRecord {
    fn from(info: SourceInfo) -> SoundRecord {
        SoundRecord {
            format: info.format,
            codec: info.codec,
            sample_rate_hz: info.sample_rate_hz,
            channels: info.channels,
            duration_s: info.duration_s,
            damage: info.damage,
        }
    }
}

/// A file that could not be indexed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stamp that the file had when it was tried.
    pub stamp: Stamp,
    /// The error's text.
    pub reason: String,
    /// The [`DECODERS_VERSION`] that gave up on its content; `None` when the content could not be
    /// read, or not at rest.
    #[serde(default)]
    pub decoders: Option<u32>,
}

impl Failure {
    /// True when trying again can only fail again: the content was read, neither the file nor the
    /// decoders have changed since.
    pub fn is_final(&self, stamp: Stamp) -> bool {
        self.stamp == stamp && self.decoders == Some(DECODERS_VERSION)
    }
}

/// The start and end of one segment in its file, in seconds: the place of one vector.
pub type Moment = (f32, f32);

/// What the index keeps with a content's vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct SoundEntry {
    /// What the sound was found to be, so that a copy is known without being decoded.
    pub sound: SoundRecord,
    /// The moments of the vectors, in the vectors' order.
    pub moments: Vec<Moment>,
}

impl SoundEntry {
    /// The length of the JSON (u32, little-endian), the JSON of the sound, then each moment as two
    /// little-endian f32.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sound =
            serde_json::to_vec(&self.sound).expect("a sound's record has only plain fields");
        let length = u32::try_from(sound.len()).expect("a sound's record is short");
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(sound);
        for (start, end) in &self.moments {
            bytes.extend(start.to_le_bytes());
            bytes.extend(end.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`SoundEntry::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<SoundEntry> {
        let damaged = "the library's entry of a sound is damaged: index its folder again";
        let (length, rest) = bytes.split_first_chunk::<4>().context(damaged)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (sound, moments) = rest.split_at_checked(length).context(damaged)?;
        ensure!(moments.len().is_multiple_of(8), damaged);
        let seconds = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
        Ok(SoundEntry {
            sound: serde_json::from_slice(sound).context(damaged)?,
            moments: moments
                .chunks_exact(8)
                .map(|pair| (seconds(&pair[..4]), seconds(&pair[4..])))
                .collect(),
        })
    }
}

pub(super) fn parse_record<T: for<'a> Deserialize<'a>>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).with_context(|| {
        format!(
            "the library's record of {} cannot be read: remove it and index it again",
            path.display()
        )
    })
}

#[cfg(unix)]
pub(super) fn path_to_bytes(path: &Path) -> Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    Ok(path.as_os_str().as_bytes().to_vec())
}

#[cfg(unix)]
pub(super) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub(super) fn path_to_bytes(path: &Path) -> Result<Vec<u8>> {
    let text = path.to_str().with_context(|| {
        format!(
            "{} is not valid Unicode: rename it so that it can be indexed",
            path.display()
        )
    })?;
    Ok(text.as_bytes().to_vec())
}

#[cfg(not(unix))]
pub(super) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

mod content_hex {
    //! A content hash as text in a record.
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(hash: &super::ContentHash, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(blake3::Hash::from_bytes(*hash).to_hex().as_str())
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(d: D) -> Result<super::ContentHash, D::Error> {
        let text = <std::borrow::Cow<'a, str>>::deserialize(d)?;
        blake3::Hash::from_hex(text.as_bytes())
            .map(|hash| *hash.as_bytes())
            .map_err(D::Error::custom)
    }
}
