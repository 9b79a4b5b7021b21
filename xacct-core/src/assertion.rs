//! What a program asserts about access: checked by the prover on the finished assembly.

use std::collections::BTreeMap;
use std::panic::Location;

use crate::grant::Grantable;
use crate::policy::{Action, Principal};
use crate::tree::{Construct, Node, NodeId};
use crate::value::{Expr, IntoValue};

#[derive(Clone, Debug)]
pub(crate) struct Assertion {
    pub(crate) node: NodeId,
    pub(crate) principal: Principal,
    pub(crate) action: Action,
    pub(crate) resource: Expr,
    pub(crate) allowed: bool,
    pub(crate) context: BTreeMap<String, Vec<String>>,
    pub(crate) at: &'static Location<'static>,
}

impl Node {
    /// Asserts that `principal` may do `action` on `resource`: `check`, `deploy` and tests prove it, or fail.
    #[track_caller]
    pub fn assert_allowed(&self, principal: &dyn Grantable, action: impl Into<Action>, resource: impl IntoValue<str>) {
        self.assert_access(principal, action.into(), resource.into_expr(), true, BTreeMap::new());
    }

    /// As [`assert_allowed`](Self::assert_allowed), for requests with these context keys, such as
    /// `("ec2:Region", ["eu-west-1"])`. Keys that are not named may have any value.
    #[track_caller]
    pub fn assert_allowed_when<'k>(
        &self,
        principal: &dyn Grantable,
        action: impl Into<Action>,
        resource: impl IntoValue<str>,
        context: impl IntoIterator<Item = (&'k str, &'k str)>,
    ) {
        self.assert_access(principal, action.into(), resource.into_expr(), true, keys(context));
    }

    /// As [`assert_allowed`](Self::assert_allowed), for requests that lack these context keys, such as the tags of a resource
    /// that has none.
    #[track_caller]
    pub fn assert_allowed_without<'k>(
        &self,
        principal: &dyn Grantable,
        action: impl Into<Action>,
        resource: impl IntoValue<str>,
        keys: impl IntoIterator<Item = &'k str>,
    ) {
        let absent = keys.into_iter().map(|key| (key.to_owned(), Vec::new())).collect();
        self.assert_access(principal, action.into(), resource.into_expr(), true, absent);
    }

    /// Asserts that `principal` may not do `action` on `resource`, whatever the values that are not known yet.
    #[track_caller]
    pub fn assert_denied(&self, principal: &dyn Grantable, action: impl Into<Action>, resource: impl IntoValue<str>) {
        self.assert_access(principal, action.into(), resource.into_expr(), false, BTreeMap::new());
    }

    /// As [`assert_denied`](Self::assert_denied), for requests with these context keys.
    #[track_caller]
    pub fn assert_denied_when<'k>(
        &self,
        principal: &dyn Grantable,
        action: impl Into<Action>,
        resource: impl IntoValue<str>,
        context: impl IntoIterator<Item = (&'k str, &'k str)>,
    ) {
        self.assert_access(principal, action.into(), resource.into_expr(), false, keys(context));
    }

    #[track_caller]
    fn assert_access(
        &self,
        principal: &dyn Grantable,
        action: Action,
        resource: Expr,
        allowed: bool,
        context: BTreeMap<String, Vec<String>>,
    ) {
        let at = Location::caller();
        let principal = principal.grant_principal();
        let node = self.node().id();
        self.with(|tree| tree.assertions.push(Assertion { node, principal, action, resource, allowed, context, at }));
    }
}

fn keys<'k>(context: impl IntoIterator<Item = (&'k str, &'k str)>) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in context {
        keys.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    keys
}
