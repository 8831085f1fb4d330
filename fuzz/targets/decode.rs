//! Sound files: every container and codec, found by content as always, decoded to the end within the
//! product's own budget, sought in, and cut into segments.
#![no_main]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use soundseek::audio::{AudioStream, MAX_AMPLITUDE, SegmentPlan, segment_file};

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(soundseek_fuzz::folder);

/// A run of one second of sound would leave most of a file unread; one of hours would take all day.
const ENOUGH_S: f64 = 60.0;

fuzz_target!(
    init: soundseek_fuzz::let_panics_unwind(),
    |input: &[u8]| {
        let path: PathBuf = FOLDER.path().join("input");
        std::fs::write(&path, input).expect("written");
        let Ok(mut stream) = AudioStream::open_with_channels(&path) else {
            return;
        };
        let mut block = Vec::new();
        while stream.info().duration_s < ENOUGH_S {
            block.clear();
            if !matches!(stream.next_block(&mut block), Ok(true)) {
                break;
            }
            assert!(block.len().is_multiple_of(stream.info().channels as usize));
            assert!(block.iter().all(|sample| sample.abs() <= MAX_AMPLITUDE));
        }
        let middle = (stream.info().duration_s * f64::from(stream.info().sample_rate_hz)) as u64 / 2;
        if stream.seek(middle).is_ok() {
            block.clear();
            let _ = stream.next_block(&mut block);
        }
        let plan = SegmentPlan {
            sample_rate_hz: 32_000,
            length: 32_000,
            hop: 16_000,
        };
        let mut segments = 0;
        let _ = segment_file(&path, &plan, None, &mut |segment| {
            assert!(segment.samples.len() <= plan.length && segment.start_s < segment.end_s);
            segments += 1;
            if segments < 8 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
    }
);
