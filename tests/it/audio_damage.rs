//! Files that lie, are damaged or hold no sound: each gives what can be had of it, or says why not.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they skip, and list what a corpus gave"
)]

use std::path::Path;

use soundseek::audio::DecodeErrorKind;

use crate::audio::{
    FIXTURES, decoded, decoded_bytes, fixture, kind_of, tone, wav_f32, wav16, with_data_size,
};

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
