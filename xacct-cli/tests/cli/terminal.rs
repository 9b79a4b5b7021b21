//! On a terminal: bars below what is finished, questions, colors. The screen is what a person would see.

use std::process::Stdio;

use crate::screen::Terminal;
use crate::support::Place;

#[test]
fn a_bar_shows_what_is_worked_on_and_leaves_a_line() {
    let place = Place::new();
    let terminal = Terminal::start(&place, &["deploy", "--local", "--yes", "-c", "case=slow"]);
    let during = terminal.shows("/16");
    let bar = during.lines().find(|it| it.contains("/16")).unwrap();
    assert!(bar.contains("Tools") && bar.contains("111111111111") && bar.contains('░'), "{bar}");
    let (code, after) = terminal.ends();
    assert_eq!(code, 0, "{after}");
    assert!(after.contains("Tools       ✓ created") && after.contains("Production  ✓ created"), "{after}");
    assert!(after.contains("✓ 2 created"), "{after}");
    assert!(!after.contains('░') && !after.contains("/16"), "a bar is left:\n{after}");
    // What was there before the bars is still there.
    assert!(after.contains("Plan     wave 1"), "{after}");
}

#[test]
fn errors_are_not_overwritten_by_bars() {
    let place = Place::new();
    let terminal = Terminal::start(&place, &["deploy", "--local", "--yes", "-c", "case=name-taken"]);
    let (code, after) = terminal.ends();
    assert_eq!(code, 3);
    assert!(after.contains("error[name-taken]: Again/Jobs (AWS::SQS::Queue) failed"), "{after}");
    assert!(after.contains("Again       ✗ failed") && after.contains("Behind      – not started"), "{after}");
}

#[test]
fn a_question_can_be_declined_and_explained_and_agreed_to() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &["deploy", "--local"]);
    terminal.shows("Deploy these changes to 2 accounts? [y/N/d/?]");
    terminal.types("?\n");
    terminal.shows("d show all that changes");
    terminal.types("d\n");
    terminal.shows("+ AWS::SQS::Queue Queue");
    terminal.types("\n");
    let (code, after) = terminal.ends();
    assert_eq!(code, 6, "{after}");
    assert!(after.contains("declined: nothing was written"), "{after}");

    let mut terminal = Terminal::start(&place, &["deploy", "--local"]);
    terminal.shows("[y/N/d/?]");
    terminal.types("y\n");
    let (code, after) = terminal.ends();
    assert_eq!(code, 0, "{after}");
    assert!(after.contains("✓ 2 created"), "{after}");
}

#[test]
fn every_width_is_wide_enough() {
    for columns in [40, 80, 200] {
        let place = Place::new();
        let terminal = Terminal::with_columns(&place, &["deploy", "--local", "--yes", "-c", "case=slow"], columns);
        let during = terminal.shows("/16");
        let bars = during.lines().filter(|it| it.contains("/16")).count();
        assert_eq!(bars, 1, "{columns} columns: a bar takes one line:\n{during}");
        let (code, after) = terminal.ends();
        assert_eq!(code, 0, "{after}");
        let of = |text: &str| after.matches(text).count();
        assert_eq!(
            (of("Tools       ✓ created"), of("Production  ✓ created"), of("/16"), of("░")),
            (1, 1, 0, 0),
            "{columns}:\n{after}"
        );
        // What was there before the bars is there once, and in its order.
        assert_eq!(of("Plan     wave 1"), 1, "{columns} columns:\n{after}");
        assert!(after.find("Plan").unwrap() < after.find("✓ created").unwrap(), "{after}");
    }
}

#[test]
fn many_stacks_do_not_push_history_off_the_screen() {
    let place = Place::new();
    let terminal = Terminal::start(&place, &["deploy", "--local", "--yes", "-c", "case=wide"]);
    let during = terminal.shows("Wide11");
    assert!(during.contains("Plan"), "{during}");
    let (code, after) = terminal.ends();
    assert_eq!(code, 0, "{after}");
    for index in 0..20 {
        assert_eq!(after.matches(&format!("Wide{index:02}      ✓ created")).count(), 1, "Wide{index:02}:\n{after}");
    }
    assert!(!after.contains('░'), "a bar is left:\n{after}");
}

#[test]
fn stacks_without_room_for_a_bar_are_counted() {
    let place = Place::new();
    let args = ["deploy", "--local", "--yes", "--concurrency", "30", "-c", "case=wide"];
    let terminal = Terminal::start(&place, &args);
    let during = terminal.shows("more being worked on");
    assert!(during.contains(" of 22 stacks done, "), "{during}");
    // Tools has the first of twelve bars.
    terminal.shows("Wide10     111111111111");
    let all = terminal.writes();
    // A bar has its form from the beginning: none is full before it is known how much there is to do.
    assert!(!all.contains("0/0"), "{all}");
    assert!(all.contains("22 created"), "{all}");
}

#[test]
fn a_stack_leads_to_its_page_in_the_console() {
    let place = Place::new();
    place.script(&serde_json::json!({}));
    let failing = serde_json::json!({"resources": [
        {"stack": "Tools", "logical_id": "Queue", "action": "create", "reason": "no"}
    ]});
    place.script(&failing);
    let page = "\x1b]8;;https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1#/stacks/stackinfo?stackId=arn%3Aaws%3Acloudformation%3Aeu-west-1%3A111111111111%3Astack%2FTools%2F";
    let failed = Terminal::start(&place, &["deploy", "--yes"]).writes();
    assert!(failed.contains(page), "{failed}");
    let status = Terminal::start(&place, &["status"]).writes();
    assert!(status.contains(page), "{status}");
    for args in [&["status", "--color", "never"][..], &["status", "--local"]] {
        assert!(!Terminal::start(&place, args).writes().contains("console.aws"), "{args:?}");
    }
    assert!(!place.run(&["status"]).out.contains('\x1b'));
}

#[test]
fn what_has_happened_has_the_time_that_the_service_says() {
    let place = Place::new();
    place.run(&["deploy", "--local", "--yes"]).refuses(0, &[]);
    let lines = place.run(&["logs", "--local", "--json", "Tools"]).lines();
    let event = lines.iter().find(|it| it["type"] == "resource" && it["event"]["logical_id"] == "Queue").unwrap();
    let time = event["event"]["timestamp"].as_str().unwrap().get(..19).unwrap().to_owned();
    let said = place.run(&["logs", "--local", "-v", "Tools"]);
    let line = said.err.lines().find(|it| it.contains("AWS::SQS::Queue")).unwrap();
    assert!(line.starts_with(&format!("{time}Z Tools")), "{time}: {line}");
    // On a terminal too: what is over needs no bar.
    let (_, shown) = Terminal::start(&place, &["logs", "--local", "-v", "Tools"]).ends();
    assert!(shown.contains(&format!("{time}Z Tools")), "{shown}");
}

#[test]
fn a_terminal_without_abilities_gets_lines() {
    let place = Place::new();
    let terminal = Terminal::start(&place, &["deploy", "--local", "--yes", "--progress", "events"]);
    let (code, after) = terminal.ends();
    assert_eq!(code, 0, "{after}");
    assert!(after.contains("CREATE_COMPLETE  AWS::SQS::Queue  Queue"), "{after}");
}

#[test]
fn without_a_terminal_every_event_is_a_line_with_its_time() {
    let place = Place::new();
    let said = place.run(&["deploy", "--local", "--yes", "-c", "case=slow"]);
    let events: Vec<&str> = said.err.lines().filter(|it| it.contains("Tools       ")).collect();
    let events: Vec<&str> = events.into_iter().filter(|it| !it.contains("wave")).collect();
    // Its beginning, 16 resources, the stack itself, and its end.
    assert_eq!(events.len(), 19, "{}", said.err);
    for line in events {
        let time = line.split(' ').next().unwrap();
        assert!(xacct_deploy::Timestamp::parse(time).is_some_and(|it| it.to_seconds() == time), "{line}");
        assert!(!line.contains('\r') && !line.contains('\x1b') && !line.contains('█'), "{line:?}");
    }
}

#[test]
fn a_reader_that_has_gone_does_not_stop_a_deployment() {
    let place = Place::new();
    let mut child = place.command(&["deploy", "--local", "--yes"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.run(&["status", "--local"]).out.matches("CREATE_COMPLETE").count(), 2);
}
