//! The in-memory CloudFormation, at the border of the traits: calls in, answers and events out.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

mod support;

mod change_sets;
mod file;
mod guards;
mod lifecycle;
mod nested;
mod reality;
mod scripts;
mod services;
mod values;
