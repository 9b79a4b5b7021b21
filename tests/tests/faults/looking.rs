//! Plans, states, resources and drift.

use xacct_deploy::Selection;
use xacct_tests::{demanded, runtime};

use crate::FAULTS;
use crate::world::{World, names};

/// Plans, states, resources and drift are the same whatever breaks once on the way to them.
#[test]
fn what_only_looks_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let engine = world.engine("looking");
    world.deploy(&engine, &world.versions[0]);
    let all = Selection::default();
    let look = || {
        runtime().block_on(async {
            let version = &world.versions[1];
            // First: what it finds is shown with the resources.
            let drift = serde_json::to_value(engine.drift(version, &all).await.unwrap()).unwrap();
            let plan = serde_json::to_value(engine.plan(version, &all).await.unwrap()).unwrap();
            let status = serde_json::to_value(engine.status(version, &all).await.unwrap()).unwrap();
            let resources = serde_json::to_value(engine.resources(version, &all).await.unwrap()).unwrap();
            [drift, plan, status, resources]
        })
    };
    world.proxy.take_log();
    let expected = look();
    let seen = format!("{expected:?}");
    for text in ["Topic", "CREATE_COMPLETE", "IN_SYNC"] {
        assert!(seen.contains(text), "{text} is not in {seen}");
    }
    let calls = names(world.proxy.take_log());
    for call in [
        "GetTemplate",
        "ListStackResources",
        "DetectStackDrift",
        "DescribeStackDriftDetectionStatus",
        "DescribeStackResourceDrifts",
    ] {
        assert!(calls.contains(call), "{call} is never called: {calls:?}");
    }
    for action in &calls {
        for fault in FAULTS {
            world.proxy.inject(action, fault, 1);
            let found = look();
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{action} {fault:?}");
            }
            assert_eq!(world.proxy.pending(), 0, "{action} {fault:?}");
        }
    }
}
