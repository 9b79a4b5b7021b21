//! Stacks: what is deployed as one, into one environment.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::environment::Environment;
use crate::synthesizer::StackSynthesizer;
use crate::tree::{Construct, Kind, Node, NodeId};

/// A CloudFormation stack in one account and region.
///
/// Its artifact and stack name are its path with `/` turned into `-`, as CDK does it, unless
/// [`StackProps::stack_name`] says otherwise.
#[derive(Clone, Debug)]
pub struct Stack {
    node: Node,
    environment: Environment,
}

/// How to make a [`Stack`].
#[derive(Clone, Debug, Default)]
pub struct StackProps {
    stack_name: Option<String>,
    description: Option<String>,
    termination_protection: bool,
    tags: BTreeMap<String, String>,
    execution_role: Option<String>,
    synthesizer: StackSynthesizer,
}

impl StackProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name in CloudFormation. Default: the path, with dashes.
    #[must_use]
    pub fn stack_name(mut self, name: impl Into<String>) -> Self {
        self.stack_name = Some(name.into());
        self
    }

    /// What the stack is for; at most 1,024 bytes. Default: none.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Protects the stack from being deleted. Default: off.
    #[must_use]
    pub fn termination_protection(mut self, on: bool) -> Self {
        self.termination_protection = on;
        self
    }

    /// The ARN of the role that CloudFormation deploys the stack with. Default: the one that the account's bootstrap has, or
    /// whoever deploys. See [`Stack::set_execution_role`] for a role of the same app.
    #[must_use]
    pub fn execution_role(mut self, arn: impl Into<String>) -> Self {
        self.execution_role = Some(arn.into());
        self
    }

    /// What of the environment's bootstrap the stack is deployed with. Default: its bucket and nothing else,
    /// [`StackSynthesizer::cli_credentials`].
    #[must_use]
    pub fn synthesizer(mut self, synthesizer: StackSynthesizer) -> Self {
        self.synthesizer = synthesizer;
        self
    }

    /// Adds a tag, which CloudFormation gives to the stack and its resources. Default: none.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }
}

#[derive(Clone, Debug)]
pub(crate) struct StackData {
    pub(crate) environment: Environment,
    pub(crate) props: StackProps,
    pub(crate) depends_on: Vec<(NodeId, &'static std::panic::Location<'static>)>,
}

impl StackData {
    pub(crate) fn stack_name<'a>(&'a self, path: &'a str) -> std::borrow::Cow<'a, str> {
        match &self.props.stack_name {
            Some(name) => name.into(),
            None => path.replace('/', "-").into(),
        }
    }

    pub(crate) fn description(&self) -> Option<&str> {
        self.props.description.as_deref()
    }

    pub(crate) fn termination_protection(&self) -> bool {
        self.props.termination_protection
    }

    pub(crate) fn execution_role(&self) -> Option<String> {
        self.props.execution_role.clone().or_else(|| self.props.synthesizer.execution_role(&self.environment))
    }

    pub(crate) fn synthesizer(&self) -> &StackSynthesizer {
        &self.props.synthesizer
    }

    pub(crate) fn tags(&self) -> &BTreeMap<String, String> {
        &self.props.tags
    }
}

impl Node {
    /// The name, in CloudFormation, of the stack that holds this node.
    pub fn stack_name(&self) -> Option<String> {
        self.with(|tree| {
            let path = tree.path(tree.stack_of(self.id())?);
            Some(tree.stack(self.id())?.stack_name(&path).into_owned())
        })
    }
}

impl Stack {
    /// A stack in `scope`: mostly the app.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, environment: Environment, props: StackProps) -> Self {
        let data = StackData { environment: environment.clone(), props, depends_on: Vec::new() };
        Self { node: scope.node().add(id, Kind::Stack(data)), environment }
    }

    /// Where the stack goes.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The name in CloudFormation.
    pub fn stack_name(&self) -> String {
        self.node.stack_name().unwrap_or_default()
    }

    /// Deploys the stack with this role of the app, once the role's own stack is deployed. The role must have a name that is given.
    ///
    /// [`Node::grant_execution`] allows the role what the stack needs. A stack has one such role, of its own account:
    /// anything else is reported.
    #[track_caller]
    pub fn set_execution_role(&self, role: &dyn Construct, arn: &str) {
        let home = role.node().stack();
        let problem = match role.node().environment() {
            Some(environment) if environment.account != self.environment.account => {
                Some("is of another account: CloudFormation takes roles of the stack's own account only")
            }
            _ if home.as_ref().is_some_and(|it| it.id() == self.node.id()) => {
                Some("is in the stack itself, so it is not there when the stack is created")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            let message = format!("the execution role of `{}` {problem}", self.node.path());
            let help = "make it in a stack of the same account that is deployed before";
            return role.node().report(Diagnostic::error("execution-role-place", message).help(help));
        }
        let at = std::panic::Location::caller();
        let before = self.node.with(|tree| {
            let Kind::Stack(data) = &mut tree[self.node.id()].kind else { return None };
            data.depends_on.extend(home.map(|it| (it.id(), at)));
            data.props.execution_role.replace(arn.to_owned())
        });
        if let Some(before) = before.filter(|it| it != arn) {
            let message = format!("`{}` has two execution roles, `{before}` and `{arn}`", self.node.path());
            role.node().report(Diagnostic::error("execution-role-twice", message).help("give it one"));
        }
    }

    /// Deploys `other` before this stack. References add this by themselves.
    #[track_caller]
    pub fn add_dependency(&self, other: &Stack) {
        let at = std::panic::Location::caller();
        self.node.with(|tree| {
            if let Kind::Stack(data) = &mut tree[self.node.id()].kind {
                data.depends_on.push((other.node.id(), at));
            }
        });
    }
}

impl Construct for Stack {
    fn node(&self) -> &Node {
        &self.node
    }
}
