//! Calls that fail on order, the log of calls, paging, tokens, and time on Tokio's clock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use xacct_deploy::cloudformation::{ChangeSetType, DescribeEvents};
use xacct_deploy::memory::{Action, CallFault, Durations, Fault, ResourceFault, World};
use xacct_deploy::{Connector, Origin, Retry};

use crate::support::{A, B, Place, environment, place, place_in, request, resources, topic};

#[tokio::test]
async fn the_call_that_is_meant_fails_as_it_is_told_to() {
    for (fault, retry, expired) in [
        (Fault::Throttle, Retry::Throttled, false),
        (Fault::Unavailable, Retry::Transient, false),
        (Fault::Unreached, Retry::Transient, false),
        (Fault::LostReply, Retry::Transient, false),
        (Fault::ExpiredCredentials, Retry::No, true),
        (Fault::Error("AccessDenied".into(), "no".into()), Retry::No, false),
    ] {
        let place = place();
        place.world.fail_call(CallFault::new(fault.clone()).operation("DescribeStacks").stack("Prod").nth(2).times(2));
        let ask = async |stack: &str| place.clients.cloudformation.describe_stack(stack).await.unwrap_err();
        assert!(ask("Prod").await.is_stack_absent());
        assert!(ask("Other").await.is_stack_absent(), "another stack does not count");
        let (second, third) = (ask("Prod").await, ask("Prod").await);
        assert!(ask("Prod").await.is_stack_absent());
        for error in [second, third] {
            assert_eq!((error.retry(), error.is_expired()), (retry, expired), "{fault:?}");
        }
        assert_eq!(place.world.count("DescribeStacks"), 5);
        assert_eq!(place.world.count_for("Prod"), 4);
    }
}

#[tokio::test]
async fn a_lost_reply_has_had_its_effect() {
    let place = place();
    let mut wanted = request("Prod", &resources(json!({"A": topic("a")}))).0;
    wanted.kind = ChangeSetType::Create;
    for (fault, made) in [(Fault::Unreached, false), (Fault::LostReply, true)] {
        place.world.fail_call(CallFault::new(fault).operation("CreateChangeSet"));
        let error = place.clients.cloudformation.create_change_set(&wanted).await.unwrap_err();
        assert_eq!(error.origin, Origin::Transport);
        assert_eq!(place.clients.cloudformation.describe_stack("Prod").await.is_ok(), made);
    }
    let again = place.clients.cloudformation.create_change_set(&wanted).await.unwrap_err();
    assert!(again.is_already_exists(), "{again}");
}

#[tokio::test]
async fn a_call_can_hang_before_or_after_its_effect() {
    for (fault, made) in [(Fault::HangBefore, false), (Fault::HangAfter, true)] {
        let place = place();
        place.world.fail_call(CallFault::new(fault).operation("CreateChangeSet"));
        let mut wanted = request("Prod", &resources(json!({"A": topic("a")}))).0;
        wanted.kind = ChangeSetType::Create;
        tokio::select! {
            _ = place.clients.cloudformation.create_change_set(&wanted) => panic!("the call returns"),
            () = place.world.hung() => {}
        }
        assert_eq!(place.clients.cloudformation.describe_stack("Prod").await.is_ok(), made);
    }
}

#[tokio::test]
async fn a_repeated_call_does_not_start_a_second_operation() {
    let place = place();
    let template = |display: &str| resources(json!({"A": topic(display)}));
    let change_set = place.change_set(request("Prod", &template("a"))).await.unwrap();
    for _ in 0..2 {
        place.execute_with(&change_set, |it| it.client_token = "mine".into()).await.unwrap();
    }
    let error = place.execute_with(&change_set, |it| it.client_token = "other".into()).await.unwrap_err();
    assert!(error.is_invalid_change_set_status());
    place.settle().await;
    let events = place.events("Prod").await;
    let began = events.iter().filter(|it| it.is_stack() && it.status == "CREATE_IN_PROGRESS");
    assert_eq!(began.count(), 1);
    assert!(events.iter().skip(1).all(|it| it.client_token.as_deref() == Some("mine")));
    let next =
        place.change_set(request("Prod", &template("b")).with(|it| it.change_set_name = "next".into())).await.unwrap();
    let error = place.execute_with(&next, |it| it.client_token = "mine".into()).await.unwrap_err();
    assert!(error.is_token_reused(), "{error}");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let place = place_in(World::builder().page_size(10));
    let many: serde_json::Map<String, Value> = (0..25).map(|i| (format!("T{i}"), topic("x"))).collect();
    place.deploy(request("Prod", &resources(Value::Object(many)))).await;
    for i in 0..14 {
        place.deploy(request(&format!("S{i}"), &resources(json!({"A": topic("x")})))).await;
    }
    let calls = &place.clients.cloudformation;
    let mut sizes = BTreeMap::new();
    let mut token: Option<String> = None;
    loop {
        let page = calls.list_stack_resources("Prod", token.as_deref()).await.unwrap();
        sizes.entry("resources").or_insert_with(Vec::new).push(page.items.len());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    loop {
        let page = calls.describe_stacks(token.as_deref()).await.unwrap();
        sizes.entry("stacks").or_insert_with(Vec::new).push(page.items.len());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(sizes["resources"], [10, 10, 5]);
    assert_eq!(sizes["stacks"], [10, 5]);
    let events = place.events("Prod").await;
    let ids: std::collections::BTreeSet<_> = events.iter().map(|it| &it.id).collect();
    assert_eq!((events.len(), ids.len()), (1 + 2 + 25 * 3, 1 + 2 + 25 * 3), "no event is missing, none comes twice");
}

#[tokio::test]
async fn a_page_of_events_stays_where_it_is_while_new_ones_come() {
    let place = place_in(World::builder().page_size(3));
    let template = resources(json!({"A": topic("a"), "B": topic("b")}));
    let change_set = place.change_set(request("Prod", &template)).await.unwrap();
    place.execute(&change_set).await.unwrap();
    let first = place.clients.cloudformation.describe_stack_events("Prod", None).await.unwrap();
    place.settle().await;
    let second = place.clients.cloudformation.describe_stack_events("Prod", first.next_token.as_deref()).await.unwrap();
    let told: Vec<String> =
        first.items.iter().chain(&second.items).map(|it| format!("{} {}", it.logical_id, it.status)).collect();
    assert_eq!(
        told,
        ["B CREATE_IN_PROGRESS", "A CREATE_IN_PROGRESS", "Prod CREATE_IN_PROGRESS", "Prod REVIEW_IN_PROGRESS"]
    );
}

#[tokio::test]
async fn the_failures_of_an_operation_can_be_asked_for() {
    let place = place();
    place.world.fail_resource(ResourceFault::fail("B", Action::Create, "no luck"));
    let stack = place.deploy(request("Prod", &resources(json!({"A": topic("a"), "B": topic("b")})))).await;
    let operation = stack.last_operations.iter().find(|it| it.kind == "CREATE_STACK").unwrap();
    let wanted =
        DescribeEvents { operation_id: Some(operation.id.clone()), failed_only: true, ..DescribeEvents::default() };
    let found = place.clients.cloudformation.describe_events(&wanted, None).await.unwrap().items;
    let told: Vec<_> = found.iter().map(|it| (it.event.logical_id.as_str(), it.event.status.as_str())).collect();
    assert_eq!(told, [("A", "CREATE_FAILED"), ("B", "CREATE_FAILED")]);
    let error = place.clients.cloudformation.describe_events(&DescribeEvents::default(), None).await.unwrap_err();
    assert_eq!(error.code(), "ValidationError");
}

#[tokio::test]
async fn accounts_are_apart_and_credentials_can_be_wrong() {
    let world = World::builder().manual_clock().bootstrapped().wrong_account(B, "333333333333").build();
    let here = Place::new(&world, environment(A));
    here.deploy(request("Prod", &resources(json!({"A": topic("a")})))).await;
    let there = world.connect(&environment(B)).await.unwrap();
    assert!(there.cloudformation.describe_stack("Prod").await.unwrap_err().is_stack_absent());
    assert_eq!(here.clients.identity.caller().await.unwrap().account, A);
    assert_eq!(there.identity.caller().await.unwrap().account, "333333333333");
    let bucket = format!("cdk-hnb659fds-assets-{B}-eu-west-1");
    assert!(there.objects.bucket_exists(&bucket).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn time_passes_on_tokios_clock() {
    let world = World::builder().speed(10.0).durations(Durations::all(Duration::from_secs(40))).build();
    let place = Place::new(&world, environment(A));
    let mut wanted = request("Prod", &resources(json!({"A": topic("a")}))).0;
    wanted.kind = ChangeSetType::Create;
    let made = place.clients.cloudformation.create_change_set(&wanted).await.unwrap();
    let change_set = xacct_deploy::cloudformation::ChangeSetRef { stack: made.stack_id, change_set: made.id };
    let status = async || place.clients.cloudformation.describe_change_set(&change_set, None).await.unwrap().status;
    tokio::time::sleep(Duration::from_millis(3_990)).await;
    assert_eq!(status().await, "CREATE_PENDING");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(status().await, "CREATE_COMPLETE");
    let before = tokio::time::Instant::now();
    let delay = CallFault::new(Fault::Delay(Duration::from_secs(7)));
    world.fail_call(delay);
    assert_eq!(status().await, "CREATE_COMPLETE");
    assert_eq!(before.elapsed(), Duration::from_secs(7));
}

#[tokio::test]
async fn a_large_template_comes_from_a_bucket() {
    let place = place();
    place.world.bootstrap(&place.environment);
    let bucket = format!("cdk-hnb659fds-assets-{A}-eu-west-1");
    let template = resources(json!({"A": {"Type": "AWS::SNS::Topic", "Metadata": {"x": "y".repeat(60_000)}}}));
    let objects = &place.clients.objects;
    let url = objects.url(&bucket, "templates/t.json");
    let from_url = || {
        let url = url.clone();
        request("Prod", &json!({})).with(move |it| it.template = xacct_deploy::cloudformation::TemplateSource::Url(url))
    };
    assert!(place.refusal(from_url()).await.starts_with("S3 error: The specified key does not exist."));
    objects
        .put_object(&bucket, "templates/t.json", template.to_string().into_bytes(), "application/json")
        .await
        .unwrap();
    assert_eq!(place.deploy(from_url()).await.status.as_str(), "CREATE_COMPLETE");
    assert_eq!(place.clients.cloudformation.get_template("Prod").await.unwrap(), template.to_string());
}

#[tokio::test]
async fn express_mode_is_faster() {
    let mut took = Vec::new();
    for express in [false, true] {
        let place = place();
        let stack =
            place.deploy(request("Prod", &resources(json!({"A": topic("a")}))).with(|it| it.express = express)).await;
        let events = place.events(&stack.id).await;
        took.push(events.last().unwrap().timestamp.0 - events[1].timestamp.0);
    }
    assert_eq!(took, [4000, 1000]);
}
