//! Files cut into segments: overlapping slices of one signal, and parts of it by time.

use std::f64::consts::TAU;
use std::ops::ControlFlow;

use soundseek::audio::{AudioStream, DecodeErrorKind, SegmentPlan, Span, segment_file};

use crate::audio::{FIXTURES, PLAN, decoded, file_of, fixture, kind_of, segments, tone, wav16};

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
