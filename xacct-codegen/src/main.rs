//! Writes the typed resources and schema tables.
fn main() {}
