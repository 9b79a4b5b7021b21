//! What an account and region need before anything is deployed there: a bucket for assets, and roles to deploy with. Made by a stack of
//! our own, unless CDK's bootstrap is there already.
//!
//! Everything has the name that CDK's bootstrap gives it, so that CDK's CLI can deploy the same assembly, and `cdk bootstrap` sees a
//! variant that it does not overwrite. Three things are not CDK's: CloudFormation does not act as an administrator unless that was
//! asked for, a principal can be trusted and not only a whole account, and there is no repository for images, because an assembly of
//! ours has none.
//!
//! What CloudFormation may do is narrowed to the resources of the stacks, as far as their names are known; of IAM, it can change and
//! pass on only what the stacks make. But what they make they can give anything: whoever deploys a stack with roles that have no
//! permissions boundary can get what these roles are given.
//!
//! An account is shared by apps. So a later run adds to what the execution role may do and takes nothing away; who is trusted and which
//! policies were given stays as it is until others are named.

mod needs;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use xacct_core::assembly::{Assembly, StackArtifact};
use xacct_core::asset::BOOTSTRAP_QUALIFIER;
use xacct_core::{AccountId, Arn, ParseError, synthesizer};

pub use needs::{ExecutionNeeds, execution_needs};
use template::Settings;

use crate::cause::{Cause, CauseKind};
use crate::cloudformation::Stack;
use crate::deploy::{self, Inputs, StackOptions};
use crate::desired::{INLINE_LIMIT, InputValues};
use crate::engine::{Engine, RunError, RunOptions, Selection, Verb};
use crate::report::{Outcome, Summary};
use crate::run::{Events, Run};
use crate::status::{Phase, StackStatus};
use crate::worker::Worker;

/// The name of the stack with CDK's default qualifier; with another one, that follows after a dash.
pub const STACK_NAME: &str = "CDKToolkit";

/// How an environment is bootstrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootstrapOptions {
    /// Which of several bootstraps of the environment: up to ten letters, digits, `-` and `_`. Default: `hnb659fds`, as in CDK.
    pub qualifier: Option<String>,
    /// Who may use the roles besides the account itself; if principals of the account itself are named, they alone may. Default: whoever
    /// was named before, or nobody.
    pub trust: Option<BTreeSet<Trusted>>,
    /// What the role that CloudFormation acts as may do. Default: what was said before, or [`ExecutionPolicy::Derived`].
    pub execution_policies: Option<BTreeSet<ExecutionPolicy>>,
}

impl BootstrapOptions {
    /// The qualifier.
    pub fn qualifier(&self) -> &str {
        self.qualifier.as_deref().unwrap_or(BOOTSTRAP_QUALIFIER)
    }

    /// The name of the stack.
    pub fn stack_name(&self) -> String {
        match self.qualifier() {
            BOOTSTRAP_QUALIFIER => STACK_NAME.to_owned(),
            other => format!("{STACK_NAME}-{other}"),
        }
    }
}

/// Who may use the roles of a bootstrap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trusted {
    /// Whom an account lets: its own policies say who that is.
    Account(AccountId),
    /// One role or user. Another one that is made under its name later counts as the same.
    Principal(Arn),
}

impl Trusted {
    fn account(&self) -> &str {
        match self {
            Self::Account(account) => account.as_str(),
            Self::Principal(arn) => arn.account(),
        }
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Principal(arn) => f.write_str(arn.as_str()),
        }
    }
}

/// Twelve digits, or the ARN of a role or user.
impl FromStr for Trusted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with("arn:") {
            return text.parse().map(Self::Account).map_err(|error: ParseError| error.to_string());
        }
        let arn: Arn = text.parse().map_err(|error: ParseError| error.to_string())?;
        let is_principal = ["role/", "user/"].iter().any(|it| arn.resource().starts_with(it));
        if arn.service() != "iam" || !is_principal || arn.account().len() != 12 || text.contains(['*', '?']) {
            return Err(format!("`{text}` is not a role or a user: write it as arn:aws:iam::ACCOUNT:role/NAME"));
        }
        Ok(Self::Principal(arn))
    }
}

/// What the role that CloudFormation acts as may do: the policies add up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecutionPolicy {
    /// What the stacks need of which AWS publishes that: [`execution_needs`].
    Derived,
    /// What a managed policy allows.
    Managed(Arn),
}

impl fmt::Display for ExecutionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Derived => "derived",
            Self::Managed(arn) => arn.as_str(),
        })
    }
}

/// `derived`, or the ARN of a managed policy.
impl FromStr for ExecutionPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<Arn>() {
            _ if text == "derived" => Ok(Self::Derived),
            Ok(arn) if arn.service() == "iam" && arn.resource().starts_with("policy/") => Ok(Self::Managed(arn)),
            _ => Err(format!(
                "`{text}` is no managed policy: write its ARN, such as arn:aws:iam::aws:policy/PowerUserAccess, or `derived`"
            )),
        }
    }
}

impl Engine {
    /// Makes what the stacks of an assembly need in each of their environments, or accepts what is there.
    ///
    /// It works with the credentials of whoever may make roles, not with those of a bootstrap.
    pub fn bootstrap(
        &self,
        assembly: &Assembly,
        bootstrap_options: BootstrapOptions,
        options: RunOptions,
    ) -> (Run<Result<Summary, RunError>>, Events) {
        let environments: BTreeSet<_> = assembly.stacks.iter().map(|it| &it.environment).collect();
        let mut bootstraps = Assembly::default();
        bootstraps.stacks = environments.into_iter().map(|it| artifact(assembly, it, &bootstrap_options)).collect();
        self.start(&bootstraps, &Selection::default(), Verb::Bootstrap(bootstrap_options), options)
    }
}

/// The bootstrap stack of an environment that has none yet, for those who want to see it or deploy it by other means.
pub fn artifact(
    assembly: &Assembly,
    environment: &xacct_core::Environment,
    options: &BootstrapOptions,
) -> StackArtifact {
    let stack_name = options.stack_name();
    let id = format!("{stack_name}-{}-{}", environment.account, environment.region);
    let settings = Settings::new(options, &execution_needs(assembly, environment));
    let template = template::template(environment, options.qualifier(), &settings);
    let mut artifact = StackArtifact::new(id, environment.clone(), template);
    artifact.display_name = format!("{stack_name} {environment}");
    artifact.stack_name = stack_name;
    artifact.termination_protection = true;
    artifact
}

/// Makes the bootstrap of one environment.
pub(crate) async fn bootstrap(worker: &Worker<'_>, options: &BootstrapOptions) -> Outcome {
    match ours_or_theirs(worker, options).await {
        Ok(Found::Theirs(instead)) => Outcome::Accepted { instead },
        Ok(Found::Ours { settings, dead }) => deploy_stack(worker, options, settings, dead).await,
        Err(outcome) => outcome,
    }
}

/// What there is in an environment.
enum Found {
    /// Our own stack with its settings; or nothing, so that it can be made, once the stack with this ARN is deleted that holds nothing.
    Ours { settings: Settings, dead: Option<String> },
    /// Somebody else's.
    Theirs(String),
}

async fn ours_or_theirs(worker: &Worker<'_>, options: &BootstrapOptions) -> Result<Found, Outcome> {
    let nothing = |dead| Found::Ours { settings: Settings::default(), dead };
    let Some(stack) = worker.find().await.map_err(Outcome::from)? else {
        let bucket = synthesizer::bucket_name(options.qualifier(), &worker.artifact.environment);
        let call = || worker.clients.objects.bucket_exists(&bucket);
        return match worker.caller.call("HeadBucket", call).await {
            Ok(true) => Ok(Found::Theirs(format!("the bucket {bucket}, which another stack made"))),
            Ok(false) => Ok(nothing(None)),
            Err(error) => Err(Outcome::failed(None, Cause::from(&error))),
        };
    };
    if stack.status.phase() == Phase::Review {
        return Ok(nothing(None));
    }
    if !is_ours(&stack) {
        let version = stack.outputs.iter().find(|it| it.key == "BootstrapVersion");
        let version = version.map(|it| format!(", version {}", it.value)).unwrap_or_default();
        return Ok(Found::Theirs(format!("the stack {} of CDK's bootstrap{version}", stack.name)));
    }
    if stack.status == StackStatus::ROLLBACK_COMPLETE {
        // It holds nothing: making it again loses nothing.
        return Ok(nothing(Some(stack.id)));
    }
    let call = || worker.clients.cloudformation.get_template(&stack.id);
    let template = worker.caller.call("GetTemplate", call).await;
    let template = template.map_err(|error| Outcome::failed(None, worker.cause_of(&error)))?;
    let settings = Settings::of_template(&template).ok_or_else(|| {
        let message = format!("the template of `{}` says nothing about how it was made", stack.name);
        let cause = Cause::new(CauseKind::Invalid, message);
        Outcome::failed(None, cause.with_help("it was changed by hand: delete the stack, which keeps its bucket"))
    })?;
    Ok(Found::Ours { settings, dead: None })
}

fn is_ours(stack: &Stack) -> bool {
    stack.parameters.get(template::VARIANT_PARAMETER).is_some_and(|it| it.value == template::VARIANT)
}

async fn deploy_stack(
    worker: &Worker<'_>,
    options: &BootstrapOptions,
    before: Settings,
    dead: Option<String>,
) -> Outcome {
    let wanted = Settings::of_value(&worker.artifact.template).unwrap_or_default();
    let settings = before.followed_by(wanted, options);
    let mut artifact = worker.artifact.clone();
    artifact.template = template::template(&artifact.environment, options.qualifier(), &settings);
    // There is no bucket yet through which a longer template could go.
    if settings.policy_count() > template::MAX_POLICIES || artifact.template.to_string().len() > INLINE_LIMIT {
        let message = "what CloudFormation has to be allowed does not fit into the policies that a role can have";
        let help = "name managed policies with --execution-policies instead";
        return Outcome::failed(None, Cause::new(CauseKind::Quota, message).with_help(help));
    }
    let worker = Worker::new(worker.shared, worker.clients, &artifact);
    let stack_options = StackOptions { recreate: dead.into_iter().collect(), ..StackOptions::default() };
    deploy::deploy(&worker, Inputs::Known(InputValues::default()), &stack_options).await
}

/// The environments of an assembly, and what CloudFormation has to be allowed in each.
pub fn needs_by_environment(assembly: &Assembly) -> BTreeMap<xacct_core::Environment, ExecutionNeeds> {
    let environments = assembly.stacks.iter().map(|it| it.environment.clone());
    environments.map(|it| (it.clone(), execution_needs(assembly, &it))).collect()
}
