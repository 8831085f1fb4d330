//! A place for one question, where a newer one replaces an older one that nobody has taken yet.
//!
//! It stands apart because it is the rule that keeps typing fluent, and is tested on its own.

use std::sync::{Condvar, Mutex, MutexGuard};

/// The place.
pub struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: Option<T>,
    closed: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot {
            state: Mutex::new(State {
                waiting: None,
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Slot<T> {
    /// Puts a question there; one that was there is dropped.
    pub fn put(&self, question: T) {
        self.lock().waiting = Some(question);
        self.changed.notify_all();
    }

    /// Waits for a question and takes it; `None` once the place is closed.
    pub fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(question) = state.waiting.take() {
                return Some(question);
            }
            state = self
                .changed
                .wait(state)
                .expect("no thread panics while it holds the place");
        }
    }

    /// True when no question waits.
    pub fn is_empty(&self) -> bool {
        self.lock().waiting.is_none()
    }

    /// True once the place is closed.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ends the waiting for good; what is still there is dropped.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state
            .lock()
            .expect("no thread panics while it holds the place")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_question_is_the_one_that_is_taken() {
        let slot = Slot::default();
        slot.put(1);
        slot.put(2);
        assert_eq!(slot.take(), Some(2));
        slot.put(3);
        assert_eq!(slot.take(), Some(3));
    }

    #[test]
    fn who_waits_is_woken_by_a_question_and_by_the_end() {
        let slot = Slot::default();
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| (slot.take(), slot.take()));
            slot.put("kick");
            // Whichever comes first, the taker ends: it has the question or sees the end.
            slot.close();
            let (first, second) = taker.join().expect("no panic");
            assert!(matches!(first, Some("kick") | None));
            assert_eq!(second, None);
        });
    }
}
