//! Indexing on an accelerator, with the processor in its place: a device that is full above so many
//! segments, as one with little memory is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use soundseek::batches::Batches;
use soundseek::embed::Embedder;
use soundseek::ingest::{Control, IngestOptions, Report, ingest};
use soundseek::library::Library;
use soundseek::mel::Scratch;
use soundseek::model::{Checkpoint, Device, ModelError};
use soundseek_index::Vector;

use crate::support::{Studio, demo_sound, embedder, write_wav};

/// What CUDA says, as candle passes it on.
const FULL: &str = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";

/// A device that takes eight segments at once, as it thinks, and has room for `room`. The second value
/// counts how often it was full.
fn device(room: usize) -> (Embedder, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let embedder = Embedder::load(&Checkpoint::BuiltIn, Device::Cpu).expect("the model loads");
    let embedder = embedder.on_accelerator(
        Batches::of(8),
        Box::new(move |model, batch| {
            if batch.len() > room {
                counter.fetch_add(1, Ordering::Relaxed);
                return Err(ModelError::Compute(candle_core::Error::Msg(FULL.into())));
            }
            model.audio_embeddings(batch)
        }),
    );
    (embedder, refused)
}

/// Short sounds, and a long one that is many segments.
fn studio() -> Studio {
    let studio = Studio::new();
    for sound in ["kick-drum", "siren", "flute", "coin", "laser"] {
        studio.put(sound, &format!("{sound}.wav"));
    }
    let siren = demo_sound("siren").render(44_100);
    let long: Vec<f32> = siren.iter().copied().cycle().take(40 * 44_100).collect();
    write_wav(&studio.sounds().join("long.wav"), 44_100, &long);
    studio
}

fn index(studio: &Studio, library: &Library, embedder: &Embedder) -> anyhow::Result<Report> {
    let index = RwLock::new(library.index_for_writing(embedder)?);
    let options = IngestOptions {
        threads: 2,
        batch: 2,
    };
    let roots = [studio.sounds()];
    let ran = ingest(
        library,
        &index,
        embedder,
        &roots,
        options,
        &Control::new(),
        &|_| {},
    );
    let index = index.into_inner().expect("nobody panicked");
    index.assert_valid().expect("the index is valid");
    ran
}

#[test]
fn a_device_that_is_full_gets_smaller_batches_and_nothing_is_lost_or_out_of_order() {
    let studio = studio();
    let plain = studio.library();
    let expected = index(&studio, &plain, embedder()).expect("indexed");
    let other = Library::open(&studio.folder.path().join("other")).expect("a library");
    let (device, refused) = device(3);
    assert_eq!(device.batch(), Some(8));
    let report = index(&studio, &other, &device).expect("indexed");
    // How many segments wait for the device is a matter of the moment; at most it was full until its
    // batches had halved from 8 to 2, in each of two threads.
    assert!(refused.load(Ordering::Relaxed) <= 4);
    assert_eq!(
        (report.embedded, report.segments, report.failed),
        (expected.embedded, expected.segments, expected.failed)
    );

    let (plain_index, other_index) = (
        plain.index_for_search(embedder()).expect("opens"),
        other.index_for_search(&device).expect("opens"),
    );
    for (path, record) in plain.files().expect("files") {
        let entry = |index: &soundseek_index::Index| {
            let entry = index.get(&record.content).expect("read");
            entry.expect("there")
        };
        let (one, two) = (entry(&plain_index), entry(&other_index));
        assert_eq!(one.payload, two.payload, "{}", path.display());
        assert_eq!(one.vectors.len(), two.vectors.len());
        for (one, two) in one.vectors.iter().zip(&two.vectors) {
            assert!(cosine(one, two) > 0.9999, "{}", path.display());
        }
    }
}

#[test]
fn a_full_device_halves_the_batch_and_the_vectors_keep_their_order() {
    let (device, refused) = device(3);
    let plan = embedder().segment_plan();
    let mut scratch = Scratch::default();
    let features: Vec<_> = [
        "kick-drum",
        "siren",
        "flute",
        "coin",
        "laser",
        "siren",
        "flute",
    ]
    .map(|sound| {
        let samples = demo_sound(sound).render(plan.sample_rate_hz);
        let clip = &samples[..samples.len().min(plan.length)];
        device.features(clip, &mut scratch)
    })
    .into();
    let all = device.embed_features(&features).expect("computed");
    // Seven at once were one refusal, then came three, three and one.
    assert_eq!(refused.load(Ordering::Relaxed), 1);
    assert_eq!(device.batch(), Some(3));
    assert_eq!(all.len(), features.len());
    for (vector, features) in all.iter().zip(&features) {
        let alone = embedder().embed_features(std::slice::from_ref(features));
        let alone = &alone.expect("computed")[0];
        assert!(cosine(vector, alone) > 0.9999);
    }
}

/// Batches of other sizes round differently, which moves a vector by less than 1e-4.
fn cosine(one: &Vector, two: &Vector) -> f32 {
    let products = one.as_slice().iter().zip(two.as_slice());
    products.map(|(a, b)| a * b).sum()
}

#[test]
fn a_device_without_room_for_one_segment_is_an_error_that_says_what_to_do() {
    let studio = studio();
    let library = studio.library();
    let (device, _) = device(0);
    let error = index(&studio, &library, &device).expect_err("there is no room");
    let text = format!("{error:#}");
    assert!(
        text.contains("--device cpu") && text.contains("out of memory"),
        "{text}"
    );
    // The library is whole and goes on with another device.
    let report = index(&studio, &library, embedder()).expect("indexed");
    assert_eq!(report.embedded + report.unchanged, 6);
}
