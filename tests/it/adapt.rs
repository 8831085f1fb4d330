//! Adapters: that they learn what can be learned and refuse what cannot, the same way each time, and
//! that searches use them only when they are on and for their own model.

use std::fs;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use soundseek::adapt::{Adapter, Learned, Lesson, TrainOptions, learn};
use soundseek::library::Library;
use soundseek::search::{Hit, SearchOptions};
use soundseek_index::{Space, Vector};

use crate::support::{self, Studio, embedder, stderr, stdout};

fn random(rng: &mut StdRng, dimension: usize) -> Vec<f32> {
    (0..dimension)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect()
}

fn unit(numbers: Vec<f32>) -> Vector {
    Vector::normalized(numbers).expect("a direction")
}

fn space(fingerprint: &str) -> Space {
    Space {
        name: "made up".into(),
        fingerprint: fingerprint.into(),
    }
}

/// Descriptions with three sounds each. A sound is its text turned by a fixed matrix, with noise, or has
/// nothing to do with it.
fn lesson(base: Space, dimension: usize, descriptions: usize, related: bool) -> Lesson {
    let mut rng = StdRng::seed_from_u64(7);
    let turn: Vec<Vec<f32>> = (0..dimension)
        .map(|_| random(&mut rng, dimension))
        .collect();
    let mut lesson = Lesson {
        base,
        scales: [20.0, 20.0],
        texts: vec![],
        sounds: vec![],
    };
    for description in 0..descriptions {
        let text = unit(random(&mut rng, dimension));
        for _ in 0..3 {
            let noise = random(&mut rng, dimension);
            let row = |(row, noise): (&Vec<f32>, f32)| {
                let turned: f32 = row.iter().zip(text.as_slice()).map(|(a, b)| a * b).sum();
                turned + 0.1 * noise
            };
            let sound = match related {
                true => turn.iter().zip(noise).map(row).collect(),
                false => noise,
            };
            lesson.sounds.push((unit(sound), description));
        }
        lesson.texts.push(vec![text]);
    }
    lesson
}

fn learned(lesson: &Lesson, seed: u64) -> Learned {
    learn(lesson, TrainOptions { seed }, &|_, _| true).expect("learned")
}

#[test]
fn what_holds_for_all_pairs_is_learned_and_holds_for_those_never_seen() {
    let learned = learned(&lesson(space("a"), 32, 300, true), 1);
    let (before, after) = (learned.before, learned.after);
    assert!(learned.improves, "{before:?} {after:?}");
    // Sixty descriptions among 180 sounds: chance finds one in ten of them among the first ten. Seen to
    // reach .9 and more; half leaves room for other arithmetic.
    assert!(
        before.at_10 < 0.35 && after.at_10 > before.at_10 + 0.5,
        "{before:?} {after:?}"
    );
    assert_eq!(learned.sounds, [540, 180, 180]);
}

#[test]
fn random_pairs_are_refused_whatever_the_seed() {
    let lesson = lesson(space("a"), 32, 200, false);
    for seed in 1..=5 {
        let learned = learned(&lesson, seed);
        assert!(
            !learned.improves,
            "{seed}: {:?} {:?}",
            learned.before, learned.after
        );
    }
}

#[test]
fn the_same_seed_learns_the_same_and_another_one_does_not() {
    let lesson = lesson(space("a"), 32, 100, true);
    let first = learned(&lesson, 3);
    assert_eq!(first, learned(&lesson, 3));
    assert_ne!(first.adapter, learned(&lesson, 4).adapter);
}

#[test]
fn too_few_descriptions_are_refused_with_their_number() {
    let few = lesson(space("a"), 8, 20, true);
    let error = learn(&few, TrainOptions { seed: 1 }, &|_, _| true).expect_err("too few");
    let text = error.to_string();
    assert!(
        text.contains("60 sounds with 20 different descriptions"),
        "{text}"
    );
}

/// An adapter for the built-in model that changes its rankings, in a file.
pub fn made_up_adapter(studio: &Studio) -> (Adapter, String) {
    let base = embedder().space().expect("a space");
    let dimension = embedder().model().dimension();
    let adapter = learned(&lesson(base, dimension, 60, true), 1).adapter;
    let path = studio.folder.path().join("adapter.safetensors");
    adapter.write(&path).expect("written");
    (adapter, path.to_str().expect("Unicode").to_string())
}

#[test]
fn a_search_by_text_uses_the_adapter_that_is_on_and_one_by_clip_does_not() {
    let studio = Studio::new();
    for sound in [
        "kick-drum",
        "siren",
        "flute",
        "church-bell",
        "rain",
        "piano",
    ] {
        studio.put(sound, &format!("{sound}.wav"));
    }
    studio.index();
    let (adapter, file) = made_up_adapter(&studio);
    let by_text = || studio.search("a police siren", &SearchOptions::default());
    let clip = soundseek::search::Part {
        source: soundseek::search::Source::Clip {
            path: studio.sounds().join("siren.wav"),
            span: None,
        },
        weight: 1.0,
    };
    let by_clip = || studio.search_parts(std::slice::from_ref(&clip), &SearchOptions::default());
    let (text_before, clip_before) = (by_text(), by_clip());
    let adapt =
        |args: &[&str]| support::soundseek(&studio.library_dir(), &[&["adapt"], args].concat());
    assert_eq!(
        adapt(&["--off"]).status.code(),
        Some(1),
        "there is none yet"
    );
    let used = adapt(&["--use", &file]);
    assert_eq!(used.status.code(), Some(0), "{}", stderr(&used));
    let query = embedder().embed_text("a police siren").expect("embedded");
    let query = adapter.apply(&query).expect("applied");
    let best = |hit: &Hit| {
        let moments = soundseek::search::embed_file(embedder(), &hit.path, None).expect("decoded");
        let cosines = moments.iter().map(|(_, vector)| vector.dot(&query));
        cosines.fold(f32::MIN, f32::max)
    };
    let adapted = by_text();
    assert_ne!(adapted, text_before);
    for hit in &adapted {
        // The same f32, summed in another order.
        assert!(
            (hit.similarity - best(hit)).abs() < 1e-5,
            "{}",
            hit.path.display()
        );
    }
    assert_eq!(by_clip(), clip_before);
    let shown = stdout(&support::soundseek(&studio.library_dir(), &["status"]));
    assert!(shown.contains("adapter  on, for builtin"), "{shown}");
    assert_eq!(adapt(&["--off"]).status.code(), Some(0));
    assert_eq!(by_text(), text_before, "nothing of it is left");
    assert_eq!(adapt(&["--on"]).status.code(), Some(0));
    assert_eq!(by_text(), adapted);
}

#[test]
fn sounds_are_told_and_labelled_in_the_words_that_searches_use() {
    let studio = Studio::new();
    let siren = studio.put("siren", "siren.wav");
    studio.index();
    let (adapter, file) = made_up_adapter(&studio);
    let sentences = ["a police siren", "a flute", "rain", "a kick drum"];
    let from = studio.folder.path().join("texts.txt");
    fs::write(&from, sentences.join("\n")).expect("written");
    let (siren, from) = (
        siren.to_str().expect("Unicode"),
        from.to_str().expect("Unicode"),
    );
    let run = |args: &[&str]| support::soundseek(&studio.library_dir(), args);
    let captions = || stdout(&run(&["captions", siren, "--from", from, "--json"]));
    let tag_all = |set: &str| run(&["tag", "--all", "--set", set]);
    tag_all("drums");
    let before = captions();
    let used = run(&["adapt", "--use", &file]);
    assert!(
        stderr(&used).contains("the labels of drums are as they were"),
        "{}",
        stderr(&used)
    );
    let adapted = captions();
    assert_ne!(adapted, before);
    let moments = soundseek::search::embed_file(embedder(), siren.as_ref(), None);
    let moments = moments.expect("decoded");
    for line in adapted.lines() {
        let told: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = told["text"].as_str().expect("a text");
        let text = embedder().embed_text(text).expect("embedded");
        let text = adapter.apply(&text).expect("applied");
        let cosines = moments.iter().map(|(_, vector)| vector.dot(&text));
        let mean = f64::from(cosines.sum::<f32>() / moments.len() as f32);
        let similarity = told["similarity"].as_f64().expect("a number");
        // The same f32, summed in another order.
        assert!((similarity - mean).abs() < 1e-5, "{told}");
    }
    let status = stdout(&run(&["status"]));
    assert!(
        status.contains("labels   drums: 1 sound by builtin, given before `adapt`"),
        "{status}"
    );
    let searched = run(&["search", "a siren", "--label", "kick drum"]);
    assert!(
        stderr(&searched).contains("since the labels of drums were given"),
        "{}",
        stderr(&searched)
    );
    let again = tag_all("drums");
    let (out, error) = (stdout(&again), stderr(&again));
    assert!(
        out.starts_with("1 sound looked at") && error.contains("has changed what words mean"),
        "{out}{error}"
    );
    let library = studio.library();
    let space = embedder().space().expect("a space");
    assert!(
        library
            .labels_in_other_words(&space)
            .expect("readable")
            .is_empty()
    );
    assert_eq!(
        library.labellings().expect("readable")["drums"].adapter,
        Some(adapter.fingerprint())
    );
    drop(library);
    assert_eq!(run(&["adapt", "--off"]).status.code(), Some(0));
    assert_eq!(captions(), before, "nothing of it is left");
}

#[test]
fn a_program_that_stays_open_uses_the_adapter_that_another_has_turned_on_or_off() {
    let studio = Studio::new();
    studio.put("siren", "siren.wav");
    studio.index();
    let (adapter, _) = made_up_adapter(&studio);
    let (open, other) = (
        studio.library(),
        Library::open_existing(&studio.library_dir()).expect("reads along"),
    );
    let space = embedder().space().expect("a space");
    let fingerprint = |library: &Library| {
        let adapter = library.adapter(&space).expect("readable");
        adapter.map(|adapter| adapter.fingerprint())
    };
    assert_eq!(fingerprint(&open), None);
    other.keep_adapter(&adapter).expect("kept");
    assert_eq!(fingerprint(&open), Some(adapter.fingerprint()));
    assert!(other.turn_adapter(&space, false).expect("turned"));
    assert_eq!(fingerprint(&open), None);
    assert!(other.turn_adapter(&space, true).expect("turned"));
    assert_eq!(fingerprint(&open), Some(adapter.fingerprint()));
}

#[test]
fn a_damaged_adapter_is_told_and_can_be_turned_off() {
    let studio = Studio::new();
    studio.put("siren", "siren.wav");
    studio.index();
    let (_, file) = made_up_adapter(&studio);
    let run = |args: &[&str]| support::soundseek(&studio.library_dir(), args);
    run(&["adapt", "--use", &file]);
    let folder = studio.library_dir().join("adapters");
    let kept = fs::read_dir(folder)
        .expect("a folder")
        .next()
        .expect("a file")
        .expect("readable");
    let bytes = fs::read(kept.path()).expect("read");
    fs::write(kept.path(), &bytes[..bytes.len() - 100]).expect("written");
    let search = run(&["search", "a siren"]);
    assert_eq!(search.status.code(), Some(2));
    assert!(
        stderr(&search).contains("soundseek adapt --off"),
        "{}",
        stderr(&search)
    );
    assert!(stdout(&run(&["status"])).contains("adapter  damaged"));
    assert_eq!(run(&["adapt", "--off"]).status.code(), Some(0));
    assert_eq!(run(&["search", "a siren"]).status.code(), Some(0));
    assert_eq!(
        run(&["adapt", "--on"]).status.code(),
        Some(2),
        "it is still damaged"
    );
    fs::write(&file, "nothing of the kind").expect("written");
    let used = run(&["adapt", "--use", &file]);
    assert_eq!(used.status.code(), Some(2));
    assert!(stderr(&used).contains("is no adapter"), "{}", stderr(&used));
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    let studio = Studio::new();
    studio.put("siren", "siren.wav");
    studio.index();
    let other = learned(&lesson(space("another model"), 16, 60, true), 1).adapter;
    let path = studio.folder.path().join("other.safetensors");
    other.write(&path).expect("written");
    let path = path.to_str().expect("Unicode");
    let used = support::soundseek(&studio.library_dir(), &["adapt", "--use", path]);
    assert_eq!(used.status.code(), Some(2));
    let text = stderr(&used);
    assert!(
        text.contains("made up (another model)") && text.contains("builtin"),
        "{text}"
    );
}

#[test]
fn a_table_that_teaches_nothing_leaves_the_library_as_it_is() {
    let studio = Studio::new();
    let mut rng = StdRng::seed_from_u64(5);
    let mut table = String::from("file,description\n");
    for number in 0..66 {
        let pitch = rng.random_range(0.01..0.9f32);
        let samples: Vec<f32> = (0..8_000).map(|i| 0.5 * (i as f32 * pitch).sin()).collect();
        let name = format!("sounds/{number}.wav");
        support::write_wav(
            &studio.sounds().join(format!("{number}.wav")),
            32_000,
            &samples,
        );
        let words = [
            "rain", "dog", "piano", "wind", "car", "bell", "bird", "door",
        ];
        let (one, two) = (words[number % 8], words[number / 8 % 8]);
        table += &format!("{name},{one} and {two} {number}\n");
    }
    table += "sounds/nowhere.wav,a sound that is not there\n";
    studio.index();
    let path = studio.folder.path().join("pairs.csv");
    fs::write(&path, table).expect("written");
    let path = path.to_str().expect("Unicode");
    let run = |args: &[&str]| support::soundseek(&studio.library_dir(), args);
    let refused = run(&["adapt", path]);
    let (out, error) = (stdout(&refused), stderr(&refused));
    assert_eq!(refused.status.code(), Some(1), "{out}{error}");
    assert!(
        out.contains("66 sounds with 66 descriptions") && out.contains("recall@10"),
        "{out}"
    );
    assert!(
        error.contains("was not kept") && error.contains("nowhere.wav"),
        "{error}"
    );
    assert!(!studio.library_dir().join("adapters").exists());
    let few = run(&["adapt", "--from-names"]);
    assert_eq!(few.status.code(), Some(2));
    assert!(
        stderr(&few).contains("no file there has a name with words"),
        "{}",
        stderr(&few)
    );
    assert_eq!(run(&["adapt"]).status.code(), Some(2));
}
