//! Deployments that fail: the first thing that is said is the cause, with its place in the program and what to do.

use serde_json::{Value as Json, json};

use crate::support::{Place, Said};

const DEPLOY: &[&str] = &["deploy", "--yes"];

/// A run of the app in a world where things go wrong as the script says.
fn play(place: &Place, script: Json, case: &str, args: &[&str]) -> Said {
    place.script(&script);
    let case = format!("case={case}");
    // As cargo says it: there is the source of the program.
    let variables = [("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR")), ("COLUMNS", "200")];
    place.run_with(&variables, &[args, &["-c", &case]].concat())
}

/// What the first block about a failure says: its headline, its message, and its rows.
#[derive(Debug)]
struct Block {
    headline: String,
    message: String,
    rows: Vec<(String, String)>,
}

impl Block {
    #[track_caller]
    fn first(said: &Said) -> Self {
        let mut lines = said.err.lines().skip_while(|it| !it.starts_with("error"));
        let headline = lines.next().unwrap_or_else(|| panic!("no failure is told:\n{}", said.err)).to_owned();
        let (mut message, mut rows) = (String::new(), Vec::new());
        for line in lines {
            let line = line.trim_start();
            if let Some(text) = line.strip_prefix("│ ") {
                message.push_str(text);
                message.push(' ');
            }
            if let Some(row) = line.strip_prefix("├ ").or(line.strip_prefix("└ ")) {
                let (what, text) = row.split_once(' ').unwrap();
                rows.push((what.to_owned(), text.trim_start().to_owned()));
            }
            if line.starts_with('└') {
                break;
            }
        }
        Self { headline, message, rows }
    }

    fn row(&self, name: &str) -> &str {
        self.rows.iter().find(|(it, _)| it == name).map_or("", |(_, text)| text)
    }
}

/// Checks all that every failure has to say, and what this one says in particular.
#[track_caller]
fn check(said: &Said, code: i32, headline: &str, message: &str, rows: &[(&str, &str)]) {
    assert_eq!(said.code, code, "{}", said.err);
    let block = Block::first(said);
    assert_eq!(block.headline, headline, "{}", said.err);
    assert!(block.message.contains(message), "`{message}` is not the cause:\n{}", said.err);
    let place = block.row("at");
    assert!(
        place.starts_with("xacct-cli/testapp/") && place.contains(".rs:") && place.contains("  "),
        "{place}\n{}",
        said.err
    );
    for name in ["help", "again", "state"] {
        assert!(!block.row(name).is_empty(), "no {name}:\n{}", said.err);
    }
    for (name, text) in rows {
        assert!(block.row(name).contains(text), "`{name}` does not say `{text}`:\n{}", said.err);
    }
}

#[test]
fn a_principal_that_does_not_exist_yet() {
    let said = play(&Place::new(), json!({}), "principal", DEPLOY);
    check(
        &said,
        3,
        "error[invalid-principal]: Tools/Key (AWS::KMS::Key) failed",
        "Policy contains a statement with one or more invalid principals.",
        &[
            ("cause", "names `arn:aws:iam::222222222222:role/build`, which stack `Production` makes"),
            ("at", "resource(tools, \"Key\""),
            ("help", "deploy `Production` first"),
            ("run", "testapp deploy Production --context case=principal"),
            ("state", "Tools ROLLBACK_COMPLETE; Production not started; it is safe to run again"),
        ],
    );
}

#[test]
fn a_name_that_is_taken() {
    let outside =
        json!([{"account": "111111111111", "resource_type": "AWS::Logs::LogGroup", "physical_id": "/our/data"}]);
    let said = play(&Place::new(), json!({"outside": outside}), "group", DEPLOY);
    check(
        &said,
        3,
        "error[name-taken]: Tools/Data (AWS::Logs::LogGroup) failed",
        "/our/data",
        &[
            ("at", "resource(tools, \"Data\""),
            ("help", "take it over with --import-existing-resources"),
            ("run", "testapp import Tools Tools/Data:LogGroupName=/our/data --context case=group"),
        ],
    );
}

#[test]
fn a_capability_that_is_missing() {
    let fault =
        json!({"error": ["InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"]});
    let script = json!({"calls": [{"operation": "CreateChangeSet", "stack": "Tools", "fault": fault}]});
    let said = play(&Place::new(), script, "good", DEPLOY);
    check(
        &said,
        3,
        "error[missing-capability]: Tools failed",
        "Requires capabilities : [CAPABILITY_AUTO_EXPAND]",
        &[("at", "Stack::new(app, \"Tools\""), ("call", "CreateChangeSet (InsufficientCapabilitiesException)")],
    );
}

#[test]
fn a_quota_that_is_used_up() {
    let reason = "Resource handler returned message: \"Cannot exceed quota for queues: 1000 (Service: Sqs, Status Code: 400, Request \
                  ID: 1)\" (RequestToken: 2, HandlerErrorCode: ServiceLimitExceeded)";
    let script =
        json!({"resources": [{"stack": "Tools", "logical_id": "Queue", "action": "create", "reason": reason}]});
    let said = play(&Place::new(), script, "good", DEPLOY);
    check(
        &said,
        3,
        "error[quota]: Tools/Queue (AWS::SQS::Queue) failed",
        "Cannot exceed quota for queues: 1000",
        &[("at", "queue(&tools, \"Queue\")"), ("help", "Service Quotas"), ("state", "Production not started")],
    );
    assert!(!Block::first(&said).message.contains("RequestToken"), "{}", said.err);
}

#[test]
fn a_rollback_that_fails() {
    let place = Place::new();
    play(&place, json!({}), "delay", DEPLOY).refuses(0, &[]);
    let script = json!({"resources": [
        {"stack": "Tools", "logical_id": "More", "action": "update", "reason": "the new delay is refused"},
        {"stack": "Tools", "logical_id": "Jobs", "action": "rollback", "reason": "the old delay is refused"},
    ]});
    let args = ["deploy", "--yes", "-c", "delay=2"];
    let said = play(&place, script, "delay", &args);
    check(
        &said,
        3,
        "error: Tools/More (AWS::SQS::Queue) failed",
        "the new delay is refused",
        &[("at", "\"More\""), ("state", "Tools UPDATE_ROLLBACK_FAILED")],
    );
    // That the rollback failed is told too, and what gets the stack out of it.
    let rollback = &said.err[said.err.find("error[stuck]: Tools/Jobs").unwrap()..];
    assert!(rollback.contains("the old delay is refused") && rollback.contains("testapp rollback Tools"), "{rollback}");
    assert!(rollback.contains("--skip Jobs"), "{rollback}");

    // Deploying once more says the same, with what is to be done first.
    let again = play(&place, json!({}), "delay", &args);
    check(
        &again,
        3,
        "error[stuck]: Tools/Jobs (AWS::SQS::Queue) failed",
        "the old delay is refused",
        &[("cause", "it cannot be put back as it was"), ("run", "rollback Tools"), ("state", "UPDATE_ROLLBACK_FAILED")],
    );
    again.refuses(3, &["UPDATE_ROLLBACK_FAILED: `rollback` comes first"]);
    play(&place, json!({}), "delay", &["rollback", "Tools", "--yes", "--skip", "Jobs"])
        .refuses(0, &["rolled back: UPDATE_ROLLBACK_COMPLETE"]);
    play(&place, json!({}), "delay", &args).refuses(0, &["Tools ✓ updated"]);
}

#[test]
fn credentials_that_expire_in_the_middle() {
    let place = Place::new();
    let script =
        json!({"calls": [{"operation": "DescribeStackEvents", "stack": "Tools", "nth": 2, "fault": "expired"}]});
    let said = play(&place, script, "slow", DEPLOY);
    check(
        &said,
        3,
        "error[credentials]: Tools failed",
        "The security token included in the request is expired",
        &[
            ("cause", "goes on in AWS, but it cannot be followed any more"),
            ("state", "Tools CREATE_IN_PROGRESS"),
            ("at", "Stack::new(app, \"Tools\""),
            ("help", "renew the credentials"),
            ("again", "testapp deploy --yes"),
        ],
    );
    // With new ones, the same command takes the operation up.
    play(&place, json!({}), "slow", DEPLOY).refuses(0, &["taken up again", "Tools ✓ created"]);
}

#[test]
fn a_stack_that_cannot_be_looked_at_any_more_is_not_told_to_be_as_before() {
    let place = Place::new();
    let expired =
        |operation: &str, nth: u32| json!({"operation": operation, "stack": "Tools", "nth": nth, "fault": "expired"});
    // The plan and the deployment have looked at it before.
    let script = json!({"calls": [expired("DescribeStackEvents", 1), expired("DescribeStacks", 3)]});
    let said = play(&place, script, "slow", DEPLOY);
    check(
        &said,
        3,
        "error[credentials]: Tools failed",
        "The security token included in the request is expired",
        &[("cause", "goes on in AWS"), ("state", "Tools in an unknown state")],
    );
    play(&place, json!({}), "slow", DEPLOY).refuses(0, &["taken up again", "Tools ✓ created"]);
}

#[test]
fn access_that_is_denied() {
    let message =
        "User: arn:aws:iam::111111111111:user/me is not authorized to perform: cloudformation:CreateChangeSet";
    let fault = json!({"error": ["AccessDenied", message]});
    let script = json!({"calls": [{"operation": "CreateChangeSet", "stack": "Tools", "fault": fault}]});
    let said = play(&Place::new(), script, "good", DEPLOY);
    check(
        &said,
        3,
        "error[access-denied]: Tools failed",
        message,
        &[
            ("call", "CreateChangeSet (AccessDenied)"),
            ("help", "lack a permission"),
            ("state", "Production not started"),
        ],
    );
}

#[test]
fn a_dependency_that_fails_holds_back_what_depends_on_it() {
    let said = play(&Place::new(), json!({}), "name-taken", DEPLOY);
    check(
        &said,
        3,
        "error[name-taken]: Again/Jobs (AWS::SQS::Queue) failed",
        "already exists",
        &[
            ("at", "named(&again, \"Jobs\")"),
            ("cause", "`Tools/Jobs` (xacct-cli/testapp/main.rs:"),
            ("help", "another name"),
            ("state", "Tools deployed; Production deployed; Behind not started"),
        ],
    );
    said.refuses(3, &["Behind – not started, because of Again", "2 created, 1 failed, 1 not started"]);
    // What belongs to another stack cannot be taken over.
    assert_eq!(Block::first(&said).row("run"), "");
}

#[test]
fn a_stack_whose_first_creation_failed() {
    let place = Place::new();
    let script =
        json!({"resources": [{"stack": "Tools", "logical_id": "Queue", "action": "create", "reason": "bad luck"}]});
    let said = play(&place, script, "good", DEPLOY);
    check(
        &said,
        3,
        "error: Tools/Queue (AWS::SQS::Queue) failed",
        "bad luck",
        &[("state", "Tools ROLLBACK_COMPLETE"), ("help", "look at everything"), ("run", "testapp logs Tools")],
    );
    let next = play(&place, json!({}), "good", DEPLOY);
    next.refuses(
        0,
        &["its first creation failed (ROLLBACK_COMPLETE): it is deleted and created again", "Tools ✓ created"],
    );
}

#[test]
fn a_stack_that_somebody_else_works_on() {
    let place = Place::new();
    let slow = json!({"resources": [{"stack": "Tools", "logical_id": "Queue", "action": "create", "lasts": 60_000}]});
    let left = play(&place, slow, "good", &["deploy", "--yes", "--timeout", "1s"]);
    check(
        &left,
        3,
        "error[timeout]: Tools failed",
        "is not done after 1 s; it goes on in AWS",
        &[
            ("help", "run the same command again"),
            ("run", "testapp logs -f Tools"),
            ("state", "Tools CREATE_IN_PROGRESS"),
        ],
    );
    // Without the records of that run, the operation is somebody else's.
    std::fs::remove_dir_all(place.path().join(".xacct/state")).unwrap();
    let busy = play(&place, json!({}), "good", &["deploy", "--yes", "--if-busy", "stop"]);
    check(
        &busy,
        3,
        "error[busy]: Tools failed",
        "`Tools` is in CREATE_IN_PROGRESS by somebody else: CREATE_STACK",
        &[("help", "wait for its end"), ("run", "testapp logs -f Tools"), ("state", "Tools CREATE_IN_PROGRESS")],
    );
    play(&place, json!({}), "good", DEPLOY).refuses(0, &["somebody else works on it", "Production ✓ created"]);
}

#[test]
fn a_stack_that_is_protected() {
    let place = Place::new();
    play(&place, json!({}), "protected", DEPLOY).refuses(0, &[]);
    let said = play(&place, json!({}), "protected", &["destroy", "--yes"]);
    check(
        &said,
        3,
        "error[protected]: Safe failed",
        "`Safe` is protected from being deleted",
        &[("at", "Stack::new(app, \"Safe\""), ("run", "testapp destroy Safe --remove-protection")],
    );
    play(&place, json!({}), "protected", &["destroy", "--yes", "Safe", "--remove-protection"])
        .refuses(0, &["1 deleted"]);
}

#[test]
fn an_export_that_is_in_use() {
    let place = Place::new();
    play(&place, json!({}), "export", DEPLOY).refuses(0, &[]);
    let said = play(&place, json!({}), "export", &["destroy", "--yes", "--exclusively", "Tools"]);
    check(
        &said,
        3,
        "error[export-in-use]: Tools failed",
        "as it is in use by Reader",
        &[
            ("at", "Stack::new(app, \"Tools\""),
            ("help", "another stack imports the value"),
            ("run", "testapp destroy Reader"),
        ],
    );
}

#[test]
fn a_pipeline_whose_action_role_cannot_be_assumed() {
    let said = play(&Place::new(), json!({}), "pipeline", DEPLOY);
    check(
        &said,
        3,
        "error[role-not-assumable]: Tools/Pipeline (AWS::CodePipeline::Pipeline) failed",
        "is not authorized to perform AssumeRole on role arn:aws:iam::222222222222:role/deployer",
        &[
            ("cause", "stack `Production` makes `arn:aws:iam::222222222222:role/deployer`"),
            ("help", "the trust policy of the role does not name who assumes it: let it"),
        ],
    );
    // That stack is deployed already: deploying it does not help.
    assert_eq!(Block::first(&said).row("run"), "");
}

#[test]
fn an_asset_bucket_that_is_not_there() {
    let place = Place::new();
    // Found before anything is written.
    let missing = play(&place, json!({"bootstrapped": false}), "asset", DEPLOY);
    missing.refuses(
        3,
        &[
            "tools (111111111111/eu-west-1) is not bootstrapped",
            "the asset bucket `cdk-hnb659fds-assets-111111111111-eu-west-1`",
            "testapp bootstrap",
        ],
    );
    assert!(!missing.err.contains("creating"), "{}", missing.err);
    // Gone between the check and the upload.
    let fault = json!({"error": ["NoSuchBucket", "The specified bucket does not exist"]});
    let script = json!({"calls": [{"operation": "PutObject", "fault": fault}]});
    let said = play(&place, script, "asset", DEPLOY);
    check(
        &said,
        3,
        "error[asset]: asset Tools/Code for 111111111111/eu-west-1 failed",
        "The specified bucket does not exist",
        &[("call", "PutObject (NoSuchBucket)"), ("run", "testapp bootstrap"), ("state", "it is safe to run again")],
    );
    said.refuses(3, &["Tools – not started, because of Tools/Code"]);
}

#[test]
fn a_resource_that_does_not_get_ready() {
    let reason = "Resource handler returned message: \"Exceeded attempts to wait\" (RequestToken: 1, HandlerErrorCode: NotStabilized)";
    let script =
        json!({"resources": [{"stack": "Production", "logical_id": "Queue", "action": "create", "reason": reason}]});
    let said = play(&Place::new(), script, "good", DEPLOY);
    check(
        &said,
        3,
        "error[not-stabilized]: Production/Queue (AWS::SQS::Queue) failed",
        "Exceeded attempts to wait",
        &[("help", "look into its own logs"), ("state", "Production ROLLBACK_COMPLETE; Tools deployed")],
    );
}

#[test]
fn a_service_that_throttles_to_the_end() {
    let script =
        json!({"calls": [{"operation": "CreateChangeSet", "stack": "Tools", "times": 1000, "fault": "throttle"}]});
    let said = play(&Place::new(), script, "good", DEPLOY);
    check(
        &said,
        3,
        "error[unavailable]: Tools failed",
        "Rate exceeded",
        &[("call", "CreateChangeSet (Throttling)"), ("help", "deploy again later")],
    );
    // Whoever waits sees why.
    said.refuses(3, &["CreateChangeSet failed (CreateChangeSet: Throttling: Rate exceeded), attempt 4"]);
}

#[test]
fn a_template_that_is_refused() {
    let fault = json!({"error": ["ValidationError", "Template format error: Unresolved resource dependencies [X]"]});
    let script = json!({"calls": [{"operation": "CreateChangeSet", "stack": "Tools", "fault": fault}]});
    let said = play(&Place::new(), script, "good", DEPLOY);
    check(
        &said,
        3,
        "error[invalid]: Tools failed",
        "Unresolved resource dependencies [X]",
        &[("call", "CreateChangeSet (ValidationError)"), ("help", "change what the message names")],
    );
}

#[test]
fn an_input_that_is_not_there() {
    let said = play(&Place::new(), json!({}), "good", &["deploy", "--yes", "--exclusively", "Production"]);
    check(
        &said,
        3,
        "error[missing-input]: Production failed",
        "comes from output",
        &[("help", "deploy `Tools` first"), ("run", "testapp deploy Tools")],
    );
}

#[test]
fn credentials_for_another_account() {
    let said = play(&Place::new(), json!({"wrong_account": ["222222222222", "333333333333"]}), "good", DEPLOY);
    said.refuses(
        5,
        &[
            "the credentials for production (222222222222/eu-west-1) are for another account",
            "belong to account `333333333333`",
            "--profile production=NAME",
            "nothing was written",
        ],
    );
}

#[test]
fn a_record_that_cannot_be_written() {
    let place = Place::new();
    let obstacle = place.path().join(".xacct/state/111111111111.eu-west-1.Tools.json.new");
    std::fs::create_dir_all(&obstacle).unwrap();
    let said = play(&place, json!({}), "good", DEPLOY);
    check(
        &said,
        3,
        "error[state]: Tools failed",
        "cannot write `.xacct/state/111111111111.eu-west-1.Tools.json.new`",
        &[
            ("at", "Stack::new(app, \"Tools\""),
            ("help", "make room, or make the folder writable"),
            ("state", "`status`"),
        ],
    );
    // Nothing was begun without a record of it.
    assert!(
        play(&place, json!({}), "good", &["status"]).out.contains("Tools       111111111111/eu-west-1  not deployed")
    );
    std::fs::remove_dir(obstacle).unwrap();
    play(&place, json!({}), "good", DEPLOY).refuses(0, &["2 created"]);
}

#[test]
fn a_network_that_is_broken() {
    let script = json!({"calls": [{"operation": "GetCallerIdentity", "times": 1000, "fault": "unreached"}]});
    for verb in [DEPLOY, &["status"], &["diff"]] {
        let said = play(&Place::new(), script.clone(), "good", verb);
        said.refuses(
            3,
            &[
                "AWS does not answer for tools (111111111111/eu-west-1)",
                "AWS does not answer for production (222222222222/eu-west-1)",
                "connection reset by peer",
                "`AWS_ENDPOINT_URL`",
            ],
        );
    }
}
