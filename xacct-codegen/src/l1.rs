//! The typed resources: one Rust module for every service of CloudFormation, and one Cargo feature for a service or a family of small ones.
//!
//! The tree of types, attributes, `Ref` and replacement come from the database behind the CDK's own resources; cfn-lint's provider schemas
//! add the formats that tell an ARN from a name. What is wrong in them is mended in `patches/l1.json`, each with its reason.

use std::fs;

use crate::Output;
use crate::source::{CFN_LINT, SERVICE_SPEC, SourceError, Sources, workspace};

pub mod count;
mod feature;
mod kind;
mod model;
mod name;
mod patch;
mod provider;
mod render;

pub use count::Counts;
pub use model::Model;

/// The manifest whose `[features]` are generated, between two comments.
const MANIFEST: &str = "xacct-constructs/Cargo.toml";

/// Writes the modules below `xacct-constructs/src/cfn`, and the features of that crate.
pub fn generate(sources: &Sources) -> Result<Output, SourceError> {
    write(&read(sources)?)
}

/// The files for a model.
pub fn write(model: &Model) -> Result<Output, SourceError> {
    let mut output = render::render(model);
    // The manifest is the one file that is only partly generated, so what is there now is an input.
    let manifest = fs::read_to_string(workspace().join(MANIFEST))?;
    output.insert(MANIFEST.to_owned(), feature::splice(&manifest, model)?.into_bytes());
    Ok(output)
}

/// The resources as they will be written: sources joined, patched, filtered and named.
pub fn read(sources: &Sources) -> Result<Model, SourceError> {
    let mut database = sources.archive(&SERVICE_SPEC)?.json("db.json.gz")?;
    patch::apply(&mut database)?;
    let schemas = provider::read(&sources.archive(&CFN_LINT)?)?;
    model::build(&database, &schemas)
}
