//! Constructs in, templates out.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod constructs;
mod cross_account_pipeline;
mod example;
mod execution_role;
mod grants;
mod laws;
mod mistakes;
mod pipelines;
mod support;
