//! Persisted index.
