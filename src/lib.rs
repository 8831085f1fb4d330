//! `soundseek` finds sounds by what they sound like.
//!
//! The library is a pipeline, and its modules are the stages in order: [`audio`] turns files into
//! segments of samples, [`mel`] turns segments into log-mel spectrograms, [`model`] turns
//! spectrograms and texts into embeddings in one shared space.

pub mod audio;
pub mod demo;
pub mod mel;
pub mod model;
