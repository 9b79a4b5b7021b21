//! Deploying to the CloudFormation in memory: what is said, what is kept, and how it ends.

use std::fs;

use crate::support::Place;

const DEPLOY: &[&str] = &["deploy", "--local", "--yes"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

#[test]
fn a_second_deployment_has_nothing_to_do() {
    let place = Place::new();
    let first = place.run(DEPLOY);
    first.refuses(
        0,
        &["CloudFormation in memory, not AWS", "it does not check: permissions", "wave 1 Tools", "2 created"],
    );
    assert!(first.err.find("Tools       ✓ created").unwrap() < first.err.find("Production  creating").unwrap());
    assert!(first.out.is_empty() && place.has("cdk.out/manifest.json"));
    // Nothing to agree to, so no --yes is needed.
    place.run(&["deploy", "--local"]).refuses(0, &["✓ no changes"]);
    assert_eq!(fs::read_to_string(place.path().join(".xacct/.gitignore")).unwrap(), "*\n");
}

#[test]
fn the_state_is_kept_where_the_user_says() {
    let place = Place::new();
    place.run(&with(DEPLOY, &["--local-state", "a.json"])).refuses(0, &["state in a.json", "2 created"]);
    place.run(&with(DEPLOY, &["--local-state", "b.json"])).refuses(0, &["2 created"]);
    place.run(&with(DEPLOY, &["--local-state", "a.json"])).refuses(0, &["no changes"]);
    fs::write(place.path().join("b.json"), "{").unwrap();
    place.run(&with(DEPLOY, &["--local-state", "b.json"])).refuses(1, &["`b.json`", "remove it to start anew"]);
}

#[test]
fn status_outputs_and_drift_see_what_was_deployed() {
    let place = Place::new();
    assert!(place.run(&["status", "--local"]).out.contains("not deployed"));
    place.run(DEPLOY).refuses(0, &[]);
    let status = place.run(&["status", "--local", "Tools"]);
    assert!(status.out.starts_with("Tools  111111111111/eu-west-1  CREATE_COMPLETE"), "{}", status.out);
    let outputs = place.run(&["outputs", "--local"]);
    assert!(outputs.out.contains("Production.QueueArn = arn:aws:sqs:eu-west-1:111111111111:"), "{}", outputs.out);
    assert_eq!(place.run(&["drift", "--local", "--exit-code"]).out, "Tools in sync\nProduction in sync\n");
    let logs = place.run(&["logs", "--local", "Tools"]);
    logs.refuses(0, &["CREATE_COMPLETE AWS::SQS::Queue Queue", "at rest"]);
    place.run(&["logs", "-f", "--local"]).refuses(0, &["2 at rest"]);
    place.run(&["cancel", "--local"]).refuses(0, &["Tools nothing runs"]);
}

#[test]
fn a_diff_goes_to_standard_output_and_has_a_code_of_its_own() {
    let place = Place::new();
    place.run(DEPLOY).refuses(0, &[]);
    let same = place.run(&["diff", "--local", "--exit-code"]);
    assert_eq!((same.code, same.out.as_str()), (0, "Tools no changes\nProduction no changes\n"));
    let said = place.run(&["diff", "--local", "--exit-code", "-c", "case=renamed"]);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("+ AWS::SQS::Queue Jobs"), "{}", said.out);
    assert_eq!(place.run(&["diff", "--local", "-c", "case=renamed"]).code, 0);
}

#[test]
fn losing_data_takes_more_than_a_general_yes() {
    let place = Place::new();
    place.run(&with(DEPLOY, &["-c", "case=log"])).refuses(0, &[]);
    let rename = with(DEPLOY, &["-c", "case=log-renamed"]);
    let said = place.run(&rename);
    said.refuses(64, &["1 resource would lose data: Tools/Log", "--allow-replace Tools/Log", "nothing was written"]);
    let diff = place.run(&["diff", "--local", "-c", "case=log-renamed"]).out;
    assert!(diff.contains("± AWS::Logs::LogGroup Log REPLACE (LogGroupName): data loss"), "{diff}");
    place.run(&with(&rename, &["--allow-replace", "Tools/Log"])).refuses(0, &["1 updated"]);
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let place = Place::new();
    place.run(&["deploy", "--local"]).refuses(64, &["cannot ask without a terminal", "--yes"]);
    assert!(place.run(&["status", "--local"]).out.contains("not deployed"));
    place.run(&["deploy", "--local", "--require-approval", "never"]).refuses(0, &["2 created"]);
    place.run(&["destroy", "--local"]).refuses(64, &["Delete 2 stacks, and the data of 2 resources?", "--yes"]);
    let gone = place.run(&["destroy", "--local", "--yes"]);
    gone.refuses(0, &["2 deleted"]);
    assert!(gone.err.find("Production  ✓ deleted").unwrap() < gone.err.find("Tools       ✓ deleted").unwrap());
}

#[test]
fn a_selection_brings_what_it_depends_on() {
    let place = Place::new();
    place.run(&with(DEPLOY, &["Production"])).refuses(0, &["2 created"]);
    let place = Place::new();
    place.run(&with(DEPLOY, &["Tools"])).refuses(0, &["1 created"]);
    place.run(&with(DEPLOY, &["Production", "--exclusively"])).refuses(0, &["1 created"]);
    place.run(&with(DEPLOY, &["Prduction"])).refuses(64, &["did you mean `Production`?"]);
}

#[test]
fn a_failure_is_told_by_its_cause_with_its_place() {
    let place = Place::new();
    // As cargo says it: there is the source of the program.
    let variables = [("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))];
    let said = place.run_with(&variables, &with(DEPLOY, &["-c", "case=name-taken"]));
    said.refuses(3, &["error[name-taken]: Again/Jobs (AWS::SQS::Queue) failed", "already exists"]);
    let block = &said.err[said.err.find("error[").unwrap()..];
    assert!(block.contains("├ at     xacct-cli/testapp/main.rs:"), "{block}");
    assert!(block.contains("named(&again, \"Jobs\")"), "{block}");
    assert!(block.contains("├ help"), "{block}");
    assert!(
        block.contains("testapp deploy --local --yes -c case=name-taken\n")
            && block.contains("state  Again as before; "),
        "{block}"
    );
    said.refuses(3, &["Tools deployed; Production deployed; Behind not started; it is safe to run again"]);
    assert!(said.err.contains("1 failed, 1 not started"), "{}", said.err);
}

#[test]
fn a_stack_whose_creation_failed_is_created_again() {
    let place = Place::new();
    let refused = place.run(&with(DEPLOY, &["-c", "case=refused"]));
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("error["), "{}", refused.err);
    place.run(DEPLOY).refuses(0, &["2 created"]);
}

#[test]
fn a_dry_run_executes_nothing() {
    let place = Place::new();
    place.run(&["deploy", "--local", "--dry-run"]).refuses(0, &["would be changed: 1 resource"]);
    assert!(place.run(&["status", "--local"]).out.lines().all(|it| !it.contains("CREATE_COMPLETE")));
}

#[test]
fn outputs_go_to_a_file_on_demand() {
    let place = Place::new();
    place.run(&with(DEPLOY, &["--outputs-file", "outputs.json"])).refuses(0, &[]);
    let text = fs::read_to_string(place.path().join("outputs.json")).unwrap();
    let outputs: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(outputs["Production"]["QueueArn"].as_str().unwrap().starts_with("arn:aws:sqs:eu-west-1:111111111111:"));
}

#[test]
fn json_lines_tell_the_whole_run() {
    let place = Place::new();
    let said = place.run(&with(DEPLOY, &["--json"]));
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let types: Vec<String> = said.lines().iter().map(|it| it["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types[..3], ["version", "plan", "run-started"]);
    assert_eq!(types.last().unwrap(), "run-finished");
    let documented = include_str!("../../../docs/json.md");
    for kind in &types {
        assert!(documented.contains(&format!("### `{kind}`")), "{kind} is not documented");
    }
    let finished = said.lines().into_iter().rfind(|it| it["type"] == "stack-finished").unwrap();
    assert_eq!((&finished["stack"], &finished["outcome"]["result"]), (&"Production".into(), &"deployed".into()));
}

#[test]
fn quiet_says_only_what_is_wrong() {
    let place = Place::new();
    let said = place.run(&with(DEPLOY, &["-q"]));
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
    let said = place.run(&with(DEPLOY, &["-q", "-c", "case=name-taken"]));
    assert_eq!(said.code, 3);
    assert!(said.err.starts_with("error[name-taken]"), "{}", said.err);
}

#[test]
fn no_credentials_for_an_account_is_found_before_anything_is_written() {
    let place = Place::with(
        "xacct.toml",
        "[accounts.tools]\nid = \"111111111111\"\nprofile = \"no-such-profile\"\n[accounts.production]\nid = \"222222222222\"\nprofile = \"nor-this\"\n",
    );
    let variables =
        [("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_CONFIG_FILE", "none"), ("AWS_SHARED_CREDENTIALS_FILE", "none")];
    let said = place.run_with(&variables, &["deploy", "--yes"]);
    said.refuses(
        5,
        &[
            "no credentials that work for tools (111111111111/eu-west-1)",
            "the AWS configuration has no profile `no-such-profile`: it has no profiles at all",
            "profile `no-such-profile`, from xacct.toml:3",
            "no credentials that work for production (222222222222/eu-west-1)",
            "aws sso login --profile nor-this",
            "nothing was written",
        ],
    );
    place.run_with(&variables, &["doctor"]).refuses(5, &[]);

    fs::write(place.path().join("config"), "[profile no-such-profil]\nregion = eu-west-1\n[profile other]\n").unwrap();
    let variables = [variables[0], ("AWS_CONFIG_FILE", "config"), variables[2]];
    place
        .run_with(&variables, &["status"])
        .refuses(5, &["did you mean `no-such-profil`?", "no profile `nor-this`: it has no-such-profil, other"]);
    let place = Place::new();
    place
        .run_with(&variables, &["status"])
        .refuses(5, &["there are none: no environment variables", "--profile tools=NAME"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_local_deployment_that_cannot_be_kept_does_not_begin() {
    let place = Place::with("file", "");
    place
        .run(&with(DEPLOY, &["--local-state", "file/state.json"]))
        .refuses(1, &["cannot create `file`", "file exists", "name another file with --local-state"]);
    // Nobody can make a folder there.
    let said = place.run(&with(DEPLOY, &["--local-state", "/proc/nowhere/state.json"]));
    said.refuses(1, &["cannot create `/proc/nowhere`", "nothing was done", "name another file with"]);
    assert!(!said.err.contains("created"), "{}", said.err);
}
