//! Audio files to segments of mono samples at the model's rate.
//!
//! The stages, each a file: [`AudioStream`] decodes any supported file block by block and mixes it
//! down, [`Resampler`] brings the blocks to the model's rate, and [`segment_file`] drives both and
//! cuts the result into overlapping segments as it is read, so that memory does not grow with a
//! file's length. Content decides what a file is, never its name, and no length in a header is
//! believed: sizes only ever cut what is read, they allocate nothing.

mod apple;
mod coded;
mod containers;
mod error;
mod file;
mod opus;
mod pcm;
mod resample;
mod segment;
mod sniff;
mod stream;

pub use error::{DecodeError, DecodeErrorKind};
pub use file::open_regular;
pub use resample::{MAX_RATE_HZ, MIN_RATE_HZ, RateError, Resampler};
pub use segment::{Segment, SegmentPlan, Span, segment_file};
pub use stream::{AudioStream, MAX_AMPLITUDE, SourceInfo};

/// Counts up when files that were refused before may decode, so that they are tried once more.
pub const DECODERS_VERSION: u32 = 1;

/// Lower-case extensions taken as audio when folders are walked.
///
/// A file that is named directly is decoded whatever it is called.
pub const EXTENSIONS: &[&str] = &[
    "aac", "adts", "aif", "aifc", "aiff", "alac", "au", "bwf", "caf", "flac", "m4a", "m4b", "mka",
    "mp1", "mp2", "mp3", "mp4", "mpga", "oga", "ogg", "opus", "rf64", "snd", "w64", "wav", "wave",
    "weba", "webm",
];
