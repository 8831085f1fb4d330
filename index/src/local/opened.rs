//! One open sled database, kept from hanging or panicking when the disk refuses.
//!
//! An error of a write leaves sled (0.34) in a state that it cannot get out of: a record whose large
//! value could not be written leaves its place in the log open, and every flush waits for it for ever;
//! a buffer that fails as it is handed over wakes nobody that waits for it (pagecache/logger.rs,
//! `exit_reservation`); and on letting go of its log it asks the disk once more and ends with a panic
//! if that says no (`Log::drop`). So the first error is remembered here and given to all that write
//! afterwards, whoever waits for sled waits in sight of it, and what cannot be closed is left as it
//! is: what was acknowledged lies on the disk already.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::folder::LOG;

/// How soon those that wait for a write learn that one has failed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// After so long what sled was asked to write counts as refused, though nothing says why: it hands over
/// half a MiB at a time, and what was acknowledged before lies on the disk already.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

/// An open database. Everything that sled made of it has to be gone before this is.
pub(super) struct Opened {
    /// There until this is dropped.
    db: Option<sled::Db>,
    state: Arc<State>,
    /// Open for as long as the database, so that no failed write goes by unseen.
    log: File,
    watch: Option<(Sender<()>, JoinHandle<()>)>,
}

struct State {
    config: sled::Config,
    refused: OnceLock<sled::Error>,
}

impl State {
    /// The error that ended all writing, if there was one.
    fn check(&self) -> sled::Result<()> {
        match self.refused.get() {
            Some(error) => Err(error.clone()),
            None => self.config.global_error(),
        }
    }

    fn note<T>(&self, done: sled::Result<T>) -> sled::Result<T> {
        if let Err(error @ sled::Error::Io(_)) = &done {
            // The first is the cause of the others.
            let _ = self.refused.set(error.clone());
        }
        done
    }

    /// Waits for the end of what was begun in another thread, or for an error that may keep it from
    /// ever ending, or for [`ENDS_WITHIN`]; `None` then.
    fn wait<T>(&self, done: &Receiver<T>) -> Option<T> {
        let begun = Instant::now();
        let mut refused = false;
        loop {
            match done.recv_timeout(LOOK_EVERY) {
                Ok(done) => return Some(done),
                Err(RecvTimeoutError::Disconnected) => return None,
                // One more turn, in which it may have learnt of the error by itself.
                Err(RecvTimeoutError::Timeout) if refused => return None,
                Err(RecvTimeoutError::Timeout) => {
                    refused = begun.elapsed() > ENDS_WITHIN || self.check().is_err();
                }
            }
        }
    }
}

impl Opened {
    pub(super) fn new(config: sled::Config, files: &Path) -> sled::Result<Opened> {
        let db = config.open()?;
        // Some systems sync only what may be written to.
        let log = File::options().write(true).open(files.join(LOG))?;
        let refused = OnceLock::new();
        let state = Arc::new(State { config, refused });
        // Without it a write that fails may let others wait; that is all.
        let watch = watch(Arc::clone(&state), db.clone()).ok();
        Ok(Opened {
            db: Some(db),
            state,
            log,
            watch,
        })
    }

    pub(super) fn db(&self) -> &sled::Db {
        self.db.as_ref().expect("it is open until it is dropped")
    }

    /// Does something that writes, unless the disk has refused to before.
    pub(super) fn write<T>(&self, work: impl FnOnce() -> sled::Result<T>) -> sled::Result<T> {
        self.state.check()?;
        self.state.note(work())
    }

    /// Returns when everything written so far is on the disk: sled hands its buffers over, and the
    /// system then writes them.
    pub(super) fn flush(&self) -> sled::Result<()> {
        self.state.check()?;
        let db = self.db().clone();
        let flushed = match in_background("store flush", move || db.flush()) {
            Ok(flushing) => self.state.wait(&flushing),
            Err(error) => Some(Err(error.into())),
        };
        let synced = match flushed {
            Some(flushed) => flushed.and_then(|_| Ok(self.log.sync_all()?)),
            None => {
                let vanished = || {
                    let what = "the disk refuses what was written: the flush does not end";
                    sled::Error::Io(std::io::Error::other(what))
                };
                Err(self.state.check().err().unwrap_or_else(vanished))
            }
        };
        self.state.note(synced)
    }
}

/// Wakes those that wait for a write that has failed, over and over, since others may come to wait.
fn watch(state: Arc<State>, db: sled::Db) -> std::io::Result<(Sender<()>, JoinHandle<()>)> {
    let (end, ended) = channel();
    let thread = std::thread::Builder::new().name("store watch".to_owned());
    let thread = thread.spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(5 * LOOK_EVERY) {
            if state.config.global_error().is_err() {
                // Returns with that error at once, having woken all others.
                let _ = db.flush();
            }
        }
    })?;
    Ok((end, thread))
}

fn in_background<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<Receiver<T>> {
    let (done, waiting) = channel();
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        // Nobody waits any more where an error came in between.
        let _ = done.send(work());
    })?;
    Ok(waiting)
}

impl Drop for Opened {
    fn drop(&mut self) {
        let can_sync = self.flush().is_ok() || self.log.sync_all().is_ok();
        if let Some((end, thread)) = self.watch.take() {
            drop(end);
            // A panic in it has been told of.
            let _ = thread.join();
        }
        let Some(db) = self.db.take() else { return };
        if !can_sync && self.state.config.global_error().is_ok() {
            // sled would ask once more, and panic. The end of the process lets go of the store.
            std::mem::forget(db);
            return;
        }
        if let Ok(closing) = in_background("store closing", move || drop(db)) {
            self.state.wait(&closing);
        }
    }
}
