//! Works through a graph: what is ready runs concurrently, up to a limit; a failure holds back what depends on it, and nothing else.

use std::collections::{BTreeSet, BinaryHeap};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::run::{Handle, Intent};

/// A graph of work. Nodes are numbers; `after[n]` are those that come before `n`.
pub(crate) struct Graph {
    after: Vec<BTreeSet<usize>>,
    lane: Vec<Lane>,
}

/// Each lane has its own limit, so that uploads do not take the places of stacks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Stacks,
    Assets,
}

/// How many nodes of each lane are worked on at the same time, and what a failure means for the others.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) stacks: usize,
    pub(crate) assets: usize,
    pub(crate) stop_on_failure: bool,
}

/// What became of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was worked on, and did well or not.
    Worked { well: bool },
    /// These failed, and it depends on them.
    HeldBack(BTreeSet<usize>),
    /// The run was told to stop.
    NotStarted,
}

impl Graph {
    /// Panics never: an edge to a node that is not there is ignored.
    pub(crate) fn new(nodes: Vec<(Lane, BTreeSet<usize>)>) -> Self {
        let count = nodes.len();
        let (lane, mut after): (Vec<_>, Vec<BTreeSet<usize>>) = nodes.into_iter().unzip();
        for before in &mut after {
            before.retain(|node| *node < count);
        }
        Self { after, lane }
    }

    /// The nodes that come directly before one.
    pub(crate) fn before(&self, node: usize) -> impl Iterator<Item = usize> {
        self.after[node].iter().copied()
    }

    /// The wave of each node: the length of the longest chain before it. None if there is a cycle.
    pub(crate) fn waves(&self) -> Option<Vec<usize>> {
        let mut waves = vec![0; self.after.len()];
        let mut missing: Vec<usize> = self.after.iter().map(BTreeSet::len).collect();
        let dependents = self.dependents();
        let mut ready: Vec<usize> = (0..missing.len()).filter(|n| missing[*n] == 0).collect();
        let mut seen = 0;
        while let Some(node) = ready.pop() {
            seen += 1;
            for &next in &dependents[node] {
                waves[next] = waves[next].max(waves[node] + 1);
                missing[next] -= 1;
                if missing[next] == 0 {
                    ready.push(next);
                }
            }
        }
        (seen == waves.len()).then_some(waves)
    }

    fn dependents(&self) -> Vec<Vec<usize>> {
        let mut dependents = vec![Vec::new(); self.after.len()];
        for (node, before) in self.after.iter().enumerate() {
            for &it in before {
                dependents[it].push(node);
            }
        }
        dependents
    }

    /// The length of the longest chain that waits for each node: those with the longest go first.
    fn urgency(&self, dependents: &[Vec<usize>]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.after.len()).collect();
        let waves = self.waves().unwrap_or_else(|| vec![0; self.after.len()]);
        order.sort_by_key(|node| std::cmp::Reverse(waves[*node]));
        let mut urgency = vec![0; self.after.len()];
        for node in order {
            let longest = dependents[node].iter().map(|next| urgency[*next] + 1).max();
            urgency[node] = longest.unwrap_or(0);
        }
        urgency
    }

    /// Runs `work` for every node, and returns what became of each.
    pub(crate) async fn run<'a>(
        &self,
        limits: Limits,
        handle: &Handle,
        work: impl Fn(usize) -> BoxFuture<'a, bool>,
    ) -> Vec<Ending> {
        let dependents = self.dependents();
        let urgency = self.urgency(&dependents);
        let mut missing: Vec<usize> = self.after.iter().map(BTreeSet::len).collect();
        let mut endings: Vec<Option<Ending>> = vec![None; missing.len()];
        // The most urgent first, and among equals in the order of the assembly.
        let entry = |node: usize| (urgency[node], std::cmp::Reverse(node));
        let mut stacks = BinaryHeap::new();
        let mut assets = BinaryHeap::new();
        for node in (0..missing.len()).filter(|node| missing[*node] == 0) {
            match self.lane[node] {
                Lane::Stacks => stacks.push(entry(node)),
                Lane::Assets => assets.push(entry(node)),
            }
        }
        let mut running = FuturesUnordered::new();
        let (mut stacks_running, mut assets_running) = (0, 0);
        let mut stopped = false;
        loop {
            stopped |= handle.intent() != Intent::Continue;
            if !stopped {
                while stacks_running < limits.stacks.max(1)
                    && let Some((_, std::cmp::Reverse(node))) = stacks.pop()
                {
                    stacks_running += 1;
                    running.push(Self::numbered(node, work(node)));
                }
                while assets_running < limits.assets.max(1)
                    && let Some((_, std::cmp::Reverse(node))) = assets.pop()
                {
                    assets_running += 1;
                    running.push(Self::numbered(node, work(node)));
                }
            }
            let Some((node, well)) = running.next().await else {
                break;
            };
            match self.lane[node] {
                Lane::Stacks => stacks_running -= 1,
                Lane::Assets => assets_running -= 1,
            }
            endings[node] = Some(Ending::Worked { well });
            if !well {
                stopped |= limits.stop_on_failure;
                hold_back(node, &dependents, &mut endings);
                continue;
            }
            for &next in &dependents[node] {
                missing[next] -= 1;
                if missing[next] == 0 && endings[next].is_none() {
                    match self.lane[next] {
                        Lane::Stacks => stacks.push(entry(next)),
                        Lane::Assets => assets.push(entry(next)),
                    }
                }
            }
        }
        endings.into_iter().map(|ending| ending.unwrap_or(Ending::NotStarted)).collect()
    }

    async fn numbered(node: usize, work: BoxFuture<'_, bool>) -> (usize, bool) {
        (node, work.await)
    }
}

/// Everything behind a failed node is held back by it.
fn hold_back(failed: usize, dependents: &[Vec<usize>], endings: &mut [Option<Ending>]) {
    let mut behind = dependents[failed].clone();
    let mut seen = BTreeSet::new();
    while let Some(node) = behind.pop() {
        if !seen.insert(node) {
            continue;
        }
        match &mut endings[node] {
            Some(Ending::HeldBack(because)) => {
                because.insert(failed);
            }
            other => *other = Some(Ending::HeldBack(BTreeSet::from([failed]))),
        }
        behind.extend(&dependents[node]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Mutex;
    use std::time::Duration;

    fn stacks(after: &[&[usize]]) -> Graph {
        let nodes = after.iter().map(|before| (Lane::Stacks, before.iter().copied().collect()));
        Graph::new(nodes.collect())
    }

    fn limits(stacks: usize) -> Limits {
        Limits { stacks, assets: 1, stop_on_failure: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_holds_back_its_dependents_and_nobody_else() {
        let graph = stacks(&[&[], &[0], &[1], &[], &[3]]);
        let work = |node: usize| -> BoxFuture<'_, bool> { Box::pin(async move { node != 0 }) };
        let endings = graph.run(limits(2), &Handle::new(), work).await;
        assert_eq!(endings[0], Ending::Worked { well: false });
        assert_eq!(endings[1], Ending::HeldBack(BTreeSet::from([0])));
        assert_eq!(endings[2], Ending::HeldBack(BTreeSet::from([0])));
        assert_eq!(endings[4], Ending::Worked { well: true });
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_chain_goes_first() {
        // Twenty independent nodes and a chain of five, two at a time, one second each.
        let mut after: Vec<&[usize]> = vec![&[]; 20];
        after.extend([&[][..], &[20], &[21], &[22], &[23]]);
        let start = tokio::time::Instant::now();
        let work = |_| -> BoxFuture<'_, bool> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                true
            })
        };
        stacks(&after).run(limits(2), &Handle::new(), work).await;
        assert_eq!(start.elapsed(), Duration::from_secs(13));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_stop_nothing_new_is_started() {
        let graph = stacks(&[&[], &[0], &[]]);
        let handle = Handle::new();
        let work = |_| -> BoxFuture<'_, bool> {
            let handle = handle.clone();
            Box::pin(async move {
                handle.set(Intent::StopStarting);
                true
            })
        };
        let endings = graph.run(limits(1), &handle, work).await;
        assert_eq!(endings[1..], [Ending::NotStarted, Ending::NotStarted]);
    }

    proptest! {
        #[test]
        fn nothing_starts_before_what_it_waits_for(
            edges in prop::collection::vec((0usize..30, 0usize..30), 0..80), limit in 1usize..6
        ) {
            let mut after = vec![BTreeSet::new(); 30];
            for (a, b) in edges {
                if a != b {
                    after[a.max(b)].insert(a.min(b));
                }
            }
            let graph = Graph::new(after.iter().cloned().map(|it| (Lane::Stacks, it)).collect());
            let order = Mutex::new(Vec::new());
            let work = |node| -> BoxFuture<'_, bool> {
                let order = &order;
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    order.lock().unwrap().push(node);
                    true
                })
            };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(graph.run(limits(limit), &Handle::new(), work));
            let order = order.into_inner().unwrap();
            prop_assert_eq!(order.len(), 30);
            for (at, node) in order.iter().enumerate() {
                prop_assert!(after[*node].iter().all(|it| order[..at].contains(it)));
            }
        }
    }
}
