//! True peaks: whether a signal goes beyond full scale between its samples.
//!
//! The filter is that of Recommendation ITU-R BS.1770-4, annex 2: four phases of twelve taps, that
//! is four times oversampling. A sample is only looked at closely where it is so loud that a peak
//! beside it could reach full scale.

/// The first half of the phases; the third is the second reversed, the fourth the first.
const PHASES: [[f32; 12]; 2] = [
    [
        0.001_708_984_4,
        0.010_986_328,
        -0.019_653_32,
        0.033_203_125,
        -0.059_448_242,
        0.137_329_1,
        0.972_167_97,
        -0.102_294_92,
        0.047_607_42,
        -0.026_611_328,
        0.014_892_578,
        -0.008_300_781,
    ],
    [
        -0.029_174_805,
        0.029_296_875,
        -0.051_757_813,
        0.089_111_33,
        -0.166_503_9,
        0.465_087_9,
        0.779_785_16,
        -0.200_317_38,
        0.101_562_5,
        -0.058_227_54,
        0.033_081_055,
        -0.018_920_898,
    ],
];

/// Magnitude from which a sample counts as full scale: 32,767 of 32,768, the highest of 16 bits.
const FULL_SCALE: f32 = 0.999_96;

/// Below this magnitude nothing between this sample and the next ones is computed; music's peaks
/// between samples are up to some 3 dB higher than the samples beside them, and this is 6 dB.
const LOUD: f32 = 0.5;

/// Watches interleaved frames.
pub(super) struct TruePeak {
    /// The last twelve samples of each channel, the newest at `at` in both halves of 24.
    history: Vec<[f32; 24]>,
    at: usize,
    /// Frames since the last loud sample.
    quiet: usize,
}

impl TruePeak {
    pub(super) fn new(channels: usize) -> TruePeak {
        TruePeak {
            history: vec![[0.0; 24]; channels],
            at: 0,
            quiet: usize::MAX,
        }
    }

    /// Takes the next frame; true when a channel reaches full scale about here.
    pub(super) fn clips(&mut self, frame: &[f32]) -> bool {
        self.at = if self.at == 0 { 11 } else { self.at - 1 };
        let mut highest = 0.0_f32;
        for (history, &sample) in self.history.iter_mut().zip(frame) {
            history[self.at] = sample;
            history[self.at + 12] = sample;
            highest = highest.max(sample.abs());
        }
        self.quiet = if highest >= LOUD {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        if highest >= FULL_SCALE {
            return true;
        }
        self.quiet < 12
            && self
                .history
                .iter()
                .any(|history| beyond(&history[self.at..self.at + 12]))
    }
}

/// True when the signal between the middle of twelve samples, the newest first, goes beyond full
/// scale.
fn beyond(newest_first: &[f32]) -> bool {
    PHASES.iter().any(|phase| {
        let forward: f32 = phase.iter().zip(newest_first).map(|(a, b)| a * b).sum();
        let backward: f32 = phase
            .iter()
            .rev()
            .zip(newest_first)
            .map(|(a, b)| a * b)
            .sum();
        forward.abs() > 1.0 || backward.abs() > 1.0
    })
}
