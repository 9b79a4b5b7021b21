//! The policy model: what a document says, compiled for matching, with the place of everything.

use std::sync::Arc;

use crate::condition::Condition;
use crate::decision::{Failure, Reason};
use crate::pattern::Pattern;
use crate::position::Position;
use crate::principal::Principals;
use crate::record::{Record, Silent};
use crate::request::Request;
use crate::text::Text;
use crate::tri::Tri;

/// What a policy is attached to: this decides which elements it must and must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// A user's, group's or role's policy, also one that is used as a permissions boundary or passed with a session.
    Identity,
    /// The policy of a bucket, key, secret, topic, …
    Resource,
    /// The policy of a role that says who may assume it.
    Trust,
    /// A service control policy of an organization.
    ServiceControl,
    /// A resource control policy of an organization.
    ResourceControl,
}

/// The version of the policy language. Only the newer one has variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// `2008-10-17`, what AWS takes when the element is missing.
    #[default]
    V2008,
    /// `2012-10-17`
    V2012,
}

/// A policy, parsed and ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) name: Arc<str>,
    pub(crate) kind: PolicyKind,
    pub(crate) version: Version,
    pub(crate) id: Option<Text>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) unseen: Option<Unseen>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Unseen {
    pub(crate) may_deny: bool,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(crate) index: usize,
    pub(crate) sid: Option<Text>,
    pub(crate) effect: Effect,
    pub(crate) principals: Option<Principals>,
    pub(crate) actions: Elements,
    pub(crate) resources: Option<Elements>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) certain: bool,
    pub(crate) position: Position,
}

/// `Allow` or `Deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Grants what matches.
    Allow,
    /// Refuses what matches, whatever else grants it.
    Deny,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Elements {
    /// It is the `Not…` element.
    pub negated: bool,
    /// Its values.
    pub patterns: Vec<Pattern>,
}

impl Policy {
    /// A policy whose document nobody can see, such as a managed one that is only named. It may allow anything, and deny
    /// anything if `may_deny`: AWS's own managed policies, but for a few that say so in their names, hold no Deny.
    #[must_use]
    pub fn unseen(kind: PolicyKind, name: &str, may_deny: bool) -> Policy {
        Policy {
            name: Arc::from(name),
            kind,
            version: Version::V2012,
            id: None,
            statements: Vec::new(),
            unseen: Some(Unseen { may_deny }),
        }
    }

    /// The name it was given, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is attached to.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The version of its language.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its `Id` element.
    #[must_use]
    pub fn id(&self) -> Option<&Text> {
        self.id.as_ref()
    }

    /// Its statements, in order. Where a template chooses between statements, both stand here and neither
    /// [is certain](Statement::is_certain).
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Is its document known?
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.unseen.is_none()
    }
}

impl Statement {
    /// Its place in `Statement`, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its `Sid`.
    #[must_use]
    pub fn sid(&self) -> Option<&Text> {
        self.sid.as_ref()
    }

    /// Does it allow or deny?
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Its `Principal` or `NotPrincipal`.
    #[must_use]
    pub fn principals(&self) -> Option<&Principals> {
        self.principals.as_ref()
    }

    /// Its `Action` or `NotAction`.
    #[must_use]
    pub fn actions(&self) -> &Elements {
        &self.actions
    }

    /// Its `Resource` or `NotResource`.
    #[must_use]
    pub fn resources(&self) -> Option<&Elements> {
        self.resources.as_ref()
    }

    /// Its conditions, which must all hold.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Will it be in the policy, with these conditions? Not if the template decides that with `Fn::If`.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.certain
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Does it apply, leaving the principal aside? With the element that fails if it does not.
    #[inline]
    pub(crate) fn applies(&self, request: &Request, record: &mut impl Record) -> Result<Tri, Failure> {
        let action = self.actions.match_action(request, record);
        if action == Tri::No {
            return Err(Failure::Action);
        }
        let resource = match &self.resources {
            None => Tri::Yes,
            Some(resources) => resources.match_resource(request, record),
        };
        if resource == Tri::No {
            return Err(Failure::Resource);
        }
        let mut all = action.and(resource);
        for (at, condition) in self.conditions.iter().enumerate() {
            match condition.holds(request, record) {
                Tri::No => return Err(Failure::Condition(at)),
                holds => all = all.and(holds),
            }
        }
        if !self.certain {
            record.unknown(|| Reason::Statement);
            all = all.and(Tri::Maybe);
        }
        Ok(all)
    }
}

impl Statement {
    /// The elements that do not match, leaving the principal aside: all of them, where [`applies`](Self::applies) stops at
    /// the first.
    pub(crate) fn mismatches(&self, request: &Request) -> Vec<Failure> {
        let mut failures = Vec::new();
        if self.actions.match_action(request, &mut Silent) == Tri::No {
            failures.push(Failure::Action);
        }
        if self.resources.as_ref().is_some_and(|it| it.match_resource(request, &mut Silent) == Tri::No) {
            failures.push(Failure::Resource);
        }
        let fails = |at: &usize| self.conditions[*at].holds(request, &mut Silent) == Tri::No;
        failures.extend((0..self.conditions.len()).filter(fails).map(Failure::Condition));
        failures
    }
}

impl Elements {
    #[inline]
    fn match_action(&self, request: &Request, record: &mut impl Record) -> Tri {
        let mark = record.mark();
        let mut any = Tri::No;
        for pattern in &self.patterns {
            // Actions hold no variables, so there is nothing to fill in.
            let one = pattern.fill(request, record).glob.matches(request.action.text());
            if one == Tri::Maybe {
                explain(pattern, request, record);
            }
            any = any.or(one);
            if any == Tri::Yes {
                record.rewind(mark);
                break;
            }
        }
        if self.negated { !any } else { any }
    }

    #[inline]
    fn match_resource(&self, request: &Request, record: &mut impl Record) -> Tri {
        let mark = record.mark();
        let mut any = Tri::No;
        // A variable that cannot be resolved may void the whole statement, even if another pattern matches.
        let mut certain = true;
        for pattern in &self.patterns {
            let filled = pattern.fill(request, record);
            let one = filled.glob.matches_resource(&request.resource);
            if one == Tri::Maybe && filled.certain {
                explain(pattern, request, record);
            }
            any = any.or(one);
            certain &= filled.certain;
        }
        let answer = if self.negated { !any } else { any };
        let answer = if certain { answer } else { answer.and(Tri::Maybe) };
        if answer != Tri::Maybe {
            record.rewind(mark);
        }
        answer
    }
}

fn explain(pattern: &Pattern, request: &Request, record: &mut impl Record) {
    let symbol = pattern.text().symbols().chain(request.resource.symbols()).next();
    record.unknown(|| match symbol {
        Some(symbol) => Reason::Symbol(symbol),
        None => Reason::Undocumented(format!("a wildcard inside a part of an ARN over a colon, as in `{pattern}`")),
    });
}
