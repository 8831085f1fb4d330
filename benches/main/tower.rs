//! The two towers of a model: the built-in one, or the checkpoint folder that `SOUNDSEEK_MODEL`
//! names.
//!
//! The audio tower is measured on one thread, as indexing uses it, candle's and the fast one in
//! every precision in turn, the least time of several rounds each. Beside it stands what the same
//! core multiplies and adds in a loop that touches no memory; the share is of that, counting the
//! products of the linear layers and all of the tower's time. Times move with the machine and what
//! else runs on it, shares and ratios hardly.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use criterion::Criterion;
use soundseek::embed::Embedder;
use soundseek::mel::{LogMel, Scratch};
use soundseek::model::{
    AudioConfig, Backend, Checkpoint, ClapModel, Device, LoadOptions, Precision, instruction_set,
};

/// What a row of the table computes with.
type Way = (&'static str, Backend, Precision);

/// All that this processor has.
fn ways() -> Vec<Way> {
    let all = [
        ("candle f32", Backend::Reference, Precision::F32),
        ("fast f32", Backend::Fast, Precision::F32),
        ("fast bf16", Backend::Fast, Precision::Bf16),
        ("fast int8", Backend::Fast, Precision::Int8),
    ];
    let there = all
        .into_iter()
        .filter(|way| way.2.resolve(Device::Cpu).0 == way.2);
    there.collect()
}

const ROUNDS: usize = 7;

pub fn tower(c: &mut Criterion) {
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if filters.is_empty() || filters.iter().any(|filter| filter.contains("tower")) {
        table();
    }
    let mut group = c.benchmark_group("tower");
    let texts = ["siren", "a dog barking in the distance on a rainy night"];
    for (name, backend, precision) in ways() {
        let model = model(backend, precision);
        for text in texts {
            let words = text.split(' ').count();
            // The embedder remembers texts; the model does not.
            group.bench_function(format!("text/{name}/{words} words"), |b| {
                b.iter(|| model.text_embeddings(black_box(&[text])))
            });
        }
    }
    group.finish();
}

fn checkpoint() -> Checkpoint {
    std::env::var_os("SOUNDSEEK_MODEL").map_or(Checkpoint::BuiltIn, |folder| {
        Checkpoint::Folder(folder.into())
    })
}

fn model(backend: Backend, precision: Precision) -> ClapModel {
    let options = LoadOptions {
        backend,
        precision,
        ..LoadOptions::from(Device::Cpu)
    };
    ClapModel::load(&checkpoint(), options).expect("a checkpoint")
}

/// Real sounds' spectrograms: the demo's, as long as they are.
fn spectrograms(count: usize) -> Vec<LogMel> {
    let embedder = Embedder::load(&checkpoint(), Device::Cpu).expect("a checkpoint");
    let rate = embedder.segment_plan().sample_rate_hz;
    let mut scratch = Scratch::default();
    soundseek::demo::sounds()
        .iter()
        .take(count)
        .map(|sound| embedder.features(&sound.render(rate), &mut scratch))
        .collect()
}

/// What this thread has computed for so far, without the time that other programs had the core.
fn computed() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = spent.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn table() {
    let clips = spectrograms(49);
    let ways = ways();
    let models: Vec<_> = ways.iter().map(|way| model(way.1, way.2)).collect();
    let one_core = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread");
    let embed = |model: &ClapModel| {
        one_core.install(|| model.audio_embeddings(&clips).expect("embeddings"))
    };
    let embeddings: Vec<_> = models.iter().map(embed).collect();
    let work = linear_gflop(&models[0].config().audio_config);
    // The system counts in steps of some milliseconds, so a round is at least a hundred long.
    let at_once = (24.0 / work).clamp(2.0, 40.0) as usize;
    let mut least = vec![Duration::MAX; ways.len()];
    let mut peak = 0.0f64;
    for _ in 0..ROUNDS {
        peak = peak.max(peak_gflops());
        for (model, least) in models.iter().zip(&mut least) {
            let time = one_core.install(|| {
                let start = computed();
                black_box(
                    model
                        .audio_embeddings(&clips[..at_once])
                        .expect("embeddings"),
                );
                computed() - start
            });
            *least = (*least).min(time / at_once as u32);
        }
    }
    println!(
        "\naudio tower of {}, {work:.2} GFLOP in linear layers, one thread, {}, peak {peak:.0} GFLOP/s in f32",
        models[0].name(),
        instruction_set(),
    );
    println!(
        "             ms/clip  clips/s  GFLOP/s  of peak  of candle  cosine to candle: mean, least"
    );
    for (i, (name, _, precision)) in ways.into_iter().enumerate() {
        let seconds = least[i].as_secs_f64();
        // A product of halves is two of floats, and one of bytes four.
        let factor = match precision {
            Precision::Bf16 => 2.0,
            Precision::Int8 => 4.0,
            _ => 1.0,
        };
        let cosines: Vec<f32> = embeddings[i]
            .iter()
            .zip(&embeddings[0])
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
            .collect();
        println!(
            "  {name:10} {:8.2} {:8.1} {:8.0} {:7.0}% {:9.2}x  {:.6} {:.6}",
            seconds * 1e3,
            1.0 / seconds,
            work / seconds,
            100.0 * work / seconds / (peak * factor),
            least[0].as_secs_f64() / seconds,
            cosines.iter().sum::<f32>() / cosines.len() as f32,
            cosines.iter().copied().fold(1.0, f32::min),
        );
    }
    println!();
}

/// Multiplications and additions of the blocks' linear layers and the mergings, in 10⁹.
fn linear_gflop(config: &AudioConfig) -> f64 {
    let side = config.spec_size / config.patch_size;
    let mut products = 0.0;
    for (stage, &depth) in config.depths.iter().enumerate() {
        let tokens = (side >> stage).pow(2) as f64;
        let channels = (config.patch_embeds_hidden_size << stage) as f64;
        // Query, key, value, output; and two layers of the width times the ratio.
        products += depth as f64 * tokens * channels * channels * (4.0 + 2.0 * config.mlp_ratio);
        if stage + 1 < config.depths.len() {
            products += tokens / 4.0 * 4.0 * channels * 2.0 * channels;
        }
    }
    2.0 * products / 1e9
}

/// Multiplications and additions of floats that one core does in a second, in 10⁹: twelve sums in
/// registers, of the widest vectors.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "functions for processors that have the feature")]
fn peak_gflops() -> f64 {
    use std::arch::x86_64::*;

    const SUMS: usize = 12;
    // A tenth of a second, for the steps in which the system counts.
    const STEPS: usize = 20_000_000;

    #[target_feature(enable = "avx512f")]
    fn wide() -> f32 {
        let factors = black_box((_mm512_set1_ps(0.999), _mm512_set1_ps(1.001)));
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(factors.0, factors.1, *sum);
            }
        }
        sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    fn narrow() -> f32 {
        let factors = black_box((_mm256_set1_ps(0.999), _mm256_set1_ps(1.001)));
        let mut sums = [_mm256_setzero_ps(); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(factors.0, factors.1, *sum);
            }
        }
        sums.into_iter().map(|sum| _mm256_cvtss_f32(sum)).sum()
    }

    let start = computed();
    let lanes = if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has the feature.
        black_box(unsafe { wide() });
        16
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both features.
        black_box(unsafe { narrow() });
        8
    } else {
        return f64::NAN;
    };
    (2 * lanes * SUMS * STEPS) as f64 / (computed() - start).as_secs_f64() / 1e9
}

/// Not measured here: shares are shown as no number.
#[cfg(not(target_arch = "x86_64"))]
fn peak_gflops() -> f64 {
    f64::NAN
}
