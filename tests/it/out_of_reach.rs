//! Places that are gone for a while, hidden, linked or moved: what the library keeps of them, and under
//! which name.

use std::fs;
use std::path::Path;

use soundseek::ingest::add_root;

use crate::support::{Studio, index_roots, soundseek, stderr, stdout};

fn text(path: &Path) -> &str {
    path.to_str().expect("Unicode")
}

#[test]
fn a_hidden_folder_that_is_named_stays_at_the_next_refresh() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    studio.put("siren", ".takes/siren.wav");
    let odd = studio.sounds().join("cowbell.take1");
    fs::rename(studio.put("cowbell", "cowbell.wav"), &odd).expect("renamed");
    let hidden = studio.sounds().join(".takes");
    for named in [&studio.sounds(), &hidden, &odd] {
        let output = soundseek(&studio.library_dir(), &["index", text(named)]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    for args in [&["index"][..], &["index", text(&studio.sounds())]] {
        let output = soundseek(&studio.library_dir(), args);
        assert!(
            stdout(&output).contains("3 unchanged"),
            "{args:?}: {}",
            stdout(&output)
        );
    }
    assert_eq!(studio.library().file_count().expect("counted"), 3);
}

#[test]
fn a_root_that_another_ones_walk_gets_to_is_merged_into_it() {
    let studio = Studio::new();
    studio.put("kick-drum", "drums/kick.wav");
    studio.put("siren", ".takes/siren.wav");
    fs::write(studio.sounds().join(".soundseekignore"), "left/\n").expect("written");
    studio.put("flute", "left/flute.wav");
    let library = studio.library();
    let folder = |name: &str| studio.sounds().join(name);
    for root in ["drums", ".takes", "left"] {
        add_root(&library, &folder(root)).expect("added");
    }
    add_root(&library, &studio.sounds()).expect("added");
    add_root(&library, &folder("drums/kick.wav")).expect("added");
    assert_eq!(
        library.roots().expect("readable"),
        [studio.sounds(), folder(".takes"), folder("left")]
    );
}

#[test]
fn an_empty_folder_below_a_root_may_be_an_unplugged_drive() {
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    let siren = studio.put("siren", "usb/takes/siren.wav");
    let usb = studio.sounds().join("usb");
    let library = studio.library();
    let roots = [studio.sounds()];
    index_roots(&library, &roots);
    let elsewhere = studio.folder.path().join("elsewhere");
    fs::rename(&usb, &elsewhere).expect("unplugged");
    fs::create_dir(&usb).expect("an empty mount point");
    let report = index_roots(&library, &roots);
    assert_eq!((report.removed, report.offline), (0, vec![usb.clone()]));
    assert!(library.file(&siren).expect("readable").is_some());

    fs::remove_dir(&usb).expect("removed");
    fs::rename(&elsewhere, &usb).expect("plugged in");
    let report = index_roots(&library, &roots);
    assert_eq!((report.unchanged, report.offline.len()), (2, 0));

    // A folder that is gone from a drive that is there was deleted.
    fs::remove_dir_all(usb).expect("deleted");
    assert_eq!(index_roots(&library, &roots).removed, 1);
}

#[test]
fn a_folder_that_was_emptied_by_moving_its_files_is_no_drive() {
    let studio = Studio::new();
    studio.put("kick-drum", "new/kick.wav");
    let siren = studio.put("siren", "old/siren.wav");
    studio.index();
    fs::rename(siren, studio.sounds().join("new/siren.wav")).expect("moved");
    let report = studio.index();
    assert_eq!(
        (report.recognised, report.removed, report.offline.len()),
        (1, 1, 0)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_drive_below_a_root_keeps_its_files_when_its_mount_point_is_gone() {
    use std::os::unix::fs::symlink;
    let studio = Studio::new();
    studio.put("kick-drum", "kick.wav");
    let siren = studio.put("siren", "siren.wav");
    // Another file system that every Linux machine has.
    let drive = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    fs::copy(&siren, drive.path().join("siren.wav")).expect("copied");
    fs::remove_file(siren).expect("deleted");
    let mount_point = studio.sounds().join("usb");
    symlink(drive.path(), &mount_point).expect("linked");
    assert_eq!(studio.index().embedded, 2);

    fs::remove_file(&mount_point).expect("unplugged");
    let report = studio.index();
    assert_eq!(
        (report.removed, report.offline),
        (0, vec![mount_point.clone()])
    );
    fs::write(drive.path().join("siren.wav"), "").expect("emptied");
    fs::remove_file(drive.path().join("siren.wav")).expect("deleted");
    symlink(drive.path(), &mount_point).expect("plugged in");
    fs::write(drive.path().join("notes.txt"), "no sound").expect("written");
    let report = studio.index();
    assert_eq!((report.removed, report.offline.len()), (1, 0));
}

#[cfg(unix)]
#[test]
fn a_place_behind_a_link_is_known_by_either_name_also_when_it_is_gone() {
    use std::os::unix::fs::symlink;
    let studio = Studio::new();
    studio.put("kick-drum", "drums/kick.wav");
    studio.put("siren", "siren.wav");
    let link = studio.folder.path().join("link");
    symlink(studio.sounds(), &link).expect("linked");
    let library = studio.library_dir();
    let output = soundseek(&library, &["index", text(&link)]);
    assert!(stdout(&output).starts_with("2 files indexed"));
    assert_eq!(
        stdout(&soundseek(&library, &["roots"])),
        format!("{}\n", text(&studio.sounds()))
    );
    fs::rename(studio.sounds(), studio.folder.path().join("gone")).expect("unplugged");
    let drums = link.join("drums");
    let found = soundseek(&library, &["search", "drum", "-0", "--in", text(&drums)]);
    assert_eq!(
        stdout(&found),
        format!("{}\0", text(&studio.sounds().join("drums/kick.wav")))
    );
    let removed = soundseek(&library, &["remove", text(&link)]);
    assert_eq!(stdout(&removed), "2 files forgotten\n");
}

#[cfg(unix)]
#[test]
fn a_link_inside_a_root_names_what_was_found_through_it() {
    use std::os::unix::fs::symlink;
    let studio = Studio::new();
    let outside = Studio::new();
    studio.put("siren", "siren.wav");
    outside.put("kick-drum", "kick.wav");
    let inside = studio.sounds().join("outside");
    symlink(outside.sounds(), &inside).expect("linked");
    studio.index();
    let library = studio.library();
    for name in [&inside, &studio.sounds().join("../sounds/outside")] {
        assert_eq!(library.place(name).expect("a place"), inside);
    }
    drop(library);
    let kick = inside.join("kick.wav");
    let similar = soundseek(&studio.library_dir(), &["similar", text(&kick), "-0"]);
    assert!(!stdout(&similar).contains("kick"), "a clip is no result");
    let removed = soundseek(&studio.library_dir(), &["remove", text(&inside)]);
    assert!(stdout(&removed).starts_with("1 file forgotten"));
}

#[test]
fn what_a_relink_does_not_find_is_kept_with_its_root() {
    let studio = Studio::new();
    studio.put("kick-drum", "old/kick.wav");
    let siren = studio.put("siren", "old/siren.wav");
    let (old, new) = (studio.sounds().join("old"), studio.sounds().join("new"));
    let library = studio.library();
    library.add_root(&old).expect("added");
    index_roots(&library, std::slice::from_ref(&old));
    let before = library.files().expect("readable");

    let nowhere = library.relink(&old, &studio.sounds().join("typo"));
    let error = nowhere.expect_err("refused").to_string();
    assert!(error.contains("nothing was changed"), "{error}");
    fs::create_dir(&new).expect("made");
    let nothing = library.relink(&old, &new).expect("relinked");
    assert_eq!((nothing.moved, nothing.missing.len()), (0, 2));
    assert_eq!(library.files().expect("readable"), before);
    assert_eq!(
        library.roots().expect("readable"),
        std::slice::from_ref(&old)
    );

    fs::rename(old.join("kick.wav"), new.join("kick.wav")).expect("moved");
    fs::rename(&old, studio.folder.path().join("unplugged")).expect("unplugged");
    let some = library.relink(&old, &new).expect("relinked");
    assert_eq!((some.moved, some.missing), (1, vec![siren.clone()]));
    assert_eq!(
        library.roots().expect("readable"),
        [new.clone(), old.clone()]
    );
    let report = index_roots(&library, &library.roots().expect("readable"));
    assert_eq!((report.removed, report.offline), (0, vec![old]));
    assert!(library.file(&siren).expect("readable").is_some());
}

#[test]
fn a_relink_that_misses_files_lists_them_and_has_status_2() {
    let studio = Studio::new();
    studio.put("kick-drum", "old/kick.wav");
    let siren = studio.put("siren", "old/siren.wav");
    let (old, new) = (studio.sounds().join("old"), studio.sounds().join("new"));
    let library = studio.library_dir();
    soundseek(&library, &["index", "--quiet", text(&old)]);
    fs::create_dir(&new).expect("made");
    let args = ["relink", text(&old), text(&new)];
    let nothing = soundseek(&library, &args);
    assert_eq!(nothing.status.code(), Some(2));
    let message = stderr(&nothing);
    assert!(message.contains("nothing was changed"), "{message}");
    fs::rename(old.join("kick.wav"), new.join("kick.wav")).expect("moved");
    let some = soundseek(&library, &args);
    assert_eq!(
        (some.status.code(), stdout(&some).as_str()),
        (Some(2), "1 file relinked\n")
    );
    let message = stderr(&some);
    assert!(message.contains(text(&siren)), "{message}");
    fs::rename(siren, new.join("siren.wav")).expect("moved");
    let rest = soundseek(&library, &args);
    assert_eq!(rest.status.code(), Some(0));
    let roots = stdout(&soundseek(&library, &["roots"]));
    assert_eq!(roots, format!("{}\n", text(&new)));
}

#[test]
fn a_relink_into_its_own_old_place_mixes_nothing_up() {
    let studio = Studio::new();
    studio.put("kick-drum", "a/same.wav");
    studio.put("siren", "a/b/same.wav");
    let (a, b) = (studio.sounds().join("a"), studio.sounds().join("a/b"));
    let library = studio.library();
    library.add_root(&a).expect("added");
    index_roots(&library, std::slice::from_ref(&a));
    let content = |path: &Path| {
        let record = library.file(path).expect("readable");
        record.map(|record| record.content)
    };
    let (kick, siren) = (content(&a.join("same.wav")), content(&b.join("same.wav")));
    // Everything in a moves to a/b.
    let aside = studio.sounds().join("aside");
    fs::rename(&a, &aside).expect("moved");
    fs::create_dir(&a).expect("made");
    fs::rename(&aside, &b).expect("moved");
    assert_eq!(library.relink(&a, &b).expect("relinked").moved, 2);
    assert_eq!(content(&a.join("same.wav")), None);
    assert_eq!(content(&b.join("same.wav")), kick);
    assert_eq!(content(&b.join("b/same.wav")), siren);
    assert_eq!(index_roots(&library, &[a]).unchanged, 2);
}

#[test]
fn files_that_move_out_of_a_root_have_a_root_again_and_failures_move_along() {
    let studio = Studio::new();
    studio.put("kick-drum", "inside/kick.wav");
    fs::write(studio.sounds().join("inside/bad.wav"), "no sound").expect("written");
    let library = studio.library();
    library.add_root(&studio.sounds()).expect("added");
    index_roots(&library, &[studio.sounds()]);
    let (old, new) = (
        studio.sounds().join("inside"),
        studio.library_dir().with_file_name("new"),
    );
    fs::rename(&old, &new).expect("moved");
    library.relink(&old, &new).expect("relinked");
    assert_eq!(
        library.roots().expect("readable"),
        [new.clone(), studio.sounds()]
    );
    let failures = library.failures().expect("readable");
    assert_eq!(
        failures.into_keys().collect::<Vec<_>>(),
        [new.join("bad.wav")]
    );
}

#[test]
fn what_was_indexed_at_the_new_place_is_not_overwritten() {
    let studio = Studio::new();
    let old = studio.put("kick-drum", "old/sound.wav");
    let new = studio.put("siren", "new/sound.wav");
    // Another sound of the same size.
    let mut bytes = fs::read(&old).expect("read");
    bytes[2000..].reverse();
    fs::write(&new, bytes).expect("written");
    studio.index();
    let library = studio.library();
    let record = library.file(&new).expect("readable");
    let relinked = library.relink(
        old.parent().expect("a folder"),
        new.parent().expect("a folder"),
    );
    assert_eq!(relinked.expect("relinked").moved, 1);
    assert_eq!(library.file(&new).expect("readable"), record);
    assert_eq!(library.file(&old).expect("readable"), None);
}

#[test]
fn sounds_that_are_gone_are_swept_from_every_models_vectors() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    studio.put("siren", "siren.wav");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/clap-tiny-unfused");
    let sounds = studio.sounds();
    let args = ["index", text(&sounds), "--quiet"];
    soundseek(&studio.library_dir(), &args);
    soundseek(
        &studio.library_dir(),
        &[&args[..], &["--model", folder]].concat(),
    );
    fs::remove_file(kick).expect("deleted");
    soundseek(&studio.library_dir(), &["index", "--quiet"]);
    let library = studio.library();
    let held = library.spaces().expect("readable");
    assert_eq!(
        held.iter().map(|held| held.entries).collect::<Vec<_>>(),
        [1, 1]
    );
}
