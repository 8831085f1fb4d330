//! The thread that follows what other processes do to the library: index into it, mark, label, adapt.
//!
//! It looks now and then whether there is anything new, which is a question to the process that has the
//! library and a look at the adapter's file, and only then takes it in. It stands apart from searching
//! because taking in a large library's changes takes time that nobody who types should wait for, and
//! because a list at rest is to show them, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Answer, Engine, Outcome, Response, caught};
use crate::adapt::Adapter;

/// How often it is looked whether there is something new.
const EVERY: Duration = Duration::from_secs(2);

/// While a library grows, this many times as long as taking it in took is rested before the next look.
const REST: u32 = 10;

/// Follows until the other side of `ended` is dropped.
pub fn serve(engine: &Engine, ended: &Receiver<()>, answer: &Answer) {
    let mut adapter = adapter(engine);
    let mut told = None;
    let mut rest = EVERY;
    while ended.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
        let start = Instant::now();
        let looked = caught("the library's changes cannot be read", || {
            look(engine, &mut adapter, answer)
        });
        // What goes wrong each time is told once.
        let error = looked.err().map(|error| format!("{error:#}"));
        if let Some(text) = error.clone().filter(|_| error != told) {
            let is_error = true;
            answer(Response::Acted(Outcome { text, is_error }));
        }
        told = error;
        rest = EVERY.max(start.elapsed() * REST);
    }
}

/// Takes in and tells what is new.
fn look(engine: &Engine, adapter: &mut Option<Arc<Adapter>>, answer: &Answer) -> Result<()> {
    let written = engine.library.catch_up(&engine.index)?;
    let now = self::adapter(engine);
    let adapted = now.as_ref().map(Arc::as_ptr) != adapter.as_ref().map(Arc::as_ptr);
    *adapter = now;
    if written {
        answer(Response::Marks(engine.library.all_marks()));
    }
    if written || adapted {
        answer(Response::Changed(engine.facts()?));
    }
    Ok(())
}

/// The adapter in use; one that is damaged is told by each search.
fn adapter(engine: &Engine) -> Option<Arc<Adapter>> {
    let space = engine.embedder.space().ok()?;
    engine.library.adapter(&space).ok().flatten()
}
