//! The role that CloudFormation deploys a stack with: allowed exactly what creating, updating and deleting the stack's
//! resources needs, as AWS publishes it.
//!
//! The permissions follow from the types of the resources, so they are worked out at synthesis, when the stack is whole.

use std::panic::Location;

use serde_json::{Map, Value as Json, json};

use crate::diagnostic::Diagnostic;
use crate::grant::Policies;
use crate::policy::{PolicySlot, Statement};
use crate::stack::Stack;
use crate::tree::{Construct, Kind, Node, NodeId, Tree};

#[derive(Clone, Debug)]
pub(crate) struct Execution {
    role: NodeId,
    stack: NodeId,
    at: &'static Location<'static>,
}

impl Node {
    /// Allows this role, which CloudFormation assumes, what creating, updating and deleting the resources of `stack` needs.
    ///
    /// Types whose needs AWS does not publish are reported as a warning (`execution-role`): allow those by hand.
    #[track_caller]
    pub fn grant_execution(&self, stack: &Stack) {
        let execution = Execution { role: self.id(), stack: stack.node().id(), at: Location::caller() };
        self.with(|tree| tree.executions.push(execution));
    }
}

/// Adds the statements to the policies of the roles.
pub(crate) fn realize(tree: &Tree, policies: &mut Policies, diagnostics: &mut Vec<Diagnostic>) {
    for execution in &tree.executions {
        if !tree.owns(execution.stack) {
            diagnostics.push(
                Diagnostic::error("foreign-construct", "an execution role is for a stack of another app")
                    .path(tree.path(execution.role))
                    .at(execution.at)
                    .help("make both in one app"),
            );
            continue;
        }
        let statements = statements(tree, execution, diagnostics);
        policies.entry((execution.role, PolicySlot::Identity)).or_default().extend(statements);
    }
}

fn statements(tree: &Tree, execution: &Execution, diagnostics: &mut Vec<Diagnostic>) -> Vec<Statement> {
    let Some(stack) = tree.stack(execution.stack) else { return Vec::new() };
    let path = tree.path(execution.stack);
    let needed = xacct_schema::permissions::of_template(&outline(tree, execution.stack), !stack.tags().is_empty());
    for (kind, ids) in &needed.unknown {
        let message =
            format!("what CloudFormation needs for `{kind}` is not published ({} in `{path}`)", ids.join(", "));
        diagnostics.push(
            Diagnostic::warning("execution-role", message)
                .path(tree.path(execution.role))
                .at(execution.at)
                .help("add a statement with the actions that create, update and delete it, and silence this"),
        );
    }
    let environment = &stack.environment;
    let (partition, account) = (environment.region.partition(), environment.account);
    let (pass, others): (Vec<&str>, Vec<&str>) = needed.actions.iter().partition(|it| **it == "iam:PassRole");
    let mut statements = Vec::new();
    if !others.is_empty() {
        // Most resources have no name before they are made, so that `*` is all that can be said of them; it is the list
        // of actions that keeps this role small.
        statements.push(Statement::allow(others).on(["*"]));
    }
    if !pass.is_empty() {
        // The roles that the stack makes: under its name, or under one of their own.
        let mut roles = vec![format!("arn:{partition}:iam::{account}:role/{}-*", stack.stack_name(&path))];
        roles.extend(named_roles(tree, execution.stack).map(|it| format!("arn:{partition}:iam::{account}:role/{it}")));
        statements.push(Statement::allow(pass).on(roles));
    }
    statements
}

/// The stack's resources by type, and which properties each has.
fn outline(tree: &Tree, stack: NodeId) -> Json {
    let mut resources = Map::new();
    for id in tree.descendants(stack) {
        if let Kind::Resource(resource) = &tree[id].kind {
            let mut properties: Map<String, Json> =
                resource.props.iter().map(|(name, _)| (name.to_string(), true.into())).collect();
            let has_tags = tree.ancestors(id).any(|it| !tree[it].tags.is_empty());
            let schema = xacct_schema::resource_type(&resource.cfn_type);
            if let Some(property) = schema.and_then(|it| it.tag_property()).filter(|_| has_tags) {
                properties.insert(property.to_owned(), true.into());
            }
            let resource = json!({ "Type": resource.cfn_type, "Properties": properties });
            resources.insert(tree.path(id), resource);
        }
    }
    json!({ "Resources": resources })
}

fn named_roles(tree: &Tree, stack: NodeId) -> impl Iterator<Item = String> + '_ {
    tree.descendants(stack).filter_map(|id| match &tree[id].kind {
        Kind::Resource(resource) if resource.cfn_type == "AWS::IAM::Role" => {
            resource.physical_name.as_ref()?.given().map(str::to_owned)
        }
        _ => None,
    })
}
