//! Nothing is written that the plan did not show, and that nobody has agreed to.

use serde_json::{Value as Json, json};

use crate::support::{Place, Said};

const LOCAL: &[&str] = &["deploy", "--local"];

fn local(place: &Place, args: &[&str], case: &[&str]) -> Said {
    let context: Vec<&str> = case.iter().flat_map(|it| ["-c", *it]).collect();
    place.run(&[args, &["--local"], &context].concat())
}

fn play(place: &Place, script: &Json, args: &[&str], case: &str) -> Said {
    place.script(script);
    place.run_with(&[("COLUMNS", "200")], &[args, &["-c", case]].concat())
}

#[test]
fn protection_is_not_taken_away_unasked() {
    let place = Place::new();
    local(&place, &["deploy", "--yes"], &["case=protected"]).refuses(0, &["3 created"]);
    let diff = local(&place, &["diff", "--exit-code"], &["case=unprotected"]);
    assert_eq!(diff.code, 2, "{}", diff.out);
    assert!(diff.out.contains("~ termination protection: true → false"), "{}", diff.out);
    let plan = &[
        "Safe 111111111111/eu-west-1 termination protection off",
        "⚠ Safe is not protected from being deleted any more",
    ];
    for approval in ["any", "broadening"] {
        let said = local(&place, &["deploy", "--require-approval", approval], &["case=unprotected"]);
        said.refuses(64, &[&plan[..], &["cannot ask without a terminal"]].concat());
    }
    local(&place, &["destroy", "--yes", "Safe"], &["case=unprotected"]).refuses(3, &["protected from being deleted"]);
    local(&place, &["deploy", "--yes"], &["case=unprotected"]).refuses(0, plan);
    local(&place, &["destroy", "--yes", "Safe"], &["case=unprotected"]).refuses(0, &["1 deleted"]);
}

#[test]
fn drift_is_not_undone_unasked() {
    let place = Place::new();
    play(&place, &json!({}), &["deploy", "--yes"], "case=delay").refuses(0, &[]);
    let revert = ["deploy", "--revert-drift"];
    play(&place, &json!({}), &revert, "case=delay").refuses(0, &["no changes"]);
    let by_hand = json!({"by_hand": [{"account": "111111111111", "stack": "Tools", "logical_id": "Jobs",
        "path": "/DelaySeconds", "actual": "9"}]});
    let shown = ["Tools is put back as the template has it", "AWS::SQS::Queue Jobs", "/DelaySeconds: 9 → 1"];
    let asked = play(&place, &by_hand, &revert, "case=delay");
    asked.refuses(64, &[&shown[..], &["cannot ask without a terminal"]].concat());
    let drift = play(&place, &json!({}), &["drift", "Tools"], "case=delay");
    assert!(drift.out.contains("DRIFTED"), "{}", drift.out);
    play(&place, &json!({}), &[&revert[..], &["--yes"]].concat(), "case=delay").refuses(0, &shown);
    let drift = play(&place, &json!({}), &["drift", "Tools"], "case=delay");
    assert!(drift.out.contains("in sync"), "{}", drift.out);
}

#[test]
fn a_value_of_the_parameter_store_is_asked_for_each_time() {
    let place = Place::new();
    local(&place, &["deploy", "--yes"], &["case=stored"]).refuses(0, &["3 created"]);
    let told = "the same, unless values in the Parameter Store change";
    local(&place, &["deploy"], &["case=stored"]).refuses(64, &[told, "cannot ask without a terminal"]);
    local(&place, &["deploy", "--yes"], &["case=stored"]).refuses(0, &[told, "no changes"]);
    local(&place, &["deploy", "--yes", "Tools"], &["case=stored", "greeting=goodbye"]).refuses(0, &["1 updated"]);
    let diff = local(&place, &["diff", "--exit-code", "Reader"], &["case=stored", "greeting=goodbye"]);
    assert_eq!(diff.code, 2, "{}", diff.out);
    assert!(
        diff.out.contains("Greeting comes from /our/greeting in the Parameter Store, which was hello"),
        "{}",
        diff.out
    );
    local(&place, &["deploy", "--yes"], &["case=stored", "greeting=goodbye"])
        .refuses(0, &["Reader updating, 1 resource", "1 updated, 2 unchanged"]);
}

#[test]
fn what_a_stack_still_holds_is_lost_only_by_name() {
    let place = Place::new();
    play(&place, &json!({}), &["deploy", "--yes", "Tools"], "case=log").refuses(0, &[]);
    let stays =
        json!({"resources": [{"stack": "Tools", "logical_id": "Log", "action": "delete", "reason": "it is in use"}]});
    play(&place, &stays, &["destroy", "--yes", "Tools"], "case=log").refuses(3, &["it is in use"]);
    let deploy = ["deploy", "Tools", "--yes"];
    let shown = [
        "its deletion failed (DELETE_FAILED): it is deleted with 1 resource and created again",
        "⚠ Tools/Log (AWS::Logs::LogGroup) is deleted with its stack: its data is lost",
    ];
    let refused = play(&place, &json!({}), &deploy, "case=log");
    refused.refuses(64, &[&shown[..], &["--allow-replace Tools/Log", "nothing was written"]].concat());
    let diff = play(&place, &json!({}), &["diff", "Tools"], "case=log");
    assert!(diff.out.contains("- AWS::Logs::LogGroup Log (/test/log): data loss"), "{}", diff.out);
    // Nothing can be computed for it before it is deleted.
    play(&place, &json!({}), &["deploy", "Tools", "--dry-run"], "case=log")
        .refuses(0, &["`Tools` is DELETE_FAILED: it has to be deleted and created again"]);
    let agreed = play(&place, &json!({}), &[&deploy[..], &["--allow-replace", "Tools/Log"]].concat(), "case=log");
    agreed.refuses(0, &[&shown[..], &["Tools ✓ created"]].concat());
}

#[test]
fn a_value_from_another_stack_does_not_replace_data_unasked() {
    let place = Place::new();
    local(&place, &["deploy", "--yes"], &["case=linked"]).refuses(0, &["2 created"]);
    let two = &["case=linked", "queue=two"];
    let diff = local(&place, &["diff"], two);
    assert!(diff.out.contains("± AWS::Logs::LogGroup Log may be replaced (LogGroupName)"), "{}", diff.out);
    let deploy = ["deploy", "--yes", "--allow-replace", "Tools/Queue"];
    let stopped = local(&place, &deploy, two);
    stopped.refuses(
        3,
        &[
            "⚠ Production/Log (AWS::Logs::LogGroup) is replaced if that value changes",
            "Tools ✓ updated",
            "error[data-loss]: Production/Log (AWS::Logs::LogGroup) failed",
            "it is replaced, and its data is lost; nobody has agreed to that",
            "`LogGroupName` changes, because of ToolsQueueArn",
            "--allow-replace Production/Log",
        ],
    );
    assert!(!stopped.err.contains("Production updating"), "{}", stopped.err);
    let status = local(&place, &["status", "Production"], two);
    assert!(status.out.contains("CREATE_COMPLETE"), "{}", status.out);
    local(&place, &[&deploy[..], &["--allow-replace", "Production/Log"]].concat(), two)
        .refuses(0, &["Production ✓ updated"]);
}

#[test]
fn never_to_ask_is_no_consent_to_a_loss() {
    let place = Place::new();
    local(&place, &["deploy", "--yes"], &["case=log"]).refuses(0, &[]);
    let never = [LOCAL, &["--require-approval", "never", "-c", "case=log-renamed"]].concat();
    place.run(&never).refuses(64, &["1 resource would lose data: Tools/Log"]);
}
