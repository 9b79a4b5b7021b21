//! What a deploy would do, for somebody who has to agree to it.

use xacct_deploy::plan::{Plan, StackAction, StackPlan};
use xacct_deploy::{ChangeKind, Effect, PropertyDiff, ResourceDiff, SecurityChange};

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
    for (stack, resource) in losses(plan) {
        let what = if resource.change == ChangeKind::Remove { "is removed" } else { "is replaced" };
        let text = format!("⚠ {} ({}) {what}: its data is lost", path(stack, resource), resource.resource_type);
        lines.push(format!("   {} {}", style.bold(&format!("{:<8}", "Data")), style.red(&text)));
    }
    lines
}

/// Whether anything changes, in a few characters: `+31 ~2 -1`.
fn what(stack: &StackPlan, style: &Style) -> String {
    let numbers = numbers(stack, style);
    match stack.action {
        StackAction::Maybe => "the same, unless values from other stacks change".to_owned(),
        StackAction::Recreate => {
            let status = stack.status.as_deref().unwrap_or_default();
            format!(
                "{numbers}  {}",
                style.yellow(&format!("its first creation failed ({status}): it is deleted and created again"))
            )
        }
        StackAction::Blocked => {
            let status = stack.status.as_deref().unwrap_or("not known");
            let first = if status.ends_with("ROLLBACK_FAILED") {
                "`rollback` comes first"
            } else {
                "it must come to rest first"
            };
            format!("{numbers}  {}", style.red(&format!("{status}: {first}")))
        }
        _ if numbers.is_empty() => "outputs, parameters or tags".to_owned(),
        _ => numbers,
    }
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

/// Types that hold what cannot be made again.
const WITH_DATA: [&str; 22] = [
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
    "AWS::CodeCommit::Repository",
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::GlobalTable",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBCluster",
    "AWS::EFS::FileSystem",
    "AWS::FSx::FileSystem",
    "AWS::EC2::Volume",
    "AWS::ECR::Repository",
    "AWS::Logs::LogGroup",
    "AWS::Cognito::UserPool",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::OpenSearchService::Domain",
    "AWS::Redshift::Cluster",
    "AWS::DocDB::DBCluster",
    "AWS::Neptune::DBCluster",
    "AWS::Kinesis::Stream",
    "AWS::MSK::Cluster",
    "AWS::Backup::BackupVault",
];

/// Resources whose data a deploy would lose.
pub(crate) fn losses(plan: &Plan) -> Vec<(&StackPlan, &ResourceDiff)> {
    let is_loss = |it: &ResourceDiff| {
        matches!(it.change, ChangeKind::Replace | ChangeKind::Remove)
            && !it.retained
            && WITH_DATA.contains(&it.resource_type.as_str())
    };
    let of = |stack| losses_in(stack, is_loss);
    plan.stacks.iter().flat_map(of).collect()
}

fn losses_in(
    stack: &StackPlan,
    is_loss: impl Fn(&ResourceDiff) -> bool,
) -> impl Iterator<Item = (&StackPlan, &ResourceDiff)> {
    stack.resources.iter().filter(move |it| is_loss(it)).map(move |it| (stack, it))
}

/// The path of a resource's construct, as it is selected by.
pub(crate) fn path(stack: &StackPlan, resource: &ResourceDiff) -> String {
    let path = resource.path.clone().unwrap_or_else(|| format!("{}/{}", stack.display_name, resource.logical_id));
    path.strip_suffix("/Resource").map_or_else(|| path.clone(), str::to_owned)
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
        lines.extend(stack.security.iter().flat_map(|it| security(stack, it, style)));
        for principal in &stack.replaced_principals {
            let name = principal.name.as_ref().unwrap_or(&principal.logical_id);
            let by = if principal.named_by.is_empty() {
                String::new()
            } else {
                format!("; policies in {} name it", principal.named_by.join(", "))
            };
            let text =
                format!("⚠ {name} is replaced: policies keep naming the old one until they are written again{by}");
            lines.push(format!("    {}", style.red(&text)));
        }
    }
    if !stack.resources.is_empty() {
        lines.push("  Resources".to_owned());
        lines.extend(stack.resources.iter().flat_map(|it| resource(stack, it, style)));
    }
    for section in ["Parameters", "Mappings", "Conditions", "Rules", "Outputs", "Metadata"] {
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
    for input in &stack.open_inputs {
        let text = format!("{} comes from output {} of {}", input.parameter, input.output, input.from_stack);
        lines.push(format!("    {}", style.dim(&text)));
    }
    lines
}

fn security(stack: &StackPlan, change: &SecurityChange, style: &Style) -> Vec<String> {
    let arrow = if change.broadens { style.yellow("↑") } else { style.green("↓") };
    let path = change.path.as_deref().unwrap_or(&change.logical_id);
    let path = path.strip_prefix(stack.display_name.as_str()).and_then(|it| it.strip_prefix('/')).unwrap_or(path);
    let path = path.strip_suffix("/Resource").unwrap_or(path);
    let sign = if change.added { "+" } else { "-" };
    let mut text = format!("{sign}{} {}", change.effect.to_lowercase(), change.actions.join(", "));
    if let Some(resource) = &change.resource {
        text.push_str(&format!(" on {}", readable(resource)));
    }
    if let Some(principal) = &change.principal {
        text.push_str(&format!(" → {}", readable(principal)));
    }
    if let Some(condition) = &change.condition {
        text.push_str(&format!(" if {condition}"));
    }
    let mut lines =
        vec![format!("    {arrow} {path}  {}", shortened(&text, style.width.saturating_sub(8 + path.chars().count())))];
    if let Some(other) = change.other_account.as_ref().filter(|_| change.broadens) {
        let text = format!("⚠ NEW cross-account edge {other} → {}", stack.environment.account);
        lines.push(format!("      {}", style.yellow(&text)));
    }
    lines
}

/// An ARN without what everybody knows: `222222222222:role/build`.
fn readable(text: &str) -> String {
    let mut parts = text.splitn(6, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("arn"), Some(_), Some("iam"), Some(_), Some(account), Some(resource)) => format!("{account}:{resource}"),
        _ => text.to_owned(),
    }
}

fn resource(stack: &StackPlan, resource: &ResourceDiff, style: &Style) -> Vec<String> {
    let full = path(stack, resource);
    let path = full.strip_prefix(stack.display_name.as_str()).and_then(|it| it.strip_prefix('/')).unwrap_or(&full);
    let causes = |effect: Effect| {
        let names: Vec<&str> = resource.properties.iter().filter(|it| it.effect == effect).map(property_name).collect();
        if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
    };
    let loses = WITH_DATA.contains(&resource.resource_type.as_str());
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
    let text = |it: &serde_json::Value| {
        let text = it.as_str().map_or_else(|| it.to_string(), str::to_owned);
        shortened(&text, room.max(24))
    };
    match (before, after) {
        (None, Some(after)) => format!("    {} {name}: {}", style.green("+"), text(after)),
        (Some(before), None) => format!("    {} {name}: {}", style.red("-"), text(before)),
        (Some(before), Some(after)) => {
            format!("    {} {name}: {} → {}", style.yellow("~"), text(before), text(after))
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
