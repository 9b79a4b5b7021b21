//! The command line, through the real binary of a small app.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

mod approval;
mod command_line;
mod deploying;
mod interrupted;
mod network;
mod screen;
mod secrets;
mod side_by_side;
mod support;
mod terminal;
mod trouble;
mod upkeep;
