//! Operations over time: what happens to a stack and its resources, in which order, and what is told about it.
//!
//! Time is virtual. Nothing runs by itself: whoever calls the service first makes it [catch up](Service::catch_up) with the clock.
//! An operation goes through steps; in each, an item for each resource starts as soon as the items it needs are done, so that
//! independent resources are worked on at the same time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::elsewhere;
use super::preview;
use super::service::Service;
use super::state::{Item, Operation, OperationKind, Progress, Resource, Step, Work};
use crate::cloudformation::{Output, StackStatus};
use indexmap::IndexMap;

impl Service {
    /// Does everything that has happened until a time.
    pub(super) fn catch_up(&mut self, now: i64) {
        while let Some(Reverse((time, ..))) = self.state.due.peek()
            && *time <= now
        {
            let Some(Reverse((time, _, stack_id))) = self.state.due.pop() else { break };
            self.state.now = self.state.now.max(time);
            self.visit(&stack_id);
        }
        self.state.now = self.state.now.max(now);
    }

    fn visit(&mut self, stack_id: &str) {
        self.finish_change_sets(stack_id);
        let Some(stack) = self.state.stacks.get_mut(stack_id) else { return };
        if let Some(operation) = stack.operation.take() {
            self.run(stack_id, operation);
        }
    }

    /// Goes on with an operation as far as it gets without time passing.
    pub(super) fn run(&mut self, stack_id: &str, mut operation: Operation) {
        loop {
            let went_on = self.finish_due(stack_id, &mut operation) | self.start_ready(stack_id, &mut operation);
            if went_on {
                continue;
            }
            let next = operation.items.values().filter_map(|item| match item.progress {
                Progress::Started { until } | Progress::Initiated { until } => Some(until),
                _ => None,
            });
            if let Some(next) = next.min() {
                self.state.stacks[stack_id].operation = Some(operation);
                self.state.wake(stack_id, next);
                return;
            }
            match self.end_step(stack_id, operation) {
                Some(more) => operation = more,
                None => return,
            }
        }
    }

    fn finish_due(&mut self, stack_id: &str, operation: &mut Operation) -> bool {
        let now = self.state.now;
        let due: Vec<String> = operation
            .items
            .iter()
            .filter(|(name, item)| match item.progress {
                Progress::Started { until } => until <= now,
                Progress::Initiated { until } => until <= now || self.nested_has_ended(stack_id, operation, name),
                _ => false,
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in &due {
            let item = operation.items[name].clone();
            match item.progress {
                Progress::Started { .. } => self.act(stack_id, operation, name, item.work),
                Progress::Initiated { .. } => self.settle(stack_id, operation, name, item.work),
                _ => {}
            }
            if operation.has_failed() && operation.step == Step::Forward && !operation.disable_rollback {
                self.cancel_running(stack_id, operation);
                break;
            }
        }
        !due.is_empty()
    }

    fn start_ready(&mut self, stack_id: &str, operation: &mut Operation) -> bool {
        if operation.step == Step::Forward && operation.has_failed() && !operation.disable_rollback {
            return false;
        }
        let ready: Vec<String> = operation
            .items
            .iter()
            .filter(|(_, item)| {
                item.progress == Progress::Waiting
                    && item
                        .needs
                        .iter()
                        .all(|need| operation.items.get(need).is_none_or(|other| other.progress == Progress::Done))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in &ready {
            self.start(stack_id, operation, name);
        }
        !ready.is_empty()
    }

    /// Stops what is under way, because something else failed or somebody wants it.
    pub(super) fn cancel_running(&mut self, stack_id: &str, operation: &mut Operation) {
        let running: Vec<(String, Work)> = operation
            .items
            .iter()
            .filter(|(_, item)| matches!(item.progress, Progress::Started { .. } | Progress::Initiated { .. }))
            .map(|(name, item)| (name.clone(), item.work))
            .collect();
        for (name, work) in running {
            let (status, reason) = match work {
                Work::Create => ("CREATE_FAILED", "Resource creation cancelled"),
                _ => ("UPDATE_FAILED", "Resource update cancelled"),
            };
            self.cancel_nested(stack_id, operation, &name);
            self.set_resource(stack_id, operation, &name, status, Some(reason));
            operation.items[&name].progress = Progress::Failed;
            let verb = if work == Work::Create { "create" } else { "update" };
            operation.failed.push((verb.to_owned(), name));
        }
    }

    /// Everything that can be done in a step has been done. The operation, if it goes on.
    fn end_step(&mut self, stack_id: &str, mut operation: Operation) -> Option<Operation> {
        match operation.step {
            Step::Forward => self.end_forward(stack_id, operation),
            Step::Cleanup => {
                let reason =
                    operation.has_failed().then_some("Update successful. One or more resources could not be deleted.");
                let status = match operation.kind {
                    OperationKind::Import => StackStatus::IMPORT_COMPLETE,
                    _ => StackStatus::UPDATE_COMPLETE,
                };
                self.end(stack_id, &operation, status, reason);
                None
            }
            Step::UndoCreate => {
                let status =
                    if operation.has_failed() { StackStatus::ROLLBACK_FAILED } else { StackStatus::ROLLBACK_COMPLETE };
                self.end(stack_id, &operation, status, operation.summary().as_deref());
                None
            }
            Step::Restore if operation.has_failed() => {
                let reason = operation.summary();
                let status = match operation.kind {
                    OperationKind::Import => StackStatus::IMPORT_ROLLBACK_FAILED,
                    _ => StackStatus::UPDATE_ROLLBACK_FAILED,
                };
                self.end(stack_id, &operation, status, reason.as_deref());
                self.state.stacks[stack_id].unfinished = Some(operation);
                None
            }
            Step::Restore => {
                let stack = &mut self.state.stacks[stack_id];
                let made: Vec<String> =
                    operation.backups.iter().filter(|(_, it)| it.is_none()).map(|(name, _)| name.clone()).collect();
                for name in made {
                    if let Some(resource) = stack.resources.shift_remove(&name)
                        && operation.kind != OperationKind::Import
                    {
                        operation.leftovers.push((name, resource));
                    }
                }
                stack.desired.clone_from(&operation.before);
                operation.step = Step::RestoreCleanup;
                if operation.kind != OperationKind::Import {
                    let status = StackStatus::UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS;
                    self.set_status(stack_id, &operation, status, None);
                }
                self.plan_removals(&mut operation);
                Some(operation)
            }
            Step::RestoreCleanup => {
                let status = match operation.kind {
                    OperationKind::Import => StackStatus::IMPORT_ROLLBACK_COMPLETE,
                    _ => StackStatus::UPDATE_ROLLBACK_COMPLETE,
                };
                self.end(stack_id, &operation, status, None);
                None
            }
            Step::Delete => {
                if operation.has_failed() {
                    self.end(stack_id, &operation, StackStatus::DELETE_FAILED, operation.summary().as_deref());
                    return None;
                }
                let stack = &mut self.state.stacks[stack_id];
                let key = (stack.environment.clone(), stack.name.clone());
                stack.outputs.clear();
                stack.imports.clear();
                stack.termination_protection = false;
                self.end(stack_id, &operation, StackStatus::DELETE_COMPLETE, None);
                if self.state.by_name.get(&key).is_some_and(|id| id == stack_id) {
                    self.state.by_name.remove(&key);
                }
                None
            }
        }
    }

    fn end_forward(&mut self, stack_id: &str, mut operation: Operation) -> Option<Operation> {
        if !operation.has_failed() {
            match self.new_outputs(stack_id, &operation) {
                Ok((outputs, imports)) => {
                    operation.imports.extend(imports);
                    let stack = &mut self.state.stacks[stack_id];
                    stack.outputs = outputs;
                    stack.imports = std::mem::take(&mut operation.imports);
                    stack.desired = Some(operation.target.clone());
                    return self.reached_target(stack_id, operation);
                }
                Err(reason) => operation.stack_failure = Some(reason),
            }
        }
        let summary = operation.summary();
        match operation.kind {
            OperationKind::Create if operation.delete_on_failure => {
                let reason = format!("{} Delete requested by user.", summary.unwrap_or_default());
                Some(self.begin_delete(stack_id, operation, reason.trim()))
            }
            OperationKind::Create if operation.disable_rollback => {
                self.end(stack_id, &operation, StackStatus::CREATE_FAILED, summary.as_deref());
                self.state.stacks[stack_id].desired = Some(operation.target.clone());
                self.state.stacks[stack_id].unfinished = Some(operation);
                None
            }
            OperationKind::Create => {
                let reason = format!("{} Rollback requested by user.", summary.unwrap_or_default());
                Some(self.begin_undo_create(stack_id, operation, reason.trim()))
            }
            _ if operation.disable_rollback => {
                self.end(stack_id, &operation, StackStatus::UPDATE_FAILED, summary.as_deref());
                self.state.stacks[stack_id].unfinished = Some(operation);
                None
            }
            _ => {
                let reason = summary.map(|it| format!("{it} "));
                Some(self.begin_restore(stack_id, operation, reason.as_deref().map(str::trim_end)))
            }
        }
    }

    /// The outputs, and the exports that they use; or why the stack cannot have them.
    fn new_outputs(&self, stack_id: &str, operation: &Operation) -> Result<(Vec<Output>, BTreeSet<String>), String> {
        let stack = &self.state.stacks[stack_id];
        let look = |other: &str, attribute: Option<&str>| match stack.resources.get(other) {
            Some(resource) => preview::look_at(&self.state, stack, other, resource, attribute),
            None => Err(format!("Unresolved resource dependencies [{other}] in the Outputs block of the template")),
        };
        let (outputs, imports) = preview::with_scope(&self.state, stack, &operation.target, &look, preview::outputs)?;
        for export in outputs.iter().filter_map(|output| output.export_name.as_deref()) {
            if let Some(other) = elsewhere::exporter(&self.state, stack, export) {
                return Err(format!("Export with name {export} is already exported by stack {other}"));
            }
        }
        for old in stack.outputs.iter() {
            let Some(export) = &old.export_name else { continue };
            let users = elsewhere::importers(&self.state, stack, export);
            if users.is_empty() {
                continue;
            }
            let new = outputs.iter().find(|output| output.export_name.as_ref() == Some(export));
            let users = users.join(" and ");
            match new {
                None => return Err(format!("Export {export} cannot be deleted as it is in use by {users}")),
                Some(new) if new.value != old.value => {
                    return Err(format!("Export {export} cannot be updated as it is in use by {users}"));
                }
                Some(_) => {}
            }
        }
        Ok((outputs, imports))
    }

    fn reached_target(&mut self, stack_id: &str, mut operation: Operation) -> Option<Operation> {
        if operation.kind == OperationKind::Create {
            self.end(stack_id, &operation, StackStatus::CREATE_COMPLETE, None);
            return None;
        }
        let wanted = preview::wanted(&self.state, &self.state.stacks[stack_id], &operation.target).unwrap_or_default();
        let stack = &mut self.state.stacks[stack_id];
        let gone: Vec<String> = stack.resources.keys().filter(|name| !wanted.contains(*name)).cloned().collect();
        for name in gone {
            if let Some(resource) = stack.resources.shift_remove(&name)
                && resource.exists()
            {
                operation.leftovers.push((name, resource));
            }
        }
        operation.step = Step::Cleanup;
        if operation.kind == OperationKind::Update {
            self.set_status(stack_id, &operation, StackStatus::UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, None);
        }
        self.plan_removals(&mut operation);
        Some(operation)
    }

    fn plan_removals(&self, operation: &mut Operation) {
        operation.failed.clear();
        operation.items = operation
            .leftovers
            .iter()
            .map(|(name, _)| {
                let dependents = operation.leftovers.iter().filter(|(_, other)| other.needs.contains(name));
                let needs = dependents.map(|(other, _)| other.clone()).filter(|other| other != name).collect();
                (name.clone(), Item { work: Work::Remove, needs, progress: Progress::Waiting })
            })
            .collect();
    }

    /// Starts to go back to what was before an update.
    pub(super) fn begin_restore(
        &mut self,
        stack_id: &str,
        mut operation: Operation,
        reason: Option<&str>,
    ) -> Operation {
        operation.step = Step::Restore;
        operation.failed.clear();
        operation.stack_failure = None;
        operation.pending.clear();
        let touched: IndexMap<&String, &Resource> =
            operation.backups.iter().filter_map(|(name, it)| Some((name, it.as_ref()?))).collect();
        operation.items = touched
            .iter()
            .map(|(name, backup)| {
                let needs = backup.needs.iter().filter(|need| touched.contains_key(*need)).cloned().collect();
                ((*name).clone(), Item { work: Work::Restore, needs, progress: Progress::Waiting })
            })
            .collect();
        let status = match operation.kind {
            OperationKind::Import => StackStatus::IMPORT_ROLLBACK_IN_PROGRESS,
            _ => StackStatus::UPDATE_ROLLBACK_IN_PROGRESS,
        };
        self.set_status(stack_id, &operation, status, reason);
        operation
    }

    /// Starts to undo a creation.
    pub(super) fn begin_undo_create(&mut self, stack_id: &str, mut operation: Operation, reason: &str) -> Operation {
        operation.step = Step::UndoCreate;
        self.plan_deletions(stack_id, &mut operation, &BTreeSet::new());
        self.set_status(stack_id, &operation, StackStatus::ROLLBACK_IN_PROGRESS, Some(reason));
        operation
    }

    /// Starts to delete all.
    pub(super) fn begin_delete(&mut self, stack_id: &str, mut operation: Operation, reason: &str) -> Operation {
        operation.step = Step::Delete;
        self.plan_deletions(stack_id, &mut operation, &BTreeSet::new());
        self.state.stacks[stack_id].deletion_time = Some(self.state.time());
        self.set_status(stack_id, &operation, StackStatus::DELETE_IN_PROGRESS, Some(reason));
        operation
    }

    /// One item for each resource, after all that depend on it; those in `retained` are left behind.
    pub(super) fn plan_deletions(&mut self, stack_id: &str, operation: &mut Operation, retained: &BTreeSet<String>) {
        operation.failed.clear();
        operation.stack_failure = None;
        operation.pending.clear();
        for name in retained {
            if self.state.stacks[stack_id].resources.get(name).is_some_and(Resource::exists) {
                self.set_resource(stack_id, operation, name, "DELETE_SKIPPED", None);
                self.leave_behind(stack_id, name);
            }
        }
        let resources = &self.state.stacks[stack_id].resources;
        let mut dependents: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let present = |resource: &Resource| resource.exists() || resource.status == "CREATE_FAILED";
        for (name, resource) in resources.iter().filter(|(_, resource)| present(resource)) {
            for need in &resource.needs {
                dependents.entry(need).or_default().push(name.clone());
            }
        }
        operation.items = resources
            .iter()
            .filter(|(_, resource)| present(resource))
            .map(|(name, _)| {
                let needs = dependents.get(name.as_str()).cloned().unwrap_or_default();
                (name.clone(), Item { work: Work::Delete, needs, progress: Progress::Waiting })
            })
            .collect();
    }

    /// The last event of an operation.
    fn end(&mut self, stack_id: &str, operation: &Operation, status: StackStatus, reason: Option<&str>) {
        self.set_status(stack_id, operation, status, reason);
        let parent = self.state.stacks[stack_id].parent.clone();
        let now = self.state.now;
        if let Some(parent) = parent {
            self.state.wake(&parent, now);
        }
        let succeeded = operation.step == Step::Forward && !operation.has_failed() || operation.step == Step::Cleanup;
        let stack = &mut self.state.stacks[stack_id];
        let executed = stack.change_set_id.clone();
        for change_set in &mut stack.change_sets {
            if change_set.execution_status == "EXECUTE_IN_PROGRESS" && Some(&change_set.id) == executed.as_ref() {
                change_set.execution_status = if succeeded { "EXECUTE_COMPLETE" } else { "EXECUTE_FAILED" }.into();
            } else if change_set.execution_status == "AVAILABLE" {
                change_set.execution_status = "OBSOLETE".into();
            }
        }
    }
}

impl Operation {
    fn has_failed(&self) -> bool {
        !self.failed.is_empty() || self.stack_failure.is_some()
    }

    /// Which resources failed, in the words of the service.
    fn summary(&self) -> Option<String> {
        let mut parts: Vec<String> = self.stack_failure.iter().cloned().collect();
        for verb in ["create", "update", "delete"] {
            let names: Vec<&str> =
                self.failed.iter().filter(|(it, _)| it == verb).map(|(_, name)| name.as_str()).collect();
            if !names.is_empty() {
                parts.push(format!("The following resource(s) failed to {verb}: [{}].", names.join(", ")));
            }
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}
