//! A small app for the tests of the command line. The context `case` chooses a mistake.

mod script;
mod trouble;

use std::process::ExitCode;

use script::Script;
use xacct_cli::{Config, ConfigError};
use xacct_core::value::{Props, Value};
use xacct_core::{App, CfnOutput, CfnOutputProps, Construct, Node, Stack, StackProps};

fn main() -> ExitCode {
    let Some(script) = Script::here() else { return xacct_cli::run(define) };
    let world = script.world();
    let code = xacct_cli::run_with(script.engine(&world), define);
    script.keep(&world);
    code
}

fn define(app: &App, config: &Config) -> Result<(), ConfigError> {
    let tools = Stack::new(app, "Tools", config.environment("tools")?, StackProps::new().description("the tools"));
    let production = Stack::new(app, "Production", config.environment("production")?, StackProps::default());
    let first = queue(&tools, "Queue");
    queue(&production, "Queue");
    let case: String = config.context_or("case", "good".to_owned())?;
    match case.as_str() {
        "duplicate-id" => {
            queue(&tools, "Queue");
        }
        "cycle" => {
            tools.add_dependency(&production);
            production.add_dependency(&tools);
        }
        "other-app" => {
            let other = App::new();
            let stack = Stack::new(&other, "Other", config.environment("tools")?, StackProps::default());
            let foreign = queue(&stack, "Foreign");
            let arn: Value<str> = foreign.get_att("Arn");
            CfnOutput::new(&tools, "ForeignArn", arn, CfnOutputProps::default());
        }
        "many" => {
            for index in 0..500 {
                queue(&tools, &format!("Queue{index}"));
            }
        }
        "large" => {
            for index in 0..60 {
                let mut props = Props::default();
                props.set("TopicName", ("x".repeat(20_000) + &index.to_string()).into());
                Node::new_resource(&tools, &format!("Topic{index}"), "AWS::SNS::Topic", props);
            }
            app.skip_validation();
        }
        "slow" => {
            // One after the other, so that there is time to interrupt.
            let mut last = first.clone();
            for index in 0..15 {
                let next = queue(&tools, &format!("Next{index}"));
                next.depends_on(&last);
                last = next;
            }
        }
        "wide" => {
            for index in 0..20 {
                let stack =
                    Stack::new(app, &format!("Wide{index:02}"), config.environment("tools")?, StackProps::new());
                queue(&stack, "Queue");
            }
        }
        "name-taken" => {
            named(&tools, "Jobs");
            let again = Stack::new(app, "Again", config.environment("tools")?, StackProps::new());
            again.add_dependency(&tools);
            named(&again, "Jobs");
            let behind = Stack::new(app, "Behind", config.environment("production")?, StackProps::new());
            behind.add_dependency(&again);
            queue(&behind, "Queue");
        }
        "renamed" => {
            named(&tools, "Jobs");
        }
        "log" | "log-renamed" => {
            let mut props = Props::default();
            props.set("LogGroupName", format!("/test/{case}").into());
            Node::new_resource(&tools, "Log", "AWS::Logs::LogGroup", props);
        }
        "refused" => {
            let mut props = Props::default();
            props.set("QueueNaem", "x".into());
            Node::new_resource(&tools, "Misspelt", "AWS::SQS::Queue", props);
            app.skip_validation();
        }
        "misspelt" => {
            let mut props = Props::default();
            props.set("QueueNaem", "x".into());
            Node::new_resource(&tools, "Misspelt", "AWS::SQS::Queue", props);
        }
        "number" => {
            let _: u32 = config.context_or("retention", 30)?;
        }
        case => {
            trouble::define(case, app, config, &tools, &production)?;
        }
    }
    if !matches!(case.as_str(), "pipeline" | "export") {
        let arn: Value<str> = first.get_att("Arn");
        CfnOutput::new(&production, "QueueArn", arn, CfnOutputProps::default());
    }
    Ok(())
}

#[track_caller]
fn queue(scope: &dyn Construct, id: &str) -> Node {
    Node::new_resource(scope, id, "AWS::SQS::Queue", Props::default())
}

/// A queue with a name of its own.
#[track_caller]
fn named(scope: &dyn Construct, name: &str) -> Node {
    let mut props = Props::default();
    props.set("QueueName", name.to_owned().into());
    Node::new_resource(scope, name, "AWS::SQS::Queue", props)
}
