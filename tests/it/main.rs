//! The integration tests of `soundseek`, one binary.
//!
//! Each module says in its first lines what belongs in it.

/// The sounds that the demo synthesises.
mod demo;
