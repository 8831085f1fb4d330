//! What a sound looks like: a waveform and a spectrogram of fixed size, made in one pass over a file.
//!
//! A person looks at many sounds quickly, so that nothing may be decoded twice for the same drawing:
//! an [`Overview`] has at most [`MAX_COLUMNS`] columns whatever the length, takes at most
//! some 45 KB, and [`Overviews`] keeps them, in memory and in the library, by content. It stands
//! apart from the views that draw it because it is made on a worker, and from [`crate::mel`]
//! because it is for eyes: it knows loudness, not a model's conventions.

mod image;
mod keep;
mod peak;
mod wave;

use std::path::Path;

use crate::audio::{AudioStream, DecodeError};
use image::ImageBuilder;
pub use image::{BANDS, FLOOR_DB, Image, MAX_IMAGE_COLUMNS};
pub use keep::Overviews;
use peak::TruePeak;
use wave::WaveBuilder;
pub use wave::{Column, MAX_COLUMNS};

/// A sound as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// The length as decoded, in seconds.
    pub duration_s: f64,
    /// The file's own rate, in Hz.
    pub sample_rate_hz: u32,
    /// The waveform of the mix of all channels: 1 to [`MAX_COLUMNS`] columns of equal length, of
    /// which the last may be shorter.
    pub columns: Vec<Column>,
    /// Seconds of one column.
    pub column_s: f64,
    /// The spectrogram.
    pub image: Image,
}

impl Overview {
    /// Decodes a file and looks at all of it. `cancel` is asked at every block; once it says yes,
    /// the result is `None`.
    ///
    /// # Errors
    /// As decoding any file.
    pub fn of_file(
        path: &Path,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Option<Overview>, DecodeError> {
        let mut stream = AudioStream::open_with_channels(path)?;
        let rate_hz = stream.info().sample_rate_hz;
        let channels = (stream.info().channels as usize).max(1);
        let (mut wave, mut image) = (WaveBuilder::default(), ImageBuilder::new(rate_hz));
        let mut peak = TruePeak::new(channels);
        let (mut block, mut mono) = (Vec::new(), Vec::new());
        let scale = 1.0 / channels as f32;
        loop {
            if cancel() {
                return Ok(None);
            }
            block.clear();
            if !stream.next_block(&mut block)? {
                break;
            }
            mono.clear();
            for frame in block.chunks_exact(channels) {
                let mean = frame.iter().sum::<f32>() * scale;
                mono.push(mean);
                wave.push(mean, peak.clips(frame));
            }
            image.push(&mono);
        }
        let (columns, frames_a_column) = wave.finish();
        Ok(Some(Overview {
            duration_s: stream.info().duration_s,
            sample_rate_hz: rate_hz,
            columns,
            column_s: frames_a_column as f64 / f64::from(rate_hz),
            image: image.finish(),
        }))
    }

    /// The columns of a part of the sound, in seconds, gathered into `count` columns; `None` for
    /// those past its end.
    pub fn gather(&self, from_s: f64, to_s: f64, count: usize) -> Vec<Option<Column>> {
        let step_s = (to_s - from_s) / count.max(1) as f64;
        (0..count)
            .map(|n| {
                let start = (from_s + n as f64 * step_s) / self.column_s;
                let end = (from_s + (n + 1) as f64 * step_s) / self.column_s;
                // Casts saturate: a start before the sound is its start.
                let first = (start + 1e-9) as usize;
                let last = ((end - 1e-9).ceil() as usize).max(first + 1);
                let columns = self.columns.get(first..last.min(self.columns.len()))?;
                Column::of_all(columns)
            })
            .collect()
    }
}
