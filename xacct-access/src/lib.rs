//! AWS IAM policies, evaluated before anything is deployed.
//!
//! [`evaluate`] follows AWS's evaluation logic for identity, resource, trust and key policies, permissions boundaries,
//! session policies, service and resource control policies, within an account and across accounts. It is three-valued:
//! what depends on a value that only AWS will know (a key's id, a context key of the request) is
//! [`Unknown`](Verdict::Unknown), with the reason. An [`Allowed`](Verdict::Allowed) stays allowed whatever the unknowns turn
//! out to be.
//!
//! A policy is read once ([`Policy::parse`], [`Policy::from_template`]) into a form that is matched without allocation;
//! [`verdict`] then answers in well under two microseconds, [`evaluate`] adds the grounds: each statement, where it stands,
//! and the element because of which it does not apply.

mod condition;
mod decision;
pub mod estate;
mod evaluate;
pub mod exposure;
mod expression;
pub mod goal;
mod json;
mod matching;
mod organization;
mod parse;
mod pattern;
mod policy;
mod position;
mod principal;
mod record;
pub mod report;
mod request;
pub mod rule;
mod scalar;
mod survey;
mod symbol;
mod text;
mod tri;

pub use condition::Condition;
pub use decision::{Decision, Layer, Mismatch, Missing, Outcome, Reason, Traced, Verdict};
pub use evaluate::{Policies, evaluate, nearest, verdict};
pub use expression::{Environment, Expression, Resolve, Unresolved};
pub use organization::Organization;
pub use parse::{PolicyError, PolicyErrors};
pub use pattern::Pattern;
pub use policy::{Effect, Elements, Policy, PolicyKind, Statement, Version};
pub use position::{Place, Position};
pub use principal::{Named, Principal, PrincipalEntry, PrincipalKind, Principals};
pub use report::{Finding, Report, check, check_within};
pub use request::{Action, ActionError, Context, Request};
pub use symbol::{Symbol, SymbolKind};
pub use text::Text;
pub use tri::Tri;
