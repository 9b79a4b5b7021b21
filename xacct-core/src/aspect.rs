//! Last-minute additions: what visits every construct before synthesis, in a fixed order.
//!
//! Aspects run on a copy of the tree that synthesis makes for itself, so that synthesizing twice gives the same.

use std::fmt;
use std::sync::Arc;

use crate::tree::{Construct, Node, NodeId};
use crate::value::IntoValue;

/// A visitor that [`Node::add_aspect`] keeps.
#[derive(Clone)]
pub(crate) struct Aspect {
    pub(crate) scope: NodeId,
    pub(crate) visit: Arc<dyn Fn(&Node) + Send + Sync>,
}

impl fmt::Debug for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aspect({:?})", self.scope)
    }
}

impl Node {
    /// Shows this construct and every one below it to `visit`, before synthesis: to add, to override, or to report.
    ///
    /// Visits go from the app downwards; aspects run in the order in which they were added.
    pub fn add_aspect(&self, visit: impl Fn(&Node) + Send + Sync + 'static) {
        let aspect = Aspect { scope: self.id(), visit: Arc::new(visit) };
        self.with(|tree| tree.aspects.push(aspect));
    }

    /// Tags every resource of this construct that can have tags. A tag set further down wins.
    pub fn add_tag(&self, key: &str, value: &str) {
        self.with(|tree| tree[self.id()].tags.push((key.to_owned(), Some(value.to_owned()))));
    }

    /// Takes a tag from further up away again.
    pub fn remove_tag(&self, key: &str) {
        self.with(|tree| tree[self.id()].tags.push((key.to_owned(), None)));
    }

    /// Gives every role and user of this construct a
    /// [permissions boundary](https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html), by the
    /// ARN of a managed policy. One set further down wins.
    pub fn set_permissions_boundary(&self, policy_arn: impl IntoValue<str>) {
        let policy_arn = policy_arn.into_expr();
        self.with(|tree| tree[self.id()].permissions_boundary = Some(policy_arn));
    }
}

/// Runs the aspects over a tree that belongs to nobody else.
pub(crate) fn run(root: &Node) {
    let aspects = root.with(|tree| tree.aspects.clone());
    for aspect in aspects {
        let mut open = vec![root.of(aspect.scope)];
        while let Some(node) = open.pop() {
            (aspect.visit)(node.node());
            let mut children = node.children();
            children.reverse();
            open.append(&mut children);
        }
    }
}
