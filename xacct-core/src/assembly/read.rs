//! Reading an assembly: one of ours, or one that CDK made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::manifest::{ASSETS_TYPE, Artifact, AssetManifest, MANIFEST, Manifest, OWN_TYPE, Own, STACK_TYPE};
use super::{Assembly, AssemblyError, Bootstrap, Dependency, FileAsset, StackArtifact};
use crate::environment::Environment;

type Result<T> = std::result::Result<T, AssemblyError>;

pub(super) fn read(directory: &Path) -> Result<Assembly> {
    let path = directory.join(MANIFEST);
    let manifest: Manifest = parse(&path)?;
    let major = manifest.version.split('.').next().and_then(|it| it.parse::<u32>().ok());
    if major.is_none_or(|it| it > 55) {
        let problem = format!(
            "its schema is {}, and 55 is the newest that is known: use a newer version of this program",
            manifest.version
        );
        return Err(AssemblyError::Format { path, problem });
    }
    let own = match manifest.artifacts.values().find(|it| it.kind == OWN_TYPE) {
        Some(artifact) => parse(&directory.join(file(artifact, &path)?))?,
        None => Own::default(),
    };
    let mut stacks = Vec::new();
    for (id, artifact) in manifest.artifacts.iter().filter(|(_, it)| it.kind == STACK_TYPE) {
        stacks.push(stack(directory, &path, &manifest, &own, id, artifact)?);
    }
    let stacks = in_order(stacks, &own, &path)?;
    Ok(Assembly {
        stacks,
        assertions: own.assertions,
        silenced: own.silenced,
        warnings: own.warnings,
        directory: Some(directory.to_owned()),
    })
}

fn stack(
    directory: &Path,
    manifest_path: &Path,
    manifest: &Manifest,
    own: &Own,
    id: &str,
    artifact: &Artifact,
) -> Result<StackArtifact> {
    let wrong = |problem: String| AssemblyError::Format {
        path: manifest_path.to_owned(),
        problem: format!("stack `{id}`: {problem}"),
    };
    let properties = &artifact.properties;
    let template_file = properties.template_file.clone().ok_or_else(|| wrong("it has no templateFile".into()))?;
    let template = parse(&directory.join(&template_file))?;
    let environment = artifact.environment.as_deref().unwrap_or_default();
    let environment = environment_of(environment).ok_or_else(|| {
        wrong(format!(
            "its environment `{environment}` is not `aws://ACCOUNT/REGION`: give the stack an account and a region"
        ))
    })?;
    let known = own.stacks.get(id);
    let mut files = Vec::new();
    let mut dependencies = Vec::new();
    for dependency in &artifact.dependencies {
        match manifest.artifacts.get(dependency).map(|it| it.kind.as_str()) {
            Some(STACK_TYPE) => {
                dependencies.push(Dependency { stack: dependency.clone(), reason: "the assembly says so".into() })
            }
            Some(ASSETS_TYPE) => {
                let manifest_file = file(&manifest.artifacts[dependency], manifest_path)?;
                files.extend(published(&parse(&directory.join(manifest_file))?, &environment));
            }
            Some(_) => {}
            None => return Err(wrong(format!("it depends on `{dependency}`, which is not in the assembly"))),
        }
    }
    let publishing_role = files.iter().find_map(|it| it.role.clone());
    // The template is no asset of the stack: whoever deploys has it, and knows what to do with it.
    let (templates, assets): (Vec<Published>, Vec<Published>) =
        files.into_iter().partition(|it| it.asset.path == Path::new(&template_file));
    let filled = |text: &String| fill(text, &environment);
    let bootstrap = Bootstrap {
        template_bucket: templates.into_iter().next().map(|it| it.asset.bucket),
        deploy_role: properties.assume_role_arn.as_ref().map(filled),
        publishing_role,
        lookup_role: properties.lookup_role.as_ref().map(|it| filled(&it.arn)),
        required_version: properties.requires_bootstrap_stack_version,
        version_parameter: properties.bootstrap_stack_version_ssm_parameter.as_ref().map(filled),
    };
    Ok(StackArtifact {
        stack_name: properties.stack_name.clone().unwrap_or_else(|| id.to_owned()),
        display_name: artifact.display_name.clone().unwrap_or_else(|| id.to_owned()),
        template_file,
        tags: properties.tags.clone(),
        parameters: properties.parameters.clone(),
        termination_protection: properties.termination_protection.unwrap_or(false),
        execution_role: properties.cloud_formation_execution_role_arn.as_ref().map(filled),
        bootstrap,
        dependencies: known.map_or(dependencies, |it| it.dependencies.clone()),
        inputs: known.map(|it| it.inputs.clone()).unwrap_or_default(),
        assets: assets.into_iter().map(|it| it.asset).collect(),
        origins: known.map(|it| it.origins.clone()).unwrap_or_default(),
        location: known.and_then(|it| it.location.clone()),
        description: description(&template),
        ..StackArtifact::new(id, environment, template)
    })
}

fn description(template: &serde_json::Value) -> Option<String> {
    Some(template.get("Description")?.as_str()?.to_owned())
}

/// A file, and the role that uploads it.
struct Published {
    asset: FileAsset,
    role: Option<String>,
}

/// An asset may have several destinations; those in the stack's own environment count.
fn published(manifest: &AssetManifest, environment: &Environment) -> Vec<Published> {
    let mut assets = Vec::new();
    for (hash, file) in &manifest.files {
        for destination in file.destinations.values() {
            let asset = FileAsset {
                hash: hash.clone(),
                display_name: file.display_name.clone().unwrap_or_else(|| hash.clone()),
                path: PathBuf::from(&file.source.path),
                packaging: file.source.packaging,
                bucket: fill(&destination.bucket_name, environment),
                key: fill(&destination.object_key, environment),
                environment: environment.clone(),
            };
            let role = destination.assume_role_arn.as_ref().map(|it| fill(it, environment));
            assets.push(Published { asset, role });
        }
    }
    assets
}

/// CDK leaves pseudo parameters in the names of buckets and roles.
fn fill(text: &str, environment: &Environment) -> String {
    text.replace("${AWS::AccountId}", environment.account.as_str())
        .replace("${AWS::Region}", environment.region.as_str())
        .replace("${AWS::Partition}", environment.region.partition())
}

fn environment_of(text: &str) -> Option<Environment> {
    let (account, region) = text.strip_prefix("aws://")?.split_once('/')?;
    Some(Environment { account: account.parse().ok()?, region: region.to_owned().try_into().ok()? })
}

/// The order in which the assembly was written, or for one of CDK's, any that its dependencies allow.
fn in_order(mut stacks: Vec<StackArtifact>, own: &Own, path: &Path) -> Result<Vec<StackArtifact>> {
    stacks.sort_by_key(|it| own.stacks.get(&it.id).map_or(usize::MAX, |it| it.order));
    let mut rest: BTreeMap<usize, StackArtifact> = stacks.into_iter().enumerate().collect();
    let mut order: Vec<StackArtifact> = Vec::new();
    while !rest.is_empty() {
        let ready = rest.iter().find(|(_, it)| {
            it.dependencies.iter().all(|dependency| order.iter().any(|done| done.id == dependency.stack))
        });
        let Some(index) = ready.map(|(&index, _)| index) else {
            let names: Vec<&str> = rest.values().map(|it| it.id.as_str()).collect();
            return Err(AssemblyError::Format {
                path: path.to_owned(),
                problem: format!("its stacks {} depend on each other", names.join(", ")),
            });
        };
        order.extend(rest.remove(&index));
    }
    Ok(order)
}

fn file(artifact: &Artifact, manifest: &Path) -> Result<String> {
    artifact.properties.file.clone().ok_or_else(|| AssemblyError::Format {
        path: manifest.to_owned(),
        problem: format!("an artifact of type `{}` names no file", artifact.kind),
    })
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|source| AssemblyError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_str(&text)
        .map_err(|error| AssemblyError::Format { path: path.to_owned(), problem: error.to_string() })
}
