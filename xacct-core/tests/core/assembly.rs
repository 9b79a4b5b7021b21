//! The assembly on disk: whole or not at all, the same bytes each time, and read back as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{A, B, Role, Store, props, stack};
use xacct_core::assembly::{AssemblyError, Packaging};
use xacct_core::value::Props;
use xacct_core::{App, Assembly, Asset, Construct, Node, Principal, Stack, StackProps, StackSynthesizer};

fn app(folder: &Path) -> App {
    let app = App::new();
    let (tools, production) = (stack(&app, "Tools", A), stack(&app, "Production", B));
    let queue = Node::new_resource(&production, "Queue", "AWS::SQS::Queue", Props::default());
    let name = queue.get_att::<str>("QueueName").into_expr();
    Node::new_resource(&tools, "Topic", "AWS::SNS::Topic", props([("DisplayName", name)]));
    let store = Store::new(&tools, "Store");
    let role = Role::new(&production, "Role", Principal::service("codebuild.amazonaws.com"), None);
    store.grant(&role, "s3:GetObject");
    Asset::new(&tools, "Code", folder);
    tools.node().assert_allowed(&role, "s3:GetObject", store.arn());
    tools.node().silence("some-rule", "for the test");
    app
}

fn source() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("modules/.terraform")).unwrap();
    fs::write(folder.path().join("main.tf"), "# main").unwrap();
    fs::write(folder.path().join("modules/vpc.tf"), "# vpc").unwrap();
    fs::write(folder.path().join("modules/.terraform/state"), "not part of it").unwrap();
    folder
}

fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    all
}

#[test]
fn what_is_written_is_read_back() {
    let (source, out) = (source(), tempfile::tempdir().unwrap());
    let folder = out.path().join("cdk.out");
    let written = app(source.path()).synth().unwrap().write(&folder).unwrap();
    let read = Assembly::read(&folder).unwrap();
    assert_eq!(read, written);
    let asset = &read.stack("Tools").unwrap().assets[0];
    assert_eq!(asset.packaging, Packaging::Zip);
    assert_eq!(asset.bucket, "cdk-hnb659fds-assets-111111111111-eu-west-1");
    let copied: Vec<String> = content(&folder.join(&asset.path)).into_keys().collect();
    assert_eq!(copied, ["main.tf", "modules/vpc.tf"]);
}

#[test]
fn the_same_program_gives_the_same_bytes_over_what_was_there() {
    let (source, out) = (source(), tempfile::tempdir().unwrap());
    let folder = out.path().join("cdk.out");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(".gitignore"), "*").unwrap();
    app(source.path()).synth().unwrap().write(&folder).unwrap();
    let first = content(&folder);
    fs::write(folder.join("Old.template.json"), "{}").unwrap();
    app(source.path()).synth().unwrap().write(&folder).unwrap();
    assert_eq!(content(&folder), first);
    assert!(first.contains_key(".gitignore"));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_folder_with_other_files_is_not_replaced() {
    let (source, out) = (source(), tempfile::tempdir().unwrap());
    fs::write(out.path().join("thesis.txt"), "years of work").unwrap();
    let error = app(source.path()).synth().unwrap().write(out.path()).unwrap_err();
    assert!(error.to_string().contains("choose an empty folder"), "{error}");
    assert_eq!(content(out.path()).len(), 1);
}

#[test]
fn an_error_leaves_what_was_there() {
    let (source, out) = (source(), tempfile::tempdir().unwrap());
    let folder = out.path().join("cdk.out");
    let assembly = app(source.path()).synth().unwrap();
    assembly.write(&folder).unwrap();
    let before = content(&folder);
    drop(source);
    assert!(matches!(assembly.write(&folder), Err(AssemblyError::Io { .. })));
    assert_eq!(content(&folder), before);
}

#[test]
fn a_newer_schema_is_refused_and_a_broken_manifest_named() {
    let out = tempfile::tempdir().unwrap();
    let manifest = out.path().join("manifest.json");
    assert!(Assembly::read(out.path()).unwrap_err().to_string().contains("manifest.json"));
    fs::write(&manifest, r#"{"version":"56.0.0","artifacts":{}}"#).unwrap();
    assert!(Assembly::read(out.path()).unwrap_err().to_string().contains("use a newer version"));
    fs::write(&manifest, r#"{"version":"55.0.0","artifacts":{"S":{"type":"aws:cloudformation:stack","environment":"aws://unknown-account/unknown-region","properties":{"templateFile":"S.json"}}}}"#).unwrap();
    fs::write(out.path().join("S.json"), "{}").unwrap();
    assert!(Assembly::read(out.path()).unwrap_err().to_string().contains("give the stack an account and a region"));
}

#[test]
fn the_smallest_assembly_of_cdk_is_read() {
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("manifest.json"), r#"{"version":"55.0.0","artifacts":{"S":{"type":"aws:cloudformation:stack","environment":"aws://111111111111/us-east-1","properties":{"templateFile":"S.template.json"}}}}"#).unwrap();
    fs::write(out.path().join("S.template.json"), r#"{"Resources":{}}"#).unwrap();
    let assembly = Assembly::read(out.path()).unwrap();
    assert_eq!(assembly.stacks[0].stack_name, "S");
}

#[test]
fn a_template_is_indented_unless_that_alone_would_make_it_too_long_for_a_call() {
    let text = |queues: usize| {
        let app = App::new();
        let tools = stack(&app, "Tools", A);
        for index in 0..queues {
            Node::new_resource(
                &tools,
                &format!("Queue{index}"),
                "AWS::SQS::Queue",
                props([("DelaySeconds", 1.into())]),
            );
        }
        app.synth().unwrap().stacks[0].template_text()
    };
    let limit = xacct_core::assembly::INLINE_LIMIT;
    assert!(text(1).starts_with("{\n  \"Resources\""));
    let short = text(450);
    assert!(short.len() <= limit && short.starts_with("{\"Resources\""), "{}", short.len());
}

/// The manifest of a program with one stack, and the manifest of the stack's assets.
fn manifests(synthesizer: StackSynthesizer) -> (serde_json::Value, Option<serde_json::Value>) {
    let out = tempfile::tempdir().unwrap();
    let app = App::new();
    Stack::new(&app, "Tools", crate::support::environment(A), StackProps::new().synthesizer(synthesizer));
    let folder = out.path().join("cdk.out");
    let written = app.synth().unwrap().write(&folder).unwrap();
    assert_eq!(Assembly::read(&folder).unwrap(), written);
    let read = |name: &str| Some(serde_json::from_slice(&fs::read(folder.join(name)).ok()?).unwrap());
    (read("manifest.json").unwrap(), read("Tools.assets.json"))
}

#[test]
fn a_template_is_published_as_cdks_synthesizers_do_it() {
    // Of `{}` and the end of a line.
    let hash = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356";
    let bucket = "cdk-hnb659fds-assets-111111111111-eu-west-1";
    let destination = |assets: &serde_json::Value| {
        let file = &assets["files"][hash];
        assert_eq!(file["source"], serde_json::json!({"path": "Tools.template.json", "packaging": "file"}));
        file["destinations"].as_object().unwrap().values().next().unwrap().clone()
    };

    let (manifest, assets) = manifests(StackSynthesizer::default());
    let stack = &manifest["artifacts"]["Tools"];
    assert_eq!(stack["dependencies"], serde_json::json!(["Tools.assets"]));
    assert_eq!(stack["properties"]["stackTemplateAssetObjectUrl"], format!("s3://{bucket}/{hash}.json"));
    assert!(!manifest.to_string().contains("RoleArn"), "{manifest}");
    let published = serde_json::json!({
        "bucketName": bucket, "objectKey": format!("{hash}.json"), "region": "eu-west-1"
    });
    assert_eq!(destination(&assets.unwrap()), published);

    let (manifest, assets) = manifests(StackSynthesizer::bootstrap_roles().qualifier("mine"));
    let properties = &manifest["artifacts"]["Tools"]["properties"];
    let role = |name: &str| format!("arn:aws:iam::111111111111:role/cdk-mine-{name}-111111111111-eu-west-1");
    assert_eq!(properties["assumeRoleArn"], role("deploy-role"));
    assert_eq!(properties["cloudFormationExecutionRoleArn"], role("cfn-exec-role"));
    assert_eq!(properties["lookupRole"]["arn"], role("lookup-role"));
    assert_eq!(properties["lookupRole"]["requiresBootstrapStackVersion"], 8);
    assert_eq!(properties["requiresBootstrapStackVersion"], 6);
    assert_eq!(properties["bootstrapStackVersionSsmParameter"], "/cdk-bootstrap/mine/version");
    assert_eq!(manifest["artifacts"]["Tools.assets"]["properties"]["requiresBootstrapStackVersion"], 6);
    let destination = destination(&assets.unwrap());
    assert_eq!(destination["bucketName"], "cdk-mine-assets-111111111111-eu-west-1");
    assert_eq!(destination["assumeRoleArn"], role("file-publishing-role"));

    let (manifest, assets) = manifests(StackSynthesizer::bootstrapless());
    assert!(assets.is_none() && !manifest.to_string().contains("Bootstrap"), "{manifest}");
}

#[test]
fn an_asset_needs_a_bootstrap() {
    let source = source();
    let app = App::new();
    let props = StackProps::new().synthesizer(StackSynthesizer::bootstrapless());
    let stack = Stack::new(&app, "Tools", crate::support::environment(A), props);
    Asset::new(&stack, "Code", source.path());
    let error = app.synth().unwrap_err();
    assert_eq!(error.diagnostics[0].rule, "asset");
    assert!(error.diagnostics[0].message.contains("without a bootstrap"), "{error}");
}
