//! `import`, `rollback`, `cancel`, `drift` and `logs -f`: what they do, and what they say to somebody who errs.

use nix::sys::signal::Signal;
use serde_json::{Value as Json, json};

use crate::support::{Place, Running, Said};

const TOOLS: &str = "111111111111";

fn place(script: &Json) -> Place {
    let place = Place::new();
    place.script(script);
    place
}

fn play(place: &Place, script: &Json, args: &[&str]) -> Said {
    place.script(script);
    place.run(args)
}

/// A place with an update in progress, which nobody follows.
fn updating() -> Place {
    let place = place(&json!({}));
    place.run(&["deploy", "--yes", "-c", "case=delay"]).refuses(0, &[]);
    let slow = json!({"resources": [{"stack": "Tools", "logical_id": "More", "action": "update", "lasts": 60_000}]});
    place.script(&slow);
    let mut running = Running::start(&place, &["deploy", "--yes", "-c", "case=delay", "-c", "delay=2"]);
    running.hears("UPDATE_COMPLETE  AWS::SQS::Queue  Jobs");
    running.send(Signal::SIGTERM);
    running.ends().refuses(130, &["go on without us: Tools"]);
    place.script(&json!({}));
    place
}

// ---- import ----

fn group() -> Json {
    json!({"outside": [{"account": TOOLS, "resource_type": "AWS::Logs::LogGroup", "physical_id": "/our/data"}]})
}

#[test]
fn what_exists_is_taken_over() {
    let place = place(&group());
    place.run(&["deploy", "--yes"]).refuses(0, &[]);
    let import = ["import", "--yes", "-c", "case=group", "Tools", "Tools/Data:LogGroupName=/our/data"];
    play(&place, &json!({}), &import).refuses(
        0,
        &[
            "AWS::Logs::LogGroup Data",
            "Tools importing, 1 resource",
            "IMPORT_COMPLETE AWS::Logs::LogGroup Data",
            "1 updated",
        ],
    );
    place.run(&["deploy", "--yes", "-c", "case=group"]).refuses(0, &["✓ no changes"]);
}

#[test]
fn an_import_names_what_the_app_has() {
    let place = place(&group());
    place.run(&["deploy", "--yes"]).refuses(0, &[]);
    place.script(&json!({}));
    let import = |args: &[&str]| place.run(&[&["import", "--yes", "-c", "case=group"], args].concat());
    import(&["Tool", "Tools/Data:LogGroupName=x"]).refuses(64, &["there is no stack `Tool`", "did you mean `Tools`?"]);
    import(&["*", "Tools/Data:LogGroupName=x"]).refuses(64, &["`*` names 2 stacks: import into one"]);
    import(&["Tools"]).refuses(64, &["PATH:KEY=VALUE"]);
    import(&["Tools", "Tools/Data"])
        .refuses(64, &["write it as PATH:KEY=VALUE, such as Tools/Bucket:BucketName=my-bucket"]);
    import(&["Tools", "Tools/Dat:LogGroupName=x"])
        .refuses(64, &["`Tools` has no resource `Tools/Dat`", "did you mean `Tools/Data`?"]);
    import(&["Tools", "Tools/Data:Name=/our/data"]).refuses(
        64,
        &["`Name` does not identify `Tools/Data`", "an AWS::Logs::LogGroup is identified by LogGroupName"],
    );
    let missing = import(&["Tools", "Tools/Data:LogGroupName=/not/there"]);
    missing.refuses(
        3,
        &[
            "error[invalid]: Tools failed",
            "check the identifiers",
            "Resource /not/there of type AWS::Logs::LogGroup does not exist",
            "testapp/main.rs:",
        ],
    );
    place
        .run(&["import", "Tools", "Data:LogGroupName=/our/data", "-c", "case=group"])
        .refuses(64, &["Import 1 resource into Tools?", "--yes"]);
    assert!(place.run(&["status", "Tools"]).out.contains("CREATE_COMPLETE"));
}

// ---- rollback ----

#[test]
fn what_stands_still_is_rolled_back() {
    let place = place(&json!({}));
    place.run(&["deploy", "--yes", "-c", "case=delay"]).refuses(0, &[]);
    let script = json!({"resources": [{"stack": "Tools", "logical_id": "More", "action": "update", "reason": "no"}]});
    let deploy = ["deploy", "--yes", "--no-rollback", "-c", "case=delay", "-c", "delay=2"];
    let failed = play(&place, &script, &deploy);
    failed.refuses(3, &["state Tools UPDATE_FAILED", "testapp rollback Tools"]);
    // Without --no-rollback, nobody decides for the user what becomes of it.
    let again = ["deploy", "--yes", "-c", "case=delay", "-c", "delay=2"];
    play(&place, &json!({}), &again).refuses(3, &["error[paused]: Tools failed", "testapp rollback Tools"]);
    place.run(&["rollback", "Tools", "-c", "case=delay"]).refuses(
        64,
        &["Tools 111111111111/eu-west-1 UPDATE_FAILED: back to its last good state", "Roll back 1 stack?", "--yes"],
    );
    place
        .run(&["rollback", "--yes", "Tools", "-c", "case=delay"])
        .refuses(0, &["rolled back: UPDATE_ROLLBACK_COMPLETE", "1 rolled back"]);
    place.run(&again).refuses(0, &["Tools ✓ updated"]);
}

#[test]
fn a_rollback_of_nothing_says_so() {
    let place = place(&json!({}));
    place.run(&["rollback", "--yes"]).refuses(0, &["there was no such stack", "2 absent"]);
    place.run(&["deploy", "--yes"]).refuses(0, &[]);
    place.run(&["rollback", "--yes"]).refuses(0, &["Tools ✓ at rest: CREATE_COMPLETE", "2 at rest"]);
    place.run(&["rollback", "--yes", "Tols"]).refuses(64, &["did you mean `Tools`?"]);
}

// ---- cancel, logs -f ----

#[test]
fn an_update_is_cancelled_and_its_rollback_is_followed() {
    let place = updating();
    place.run(&["cancel", "-c", "case=delay"]).refuses(
        0,
        &["Tools cancelled: it rolls back", "Production nothing runs", "testapp logs -f --context case=delay"],
    );
    let followed = place.run(&["logs", "-f", "-c", "case=delay"]);
    followed
        .refuses(3, &["UPDATE_ROLLBACK_COMPLETE", "error[cancelled]: Tools failed", "was cancelled by somebody else"]);
    place.run(&["deploy", "--yes", "-c", "case=delay", "-c", "delay=2"]).refuses(0, &["Tools ✓ updated"]);
}

#[test]
fn only_an_update_can_be_cancelled() {
    let place = place(&json!({}));
    place.run(&["cancel"]).refuses(0, &["Tools nothing runs", "Production nothing runs"]);
    place.run(&["cancel", "Prodution"]).refuses(64, &["did you mean `Production`?"]);
    let mut running = Running::start(&place, &["deploy", "--yes", "-c", "case=slow"]);
    running.hears("creating");
    running.send(Signal::SIGTERM);
    running.ends().refuses(130, &[]);
    place.run(&["cancel", "Tools"]).refuses(3, &["cannot be cancelled in CREATE_IN_PROGRESS", "wait for its end"]);
}

#[test]
fn whoever_comes_later_follows_from_where_it_stands() {
    let place = updating();
    let followed = place.run(&["logs", "-f", "-c", "case=delay"]);
    followed.refuses(
        0,
        &[
            "Tools UPDATE_IN_PROGRESS: somebody else works on it",
            "UPDATE_COMPLETE AWS::SQS::Queue Jobs",
            "UPDATE_COMPLETE AWS::SQS::Queue More",
            "Tools ✓ at rest: UPDATE_COMPLETE",
        ],
    );
    // Following changes nothing: whoever started it still takes it up.
    place.run(&["status", "-c", "case=delay"]).refuses(0, &[]);
    place.run(&["deploy", "--yes", "-c", "case=delay", "-c", "delay=2"]).refuses(0, &["no changes"]);
    place.run(&["logs", "Tolls"]).refuses(64, &["did you mean `Tools`?"]);
}

#[test]
fn status_tells_of_a_run_that_was_interrupted() {
    let place = updating();
    let status = place.run(&["status", "Tools", "-c", "case=delay"]).out;
    assert!(status.contains("UPDATE_IN_PROGRESS") && status.contains("deploy again to go on"), "{status}");
}

// ---- drift ----

#[test]
fn what_was_changed_by_hand_is_shown_with_its_construct() {
    let place = place(&json!({}));
    place.run(&["drift"]).refuses(0, &[]);
    assert_eq!(place.run(&["drift"]).out, "Tools not deployed\nProduction not deployed\n");
    place.run(&["deploy", "--yes", "-c", "case=delay"]).refuses(0, &[]);
    assert_eq!(place.run(&["drift", "--exit-code", "-c", "case=delay"]).code, 0);
    let by_hand =
        json!({"account": TOOLS, "stack": "Tools", "logical_id": "Jobs", "path": "/DelaySeconds", "actual": "9"});
    let found = play(&place, &json!({"by_hand": [by_hand]}), &["drift", "--exit-code", "-c", "case=delay"]);
    assert_eq!(found.code, 2, "{}", found.err);
    for text in ["Tools DRIFTED", "MODIFIED  AWS::SQS::Queue  Tools/Jobs", "/DelaySeconds: 1 → 9", "Production in sync"]
    {
        assert!(found.out.contains(text), "{text}:\n{}", found.out);
    }
    assert_eq!(play(&place, &json!({}), &["drift", "-c", "case=delay"]).code, 0, "only with --exit-code");
    place.run(&["drift", "Tols"]).refuses(64, &["did you mean `Tools`?"]);
}
