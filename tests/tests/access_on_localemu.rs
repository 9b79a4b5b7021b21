//! The prover against an emulator that enforces policies: the main app is deployed into two accounts of LocalEmu, and each of a table of principals tries
//! to assume, read, write and decrypt. Whatever the prover allows must succeed, and what it denies must be refused.
//!
//! What judge that is: LocalEmu 1.3.2 by itself decides which statements apply to a request, what a user, role or session may do within its account, and
//! who may assume a role. It lets either side suffice across accounts, and does not look at the policies of keys; both are put right by
//! `emulators/localemu_accounts.py`, which asks LocalEmu's own two evaluators one after the other. So for calls across accounts, and for keys, the test says
//! that the *statements* of the app are understood alike by two implementations that have nothing in common; that both sides must allow is taken
//! from AWS's documentation on both sides. Nothing here has been tried on AWS.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use xacct_access::estate::{Estate, Resource, Site};
use xacct_access::goal::{Goal, Who, decide};
use xacct_access::{Context, Text, Verdict};
use xacct_core::Assembly;
use xacct_tests::{Account, Answer, Emulator, Program, demanded, localemu};

const TOOLS: &str = "111111111111";
const PRODUCTION: &str = "222222222222";
const REGION: &str = "eu-west-1";

/// Who tries: the start of a role's or user's logical id, by stack.
const CALLERS: [(&str, &str); 9] = [
    ("Tools", "NetworkPipelineRole"),
    ("Tools", "NetworkPipelineEventsRole"),
    ("Tools", "NetworkBuildRole"),
    ("Tools", "NetworkDevPlanRole"),
    ("Tools", "NetworkDevApplyRole"),
    ("Production", "NetworkProdPlanRole"),
    ("Production", "NetworkProdApplyRole"),
    ("Production", "ToolsNetworkPipelineActionRole"),
    ("Production", "NetworkOperatorUser"),
];

/// What they try.
#[derive(Clone, Copy, Debug)]
enum Attempt {
    /// To assume this role.
    Assume(&'static str, &'static str),
    /// To read an object of this bucket, which takes its key.
    Get(&'static str, &'static str, &'static str),
    /// To write one.
    Put(&'static str, &'static str, &'static str),
    /// To decrypt with this key, not through S3.
    Decrypt(&'static str, &'static str),
}

const ATTEMPTS: [Attempt; 12] = [
    Attempt::Assume("Production", "ToolsNetworkPipelineActionRole"),
    Attempt::Assume("Production", "NetworkProdApplyRole"),
    Attempt::Assume("Tools", "NetworkPipelineRole"),
    Attempt::Get("Tools", "NetworkArtifacts", "package.zip"),
    Attempt::Put("Tools", "NetworkArtifacts", "package.zip"),
    Attempt::Get("Tools", "NetworkAccountState", "network/dev.tfstate"),
    Attempt::Put("Tools", "NetworkAccountState", "network/dev.tfstate"),
    Attempt::Get("Production", "NetworkAccountState", "network/prod.tfstate"),
    Attempt::Put("Production", "NetworkAccountState", "network/prod.tfstate"),
    Attempt::Put("Production", "NetworkAccountState", "network/prod.tfstate.tflock"),
    Attempt::Decrypt("Tools", "NetworkKey"),
    Attempt::Decrypt("Production", "NetworkAccountKey"),
];

#[test]
fn what_is_proved_to_be_allowed_or_denied_is_what_happens() {
    let Some(emulator) = demanded(localemu(&[TOOLS, PRODUCTION])) else { return };
    let program = Program::app(&emulator.url, &[("tools", TOOLS), ("production", PRODUCTION)], REGION);
    program.run(&["bootstrap", "--yes"]).expect_success();
    program.run(&["synth"]).expect_success();
    program.run(&["deploy", "--yes"]).expect_success();
    let assembly = Assembly::read(&program.folder().join("cdk.out")).unwrap();
    // By then AWS's names are made, and unlike any other.
    let prover = Prover { estate: Estate::with_made_up_names(&assembly) };
    let world = World::new(&emulator);
    world.put_objects();

    let mut differences = Vec::new();
    let (mut allowed, mut denied) = (0, 0);
    for (stack, caller) in CALLERS {
        let account = world.credentials(stack, caller);
        for attempt in ATTEMPTS {
            let proved = prover.allows(stack, caller, attempt);
            let answer = world.attempt(&account, attempt);
            if answer.is_success() {
                allowed += 1
            } else {
                denied += 1
            }
            let refused = answer.body.contains("AccessDenied") || answer.status == 403;
            if proved != answer.is_success() || !answer.is_success() && !refused {
                differences.push(format!("{stack}/{caller} {attempt:?}: proved {proved}, {answer:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    // Neither answer is the emulator's only one.
    assert!(allowed >= 15 && denied >= 50, "{allowed} allowed, {denied} denied");
}

/// What the prover says, from the templates alone.
struct Prover<'a> {
    estate: Estate<'a>,
}

impl Prover<'_> {
    fn resource(&self, stack: &str, start: &str) -> &Resource {
        let is = |it: &&Resource| is_called(&it.site, stack, start);
        self.estate.resources.iter().find(is).unwrap_or_else(|| panic!("no {stack}/{start}"))
    }

    fn allows(&self, stack: &str, caller: &str, attempt: Attempt) -> bool {
        let who = self.resource(stack, caller);
        let ask = |action: &str, resource: &Resource, arn: Text, context: Context| {
            let goal = Goal {
                who: Who::Identity(who.arn.clone()),
                action: action.parse().unwrap(),
                resource: arn,
                owner: Some(resource.account.as_str().into()),
                context: context.with("aws:SecureTransport", "true"),
                site: resource.site.clone(),
                property: String::new(),
                purpose: String::new(),
            };
            let decision = decide(&self.estate, &goal);
            assert_ne!(decision.verdict, Verdict::Unknown, "{goal}: {decision}");
            decision.verdict == Verdict::Allowed
        };
        let on_key = |action: &str, key: &Resource, context: Context| {
            ask(action, key, key.arn.clone(), context.with_values("kms:ResourceAliases", self.estate.aliases(key)))
        };
        let on_object = |action: &str, key_action: &str, stack: &str, bucket: &str, object: &str| {
            let key =
                self.resource(stack, if bucket == "NetworkArtifacts" { "NetworkKey" } else { "NetworkAccountKey" });
            let bucket = self.resource(stack, bucket);
            let via = Context::open().with("kms:ViaService", format!("s3.{REGION}.amazonaws.com"));
            ask(action, bucket, bucket.arn.clone().with(format!("/{object}")), Context::open())
                && on_key(key_action, key, via)
        };
        match attempt {
            Attempt::Assume(stack, role) => {
                let role = self.resource(stack, role);
                ask("sts:AssumeRole", role, role.arn.clone(), Context::open())
            }
            Attempt::Get(stack, bucket, key) => on_object("s3:GetObject", "kms:Decrypt", stack, bucket, key),
            Attempt::Put(stack, bucket, key) => on_object("s3:PutObject", "kms:GenerateDataKey", stack, bucket, key),
            Attempt::Decrypt(stack, key) => {
                on_key("kms:Decrypt", self.resource(stack, key), Context::open().absent("kms:ViaService"))
            }
        }
    }
}

/// A resource by the start of its logical id; what follows is CDK's hash of eight digits.
fn is_called(site: &Site, stack: &str, start: &str) -> bool {
    site.stack == stack && is_hashed(&site.logical_id, start)
}

fn is_hashed(logical_id: &str, start: &str) -> bool {
    logical_id.strip_prefix(start).is_some_and(|hash| hash.len() == 8 && hash.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// The emulator, and what the deployment made there.
struct World {
    tools: Account,
    production: Account,
    /// Physical ids, by stack and logical id.
    made: BTreeMap<(String, String), String>,
}

impl World {
    fn new(emulator: &Emulator) -> Self {
        let (tools, production) = (emulator.account(TOOLS, REGION), emulator.account(PRODUCTION, REGION));
        let mut made = BTreeMap::new();
        for (stack, account) in [("Tools", &tools), ("Production", &production)] {
            let answer =
                account.query("cloudformation", "2010-05-15", "DescribeStackResources", &[("StackName", stack)]);
            assert!(answer.is_success(), "{answer:?}");
            for member in answer.elements("member") {
                let text = |name: &str| {
                    let (_, rest) = member.split_once(&format!("<{name}>"))?;
                    Some(rest.split_once('<')?.0.to_owned())
                };
                if let (Some(logical), Some(physical)) = (text("LogicalResourceId"), text("PhysicalResourceId")) {
                    made.insert((stack.to_owned(), logical), physical);
                }
            }
        }
        Self { tools, production, made }
    }

    fn root(&self, stack: &str) -> &Account {
        if stack == "Tools" { &self.tools } else { &self.production }
    }

    fn physical(&self, stack: &str, start: &str) -> &str {
        let mut found = self.made.iter().filter(|((of, logical), _)| of == stack && is_hashed(logical, start));
        found.next().unwrap_or_else(|| panic!("no {stack}/{start} among {:?}", self.made.keys())).1
    }

    /// Whatever is to be read is there.
    fn put_objects(&self) {
        for attempt in ATTEMPTS {
            if let Attempt::Get(stack, bucket, key) = attempt {
                let path = format!("/{}/{key}", self.physical(stack, bucket));
                let answer = self.root(stack).rest("s3", "PUT", &path, &[], "content");
                assert!(answer.is_success(), "{answer:?}");
            }
        }
    }

    /// Credentials of a role's session or a user. Only services may assume these roles, and the emulator is not one: so a role's trust is opened for as long
    /// as that takes, and then put back.
    fn credentials(&self, stack: &str, caller: &str) -> Account {
        let (root, name) = (self.root(stack), self.physical(stack, caller));
        if caller.ends_with("User") {
            let answer = self.iam(stack, "CreateAccessKey", &[("UserName", name)]);
            let field = |name: &str| answer.element(name).unwrap();
            return root.with_credentials(&field("AccessKeyId"), &field("SecretAccessKey"), None);
        }
        let own = self.iam(stack, "GetRole", &[("RoleName", name)]).element("AssumeRolePolicyDocument").unwrap();
        let account = if stack == "Tools" { TOOLS } else { PRODUCTION };
        let open = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") } }] });
        let trust = |document: &str| {
            self.iam(stack, "UpdateAssumeRolePolicy", &[("RoleName", name), ("PolicyDocument", document)]);
        };
        trust(&open.to_string());
        let answer = assume(root, &self.role_arn(stack, caller));
        trust(&own);
        assert!(answer.is_success(), "{answer:?}");
        let field = |name: &str| answer.element(name).unwrap();
        root.with_credentials(&field("AccessKeyId"), &field("SecretAccessKey"), Some(&field("SessionToken")))
    }

    fn role_arn(&self, stack: &str, role: &str) -> String {
        let account = if stack == "Tools" { TOOLS } else { PRODUCTION };
        format!("arn:aws:iam::{account}:role/{}", self.physical(stack, role))
    }

    fn attempt(&self, caller: &Account, attempt: Attempt) -> Answer {
        match attempt {
            Attempt::Assume(stack, role) => assume(caller, &self.role_arn(stack, role)),
            Attempt::Get(stack, bucket, key) => {
                caller.rest("s3", "GET", &format!("/{}/{key}", self.physical(stack, bucket)), &[], "")
            }
            Attempt::Put(stack, bucket, key) => {
                caller.rest("s3", "PUT", &format!("/{}/{key}", self.physical(stack, bucket)), &[], "content")
            }
            Attempt::Decrypt(stack, key) => {
                let (account, id) = (if stack == "Tools" { TOOLS } else { PRODUCTION }, self.physical(stack, key));
                let arn = format!("arn:aws:kms:{REGION}:{account}:key/{id}");
                let request = json!({ "KeyId": arn, "Plaintext": "c2VjcmV0" });
                let sealed: Value = self.root(stack).json("kms", "TrentService.Encrypt", &request).json();
                let request = json!({ "KeyId": arn, "CiphertextBlob": sealed["CiphertextBlob"] });
                caller.json("kms", "TrentService.Decrypt", &request)
            }
        }
    }

    fn iam(&self, stack: &str, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let answer = self.root(stack).query("iam", "2010-05-08", action, parameters);
        assert!(answer.is_success(), "{action}: {answer:?}");
        answer
    }
}

fn assume(caller: &Account, role: &str) -> Answer {
    caller.query("sts", "2011-06-15", "AssumeRole", &[("RoleArn", role), ("RoleSessionName", "test")])
}
