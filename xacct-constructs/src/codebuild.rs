//! Builds with CodeBuild.
//!
//! A project comes with its own role, which may write its own logs and reports and nothing else until it is granted more,
//! and with its own log group.

use xacct_core::value::{Expr, Value};
use xacct_core::{
    Construct, Diagnostic, Environment, Grant, Grantable, Node, PhysicalName, Principal, Statement, action,
};

use crate::cfn::codebuild::project::{
    Artifacts, CloudWatchLogsConfig, Environment as BuildEnvironment, EnvironmentVariable, LogsConfig,
    Source as CfnSource,
};
use crate::cfn::codebuild::{CfnProject, CfnProjectProps};
use crate::cfn::kind;
use crate::codecommit::Repository;
use crate::iam::{AttachedPolicy, Role, RoleProps};
use crate::kms::Key;
use crate::logs::{LogGroup, LogGroupProps, RetentionDays};
use crate::naming::{self, NameRule};
use crate::number::NumberRule;
use crate::secretsmanager::Secret;

const NAME: NameRule = NameRule { what: "a build project name", length: 2..=150, besides: "_-" };
const TIMEOUT: NumberRule = NumberRule { what: "the timeout of a build", unit: "minutes", range: 5..=2_160 };
const QUEUED_TIMEOUT: NumberRule =
    NumberRule { what: "the timeout of a build that waits for its start", unit: "minutes", range: 5..=480 };

/// The image that builds run in, where none is given: Amazon Linux 2023.
pub const DEFAULT_IMAGE: &str = "aws/codebuild/amazonlinux-x86_64-standard:5.0";

/// Where a project gets its source from.
#[derive(Clone, Debug)]
pub enum Source {
    /// From the pipeline that runs it, which takes its output too.
    CodePipeline,
    /// From a branch of a repository.
    CodeCommit(Repository, String),
    /// From nowhere: the build specification stands in the project.
    None,
}

/// What a build does: a file of the source, or a specification that stands in the project. See
/// [the reference](https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html).
#[derive(Clone, Debug)]
pub struct BuildSpec(Spec);

#[derive(Clone, Debug)]
enum Spec {
    File(String),
    Inline(serde_json::Value),
}

impl BuildSpec {
    /// A file, by its path from the root of the source.
    pub fn file(path: impl Into<String>) -> Self {
        Self(Spec::File(path.into()))
    }

    /// The specification itself.
    pub fn inline(specification: serde_json::Value) -> Self {
        Self(Spec::Inline(specification))
    }

    fn text(&self) -> String {
        match &self.0 {
            Spec::File(path) => path.clone(),
            // CodeBuild reads YAML, and JSON is YAML.
            Spec::Inline(specification) => specification.to_string(),
        }
    }
}

/// The value of an environment variable of a build.
#[derive(Clone, Debug)]
pub enum Variable {
    /// Plain, for all to read who may see the project.
    Plain(Value<str>),
    /// A parameter of Systems Manager, by its name. The build's role may read it.
    Parameter(String),
    /// A secret, or a field of a secret that is JSON. The build's role may read it.
    Secret(Secret, Option<String>),
}

impl From<&str> for Variable {
    fn from(text: &str) -> Self {
        Self::Plain(Value::from_expr(text.to_owned().into()))
    }
}

impl From<String> for Variable {
    fn from(text: String) -> Self {
        Self::Plain(Value::from_expr(text.into()))
    }
}

impl<T: ?Sized> From<Value<T>> for Variable {
    fn from(value: Value<T>) -> Self {
        Self::Plain(value.cast())
    }
}

/// How big the machine of a build is. See
/// [what each has](https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-compute-types.html).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputeType {
    /// 2 processors, 4 GiB.
    #[default]
    Small,
    /// 4 processors, 8 GiB.
    Medium,
    /// 8 processors, 16 GiB.
    Large,
}

/// A build project.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// use serde_json::json;
/// use xacct_constructs::codebuild::{BuildSpec, Project, ProjectProps, Source};
/// # let app = App::new();
/// # let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// # let stack = Stack::new(&app, "Tools", environment, StackProps::new());
/// let hello = BuildSpec::inline(json!({ "version": "0.2", "phases": { "build": { "commands": ["echo hello"] } } }));
/// let project = Project::new(&stack, "Hello", Source::None, ProjectProps::new().build_spec(hello));
/// # let _ = project;
/// # app.synth().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Project {
    node: Node,
    name: Value<str>,
    arn: Value<kind::OtherArn>,
    /// What builds run as. `None` for a project that the app does not own.
    pub role: Option<Role>,
    /// Where builds log. `None` for a project that the app does not own.
    pub log_group: Option<LogGroup>,
    in_pipeline: bool,
}

/// How to make a [`Project`].
#[derive(Clone, Debug, Default)]
pub struct ProjectProps {
    project_name: Option<String>,
    description: Option<String>,
    role: Option<Role>,
    managed_policies: Vec<AttachedPolicy>,
    build_spec: Option<BuildSpec>,
    image: Option<String>,
    compute_type: ComputeType,
    privileged: bool,
    variables: Vec<(String, Variable)>,
    timeout_minutes: Option<i64>,
    queued_timeout_minutes: Option<i64>,
    concurrent_build_limit: Option<i64>,
    encryption_key: Option<Key>,
    log_retention: RetentionDays,
    log_group: Option<LogGroup>,
    no_test_reports: bool,
}

impl ProjectProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: one that the app makes by a fixed rule.
    #[must_use]
    pub fn project_name(mut self, name: impl Into<String>) -> Self {
        self.project_name = Some(name.into());
        self
    }

    /// What the project is for. Default: none.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// What builds run as. It must trust CodeBuild. Default: a role that only this project may use.
    #[must_use]
    pub fn role(mut self, role: &Role) -> Self {
        self.role = Some(role.clone());
        self
    }

    /// Attaches a managed policy to the role that the project makes. Default: none.
    #[must_use]
    pub fn managed_policy(mut self, policy: impl Into<AttachedPolicy>) -> Self {
        self.managed_policies.push(policy.into());
        self
    }

    /// What a build does. Default: `buildspec.yml` in the root of the source.
    #[must_use]
    pub fn build_spec(mut self, specification: BuildSpec) -> Self {
        self.build_spec = Some(specification);
        self
    }

    /// The image that builds run in. Default: [`DEFAULT_IMAGE`].
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// How big the machine is. Default: small.
    #[must_use]
    pub fn compute_type(mut self, compute_type: ComputeType) -> Self {
        self.compute_type = compute_type;
        self
    }

    /// Lets builds run Docker, and with it as root on their machine. Default: they may not.
    #[must_use]
    pub fn privileged(mut self) -> Self {
        self.privileged = true;
        self
    }

    /// Sets an environment variable. Default: none besides CodeBuild's own.
    #[must_use]
    pub fn environment_variable(mut self, name: impl Into<String>, value: impl Into<Variable>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Ends a build after so many minutes, 5 to 2,160. Default: 60.
    #[must_use]
    pub fn timeout_minutes(mut self, minutes: i64) -> Self {
        self.timeout_minutes = Some(minutes);
        self
    }

    /// Gives up on a build that waits for its start, after so many minutes, 5 to 480. Default: 60.
    #[must_use]
    pub fn queued_timeout_minutes(mut self, minutes: i64) -> Self {
        self.queued_timeout_minutes = Some(minutes);
        self
    }

    /// How many builds may run at once. Default: as many as the account may.
    #[must_use]
    pub fn concurrent_build_limit(mut self, builds: i64) -> Self {
        self.concurrent_build_limit = Some(builds);
        self
    }

    /// The key that output and logs are encrypted with. Default: the account's own for S3, with which nobody in another account
    /// can read the output.
    #[must_use]
    pub fn encryption_key(mut self, key: &Key) -> Self {
        self.encryption_key = Some(key.clone());
        self
    }

    /// How long logs are kept. Default: two years.
    #[must_use]
    pub fn log_retention(mut self, retention: RetentionDays) -> Self {
        self.log_retention = retention;
        self
    }

    /// Where builds log. Default: a group of their own, `/aws/codebuild/NAME`, with this project's encryption key.
    #[must_use]
    pub fn log_group(mut self, log_group: &LogGroup) -> Self {
        self.log_group = Some(log_group.clone());
        self
    }

    /// Gives the role that the project makes no right to [test reports](https://docs.aws.amazon.com/codebuild/latest/userguide/test-reporting.html):
    /// for builds whose specification has none. Default: it may write report groups that are named after the project.
    #[must_use]
    pub fn without_test_reports(mut self) -> Self {
        self.no_test_reports = true;
        self
    }
}

impl Project {
    /// A build project.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, source: Source, mut props: ProjectProps) -> Self {
        let node = scope.node().child(id);
        check(&node, &source, &props);
        props.timeout_minutes = TIMEOUT.accepted(&node, props.timeout_minutes);
        props.queued_timeout_minutes = QUEUED_TIMEOUT.accepted(&node, props.queued_timeout_minutes);
        // Known here, because the role's policies name the project, and the project refers to the role.
        let name = NAME.accepted(&node, props.project_name.clone());
        let name = name.unwrap_or_else(|| naming::generated(&node, 150));
        let role = match &props.role {
            Some(role) => role.clone(),
            None => service_role(&node, &name, &props),
        };
        let log_group = match &props.log_group {
            Some(log_group) => log_group.clone(),
            None => {
                let mut logs = LogGroupProps::new()
                    .log_group_name(format!("/aws/codebuild/{name}"))
                    .retention(props.log_retention);
                if let Some(key) = &props.encryption_key {
                    logs = logs.encryption_key(key);
                }
                LogGroup::new(&node, "Logs", logs)
            }
        };
        log_group.grant_write(&role);
        if let Source::CodeCommit(repository, _) = &source {
            repository.grant_pull(&role);
        }
        for (_, variable) in &props.variables {
            grant_variable(&node, &role, variable);
        }
        let resource = CfnProject::new(&node, "Resource", declaration(&source, &props, &name, &role, &log_group));
        resource.node().set_physical_name(
            PhysicalName::new("Name", Some(name))
                .max_length(150)
                .attribute("Arn", "arn:{partition}:codebuild:{region}:{account}:project/{name}"),
        );
        Self {
            node,
            name: resource.reference(),
            arn: resource.attr_arn(),
            role: Some(role),
            log_group: Some(log_group),
            in_pipeline: matches!(source, Source::CodePipeline),
        }
    }

    /// A project that the app does not own, in the account and region of `scope`. What its builds may do is its owner's affair.
    #[track_caller]
    pub fn from_project_name(scope: &dyn Construct, id: &str, name: &str) -> Self {
        let node = scope.node().child(id);
        NAME.check(&node, name);
        let arn = node.environment().map(|it| arn(&it, name)).unwrap_or_default();
        Self {
            node,
            name: Value::from_expr(name.to_owned().into()),
            arn: Value::from_expr(arn.into()),
            role: None,
            log_group: None,
            in_pipeline: true,
        }
    }

    /// The project's name.
    pub fn project_name(&self) -> Value<str> {
        self.name.clone()
    }

    /// The project's ARN.
    pub fn arn(&self) -> Value<kind::OtherArn> {
        self.arn.clone()
    }

    /// Whether a pipeline can run it.
    pub fn is_for_pipeline(&self) -> bool {
        self.in_pipeline
    }

    /// Lets `grantee` start, watch and stop builds.
    #[track_caller]
    pub fn grant_start_build(&self, grantee: &dyn Grantable) {
        let actions =
            [action!("codebuild:BatchGetBuilds"), action!("codebuild:StartBuild"), action!("codebuild:StopBuild")];
        Grant::new(&self.node, grantee, actions).on([&self.arn]).record();
    }
}

fn arn(Environment { account, region }: &Environment, name: &str) -> String {
    format!("arn:{}:codebuild:{region}:{account}:project/{name}", region.partition())
}

/// A role that CodeBuild may take on for this one project, and that may write this project's reports.
#[track_caller]
fn service_role(node: &Node, name: &str, project: &ProjectProps) -> Role {
    let mut trusted = Principal::service("codebuild.amazonaws.com");
    let policies = project.managed_policies.iter();
    let mut props = policies.fold(RoleProps::new(), |props, policy| props.managed_policy(policy.clone()));
    if let Some(environment) = node.environment() {
        trusted = trusted.when("StringEquals", "aws:SourceAccount", [environment.account.as_str()]).when(
            "ArnEquals",
            "aws:SourceArn",
            [arn(&environment, name)],
        );
    }
    if let Some(Environment { account, region }) = node.environment().filter(|_| !project.no_test_reports) {
        // CodeBuild makes report groups by itself and names them PROJECT-GROUP.
        let reports = format!("arn:{}:codebuild:{region}:{account}:report-group/{name}-*", region.partition());
        let statement = Statement::allow([
            action!("codebuild:BatchPutCodeCoverages"),
            action!("codebuild:BatchPutTestCases"),
            action!("codebuild:CreateReport"),
            action!("codebuild:CreateReportGroup"),
            action!("codebuild:UpdateReport"),
        ])
        .on([reports]);
        props = props.statement(statement);
    }
    Role::new(node, "Role", trusted, props)
}

#[track_caller]
fn grant_variable(node: &Node, role: &Role, variable: &Variable) {
    match variable {
        Variable::Plain(_) => {}
        Variable::Secret(secret, _) => secret.grant_read(role),
        Variable::Parameter(name) => {
            let Some(Environment { account, region }) = node.environment() else { return };
            let path = name.trim_start_matches('/');
            let arn = format!("arn:{}:ssm:{region}:{account}:parameter/{path}", region.partition());
            Grant::new(node, role, [action!("ssm:GetParameters")]).on([arn]).record();
        }
    }
}

fn declaration(
    source: &Source,
    props: &ProjectProps,
    name: &str,
    role: &Role,
    log_group: &LogGroup,
) -> CfnProjectProps {
    let (source_type, artifacts_type) = match source {
        Source::CodePipeline => ("CODEPIPELINE", "CODEPIPELINE"),
        Source::CodeCommit(..) => ("CODECOMMIT", "NO_ARTIFACTS"),
        Source::None => ("NO_SOURCE", "NO_ARTIFACTS"),
    };
    let mut from = CfnSource::new().type_(source_type);
    if let Source::CodeCommit(repository, _) = source {
        from = from.location(repository.clone_url_http());
    }
    if let Some(specification) = &props.build_spec {
        from = from.build_spec(specification.text());
    }
    let logs = CloudWatchLogsConfig::new().status("ENABLED").group_name(log_group.log_group_name());
    let mut declaration = CfnProjectProps::new()
        .name(name)
        .service_role(role.arn())
        .source(from)
        .artifacts(Artifacts::new().type_(artifacts_type))
        .environment(environment(props))
        .logs_config(LogsConfig::new().cloud_watch_logs(logs))
        .timeout_in_minutes(props.timeout_minutes.unwrap_or(60))
        .queued_timeout_in_minutes(props.queued_timeout_minutes.unwrap_or(60));
    if let Source::CodeCommit(_, branch) = source {
        declaration = declaration.source_version(format!("refs/heads/{branch}"));
    }
    if let Some(text) = &props.description {
        declaration = declaration.description(text);
    }
    if let Some(key) = &props.encryption_key {
        declaration = declaration.encryption_key(key.arn());
    }
    if let Some(builds) = props.concurrent_build_limit {
        declaration = declaration.concurrent_build_limit(builds);
    }
    declaration
}

fn environment(props: &ProjectProps) -> BuildEnvironment {
    let image = props.image.as_deref().unwrap_or(DEFAULT_IMAGE);
    let puller = if image.starts_with("aws/codebuild/") { "CODEBUILD" } else { "SERVICE_ROLE" };
    let compute_type = match props.compute_type {
        ComputeType::Small => "BUILD_GENERAL1_SMALL",
        ComputeType::Medium => "BUILD_GENERAL1_MEDIUM",
        ComputeType::Large => "BUILD_GENERAL1_LARGE",
    };
    let environment = BuildEnvironment::new()
        .type_("LINUX_CONTAINER")
        .image(image)
        .image_pull_credentials_type(puller)
        .compute_type(compute_type)
        .privileged_mode(props.privileged);
    if props.variables.is_empty() {
        return environment;
    }
    let variables: Vec<EnvironmentVariable> =
        props.variables.iter().map(|(name, value)| variable(name, value)).collect();
    environment.environment_variables(variables)
}

fn variable(name: &str, value: &Variable) -> EnvironmentVariable {
    let variable = EnvironmentVariable::new().name(name);
    match value {
        Variable::Plain(value) => variable.type_("PLAINTEXT").value(value),
        Variable::Parameter(parameter) => variable.type_("PARAMETER_STORE").value(parameter),
        Variable::Secret(secret, None) => variable.type_("SECRETS_MANAGER").value(secret.arn()),
        Variable::Secret(secret, Some(field)) => {
            let reference = xacct_core::concat([Expr::from(secret.arn()), Expr::from(format!(":{field}"))]);
            variable.type_("SECRETS_MANAGER").value(reference)
        }
    }
}

#[track_caller]
fn check(node: &Node, source: &Source, props: &ProjectProps) {
    let is_inline = matches!(&props.build_spec, Some(BuildSpec(Spec::Inline(_))));
    if matches!(source, Source::None) && !is_inline {
        node.report(
            Diagnostic::error("build-specification", "the project has no source to read its build specification from")
                .help("give it one that stands in the project: `BuildSpec::inline`"),
        );
    }
    for (index, (name, value)) in props.variables.iter().enumerate() {
        if props.variables[..index].iter().any(|(it, _)| it == name) {
            node.report(
                Diagnostic::error("duplicate-variable", format!("the environment variable `{name}` is set twice"))
                    .help("leave one of the two out"),
            );
        }
        if matches!(value, Variable::Plain(_)) && matches!(name.as_str(), "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY")
        {
            node.report(
                Diagnostic::error(
                    "plain-secret",
                    format!("`{name}` is a credential, and would be there for all to read"),
                )
                .help("grant what the build needs to the project's role, or give the variable as a `Variable::Secret`"),
            );
        }
    }
}

impl Construct for Project {
    fn node(&self) -> &Node {
        &self.node
    }
}
