//! Streaming conversion of a mono signal from one sample rate to another.
//!
//! It wraps rubato's FFT resampler and adds what a stream needs: blocks of any size go in, the
//! filter's delay is removed, the tail comes out at the end, and sample 0 of the output is the
//! same instant as sample 0 of the input. It knows nothing of files or segments.

use std::cell::RefCell;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

/// The lowest sample rate taken, in Hz.
pub const MIN_RATE_HZ: u32 = 4_000;
/// The highest sample rate taken, in Hz.
pub const MAX_RATE_HZ: u32 = 384_000;

/// Frames of one FFT block on the side with the lower rate.
///
/// The anti-aliasing filter is one block long, so that this sets its transition band: with 8,192
/// frames and the squared Blackman-Harris window the response is flat to 0.99 of the lower Nyquist
/// frequency, and images and aliases are below -140 dB.
const BLOCK_FRAMES: usize = 8_192;

/// The largest term of the fraction that stands for `to / from`.
///
/// A block must hold a whole number of periods of the two rates, so that coprime rates such as
/// 383,999 and 48,000 would ask for FFTs of two seconds. Such a ratio is replaced by the nearest
/// fraction with both terms at most this large. That touches only rates above 65,536 Hz that share
/// no useful factor with the other one, which no equipment uses; the relative error is below 2e-5,
/// or 0.02 s in a quarter of an hour.
const MAX_TERM: u64 = 65_536;

/// Why a resampler could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sample rate of {rate_hz} Hz is outside {MIN_RATE_HZ}..={MAX_RATE_HZ} Hz")]
pub struct RateError {
    /// The rate that was asked for, in Hz.
    pub rate_hz: u32,
}

/// A streaming resampler for one mono signal; see the module's text.
///
/// After [`finish`](Self::finish), `n` input samples have become `ceil(n * to / from)` output
/// samples. Equal rates pass samples through unchanged.
#[derive(Debug)]
pub struct Resampler {
    from_hz: u64,
    to_hz: u64,
    block: Option<Block>,
    received: u64,
    produced: u64,
}

/// How many unused blocks a thread keeps. A library has few rates, and a block takes about 1 MiB.
const MOST_IDLE: usize = 4;

thread_local! {
    /// Blocks of resamplers that are done, with their rates: making one plans four transforms and
    /// computes a filter, which takes longer than resampling a one-shot.
    static IDLE: RefCell<Vec<((u64, u64), Block)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
struct Block {
    fft: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
    frames_in: usize,
    /// Output samples of the filter's delay that are still to be dropped.
    delay_left: usize,
}

impl Resampler {
    /// A resampler from `from_hz` to `to_hz`.
    ///
    /// # Errors
    /// A rate outside [`MIN_RATE_HZ`] to [`MAX_RATE_HZ`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, RateError> {
        for rate_hz in [from_hz, to_hz] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz) {
                return Err(RateError { rate_hz });
            }
        }
        let (from_hz, to_hz) = (u64::from(from_hz), u64::from(to_hz));
        let block = (from_hz != to_hz).then(|| Block::of_rates(from_hz, to_hz));
        Ok(Self {
            from_hz,
            to_hz,
            block,
            received: 0,
            produced: 0,
        })
    }

    /// Takes `samples` and appends to `output` whatever is ready.
    pub fn push(&mut self, samples: &[f32], output: &mut Vec<f32>) {
        self.received += samples.len() as u64;
        let Some(block) = &mut self.block else {
            self.produced += samples.len() as u64;
            output.extend_from_slice(samples);
            return;
        };
        let mut rest = samples;
        while !rest.is_empty() {
            let room = block.frames_in - block.input.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            block.input.extend_from_slice(now);
            rest = later;
            if block.input.len() == block.frames_in {
                self.produced += block.run(output, u64::MAX);
            }
        }
    }

    /// Ends the signal: appends the rest of it to `output`. Call it once.
    pub fn finish(&mut self, output: &mut Vec<f32>) {
        let expected = (self.received * self.to_hz).div_ceil(self.from_hz);
        let Some(block) = &mut self.block else { return };
        while self.produced < expected {
            block.input.resize(block.frames_in, 0.0);
            self.produced += block.run(output, expected - self.produced);
        }
    }
}

impl Drop for Resampler {
    fn drop(&mut self) {
        let Some(mut block) = self.block.take() else {
            return;
        };
        block.clear();
        // The thread may be ending, and its blocks with it.
        let _ = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() == MOST_IDLE {
                idle.remove(0);
            }
            idle.push(((self.from_hz, self.to_hz), block));
        });
    }
}

impl Block {
    /// One that this thread has used before, or a new one.
    fn of_rates(from_hz: u64, to_hz: u64) -> Block {
        let used = IDLE.with_borrow_mut(|idle| {
            let place = idle
                .iter()
                .position(|(rates, _)| *rates == (from_hz, to_hz))?;
            Some(idle.remove(place).1)
        });
        used.unwrap_or_else(|| Block::new(from_hz, to_hz))
    }

    fn new(from_hz: u64, to_hz: u64) -> Block {
        let (from, to) = bounded_fraction(from_hz, to_hz, MAX_TERM);
        // An even number of periods keeps the filter's centre, half a block in, on a whole
        // sample at both rates.
        let least = BLOCK_FRAMES.div_ceil(from.min(to) as usize);
        let periods = smooth_multiple_of_2(least);
        let (from, to) = (from as usize, to as usize);
        let fft = Fft::new_custom(
            from,
            to,
            periods * from,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .expect("both rates and the chunk are positive");
        let (frames_in, frames_out) = (fft.input_frames_next(), fft.output_frames_next());
        Block {
            delay_left: fft.output_delay(),
            fft,
            input: Vec::with_capacity(frames_in),
            output: vec![0.0; frames_out],
            frames_in,
        }
    }

    /// Forgets the signal that it was used for.
    fn clear(&mut self) {
        self.fft.reset();
        self.input.clear();
        self.delay_left = self.fft.output_delay();
    }

    /// Transforms the full input block and appends at most `limit` samples; returns how many.
    fn run(&mut self, output: &mut Vec<f32>, limit: u64) -> u64 {
        let frames_out = self.output.len();
        let input = SequentialSlice::new(&self.input, 1, self.frames_in)
            .expect("the input buffer holds one block");
        let mut adapter = SequentialSlice::new_mut(&mut self.output, 1, frames_out)
            .expect("the output buffer holds one block");
        self.fft
            .process_into_buffer(&input, &mut adapter, None)
            .expect("both buffers have the sizes that the resampler asked for");
        self.input.clear();
        let dropped = self.delay_left.min(frames_out);
        self.delay_left -= dropped;
        let ready = &self.output[dropped..];
        let taken = usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .min(ready.len());
        output.extend_from_slice(&ready[..taken]);
        taken as u64
    }
}

/// The least even number from `least` on that has no prime factor above 7: the transforms of others
/// take half as long again.
fn smooth_multiple_of_2(least: usize) -> usize {
    let mut even = (least.next_multiple_of(2)..).step_by(2);
    let is_smooth = |&n: &usize| {
        let rest = [2, 3, 5, 7].into_iter().fold(n, |mut rest, prime| {
            while rest > 0 && rest.is_multiple_of(prime) {
                rest /= prime;
            }
            rest
        });
        rest == 1
    };
    even.find(is_smooth).expect("powers of two are smooth")
}

/// `from / to` in lowest terms, or the last convergent of its continued fraction with both terms at
/// most `max_term`.
///
/// A convergent p/q differs from the ratio by less than 1/(q * next q), and the next one has a term
/// above `max_term`.
fn bounded_fraction(from: u64, to: u64, max_term: u64) -> (u64, u64) {
    let (mut numerator, mut denominator) = (from, to);
    let (mut older, mut newer) = ((0, 1), (1, 0));
    while denominator != 0 {
        let whole = numerator / denominator;
        let next = (whole * newer.0 + older.0, whole * newer.1 + older.1);
        if next.0 > max_term || next.1 > max_term {
            // A semiconvergent, with as much of the next partial quotient as fits, is nearer than
            // the convergent when it takes more than half of that quotient.
            let fits =
                ((max_term - older.0) / newer.0.max(1)).min((max_term - older.1) / newer.1.max(1));
            if 2 * fits > whole {
                return (fits * newer.0 + older.0, fits * newer.1 + older.1);
            }
            break;
        }
        (older, newer) = (newer, next);
        (numerator, denominator) = (denominator, numerator % denominator);
    }
    newer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_as_few_periods_as_transforms_of_small_factors_allow() {
        let found = [0, 1, 19, 26, 56, 2_731].map(smooth_multiple_of_2);
        assert_eq!(found, [2, 2, 20, 28, 56, 2_744]);
    }

    #[test]
    fn ordinary_ratios_are_reduced_exactly() {
        assert_eq!(bounded_fraction(44_100, 48_000, MAX_TERM), (147, 160));
        assert_eq!(bounded_fraction(384_000, 48_000, MAX_TERM), (8, 1));
        assert_eq!(bounded_fraction(44_056, 48_000, MAX_TERM), (5_507, 6_000));
    }

    #[test]
    fn a_block_that_was_used_before_gives_what_a_new_one_gives() {
        let noise = |seed: u32| (0..30_000u32).map(move |n| ((n * n + seed) % 977) as f32 / 977.0);
        let resampled = |samples: Vec<f32>, whole: bool| {
            let mut resampler = Resampler::new(44_100, 48_000).expect("rates within bounds");
            let mut output = Vec::new();
            resampler.push(&samples, &mut output);
            if whole {
                resampler.finish(&mut output);
            }
            output
        };
        let fresh = std::thread::spawn(move || resampled(noise(2).collect(), true));
        // Left in the middle of a block, as by a search that has seen enough.
        resampled(noise(1).collect(), false);
        assert_eq!(IDLE.with_borrow(Vec::len), 1);
        let again = resampled(noise(2).collect(), true);
        assert_eq!(again, fresh.join().expect("no panic"));
        assert_eq!(IDLE.with_borrow(Vec::len), 1);
    }

    #[test]
    fn every_ratio_of_awkward_rates_stays_bounded_and_close() {
        for from in (4_001..384_000_u64)
            .step_by(997)
            .chain([47_999, 383_999, 11_024])
        {
            for to in [32_000_u64, 44_100, 48_000] {
                let (p, q) = bounded_fraction(from, to, MAX_TERM);
                assert!(
                    p <= MAX_TERM && q <= MAX_TERM && p > 0 && q > 0,
                    "{from}/{to} = {p}/{q}"
                );
                let error = (p as f64 / q as f64) / (from as f64 / to as f64) - 1.0;
                assert!(error.abs() < 2e-5, "{from}/{to} = {p}/{q}: {error:e}");
                assert!(
                    from > MAX_TERM || error == 0.0,
                    "{from}/{to} = {p}/{q} must be exact"
                );
            }
        }
    }
}
