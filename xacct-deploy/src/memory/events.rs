//! What is told: the events of a stack.

use super::service::Service;
use super::state::{Operation, Resource};
use crate::cloudformation::{StackEvent, StackStatus};

impl Service {
    /// Changes the status of a resource and tells it.
    pub(super) fn set_resource(
        &mut self,
        stack_id: &str,
        operation: &Operation,
        name: &str,
        status: &str,
        reason: Option<&str>,
    ) {
        let resource = &mut self.state.stacks[stack_id].resources[name];
        resource.status = status.into();
        resource.status_reason = reason.map(str::to_owned);
        let resource = resource.clone();
        self.tell(stack_id, operation, name, &resource, status, reason);
    }

    /// Adds an event about a resource.
    pub(super) fn tell(
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
