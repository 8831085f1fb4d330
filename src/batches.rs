//! How many segments go to an accelerator at once.
//!
//! Large batches keep it busy, but its memory is finite and shared with other programs, and what a
//! batch takes is known only roughly. So batches begin at a size that should fit what is free, and are
//! halved whenever the device says that it is full. It stands apart from the embedder because it knows
//! neither models nor devices: whatever computes and whatever calls itself full will do.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Beyond this, a larger batch gains nothing and only makes stopping slower.
const LARGEST: usize = 64;

/// What is taken where the device does not tell how much memory is free.
const WITHOUT_KNOWLEDGE: usize = 8;

/// The share of the free memory to plan with, as one in so many: two batches are on their way at a
/// time, and as much again is left to fragmentation and other programs.
const SHARE: u64 = 4;

/// The size of batches, which only falls.
#[derive(Debug)]
pub struct Batches {
    most: AtomicUsize,
}

impl Batches {
    /// Batches of at most so many.
    pub fn of(most: usize) -> Batches {
        Batches {
            most: AtomicUsize::new(most.max(1)),
        }
    }

    /// Batches for a device with so much free memory, if it is known, of items that take so much each.
    pub fn for_memory(free_bytes: Option<u64>, item_bytes: u64) -> Batches {
        let fitting = free_bytes.map(|free| free / SHARE / item_bytes.max(1));
        let fitting = fitting.map(|fitting| usize::try_from(fitting).unwrap_or(LARGEST));
        Batches::of(fitting.unwrap_or(WITHOUT_KNOWLEDGE).min(LARGEST))
    }

    /// The most items that go at once.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Computes all items, in their order, in batches. Where `is_full` holds of an error, the batch is
    /// halved and tried again, and so are all that come after it, in every thread.
    ///
    /// # Errors
    ///
    /// The first error that is another one, or that a single item gives.
    pub fn run<T, V, E>(
        &self,
        items: &[T],
        is_full: impl Fn(&E) -> bool,
        mut compute: impl FnMut(&[T]) -> Result<Vec<V>, E>,
    ) -> Result<Vec<V>, E> {
        let mut results = Vec::with_capacity(items.len());
        let mut rest = items;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(self.most().min(rest.len()));
            match compute(batch) {
                Ok(done) => {
                    results.extend(done);
                    rest = after;
                }
                Err(error) if batch.len() > 1 && is_full(&error) => {
                    self.most.fetch_min(batch.len() / 2, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that is full above `room` items and doubles what fits; gives the sizes tried.
    fn doubled(
        batches: &Batches,
        items: &[u32],
        room: usize,
    ) -> (Result<Vec<u32>, &'static str>, Vec<usize>) {
        let mut tried = vec![];
        let done = batches.run(
            items,
            |error| *error == "full",
            |batch| {
                tried.push(batch.len());
                match batch {
                    [13, ..] => Err("broken"),
                    batch if batch.len() > room => Err("full"),
                    batch => Ok(batch.iter().map(|item| 2 * item).collect()),
                }
            },
        );
        (done, tried)
    }

    #[test]
    fn a_full_device_halves_the_batch_for_good_and_nothing_is_lost() {
        let items: Vec<u32> = (20..31).collect();
        let batches = Batches::of(8);
        let (done, tried) = doubled(&batches, &items, 3);
        assert_eq!(done, Ok(items.iter().map(|item| 2 * item).collect()));
        assert_eq!(tried, [8, 4, 2, 2, 2, 2, 2, 1]);
        assert_eq!(batches.most(), 2);
        let (_, tried) = doubled(&batches, &items, 3);
        assert_eq!(tried[0], 2);
    }

    #[test]
    fn what_no_smaller_batch_mends_is_an_error() {
        assert_eq!(doubled(&Batches::of(4), &[1, 2], 0).0, Err("full"));
        let (done, tried) = doubled(&Batches::of(4), &[13, 1], 9);
        assert_eq!((done, tried), (Err("broken"), vec![2]));
        assert_eq!(doubled(&Batches::of(4), &[], 0), (Ok(vec![]), vec![]));
    }

    #[test]
    fn a_batch_begins_at_a_quarter_of_what_is_free() {
        for (free, most) in [
            (Some(0), 1),
            (Some(400 << 20), 2),
            (Some(80 << 30), LARGEST),
            (None, WITHOUT_KNOWLEDGE),
        ] {
            assert_eq!(Batches::for_memory(free, 50 << 20).most(), most);
        }
    }
}
