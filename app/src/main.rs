//! The command line of the cross-account pipeline.
fn main() {}
