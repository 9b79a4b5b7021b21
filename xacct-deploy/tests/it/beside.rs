//! Runs beside each other, and looking at what can be seen when not everything can.

use std::sync::Arc;

use xacct_deploy::memory::World;
use xacct_deploy::*;

use crate::world::*;

#[tokio::test(start_paused = true)]
async fn who_reserves_the_records_keeps_others_away_from_plan_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::builder().bootstrapped().build();
    let of = |world: &World| engine(world, Arc::new(FileStore::new(directory.path())));
    let (first, second) = (of(&world), of(&world));
    let reserved = first.reserve().unwrap();
    assert!(matches!(second.reserve(), Err(StateError::Locked { process: Some(_), .. })));
    let (run, _events) = start(&second, Verb::Deploy(1));
    assert!(matches!(run.await, Err(RunError::State(StateError::Locked { .. }))));
    // Looking needs no lock.
    assert_eq!(second.status(&six_stacks(1), &Selection::default()).await.unwrap().len(), 6);
    // As many runs as it likes, one after the other.
    for verb in [Verb::Deploy(1), Verb::Deploy(2)] {
        assert!(start(&reserved, verb).0.await.unwrap().is_success());
    }
    drop(reserved);
    assert!(start(&second, Verb::Destroy).0.await.unwrap().is_success());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_reached_is_set_apart() {
    let world = World::builder().wrong_account("222222222222", "444444444444").build();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let (reached, problems) = engine.reachable(&six_stacks(1), &Selection::default()).await.unwrap();
    let expected = ["Base", "Right", "Side", "Top"].map(str::to_owned);
    assert_eq!(reached.stacks.as_ref().unwrap().iter().cloned().collect::<Vec<_>>(), expected);
    let found: Vec<_> = problems.iter().map(|it| (it.environment.account.as_str(), it.kind)).collect();
    assert_eq!(found, [("222222222222", ProblemKind::WrongAccount)]);
    assert_eq!(engine.status(&six_stacks(1), &reached).await.unwrap().len(), 4);
}
