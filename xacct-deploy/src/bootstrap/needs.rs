//! What CloudFormation must be allowed so that it can create, update and delete the stacks of an assembly.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use xacct_core::Environment;
use xacct_core::assembly::{Assembly, StackArtifact};

/// Types that the constructs of this library make and of which AWS publishes no handlers: the calls of their API that make, read, change
/// and delete them, and what these calls need in turn.
const BY_THEIR_API: [(&str, &[&str]); 2] = [
    (
        "AWS::CodeBuild::Project",
        &[
            "codebuild:BatchGetProjects",
            "codebuild:CreateProject",
            "codebuild:DeleteProject",
            "codebuild:UpdateProject",
            PASS_ROLE,
        ],
    ),
    (
        "AWS::IAM::AccessKey",
        &["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:ListAccessKeys", "iam:UpdateAccessKey"],
    ),
];
const PASS_ROLE: &str = "iam:PassRole";

/// What CloudFormation's role must be allowed in an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutionNeeds {
    /// The actions, without `iam:PassRole`.
    pub actions: BTreeSet<String>,
    /// The roles that it passes on, as ARNs: those that the stacks make.
    pub pass_roles: BTreeSet<String>,
    /// Resource types of which AWS does not publish what they need, with the resources, as `stack/logical id`.
    pub unknown: BTreeMap<String, Vec<String>>,
}

/// What CloudFormation's role must be allowed for the stacks of an environment, as AWS publishes it.
pub fn execution_needs(assembly: &Assembly, environment: &Environment) -> ExecutionNeeds {
    let mut needs = ExecutionNeeds::default();
    for stack in assembly.stacks.iter().filter(|it| it.environment == *environment) {
        let of_stack = xacct_schema::permissions::of_template(&stack.template, !stack.tags.is_empty());
        let mut actions = of_stack.actions;
        for (resource_type, ids) in of_stack.unknown {
            if let Some((_, known)) = BY_THEIR_API.iter().find(|it| it.0 == resource_type) {
                actions.extend(known.iter());
                continue;
            }
            let ids = ids.iter().map(|it| format!("{}/{it}", stack.display_name));
            needs.unknown.entry(resource_type).or_default().extend(ids);
        }
        if actions.remove(PASS_ROLE) {
            needs.pass_roles.extend(roles(stack));
        }
        needs.actions.extend(actions.into_iter().map(str::to_owned));
    }
    needs
}

/// The roles that a stack makes: under its name, or under one of their own.
fn roles(stack: &StackArtifact) -> impl Iterator<Item = String> + '_ {
    let prefix = format!("arn:{}:iam::{}:role", stack.environment.region.partition(), stack.environment.account);
    let resources = stack.template["Resources"].as_object().into_iter().flatten();
    let roles = resources.filter(|(_, it)| it["Type"] == "AWS::IAM::Role").map(|(_, it)| &it["Properties"]);
    roles.map(move |properties| {
        let path = properties["Path"].as_str().unwrap_or("/");
        match &properties["RoleName"] {
            Value::String(name) => format!("{prefix}{path}{name}"),
            // CloudFormation makes the name: it begins with the stack's.
            _ => format!("{prefix}{path}{}-*", stack.stack_name),
        }
    })
}
