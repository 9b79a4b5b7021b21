//! Pipelines with CodePipeline, of type V2.
//!
//! A pipeline is described whole, stage by stage. Each action brings along what it needs to be granted; making the pipeline
//! grants it, to the pipeline's own role, or, for what is in another account, to a role there that trusts the pipeline's.
//! CodePipeline checks that it can take on such a role when it makes the pipeline: so the other account's stack comes first.

mod action;
mod artifact;
mod build_action;
mod check;
mod source_action;
mod stage;
mod trigger;

pub use action::{Action, Performance};
pub use artifact::Artifact;
pub use build_action::{CloudFormationDeployAction, CodeBuildAction, ManualApprovalAction};
pub use source_action::{CodeCommitSourceAction, CodeConnectionsSourceAction, S3SourceAction};
pub use stage::{Comparison, Condition, ConditionRule, EntryResult, OnFailure, Retried, Stage, SuccessResult};
pub use trigger::{GitFilter, Trigger};

pub use crate::cfn::codepipeline::pipeline::{Category, ExecutionMode};

use std::collections::BTreeMap;

use serde_json::json;
use xacct_core::value::{Expr, Value};
use xacct_core::{
    Construct, Environment, Grant, Grantable, Node, NodeId, PhysicalName, Principal, Region, action, concat,
};

use crate::cfn::codepipeline::pipeline::{
    ActionDeclaration, ArtifactStore, ArtifactStoreMap, EncryptionKey, PipelineType, StageDeclaration, Type,
};
use crate::cfn::codepipeline::{CfnPipeline, CfnPipelineProps};
use crate::events::{self, Rule, RuleProps, Target};
use crate::iam::{CrossAccountRole, Role, RoleProps};
use crate::kms::{Key, KeyProps};
use crate::naming::{self, NameRule};
use crate::s3::{Bucket, BucketProps};
use crate::sns::Topic;
use check::Checked;

const NAME: NameRule = NameRule { what: "a pipeline name", length: 1..=100, besides: ".@-_" };

/// A pipeline.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// use xacct_constructs::codebuild::{Project, ProjectProps, Source};
/// use xacct_constructs::codecommit::{Repository, RepositoryProps};
/// use xacct_constructs::codepipeline::{Artifact, CodeBuildAction, CodeCommitSourceAction, Pipeline, PipelineProps, Stage};
/// # let app = App::new();
/// # let region = Region::literal("eu-west-1");
/// # let tools = Stack::new(&app, "Tools", Environment::new(AccountId::literal("111111111111"), region.clone()), StackProps::new());
/// # let production = Stack::new(&app, "Production", Environment::new(AccountId::literal("222222222222"), region), StackProps::new());
/// let repository = Repository::new(&tools, "Repository", "network", RepositoryProps::new());
/// // In the other account: the pipeline reaches it by a role that is made there.
/// let deploy = Project::new(&production, "Deploy", Source::CodePipeline, ProjectProps::new());
/// let code = Artifact::new("Code");
/// let pipeline = Pipeline::new(
///     &tools,
///     "Pipeline",
///     PipelineProps::new()
///         .stage(Stage::new("Source").action(CodeCommitSourceAction::new("Code", &repository, &code)))
///         .stage(Stage::new("Prod").action(CodeBuildAction::new("Deploy", &deploy, &code))),
/// );
/// # let _ = pipeline;
/// let assembly = app.synth().unwrap();
/// let order: Vec<&str> = assembly.stacks.iter().map(|it| it.stack_name.as_str()).collect();
/// assert_eq!(order, ["Production", "Tools"]);
/// ```
#[derive(Clone, Debug)]
pub struct Pipeline {
    node: Node,
    name: Value<str>,
    arn: Value<str>,
    /// What the pipeline works as.
    pub role: Role,
    /// What its artifacts are in.
    pub artifact_bucket: Bucket,
}

/// How to make a [`Pipeline`].
#[derive(Clone, Debug)]
pub struct PipelineProps {
    pipeline_name: Option<String>,
    role: Option<Role>,
    artifact_bucket: Option<Bucket>,
    replication_buckets: Vec<Bucket>,
    execution_mode: ExecutionMode,
    stages: Vec<Stage>,
}

impl Default for PipelineProps {
    fn default() -> Self {
        Self::new()
    }
}

impl PipelineProps {
    /// The defaults, without stages.
    pub fn new() -> Self {
        Self {
            pipeline_name: None,
            role: None,
            artifact_bucket: None,
            replication_buckets: Vec::new(),
            execution_mode: ExecutionMode::Queued,
            stages: Vec::new(),
        }
    }

    /// The name. Default: one that the app makes by a fixed rule.
    #[must_use]
    pub fn pipeline_name(mut self, name: impl Into<String>) -> Self {
        self.pipeline_name = Some(name.into());
        self
    }

    /// What the pipeline works as. It must trust CodePipeline. Default: a role of its own.
    #[must_use]
    pub fn role(mut self, role: &Role) -> Self {
        self.role = Some(role.clone());
        self
    }

    /// What artifacts are in: a bucket of the pipeline's account and region, and with a key if anything is done in another
    /// account. Default: a bucket of its own, with a key of its own.
    #[must_use]
    pub fn artifact_bucket(mut self, bucket: &Bucket) -> Self {
        self.artifact_bucket = Some(bucket.clone());
        self
    }

    /// What artifacts are in for actions of another region, which is the bucket's. Default: none.
    #[must_use]
    pub fn replication_bucket(mut self, bucket: &Bucket) -> Self {
        self.replication_buckets.push(bucket.clone());
        self
    }

    /// What happens when an execution meets the one before. Default: it waits for its turn. (AWS's own default is to overtake:
    /// what was approved may then never be deployed.)
    #[must_use]
    pub fn execution_mode(mut self, mode: ExecutionMode) -> Self {
        self.execution_mode = mode;
        self
    }

    /// Adds a stage, after those given before.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Self {
        self.stages.push(stage);
        self
    }
}

impl Pipeline {
    /// A pipeline of the stages given.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: PipelineProps) -> Self {
        let node = scope.node().child(id);
        let name = NAME.accepted(&node, props.pipeline_name.clone());
        let name = name.unwrap_or_else(|| naming::generated(&node, 100));
        let role = match &props.role {
            Some(role) => role.clone(),
            // No `aws:SourceArn` on the trust: AWS's own examples have none, and roles with one have failed in the field.
            None => Role::new(&node, "Role", Principal::service("codepipeline.amazonaws.com"), RoleProps::new()),
        };
        let artifact_bucket = match &props.artifact_bucket {
            Some(bucket) => bucket.clone(),
            None => default_bucket(&node, &name),
        };
        let Some(home) = node.environment() else {
            // Synthesis reports that the pipeline is in no stack.
            let resource = CfnPipeline::new(
                &node,
                "Resource",
                CfnPipelineProps::new().role_arn(role.arn()).stages(Vec::<StageDeclaration>::new()),
            );
            return Self { name: resource.reference(), arn: resource.reference(), node, role, artifact_bucket };
        };
        let mut stores = BTreeMap::from([(home.region.clone(), artifact_bucket.clone())]);
        for bucket in &props.replication_buckets {
            if let Some(environment) = bucket.node().environment() {
                stores.insert(environment.region, bucket.clone());
            }
        }
        Checked { node: &node, home: &home, stages: &props.stages, stores: &stores }.report_all();
        grant_artifacts(&role, &home, &stores);

        let mut roles = ActionRoles { pipeline: &node, role: &role, home: &home, made: BTreeMap::new() };
        let mut stages: Vec<StageDeclaration> = Vec::new();
        for stage in &props.stages {
            let mut actions: Vec<ActionDeclaration> = Vec::new();
            for action in &stage.actions {
                let performer = roles.performer(action);
                let region = action.environment(&home).region;
                action.grant(&Performance {
                    performer: performer.as_ref().unwrap_or(&role),
                    artifacts: stores.get(&region).unwrap_or(&artifact_bucket),
                    by_pipeline: performer.is_none(),
                });
                actions.push(action.declaration(performer.as_ref(), &home));
            }
            for statement in stage.conditions().flat_map(|it| &it.rules).flat_map(|it| it.statements(&home)) {
                role.add_statement(statement);
            }
            stages.push(stage.with_conditions(StageDeclaration::new().name(stage.name.as_str()).actions(actions)));
        }
        let mut resource = CfnPipelineProps::new()
            .name(name.as_str())
            .pipeline_type(PipelineType::V2)
            .execution_mode(props.execution_mode)
            .role_arn(role.arn())
            .stages(stages);
        resource = match &props.replication_buckets[..] {
            [] => resource.artifact_store(store(&artifact_bucket)),
            _ => resource.artifact_stores(
                stores
                    .iter()
                    .map(|(region, bucket)| {
                        ArtifactStoreMap::new().region(region.as_str()).artifact_store(store(bucket))
                    })
                    .collect::<Vec<_>>(),
            ),
        };
        let triggers: Vec<_> = git_triggers(&props.stages);
        if !triggers.is_empty() {
            resource = resource.triggers(triggers);
        }
        let resource = CfnPipeline::new(&node, "Resource", resource);
        let arn = format!("arn:{}:codepipeline:{}:{}:", home.region.partition(), home.region, home.account);
        resource.node().set_physical_name(PhysicalName::new("Name", Some(name)).max_length(100));
        for role in roles.made.values() {
            resource.node().depends_on(role);
        }
        for role in props.stages.iter().flat_map(|it| &it.actions).filter_map(|it| it.role.as_ref()) {
            resource.node().depends_on(role);
        }
        let pipeline = Self {
            arn: concat([Expr::from(arn), resource.reference().into()]),
            name: resource.reference(),
            node,
            role,
            artifact_bucket,
        };
        pipeline.make_triggers(&props.stages);
        pipeline
    }

    /// The pipeline's name.
    pub fn pipeline_name(&self) -> Value<str> {
        self.name.clone()
    }

    /// The pipeline's ARN.
    pub fn arn(&self) -> Value<str> {
        self.arn.clone()
    }

    /// Where people watch it.
    pub fn console_url(&self) -> Value<str> {
        let region = self.node.environment().map(|it| it.region.to_string()).unwrap_or_default();
        concat([
            Expr::from(format!("https://{region}.console.aws.amazon.com/codesuite/codepipeline/pipelines/")),
            self.pipeline_name().into(),
            Expr::from(format!("/view?region={region}")),
        ])
    }

    /// Lets `grantee` start the pipeline.
    #[track_caller]
    pub fn grant_start(&self, grantee: &dyn Grantable) {
        Grant::new(&self.node, grantee, [action!("codepipeline:StartPipelineExecution")]).on([&self.arn]).record();
    }

    /// Lets `grantee` see how the pipeline is made and how its executions go.
    #[track_caller]
    pub fn grant_view(&self, grantee: &dyn Grantable) {
        let actions = [
            action!("codepipeline:GetPipeline"),
            action!("codepipeline:GetPipelineExecution"),
            action!("codepipeline:GetPipelineState"),
            action!("codepipeline:ListActionExecutions"),
            action!("codepipeline:ListPipelineExecutions"),
        ];
        Grant::new(&self.node, grantee, actions).on([&self.arn]).record();
    }

    /// Lets `grantee` answer an approval.
    #[track_caller]
    pub fn grant_approve(&self, grantee: &dyn Grantable, stage: &str, action: &str) {
        let approval = concat([Expr::from(self.arn()), Expr::from(format!("/{stage}/{action}"))]);
        Grant::new(&self.node, grantee, [action!("codepipeline:PutApprovalResult")]).on([approval]).record();
    }

    /// Tells a topic when an execution has failed.
    #[track_caller]
    pub fn notify_on_failure(&self, id: &str, topic: &Topic) -> Rule {
        let pattern = Expr::Map(vec![
            ("source".into(), Expr::from(json!(["aws.codepipeline"]))),
            ("detail-type".into(), Expr::from(json!(["CodePipeline Pipeline Execution State Change"]))),
            ("resources".into(), Expr::List(vec![self.arn().into()])),
            ("detail".into(), Expr::from(json!({ "state": ["FAILED"] }))),
        ]);
        let target = Target::topic(topic).message(
            "The pipeline <pipeline> has failed: execution <execution>.",
            [("pipeline", "$.detail.pipeline"), ("execution", "$.detail.execution-id")],
        );
        Rule::new(&self.node, id, RuleProps::new().event_pattern(pattern).target(target))
    }

    /// The rules by which events start the pipeline, and the one role they do it by.
    #[track_caller]
    fn make_triggers(&self, stages: &[Stage]) {
        let mut role: Option<Role> = None;
        for action in stages.iter().flat_map(|it| &it.actions) {
            let Some(Trigger::Event(pattern)) = &action.trigger else { continue };
            let role = match &role {
                Some(role) => role,
                None => {
                    let made = Role::new(&self.node, "EventsRole", events::service_principal(), RoleProps::new());
                    self.grant_start(&made);
                    role.insert(made)
                }
            };
            let target = Target::new(self.arn(), role);
            let props = RuleProps::new().event_pattern(pattern.clone()).target(target);
            Rule::new(&self.node, &format!("{}Trigger", action.name), props);
        }
    }
}

/// The roles by which the pipeline reaches other accounts: one for each stack that something is done in.
struct ActionRoles<'a> {
    pipeline: &'a Node,
    role: &'a Role,
    home: &'a Environment,
    made: BTreeMap<NodeId, Role>,
}

impl ActionRoles<'_> {
    /// The role that performs an action, where it is not the pipeline's own.
    #[track_caller]
    fn performer(&mut self, action: &Action) -> Option<Role> {
        if let Some(role) = &action.role {
            role.grant_assume_role(self.role);
            return Some(role.clone());
        }
        if action.environment(self.home).account == self.home.account {
            return None;
        }
        let stack = action.subject.as_ref()?.stack()?;
        if let Some(role) = self.made.get(&stack.id()) {
            return Some(role.clone());
        }
        // Pipelines of several stacks may reach into this one.
        let id = format!("{}ActionRole", self.pipeline.path().replace('/', ""));
        let props = RoleProps::new().description(format!("What {} does in this account", self.pipeline.path()));
        let role = CrossAccountRole::new(&stack, &id, self.role, props).role;
        self.made.insert(stack.id(), role.clone());
        Some(role)
    }
}

#[track_caller]
fn default_bucket(node: &Node, name: &str) -> Bucket {
    let key = KeyProps::new().alias(format!("codepipeline-{name}")).description(format!("Artifacts of {name}"));
    let key = Key::new(node, "ArtifactsKey", key);
    Bucket::new(node, "Artifacts", BucketProps::new().encryption_key(&key))
}

fn store(bucket: &Bucket) -> ArtifactStore {
    let store = ArtifactStore::new().type_(Type::S3).location(bucket.bucket_name());
    match bucket.encryption_key() {
        // By its ARN: CodePipeline does not know aliases across accounts.
        Some(key) => store.encryption_key(EncryptionKey::new().type_("KMS").id(key.arn())),
        None => store,
    }
}

/// What <https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html> asks for, and not for more.
fn grant_artifacts(role: &Role, home: &Environment, stores: &BTreeMap<Region, Bucket>) {
    for (region, bucket) in stores {
        let owned = |grant: Grant| grant.when("StringEquals", "aws:ResourceAccount", [home.account.as_str()]).record();
        let on_bucket =
            [action!("s3:GetBucketAcl"), action!("s3:GetBucketLocation"), action!("s3:GetBucketVersioning")];
        owned(Grant::new(bucket, role, on_bucket).on([bucket.arn().cast::<str>()]));
        let on_objects = [
            action!("s3:GetObject"),
            action!("s3:GetObjectTagging"),
            action!("s3:GetObjectVersion"),
            action!("s3:GetObjectVersionTagging"),
            action!("s3:PutObject"),
            action!("s3:PutObjectAcl"),
            action!("s3:PutObjectTagging"),
        ];
        owned(Grant::new(bucket, role, on_objects).on([bucket.objects("*")]));
        let Some(key) = bucket.encryption_key() else { continue };
        key.grant_via("s3", role, &["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]);
        if *region != home.region {
            // Artifacts are copied from one region's key to the other's.
            key.grant_via("s3", role, &["kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"]);
        }
    }
}

fn git_triggers(stages: &[Stage]) -> Vec<crate::cfn::codepipeline::pipeline::PipelineTriggerDeclaration> {
    let actions = stages.iter().flat_map(|it| &it.actions);
    actions
        .filter_map(|action| match &action.trigger {
            Some(Trigger::Git(filters)) => Some(trigger::git_declaration(&action.name, filters)),
            _ => None,
        })
        .collect()
}

impl Construct for Pipeline {
    fn node(&self) -> &Node {
        &self.node
    }
}
