//! The ways into accounts, by the command line: sessions of IAM Identity Center, profiles with roles, processes, the environment.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use xacct_tests::portal::{ACCESS_TOKEN, REFRESH_TOKEN, RENEWED_TOKEN, SsoPortal};
use xacct_tests::sample::{self, PRODUCTION, REGION, TOOLS};
use xacct_tests::{Emulator, Fault, FaultProxy, Program, Run, Seen, demanded, ministack};

/// Where the AWS CLI keeps the session `company`: the name is the SHA-1 of the session's.
const SESSION: &str = ".aws/sso/cache/71b21161ffa1e6516bcc072aaf5ef38cbe85b511.json";
const FAR: &str = "2100-01-01T00:00:00Z";
const PAST: &str = "2020-01-01T00:00:00Z";

/// The sample, in two accounts, behind a portal.
struct World {
    emulator: Emulator,
    _portal: SsoPortal,
    /// Before the portal.
    proxy: FaultProxy,
    /// Before the emulator.
    calls: FaultProxy,
}

impl World {
    fn new() -> Result<Self, String> {
        let emulator = ministack()?;
        for account in [PRODUCTION, TOOLS] {
            sample::bootstrap(&emulator.account(account, REGION), account);
        }
        let portal = SsoPortal::start();
        let proxy = FaultProxy::before(&portal.url);
        let calls = FaultProxy::before(&emulator.url);
        Ok(Self { emulator, _portal: portal, proxy, calls })
    }

    /// A program with this AWS configuration, and these lines for each account in its own.
    fn program(&self, aws: &str, tools: &str, production: &str) -> Program {
        let program = Program::app(&self.calls.url, &[("tools", TOOLS), ("production", PRODUCTION)], REGION);
        let settings = format!(
            "region = \"{REGION}\"\n[accounts.tools]\nid = \"{TOOLS}\"\n{tools}\n[accounts.production]\nid = \"{PRODUCTION}\"\n{production}\n"
        );
        fs::write(program.folder().join("aws-config"), aws).unwrap();
        fs::write(program.folder().join("xacct.toml"), settings).unwrap();
        sample::app("one").synth().unwrap().write(&program.folder().join("out")).unwrap();
        program
    }

    /// The same with a profile for each account, through one session of the portal.
    fn with_sso(&self) -> Program {
        self.program(&sso_profiles(), "profile = \"tools\"", "profile = \"production\"")
    }

    fn run(&self, program: &Program, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = program.command(&[arguments, &["--assembly", "out"]].concat());
        command.env("AWS_ENDPOINT_URL_SSO", &self.proxy.url).env("AWS_ENDPOINT_URL_SSO_OIDC", &self.proxy.url);
        let run: Run = command.envs(variables.iter().copied()).output().unwrap().into();
        for secret in [ACCESS_TOKEN, REFRESH_TOKEN, RENEWED_TOKEN, "secret-of-a-session", "token-of-a-session"] {
            assert!(!run.text().contains(secret), "{secret} is told: {}", run.text());
        }
        run
    }

    /// Deploys, and takes all away again.
    fn deploys(&self, program: &Program, variables: &[(&str, &str)]) -> Run {
        let deployed = self.run(program, &["deploy", "--yes"], variables).expect_success();
        assert!(deployed.text().contains("3 created"), "{}", deployed.text());
        for (account, stacks) in [(PRODUCTION, &["Production"][..]), (TOOLS, &["Shared", "Tools"])] {
            assert_eq!(self.stacks(account), stacks);
        }
        self.run(program, &["destroy", "--yes"], variables).expect_success();
        deployed
    }

    fn stacks(&self, account: &str) -> Vec<String> {
        let account = self.emulator.account(account, REGION);
        let mut names = account.query("cloudformation", "2010-05-15", "DescribeStacks", &[]).elements("StackName");
        names.sort();
        names
    }

    /// Nothing was deployed, the exit code is that of credentials, and the text says all of it.
    fn refuses(&self, program: &Program, says: &[&str]) {
        let run = self.run(program, &["deploy", "--yes"], &[]);
        let text = run.text().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(run.code, Some(5), "{}", run.text());
        for it in says {
            assert!(text.contains(it), "`{it}` is not in:\n{}", run.text());
        }
        assert!(self.stacks(TOOLS).is_empty() && self.stacks(PRODUCTION).is_empty());
    }
}

fn sso_profiles() -> String {
    let profile = |name: &str, account: &str| {
        format!("[profile {name}]\nsso_session = company\nsso_account_id = {account}\nsso_role_name = Deployer\n")
    };
    let session = "[sso-session company]\nsso_region = eu-central-1\nsso_start_url = https://company.example/start\n\
                   sso_registration_scopes = sso:account:access\n";
    format!("{session}{}{}", profile("tools", TOOLS), profile("production", PRODUCTION))
}

/// Writes what `aws sso login` leaves.
fn log_in(program: &Program, session: &Value) {
    let file = program.folder().join(SESSION);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, session.to_string()).unwrap();
}

fn session(token: &str, expires: &str) -> Value {
    json!({
        "startUrl": "https://company.example/start",
        "region": "eu-central-1",
        "accessToken": token,
        "expiresAt": expires,
    })
}

fn count(log: &[Seen], action: &str) -> usize {
    log.iter().filter(|seen| seen.action == action).count()
}

#[test]
fn a_session_of_identity_center_reaches_every_account() {
    let Some(world) = demanded(World::new()) else { return };
    let program = world.with_sso();
    log_in(&program, &session(ACCESS_TOKEN, FAR));
    world.deploys(&program, &[]);

    // The portal is asked once for each account and run, whatever breaks: deploying and destroying are two.
    assert_eq!(count(&world.proxy.take_log(), "GetRoleCredentials"), 4);
    let keys: Vec<String> = world.calls.take_log().into_iter().map(|seen| seen.access_key_id).collect();
    assert!(keys.iter().all(|key| [TOOLS, PRODUCTION].contains(&key.as_str())), "{keys:?}");
    for fault in [
        Fault::Throttle,
        Fault::ServerError(500),
        Fault::Reset,
        Fault::LoseReply,
        Fault::Delay(Duration::from_millis(150)),
    ] {
        world.proxy.inject("GetRoleCredentials", fault, 1);
        world.run(&program, &["status"], &[]).expect_success();
        assert_eq!(world.proxy.pending(), 0, "{fault:?}");
    }
}

#[test]
fn a_session_that_ends_is_renewed() {
    let Some(world) = demanded(World::new()) else { return };
    let program = world.program(
        &sso_profiles(),
        "profile = \"tools\"\nrole = \"cdk-bootstrap\"",
        "profile = \"tools\"\nrole = \"cdk-bootstrap\"",
    );
    let mut ended = session(ACCESS_TOKEN, PAST);
    ended["clientId"] = "client".into();
    ended["clientSecret"] = "secret".into();
    ended["refreshToken"] = REFRESH_TOKEN.into();
    ended["registrationExpiresAt"] = FAR.into();
    log_in(&program, &ended);
    world.deploys(&program, &[]);

    let log = world.proxy.take_log();
    assert_eq!(count(&log, "CreateToken"), 1);
    // Two accounts and three roles, and one question in each of two runs.
    assert_eq!(count(&log, "GetRoleCredentials"), 2);
    let kept: Value = serde_json::from_str(&fs::read_to_string(program.folder().join(SESSION)).unwrap()).unwrap();
    assert_eq!(kept["accessToken"], RENEWED_TOKEN);
}

#[test]
fn a_session_that_is_over_is_told_for_every_account() {
    let Some(world) = demanded(World::new()) else { return };
    let program = world.with_sso();
    let both =
        ["no credentials that work for tools", "aws sso login --profile tools", "aws sso login --profile production"];
    let refused = |says: &[&str]| world.refuses(&program, &[&both, says].concat());
    refused(&["failed to load the cached SSO token"]);
    log_in(&program, &session(ACCESS_TOKEN, PAST));
    refused(&["has expired"]);
    log_in(&program, &session("of another session", FAR));
    refused(&["Session token not found or invalid"]);
    assert_eq!(count(&world.calls.take_log(), "GetCallerIdentity"), 0);
}

#[test]
fn keys_of_a_process_and_of_the_environment_serve_for_roles_too() {
    let Some(world) = demanded(World::new()) else { return };
    let keys = format!(r#"{{"Version": 1, "AccessKeyId": "{TOOLS}", "SecretAccessKey": "secret-of-a-session"}}"#);
    let process = format!("[profile process]\ncredential_process = echo '{keys}'\n");
    let role = "role = \"deployer\"\nexternal_id = \"platform\"";
    let program = world.program(&process, "profile = \"process\"", &format!("profile = \"process\"\n{role}"));
    world.deploys(&program, &[]);
    assert_eq!(count(&world.calls.take_log(), "AssumeRole"), 2);

    let environment = [("AWS_ACCESS_KEY_ID", TOOLS), ("AWS_SECRET_ACCESS_KEY", "secret-of-a-session")];
    let program = world.program("", "", role);
    world.deploys(&program, &environment);
    assert_eq!(count(&world.calls.take_log(), "AssumeRole"), 2);
    // Without the role they are of the wrong account.
    let program = world.program("", "", "");
    let run = world.run(&program, &["deploy", "--yes"], &environment);
    assert_eq!(run.code, Some(5), "{}", run.text());
    assert!(run.text().contains("belong to account"), "{}", run.text());
}
