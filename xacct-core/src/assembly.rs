//! The cloud assembly: what synthesis gives and deployment takes, as plain data.
//!
//! On disk it is a folder in the format of CDK's cloud assembly, schema 55, which CDK's own CLI reads. What that schema
//! has no place for (inputs that are filled at deployment, source locations, assertions, silenced rules) is in
//! `xacct.json`, behind an artifact of a type of its own that CDK ignores.

mod manifest;
mod read;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, SourceLocation};
use crate::environment::Environment;

/// A finished app: stacks, what they need, and what was found on the way.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Assembly {
    /// The stacks, in an order in which they can be deployed.
    pub stacks: Vec<StackArtifact>,
    /// What the program asserts about access.
    pub assertions: Vec<AccessAssertion>,
    /// Rules that the program silences.
    pub silenced: Vec<Silenced>,
    /// Warnings, and findings that were silenced do not count among them.
    pub warnings: Vec<Diagnostic>,
    /// The folder that the assembly was written to or read from; the paths of assets are relative to it.
    pub directory: Option<PathBuf>,
}

/// One stack of an assembly.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StackArtifact {
    /// The id within the assembly: the stack's path with dashes.
    pub id: String,
    /// The name in CloudFormation.
    pub stack_name: String,
    /// What people select it by: the construct's path.
    pub display_name: String,
    /// Where it goes.
    pub environment: Environment,
    /// The template.
    pub template: serde_json::Value,
    /// The template's file, relative to the assembly.
    pub template_file: String,
    /// What the stack is for.
    pub description: Option<String>,
    /// Tags of the stack.
    pub tags: BTreeMap<String, String>,
    /// Values for parameters that are known now.
    pub parameters: BTreeMap<String, String>,
    /// Whether the stack is protected from being deleted.
    pub termination_protection: bool,
    /// The role that CloudFormation deploys the stack with.
    pub execution_role: Option<String>,
    /// What of the environment's bootstrap it is deployed with.
    pub bootstrap: Bootstrap,
    /// The ids of the stacks that come before, each with the reason.
    pub dependencies: Vec<Dependency>,
    /// Parameters that are filled from outputs of other stacks.
    pub inputs: Vec<Input>,
    /// Files and folders that are uploaded before.
    pub assets: Vec<FileAsset>,
    /// Where each resource comes from, by logical id.
    pub origins: BTreeMap<String, Origin>,
    /// Where the program made the stack.
    pub location: Option<SourceLocation>,
}

/// What of an environment's bootstrap a stack is deployed with. Roles are ARNs, and used by CDK's CLI: our own engine gets into
/// accounts as its configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bootstrap {
    /// The bucket that the template is published to, however small it is. With none, it goes with the call.
    pub template_bucket: Option<String>,
    /// The role that makes the calls to CloudFormation.
    pub deploy_role: Option<String>,
    /// The role that uploads template and assets.
    pub publishing_role: Option<String>,
    /// The role that reads what is deployed, for a diff.
    pub lookup_role: Option<String>,
    /// The oldest version of the bootstrap that will do.
    pub required_version: Option<u32>,
    /// The parameter of Systems Manager that holds its version.
    pub version_parameter: Option<String>,
}

/// That a stack comes after another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// The id of the stack that comes before.
    pub stack: String,
    /// Why: a sentence for people.
    pub reason: String,
}

/// A parameter that takes its value from another stack's output when it is deployed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The parameter of this stack.
    pub parameter: String,
    /// The id of the other stack.
    pub from_stack: String,
    /// The output of the other stack.
    pub output: String,
}

/// How an asset is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packaging {
    /// As it is.
    File,
    /// A folder, as a zip archive.
    Zip,
}

/// A file or folder to upload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileAsset {
    /// The SHA-256 of the content.
    pub hash: String,
    /// A name for people: the construct's path.
    pub display_name: String,
    /// The content: once written, `asset.<hash>…` relative to the assembly; before, the place that it is copied from.
    pub path: PathBuf,
    /// Whether it is packed.
    pub packaging: Packaging,
    /// The bucket that it goes to.
    pub bucket: String,
    /// The key in the bucket.
    pub key: String,
    /// The environment of the bucket.
    pub environment: Environment,
}

/// The construct behind a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The construct's path.
    pub path: String,
    /// Where the program made it.
    pub location: Option<SourceLocation>,
}

/// A value in the terms of one stack's template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scoped {
    /// The id of the stack whose logical ids the expression uses. `None` for a literal.
    pub stack: Option<String>,
    /// Text, or an object such as `{"Fn::GetAtt": ["Role", "Arn"]}`.
    pub expression: serde_json::Value,
}

/// What the program asserts about access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessAssertion {
    /// Whose access: a role's or user's ARN, a service, an account's root, `*`.
    pub principal: Scoped,
    /// To do what.
    pub action: String,
    /// On what.
    pub resource: Scoped,
    /// Whether it is asserted to be allowed, or denied.
    pub allowed: bool,
    /// The context keys of the requests that it is about, with their values; a key without any is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Vec<String>>,
    /// The construct that asserts it.
    pub path: String,
    /// Where.
    pub location: SourceLocation,
}

/// A rule that the program silences for a construct and all below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Silenced {
    /// The rule.
    pub rule: String,
    /// The construct's path; empty for the whole app.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Where.
    pub location: SourceLocation,
}

/// Why an assembly cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// The file system refuses.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}` is not a cloud assembly that this version can read: {problem}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Assembly {
    /// The stack with that id, name or display name.
    pub fn stack(&self, name: &str) -> Option<&StackArtifact> {
        self.stacks.iter().find(|it| it.id == name || it.display_name == name || it.stack_name == name)
    }

    /// Writes the assembly to a folder, whole or not at all: an error leaves what was there before.
    ///
    /// The same assembly gives the same bytes. What else is in the folder is removed, except `.gitignore`.
    pub fn write(&self, directory: &Path) -> Result<Assembly, AssemblyError> {
        write::write(self, directory)
    }

    /// Reads an assembly from a folder: one of ours, or one that CDK made for CloudFormation stacks.
    pub fn read(directory: &Path) -> Result<Assembly, AssemblyError> {
        read::read(directory)
    }
}

/// The largest template, in bytes, that a call to CloudFormation takes; a larger one goes through S3.
pub const INLINE_LIMIT: usize = 51_200;

impl StackArtifact {
    /// A stack with nothing but an empty template: for tools that make assemblies of their own.
    pub fn new(id: impl Into<String>, environment: Environment, template: serde_json::Value) -> Self {
        let id = id.into();
        Self {
            stack_name: id.clone(),
            display_name: id.clone(),
            template_file: format!("{id}.template.json"),
            id,
            environment,
            template,
            description: None,
            tags: BTreeMap::new(),
            parameters: BTreeMap::new(),
            termination_protection: false,
            execution_role: None,
            bootstrap: Bootstrap::default(),
            dependencies: Vec::new(),
            inputs: Vec::new(),
            assets: Vec::new(),
            origins: BTreeMap::new(),
            location: None,
        }
    }

    /// The template as it is written and uploaded: the same bytes for the same template. It is indented, unless only the
    /// short form is small enough to go without a bucket.
    pub fn template_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.template).unwrap_or_default();
        if text.len() >= INLINE_LIMIT {
            let short = serde_json::to_string(&self.template).unwrap_or_default();
            if short.len() < INLINE_LIMIT {
                text = short;
            }
        }
        text.push('\n');
        text
    }
}
