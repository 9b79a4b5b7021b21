//! Stacks: what is deployed as one, into one environment.

use std::collections::BTreeMap;

use crate::environment::Environment;
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
    /// whoever deploys. [`Node::grant_execution`] makes one that may do no more than the stack needs.
    #[must_use]
    pub fn execution_role(mut self, arn: impl Into<String>) -> Self {
        self.execution_role = Some(arn.into());
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

    pub(crate) fn execution_role(&self) -> Option<&str> {
        self.props.execution_role.as_deref()
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
