//! Files to segments: every format against a known tone, segments against the whole signal, and
//! files that lie or break off. The resampler has its own module, `audio_resampling`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they skip, and list what a corpus gave"
)]

use std::f64::consts::TAU;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use soundseek::audio::{
    AudioStream, DecodeError, DecodeErrorKind, Segment, SegmentPlan, SourceInfo, Span, segment_file,
};

const PLAN: SegmentPlan = SegmentPlan {
    sample_rate_hz: 32_000,
    length: 32_000,
    hop: 16_000,
};

const FIXTURES: [&str; 11] = [
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

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/audio")
        .join(name)
}

/// A file of `bytes` in a folder that lasts as long as the result.
fn file_of(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sound.wav");
    std::fs::write(&path, bytes).expect("a file in it");
    (folder, path)
}

fn segments(
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
fn decoded(path: &Path) -> Result<(Vec<f32>, SourceInfo), DecodeError> {
    let mut stream = AudioStream::open(path)?;
    let mut samples = Vec::new();
    while stream.next_block(&mut samples)? {}
    Ok((samples, stream.info().clone()))
}

fn decoded_bytes(bytes: &[u8]) -> Result<(Vec<f32>, SourceInfo), DecodeError> {
    let (_folder, path) = file_of(bytes);
    decoded(&path)
}

fn kind_of<T: std::fmt::Debug>(result: Result<T, DecodeError>) -> DecodeErrorKind {
    result.expect_err("this file must be refused").kind
}

fn tone(rate_hz: u32, frequency_hz: f64, seconds: f64) -> Vec<f32> {
    let frames = (f64::from(rate_hz) * seconds).round() as usize;
    (0..frames)
        .map(|n| (0.5 * (TAU * frequency_hz * n as f64 / f64::from(rate_hz)).sin()) as f32)
        .collect()
}

/// Amplitude of the component of `samples` at `frequency_hz`, by its definition as a projection.
fn amplitude_at(samples: &[f32], rate_hz: u32, frequency_hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (sin, cos) = (TAU * frequency_hz * n as f64 / f64::from(rate_hz)).sin_cos();
        re += f64::from(sample) * cos;
        im += f64::from(sample) * sin;
    }
    2.0 * re.hypot(im) / samples.len() as f64
}

fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

/// A WAV of 48 kHz with the format tag and bits of `coding`, around ready sample bytes.
fn wav(tag: u16, bits: u16, channels: u16, data: &[u8]) -> Vec<u8> {
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

fn wav16(samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples
        .iter()
        .flat_map(|s| ((s * 32_768.0) as i16).to_le_bytes())
        .collect();
    wav(1, 16, 1, &data)
}

fn wav_f32(channels: u16, samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    wav(3, 32, channels, &data)
}

/// The signal of `samples` with the bytes of a chunk size replaced.
fn with_data_size(mut bytes: Vec<u8>, size: u32) -> Vec<u8> {
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

#[test]
fn header_lengths_are_not_believed() {
    let signal = tone(48_000, 440.0, 0.5);
    let plain = wav16(&signal);
    let expected = decoded_bytes(&plain).expect("WAV").0;
    for size in [0, u32::MAX] {
        let (samples, info) = decoded_bytes(&with_data_size(plain.clone(), size))
            .expect("a length that was never filled in");
        assert_eq!(samples, expected);
        assert!(info.damage.expect("a note").contains("gives no length"));
    }
    let (samples, info) = decoded_bytes(&with_data_size(plain.clone(), 2_000_000_000))
        .expect("a length that is too large");
    assert_eq!(samples, expected);
    assert!(
        info.damage
            .expect("a note")
            .contains("promises 2000000000 bytes")
    );
    let (samples, info) = decoded_bytes(&plain[..plain.len() / 2 + 1]).expect("half a file");
    assert_eq!(samples, expected[..samples.len()]);
    assert!(info.damage.expect("a note").contains("cut short"));
    let odd = [&plain[..12], b"junk\x03\0\0\0abc\0", &plain[12..]].concat();
    assert_eq!(
        decoded_bytes(&odd).expect("an odd chunk before the data").0,
        expected
    );
    let unpadded = [&plain[..12], b"junk\x03\0\0\0abc", &plain[12..]].concat();
    assert_eq!(
        decoded_bytes(&unpadded)
            .expect("an odd chunk without its pad byte")
            .0,
        expected
    );
}

#[test]
fn files_without_sound_say_what_they_are() {
    let plain = wav16(&tone(48_000, 440.0, 0.1));
    let empty_with_tags = [
        &with_data_size(plain[..44].to_vec(), 0),
        b"LIST\x04\0\0\0abcd".as_slice(),
    ]
    .concat();
    for bytes in [
        &[][..],
        &with_data_size(plain[..44].to_vec(), 0),
        &plain[..44],
        &empty_with_tags,
    ] {
        let kind = kind_of(decoded_bytes(bytes));
        assert!(
            matches!(kind, DecodeErrorKind::Empty { .. }),
            "{} bytes: {kind}",
            bytes.len()
        );
    }
    let kind = kind_of(decoded_bytes(&plain[..20]));
    assert!(matches!(kind, DecodeErrorKind::Malformed { .. }), "{kind}");
    for (bytes, found) in [
        (&b"<!DOCTYPE html><html>404</html>"[..], "HTML"),
        (&b"this is not audio\n".repeat(50), "begins \\\"this is not"),
        (b"wvpk and so on", "WavPack"),
    ] {
        let kind = kind_of(decoded_bytes(bytes));
        assert!(
            matches!(&kind, DecodeErrorKind::Unsupported { found: f } if f.contains(&found.replace('\\', ""))),
            "{kind}"
        );
    }
    let mut vorbis_in_wav = plain.clone();
    vorbis_in_wav[20..22].copy_from_slice(&0x674f_u16.to_le_bytes());
    let kind = kind_of(decoded_bytes(&vorbis_in_wav));
    assert!(
        kind.to_string().contains("codec of number 0x674f"),
        "{kind}"
    );
    // WavPack carries the WAV header of its source, which must not be taken for the file's own.
    let kind = kind_of(decoded_bytes(&[b"wvpk0123".as_slice(), &plain].concat()));
    assert!(
        matches!(kind, DecodeErrorKind::Unsupported { .. }),
        "{kind}"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(matches!(
        kind_of(decoded(folder.path())),
        DecodeErrorKind::NotAFile { found: "a folder" }
    ));
    assert!(matches!(
        kind_of(decoded(&folder.path().join("gone.wav"))),
        DecodeErrorKind::Io(_)
    ));
}

#[cfg(unix)]
#[test]
fn a_fifo_is_refused_without_waiting_for_a_writer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("fifo.wav");
    match std::process::Command::new("mkfifo").arg(&path).status() {
        Ok(status) if status.success() => {}
        _ => return eprintln!("skipped: there is no mkfifo here"),
    }
    assert!(matches!(
        kind_of(decoded(&path)),
        DecodeErrorKind::NotAFile { found: "a FIFO" }
    ));
}

#[test]
fn samples_that_are_no_numbers_become_silence_and_are_counted() {
    let samples: Vec<f32> =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, 0.5, -0.5].repeat(8_000);
    let (decoded, info) = decoded_bytes(&wav_f32(1, &samples)).expect("a float WAV");
    assert_eq!(decoded[..6], [0.0, 0.0, 0.0, 0.0, 0.5, -0.5]);
    assert!(info.damage.expect("a note").contains("32000 samples"));
}

#[test]
fn rates_beyond_what_the_resampler_takes_are_refused_by_name() {
    for rate in [0_u32, 3_999, 384_001, u32::MAX] {
        let mut bytes = wav16(&tone(48_000, 440.0, 0.1));
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        let kind = kind_of(decoded_bytes(&bytes));
        assert!(
            matches!(kind, DecodeErrorKind::SampleRate { found_hz } if found_hz == rate),
            "{kind}"
        );
    }
}

#[test]
fn a_caf_that_asks_for_gigabytes_is_refused() {
    let good = std::fs::read(fixture("tone.caf")).expect("the fixture");
    for (at, what) in [
        (36, "bytes a packet"),
        (40, "frames a packet"),
        (44, "channels"),
    ] {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        let kind = kind_of(decoded_bytes(&bytes));
        assert!(kind.to_string().contains(what), "{kind}");
    }
}

#[test]
fn a_broken_middle_or_end_costs_only_itself() {
    let mp3 = std::fs::read(fixture("tone.mp3")).expect("the fixture");
    let whole = decoded_bytes(&mp3).expect("mp3").0.len();
    let (samples, info) = decoded_bytes(&mp3[..mp3.len() / 2]).expect("half an mp3");
    assert!(
        (whole * 4 / 10..whole * 6 / 10).contains(&samples.len()),
        "{} of {whole}",
        samples.len()
    );
    assert!(info.damage.expect("a note").contains("cut short"));

    let mut corrupt = mp3.clone();
    let middle = mp3.len() / 2;
    corrupt[middle..middle + 400].fill(0x55);
    let (samples, _) = decoded_bytes(&corrupt).expect("an mp3 with a hole");
    assert!(
        samples.len() > whole * 8 / 10,
        "{} of {whole}",
        samples.len()
    );

    let joined = [mp3.as_slice(), &mp3].concat();
    let (samples, _) = decoded_bytes(&joined).expect("two mp3s in one");
    // At the seam up to five packets of padding and priming may go or stay.
    assert!(
        samples.len().abs_diff(whole * 2) <= 5 * 1_152,
        "{} of {whole} twice",
        samples.len()
    );

    for name in [
        "tone.flac",
        "tone.ogg",
        "tone.opus",
        "tone.m4a",
        "alac.m4a",
        "tone.caf",
        "tone.aiff",
    ] {
        let bytes = std::fs::read(fixture(name)).expect(name);
        // A file cut in its second half still has its first half to give, unless its table of
        // contents was at its end, as in these MP4 files.
        if !name.ends_with("m4a") {
            let (samples, info) = decoded_bytes(&bytes[..bytes.len() * 3 / 4]).expect(name);
            let whole = decoded_bytes(&bytes).expect(name).0.len();
            assert!(
                (whole / 3..whole).contains(&samples.len()),
                "{name}: {}",
                samples.len()
            );
            assert!(
                info.damage.is_some(),
                "{name} must say that it is cut short"
            );
        }
        for cut in (0..bytes.len()).step_by(bytes.len() / 40) {
            // Any result will do but a panic, a hang, or samples out of nothing.
            if let Ok((samples, _)) = decoded_bytes(&bytes[..cut]) {
                assert!(!samples.is_empty(), "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_long_file_is_cut_into_slices_of_one_resampled_signal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sweep.wav");
    // Rising tone, so that every slice is different; 44.1 kHz makes the resampler work.
    let rate = 44_100.0;
    let sweep: Vec<f32> = (0..44_100 * 5 + 1_234)
        .map(|n| {
            let t = f64::from(n) / rate;
            (0.5 * (TAU * (100.0 + 400.0 * t) * t).sin()) as f32
        })
        .collect();
    let mut bytes = wav16(&sweep);
    bytes[24..28].copy_from_slice(&44_100_u32.to_le_bytes());
    std::fs::write(&path, bytes).expect("a file");

    let mut whole = Vec::new();
    let mut resampler = soundseek::audio::Resampler::new(44_100, 32_000).expect("ordinary rates");
    resampler.push(&decoded(&path).expect("WAV").0, &mut whole);
    resampler.finish(&mut whole);

    for (length, hop) in [
        (32_000, 16_000),
        (20_000, 20_000),
        (7_000, 11_000),
        (1, 1_000),
        (160_895, 1),
        (160_896, 5),
        (200_000, 7),
    ] {
        let plan = SegmentPlan {
            length,
            hop,
            ..PLAN
        };
        let (segments, info) = segments(&path, &plan, None).expect("WAV");
        let mut starts: Vec<usize> = (0..)
            .step_by(hop)
            .take_while(|s| s + length <= whole.len())
            .collect();
        if starts.last().is_none_or(|last| last + length < whole.len()) {
            starts.push(whole.len().saturating_sub(length));
        }
        assert_eq!(segments.len(), starts.len(), "length {length}, hop {hop}");
        for (segment, start) in segments.iter().zip(starts) {
            let end = (start + length).min(whole.len());
            assert!(
                segment.samples == whole[start..end],
                "length {length}, hop {hop}, start {start}"
            );
            assert_eq!(segment.start_s, start as f64 / 32_000.0);
            assert_eq!(segment.end_s, end as f64 / 32_000.0);
        }
        assert_eq!(info.duration_s, sweep.len() as f64 / rate);
    }
}

#[test]
fn a_file_of_48_samples_is_one_short_segment() {
    let (_folder, path) = file_of(&wav16(&tone(48_000, 440.0, 0.001)));
    let (segments, _) = segments(&path, &PLAN, None).expect("a millisecond");
    assert_eq!(segments.len(), 1);
    assert_eq!(segments[0].samples.len(), 32);
}

#[test]
fn the_sink_can_stop_the_work() {
    let (_folder, path) = file_of(&wav16(&tone(48_000, 440.0, 20.0)));
    let mut seen = 0;
    let info = segment_file(&path, &PLAN, None, &mut |_| {
        seen += 1;
        if seen == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(seen, 2);
    assert!(
        info.expect("WAV").duration_s < 5.0,
        "the rest of the file was not decoded"
    );
}

#[test]
fn a_span_is_the_same_part_of_the_whole_in_every_format() {
    for name in FIXTURES {
        let path = fixture(name);
        let (whole, info) = decoded(&path).expect(name);
        let rate = info.sample_rate_hz as usize;
        for tenths in [1, 5, 7, 9] {
            let start = whole.len() * tenths / 10;
            let mut stream = AudioStream::open(&path).expect(name);
            stream.seek(start as u64).expect(name);
            let mut part = Vec::new();
            while stream.next_block(&mut part).expect(name) {}
            assert_eq!(part.len(), whole.len() - start, "{name} from {start}");
            // Decoders restarted in the middle differ by the rounding of their filter states.
            let error = part
                .iter()
                .zip(&whole[start..])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(error < 1e-4, "{name} from {start}: off by {error}");
        }
        let (start_s, end_s) = (info.duration_s * 0.5, info.duration_s * 0.75);
        let plan = SegmentPlan {
            sample_rate_hz: rate as u32,
            length: whole.len(),
            hop: 1,
        };
        let span = Span {
            start_s,
            end_s: Some(end_s),
        };
        let (segments, _) = segments(&path, &plan, Some(span)).expect(name);
        assert_eq!(segments.len(), 1, "{name}");
        assert!(
            (segments[0].start_s - start_s).abs() <= 0.5 / rate as f64,
            "{name}"
        );
        assert!(
            (segments[0].end_s - end_s).abs() <= 1.0 / rate as f64,
            "{name}"
        );
    }
}

#[test]
fn spans_that_make_no_sense_are_refused() {
    let (_folder, path) = file_of(&wav16(&tone(48_000, 440.0, 1.0)));
    for (start_s, end_s) in [
        (-1.0, None),
        (f64::NAN, None),
        (0.5, Some(0.5)),
        (0.5, Some(0.2)),
        (f64::INFINITY, None),
        (0.0, Some(f64::NAN)),
    ] {
        let kind = kind_of(segments(&path, &PLAN, Some(Span { start_s, end_s })));
        assert!(
            matches!(kind, DecodeErrorKind::Span { .. }),
            "{start_s} to {end_s:?}: {kind}"
        );
    }
    let kind = kind_of(segments(
        &path,
        &PLAN,
        Some(Span {
            start_s: 7.0,
            end_s: None,
        }),
    ));
    assert!(
        matches!(
            kind,
            DecodeErrorKind::OutsideFile {
                duration_s: 1.0,
                ..
            }
        ),
        "{kind}"
    );
    let (all, _) = segments(
        &path,
        &PLAN,
        Some(Span {
            start_s: 0.75,
            end_s: Some(1e12),
        }),
    )
    .expect("an end past the end");
    assert_eq!(all[0].samples.len(), 8_000);
}

/// Mutants of every fixture, the same ones each time. Whatever a header then asks for, the result
/// is an error or finite samples, within memory and time.
#[test]
fn files_with_random_bytes_in_them_end_in_an_error_or_in_sound() {
    let mut state = 42_u64;
    let mut random = |below: usize| {
        // Knuth's MMIX generator; the low bits are the weak ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for name in FIXTURES {
        let good = std::fs::read(fixture(name)).expect(name);
        for mutant in 0..60 {
            let mut bytes = good.clone();
            // Half of the mutants are hit in their headers, where the lengths are.
            let reach = if mutant % 2 == 0 {
                bytes.len().min(200)
            } else {
                bytes.len()
            };
            for _ in 0..=random(6) {
                let at = random(reach);
                bytes[at] = [0x00, 0x7f, 0xff, random(256) as u8][random(4)];
            }
            if let Ok((samples, info)) = decoded_bytes(&bytes) {
                assert!(
                    samples.iter().all(|s| s.is_finite()),
                    "{name}, mutant {mutant}: {info:?}"
                );
            }
        }
    }
}

/// Real and broken files by the hundred, where a corpus is at hand: none may panic, hang, or fail
/// without saying why. With `--nocapture` it prints what each file gave.
#[test]
fn every_oddity_of_the_corpus_decodes_or_says_why() {
    let Some(corpora) = std::env::var_os("SOUNDSEEK_CORPORA") else {
        return eprintln!("skipped: SOUNDSEEK_CORPORA is not set");
    };
    let folder = Path::new(&corpora).join("oddities");
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(&folder)
        .into_iter()
        .filter_map(Result::ok)
    {
        if entry.file_type().is_dir() {
            continue;
        }
        seen += 1;
        let shown = entry
            .path()
            .strip_prefix(&folder)
            .unwrap_or(entry.path())
            .display();
        match decoded(entry.path()) {
            Ok((samples, info)) => {
                assert!(samples.iter().all(|s| s.is_finite()), "{shown}");
                println!("{shown}\t{:.3}\t{info:?}", info.duration_s);
            }
            Err(error) => {
                let text = error.kind.to_string();
                assert!(
                    !text.contains("gave up"),
                    "{shown}: a decoder panicked: {text}"
                );
                println!("{shown}\t0\t{text}");
            }
        }
    }
    assert!(
        seen > 0 || !folder.exists(),
        "{} is empty",
        folder.display()
    );
}
