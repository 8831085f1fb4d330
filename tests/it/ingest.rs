//! Indexing as a whole: what is read, recognised, dropped and remembered, and what an interruption
//! leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use soundseek::ingest::{Control, IngestEvent};
use soundseek::library::{FileRecord, Library};
use soundseek_index::Entry;

use crate::support::{Studio, embedder, index_roots, index_with, write_wav};

/// Everything a library knows: its files and, for each content, the moments and vectors.
fn contents(library: &Library) -> (BTreeMap<PathBuf, FileRecord>, BTreeMap<Vec<u8>, Entry>) {
    let index = library
        .index_for_search(embedder())
        .expect("the index opens");
    let entries = index.keys().map(|key| {
        let entry = index
            .get(key)
            .expect("the entry is readable")
            .expect("the entry is there");
        (key.to_vec(), entry)
    });
    (
        library.files().expect("the files are readable"),
        entries.collect(),
    )
}

#[test]
fn a_second_run_opens_nothing_that_has_not_changed() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    studio.put("siren", "deep/down/siren.wav");
    let first = studio.index();
    assert_eq!((first.embedded, first.unchanged), (2, 0));
    let second = studio.index();
    assert_eq!(
        (second.embedded, second.recognised, second.unchanged),
        (0, 0, 2)
    );
}

#[test]
fn moved_copied_and_touched_files_keep_their_vectors() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    let siren = studio.put("siren", "siren.wav");
    studio.index();
    fs::rename(&kick, studio.sounds().join("renamed.wav")).expect("renamed");
    fs::copy(&siren, studio.sounds().join("copy.wav")).expect("copied");
    let bytes = fs::read(&siren).expect("read");
    let file = fs::File::create(&siren).expect("touched");
    std::io::Write::write_all(&mut &file, &bytes).expect("written again");
    file.set_modified(std::time::UNIX_EPOCH)
        .expect("an old time");
    let report = studio.index();
    assert_eq!(
        (report.embedded, report.recognised, report.removed),
        (0, 3, 1)
    );
    let library = studio.library();
    assert_eq!(library.file_count().expect("counted"), 3);
    assert_eq!(contents(&library).1.len(), 2);
}

#[test]
fn identical_files_share_one_embedding_within_a_run() {
    let studio = Studio::new();
    for name in ["a", "b", "c", "d"] {
        studio.put("cowbell", &format!("{name}.wav"));
    }
    let report = studio.index();
    assert_eq!((report.embedded, report.recognised), (1, 3));
    assert_eq!(contents(&studio.library()).1.len(), 1);
}

#[test]
fn a_changed_file_is_embedded_again_and_its_old_vectors_go() {
    let studio = Studio::new();
    let path = studio.put("kick-drum", "sound.wav");
    studio.index();
    let before = contents(&studio.library());
    studio.put("siren", "sound.wav");
    assert_eq!(studio.index().embedded, 1);
    let after = contents(&studio.library());
    assert_eq!(after.1.len(), 1);
    assert_ne!(before.0[&path].content, after.0[&path].content);
}

#[test]
fn deleted_files_are_dropped_but_a_root_that_is_gone_drops_nothing() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "drive/kick.wav");
    studio.put("siren", "drive/siren.wav");
    let drive = studio.sounds().join("drive");
    let library = studio.library();
    index_roots(&library, std::slice::from_ref(&drive));
    fs::remove_file(&kick).expect("deleted");
    assert_eq!(
        index_roots(&library, std::slice::from_ref(&drive)).removed,
        1
    );

    let elsewhere = studio.sounds().join("elsewhere");
    fs::rename(&drive, &elsewhere).expect("unplugged");
    let report = index_roots(&library, std::slice::from_ref(&drive));
    assert_eq!(
        (report.removed, report.offline.clone()),
        (0, vec![drive.clone()])
    );

    // The mount point of an unplugged drive is an empty folder.
    fs::create_dir(&drive).expect("an empty mount point");
    let report = index_roots(&library, std::slice::from_ref(&drive));
    assert_eq!((report.removed, report.offline), (0, vec![drive]));
    assert_eq!(library.file_count().expect("counted"), 1);
}

#[test]
fn a_bad_file_is_reported_remembered_and_stops_nothing() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    let bad = studio.sounds().join("bad.wav");
    fs::write(&bad, "this is not audio\n".repeat(50)).expect("written");
    fs::write(studio.sounds().join("empty.mp3"), "").expect("written");
    let report = studio.index();
    assert_eq!((report.embedded, report.failed.len()), (1, 2));
    let again = studio.index();
    assert_eq!((again.failed.len(), again.known_failures), (0, 2));
    assert!(studio.library().failure(&bad).expect("readable").is_some());
    // Once it is a sound, it is one.
    studio.put("siren", "bad.wav");
    assert_eq!(studio.index().embedded, 1);
    assert_eq!(studio.library().failure(&bad).expect("readable"), None);
}

#[test]
fn a_file_that_goes_bad_is_no_longer_found() {
    let studio = Studio::new();
    let path = studio.put("kick-drum", "kick.wav");
    studio.index();
    fs::write(&path, "overwritten").expect("written");
    assert_eq!(studio.index().failed.len(), 1);
    let (files, entries) = contents(&studio.library());
    assert!(files.is_empty() && entries.is_empty());
}

#[test]
fn hidden_and_ignored_files_are_left_aside() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    studio.put("snare-drum", ".hidden/snare.wav");
    studio.put("cowbell", ".cowbell.wav");
    studio.put("siren", "takes/siren.wav");
    studio.put("thunder", "takes/keep-thunder.wav");
    fs::write(studio.sounds().join("notes.txt"), "no sound").expect("written");
    fs::write(
        studio.sounds().join(".soundseekignore"),
        "takes/*\n!takes/keep-*\n",
    )
    .expect("written");
    studio.index();
    let files = studio.library().files().expect("readable");
    let names: Vec<_> = files
        .keys()
        .map(|path| path.file_name().expect("a name"))
        .collect();
    assert_eq!(names, ["kick.wav", "keep-thunder.wav"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_loops_end() {
    use std::os::unix::fs::symlink;
    let studio = Studio::new();
    studio.put("kick-drum", "real/kick.wav");
    let outside = Studio::new();
    outside.put("siren", "siren.wav");
    let sounds = studio.sounds();
    symlink(&sounds, sounds.join("real/loop")).expect("linked");
    symlink(sounds.join("real"), sounds.join("again")).expect("linked");
    symlink(outside.sounds(), sounds.join("outside")).expect("linked");
    symlink(sounds.join("nowhere.wav"), sounds.join("dangling.wav")).expect("linked");
    let report = studio.index();
    assert_eq!((report.embedded, report.recognised), (2, 0));
    assert!(
        report.unreadable.is_empty() && report.failed.is_empty(),
        "{report:?}"
    );
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_are_indexed_and_found() {
    use std::os::unix::ffi::OsStrExt;
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    let odd = studio
        .sounds()
        .join(std::ffi::OsStr::from_bytes(b"kick-\xff\xfe.wav"));
    fs::rename(kick, &odd).expect("renamed");
    assert_eq!(studio.index().embedded, 1);
    let hits = studio.search("a kick drum", &Default::default());
    assert_eq!(hits[0].path, odd);
}

#[test]
fn an_interrupted_run_keeps_what_is_done_and_the_next_completes_it() {
    let studio = Studio::new();
    for (n, sound) in soundseek::demo::sounds().iter().take(12).enumerate() {
        let samples = sound.render(32_000);
        write_wav(&studio.sounds().join(format!("{n}.wav")), 32_000, &samples);
    }
    let library = studio.library();
    let control = Control::new();
    let done = AtomicUsize::new(0);
    let report = index_with(&library, &[studio.sounds()], &control, &|event| {
        if matches!(event, IngestEvent::Indexed { .. }) && done.fetch_add(1, Ordering::Relaxed) == 2
        {
            control.cancel();
        }
    });
    assert!(report.interrupted);
    assert!(report.embedded >= 3, "{report:?}");
    assert_eq!(report.embedded + report.remaining, 12, "{report:?}");
    assert_eq!(library.file_count().expect("counted"), report.embedded);
    let rest = index_roots(&library, &[studio.sounds()]);
    assert_eq!(rest.unchanged, report.embedded);
    assert_eq!(rest.embedded, report.remaining);

    let uninterrupted = Studio::new();
    let other = uninterrupted.library();
    index_roots(&other, &[studio.sounds()]);
    let (mine, theirs) = (contents(&library), contents(&other));
    assert_eq!(mine.0, theirs.0);
    assert!(mine.1.keys().eq(theirs.1.keys()));
    for (content, entry) in &mine.1 {
        let other = &theirs.1[content];
        assert_eq!(entry.payload, other.payload);
        assert_eq!(entry.vectors.len(), other.vectors.len());
        for (a, b) in entry.vectors.iter().zip(&other.vectors) {
            // Sums run in an order that depends on how memory happens to be aligned.
            assert!(a.distance(b) < 1e-6, "{}", a.distance(b));
        }
    }
}

#[test]
fn a_long_file_has_overlapping_moments_that_reach_its_end() {
    let studio = Studio::new();
    let samples = soundseek::demo::sounds()[0].render(32_000);
    let long: Vec<f32> = samples.iter().copied().cycle().take(32_000 * 13).collect();
    let path = write_wav(&studio.sounds().join("long.wav"), 32_000, &long);
    studio.index();
    let library = studio.library();
    let record = library.file(&path).expect("readable").expect("known");
    let index = library
        .index_for_search(embedder())
        .expect("the index opens");
    let entry = index
        .get(&record.content)
        .expect("readable")
        .expect("there");
    let moments = soundseek::library::SoundEntry::from_bytes(&entry.payload)
        .expect("readable")
        .moments;
    // Five-second segments every 2.5 s; the last one is aligned with the end.
    assert_eq!(
        moments,
        [
            (0.0, 5.0),
            (2.5, 7.5),
            (5.0, 10.0),
            (7.5, 12.5),
            (8.0, 13.0)
        ]
    );
    assert_eq!(entry.vectors.len(), moments.len());
}

#[test]
fn a_relinked_folder_is_known_at_its_new_place_without_being_read() {
    let studio = Studio::new();
    studio.put("kick-drum", "old/kick.wav");
    studio.put("siren", "old/siren.wav");
    let (old, new) = (studio.sounds().join("old"), studio.sounds().join("new"));
    let library = studio.library();
    library.add_root(&old).expect("added");
    index_roots(&library, std::slice::from_ref(&old));
    fs::rename(&old, &new).expect("moved");
    fs::remove_file(new.join("siren.wav")).expect("deleted");
    let relinked = library.relink(&old, &new).expect("relinked");
    assert_eq!(
        (relinked.moved, relinked.missing),
        (1, vec![old.join("siren.wav")])
    );
    // What was not found keeps its root, so that it is not lost sight of.
    assert_eq!(
        library.roots().expect("readable"),
        [new.clone(), old.clone()]
    );
    assert_eq!(index_roots(&library, &[new]).unchanged, 1);
}
