//! Cutting a part of a sound into a WAV file of its own, to the sample, with its rate and channels.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hound::{SampleFormat, WavSpec, WavWriter};

use super::folder::free_name;
use crate::audio::{AudioStream, Span};

/// The highest 24-bit value.
const HIGHEST_24: f32 = 8_388_607.0;

/// Writes the part of `file` that `span` names to `wanted`, or beside it under a numbered name if
/// that is taken; gives the path.
///
/// The first frame is the one nearest to the start; an end beyond the file's is the file's. What has
/// at most 24 bits in the file has 24 here, every value unchanged; floats and what lossy codecs give,
/// which may go beyond full scale, become 32-bit floats.
///
/// # Errors
/// When the file cannot be decoded, nothing lies at the span, or the WAV cannot be written; then no
/// file is left behind.
pub fn cut_to_wav(file: &Path, span: &Span, wanted: &Path) -> Result<PathBuf> {
    let mut stream = AudioStream::open_with_channels(file)?;
    let info = stream.info().clone();
    let rate = f64::from(info.sample_rate_hz);
    let end_s = span.end_s.unwrap_or(f64::INFINITY);
    ensure!(
        span.start_s >= 0.0 && span.start_s.is_finite() && span.start_s < end_s,
        "{} cannot be cut from {} s to {end_s} s",
        file.display(),
        span.start_s
    );
    let channels = u16::try_from(info.channels)
        .with_context(|| format!("{} has too many channels for a WAV", file.display()))?;
    let first = (span.start_s * rate).round() as u64;
    let mut left = ((end_s * rate).round() as u64).saturating_sub(first).max(1);
    stream.seek(first)?;
    let whole_numbers = has_24_bits(&info.codec);
    let spec = WavSpec {
        channels,
        sample_rate: info.sample_rate_hz,
        bits_per_sample: if whole_numbers { 24 } else { 32 },
        sample_format: if whole_numbers {
            SampleFormat::Int
        } else {
            SampleFormat::Float
        },
    };
    let folder = wanted
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let cannot = || format!("the cut cannot be written into {}", folder.display());
    // Under a name of its own until it is whole.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".soundseek-cut-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let unfinished = builder.tempfile_in(folder).with_context(cannot)?;
    let buffered = std::io::BufWriter::new(unfinished.as_file());
    let mut writer = WavWriter::new(buffered, spec).with_context(cannot)?;
    let mut block = Vec::new();
    let mut written = 0;
    while left > 0 {
        block.clear();
        if !stream.next_block(&mut block)? {
            break;
        }
        let frames = block.len() / usize::from(channels);
        let wanted_frames = usize::try_from(left).unwrap_or(usize::MAX).min(frames);
        for &sample in &block[..wanted_frames * usize::from(channels)] {
            if whole_numbers {
                // A power of two keeps every value; only full scale itself has none above it.
                let value = (sample * 8_388_608.0)
                    .round()
                    .clamp(-8_388_608.0, HIGHEST_24);
                writer.write_sample(value as i32).with_context(cannot)?;
            } else {
                writer.write_sample(sample).with_context(cannot)?;
            }
        }
        written += wanted_frames;
        left -= wanted_frames as u64;
    }
    ensure!(
        written > 0,
        "{} is {:.3} s long; nothing lies at {:.3} s",
        file.display(),
        stream.info().duration_s,
        span.start_s
    );
    writer.finalize().with_context(cannot)?;
    let target = free_name(wanted);
    unfinished.persist_noclobber(&target).with_context(cannot)?;
    Ok(target)
}

/// Whether a codec's samples are whole numbers of at most 24 bits.
fn has_24_bits(codec: &str) -> bool {
    // The names of this program's own readers, then symphonia's.
    let whole = [
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
    whole.iter().any(|name| codec.starts_with(name))
}
