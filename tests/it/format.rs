//! A library that an earlier version wrote opens for ever, with everything that was in it.
//!
//! `tests/data/v1` is a library of format 1, made by the last program that wrote it: twelve sounds of the
//! demo in /sounds, one of them a copy, a file that is no sound, a favourite and a tag. `v2` is what
//! opening that makes of it, and so on for each format.

use std::path::{Path, PathBuf};
use std::sync::RwLock;

use soundseek::library::{Library, Marks, Tag};
use soundseek::search::{SearchOptions, Searcher};
use tempfile::TempDir;

use crate::support::{copy, embedder, names, text_part};

fn fixture(format: u32) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    copy(&data.join(format!("v{format}")), dir.path());
    dir
}

fn check(dir: &Path) {
    let library = Library::open_existing(dir).expect("opens");
    library.check().expect("all of it can be read");
    assert_eq!(library.roots().expect("read"), [PathBuf::from("/sounds")]);
    assert_eq!(library.failures().expect("read").len(), 1);
    let files = library.files().expect("read");
    assert_eq!(files.len(), 12);
    let kick = &files[Path::new("/sounds/drums/kick-drum.wav")];
    let copy = &files[Path::new("/sounds/copy.wav")];
    assert_eq!((kick.content, &kick.sound), (copy.content, &copy.sound));
    assert_eq!(library.files_of(&kick.content).expect("read").len(), 2);
    let siren = &files[Path::new("/sounds/alarms/siren.wav")];
    let mut marks = Marks {
        favourite: true,
        ..Marks::default()
    };
    marks.tags.insert(Tag::new("alarm").expect("a tag"));
    assert_eq!(library.marks(&siren.content), marks);

    let index = RwLock::new(library.index_for_search(embedder()).expect("opens"));
    for record in files.values() {
        let entry = index.read().expect("nobody panicked").get(&record.content);
        assert_eq!(entry.expect("read").expect("there").vectors.len(), 1);
    }
    let searcher = Searcher::new(&library, &index, embedder());
    let parts = [text_part("a police siren", 1.0)];
    let hits = searcher.search(&parts, &SearchOptions::default());
    assert_eq!(names(&hits.expect("found"))[0], "siren");
}

#[test]
fn a_library_of_every_format_opens_with_all_that_was_in_it() {
    for format in [1, 2] {
        let dir = fixture(format);
        check(dir.path());
        // And again, as what it is by then.
        check(dir.path());
    }
}
