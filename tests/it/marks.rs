//! Favourites and tags: that they stay with a sound whatever becomes of its files, that filters and
//! facets count by them, and that nothing is a tag that could not be typed again.

use std::path::Path;

use soundseek::library::{ContentHash, Filters, Library, Tag};
use soundseek::search::SearchOptions;

use crate::support::{self, Studio, names, stderr, stdout};

fn tag(text: &str) -> Tag {
    Tag::new(text).expect("a tag")
}

fn content(library: &Library, path: &Path) -> ContentHash {
    let record = library.file(path).expect("readable").expect("known");
    record.content
}

fn add(library: &Library, path: &Path, text: &str) {
    let changed = library.mark(&[content(library, path)], |marks| {
        marks.tags.insert(tag(text));
    });
    assert_eq!(changed.expect("marked"), 1);
}

fn tags_of(library: &Library, path: &Path) -> Vec<String> {
    let marks = library.marks(&content(library, path));
    marks.tags.iter().map(Tag::to_string).collect()
}

#[test]
fn marks_stay_with_a_sound_that_is_moved_and_indexed_again_and_a_copy_has_them_too() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    studio.put("closed-hi-hat", "hat.wav");
    studio.index();
    {
        let library = studio.library();
        add(&library, &kick, "Deep");
        let changed = library.mark(&[content(&library, &kick)], |marks| marks.favourite = true);
        assert_eq!(changed.expect("marked"), 1);
        let again = library.mark(&[content(&library, &kick)], |marks| marks.favourite = true);
        assert_eq!(again.expect("marked"), 0, "it was one already");
    }
    let (moved, copy) = (
        studio.sounds().join("new/boom.wav"),
        studio.sounds().join("copy.wav"),
    );
    std::fs::create_dir(studio.sounds().join("new")).expect("made");
    std::fs::rename(&kick, &moved).expect("moved");
    std::fs::copy(&moved, &copy).expect("copied");
    studio.index();
    let library = studio.library();
    for path in [moved, copy] {
        assert_eq!(tags_of(&library, &path), ["deep"], "{}", path.display());
        assert!(library.marks(&content(&library, &path)).favourite);
    }
    assert_eq!(
        library.tags().into_iter().collect::<Vec<_>>(),
        [(tag("deep"), 1)]
    );
}

#[test]
fn a_sound_that_was_away_has_its_marks_when_it_comes_back() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    studio.put("closed-hi-hat", "hat.wav");
    studio.index();
    add(&studio.library(), &kick, "deep");
    std::fs::remove_file(&kick).expect("removed");
    studio.index();
    assert_eq!(studio.library().file(&kick).expect("readable"), None);
    studio.put("kick-drum", "kick.wav");
    studio.index();
    assert_eq!(tags_of(&studio.library(), &kick), ["deep"]);
}

#[test]
fn an_edited_file_keeps_its_marks_but_another_known_sound_in_its_place_does_not_get_them() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    let hat = studio.put("closed-hi-hat", "hat.wav");
    let snare = studio.put("snare-drum", "snare.wav");
    studio.index();
    {
        let library = studio.library();
        add(&library, &kick, "deep");
        add(&library, &hat, "thin");
    }
    let samples: Vec<f32> = support::demo_sound("kick-drum").render(44_100);
    let quieter: Vec<f32> = samples.iter().map(|sample| sample * 0.5).collect();
    support::write_wav(&kick, 44_100, &quieter);
    std::fs::rename(&snare, &hat).expect("moved over it");
    studio.index();
    let library = studio.library();
    assert_eq!(tags_of(&library, &kick), ["deep"]);
    assert_eq!(tags_of(&library, &hat), Vec::<String>::new());
}

#[test]
fn filters_and_facets_count_by_marks_with_and_without_the_catalogue() {
    let studio = Studio::new();
    let names = ["kick-drum", "snare-drum", "closed-hi-hat", "rain"];
    let paths: Vec<_> = names
        .iter()
        .map(|name| studio.put(name, &format!("{name}.wav")))
        .collect();
    studio.index();
    let library = studio.library();
    for (path, marks) in paths
        .iter()
        .zip([&["drum", "deep"][..], &["drum"], &["drum", "thin"]])
    {
        for mark in marks {
            add(&library, path, mark);
        }
    }
    let favourites = [content(&library, &paths[1]), content(&library, &paths[3])];
    library
        .mark(&favourites, |marks| marks.favourite = true)
        .expect("marked");
    for loaded in [false, true] {
        if loaded {
            library.load_catalog().expect("loaded");
        }
        for (tags, favourite, expected) in [
            (&["drum"][..], false, &[0, 1, 2][..]),
            (&["drum", "deep"], false, &[0]),
            (&["thin", "deep"], false, &[]),
            (&[], true, &[1, 3]),
            (&["drum"], true, &[1]),
            (&["unheard of"], false, &[]),
        ] {
            let filters = Filters {
                tags: tags.iter().map(|text| tag(text)).collect(),
                favourite,
                ..Filters::default()
            };
            let passing = library.passing_contents(&filters).expect("readable");
            let passing = passing.expect("something is asked for");
            let holds = |n: &usize| passing.contains(&content(&library, &paths[*n]));
            let found: Vec<usize> = (0..paths.len()).filter(holds).collect();
            assert_eq!(found, expected, "{tags:?}, favourite: {favourite}");
            let counted = library.facets(&filters, None).expect("counted").files;
            assert_eq!(counted, expected.len(), "{tags:?}, favourite: {favourite}");
        }
    }
}

#[test]
fn a_search_finds_only_what_is_marked_as_asked() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    studio.put("snare-drum", "snare.wav");
    studio.index();
    add(&studio.library(), &kick, "deep");
    let options = SearchOptions {
        filters: Filters {
            tags: vec![tag("deep")],
            ..Filters::default()
        },
        ..SearchOptions::default()
    };
    assert_eq!(names(&studio.search("snare drum", &options)), ["kick"]);
    let search = |args: &[&str]| support::soundseek(&studio.library_dir(), args);
    let found = search(&["search", "snare drum", "--tag", "Deep", "-0"]);
    assert_eq!(stdout(&found).matches(".wav").count(), 1);
    assert!(stdout(&found).contains("kick.wav"));
    let none = search(&["search", "snare drum", "--favourite"]);
    assert_eq!(none.status.code(), Some(1), "{}", stderr(&none));
    let refused = search(&["search", "snare drum", "--tag=-deep"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("'-deep' is no tag"));
}

#[test]
fn marks_that_are_taken_off_leave_nothing_behind() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    studio.index();
    {
        let library = studio.library();
        add(&library, &kick, "deep");
        let contents = [content(&library, &kick)];
        let changed = library.mark(&contents, |marks| {
            marks.tags.remove(&tag("deep"));
        });
        assert_eq!(changed.expect("unmarked"), 1);
    }
    let library = studio.library();
    assert!(library.marks(&content(&library, &kick)).is_empty());
    assert!(library.tags().is_empty());
}
