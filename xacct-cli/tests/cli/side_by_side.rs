//! What happens beside a run: another run, somebody who looks, the same app from another folder, an account that cannot be reached, and records
//! that cannot be read.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::screen::Terminal;
use crate::support::{Place, Running};

const RECORD: &str = ".xacct/state/111111111111.eu-west-1.Tools.json";

// ---- two runs ----

#[test]
fn two_runs_do_not_write_the_same_local_state() {
    let place = Place::new();
    let mut first = Running::start(&place, &["deploy", "--local", "--yes", "-c", "case=slow"]);
    first.hears("CREATE_COMPLETE");
    let second = place.run(&["deploy", "--local", "--yes", "Wide00", "-c", "case=wide"]);
    let holder = format!("another run (process {}) uses `.xacct/local.json.lock`", first.process());
    second.refuses(3, &[&holder, "nothing was written"]);
    assert!(!second.err.contains("Plan"), "{}", second.err);
    place.run(&["drift", "--local"]).refuses(3, &[&holder]);
    // Who only looks is not held up.
    place.run(&["status", "--local"]).refuses(0, &[]);
    place.run(&["diff", "--local"]).refuses(0, &[]);
    first.ends().refuses(0, &["2 created"]);
    place.run(&["deploy", "--local", "--yes", "Wide00", "-e", "-c", "case=wide"]).refuses(0, &["1 created"]);
    let status = place.run(&["status", "--local", "-c", "case=wide"]).out;
    assert_eq!(status.matches("CREATE_COMPLETE").count(), 3, "{status}");
}

#[test]
fn a_second_run_is_refused_before_it_plans_and_status_tells_of_the_first() {
    let place = Place::new();
    place.script(&json!({"speed": 1.0}));
    let mut first = Running::start(&place, &["deploy", "--yes", "-c", "case=slow"]);
    first.hears("CREATE_COMPLETE  AWS::SQS::Queue");
    let process = first.process();
    let second = place.run(&["deploy", "-c", "case=slow"]);
    second.refuses(3, &[&format!("another run (process {process}) uses `.xacct/state/lock`"), "nothing was written"]);
    assert!(!second.err.contains("Plan"), "{}", second.err);
    let status = || place.run(&["status", "Tools", "-c", "case=slow"]).out;
    let during = status();
    assert!(during.contains(&format!("(a run works on it, process {process})")), "{during}");
    assert!(!during.contains("interrupted"), "{during}");
    first.send(Signal::SIGTERM);
    first.ends().refuses(130, &[]);
    let after = status();
    assert!(after.contains("(a run of ours was interrupted: deploy again to go on)"), "{after}");
}

#[test]
fn a_run_that_ends_while_a_change_set_is_made_says_that_nothing_runs() {
    let place = Place::new();
    let slow = json!({"operation": "CreateChangeSet", "stack": "Tools", "fault": {"delay": 600_000}});
    place.script(&json!({"calls": [slow]}));
    let terminal = Terminal::start(&place, &["deploy", "--yes"]);
    terminal.shows("0 of 2 stacks done");
    terminal.send(Signal::SIGTERM);
    let (code, after) = terminal.ends();
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("no operation was seen to begin on these, but a change set may be left: Tools"), "{after}");
    assert!(!after.contains("go on without us"), "{after}");
    place.script(&json!({}));
    let status = place.run(&["status", "Tools"]).out;
    assert!(status.contains("interrupted before anything was executed; its change set xacct-"), "{status}");
}

// ---- one app, two folders ----

#[test]
fn the_same_app_finds_its_state_from_any_folder() {
    let config = "[accounts.tools]\nid = \"111111111111\"\n[accounts.production]\nid = \"222222222222\"\n";
    let place = Place::with("xacct.toml", config);
    place.run(&["deploy", "--local", "--yes"]).refuses(0, &["state in .xacct/local.json", "2 created"]);
    let below = place.path().join("src");
    fs::create_dir(&below).unwrap();
    let package = place.path().to_str().unwrap();
    let status =
        place.command(&["status", "--local"]).current_dir(&below).env("CARGO_MANIFEST_DIR", package).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert_eq!(status.matches("CREATE_COMPLETE").count(), 2, "{status}");
    assert!(!below.join(".xacct").exists());
    let doctor = place.run(&["doctor", "--offline", "--config", &format!("{package}/xacct.toml")]).out;
    let state = doctor.lines().find(|it| it.starts_with("state ")).unwrap();
    assert!(
        state.contains(&format!("{package}/.xacct")) && state.ends_with("beside the configuration file"),
        "{state}"
    );
}

// ---- an account that cannot be reached ----

#[test]
fn an_account_that_cannot_be_reached_hides_no_other() {
    let place = Place::new();
    place.script(&json!({}));
    place.run(&["deploy", "--yes"]).refuses(0, &[]);
    place.script(&json!({"wrong_account": ["222222222222", "333333333333"]}));
    for (verb, texts) in [
        ("status", &["Tools", "CREATE_COMPLETE", "222222222222/eu-west-1  the credentials for account"][..]),
        ("outputs", &["Tools."]),
        ("drift", &["Tools in sync"]),
        ("cancel", &["Tools  nothing runs"]),
        ("logs", &["CREATE_COMPLETE  AWS::SQS::Queue  Queue"]),
    ] {
        let said = place.run(&[verb]);
        said.refuses(5, &["the credentials for production (222222222222/eu-west-1) are for another account"]);
        let all = format!("{}{}", said.out, said.err);
        texts.iter().for_each(|text| assert!(all.contains(text), "{verb}: `{text}` is not in:\n{all}"));
    }
    let lines = place.run(&["status", "--json"]).lines();
    let production = lines.iter().find(|it| it["type"] == "status" && it["id"] == "Production").unwrap();
    assert!(production["problem"]["message"].as_str().unwrap().contains("belong to account"), "{production}");
}

// ---- records ----

#[test]
fn a_record_that_cannot_be_read_is_told_for_its_stack_and_stays() {
    for (record, text) in [
        ("{", "cannot be read as a record"),
        (r#"{"version": 2, "in_flight": {"run": "r"}}"#, "was written by a newer release, in version 2 of records"),
    ] {
        let place = Place::new();
        place.script(&json!({}));
        place.run(&["deploy", "--yes"]).refuses(0, &[]);
        assert!(fs::read_to_string(place.path().join(RECORD)).unwrap().contains("\"version\": 1"));
        fs::write(place.path().join(RECORD), record).unwrap();
        let status = place.run(&["status"]);
        status.refuses(1, &[]);
        assert_eq!(status.out.matches("CREATE_COMPLETE").count(), 2, "{}", status.out);
        assert!(status.out.contains(text), "{}", status.out);
        let diff = place.run(&["diff"]);
        assert_eq!((diff.code, diff.out.as_str()), (0, "Tools no changes\nProduction no changes\n"), "{}", diff.err);
        let deploy = place.run(&["deploy", "--yes", "-c", "case=delay"]);
        deploy.refuses(3, &["error[state]: Tools failed", text, "so it is kept as it is"]);
        place.run(&["deploy", "--yes", "-e", "Production"]).refuses(0, &["no changes"]);
        assert_eq!(fs::read_to_string(place.path().join(RECORD)).unwrap(), record);
    }
}
