//! Permissions as intent: a grant is recorded when it is asked for, and turned into policy statements at synthesis,
//! when the accounts of both sides are known. So the order of calls does not show.
//!
//! Within an account the identity's own policy suffices. Across accounts both sides must allow; there the resource's
//! policy names the other account's root, narrowed by `aws:PrincipalArn`: AWS checks that a principal exists but does
//! not check a condition, so no order between the stacks arises from it.

use std::collections::BTreeMap;
use std::panic::Location;

use crate::diagnostic::Diagnostic;
use crate::environment::AccountId;
use crate::policy::{Action, Condition, PolicySlot, Principal, PrincipalKind, Statement};
use crate::tree::{Construct, Node, NodeId, Tree};
use crate::value::IntoValue;

/// Who may be granted a permission: roles, users, services, accounts.
pub trait Grantable {
    /// The principal behind it.
    fn grant_principal(&self) -> Principal;
}

impl Grantable for Principal {
    fn grant_principal(&self) -> Principal {
        self.clone()
    }
}

impl Grantable for AccountId {
    fn grant_principal(&self) -> Principal {
        Principal::account(*self)
    }
}

/// A permission in the making: which actions, on what, for whom.
///
/// Constructs offer methods such as `grant_read` that make these.
/// ```
/// # use xacct_core::{Construct, Grant, Grantable, Node, Value};
/// /// Lets `grantee` publish to a topic.
/// fn grant_publish(topic: &Node, grantee: &dyn Grantable) {
///     let arn: Value<str> = topic.reference();
///     Grant::new(topic, grantee, ["sns:Publish"]).on([&arn]).in_policy([&arn]).record();
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a grant counts once it is recorded"]
pub struct Grant {
    pub(crate) node: Node,
    pub(crate) grantee: Principal,
    pub(crate) identity: Statement,
    pub(crate) across: Option<Statement>,
    pub(crate) policy: Option<(PolicySlot, Statement)>,
    pub(crate) at: &'static Location<'static>,
}

impl Grant {
    /// A grant of `actions` concerning `resource`, whose resource policy, if it has one, is the
    /// [`PolicySlot::Resource`] of its node.
    #[track_caller]
    pub fn new<A: Into<Action>>(
        resource: &dyn Construct,
        grantee: &dyn Grantable,
        actions: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            node: resource.node().clone(),
            grantee: grantee.grant_principal(),
            identity: Statement::allow(actions),
            across: None,
            policy: None,
            at: Location::caller(),
        }
    }

    /// The resources that the identity's policy names.
    pub fn on<R: IntoValue<str>>(mut self, resources: impl IntoIterator<Item = R>) -> Self {
        self.identity = self.identity.on(resources);
        self
    }

    /// A condition in the identity's policy.
    pub fn when<V: IntoValue<str>>(
        mut self,
        operator: &'static str,
        key: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.identity.conditions.push(Condition::new(operator, key, values));
        self
    }

    /// What the policy of an identity in *another* account says instead: for resources whose ARN cannot be known there.
    pub fn across_accounts(mut self, statement: Statement) -> Self {
        self.across = Some(Statement { actions: self.identity.actions.clone(), ..statement });
        self
    }

    /// The resource has a policy of its own, which names these resources (for a key: `*`). It is written for principals
    /// of other accounts and for services. Without this, such a grant is an error.
    pub fn in_policy<R: IntoValue<str>>(mut self, resources: impl IntoIterator<Item = R>) -> Self {
        let statement = Statement::allow(self.identity.actions.clone()).on(resources);
        self.policy = Some((PolicySlot::Resource, statement));
        self
    }

    /// The resource is a role, whose trust policy always names who may assume it, within an account too.
    pub fn in_trust_policy(mut self) -> Self {
        self.policy = Some((PolicySlot::Trust, Statement::allow(self.identity.actions.clone())));
        self
    }

    /// Records the grant.
    pub fn record(self) {
        let node = self.node.clone();
        let stored = StoredGrant {
            resource: node.id(),
            grantee: self.grantee,
            identity: self.identity,
            across: self.across,
            policy: self.policy,
            at: self.at,
        };
        node.with(|tree| tree.grants.push(stored));
    }
}

/// A recorded grant: ids in place of handles.
#[derive(Clone, Debug)]
pub(crate) struct StoredGrant {
    resource: NodeId,
    grantee: Principal,
    identity: Statement,
    across: Option<Statement>,
    policy: Option<(PolicySlot, Statement)>,
    at: &'static Location<'static>,
}

/// The statements of every policy: those written by hand, and those that the grants come to.
pub(crate) type Policies = BTreeMap<(NodeId, PolicySlot), Vec<Statement>>;

pub(crate) fn realize(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Policies {
    let mut policies = Policies::new();
    for id in tree.ids() {
        for (slot, statements) in &tree[id].statements {
            policies.entry((id, *slot)).or_default().extend(statements.iter().cloned());
        }
    }
    for grant in &tree.grants {
        if let Err(diagnostic) = realize_one(tree, grant, &mut policies) {
            diagnostics.push(*diagnostic);
        }
    }
    policies
}

fn realize_one(tree: &Tree, grant: &StoredGrant, policies: &mut Policies) -> Result<(), Box<Diagnostic>> {
    let owner = tree.environment_of(grant.resource).map(|it| it.account);
    let mut needs_policy = true;
    if let PrincipalKind::Identity { node, .. } = &grant.grantee.kind {
        if !tree.owns(*node) {
            return Err(Box::new(foreign(tree, grant)));
        }
        let across = tree.environment_of(*node).map(|it| it.account) != owner;
        let mut statement = match &grant.across {
            Some(statement) if across => statement.clone(),
            _ => grant.identity.clone(),
        };
        statement.conditions.extend(grant.grantee.conditions.iter().cloned());
        policies.entry((*node, PolicySlot::Identity)).or_default().push(statement);
        needs_policy = across || matches!(grant.policy, Some((PolicySlot::Trust, _)));
    }
    if !needs_policy {
        return Ok(());
    }
    match &grant.policy {
        Some((slot, statement)) => {
            let statement = statement.clone().to(grant.grantee.clone());
            policies.entry((grant.resource, *slot)).or_default().push(statement);
            Ok(())
        }
        None => {
            let path = tree.path(grant.resource);
            let actions: Vec<&str> = grant.identity.actions.iter().map(Action::as_str).collect();
            let message = format!(
                "`{}` on `{path}` cannot be granted to a principal outside of its account",
                actions.join("`, `")
            );
            Err(Box::new(
                Diagnostic::error("no-resource-policy", message)
                    .path(path)
                    .at(grant.at)
                    .help("this resource has no policy of its own: let the principal assume a role in the resource's account, and grant to that role"),
            ))
        }
    }
}

fn foreign(tree: &Tree, grant: &StoredGrant) -> Diagnostic {
    Diagnostic::error("foreign-construct", "a permission is granted to a construct of another app")
        .path(tree.path(grant.resource))
        .at(grant.at)
        .help("make both in one app, or name the principal by its ARN: `Principal::arn`")
}
