//! Where everything happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use xacct_core::Assembly;
use xacct_core::assembly::StackArtifact;
use xacct_deploy::aws::{Access, AwsConnector, RoleAccess, Source};
use xacct_deploy::{
    DestroyOptions, Engine, Event, Events, FileStore, Outcome, Pace, RetryPolicy, Run, RunError, RunOptions, Selection,
    StackOptions, Summary,
};
use xacct_tests::sample::{self, PRODUCTION, REGION, TOOLS};
use xacct_tests::{Account, Answer, Emulator, Fault, FaultProxy, Seen, ministack, runtime};

/// Two accounts, reached through the proxy, and the sample's two versions.
pub(crate) struct World {
    emulator: Emulator,
    pub(crate) proxy: FaultProxy,
    pub(crate) versions: [Assembly; 2],
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Result<Self, String> {
        let emulator = ministack()?;
        let proxy = FaultProxy::before(&emulator.url);
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let versions = ["one", "two"].map(|value| {
            let assembly = sample::app(value).synth().expect("the sample is right");
            assembly.write(&folder.path().join(value)).expect("a temporary folder can be written to")
        });
        let world = Self { emulator, proxy, versions, folder };
        for account in [PRODUCTION, TOOLS] {
            sample::bootstrap(&world.account(account), account);
        }
        Ok(world)
    }

    /// Past the proxy.
    pub(crate) fn account(&self, id: &str) -> Account {
        self.emulator.account(id, REGION)
    }

    /// An engine with a memory of its own.
    pub(crate) fn engine(&self, scenario: &str) -> Engine {
        self.engine_as(scenario, None)
    }

    /// The same, acting as roles.
    pub(crate) fn engine_as(&self, scenario: &str, role: Option<RoleAccess>) -> Engine {
        let access = |id: &str| {
            let source = Source::Keys { id: id.to_owned(), secret: "test".to_owned(), session: None };
            (id.to_owned(), Access { source, role: role.clone() })
        };
        let mut connector = AwsConnector::default();
        connector.accounts = BTreeMap::from([access(PRODUCTION), access(TOOLS)]);
        connector.endpoint_url = Some(self.proxy.url.clone());
        let store = FileStore::new(self.folder.path().join(scenario.replace(' ', "-")));
        let mut engine = Engine::new(Arc::new(connector), Arc::new(store));
        engine.retry =
            RetryPolicy { base: Duration::from_millis(2), cap: Duration::from_millis(20), ..RetryPolicy::default() };
        engine.pace = Pace { first: Duration::from_millis(5), longest: Duration::from_millis(20) };
        engine
    }

    /// A version with another `Tools`.
    pub(crate) fn with_tools(&self, version: usize, name: &str, change: impl FnOnce(&mut StackArtifact)) -> Assembly {
        let mut assembly = self.versions[version].clone();
        change(assembly.stacks.iter_mut().find(|stack| stack.id == "Tools").unwrap());
        // The template is taken from the folder, where there is one.
        assembly.write(&self.folder.path().join(name)).unwrap()
    }

    /// The second version with a parameter in `Tools` whose name somebody else has.
    pub(crate) fn failing(&self) -> Assembly {
        self.with_tools(1, "failing", |tools| {
            tools.template["Resources"]["Taken"] = self.taken();
        })
    }

    /// A resource that cannot be made.
    pub(crate) fn taken(&self) -> Value {
        let put = json!({ "Name": "/taken", "Type": "String", "Value": "theirs", "Overwrite": true });
        assert!(self.account(TOOLS).json("ssm", "AmazonSSM.PutParameter", &put).is_success());
        json!({ "Type": "AWS::SSM::Parameter", "Properties": { "Name": "/taken", "Type": "String", "Value": "mine" } })
    }

    /// Deploys all of it, and it must work.
    pub(crate) fn deploy(&self, engine: &Engine, assembly: &Assembly) {
        let deployed = engine.deploy(assembly, &Selection::default(), StackOptions::default(), RunOptions::default());
        let (summary, _) = finish(deployed);
        assert!(summary.is_success(), "{summary:?}");
    }

    /// Deletes all of it, and it must work.
    pub(crate) fn destroy(&self, engine: &Engine, assembly: &Assembly) {
        let destroyed =
            engine.destroy(assembly, &Selection::default(), DestroyOptions::default(), RunOptions::default());
        let (summary, _) = finish(destroyed);
        assert!(summary.is_success(), "{summary:?}");
        sample::forget_assets(&self.account(TOOLS), TOOLS);
    }

    /// A value that a parameter of `Tools` has in its service.
    pub(crate) fn value(&self, account: &str, name: &str) -> Option<String> {
        let answer = self.account(account).json("ssm", "AmazonSSM.GetParameter", &json!({ "Name": name }));
        answer.is_success().then(|| answer.json()["Parameter"]["Value"].as_str().unwrap().to_owned())
    }

    /// How often `Tools` began an operation, by the status that it begins with.
    pub(crate) fn begun(&self, status: &str) -> usize {
        let events = self.cloudformation(TOOLS, "DescribeStackEvents", &[("StackName", "Tools")]);
        sample::operations(&events, status)
    }

    /// The next call of each of these names meets the fault. The log begins anew.
    pub(crate) fn break_one_of_each(&self, actions: &[&str], fault: Fault) {
        self.proxy.take_log();
        for action in actions {
            self.proxy.inject(action, fault, 1);
        }
    }

    /// Every call that was broken and made again was told as such.
    pub(crate) fn check_told(&self, events: &[Event], context: &str) {
        let told: BTreeSet<&str> = events
            .iter()
            .filter_map(|event| match event {
                Event::Retrying { operation, .. } => Some(operation.as_str()),
                _ => None,
            })
            .collect();
        for seen in self.proxy.broken() {
            assert!(told.contains(seen.as_str()), "{context}: the user was not told that {seen} failed: {events:?}");
        }
    }

    pub(crate) fn cloudformation(&self, account: &str, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let answer = self.account(account).query("cloudformation", "2010-05-15", action, parameters);
        assert!(answer.is_success(), "{answer:?}");
        answer
    }
}

pub(crate) fn names(log: Vec<Seen>) -> BTreeSet<String> {
    log.into_iter().map(|seen| seen.action).collect()
}

/// Runs it to its end.
pub(crate) fn finish((run, mut events): (Run<Result<Summary, RunError>>, Events)) -> (Summary, Vec<Event>) {
    let summary = runtime().block_on(run).expect("all accounts can be reached");
    let mut told = Vec::new();
    while let Some(event) = events.try_next() {
        told.push(event);
    }
    (summary, told)
}

/// What became of `Tools`.
pub(crate) fn tools(summary: &Summary) -> &Outcome {
    &summary.stacks["Tools"]
}
