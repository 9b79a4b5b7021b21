//! Policy statements as a program writes them: actions, principals, conditions over typed values.
//!
//! Statements are gathered on nodes, in slots. Synthesis renders them: it merges what can be one statement, sorts,
//! removes duplicates, and finds the form that a principal of another account takes.

use std::panic::Location;

use crate::diagnostic::Diagnostic;
use crate::environment::AccountId;
use crate::tree::{Construct, Node, NodeId};
use crate::value::{Expr, IntoValue, Json, Lazy, Text, Value};

/// Which policy of a construct a statement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicySlot {
    /// What a principal may do: the policy of a role, user or group.
    Identity,
    /// Who may do what with a resource: a bucket policy, a key policy.
    Resource,
    /// Who may assume a role.
    Trust,
}

/// Whether a statement allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// `Allow`
    Allow,
    /// `Deny`
    Deny,
}

/// An IAM action, such as `s3:GetObject`, or a pattern of actions.
///
/// [`action!`](crate::action) checks a literal when it is compiled; plain text is checked at synthesis. For an action that
/// is newer than this crate, silence the finding `unknown-action` with that reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action(Text);

impl Action {
    /// An action whose text [`action!`](crate::action) has checked.
    #[doc(hidden)]
    pub const fn checked(name: &'static str) -> Self {
        Self(Text::Borrowed(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Action {
    fn from(name: &str) -> Self {
        Self(name.to_owned().into())
    }
}

impl From<String> for Action {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

/// A principal: who is allowed or denied something.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    pub(crate) kind: PrincipalKind,
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PrincipalKind {
    /// A role or user of this app, whose own policy grants can extend.
    Identity {
        node: NodeId,
        arn: Expr,
    },
    Account(AccountId),
    Service(Text),
    Arn(Expr),
    Federated(Expr),
    Anyone,
}

impl Principal {
    fn of(kind: PrincipalKind) -> Self {
        Self { kind, conditions: Vec::new() }
    }

    /// A role, user or group of this app: `construct` gathers its identity policy in [`PolicySlot::Identity`].
    pub fn identity<T: ?Sized>(construct: &dyn Construct, arn: Value<T>) -> Self {
        Self::of(PrincipalKind::Identity { node: construct.node().id(), arn: arn.into_expr() })
    }

    /// A whole account: its root user, and whomever the account itself gives the permission.
    pub fn account(account: AccountId) -> Self {
        Self::of(PrincipalKind::Account(account))
    }

    /// An AWS service, such as `codebuild.amazonaws.com`.
    pub fn service(name: impl Into<Text>) -> Self {
        Self::of(PrincipalKind::Service(name.into()))
    }

    /// A principal that the app does not own, by its ARN.
    pub fn arn(arn: impl IntoValue<str>) -> Self {
        Self::of(PrincipalKind::Arn(arn.into_expr()))
    }

    /// An identity provider, by its ARN.
    pub fn federated(provider: impl IntoValue<str>) -> Self {
        Self::of(PrincipalKind::Federated(provider.into_expr()))
    }

    /// Anyone at all: `*`. Mind the conditions.
    pub fn anyone() -> Self {
        Self::of(PrincipalKind::Anyone)
    }

    /// The same principal under a condition.
    #[must_use]
    pub fn when<V: IntoValue<str>>(
        mut self,
        operator: &'static str,
        key: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.conditions.push(Condition::new(operator, key, values));
        self
    }
}

/// A condition of a statement: an operator, a context key, and the values of which one must match.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub(crate) operator: Text,
    pub(crate) key: Text,
    pub(crate) values: Vec<Expr>,
}

impl Condition {
    /// A condition such as `("StringEquals", "aws:SourceAccount", ["111111111111"])`. See
    /// [the operators](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).
    pub fn new<V: IntoValue<str>>(
        operator: impl Into<Text>,
        key: impl Into<Text>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self {
            operator: operator.into(),
            key: key.into(),
            values: values.into_iter().map(IntoValue::into_expr).collect(),
        }
    }
}

/// A policy statement.
///
/// ```
/// use xacct_core::policy::{Principal, Statement};
/// let statement = Statement::allow(["s3:GetObject"])
///     .on(["arn:aws:s3:::releases/*"])
///     .to(Principal::service("cloudfront.amazonaws.com"))
///     .when("StringEquals", "aws:SourceAccount", ["111111111111"]);
/// # let _ = statement;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub(crate) sid: Option<Text>,
    pub(crate) effect: Effect,
    pub(crate) principals: Vec<Principal>,
    pub(crate) actions: Vec<Action>,
    pub(crate) not_actions: Vec<Action>,
    pub(crate) resources: Vec<Expr>,
    pub(crate) not_resources: Vec<Expr>,
    pub(crate) conditions: Vec<Condition>,
}

impl Statement {
    fn new(effect: Effect) -> Self {
        Self {
            sid: None,
            effect,
            principals: Vec::new(),
            actions: Vec::new(),
            not_actions: Vec::new(),
            resources: Vec::new(),
            not_resources: Vec::new(),
            conditions: Vec::new(),
        }
    }

    /// Allows actions.
    pub fn allow<A: Into<Action>>(actions: impl IntoIterator<Item = A>) -> Self {
        Self { actions: actions.into_iter().map(Into::into).collect(), ..Self::new(Effect::Allow) }
    }

    /// Denies actions.
    pub fn deny<A: Into<Action>>(actions: impl IntoIterator<Item = A>) -> Self {
        Self { actions: actions.into_iter().map(Into::into).collect(), ..Self::new(Effect::Deny) }
    }

    /// Denies all but these actions (`NotAction`).
    pub fn deny_all_but<A: Into<Action>>(actions: impl IntoIterator<Item = A>) -> Self {
        Self { not_actions: actions.into_iter().map(Into::into).collect(), ..Self::new(Effect::Deny) }
    }

    /// On these resources.
    #[must_use]
    pub fn on<R: IntoValue<str>>(mut self, resources: impl IntoIterator<Item = R>) -> Self {
        self.resources.extend(resources.into_iter().map(IntoValue::into_expr));
        self
    }

    /// On all but these resources (`NotResource`).
    #[must_use]
    pub fn on_all_but<R: IntoValue<str>>(mut self, resources: impl IntoIterator<Item = R>) -> Self {
        self.not_resources.extend(resources.into_iter().map(IntoValue::into_expr));
        self
    }

    /// For a principal. Several calls name several.
    #[must_use]
    pub fn to(mut self, principal: Principal) -> Self {
        self.principals.push(principal);
        self
    }

    /// Under a condition. Several calls must all hold.
    #[must_use]
    pub fn when<V: IntoValue<str>>(
        mut self,
        operator: impl Into<Text>,
        key: impl Into<Text>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.conditions.push(Condition::new(operator, key, values));
        self
    }

    /// Every expression in it.
    pub(crate) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let of_principals = self.principals.iter().flat_map(|it| {
            let arn = match &it.kind {
                PrincipalKind::Identity { arn, .. } | PrincipalKind::Arn(arn) | PrincipalKind::Federated(arn) => {
                    Some(arn)
                }
                PrincipalKind::Account(_) | PrincipalKind::Service(_) | PrincipalKind::Anyone => None,
            };
            arn.into_iter().chain(it.conditions.iter().flat_map(|it| &it.values))
        });
        let of_conditions = self.conditions.iter().flat_map(|it| &it.values);
        self.resources.iter().chain(&self.not_resources).chain(of_conditions).chain(of_principals)
    }

    /// Names the statement. A named statement is never merged with another.
    #[must_use]
    pub fn sid(mut self, sid: impl Into<Text>) -> Self {
        self.sid = Some(sid.into());
        self
    }
}

/// A policy document written out in place, for a property that takes one. Constructs gather their statements on nodes
/// instead: [`Node::add_statement`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyDocument {
    pub(crate) statements: Vec<Statement>,
}

impl PolicyDocument {
    /// A document of these statements.
    pub fn new(statements: impl IntoIterator<Item = Statement>) -> Self {
        Self { statements: statements.into_iter().collect() }
    }
}

#[diagnostic::do_not_recommend]
impl IntoValue<Json> for PolicyDocument {
    fn into_expr(self) -> Expr {
        Expr::Document(Box::new(self))
    }
}

impl Node {
    /// Adds a statement to one of this construct's policies.
    pub fn add_statement(&self, slot: PolicySlot, statement: Statement) {
        self.with(|tree| tree[self.id()].statements.entry(slot).or_default().push(statement));
    }

    /// The policy document of a slot, with everything that will have been added and granted by the time of synthesis.
    pub fn policy(&self, slot: PolicySlot) -> Value<Json> {
        Value::from_expr(Expr::Lazy(Lazy::Policy(self.id(), slot)))
    }
}

/// What is wrong with the text of an action, if anything.
pub(crate) fn check_action(action: &Action, at: &'static Location<'static>, path: &str) -> Option<Diagnostic> {
    let text = action.as_str();
    if text == "*" {
        return None;
    }
    let Some((service, _)) = text.split_once(':') else {
        return Some(
            Diagnostic::error("unknown-action", format!("`{text}` is not an action"))
                .path(path)
                .at(at)
                .help("write it as `service:Action`, for example `s3:GetObject`"),
        );
    };
    let known =
        xacct_schema::actions::find_action(text).is_some() || xacct_schema::actions::expand(text).next().is_some();
    if known {
        return None;
    }
    let help = match xacct_schema::actions::nearest(text) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if !xacct_schema::actions::service_exists(service) => {
            format!("there is no service with the prefix `{service}`")
        }
        None => format!("look for it among the actions of `{service}` in the service authorization reference"),
    };
    Some(Diagnostic::error("unknown-action", format!("AWS has no action `{text}`")).path(path).at(at).help(help))
}

/// An action whose name is checked when the program is compiled.
///
/// ```
/// use xacct_core::action;
/// assert_eq!(action!("s3:GetObject").as_str(), "s3:GetObject");
/// ```
/// ```compile_fail
/// use xacct_core::action;
/// let misspelt = action!("s3:GetObjet");
/// ```
#[macro_export]
macro_rules! action {
    ($name:literal) => {{
        const { assert!($crate::__schema::actions::is_known($name), concat!("AWS has no action `", $name, "`")) };
        $crate::policy::Action::checked($name)
    }};
}
