//! Builds, approvals and deployments.

use xacct_core::value::Expr;
use xacct_core::{Construct, Diagnostic, Environment, Grant, Region, action};

use super::action::shared_setters;
use super::{Action, Artifact, Performance};
use crate::cfn::codepipeline::pipeline::Category;
use crate::codebuild::Project;
use crate::iam::Role;
use crate::s3::READ;
use crate::sns::Topic;

/// Runs a build project.
///
/// The project's role is granted its input, and its output where it has one. In another account than the pipeline's, a build
/// has no output: nothing there may write the pipeline's artifacts.
#[derive(Clone, Debug)]
pub struct CodeBuildAction {
    action: Action,
    project: Project,
    variables: Vec<(String, String)>,
}

impl CodeBuildAction {
    /// Runs `project` on `input`.
    #[track_caller]
    pub fn new(name: impl Into<String>, project: &Project, input: &Artifact) -> Self {
        let action = Action::new(name, Category::Build, "CodeBuild").input(input).acts_on(project);
        Self { action, project: project.clone(), variables: Vec::new() }
    }

    /// Says that the build is a test: it then may have no output. Default: it is a build.
    #[must_use]
    pub fn test(mut self) -> Self {
        self.action.category = Category::Test;
        self
    }

    /// Another artifact for the build. The one given first stays its main source.
    #[must_use]
    pub fn input(mut self, artifact: &Artifact) -> Self {
        self.action = self.action.input(artifact);
        self
    }

    /// What the build makes. Default: nothing.
    #[must_use]
    pub fn output(mut self, artifact: &Artifact) -> Self {
        self.action = self.action.output(artifact);
        self
    }

    /// Sets an environment variable for this action's builds: text in which `#{NAMESPACE.VARIABLE}` stands for another action's
    /// variable. Default: those of the project.
    #[must_use]
    pub fn environment_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn finish(self) -> Action {
        let Self { action, project, variables } = self;
        if !project.is_for_pipeline() {
            project.node().report(
                Diagnostic::error(
                    "not-for-pipelines",
                    "the build project gets its source elsewhere, and a pipeline runs it",
                )
                .help("make it with `Source::CodePipeline`"),
            );
        }
        let mut action = action.configure("ProjectName", project.project_name());
        if action.inputs.len() > 1 {
            let primary = action.inputs[0].name().to_owned();
            action = action.configure("PrimarySource", primary);
        }
        if !variables.is_empty() {
            let variables: Vec<serde_json::Value> = variables
                .iter()
                .map(|(name, value)| serde_json::json!({ "name": name, "value": value, "type": "PLAINTEXT" }))
                .collect();
            action = action.configure("EnvironmentVariables", serde_json::Value::from(variables).to_string());
        }
        let writes = !action.outputs.is_empty();
        action.needs(move |Performance { performer, artifacts, .. }| {
            project.grant_start_build(*performer);
            let Some(role) = &project.role else { return };
            artifacts.grant_on_objects(role, "*", READ);
            if writes {
                artifacts.grant_on_objects(role, "*", &["s3:PutObject"]);
            }
        })
    }
}

shared_setters!(CodeBuildAction);

/// Waits for somebody to approve.
#[derive(Clone, Debug)]
pub struct ManualApprovalAction {
    action: Action,
    topic: Option<Topic>,
}

impl ManualApprovalAction {
    /// Waits for seven days, and then fails.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self { action: Action::new(name, Category::Approval, "Manual"), topic: None }
    }

    /// Tells a topic that somebody is waited for. Default: nobody is told.
    #[must_use]
    pub fn notify(mut self, topic: &Topic) -> Self {
        self.topic = Some(topic.clone());
        self
    }

    /// What whoever approves should know; at most 1,000 characters. `#{NAMESPACE.VARIABLE}` stands for another action's variable.
    /// Default: nothing.
    #[must_use]
    pub fn information(mut self, text: impl Into<String>) -> Self {
        self.action = self.action.configure("CustomData", text.into());
        self
    }

    /// Where whoever approves can look. Default: nowhere.
    #[must_use]
    pub fn link(mut self, url: impl Into<Expr>) -> Self {
        self.action = self.action.configure("ExternalEntityLink", url);
        self
    }

    /// Fails after so many minutes without an answer, 5 to 86,400. Default: seven days.
    #[must_use]
    pub fn timeout_minutes(mut self, minutes: i64) -> Self {
        self.action = self.action.timeout_minutes(minutes);
        self
    }

    fn finish(self) -> Action {
        let Self { action, topic } = self;
        let Some(topic) = topic else { return action };
        action
            .configure("NotificationArn", topic.arn())
            .needs(move |Performance { performer, .. }| topic.grant_publish(*performer))
    }
}

shared_setters!(ManualApprovalAction);

/// Creates or updates a CloudFormation stack from a template in an artifact.
#[derive(Clone, Debug)]
pub struct CloudFormationDeployAction {
    action: Action,
    stack_name: String,
    deployment_role: Role,
    capabilities: Vec<&'static str>,
}

impl CloudFormationDeployAction {
    /// Deploys the file `template` of `input` as the stack `stack_name`, in the account of `deployment_role`: what
    /// CloudFormation works as, and which must trust it.
    #[track_caller]
    pub fn new(
        name: impl Into<String>,
        stack_name: impl Into<String>,
        input: &Artifact,
        template: &str,
        deployment_role: &Role,
    ) -> Self {
        let stack_name = stack_name.into();
        let action = Action::new(name, Category::Deploy, "CloudFormation")
            .input(input)
            .acts_on(deployment_role)
            .passes_role(deployment_role)
            .configure("ActionMode", "CREATE_UPDATE")
            .configure("StackName", stack_name.clone())
            .configure("TemplatePath", format!("{}::{template}", input.name()))
            .configure("RoleArn", deployment_role.arn());
        Self { action, stack_name, deployment_role: deployment_role.clone(), capabilities: Vec::new() }
    }

    /// Lets the stack make IAM resources, with names of its own too. Default: it may not.
    #[must_use]
    pub fn allow_iam(mut self) -> Self {
        self.capabilities.push("CAPABILITY_NAMED_IAM");
        self
    }

    /// Lets the stack expand macros. Default: it may not.
    #[must_use]
    pub fn allow_macros(mut self) -> Self {
        self.capabilities.push("CAPABILITY_AUTO_EXPAND");
        self
    }

    /// Overrides parameters of the template. Default: none.
    #[must_use]
    pub fn parameters<'a>(mut self, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values: serde_json::Map<String, serde_json::Value> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        self.action = self.action.configure("ParameterOverrides", serde_json::Value::from(values).to_string());
        self
    }

    /// The region that the stack is in. Default: that of the deployment role's own stack.
    #[must_use]
    pub fn region(mut self, region: Region) -> Self {
        self.action = self.action.region(region);
        self
    }

    fn finish(self) -> Action {
        let Self { mut action, stack_name, deployment_role, capabilities } = self;
        if !capabilities.is_empty() {
            action = action.configure("Capabilities", capabilities.join(","));
        }
        let region = action.region.clone();
        action.needs(move |Performance { performer, artifacts, by_pipeline }| {
            deployment_role.grant_pass_role(*performer, "cloudformation.amazonaws.com");
            if !by_pipeline {
                artifacts.grant_on_objects(*performer, "*", READ);
            }
            let Some(Environment { account, region: home }) = deployment_role.node().environment() else { return };
            let region = region.clone().unwrap_or(home);
            // The id that follows a stack's name is not known before the stack is.
            let stack = format!("arn:{}:cloudformation:{region}:{account}:stack/{stack_name}/*", region.partition());
            let actions = [
                action!("cloudformation:CreateStack"),
                action!("cloudformation:DescribeStackEvents"),
                action!("cloudformation:DescribeStacks"),
                action!("cloudformation:GetTemplate"),
                action!("cloudformation:UpdateStack"),
            ];
            Grant::new(&deployment_role, *performer, actions).on([stack]).record();
        })
    }
}

shared_setters!(CloudFormationDeployAction);
