//! The soundseek binary.
fn main() {}
