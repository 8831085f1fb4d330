//! The integration tests of `soundseek-index`, one binary, through the public API.
//!
//! Each module says in its first lines what belongs in it.

mod support;

mod compact;
mod crash;
mod damage;
mod damaged_graph;
mod database;
mod duplicates;
#[cfg(target_os = "linux")]
mod failing_disk;
#[cfg(target_os = "linux")]
mod faulty_disk;
mod format;
mod full_disk;
mod model;
mod recall;
mod refusals;
#[cfg(unix)]
mod shared;
