//! Logical ids and generated physical names are those of aws-cdk-lib, asked for each of some thousand paths: so a CDK user can
//! move a stack here without replacing a resource.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use xacct_core::name::{logical_id, physical_name};
use xacct_core::{AccountId, Environment, Region};
use xacct_tests::{demanded, npm_packages};

const ACCOUNT: &str = "222222222222";
const REGION: &str = "eu-central-1";

#[test]
fn are_those_of_aws_cdk_lib() {
    let Some((directory, _)) = demanded(npm_packages("cdk", xacct_tests::CDK)) else { return };
    let paths = paths();
    let theirs = ask_cdk(&directory, &paths);
    assert_eq!(theirs.len(), paths.len());

    let environment = Environment::new(AccountId::literal(ACCOUNT), Region::literal(REGION));
    let mut different = Vec::new();
    for (path, theirs) in paths.iter().zip(&theirs) {
        let ids: Vec<&str> = path.iter().map(String::as_str).collect();
        let ours = (logical_id(&ids[1..]).unwrap_or_default(), physical_name(ids[0], &ids, &environment));
        let theirs = (theirs["logicalId"].as_str().unwrap(), theirs["physicalName"].as_str().unwrap());
        if (ours.0.as_str(), ours.1.as_str()) != theirs {
            different.push(format!("{}: ours {ours:?}, theirs {theirs:?}", path.join("/")));
        }
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), paths.len(), different.join("\n"));
}

/// Paths of one to four ids below two stacks, from a vocabulary of what is special to the rule: dropped and hidden ids, repeats,
/// endings that fold, characters that are stripped, and lengths around every cut.
fn paths() -> Vec<Vec<String>> {
    let vocabulary = ["Resource", "Default", "Bucket", "MyBucket", "my-bucket", "x_y.z 1", "Pipeline2", "Ünïcode"]
        .map(str::to_owned);
    let mut paths = Vec::new();
    for stack in ["Tools", "production-account-with-a-long-name"] {
        let mut level: Vec<Vec<String>> = vec![vec![stack.to_owned()]];
        for _ in 0..4 {
            let longer = |path: &Vec<String>| {
                vocabulary.iter().map(|id| [path.clone(), vec![id.clone()]].concat()).collect::<Vec<_>>()
            };
            level = level.iter().flat_map(longer).collect();
            // Full below three levels, every seventh path of the fourth: enough, and quick.
            let step = if level.len() > 2000 { 7 } else { 1 };
            level = level.into_iter().step_by(step).collect();
            paths.extend(level.iter().cloned());
        }
        for length in [1, 2, 24, 25, 120, 239, 240, 241, 254, 255] {
            let long = format!("L{}", "o".repeat(length));
            paths.push(vec![stack.to_owned(), long.clone()]);
            paths.push(vec![stack.to_owned(), long.clone(), "Resource".to_owned()]);
            paths.push(vec![stack.to_owned(), "Part".to_owned(), long]);
        }
    }
    // Nothing is left of these to make an id of: an error here as there.
    paths.retain(|path| path[1..].iter().any(|id| id != "Default"));
    paths
}

fn ask_cdk(directory: &Path, paths: &[Vec<String>]) -> Vec<serde_json::Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cdk/ids.js");
    let mut node = Command::new("node")
        .arg(script)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there where npm is");
    let question = serde_json::json!({ "paths": paths, "account": ACCOUNT, "region": REGION });
    node.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
