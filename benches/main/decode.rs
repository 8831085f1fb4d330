//! Files to segments: decoding, mixing down, resampling and cutting, in seconds of sound a second.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput};
use soundseek::audio::{SegmentPlan, segment_file};

/// The built-in model's rate and clip length.
const PLAN: SegmentPlan = SegmentPlan {
    sample_rate_hz: 32_000,
    length: 160_000,
    hop: 80_000,
};

/// `wav/44100` is a minute that is resampled, `wav/32000` one that is not; the coded ones are the short
/// tones of the tests, so that opening weighs more in them than in a user's files.
pub fn decode(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = c.benchmark_group("decode");
    for rate in [32_000, 44_100, 96_000] {
        let path = minute_of_stereo(folder.path(), rate);
        group.throughput(Throughput::Elements(60));
        group.bench_function(format!("wav/{rate}"), |b| b.iter(|| seconds_of(&path)));
    }
    for name in ["tone.flac", "tone.mp3", "tone.ogg", "tone.opus", "tone.m4a"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/audio")
            .join(name);
        group.throughput(Throughput::Elements(seconds_of(&path).ceil() as u64));
        group.bench_function(name, |b| b.iter(|| seconds_of(&path)));
    }
    group.finish();
}

fn seconds_of(path: &Path) -> f64 {
    let info = segment_file(path, &PLAN, None, &mut |segment| {
        black_box(segment);
        ControlFlow::Continue(())
    });
    info.expect("the file decodes").duration_s
}

fn minute_of_stereo(folder: &Path, rate: u32) -> PathBuf {
    let path = folder.join(format!("{rate}.wav"));
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).expect("a file");
    let sound = soundseek::demo::sounds()[0].render(rate);
    for sample in sound.iter().cycle().take(60 * rate as usize) {
        for _ in 0..2 {
            writer
                .write_sample((sample * 32_767.0) as i16)
                .expect("a sample");
        }
    }
    writer.finalize().expect("a whole file");
    path
}
