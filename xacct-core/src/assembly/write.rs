//! Writing an assembly: into a folder beside the old one, which then takes its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::manifest::{
    ASSETS_TYPE, Artifact, AssetDestination, AssetFile, AssetManifest, AssetSource, LookupRole, MANIFEST, Manifest,
    Metadata, OWN_ARTIFACT, OWN_FILE, OWN_TYPE, Own, OwnStack, Properties, SCHEMA_VERSION, STACK_TYPE, TREE_TYPE,
};
use super::{Assembly, AssemblyError, FileAsset, Packaging, StackArtifact};
use crate::name::hex;

/// The version of a bootstrap that has a lookup role.
const LOOKUP_VERSION: u32 = 8;

type Result<T> = std::result::Result<T, AssemblyError>;

pub(super) fn write(assembly: &Assembly, directory: &Path) -> Result<Assembly> {
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    io("create", parent, fs::create_dir_all(parent))?;
    let staging = io("create a folder in", parent, tempfile::Builder::new().prefix(".cdk.out-").tempdir_in(parent))?;
    let mut written = assembly.clone();
    fill(&mut written, staging.path())?;
    take_place(staging.path(), directory)?;
    written.directory = Some(directory.to_owned());
    Ok(written)
}

fn fill(assembly: &mut Assembly, folder: &Path) -> Result<()> {
    let mut artifacts = BTreeMap::new();
    let mut own = Own {
        version: 1,
        assertions: assembly.assertions.clone(),
        silenced: assembly.silenced.clone(),
        warnings: assembly.warnings.clone(),
        ..Own::default()
    };
    for (order, stack) in assembly.stacks.iter_mut().enumerate() {
        put(folder, &stack.template_file, &stack.template_text())?;
        let mut dependencies: Vec<String> = stack.dependencies.iter().map(|it| it.stack.clone()).collect();
        for asset in &mut stack.assets {
            asset.path = copy_asset(asset, assembly.directory.as_deref(), folder)?;
        }
        if !stack.assets.is_empty() || stack.bootstrap.template_bucket.is_some() {
            let id = format!("{}.assets", stack.id);
            let file = format!("{id}.json");
            put_json(folder, &file, &asset_manifest(stack))?;
            let properties = Properties {
                file: Some(file),
                requires_bootstrap_stack_version: stack.bootstrap.required_version,
                bootstrap_stack_version_ssm_parameter: stack.bootstrap.version_parameter.clone(),
                ..Properties::default()
            };
            artifacts.insert(id.clone(), Artifact { kind: ASSETS_TYPE.into(), properties, ..Artifact::default() });
            dependencies.push(id);
        }
        own.stacks.insert(
            stack.id.clone(),
            OwnStack {
                order,
                dependencies: stack.dependencies.clone(),
                inputs: stack.inputs.clone(),
                origins: stack.origins.clone(),
                location: stack.location.clone(),
            },
        );
        artifacts.insert(stack.id.clone(), stack_artifact(stack, dependencies));
    }
    put_json(folder, "tree.json", &tree(assembly))?;
    let tree = Properties { file: Some("tree.json".into()), ..Properties::default() };
    artifacts.insert("Tree".into(), Artifact { kind: TREE_TYPE.into(), properties: tree, ..Artifact::default() });
    put_json(folder, OWN_FILE, &own)?;
    let properties = Properties { file: Some(OWN_FILE.into()), ..Properties::default() };
    artifacts.insert(OWN_ARTIFACT.into(), Artifact { kind: OWN_TYPE.into(), properties, ..Artifact::default() });
    put_json(folder, "cdk.out", &json!({ "version": SCHEMA_VERSION }))?;
    put_json(folder, MANIFEST, &Manifest { version: SCHEMA_VERSION.into(), artifacts })
}

fn stack_artifact(stack: &StackArtifact, dependencies: Vec<String>) -> Artifact {
    let mut metadata: BTreeMap<String, Vec<Metadata>> = BTreeMap::new();
    for (logical_id, origin) in &stack.origins {
        let trace = origin.location.iter().map(|it| format!("{} ({it})", origin.path)).collect();
        let entry = Metadata { kind: "aws:cdk:logicalId".into(), data: logical_id.clone().into(), trace };
        metadata.entry(format!("/{}", origin.path)).or_default().push(entry);
    }
    let bootstrap = &stack.bootstrap;
    Artifact {
        kind: STACK_TYPE.into(),
        environment: Some(format!("aws://{}/{}", stack.environment.account, stack.environment.region)),
        properties: Properties {
            template_file: Some(stack.template_file.clone()),
            stack_name: Some(stack.stack_name.clone()),
            parameters: stack.parameters.clone(),
            tags: stack.tags.clone(),
            termination_protection: Some(stack.termination_protection),
            assume_role_arn: bootstrap.deploy_role.clone(),
            cloud_formation_execution_role_arn: stack.execution_role.clone(),
            lookup_role: bootstrap.lookup_role.clone().map(|arn| LookupRole {
                arn,
                requires_bootstrap_stack_version: bootstrap.required_version.map(|_| LOOKUP_VERSION),
                bootstrap_stack_version_ssm_parameter: bootstrap.version_parameter.clone(),
            }),
            stack_template_asset_object_url: template_asset(stack).map(|it| format!("s3://{}/{}", it.bucket, it.key)),
            requires_bootstrap_stack_version: bootstrap.required_version,
            bootstrap_stack_version_ssm_parameter: bootstrap.version_parameter.clone(),
            validate_on_synth: Some(false),
            file: None,
        },
        dependencies,
        metadata,
        display_name: Some(stack.display_name.clone()),
    }
}

/// The template as a file to publish.
fn template_asset(stack: &StackArtifact) -> Option<FileAsset> {
    let bucket = stack.bootstrap.template_bucket.clone()?;
    let hash = hex(&<sha2::Sha256 as sha2::Digest>::digest(stack.template_text()));
    Some(FileAsset {
        key: format!("{hash}.json"),
        hash,
        display_name: format!("{} Template", stack.display_name),
        path: PathBuf::from(&stack.template_file),
        packaging: Packaging::File,
        bucket,
        environment: stack.environment.clone(),
    })
}

fn asset_manifest(stack: &StackArtifact) -> AssetManifest {
    let files = stack
        .assets
        .iter()
        .cloned()
        .chain(template_asset(stack))
        .map(|asset| {
            let destination = AssetDestination {
                bucket_name: asset.bucket.clone(),
                object_key: asset.key.clone(),
                region: Some(asset.environment.region.to_string()),
                assume_role_arn: stack.bootstrap.publishing_role.clone(),
            };
            let short = hex(&<sha2::Sha256 as sha2::Digest>::digest(&asset.bucket))[..8].to_owned();
            let name = format!("{}-{}-{short}", asset.environment.account, asset.environment.region);
            let source = AssetSource { path: asset.path.to_string_lossy().into_owned(), packaging: asset.packaging };
            let file = AssetFile {
                display_name: Some(asset.display_name),
                source,
                destinations: BTreeMap::from([(name, destination)]),
            };
            (asset.hash, file)
        })
        .collect();
    AssetManifest { version: SCHEMA_VERSION.into(), files, docker_images: BTreeMap::new() }
}

/// The construct tree, for tools that show it: the constructs that made resources, and those above them.
fn tree(assembly: &Assembly) -> Json {
    let mut root = json!({ "id": "App", "path": "", "children": {} });
    for stack in &assembly.stacks {
        insert(&mut root, &stack.display_name, None);
        for (logical_id, origin) in &stack.origins {
            let kind = &stack.template["Resources"][logical_id]["Type"];
            let attributes =
                json!({ "aws:cdk:cloudformation:type": kind, "aws:cdk:cloudformation:logicalId": logical_id });
            insert(&mut root, &origin.path, Some(attributes));
        }
    }
    json!({ "version": "tree-0.1", "tree": root })
}

fn insert(root: &mut Json, path: &str, attributes: Option<Json>) {
    let mut at = root;
    let mut so_far = String::new();
    for id in path.split('/') {
        if !so_far.is_empty() {
            so_far.push('/');
        }
        so_far.push_str(id);
        if at.get("children").is_none() {
            at["children"] = json!({});
        }
        let child = &mut at["children"][id];
        if child.is_null() {
            *child = json!({ "id": id, "path": so_far });
        }
        at = child;
    }
    if let Some(attributes) = attributes {
        at["attributes"] = attributes;
    }
}

/// Copies an asset into the assembly, and gives its place there.
fn copy_asset(asset: &FileAsset, from: Option<&Path>, folder: &Path) -> Result<PathBuf> {
    let source = match from {
        Some(directory) if asset.path.is_relative() => directory.join(&asset.path),
        _ => asset.path.clone(),
    };
    let extension =
        asset.key.strip_prefix(&asset.hash).filter(|_| asset.packaging == Packaging::File).unwrap_or_default();
    let name = PathBuf::from(format!("asset.{}{extension}", asset.hash));
    let target = folder.join(&name);
    if target.exists() {
        return Ok(name);
    }
    if asset.packaging == Packaging::File {
        io("copy", &source, fs::copy(&source, &target))?;
        return Ok(name);
    }
    for file in io("read", &source, crate::asset::files(&source))? {
        let (from, to) = (source.join(&file), target.join(&file));
        if let Some(parent) = to.parent() {
            io("create", parent, fs::create_dir_all(parent))?;
        }
        io("copy", &from, fs::copy(&from, &to))?;
    }
    Ok(name)
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    io("write", &path, fs::write(&path, text))
}

fn put_json(folder: &Path, name: &str, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| AssemblyError::Format { path: folder.join(name), problem: error.to_string() })?;
    text.push('\n');
    put(folder, name, &text)
}

/// Puts the finished folder where the old one is. A folder that keeps a `.gitignore` keeps it.
fn take_place(staging: &Path, directory: &Path) -> Result<()> {
    let ignore = directory.join(".gitignore");
    if ignore.exists() {
        io("copy", &ignore, fs::copy(&ignore, staging.join(".gitignore")))?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        io("write", staging, fs::set_permissions(staging, fs::Permissions::from_mode(0o755)))?;
    }
    if !directory.exists() {
        return io("write", directory, fs::rename(staging, directory));
    }
    refuse_other_content(directory)?;
    let old = staging.with_extension("old");
    io("replace", directory, fs::rename(directory, &old))?;
    if let Err(source) = fs::rename(staging, directory) {
        io("restore", directory, fs::rename(&old, directory))?;
        return Err(AssemblyError::Io { action: "write", path: directory.to_owned(), source });
    }
    io("remove", &old, fs::remove_dir_all(&old))
}

/// The output folder is replaced, so a folder with a user's own files must not be taken for one.
fn refuse_other_content(directory: &Path) -> Result<()> {
    let entries = io("read", directory, fs::read_dir(directory))?;
    let names: Vec<_> =
        entries.filter_map(std::result::Result::ok).map(|it| it.file_name()).filter(|it| it != ".gitignore").collect();
    let is_assembly = names.iter().any(|it| it == MANIFEST || it == "cdk.out");
    if names.is_empty() || is_assembly {
        return Ok(());
    }
    let problem = "it holds other files, which writing would remove: choose an empty folder or one that does not exist"
        .to_owned();
    Err(AssemblyError::Format { path: directory.to_owned(), problem })
}

fn io<T>(action: &'static str, path: &Path, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|source| AssemblyError::Io { action, path: path.to_owned(), source })
}
