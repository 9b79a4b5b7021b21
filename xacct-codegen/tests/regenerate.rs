//! What is committed is what the generators write from the pinned packages.
//!
//! Where a registry cannot be reached there is nothing to compare with.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

use std::fs;

use xacct_codegen::GENERATORS;
use xacct_codegen::source::{SourceError, Sources, workspace};

fn check(name: &str) {
    let sources = Sources::open(&workspace().join("target/codegen-cache")).unwrap();
    let (_, generate) = GENERATORS.into_iter().find(|(generator, _)| *generator == name).unwrap();
    let output = match generate(&sources) {
        Err(SourceError::Fetch { .. }) => return,
        output => output.unwrap(),
    };
    assert!(!output.is_empty());
    for (path, content) in output {
        let committed = fs::read(workspace().join(&path)).unwrap_or_default();
        assert!(committed == content, "{path} is out of date: run `cargo run -p xacct-codegen -- {name}`");
    }
}

#[test]
fn the_schema_tables() {
    check("tables");
}

#[test]
fn the_table_of_actions() {
    check("actions");
}
