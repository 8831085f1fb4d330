//! The built-in model: segments by the audio tower in batches, and texts by the text tower.
//!
//! The batches are those that one embedding thread may take at once: one rayon thread, as in indexing.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use soundseek::embed::Embedder;
use soundseek::mel::Scratch;
use soundseek::model::{Checkpoint, Device};

pub fn tower(c: &mut Criterion) {
    let embedder = Embedder::load(&Checkpoint::BuiltIn, Device::Cpu).expect("the built-in model");
    let mut scratch = Scratch::default();
    let spectrograms: Vec<_> = soundseek::demo::sounds()
        .iter()
        .take(8)
        .map(|sound| embedder.features(&sound.render(32_000), &mut scratch))
        .collect();
    let one_core = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread");
    let mut group = c.benchmark_group("tower");
    for batch in [1, 2, 4, 8] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("audio/batch of {batch}"), |b| {
            b.iter(|| one_core.install(|| embedder.embed_features(&spectrograms[..batch])))
        });
    }
    group.throughput(Throughput::Elements(1));
    for text in ["siren", "a dog barking in the distance on a rainy night"] {
        let words = text.split(' ').count();
        // The embedder remembers texts; the model does not.
        let model = embedder.model();
        group.bench_function(format!("text/{words} words"), |b| {
            b.iter(|| model.text_embeddings(black_box(&[text])))
        });
    }
    group.finish();
}
