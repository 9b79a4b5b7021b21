//! What a check finds in an assembly: goals, rules, who else gets in.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

mod estate;
mod goals;
mod organization;
mod rules;

use serde_json::{Value as Json, json};
use xacct_core::assembly::{Assembly, Dependency, StackArtifact};
use xacct_core::{AccountId, Environment, Region};

pub(crate) const A: AccountId = AccountId::literal("111111111111");
pub(crate) const B: AccountId = AccountId::literal("222222222222");

/// A stack of these resources.
pub(crate) fn stack(id: &str, account: AccountId, resources: Json) -> StackArtifact {
    StackArtifact::new(id, Environment::new(account, Region::literal("eu-west-1")), json!({ "Resources": resources }))
}

/// An assembly of these stacks, each after those before it.
pub(crate) fn assembly(stacks: Vec<StackArtifact>) -> Assembly {
    let mut assembly = Assembly::default();
    for mut stack in stacks {
        let before = assembly.stacks.iter().map(|it: &StackArtifact| it.id.clone());
        stack.dependencies = before.map(|stack| Dependency { stack, reason: "for the test".into() }).collect();
        assembly.stacks.push(stack);
    }
    assembly
}

/// An identity policy with one statement.
pub(crate) fn policy(statement: Json) -> Json {
    json!([{ "PolicyName": "Own", "PolicyDocument": { "Version": "2012-10-17", "Statement": [statement] } }])
}

/// A role that a service may assume.
pub(crate) fn role(name: &str, service: &str, statements: Json) -> Json {
    json!({ "Type": "AWS::IAM::Role", "Properties": {
        "RoleName": name,
        "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": service },
        }] },
        "Policies": [{ "PolicyName": "Own", "PolicyDocument": { "Version": "2012-10-17", "Statement": statements } }],
    } })
}
