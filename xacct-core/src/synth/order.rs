//! The order of the stacks, or the cycle that keeps them from having one.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::tree::{NodeId, Tree};

use super::context::Draft;

/// Every stack after those that it depends on; where that leaves a choice, by path.
pub(super) fn order(tree: &Tree, drafts: &BTreeMap<NodeId, Draft>) -> Result<Vec<NodeId>, Box<Diagnostic>> {
    let mut by_path: Vec<(String, NodeId)> = drafts.keys().map(|&id| (tree.path(id), id)).collect();
    by_path.sort();
    let mut order: Vec<NodeId> = Vec::with_capacity(by_path.len());
    while !by_path.is_empty() {
        let ready = by_path.iter().position(|(_, id)| drafts[id].edges.keys().all(|it| order.contains(it)));
        match ready {
            Some(index) => order.push(by_path.remove(index).1),
            None => return Err(Box::new(cycle(tree, drafts, by_path[0].1, &order))),
        }
    }
    Ok(order)
}

/// Follows the first open edge of each stack until one comes again.
fn cycle(tree: &Tree, drafts: &BTreeMap<NodeId, Draft>, start: NodeId, done: &[NodeId]) -> Diagnostic {
    let mut walk = vec![start];
    let first = loop {
        let last = walk[walk.len() - 1];
        let Some(next) = drafts[&last].edges.keys().copied().find(|it| !done.contains(it)) else { break 0 };
        if let Some(at) = walk.iter().position(|&it| it == next) {
            walk.push(next);
            break at;
        }
        walk.push(next);
    };
    let ring = &walk[first..];
    let names: Vec<String> = ring.iter().map(|&it| format!("`{}`", tree.path(it))).collect();
    let mut diagnostic =
        Diagnostic::error("stack-cycle", format!("stacks depend on each other: {}", names.join(" -> ")));
    let mut ways_out: Vec<String> = Vec::new();
    for pair in ring.windows(2) {
        let Some(edge) = drafts[&pair[0]].edges.get(&pair[1]) else { continue };
        diagnostic = diagnostic.related(format!("{}, at", edge.reason), edge.at);
        ways_out.extend(edge.way_out.clone());
    }
    ways_out.dedup();
    let help = if ways_out.is_empty() {
        "break the circle: move a resource to the other stack, or take one of the dependencies away".to_owned()
    } else {
        format!(
            "to break the circle, {}: then the other stack refers to it by name, and needs not wait",
            ways_out.join(", or ")
        )
    };
    diagnostic.help(help)
}
