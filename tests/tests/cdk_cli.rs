//! CDK's own command line on our assemblies: it lists, shows and deploys them, and sees no difference to what our engine deployed.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use xacct_core::Assembly;
use xacct_tests::{Emulator, Program, Run, Tool, demanded, ministack, npm_packages};

const ACCOUNTS: [(&str, &str); 2] = [("tools", "111111111111"), ("production", "222222222222")];
const REGION: &str = "eu-west-1";

#[test]
fn lists_and_shows_what_ours_does() {
    let Some(cdk) = demanded(Cdk::new()) else { return };
    let program = Program::app("", &ACCOUNTS, REGION);
    program.run(&["synth"]).expect_success();
    let ours: Vec<String> = program.run(&["ls"]).expect_success().stdout.lines().map(str::to_owned).collect();
    assert_eq!(ours.len(), 2);

    let theirs = cdk.run(&program, "", None, &["ls"]).expect_success();
    assert_eq!(theirs.stdout.lines().collect::<Vec<_>>(), ours);

    let assembly = Assembly::read(&program.folder().join("cdk.out")).unwrap();
    for stack in &assembly.stacks {
        let shown =
            cdk.run(&program, "", None, &["synth", "--json", "--exclusively", &stack.display_name]).expect_success();
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        assert_eq!(shown, stack.template, "{}", stack.id);
    }
}

#[test]
fn the_manifest_is_of_its_schema_but_for_our_own_artifact() {
    let Some(cdk) = demanded(Cdk::new()) else { return };
    let program = Program::app("", &ACCOUNTS, REGION);
    program.run(&["synth"]).expect_success();
    let strict = || {
        let mut command = cdk.command(&program, "", None, &["ls"]);
        // Unknown types of artifacts, which are ignored as a rule, are refused.
        Run::from(command.env("TESTING_CDK", "1").output().unwrap())
    };
    let refused = strict().text();
    assert!(refused.contains("artifacts.xacct.type is not one of enum values"), "{refused}");
    assert_eq!(refused.matches("instance.").count(), 1, "{refused}");

    let manifest = program.folder().join("cdk.out/manifest.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    content["artifacts"].as_object_mut().unwrap().shift_remove("xacct");
    fs::write(&manifest, content.to_string()).unwrap();
    strict().expect_success();
}

#[test]
fn sees_no_difference_to_what_ours_deployed() {
    let Some((cdk, emulator)) = demanded(Cdk::new().and_then(|cdk| Ok((cdk, ministack()?)))) else { return };
    let program = bootstrapped(&emulator);
    program.run(&["deploy", "--yes"]).expect_success();
    let assembly = Assembly::read(&program.folder().join("cdk.out")).unwrap();
    for stack in &assembly.stacks {
        let account = stack.environment.account.as_str();
        let arguments = ["diff", "--fail", "--exclusively", stack.display_name.as_str()];
        let diff = cdk.run(&program, &emulator.url, Some(account), &arguments);
        assert_eq!(diff.code, Some(0), "{}", diff.text());
        assert!(diff.text().contains("Number of stacks with differences: 0"), "{}", diff.text());
        // Deploying what is deployed changes nothing.
        let deployed = cdk.deploy(&program, &emulator, account, &stack.display_name);
        assert!(deployed.text().contains("(no changes)"), "{}", deployed.text());
    }
}

#[test]
fn deploys_our_assembly_and_ours_finds_nothing_to_do() {
    let Some((cdk, emulator)) = demanded(Cdk::new().and_then(|cdk| Ok((cdk, ministack()?)))) else { return };
    let program = bootstrapped(&emulator);
    program.run(&["synth"]).expect_success();
    let assembly = Assembly::read(&program.folder().join("cdk.out")).unwrap();
    let names: Vec<&str> = assembly.stacks.iter().map(|it| it.display_name.as_str()).collect();
    assert_eq!(names, ["Production", "Tools"]);
    for stack in &assembly.stacks {
        cdk.deploy(&program, &emulator, stack.environment.account.as_str(), &stack.display_name);
    }
    let diff = program.run(&["diff", "--exit-code"]).expect_success();
    assert_eq!(diff.stdout.matches("no changes").count(), 2, "{}", diff.text());
    let ours = program.run(&["deploy", "--yes"]).expect_success();
    assert!(ours.text().contains("no changes"), "{}", ours.text());
}

#[test]
fn deploys_with_the_roles_of_our_bootstrap_and_leaves_it_alone() {
    let Some((cdk, emulator)) = demanded(Cdk::new().and_then(|cdk| Ok((cdk, ministack()?)))) else { return };
    let program = with_roles(&emulator);
    program.run(&["synth"]).expect_success();
    program.run(&["bootstrap", "--yes", "--trust", "111111111111"]).expect_success();
    let again = program.run(&["bootstrap", "--yes"]).expect_success();
    assert!(again.text().contains("no changes"), "{}", again.text());
    for (_, account) in ACCOUNTS {
        let theirs =
            cdk.run(&program, &emulator.url, Some(account), &["bootstrap", &format!("aws://{account}/{REGION}")]);
        assert!(theirs.text().contains("Not overwriting it"), "{}", theirs.text());
    }

    // Everything by our roles, first with CDK's CLI, then with our own.
    let assembly = Assembly::read(&program.folder().join("cdk.out")).unwrap();
    for stack in &assembly.stacks {
        assert!(stack.bootstrap.deploy_role.as_ref().is_some_and(|it| it.contains("cdk-hnb659fds-deploy-role")));
        // Tools is trusted by both accounts.
        cdk.deploy(&program, &emulator, "111111111111", &stack.display_name);
    }
    let diff = program.run(&["diff", "--exit-code"]).expect_success();
    assert_eq!(diff.stdout.matches("no changes").count(), 2, "{}", diff.text());

    // What is kept is taken over.
    program.run(&["destroy", "--yes"]).expect_success();
    let again = program.run(&["deploy", "--yes", "--import-existing-resources"]).expect_success();
    for kept in ["IMPORT_COMPLETE  AWS::Logs::LogGroup", "IMPORT_COMPLETE  AWS::S3::Bucket"] {
        assert!(again.text().contains(kept), "{}", again.text());
    }
}

#[test]
fn its_bootstrap_is_accepted_and_used() {
    let Some((cdk, emulator)) = demanded(Cdk::new().and_then(|cdk| Ok((cdk, ministack()?)))) else { return };
    let program = with_roles(&emulator);
    program.run(&["synth"]).expect_success();
    for (_, account) in ACCOUNTS {
        let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
        let place = format!("aws://{account}/{REGION}");
        let arguments = ["bootstrap", &place, "--cloudformation-execution-policies", policy];
        cdk.run(&program, &emulator.url, Some(account), &arguments).expect_success();
    }
    let ours = program.run(&["bootstrap", "--yes"]).expect_success();
    assert!(ours.text().contains("2 accepted as it is"), "{}", ours.text());
    program.run(&["deploy", "--yes"]).expect_success();
}

/// The main app, deployed with the roles of the accounts' bootstraps.
fn with_roles(emulator: &Emulator) -> Program {
    let program = Program::app(&emulator.url, &ACCOUNTS, REGION);
    let file = program.folder().join("xacct.toml");
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(file, settings.replace("\nprofile", "\nrole = \"cdk-bootstrap\"\nprofile")).unwrap();
    program
}

fn bootstrapped(emulator: &Emulator) -> Program {
    let program = Program::app(&emulator.url, &ACCOUNTS, REGION);
    program.run(&["bootstrap", "--yes"]).expect_success();
    program
}

struct Cdk {
    tool: Tool,
}

impl Cdk {
    fn new() -> Result<Self, String> {
        let (_, tool) = npm_packages("cdk", xacct_tests::CDK)?;
        Ok(Self { tool })
    }

    /// One stack, with the credentials of its account: CDK knows one account at a time.
    fn deploy(&self, program: &Program, emulator: &Emulator, account: &str, stack: &str) -> Run {
        let arguments = ["deploy", "--exclusively", "--require-approval", "never", stack];
        self.run(program, &emulator.url, Some(account), &arguments).expect_success()
    }

    fn run(&self, program: &Program, endpoint: &str, account: Option<&str>, arguments: &[&str]) -> Run {
        self.command(program, endpoint, account, arguments).output().unwrap().into()
    }

    fn command(&self, program: &Program, endpoint: &str, account: Option<&str>, arguments: &[&str]) -> Command {
        let mut command = self.tool.command("cdk");
        command
            .args(arguments)
            .args(["--app", "cdk.out"])
            .current_dir(program.folder())
            .env("HOME", program.folder())
            .env("CI", "true")
            .env("NO_COLOR", "1")
            .env("NODE_NO_WARNINGS", "1")
            .env("CDK_DISABLE_VERSION_CHECK", "1")
            .env("CDK_DISABLE_CLI_TELEMETRY", "true")
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", account.unwrap_or_default())
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdin(Stdio::null());
        command
    }
}
