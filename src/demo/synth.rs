//! The synthesiser behind the demo's sounds: a seeded [`Studio`] that makes raw material, and the
//! envelopes that [`Signal`]'s methods shape it with.
//!
//! It stands apart from the sounds so that each of them reads as a recipe. Times are seconds,
//! frequencies hertz, levels linear. Everything is f32 arithmetic, so that one machine always makes
//! the same samples; another one's `sin` may differ in the last bit.

use std::f32::consts::{PI, TAU};

use super::signal::Signal;

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
