//! A stage: the builds that plan and apply, and what they may do.

use std::panic::Location;

use xacct_core::{Construct, Diagnostic, Environment, Node, Stack, Statement};

use super::network_assertions::assert_network;
use super::{CrossAccountPipelineProps, StageAccount, network_read, network_write};
use crate::codebuild::{BuildSpec, Project, ProjectProps, Source};
use crate::codepipeline::{Artifact, CodeBuildAction, Condition, EntryResult, ManualApprovalAction, OnFailure, Stage};
use crate::iam::{AttachedPolicy, Role};
use crate::s3::Bucket;
use crate::sns::Topic;

/// A stage to deploy to.
#[derive(Clone, Debug)]
pub struct StageProps {
    pub(super) name: String,
    pub(super) stack: Stack,
    approval: Option<Approval>,
    permissions: Permissions,
    allow_destroy: bool,
    before_entry: Option<(EntryResult, Condition)>,
    on_failure: Option<OnFailure>,
    pub(super) at: &'static Location<'static>,
}

/// Whether somebody must approve a plan before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Somebody must, within so many minutes, 5 to 86,400.
    Within(i64),
    /// Nobody need.
    None,
}

/// What Terraform may do in a stage's account.
#[derive(Clone, Debug, Default)]
pub enum Permissions {
    /// What a network needs: [`network_read`] to plan, [`network_write`] besides to apply.
    #[default]
    Network,
    /// These statements.
    Tailored {
        /// What planning needs, which is to read.
        plan: Vec<Statement>,
        /// What applying needs besides.
        apply: Vec<Statement>,
    },
    /// Everything. Applying works as an administrator, and planning may read everything. To be avoided: whoever can push to the
    /// branch then owns the account.
    AdministratorAccess,
}

impl StageProps {
    /// A stage of that name, such as `dev`, in the account and region of `stack`.
    #[track_caller]
    pub fn new(name: impl Into<String>, stack: &Stack) -> Self {
        Self {
            name: name.into(),
            stack: stack.clone(),
            approval: None,
            permissions: Permissions::default(),
            allow_destroy: false,
            before_entry: None,
            on_failure: None,
            at: Location::caller(),
        }
    }

    /// Whether somebody must approve. Default: within seven days, if the stage is in another account than the pipeline; else
    /// nobody need.
    #[must_use]
    pub fn approval(mut self, approval: Approval) -> Self {
        self.approval = Some(approval);
        self
    }

    /// What Terraform may do. Default: what a network needs.
    #[must_use]
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = permissions;
        self
    }

    /// Lets plans destroy and replace resources. Default: such a plan fails.
    #[must_use]
    pub fn allow_destroy(mut self) -> Self {
        self.allow_destroy = true;
        self
    }

    /// What must hold for the stage to begin. Default: nothing.
    #[must_use]
    pub fn before_entry(mut self, otherwise: EntryResult, condition: Condition) -> Self {
        self.before_entry = Some((otherwise, condition));
        self
    }

    /// What happens when the stage fails. Default: it stays failed.
    #[must_use]
    pub fn on_failure(mut self, reaction: OnFailure) -> Self {
        self.on_failure = Some(reaction);
        self
    }

    /// Reports a name that the names made of it could not bear, and puts one in its place with which the rest can be looked at.
    pub(super) fn settle_name(&mut self, pipeline: &Node) {
        if !self.name.is_empty() && self.name.bytes().all(|it| it.is_ascii_lowercase()) {
            return;
        }
        pipeline.report(
            Diagnostic::error("invalid-name", format!("`{}` cannot be the name of a stage", self.name))
                .at(self.at)
                .help("use lower-case letters only, as in the name of its file in `environments/`"),
        );
        self.name.retain(|it| it.is_ascii_lowercase());
        if self.name.is_empty() {
            "stage".clone_into(&mut self.name);
        }
    }
}

const APPROVE: &str = "Approve";

/// What a stage came to.
#[derive(Clone, Debug)]
pub struct DeployedStage {
    node: Node,
    /// The stage's name.
    pub name: String,
    /// The build that plans. Its role may read.
    pub plan: Project,
    /// The build that applies the plan. Its role may change what is of this stage.
    pub apply: Project,
    approval: Approval,
}

impl DeployedStage {
    #[track_caller]
    pub(super) fn new(
        scope: &Node,
        pipeline: &CrossAccountPipelineProps,
        home: Option<&Environment>,
        stage: &StageProps,
        account: &StageAccount,
    ) -> Self {
        let node = scope.child(&capitalized(&stage.name));
        let mut plan = project_props(pipeline, stage, account, "plan", "Plans");
        let mut apply = project_props(pipeline, stage, account, "apply", "Applies the plan of");
        if matches!(stage.permissions, Permissions::AdministratorAccess) {
            plan = plan.managed_policy(AttachedPolicy::aws("ReadOnlyAccess"));
            apply = apply.managed_policy(AttachedPolicy::aws("AdministratorAccess"));
        }
        if stage.allow_destroy {
            plan = plan.environment_variable("ALLOW_DESTROY", "yes");
        }
        let plan = Project::new(&node, "Plan", Source::CodePipeline, plan);
        let apply = Project::new(&node, "Apply", Source::CodePipeline, apply);
        if let (Some(plan), Some(apply)) = (&plan.role, &apply.role) {
            grant_state(&account.state, &stage.name, plan, apply);
            grant_permissions(stage, plan, apply);
            if matches!(stage.permissions, Permissions::Network) {
                assert_network(&node, stage.stack.environment(), &stage.name, plan, apply);
            }
        }
        let is_home = home.is_some_and(|it| it.account == stage.stack.environment().account);
        let otherwise = if is_home { Approval::None } else { Approval::Within(7 * 24 * 60) };
        Self { node, name: stage.name.clone(), plan, apply, approval: stage.approval.unwrap_or(otherwise) }
    }

    /// The names of the pipeline's stage and action that wait for an approval, if they do.
    pub(super) fn approval(&self) -> Option<(String, &'static str)> {
        matches!(self.approval, Approval::Within(_)).then(|| (capitalized(&self.name), APPROVE))
    }

    /// The stage of the pipeline: plan, approval, and the application of that very plan.
    #[track_caller]
    pub(super) fn pipeline_stage(
        &self,
        stage: &StageProps,
        pipeline_name: &str,
        pipeline: &Node,
        package: &Artifact,
        topic: &Topic,
    ) -> Stage {
        let name = capitalized(&stage.name);
        let namespace = format!("Plan{name}");
        let plan = CodeBuildAction::new("Plan", &self.plan, package).namespace(&namespace);
        let mut declared = Stage::new(name.as_str()).action(plan);
        if let Approval::Within(minutes) = self.approval {
            let mut approve = ManualApprovalAction::new(APPROVE)
                .notify(topic)
                .information(format!("#{{{namespace}.PLAN_SUMMARY}}"))
                .timeout_minutes(minutes)
                .run_order(2);
            if let Some(Environment { region, .. }) = pipeline.environment() {
                let host = format!("https://{region}.console.aws.amazon.com");
                approve = approve
                    .link(format!("{host}/codesuite/codepipeline/pipelines/{pipeline_name}/view?region={region}"));
            }
            declared = declared.action(approve);
        }
        let mut apply = CodeBuildAction::new("Apply", &self.apply, package).run_order(3);
        for variable in ["PLAN_CHANGES", "PLAN_KEY", "PLAN_VERSION", "PLAN_SHA256"] {
            apply = apply.environment_variable(variable, format!("#{{{namespace}.{variable}}}"));
        }
        declared = declared.action(apply);
        if let Some((otherwise, condition)) = stage.before_entry.clone() {
            declared = declared.before_entry(otherwise, condition);
        }
        match stage.on_failure.clone() {
            Some(reaction) => declared.on_failure(reaction),
            None => declared,
        }
    }
}

/// What the two projects of a stage have in common.
fn project_props(
    pipeline: &CrossAccountPipelineProps,
    stage: &StageProps,
    account: &StageAccount,
    verb: &str,
    what: &str,
) -> ProjectProps {
    ProjectProps::new()
        .project_name(format!("{}-{verb}-{}", pipeline.name, stage.name))
        .description(format!("{what} stage {}", stage.name))
        .build_spec(BuildSpec::file(format!("buildspec-{verb}.yml")))
        .timeout_minutes(60)
        // One at a time: the next would only wait for the lock of the state.
        .concurrent_build_limit(1)
        .encryption_key(&account.key)
        .without_test_reports()
        .log_retention(pipeline.log_retention)
        .environment_variable("STAGE", stage.name.as_str())
        .environment_variable("TF_STATE_BUCKET", account.state.bucket_name())
        .environment_variable("TF_STATE_KMS_KEY", account.key.arn())
        .environment_variable("TF_VAR_account_id", stage.stack.environment().account.to_string())
}

/// Terraform's state and its lock, and the plan on its way from the one build to the other.
#[track_caller]
fn grant_state(state: &Bucket, stage: &str, plan: &Role, apply: &Role) {
    let file = format!("network/{stage}.tfstate");
    let lock = format!("{file}.tflock");
    let plans = format!("plans/{stage}/*");
    for role in [plan, apply] {
        state.grant_on_bucket(role, &["s3:ListBucket"]);
        state.grant_on_objects(role, &file, &["s3:GetObject"]);
        state.grant_on_objects(role, &lock, &["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]);
    }
    state.grant_on_objects(plan, &plans, &["s3:PutObject"]);
    state.grant_on_objects(apply, &file, &["s3:PutObject"]);
    state.grant_on_objects(apply, &plans, &["s3:GetObject", "s3:GetObjectVersion"]);
}

fn grant_permissions(stage: &StageProps, plan: &Role, apply: &Role) {
    let environment = stage.stack.environment();
    let (reads, writes) = match &stage.permissions {
        Permissions::Network => (network_read(environment), network_write(environment, &stage.name)),
        Permissions::Tailored { plan, apply } => (plan.clone(), apply.clone()),
        // These roles have AWS's own policies.
        Permissions::AdministratorAccess => return,
    };
    for statement in reads {
        plan.add_statement(statement.clone());
        apply.add_statement(statement);
    }
    for statement in writes {
        apply.add_statement(statement);
    }
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

impl Construct for DeployedStage {
    fn node(&self) -> &Node {
        &self.node
    }
}
