//! Raw PCM samples to blocks, for the containers of [`super::containers`].
//!
//! Every coding goes through one interleaved `f32` buffer of bounded size, whatever the number of
//! channels, and seeking is exact because a frame has a fixed size.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::containers::{Coding, PcmLayout};
use super::error::DecodeErrorKind;
use super::file::SoundFile;
use super::stream::Mixing;

/// Bytes read at a time, or one frame if that is more (65,535 channels of 8 bytes at the most).
const BLOCK_BYTES: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct PcmReader {
    file: BufReader<SoundFile>,
    pub(super) layout: PcmLayout,
    frame_bytes: usize,
    frames_left: u64,
    mixing: Mixing,
    bytes: Vec<u8>,
    interleaved: Vec<f32>,
    /// Samples that were not finite or absurdly large.
    pub(super) replaced: u64,
}

impl PcmReader {
    pub(super) fn new(
        mut file: BufReader<SoundFile>,
        layout: PcmLayout,
        mixing: Mixing,
    ) -> Result<Self, DecodeErrorKind> {
        file.seek(SeekFrom::Start(layout.data_start))?;
        let frame_bytes = layout.channels as usize * layout.coding.bytes();
        Ok(Self {
            file,
            frame_bytes,
            frames_left: layout.data_len / frame_bytes as u64,
            layout,
            mixing,
            bytes: Vec::new(),
            interleaved: Vec::new(),
            replaced: 0,
        })
    }

    /// Makes `frame`, or the end if it lies before, the next frame.
    pub(super) fn seek(&mut self, frame: u64) -> Result<u64, DecodeErrorKind> {
        let frames = self.layout.data_len / self.frame_bytes as u64;
        let target = frame.min(frames);
        self.file.seek(SeekFrom::Start(
            self.layout.data_start + target * self.frame_bytes as u64,
        ))?;
        self.frames_left = frames - target;
        Ok(target)
    }

    /// Appends one block of samples; `false` at the end.
    pub(super) fn next_block(&mut self, output: &mut Vec<f32>) -> Result<bool, DecodeErrorKind> {
        let frames = self
            .frames_left
            .min((BLOCK_BYTES / self.frame_bytes).max(1) as u64);
        self.bytes.clear();
        self.file
            .by_ref()
            .take(frames * self.frame_bytes as u64)
            .read_to_end(&mut self.bytes)?;
        let whole = self.bytes.len() / self.frame_bytes;
        // Fewer bytes than the file had when it was opened: it shrank, and this is its end now.
        self.frames_left = if whole as u64 == frames {
            self.frames_left - frames
        } else {
            0
        };
        self.interleaved.clear();
        let samples = &self.bytes[..whole * self.frame_bytes];
        convert(
            samples,
            self.layout.coding,
            self.layout.big_endian,
            &mut self.interleaved,
        );
        let channels = self.layout.channels as usize;
        self.replaced += self
            .mixing
            .append(&self.interleaved, channels, channels, output);
        Ok(whole > 0)
    }
}

/// Appends `bytes` as samples, full scale at 1. `bytes` holds a whole number of samples.
fn convert(bytes: &[u8], coding: Coding, big_endian: bool, output: &mut Vec<f32>) {
    match coding {
        Coding::Unsigned8 => output.extend(bytes.iter().map(|&b| (f32::from(b) - 128.0) / 128.0)),
        Coding::ALaw => output.extend(bytes.iter().map(|&b| a_law(b))),
        Coding::MuLaw => output.extend(bytes.iter().map(|&b| mu_law(b))),
        Coding::Signed { bytes: width } => match width {
            1 => convert_signed::<1>(bytes, big_endian, output),
            2 => convert_signed::<2>(bytes, big_endian, output),
            3 => convert_signed::<3>(bytes, big_endian, output),
            4 => convert_signed::<4>(bytes, big_endian, output),
            _ => output.extend(bytes.chunks_exact(width).map(|sample| {
                // Left-justified in 64 bits, every width has the same full scale.
                let scale = 2.0_f64.powi(-63);
                (i64::from_be_bytes(justified(sample, big_endian)) as f64 * scale) as f32
            })),
        },
        Coding::Float { bytes: 4 } => {
            let float = |word: u32| f32::from_bits(word);
            convert_words::<4>(bytes, big_endian, float, output);
        }
        Coding::Float { bytes: width } => output.extend(
            bytes
                .chunks_exact(width)
                .map(|sample| f64::from_be_bytes(justified(sample, big_endian)) as f32),
        ),
    }
}

/// Integers of the usual widths, most of what there is in sound files.
fn convert_signed<const WIDTH: usize>(bytes: &[u8], big_endian: bool, output: &mut Vec<f32>) {
    // Left-justified in 32 bits, every width has the same full scale. Up to 24 bits a float has all
    // digits; of 32 bits it has the nearest, as the scale is a power of two.
    let scale = 2.0_f32.powi(-31);
    let number = |word: u32| word.cast_signed() as f32 * scale;
    convert_words::<WIDTH>(bytes, big_endian, number, output);
}

/// Samples of so many bytes, left-justified in a word. The width and the order of bytes are known to the
/// compiler within the loops, without which they take longer than all that comes after them.
fn convert_words<const WIDTH: usize>(
    bytes: &[u8],
    big_endian: bool,
    number: impl Fn(u32) -> f32,
    output: &mut Vec<f32>,
) {
    let (samples, _) = bytes.as_chunks::<WIDTH>();
    if big_endian {
        output.extend(samples.iter().map(|sample| {
            let mut word = [0; 4];
            word[..WIDTH].copy_from_slice(sample);
            number(u32::from_be_bytes(word))
        }));
    } else {
        output.extend(samples.iter().map(|sample| {
            let mut word = [0; 4];
            word[4 - WIDTH..].copy_from_slice(sample);
            number(u32::from_le_bytes(word))
        }));
    }
}

/// At most eight bytes as the most significant ones of a big-endian number.
fn justified(sample: &[u8], big_endian: bool) -> [u8; 8] {
    let mut word = [0; 8];
    word[..sample.len()].copy_from_slice(sample);
    if !big_endian {
        word[..sample.len()].reverse();
    }
    word
}

/// ITU-T G.711, table 1: 13-bit values, full scale at 4,096.
fn a_law(code: u8) -> f32 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let magnitude = if exponent == 0 {
        2 * mantissa + 1
    } else {
        (2 * mantissa + 33) << (exponent - 1)
    };
    let signed = if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    };
    signed as f32 / 4_096.0
}

/// ITU-T G.711, table 2: 14-bit values, full scale at 8,192.
fn mu_law(code: u8) -> f32 {
    let code = !code;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let magnitude = ((2 * mantissa + 33) << exponent) - 33;
    let signed = if code & 0x80 != 0 {
        -magnitude
    } else {
        magnitude
    };
    signed as f32 / 8_192.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(bytes: &[u8], coding: Coding, big_endian: bool) -> Vec<f32> {
        let mut output = Vec::new();
        convert(bytes, coding, big_endian, &mut output);
        output
    }

    #[test]
    fn half_scale_is_half_in_every_integer_width_and_byte_order() {
        for width in 1..=8 {
            let mut big = vec![0_u8; width];
            big[0] = 0x40;
            let little: Vec<u8> = big.iter().rev().copied().collect();
            let coding = Coding::Signed { bytes: width };
            assert_eq!(
                converted(&big, coding, true),
                [0.5],
                "{width} bytes, big endian"
            );
            assert_eq!(
                converted(&little, coding, false),
                [0.5],
                "{width} bytes, little endian"
            );
        }
        assert_eq!(
            converted(&[0, 128, 192], Coding::Unsigned8, false),
            [-1.0, 0.0, 0.5]
        );
    }

    #[test]
    fn floats_keep_their_value_in_both_byte_orders() {
        assert_eq!(
            converted(
                &(-0.75_f32).to_le_bytes(),
                Coding::Float { bytes: 4 },
                false
            ),
            [-0.75]
        );
        assert_eq!(
            converted(&(-0.75_f64).to_be_bytes(), Coding::Float { bytes: 8 }, true),
            [-0.75]
        );
    }

    /// The end points and the first step of both tables in G.711.
    #[test]
    fn companded_codes_match_the_tables_of_g711() {
        let a = |code| a_law(code) * 4_096.0;
        assert_eq!(
            [a(0xaa), a(0x2a), a(0xd5), a(0x55)],
            [4_032.0, -4_032.0, 1.0, -1.0]
        );
        let mu = |code| mu_law(code) * 8_192.0;
        assert_eq!(
            [mu(0x80), mu(0x00), mu(0xff), mu(0xfe)],
            [8_031.0, -8_031.0, 0.0, 2.0]
        );
    }
}
