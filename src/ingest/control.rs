//! Stopping and pausing a run of indexing from another thread.
//!
//! It stands apart from the stages because all of them look at it, and because whoever shows a run
//! holds on to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// The wishes of whoever watches a run. Shared by reference; a new one lets the run go on.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    paused: AtomicBool,
    /// Guards nothing but the moment between looking at the flags and falling asleep.
    sleep: Mutex<()>,
    changed: Condvar,
}

impl Control {
    /// A control that nobody has used yet.
    pub fn new() -> Control {
        Control::default()
    }

    /// Ends the run, paused or not; there is no way back. True when it had been asked for before.
    pub fn cancel(&self) -> bool {
        let before = self.cancelled.swap(true, Ordering::Relaxed);
        self.wake();
        before
    }

    /// Makes the run wait before its next segment; what is finished by then is written.
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Lets a paused run go on.
    pub fn resume(&self) {
        self.paused.store(false, Ordering::Relaxed);
        self.wake();
    }

    /// True once the run is to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// True while the run is to wait.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Waits while the run is paused; true when it is to end.
    pub(super) fn wait(&self) -> bool {
        let waits = || self.is_paused() && !self.is_cancelled();
        if waits() {
            let mut held = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
            while waits() {
                let woken = self.changed.wait(held);
                held = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
        self.is_cancelled()
    }

    fn wake(&self) {
        // With the lock held no thread is between its look at the flags and its sleep.
        let _held = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed.notify_all();
    }
}
