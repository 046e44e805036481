//! Words for people and CI.
fn main() {}
