//! Secrets, and what is done with stacks besides deploying them, through the real SDK and a real emulator.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use xacct_core::value::{Expr, Props, Value};
use xacct_core::{
    AccountId, App, CfnOutput, CfnOutputProps, CfnParameter, CfnParameterProps, Environment, Node, Region, Stack,
    StackProps,
};
use xacct_tests::{Account, Fault, FaultProxy, Program, Run, demanded, ministack, sample};

const TOOLS: &str = "111111111111";
const REGION: &str = "eu-west-1";
/// The value of a `NoEcho` parameter, and the secret key and session token of the one who deploys.
const MARKERS: [&str; 3] = ["tr0ub4dor-and-3-m0re", "wJalrXUtnFEMIdeployer", "FQoGZXIvYXdzEsession"];

fn stack(app: &App) -> Stack {
    let home = Environment::new(AccountId::literal(TOOLS), Region::literal(REGION));
    Stack::new(app, "Tools", home, StackProps::new())
}

fn resource(stack: &Stack, id: &str, kind: &'static str, properties: &[(&'static str, Expr)]) -> Node {
    let mut props = Props::default();
    properties.iter().for_each(|(name, value)| props.set(name, value.clone()));
    Node::new_resource(stack, id, kind, props)
}

fn note(stack: &Stack, id: &str, value: Expr) -> Node {
    let name = format!("/{id}");
    resource(stack, id, "AWS::SSM::Parameter", &[("Name", name.into()), ("Type", "String".into()), ("Value", value)])
}

fn ref_to(name: &str) -> Expr {
    json!({ "Ref": name }).into()
}

fn write(program: &Program, app: &App) {
    app.synth().unwrap().write(&program.folder().join("out")).unwrap();
}

/// A program that deploys what is written to `out`, with the credentials' secrets planted.
fn program(url: &str) -> Program {
    let program = Program::app(url, &[("tools", TOOLS)], REGION);
    let config = program.folder().join("aws-config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(config, text.replace("= test", &format!("= {}\naws_session_token = {}", MARKERS[1], MARKERS[2])))
        .unwrap();
    program
}

fn run(program: &Program, arguments: &[&str]) -> Run {
    let mut command = program.command(&[arguments, &["--assembly", "out"]].concat());
    command.env("DB_PASSWORD", MARKERS[0]);
    command.env("AWS_SECRET_ACCESS_KEY", MARKERS[1]).env("AWS_SESSION_TOKEN", MARKERS[2]);
    command.output().unwrap().into()
}

fn secret(account: &Account, id: &str) -> String {
    let answer = account.json("secretsmanager", "secretsmanager.GetSecretValue", &json!({ "SecretId": id })).json();
    answer["SecretString"].as_str().unwrap().to_owned()
}

/// All files below a folder, except the user's own.
fn collect(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, texts);
        } else if entry.file_name() != "aws-config" {
            texts.push(format!("{}\n{}", path.display(), String::from_utf8_lossy(&fs::read(&path).unwrap())));
        }
    }
}

#[test]
fn no_verb_shows_or_keeps_a_secret() {
    let Some(emulator) = demanded(ministack()) else { return };
    let account = emulator.account(TOOLS, REGION);
    let program = program(&emulator.url);
    let app = App::new();
    let tools = stack(&app);
    CfnParameter::new(&tools, "Password", CfnParameterProps::new().no_echo());
    let held = note(&tools, "Held", ref_to("Password"));
    resource(&tools, "Robot", "AWS::IAM::User", &[("UserName", "robot".into())]);
    resource(&tools, "RobotKey", "AWS::IAM::AccessKey", &[("UserName", ref_to("Robot"))]);
    let key = json!({"Fn::GetAtt": ["RobotKey", "SecretAccessKey"]});
    resource(
        &tools,
        "RobotSecret",
        "AWS::SecretsManager::Secret",
        &[("Name", "robot".into()), ("SecretString", key.into())],
    );
    let name: Value<str> = held.reference();
    CfnOutput::new(&tools, "Name", name, CfnOutputProps::new());
    write(&program, &app);

    let given = ["--parameters-from-env", "Tools:Password=DB_PASSWORD"];
    let mut said = Vec::new();
    let mut hear = |code: i32, arguments: &[&str]| {
        let run = run(&program, arguments);
        assert_eq!(run.code, Some(code), "{arguments:?}: {}", run.text());
        said.push(run.text());
    };
    hear(0, &[&["diff"], &given[..]].concat());
    hear(0, &[&["deploy", "--yes", "-v", "--outputs-file", "outputs.json"], &given[..]].concat());
    hear(0, &[&["deploy", "--yes", "--json"], &given[..]].concat());
    for verb in
        [&["status"][..], &["logs", "-v"], &["logs", "--json"], &["outputs"], &["diff"], &["drift"], &["doctor"]]
    {
        hear(0, verb);
    }
    // One more resource, whose name is taken.
    let taken = json!({"Name": "/Taken", "Type": "String", "Value": "theirs"});
    assert!(account.json("ssm", "AmazonSSM.PutParameter", &taken).is_success());
    note(&tools, "Taken", ref_to("Password"));
    write(&program, &app);
    hear(3, &[&["deploy", "--yes", "-v"], &given[..]].concat());
    hear(0, &["logs", "-v"]);
    let access_key = secret(&account, "robot");
    let held = account.json("ssm", "AmazonSSM.GetParameter", &json!({ "Name": "/Held" })).json();
    assert_eq!(held["Parameter"]["Value"], MARKERS[0], "what is looked for was handed over");
    assert!(access_key.len() >= 16, "{access_key}");
    hear(0, &["destroy", "--yes", "-v"]);

    collect(program.folder(), &mut said);
    for secret in MARKERS.iter().copied().chain([access_key.as_str()]) {
        for text in &said {
            assert!(!text.contains(secret), "`{secret}` is in:\n{text}");
        }
    }
}

#[test]
fn what_is_there_is_taken_over_looked_at_and_followed() {
    let Some(emulator) = demanded(ministack()) else { return };
    let account = emulator.account(TOOLS, REGION);
    let program = program(&emulator.url);
    let app = App::new();
    let tools = stack(&app);
    note(&tools, "First", "one".into());
    write(&program, &app);
    let says = |code: i32, arguments: &[&str], texts: &[&str]| {
        let run = run(&program, arguments);
        let text = run.text().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(run.code, Some(code), "{arguments:?}: {}", run.text());
        for it in texts {
            assert!(text.contains(it), "{arguments:?} does not say `{it}`:\n{}", run.text());
        }
    };
    says(0, &["cancel"], &["nothing runs"]);
    says(0, &["rollback", "--yes"], &["there was no such stack"]);
    says(0, &["drift"], &["Tools not deployed"]);
    says(0, &["logs", "-f"], &["1 absent"]);
    says(0, &["deploy", "--yes"], &["1 created"]);
    says(0, &["logs", "-f"], &["CREATE_COMPLETE AWS::SSM::Parameter First", "at rest: CREATE_COMPLETE"]);
    says(0, &["cancel"], &["nothing runs"]);
    says(0, &["rollback", "--yes"], &["at rest: CREATE_COMPLETE"]);
    says(0, &["drift", "--exit-code"], &["Tools in sync"]);

    let put = |name: &str, value: &str| {
        let request = json!({ "Name": name, "Type": "String", "Value": value, "Overwrite": true });
        assert!(account.json("ssm", "AmazonSSM.PutParameter", &request).is_success());
    };
    put("/First", "by hand");
    says(2, &["drift", "--exit-code"], &["Tools DRIFTED", "Tools/First", "one → by hand"]);
    put("/First", "one");

    put("/Second", "two");
    let second = note(&tools, "Second", "two".into());
    second.override_attribute("DeletionPolicy", json!("Retain"));
    write(&program, &app);
    says(64, &["import", "--yes", "Tools", "Tools/Second"], &["write it as PATH:KEY=VALUE"]);
    says(64, &["import", "--yes", "Tools", "Tools/Second:Nmae=/Second"], &["is identified by Name"]);
    says(0, &["import", "--yes", "Tools", "Tools/Second:Name=/Second"], &["IMPORT_COMPLETE", "1 updated"]);
    says(0, &["deploy", "--yes"], &["no changes"]);
    says(0, &["destroy", "--yes"], &["1 deleted"]);
    let kept = account.json("ssm", "AmazonSSM.GetParameter", &json!({ "Name": "/Second" }));
    assert!(kept.is_success(), "what is retained is kept: {kept:?}");
}

/// Sends a signal as a shell does.
fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn what_an_interrupted_deployment_leaves_is_taken_up() {
    let Some(emulator) = demanded(ministack()) else { return };
    for signals in [&["-INT", "-INT"][..], &["-TERM"]] {
        let proxy = FaultProxy::before(&emulator.url);
        let program = program(&proxy.url);
        let app = App::new();
        note(&stack(&app), "First", "one".into());
        write(&program, &app);
        // While the program waits for this answer, the stack is worked on as far as it knows.
        proxy.inject("DescribeStackEvents", Fault::Delay(Duration::from_secs(60)), 1);
        let mut command = program.command(&["deploy", "--yes", "--assembly", "out"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut heard = String::new();
        let mut hear = |text: &str| {
            while !heard.contains(text) {
                assert!(said.read_line(&mut heard).unwrap() > 0, "`{text}` was not said:\n{heard}");
            }
        };
        for (index, signal) in signals.iter().enumerate() {
            hear(if index == 0 { "creating" } else { "waiting for the stacks" });
            send(&child, signal);
        }
        said.read_to_string(&mut heard).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{heard}");
        for text in ["go on without us: Tools", "status --assembly out", "cancel --assembly out"] {
            assert!(heard.contains(text), "{text}:\n{heard}");
        }
        run(&program, &["deploy", "--yes"]).expect_success();
        let stacks = [("StackName", "Tools")];
        let events =
            emulator.account(TOOLS, REGION).query("cloudformation", "2010-05-15", "DescribeStackEvents", &stacks);
        assert_eq!(sample::operations(&events, "CREATE_IN_PROGRESS"), 1, "{}", events.body);
        run(&program, &["destroy", "--yes"]).expect_success();
    }
}
