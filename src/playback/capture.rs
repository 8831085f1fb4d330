//! A device that keeps what is played instead of sounding it, as fast as its owner lets it.
//!
//! With it the engine is driven step by step: sound passes only while [`Capture::advance`] waits for
//! it, so that what happens between two commands does not depend on any clock.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::output::{Device, Output, OutputError};

/// A recording device; clones share the recording.
#[derive(Clone)]
pub struct Capture {
    rate_hz: u32,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    frames: Vec<[f32; 2]>,
    /// Frames that may still pass before writing waits.
    allowed: usize,
    opened: usize,
    closed: usize,
    failing: bool,
}

impl Capture {
    /// A device of this rate, in Hz, that lets nothing pass yet.
    pub fn new(rate_hz: u32) -> Capture {
        Capture {
            rate_hz,
            state: Arc::default(),
        }
    }

    /// Lets so many frames pass and returns when they have been written, or the device was closed.
    /// Writes are not split, so that a few more may follow.
    ///
    /// Waits for ever when nothing is played.
    pub fn advance(&self, frames: usize) {
        let mut state = self.lock();
        let (target, closed) = (state.frames.len() + frames, state.closed);
        state.allowed = frames;
        self.state.1.notify_all();
        while state.frames.len() < target && state.closed == closed {
            state = self
                .state
                .1
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.allowed = 0;
    }

    /// Lets everything pass from now on.
    pub fn run_free(&self) {
        self.lock().allowed = usize::MAX;
        self.state.1.notify_all();
    }

    /// From now on every opening and every write fails, as when a device is unplugged.
    pub fn unplug(&self) {
        self.lock().failing = true;
        self.state.1.notify_all();
    }

    /// All frames written so far, over all openings.
    pub fn frames(&self) -> Vec<[f32; 2]> {
        self.lock().frames.clone()
    }

    /// How often it was opened, and how often closed.
    pub fn openings(&self) -> (usize, usize) {
        let state = self.lock();
        (state.opened, state.closed)
    }

    /// Waits until it has been closed as often as it was opened, at least once.
    pub fn wait_until_closed(&self) {
        let mut state = self.lock();
        while state.opened == 0 || state.closed < state.opened {
            state = self
                .state
                .1
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unplugged(&self) -> OutputError {
        OutputError::new(self.name(), "it is unplugged")
    }
}

impl Device for Capture {
    fn name(&self) -> String {
        "recording".into()
    }

    fn open(&self) -> Result<Box<dyn Output>, OutputError> {
        let mut state = self.lock();
        if state.failing {
            return Err(self.unplugged());
        }
        state.opened += 1;
        drop(state);
        Ok(Box::new(Opened(self.clone())))
    }
}

struct Opened(Capture);

impl Output for Opened {
    fn rate_hz(&self) -> u32 {
        self.0.rate_hz
    }

    fn write(&mut self, frames: &[f32]) -> Result<(), OutputError> {
        let mut state = self.0.lock();
        while state.allowed == 0 && !state.failing {
            state = self
                .0
                .state
                .1
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.failing {
            return Err(self.0.unplugged());
        }
        let written = frames.len() / 2;
        if state.allowed != usize::MAX {
            state.allowed = state.allowed.saturating_sub(written);
        }
        let pairs = frames.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        state.frames.extend(pairs);
        self.0.state.1.notify_all();
        Ok(())
    }

    fn queued(&mut self) -> usize {
        0
    }

    fn interrupt(&mut self) {}
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.lock().closed += 1;
        self.0.state.1.notify_all();
    }
}
