//! What the terminal UI does about other processes that change the library while it is open: the
//! worker tells of it unasked, and the list that is shown is asked for again.

use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};
use soundseek::embed::Embedder;
use soundseek::export::Desktop;
use soundseek::library::{Filters, Labelling, Library, Tag};
use soundseek::model::{Checkpoint, Device};
use soundseek::tui::worker::{Response, Workers};

use crate::desk::{Desk, facts, hits};
use crate::support::{Studio, embedder, index_roots};

#[test]
fn a_list_at_rest_is_asked_for_again_and_the_selection_stays() {
    let mut desk = Desk::with_results(hits(5));
    desk.press("j j");
    desk.hear(Response::Changed(facts(2_129)));
    assert_eq!(desk.app.library.files, 2_129);
    assert_eq!(desk.questions().len(), 1);
    let mut more = hits(6);
    more.rotate_left(1);
    desk.answer(more);
    assert_eq!(desk.selected(), "hit-003.wav");
    assert_eq!(desk.questions().len(), 1, "nothing more has changed");
}

#[test]
fn a_change_while_a_search_is_on_its_way_is_seen_once_that_is_answered() {
    let mut desk = Desk::open(3);
    desk.type_text("a");
    let asked = desk.questions().len();
    // However often it changes, the search that takes long is answered.
    for files in 4..9 {
        desk.hear(Response::Changed(facts(files)));
    }
    assert_eq!(desk.questions().len(), asked);
    desk.answer(hits(1));
    assert_eq!(desk.selected(), "hit-001.wav");
    assert_eq!(desk.questions().len(), asked + 1);
    desk.answer(hits(2));
    assert_eq!(desk.questions().len(), asked + 1);
}

/// The worker, as the process that has the library, and what it tells.
fn workers(studio: &Studio) -> (Workers, Receiver<Response>) {
    let (sender, answers) = unbounded();
    let workers = Workers::start(
        studio.library(),
        Box::new(|| Embedder::load(&Checkpoint::BuiltIn, Device::Cpu)),
        vec![],
        Desktop::new("".as_ref(), false),
        Arc::new(move |response| drop(sender.send(response))),
    );
    let open = |response| matches!(response, Response::Library(_));
    assert!(answers.iter().any(open), "it opens");
    (workers, answers)
}

/// The number of files when the worker next tells of a change.
fn changed(answers: &Receiver<Response>) -> usize {
    let mut changes = answers.iter().filter_map(|response| match response {
        Response::Changed(facts) => Some(facts.files),
        Response::Acted(outcome) => panic!("{}", outcome.text),
        _ => None,
    });
    changes.next().expect("the worker goes on")
}

#[test]
fn the_worker_tells_what_others_mark_label_and_adapt() {
    let studio = Studio::new();
    let siren = studio.put("siren", "siren.wav");
    studio.index();
    let (_workers, answers) = workers(&studio);
    let other = Library::open_existing(&studio.library_dir()).expect("reads along");
    assert!(other.holder().is_some());
    let content = other.file(&siren).expect("read").expect("known").content;

    let marked = other.mark(&[content], |marks| {
        marks.tags.insert(Tag::new("loud").expect("a tag"));
    });
    assert_eq!(marked.expect("marked"), 1);
    let told = answers.iter().find_map(|response| match response {
        Response::Marks(marks) => Some(marks),
        _ => None,
    });
    assert_eq!(told.expect("told")[&content].tags.len(), 1);
    assert_eq!(changed(&answers), 1);

    let space = embedder().space().expect("a space");
    let labelling = Labelling {
        digest: String::new(),
        model: space.name.clone(),
        space: space.fingerprint.clone(),
        adapter: None,
        threshold: 0.5,
        labels: vec!["siren".into()],
    };
    other.begin_labelling("mine", &labelling).expect("begun");
    let given = other.give_labels("mine", &[(content, vec![(0, 0.9)])]);
    given.expect("given");
    assert_eq!(changed(&answers), 1);

    // An adapter is a file, of which the store knows nothing.
    let adapter = crate::adapt::made_up_adapter(&studio).0;
    other.keep_adapter(&adapter).expect("kept");
    assert_eq!(changed(&answers), 1);
    assert!(other.turn_adapter(&space, false).expect("turned"));
    assert_eq!(changed(&answers), 1);
}

#[test]
fn a_worker_that_reads_along_tells_what_the_other_indexes() {
    let studio = Studio::new();
    studio.put("siren", "siren.wav");
    studio.index();
    let holder = studio.library();
    let (_workers, answers) = workers(&studio);
    studio.put("flute", "flute.wav");
    index_roots(&holder, &[studio.sounds()]);
    // It may have looked while it was being written.
    while changed(&answers) < 2 {}
    let counted = holder.facets(&Filters::default(), None).expect("counted");
    assert_eq!(counted.files, 2);
}
