//! Many stacks: how long they take, and how many calls.

use std::sync::Arc;

use tokio::time::Instant;
use xacct_core::assembly::Assembly;
use xacct_deploy::memory::World;
use xacct_deploy::*;

use crate::double::play;
use crate::world::*;

async fn deploy(world: &World, assembly: &Assembly, concurrency: usize) -> (Summary, std::time::Duration) {
    let engine = engine(world, Arc::new(MemoryStore::default()));
    let mut options = RunOptions::default();
    options.concurrency = concurrency;
    let start = Instant::now();
    let (run, events) = engine.deploy(assembly, &Selection::default(), StackOptions::default(), options);
    let summary = play(run, events).await.result.unwrap();
    assert!(summary.is_success(), "{summary:?}");
    (summary, start.elapsed())
}

fn chain(length: usize) -> Assembly {
    let mut assembly = Assembly::default();
    for number in 0..length {
        let before = format!("Chain{}", number.wrapping_sub(1));
        let inputs: &[&str] = if number == 0 { &[] } else { &[&before] };
        assembly.stacks.push(queue_stack(&format!("Chain{number}"), "111111111111", inputs, 1));
    }
    assembly
}

#[tokio::test(start_paused = true)]
async fn a_hundred_stacks_beside_a_chain_of_ten_take_the_time_of_the_chain() {
    let (_, alone) = deploy(&World::new(), &chain(10), 100).await;
    let mut assembly = chain(10);
    for number in 0..100 {
        let account = ["111111111111", "222222222222", "333333333333"][number % 3];
        assembly.stacks.insert(0, queue_stack(&format!("Single{number}"), account, &[], 1));
    }
    let world = World::new();
    let (_, together) = deploy(&world, &assembly, 110).await;
    assert_eq!(together, alone);
    for operation in ["CreateChangeSet", "ExecuteChangeSet"] {
        assert_eq!(world.count(operation), 110, "{operation}");
    }
    // With 20 places, 100 stacks take at least 5 rounds in 19 of them while the chain goes on in one: still the chain's time.
    let (_, limited) = deploy(&World::new(), &assembly, 20).await;
    assert_eq!(limited, alone);
}

#[tokio::test(start_paused = true)]
async fn calls_per_stack_are_near_the_minimum() {
    let world = World::new();
    let assembly = chain(10);
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let deploy = || engine.deploy(&assembly, &Selection::default(), StackOptions::default(), RunOptions::default());
    let (run, events) = deploy();
    let summary = play(run, events).await.result.unwrap();
    // One each to describe, to make, execute and describe a change set that takes two seconds (three looks), to describe the
    // result; and the looks at events of an operation that takes some eight seconds.
    for stack in &assembly.stacks {
        let calls = world.count_for(&stack.stack_name);
        assert!(calls <= 16, "{} took {calls} calls: {:?}", stack.id, summary.calls);
    }
    world.forget_calls();
    let (run, events) = deploy();
    play(run, events).await.result.unwrap();
    for stack in &assembly.stacks {
        assert_eq!(world.count_for(&stack.stack_name), 1);
    }
    assert_eq!(world.calls().len(), 11, "one more for the identity of the account");
}
