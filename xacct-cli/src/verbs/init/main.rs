//! An app for two accounts.

use std::process::ExitCode;

use xacct_cli::{Config, ConfigError};
use xacct_constructs::cfn::sqs::{CfnQueue, CfnQueueProps};
use xacct_core::{App, CfnOutput, CfnOutputProps, Stack, StackProps};

fn main() -> ExitCode {
    xacct_cli::run(define)
}

/// All stacks of the app. A value of one account can be used in another: the order of deployment follows from it.
fn define(app: &App, config: &Config) -> Result<(), ConfigError> {
    let tools = Stack::new(app, "Tools", config.environment("tools")?, StackProps::new());
    let production = Stack::new(app, "Production", config.environment("production")?, StackProps::new());

    let jobs = CfnQueue::new(&tools, "Jobs", CfnQueueProps::new());
    CfnQueue::new(&production, "Results", CfnQueueProps::new());
    CfnOutput::new(&production, "JobsArn", jobs.attr_arn(), CfnOutputProps::new().description("where jobs come from"));
    Ok(())
}
