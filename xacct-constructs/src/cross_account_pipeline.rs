//! The cross-account pipeline: Terraform code from a repository, checked once, then planned, approved and applied stage by
//! stage, in as many accounts and regions as there are stages.
//!
//! What a build may do is derived from what it is for: a plan may read, an apply may change what belongs to its own stage.
//! A plan never leaves its account, and what is applied is the plan that was approved. The builds and the pipeline agree on
//! environment variables and buildspecs: the README of the repository that the app ships is that contract.

mod network;
mod network_assertions;
mod stage;
mod stage_account;
mod user_assertions;
mod users;

pub use network::{network_read, network_write};
pub use stage::{Approval, DeployedStage, Permissions, StageProps};
pub use stage_account::{StageAccount, StageAccountProps};
pub use users::{OperatorAccess, Operators, PipelineUser};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use xacct_core::{Construct, Diagnostic, Node, NodeId, RemovalPolicy};

use crate::codebuild::{BuildSpec, Project, ProjectProps, Source};
use crate::codecommit::{Code, Repository, RepositoryProps};
use crate::codepipeline::{Action, Artifact, CodeBuildAction, CodeCommitSourceAction, Pipeline, PipelineProps, Stage};
use crate::kms::{Key, KeyProps};
use crate::logs::RetentionDays;
use crate::naming::NameRule;
use crate::s3::{Bucket, BucketProps, LifecycleRule};
use crate::sns::{Topic, TopicProps};

/// What is allowed in each of the names that are made of it, with room for their endings.
const NAME: NameRule = NameRule { what: "the name of a cross-account pipeline", length: 1..=80, besides: "_-" };

/// A pipeline that deploys Terraform code into several accounts.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// use xacct_constructs::cross_account_pipeline::{CrossAccountPipeline, CrossAccountPipelineProps, StageProps};
/// let app = App::new();
/// let region = Region::literal("eu-west-1");
/// let tools = Environment::new(AccountId::literal("111111111111"), region.clone());
/// let production = Environment::new(AccountId::literal("222222222222"), region);
/// let tools = Stack::new(&app, "Tools", tools, StackProps::new());
/// let production = Stack::new(&app, "Production", production, StackProps::new());
/// let pipeline = CrossAccountPipeline::new(
///     &tools,
///     "Network",
///     CrossAccountPipelineProps::new("network")
///         .stage(StageProps::new("dev", &tools))
///         .stage(StageProps::new("prod", &production)),
/// );
/// # let _ = pipeline;
/// # app.synth().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct CrossAccountPipeline {
    node: Node,
    /// The repository. `None` where the source is another.
    pub repository: Option<Repository>,
    /// What artifacts are encrypted with; the accounts of the stages may decrypt with it.
    pub key: Key,
    /// What artifacts are in; the builds of the stages may read it.
    pub bucket: Bucket,
    /// What checks the code, and packages it for all stages.
    pub build: Project,
    /// Who is told about failures and approvals.
    pub topic: Topic,
    /// The pipeline.
    pub pipeline: Pipeline,
    /// What each stage came to, in their order.
    pub stages: Vec<DeployedStage>,
    /// What each account has, in the order in which stages first name it; the pipeline's own first.
    pub accounts: Vec<StageAccount>,
    /// The users, one in each account, where there are any.
    pub users: Vec<PipelineUser>,
}

/// How to make a [`CrossAccountPipeline`].
#[derive(Clone, Debug)]
pub struct CrossAccountPipelineProps {
    name: String,
    code: Option<Code>,
    branch: String,
    source: Option<PipelineSource>,
    key: Option<Key>,
    bucket: Option<Bucket>,
    replication_buckets: Vec<Bucket>,
    build: Option<Project>,
    topic: Option<Topic>,
    stages: Vec<StageProps>,
    accounts: Vec<StageAccount>,
    operators: Option<Operators>,
    notified: Vec<String>,
    log_retention: RetentionDays,
    removal_policy: RemovalPolicy,
}

/// Where the code comes from, if not from a repository that the pipeline makes.
#[derive(Clone)]
enum PipelineSource {
    Repository(Repository),
    Action(Arc<dyn Fn(&Artifact) -> Action + Send + Sync>),
}

impl fmt::Debug for PipelineSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(repository) => repository.fmt(f),
            Self::Action(_) => f.write_str("Action"),
        }
    }
}

impl CrossAccountPipelineProps {
    /// The defaults, without stages. `name` is the pipeline's, the repository's, and what the names of projects, logs and
    /// aliases begin with.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            code: None,
            branch: "main".to_owned(),
            source: None,
            key: None,
            bucket: None,
            replication_buckets: Vec::new(),
            build: None,
            topic: None,
            stages: Vec::new(),
            accounts: Vec::new(),
            operators: None,
            notified: Vec::new(),
            log_retention: RetentionDays::default(),
            removal_policy: RemovalPolicy::Retain,
        }
    }

    /// What the repository holds at first. Default: nothing.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The branch whose pushes start the pipeline. Default: `main`.
    #[must_use]
    pub fn branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = branch.into();
        self
    }

    /// Takes the code from a repository that is there already. Default: the pipeline makes one.
    #[must_use]
    pub fn repository(mut self, repository: &Repository) -> Self {
        self.source = Some(PipelineSource::Repository(repository.clone()));
        self
    }

    /// Takes the code from elsewhere, by a source action that makes the artifact it is given. Default: a CodeCommit repository.
    #[must_use]
    pub fn source(mut self, action: impl Fn(&Artifact) -> Action + Send + Sync + 'static) -> Self {
        self.source = Some(PipelineSource::Action(Arc::new(action)));
        self
    }

    /// The key that artifacts are encrypted with. It should have an alias. Default: one of the pipeline's own.
    #[must_use]
    pub fn key(mut self, key: &Key) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// The bucket that artifacts are in. Default: one of the pipeline's own.
    #[must_use]
    pub fn bucket(mut self, bucket: &Bucket) -> Self {
        self.bucket = Some(bucket.clone());
        self
    }

    /// What artifacts are in for stages of another region: a bucket with a key, of the pipeline's account and that region.
    /// Default: none.
    #[must_use]
    pub fn replication_bucket(mut self, bucket: &Bucket) -> Self {
        self.replication_buckets.push(bucket.clone());
        self
    }

    /// The project that checks and packages the code. Default: one that runs `buildspec.yml`.
    #[must_use]
    pub fn build(mut self, project: &Project) -> Self {
        self.build = Some(project.clone());
        self
    }

    /// The topic for failures and approvals. Default: one of the pipeline's own.
    #[must_use]
    pub fn topic(mut self, topic: &Topic) -> Self {
        self.topic = Some(topic.clone());
        self
    }

    /// Adds a stage, after those given before.
    #[must_use]
    pub fn stage(mut self, stage: StageProps) -> Self {
        self.stages.push(stage);
        self
    }

    /// What an account has for its stages: the one that is in the stack of a stage is used for it. Default: made by the pipeline.
    #[must_use]
    pub fn account(mut self, account: &StageAccount) -> Self {
        self.accounts.push(account.clone());
        self
    }

    /// Makes a user in each account. Default: none, as credentials that last are best avoided.
    #[must_use]
    pub fn operators(mut self, operators: Operators) -> Self {
        self.operators = Some(operators);
        self
    }

    /// Sends failures and approvals to a mail address. Default: to nobody besides the topic.
    #[must_use]
    pub fn notify(mut self, address: impl Into<String>) -> Self {
        self.notified.push(address.into());
        self
    }

    /// How long logs are kept. Default: two years.
    #[must_use]
    pub fn log_retention(mut self, retention: RetentionDays) -> Self {
        self.log_retention = retention;
        self
    }

    /// What happens to buckets, keys and logs when a stack no longer has them. Default: they are retained: without its state,
    /// Terraform loses sight of what it made.
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal_policy = policy;
        self
    }
}

/// Makes the pieces in the order in which one needs the other.
struct Maker<'a> {
    id: &'a str,
    props: CrossAccountPipelineProps,
    scopes: BTreeMap<NodeId, Node>,
    accounts: Vec<StageAccount>,
}

impl CrossAccountPipeline {
    /// A pipeline in the stack of `scope`; the stages say in which stacks they deploy.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, mut props: CrossAccountPipelineProps) -> Self {
        let node = scope.node().child(id);
        check(&node, &props);
        // A name that is refused is told once, and not again for each of the names that are made of it.
        props.name = NAME.accepted(&node, Some(props.name)).unwrap_or_else(|| "pipeline".to_owned());
        let environment = node.environment();
        let home = node.stack().unwrap_or_else(|| node.clone());
        let scopes = BTreeMap::from([(home.id(), node.clone())]);
        let mut maker = Maker { id, props, scopes, accounts: Vec::new() };

        let own = maker.account(&home);
        let key = maker.key(&node);
        let bucket = maker.bucket(&node, &key, &own);
        let topic = maker.topic(&node, &own);
        let build = maker.build(&node, &key);
        let mut repository = None;
        let (source, package) = (Artifact::new("Source"), Artifact::new("Package"));
        let source_action = maker.source(&node, &source, &mut repository);

        let mut pipeline = PipelineProps::new()
            .pipeline_name(&maker.props.name)
            .artifact_bucket(&bucket)
            .stage(Stage::new("Source").action(source_action))
            .stage(Stage::new("Build").action(CodeBuildAction::new("Build", &build, &source).output(&package)));
        let mut stages = Vec::new();
        for mut stage in maker.props.stages.clone() {
            stage.settle_name(&node);
            let account = maker.account(stage.stack.node());
            let scope = maker.scope(stage.stack.node());
            let made = DeployedStage::new(&scope, &maker.props, environment.as_ref(), &stage, &account);
            pipeline = pipeline.stage(made.pipeline_stage(&stage, &maker.props.name, &node, &package, &topic));
            stages.push(made);
        }
        for bucket in &maker.props.replication_buckets {
            pipeline = pipeline.replication_bucket(bucket);
        }
        let pipeline = Pipeline::new(&node, "Pipeline", pipeline);
        pipeline.notify_on_failure("Failure", &topic);
        let mut made = Self {
            node,
            repository,
            key,
            bucket,
            build,
            topic,
            pipeline,
            stages,
            accounts: maker.accounts.clone(),
            users: Vec::new(),
        };
        if let Some(operators) = maker.props.operators.clone() {
            for account in maker.accounts.clone() {
                let scope = maker.scope(&account.stack());
                made.users.push(PipelineUser::new(&scope, &operators, &account, &made));
            }
        }
        made
    }
}

impl Maker<'_> {
    /// The node under which a stack holds its share of the pipeline: of the same id in each.
    #[track_caller]
    fn scope(&mut self, stack: &Node) -> Node {
        self.scopes.entry(stack.id()).or_insert_with(|| stack.child(self.id)).clone()
    }

    #[track_caller]
    fn account(&mut self, stack: &Node) -> StageAccount {
        if let Some(known) = self.accounts.iter().find(|it| it.stack().id() == stack.id()) {
            return known.clone();
        }
        let given = self.props.accounts.iter().find(|it| it.stack().id() == stack.id()).cloned();
        let account = match given {
            Some(account) => account,
            None => {
                let scope = self.scope(stack);
                let props = StageAccountProps::new(&self.props.name).removal_policy(self.props.removal_policy);
                StageAccount::new(&scope, "Account", props)
            }
        };
        self.accounts.push(account.clone());
        account
    }

    #[track_caller]
    fn key(&self, node: &Node) -> Key {
        if let Some(key) = &self.props.key {
            return key.clone();
        }
        let name = &self.props.name;
        let props =
            KeyProps::new().alias(format!("{name}-artifacts")).description(format!("Artifacts of pipeline {name}"));
        Key::new(node, "Key", props.removal_policy(self.props.removal_policy))
    }

    #[track_caller]
    fn bucket(&self, node: &Node, key: &Key, own: &StageAccount) -> Bucket {
        if let Some(bucket) = &self.props.bucket {
            return bucket.clone();
        }
        // Old artifacts are of no use: an execution that is rolled back to is taken from the last weeks.
        let old =
            LifecycleRule::new("OldArtifacts").expiration_days(90).noncurrent_version_days(30).abort_upload_days(7);
        let props = BucketProps::new()
            .encryption_key(key)
            .lifecycle_rule(old)
            .access_logs(&own.access_logs, "artifacts/")
            .removal_policy(self.props.removal_policy);
        Bucket::new(node, "Artifacts", props)
    }

    #[track_caller]
    fn topic(&self, node: &Node, own: &StageAccount) -> Topic {
        let topic = match &self.props.topic {
            Some(topic) => topic.clone(),
            None => {
                let props =
                    TopicProps::new().topic_name(format!("{}-pipeline", self.props.name)).encryption_key(&own.key);
                Topic::new(node, "Topic", props)
            }
        };
        for (index, address) in self.props.notified.iter().enumerate() {
            topic.add_email_subscription(&format!("Mail{index}"), address);
        }
        topic
    }

    #[track_caller]
    fn build(&self, node: &Node, key: &Key) -> Project {
        if let Some(project) = &self.props.build {
            return project.clone();
        }
        let props = ProjectProps::new()
            .project_name(format!("{}-build", self.props.name))
            .description("Checks and packages the code once, for all stages")
            .build_spec(BuildSpec::file("buildspec.yml"))
            .timeout_minutes(30)
            .encryption_key(key)
            .without_test_reports()
            .log_retention(self.props.log_retention);
        Project::new(node, "Build", Source::CodePipeline, props)
    }

    #[track_caller]
    fn source(&self, node: &Node, artifact: &Artifact, made: &mut Option<Repository>) -> Action {
        let repository = match &self.props.source {
            Some(PipelineSource::Action(action)) => return action(artifact),
            Some(PipelineSource::Repository(repository)) => repository.clone(),
            None => {
                let name = &self.props.name;
                let mut props = RepositoryProps::new().description(format!("What pipeline {name} deploys"));
                if let Some(code) = self.props.code.clone() {
                    props = props.code(code);
                }
                Repository::new(node, "Repository", name, props)
            }
        };
        *made = Some(repository.clone());
        CodeCommitSourceAction::new("Source", &repository, artifact).branch(&self.props.branch).into()
    }
}

#[track_caller]
fn check(node: &Node, props: &CrossAccountPipelineProps) {
    if props.stages.is_empty() {
        node.report(
            Diagnostic::error("pipeline-structure", "the pipeline has no stage")
                .help("say where it deploys to: `CrossAccountPipelineProps::stage`"),
        );
    }
    for (index, stage) in props.stages.iter().enumerate() {
        if let Some(first) = props.stages[..index].iter().find(|it| it.name == stage.name) {
            node.report(
                Diagnostic::error("duplicate-stage", format!("there are two stages `{}`", stage.name))
                    .at(stage.at)
                    .related("the first is at", first.at)
                    .help("give one of the two another name"),
            );
        }
    }
}

impl Construct for CrossAccountPipeline {
    fn node(&self) -> &Node {
        &self.node
    }
}
