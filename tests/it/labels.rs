//! Labels of a whole library: what it is labelled with, how that is found again, and what becomes of it
//! when sounds, sets or models change.

use std::fs;
use std::sync::RwLock;

use serde_json::Value;
use soundseek::labels::{
    BuiltInSet, Classifier, KeptTexts, LabelSet, TEMPLATE, label_library, threshold,
};
use soundseek::library::{Filters, Labelling, Library};
use soundseek::search::embed_file;

use crate::support::{Studio, embedder, soundseek, stderr, stdout};

pub const SET: &str =
    "# Heard in the demo\nkick\ta bass drum\nsiren\ta police siren\nflute\nbell\ta church bell\n";

pub fn studio(sounds: &[&str]) -> Studio {
    let studio = Studio::new();
    for sound in sounds {
        studio.put(sound, &format!("{sound}.wav"));
    }
    studio.index();
    studio
}

pub fn set_file(studio: &Studio, text: &str) -> String {
    let path = studio.folder.path().join("mine.txt");
    fs::write(&path, text).expect("written");
    path.to_str().expect("Unicode").to_string()
}

pub fn json_lines(text: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).expect("a line of JSON");
    text.lines().map(line).collect()
}

fn labelling(set: &LabelSet) -> Labelling {
    let space = embedder().space().expect("a space");
    Labelling {
        digest: set.digest(TEMPLATE),
        model: space.name,
        space: space.fingerprint,
        adapter: None,
        threshold: threshold(set.labels().len()),
        labels: set.labels().iter().map(|l| l.name.clone()).collect(),
    }
}

/// What a file is called, straight from its sound: the oracle.
fn expected(set: &LabelSet, path: &std::path::Path) -> Vec<(String, f32)> {
    let classifier = Classifier::new(embedder(), &set.captions(TEMPLATE), &KeptTexts::nowhere())
        .expect("embedded");
    let moments = embed_file(embedder(), path, None).expect("decoded");
    let vectors: Vec<_> = moments.into_iter().map(|(_, vector)| vector).collect();
    let probabilities = classifier.probabilities(&vectors);
    let labels = set.labels().iter().zip(probabilities);
    let mut labels: Vec<_> = labels.map(|(l, p)| (l.name.clone(), p)).collect();
    labels.sort_by(|a, b| b.1.total_cmp(&a.1));
    labels
}

#[test]
fn a_whole_library_gets_what_its_sounds_are_told_and_the_next_run_adds_the_rest() {
    let studio = studio(&["kick-drum", "siren"]);
    let set = LabelSet::parse("mine", SET).expect("a set");
    let labels = set_file(&studio, SET);
    let tag_all = || {
        let args = ["tag", "--all", "--labels", &labels, "--json"];
        let output = soundseek(&studio.library_dir(), &args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let object = json_lines(&stdout(&output)).remove(0);
        let number = |field: &str| object[field].as_u64().expect("a number");
        (number("sounds"), number("known"), number("gone"))
    };
    assert_eq!(tag_all(), (2, 0, 0));
    assert_eq!(tag_all(), (0, 2, 0));
    studio.put("flute", "flute.wav");
    fs::remove_file(studio.sounds().join("siren.wav")).expect("removed");
    studio.index();
    assert_eq!(tag_all(), (1, 1, 1));
    let library = studio.library();
    for sound in ["kick-drum", "flute"] {
        let path = studio.sounds().join(format!("{sound}.wav"));
        let record = library.file(&path).expect("readable").expect("known");
        let given = library.labels_of(&record.content).expect("readable");
        let given: Vec<_> = given
            .into_iter()
            .map(|g| (g.label, g.probability))
            .collect();
        let mut likely = expected(&set, &path);
        likely.retain(|(_, p)| *p >= threshold(4));
        assert_eq!(given, likely, "{sound}");
    }
}

#[test]
fn labels_are_found_filtered_and_counted_and_are_no_tags() {
    let studio = studio(&["kick-drum", "siren", "flute", "church-bell"]);
    fs::copy(
        studio.sounds().join("siren.wav"),
        studio.sounds().join("twin.wav"),
    )
    .expect("copied");
    studio.index();
    let labels = set_file(&studio, SET);
    let run = |args: &[&str]| soundseek(&studio.library_dir(), args);
    run(&["tag", "--all", "--labels", &labels, "--threshold", "0.5"]);
    let found = run(&["search", "--label", "SIREN", "--json"]);
    let hits = json_lines(&stdout(&found));
    assert_eq!(hits.len(), 1, "the copy is folded: {}", stdout(&found));
    assert!(
        hits[0]["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("siren.wav"))
    );
    assert_eq!(hits[0]["labels"], serde_json::json!(["siren"]));
    assert_eq!(hits[0]["tags"], serde_json::json!([]));
    assert_eq!(hits[0]["alike"].as_array().map(Vec::len), Some(1));
    let filtered = run(&["search", "a flute", "--label", "siren", "-0", "--all"]);
    let names = stdout(&filtered);
    assert!(
        names.contains("siren.wav") && names.contains("twin.wav") && !names.contains("flute.wav")
    );
    let both = run(&["search", "--label", "siren", "--label", "flute"]);
    assert_eq!(both.status.code(), Some(1), "{}", stdout(&both));
    let library = studio.library();
    let labelled = |label: &str| Filters {
        labels: vec![label.into()],
        ..Filters::default()
    };
    for loaded in [false, true] {
        if loaded {
            library.load_catalog().expect("loaded");
        }
        let passing = library
            .passing_contents(&labelled("siren"))
            .expect("readable");
        let siren = studio.sounds().join("siren.wav");
        let content = library
            .file(&siren)
            .expect("readable")
            .expect("known")
            .content;
        assert!(passing.is_some_and(|passing| passing.contains(&content)));
    }
    let facets = library.facets(&labelled("siren"), None).expect("counted");
    assert_eq!(
        (facets.files, facets.labels),
        (2, vec![("siren".to_string(), 2)])
    );
    let all = library.facets(&Filters::default(), None).expect("counted");
    assert!(
        all.labels.contains(&("siren".to_string(), 2)),
        "{:?}",
        all.labels
    );
    assert!(all.tags.is_empty());
}

#[test]
fn a_label_that_no_set_has_is_refused_with_those_that_are_like_it() {
    let studio = studio(&["kick-drum"]);
    let run = |args: &[&str]| soundseek(&studio.library_dir(), args);
    let none = run(&["search", "--label", "snare"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(
        stderr(&none).contains("soundseek tag --all"),
        "{}",
        stderr(&none)
    );
    run(&["tag", "--all", "--set", "drums"]);
    let unknown = run(&["search", "--label", "snare"]);
    assert_eq!(unknown.status.code(), Some(2));
    let text = stderr(&unknown);
    assert!(
        text.contains("'snare'") && text.contains("'snare drum'"),
        "{text}"
    );
}

#[test]
fn another_list_or_model_replaces_the_labels_of_its_name_and_says_so() {
    let studio = studio(&["siren"]);
    let run = |args: &[&str]| soundseek(&studio.library_dir(), args);
    run(&["tag", "--all", "--labels", &set_file(&studio, SET)]);
    let changed = SET.replace("bell\ta church bell", "rain");
    let again = run(&["tag", "--all", "--labels", &set_file(&studio, &changed)]);
    assert!(
        stderr(&again).contains("another list"),
        "{}",
        stderr(&again)
    );
    let library = studio.library();
    let labellings = library.labellings().expect("readable");
    assert_eq!(
        labellings["mine"].labels,
        ["kick", "siren", "flute", "rain"]
    );
    let another = Labelling {
        space: "another".into(),
        ..labellings["mine"].clone()
    };
    let content = [7; 32];
    library
        .give_labels("mine", &[(content, vec![(1, 0.9)])])
        .expect("given");
    library.begin_labelling("mine", &another).expect("begun");
    assert_eq!(library.labels_of(&content).expect("readable"), []);
    drop(library);
    let searched = run(&["search", "a siren", "--label", "siren"]);
    assert!(
        stderr(&searched).contains("those of the model"),
        "{}",
        stderr(&searched)
    );
}

#[test]
fn labels_are_dropped_set_by_set_or_all_at_once_and_status_tells() {
    let studio = studio(&["siren", "flute"]);
    let run = |args: &[&str]| soundseek(&studio.library_dir(), args);
    for set in ["drums", "moods", "esc50"] {
        run(&["tag", "--all", "--set", set]);
    }
    studio.put("kick-drum", "kick.wav");
    studio.index();
    let status = &json_lines(&stdout(&run(&["status", "--json"])))[0];
    let sets = status["labels"].as_array().expect("sets");
    assert_eq!(sets.len(), 3);
    assert_eq!(
        (&sets[0]["set"], &sets[0]["sounds"], &sets[0]["wanting"]),
        (&"drums".into(), &2.into(), &1.into())
    );
    let shown = stdout(&run(&["status"]));
    assert!(
        shown.contains("labels   drums: 2 sounds") && shown.contains("1 not yet"),
        "{shown}"
    );
    let cleared = run(&["tag", "--clear", "--set", "moods"]);
    assert_eq!(cleared.status.code(), Some(0), "{}", stderr(&cleared));
    let names = |library: &Library| library.label_set_names().expect("readable");
    assert_eq!(names(&studio.library()), ["drums", "esc50"]);
    run(&["tag", "--clear"]);
    let library = studio.library();
    assert!(names(&library).is_empty());
    assert!(
        library
            .labelled_contents("drums")
            .expect("readable")
            .is_empty()
    );
    drop(library);
    assert_eq!(run(&["tag", "--clear"]).status.code(), Some(2));
}

#[test]
fn a_run_that_is_stopped_keeps_what_it_gave_and_the_next_goes_on() {
    let studio = studio(&["siren", "flute", "kick-drum"]);
    let library = studio.library();
    let index = library.index_for_search(embedder()).expect("opened");
    let set = LabelSet::built_in(BuiltInSet::Esc50);
    let classifier = Classifier::new(embedder(), &set.captions(TEMPLATE), &KeptTexts::nowhere())
        .expect("embedded");
    let kind = labelling(&set);
    let run = || label_library(&library, &index, &classifier, &set, &kind, &|_| false);
    let first = run().expect("labelled");
    assert_eq!((first.sounds, first.known), (3, 0), "one batch holds all");
    let second = run().expect("labelled");
    assert_eq!((second.sounds, second.known), (0, 3));
}

#[test]
fn a_program_that_stays_open_sees_the_labels_that_another_gives() {
    let studio = studio(&["siren"]);
    let library = studio.library();
    let index = RwLock::new(library.index_for_writing(embedder()).expect("opened"));
    let labels = || {
        library
            .facets(&Filters::default(), None)
            .expect("counted")
            .labels
    };
    assert_eq!(labels(), []);
    let set = set_file(&studio, SET);
    let args = ["tag", "--all", "--labels", &set, "--threshold", "0.5"];
    let tagged = soundseek(&studio.library_dir(), &args);
    assert_eq!(tagged.status.code(), Some(0), "{}", stderr(&tagged));
    assert!(library.catch_up(&index).expect("read"));
    assert_eq!(labels(), [("siren".to_string(), 1)]);
    soundseek(&studio.library_dir(), &["tag", "--clear"]);
    assert!(library.catch_up(&index).expect("read"));
    assert_eq!(labels(), []);
}
