//! The files of an assembly, as they are on disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AccessAssertion, Dependency, Input, Origin, Packaging, Silenced};
use crate::diagnostic::{Diagnostic, SourceLocation};

/// The schema version that this crate writes. CDK's CLI refuses newer ones than it knows.
pub(super) const SCHEMA_VERSION: &str = "55.0.0";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const OWN_FILE: &str = "xacct.json";
pub(super) const OWN_ARTIFACT: &str = "xacct";
pub(super) const OWN_TYPE: &str = "xacct:assembly";
pub(super) const STACK_TYPE: &str = "aws:cloudformation:stack";
pub(super) const ASSETS_TYPE: &str = "cdk:asset-manifest";
pub(super) const TREE_TYPE: &str = "cdk:tree";

/// `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: String,
    pub(super) artifacts: BTreeMap<String, Artifact>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<String>,
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub(super) properties: Properties,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) dependencies: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, Vec<Metadata>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) template_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stack_name: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) parameters: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) termination_protection: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assume_role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cloud_formation_execution_role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lookup_role: Option<LookupRole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stack_template_asset_object_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requires_bootstrap_stack_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bootstrap_stack_version_ssm_parameter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) validate_on_synth: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
}

impl Properties {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LookupRole {
    pub(super) arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requires_bootstrap_stack_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bootstrap_stack_version_ssm_parameter: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Metadata {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) data: serde_json::Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) trace: Vec<String>,
}

/// `<stack>.assets.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AssetManifest {
    pub(super) version: String,
    #[serde(default)]
    pub(super) files: BTreeMap<String, AssetFile>,
    #[serde(rename = "dockerImages", default)]
    pub(super) docker_images: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    pub(super) source: AssetSource,
    pub(super) destinations: BTreeMap<String, AssetDestination>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AssetSource {
    pub(super) path: String,
    pub(super) packaging: Packaging,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetDestination {
    pub(super) bucket_name: String,
    pub(super) object_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assume_role_arn: Option<String>,
}

/// `xacct.json`: what CDK's schema has no place for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Own {
    pub(super) version: u32,
    #[serde(default)]
    pub(super) stacks: BTreeMap<String, OwnStack>,
    #[serde(default)]
    pub(super) assertions: Vec<AccessAssertion>,
    #[serde(default)]
    pub(super) silenced: Vec<Silenced>,
    #[serde(default)]
    pub(super) warnings: Vec<Diagnostic>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnStack {
    /// The place of the stack in the order of deployment.
    pub(super) order: usize,
    #[serde(default)]
    pub(super) dependencies: Vec<Dependency>,
    #[serde(default)]
    pub(super) inputs: Vec<Input>,
    #[serde(default)]
    pub(super) origins: BTreeMap<String, Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<SourceLocation>,
}
