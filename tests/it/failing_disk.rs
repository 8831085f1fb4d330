//! Indexing on a disk that refuses the n-th change, for every n: a message that names the library, an
//! exit status, and a library that still has all that was in it. What the store itself does then is
//! tested where it is; here it is the whole program.

use std::path::Path;

use crate::faulty_disk::{self, Fault, KINDS, Run};
use crate::support::{Studio, command, copy, stderr};

const BEFORE: [&str; 2] = ["kick-drum", "siren"];
const ADDED: [&str; 2] = ["coin", "snare-drum"];

#[test]
fn indexing_on_a_failing_disk_says_so_and_costs_nothing_that_was_there() {
    if !faulty_disk::can_be_made() {
        return;
    }
    let studio = Studio::new();
    for sound in BEFORE {
        studio.put(sound, &format!("{sound}.wav"));
    }
    studio.index();
    for sound in ADDED {
        studio.put(sound, &format!("{sound}.wav"));
    }
    let index = |fault: Option<Fault>, check: &dyn Fn(&Path, &Run)| {
        let library = studio.folder.path().join("failing");
        copy(&studio.library_dir(), &library);
        let mut indexing = command(&library);
        indexing.args(["index", "--quiet"]).arg(studio.sounds());
        let run = faulty_disk::run(&mut indexing, &library, fault);
        check(&library, &run);
        std::fs::remove_dir_all(&library).expect("removed");
        run.calls
    };
    let calls = index(None, &|_, run| {
        assert_eq!(run.output.status.code(), Some(0), "{}", stderr(&run.output));
    });
    assert!(calls > 20, "{calls}");
    let refused = std::cell::Cell::new(0);
    for (errno, lasts) in KINDS {
        for at in (1..=calls).step_by(faulty_disk::every(7)) {
            let fault = Fault { at, errno, lasts };
            index(Some(fault), &|library, run| {
                let told = stderr(&run.output);
                let what = format!("{fault:?} {:?}: {told}", run.failed);
                match run.output.status.code() {
                    Some(0) => {}
                    Some(2) => {
                        refused.set(refused.get() + 1);
                        let place = library.display().to_string();
                        assert!(told.contains(&place), "{what}");
                        assert!(told.contains(&format!("os error {errno}")), "{what}");
                    }
                    _ => panic!("{what}"),
                }
                let opened = soundseek::library::Library::open(library).expect("opens");
                opened.check().expect("valid");
                for sound in BEFORE {
                    let path = studio.sounds().join(format!("{sound}.wav"));
                    assert!(opened.file(&path).expect("read").is_some(), "{what}");
                }
                drop(opened);
                let mut again = command(library);
                again.args(["index", "--quiet"]).arg(studio.sounds());
                let again = again.output().expect("it runs");
                assert_eq!(again.status.code(), Some(0), "{what} {}", stderr(&again));
                let opened = soundseek::library::Library::open(library).expect("opens");
                let files = opened.file_count().expect("read");
                assert_eq!(files, BEFORE.len() + ADDED.len(), "{what}");
            });
        }
    }
    assert!(refused.get() > 0);
}
