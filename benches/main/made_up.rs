//! A library of made-up files, for measuring how its size tells: seeded vectors in clusters.
//!
//! Apart from the query bench because the comparison with Python pipelines searches one as well.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use soundseek::embed::Embedder;
use soundseek::library::{FileRecord, Library, SoundEntry, SoundRecord, Stamp};
use soundseek_index::Vector;

/// Adds files of one segment each, in ten folders, with vectors of the embedder's space.
pub fn fill(library: &Library, embedder: &Embedder, files: usize) {
    let mut random = StdRng::seed_from_u64(42);
    let dimension = embedder.model().dimension();
    let mut point = |spread: f32, around: Option<&Vec<f32>>| -> Vec<f32> {
        let base = |i| around.map_or(0.0, |center: &Vec<f32>| center[i]);
        (0..dimension)
            .map(|i| base(i) + spread * random.random_range(-1.0f32..1.0))
            .collect()
    };
    let centers: Vec<_> = (0..200).map(|_| point(1.0, None)).collect();
    let mut index = library.index_for_writing(embedder).expect("an index");
    for n in 0..files {
        let content = *blake3::hash(&n.to_le_bytes()).as_bytes();
        let sound = SoundRecord {
            format: "WAV".into(),
            codec: "16-bit PCM".into(),
            sample_rate_hz: 44_100,
            channels: 2,
            duration_s: 1.0 + n as f64 / 1000.0,
            damage: None,
        };
        let entry = SoundEntry {
            sound: sound.clone(),
            moments: vec![(0.0, 1.0)],
        };
        let vector = Vector::normalized(point(0.5, Some(&centers[n % 200]))).expect("a vector");
        index
            .upsert(&content, &entry.to_bytes(), &[vector])
            .expect("written");
        let stamp = Stamp {
            size: n as u64,
            modified_ns: 0,
        };
        let path = format!("/sounds/{}/{n}.wav", n % 10);
        let record = FileRecord {
            stamp,
            content,
            sound,
        };
        library.put_file(path.as_ref(), &record).expect("written");
    }
}
