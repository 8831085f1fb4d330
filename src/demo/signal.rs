//! A [`Signal`]: mono samples, and the filters, mixing and room that shape them.
//!
//! It stands apart from the studio that makes signals because nothing here is random or periodic:
//! every method is a plain function of the samples and of time.

use std::f32::consts::PI;

/// Which output of the state-variable filter is taken.
#[derive(Clone, Copy)]
enum Pass {
    Low,
    Band,
    High,
}

/// Mono samples and their rate. Methods take it by value and give the changed signal back.
#[derive(Clone)]
pub(super) struct Signal {
    pub rate: f32,
    pub samples: Vec<f32>,
}

impl Signal {
    /// The duration in seconds.
    fn seconds(&self) -> f32 {
        self.samples.len() as f32 / self.rate
    }

    /// Multiplies by a function of time.
    pub fn shape(mut self, gain: impl Fn(f32) -> f32) -> Self {
        for (i, sample) in self.samples.iter_mut().enumerate() {
            *sample *= gain(i as f32 / self.rate);
        }
        self
    }

    /// Multiplies by `low` to `high` as `curve` goes from -1 to 1.
    pub fn follow(mut self, curve: &Signal, low: f32, high: f32) -> Self {
        for (sample, at) in self.samples.iter_mut().zip(&curve.samples) {
            *sample *= low + (high - low) * (0.5 + 0.5 * at);
        }
        self
    }

    /// Multiplies by `level`.
    pub fn gain(self, level: f32) -> Self {
        self.shape(|_| level)
    }

    /// Mixes `other` in, `at` seconds from the start and `level` times as loud; what reaches past the
    /// end is cut.
    pub fn with(mut self, at: f32, level: f32, other: &Signal) -> Self {
        let start = (at * self.rate) as usize;
        for (sample, more) in self.samples.iter_mut().skip(start).zip(&other.samples) {
            *sample += level * more;
        }
        self
    }

    /// Bends the wave softly towards ±1, which adds odd harmonics: `drive` 1 is gentle, 10 a fuzz.
    pub fn saturate(mut self, drive: f32) -> Self {
        for sample in &mut self.samples {
            *sample = (drive * *sample).tanh();
        }
        self
    }

    /// Keeps what is below `hz(t)`, 12 dB per octave; `q` above 0.7 lifts the edge.
    pub fn lowpass(self, hz: impl Fn(f32) -> f32, q: f32) -> Self {
        self.filter(hz, q, Pass::Low)
    }

    /// Keeps what is above `hz`, 12 dB per octave.
    pub fn highpass(self, hz: f32, q: f32) -> Self {
        self.filter(|_| hz, q, Pass::High)
    }

    /// Keeps a band around `hz(t)`, `hz / q` wide, with gain 1 in the middle.
    pub fn bandpass(self, hz: impl Fn(f32) -> f32, q: f32) -> Self {
        self.filter(hz, q, Pass::Band)
    }

    /// The sum of band-passes at fixed frequencies, each `(hz, level, q)`: the formants of a voice or
    /// the resonances of a body.
    pub fn formants(self, formants: &[(f32, f32, f32)]) -> Self {
        let silence = Signal {
            rate: self.rate,
            samples: vec![0.0; self.samples.len()],
        };
        formants.iter().fold(silence, |sum, &(hz, level, q)| {
            sum.with(0.0, level, &self.clone().bandpass(|_| hz, q))
        })
    }

    /// A state-variable filter with trapezoidal integrators (Zavalishin, "The Art of VA Filter
    /// Design", section 4), which stays stable while its frequency moves.
    fn filter(mut self, hz: impl Fn(f32) -> f32, q: f32, pass: Pass) -> Self {
        let damping = 1.0 / q;
        let (mut s1, mut s2) = (0.0_f32, 0.0_f32);
        for (i, sample) in self.samples.iter_mut().enumerate() {
            let cutoff = hz(i as f32 / self.rate).clamp(5.0, 0.45 * self.rate);
            let g = (PI * cutoff / self.rate).tan();
            let high = (*sample - (damping + g) * s1 - s2) / (1.0 + damping * g + g * g);
            let band = g * high + s1;
            let low = g * band + s2;
            s1 = g * high + band;
            s2 = g * band + low;
            *sample = match pass {
                Pass::Low => low,
                Pass::Band => damping * band,
                Pass::High => high,
            };
        }
        self
    }

    /// A room of `rt60` seconds, `wet` times as loud as the direct sound: Schroeder's parallel combs
    /// and serial all-passes (1962) with the delays of Freeverb.
    pub fn reverb(self, rt60: f32, wet: f32) -> Self {
        const COMBS: [f32; 4] = [0.02531, 0.02694, 0.02896, 0.03075];
        const ALL_PASSES: [f32; 2] = [0.01261, 0.0077];
        let silence = vec![0.0; self.samples.len()];
        let mut room = Signal {
            rate: self.rate,
            samples: silence,
        };
        for delay in COMBS {
            let mut line = vec![0.0; (delay * self.rate) as usize];
            let feedback = 10.0_f32.powf(-3.0 * delay / rt60);
            let mut dull = 0.0;
            let mut at = 0;
            for (out, sample) in room.samples.iter_mut().zip(&self.samples) {
                let echo = line[at];
                // Air and walls eat treble first.
                dull += 0.6 * (echo - dull);
                line[at] = sample + feedback * dull;
                at = (at + 1) % line.len();
                *out += 0.25 * echo;
            }
        }
        for delay in ALL_PASSES {
            let mut line = vec![0.0; (delay * self.rate) as usize];
            let mut at = 0;
            for sample in &mut room.samples {
                let echo = line[at];
                line[at] = *sample + 0.5 * echo;
                *sample = echo - 0.5 * *sample;
                at = (at + 1) % line.len();
            }
        }
        self.with(0.0, wet, &room)
    }

    /// Scales the largest sample to 1.
    pub fn normalize(self) -> Self {
        let peak = self
            .samples
            .iter()
            .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        self.gain(if peak > 0.0 { 1.0 / peak } else { 1.0 })
    }

    /// The samples as a recording is delivered: peak at 0.9, which leaves room for a resampler's
    /// overshoot, and the last 10 ms faded out so that no file ends in a click.
    pub fn master(self) -> Vec<f32> {
        let end = self.seconds();
        self.normalize()
            .shape(|t| 0.9 * ((end - t) / 0.01).min(1.0))
            .samples
    }
}
