//! Nested stacks: a resource that is a stack of its own, with its own operations and events.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::preview;
use super::service::{Service, is_busy};
use super::state::{Desired, Operation, OperationKind, Progress, Resource, Step, Work};
use super::template::{Template, scalar_text};
use crate::cloudformation::{ParameterValue, StackStatus};

/// The type of a nested stack.
pub(super) const STACK: &str = "AWS::CloudFormation::Stack";
/// A nested stack is looked at when it ends, not at a time.
const WHEN_IT_ENDS: i64 = i64::MAX;

impl Service {
    /// Starts what is to be done to a nested stack; false if there is nothing to wait for.
    pub(super) fn start_nested(
        &mut self,
        stack_id: &str,
        operation: &mut Operation,
        name: &str,
        resource: &Resource,
        work: Work,
    ) -> Result<bool, String> {
        let kind = match work {
            Work::Create | Work::Replace => OperationKind::Create,
            Work::Delete | Work::Remove => OperationKind::Delete,
            _ => OperationKind::Update,
        };
        let busy =
            resource.child.as_ref().and_then(|id| self.state.stacks.get(id)).is_some_and(|it| is_busy(&it.status));
        if work == Work::Restore && busy {
            operation.items[name].progress = Progress::Initiated { until: WHEN_IT_ENDS };
            return Ok(true);
        }
        let child = match (&resource.child, kind) {
            (Some(child), OperationKind::Update | OperationKind::Delete) => child.clone(),
            (None, OperationKind::Delete) => return Ok(false),
            _ => self.new_child(stack_id, name),
        };
        if kind == OperationKind::Delete {
            if self.state.stacks[&child].status == StackStatus::DELETE_COMPLETE {
                return Ok(false);
            }
            let of_child = self.new_operation(&child, kind, operation.token.as_deref().unwrap_or_default());
            self.state.stacks[&child].operation = None;
            self.state.stacks[&child].unfinished = None;
            let of_child = self.begin_delete(&child, of_child, "User Initiated");
            self.run(&child, of_child);
        } else {
            let desired = match self.desired_of_child(&child, resource, &operation.target.tags) {
                Ok(desired) => desired,
                Err(reason) => {
                    if kind == OperationKind::Create {
                        self.forget_child(&child);
                    }
                    return Err(reason);
                }
            };
            if let Some(known) = self.state.stacks[stack_id].resources.get_mut(name) {
                known.child = Some(child.clone());
            }
            if kind == OperationKind::Update && self.state.stacks[&child].desired.as_ref() == Some(&desired) {
                return Ok(false);
            }
            let mut of_child = self.new_operation(&child, kind, operation.token.as_deref().unwrap_or_default());
            of_child.target = desired;
            of_child.disable_rollback = operation.disable_rollback;
            self.begin_forward(&child, of_child);
        }
        operation.items[name].progress = Progress::Initiated { until: WHEN_IT_ENDS };
        Ok(true)
    }

    fn new_child(&mut self, stack_id: &str, name: &str) -> String {
        let parent = &self.state.stacks[stack_id];
        let (environment, parent_name) = (parent.environment.clone(), parent.name.clone());
        let serial = self.state.next_serial();
        let half = |text: &str| -> String { text.chars().take(50).collect() };
        let child_name = format!("{}-{}-{serial:012X}", half(&parent_name), half(name));
        let child = self.new_stack(&environment, &child_name);
        self.state.stacks[&child].parent = Some(stack_id.to_owned());
        child
    }

    fn forget_child(&mut self, child: &str) {
        if let Some(stack) = self.state.stacks.shift_remove(child) {
            self.state.by_name.remove(&(stack.environment, stack.name));
        }
    }

    fn desired_of_child(
        &mut self,
        child: &str,
        resource: &Resource,
        tags: &BTreeMap<String, String>,
    ) -> Result<Desired, String> {
        let url = resource.properties.get("TemplateURL").map(scalar_text).unwrap_or_default();
        let text = self.object_text(&url)?;
        let template = Template::parse(&text)?;
        let given: Vec<ParameterValue> = resource
            .properties
            .get("Parameters")
            .and_then(Value::as_object)
            .unwrap_or(&Map::new())
            .iter()
            .map(|(key, value)| ParameterValue { key: key.clone(), value: Some(scalar_text(value)) })
            .collect();
        let stack = &self.state.stacks[child];
        let environment = stack.environment.clone();
        let previous = stack.desired.clone();
        let parameters = preview::settle_parameters(&self.state, &template, &given, previous.as_ref(), &environment)?;
        Ok(Desired {
            template: self.state.keep_template(&text, template),
            parameters,
            tags: tags.clone(),
            capabilities: Vec::new(),
            role_arn: None,
            notification_arns: Vec::new(),
        })
    }

    /// Whether a resource is a nested stack on which nothing runs any more.
    pub(super) fn nested_has_ended(&self, stack_id: &str, operation: &Operation, name: &str) -> bool {
        self.child_of(stack_id, operation, name).is_some_and(|child| !is_busy(&self.state.stacks[child].status))
    }

    fn child_of<'a>(&'a self, stack_id: &str, operation: &'a Operation, name: &str) -> Option<&'a str> {
        let leftover = || operation.leftovers.iter().find(|(it, _)| it == name).map(|(_, resource)| resource);
        let removing = operation.items.get(name).is_some_and(|item| item.work == Work::Remove);
        let resource = if removing { leftover() } else { self.state.stacks[stack_id].resources.get(name) };
        resource?.child.as_deref().filter(|id| self.state.stacks.contains_key(*id))
    }

    /// Turns an update of a nested stack back. One that is being created is deleted later, with all that was made.
    pub(super) fn cancel_nested(&mut self, stack_id: &str, operation: &Operation, name: &str) {
        let Some(child) = self.child_of(stack_id, operation, name).map(str::to_owned) else { return };
        let running = self.state.stacks[&child].operation.take();
        match running {
            Some(mut running) if running.step == Step::Forward && running.kind == OperationKind::Update => {
                self.cancel_running(&child, &mut running);
                let running = self.begin_restore(&child, running, Some("User Initiated"));
                self.run(&child, running);
            }
            other => self.state.stacks[&child].operation = other,
        }
    }

    /// Why what was done to a nested stack did not succeed.
    pub(super) fn nested_failure(
        &self,
        stack_id: &str,
        operation: &Operation,
        name: &str,
        work: Work,
    ) -> Option<String> {
        let child = &self.state.stacks[self.child_of(stack_id, operation, name)?];
        let (verb, succeeded) = match work {
            Work::Create | Work::Replace => ("created", child.status == StackStatus::CREATE_COMPLETE),
            Work::Delete | Work::Remove => ("deleted", child.status == StackStatus::DELETE_COMPLETE),
            // What it was is what a restored stack has to be.
            Work::Restore => {
                ("updated", child.status.is_success() || child.status == StackStatus::UPDATE_ROLLBACK_COMPLETE)
            }
            _ => ("updated", child.status.is_success()),
        };
        if succeeded {
            return None;
        }
        let (id, status) = (&child.id, &child.status);
        // What made the child fail is in the event with which it turned back.
        let turned = child.events.iter().rev().find(|it| it.is_stack() && it.status_reason.is_some());
        let reason = turned.and_then(|it| it.status_reason.clone()).unwrap_or_default();
        Some(match verb {
            "created" => format!("Embedded stack {id} was not successfully created: {reason}"),
            _ => {
                format!("Embedded stack {id} was not successfully {verb}. Currently in {status} with reason: {reason}")
            }
        })
    }
}
