//! Trouble on order. With a file `script.json` in the current folder, the app deploys to a CloudFormation in memory in which things are
//! there already, take long, and go wrong; what the world is like in the end is kept in `world.json` for the next run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use xacct_deploy::memory::{Action, CallFault, Fault, ResourceFault, World};
use xacct_deploy::{Engine, Environment, FileStore, Pace};

const WORLD: &str = "world.json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Script {
    /// How many times as fast as the clock time passes.
    speed: f64,
    /// For how many milliseconds a call is repeated.
    patience: u64,
    /// Whether every account has an asset bucket.
    bootstrapped: bool,
    /// An account, and the one that its credentials are really for.
    wrong_account: Option<(String, String)>,
    calls: Vec<Call>,
    resources: Vec<Resource>,
    outside: Vec<Outside>,
    by_hand: Vec<ByHand>,
    /// A stack, a resource and an attribute whose value is written, in clear, to the file `revealed`.
    reveal: Option<(String, String, String)>,
}

impl Default for Script {
    fn default() -> Self {
        let lists = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (calls, resources, outside, by_hand) = lists;
        let (wrong_account, reveal) = (None, None);
        Self {
            speed: 40.0,
            patience: 300,
            bootstrapped: true,
            wrong_account,
            calls,
            resources,
            outside,
            by_hand,
            reveal,
        }
    }
}

/// Calls that fail, or take long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    operation: String,
    stack: Option<String>,
    #[serde(default = "once")]
    nth: u32,
    #[serde(default = "once")]
    times: u32,
    fault: How,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Throttle,
    Expired,
    Unreached,
    Error(String, String),
    /// In milliseconds.
    Delay(u64),
}

/// A resource that fails, or takes long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    stack: String,
    logical_id: String,
    action: What,
    reason: Option<String>,
    /// In milliseconds of the world.
    lasts: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Create,
    Update,
    Delete,
    Rollback,
}

/// Something that no stack has made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outside {
    account: String,
    resource_type: String,
    physical_id: String,
}

/// A property that somebody has changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByHand {
    account: String,
    stack: String,
    logical_id: String,
    path: String,
    actual: String,
}

fn once() -> u32 {
    1
}

fn environment(account: &str) -> Environment {
    Environment { account: account.to_owned(), region: "eu-west-1".to_owned() }
}

impl Script {
    /// The script in the current folder.
    pub(crate) fn here() -> Option<Self> {
        let text = std::fs::read_to_string("script.json").ok()?;
        Some(serde_json::from_str(&text).expect("the script of a test is right"))
    }

    /// The world as it was left, with what is to happen in it.
    pub(crate) fn world(&self) -> World {
        let mut builder = World::builder().speed(self.speed);
        if self.bootstrapped {
            builder = builder.bootstrapped();
        }
        if let Some((account, actual)) = &self.wrong_account {
            builder = builder.wrong_account(account, actual);
        }
        let world = builder.load(Path::new(WORLD)).expect("the world of a test can be read");
        for it in &self.outside {
            world.create_outside(
                &environment(&it.account),
                &it.resource_type,
                &it.physical_id,
                serde_json::Value::Null,
            );
        }
        for it in &self.by_hand {
            assert!(world.modify(&environment(&it.account), &it.stack, &it.logical_id, &it.path, &it.actual));
        }
        self.calls.iter().for_each(|it| world.fail_call(it.fault()));
        self.resources.iter().for_each(|it| it.add_to(&world));
        world
    }

    /// Keeps the world for the next run.
    pub(crate) fn keep(&self, world: &World) {
        world.save(Path::new(WORLD)).expect("the world of a test can be kept");
        let Some((stack, logical_id, attribute)) = &self.reveal else { return };
        if let Some(value) = world.attribute(&environment("111111111111"), stack, logical_id, attribute) {
            std::fs::write("revealed", value).expect("the folder of a test can be written to");
        }
    }

    /// An engine for that world, which is in more of a hurry than one for AWS.
    pub(crate) fn engine(&self, world: &World) -> Engine {
        let mut engine = Engine::new(Arc::new(world.clone()), Arc::new(FileStore::new(".xacct/state")));
        engine.pace = Pace { first: Duration::from_millis(10), longest: Duration::from_millis(30) };
        engine.retry.base = Duration::from_millis(10);
        engine.retry.cap = Duration::from_millis(40);
        engine.retry.give_up_after = Duration::from_millis(self.patience);
        engine
    }
}

impl Call {
    fn fault(&self) -> CallFault {
        let fault = match &self.fault {
            How::Throttle => Fault::Throttle,
            How::Expired => Fault::ExpiredCredentials,
            How::Unreached => Fault::Unreached,
            How::Error(code, message) => Fault::Error(code.clone(), message.clone()),
            How::Delay(millis) => Fault::Delay(Duration::from_millis(*millis)),
        };
        let call = CallFault::new(fault).operation(&self.operation).nth(self.nth).times(self.times);
        match &self.stack {
            Some(stack) => call.stack(stack),
            None => call,
        }
    }
}

impl Resource {
    fn add_to(&self, world: &World) {
        let action = match self.action {
            What::Create => Action::Create,
            What::Update => Action::Update,
            What::Delete => Action::Delete,
            What::Rollback => Action::Rollback,
        };
        if let Some(reason) = &self.reason {
            world.fail_resource(ResourceFault::fail(&self.logical_id, action, reason).stack(&self.stack));
        }
        if let Some(lasts) = self.lasts {
            let lasts = Duration::from_millis(lasts);
            world.fail_resource(ResourceFault::slow(&self.logical_id, action, lasts).stack(&self.stack));
        }
    }
}
