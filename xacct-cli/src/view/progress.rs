//! How far each stack is, and each event as a line.

use indexmap::IndexMap;
use std::collections::BTreeSet;
use tokio::time::Instant;
use xacct_deploy::cloudformation::StackEvent;
use xacct_deploy::event::OperationKind;
use xacct_deploy::{Event, Outcome};

use super::{duration, is_end};
use crate::terminal::Style;
use crate::verbs::count;

/// A call that fails so many times is told of even if nobody wants to hear more.
const TROUBLE: u32 = 4;

/// All stacks of a run, in its order.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) stacks: IndexMap<String, StackProgress>,
    /// The names of assets, by their hash.
    assets: IndexMap<String, String>,
}

/// One stack.
#[derive(Debug)]
pub(super) struct StackProgress {
    pub(super) name: String,
    pub(super) account: String,
    pub(super) started: Option<Instant>,
    pub(super) is_finished: bool,
    /// Whether an operation runs on it.
    is_operating: bool,
    /// How many resources are worked on, where that is known.
    pub(super) total: Option<usize>,
    done: BTreeSet<String>,
    /// What is being worked on: by logical id, under the name for people.
    active: IndexMap<String, String>,
    pub(super) is_rolling_back: bool,
}

impl Progress {
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted { stacks, .. } => {
                for stack in stacks {
                    let progress = StackProgress {
                        name: stack.display_name.clone(),
                        account: stack.environment.account.clone(),
                        started: None,
                        is_finished: false,
                        is_operating: false,
                        total: None,
                        done: BTreeSet::new(),
                        active: IndexMap::new(),
                        is_rolling_back: false,
                    };
                    self.stacks.insert(stack.id.clone(), progress);
                }
            }
            Event::StackStarted { stack } => self.with(stack, |it| it.started = Some(Instant::now())),
            Event::OperationStarted { stack, resources, operation, .. } => self.with(stack, |it| {
                it.is_operating = true;
                it.total = *resources;
                it.done.clear();
                it.active.clear();
                it.is_rolling_back = matches!(operation, OperationKind::Rollback | OperationKind::ContinueRollback);
            }),
            Event::Resource { stack, event, path, nested } => {
                self.with(stack, |it| it.resource(event, path.as_deref(), nested));
            }
            Event::StackAttached { stack, .. } => self.with(stack, |it| it.is_operating = true),
            Event::StackFinished { stack, .. } => self.with(stack, |it| {
                it.is_finished = true;
                it.active.clear();
            }),
            Event::AssetStarted { asset, name, .. } => {
                self.assets.insert(asset.clone(), name.clone());
            }
            _ => {}
        }
    }

    fn with(&mut self, stack: &str, change: impl FnOnce(&mut StackProgress)) {
        if let Some(progress) = self.stacks.get_mut(stack) {
            change(progress);
        }
    }

    /// The name of a stack or an asset.
    fn name<'a>(&'a self, id: &'a str) -> &'a str {
        let stack = self.stacks.get(id).map(|it| it.name.as_str());
        stack.or_else(|| self.assets.get(id).map(String::as_str)).unwrap_or(id)
    }

    /// What is being worked on, for somebody who has not heard for a while.
    pub(super) fn waiting(&self) -> Option<String> {
        let mut waiting = Vec::new();
        for stack in self.stacks.values().filter(|it| it.is_worked_on()) {
            let since = stack.started.map(|it| format!(" since {}", duration(it.elapsed()))).unwrap_or_default();
            let what = match (stack.active.is_empty(), stack.is_operating) {
                (false, _) => stack.working_on(),
                (true, true) => "its events".to_owned(),
                (true, false) => "its change set".to_owned(),
            };
            waiting.push(format!("{}: {what}{since}", stack.name));
        }
        (!waiting.is_empty()).then(|| waiting.join(" · "))
    }

    /// An event as a line, if it is worth one.
    pub(super) fn line(&self, event: &Event, verbose: bool, style: &Style) -> Option<String> {
        let width = self.stacks.values().map(|it| it.name.chars().count()).max().unwrap_or_default();
        let of = |stack: &str, text: &str| Some(format!("{:<width$}  {text}", self.name(stack)));
        match event {
            Event::AccountChecked { environment, arn } if verbose => Some(format!("{environment} as {arn}")),
            Event::AssetStarted { name, .. } if verbose => Some(format!("packing {name}")),
            Event::AssetFinished { asset, uploaded_bytes, environment } => match uploaded_bytes {
                Some(bytes) => {
                    Some(format!("uploaded {} ({} KiB) to {environment}", short(asset), bytes.div_ceil(1024)))
                }
                None if verbose => Some(format!("{} is in {environment} already", short(asset))),
                None => None,
            },
            Event::AssetFailed { asset, environment, .. } => {
                Some(style.red(&format!("could not upload {} to {environment}", self.name(asset))))
            }
            Event::StackAttached { stack, status, ours } => {
                let whose = if *ours { "taken up again" } else { "somebody else works on it" };
                of(stack, &format!("{status}: {whose}"))
            }
            Event::ChangeSetReady { stack, changes, .. } if verbose => {
                of(stack, &format!("change set with {}", count(changes.len(), "change")))
            }
            Event::OperationStarted { stack, operation, resources, .. } => {
                let resources = resources.map(|it| format!(", {}", count(it, "resource"))).unwrap_or_default();
                of(stack, &format!("{}{resources}", verb(*operation)))
            }
            Event::Resource { stack, event, path, nested } => {
                if !verbose && !is_end(&event.status) {
                    return None;
                }
                of(stack, &self.resource_line(stack, event, path.as_deref(), nested, style))
            }
            Event::StackStale { stack, from_stack, output } => {
                let name = self.name(from_stack);
                Some(style.yellow(&format!("{stack} uses output {output} of {name}, which changed: deploy it too")))
            }
            Event::StackFinished { stack, outcome } => {
                let progress = self.stacks.get(stack);
                let took = progress.and_then(|it| it.started).map(|it| duration(it.elapsed())).unwrap_or_default();
                of(stack, &self.finished(outcome, &took, style))
            }
            // One call in a thousand fails for a moment: it is news when it does so again and again.
            Event::Retrying { subject, operation, error, attempt, delay } if verbose || *attempt >= TROUBLE => {
                Some(format!(
                    "{subject}  {operation} failed ({error}), attempt {attempt}, again in {:.1} s",
                    delay.as_secs_f64()
                ))
            }
            Event::Note { stack, message } => match stack {
                Some(stack) => of(stack, message),
                None => Some(message.clone()),
            },
            _ => None,
        }
    }

    /// How a stack ended, in a few words.
    fn finished(&self, outcome: &Outcome, took: &str, style: &Style) -> String {
        let good = |text: &str| format!("{} {text}", style.green("✓"));
        match outcome {
            Outcome::Deployed { created: true, .. } => good(&format!("created in {took}")),
            Outcome::Deployed { .. } => good(&format!("updated in {took}")),
            Outcome::Unchanged { .. } => good("no changes"),
            Outcome::Planned { changes } => good(&format!("would be changed: {}", count(changes.len(), "resource"))),
            Outcome::Unknown { reason } => format!("{} not known yet: {reason}", style.yellow("?")),
            Outcome::Deleted { retained } if retained.is_empty() => good(&format!("deleted in {took}")),
            Outcome::Deleted { retained } => good(&format!("deleted in {took}; kept: {}", retained.join(", "))),
            Outcome::Absent => good("there was no such stack"),
            Outcome::Idle { status } => good(&format!("at rest: {status}")),
            Outcome::RolledBack { status } => good(&format!("rolled back: {status}")),
            Outcome::Failed { status, .. } => {
                let status = status.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
                style.red(&format!("✗ failed after {took}{status}"))
            }
            Outcome::HeldBack { because } => {
                let names: Vec<&str> = because.iter().map(|it| self.name(it)).collect();
                format!("{} not started, because of {}", style.yellow("–"), names.join(", "))
            }
            Outcome::NotStarted => format!("{} not started", style.yellow("–")),
            Outcome::Detached { .. } => format!("{} left running", style.yellow("–")),
            _ => String::new(),
        }
    }

    fn resource_line(
        &self,
        stack: &str,
        event: &StackEvent,
        path: Option<&str>,
        nested: &[String],
        style: &Style,
    ) -> String {
        let status = event.status.as_str();
        let status = match event.status.is_failure() {
            true => style.red(status),
            false => status.to_owned(),
        };
        if event.is_stack() && nested.is_empty() {
            return status;
        }
        let label = label(self.name(stack), event, path, nested);
        let reason = event.status_reason.as_ref().filter(|_| event.status.is_failure());
        let reason = reason.map(|it| format!("  {it}")).unwrap_or_default();
        format!("{status}  {}  {label}{reason}", event.resource_type)
    }
}

impl StackProgress {
    fn resource(&mut self, event: &StackEvent, path: Option<&str>, nested: &[String]) {
        let status = event.status.as_str();
        if event.is_stack() && nested.is_empty() {
            self.is_rolling_back |= status.contains("ROLLBACK_IN_PROGRESS");
            return;
        }
        let id = nested.iter().map(String::as_str).chain([event.logical_id.as_str()]).collect::<Vec<_>>().join("/");
        if is_end(&event.status) {
            self.active.shift_remove(&id);
            self.done.insert(id);
        } else {
            self.active.insert(id, label(&self.name, event, path, nested));
        }
    }

    pub(super) fn is_worked_on(&self) -> bool {
        self.started.is_some() && !self.is_finished
    }

    pub(super) fn done(&self) -> usize {
        self.total.map_or(self.done.len(), |total| self.done.len().min(total))
    }

    /// `Artifacts/Key, Build/Project +2`.
    pub(super) fn working_on(&self) -> String {
        let shown: Vec<&str> = self.active.values().take(2).map(String::as_str).collect();
        let more = self.active.len() - shown.len();
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        format!("{}{more}", shown.join(", "))
    }
}

/// A resource as the user knows it: its construct's path below the stack, or its logical id.
fn label(stack: &str, event: &StackEvent, path: Option<&str>, nested: &[String]) -> String {
    let Some(path) = path else {
        return nested.iter().map(String::as_str).chain([event.logical_id.as_str()]).collect::<Vec<_>>().join("/");
    };
    let below = path.strip_prefix(stack).and_then(|it| it.strip_prefix('/')).unwrap_or(path);
    below.strip_suffix("/Resource").unwrap_or(below).to_owned()
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn verb(operation: OperationKind) -> &'static str {
    match operation {
        OperationKind::Create => "creating",
        OperationKind::Update => "updating",
        OperationKind::Import => "importing",
        OperationKind::Delete => "deleting",
        OperationKind::Rollback => "rolling back",
        OperationKind::ContinueRollback => "continuing the rollback",
        OperationKind::Foreign => "following somebody else's operation",
    }
}

#[cfg(test)]
impl Progress {
    /// A run of one stack, `Tools`, that is about to begin.
    pub(super) fn of_tools() -> Self {
        let info = xacct_deploy::event::StackInfo {
            id: "Tools".into(),
            display_name: "Tools".into(),
            stack_name: "Tools".into(),
            environment: xacct_deploy::Environment { account: "111111111111".into(), region: "eu-west-1".into() },
            after: Vec::new(),
            wave: 0,
        };
        let mut progress = Self::default();
        progress.event(&Event::RunStarted { version: 1, verb: "deploy".into(), run: "r".into(), stacks: vec![info] });
        progress
    }
}

#[cfg(test)]
mod tests {
    use xacct_deploy::cloudformation::Timestamp;

    use super::*;

    fn resource(logical_id: &str, status: &str) -> Event {
        let event = StackEvent {
            id: logical_id.into(),
            stack_id: "arn".into(),
            stack_name: "Tools".into(),
            logical_id: logical_id.into(),
            physical_id: None,
            resource_type: "AWS::KMS::Key".into(),
            timestamp: Timestamp::default(),
            status: status.into(),
            status_reason: None,
            detailed_status: None,
            client_token: None,
            operation_id: None,
            hook: None,
        };
        let path = Some(format!("Tools/{logical_id}/Resource"));
        Event::Resource { stack: "Tools".into(), event, path, nested: Vec::new() }
    }

    #[test]
    fn what_is_waited_for_is_named_as_in_the_program() {
        let mut progress = Progress::of_tools();
        assert_eq!(progress.waiting(), None);
        progress.event(&Event::StackStarted { stack: "Tools".into() });
        let waiting = |progress: &Progress| {
            let text = progress.waiting().unwrap();
            text.split(" since ").next().unwrap().to_owned()
        };
        assert_eq!(waiting(&progress), "Tools: its change set");
        for id in ["Key", "Bucket", "Role"] {
            progress.event(&resource(id, "CREATE_IN_PROGRESS"));
        }
        assert_eq!(waiting(&progress), "Tools: Key, Bucket +1");
        progress.event(&resource("Key", "CREATE_COMPLETE"));
        assert_eq!(waiting(&progress), "Tools: Bucket, Role");
        assert_eq!(progress.stacks["Tools"].done(), 1);
    }
}
