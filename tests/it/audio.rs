//! Files to samples: every format against a known tone. Segments, damaged files and the resampler have
//! modules of their own, which use the signals made here.

use std::f64::consts::TAU;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use soundseek::audio::{
    AudioStream, DecodeError, DecodeErrorKind, Segment, SegmentPlan, SourceInfo, Span, segment_file,
};

pub(crate) const PLAN: SegmentPlan = SegmentPlan {
    sample_rate_hz: 32_000,
    length: 32_000,
    hop: 16_000,
};

pub(crate) const FIXTURES: [&str; 11] = [
    "tone.mp3",
    "tone.flac",
    "tone.ogg",
    "tone.opus",
    "tone.webm",
    "tone.m4a",
    "tone.aac",
    "alac.m4a",
    "tone.aiff",
    "tone.caf",
    "adpcm.wav",
];

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/audio")
        .join(name)
}

/// A file of `bytes` in a folder that lasts as long as the result.
pub(crate) fn file_of(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sound.wav");
    std::fs::write(&path, bytes).expect("a file in it");
    (folder, path)
}

pub(crate) fn segments(
    path: &Path,
    plan: &SegmentPlan,
    span: Option<Span>,
) -> Result<(Vec<Segment>, SourceInfo), DecodeError> {
    let mut all = Vec::new();
    let info = segment_file(path, plan, span.as_ref(), &mut |segment| {
        all.push(segment);
        ControlFlow::Continue(())
    })?;
    Ok((all, info))
}

/// The whole file as one signal at its own rate.
pub(crate) fn decoded(path: &Path) -> Result<(Vec<f32>, SourceInfo), DecodeError> {
    let mut stream = AudioStream::open(path)?;
    let mut samples = Vec::new();
    while stream.next_block(&mut samples)? {}
    Ok((samples, stream.info().clone()))
}

pub(crate) fn decoded_bytes(bytes: &[u8]) -> Result<(Vec<f32>, SourceInfo), DecodeError> {
    let (_folder, path) = file_of(bytes);
    decoded(&path)
}

pub(crate) fn kind_of<T: std::fmt::Debug>(result: Result<T, DecodeError>) -> DecodeErrorKind {
    result.expect_err("this file must be refused").kind
}

pub(crate) fn tone(rate_hz: u32, frequency_hz: f64, seconds: f64) -> Vec<f32> {
    let frames = (f64::from(rate_hz) * seconds).round() as usize;
    (0..frames)
        .map(|n| (0.5 * (TAU * frequency_hz * n as f64 / f64::from(rate_hz)).sin()) as f32)
        .collect()
}

/// Amplitude of the component of `samples` at `frequency_hz`, by its definition as a projection.
pub(crate) fn amplitude_at(samples: &[f32], rate_hz: u32, frequency_hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (sin, cos) = (TAU * frequency_hz * n as f64 / f64::from(rate_hz)).sin_cos();
        re += f64::from(sample) * cos;
        im += f64::from(sample) * sin;
    }
    2.0 * re.hypot(im) / samples.len() as f64
}

pub(crate) fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

/// A WAV of 48 kHz with the format tag and bits of `coding`, around ready sample bytes.
pub(crate) fn wav(tag: u16, bits: u16, channels: u16, data: &[u8]) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
    bytes.extend(
        [
            48_000_u32.to_le_bytes(),
            (48_000 * u32::from(block)).to_le_bytes(),
        ]
        .concat(),
    );
    bytes.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

pub(crate) fn wav16(samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples
        .iter()
        .flat_map(|s| ((s * 32_768.0) as i16).to_le_bytes())
        .collect();
    wav(1, 16, 1, &data)
}

pub(crate) fn wav_f32(channels: u16, samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    wav(3, 32, channels, &data)
}

/// The signal of `samples` with the bytes of a chunk size replaced.
pub(crate) fn with_data_size(mut bytes: Vec<u8>, size: u32) -> Vec<u8> {
    bytes[40..44].copy_from_slice(&size.to_le_bytes());
    bytes
}

#[test]
fn every_coded_fixture_gives_its_tone_back() {
    // Name, rate, seconds, and how much longer lossy codecs may be: their priming and padding.
    let lossless = 0.0;
    for (name, rate_hz, seconds, slack_s) in [
        ("tone.mp3", 16_000, 3.2, lossless),
        ("tone.flac", 8_000, 5.0, lossless),
        ("tone.ogg", 16_000, 4.0, lossless),
        ("tone.opus", 48_000, 2.0, lossless),
        ("tone.webm", 48_000, 2.0, 0.02),
        ("tone.m4a", 16_000, 2.0, 0.13),
        ("tone.aac", 16_000, 2.0, 0.13),
        ("alac.m4a", 8_000, 0.5, lossless),
        ("tone.aiff", 8_000, 0.5, lossless),
        ("tone.caf", 8_000, 0.5, lossless),
        ("adpcm.wav", 8_000, 1.0, 0.13),
    ] {
        let (samples, info) = decoded(&fixture(name)).expect(name);
        assert_eq!((info.sample_rate_hz, info.channels), (rate_hz, 1), "{name}");
        assert_eq!(info.damage, None, "{name}");
        assert!(
            (info.duration_s * f64::from(rate_hz) - samples.len() as f64).abs() < 0.5,
            "{name}"
        );
        let excess_s = samples.len() as f64 / f64::from(rate_hz) - seconds;
        assert!(
            (-1e-9..=slack_s + 1e-9).contains(&excess_s),
            "{name} is {excess_s} s too long"
        );
        // The middle is free of priming; one tone of amplitude 0.5 has all the energy. The
        // tolerance covers what the encoders did to the level (LAME scales by 0.95): ffmpeg's
        // decoders give amplitudes of 0.475 to 0.516 for the same files.
        let middle = &samples[samples.len() / 4..samples.len() / 4 * 3];
        let level = amplitude_at(middle, rate_hz, 1_000.0);
        assert!((level - 0.5).abs() < 0.03, "{name}: amplitude {level}");
        assert!(
            (rms(middle) - 0.5 / 2.0_f64.sqrt()).abs() < 0.03,
            "{name}: level {}",
            rms(middle)
        );
    }
}

#[test]
fn wav_of_every_sample_format_is_the_same_signal() {
    let signal = tone(48_000, 440.0, 0.1);
    let integers = |bits: u32| -> Vec<u8> {
        let bytes = bits as usize / 8;
        let scale = 2.0_f64.powi(bits as i32 - 1);
        signal
            .iter()
            .flat_map(|&s| ((f64::from(s) * scale) as i64).to_le_bytes()[..bytes].to_vec())
            .collect()
    };
    let unsigned: Vec<u8> = signal.iter().map(|s| (s * 128.0 + 128.0) as u8).collect();
    let doubles: Vec<u8> = signal
        .iter()
        .flat_map(|&s| f64::from(s).to_le_bytes())
        .collect();
    let floats: Vec<u8> = signal.iter().flat_map(|s| s.to_le_bytes()).collect();
    for (bytes, step) in [
        (wav(1, 8, 1, &unsigned), 1.0 / 128.0),
        (wav(1, 16, 1, &integers(16)), 1.0 / 32_768.0),
        (wav(1, 24, 1, &integers(24)), 2.0_f32.powi(-23)),
        // Beyond 24 bits the f32 of the result is the coarser step.
        (wav(1, 32, 1, &integers(32)), 2.0_f32.powi(-24)),
        (wav(1, 64, 1, &integers(64)), 2.0_f32.powi(-24)),
        (wav(3, 32, 1, &floats), 0.0),
        (wav(3, 64, 1, &doubles), 0.0),
    ] {
        let (samples, info) = decoded_bytes(&bytes).expect("a well-formed WAV");
        assert_eq!(samples.len(), signal.len(), "{}", info.codec);
        let error = samples
            .iter()
            .zip(&signal)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(error <= step, "{}: off by {error}", info.codec);
    }
}

#[test]
fn wav_written_by_hound_reads_back_exactly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("hound");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).expect("a writer");
    for n in 0..1_000 {
        writer.write_sample(n * 4_096).expect("left");
        writer.write_sample(n * 2_048).expect("right");
    }
    writer.finalize().expect("a file");
    let (samples, info) = decoded(&path).expect("a WAV without an extension");
    assert_eq!(
        (info.format.as_str(), info.codec.as_str(), info.channels),
        ("WAV", "24-bit PCM", 2)
    );
    // The mean of n/2048 and n/4096 is exact in binary.
    assert!(
        samples
            .iter()
            .enumerate()
            .all(|(n, &s)| s == n as f32 * 3.0 / 8_192.0)
    );
}

#[test]
fn rf64_wave64_and_au_hold_the_same_samples_as_wav() {
    let signal = tone(48_000, 440.0, 0.1);
    let plain = wav16(&signal);
    let expected = decoded_bytes(&plain).expect("WAV").0;
    let data = &plain[44..];

    let mut rf64 = b"RF64\xff\xff\xff\xffWAVEds64".to_vec();
    rf64.extend(28_u32.to_le_bytes());
    rf64.extend(
        [
            (plain.len() as u64 + 28).to_le_bytes(),
            (data.len() as u64).to_le_bytes(),
            [0; 8],
        ]
        .concat(),
    );
    rf64.extend([0; 4]);
    rf64.extend(&plain[12..40]);
    rf64.extend([0xff; 4]);
    rf64.extend(data);
    // A chunk after the samples must not be taken for samples.
    rf64.extend(b"LIST\x04\0\0\0abcd");

    let guid = |name: &[u8; 4]| {
        [
            name.as_slice(),
            b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a",
        ]
        .concat()
    };
    let mut w64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00".to_vec();
    w64.extend((104 + data.len() as u64).to_le_bytes());
    w64.extend(guid(b"wave"));
    w64.extend(guid(b"fmt "));
    w64.extend(40_u64.to_le_bytes());
    w64.extend(&plain[20..36]);
    w64.extend(guid(b"data"));
    w64.extend((24 + data.len() as u64).to_le_bytes());
    w64.extend(data);

    let mut au = b".snd".to_vec();
    for field in [28_u32, u32::MAX, 3, 48_000, 1, 0] {
        au.extend(field.to_be_bytes());
    }
    au.extend(
        data.chunks_exact(2)
            .flat_map(|sample| [sample[1], sample[0]]),
    );

    for (format, bytes) in [("RF64", rf64), ("Wave64", w64), ("AU", au)] {
        let (samples, info) = decoded_bytes(&bytes).expect(format);
        assert_eq!(info.format, format);
        assert_eq!(info.damage, None, "{format}");
        assert_eq!(samples, expected, "{format}");
    }
}

#[test]
fn channels_are_mixed_by_their_mean() {
    let signal = tone(48_000, 440.0, 0.1);
    let antiphase: Vec<f32> = signal.iter().flat_map(|&s| [s, -s]).collect();
    assert!(
        decoded_bytes(&wav_f32(2, &antiphase))
            .expect("stereo")
            .0
            .iter()
            .all(|&s| s == 0.0)
    );
    let weights = [1.0, 0.5, 0.25, 0.0, -0.5, 0.25];
    let surround: Vec<f32> = signal
        .iter()
        .flat_map(|&s| weights.map(|w| s * w))
        .collect();
    let (samples, info) = decoded_bytes(&wav_f32(6, &surround)).expect("5.1");
    assert_eq!(info.channels, 6);
    // The weights sum to 1.5; rounding of f32 sums of six terms is below 1e-7 at this level.
    assert!(
        samples
            .iter()
            .zip(&signal)
            .all(|(a, b)| (a - b * 0.25).abs() < 1e-7)
    );
}
