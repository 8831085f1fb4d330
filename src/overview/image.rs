//! The spectrogram as a small image: mel bands over time, in steps of loudness.
//!
//! It is gathered as the sound streams by, like the waveform: whenever there would be too many
//! columns, neighbours are joined and the windows lie farther apart, so that a recording of two hours
//! costs about as many transforms as one of half a minute. What is joined is averaged in decibels:
//! then a steady noise has one level all along, however many windows each column has seen.

use crate::mel::{LogMelExtractor, MelConfig, MelScale, Padding, Scratch};

/// Mel bands of an image, the lowest first: about two for each row of a tall terminal's drawing.
pub const BANDS: usize = 64;

/// The most columns of an image.
pub const MAX_IMAGE_COLUMNS: usize = 512;

/// The level that is 0 in an image; 255 is full scale. 96 dB is what 16 bits hold.
pub const FLOOR_DB: f32 = -96.0;

/// Windows that a column averages, where it is long enough.
const WINDOWS_A_COLUMN: u64 = 4;

/// The lowest and the highest frequency, in Hz.
const F_MIN_HZ: f64 = 40.0;
const F_MAX_HZ: f64 = 16_000.0;

/// A spectrogram. Empty only for a sound shorter than half a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Image {
    /// (column, band), the band moving fastest; [`FLOOR_DB`] and less is 0, a full-scale sine 255.
    pub levels: Vec<u8>,
    /// Seconds from one column to the next.
    pub column_s: f64,
    /// The highest frequency, in Hz; bands are even on the HTK mel scale from 40 Hz up to it.
    pub f_max_hz: f64,
}

impl Image {
    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.levels.len() / BANDS
    }

    /// The level at a time and in a band; 0 outside.
    pub fn level(&self, at_s: f64, band: usize) -> u8 {
        let column = (at_s / self.column_s) as usize;
        self.levels.get(column * BANDS + band).copied().unwrap_or(0)
    }
}

pub(super) struct ImageBuilder {
    extractor: LogMelExtractor,
    scratch: Scratch,
    sample_rate_hz: u32,
    window: usize,
    /// Samples that a coming window may need; the first is the signal's sample `base`.
    pending: Vec<f32>,
    base: u64,
    /// The first sample of the next window.
    next: u64,
    /// From one column to the next, in samples.
    hop: u64,
    /// The summed decibels of the windows of the column that is being filled.
    sums: Vec<f32>,
    windows: u64,
    levels: Vec<u8>,
    reference_db: f32,
    f_max_hz: f64,
}

impl ImageBuilder {
    pub(super) fn new(sample_rate_hz: u32) -> ImageBuilder {
        // About 46 ms: 2,048 samples at 44.1 and 48 kHz.
        let window = (f64::from(sample_rate_hz) * 0.045).log2().round().exp2() as usize;
        let f_max_hz = F_MAX_HZ.min(f64::from(sample_rate_hz) / 2.0);
        let config = MelConfig {
            sample_rate_hz,
            n_fft: window,
            // The middle one of the three frames of a window's length is the window itself.
            hop: window / 2,
            n_mels: BANDS,
            f_min_hz: F_MIN_HZ,
            f_max_hz,
            max_samples: window,
            scale: MelScale::Htk,
            padding: Padding::Pad,
            fusion: false,
        };
        ImageBuilder {
            extractor: LogMelExtractor::new(&config)
                .expect("every rate of a stream gives settings within bounds"),
            scratch: Scratch::default(),
            sample_rate_hz,
            window,
            // Silence before the sound, so that the first window has its centre at sample 0.
            pending: vec![0.0; window / 2],
            base: 0,
            next: 0,
            hop: (window / 16) as u64,
            sums: vec![0.0; BANDS],
            windows: 0,
            levels: Vec::with_capacity(MAX_IMAGE_COLUMNS * BANDS),
            // The power of a full-scale sine in its bin under a Hann window, (window / 4)².
            reference_db: 20.0 * (window as f32 / 4.0).log10(),
            f_max_hz,
        }
    }

    pub(super) fn push(&mut self, samples: &[f32]) {
        self.pending.extend_from_slice(samples);
        self.take_windows();
    }

    /// Takes every window that is complete, then forgets what none can need.
    fn take_windows(&mut self) {
        while self.next + self.window as u64 <= self.base + self.pending.len() as u64 {
            let start = (self.next - self.base) as usize;
            let samples = &self.pending[start..start + self.window];
            let mel = self.extractor.extract(samples, &mut self.scratch);
            for (sum, db) in self.sums.iter_mut().zip(&mel.data[BANDS..2 * BANDS]) {
                *sum += db;
            }
            self.windows += 1;
            let windows_a_column = (self.hop / self.least_hop()).min(WINDOWS_A_COLUMN);
            self.next += self.hop / windows_a_column;
            if self.windows == windows_a_column {
                self.end_column();
            }
        }
        let forgotten = (self.next.min(self.base + self.pending.len() as u64) - self.base) as usize;
        if forgotten >= self.window {
            self.pending.drain(..forgotten);
            self.base += forgotten as u64;
        }
    }

    fn least_hop(&self) -> u64 {
        (self.window / 16) as u64
    }

    fn end_column(&mut self) {
        for sum in &mut self.sums {
            let db = *sum / self.windows as f32 - self.reference_db;
            // Casts saturate.
            self.levels
                .push((255.0 * (1.0 - db / FLOOR_DB)).round() as u8);
            *sum = 0.0;
        }
        self.windows = 0;
        if self.levels.len() == MAX_IMAGE_COLUMNS * BANDS {
            self.join_pairs();
        }
    }

    fn join_pairs(&mut self) {
        let half = MAX_IMAGE_COLUMNS / 2;
        for column in 0..half {
            for band in 0..BANDS {
                let pair = 2 * column * BANDS + band;
                let both = u16::from(self.levels[pair]) + u16::from(self.levels[pair + BANDS]);
                self.levels[column * BANDS + band] = (both / 2) as u8;
            }
        }
        self.levels.truncate(half * BANDS);
        self.hop *= 2;
        self.next = half as u64 * self.hop;
    }

    pub(super) fn finish(mut self) -> Image {
        // Silence after the sound, so that the last window has its centre at the last sample.
        let end = self.pending.len() + self.window / 2;
        self.pending.resize(end, 0.0);
        self.take_windows();
        if self.windows > 0 {
            self.end_column();
        }
        Image {
            levels: self.levels,
            column_s: self.hop as f64 / f64::from(self.sample_rate_hz),
            f_max_hz: self.f_max_hz,
        }
    }
}
