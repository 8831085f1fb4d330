//! A library that is open in one process, and others that want it: they search and mark, and what only
//! one can do is refused with its name. That one is the test itself.

use std::path::Path;
use std::sync::RwLock;

use serde_json::Value;
use soundseek::library::{Library, Tag};
use soundseek::search::{Filters, SearchOptions, Searcher};

use crate::support::{Studio, embedder, names, soundseek, stderr, stdout, text_part};

fn studio() -> Studio {
    let studio = Studio::new();
    for sound in ["kick-drum", "siren", "flute", "applause"] {
        studio.put(sound, &format!("{sound}.wav"));
    }
    studio.index();
    studio
}

#[test]
fn a_second_process_searches_and_looks_while_another_has_the_library() {
    let studio = studio();
    let library = studio.library();
    let index = RwLock::new(library.index_for_writing(embedder()).expect("opens"));
    let searcher = Searcher::new(&library, &index, embedder());
    let parts = [text_part("a police siren", 1.0)];
    let own = searcher.search(&parts, &SearchOptions::default());
    let own = own.expect("found");

    let search = ["search", "a police siren", "--json"];
    let output = soundseek(&studio.library_dir(), &search);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = stdout(&output);
    let hits: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(hits.len(), own.len());
    for (hit, own) in hits.iter().zip(&own) {
        assert_eq!(hit["path"], own.path.to_str().expect("Unicode"));
        assert_eq!(hit["similarity"], f64::from(own.similarity));
    }

    let output = soundseek(&studio.library_dir(), &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (text, own) = (stdout(&output), format!("(process {})", std::process::id()));
    assert!(text.contains("files    4 "), "{text}");
    assert!(text.contains("open in  ") && text.contains(&own), "{text}");
}

#[test]
fn a_second_process_that_would_change_files_is_refused_with_the_name_of_the_first() {
    let studio = studio();
    let library = studio.library();
    let sounds = studio.sounds();
    let sounds = sounds.to_str().expect("Unicode");
    let refused: [&[&str]; 4] = [
        &["index", sounds],
        &["remove", sounds],
        &["relink", sounds, "/"],
        &["compact"],
    ];
    for args in refused {
        let output = soundseek(&studio.library_dir(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let (text, own) = (stderr(&output), format!("(process {})", std::process::id()));
        assert!(text.contains(&own), "{args:?}: {text}");
    }
    assert_eq!(library.file_count().expect("counted"), 4);
    library.check().expect("nothing has changed");
}

#[test]
fn marks_that_are_set_side_by_side_are_all_kept_and_seen() {
    let studio = studio();
    let library = studio.library();
    let index = RwLock::new(library.index_for_writing(embedder()).expect("opens"));
    let second = Library::open_existing(&studio.library_dir()).expect("reads along");
    assert!(second.holder().is_some());
    let second_index = RwLock::new(second.index_for_search(embedder()).expect("opens"));
    let siren = library
        .file(&studio.sounds().join("siren.wav"))
        .expect("read")
        .expect("known");
    let tag = |library: &Library, tag: &str| {
        let tag = Tag::new(tag).expect("a tag");
        let changed = library.mark(&[siren.content], |marks| {
            marks.tags.insert(tag.clone());
        });
        assert_eq!(changed.expect("marked"), 1);
    };
    tag(&second, "alarm");
    tag(&library, "loud");
    tag(&second, "street");
    for (library, index) in [(&library, &index), (&second, &second_index)] {
        assert!(library.catch_up(index).expect("read"));
        let marks = library.marks(&siren.content);
        let tags: Vec<&str> = marks.tags.iter().map(Tag::as_str).collect();
        assert_eq!(tags, ["alarm", "loud", "street"]);
    }
    assert!(!library.catch_up(&index).expect("read"), "nothing is new");
    let filters = Filters {
        tags: vec![Tag::new("street").expect("a tag")],
        ..Filters::default()
    };
    let options = SearchOptions {
        filters,
        ..SearchOptions::default()
    };
    let searcher = Searcher::new(&library, &index, embedder());
    let hits = searcher.search(&[text_part("a sound", 1.0)], &options);
    assert_eq!(names(&hits.expect("found")), ["siren"]);
}

#[test]
fn a_program_that_stays_open_sees_what_another_indexes_and_takes_over_from_it() {
    let studio = studio();
    let library = studio.library();
    let second = Library::open_existing(&studio.library_dir()).expect("reads along");
    second.load_catalog().expect("loaded");
    assert!(second.index_for_writing(embedder()).is_err());
    let index = RwLock::new(second.index_for_search(embedder()).expect("opens"));
    let found = |index: &RwLock<_>| {
        let searcher = Searcher::new(&second, index, embedder());
        let hits = searcher.search(&[text_part("a laser", 1.0)], &SearchOptions::default());
        names(&hits.expect("found"))
    };
    assert_eq!(found(&index).len(), 4);
    studio.put("laser", "laser.wav");
    crate::support::index_roots(&library, &[studio.sounds()]);
    assert!(second.catch_up(&index).expect("read"));
    assert_eq!(found(&index)[0], "laser");
    let counted = second.facets(&Filters::default(), None).expect("counted");
    assert_eq!(counted.files, 5);

    drop(library);
    let laser = studio.sounds().join("laser.wav");
    std::fs::remove_file(&laser).expect("deleted");
    second.claim().expect("nobody has it any more");
    assert!(second.catch_up(&index).expect("read"));
    assert!(second.forget_file(&laser).expect("forgotten"));
    assert_eq!(second.sweep(&index).expect("swept"), 1);
    index
        .into_inner()
        .expect("nobody panicked")
        .assert_valid()
        .expect("valid");
    assert!(second.holder().is_none());
    assert!(Path::new(&studio.library_dir()).join("store.1").is_dir());
}
