//! The main job, as the README gives it: synthesize, prove, and rehearse the whole deployment in memory.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

use std::path::Path;
use std::process::Command;

fn app(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("XACCT_") || name.starts_with("CDK_")) {
        command.env_remove(name);
    }
    let output = command.args(args).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn both_stacks_are_deployed_in_memory_and_then_nothing_is_left_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, said) = app(folder.path(), &["deploy", "--local", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.find("Production  ✓ created").unwrap() < said.find("Tools       ✓ created").unwrap(), "{said}");
    let (code, _, said) = app(folder.path(), &["deploy", "--local"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("✓ no changes"), "{said}");
    let (code, out, _) = app(folder.path(), &["diff", "--local", "--exit-code"]);
    assert_eq!((code, out.as_str()), (0, "Production no changes\nTools no changes\n"));
}

#[test]
fn production_comes_first_and_templates_are_complete_in_themselves() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(app(folder.path(), &["ls"]).1, "Production\nTools\n");
    assert_eq!(app(folder.path(), &["synth"]).0, 0);
    for stack in ["Production", "Tools"] {
        let file = folder.path().join(format!("cdk.out/{stack}.template.json"));
        let template: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(template.get("Parameters"), None, "{stack} has parameters to fill");
    }
}

#[test]
fn every_access_that_is_needed_is_proved_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = app(folder.path(), &["check", "--json"]);
    assert_eq!(code, 0, "{out}");
    let denied = out.lines().filter(|it| it.contains(r#""type":"access""#) && it.contains(r#""verdict":"denied""#));
    assert_eq!(denied.count(), 0);
}
