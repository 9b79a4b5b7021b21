//! A stack is deployed in memory with the execution role that the same program makes for it.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

use std::sync::Arc;

use xacct_core::{App, Assembly};
use xacct_deploy::memory::World;
use xacct_deploy::{DestroyOptions, Engine, Environment, MemoryStore, RunOptions, Selection, StackOptions};

#[allow(dead_code, unreachable_pub, reason = "its `main` is for `cargo run --example`")]
#[path = "../../xacct-constructs/examples/baseline.rs"]
mod baseline;

fn synth() -> Assembly {
    let app = App::new();
    baseline::define(&app);
    app.synth().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_baseline_comes_first_and_the_workload_has_its_role() {
    let assembly = synth();
    let world = World::new();
    let engine = Engine::new(Arc::new(world.clone()), Arc::new(MemoryStore::default()));
    let (run, _events) =
        engine.deploy(&assembly, &Selection::default(), StackOptions::default(), RunOptions::default());
    assert!(run.await.unwrap().is_success());

    let workload = assembly.stack("Workload").unwrap();
    let role = workload.execution_role.as_deref();
    let service = world.clients(&Environment::from(&workload.environment)).cloudformation;
    let deployed = service.describe_stack("Workload").await.unwrap();
    assert_eq!(deployed.role_arn.as_deref(), role);
    assert!(role.unwrap().starts_with("arn:aws:iam::222222222222:role/"));

    // The workload is destroyed while its role still exists.
    let (run, _events) =
        engine.destroy(&assembly, &Selection::default(), DestroyOptions::default(), RunOptions::default());
    assert!(run.await.unwrap().is_success());
}
