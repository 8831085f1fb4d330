//! What a space is and how it is opened: whose vectors, how long, how its graph is made, within which
//! bounds. Apart from the database, because errors and indexes speak of spaces, too.

use std::fmt;

use crate::error::{Error, Result};

/// The largest dimension: one vector then takes 64 KiB, and no integer sum of the scan overflows.
pub(crate) const MAX_DIMENSION: usize = 16_384;

/// The largest `m`: hnsw_rs ends the process above 256, and writes 256 into a dump as 0.
const MAX_M: usize = 255;

/// The largest `ef_construction`; far beyond the point where more changes anything.
const MAX_EF_CONSTRUCTION: usize = 4096;

/// What made the vectors: vectors of different spaces cannot be compared. Opaque to this crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// The name that people know it by, such as the model's; shown in messages only.
    pub name: String,
    /// What tells spaces apart, such as a hash of the weights and a preprocessing version.
    pub fingerprint: String,
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.fingerprint)
    }
}

/// How to open a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whose vectors.
    pub space: Space,
    /// The length of every vector, 1 to 16,384.
    pub dimension: usize,
    /// Links per point and layer of the graph, 2 to 255 (twice as many in the lowest layer).
    pub m: usize,
    /// Candidates looked at when a point is linked into the graph, 1 to 4,096.
    pub ef_construction: usize,
    /// Below this many vectors no graph is made; every search is an exact scan.
    pub exact_below: usize,
}

impl Config {
    /// The defaults: `m` = 16 and `ef_construction` = 128, in the ranges that Malkov and Yashunin
    /// (2018, arXiv 1603.09320, section 4.1) recommend; `exact_below` = 50,000: at 10,000
    /// vectors a walk with `ef` = 64 takes 2 to 3 times as long as the scan (`benches/search.rs`),
    /// and the scan grows with the size, the walk hardly.
    pub fn new(space: Space, dimension: usize) -> Config {
        Config {
            space,
            dimension,
            m: 16,
            ef_construction: 128,
            exact_below: 50_000,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let settings = [
            ("dimension", self.dimension, 1, MAX_DIMENSION),
            ("m", self.m, 2, MAX_M),
            (
                "ef_construction",
                self.ef_construction,
                1,
                MAX_EF_CONSTRUCTION,
            ),
        ];
        for (setting, received, lowest, highest) in settings {
            if !(lowest..=highest).contains(&received) {
                return Err(Error::Config {
                    setting,
                    received,
                    lowest,
                    highest,
                });
            }
        }
        Ok(())
    }
}
