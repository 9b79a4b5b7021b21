//! `kill -9` at every step of a deployment with the real command line, SDK and emulator; then the same command again ends in the same state, with
//! nothing doubled and nothing lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use xacct_tests::sample::{self, PRODUCTION, REGION, TOOLS};
use xacct_tests::{Account, Emulator, FaultProxy, Hold, Program, Run, demanded, ministack};

/// Commands with how many calls of each are made a point of death. The first calls read, most later ones wait for the end of an operation.
const COMMANDS: [(&str, &[&str]); 3] = [
    ("create", &["--assembly", "one", "deploy", "--yes"]),
    ("update", &["--assembly", "two", "deploy", "--yes"]),
    ("destroy", &["--assembly", "two", "destroy", "--yes"]),
];
/// Tests that wait cost no processor time: as many at once as there are emulators.
const LANES: usize = 4;

#[test]
fn at_any_call_a_killed_run_is_resumed() {
    let Some(world) = demanded(World::new()) else { return };
    let points = world.points();
    drop(world);
    assert!(points.len() >= 20, "only {} points", points.len());
    // A run that ends before its point has not been killed.
    let deaths = AtomicUsize::new(0);
    thread::scope(|scope| {
        for lane in 0..LANES {
            let mine: Vec<Point> = points.iter().skip(lane).step_by(LANES).copied().collect();
            let deaths = &deaths;
            scope.spawn(move || {
                let world = World::new().unwrap();
                for point in mine {
                    deaths.fetch_add(usize::from(world.die_and_resume(point)), Ordering::Relaxed);
                }
            });
        }
    });
    let deaths = deaths.into_inner();
    assert!(deaths >= 20 && deaths * 10 >= points.len() * 9, "only {deaths} deaths at {} points", points.len());
}

/// Where a run dies: at which call of which command.
#[derive(Clone, Copy, Debug)]
struct Point {
    command: usize,
    call: usize,
    when: Hold,
}

struct World {
    emulator: Emulator,
    proxy: FaultProxy,
    program: Program,
}

impl World {
    fn new() -> Result<Self, String> {
        let emulator = ministack()?;
        let proxy = FaultProxy::before(&emulator.url);
        let program = Program::app(&proxy.url, &[("production", PRODUCTION), ("tools", TOOLS)], REGION);
        for value in ["one", "two"] {
            sample::app(value).synth().unwrap().write(&program.folder().join(value)).unwrap();
        }
        for account in [PRODUCTION, TOOLS] {
            sample::bootstrap(&emulator.account(account, REGION), account);
        }
        Ok(Self { emulator, proxy, program })
    }

    /// Calls that change something are points before and after they are done; of the others, every third is one.
    fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for (command, (_, arguments)) in COMMANDS.into_iter().enumerate() {
            self.proxy.take_log();
            self.program.run(arguments).expect_success();
            for (call, seen) in self.proxy.take_log().into_iter().enumerate() {
                let writes = ["Create", "Execute", "Delete", "Put"].iter().any(|verb| seen.action.starts_with(verb));
                if writes {
                    points.extend([Hold::BeforeIt, Hold::AfterIt].map(|when| Point { command, call, when }));
                } else if call % 3 == 0 {
                    points.push(Point { command, call, when: Hold::AfterIt });
                }
            }
        }
        points
    }

    /// Whether the run was killed at the point.
    fn die_and_resume(&self, point: Point) -> bool {
        let mut is_dead = false;
        for (index, (name, arguments)) in COMMANDS.into_iter().enumerate() {
            let mut died_at = None;
            if index == point.command {
                died_at = self.die(arguments, point);
                is_dead = died_at.is_some();
            }
            let context = format!("killed at {point:?}, {died_at:?}; then {name}");
            let run: Run = self.program.run(arguments);
            assert_eq!(run.code, Some(0), "{context}: {}", run.text());
            self.check(name, &context);
        }
        sample::forget_assets(&self.account(TOOLS), TOOLS);
        is_dead
    }

    /// Runs a command until the call, then kills it. The name of the call; none if the command ended before.
    fn die(&self, arguments: &[&str], point: Point) -> Option<String> {
        let arrived = self.proxy.hold(point.call, point.when);
        let mut command = self.program.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        loop {
            // A run makes a call more or less, as the emulator is quick or slow: then it may end before the point.
            match arrived.recv_timeout(Duration::from_millis(100)) {
                Ok(call) => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    return Some(call);
                }
                Err(_) if child.try_wait().unwrap().is_some() => {
                    drop(self.proxy.hold(usize::MAX, Hold::BeforeIt));
                    return None;
                }
                Err(_) => {}
            }
        }
    }

    fn check(&self, command: &str, context: &str) {
        for (account, stacks) in [(PRODUCTION, &["Production"][..]), (TOOLS, &["Shared", "Tools"])] {
            let stacks: &[&str] = if command == "destroy" { &[] } else { stacks };
            let cloudformation = |action: &str, parameters: &[(&str, &str)]| {
                let answer = self.account(account).query("cloudformation", "2010-05-15", action, parameters);
                assert!(answer.is_success(), "{context}: {answer:?}");
                answer
            };
            let mut found = cloudformation("DescribeStacks", &[]).elements("StackName");
            found.sort();
            assert_eq!(found, stacks, "{context}");
            for stack in stacks {
                let status = cloudformation("DescribeStacks", &[("StackName", stack)]).element("StackStatus");
                let expected = if command == "create" { "CREATE_COMPLETE" } else { "UPDATE_COMPLETE" };
                assert_eq!(status.as_deref(), Some(expected), "{context}: {stack}");
                let events = cloudformation("DescribeStackEvents", &[("StackName", stack)]);
                for (started, times) in
                    [("CREATE_IN_PROGRESS", 1), ("UPDATE_IN_PROGRESS", usize::from(command != "create"))]
                {
                    assert_eq!(sample::operations(&events, started), times, "{context}: {stack}: {}", events.body);
                }
            }
        }
        for (account, name) in [(PRODUCTION, "/Production/Endpoint"), (TOOLS, "/Tools/Reader")] {
            let answer = self.account(account).json("ssm", "AmazonSSM.GetParameter", &json!({ "Name": name }));
            match command {
                "destroy" => assert!(!answer.is_success(), "{context}: {name} is left behind"),
                _ => {
                    let expected = if command == "create" { "one" } else { "two" };
                    assert_eq!(answer.json()["Parameter"]["Value"], expected, "{context}: {name}");
                }
            }
        }
    }

    fn account(&self, id: &str) -> Account {
        self.emulator.account(id, REGION)
    }
}
