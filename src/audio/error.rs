//! What can go wrong between a path and its samples.
//!
//! Callers count these and go on with the next file, so that every text must stand alone: it names
//! the file, what was found, and what to do where there is something to do.

use std::io;
use std::path::{Path, PathBuf};

use super::resample::{MAX_RATE_HZ, MIN_RATE_HZ};

/// A file that could not be decoded, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct DecodeError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong with it.
    pub kind: DecodeErrorKind,
}

/// The reasons a file gives no samples.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The operating system refused or failed to read it.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// Not a regular file: a folder, FIFO, socket or device, which is never opened.
    #[error("is {found}, not a regular file")]
    NotAFile {
        /// What it is, with its article.
        found: &'static str,
    },
    /// A large file with next to nothing in it, such as a download that has only begun.
    #[error(
        "is {bytes} bytes long with {held} of them on the disk, the rest are holes: finish the download or copy that it is of"
    )]
    Hollow {
        /// The length of the file in bytes.
        bytes: u64,
        /// How many of them take room on the disk.
        held: u64,
    },
    /// A format or codec without a decoder here, or no audio at all.
    #[error("cannot be decoded: {found} is not supported; convert it to WAV or FLAC")]
    Unsupported {
        /// What the content is, as far as it was recognised.
        found: String,
    },
    /// A known format that breaks its own rules.
    #[error("is damaged{}: {what}", position(*at_s))]
    Malformed {
        /// Seconds of audio decoded before the damage, where decoding had begun.
        at_s: Option<f64>,
        /// What was wrong.
        what: String,
    },
    /// A container without an audio track.
    #[error("has no audio track ({format})")]
    NoTrack {
        /// The container's name.
        format: String,
    },
    /// No samples: a file of zero bytes, or headers with nothing behind them.
    #[error("holds no audio: {what}")]
    Empty {
        /// What there was instead.
        what: String,
    },
    /// A sample rate outside what the resampler takes.
    #[error("has a sample rate of {found_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are supported")]
    SampleRate {
        /// The rate in the file's header, in Hz.
        found_hz: u32,
    },
    /// More audio than a file of its size can honestly hold.
    #[error(
        "decodes to more than {limit_s:.0} s, too much for a file of {bytes} bytes; it is damaged or made to exhaust memory"
    )]
    OverBudget {
        /// The limit for a file of this size, in seconds.
        limit_s: f64,
        /// The file's size in bytes.
        bytes: u64,
    },
    /// Reading or decoding that goes on for longer than a file of its size can honestly need.
    #[error(
        "is not decoded after {allowed_s:.0} s of work, or so many readings, which is too much for a file of {bytes} bytes; it is damaged or made to keep programs busy"
    )]
    TooMuchWork {
        /// The processor time that it may take, in seconds.
        allowed_s: f64,
        /// The file's size in bytes.
        bytes: u64,
    },
    /// The part that was asked for begins after the end.
    #[error("is {duration_s:.3} s long; nothing lies at {start_s:.3} s")]
    OutsideFile {
        /// The start that was asked for, in seconds.
        start_s: f64,
        /// The file's decoded length in seconds.
        duration_s: f64,
    },
    /// A start or end that is negative, not a number, or out of order.
    #[error(
        "cannot be cut from {start_s} s to {end_s} s: the start must be at least 0 and before the end"
    )]
    Span {
        /// The start that was asked for, in seconds.
        start_s: f64,
        /// The end that was asked for, in seconds; infinite for the end of the file.
        end_s: f64,
    },
}

impl DecodeErrorKind {
    /// The error for `path`.
    pub(super) fn at(self, path: &Path) -> DecodeError {
        DecodeError {
            path: path.to_owned(),
            kind: self,
        }
    }

    pub(super) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed {
            at_s: None,
            what: what.into(),
        }
    }
}

fn position(at_s: Option<f64>) -> String {
    at_s.map(|seconds| format!(" at {seconds:.3} s"))
        .unwrap_or_default()
}
