//! Stages, and the conditions on entering and leaving them.

use std::panic::Location;

use xacct_core::value::Expr;
use xacct_core::{Action as IamAction, Environment, Statement};

use super::{Action, Artifact};
use crate::cfn::codepipeline::pipeline::{
    BeforeEntryConditions, Condition as CfnCondition, FailureConditions, InputArtifact, Result as FailureResult,
    RetryConfiguration, RetryMode, RuleDeclaration, RuleTypeId, StageDeclaration, SuccessConditions,
};

/// A stage of a pipeline: actions that run one after another, or side by side.
#[derive(Clone, Debug)]
pub struct Stage {
    pub(super) name: String,
    pub(super) actions: Vec<Action>,
    pub(super) before_entry: Option<(EntryResult, Condition)>,
    pub(super) on_success: Option<(SuccessResult, Condition)>,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) at: &'static Location<'static>,
}

impl Stage {
    /// A stage of that name, without actions.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            actions: Vec::new(),
            before_entry: None,
            on_success: None,
            on_failure: None,
            at: Location::caller(),
        }
    }

    /// Adds an action.
    #[must_use]
    pub fn action(mut self, action: impl Into<Action>) -> Self {
        self.actions.push(action.into());
        self
    }

    /// What must hold for the stage to begin, and what happens if it does not. Default: it always begins.
    #[must_use]
    pub fn before_entry(mut self, otherwise: EntryResult, condition: Condition) -> Self {
        self.before_entry = Some((otherwise, condition));
        self
    }

    /// What must hold after all actions have succeeded, and what happens if it does not. Default: nothing more.
    #[must_use]
    pub fn on_success(mut self, otherwise: SuccessResult, condition: Condition) -> Self {
        self.on_success = Some((otherwise, condition));
        self
    }

    /// What happens when the stage fails. Default: it stays failed.
    #[must_use]
    pub fn on_failure(mut self, reaction: OnFailure) -> Self {
        self.on_failure = Some(reaction);
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let on_failure = match &self.on_failure {
            Some(OnFailure::RollbackUnless(condition)) => Some(condition),
            _ => None,
        };
        let before = self.before_entry.iter().map(|(_, it)| it);
        before.chain(self.on_success.iter().map(|(_, it)| it)).chain(on_failure)
    }

    pub(super) fn rolls_back(&self) -> bool {
        let on_failure = matches!(self.on_failure, Some(OnFailure::Rollback | OnFailure::RollbackUnless(_)));
        on_failure || matches!(self.on_success, Some((SuccessResult::Rollback, _)))
    }

    /// Adds the conditions to the declaration of the stage.
    pub(super) fn with_conditions(&self, mut declaration: StageDeclaration) -> StageDeclaration {
        if let Some((result, condition)) = &self.before_entry {
            let result = match result {
                EntryResult::Fail => "FAIL",
                EntryResult::Skip => "SKIP",
            };
            let conditions = BeforeEntryConditions::new().conditions([condition.declaration(result)]);
            declaration = declaration.before_entry(conditions);
        }
        if let Some((result, condition)) = &self.on_success {
            let result = match result {
                SuccessResult::Fail => "FAIL",
                SuccessResult::Rollback => ROLLBACK,
            };
            declaration = declaration.on_success(SuccessConditions::new().conditions([condition.declaration(result)]));
        }
        match &self.on_failure {
            None => declaration,
            Some(OnFailure::Rollback) => {
                declaration.on_failure(FailureConditions::new().result(FailureResult::Rollback))
            }
            Some(OnFailure::RollbackUnless(condition)) => {
                declaration.on_failure(FailureConditions::new().conditions([condition.declaration(ROLLBACK)]))
            }
            Some(OnFailure::Retry(retried)) => {
                let mode = match retried {
                    Retried::AllActions => RetryMode::AllActions,
                    Retried::FailedActions => RetryMode::FailedActions,
                };
                let retry = RetryConfiguration::new().retry_mode(mode);
                declaration.on_failure(FailureConditions::new().result(FailureResult::Retry).retry_configuration(retry))
            }
        }
    }
}

const ROLLBACK: &str = "ROLLBACK";

/// What happens to an execution that may not enter a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryResult {
    /// It fails.
    Fail,
    /// It leaves the stage out.
    Skip,
}

/// What happens after a stage whose actions have succeeded, but whose condition has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuccessResult {
    /// It fails.
    Fail,
    /// The last execution that succeeded runs again in this stage. Only one of the same structure of the pipeline does.
    Rollback,
}

/// What happens when a stage fails.
#[derive(Clone, Debug)]
pub enum OnFailure {
    /// The last execution that succeeded runs again in this stage. Only one of the same structure of the pipeline does.
    Rollback,
    /// The same, unless the condition holds.
    RollbackUnless(Condition),
    /// The stage is tried once more.
    Retry(Retried),
}

/// What is tried once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// The whole stage.
    AllActions,
    /// Only what failed.
    FailedActions,
}

/// One to five rules that must all succeed.
#[derive(Clone, Debug)]
pub struct Condition {
    pub(super) rules: Vec<ConditionRule>,
    pub(super) at: &'static Location<'static>,
}

impl Condition {
    /// A condition of these rules.
    #[track_caller]
    pub fn new(rules: impl IntoIterator<Item = ConditionRule>) -> Self {
        Self { rules: rules.into_iter().collect(), at: Location::caller() }
    }

    fn declaration(&self, result: &str) -> CfnCondition {
        let rules: Vec<RuleDeclaration> = self.rules.iter().map(ConditionRule::declaration).collect();
        CfnCondition::new().result(result).rules(rules)
    }
}

/// A rule of a condition. See
/// [the reference](https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference.html).
#[derive(Clone, Debug)]
pub struct ConditionRule {
    pub(super) name: String,
    provider: String,
    configuration: Vec<(String, Expr)>,
    commands: Vec<String>,
    inputs: Vec<Artifact>,
    needs: Vec<(Vec<IamAction>, String)>,
}

/// How a variable is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is the text.
    Equals,
    /// It is not the text.
    NotEquals,
    /// It matches the regular expression.
    Matches,
}

impl ConditionRule {
    /// A rule of any provider.
    pub fn new(name: impl Into<String>, provider: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            provider: provider.into(),
            configuration: Vec::new(),
            commands: Vec::new(),
            inputs: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// Sets a field of the configuration.
    #[must_use]
    pub fn configure(mut self, field: impl Into<String>, value: impl Into<Expr>) -> Self {
        self.configuration.push((field.into(), value.into()));
        self
    }

    /// Lets the pipeline's role do what the rule needs. In the resource, `{partition}`, `{region}` and `{account}` stand for the
    /// pipeline's own.
    #[must_use]
    pub fn needs<A: Into<IamAction>>(
        mut self,
        actions: impl IntoIterator<Item = A>,
        resource: impl Into<String>,
    ) -> Self {
        self.needs.push((actions.into_iter().map(Into::into).collect(), resource.into()));
        self
    }

    /// Succeeds while CloudWatch's alarm of that name is not in alarm.
    pub fn cloud_watch_alarm(name: impl Into<String>, alarm_name: &str) -> Self {
        Self::new(name, "CloudWatchAlarm").configure("AlarmName", alarm_name.to_owned()).needs(
            ["cloudwatch:DescribeAlarms"],
            format!("arn:{{partition}}:cloudwatch:{{region}}:{{account}}:alarm:{alarm_name}"),
        )
    }

    /// Succeeds at the times of a cron expression, in a time zone such as `Europe/Berlin`.
    pub fn deployment_window(name: impl Into<String>, cron: impl Into<String>, time_zone: impl Into<String>) -> Self {
        Self::new(name, "DeploymentWindow").configure("Cron", cron.into()).configure("TimeZone", time_zone.into())
    }

    /// Succeeds if a variable, such as `#{PlanProd.PLAN_CHANGES}`, compares so.
    pub fn variable_check(
        name: impl Into<String>,
        variable: impl Into<String>,
        comparison: Comparison,
        value: impl Into<String>,
    ) -> Self {
        let operator = match comparison {
            Comparison::Equals => "EQ",
            Comparison::NotEquals => "NE",
            Comparison::Matches => "MATCHES",
        };
        Self::new(name, "VariableCheck")
            .configure("Variable", variable.into())
            .configure("Operator", operator)
            .configure("Value", value.into())
    }

    /// Succeeds if a Lambda function says so.
    pub fn lambda_invoke(name: impl Into<String>, function_name: &str) -> Self {
        Self::new(name, "LambdaInvoke").configure("FunctionName", function_name.to_owned()).needs(
            ["lambda:InvokeFunction"],
            format!("arn:{{partition}}:lambda:{{region}}:{{account}}:function:{function_name}"),
        )
    }

    /// Succeeds if shell commands do, with an artifact as their folder.
    pub fn commands<'a>(
        name: impl Into<String>,
        commands: impl IntoIterator<Item = &'a str>,
        input: &Artifact,
    ) -> Self {
        let mut rule = Self::new(name, "Commands").needs(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            // CodePipeline names the group after the pipeline.
            "arn:{partition}:logs:{region}:{account}:log-group:/aws/codepipeline/*".to_owned(),
        );
        rule.commands = commands.into_iter().map(str::to_owned).collect();
        rule.inputs.push(input.clone());
        rule
    }

    pub(super) fn statements(&self, Environment { account, region }: &Environment) -> impl Iterator<Item = Statement> {
        let fill = |resource: &str| {
            resource
                .replace("{partition}", region.partition())
                .replace("{region}", region.as_str())
                .replace("{account}", account.as_str())
        };
        self.needs.iter().map(move |(actions, resource)| Statement::allow(actions.clone()).on([fill(resource)]))
    }

    /// The text in which variables may stand.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.configuration.iter().filter_map(|(_, value)| match value {
            Expr::Str(text) => Some(text.as_ref()),
            _ => None,
        })
    }

    pub(super) fn inputs(&self) -> &[Artifact] {
        &self.inputs
    }

    fn declaration(&self) -> RuleDeclaration {
        let kind = RuleTypeId::new().category("Rule").owner("AWS").provider(self.provider.as_str()).version("1");
        let mut declaration = RuleDeclaration::new().name(self.name.as_str()).rule_type_id(kind);
        if !self.configuration.is_empty() {
            let fields =
                self.configuration.iter().map(|(field, value)| (field.clone().into(), value.clone())).collect();
            declaration = declaration.configuration(Expr::Map(fields));
        }
        if !self.commands.is_empty() {
            declaration = declaration.commands(self.commands.clone());
        }
        if !self.inputs.is_empty() {
            let inputs: Vec<InputArtifact> =
                self.inputs.iter().map(|it| InputArtifact::new().name(it.name())).collect();
            declaration = declaration.input_artifacts(inputs);
        }
        declaration
    }
}
