//! A secret that whoever deploys gives, and one that AWS makes, are found in nothing that is said or kept.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;
use xacct_deploy::Environment;
use xacct_deploy::memory::World;

use crate::screen::Terminal;
use crate::support::{Place, Running, Said};

/// The value of a `NoEcho` parameter, which ends up in an environment variable of a container.
const MARKER: &str = "tr0ub4dor-and-3-m0re";
const CASE: [&str; 2] = ["-c", "case=secrets"];
const GIVEN: [(&str, &str); 2] = [("DB_PASSWORD", MARKER), ("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))];
const DEPLOY: [&str; 4] = ["deploy", "--yes", "--parameters-from-env", "Tools:Password=DB_PASSWORD"];

/// A place, and everything that was said there.
struct Heard {
    place: Place,
    said: Vec<String>,
}

impl Heard {
    fn new() -> Self {
        let place = Place::new();
        place.script(&json!({"reveal": ["Tools", "RobotKey", "SecretAccessKey"]}));
        Self { place, said: Vec::new() }
    }

    #[track_caller]
    fn run(&mut self, code: i32, args: &[&str]) -> String {
        let said = self.place.run_with(&GIVEN, &[args, &CASE].concat());
        assert_eq!(said.code, code, "{args:?}: {}{}", said.out, said.err);
        self.hear(said)
    }

    fn hear(&mut self, said: Said) -> String {
        let text = said.out + &said.err;
        self.said.push(text.clone());
        text
    }

    /// The secret of the access key, which the world has told to the test alone.
    fn access_key(&self) -> String {
        let secret = fs::read_to_string(self.place.path().join("revealed")).unwrap();
        assert_eq!(secret.len(), 40, "{secret}");
        secret
    }

    #[track_caller]
    fn check(&self, secrets: &[&str]) {
        let mut texts = self.said.clone();
        collect(self.place.path(), &mut texts);
        for (text, secret) in texts.iter().flat_map(|text| secrets.iter().map(move |secret| (text, secret))) {
            assert!(!text.contains(secret), "`{secret}` is in:\n{text}");
        }
    }
}

/// All files below a folder, except those that are the test's own or the world's.
fn collect(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            collect(&path, texts);
        } else if !["script.json", "revealed"].iter().any(|it| name == *it) {
            texts.push(format!("{}\n{}", path.display(), String::from_utf8_lossy(&fs::read(&path).unwrap())));
        }
    }
}

#[test]
fn no_verb_shows_or_keeps_a_secret() {
    let mut heard = Heard::new();
    heard.run(0, &["synth"]);
    heard.run(0, &["diff", "--parameters-from-env", "Tools:Password=DB_PASSWORD"]);
    let first = heard.run(0, &[&DEPLOY[..], &["-v", "--outputs-file", "outputs.json"]].concat());
    assert!(first.contains("✓ 2 created") && first.contains("Tools.SecretId = "), "{first}");
    heard.run(0, &[&DEPLOY[..], &["--json"]].concat());
    heard.run(0, &[&DEPLOY[..], &["--dry-run", "-v"]].concat());
    heard.run(0, &["status"]);
    heard.run(0, &["status", "--json"]);
    heard.run(0, &["logs", "-v"]);
    heard.run(0, &["logs", "--json"]);
    heard.run(0, &["outputs"]);
    heard.run(0, &["outputs", "--json"]);
    heard.run(0, &["diff"]);
    let diff = heard.run(0, &["diff", "--json", "--parameters-from-env", "Password=DB_PASSWORD"]);
    assert!(diff.contains("\"after\":\"****\""), "{diff}");
    heard.run(0, &["drift", "-v"]);
    heard.run(0, &["doctor"]);
    heard.run(0, &["check"]);
    let access_key = heard.access_key();
    heard.check(&[MARKER, &access_key]);
    // The resource did get it: what is looked for exists.
    let world = World::builder().load(&heard.place.path().join("world.json")).unwrap();
    let tools = Environment { account: "111111111111".into(), region: "eu-west-1".into() };
    let task = world.properties(&tools, "Tools", "Task").unwrap();
    assert_eq!(task["ContainerDefinitions"][0]["Environment"][0]["Value"], "****");
}

#[test]
fn a_property_that_holds_a_secret_has_drifted_without_words() {
    let mut heard = Heard::new();
    heard.run(0, &DEPLOY);
    heard.place.script(&json!({"by_hand": [{
        "account": "111111111111", "stack": "Tools", "logical_id": "Task", "actual": format!("{MARKER}-2"),
        "path": "/ContainerDefinitions/0/Environment/0/Value",
    }]}));
    let drift = heard.run(2, &["drift", "--exit-code"]);
    assert!(drift.contains("/ContainerDefinitions/0/Environment/0/Value: **** → ****"), "{drift}");
    fs::remove_file(heard.place.path().join("world.json")).unwrap();
    heard.check(&[MARKER]);
}

#[test]
fn a_secret_on_the_command_line_is_not_repeated() {
    let mut heard = Heard::new();
    let given = format!("Password={MARKER}");
    let reason = json!({"error": ["ValidationError", format!("Parameter Password: {MARKER} is too simple")]});
    heard.place.script(&json!({"calls": [{"operation": "CreateChangeSet", "stack": "Tools", "fault": reason}]}));
    let failed = heard.run(3, &["deploy", "--yes", "-v", "--parameters", &given]);
    assert!(failed.contains("Parameter Password: **** is too simple"), "{failed}");
    assert!(
        failed.contains("--parameters 'Password=****'") || failed.contains("--parameters Password=****"),
        "{failed}"
    );
    heard.check(&[MARKER]);
}

#[test]
fn a_deployment_that_fails_hides_what_the_service_repeats() {
    for more in [&[][..], &["-v"], &["--json"], &["-q"]] {
        let mut heard = Heard::new();
        let throttled = json!({"error": ["Throttling", format!("Rate exceeded for {MARKER}")]});
        let reason = format!("Invalid value {MARKER} for PASSWORD");
        heard.place.script(&json!({
            "calls": [{"operation": "CreateChangeSet", "stack": "Tools", "times": 5, "fault": throttled}],
            "resources": [{"stack": "Tools", "logical_id": "Task", "action": "create", "reason": reason}],
        }));
        let failed = heard.run(3, &[&DEPLOY[..], more].concat());
        assert!(failed.contains("Invalid value **** for PASSWORD"), "{failed}");
        // The world is AWS: what it keeps is not ours.
        fs::remove_file(heard.place.path().join("world.json")).unwrap();
        heard.check(&[MARKER]);
    }
}

#[test]
fn what_a_service_said_is_not_shown_later_if_it_may_quote_a_secret() {
    let mut heard = Heard::new();
    let reason = format!("Invalid value {MARKER} for PASSWORD");
    heard.place.script(
        &json!({"resources": [{"stack": "Tools", "logical_id": "Task", "action": "create", "reason": reason}]}),
    );
    heard.run(3, &DEPLOY);
    heard.place.script(&json!({}));
    // Nobody gives the value any more.
    for args in [&["logs", "Tools"][..], &["logs", "-v"], &["logs", "--json"], &["status"], &["status", "--json"]] {
        let said = heard.run(0, args);
        assert!(args[0] == "status" || said.contains("**** (not shown, because it may quote a secret"), "{said}");
    }
    for more in [&[][..], &["-v"], &["--json"]] {
        let followed = heard.run(3, &[&["logs", "-f", "Tools"], more].concat());
        assert!(followed.contains("**** (not shown"), "{followed}");
    }
    heard.run(0, &["destroy", "--yes"]);
    fs::remove_file(heard.place.path().join("world.json")).unwrap();
    heard.check(&[MARKER]);
}

#[test]
fn what_a_service_said_about_other_resources_is_shown() {
    let mut heard = Heard::new();
    let failing =
        json!({"stack": "Tools", "logical_id": "Queue", "action": "create", "reason": "the queue is not nice"});
    heard.place.script(&json!({"resources": [failing]}));
    heard.run(3, &DEPLOY);
    heard.place.script(&json!({}));
    let said = heard.run(0, &["logs", "Tools"]);
    assert!(said.contains("the queue is not nice"), "{said}");
}

#[test]
fn bars_hide_it_too() {
    let mut heard = Heard::new();
    let place = Place::new();
    let reason = format!("Invalid value {MARKER} for PASSWORD");
    place.script(
        &json!({"resources": [{"stack": "Tools", "logical_id": "Task", "action": "create", "reason": reason}]}),
    );
    let given = format!("Password={MARKER}");
    let terminal = Terminal::start(&place, &[&["deploy", "--yes", "--parameters", &given][..], &CASE].concat());
    let (code, after) = terminal.ends();
    assert_eq!(code, 3, "{after}");
    assert!(after.contains("Invalid value **** for PASSWORD"), "{after}");
    heard.said.push(after);
    heard.check(&[MARKER]);
}

#[test]
fn a_deployment_that_is_ended_leaves_no_secret_behind() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut heard = Heard::new();
        heard.place.script(&json!({"speed": 1.0}));
        let given = format!("Password={MARKER}");
        let args = ["deploy", "--yes", "-v", "--parameters", &given];
        let mut running = Running::start(&heard.place, &[&args[..], &CASE].concat());
        running.hears("CREATE_IN_PROGRESS  AWS::IAM::User");
        running.send(signal);
        heard.hear(running.ends());
        assert!(heard.place.has(".xacct/state/111111111111.eu-west-1.Tools.json"));
        heard.run(0, &["status"]);
        heard.check(&[MARKER]);
    }
}

#[test]
fn parameters_that_are_wrong_are_told_before_anything_is_written() {
    let place = Place::new();
    place.script(&json!({}));
    let run = |args: &[&str]| place.run_with(&[("DB_PASSWORD", MARKER)], &[args, &CASE].concat());
    run(&["deploy", "--yes"])
        .refuses(64, &["parameter `Password` of `Tools` has neither a value nor a default", "--parameters"]);
    for (flag, given, texts) in [
        ("--parameters", "Tool:Password=x", &["there is no stack `Tool`", "did you mean `Tools`?"][..]),
        (
            "--parameters",
            "Tools:Pasword=x",
            &["stack `Tools` does not have a parameter `Pasword`", "did you mean `Password`?"],
        ),
        ("--parameters", "Nonsense=x", &["no stack has a parameter `Nonsense`"]),
        ("--parameters", "Password", &["NAME=VALUE"]),
        ("--parameters-from-env", "Password=DB_PASWORD", &["the variable `DB_PASWORD`", "is not set"]),
    ] {
        run(&["deploy", "--yes", flag, given]).refuses(64, texts);
    }
    assert!(place.run(&["status"]).out.lines().all(|it| it.ends_with("not deployed")));
}
