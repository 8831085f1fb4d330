//! `watch`: follows changes and keeps the library up to date until Ctrl-C.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use anyhow::{Result, bail};
use crossbeam_channel::{RecvTimeoutError, unbounded};
use soundseek::display::{count, printable, printable_path};
use soundseek::embed::Embedder;
use soundseek::ingest::{Control, IngestEvent, IngestOptions, Report, add_root, ingest};
use soundseek::library::Library;
use soundseek::watch::{Change, Follower, Pending, scope};
use soundseek_index::Index;

use super::args::{Common, WatchArgs};
use super::progress::Progress;
use super::{Outcome, complain, index};

/// `soundseek watch`.
pub fn watch(common: &Common, args: &WatchArgs, out: &mut dyn Write) -> Result<Outcome> {
    let (library, roots, options) = index::prepare(common, &args.index)?;
    let embedder = super::load_model(common, Some(&library))?;
    super::tell_device(common, &embedder)?;
    let store = RwLock::new(library.index_for_writing(&embedder)?);
    for root in &roots {
        add_root(&library, root)?;
    }
    let (sender, changes) = unbounded();
    let wake = sender.clone();
    let control = index::interruptible(move || {
        // It waits for changes, and this is one.
        let _ = wake.send(Change::Missed);
    })?;
    let mut watched = Watched {
        common,
        library: &library,
        embedder: &embedder,
        index: &store,
        options,
        control: &control,
        known: BTreeSet::new(),
    };
    // Followed before the first walk, so that nothing falls between the two.
    let mut follower = Follower::new(sender)?;
    watched.follow(&mut follower)?;
    let first = watched.round(&library.roots()?, true)?;
    index::summarise(common, &first, out)?;
    out.flush()?;
    let started = Instant::now();
    let mut pending = Pending::new(started.elapsed(), args.every);
    if !common.quiet && !control.is_cancelled() {
        complain(&format!(
            "watching {}; Ctrl-C ends it",
            count(library.roots()?.len(), "folder")
        ));
    }
    while !control.is_cancelled() {
        match changes.recv_timeout(pending.rest(started.elapsed())) {
            Ok(change) => pending.note(change, started.elapsed()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the system tells of changes no more"),
        }
        let Some(due) = pending.take(started.elapsed()) else {
            continue;
        };
        watched.follow(&mut follower)?;
        let folders = scope(&library, due)?;
        if folders.is_empty() || control.is_cancelled() {
            continue;
        }
        let report = watched.round(&folders, false)?;
        if changed(&report) {
            index::summarise(common, &report, out)?;
            out.flush()?;
        }
    }
    Ok(Outcome::Found)
}

/// True when a round is worth a line.
fn changed(report: &Report) -> bool {
    report.embedded + report.recognised + report.removed + report.failed.len() > 0
}

/// What every round works on.
struct Watched<'a> {
    common: &'a Common,
    library: &'a Library,
    embedder: &'a Embedder,
    index: &'a RwLock<Index>,
    options: IngestOptions,
    control: &'a Arc<Control>,
    /// What has been complained of and is still so: it is told once.
    known: BTreeSet<String>,
}

impl Watched<'_> {
    /// Follows all roots as they are now.
    fn follow(&mut self, follower: &mut Follower) -> Result<()> {
        for place in follower.follow(&self.library.roots()?) {
            let root = printable_path(&place.root);
            let reason = printable(&place.reason);
            let line = format!("changes in {root} are found only now and then ({reason})");
            if self.known.insert(line.clone()) {
                complain(&line);
            }
        }
        Ok(())
    }

    /// Walks folders and indexes what is new; with progress the first time.
    fn round(&mut self, folders: &[PathBuf], shown: bool) -> Result<Report> {
        let quiet = self.common.quiet || !shown;
        let progress = Progress::new(quiet, Arc::clone(self.control));
        let seen = std::cell::RefCell::new(BTreeSet::new());
        let known = &self.known;
        let report = ingest(
            self.library,
            self.index,
            self.embedder,
            folders,
            self.options,
            self.control,
            &|event| {
                let place = match &event {
                    IngestEvent::Offline { root, .. } => format!("offline {}", root.display()),
                    IngestEvent::Unreadable(place) => format!("unreadable {place:?}"),
                    _ => return progress.show(&event),
                };
                if !known.contains(&place) {
                    progress.show(&event);
                }
                seen.borrow_mut().insert(place);
            },
        )?;
        index::link_neighbours(self.index, &report, self.control, &progress)?;
        progress.finish();
        self.known.retain(|line| line.starts_with("changes in "));
        self.known.extend(seen.into_inner());
        Ok(report)
    }
}
