//! A small app over two accounts, for tests that need a deployment and not the main app: quick to deploy, and with one of everything the engine
//! handles.

use xacct_core::value::{Expr, Props};
use xacct_core::{
    AccountId, App, Asset, CfnOutput, CfnOutputProps, Construct, Environment, Node, Region, Stack, StackProps,
};

use crate::api::{Account, Answer};

/// Accounts of the sample.
pub const TOOLS: &str = "111111111111";
/// The other account of the sample.
pub const PRODUCTION: &str = "222222222222";
/// Region of the sample.
pub const REGION: &str = "eu-central-1";

/// Three stacks in deploy order: `Production` and `Shared`, which `Tools` reads an output of each of. `value` is what
/// changes between versions, and with it every resource but one.
pub fn app(value: &str) -> App {
    let app = App::new();
    let production =
        Stack::new(&app, "Production", environment(PRODUCTION), StackProps::new().description("the target"));
    let shared = Stack::new(&app, "Shared", environment(TOOLS), StackProps::new());
    let tools = Stack::new(&app, "Tools", environment(TOOLS), StackProps::new().tag("team", "platform"));

    let endpoint = parameter(&production, "Endpoint", value.to_owned().into());
    let topic = resource(&shared, "Topic", "AWS::SNS::Topic", &[("DisplayName", value.to_owned().into())]);
    parameter(&tools, "Reader", endpoint.get_att::<str>("Value").into());
    parameter(&tools, "Alarms", topic.reference::<str>().into());
    parameter(&tools, "Constant", "the same in every version".into());
    Asset::new(&tools, "Emulators", concat!(env!("CARGO_MANIFEST_DIR"), "/emulators"));
    CfnOutput::new(&tools, "Version", value, CfnOutputProps::new());
    app
}

/// Makes the bucket that assets go to, as `bootstrap` does.
///
/// # Panics
/// If the emulator refuses.
pub fn bootstrap(account: &Account, id: &str) {
    let location = format!(
        "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
    );
    let answer = account.rest("s3", "PUT", &asset_bucket(id), &[], &location);
    assert!(answer.is_success(), "{answer:?}");
}

/// An asset that was uploaded once stays: removes all, so that the next deployment uploads again.
///
/// # Panics
/// If the emulator refuses.
pub fn forget_assets(account: &Account, id: &str) {
    let bucket = asset_bucket(id);
    for key in account.rest("s3", "GET", &format!("{bucket}?list-type=2"), &[], "").elements("Key") {
        assert!(account.rest("s3", "DELETE", &format!("{bucket}/{key}"), &[], "").is_success());
    }
}

/// How often the events of a stack say that an operation on the whole stack started: `CREATE_IN_PROGRESS` and its like.
pub fn operations(events: &Answer, status: &str) -> usize {
    let of_stack = |event: &&str| {
        event.contains("<ResourceType>AWS::CloudFormation::Stack</ResourceType>")
            && event.contains(&format!("<ResourceStatus>{status}</ResourceStatus>"))
    };
    events.body.split("<member>").filter(of_stack).count()
}

fn asset_bucket(account: &str) -> String {
    format!("/cdk-hnb659fds-assets-{account}-{REGION}")
}

fn environment(account: &'static str) -> Environment {
    Environment::new(AccountId::literal(account), Region::literal(REGION))
}

fn parameter(stack: &Stack, id: &str, value: Expr) -> Node {
    let name = format!("/{}/{id}", stack.node().name());
    resource(stack, id, "AWS::SSM::Parameter", &[("Name", name.into()), ("Type", "String".into()), ("Value", value)])
}

fn resource(stack: &Stack, id: &str, cfn_type: &'static str, properties: &[(&'static str, Expr)]) -> Node {
    let mut props = Props::default();
    for (name, value) in properties {
        props.set(name, value.clone());
    }
    Node::new_resource(stack, id, cfn_type, props)
}
