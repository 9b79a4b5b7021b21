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

const ACCOUNTS: &str = "region = \"eu-west-1\"\n[accounts.tools]\nid = \"111111111111\"\n[accounts.production]\n\
                        id = \"222222222222\"\n";

/// Runs `check` in a folder with these policies over the account of production.
fn check_under(policies: &str, files: &[(&str, &str)]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("xacct.toml"), format!("{ACCOUNTS}{policies}\n")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let (code, out, err) = app(folder.path(), &["check"]);
    (code, format!("{out}{err}"))
}

/// What is said, without the breaks and rules that fit it to the terminal.
fn in_one_line(said: &str) -> String {
    said.split_whitespace().filter(|it| *it != "│").collect::<Vec<_>>().join(" ")
}

#[test]
fn the_organizations_policies_have_a_say_in_what_is_proved() {
    const DENY: &str = r#"{"Version": "2012-10-17", "Statement": {
        "Sid": "NoState", "Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::*/network/prod.tfstate.tflock"}}"#;
    let other = DENY.replace("s3:PutObject", "s3:DeleteBucket");
    let other = [("deny.json", other.as_str())];
    let (code, said) = check_under(r#"service_control_policies = ["FullAWSAccess", "deny.json"]"#, &other);
    assert_eq!(code, 0, "nobody needs that, {said}");

    let deny = [("deny.json", DENY)];
    let levels = r#"service_control_policies = [["FullAWSAccess"], ["FullAWSAccess", "deny.json"]]"#;
    let (code, said) = check_under(levels, &deny);
    assert_ne!(code, 0, "{said}");
    let said = in_one_line(&said);
    assert!(said.contains("deny by service control policy (level 1) `deny.json`, statement `NoState` at 1:"), "{said}");

    // Without a policy that allows, a level allows nothing.
    let (code, said) = check_under(r#"service_control_policies = ["deny.json"]"#, &deny);
    let said = in_one_line(&said);
    assert!(code != 0 && said.contains("no service control policy (level 0) allows it"), "{said}");

    let public = DENY.replace("\"Effect\"", "\"Principal\": \"*\", \"Effect\"");
    let (code, said) = check_under(r#"resource_control_policies = ["deny.json"]"#, &[("deny.json", &public)]);
    let said = in_one_line(&said);
    assert!(code != 0 && said.contains("deny by resource control policy (level 0) `deny.json`"), "{said}");

    let (code, said) = check_under(r#"resource_control_policies = ["RCPFullAWSAccess"]"#, &[]);
    assert_eq!(code, 0, "{said}");
    // The one stands for service control policies, and the other for those over resources.
    let (code, said) = check_under(r#"resource_control_policies = ["FullAWSAccess"]"#, &[]);
    assert!(code == 64 && said.contains("cannot read the policy `"), "{said}");
}

#[test]
fn mistakes_in_the_organizations_policies_are_told_with_file_and_line() {
    let (code, said) = check_under(r#"service_control_policies = ["lost.json"]"#, &[]);
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("cannot read the policy") && said.contains("xacct.toml:6:29"), "{said}");

    let wrong = "{\"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Permit\", \"Action\": \"*\", \"Resource\": \"*\"}}";
    let (code, said) = check_under(r#"service_control_policies = ["wrong.json"]"#, &[("wrong.json", wrong)]);
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("wrong.json:2:"), "{said}");

    let (code, said) = check_under("service_control_policies = \"one.json\"", &[]);
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("`service_control_policies` is not a list") && said.contains("xacct.toml:6:28"), "{said}");
}
