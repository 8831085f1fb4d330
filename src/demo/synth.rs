//! The synthesiser behind the demo's sounds: a seeded [`Studio`] that makes raw material, and a
//! [`Signal`] whose methods shape it.
//!
//! It stands apart from the sounds so that each of them reads as a recipe. Times are seconds,
//! frequencies hertz, levels linear. Everything is f32 arithmetic, so that one machine always makes
//! the same samples; another one's `sin` may differ in the last bit.

use std::f32::consts::{PI, TAU};

/// SplitMix64 (Steele, Lea and Flood 2014): three multiply-xorshifts over a counter.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// An exponential decay that starts at 1 and falls to 1/e after `seconds`; 0 before time 0.
pub(super) fn decay(t: f32, seconds: f32) -> f32 {
    if t < 0.0 { 0.0 } else { (-t / seconds).exp() }
}

/// Rises linearly from 0 to 1 in `attack` seconds, stays, and falls to 0 in the `release` seconds
/// that end at `end`.
pub(super) fn gate(t: f32, attack: f32, end: f32, release: f32) -> f32 {
    (t / attack).min((end - t) / release).clamp(0.0, 1.0)
}

/// Makes signals at one sampling rate, with one seeded source of randomness.
pub(super) struct Studio {
    rate: f32,
    random: SplitMix64,
}

impl Studio {
    /// A studio for the sound called `name`: the seed is the name's FNV-1a hash, so that adding a
    /// sound never changes another.
    pub fn new(sample_rate_hz: u32, name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Studio {
            rate: sample_rate_hz as f32,
            random: SplitMix64(seed),
        }
    }

    /// A random number, uniform in `low..high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        // The upper 24 bits are all that an f32 in [0, 1) can hold.
        let unit = (self.random.next() >> 40) as f32 / (1 << 24) as f32;
        low + (high - low) * unit
    }

    fn signal(&self, samples: Vec<f32>) -> Signal {
        Signal {
            rate: self.rate,
            samples,
        }
    }

    fn length(&self, seconds: f32) -> usize {
        (seconds * self.rate) as usize
    }

    /// Silence, to mix into.
    pub fn silence(&self, seconds: f32) -> Signal {
        self.signal(vec![0.0; self.length(seconds)])
    }

    /// White noise, uniform in [-1, 1).
    pub fn noise(&mut self, seconds: f32) -> Signal {
        let samples = (0..self.length(seconds))
            .map(|_| self.between(-1.0, 1.0))
            .collect();
        self.signal(samples)
    }

    /// A smooth random curve in [-1, 1]: a new random target `changes_hz` times a second, joined by
    /// raised cosines. It moves wind, waves and fire.
    pub fn wander(&mut self, seconds: f32, changes_hz: f32) -> Signal {
        let targets: Vec<f32> = (0..(seconds * changes_hz) as usize + 2)
            .map(|_| self.between(-1.0, 1.0))
            .collect();
        let samples = (0..self.length(seconds))
            .map(|i| {
                let at = i as f32 / self.rate * changes_hz;
                let (from, to) = (targets[at as usize], targets[at as usize + 1]);
                from + (to - from) * (0.5 - 0.5 * (PI * at.fract()).cos())
            })
            .collect();
        self.signal(samples)
    }

    /// A periodic wave of a frequency that may change; `wave` gets the phase in [0, 1) and the
    /// phase's step per sample.
    fn oscillator(
        &self,
        seconds: f32,
        hz: impl Fn(f32) -> f32,
        wave: impl Fn(f32, f32) -> f32,
    ) -> Signal {
        let mut phase = 0.0_f32;
        let samples = (0..self.length(seconds))
            .map(|i| {
                let step = hz(i as f32 / self.rate) / self.rate;
                let value = wave(phase, step);
                phase = (phase + step).fract();
                value
            })
            .collect();
        self.signal(samples)
    }

    /// A sine.
    pub fn sine(&self, seconds: f32, hz: impl Fn(f32) -> f32) -> Signal {
        self.oscillator(seconds, hz, |phase, _| (TAU * phase).sin())
    }

    /// A falling sawtooth, its jump smoothed by PolyBLEP (Välimäki and Huovilainen 2007) against
    /// aliasing.
    pub fn saw(&self, seconds: f32, hz: impl Fn(f32) -> f32) -> Signal {
        self.oscillator(seconds, hz, |phase, step| {
            1.0 - 2.0 * phase + smoothed_step(phase, step)
        })
    }

    /// A square wave, smoothed like the sawtooth.
    pub fn square(&self, seconds: f32, hz: impl Fn(f32) -> f32) -> Signal {
        self.oscillator(seconds, hz, |phase, step| {
            let level = if phase < 0.5 { 1.0 } else { -1.0 };
            level + smoothed_step(phase, step) - smoothed_step((phase + 0.5).fract(), step)
        })
    }

    /// Frequency modulation (Chowning 1973): a sine at `hz` whose phase is swung by a sine at `ratio`
    /// times that frequency, `index(t)` radians far.
    pub fn fm(&self, seconds: f32, hz: f32, ratio: f32, index: impl Fn(f32) -> f32) -> Signal {
        self.draw(seconds, |t| {
            (TAU * hz * t + index(t) * (TAU * hz * ratio * t).sin()).sin()
        })
    }

    /// Any function of time.
    pub fn draw(&self, seconds: f32, value: impl Fn(f32) -> f32) -> Signal {
        self.signal(
            (0..self.length(seconds))
                .map(|i| value(i as f32 / self.rate))
                .collect(),
        )
    }

    /// A struck body: the sum of its modes, each a sine `(hz, level, decay)` that starts at `level` and
    /// falls to 1/e of it in `decay` seconds. Modes above 45 % of the sampling rate are left out.
    pub fn strike(&self, seconds: f32, modes: &[(f32, f32, f32)]) -> Signal {
        let audible = modes.iter().filter(|mode| mode.0 < 0.45 * self.rate);
        audible.fold(self.silence(seconds), |body, &(hz, level, fall)| {
            body.with(
                0.0,
                level,
                &self.sine(seconds, |_| hz).shape(|t| decay(t, fall)),
            )
        })
    }

    /// A plucked string (Karplus and Strong 1983): a period of noise runs round a delay line whose
    /// loop averages two samples and loses a little, so that it rings `ring` seconds (to 1/e).
    /// `brightness` in (0, 1] is how much treble the pluck has.
    pub fn pluck(&mut self, seconds: f32, hz: f32, ring: f32, brightness: f32) -> Signal {
        // The average delays by half a sample; the all-pass (Jaffe and Smith 1983) tunes the rest.
        let period = self.rate / hz - 0.5;
        let length = (period - 0.1) as usize;
        let fraction = period - length as f32;
        let tuning = (1.0 - fraction) / (1.0 + fraction);
        let loss = decay(1.0 / hz, ring);
        let mut soft = 0.0;
        let mut line: Vec<f32> = (0..length.max(2))
            .map(|_| {
                soft += brightness * (self.between(-1.0, 1.0) - soft);
                soft
            })
            .collect();
        let (mut last, mut tuned_in, mut tuned_out) = (0.0, 0.0, 0.0);
        let mut at = 0;
        let samples = (0..self.length(seconds))
            .map(|_| {
                let out = line[at];
                let average = loss * 0.5 * (out + last);
                last = out;
                tuned_out = tuning * (average - tuned_out) + tuned_in;
                tuned_in = average;
                line[at] = tuned_out;
                at = (at + 1) % line.len();
                out
            })
            .collect();
        self.signal(samples)
    }

    /// A cloud of grains: `grain` is called for each of `per_second` random moments a second (their
    /// number is fixed, their places are not) and its result mixed in there.
    pub fn scatter(
        &mut self,
        seconds: f32,
        per_second: f32,
        mut grain: impl FnMut(&mut Studio) -> Signal,
    ) -> Signal {
        let mut cloud = self.silence(seconds);
        for _ in 0..(seconds * per_second) as usize {
            let at = self.between(0.0, seconds);
            let one = grain(self);
            cloud = cloud.with(at, 1.0, &one);
        }
        cloud
    }
}

/// The PolyBLEP residual: added to a wave that jumps up by 2 where the phase wraps, it spreads the
/// jump over two samples.
fn smoothed_step(phase: f32, step: f32) -> f32 {
    if phase < step {
        let x = phase / step;
        2.0 * x - x * x - 1.0
    } else if phase > 1.0 - step {
        let x = (phase - 1.0) / step;
        x * x + 2.0 * x + 1.0
    } else {
        0.0
    }
}

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
    rate: f32,
    samples: Vec<f32>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_split_mix_64s_published_sequence() {
        let mut random = SplitMix64(1_234_567);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_butterworth_lowpass_halves_the_power_at_its_edge_and_a_bandpass_keeps_its_middle() {
        let studio = Studio::new(48_000, "filter");
        let power = |signal: &Signal| {
            let settled = &signal.samples[24_000..];
            settled.iter().map(|x| x * x).sum::<f32>() / settled.len() as f32
        };
        let tone = studio.sine(1.0, |_| 1000.0);
        let low = tone
            .clone()
            .lowpass(|_| 1000.0, std::f32::consts::FRAC_1_SQRT_2);
        let high = tone
            .clone()
            .highpass(1000.0, std::f32::consts::FRAC_1_SQRT_2);
        let band = tone.clone().bandpass(|_| 1000.0, 5.0);
        // The filter is exact at its own frequency; f32 rounding and the phase stay below 0.1 %.
        assert!((power(&low) / power(&tone) - 0.5).abs() < 1e-3);
        assert!((power(&high) / power(&tone) - 0.5).abs() < 1e-3);
        assert!((power(&band) / power(&tone) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn what_is_mixed_past_the_end_is_cut() {
        let studio = Studio::new(8_000, "mix");
        let one = studio.draw(0.5, |_| 1.0);
        let mixed = studio
            .silence(1.0)
            .with(0.75, 0.5, &one)
            .with(2.0, 1.0, &one);
        assert_eq!(mixed.samples.len(), 8_000);
        assert_eq!(
            (
                mixed.samples[5_999],
                mixed.samples[6_000],
                mixed.samples[7_999]
            ),
            (0.0, 0.5, 0.5)
        );
    }
}
