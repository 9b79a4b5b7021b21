//! Permissions that come and go, so that a reader sees what is different: a statement that only changes is one line, and a policy that is
//! all new or all gone is another.

use std::collections::BTreeSet;

use xacct_deploy::SecurityChange;
use xacct_deploy::plan::StackPlan;

use super::{shortened, shortened_pair};
use crate::terminal::Style;
use crate::verbs::count;

/// A policy that is all new, or all gone, and has more statements than this is summed up.
const FEW: usize = 3;
/// So many actions of a statement are named.
const SHOWN_ACTIONS: usize = 2;

pub(super) fn lines(stack: &StackPlan, style: &Style) -> Vec<String> {
    let groups = stack.security.chunk_by(|a, b| a.logical_id == b.logical_id);
    groups.flat_map(|changes| of_resource(stack, changes, style)).collect()
}

fn of_resource(stack: &StackPlan, changes: &[SecurityChange], style: &Style) -> Vec<String> {
    let path = changes.first().map(|it| name(stack, it)).unwrap_or_default();
    let (mut added, mut removed): (Vec<_>, Vec<_>) = changes.iter().partition(|it| it.added);
    let mut lines = Vec::new();
    added.retain(|new| {
        let Some(index) = removed.iter().position(|old| is_same_but_for_one(old, new)) else { return true };
        let old = removed.remove(index);
        lines.push(changed(path, old, new, style));
        lines.extend(edge(stack, new, style).filter(|_| old.other_account != new.other_account));
        false
    });
    for (sign, them) in [("+", added), ("-", removed)] {
        if them.len() > FEW && !style.is_uncut() {
            lines.push(summed_up(path, sign, &them, style));
            lines.extend(them.iter().find_map(|it| edge(stack, it, style)));
            continue;
        }
        for it in them {
            lines.push(one(path, sign, it, style));
            lines.extend(edge(stack, it, style));
        }
    }
    lines
}

/// The path of what has the policy, within its stack.
fn name<'a>(stack: &StackPlan, change: &'a SecurityChange) -> &'a str {
    let path = change.path.as_deref().unwrap_or(&change.logical_id);
    let path = path.strip_prefix(stack.display_name.as_str()).and_then(|it| it.strip_prefix('/')).unwrap_or(path);
    path.strip_suffix("/Resource").unwrap_or(path)
}

fn is_same_but_for_one(old: &SecurityChange, new: &SecurityChange) -> bool {
    let is_same = [old.principal == new.principal, old.resource == new.resource, old.condition == new.condition];
    old.effect == new.effect && old.actions == new.actions && is_same.iter().filter(|it| **it).count() >= 2
}

fn arrow(broadens: bool, style: &Style) -> String {
    if broadens { style.yellow("↑") } else { style.green("↓") }
}

/// A statement that stays what it is, but for whom, on what or when.
fn changed(path: &str, old: &SecurityChange, new: &SecurityChange, style: &Style) -> String {
    let what = format!("{path}  {} {}", new.effect.to_lowercase(), actions(new, style));
    let room = style.width.saturating_sub(20 + what.chars().count()) / 2;
    let fields = [
        (" on ", &old.resource, &new.resource),
        (" to ", &old.principal, &new.principal),
        (" if ", &old.condition, &new.condition),
    ];
    let text = |it: &Option<String>| it.as_deref().map_or_else(|| "anything".to_owned(), readable);
    let differing = fields.into_iter().filter(|(_, old, new)| old != new).map(|(word, old, new)| {
        let (old, new) = shortened_pair(&text(old), &text(new), room);
        format!("{word}{old} ⇒ {new}")
    });
    format!("    {} {what}{}", style.yellow("↕"), differing.collect::<String>())
}

fn one(path: &str, sign: &str, change: &SecurityChange, style: &Style) -> String {
    let mut text = format!("{sign}{} {}", change.effect.to_lowercase(), actions(change, style));
    if let Some(resource) = &change.resource {
        text.push_str(&format!(" on {}", readable(resource)));
    }
    if let Some(principal) = &change.principal {
        text.push_str(&format!(" → {}", readable(principal)));
    }
    if let Some(condition) = &change.condition {
        text.push_str(&format!(" if {condition}"));
    }
    let room = style.width.saturating_sub(8 + path.chars().count());
    format!("    {} {path}  {}", arrow(change.broadens, style), shortened(&text, room))
}

fn summed_up(path: &str, sign: &str, changes: &[&SecurityChange], style: &Style) -> String {
    let actions: BTreeSet<&str> = changes.iter().flat_map(|it| it.actions.iter().map(String::as_str)).collect();
    let services: BTreeSet<&str> = actions.iter().filter_map(|it| it.split(':').next()).collect();
    let services: Vec<&str> = services.into_iter().collect();
    let denials = changes.iter().filter(|it| it.effect == "Deny").count();
    let denials = if denials > 0 { format!(", {} to deny", count(denials, "statement")) } else { String::new() };
    let text = format!(
        "{sign}{} on {} of {}{denials} (-v lists them)",
        count(changes.len(), "statement"),
        count(actions.len(), "action"),
        services.join(", ")
    );
    let broadens = changes.iter().any(|it| it.broadens);
    format!("    {} {path}  {text}", arrow(broadens, style))
}

fn edge(stack: &StackPlan, change: &SecurityChange, style: &Style) -> Option<String> {
    let other = change.other_account.as_ref().filter(|_| change.broadens)?;
    let text = format!("⚠ NEW cross-account edge {other} → {}", stack.environment.account);
    Some(format!("      {}", style.yellow(&text)))
}

fn actions(change: &SecurityChange, style: &Style) -> String {
    let all = &change.actions;
    if all.len() <= SHOWN_ACTIONS + 1 || style.is_uncut() {
        return all.join(", ");
    }
    format!("{} (+{})", all[..SHOWN_ACTIONS].join(", "), all.len() - SHOWN_ACTIONS)
}

/// An ARN without what everybody knows: `222222222222:role/build`.
fn readable(text: &str) -> String {
    let mut parts = text.splitn(6, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("arn"), Some(_), Some("iam"), Some(_), Some(account), Some(resource)) => format!("{account}:{resource}"),
        _ => text.to_owned(),
    }
}
