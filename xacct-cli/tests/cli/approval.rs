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

#[test]
fn a_value_that_is_missing_in_a_later_wave_is_told_before_the_first() {
    let place = Place::new();
    let missing = "parameter `Size` of `Production` has neither a value nor a default";
    let told = ["missing-input", missing, "--parameters Production:Size=VALUE", "nothing was written"];
    for yes in [&["deploy", "--yes"][..], &["deploy"]] {
        local(&place, yes, &["case=open"]).refuses(64, &told);
    }
    assert!(local(&place, &["status"], &["case=open"]).out.lines().all(|it| it.contains("not deployed")));
    local(&place, &["deploy", "--yes", "--parameters", "Size=3"], &["case=open"]).refuses(0, &["2 created"]);
    // It is there now.
    local(&place, &["deploy", "--yes"], &["case=open"]).refuses(0, &["no changes"]);
}

#[test]
fn nobody_is_asked_for_what_cannot_be_done() {
    let place = Place::new();
    let elsewhere = json!({"wrong_account": ["111111111111", "333333333333"]});
    let import = ["import", "Tools", "Tools/Data:LogGroupName=/our/data"];
    for verb in [&["deploy"][..], &["rollback"], &["destroy"], &["bootstrap"], &import] {
        let said = play(&place, &elsewhere, verb, "case=group");
        said.refuses(5, &["the credentials for tools (111111111111/eu-west-1) are for another account"]);
        assert!(!said.err.contains("cannot ask"), "{}", said.err);
    }
    let said = play(&Place::new(), &json!({"bootstrapped": false}), &["deploy"], "case=asset");
    said.refuses(3, &["is not bootstrapped"]);
    assert!(!said.err.contains("cannot ask"), "{}", said.err);
}

#[test]
fn an_import_takes_parameters() {
    let place = Place::new();
    let args = ["import", "--yes", "Production", "Production/Queue:QueueUrl=x"];
    local(&place, &args, &["case=open"]).refuses(64, &["--parameters Production:Size=VALUE"]);
    let said = local(&place, &[&args[..], &["--parameters", "Sise=3"]].concat(), &["case=open"]);
    said.refuses(64, &["a parameter `Sise`", "did you mean `Size`?"]);
}

#[test]
fn a_file_for_outputs_that_cannot_be_written_is_found_before() {
    let place = Place::new();
    let said = local(&place, &["deploy", "--yes", "--outputs-file", "nowhere/outputs.json"], &[]);
    said.refuses(64, &["the outputs cannot be written to `nowhere/outputs.json`", "nothing was written"]);
    assert!(local(&place, &["status"], &[]).out.lines().all(|it| it.contains("not deployed")));
    // A deployment that does not come to its end leaves no empty file.
    local(&place, &["deploy", "--outputs-file", "outputs.json"], &[]).refuses(64, &["cannot ask"]);
    assert!(!place.has("outputs.json"));
    // A pipe gets all of it.
    let said = local(&place, &["deploy", "--yes", "--outputs-file", "/dev/stdout"], &[]);
    said.refuses(0, &[]);
    let outputs: Json = serde_json::from_str(&said.out).unwrap();
    assert!(outputs["Tools"].is_object(), "{}", said.out);
}

#[test]
fn a_destroy_says_what_is_lost_and_what_stays() {
    let place = Place::new();
    local(&place, &["deploy", "--yes"], &["case=group"]).refuses(0, &[]);
    // What is built on it goes too.
    let said = local(&place, &["destroy", "Tools"], &["case=group"]);
    said.refuses(
        64,
        &[
            "Production 222222222222/eu-west-1 1 resource",
            "Tools 111111111111/eu-west-1 1 resource",
            "⚠ Tools/Queue (AWS::SQS::Queue): its data is lost",
            "Tools/Data (AWS::Logs::LogGroup) is kept",
            "Delete 2 stacks, and the data of 2 resources?",
        ],
    );
    let place = Place::new();
    local(&place, &["deploy", "--yes", "Safe"], &["case=protected"]).refuses(0, &[]);
    local(&place, &["destroy", "Safe"], &["case=protected"]).refuses(64, &["protected: it stays"]);
}

#[test]
fn a_rollback_says_what_goes() {
    let place = Place::new();
    let fails =
        json!({"resources": [{"stack": "Tools", "logical_id": "More", "action": "create", "reason": "bad luck"}]});
    let failed = play(&place, &fails, &["deploy", "--yes", "--no-rollback", "Tools"], "case=delay");
    failed.refuses(3, &["bad luck", "CREATE_FAILED"]);
    let said = play(&place, &json!({}), &["rollback", "Tools"], "case=delay");
    said.refuses(
        64,
        &[
            "Tools 111111111111/eu-west-1 CREATE_FAILED: there is nothing to go back to: it is deleted with 2 resources",
            "⚠ Tools/Jobs (AWS::SQS::Queue): its data is lost",
            "Roll back 1 stack?",
        ],
    );
    // What else gets it out of there is told as a command.
    play(&place, &json!({}), &["deploy", "--yes", "Tools"], "case=delay").refuses(
        3,
        &["error[paused]", "testapp rollback Tools", "testapp deploy --yes Tools -c case=delay --no-rollback"],
    );
}

#[test]
fn a_dry_run_of_a_failed_creation_is_no_failure() {
    let place = Place::new();
    let fails =
        json!({"resources": [{"stack": "Tools", "logical_id": "Queue", "action": "create", "reason": "bad luck"}]});
    play(&place, &fails, &["deploy", "--yes", "Tools"], "case=good").refuses(3, &["bad luck"]);
    play(&place, &json!({}), &["deploy", "--dry-run", "Tools"], "case=good").refuses(
        0,
        &[
            "its first creation failed (ROLLBACK_COMPLETE): it is deleted and created again",
            "not known yet: `Tools` is ROLLBACK_COMPLETE: it has to be deleted and created again",
        ],
    );
}
