//! Log-mel spectrograms, one full clip on one thread: the built-in model's front end and LAION's.

use criterion::{Criterion, Throughput};
use realfft::RealFftPlanner;
use soundseek::mel::{LogMelExtractor, MelConfig, Scratch};
use soundseek::model::{Checkpoint, ClapModel, Device};

pub fn features(c: &mut Criterion) {
    let built_in = ClapModel::load(&Checkpoint::BuiltIn, Device::Cpu).expect("the built-in model");
    let built_in = built_in.mel_config().clone();
    let laion = MelConfig {
        sample_rate_hz: 48_000,
        hop: 480,
        max_samples: 480_000,
        ..built_in.clone()
    };
    let mut group = c.benchmark_group("features");
    group.throughput(Throughput::Elements(1));
    for (name, config) in [
        ("clip of 5 s at 32 kHz", built_in),
        ("clip of 10 s at 48 kHz", laion),
    ] {
        let extractor = LogMelExtractor::new(&config).expect("a front end");
        let sound = soundseek::demo::sounds()[0].render(config.sample_rate_hz);
        let clip: Vec<f32> = sound
            .iter()
            .copied()
            .cycle()
            .take(config.max_samples)
            .collect();
        let mut scratch = Scratch::default();
        group.bench_function(name, |b| b.iter(|| extractor.extract(&clip, &mut scratch)));
        // What bounds it: the Fourier transforms alone.
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(config.n_fft);
        let mut frame = fft.make_input_vec();
        let mut spectrum = fft.make_output_vec();
        let mut working = fft.make_scratch_vec();
        group.bench_function(format!("{name}, the transforms alone"), |b| {
            b.iter(|| {
                for _ in 0..config.frames() {
                    fft.process_with_scratch(&mut frame, &mut spectrum, &mut working)
                        .expect("the buffers have the planned lengths");
                }
            });
        });
    }
    group.finish();
}
