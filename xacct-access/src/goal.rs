//! Goals: the accesses that a design needs, derived from the resources themselves.
//!
//! A pipeline says which role runs which action on which artifact, a project which role it builds with and what it reads,
//! a rule what it starts. Each of those needs certain actions on certain resources, whoever wrote the policies. The lists
//! of actions are AWS's; each function names the page.

mod build;
mod delivery;
mod pipeline;

use std::fmt;

use crate::decision::{Decision, Traced, Verdict};
use crate::estate::{Estate, Identity, Resource, Site};
use crate::evaluate::{Policies, evaluate, verdict};
use crate::policy::Policy;
use crate::principal::Principal;
use crate::request::{Action, Context, Request};
use crate::symbol::{Symbol, SymbolKind};
use crate::text::Text;

/// Who needs an access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A role or user, by its ARN. It need not be one of the assembly's.
    Identity(Text),
    /// A service, under its principal name.
    Service(String),
    /// Anyone else: a root, a provider, `*`.
    Other(Text),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Identity(arn) => write!(f, "{arn}"),
            Who::Service(name) => f.write_str(name),
            Who::Other(name) => write!(f, "{name}"),
        }
    }
}

/// An access that the design needs.
#[derive(Clone, Debug)]
pub struct Goal {
    /// Who needs it.
    pub who: Who,
    /// The action, such as `s3:GetObject`.
    pub action: Action,
    /// The resource's ARN.
    pub resource: Text,
    /// The account of the resource, where its ARN does not say.
    pub owner: Option<Text>,
    /// What is known of the request.
    pub context: Context,
    /// The resource of the assembly that needs it, such as the pipeline.
    pub site: Site,
    /// Which part of it: `Stages[2].Actions[0]`.
    pub property: String,
    /// What for, in words.
    pub purpose: String,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} needs `{}` on {} {}", self.who, self.action, self.resource, self.purpose)
    }
}

/// A goal and what the policies say to it.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The goal.
    pub goal: Goal,
    /// The decision, with the statements that it rests on.
    pub decision: Decision,
}

impl Proof {
    /// Whether the access is proved.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.decision.verdict == Verdict::Allowed
    }
}

/// Every access that the assembly's resources need, with what its policies say to it.
#[must_use]
pub fn prove(estate: &Estate<'_>) -> Vec<Proof> {
    let mut goals = Goals { estate, goals: Vec::new() };
    for (site, kind, properties) in estate.defined() {
        match kind {
            "AWS::CodePipeline::Pipeline" => pipeline::goals(&mut goals, &site, properties),
            "AWS::CodeBuild::Project" => build::goals(&mut goals, &site, properties),
            "AWS::Events::Rule" => delivery::rule(&mut goals, &site, properties),
            "AWS::CodeStarNotifications::NotificationRule" => delivery::notification(&mut goals, &site, properties),
            "AWS::S3::Bucket" => delivery::access_log(&mut goals, &site, properties),
            "AWS::Logs::LogGroup" => delivery::log_group(&mut goals, &site, properties),
            _ => {}
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    let goals = goals.goals.into_iter().filter(|it| {
        seen.insert((it.who.to_string(), it.action.to_string(), it.resource.clone(), format!("{:?}", it.context)))
    });
    goals.map(|goal| Proof { decision: decide(estate, &goal), goal }).collect()
}

/// What the estate's policies say to a goal.
#[must_use]
pub fn decide(estate: &Estate<'_>, goal: &Goal) -> Decision {
    ask(estate, goal, evaluate)
}

/// The same as a bare answer, which is much faster.
#[must_use]
pub fn answer(estate: &Estate<'_>, goal: &Goal) -> Verdict {
    ask(estate, goal, verdict)
}

/// Of the estate's statements, those that would allow a goal but for one element. See [`nearest`](crate::nearest).
#[must_use]
pub fn nearest(estate: &Estate<'_>, goal: &Goal) -> Vec<Traced> {
    ask(estate, goal, crate::nearest)
}

/// The names of the policies that have a say in a goal.
#[must_use]
pub fn asked(estate: &Estate<'_>, goal: &Goal) -> Vec<String> {
    ask(estate, goal, |policies, _| {
        let all = policies.identity.iter().chain(policies.boundary.as_slice()).chain(policies.resource.as_slice());
        all.map(|it| it.name().to_owned()).collect()
    })
}

fn ask<R>(estate: &Estate<'_>, goal: &Goal, answer: impl FnOnce(&Policies<'_>, &Request) -> R) -> R {
    let principal = match &goal.who {
        Who::Identity(arn) => estate.identity(arn).map_or_else(|| by_arn(arn), Identity::caller),
        Who::Service(name) => Principal::service(name.as_str()),
        Who::Other(name) => by_arn(name),
    };
    let mut request =
        Request::new(principal, goal.action.clone(), goal.resource.clone()).in_context(goal.context.clone());
    if let Some(owner) = &goal.owner {
        request = request.owned_by(owner.clone());
    }
    let identity = match &goal.who {
        Who::Identity(arn) => estate.identity(arn),
        _ => None,
    };
    let unseen = Policy::unseen(crate::PolicyKind::Identity, &goal.who.to_string(), true);
    let mut policies = Policies {
        resource: resource_policy(estate, &goal.resource),
        scps: estate.organization.over_caller(request.principal.account()),
        rcps: estate.organization.over_resource(request.resource_account.as_ref()),
        ..Policies::default()
    };
    match (identity, &goal.who) {
        (Some(identity), _) => {
            policies.identity = identity.policies.iter().map(|it| &it.policy).collect();
            policies.boundary = identity.boundary.as_ref().map(|it| &it.policy);
        }
        // Somebody whom the assembly does not define: their own policies may say anything.
        (None, Who::Identity(_)) => policies.identity = vec![&unseen],
        (None, _) => {}
    }
    answer(&policies, &request)
}

/// Somebody whom the assembly does not define, as the ARN tells.
fn by_arn(arn: &Text) -> Principal {
    let resource = arn.arn_part(5);
    let is = |prefix: &str| resource.as_ref().is_some_and(|it| it.starts_with(prefix));
    if arn.is("*") {
        Principal::anonymous()
    } else if is("root") {
        Principal::root(arn.clone())
    } else if is("user/") {
        Principal::user(arn.clone())
    } else if is("oidc-provider/") || is("saml-provider/") {
        Principal::federated(arn.clone())
    } else {
        Principal::role(arn.clone())
    }
}

/// The policy of the resource that an ARN is of, or is inside of, as an object is inside of a bucket.
fn resource_policy<'e>(estate: &'e Estate<'_>, arn: &Text) -> Option<&'e Policy> {
    let holder =
        estate.resources.iter().find(|it| it.arn == *arn || it.kind == "AWS::S3::Bucket" && arn.is_below(&it.arn))?;
    holder.policy.as_ref().map(|it| &it.policy)
}

/// Gathers goals.
struct Goals<'g, 'a> {
    estate: &'g Estate<'a>,
    goals: Vec<Goal>,
}

/// What several goals have in common.
struct For<'s> {
    who: Who,
    site: &'s Site,
    property: String,
    purpose: String,
}

impl<'s> For<'s> {
    fn new(who: Who, site: &'s Site, property: impl Into<String>, purpose: impl Into<String>) -> For<'s> {
        For { who, site, property: property.into(), purpose: purpose.into() }
    }
}

impl Goals<'_, '_> {
    fn text(&self, site: &Site, value: &serde_json::Value) -> Option<Text> {
        if value.is_null() { None } else { self.estate.text(&site.stack, value) }
    }

    fn add(&mut self, on: &For<'_>, actions: &[&str], resource: &Text, owner: Option<&str>, context: Context) {
        for action in actions.iter().filter_map(|it| it.parse().ok()) {
            self.goals.push(Goal {
                who: on.who.clone(),
                action,
                resource: resource.clone(),
                owner: owner.map(Text::from),
                context: context.clone(),
                site: on.site.clone(),
                property: on.property.clone(),
                purpose: on.purpose.clone(),
            });
        }
    }

    /// Actions on a bucket itself.
    fn on_bucket(&mut self, on: &For<'_>, actions: &[&str], bucket: &Bucket) {
        self.add(on, actions, &bucket.arn, bucket.account.as_deref(), over_tls());
    }

    /// Actions on an object of a bucket; with the actions that S3 then asks of its key, in the caller's name.
    fn on_object(&mut self, on: &For<'_>, actions: &[&str], bucket: &Bucket, key: &Text) {
        let object = bucket.arn.clone().with("/").with(key.clone());
        self.add(on, actions, &object, bucket.account.as_deref(), over_tls());
        let reads = actions.iter().any(|it| it.starts_with("s3:GetObject"));
        let writes = actions.contains(&"s3:PutObject");
        if let Some(encryption) = &bucket.key {
            let mut needed = Vec::new();
            // An upload in parts reads its own parts again.
            if reads || writes {
                needed.push("kms:Decrypt");
            }
            if writes {
                needed.push("kms:GenerateDataKey");
            }
            let region = self.estate.stack(on.site).map(|it| it.environment.region.to_string()).unwrap_or_default();
            let via = format!("s3.{region}.amazonaws.com");
            self.on_key(on, &needed, encryption, Some(&via), Some(object));
        }
    }

    fn on_key(&mut self, on: &For<'_>, actions: &[&str], key: &Text, via: Option<&str>, object: Option<Text>) {
        let resource = self.estate.resource(key);
        let mut context = over_tls();
        if let Some(via) = via {
            context = context.with("kms:ViaService", via);
        }
        if let Some(object) = object {
            context = context.with("kms:EncryptionContext:aws:s3:arn", object);
        }
        let aliases = resource.map(|it| self.estate.aliases(it)).unwrap_or_default();
        if resource.is_some() {
            context = context.with_values("kms:ResourceAliases", aliases);
        }
        self.add(on, actions, key, None, context);
    }

    /// Publishing to a topic, and the actions that SNS then asks of its key, in the caller's name.
    fn on_topic(&mut self, on: &For<'_>, topic: &Text) {
        self.add(on, &["sns:Publish"], topic, None, over_tls());
        let Some(site) = self.estate.resource(topic).map(|it| it.site.clone()) else { return };
        let Some(key) = self.text(&site, &self.estate.properties(&site)["KmsMasterKeyId"]) else { return };
        let Some(region) = self.estate.stack(&site).map(|it| it.environment.region.to_string()) else { return };
        let key = self.key_arn(&key);
        let via = format!("sns.{region}.amazonaws.com");
        self.on_key(on, &["kms:GenerateDataKey", "kms:Decrypt"], &key, Some(&via), None);
    }

    /// That a role can be assumed by a service on behalf of a resource.
    fn trusts_service(
        &mut self,
        role: &Text,
        service: &str,
        on: &Site,
        source: Option<&Text>,
        property: &str,
        purpose: &str,
    ) {
        let mut context = Context::open();
        if let (Some(source), Some(stack)) = (source, self.estate.stack(on)) {
            context = context
                .with("aws:SourceArn", source.clone())
                .with("aws:SourceAccount", stack.environment.account.as_str());
        }
        let on = For::new(Who::Service(service.to_owned()), on, property, purpose);
        self.add(&on, &["sts:AssumeRole"], role, None, context);
    }

    /// A bucket by its name, with its key where the assembly makes both.
    fn bucket(&self, site: &Site, name: &Text) -> Bucket {
        let partition = self.estate.stack(site).map_or("aws", |it| it.environment.region.partition());
        let arn = Text::from(format!("arn:{partition}:s3:::")).with(name.clone());
        let known = self.estate.resource(&arn);
        let account = known.map(|it| it.account.clone());
        let key = known.and_then(|it| self.default_key(it));
        Bucket { arn, account, key }
    }

    /// The key that a bucket encrypts with by default.
    fn default_key(&self, bucket: &Resource) -> Option<Text> {
        let rule = &self.estate.properties(&bucket.site)["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
        let key = self.text(&bucket.site, &rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"])?;
        Some(self.key_arn(&key))
    }

    /// A key may be named by its id; policies are about its ARN.
    fn key_arn(&self, key: &Text) -> Text {
        let ends_with =
            |it: &Resource| it.arn.arn_part(5).is_some_and(|part| part == Text::from("key/").with(key.clone()));
        let known = self.estate.resources.iter().find(|it| it.kind == "AWS::KMS::Key" && ends_with(it));
        known.map_or_else(|| key.clone(), |it| it.arn.clone())
    }
}

struct Bucket {
    arn: Text,
    account: Option<String>,
    key: Option<Text>,
}

fn over_tls() -> Context {
    Context::open().with("aws:SecureTransport", "true")
}

/// Something that has a value which only the run will know, such as the key of an artifact.
fn some(name: &str) -> Text {
    Symbol::new(name, SymbolKind::Text).into()
}

/// The ARN of a role in a property, as one who can be asked.
fn identity(arn: &Text) -> Who {
    Who::Identity(arn.clone())
}
