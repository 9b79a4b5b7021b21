//! What a deploy would do, for somebody who has to agree to it.

mod security;

use xacct_deploy::plan::{Plan, StackAction, StackPlan};
use xacct_deploy::{ChangeKind, Effect, LossKind, PropertyDiff, ResourceDiff, holds_data, path_of};

use crate::terminal::Style;
use crate::verbs::count;

/// A line a stack, and what to look out for.
pub(crate) fn summary(plan: &Plan, style: &Style) -> Vec<String> {
    let changing: Vec<&StackPlan> = plan.stacks.iter().filter(|it| it.action != StackAction::Nothing).collect();
    let name_width = changing.iter().map(|it| it.display_name.chars().count()).max().unwrap_or_default();
    let place_width = changing.iter().map(|it| it.environment.to_string().len()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for (index, stack) in changing.iter().enumerate() {
        let head = if index == 0 { "Plan" } else { "" };
        lines.push(format!(
            "   {} wave {:<2} {:<name_width$}  {:<place_width$}  {}",
            style.bold(&format!("{head:<8}")),
            stack.wave + 1,
            stack.display_name,
            stack.environment.to_string(),
            what(stack, style),
        ));
        if let Some(problem) = &stack.problem {
            lines.push(format!("            {}", style.red(&problem.message)));
        }
    }
    let broader = plan.stacks.iter().flat_map(|it| &it.security).filter(|it| it.broadens).count();
    if broader > 0 {
        let verb = if broader == 1 { "broadens" } else { "broaden" };
        let text = format!("{} {verb} access", count(broader, "statement"));
        lines.push(format!("   {} {}", style.bold("Security"), style.yellow(&text)));
    }
    let warning = |head: &str, text: &str| format!("   {} {}", style.bold(&format!("{head:<8}")), style.red(text));
    for stack in plan.stacks.iter().filter(|it| it.termination_protection == Some(false)) {
        lines.push(warning(
            "Deletion",
            &format!("⚠ {} is not protected from being deleted any more", stack.display_name),
        ));
    }
    for loss in plan.losses() {
        let what = match loss.how {
            LossKind::Replaced => "is replaced: its data is lost",
            LossKind::MayBeReplaced => "may be replaced: its data is lost then",
            LossKind::ReplacedWithValue => "is replaced if that value changes: its data is lost then",
            LossKind::Removed => "is removed: its data is lost",
            LossKind::DeletedWithStack => "is deleted with its stack: its data is lost",
        };
        lines.push(warning("Data", &format!("⚠ {} ({}) {what}", loss.path, loss.resource_type)));
    }
    for stack in plan.stacks.iter().filter(|it| !it.drift.is_empty()) {
        lines.push(format!("   {} {} is put back as the template has it:", style.bold("Drift   "), stack.display_name));
        lines.extend(drift(stack, style).into_iter().map(|it| format!("            {it}")));
    }
    lines
}

/// What was changed by hand.
fn drift(stack: &StackPlan, style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    for resource in &stack.drift {
        let status = style.yellow(resource.status.as_str());
        lines.push(format!("{status}  {}  {}", resource.resource_type, resource.logical_id));
        let differences = resource.differences.iter();
        lines.extend(differences.map(|it| format!("  {}: {} → {}", it.path, it.actual, it.expected)));
    }
    lines
}

/// Whether anything changes, in a few characters: `+31 ~2 -1`.
fn what(stack: &StackPlan, style: &Style) -> String {
    let numbers = numbers(stack, style);
    match stack.action {
        StackAction::Maybe => {
            let from = match (stack.open_inputs.is_empty(), stack.stored_parameters.is_empty()) {
                (true, true) => return "the same, as far as is known".to_owned(),
                (false, true) => "from other stacks",
                (true, false) => "in the Parameter Store",
                (false, false) => "from other stacks or in the Parameter Store",
            };
            format!("the same, unless values {from} change")
        }
        StackAction::Recreate => format!("{numbers}  {}", style.yellow(&recreation(stack))),
        StackAction::Blocked => {
            let status = stack.status.as_deref().unwrap_or("not known");
            let first = if status.ends_with("ROLLBACK_FAILED") {
                "`rollback` comes first"
            } else {
                "it must come to rest first"
            };
            format!("{numbers}  {}", style.red(&format!("{status}: {first}")))
        }
        _ if numbers.is_empty() => besides_resources(stack).join(", "),
        _ => numbers,
    }
}

/// Why a stack is deleted before it is created, and what goes with it.
fn recreation(stack: &StackPlan) -> String {
    let status = stack.status.as_deref().unwrap_or_default();
    let why = match status {
        "DELETE_FAILED" => "its deletion failed",
        "ROLLBACK_FAILED" => "its first creation failed, and so did undoing it",
        _ => "its first creation failed",
    };
    let going = stack.held.iter().filter(|it| !it.retained).count();
    let with = if going == 0 { String::new() } else { format!(" with {}", count(going, "resource")) };
    format!("{why} ({status}): it is deleted{with} and created again")
}

/// What changes in a stack whose resources stay as they are.
fn besides_resources(stack: &StackPlan) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for entry in &stack.entries {
        let section = if entry.section == "Template" { "template".to_owned() } else { entry.section.to_lowercase() };
        if !found.contains(&section) {
            found.push(section);
        }
    }
    let others = [
        ("parameter values", !stack.parameters.is_empty()),
        ("tags", !stack.tags.is_empty()),
        ("drift", !stack.drift.is_empty()),
        ("termination protection on", stack.termination_protection == Some(true)),
        ("termination protection off", stack.termination_protection == Some(false)),
    ];
    found.extend(others.iter().filter(|(_, changes)| *changes).map(|(name, _)| (*name).to_owned()));
    found
}

fn numbers(stack: &StackPlan, style: &Style) -> String {
    let of = |kinds: &[ChangeKind]| stack.resources.iter().filter(|it| kinds.contains(&it.change)).count();
    let (added, removed) = (of(&[ChangeKind::Add]), of(&[ChangeKind::Remove]));
    let modified = of(&[ChangeKind::Modify]);
    let replaced = of(&[ChangeKind::Replace, ChangeKind::MayReplace]);
    let mut parts = Vec::new();
    if added > 0 {
        parts.push(style.green(&format!("+{added}")));
    }
    if modified > 0 {
        parts.push(style.yellow(&format!("~{modified}")));
    }
    if replaced > 0 {
        parts.push(style.red(&format!("±{replaced}")));
    }
    if removed > 0 {
        parts.push(style.red(&format!("-{removed}")));
    }
    parts.join(" ")
}

/// The path of a resource's construct, as it is selected by.
fn path(stack: &StackPlan, resource: &ResourceDiff) -> String {
    path_of(&stack.display_name, &resource.logical_id, resource.path.as_deref())
}

/// Everything that would change.
pub(crate) fn diff(plan: &Plan, style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    for stack in &plan.stacks {
        if stack.action == StackAction::Nothing {
            lines.push(format!("{} {}", style.bold(&stack.display_name), style.dim("no changes")));
            continue;
        }
        lines.extend(stack_diff(stack, style));
    }
    lines
}

fn stack_diff(stack: &StackPlan, style: &Style) -> Vec<String> {
    let place = style.dim(&stack.environment.to_string());
    let mut lines = vec![format!("{} {} {place}", style.bold(&stack.display_name), what(stack, style))];
    if let Some(problem) = &stack.problem {
        lines.push(format!("  {}", style.red(&problem.message)));
    }
    if !stack.security.is_empty() || !stack.replaced_principals.is_empty() {
        lines.push("  Security".to_owned());
        lines.extend(security::lines(stack, style));
        for principal in &stack.replaced_principals {
            let name = principal.name.as_ref().unwrap_or(&principal.logical_id);
            let text = match &principal.new_name {
                Some(new) => format!("⚠ {name} is replaced by {new}: policies that name it no longer name anybody"),
                None => {
                    format!("⚠ {name} is replaced: policies keep naming the old one until they are written again")
                }
            };
            let by = if principal.named_by.is_empty() {
                String::new()
            } else {
                format!("; policies in {} name it", principal.named_by.join(", "))
            };
            lines.push(format!("    {}", style.red(&format!("{text}{by}"))));
        }
    }
    if !stack.resources.is_empty() {
        lines.push("  Resources".to_owned());
        lines.extend(stack.resources.iter().flat_map(|it| resource(stack, it, style)));
    }
    lines.extend(held(stack, style));
    for section in ["Template", "Parameters", "Mappings", "Conditions", "Rules", "Hooks", "Outputs", "Metadata"] {
        let entries: Vec<_> = stack.entries.iter().filter(|it| it.section == section).collect();
        if entries.is_empty() {
            continue;
        }
        lines.push(format!("  {section}"));
        for entry in entries {
            lines.push(change_line(&entry.name, entry.before.as_ref(), entry.after.as_ref(), style));
        }
    }
    let values = [("Parameter values", &stack.parameters), ("Tags", &stack.tags)];
    for (section, diffs) in values.into_iter().filter(|(_, it)| !it.is_empty()) {
        lines.push(format!("  {section}"));
        for it in diffs {
            let json = |text: &Option<String>| text.clone().map(serde_json::Value::String);
            lines.push(change_line(&it.name, json(&it.before).as_ref(), json(&it.after).as_ref(), style));
        }
    }
    if let Some(on) = stack.termination_protection {
        let (before, after) = (serde_json::json!(!on), serde_json::json!(on));
        lines.push("  Stack".to_owned());
        lines.push(change_line("termination protection", Some(&before), Some(&after), style));
    }
    if !stack.drift.is_empty() {
        lines.push("  Drift that is put back".to_owned());
        lines.extend(drift(stack, style).into_iter().map(|it| format!("    {it}")));
    }
    for stored in &stack.stored_parameters {
        let before = stored.value.as_ref().map(|it| format!(", which was {it}")).unwrap_or_default();
        let text = format!("{} comes from {} in the Parameter Store{before}", stored.parameter, stored.name);
        lines.push(format!("    {}", style.dim(&text)));
    }
    for input in &stack.open_inputs {
        let text = format!("{} comes from output {} of {}", input.parameter, input.output, input.from_stack);
        lines.push(format!("    {}", style.dim(&text)));
    }
    lines
}

/// What goes with a stack that is deleted first.
fn held(stack: &StackPlan, style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    if !stack.held.is_empty() {
        lines.push("  Deleted first".to_owned());
    }
    for it in &stack.held {
        let note = match (it.retained, holds_data(&it.resource_type)) {
            (true, _) => ": it is kept".to_owned(),
            (false, true) => style.red(": data loss"),
            (false, false) => String::new(),
        };
        lines.push(format!("    {} {} {} ({}){note}", style.red("-"), it.resource_type, it.logical_id, it.physical_id));
    }
    lines
}

fn resource(stack: &StackPlan, resource: &ResourceDiff, style: &Style) -> Vec<String> {
    let full = path(stack, resource);
    let path = full.strip_prefix(stack.display_name.as_str()).and_then(|it| it.strip_prefix('/')).unwrap_or(&full);
    let causes = |effect: Effect| {
        let names: Vec<&str> = resource.properties.iter().filter(|it| it.effect == effect).map(property_name).collect();
        if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
    };
    let loses = holds_data(&resource.resource_type);
    let data = match (loses, resource.retained) {
        (true, false) => ": data loss",
        (_, true) => ": the old one is kept",
        _ => "",
    };
    let (sign, note) = match resource.change {
        ChangeKind::Add => (style.green("+"), String::new()),
        ChangeKind::Modify => (style.yellow("~"), String::new()),
        ChangeKind::MayReplace => {
            (style.red("±"), style.yellow(&format!(" may be replaced{}", causes(Effect::MayReplace))))
        }
        ChangeKind::Replace => (style.red("±"), style.red(&format!(" REPLACE{}{data}", causes(Effect::Replace)))),
        ChangeKind::Remove => (style.red("-"), style.red(data)),
    };
    let mut lines = vec![format!("    {sign} {} {path}{note}", resource.resource_type)];
    if !matches!(resource.change, ChangeKind::Add | ChangeKind::Remove) {
        lines.extend(resource.properties.iter().map(|it| format!("    {}", property(it, style))));
    }
    lines
}

fn property_name(property: &PropertyDiff) -> &str {
    property.path.strip_prefix("Properties.").unwrap_or(&property.path)
}

fn property(property: &PropertyDiff, style: &Style) -> String {
    match &property.because {
        Some(because) if property.before == property.after => {
            format!("    {} changes with {because}", property_name(property))
        }
        _ => change_line(property_name(property), property.before.as_ref(), property.after.as_ref(), style),
    }
}

fn change_line(
    name: &str,
    before: Option<&serde_json::Value>,
    after: Option<&serde_json::Value>,
    style: &Style,
) -> String {
    let room = style.width.saturating_sub(name.chars().count() + 16) / 2;
    let text = |it: &serde_json::Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    let cut = |it: &serde_json::Value| shortened(&text(it), room * 2);
    match (before, after) {
        (None, Some(after)) => format!("    {} {name}: {}", style.green("+"), cut(after)),
        (Some(before), None) => format!("    {} {name}: {}", style.red("-"), cut(before)),
        (Some(before), Some(after)) => {
            let (before, after) = shortened_pair(&text(before), &text(after), room);
            format!("    {} {name}: {before} → {after}", style.yellow("~"))
        }
        (None, None) => format!("    {} {name}", style.yellow("~")),
    }
}

/// A text that is cut where it gets too long.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let width = width.max(24);
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// How much of what two texts share is shown on each side of what they do not.
const CONTEXT: usize = 11;

/// Two texts that are cut where they get too long, so that the difference stays: `…project/a-build`, `…project/b-build`.
fn shortened_pair(a: &str, b: &str, width: usize) -> (String, String) {
    let width = width.max(24);
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().max(b.len()) <= width {
        return (a.iter().collect(), b.iter().collect());
    }
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let rest = a.len().min(b.len()) - same;
    let same_end = a.iter().rev().zip(b.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(CONTEXT);
    let cut = |text: &[char]| {
        let to = (text.len() - same_end + CONTEXT).min(text.len());
        let start = if from > 1 { "…" } else { "" };
        let piece: String = text[if from > 1 { from } else { 0 }..to].iter().collect();
        let end = if to < text.len() { "…" } else { "" };
        shortened(&format!("{start}{piece}{end}"), width)
    };
    (cut(&a), cut(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_not_cut_away() {
        let check = |a: &str, b: &str, expected: (&str, &str)| {
            let (a, b) = shortened_pair(a, b, 40);
            assert_eq!((a.as_str(), b.as_str()), expected);
        };
        check("main", "release", ("main", "release"));
        check(
            "arn:aws:codebuild:eu-west-1:111111111111:project/network-apply-dev",
            "arn:aws:codebuild:eu-west-1:111111111111:project/net2-apply-dev",
            ("…project/network-apply-dev", "…project/net2-apply-dev"),
        );
        check(
            "a text of which the middle alone is new, with a long end that does not matter",
            "a text of which the center alone is new, with a long end that does not matter",
            ("… which the middle alone is n…", "… which the center alone is n…"),
        );
        let long = "x".repeat(100);
        check("", &long, ("", &format!("{}…", "x".repeat(39))));
    }
}
