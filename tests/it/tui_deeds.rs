//! What the worker of the terminal UI does with sounds and marks, on a library of real files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::desk::hit;
use crate::support::{Studio, write_wav};
use crossbeam_channel::{Receiver, unbounded};
use soundseek::embed::Embedder;
use soundseek::export::{Desktop, Placing};
use soundseek::library::{Library, Marks};
use soundseek::model::{Checkpoint, Device};
use soundseek::search::Hit;
use soundseek::tui::Narrowing;
use soundseek::tui::worker::{AllMarks, Deed, Outcome, Request, Response, Subject, Task, Workers};

use crate::tui_acting::{marks, tag};

#[test]
fn all_sounds_are_narrowed_by_what_is_put_on_them_too() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    studio.put("closed-hi-hat", "hat.wav");
    studio.index();
    let library = studio.library();
    let content = library
        .file(&kick)
        .expect("readable")
        .expect("known")
        .content;
    let marked = library.mark(&[content], |marks| marks.favourite = true);
    assert_eq!(marked.expect("marked"), 1);
    let (sender, answers) = unbounded();
    let workers = Workers::start(
        library,
        Box::new(|| Embedder::load(&Checkpoint::BuiltIn, Device::Cpu)),
        vec![],
        Desktop::new("".as_ref(), false),
        Arc::new(move |response| drop(sender.send(response))),
    );
    let mut narrowing = Narrowing::default();
    for (favourite, expected) in [(false, 2), (true, 1)] {
        narrowing.favourite = favourite;
        workers.search(Request {
            generation: 1,
            parts: vec![],
            narrowing: narrowing.clone(),
            count: true,
            n: 10,
            moments: false,
        });
        let hits = answers.iter().find_map(|response| match response {
            Response::Found { hits, .. } => Some(hits),
            _ => None,
        });
        let hits = hits.expect("answered").expect("found");
        assert_eq!(hits.len(), expected, "favourites only: {favourite}");
        let facets = answers.iter().find_map(|response| match response {
            Response::Facets { facets, .. } => Some(facets),
            _ => None,
        });
        let facets = facets.expect("counted");
        assert_eq!((facets.files, facets.favourites), (expected, 1));
    }
}

/// The worker on a library of its own, and what it answers.
struct Shop {
    studio: Studio,
    workers: Workers,
    answers: Receiver<Response>,
}

impl Shop {
    /// Without a model: what is done with sounds needs none.
    fn open(studio: Studio) -> Shop {
        let (sender, answers) = unbounded();
        let library = Library::open(&studio.library_dir()).expect("the library opens");
        let workers = Workers::start(
            library,
            Box::new(|| anyhow::bail!("no model")),
            vec![],
            Desktop::new("".as_ref(), false),
            Arc::new(move |response| drop(sender.send(response))),
        );
        Shop {
            studio,
            workers,
            answers,
        }
    }

    /// What is told of a deed: its line, and the marks as they were told last before that.
    fn act(&self, deed: Deed, subjects: &[Subject]) -> (Outcome, AllMarks) {
        self.workers.act(Task {
            deed,
            subjects: subjects.to_vec(),
        });
        let mut marks = AllMarks::default();
        for response in &self.answers {
            match response {
                Response::Acted(outcome) => return (outcome, marks),
                Response::Marks(told) => marks = told,
                _ => {}
            }
        }
        panic!("the worker has ended without an answer")
    }

    fn to(&self) -> PathBuf {
        self.studio.folder.path().join("to")
    }
}

fn subject(path: &Path, span: (f64, f64)) -> Subject {
    let mut hit: Hit = hit(1, "x", 0.5, 1.0);
    hit.path = path.to_path_buf();
    Subject { hit, span }
}

#[test]
fn the_worker_copies_lists_and_cuts_and_tells_in_one_line() {
    let studio = Studio::new();
    let kick = write_wav(&studio.sounds().join("kick.wav"), 8_000, &[0.5; 8_000]);
    let gone = studio.sounds().join("gone.wav");
    let shop = Shop::open(studio);
    let to = shop.to();
    let one = [subject(&kick, (0.25, 0.5))];
    let two = [one[0].clone(), subject(&gone, (0.0, 1.0))];
    let shown = to.display();
    let place = || Deed::Place(to.clone(), Placing::Copy);
    for (deed, subjects, is_error, text) in [
        (
            place(),
            &one[..],
            false,
            format!("copied to {shown}/kick.wav"),
        ),
        (
            place(),
            &one,
            false,
            format!("1 sound is in {shown} already"),
        ),
        (
            place(),
            &two,
            true,
            format!(
                "gone.wav: it cannot be read: No such file or directory (os error 2); copied 0 sounds to {shown}, 1 sound is there already"
            ),
        ),
        (
            Deed::List(to.join("a.csv")),
            &two,
            false,
            format!("listed 2 sounds in {shown}/a.csv"),
        ),
        (
            Deed::Cut(to.clone()),
            &one,
            false,
            format!("cut to {shown}/kick_0.25-0.50s.wav"),
        ),
        (
            Deed::Reveal,
            &one,
            true,
            format!(
                "there is no desktop to show it on; it is in {}",
                kick.parent().expect("a folder").display()
            ),
        ),
    ] {
        let (outcome, _) = shop.act(deed, subjects);
        assert_eq!(outcome, Outcome { text, is_error });
    }
    let cut = hound::WavReader::open(to.join("kick_0.25-0.50s.wav")).expect("a WAV");
    assert_eq!(cut.duration(), 2_000);
}

#[test]
fn the_worker_keeps_favourites_and_tags_and_tells_all_of_them() {
    let studio = Studio::new();
    let kick = studio.put("kick-drum", "kick.wav");
    let hat = studio.put("closed-hi-hat", "hat.wav");
    studio.index();
    let shop = Shop::open(studio);
    let subjects = [subject(&kick, (0.0, 1.0)), subject(&hat, (0.0, 1.0))];
    let retag = |add: &[&str], remove: &[&str]| Deed::Tag {
        add: add.iter().map(|text| tag(text)).collect(),
        remove: remove.iter().map(|text| tag(text)).collect(),
    };
    let told = |marks: AllMarks| marks.into_values().collect::<Vec<Marks>>();
    let (outcome, told_marks) = shop.act(retag(&["drum", "new"], &[]), &subjects);
    assert_eq!(outcome.text, "2 sounds tagged");
    assert_eq!(told(told_marks), vec![marks(false, &["drum", "new"]); 2]);
    let (outcome, _) = shop.act(retag(&[], &["new"]), &subjects[..1]);
    assert_eq!(outcome.text, "1 sound tagged");
    let (outcome, told_marks) = shop.act(Deed::Favourite(true), &subjects[..1]);
    assert_eq!(outcome.text, "1 sound is now among the favourites");
    assert_eq!(
        told(told_marks)
            .iter()
            .filter(|marks| marks.favourite)
            .count(),
        1
    );
    let Shop {
        studio, workers, ..
    } = shop;
    drop(workers);
    let library = studio.library();
    let of = |path: &Path| {
        library.marks(
            &library
                .file(path)
                .expect("readable")
                .expect("known")
                .content,
        )
    };
    assert_eq!(of(&kick), marks(true, &["drum"]));
    assert_eq!(of(&hat), marks(false, &["drum", "new"]));
}
