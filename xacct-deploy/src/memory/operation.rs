//! Operations over time: what happens to a stack and its resources, in which order, and what is told about it.
//!
//! Time is virtual. Nothing runs by itself: whoever calls the service first makes it [catch up](Service::catch_up) with the clock.
//! An operation goes through steps; in each, an item for each resource starts as soon as the items it needs are done, so that
//! independent resources are worked on at the same time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::Value;
use xacct_schema::Replacement;

use super::checks;
use super::elsewhere;
use super::fault::Action;
use super::nested;
use super::physical::{self, Owner};
use super::preview::{self, Difference, Resolved};
use super::service::Service;
use super::state::{Item, Operation, OperationKind, Progress, Resource, Step, Work};
use crate::cloudformation::{StackEvent, StackStatus, StatusText};

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

    fn start(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        match operation.items[name].work {
            Work::Apply => self.start_apply(stack_id, operation, name),
            Work::Restore => {
                self.set_resource(stack_id, operation, name, "UPDATE_IN_PROGRESS", None);
                self.wait(stack_id, operation, name, Action::Rollback);
            }
            Work::Delete => self.start_delete(stack_id, operation, name),
            Work::Remove => self.start_remove(stack_id, operation, name),
            Work::Create | Work::Update | Work::Replace | Work::Import => {}
        }
    }

    /// Decides what has to be done to a resource, now that all that it needs is there.
    fn start_apply(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        let stack = &self.state.stacks[stack_id];
        let template = self.state.template(operation.target.template);
        let definition = &template.resources[name];
        let current = stack.resources.get(name).filter(|resource| resource.exists()).cloned();
        let look = |other: &str, attribute: Option<&str>| match stack.resources.get(other) {
            Some(resource) => preview::look_at(&self.state, stack, other, resource, attribute),
            None => Err(format!("Unresolved resource dependencies [{other}] in the Resources block of the template")),
        };
        let resolved = preview::with_scope(&self.state, stack, &operation.target, &look, |scope| {
            preview::resolve(scope, definition)
        });
        let resolved = match resolved {
            Ok((resolved, imports)) => {
                operation.imports.extend(imports);
                resolved
            }
            Err(reason) => {
                operation.backups.entry(name.to_owned()).or_insert(current.clone());
                let verb = if current.is_some() { "UPDATE" } else { "CREATE" };
                self.ensure_resource(stack_id, name, &definition.resource_type);
                self.fail(stack_id, operation, name, verb, &reason);
                return;
            }
        };
        let mut next = Resource {
            resource_type: definition.resource_type.clone(),
            physical_id: None,
            serial: 0,
            properties: resolved.properties.clone(),
            stack_tags: operation.target.tags.clone(),
            metadata: resolved.metadata.clone(),
            needs: definition.needs.iter().filter(|need| template.resources.contains_key(*need)).cloned().collect(),
            deletion_policy: definition.deletion_policy.clone(),
            update_replace_policy: definition.update_replace_policy.clone(),
            status: StatusText::default(),
            status_reason: None,
            drift: None,
            child: None,
        };
        let Some(current) = current else {
            operation.backups.entry(name.to_owned()).or_insert(None);
            next.serial = self.state.next_serial();
            let imported = operation.to_import.get(name).cloned();
            self.state.stacks[stack_id].resources.insert(name.to_owned(), next);
            let work = match imported {
                Some(physical_id) => {
                    self.state.stacks[stack_id].resources[name].physical_id = Some(physical_id);
                    self.set_resource(
                        stack_id,
                        operation,
                        name,
                        "IMPORT_IN_PROGRESS",
                        Some("Resource import started."),
                    );
                    Work::Import
                }
                None => {
                    self.set_resource(stack_id, operation, name, "CREATE_IN_PROGRESS", None);
                    Work::Create
                }
            };
            operation.items[name].work = work;
            self.wait(stack_id, operation, name, Action::Create);
            return;
        };
        next.physical_id.clone_from(&current.physical_id);
        next.serial = current.serial;
        next.child.clone_from(&current.child);
        next.status = current.status.clone();
        let drifted = operation.revert_drift && current.drift.is_some();
        let retry = current.status.is_failure();
        let Some(difference) = difference(&current, &resolved, &operation.target.tags, drifted || retry) else {
            next.drift.clone_from(&current.drift);
            self.state.stacks[stack_id].resources[name] = next;
            operation.items[name].progress = Progress::Done;
            return;
        };
        operation.backups.entry(name.to_owned()).or_insert_with(|| Some(current.clone()));
        if difference.properties.is_empty() && !difference.tags && !drifted && !retry {
            // Metadata is CloudFormation's own: no service is asked.
            self.state.stacks[stack_id].resources[name] = next;
            operation.items[name].progress = Progress::Done;
            return;
        }
        if difference.replacement == Replacement::Always {
            self.set_resource(
                stack_id,
                operation,
                name,
                "UPDATE_IN_PROGRESS",
                Some("Requested update requires the creation of a new physical resource; hence creating one."),
            );
            operation.items[name].work = Work::Replace;
            self.wait(stack_id, operation, name, Action::Create);
        } else {
            self.set_resource(stack_id, operation, name, "UPDATE_IN_PROGRESS", None);
            operation.items[name].work = Work::Update;
            self.wait(stack_id, operation, name, Action::Update);
        }
        operation.pending.insert(name.to_owned(), next);
    }

    fn ensure_resource(&mut self, stack_id: &str, name: &str, resource_type: &str) {
        let serial = self.state.next_serial();
        self.state.stacks[stack_id].resources.entry(name.to_owned()).or_insert_with(|| Resource {
            resource_type: resource_type.to_owned(),
            physical_id: None,
            serial,
            properties: Value::Null,
            stack_tags: BTreeMap::new(),
            metadata: Value::Null,
            needs: BTreeSet::new(),
            deletion_policy: None,
            update_replace_policy: None,
            status: StatusText::default(),
            status_reason: None,
            drift: None,
            child: None,
        });
    }

    fn start_delete(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        let resource = &self.state.stacks[stack_id].resources[name];
        let undoing = operation.step == Step::UndoCreate;
        let policy = resource.deletion_policy.as_deref();
        if resource.physical_id.is_none() {
            self.set_resource(stack_id, operation, name, "DELETE_COMPLETE", None);
            operation.items[name].progress = Progress::Done;
        } else if policy == Some("Retain") || policy == Some("RetainExceptOnCreate") && !undoing {
            self.set_resource(stack_id, operation, name, "DELETE_SKIPPED", None);
            self.leave_behind(stack_id, name);
            operation.items[name].progress = Progress::Done;
        } else {
            self.set_resource(stack_id, operation, name, "DELETE_IN_PROGRESS", None);
            self.wait(stack_id, operation, name, Action::Delete);
        }
    }

    /// A resource that is retained lives on outside of all stacks.
    fn leave_behind(&mut self, stack_id: &str, name: &str) {
        let stack = &self.state.stacks[stack_id];
        let resource = stack.resources[name].clone();
        let environment = stack.environment.clone();
        self.state.abandon(environment, &resource);
    }

    fn start_remove(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        let Some((_, resource)) = operation.leftovers.iter().find(|(it, _)| it == name).cloned() else { return };
        let replaced = operation.step == Step::Cleanup && operation.target_has(&self.state, name);
        let policy = if replaced { &resource.update_replace_policy } else { &resource.deletion_policy };
        let keeps = match policy.as_deref() {
            Some("Retain") => operation.step == Step::Cleanup,
            Some("RetainExceptOnCreate") => operation.step == Step::Cleanup && !replaced,
            _ => false,
        };
        if keeps {
            self.tell(stack_id, operation, name, &resource, "DELETE_SKIPPED", None);
            let environment = self.state.stacks[stack_id].environment.clone();
            self.state.abandon(environment, &resource);
            operation.items[name].progress = Progress::Done;
            operation.leftovers.retain(|(it, _)| it != name);
        } else if resource.physical_id.is_none() {
            self.tell(stack_id, operation, name, &resource, "DELETE_COMPLETE", None);
            operation.items[name].progress = Progress::Done;
            operation.leftovers.retain(|(it, _)| it != name);
        } else {
            self.tell(stack_id, operation, name, &resource, "DELETE_IN_PROGRESS", None);
            self.wait(stack_id, operation, name, Action::Delete);
        }
    }

    fn wait(&mut self, stack_id: &str, operation: &mut Operation, name: &str, action: Action) {
        let stack = self.state.stacks[stack_id].name.clone();
        let times = &self.options.durations;
        let usual = match action {
            Action::Create => times.create,
            Action::Update | Action::Rollback => times.update,
            Action::Delete => times.delete,
        };
        let lasts = self.script.duration(&stack, name, action).unwrap_or(usual);
        // A creation takes half of its time until the physical resource is there.
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX / 4);
        // Express mode does not wait until everything is ready.
        let lasts = if operation.express { lasts / 4 } else { lasts };
        let until = self.state.now + if action == Action::Create { lasts / 2 } else { lasts };
        operation.lasts.insert(name.to_owned(), lasts);
        operation.items[name].progress = Progress::Started { until };
    }

    /// The service acts: it refuses, or the physical resource changes.
    fn act(&mut self, stack_id: &str, operation: &mut Operation, name: &str, work: Work) {
        let stack_name = self.state.stacks[stack_id].name.clone();
        let (action, verb) = match work {
            Work::Create | Work::Import => (Action::Create, "CREATE"),
            Work::Replace => (Action::Create, "UPDATE"),
            Work::Update | Work::Apply => (Action::Update, "UPDATE"),
            Work::Restore => (Action::Rollback, "UPDATE"),
            Work::Delete | Work::Remove => (Action::Delete, "DELETE"),
        };
        if let Some(reason) = self.script.failure(&stack_name, name, action) {
            self.fail(stack_id, operation, name, verb, &reason);
            return;
        }
        if self.act_on_nested(stack_id, operation, name, work, verb) {
            return;
        }
        match work {
            Work::Create => {
                let resource = self.state.stacks[stack_id].resources[name].clone();
                let physical_id = self.new_physical_id(stack_id, name, &resource);
                if let Err(reason) = self.check(stack_id, name, &resource, &physical_id, true) {
                    self.fail(stack_id, operation, name, verb, &reason);
                    return;
                }
                self.state.stacks[stack_id].resources[name].physical_id = Some(physical_id);
                let reason = Some("Resource creation Initiated");
                self.set_resource(stack_id, operation, name, "CREATE_IN_PROGRESS", reason);
                self.initiated(operation, name);
            }
            Work::Replace => {
                let Some(mut next) = operation.pending.get(name).cloned() else { return };
                next.serial = self.state.next_serial();
                let physical_id = self.new_physical_id(stack_id, name, &next);
                let current = &self.state.stacks[stack_id].resources[name];
                let named = current.physical_id.as_deref() == Some(physical_id.as_str());
                let deleted_first = xacct_schema::resource_type(&next.resource_type)
                    .is_some_and(|schema| schema.is_deleted_before_replacement());
                if named && !deleted_first {
                    let reason = format!(
                        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {physical_id} and update the stack again."
                    );
                    self.fail(stack_id, operation, name, verb, &reason);
                    return;
                }
                if let Err(reason) = self.check(stack_id, name, &next, &physical_id, true) {
                    self.fail(stack_id, operation, name, verb, &reason);
                    return;
                }
                let old = self.state.stacks[stack_id].resources[name].clone();
                next.physical_id = Some(physical_id);
                next.status = "UPDATE_IN_PROGRESS".into();
                self.state.stacks[stack_id].resources[name] = next;
                if !named {
                    operation.leftovers.push((name.to_owned(), old));
                }
                let reason = Some("Resource creation Initiated");
                self.set_resource(stack_id, operation, name, "UPDATE_IN_PROGRESS", reason);
                self.initiated(operation, name);
            }
            Work::Update => {
                let Some(mut next) = operation.pending.shift_remove(name) else { return };
                let physical_id = next.physical_id.clone().unwrap_or_default();
                if let Err(reason) = self.check(stack_id, name, &next, &physical_id, false) {
                    self.fail(stack_id, operation, name, verb, &reason);
                    return;
                }
                next.status = "UPDATE_IN_PROGRESS".into();
                self.state.stacks[stack_id].resources[name] = next;
                self.done(stack_id, operation, name, "UPDATE_COMPLETE");
            }
            Work::Import => self.done(stack_id, operation, name, "IMPORT_COMPLETE"),
            Work::Restore => {
                self.restore(stack_id, operation, name);
                self.done(stack_id, operation, name, "UPDATE_COMPLETE");
            }
            Work::Delete => {
                let resource = self.state.stacks[stack_id].resources[name].clone();
                if let Err(reason) = checks::deletable(&self.state, &resource) {
                    self.fail(stack_id, operation, name, verb, &reason);
                    return;
                }
                self.state.forget_content(&resource);
                self.done(stack_id, operation, name, "DELETE_COMPLETE");
            }
            Work::Remove => {
                let Some(index) = operation.leftovers.iter().position(|(it, _)| it == name) else { return };
                let (_, resource) = operation.leftovers.remove(index);
                if let Err(reason) = checks::deletable(&self.state, &resource) {
                    self.tell(stack_id, operation, name, &resource, "DELETE_FAILED", Some(&reason));
                    operation.items[name].progress = Progress::Failed;
                    operation.failed.push(("delete".to_owned(), name.to_owned()));
                    return;
                }
                self.state.forget_content(&resource);
                self.tell(stack_id, operation, name, &resource, "DELETE_COMPLETE", None);
                operation.items[name].progress = Progress::Done;
            }
            Work::Apply => {}
        }
    }

    /// The same for a nested stack; false if the resource is none, or if there is nothing to wait for.
    fn act_on_nested(&mut self, stack_id: &str, operation: &mut Operation, name: &str, work: Work, verb: &str) -> bool {
        let resource = match work {
            Work::Update | Work::Replace => operation.pending.get(name).cloned(),
            Work::Remove => operation.leftovers.iter().find(|(it, _)| it == name).map(|(_, it)| it.clone()),
            Work::Restore => operation.backups.get(name).cloned().flatten(),
            _ => self.state.stacks[stack_id].resources.get(name).cloned(),
        };
        let is_nested = |it: &Resource| it.resource_type == nested::STACK && work != Work::Replace;
        let Some(resource) = resource.filter(is_nested) else { return false };
        if work == Work::Restore {
            self.restore(stack_id, operation, name);
        }
        match self.start_nested(stack_id, operation, name, &resource, work) {
            Err(reason) => {
                self.fail(stack_id, operation, name, verb, &reason);
                true
            }
            Ok(false) => false,
            Ok(true) => {
                let known = &mut self.state.stacks[stack_id].resources;
                if let (Work::Update, Some(next)) = (work, operation.pending.shift_remove(name)) {
                    known[name] = Resource { status: "UPDATE_IN_PROGRESS".into(), ..next };
                }
                if work == Work::Create {
                    let child = known[name].child.clone();
                    known[name].physical_id = child;
                    let reason = Some("Resource creation Initiated");
                    self.set_resource(stack_id, operation, name, "CREATE_IN_PROGRESS", reason);
                }
                true
            }
        }
    }

    fn initiated(&mut self, operation: &mut Operation, name: &str) {
        let lasts = operation.lasts.get(name).copied().unwrap_or_default();
        let until = self.state.now + lasts - lasts / 2;
        operation.items[name].progress = Progress::Initiated { until };
    }

    fn settle(&mut self, stack_id: &str, operation: &mut Operation, name: &str, work: Work) {
        if let Some(reason) = self.nested_failure(stack_id, operation, name, work) {
            let verb = match work {
                Work::Create => "CREATE",
                Work::Delete | Work::Remove => "DELETE",
                _ => "UPDATE",
            };
            self.fail(stack_id, operation, name, verb, &reason);
            return;
        }
        match work {
            Work::Delete => self.done(stack_id, operation, name, "DELETE_COMPLETE"),
            Work::Remove => {
                let Some(index) = operation.leftovers.iter().position(|(it, _)| it == name) else { return };
                let (_, resource) = operation.leftovers.remove(index);
                self.tell(stack_id, operation, name, &resource, "DELETE_COMPLETE", None);
                operation.items[name].progress = Progress::Done;
            }
            Work::Create => self.done(stack_id, operation, name, "CREATE_COMPLETE"),
            _ => self.done(stack_id, operation, name, "UPDATE_COMPLETE"),
        }
    }

    fn done(&mut self, stack_id: &str, operation: &mut Operation, name: &str, status: &str) {
        self.set_resource(stack_id, operation, name, status, None);
        operation.items[name].progress = Progress::Done;
    }

    fn fail(&mut self, stack_id: &str, operation: &mut Operation, name: &str, verb: &str, reason: &str) {
        let status = format!("{verb}_FAILED");
        if operation.items[name].work == Work::Remove {
            if let Some(index) = operation.leftovers.iter().position(|(it, _)| it == name) {
                let (_, resource) = operation.leftovers.remove(index);
                self.tell(stack_id, operation, name, &resource, &status, Some(reason));
            }
        } else {
            self.set_resource(stack_id, operation, name, &status, Some(reason));
        }
        operation.items[name].progress = Progress::Failed;
        operation.failed.push((verb.to_lowercase(), name.to_owned()));
    }

    /// Brings a resource back to what it was before the operation.
    fn restore(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        let Some(Some(backup)) = operation.backups.get(name).cloned() else { return };
        let stack = &mut self.state.stacks[stack_id];
        let current = std::mem::replace(&mut stack.resources[name], backup.clone());
        stack.resources[name].status = "UPDATE_IN_PROGRESS".into();
        if current.serial != backup.serial {
            operation.leftovers.retain(|(it, old)| it != name || old.serial != backup.serial);
            operation.leftovers.push((name.to_owned(), current));
        }
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
    fn new_outputs(
        &self,
        stack_id: &str,
        operation: &Operation,
    ) -> Result<(Vec<crate::cloudformation::Output>, BTreeSet<String>), String> {
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
            if self.state.stacks[stack_id].resources.contains_key(name) {
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

    fn new_physical_id(&self, stack_id: &str, name: &str, resource: &Resource) -> String {
        let stack = &self.state.stacks[stack_id];
        let owner = Owner {
            environment: &stack.environment,
            stack_name: &stack.name,
            logical_id: name,
            serial: resource.serial,
        };
        physical::physical_id(&owner, &resource.resource_type, &resource.properties)
    }

    fn check(
        &self,
        stack_id: &str,
        name: &str,
        resource: &Resource,
        physical_id: &str,
        is_new: bool,
    ) -> Result<(), String> {
        let stack = &self.state.stacks[stack_id];
        checks::acceptable(&self.state, stack, name, resource, physical_id, is_new)
    }

    /// Changes the status of a resource and tells it.
    fn set_resource(&mut self, stack_id: &str, operation: &Operation, name: &str, status: &str, reason: Option<&str>) {
        let resource = &mut self.state.stacks[stack_id].resources[name];
        resource.status = status.into();
        resource.status_reason = reason.map(str::to_owned);
        let resource = resource.clone();
        self.tell(stack_id, operation, name, &resource, status, reason);
    }

    /// Adds an event about a resource.
    fn tell(
        &mut self,
        stack_id: &str,
        operation: &Operation,
        name: &str,
        resource: &Resource,
        status: &str,
        reason: Option<&str>,
    ) {
        let serial = self.state.next_serial();
        let timestamp = self.state.time();
        let stack = &mut self.state.stacks[stack_id];
        stack.events.push(StackEvent {
            id: format!("{name}-{status}-{serial:08x}"),
            stack_id: stack.id.clone(),
            stack_name: stack.name.clone(),
            logical_id: name.to_owned(),
            physical_id: Some(resource.physical_id.clone().unwrap_or_default()),
            resource_type: resource.resource_type.clone(),
            timestamp,
            status: status.into(),
            status_reason: reason.map(str::to_owned),
            client_token: operation.token.clone(),
            operation_id: Some(operation.id.clone()),
            ..StackEvent::default()
        });
    }

    /// Changes the status of the stack and tells it.
    pub(super) fn set_status(
        &mut self,
        stack_id: &str,
        operation: &Operation,
        status: StackStatus,
        reason: Option<&str>,
    ) {
        let serial = self.state.next_serial();
        let timestamp = self.state.time();
        let stack = &mut self.state.stacks[stack_id];
        stack.events.push(StackEvent {
            id: format!("{serial:08x}"),
            stack_id: stack.id.clone(),
            stack_name: stack.name.clone(),
            logical_id: stack.name.clone(),
            physical_id: Some(stack.id.clone()),
            resource_type: "AWS::CloudFormation::Stack".to_owned(),
            timestamp,
            status: status.as_str().into(),
            status_reason: reason.map(str::to_owned),
            client_token: operation.token.clone(),
            operation_id: Some(operation.id.clone()),
            ..StackEvent::default()
        });
        stack.status = status;
        stack.status_reason = reason.map(str::to_owned);
    }
}

fn difference(
    current: &Resource,
    wanted: &Resolved,
    tags: &BTreeMap<String, String>,
    forced: bool,
) -> Option<Difference> {
    Difference::between(current, wanted, tags).or_else(|| {
        forced.then_some(Difference {
            properties: Vec::new(),
            tags: false,
            metadata: false,
            replacement: Replacement::Never,
        })
    })
}

impl Operation {
    fn has_failed(&self) -> bool {
        !self.failed.is_empty() || self.stack_failure.is_some()
    }

    fn target_has(&self, state: &super::state::State, name: &str) -> bool {
        state.template(self.target.template).resources.contains_key(name)
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
