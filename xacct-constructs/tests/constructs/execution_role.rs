//! The role that CloudFormation deploys a stack with.

use serde_json::{Value as Json, json};
use xacct_constructs::iam::{ExecutionRole, ExecutionRoleProps, Role, RoleProps};
use xacct_core::{AccountId, App, Environment, Principal, Region, Stack, StackProps};

#[allow(dead_code, unreachable_pub, reason = "its `main` is for `cargo run --example`")]
#[path = "../../examples/baseline.rs"]
mod baseline;

const HERE: Environment = Environment::new(AccountId::literal("222222222222"), Region::literal("eu-west-1"));
const ELSEWHERE: Environment = Environment::new(AccountId::literal("333333333333"), Region::literal("eu-west-1"));

fn rules(app: &App) -> Vec<String> {
    let error = app.synth().unwrap_err();
    error.diagnostics.into_iter().map(|it| it.rule).collect()
}

/// Two stacks, and a role of the first that the second is deployed with.
fn define(app: &App, home: Environment) -> (Stack, Stack) {
    let baseline = Stack::new(app, "Baseline", home, StackProps::new());
    let workload = Stack::new(app, "Workload", HERE, StackProps::new());
    Role::new(&workload, "Role", Principal::service("lambda.amazonaws.com"), RoleProps::new());
    ExecutionRole::new(&baseline, "Execution", &workload, ExecutionRoleProps::new());
    (baseline, workload)
}

#[test]
fn the_policy_of_the_role_is_what_the_assembly_says_about_the_stack() {
    let app = App::new();
    baseline::define(&app);
    let assembly = app.synth().unwrap();
    let policy = assembly.stack("Workload").unwrap().execution_policy();
    insta::assert_json_snapshot!("execution_policy", policy);

    let template = &assembly.stack("Baseline").unwrap().template;
    let resources = template["Resources"].as_object().unwrap();
    let of_role = resources.values().find(|it| it["Type"] == "AWS::IAM::Policy").unwrap();
    let (document, mut missing) = (&of_role["Properties"]["PolicyDocument"]["Statement"], Vec::new());
    let listed = |json: &Json| match json {
        Json::Array(many) => many.clone(),
        one => vec![one.clone()],
    };
    for statement in policy["Statement"].as_array().unwrap() {
        let found = document.as_array().unwrap().iter().any(|it| {
            let conditions_of = |json: &Json| json["Condition"].as_object().map(serde_json::Map::len);
            listed(&it["Action"]) == listed(&statement["Action"])
                && listed(&it["Resource"]) == listed(&statement["Resource"])
                && conditions_of(it) == conditions_of(statement)
        });
        if !found {
            missing.push(statement);
        }
    }
    assert!(missing.is_empty(), "{missing:#?} not in {document:#}");
}

#[test]
fn roles_of_the_stack_are_changed_under_their_boundary_only() {
    let app = App::new();
    baseline::define(&app);
    let policy = app.synth().unwrap().stack("Workload").unwrap().execution_policy();
    let changes = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["Action"].as_array().unwrap().contains(&json!("iam:PutRolePolicy")));
    assert_eq!(
        changes.unwrap()["Condition"],
        json!({ "StringEquals": { "iam:PermissionsBoundary": ["arn:aws:iam::222222222222:policy/workload-boundary"] } })
    );
    assert!(!policy.to_string().contains("iam:DeleteRolePermissionsBoundary"));
}

#[test]
fn the_stack_waits_for_its_role_and_names_it() {
    let app = App::new();
    define(&app, HERE);
    let assembly = app.synth().unwrap();
    let workload = assembly.stack("Workload").unwrap();
    assert_eq!(workload.dependencies[0].stack, "Baseline");
    let role = &assembly.stack("Baseline").unwrap().template["Resources"]
        .as_object()
        .unwrap()
        .values()
        .find(|it| it["Type"] == "AWS::IAM::Role");
    let role = &role.unwrap()["Properties"];
    let name = role["RoleName"].as_str().unwrap();
    assert_eq!(workload.execution_role.as_deref(), Some(format!("arn:aws:iam::222222222222:role/{name}").as_str()));
    assert_eq!(
        role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"],
        json!({ "Service": "cloudformation.amazonaws.com" })
    );
}

#[test]
fn a_role_of_another_account_or_of_the_stack_itself_is_refused() {
    let app = App::new();
    define(&app, ELSEWHERE);
    assert_eq!(rules(&app), ["execution-role-place"]);

    let app = App::new();
    let workload = Stack::new(&app, "Workload", HERE, StackProps::new());
    ExecutionRole::new(&workload, "Execution", &workload, ExecutionRoleProps::new());
    assert_eq!(rules(&app), ["execution-role-place"]);
}

#[test]
fn a_stack_has_one_execution_role() {
    let app = App::new();
    let (baseline, workload) = define(&app, HERE);
    ExecutionRole::new(&baseline, "Another", &workload, ExecutionRoleProps::new());
    assert_eq!(rules(&app), ["execution-role-twice"]);
}
