//! Who else gets in: for each resource that is worth protecting, everyone beyond those that need it.
//!
//! "May be allowed" is what is asked here, where goals ask "is allowed": what cannot be ruled out is listed.

use serde::Serialize;

use crate::decision::Verdict;
use crate::estate::{Estate, Identity, Resource, Site};
use crate::evaluate::{Policies, evaluate, verdict};
use crate::goal::{Proof, Who};
use crate::policy::{Effect, Policy, PolicyKind};
use crate::principal::{Named, Principal};
use crate::request::{Context, Request};
use crate::symbol::{Symbol, SymbolKind};
use crate::text::Text;

/// One way into a resource that no goal asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Exposure {
    /// Where the resource is defined, as `stack/logical id`.
    pub resource: String,
    /// The resource's construct.
    pub path: Option<String>,
    /// Who.
    pub who: String,
    /// What they may do.
    pub actions: Vec<String>,
    /// How.
    pub how: String,
    /// Whether it is certain; else it depends on what is not known.
    pub certain: bool,
}

/// What one does with a resource of a kind, to look for those who may.
fn actions(kind: &str) -> &'static [&'static str] {
    match kind {
        "AWS::S3::Bucket" => &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:PutBucketPolicy"],
        "AWS::KMS::Key" => &["kms:Decrypt", "kms:GenerateDataKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"],
        "AWS::SecretsManager::Secret" => &["secretsmanager:GetSecretValue", "secretsmanager:PutResourcePolicy"],
        "AWS::IAM::Role" => &["sts:AssumeRole"],
        _ => &[],
    }
}

/// Lists who may get into the assembly's buckets, keys, secrets and roles, besides those whom a goal of it needs to.
#[must_use]
pub fn exposures(estate: &Estate<'_>, proofs: &[Proof]) -> Vec<Exposure> {
    let mut all = Vec::new();
    for resource in &estate.resources {
        for action in actions(&resource.kind) {
            for candidate in candidates(estate, resource) {
                let needed = proofs.iter().any(|proof| {
                    proof.goal.action.lowercase() == action.to_lowercase()
                        && candidate.is(&proof.goal.who)
                        && (proof.goal.resource == resource.arn || proof.goal.resource.is_below(&resource.arn))
                });
                if needed {
                    continue;
                }
                let verdict = candidate.verdict(resource, action);
                if !verdict.may_be_allowed() {
                    continue;
                }
                add(&mut all, estate, resource, &candidate, action, verdict == Verdict::Allowed);
            }
        }
    }
    all
}

fn add(
    all: &mut Vec<Exposure>,
    estate: &Estate<'_>,
    resource: &Resource,
    who: &Candidate<'_>,
    action: &str,
    certain: bool,
) {
    let site = resource.site.to_string();
    let known = all.iter_mut().find(|it| it.resource == site && it.who == who.name && it.certain == certain);
    match known {
        Some(known) => known.actions.push(action.to_owned()),
        None => all.push(Exposure {
            path: estate.origin(&resource.site).map(|it| it.path.clone()),
            resource: site,
            who: who.name.clone(),
            actions: vec![action.to_owned()],
            how: who.how.clone(),
            certain,
        }),
    }
}

/// Somebody who might get in.
struct Candidate<'e> {
    name: String,
    how: String,
    who: Option<Who>,
    principal: Principal,
    identity: Vec<&'e Policy>,
    boundary: Option<&'e Policy>,
    everything: Option<Policy>,
}

impl Candidate<'_> {
    fn is(&self, who: &Who) -> bool {
        self.who.as_ref() == Some(who)
    }

    fn verdict(&self, resource: &Resource, action: &str) -> Verdict {
        let Ok(action) = action.parse() else { return Verdict::Unknown };
        let arn = if resource.kind == "AWS::S3::Bucket" && !matches!(action_name(&action), "s3:putbucketpolicy") {
            resource.arn.clone().with("/").with(Symbol::new("any object", SymbolKind::Text))
        } else {
            resource.arn.clone()
        };
        let mut policies = Policies { boundary: self.boundary, ..Policies::default() };
        policies.resource = resource.policy.as_ref().map(|it| &it.policy);
        policies.identity.clone_from(&self.identity);
        policies.identity.extend(&self.everything);
        let context = Context::open().with("aws:SecureTransport", "true");
        verdict(
            &policies,
            &Request::new(self.principal.clone(), action, arn).owned_by(resource.account.as_str()).in_context(context),
        )
    }
}

fn action_name(action: &crate::Action) -> &str {
    action.lowercase()
}

/// Everyone, every other account that the policy mentions, those whom it names, the services, the administrators of the
/// account, and the roles and users of the assembly.
fn candidates<'e>(estate: &'e Estate<'_>, resource: &Resource) -> Vec<Candidate<'e>> {
    let mut all = vec![Candidate {
        name: "anyone, unsigned".into(),
        how: "the resource's policy lets everyone in".into(),
        who: Some(Who::Other("*".into())),
        principal: Principal::anonymous(),
        identity: Vec::new(),
        boundary: None,
        everything: None,
    }];
    all.extend(estate.identities.iter().map(of_assembly));
    all.push(outsider("999999999999", "any AWS account", "the resource's policy lets every account in"));
    let administrators = format!("administrators of {}", resource.account);
    let how = "their own policies, which the account decides about";
    all.push(outsider(&resource.account, &administrators, how));
    let statements = resource.policy.iter().flat_map(|it| it.policy.statements());
    for statement in statements.filter(|it| it.effect() == Effect::Allow) {
        for entry in statement.principals().into_iter().filter(|it| !it.negated).flat_map(|it| &it.entries) {
            let arns = || {
                let keys = statement.conditions().iter().filter(|it| it.key().eq_ignore_ascii_case("aws:PrincipalArn"));
                keys.flat_map(|it| it.values().cloned()).collect::<Vec<Text>>()
            };
            match &entry.named {
                Named::Account(account) if !account.is(&resource.account) => {
                    let text = account.to_string();
                    let unmade = arns().into_iter().filter(|it| estate.identity(it).is_none());
                    all.extend(
                        unmade.map(|arn| named(&arn, format!("the policy trusts {text} for whoever bears that name"))),
                    );
                    let how = match arns().as_slice() {
                        [] => "the policy trusts the account".to_owned(),
                        names => {
                            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                            format!("the policy trusts the account for whoever is called {}", names.join(" or "))
                        }
                    };
                    all.push(outsider(&text, &format!("administrators of {text}"), &how));
                }
                Named::Arn(arn) if estate.identity(arn).is_none() => {
                    all.push(named(arn, "the resource's policy names them".into()));
                }
                Named::Service(name) => {
                    let name = name.to_string();
                    all.push(Candidate {
                        how: "the resource's policy names the service".into(),
                        who: Some(Who::Service(name.clone())),
                        principal: Principal::service(name.as_str()),
                        name,
                        identity: Vec::new(),
                        boundary: None,
                        everything: None,
                    });
                }
                _ => {}
            }
        }
    }
    all.retain_first_by_name();
    all
}

trait Dedup {
    fn retain_first_by_name(&mut self);
}

impl Dedup for Vec<Candidate<'_>> {
    fn retain_first_by_name(&mut self) {
        let mut seen = std::collections::BTreeSet::new();
        self.retain(|it| seen.insert(it.name.clone()));
    }
}

fn of_assembly(identity: &Identity) -> Candidate<'_> {
    Candidate {
        name: identity.site.to_string(),
        how: "its own policies".into(),
        who: Some(Who::Identity(identity.arn.clone())),
        principal: identity.caller(),
        identity: identity.policies.iter().map(|it| &it.policy).collect(),
        boundary: identity.boundary.as_ref().map(|it| &it.policy),
        everything: None,
    }
}

/// Somebody of an account whose own policies allow everything.
fn outsider(account: &str, name: &str, how: &str) -> Candidate<'static> {
    let arn = Text::from(format!("arn:aws:iam::{account}:role/"))
        .with(Symbol::new(&format!("a role of {account}"), SymbolKind::Name));
    Candidate { name: name.to_owned(), ..named(&arn, how.to_owned()) }
}

fn named(arn: &Text, how: String) -> Candidate<'static> {
    let everything = serde_json::json!({
        "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" }
    });
    Candidate {
        name: arn.to_string(),
        how,
        who: Some(Who::Identity(arn.clone())),
        principal: if arn.arn_part(5).is_some_and(|it| it.starts_with("user/")) {
            Principal::user(arn.clone())
        } else {
            Principal::role(arn.clone())
        },
        identity: Vec::new(),
        boundary: None,
        everything: Policy::from_value(PolicyKind::Identity, "whatever its account gives it", &everything).ok(),
    }
}

/// One answer to "who can do this": who, whether it is certain, and the statements that say so.
#[derive(Clone, Debug, Serialize)]
pub struct Access {
    /// Who.
    pub who: String,
    /// The answer: `allowed`, or `perhaps`.
    pub verdict: String,
    /// The grounds, a line each.
    pub grounds: Vec<String>,
}

/// Who may do an action on a resource: of the assembly's principals, and of all others that may be let in.
///
/// # Errors
/// If the action is not one.
pub fn who_can(
    estate: &Estate<'_>,
    action: &str,
    resource: &Resource,
    within: Option<&Text>,
) -> Result<Vec<Access>, crate::ActionError> {
    let action: crate::Action = action.parse()?;
    let mut found = Vec::new();
    for candidate in candidates(estate, resource) {
        let mut policies = Policies { boundary: candidate.boundary, ..Policies::default() };
        policies.resource = resource.policy.as_ref().map(|it| &it.policy);
        policies.identity.clone_from(&candidate.identity);
        policies.identity.extend(&candidate.everything);
        let arn = within.unwrap_or(&resource.arn).clone();
        let context = Context::open().with("aws:SecureTransport", "true");
        let request = Request::new(candidate.principal.clone(), action.clone(), arn)
            .owned_by(resource.account.as_str())
            .in_context(context);
        let decision = evaluate(&policies, &request);
        if decision.verdict.may_be_allowed() {
            let verdict = if decision.verdict == Verdict::Allowed { "allowed" } else { "perhaps" };
            let reasons = decision.reasons.iter().map(ToString::to_string);
            let grounds = decision.decisive().map(ToString::to_string).chain(reasons).collect();
            found.push(Access { who: candidate.name, verdict: verdict.to_owned(), grounds });
        }
    }
    Ok(found)
}

/// The site in words, for messages: the construct's path where there is one.
#[must_use]
pub fn describe(estate: &Estate<'_>, site: &Site) -> String {
    estate.origin(site).map_or_else(|| site.to_string(), |it| it.path.clone())
}
