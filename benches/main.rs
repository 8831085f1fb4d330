//! Criterion benchmarks, one module a stage.
fn main() {}
