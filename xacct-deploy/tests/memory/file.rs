//! A world in a file.

use std::time::Duration;

use serde_json::json;
use xacct_deploy::memory::{FileError, World};

use crate::support::{Place, environment, outputs, place, request, resources, topic};

fn reload(place: &Place, path: &std::path::Path) -> Place {
    place.world.save(path).unwrap();
    Place::new(&World::builder().manual_clock().load(path).unwrap(), place.environment.clone())
}

#[tokio::test]
async fn a_second_deployment_sees_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let first = Place::new(&World::builder().manual_clock().load(&path).unwrap(), environment(crate::support::A));
    let template = |display: &str| resources(json!({"A": topic(display), "B": topic("b")}));
    let stack = first.deploy(request("Prod", &template("a"))).await;
    let second = reload(&first, &path);
    let again = second.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(again, stack);
    assert_eq!(second.events("Prod").await, first.events("Prod").await);
    assert!(second.refusal(request("Prod", &template("a"))).await.starts_with("The submitted information didn't"));
    let change_set = second.change_set(request("Prod", &template("x"))).await.unwrap();
    assert_eq!(change_set.changes.len(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[tokio::test]
async fn an_operation_in_progress_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let first = place();
    let change_set =
        first.change_set(request("Prod", &resources(json!({"A": topic("a"), "B": topic("b")})))).await.unwrap();
    first.execute(&change_set).await.unwrap();
    first.world.advance(Duration::from_secs(3));
    let second = reload(&first, &path);
    let stack = second.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(stack.status.as_str(), "CREATE_IN_PROGRESS");
    second.settle().await;
    first.settle().await;
    assert_eq!(second.events("Prod").await, first.events("Prod").await);
    assert_eq!(second.clients.cloudformation.describe_stack("Prod").await.unwrap().status.as_str(), "CREATE_COMPLETE");
}

#[tokio::test]
async fn no_secret_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let place = place();
    let template = json!({
        "Parameters": {"Password": {"Type": "String", "NoEcho": true}},
        "Resources": {
            "A": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Password"}}},
            "User": {"Type": "AWS::IAM::User"},
            "Key": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "User"}}},
        },
        "Outputs": {
            "Password": {"Value": {"Fn::Sub": "pw=${Password}"}},
            "Coded": {"Value": {"Fn::Base64": {"Ref": "Password"}}},
            "Part": {"Value": {"Fn::Select": [1, {"Fn::Split": ["-", {"Ref": "Password"}]}]}},
            "Key": {"Value": {"Fn::GetAtt": ["Key", "SecretAccessKey"]}},
        },
    });
    let with = |password: &str| request("Prod", &template).parameter("Password", password);
    let found = outputs(&place.deploy(with("correct-horse-battery")).await);
    assert_eq!(found["Part"], "horse");
    let waiting = place.change_set(with("staple-gun-42")).await.unwrap();
    place.execute(&waiting).await.unwrap();
    let second = reload(&place, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in ["correct", "horse", "battery", "staple", &found["Coded"], &found["Key"]] {
        assert!(!text.contains(secret), "`{secret}` is in the file");
    }
    second.settle().await;
    let stack = second.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(outputs(&stack)["Password"], "pw=****");
    let same = second.refusal(with("staple-gun-42").with(|it| it.change_set_name = "same".into())).await;
    assert!(same.starts_with("The submitted information didn't"), "{same}");
    let other = second.change_set(with("else").with(|it| it.change_set_name = "other".into())).await.unwrap();
    assert_eq!(other.changes.len(), 1);
}

#[test]
fn what_is_no_state_is_not_overwritten_but_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(World::builder().load(&path), Err(FileError::Damaged { .. })));
    std::fs::write(&path, r#"{"version": 99}"#).unwrap();
    let error = World::builder().load(&path).unwrap_err();
    assert!(matches!(error, FileError::Version { found: 99, .. }));
    assert!(error.to_string().contains("remove it to start anew"), "{error}");
}
