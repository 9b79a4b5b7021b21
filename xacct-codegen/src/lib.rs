//! Writes the typed resources and the schema tables from pinned registry packages.
//!
//! A generator is a function from [`source::Sources`] to [`Output`]: it touches no file of the workspace, so that a test can compare what
//! it would write with what is committed. Defects of a source are mended by a patch file with reasons, never in the output.

use std::collections::BTreeMap;

pub mod actions;
pub mod l1;
pub mod source;
pub mod tables;

/// The files that a generator writes, by their path in the workspace.
pub type Output = BTreeMap<String, Vec<u8>>;

/// A generator: its name on the command line, and its function.
pub type Generator = (&'static str, fn(&source::Sources) -> Result<Output, source::SourceError>);

/// Every generator, in the order in which `all` runs them.
pub const GENERATORS: [Generator; 3] =
    [("tables", tables::generate), ("actions", actions::generate), ("l1", l1::generate)];
