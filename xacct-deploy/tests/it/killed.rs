//! A run that is killed at any moment, and started again, ends as if nothing had happened.
//!
//! The moments are: before and after each call to the service (the service acts, and nobody hears the answer), and before and
//! after each write of a record. Four things are done with six stacks in three accounts; each is killed at each of its moments,
//! in a world of its own, and run again; at every second moment the world goes on for a while in between.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use xacct_deploy::memory::{Action, CallFault, Fault, ResourceFault, World};
use xacct_deploy::*;

use crate::world::*;

/// What is done, and what the world is like before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scenario {
    Create,
    Update,
    /// The update of a stack fails and is rolled back.
    FailingUpdate,
    /// The creation of a stack fails and is rolled back.
    FailingCreate,
    Destroy,
}

impl Scenario {
    fn fails(self) -> bool {
        matches!(self, Self::FailingUpdate | Self::FailingCreate)
    }

    fn verb(self) -> Verb {
        match self {
            Self::Create | Self::FailingCreate => Verb::Deploy(1),
            Self::Update | Self::FailingUpdate => Verb::Deploy(2),
            Self::Destroy => Verb::Destroy,
        }
    }

    /// A world, and the records of the runs before, in which the thing is about to be done.
    async fn prepare(self) -> (World, MemoryStore) {
        let (world, store) = (World::new(), MemoryStore::default());
        if !matches!(self, Self::Create | Self::FailingCreate) {
            let engine = engine(&world, Arc::new(store.clone()));
            assert!(finish(&engine, Verb::Deploy(1)).await.result.unwrap().is_success());
        }
        match self {
            Self::FailingUpdate => {
                world.fail_resource(ResourceFault::fail("Queue", Action::Update, "no more").stack("Middle").times(99));
            }
            Self::FailingCreate => {
                world.fail_resource(ResourceFault::fail("Queue", Action::Create, "no more").stack("Middle").times(99));
            }
            _ => {}
        }
        world.forget_calls();
        (world, store)
    }
}

/// When the process dies.
#[derive(Clone, Copy, Debug)]
enum Moment {
    BeforeCall(u32),
    AfterCall(u32),
    BeforeSave(u32),
    AfterSave(u32),
}

/// Records that take the process down with them.
struct Fatal {
    inner: MemoryStore,
    moment: Option<Moment>,
    writes: AtomicU32,
}

impl Fatal {
    fn write(&self, write: impl FnOnce() -> Result<(), StateError>) -> Result<(), StateError> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if matches!(self.moment, Some(Moment::BeforeSave(n)) if n == number) {
            std::panic::resume_unwind(Box::new("killed"));
        }
        let result = write();
        if matches!(self.moment, Some(Moment::AfterSave(n)) if n == number) {
            std::panic::resume_unwind(Box::new("killed"));
        }
        result
    }
}

impl Store for Fatal {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, StateError> {
        self.inner.lock()
    }
    fn holder(&self) -> Option<Holder> {
        self.inner.holder()
    }
    fn load(&self, key: &StackKey) -> Result<StackRecord, StateError> {
        self.inner.load(key)
    }
    fn save(&self, key: &StackKey, record: &StackRecord) -> Result<(), StateError> {
        self.write(|| self.inner.save(key, record))
    }
    fn remove(&self, key: &StackKey) -> Result<(), StateError> {
        self.write(|| self.inner.remove(key))
    }
}

/// Runs until the moment, or to the end if it never comes. Whether it came.
async fn run_until(world: &World, store: &MemoryStore, verb: Verb, moment: Moment) -> bool {
    match moment {
        Moment::BeforeCall(n) => world.fail_call(CallFault::new(Fault::HangBefore).nth(n)),
        Moment::AfterCall(n) => world.fail_call(CallFault::new(Fault::HangAfter).nth(n)),
        _ => {}
    }
    let fatal = Fatal { inner: store.clone(), moment: Some(moment), writes: AtomicU32::new(0) };
    let engine = engine(world, Arc::new(fatal));
    let (run, _events) = start(&engine, verb);
    tokio::select! {
        ended = AssertUnwindSafe(run).catch_unwind() => ended.is_err(),
        () = world.hung() => true,
    }
}

/// How many calls and writes the thing takes when nobody interrupts it.
async fn moments(scenario: Scenario) -> (u32, u32) {
    let (world, store) = scenario.prepare().await;
    let fatal = Arc::new(Fatal { inner: store, moment: None, writes: AtomicU32::new(0) });
    finish(&engine(&world, fatal.clone()), scenario.verb()).await.result.unwrap();
    (u32::try_from(world.calls().len()).unwrap(), fatal.writes.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_creation_killed_at_every_moment() {
    assert!(check(Scenario::Create).await > 150);
}

#[tokio::test(start_paused = true)]
async fn an_update_killed_at_every_moment() {
    assert!(check(Scenario::Update).await > 150);
}

#[tokio::test(start_paused = true)]
async fn a_failing_update_killed_at_every_moment() {
    assert!(check(Scenario::FailingUpdate).await > 150);
}

#[tokio::test(start_paused = true)]
async fn a_failing_creation_killed_at_every_moment() {
    assert!(check(Scenario::FailingCreate).await > 100);
}

#[tokio::test(start_paused = true)]
async fn a_destroy_killed_at_every_moment() {
    assert!(check(Scenario::Destroy).await > 80);
}

/// Kills a run at every moment, runs it again, and compares. The number of moments.
async fn check(scenario: Scenario) -> usize {
    let (world, store) = scenario.prepare().await;
    let before = stacks(&world).await;
    finish(&engine(&world, Arc::new(store)), scenario.verb()).await.result.unwrap();
    let (expected, expected_beginnings) = (picture(&world).await, beginnings(&world, &before).await);
    assert!(
        !expected_beginnings.is_empty() && expected_beginnings.values().all(|it| *it == 1),
        "{expected_beginnings:?}"
    );
    let (calls, writes) = moments(scenario).await;
    let at_calls = (1..=calls).flat_map(|n| [Moment::BeforeCall(n), Moment::AfterCall(n)]);
    let at_writes = (1..=writes).flat_map(|n| [Moment::BeforeSave(n), Moment::AfterSave(n)]);
    let all: Vec<Moment> = at_calls.chain(at_writes).collect();
    for (number, moment) in all.iter().enumerate() {
        let (world, store) = scenario.prepare().await;
        let before = stacks(&world).await;
        let died = run_until(&world, &store, scenario.verb(), *moment).await;
        assert!(died, "{scenario:?} {moment:?} never came");
        let unfinished = open_operations(&store);
        if number % 2 == 1 {
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
        let again = finish(&engine(&world, Arc::new(store.clone())), scenario.verb()).await;
        let summary = again.result.unwrap();
        assert_eq!(summary.is_success(), !scenario.fails(), "{scenario:?} {moment:?}: {summary:?}");
        assert_eq!(picture(&world).await, expected, "{scenario:?} {moment:?}");
        let mut found = beginnings(&world, &before).await;
        if scenario == Scenario::FailingUpdate && !unfinished.contains(&"Middle".to_owned()) {
            // If the first run saw the failure and told it, the second tries anew, as it should.
            found.entry("Middle UPDATE_IN_PROGRESS".to_owned()).and_modify(|it| *it = 1.min(*it));
        }
        assert_eq!(found, expected_beginnings, "{scenario:?} {moment:?}: an operation was begun twice, or not at all");
        let left = open_operations(&store);
        assert!(left.is_empty(), "{scenario:?} {moment:?} left {left:?}");
    }
    all.len()
}

/// What somebody else deploys between a kill and the next run is not taken for what the next run wants.
#[tokio::test(start_paused = true)]
async fn an_update_killed_at_every_moment_and_overtaken_by_somebody_else() {
    let scenario = Scenario::Update;
    let (world, store) = scenario.prepare().await;
    finish(&engine(&world, Arc::new(store)), scenario.verb()).await.result.unwrap();
    let expected = picture(&world).await;
    let (calls, writes) = moments(scenario).await;
    let at_calls = (1..=calls).flat_map(|n| [Moment::BeforeCall(n), Moment::AfterCall(n)]);
    let at_writes = (1..=writes).flat_map(|n| [Moment::BeforeSave(n), Moment::AfterSave(n)]);
    for moment in at_calls.chain(at_writes) {
        let (world, store) = scenario.prepare().await;
        assert!(run_until(&world, &store, scenario.verb(), moment).await, "{moment:?} never came");
        let others = engine(&world, Arc::new(MemoryStore::default()));
        let theirs = finish(&others, Verb::Deploy(3)).await.result.unwrap();
        assert!(theirs.is_success(), "{moment:?}: {theirs:?}");

        let ours = engine(&world, Arc::new(store.clone()));
        let summary = finish(&ours, scenario.verb()).await.result.unwrap();
        assert!(summary.is_success(), "{moment:?}: {summary:?}");
        assert_eq!(picture(&world).await, expected, "{moment:?}");
        let summary = finish(&ours, scenario.verb()).await.result.unwrap();
        let unchanged = summary.stacks.values().all(|it| matches!(it, Outcome::Unchanged { .. }));
        assert!(unchanged, "{moment:?}: {summary:?}");
        assert!(open_operations(&store).is_empty(), "{moment:?}");
    }
}

/// Stacks whose record still has an operation open.
fn open_operations(store: &MemoryStore) -> Vec<String> {
    let stacks = six_stacks(1).stacks;
    let open = stacks.iter().filter(|artifact| {
        let key =
            StackKey { environment: Environment::from(&artifact.environment), stack_name: artifact.stack_name.clone() };
        store.load(&key).unwrap().in_flight.is_some()
    });
    open.map(|it| it.id.clone()).collect()
}
