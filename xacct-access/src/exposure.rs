//! Who else gets in: for each resource that is worth protecting, everyone beyond those that need it.
//!
//! "May be allowed" is what is asked here, where goals ask "is allowed": what cannot be ruled out is listed.

use std::sync::LazyLock;

use serde::Serialize;

use crate::decision::Verdict;
use crate::estate::{Estate, Identity, Resource, Site};
use crate::evaluate::{Policies, evaluate, verdict};
use crate::goal::{Goal, Proof, Who};
use crate::policy::{Effect, Policy, PolicyKind, Statement};
use crate::principal::{Named, Principal};
use crate::request::{Action, Context, Request};
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
        let actions = actions(&resource.kind);
        if actions.is_empty() {
            continue;
        }
        let goals: Vec<&Goal> = proofs.iter().map(|it| &it.goal).filter(|it| is_on(it, resource)).collect();
        let candidates = candidates(estate, resource);
        for name in actions {
            let Ok(action) = name.parse::<Action>() else { continue };
            let goals: Vec<&Goal> = goals.iter().filter(|it| it.action == action).copied().collect();
            let unasked = candidates.iter().filter(|it| !goals.iter().any(|goal| it.is(&goal.who)));
            let stretched = stretched(estate, resource, &goals);
            for candidate in unasked.chain(&stretched) {
                let verdict = candidate.ask(estate, resource, &action, None, verdict);
                if verdict.may_be_allowed() {
                    add(&mut all, estate, resource, candidate, name, verdict == Verdict::Allowed);
                }
            }
        }
    }
    all
}

fn is_on(goal: &Goal, resource: &Resource) -> bool {
    goal.resource == resource.arn || goal.resource.is_below(&resource.arn)
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
        Some(known) if known.actions.iter().any(|it| it == action) => {}
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
    everything: Option<&'static Policy>,
    context: Context,
}

impl Candidate<'_> {
    fn new(name: impl Into<String>, how: impl Into<String>, who: Option<Who>, principal: Principal) -> Self {
        Candidate {
            name: name.into(),
            how: how.into(),
            who,
            principal,
            identity: Vec::new(),
            boundary: None,
            everything: None,
            context: Context::open(),
        }
    }

    fn is(&self, who: &Who) -> bool {
        self.who.as_ref() == Some(who)
    }

    /// Asks whether they may do an action on a resource, or on `within` of it.
    fn ask<R>(
        &self,
        estate: &Estate<'_>,
        resource: &Resource,
        action: &Action,
        within: Option<&Text>,
        answer: impl FnOnce(&Policies<'_>, &Request) -> R,
    ) -> R {
        let object = || resource.arn.clone().with("/").with(Symbol::new("any object", SymbolKind::Text));
        let arn = match within {
            Some(within) => within.clone(),
            None if resource.kind == "AWS::S3::Bucket" && is_on_objects(action) => object(),
            None => resource.arn.clone(),
        };
        let mut context = self.context.clone().with("aws:SecureTransport", "true");
        if resource.kind == "AWS::KMS::Key" {
            context = context.with_values("kms:ResourceAliases", estate.aliases(resource));
        }
        let request = Request::new(self.principal.clone(), action.clone(), arn)
            .owned_by(resource.account.as_str())
            .in_context(context);
        let mut identity = self.identity.clone();
        identity.extend(self.everything);
        let policies = Policies {
            identity,
            boundary: self.boundary,
            resource: resource.policy.as_ref().map(|it| &it.policy),
            scps: estate.organization.over_caller(self.principal.account()),
            rcps: estate.organization.over_resource(request.resource_account.as_ref()),
            ..Policies::default()
        };
        answer(&policies, &request)
    }
}

fn is_on_objects(action: &Action) -> bool {
    action.lowercase().ends_with("object")
}

/// Everyone, every other account that the policy mentions, those whom it names, the services, the administrators of the
/// account, and the roles and users of the assembly.
fn candidates<'e>(estate: &'e Estate<'_>, resource: &Resource) -> Vec<Candidate<'e>> {
    let everyone = "the resource's policy lets everyone in";
    let mut all =
        vec![Candidate::new("anyone, unsigned", everyone, Some(Who::Other("*".into())), Principal::anonymous())];
    all.extend(estate.identities.iter().map(of_assembly));
    all.push(outsider(resource, OTHER_ACCOUNT, "any AWS account", "the resource's policy lets every account in"));
    let administrators = format!("administrators of {}", resource.account);
    let how = "their own policies, which the account decides about";
    all.push(outsider(resource, &resource.account, &administrators, how));
    let statements = resource.policy.iter().flat_map(|it| it.policy.statements());
    for statement in statements.filter(|it| it.effect() == Effect::Allow) {
        for entry in statement.principals().into_iter().filter(|it| !it.negated).flat_map(|it| &it.entries) {
            match &entry.named {
                Named::Account(account) if !account.is(&resource.account) => {
                    all.extend(of_account(estate, resource, &account.to_string(), statement));
                }
                Named::Arn(arn) if estate.identity(arn).is_none() => {
                    all.push(named(arn, "the resource's policy names them".into()));
                }
                Named::Service(name) => {
                    let name = name.to_string();
                    let how = "the resource's policy names the service";
                    let principal = Principal::service(name.as_str());
                    all.push(Candidate::new(name.clone(), how, Some(Who::Service(name)), principal));
                }
                _ => {}
            }
        }
    }
    all.retain_first_by_name();
    all
}

/// Whom a statement that names another account lets in.
fn of_account<'e>(
    estate: &Estate<'_>,
    resource: &Resource,
    account: &str,
    statement: &Statement,
) -> Vec<Candidate<'e>> {
    let keys = statement.conditions().iter().filter(|it| it.key().eq_ignore_ascii_case("aws:PrincipalArn"));
    let arns: Vec<&Text> = keys.flat_map(|it| it.values()).collect();
    if arns.is_empty() {
        let name = format!("whomever account {account} lets");
        return vec![outsider(
            resource,
            account,
            &name,
            "the policy trusts the account, and leaves to it whom it lets",
        )];
    }
    let unmade = arns.iter().filter(|it| estate.identity(it).is_none());
    let how = format!("the policy trusts {account} for whoever bears that name");
    let mut all: Vec<Candidate<'_>> = unmade.map(|arn| named(arn, how.clone())).collect();
    let names: Vec<String> = arns.iter().map(ToString::to_string).collect();
    let how = format!("the policy trusts the account for whoever is called {}", names.join(" or "));
    all.push(outsider(resource, account, &format!("administrators of {account}"), &how));
    all
}

/// Those whom a goal needs, beyond what it needs them for: a service that acts for somebody else, and a key that is used
/// otherwise than through the service that it is for.
fn stretched<'e>(estate: &'e Estate<'_>, resource: &Resource, goals: &[&Goal]) -> Vec<Candidate<'e>> {
    let mut all: Vec<Candidate<'_>> = goals.iter().flat_map(|goal| for_others(resource, goal)).collect();
    for goal in goals {
        let Who::Identity(arn) = &goal.who else { continue };
        let Some(identity) = estate.identity(arn) else { continue };
        let mut needs = goals.iter().filter(|it| it.who == goal.who);
        let (Some(via), true) =
            (goal.context.value(VIA_SERVICE), needs.all(|it| it.context.value(VIA_SERVICE).is_some()))
        else {
            continue;
        };
        let candidate = of_assembly(identity);
        all.push(Candidate {
            name: format!("{}, other than through {via}", candidate.name),
            how: "its grant does not say through which service".to_owned(),
            context: Context::open().absent(VIA_SERVICE),
            ..candidate
        });
    }
    all
}

const VIA_SERVICE: &str = "kms:ViaService";
const SOURCE_ACCOUNT: &str = "aws:SourceAccount";
/// The keys that say for which resource a service acts.
const SOURCES: [&str; 2] = ["aws:SourceArn", "kms:EncryptionContext:aws:logs:arn"];
/// Some account that no policy mentions.
const OTHER_ACCOUNT: &str = "999999999999";

/// The service of a goal, acting for another resource of the account and for another account, where it says for whom.
fn for_others(resource: &Resource, goal: &Goal) -> Vec<Candidate<'static>> {
    let Who::Service(service) = &goal.who else { return Vec::new() };
    let sources: Vec<(&str, &Text)> =
        SOURCES.into_iter().filter_map(|key| Some((key, goal.context.value(key)?))).collect();
    let account = goal.context.value(SOURCE_ACCOUNT);
    let candidate = |whom: &str, how: &str, context: Context| Candidate {
        context,
        ..Candidate::new(format!("{service}, for {whom}"), how, None, Principal::service(service.as_str()))
    };
    let mut all = Vec::new();
    if !sources.is_empty() {
        let another = |context: Context, (key, arn): &(&str, &Text)| context.with(key, replaced(arn, None, "another"));
        let context = sources.iter().fold(goal.context.clone(), another);
        let whom = format!("others of {}", resource.account);
        all.push(candidate(&whom, "the policy does not say for which resource the service acts", context));
    }
    if !sources.is_empty() || account.is_some() {
        let foreign = |context: Context, (key, arn): &(&str, &Text)| {
            let rest = arn.arn_part(5).unwrap_or_default();
            context.with(key, replaced(arn, Some(OTHER_ACCOUNT), rest))
        };
        let mut context = sources.iter().fold(goal.context.clone(), foreign);
        if account.is_some() {
            context = context.with(SOURCE_ACCOUNT, OTHER_ACCOUNT);
        }
        all.push(candidate("other accounts", "the policy does not say for which account the service acts", context));
    }
    all
}

/// An ARN like another one, of another resource or of another account. A bucket's has no account.
fn replaced(arn: &Text, account: Option<&str>, resource: impl Into<Text>) -> Text {
    let part = |place: usize| arn.arn_part(place).unwrap_or_default();
    let own = part(4);
    let account = account.filter(|_| !own.is_empty()).map_or(own, Text::from);
    let front = [part(1), part(2), part(3), account];
    front.into_iter().fold(Text::from("arn"), |text, part| text.with(":").with(part)).with(":").with(resource.into())
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
    let who = Some(Who::Identity(identity.arn.clone()));
    Candidate {
        identity: identity.policies.iter().map(|it| &it.policy).collect(),
        boundary: identity.boundary.as_ref().map(|it| &it.policy),
        ..Candidate::new(identity.site.to_string(), "its own policies", who, identity.caller())
    }
}

/// Somebody of an account whose own policies allow everything.
fn outsider<'e>(resource: &Resource, account: &str, name: &str, how: &str) -> Candidate<'e> {
    let partition = resource.arn.arn_part(1).unwrap_or_else(|| "aws".into());
    let arn = Text::from("arn:")
        .with(partition)
        .with(format!(":iam::{account}:role/"))
        .with(Symbol::new(&format!("a role of {account}"), SymbolKind::Name));
    Candidate { name: name.to_owned(), ..named(&arn, how.to_owned()) }
}

/// What somebody's account may have given them, at most.
static EVERYTHING: LazyLock<Option<Policy>> = LazyLock::new(|| {
    let everything = serde_json::json!({
        "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" }
    });
    Policy::from_value(PolicyKind::Identity, "whatever its account gives it", &everything).ok()
});

fn named<'e>(arn: &Text, how: String) -> Candidate<'e> {
    let is_user = arn.arn_part(5).is_some_and(|it| it.starts_with("user/"));
    let principal = if is_user { Principal::user(arn.clone()) } else { Principal::role(arn.clone()) };
    Candidate {
        everything: EVERYTHING.as_ref(),
        ..Candidate::new(arn.to_string(), how, Some(Who::Identity(arn.clone())), principal)
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
    let action: Action = action.parse()?;
    let mut found = Vec::new();
    let within = within.unwrap_or(&resource.arn);
    for candidate in candidates(estate, resource) {
        let decision = candidate.ask(estate, resource, &action, Some(within), evaluate);
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
