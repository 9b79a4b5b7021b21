//! Ctrl-C once and twice, and SIGTERM, at three moments: before anything is written, while a stack is worked on, between waves. Signals are real,
//! and are sent when the program has said that it is there.

use nix::sys::signal::Signal;
use serde_json::{Value as Json, json};

use crate::screen::Terminal;
use crate::support::{Place, Running, Said};

const SLOW: &[&str] = &["deploy", "--yes", "-c", "case=slow"];
const DELAY: &[&str] = &["deploy", "--yes", "-c", "case=delay"];
/// Longer than any test waits, in milliseconds.
const FOREVER: u64 = 600_000;

/// A place in which a call takes long. Time in the world passes as quickly as the tests of other kinds need it.
fn place_where(operation: &str, stack: Option<&str>, nth: u32, delay: u64) -> Place {
    let place = Place::new();
    place.script(&json!({"calls": [{"operation": operation, "stack": stack, "nth": nth, "fault": {"delay": delay}}]}));
    place
}

fn place(script: &Json) -> Place {
    let place = Place::new();
    place.script(script);
    place
}

/// What is deployed, by the name of the stack.
fn status(place: &Place) -> String {
    place.script(&json!({}));
    place.run(&["status"]).out
}

#[track_caller]
fn goes_on(said: &Said, stack: &str) {
    said.refuses(
        130,
        &[
            &format!("go on without us: {stack}"),
            "testapp status --context case=slow",
            "testapp logs -f --context case=slow",
            "testapp cancel --context case=slow",
            "running the same command again takes them up",
        ],
    );
}

// ---- before anything is written ----

#[test]
fn while_it_plans_every_signal_ends_it_and_nothing_is_written() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let place = place_where("DescribeStacks", Some("Tools"), 1, FOREVER);
        let mut running = Running::start(&place, SLOW);
        running.hears("no xacct.toml");
        running.send(signal);
        running.ends().refuses(130, &["interrupted: nothing was written"]);
        assert!(status(&place).lines().all(|it| it.ends_with("not deployed")), "{signal}");
    }
}

#[test]
fn while_it_checks_accounts_every_signal_ends_it_and_nothing_is_written() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // The checks before the plan, and the plan, have asked both accounts before.
        let place = place_where("GetCallerIdentity", None, 5, FOREVER);
        let mut running = Running::start(&place, SLOW);
        running.hears("wave 2");
        running.send(signal);
        running.ends().refuses(130, &["interrupted: nothing was written"]);
        assert!(status(&place).lines().all(|it| it.ends_with("not deployed")), "{signal}");
    }
}

#[test]
fn at_the_question_an_interrupt_writes_nothing() {
    let place = place(&json!({}));
    let terminal = Terminal::start(&place, &["deploy"]);
    terminal.shows("[y/N/d/?]");
    terminal.send(Signal::SIGINT);
    let (code, after) = terminal.ends();
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("interrupted: nothing was written"), "{after}");
    assert!(status(&place).lines().all(|it| it.ends_with("not deployed")));
}

#[test]
fn who_only_looks_is_not_asked() {
    for verb in [&["diff"][..], &["status"], &["outputs"], &["drift"]] {
        let place = place_where("DescribeStacks", Some("Tools"), 1, FOREVER);
        let mut running = Running::start(&place, verb);
        running.hears(if verb == ["diff"] { "still waiting for an answer; Ctrl-C ends it" } else { "no xacct.toml" });
        running.send(Signal::SIGINT);
        running.ends().refuses(130, &["interrupted: nothing was written"]);
    }
    let place = place(&json!({"speed": 1.0}));
    let mut deploying = Running::start(&place, SLOW);
    deploying.hears("CREATE_COMPLETE  AWS::SQS::Queue");
    deploying.send(Signal::SIGTERM);
    goes_on(&deploying.ends(), "Tools");
    let mut following = Running::start(&place, &["logs", "-f", "-v", "-c", "case=slow"]);
    following.hears("CREATE_COMPLETE");
    following.send(Signal::SIGINT);
    assert_eq!(following.ends().code, 130);
}

// ---- while a stack is worked on ----

#[test]
fn one_interrupt_starts_no_new_stacks_and_waits() {
    let place = place(&json!({}));
    let mut running = Running::start(&place, SLOW);
    running.hears("CREATE_COMPLETE  AWS::SQS::Queue");
    running.send(Signal::SIGINT);
    let said = running.ends();
    said.refuses(
        130,
        &["no new stacks are started", "waiting for the stacks", "Tools ✓ created", "Production – not started"],
    );
    // What was done is kept, and the same command goes on from there.
    place.run(SLOW).refuses(0, &["1 created, 1 unchanged"]);
}

#[test]
fn a_second_interrupt_leaves_and_the_next_run_takes_up_what_was_left() {
    let place = place(&json!({}));
    let mut running = Running::start(&place, SLOW);
    running.hears("CREATE_COMPLETE  AWS::SQS::Queue");
    running.send(Signal::SIGINT);
    running.hears("waiting for the stacks");
    running.send(Signal::SIGINT);
    goes_on(&running.ends(), "Tools");
    let record = std::fs::read_to_string(place.path().join(".xacct/state/111111111111.eu-west-1.Tools.json")).unwrap();
    assert!(record.contains("\"step\": \"executing\""), "{record}");
    place.run(&["status", "-c", "case=slow"]).refuses(0, &[]);
    // The operation went on; it is taken up, and not started again.
    let next = place.run(SLOW);
    next.refuses(0, &["CREATE_IN_PROGRESS: taken up again", "Tools ✓ created", "Production ✓ created"]);
    assert!(!next.err.contains("Tools       creating"), "{}", next.err);
}

#[test]
fn a_request_to_end_leaves_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let place = place(&json!({}));
        let mut running = Running::start(&place, SLOW);
        running.hears("creating");
        running.send(signal);
        goes_on(&running.ends(), "Tools");
        place.run(SLOW).refuses(0, &["Tools CREATE_IN_PROGRESS: taken up again"]);
    }
}

#[test]
fn json_says_how_to_go_on_too() {
    let place = place(&json!({}));
    let mut running = Running::start_json(&place, &["deploy", "--yes", "--json", "-c", "case=slow"]);
    running.hears("\"operation-started\"");
    running.send(Signal::SIGTERM);
    let said = running.ends();
    assert_eq!(said.code, 130);
    let left: Json = serde_json::from_str(said.err.lines().next_back().unwrap()).unwrap();
    assert_eq!((&left["type"], &left["stacks"]), (&"left".into(), &json!(["Tools"])));
    assert!(left["status"].as_str().unwrap().ends_with("testapp status --context case=slow"), "{left}");
}

#[test]
fn on_a_terminal_it_asks_and_detaches() {
    let place = place(&json!({"speed": 4.0}));
    let mut terminal = Terminal::start(&place, SLOW);
    terminal.shows("/16");
    terminal.send(Signal::SIGINT);
    terminal.shows("d detach");
    terminal.types("d\n");
    let (code, after) = terminal.ends();
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("operations that were started go on without us: Tools"), "{after}");
    assert!(after.contains("Production  – not started"), "{after}");
    place.script(&json!({}));
    place.run(SLOW).refuses(0, &["Tools CREATE_IN_PROGRESS: taken up again"]);
}

#[test]
fn on_a_terminal_it_asks_and_waits() {
    let place = place(&json!({"speed": 20.0}));
    let mut terminal = Terminal::start(&place, SLOW);
    terminal.shows("/16");
    terminal.send(Signal::SIGINT);
    terminal.shows("d detach");
    terminal.types("w\n");
    terminal.shows("waiting for the stacks that are being worked on");
    let (code, after) = terminal.ends();
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("Tools       ✓ created") && after.contains("Production  – not started"), "{after}");
    // What was typed did not make a bar stay.
    assert!(!after.contains('░'), "{after}");
}

#[test]
fn on_a_terminal_it_asks_and_cancels_an_update() {
    let place = place(&json!({}));
    place.run(DELAY).refuses(0, &[]);
    place.script(&json!({"resources": [
        {"stack": "Tools", "logical_id": "More", "action": "update", "lasts": FOREVER},
    ]}));
    let mut terminal = Terminal::start(&place, &[DELAY, &["-c", "delay=2"]].concat());
    terminal.shows("1/2");
    terminal.send(Signal::SIGINT);
    terminal.shows("d detach");
    terminal.types("c\n");
    let (code, after) = terminal.ends();
    assert_eq!(code, 130, "{after}");
    for text in ["cancelling updates", "error[cancelled]: Tools failed", "Tools UPDATE_ROLLBACK_COMPLETE"] {
        assert!(after.contains(text), "{text}:\n{after}");
    }
}

#[test]
fn on_a_terminal_a_second_interrupt_does_not_wait_for_the_answer() {
    let place = place(&json!({"speed": 1.0}));
    let terminal = Terminal::start(&place, SLOW);
    terminal.shows("/16");
    terminal.send(Signal::SIGINT);
    terminal.shows("d detach");
    terminal.send(Signal::SIGINT);
    let (code, after) = terminal.ends();
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("testapp cancel --context case=slow"), "{after}");
}

#[test]
fn leaving_does_not_wait_for_a_call_that_is_repeated() {
    let place = place(&json!({
        "patience": FOREVER,
        "calls": [{"operation": "DescribeStackEvents", "stack": "Tools", "nth": 2, "times": 1_000_000, "fault": "throttle"}],
    }));
    let mut terminal = Terminal::start(&place, SLOW);
    terminal.shows("attempt 4");
    terminal.send(Signal::SIGINT);
    terminal.shows("d detach");
    terminal.types("d\n");
    let (code, after) = terminal.ends();
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("go on without us: Tools"), "{after}");
}

// ---- between waves ----

#[test]
fn between_waves_one_interrupt_starts_nothing_more() {
    // The plan has looked at the stack before; now it is looked at for the deployment.
    let place = place_where("DescribeStacks", Some("Production"), 2, 3_000);
    let mut running = Running::start(&place, SLOW);
    running.hears("✓ created");
    running.send(Signal::SIGINT);
    let said = running.ends();
    said.refuses(130, &["no new stacks are started", "Production – not started", "1 created, 1 not started"]);
    assert!(status(&place).contains("Production  222222222222/eu-west-1  not deployed"));
}

#[test]
fn between_waves_a_second_interrupt_and_a_request_to_end_leave_at_once() {
    for signals in [&[Signal::SIGINT, Signal::SIGINT][..], &[Signal::SIGTERM]] {
        let place = place_where("DescribeStacks", Some("Production"), 2, FOREVER);
        let mut running = Running::start(&place, SLOW);
        running.hears("✓ created");
        for (index, signal) in signals.iter().enumerate() {
            if index > 0 {
                running.hears("waiting for the stacks");
            }
            running.send(*signal);
        }
        running.ends().refuses(130, &["testapp status", "testapp cancel"]);
        place.script(&json!({}));
        place.run(SLOW).refuses(0, &["Production ✓ created", "1 created, 1 unchanged"]);
    }
}
