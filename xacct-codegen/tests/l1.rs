//! What is committed is what the generator writes from the pinned sources.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that fails should stop there, and one that is skipped should say so"
)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use xacct_codegen::l1::{self, Model};
use xacct_codegen::source::{CFN_LINT, SERVICE_SPEC, SourceError, Sources, workspace};

const FOLDER: &str = "xacct-constructs/src/cfn/services";

/// The sources and what is read from them, or none where the registries cannot be reached and that is no failure.
fn read() -> Option<&'static (Sources, Model)> {
    static READ: OnceLock<Option<(Sources, Model)>> = OnceLock::new();
    let read = || {
        let sources = Sources::open(&workspace().join("target/codegen-cache")).unwrap();
        for package in [SERVICE_SPEC, CFN_LINT] {
            match sources.archive(&package) {
                Ok(_) => {}
                Err(error @ SourceError::Fetch { .. }) if std::env::var_os("XACCT_REQUIRE_TOOLS").is_none() => {
                    eprintln!("SKIPPED, because a source cannot be fetched: {error}");
                    return None;
                }
                Err(error) => panic!("{error}"),
            }
        }
        let model = l1::read(&sources).unwrap();
        Some((sources, model))
    };
    READ.get_or_init(read).as_ref()
}

#[test]
fn the_committed_resources_are_those_of_the_sources() {
    let Some((_, model)) = read() else { return };
    let output = l1::write(model).unwrap();
    for (path, content) in &output {
        let committed = fs::read(workspace().join(path)).unwrap_or_default();
        assert!(committed == *content, "`{path}` differs: run `cargo run -p xacct-codegen -- l1`");
    }
    for entry in fs::read_dir(workspace().join(FOLDER)).unwrap() {
        let path = format!("{FOLDER}/{}", entry.unwrap().file_name().to_str().unwrap());
        assert!(output.contains_key(&path), "`{path}` is no longer generated: remove it");
    }
}

/// Every type, property and attribute of the source is generated, but for the types that are left out by name.
#[test]
fn nothing_of_the_source_is_lost() {
    let Some((sources, model)) = read() else { return };
    let generated = l1::count::generated(model);
    let mut missing = l1::count::in_source(sources).unwrap();
    for (what, number) in &mut missing {
        *number -= generated[what];
    }
    assert_eq!(missing["resource types"], model.left_out.len(), "{:?}", model.left_out);
    assert_eq!(missing, l1::count::left_out(sources, model).unwrap());
}

#[test]
fn crates_io_takes_the_features() {
    let features = features();
    assert!(features.len() <= 300, "{} features", features.len());
}

#[test]
fn features_call_for_features_that_exist() {
    let features = features();
    for (feature, needs) in &features {
        for needed in needs {
            assert!(features.contains_key(needed), "`{feature}` calls for `{needed}`, which is no feature");
        }
    }
    assert!(features["default"].contains(&"constructs".to_owned()));
    let unreached: Vec<&String> = features.keys().filter(|it| !features["all"].contains(it)).collect();
    assert_eq!(unreached, ["all", "default"], "`all` has every feature");
}

/// The features of the constructs' crate, with those that each turns on.
fn features() -> BTreeMap<String, Vec<String>> {
    let manifest = fs::read_to_string(workspace().join("xacct-constructs/Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    manifest["features"].clone().try_into().unwrap()
}

#[test]
fn the_documentation_tells_the_counts() {
    let Some((sources, model)) = read() else { return };
    let told = fs::read_to_string(workspace().join("docs/l1.md")).unwrap();
    let source = l1::count::in_source(sources).unwrap();
    for (what, number) in l1::count::generated(model) {
        let row = match source.get(what) {
            Some(of) => format!("| {what} | {number} | {of} |"),
            None => format!("| {what} | {number} | |"),
        };
        assert!(told.contains(&row), "docs/l1.md lacks the row `{row}`");
    }
    for cfn_type in model.left_out.keys().chain(&model.only_in_provider_schemas) {
        assert!(told.contains(&format!("`{cfn_type}`")), "docs/l1.md does not say that `{cfn_type}` is left out");
    }
}
