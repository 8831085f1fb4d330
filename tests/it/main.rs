//! The integration tests of `soundseek`, one binary.
//!
//! Each module says in its first lines what belongs in it.

mod audio;
mod audio_resampling;
