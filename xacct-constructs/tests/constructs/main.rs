//! Constructs in, templates out.

mod constructs;
mod cross_account_pipeline;
mod example;
mod grants;
mod laws;
mod mistakes;
mod pipelines;
mod support;
