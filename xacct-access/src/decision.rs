//! The answer, and what it rests on.

use std::fmt;
use std::sync::Arc;

use crate::policy::Effect;
use crate::position::Position;
use crate::symbol::Symbol;

/// Is a request allowed?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Allowed, whatever the unknowns turn out to be.
    Allowed,
    /// Denied, because something that must allow it does not.
    ImplicitlyDenied,
    /// Denied by a statement.
    ExplicitlyDenied,
    /// It depends on something that is not known.
    Unknown,
}

impl Verdict {
    /// Allowed, or perhaps allowed: what a search for "who gets in" must list.
    #[must_use]
    pub fn may_be_allowed(self) -> bool {
        matches!(self, Verdict::Allowed | Verdict::Unknown)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Allowed => "allowed",
            Verdict::ImplicitlyDenied => "denied, nothing allows it",
            Verdict::ExplicitlyDenied => "denied explicitly",
            Verdict::Unknown => "unknown",
        })
    }
}

/// A [`Verdict`] with its grounds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// Every statement that was looked at, in the order of the policies.
    pub trace: Vec<Traced>,
    /// What must allow the request and does not, or not for certain; empty if it is allowed.
    pub missing: Vec<Missing>,
    /// Why the answer is unknown; empty if it is known.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// The statements on which the answer rests: those that deny, or those that allow, or those that may do either.
    pub fn decisive(&self) -> impl Iterator<Item = &Traced> {
        let verdict = self.verdict;
        self.trace.iter().filter(move |traced| match verdict {
            Verdict::Allowed => traced.effect == Effect::Allow && traced.outcome == Outcome::Applies,
            Verdict::ExplicitlyDenied => traced.effect == Effect::Deny && traced.outcome == Outcome::Applies,
            Verdict::ImplicitlyDenied => false,
            Verdict::Unknown => !matches!(traced.outcome, Outcome::Fails(_)),
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        for traced in self.decisive() {
            write!(f, "\n  {traced}")?;
        }
        for missing in &self.missing {
            write!(f, "\n  missing: {missing}")?;
        }
        for reason in &self.reasons {
            write!(f, "\n  because {reason}")?;
        }
        Ok(())
    }
}

/// One statement and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Traced {
    /// In which role its policy was looked at.
    pub layer: Layer,
    /// The policy's name.
    pub policy: Arc<str>,
    /// The statement's place in the policy, from 0; `None` for a policy that nobody can see.
    pub statement: Option<usize>,
    /// Its `Sid`.
    pub sid: Option<String>,
    /// Where it stands.
    pub position: Position,
    /// Does it allow or deny?
    pub effect: Effect,
    /// Does it apply?
    pub outcome: Outcome,
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        write!(f, "{effect} by {} `{}`", self.layer, self.policy)?;
        match (&self.sid, self.statement) {
            (Some(sid), _) => write!(f, ", statement `{sid}`")?,
            (None, Some(index)) => write!(f, ", statement {index}")?,
            (None, None) => f.write_str(", whose document is not known")?,
        }
        if let Some(place) = self.position.place {
            write!(f, " at {}:{}", place.line, place.column)?;
        }
        match &self.outcome {
            Outcome::Applies => Ok(()),
            Outcome::MayApply => f.write_str(" (perhaps)"),
            Outcome::Fails(mismatch) => write!(f, " (not: {mismatch})"),
        }
    }
}

/// What became of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It applies, whatever the unknowns turn out to be.
    Applies,
    /// It may apply.
    MayApply,
    /// It does not apply, because of this element.
    Fails(Mismatch),
}

/// The element because of which a statement does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// It names somebody else.
    Principal,
    /// It is about another action.
    Action,
    /// It is about another resource.
    Resource,
    /// A condition does not hold.
    Condition {
        /// The operator as written.
        operator: String,
        /// The context key as written.
        key: String,
        /// Where the condition stands.
        position: Position,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Principal => f.write_str("it names another principal"),
            Mismatch::Action => f.write_str("it is about another action"),
            Mismatch::Resource => f.write_str("it is about another resource"),
            Mismatch::Condition { operator, key, .. } => {
                write!(f, "`{operator}` on `{key}` does not hold")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Principal,
    Action,
    Resource,
    /// Its index.
    Condition(usize),
}

/// In which role a policy takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Layer {
    /// A policy of the caller.
    Identity,
    /// The caller's permissions boundary.
    Boundary,
    /// A policy passed with the session.
    Session,
    /// The policy of the resource.
    Resource,
    /// A service control policy, with the level in the organization, from 0 at the root.
    ServiceControl(usize),
    /// A resource control policy, with its level.
    ResourceControl(usize),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layer::Identity => f.write_str("identity policy"),
            Layer::Boundary => f.write_str("permissions boundary"),
            Layer::Session => f.write_str("session policy"),
            Layer::Resource => f.write_str("resource policy"),
            Layer::ServiceControl(level) => write!(f, "service control policy (level {level})"),
            Layer::ResourceControl(level) => write!(f, "resource control policy (level {level})"),
        }
    }
}

/// Something that must allow a request and does not for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// No policy of this layer allows it.
    Allow(Layer),
    /// Neither the caller's nor the resource's policy allows it; within an account one would do.
    IdentityOrResource,
    /// The key or trust policy neither names the caller nor leaves the decision to the account's policies.
    Delegation,
    /// `iam:PassRole` passes roles of the caller's own account only.
    PassRoleAcrossAccounts,
    /// KMS does not take this action from another account.
    KmsActionAcrossAccounts,
    /// The service takes only signed requests.
    Signature,
    /// STS lets users and sessions assume roles, but not the root user.
    RootAssumesNoRole,
    /// The credentials of a federated user (`sts:GetFederationToken`) are good for no call to STS.
    FederatedUserCallsNoSts,
    /// Somebody from an identity provider can only assume a role.
    RoleFirst,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Allow(layer) => write!(f, "no {layer} allows it"),
            Missing::IdentityOrResource => f.write_str("neither an identity policy nor the resource policy allows it"),
            Missing::Delegation => f.write_str(
                "the key or trust policy neither names the caller nor, through the account, lets its policies decide",
            ),
            Missing::PassRoleAcrossAccounts => f.write_str("a role cannot be passed to another account"),
            Missing::KmsActionAcrossAccounts => f.write_str("KMS does not take this action from another account"),
            Missing::Signature => f.write_str("the service takes only signed requests"),
            Missing::RootAssumesNoRole => f.write_str("the root user cannot assume roles"),
            Missing::FederatedUserCallsNoSts => {
                f.write_str("a federated user's credentials are good for no call to STS")
            }
            Missing::RoleFirst => f.write_str("a federated principal must assume a role first"),
        }
    }
}

/// Why an answer is not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The value of this context key is not known.
    Key(String),
    /// What this expression stands for is not known.
    Symbol(Symbol),
    /// A value of a policy that is not known, or not usable where it stands.
    Value(String),
    /// A policy variable that cannot be resolved, which may void its statement.
    Variable(String),
    /// Whether this principal is the caller is not known.
    Principal(String),
    /// The template decides whether the statement is there.
    Statement,
    /// The document of this policy is not known.
    Policy(String),
    /// The policy that decides about this key or role is not given.
    NoResourcePolicy(String),
    /// The caller's or the resource's account is not known.
    Account,
    /// AWS does not document this.
    Undocumented(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Key(key) => write!(f, "the context key `{key}` is not known"),
            Reason::Symbol(symbol) => write!(f, "what `{}` stands for is not known", symbol.name()),
            Reason::Value(value) => write!(f, "the value `{value}` is not known"),
            Reason::Variable(variable) => {
                write!(f, "the policy variable `{variable}` cannot be resolved: this may void its statement")
            }
            Reason::Principal(principal) => write!(f, "whether the principal `{principal}` is the caller is not known"),
            Reason::Statement => f.write_str("the template decides at deployment whether the statement is there"),
            Reason::Policy(name) => write!(f, "the document of the policy `{name}` is not known"),
            Reason::NoResourcePolicy(resource) => {
                write!(f, "the policy of `{resource}`, which decides about it, is not given")
            }
            Reason::Account => f.write_str("whether caller and resource are in the same account is not known"),
            Reason::Undocumented(what) => write!(f, "AWS does not document this: {what}"),
        }
    }
}
