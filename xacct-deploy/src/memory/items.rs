//! What is done to one resource: it starts, the service acts, it settles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use xacct_schema::Replacement;

use super::checks;
use super::fault::Action;
use super::nested;
use super::physical::{self, Owner};
use super::preview::{self, Difference};
use super::service::Service;
use super::state::{Operation, Progress, Resource, Step, Work};
use crate::cloudformation::StatusText;

const REPLACES: &str = "Requested update requires the creation of a new physical resource; hence creating one.";
const INITIATED: &str = "Resource creation Initiated";

impl Service {
    pub(super) fn start(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
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
        let current = self.state.stacks[stack_id].resources.get(name).filter(|resource| resource.exists()).cloned();
        let next = match self.next_resource(stack_id, operation, name) {
            Ok(next) => next,
            Err(reason) => {
                let verb = if current.is_some() { "UPDATE" } else { "CREATE" };
                self.ensure_resource(stack_id, operation, name);
                operation.backups.entry(name.to_owned()).or_insert(current);
                self.fail(stack_id, operation, name, verb, &reason);
                return;
            }
        };
        match current {
            None => self.start_new(stack_id, operation, name, next),
            Some(current) => self.start_change(stack_id, operation, name, current, next),
        }
    }

    /// The resource as the target wants it, with all values resolved.
    fn next_resource(&self, stack_id: &str, operation: &mut Operation, name: &str) -> Result<Resource, String> {
        let stack = &self.state.stacks[stack_id];
        let template = self.state.template(operation.target.template);
        let definition = &template.resources[name];
        let look = |other: &str, attribute: Option<&str>| match stack.resources.get(other) {
            Some(resource) => preview::look_at(&self.state, stack, other, resource, attribute),
            None => Err(format!("Unresolved resource dependencies [{other}] in the Resources block of the template")),
        };
        let (properties, imports) = preview::with_scope(&self.state, stack, &operation.target, &look, |scope| {
            scope.value(&definition.properties)
        })?;
        operation.imports.extend(imports);
        Ok(Resource {
            properties,
            stack_tags: operation.target.tags.clone(),
            metadata: definition.metadata.clone(),
            needs: definition.needs.iter().filter(|need| template.resources.contains_key(*need)).cloned().collect(),
            deletion_policy: definition.deletion_policy.clone(),
            update_replace_policy: definition.update_replace_policy.clone(),
            ..Resource::nothing(&definition.resource_type)
        })
    }

    fn start_new(&mut self, stack_id: &str, operation: &mut Operation, name: &str, mut next: Resource) {
        operation.backups.entry(name.to_owned()).or_insert(None);
        next.serial = self.state.next_serial();
        next.physical_id = operation.to_import.get(name).cloned();
        let is_import = next.physical_id.is_some();
        self.state.stacks[stack_id].resources.insert(name.to_owned(), next);
        if is_import {
            self.set_resource(stack_id, operation, name, "IMPORT_IN_PROGRESS", Some("Resource import started."));
            operation.items[name].work = Work::Import;
        } else {
            self.set_resource(stack_id, operation, name, "CREATE_IN_PROGRESS", None);
            operation.items[name].work = Work::Create;
        }
        self.wait(stack_id, operation, name, Action::Create);
    }

    fn start_change(
        &mut self,
        stack_id: &str,
        operation: &mut Operation,
        name: &str,
        current: Resource,
        mut next: Resource,
    ) {
        next.physical_id.clone_from(&current.physical_id);
        next.serial = current.serial;
        next.child.clone_from(&current.child);
        next.status = current.status.clone();
        // What failed last time, or was changed by hand, is done again even if nothing differs.
        let again = current.status.is_failure() || operation.revert_drift && current.drift.is_some();
        let difference = Difference::between(&current, &next.properties, &next.metadata, &operation.target.tags);
        let asks_service = difference.as_ref().is_some_and(|it| !it.properties.is_empty() || it.tags);
        if difference.is_some() || again {
            operation.backups.entry(name.to_owned()).or_insert_with(|| Some(current.clone()));
        }
        if !asks_service && !again {
            next.drift = current.drift;
            self.state.stacks[stack_id].resources[name] = next;
            operation.items[name].progress = Progress::Done;
            return;
        }
        operation.pending.insert(name.to_owned(), next);
        if difference.is_some_and(|it| it.replacement == Replacement::Always) {
            self.set_resource(stack_id, operation, name, "UPDATE_IN_PROGRESS", Some(REPLACES));
            operation.items[name].work = Work::Replace;
            self.wait(stack_id, operation, name, Action::Create);
        } else {
            self.set_resource(stack_id, operation, name, "UPDATE_IN_PROGRESS", None);
            operation.items[name].work = Work::Update;
            self.wait(stack_id, operation, name, Action::Update);
        }
    }

    /// A resource whose values cannot be resolved is in the stack all the same, to fail there.
    fn ensure_resource(&mut self, stack_id: &str, operation: &Operation, name: &str) {
        let template = self.state.template(operation.target.template);
        let serial = self.state.next_serial();
        let nothing = Resource { serial, ..Resource::nothing(&template.resources[name].resource_type) };
        self.state.stacks[stack_id].resources.entry(name.to_owned()).or_insert(nothing);
    }

    fn start_delete(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        let resource = &self.state.stacks[stack_id].resources[name];
        let undoing = operation.step == Step::UndoCreate;
        let keeps = match resource.deletion_policy.as_deref() {
            Some("Retain") => true,
            Some("RetainExceptOnCreate") => !undoing,
            _ => false,
        };
        if resource.physical_id.is_none() {
            self.done(stack_id, operation, name, "DELETE_COMPLETE");
        } else if keeps {
            self.done(stack_id, operation, name, "DELETE_SKIPPED");
            self.leave_behind(stack_id, name);
        } else {
            self.set_resource(stack_id, operation, name, "DELETE_IN_PROGRESS", None);
            self.wait(stack_id, operation, name, Action::Delete);
        }
    }

    /// A resource that is retained lives on outside of all stacks.
    pub(super) fn leave_behind(&mut self, stack_id: &str, name: &str) {
        let stack = &self.state.stacks[stack_id];
        let (environment, resource) = (stack.environment.clone(), stack.resources[name].clone());
        self.state.abandon(environment, &resource);
    }

    fn start_remove(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        let Some((_, resource)) = operation.leftovers.iter().find(|(it, _)| it == name).cloned() else { return };
        let is_replaced = self.state.stacks[stack_id].resources.contains_key(name);
        let keeps = match (operation.step, is_replaced) {
            (Step::Cleanup, true) => resource.update_replace_policy.as_deref() == Some("Retain"),
            (Step::Cleanup, false) => {
                matches!(resource.deletion_policy.as_deref(), Some("Retain" | "RetainExceptOnCreate"))
            }
            (_, true) => false,
            (_, false) => resource.deletion_policy.as_deref() == Some("Retain"),
        };
        let status = match (&resource.physical_id, keeps) {
            (None, _) => "DELETE_COMPLETE",
            (Some(_), true) => "DELETE_SKIPPED",
            (Some(_), false) => "DELETE_IN_PROGRESS",
        };
        self.tell(stack_id, operation, name, &resource, status, None);
        if status == "DELETE_IN_PROGRESS" {
            self.wait(stack_id, operation, name, Action::Delete);
            return;
        }
        if keeps {
            let environment = self.state.stacks[stack_id].environment.clone();
            self.state.abandon(environment, &resource);
        }
        operation.take_leftover(name);
        operation.items[name].progress = Progress::Done;
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
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX / 4);
        // Express mode does not wait until everything is ready.
        let lasts = if operation.express { lasts / 4 } else { lasts };
        // A creation takes half of its time until the physical resource is there.
        let until = self.state.now + if action == Action::Create { lasts / 2 } else { lasts };
        operation.lasts.insert(name.to_owned(), lasts);
        operation.items[name].progress = Progress::Started { until };
    }

    /// The service acts: it refuses, or the physical resource changes.
    pub(super) fn act(&mut self, stack_id: &str, operation: &mut Operation, name: &str, work: Work) {
        let action = match work {
            Work::Create | Work::Import | Work::Replace => Action::Create,
            Work::Update | Work::Apply => Action::Update,
            Work::Restore => Action::Rollback,
            Work::Delete | Work::Remove => Action::Delete,
        };
        let stack_name = self.state.stacks[stack_id].name.clone();
        if let Some(reason) = self.script.failure(&stack_name, name, action) {
            self.fail(stack_id, operation, name, verb(work), &reason);
            return;
        }
        if self.act_on_nested(stack_id, operation, name, work) {
            return;
        }
        let acted = match work {
            Work::Create => self.create(stack_id, operation, name),
            Work::Replace => self.replace(stack_id, operation, name),
            Work::Update => self.update(stack_id, operation, name),
            Work::Delete => self.delete(stack_id, operation, name),
            Work::Remove => self.remove(stack_id, operation, name),
            Work::Import => {
                self.done(stack_id, operation, name, "IMPORT_COMPLETE");
                Ok(())
            }
            Work::Restore => {
                self.restore(stack_id, operation, name);
                self.done(stack_id, operation, name, "UPDATE_COMPLETE");
                Ok(())
            }
            Work::Apply => Ok(()),
        };
        if let Err(reason) = acted {
            self.fail(stack_id, operation, name, verb(work), &reason);
        }
    }

    fn create(&mut self, stack_id: &str, operation: &mut Operation, name: &str) -> Result<(), String> {
        let stack = &self.state.stacks[stack_id];
        let resource = &stack.resources[name];
        let physical_id = self.new_physical_id(stack_id, name, resource);
        checks::acceptable(&self.state, stack, name, resource, &physical_id, true)?;
        self.state.stacks[stack_id].resources[name].physical_id = Some(physical_id);
        self.set_resource(stack_id, operation, name, "CREATE_IN_PROGRESS", Some(INITIATED));
        self.initiated(operation, name);
        Ok(())
    }

    fn replace(&mut self, stack_id: &str, operation: &mut Operation, name: &str) -> Result<(), String> {
        let Some(mut next) = operation.pending.shift_remove(name) else { return Ok(()) };
        next.serial = self.state.next_serial();
        let physical_id = self.new_physical_id(stack_id, name, &next);
        let stack = &self.state.stacks[stack_id];
        let has_same_name = stack.resources[name].physical_id.as_deref() == Some(physical_id.as_str());
        let is_deleted_first = xacct_schema::resource_type(&next.resource_type)
            .is_some_and(|schema| schema.is_deleted_before_replacement());
        if has_same_name && !is_deleted_first {
            return Err(format!(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {physical_id} and update the stack again."
            ));
        }
        checks::acceptable(&self.state, stack, name, &next, &physical_id, true)?;
        next.physical_id = Some(physical_id);
        let old = std::mem::replace(&mut self.state.stacks[stack_id].resources[name], next);
        if !has_same_name {
            operation.leftovers.push((name.to_owned(), old));
        }
        self.set_resource(stack_id, operation, name, "UPDATE_IN_PROGRESS", Some(INITIATED));
        self.initiated(operation, name);
        Ok(())
    }

    fn update(&mut self, stack_id: &str, operation: &mut Operation, name: &str) -> Result<(), String> {
        let Some(next) = operation.pending.shift_remove(name) else { return Ok(()) };
        let physical_id = next.physical_id.clone().unwrap_or_default();
        checks::acceptable(&self.state, &self.state.stacks[stack_id], name, &next, &physical_id, false)?;
        self.state.stacks[stack_id].resources[name] = next;
        self.done(stack_id, operation, name, "UPDATE_COMPLETE");
        Ok(())
    }

    fn delete(&mut self, stack_id: &str, operation: &mut Operation, name: &str) -> Result<(), String> {
        let resource = self.state.stacks[stack_id].resources[name].clone();
        checks::deletable(&self.state, &resource)?;
        self.state.forget_content(&resource);
        self.done(stack_id, operation, name, "DELETE_COMPLETE");
        Ok(())
    }

    fn remove(&mut self, stack_id: &str, operation: &mut Operation, name: &str) -> Result<(), String> {
        let leftover = operation.leftovers.iter().find(|(it, _)| it == name);
        if let Some((_, resource)) = leftover {
            checks::deletable(&self.state, resource)?;
            self.state.forget_content(&resource.clone());
        }
        self.removed(stack_id, operation, name);
        Ok(())
    }

    fn removed(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        if let Some(resource) = operation.take_leftover(name) {
            self.tell(stack_id, operation, name, &resource, "DELETE_COMPLETE", None);
        }
        operation.items[name].progress = Progress::Done;
    }

    /// The same for a nested stack; false if the resource is none, or if there is nothing to wait for.
    fn act_on_nested(&mut self, stack_id: &str, operation: &mut Operation, name: &str, work: Work) -> bool {
        let resource = match work {
            Work::Update => operation.pending.get(name).cloned(),
            Work::Remove => operation.leftovers.iter().find(|(it, _)| it == name).map(|(_, it)| it.clone()),
            Work::Restore => operation.backups.get(name).cloned().flatten(),
            Work::Replace => None,
            _ => self.state.stacks[stack_id].resources.get(name).cloned(),
        };
        let Some(resource) = resource.filter(|it| it.resource_type == nested::STACK) else { return false };
        if work == Work::Restore {
            self.restore(stack_id, operation, name);
        }
        let waits = match self.start_nested(stack_id, operation, name, &resource, work) {
            Ok(waits) => waits,
            Err(reason) => {
                self.fail(stack_id, operation, name, verb(work), &reason);
                return true;
            }
        };
        let resources = &mut self.state.stacks[stack_id].resources;
        if waits && work == Work::Update {
            if let Some(next) = operation.pending.shift_remove(name) {
                resources[name] = Resource { status: "UPDATE_IN_PROGRESS".into(), ..next };
            }
        } else if waits && work == Work::Create {
            let child = resources[name].child.clone();
            resources[name].physical_id = child;
            self.set_resource(stack_id, operation, name, "CREATE_IN_PROGRESS", Some(INITIATED));
        }
        waits
    }

    fn initiated(&mut self, operation: &mut Operation, name: &str) {
        let lasts = operation.lasts.get(name).copied().unwrap_or_default();
        let until = self.state.now + lasts - lasts / 2;
        operation.items[name].progress = Progress::Initiated { until };
    }

    /// A creation, or whatever is done to a nested stack, comes to its end.
    pub(super) fn settle(&mut self, stack_id: &str, operation: &mut Operation, name: &str, work: Work) {
        if let Some(reason) = self.nested_failure(stack_id, operation, name, work) {
            self.fail(stack_id, operation, name, verb(work), &reason);
            return;
        }
        match work {
            Work::Create => self.done(stack_id, operation, name, "CREATE_COMPLETE"),
            Work::Delete => self.done(stack_id, operation, name, "DELETE_COMPLETE"),
            Work::Remove => self.removed(stack_id, operation, name),
            _ => self.done(stack_id, operation, name, "UPDATE_COMPLETE"),
        }
    }

    fn done(&mut self, stack_id: &str, operation: &mut Operation, name: &str, status: &str) {
        self.set_resource(stack_id, operation, name, status, None);
        operation.items[name].progress = Progress::Done;
    }

    fn fail(&mut self, stack_id: &str, operation: &mut Operation, name: &str, verb: &str, reason: &str) {
        let status = format!("{verb}_FAILED");
        if operation.items[name].work != Work::Remove {
            self.set_resource(stack_id, operation, name, &status, Some(reason));
        } else if let Some(resource) = operation.take_leftover(name) {
            self.tell(stack_id, operation, name, &resource, &status, Some(reason));
        }
        operation.items[name].progress = Progress::Failed;
        operation.failed.push((verb.to_lowercase(), name.to_owned()));
    }

    /// Brings a resource back to what it was before the operation.
    fn restore(&mut self, stack_id: &str, operation: &mut Operation, name: &str) {
        let Some(Some(backup)) = operation.backups.get(name).cloned() else { return };
        let serial = backup.serial;
        let restored = Resource { status: "UPDATE_IN_PROGRESS".into(), ..backup };
        let current = std::mem::replace(&mut self.state.stacks[stack_id].resources[name], restored);
        if current.serial != serial {
            operation.leftovers.retain(|(it, old)| it != name || old.serial != serial);
            operation.leftovers.push((name.to_owned(), current));
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
}

/// What a status says that is done to a resource.
fn verb(work: Work) -> &'static str {
    match work {
        Work::Create | Work::Import => "CREATE",
        Work::Delete | Work::Remove => "DELETE",
        Work::Update | Work::Apply | Work::Replace | Work::Restore => "UPDATE",
    }
}

impl Operation {
    fn take_leftover(&mut self, name: &str) -> Option<Resource> {
        let index = self.leftovers.iter().position(|(it, _)| it == name)?;
        Some(self.leftovers.remove(index).1)
    }
}

impl Resource {
    /// A resource that is not there yet.
    fn nothing(resource_type: &str) -> Self {
        Self {
            resource_type: resource_type.to_owned(),
            physical_id: None,
            serial: 0,
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
        }
    }
}
