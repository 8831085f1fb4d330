//! The vectors of clips that had to be embedded for a query, for programs that ask again and again.
//!
//! A query with a part of a recording in it is asked anew with every letter that is typed beside it,
//! and the recording stays the same. It stands apart from the search, which costs nothing to make and
//! remembers nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use soundseek_index::Vector;

use crate::audio::Span;
use crate::library::Stamp;

/// How many clips are remembered: more than a person puts into the queries of an hour. At 2 KiB for a
/// vector and its key, 128 KiB.
const REMEMBERED: usize = 64;

/// Vectors of one model by file, the stamp that the file had, and the part of it.
#[derive(Debug, Default)]
pub struct Clips {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    vectors: HashMap<(PathBuf, SpanBits), (Stamp, u64, Vector)>,
    uses: u64,
}

/// A span by the bits of its ends, which are compared and never computed with.
type SpanBits = Option<(u64, Option<u64>)>;

impl Clips {
    pub(super) fn recall(&self, path: &Path, stamp: Stamp, span: Option<&Span>) -> Option<Vector> {
        let mut held = self.lock();
        held.uses += 1;
        let now = held.uses;
        let key = (path.to_path_buf(), bits_of(span));
        let (known, used, vector) = held.vectors.get_mut(&key)?;
        *used = now;
        (*known == stamp).then(|| vector.clone())
    }

    pub(super) fn remember(&self, path: &Path, stamp: Stamp, span: Option<&Span>, vector: &Vector) {
        let mut held = self.lock();
        if held.vectors.len() >= REMEMBERED {
            let oldest = held.vectors.iter().min_by_key(|(_, (_, used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                held.vectors.remove(&oldest);
            }
        }
        held.uses += 1;
        let remembered = (stamp, held.uses, vector.clone());
        let key = (path.to_path_buf(), bits_of(span));
        held.vectors.insert(key, remembered);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bits_of(span: Option<&Span>) -> SpanBits {
    span.map(|span| (span.start_s.to_bits(), span.end_s.map(f64::to_bits)))
}
