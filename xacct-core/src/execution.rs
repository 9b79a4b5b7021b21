//! The role that CloudFormation deploys a stack with: allowed exactly what creating, updating and deleting the stack's
//! resources needs, as AWS publishes it.
//!
//! The permissions follow from the stack's template, so stacks are rendered once to learn them, and again with them.

use std::panic::Location;

use serde_json::{Value as Json, json};
use xacct_schema::permissions::{Allowance, StackPermissions, Target, of_stack};

use crate::assembly::StackArtifact;
use crate::diagnostic::Diagnostic;
use crate::environment::Environment;
use crate::policy::Statement;
use crate::stack::Stack;
use crate::tree::{Node, NodeId, Tree};

#[derive(Clone, Debug)]
pub(crate) struct Execution {
    role: NodeId,
    stack: NodeId,
    at: &'static Location<'static>,
}

impl Node {
    /// Allows this role, which CloudFormation assumes, what creating, updating and deleting the resources of `stack` needs:
    /// see [`StackArtifact::permissions`].
    ///
    /// What is not known is reported as a warning (`execution-role`): resource types whose needs AWS does not publish, which are to
    /// be allowed by hand, and identities that the stack changes but does not name.
    #[track_caller]
    pub fn grant_execution(&self, stack: &Stack) {
        use crate::tree::Construct;
        let execution = Execution { role: self.id(), stack: stack.node().id(), at: Location::caller() };
        self.with(|tree| tree.executions.push(execution));
    }
}

impl StackArtifact {
    /// What the role that CloudFormation deploys this stack with needs to be allowed, and what is not known about that.
    ///
    /// [`StackArtifact::execution_policy`] has the same as a policy.
    pub fn permissions(&self) -> StackPermissions {
        needed(&self.template, &self.environment, &self.stack_name, !self.tags.is_empty())
    }

    /// The policy of the role that CloudFormation deploys this stack with, as a document of IAM: the exact actions that creating,
    /// updating and deleting its resources needs. Resource types whose needs are not published are not in it:
    /// [`StackArtifact::permissions`] lists them.
    pub fn execution_policy(&self) -> Json {
        let statements: Vec<Json> = self.permissions().allowances.iter().map(Allowance::statement).collect();
        json!({ "Version": "2012-10-17", "Statement": statements })
    }
}

fn needed(template: &Json, environment: &Environment, stack_name: &str, tagged: bool) -> StackPermissions {
    let target = Target {
        partition: environment.region.partition(),
        region: environment.region.as_str(),
        account: environment.account.as_str(),
        stack_name,
        tagged,
    };
    of_stack(template, &target)
}

/// The statements of each execution role, from the templates of the stacks, and what has to be said about them.
pub(crate) fn statements(
    tree: &Tree,
    template: &dyn Fn(NodeId) -> Option<Json>,
) -> (Vec<(NodeId, Statement)>, Vec<Diagnostic>) {
    let (mut statements, mut diagnostics) = (Vec::new(), Vec::new());
    for execution in &tree.executions {
        let Some(template) = template(execution.stack).filter(|_| tree.owns(execution.stack)) else {
            diagnostics.push(
                Diagnostic::error("foreign-construct", "an execution role is for a stack of another app")
                    .path(tree.path(execution.role))
                    .at(execution.at)
                    .help("make both in one app"),
            );
            continue;
        };
        let Some(stack) = tree.stack(execution.stack) else { continue };
        let path = tree.path(execution.stack);
        let needed = needed(&template, &stack.environment, &stack.stack_name(&path), !stack.tags().is_empty());
        report(tree, execution, &needed, &path, &mut diagnostics);
        statements.extend(needed.allowances.into_iter().map(|it| (execution.role, statement(it))));
    }
    (statements, diagnostics)
}

fn statement(allowance: Allowance) -> Statement {
    let statement = Statement::allow(allowance.actions).on(allowance.resources);
    allowance
        .conditions
        .into_iter()
        .fold(statement, |statement, ((operator, key), values)| statement.when(operator, key, values))
}

fn report(
    tree: &Tree,
    execution: &Execution,
    needed: &StackPermissions,
    stack: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut warn = |message: String, help: &str| {
        let warning = Diagnostic::warning("execution-role", message);
        diagnostics.push(warning.path(tree.path(execution.role)).at(execution.at).help(help));
    };
    for (kind, ids) in &needed.unknown {
        warn(
            format!("what CloudFormation needs for `{kind}` is not published ({} in `{stack}`)", ids.join(", ")),
            "add a statement with the actions that create, update and delete it, and silence this",
        );
    }
    for (kind, ids) in &needed.unnamed {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        warn(
            format!(
                "`{stack}` changes a {kind} that it does not name ({}), so its role may change any",
                ids.join(", ")
            ),
            "name it by text, or make it in the same stack",
        );
    }
}
