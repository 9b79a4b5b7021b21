//! The cross-account pipeline: what this program synthesizes and deploys.
//!
//! One stack for each account: the one called `tools` holds the repository, the pipeline and the stages `dev` and `qa`; the
//! others, such as `production`, hold the stages that are deployed into them.

mod settings;

use std::collections::BTreeMap;

use settings::{Settings, StageSetting};
use xacct_cli::{Config, ConfigError};
use xacct_constructs::codecommit::Code;
use xacct_constructs::codepipeline::{Condition, ConditionRule, EntryResult, OnFailure, Retried};
use xacct_constructs::cross_account_pipeline::{
    Approval, CrossAccountPipeline, CrossAccountPipelineProps, Operators, StageProps,
};
use xacct_core::{App, Asset, CfnOutput, CfnOutputProps, Stack, StackProps};

/// The Terraform code that the repository begins with.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/repository");

/// Defines the stacks of the pipeline.
pub fn define(app: &App, config: &Config) -> Result<(), ConfigError> {
    let settings = Settings::from_config(config)?;
    let stacks = stacks(app, config, &settings)?;
    let tools = &stacks[settings::TOOLS];

    let code = Code::from_asset(&Asset::new(tools, "Code", REPOSITORY), &settings.branch);
    let mut props = CrossAccountPipelineProps::new(&settings.name)
        .code(code)
        .branch(&settings.branch)
        .removal_policy(settings.removal.policy())
        .operators(
            Operators::new(&settings.operator.name)
                .access(settings.operator.access.into())
                .access_key_serial(settings.operator.access_key_serial),
        );
    for stage in &settings.stages {
        props = props.stage(stage_props(stage, &stacks[stage.account.as_str()], &settings));
    }
    for address in &settings.notify {
        props = props.notify(address);
    }
    let pipeline = CrossAccountPipeline::new(tools, "Network", props);

    if let Some(repository) = &pipeline.repository {
        let about = CfnOutputProps::new().description("What git clone takes");
        CfnOutput::new(tools, "RepositoryUrl", repository.clone_url_http(), about);
    }
    let about = CfnOutputProps::new().description("Where to watch the pipeline");
    CfnOutput::new(tools, "PipelineUrl", pipeline.pipeline.console_url(), about);
    Ok(())
}

/// A stack for each account that a stage is in, and for the pipeline's own.
fn stacks<'s>(app: &App, config: &Config, settings: &'s Settings) -> Result<BTreeMap<&'s str, Stack>, ConfigError> {
    let mut stacks = BTreeMap::new();
    for account in std::iter::once(settings::TOOLS).chain(settings.stages.iter().map(|it| it.account.as_str())) {
        if stacks.contains_key(account) {
            continue;
        }
        let what = if account == settings::TOOLS { "The pipeline and its stages" } else { "Stages of the pipeline" };
        let props = StackProps::new()
            .description(format!("{what}, in account {account}"))
            .synthesizer(config.synthesizer(account)?)
            .tag("Application", &settings.name);
        stacks.insert(account, Stack::new(app, &settings::stack_id(account), config.environment(account)?, props));
    }
    Ok(stacks)
}

fn stage_props(stage: &StageSetting, stack: &Stack, settings: &Settings) -> StageProps {
    let mut props = StageProps::new(&stage.name, stack);
    let is_elsewhere = stage.account != settings::TOOLS;
    if stage.approval.unwrap_or(is_elsewhere) {
        props = props.approval(Approval::Within(settings.approval_minutes));
        // What was deployed last is planned again, and waits for an approval too.
        props = props.on_failure(OnFailure::Rollback);
    } else {
        props = props.approval(Approval::None);
        // A plan that met a moved state, or a download that failed, deserves another try.
        props = props.on_failure(OnFailure::Retry(Retried::AllActions));
    }
    if stage.allow_destroy {
        props = props.allow_destroy();
    }
    if let Some(window) = stage.deployment_window.as_ref() {
        let rule = ConditionRule::deployment_window("DeploymentWindow", &window.cron, &window.time_zone);
        props = props.before_entry(EntryResult::Fail, Condition::new([rule]));
    }
    props
}
