//! `soundseek` finds sounds by what they sound like.
//!
//! The library is a pipeline, and its modules are the stages: [`audio`] turns files into segments of
//! samples, [`mel`] turns segments into log-mel spectrograms, [`model`] turns spectrograms and texts
//! into embeddings in one shared space, [`hub`] finds the models that people name, and [`embed`] is the seam between those and what uses them ([`batches`] is how
//! much goes to an accelerator at once).
//! [`library`] keeps what is known of files beside their vectors, [`ingest`] fills it, [`watch`]
//! says when, [`estimate`]
//! tells how long that will take, [`agreement`] what the model gives in smaller numbers, [`search`] asks it. [`overview`] makes drawings of sounds, [`playback`] plays them, [`export`] puts them elsewhere.
//! [`tui`] is the terminal UI over all of them; [`display`] and [`notation`] are how values are
//! shown and written there and on the command line, [`json`] how they are written for programs.
//! [`demo`] synthesises sounds to try it all on.

pub mod adapt;
pub mod agreement;
pub mod audio;
pub mod batches;
pub mod demo;
pub mod display;
pub mod embed;
pub mod estimate;
pub mod export;
pub mod hub;
pub mod ingest;
pub mod json;
pub mod labels;
pub mod library;
pub mod map;
pub mod mel;
pub mod model;
pub mod notation;
pub mod overview;
pub mod playback;
pub mod search;
mod search_path;
pub mod tui;
mod user_cache;
pub mod watch;
