//! The engine against a CloudFormation that says what the test wants it to say, and against the one in memory.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod approval;
mod beside;
mod bootstrap;
mod double;
mod flow;
mod gotchas;
mod interruption;
mod killed;
mod operations;
mod others;
mod preflight;
mod scale;
mod stack_states;
mod trouble;
mod world;
