//! What a program that uses this crate relies on: tree in, templates out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop there")]

mod assembly;
mod elements;
mod grants;
mod include;
mod laws;
mod mistakes;
mod references;
mod support;
