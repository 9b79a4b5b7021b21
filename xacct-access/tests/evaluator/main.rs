//! The evaluator against AWS's documentation (`cases`), and against a slow evaluator that is plainly right (`reference`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod cases;
mod documents;
mod laws;
mod reference;
