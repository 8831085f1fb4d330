//! A persisted index of unit vectors: what is nearest to this one?
//!
//! A [`Database`] is one folder. It holds any number of [`Space`]s (vectors that can be compared
//! with each other: of one model, one preprocessing) and of [`Table`]s that the caller keeps beside
//! them. An [`Index`] is one open space: entries, each a key, an opaque payload and any number of
//! unit vectors, and the search over them.
//!
//! The crate knows nothing of what the vectors mean. The store (sled) is the truth; the codes that
//! the exact scan reads and the HNSW graph (hnsw_rs) are copies that can be rebuilt from it, and
//! a crash or a damaged copy costs time, never data. Small spaces are scanned exactly, large ones
//! are searched through the graph, and the call is the same.
//!
//! ```
//! use soundseek_index::{Config, Database, Query, Space, Vector};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let database = Database::open(dir.path())?;
//! let space = Space { name: "demo model".into(), fingerprint: "weights-1".into() };
//! let mut index = database.create_or_open(&Config::new(space, 3))?;
//!
//! // Two windows of one recording, and a single one of another.
//! let low = [Vector::normalized(vec![1.0, 0.0, 0.1])?, Vector::normalized(vec![0.9, 0.1, 0.0])?];
//! let high = [Vector::normalized(vec![0.0, 0.0, 2.0])?];
//! index.upsert(b"low.wav", b"payload", &low)?;
//! index.upsert(b"high.wav", b"", &high)?;
//!
//! let query = Vector::normalized(vec![0.0, 0.0, 1.0])?;
//! let found = index.search(&Query::new(&query, 2))?;
//! assert_eq!(found[0].key, b"high.wav");
//! assert_eq!(found[0].distance, 0.0);
//! assert_eq!((found[1].key.as_slice(), found[1].ordinal), (b"low.wav".as_slice(), 0));
//! # Ok(())
//! # }
//! ```

mod acknowledged;
mod codes;
mod config;
mod copies;
mod database;
mod error;
mod flat;
mod folder;
mod frame;
mod graph;
mod held;
mod holder;
mod index;
mod kernels;
mod local;
mod preparation;
mod reading;
mod records;
#[cfg(unix)]
mod remote;
mod rewrite;
mod roster;
mod salvage;
mod saved;
mod seal;
mod search;
#[cfg(unix)]
mod serve;
mod space;
mod store;
mod table;
#[cfg(not(unix))]
mod unserved;
mod validity;
mod vector;
mod wire;

pub use config::{Config, Space};
pub use database::{Database, SpaceSummary};
pub use error::{Error, Result};
pub use holder::{Holder, introduce};
pub use index::{Entry, Index, Progress};
pub use salvage::Repaired;
pub use search::{KeyFilter, Neighbor, Query};
pub use table::Table;
pub use vector::{Vector, VectorError};
