//! A few threads that compute one text together, part by part.
//!
//! A text goes through some fifty products of a few dozen microseconds each, too short to wake a
//! thread for every one. So helpers are asked for once a text, wait for work without sleeping, and
//! take parts of each product. Everybody begins with a share of neighbouring parts, so that it is known
//! what a thread reads next and memory can be asked for it, and then helps the others. Nobody is waited
//! for who has not begun: helpers that are busy elsewhere or come late leave their parts to those who
//! are there.

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

/// The most parts that a job may have.
pub(super) const MOST_PARTS: usize = 32;

type Job<'a> = &'a (dyn Fn(Turn) + Sync);

/// A part of a job, and who does it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub part: usize,
    pub member: usize,
}

/// Threads at work on one text.
pub(super) struct Team {
    /// The number of the job, how many parts it has, and which of them are taken; see [`State`].
    state: AtomicU64,
    /// How many threads there are, the leader among them.
    members: usize,
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
    /// Below 2²⁴.
    job: u32,
    parts: u8,
    /// A bit for each part.
    taken: u32,
}

/// The number of a job that never is: the text is finished.
const OVER: u32 = (1 << 24) - 1;

impl State {
    fn from_bits(bits: u64) -> State {
        State {
            job: (bits >> 40) as u32,
            parts: (bits >> 32) as u8,
            taken: bits as u32,
        }
    }

    fn to_bits(self) -> u64 {
        u64::from(self.job) << 40 | u64::from(self.parts) << 32 | u64::from(self.taken)
    }

    /// The first part from `start` on that nobody has, or else the first of all.
    fn free(self, start: usize) -> Option<usize> {
        let all = (1u64 << self.parts) - 1;
        let free = !self.taken & all as u32;
        let start = start as u32;
        let behind = free.rotate_right(start).trailing_zeros();
        (free != 0).then_some(((behind + start) % u32::BITS) as usize)
    }
}

impl Team {
    /// Leads a team of the current rayon pool's threads for as long as `work` lasts.
    pub fn gather<T>(work: impl FnOnce(&Team) -> T) -> T {
        let members = rayon::current_num_threads();
        let team = Arc::new(Team {
            state: AtomicU64::new(0),
            members,
            done: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            panic: Mutex::new(None),
        });
        for member in 1..members {
            let team = Arc::clone(&team);
            rayon::spawn(move || team.help(member));
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

    /// The first of the parts that a member begins with, where a job has so many.
    pub fn first(&self, member: usize, parts: usize) -> usize {
        member * parts / self.members
    }

    /// The part that a member most likely does after this one of a job of so many; none where the
    /// next job comes.
    pub fn next(&self, turn: Turn, parts: usize) -> Option<usize> {
        let end = self.first(turn.member + 1, parts);
        (turn.part + 1 < end).then_some(turn.part + 1)
    }

    /// Calls `job` once with each part below `parts`, at most [`MOST_PARTS`], on whoever is free, and
    /// returns when all are done. For the leader alone; a job of the same team may not call it.
    pub fn run(&self, parts: usize, job: Job<'_>) {
        assert!(parts <= MOST_PARTS, "{parts} parts");
        // SAFETY: only the lifetime is changed. This function returns after the last part, and
        // nobody calls a job without a part of it.
        let job = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        // SAFETY: no part of the job before is at work, since `run` waited for all of them.
        unsafe { *self.job.get() = Some(job) };
        self.done.store(0, Ordering::Relaxed);
        let before = State::from_bits(self.state.load(Ordering::Relaxed));
        let next = State {
            job: before.job + 1,
            parts: parts as u8,
            taken: 0,
        };
        assert_ne!(next.job, OVER, "a text has fewer products");
        self.state.store(next.to_bits(), Ordering::Release);
        while self.take_part(0) {}
        let mut looks = 0;
        while self.done.load(Ordering::Acquire) < parts {
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

    fn help(&self, member: usize) {
        let mut looks = 0;
        while State::from_bits(self.state.load(Ordering::Relaxed)).job != OVER {
            if self.take_part(member) {
                looks = 0;
            } else {
                wait(&mut looks);
            }
        }
    }

    /// Takes a part of the present job and does it; false where none is left.
    fn take_part(&self, member: usize) -> bool {
        let mut bits = self.state.load(Ordering::Acquire);
        let part = loop {
            let state = State::from_bits(bits);
            let start = self.first(member, usize::from(state.parts));
            let Some(part) = state.free(start) else {
                return false;
            };
            let taken = State {
                taken: state.taken | 1 << part,
                ..state
            };
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match self
                .state
                .compare_exchange_weak(bits, taken.to_bits(), success, failure)
            {
                Ok(_) => break part,
                Err(now) => bits = now,
            }
        };
        // SAFETY: this thread has a part of the present job, which was written before the state
        // was, and stays until the part is counted below.
        let job = unsafe { *self.job.get() };
        if let Some(job) = job
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(Turn { part, member })))
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
                        let parts = job % (MOST_PARTS + 1);
                        let counts: Vec<_> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                        team.run(parts, &|turn| {
                            counts[turn.part].fetch_add(1, Ordering::Relaxed);
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
                team.run(MOST_PARTS, &|turn| {
                    sum.fetch_add(turn.part, Ordering::Relaxed);
                });
            });
        });
        drop(sender);
        assert_eq!(sum.into_inner(), 31 * 32 / 2);
    }

    #[test]
    fn shares_are_neighbouring_parts_that_leave_none_out() {
        for threads in [1, 2, 3, 5, 40] {
            pool(threads).install(|| {
                Team::gather(|team| {
                    for parts in [1, 7, 12, MOST_PARTS] {
                        let mut all = Vec::new();
                        for member in 0..threads {
                            let mut part = Some(team.first(member, parts));
                            // With fewer parts than threads, some have no share.
                            let end = team.first(member + 1, parts);
                            while let Some(of_share) = part.filter(|&part| part < end) {
                                all.push(of_share);
                                let part_now = of_share;
                                part = team.next(
                                    Turn {
                                        part: part_now,
                                        member,
                                    },
                                    parts,
                                );
                            }
                        }
                        assert_eq!(all, (0..parts).collect::<Vec<_>>());
                    }
                });
            });
        }
    }

    #[test]
    fn a_part_that_panics_ends_the_work_when_the_others_are_done() {
        let done = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool(2).install(|| {
                Team::gather(|team| {
                    team.run(10, &|turn| {
                        assert_ne!(turn.part, 3, "the third");
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                });
            });
        }));
        assert!(result.is_err());
        assert_eq!(done.into_inner(), 9);
    }
}
