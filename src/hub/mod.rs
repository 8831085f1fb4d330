//! Where models come from: the program itself, a folder, or the Hugging Face hub.
//!
//! A person names a model ([`ModelName`]); here is found which checkpoint on this machine that is
//! ([`Hub::checkpoint`]). It stands apart from `model/`, which takes a checkpoint that is there and
//! knows nothing of names and networks, and from the library, which keeps vectors of models and none
//! of their files.

mod cache;
mod known;
mod name;

pub use cache::Hub;
pub use known::{KnownModel, known_models};
pub use name::{ModelName, NameError, Repository};
