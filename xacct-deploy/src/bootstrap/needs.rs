//! What CloudFormation must be allowed so that it can create, update and delete the stacks of an assembly.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use xacct_core::Environment;
use xacct_core::assembly::Assembly;
use xacct_schema::permissions::{Allowance, Target, of_stack_with};

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
            "iam:PassRole",
        ],
    ),
    (
        "AWS::IAM::AccessKey",
        &["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:ListAccessKeys", "iam:UpdateAccessKey"],
    ),
];

/// What CloudFormation's role must be allowed in an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutionNeeds {
    /// The statements of a policy that allows it, each on the narrowest resources that are known before anything is deployed.
    pub statements: Vec<Value>,
    /// Resource types of which AWS does not publish what they need, with the resources, as `stack/logical id`.
    pub unknown: BTreeMap<String, Vec<String>>,
}

impl ExecutionNeeds {
    /// Every action of the statements.
    pub fn actions(&self) -> BTreeSet<&str> {
        self.statements.iter().flat_map(actions).collect()
    }
}

/// What CloudFormation's role must be allowed for the stacks of an environment, as AWS publishes it.
pub fn execution_needs(assembly: &Assembly, environment: &Environment) -> ExecutionNeeds {
    let mut needs = ExecutionNeeds::default();
    for stack in assembly.stacks.iter().filter(|it| it.environment == *environment) {
        let target = Target {
            partition: environment.region.partition(),
            region: environment.region.as_str(),
            account: environment.account.as_str(),
            stack_name: &stack.stack_name,
            tagged: !stack.tags.is_empty(),
        };
        let of_stack = of_stack_with(&stack.template, &target, &BY_THEIR_API);
        for (resource_type, ids) in of_stack.unknown {
            let ids = ids.iter().map(|it| format!("{}/{it}", stack.display_name));
            needs.unknown.entry(resource_type).or_default().extend(ids);
        }
        needs.statements.extend(of_stack.allowances.iter().map(Allowance::statement));
    }
    needs.statements = merged(needs.statements);
    needs
}

/// The actions of a statement.
pub(super) fn actions(statement: &Value) -> impl Iterator<Item = &str> {
    statement["Action"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The statements with those together that differ in their actions only, in a fixed order.
pub(super) fn merged(statements: Vec<Value>) -> Vec<Value> {
    let mut by_rest: BTreeMap<String, (Value, BTreeSet<String>)> = BTreeMap::new();
    for mut statement in statements {
        let of_it: BTreeSet<String> = actions(&statement).map(str::to_owned).collect();
        statement["Action"] = Value::Null;
        by_rest.entry(statement.to_string()).or_insert_with(|| (statement, BTreeSet::new())).1.extend(of_it);
    }
    let with_actions = |(mut statement, actions): (Value, BTreeSet<String>)| {
        statement["Action"] = actions.into_iter().collect();
        statement
    };
    by_rest.into_values().map(with_actions).collect()
}
