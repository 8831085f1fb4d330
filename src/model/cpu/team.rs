//! A few threads that compute one text together, part by part.
//!
//! A text goes through some fifty products of a few dozen microseconds each, too short to wake a
//! thread for every one. So helpers are asked for once a text, wait for work without sleeping, and
//! take parts of each product from a counter. Nobody is waited for who has not begun: helpers that
//! are busy elsewhere or come late leave their parts to those who are there.

#![expect(
    unsafe_code,
    reason = "threads that outlive a borrow are given it for as long as it lasts"
)]

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How often somebody looks for news before letting other threads have the core.
const PATIENCE: u32 = 4096;

type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// Threads at work on one text.
pub(super) struct Team {
    /// The number of the job, how many parts it has, and how many of them are taken; see [`State`].
    state: AtomicU64,
    /// Parts of the present job that are finished.
    done: AtomicUsize,
    /// The present job. Written by the leader while no part is at work, read by who has a part.
    job: UnsafeCell<Option<Job<'static>>>,
    /// What the first part that panicked said.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is written only while no part is at work, and read only by those that have a part.
unsafe impl Sync for Team {}
// SAFETY: a job may be called from any thread.
unsafe impl Send for Team {}

/// What [`Team::state`] holds, in one word so that a part is only ever taken from the present job.
#[derive(Clone, Copy)]
struct State {
    job: u32,
    parts: u16,
    taken: u16,
}

/// The number of a job that never is: the text is finished.
const OVER: u32 = u32::MAX;

impl State {
    fn from_bits(bits: u64) -> State {
        State {
            job: (bits >> 32) as u32,
            parts: (bits >> 16) as u16,
            taken: bits as u16,
        }
    }

    fn to_bits(self) -> u64 {
        u64::from(self.job) << 32 | u64::from(self.parts) << 16 | u64::from(self.taken)
    }
}

impl Team {
    /// Leads a team of the current rayon pool's threads for as long as `work` lasts.
    pub fn gather<T>(work: impl FnOnce(&Team) -> T) -> T {
        let team = Arc::new(Team {
            state: AtomicU64::new(0),
            done: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            panic: Mutex::new(None),
        });
        for _ in 1..rayon::current_num_threads() {
            let team = Arc::clone(&team);
            rayon::spawn(move || team.help());
        }
        /// Sends the helpers home, also when `work` panics.
        struct Close<'a>(&'a Team);
        impl Drop for Close<'_> {
            fn drop(&mut self) {
                let over = State {
                    job: OVER,
                    parts: 0,
                    taken: 0,
                };
                self.0.state.store(over.to_bits(), Ordering::Release);
            }
        }
        let _close = Close(&team);
        work(&team)
    }

    /// Calls `job` once with each number below `parts`, at most 65,535, on whoever is free, and
    /// returns when all are done. For the leader alone; a job of the same team may not call it.
    pub fn run(&self, parts: usize, job: Job<'_>) {
        let parts = u16::try_from(parts).expect("a product has few parts");
        // SAFETY: only the lifetime is changed. This function returns after the last part, and
        // nobody calls a job without a part of it.
        let job = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        // SAFETY: no part of the job before is at work, since `run` waited for all of them.
        unsafe { *self.job.get() = Some(job) };
        self.done.store(0, Ordering::Relaxed);
        let before = State::from_bits(self.state.load(Ordering::Relaxed));
        let next = State {
            job: before.job + 1,
            parts,
            taken: 0,
        };
        self.state.store(next.to_bits(), Ordering::Release);
        while self.take_part() {}
        let mut looks = 0;
        while self.done.load(Ordering::Acquire) < usize::from(parts) {
            wait(&mut looks);
        }
        let panic = self
            .panic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    fn help(&self) {
        let mut looks = 0;
        while State::from_bits(self.state.load(Ordering::Relaxed)).job != OVER {
            if self.take_part() {
                looks = 0;
            } else {
                wait(&mut looks);
            }
        }
    }

    /// Takes a part of the present job and does it; false where none is left.
    fn take_part(&self) -> bool {
        let take = |bits| {
            let state = State::from_bits(bits);
            let taken = state.taken + 1;
            (state.taken < state.parts).then(|| State { taken, ..state }.to_bits())
        };
        let Ok(bits) = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
        else {
            return false;
        };
        // SAFETY: this thread has a part of the present job, which was written before the state
        // was, and stays until the part is counted below.
        let job = unsafe { *self.job.get() };
        let part = usize::from(State::from_bits(bits).taken);
        if let Some(job) = job
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(part)))
        {
            let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(panic);
        }
        self.done.fetch_add(1, Ordering::Release);
        true
    }
}

fn wait(looks: &mut u32) {
    *looks += 1;
    if *looks < PATIENCE {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("threads")
    }

    #[test]
    fn each_part_of_each_job_is_done_once_and_before_the_next_job() {
        for threads in [1, 2, 5] {
            pool(threads).install(|| {
                Team::gather(|team| {
                    for job in 0..500usize {
                        let parts = job % 7;
                        let counts: Vec<_> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                        team.run(parts, &|part| {
                            counts[part].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(counts.iter().all(|n| n.load(Ordering::Relaxed) == 1));
                    }
                });
            });
        }
    }

    #[test]
    fn a_team_whose_helpers_never_come_does_its_work_alone() {
        let pool = pool(2);
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        pool.spawn(move || {
            let _ = receiver.recv();
        });
        let sum = AtomicUsize::new(0);
        pool.install(|| {
            Team::gather(|team| {
                team.run(100, &|part| {
                    sum.fetch_add(part, Ordering::Relaxed);
                });
            });
        });
        drop(sender);
        assert_eq!(sum.into_inner(), 4950);
    }

    #[test]
    fn a_part_that_panics_ends_the_work_when_the_others_are_done() {
        let done = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool(2).install(|| {
                Team::gather(|team| {
                    team.run(10, &|part| {
                        assert_ne!(part, 3, "the third");
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                });
            });
        }));
        assert!(result.is_err());
        assert_eq!(done.into_inner(), 9);
    }
}
