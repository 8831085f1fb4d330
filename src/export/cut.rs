//! One moment of a sound as a WAV of its own, at the file's own rate and with all its channels.
//!
//! It stands apart because it is the one export that decodes: which samples are taken, and in which
//! format they lose nothing, is decided here.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use hound::{SampleFormat, WavSpec, WavWriter};

use super::fresh;
use crate::audio::{AudioStream, SourceInfo};

/// The most bytes of samples in a WAV: its lengths are 32 bits wide, and headers take some of that.
const MOST_BYTES: u64 = u32::MAX as u64 - 4_096;

/// The most bytes of the original's name in a new one, of the 255 that file systems allow.
const MOST_STEM_BYTES: usize = 200;

/// How [`SourceInfo`] names codecs whose samples 24 bits hold: this program's own readers of PCM,
/// then symphonia's, and lossless coders (FLAC has 32 bits in files that nobody has).
const WITHIN_24_BITS: [&str; 14] = [
    "unsigned 8-bit",
    "8-bit",
    "16-bit",
    "24-bit",
    "A-law",
    "mu-law",
    "flac",
    "alac",
    "pcm_u8",
    "pcm_s8",
    "pcm_s16",
    "pcm_s24",
    "pcm_alaw",
    "pcm_mulaw",
];

/// Cuts what lies between two times, in seconds, into a new WAV in a folder, which is made where
/// there is none. It is called after the file and the times: `rain_64.50-74.50s.wav`.
///
/// The first sample is the one at `start_s`, rounded to the nearest; the one at `end_s` is the first
/// that is left out. What has up to 24 bits in the file has 24 here, everything else becomes 32-bit float, so that no
/// sample changes and none is clipped. An end beyond the file's is the file's.
///
/// # Errors
///
/// When the file cannot be decoded or has nothing between the times, the result is longer than a WAV
/// can be, the folder cannot be written to, or `cancelled` says so. Nothing is left behind then.
pub fn cut_moment(
    file: &Path,
    (start_s, end_s): (f64, f64),
    folder: &Path,
    cancelled: &dyn Fn() -> bool,
) -> Result<PathBuf> {
    let mut stream = AudioStream::open_with_channels(file)?;
    let info = stream.info().clone();
    let frame_at =
        |seconds: f64| (seconds.max(0.0) * f64::from(info.sample_rate_hz)).round() as u64;
    let (start, end) = (frame_at(start_s), frame_at(end_s));
    ensure!(
        start < end,
        "there is nothing between {start_s} s and {end_s} s to cut out of {}",
        file.display()
    );
    let spec = spec_of(&info).with_context(|| format!("{} cannot be cut", file.display()))?;
    let limit = MOST_BYTES / u64::from(spec.bits_per_sample / 8) / u64::from(spec.channels);
    fresh::ready(folder)?;
    fresh::write(folder, &name_of(file, start_s, end_s), |out| {
        if start > 0 {
            stream.seek(start)?;
        }
        let mut wav = WavWriter::new(&mut *out, spec)?;
        let mut block = Vec::new();
        let mut left = end - start;
        let mut written = 0;
        while left > 0 {
            ensure!(!cancelled(), "cutting was stopped");
            block.clear();
            if !stream.next_block(&mut block)? {
                break;
            }
            let whole = (block.len() / usize::from(spec.channels)) as u64;
            let frames = whole.min(left);
            written += frames;
            ensure!(
                written <= limit,
                "a WAV cannot be longer than 4 GiB: cut a shorter moment out of {}",
                file.display()
            );
            append(
                &mut wav,
                &block[..frames as usize * usize::from(spec.channels)],
            )?;
            left -= frames;
        }
        ensure!(
            written > 0,
            "{} is only {:.2} s long: there is nothing at {start_s:.2} s",
            file.display(),
            stream.info().duration_s
        );
        Ok(wav.finalize()?)
    })
}

fn spec_of(info: &SourceInfo) -> Result<WavSpec> {
    let Ok(channels) = u16::try_from(info.channels) else {
        bail!("a WAV cannot have {} channels", info.channels);
    };
    let named = |name: &&str| info.codec.starts_with(name);
    let exact = WITHIN_24_BITS.iter().any(named);
    let (bits_per_sample, sample_format) = if exact {
        (24, SampleFormat::Int)
    } else {
        (32, SampleFormat::Float)
    };
    Ok(WavSpec {
        channels,
        sample_rate: info.sample_rate_hz,
        bits_per_sample,
        sample_format,
    })
}

fn append(wav: &mut WavWriter<&mut BufWriter<&File>>, samples: &[f32]) -> Result<()> {
    if wav.spec().sample_format == SampleFormat::Float {
        return write_all(wav, samples.iter().copied());
    }
    // Full scale is 1, so a sample of up to 24 bits times 2^23 is a whole number.
    let scale = 8_388_608.0_f32;
    let whole = |sample: &f32| (sample * scale).round().clamp(-scale, scale - 1.0) as i32;
    write_all(wav, samples.iter().map(whole))
}

fn write_all<W: Write + Seek, S: hound::Sample>(
    wav: &mut WavWriter<W>,
    samples: impl Iterator<Item = S>,
) -> Result<()> {
    for sample in samples {
        wav.write_sample(sample)?;
    }
    Ok(())
}

fn name_of(file: &Path, start_s: f64, end_s: f64) -> OsString {
    let stem = file.file_stem().unwrap_or_default();
    let mut name = if stem.len() <= MOST_STEM_BYTES {
        stem.to_os_string()
    } else {
        let stem = stem.to_string_lossy();
        let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= MOST_STEM_BYTES;
        let kept = stem.char_indices().take_while(fits);
        OsString::from(kept.map(|(_, c)| c).collect::<String>())
    };
    name.push(format!("_{:.2}-{:.2}s.wav", start_s.max(0.0), end_s));
    name
}
