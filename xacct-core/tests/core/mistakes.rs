//! What a program can get wrong: all of it is reported at once, at its place.

use crate::support::{A, B, Role, Store, props, stack};
use xacct_core::value::Props;
use xacct_core::{
    AccountId, App, Asset, CfnOutput, CfnOutputProps, Construct, Expr, Node, ParseError, Principal, Region, Statement,
};

#[test]
fn account_ids_say_what_is_wrong_with_them() {
    for (text, word) in [
        ("11111111111", "11 digits instead of 12 (was a leading zero lost?"),
        ("1111111111111", "13 digits"),
        ("1111-1111-1111", "without dashes"),
        ("", "0 digits"),
    ] {
        let error = text.parse::<AccountId>().unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!("012345678901".parse::<AccountId>().unwrap().as_str(), "012345678901");
}

#[test]
fn an_unknown_region_names_the_nearest() {
    let error = "eu-wst-1".parse::<Region>().unwrap_err();
    assert!(matches!(error, ParseError::Region { nearest: Some("eu-west-1"), .. }), "{error:?}");
}

#[test]
fn everything_is_reported_at_once_with_its_line() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    Store::new(&tools, "Store");
    Store::new(&tools, "Store");
    Store::new(&app, "Stray");
    Node::new_resource(&tools, "a/b", "AWS::SQS::Queue", Props::default());
    Asset::new(&tools, "Asset", "no/such/file");
    let error = app.synth().unwrap_err();
    let rules: Vec<&str> = error.diagnostics.iter().map(|it| it.rule.as_str()).collect();
    for rule in ["duplicate-id", "no-stack", "invalid-id", "asset"] {
        assert!(rules.contains(&rule), "{rule} in {rules:?}");
    }
    assert!(error.diagnostics.iter().all(|it| it.location.as_ref().is_some_and(|at| at.file == file!())), "{error}");
    assert_eq!(app.synth().unwrap_err(), error, "it can be asked again");
}

#[test]
fn constructs_of_another_app_are_found_out() {
    let (one, two) = (App::new(), App::new());
    let (first, second) = (stack(&one, "One", A), stack(&two, "Two", B));
    let store = Store::new(&first, "Store");
    let role = Role::new(&second, "Role", Principal::service("codebuild.amazonaws.com"), None);
    store.grant(&role, "s3:GetObject");
    Node::new_resource(&second, "Topic", "AWS::SNS::Topic", props([("DisplayName", store.arn().into_expr())]));
    CfnOutput::new(&second, "Arn", store.arn(), CfnOutputProps::new());
    for app in [one, two] {
        // And nothing that would follow from it.
        let error = app.synth().unwrap_err();
        assert!(error.diagnostics.iter().all(|it| it.rule == "foreign-construct"), "{error}");
    }
}

#[test]
fn limits_are_checked() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    for index in 0..501 {
        Node::new_resource(&tools, &format!("Queue{index}"), "AWS::SQS::Queue", Props::default());
    }
    let error = app.synth().unwrap_err();
    assert!(error.to_string().contains("`Tools` has 501 resources, and CloudFormation takes 500"), "{error}");

    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let long = "x".repeat(1_000_001);
    Node::new_resource(&tools, "Queue", "AWS::SNS::Topic", props([("DisplayName", long.into())]));
    let error = app.synth().unwrap_err();
    assert!(error.diagnostics.iter().any(|it| it.message.contains("and CloudFormation takes 1000000")), "{error}");
}

#[test]
fn a_statement_without_principal_is_refused_in_a_resource_policy() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let store = Store::new(&tools, "Store");
    let statement = Statement::allow(["s3:GetObject"]).on(["*"]);
    store.node().add_statement(xacct_core::PolicySlot::Resource, statement);
    let error = app.synth().unwrap_err();
    assert!(error.to_string().contains("names no principal"), "{error}");
}

#[test]
fn a_silenced_warning_is_kept_with_its_reason() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    assert_eq!(app.synth().unwrap().warnings[0].rule, "empty-stack");
    let node = tools.node();
    node.silence("empty-stack", "resources come next week");
    let assembly = app.synth().unwrap();
    assert!(assembly.warnings.is_empty());
    assert_eq!(assembly.silenced[0].reason, "resources come next week");
    node.silence("empty-stack", "  ");
    assert_eq!(app.synth().unwrap_err().diagnostics[0].rule, "silence-without-reason");
}

#[test]
fn a_misspelt_action_names_the_nearest() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let role = Role::new(&tools, "Role", Principal::service("codebuild.amazonaws.com"), None);
    let store = Store::new(&tools, "Store");
    for action in ["s3:GetObject*", "s3:getobject", "*"] {
        store.grant(&role, action);
    }
    app.synth().unwrap();
    store.grant(&role, "s3:GetObjet");
    store.grant(&role, "GetObject");
    store.grant(&role, "s4:*");
    let error = app.synth().unwrap_err().to_string();
    assert!(error.contains("AWS has no action `s3:GetObjet`"), "{error}");
    assert!(error.contains("did you mean `s3:GetObject`?"), "{error}");
    assert!(error.contains("write it as `service:Action`"), "{error}");
    assert!(error.contains("AWS has no action `s4:*`"), "{error}");
}

#[test]
fn findings_stand_by_construct_and_then_by_property() {
    let app = App::new();
    let (second, first) = (stack(&app, "Tools", A), stack(&app, "Apps", A));
    let tag = |index: i64| {
        let key = if matches!(index, 2 | 10) { "Kee" } else { "Key" };
        Expr::Map(vec![(key.into(), index.to_string().into()), ("Value".into(), "x".into())])
    };
    let tags = Expr::List((0..12).map(tag).collect());
    let wrong = || props([("QueueNam", "jobs".into()), ("DelaySeconds", "soon".into()), ("Tags", tags.clone())]);
    for scope in [&second, &first] {
        // A child of `Queue` comes before `Queue-2`, though `-` comes before `/`.
        Node::new_resource(&scope.node().child("Queue-2"), "Resource", "AWS::SQS::Kueue", Props::default());
        Node::new_resource(&scope.node().child("Queue"), "Resource", "AWS::SQS::Queue", wrong());
    }
    let error = app.synth().unwrap_err();
    let places: Vec<(&str, &str)> = error
        .diagnostics
        .iter()
        .map(|it| (it.path.as_deref().unwrap(), it.property.as_deref().unwrap_or_default()))
        .collect();
    let of_stack = |stack: &str| {
        [
            (format!("{stack}/Queue/Resource"), "DelaySeconds"),
            (format!("{stack}/Queue/Resource"), "QueueNam"),
            (format!("{stack}/Queue/Resource"), "Tags[2].Kee"),
            (format!("{stack}/Queue/Resource"), "Tags[2].Key"),
            (format!("{stack}/Queue/Resource"), "Tags[10].Kee"),
            (format!("{stack}/Queue/Resource"), "Tags[10].Key"),
            (format!("{stack}/Queue-2/Resource"), "Type"),
        ]
    };
    let expected: Vec<(String, &str)> = ["Apps", "Tools"].into_iter().flat_map(of_stack).collect();
    assert_eq!(places, expected.iter().map(|(path, property)| (path.as_str(), *property)).collect::<Vec<_>>());
}

#[test]
fn what_cloudformation_would_refuse_is_found_at_the_construct() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let queue = Node::new_resource(&tools, "Queue", "AWS::SQS::Queue", props([("QueueNam", "jobs".into())]));
    Node::new_resource(&tools, "Odd", "AWS::SQS::Kueue", Props::default());
    let error = app.synth().unwrap_err();
    let unknown = error.diagnostics.iter().find(|it| it.rule == "unknown-property").unwrap();
    assert_eq!((unknown.path.as_deref(), unknown.property.as_deref()), (Some("Tools/Queue"), Some("QueueNam")));
    assert_eq!(unknown.help.as_deref(), Some("did you mean `QueueName`?"));
    assert_eq!(unknown.location.as_ref().unwrap().file, file!());
    assert!(error.diagnostics.iter().any(|it| it.rule == "unknown-resource-type"), "{error}");

    queue.silence("unknown-property", "it is newer than the schema");
    tools.node().silence("unknown-resource-type", "so is this");
    app.synth().unwrap();
    let app = App::new();
    app.skip_validation();
    Node::new_resource(&stack(&app, "Tools", A), "Odd", "AWS::SQS::Kueue", Props::default());
    app.synth().unwrap();
}
