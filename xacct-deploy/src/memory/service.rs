//! The service behind the calls: what each of them does to the state, at a point in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::elsewhere;
use super::fault::Script;
use super::secret::Secrets;
use super::state::{Detection, Drift, Operation, OperationKind, Stack, State, Step};
use crate::cloudformation::{
    self as api, ApiError, ContinueUpdateRollback, DeleteStack, DescribeEvents, DriftDetection, Environment,
    OperationEvent, Page, ResourceDrift, RollbackStack, StackEvent, StackOperation, StackParameter, StackResource,
    StackStatus,
};

/// How long things last, in virtual time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Durations {
    /// Making a change set.
    pub change_set: Duration,
    /// Creating or replacing a resource.
    pub create: Duration,
    /// Updating a resource.
    pub update: Duration,
    /// Deleting a resource.
    pub delete: Duration,
    /// Detecting drift.
    pub drift: Duration,
}

impl Durations {
    /// Every thing lasts so long.
    pub fn all(duration: Duration) -> Self {
        Self { change_set: duration, create: duration, update: duration, delete: duration, drift: duration }
    }
}

impl Default for Durations {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { change_set: seconds(2), create: seconds(4), update: seconds(3), delete: seconds(2), drift: seconds(3) }
    }
}

/// What can be set about a world.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) durations: Durations,
    pub(super) page_size: usize,
    /// Accounts whose credentials belong to another account.
    pub(super) accounts: BTreeMap<String, String>,
    pub(super) bootstrapped: bool,
}

/// Everything that the mutex guards.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) state: State,
    pub(super) script: Script,
    pub(super) options: Options,
}

pub(super) fn validation(operation: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::service(operation, "ValidationError", message).with_http(Some(400), None)
}

impl Service {
    /// The stack, or the error for one that is not there.
    pub(super) fn stack(
        &self,
        operation: &'static str,
        environment: &Environment,
        stack: &str,
    ) -> Result<&Stack, ApiError> {
        self.state.find(environment, stack).ok_or_else(|| {
            let message = match operation {
                "DescribeStackEvents" | "DescribeEvents" | "CreateChangeSet" | "ExecuteChangeSet" => {
                    format!("Stack [{stack}] does not exist")
                }
                _ => format!("Stack with id {stack} does not exist"),
            };
            validation(operation, message)
        })
    }

    pub(super) fn describe_stack(&self, environment: &Environment, stack: &str) -> Result<api::Stack, ApiError> {
        self.stack("DescribeStacks", environment, stack).map(|stack| self.show(stack))
    }

    pub(super) fn describe_stacks(
        &self,
        environment: &Environment,
        next_token: Option<&str>,
    ) -> Result<Page<api::Stack>, ApiError> {
        let stacks = self.state.stacks.values();
        let live: Vec<&Stack> =
            stacks.filter(|it| it.environment == *environment && it.status != StackStatus::DELETE_COMPLETE).collect();
        self.page("DescribeStacks", live, next_token, |stack| self.show(stack))
    }

    fn show(&self, stack: &Stack) -> api::Stack {
        let desired = stack.desired.as_ref();
        let reveal = |text: &str| self.state.secrets.reveal(text);
        let outputs = stack.outputs.iter().map(|output| api::Output { value: reveal(&output.value), ..output.clone() });
        let parameters = desired.into_iter().flat_map(|it| &it.parameters).map(|(name, setting)| {
            let value = if setting.no_echo { "****".to_owned() } else { setting.value.clone() };
            (name.clone(), StackParameter { value, resolved: setting.resolved.clone() })
        });
        api::Stack {
            id: stack.id.clone(),
            name: stack.name.clone(),
            status: stack.status.clone(),
            status_reason: stack.status_reason.clone(),
            description: desired.and_then(|it| self.state.template(it.template).description.clone()),
            creation_time: stack.creation_time,
            last_updated_time: stack.last_updated_time,
            deletion_time: stack.deletion_time,
            parameters: parameters.collect(),
            outputs: outputs.collect(),
            tags: desired.map(|it| it.tags.clone()).unwrap_or_default(),
            capabilities: desired.map(|it| it.capabilities.clone()).unwrap_or_default(),
            termination_protection: stack.termination_protection,
            role_arn: desired.and_then(|it| it.role_arn.clone()),
            parent_id: stack.parent.clone(),
            change_set_id: stack.change_set_id.clone(),
            detailed_status: None,
            last_operations: stack
                .operations
                .iter()
                .rev()
                .take(5)
                .map(|(id, kind)| StackOperation { id: id.clone(), kind: kind.clone() })
                .collect(),
        }
    }

    pub(super) fn describe_stack_events(
        &self,
        environment: &Environment,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<StackEvent>, ApiError> {
        let stack = self.stack("DescribeStackEvents", environment, stack)?;
        let events: Vec<&StackEvent> = stack.events.iter().rev().collect();
        // New events come before the ones that were seen: a token counts from the end.
        self.page_from_end("DescribeStackEvents", &events, next_token, |event| self.show_event(event))
    }

    fn show_event(&self, event: &StackEvent) -> StackEvent {
        StackEvent {
            physical_id: event.physical_id.as_deref().map(|it| self.state.secrets.reveal(it)),
            status_reason: event.status_reason.as_deref().map(Secrets::mask),
            ..event.clone()
        }
    }

    pub(super) fn describe_events(
        &self,
        environment: &Environment,
        request: &DescribeEvents,
        next_token: Option<&str>,
    ) -> Result<Page<OperationEvent>, ApiError> {
        const OPERATION: &str = "DescribeEvents";
        let mut found: Vec<OperationEvent> = Vec::new();
        let stacks: Vec<&Stack> = match (&request.stack, &request.change_set, &request.operation_id) {
            (Some(stack), ..) => vec![self.stack(OPERATION, environment, stack)?],
            (None, None, None) => {
                let message = "One of ChangeSetName, OperationId or StackName must be specified";
                return Err(validation(OPERATION, message));
            }
            _ => self.state.stacks.values().filter(|it| it.environment == *environment).collect(),
        };
        for stack in stacks {
            let change_sets = stack.change_sets.iter().filter(|it| {
                request.change_set.as_ref().is_none_or(|name| it.id == *name || it.name == *name)
                    && request.operation_id.as_ref().is_none_or(|id| it.operation_id == *id)
            });
            for change_set in change_sets {
                found.extend(change_set.findings.iter().map(|finding| OperationEvent {
                    event: StackEvent {
                        id: format!("{}-{}", change_set.operation_id, finding.logical_id),
                        stack_id: stack.id.clone(),
                        stack_name: stack.name.clone(),
                        logical_id: finding.logical_id.clone(),
                        resource_type: finding.resource_type.clone(),
                        timestamp: finding.time,
                        operation_id: Some(change_set.operation_id.clone()),
                        detailed_status: Some("VALIDATION_FAILED".to_owned()),
                        ..StackEvent::default()
                    },
                    validation_name: Some(finding.name.clone()),
                    validation_status: Some("FAILED".to_owned()),
                    validation_reason: Some(Secrets::mask(&finding.reason)),
                    validation_path: finding.path.clone(),
                }));
            }
            if request.change_set.is_some() {
                continue;
            }
            let events = stack.events.iter().rev().filter(|event| {
                let wanted = request.operation_id.as_ref();
                wanted.is_none_or(|id| event.operation_id.as_ref() == Some(id))
                    && (!request.failed_only || event.status.is_failure())
            });
            found.extend(
                events.map(|event| OperationEvent { event: self.show_event(event), ..OperationEvent::default() }),
            );
        }
        self.page(OPERATION, found, next_token, |event| event)
    }

    pub(super) fn list_stack_resources(
        &self,
        environment: &Environment,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<StackResource>, ApiError> {
        let stack = self.stack("ListStackResources", environment, stack)?;
        let resources: Vec<_> = stack.resources.iter().collect();
        self.page("ListStackResources", resources, next_token, |(name, resource)| StackResource {
            logical_id: name.clone(),
            physical_id: resource.physical_id.as_deref().map(|it| self.state.secrets.reveal(it)),
            resource_type: resource.resource_type.clone(),
            status: resource.status.clone(),
            status_reason: resource.status_reason.as_deref().map(Secrets::mask),
            drift_status: Some("NOT_CHECKED".to_owned()),
        })
    }

    pub(super) fn get_template(&self, environment: &Environment, stack: &str) -> Result<String, ApiError> {
        let stack = self.stack("GetTemplate", environment, stack)?;
        let key = stack.desired.as_ref().map(|it| it.template);
        key.and_then(|key| self.state.templates.get(&key))
            .cloned()
            .ok_or_else(|| validation("GetTemplate", format!("Stack with id {} does not exist", stack.name)))
    }

    pub(super) fn delete_stack(&mut self, environment: &Environment, request: &DeleteStack) -> Result<(), ApiError> {
        const OPERATION: &str = "DeleteStack";
        let Some(stack) = self.state.find(environment, &request.stack) else { return Ok(()) };
        let (id, name, status) = (stack.id.clone(), stack.name.clone(), stack.status.clone());
        if status == StackStatus::DELETE_COMPLETE || status == StackStatus::DELETE_IN_PROGRESS {
            return Ok(());
        }
        if stack.termination_protection {
            let message = format!("Stack [{name}] cannot be deleted while TerminationProtection is enabled");
            return Err(validation(OPERATION, message));
        }
        let may = !is_busy(&status) || matches!(status.as_str(), "CREATE_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS");
        if !may {
            let message = format!("Stack [{id}] cannot be deleted while in status {status}");
            return Err(validation(OPERATION, message));
        }
        if !request.retain_resources.is_empty() && status != StackStatus::DELETE_FAILED {
            let message = format!(
                "Invalid operation on stack [{id}]. When you delete a stack, specify which resources to retain only when the stack is in the DELETE_FAILED state."
            );
            return Err(validation(OPERATION, message));
        }
        self.use_token(OPERATION, &request.client_token, &id)?;
        let mut operation = self.new_operation(&id, OperationKind::Delete, &request.client_token);
        let stack = &self.state.stacks[&id];
        if let Some(running) = stack.operation.clone() {
            // A creation that is deleted while it runs leaves what it has made to the deletion.
            operation.leftovers = running.leftovers;
            self.state.stacks[&id].operation = None;
        }
        self.state.stacks[&id].unfinished = None;
        let stack = &self.state.stacks[&id];
        for output in &stack.outputs {
            let Some(export) = &output.export_name else { continue };
            let users = elsewhere::importers(&self.state, stack, export);
            if !users.is_empty() {
                let reason = format!(
                    "Delete canceled. Cannot delete export {export} as it is in use by {}.",
                    users.join(" and ")
                );
                self.set_status(&id, &operation, StackStatus::DELETE_IN_PROGRESS, Some("User Initiated"));
                self.set_status(&id, &operation, StackStatus::DELETE_FAILED, Some(&reason));
                return Ok(());
            }
        }
        let mut operation = self.begin_delete(&id, operation, "User Initiated");
        let retained: BTreeSet<String> = request.retain_resources.iter().cloned().collect();
        if !retained.is_empty() {
            self.plan_deletions(&id, &mut operation, &retained);
        }
        self.run(&id, operation);
        Ok(())
    }

    pub(super) fn rollback_stack(
        &mut self,
        environment: &Environment,
        request: &RollbackStack,
    ) -> Result<(), ApiError> {
        const OPERATION: &str = "RollbackStack";
        let stack = self.stack(OPERATION, environment, &request.stack)?;
        let (id, status) = (stack.id.clone(), stack.status.clone());
        if self.is_repeated(&request.client_token, &id) {
            return Ok(());
        }
        if status != StackStatus::CREATE_FAILED && status != StackStatus::UPDATE_FAILED {
            let message = format!("Stack:{id} is in {status} state and can not be rolled back.");
            return Err(validation(OPERATION, message));
        }
        self.use_token(OPERATION, &request.client_token, &id)?;
        let Some(mut operation) = self.state.stacks[&id].unfinished.take() else { return Ok(()) };
        self.rename_operation(&id, &mut operation, "ROLLBACK", &request.client_token);
        let operation = if status == StackStatus::CREATE_FAILED {
            self.begin_undo_create(&id, operation, "User Initiated")
        } else {
            self.begin_restore(&id, operation, Some("User Initiated"))
        };
        self.run(&id, operation);
        Ok(())
    }

    pub(super) fn continue_update_rollback(
        &mut self,
        environment: &Environment,
        request: &ContinueUpdateRollback,
    ) -> Result<(), ApiError> {
        const OPERATION: &str = "ContinueUpdateRollback";
        let stack = self.stack(OPERATION, environment, &request.stack)?;
        let (id, status) = (stack.id.clone(), stack.status.clone());
        if self.is_repeated(&request.client_token, &id) {
            return Ok(());
        }
        if status != StackStatus::UPDATE_ROLLBACK_FAILED {
            let message = format!("Stack:{id} is in {status} state and can not continue update rollback.");
            return Err(validation(OPERATION, message));
        }
        let failed: BTreeSet<&str> = stack
            .resources
            .iter()
            .filter(|(_, it)| it.status == "UPDATE_FAILED")
            .map(|(name, _)| name.as_str())
            .collect();
        if let Some(other) = request.resources_to_skip.iter().find(|it| !failed.contains(it.as_str())) {
            let message = format!(
                "ResourcesToSkip contains [{other}], which is not in UPDATE_FAILED state because the rollback failed. Only such resources can be skipped."
            );
            return Err(validation(OPERATION, message));
        }
        self.use_token(OPERATION, &request.client_token, &id)?;
        let Some(mut operation) = self.state.stacks[&id].unfinished.take() else { return Ok(()) };
        self.rename_operation(&id, &mut operation, "CONTINUE_ROLLBACK", &request.client_token);
        // A skipped resource stays as it is.
        for name in &request.resources_to_skip {
            operation.backups.shift_remove(name);
        }
        operation.backups.retain(|name, _| {
            operation.items.get(name).is_none_or(|item| item.progress != super::state::Progress::Done)
        });
        let operation = self.begin_restore(&id, operation, Some("User Initiated"));
        for name in &request.resources_to_skip {
            self.state.stacks[&id].resources[name].status = "UPDATE_COMPLETE".into();
        }
        self.run(&id, operation);
        Ok(())
    }

    pub(super) fn cancel_update_stack(
        &mut self,
        environment: &Environment,
        stack: &str,
        client_token: &str,
    ) -> Result<(), ApiError> {
        const OPERATION: &str = "CancelUpdateStack";
        let stack = self.stack(OPERATION, environment, stack)?;
        let id = stack.id.clone();
        if self.is_repeated(client_token, &id) {
            return Ok(());
        }
        let cancellable = stack.operation.as_ref().is_some_and(|it| it.step == Step::Forward);
        if stack.status != StackStatus::UPDATE_IN_PROGRESS || !cancellable {
            return Err(validation(OPERATION, "CancelUpdateStack cannot be called from current stack status"));
        }
        self.use_token(OPERATION, client_token, &id)?;
        let Some(mut operation) = self.state.stacks[&id].operation.take() else { return Ok(()) };
        self.cancel_running(&id, &mut operation);
        let operation = self.begin_restore(&id, operation, Some("User Initiated"));
        self.run(&id, operation);
        Ok(())
    }

    pub(super) fn update_termination_protection(
        &mut self,
        environment: &Environment,
        stack: &str,
        enabled: bool,
    ) -> Result<(), ApiError> {
        const OPERATION: &str = "UpdateTerminationProtection";
        let stack = self.stack(OPERATION, environment, stack)?;
        if matches!(stack.status.as_str(), "DELETE_COMPLETE" | "DELETE_IN_PROGRESS") {
            let message = format!(
                "Termination protection cannot be changed while stack [{}] is in status {}",
                stack.name, stack.status
            );
            return Err(validation(OPERATION, message));
        }
        let id = stack.id.clone();
        self.state.stacks[&id].termination_protection = enabled;
        Ok(())
    }

    pub(super) fn detect_stack_drift(&mut self, environment: &Environment, stack: &str) -> Result<String, ApiError> {
        const OPERATION: &str = "DetectStackDrift";
        let stack = self.stack(OPERATION, environment, stack)?;
        if !matches!(
            stack.status.as_str(),
            "CREATE_COMPLETE"
                | "UPDATE_COMPLETE"
                | "UPDATE_ROLLBACK_COMPLETE"
                | "UPDATE_ROLLBACK_FAILED"
                | "IMPORT_COMPLETE"
        ) {
            let message =
                format!("Drift detection cannot be performed on stack [{}] while in status {}", stack.id, stack.status);
            return Err(validation(OPERATION, message));
        }
        let stack_id = stack.id.clone();
        let id = self.new_uuid();
        let due = self.state.now + i64::try_from(self.options.durations.drift.as_millis()).unwrap_or(i64::MAX / 4);
        self.state.detections.insert(id.clone(), Detection { stack_id, due });
        Ok(id)
    }

    pub(super) fn describe_drift_detection(
        &self,
        environment: &Environment,
        detection: &str,
    ) -> Result<DriftDetection, ApiError> {
        const OPERATION: &str = "DescribeStackDriftDetectionStatus";
        let found =
            self.state.detections.get(detection).and_then(|it| Some((it, self.state.stacks.get(&it.stack_id)?)));
        let Some((detection, stack)) = found.filter(|(_, stack)| stack.environment == *environment) else {
            return Err(validation(OPERATION, format!("Drift detection [{detection}] does not exist")));
        };
        let complete = detection.due <= self.state.now;
        let drifted = stack.resources.values().any(|resource| resource.exists() && resource.drift.is_some());
        Ok(DriftDetection {
            stack_id: stack.id.clone(),
            status: if complete { "DETECTION_COMPLETE" } else { "DETECTION_IN_PROGRESS" }.into(),
            status_reason: None,
            drift_status: complete.then(|| if drifted { "DRIFTED" } else { "IN_SYNC" }.to_owned()),
        })
    }

    pub(super) fn describe_resource_drifts(
        &self,
        environment: &Environment,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<ResourceDrift>, ApiError> {
        const OPERATION: &str = "DescribeStackResourceDrifts";
        let stack = self.stack(OPERATION, environment, stack)?;
        let checked = self.state.detections.values().any(|it| it.stack_id == stack.id && it.due <= self.state.now);
        let resources: Vec<_> = stack.resources.iter().filter(|(_, it)| checked && it.exists()).collect();
        self.page(OPERATION, resources, next_token, |(name, resource)| {
            let (status, differences) = match &resource.drift {
                None => ("IN_SYNC", Vec::new()),
                Some(Drift::Deleted) => ("DELETED", Vec::new()),
                Some(Drift::Modified(differences)) => ("MODIFIED", differences.clone()),
            };
            ResourceDrift {
                logical_id: name.clone(),
                physical_id: resource.physical_id.clone(),
                resource_type: resource.resource_type.clone(),
                status: status.into(),
                differences: differences
                    .into_iter()
                    .map(|it| api::PropertyDifference { expected: Secrets::mask(&it.expected), ..it })
                    .collect(),
            }
        })
    }

    /// Whether a token has started just this already.
    pub(super) fn is_repeated(&self, token: &str, what: &str) -> bool {
        self.state.tokens.get(token).is_some_and(|it| it == what)
    }

    /// Notes a client token; it can start one thing only.
    pub(super) fn use_token(&mut self, operation: &'static str, token: &str, what: &str) -> Result<(), ApiError> {
        if token.is_empty() {
            return Ok(());
        }
        if self.state.tokens.get(token).is_some_and(|it| it != what) {
            let message = format!("A different request with the client request token {token} was made before");
            return Err(ApiError::service(operation, "TokenAlreadyExistsException", message).with_http(Some(400), None));
        }
        self.state.tokens.insert(token.to_owned(), what.to_owned());
        Ok(())
    }

    pub(super) fn new_operation(&mut self, stack_id: &str, kind: OperationKind, token: &str) -> Operation {
        let id = self.new_uuid();
        let name = match kind {
            OperationKind::Create => "CREATE_STACK",
            OperationKind::Update => "UPDATE_STACK",
            OperationKind::Import => "IMPORT_STACK",
            OperationKind::Delete => "DELETE_STACK",
        };
        let stack = &mut self.state.stacks[stack_id];
        stack.operations.push((id.clone(), name.to_owned()));
        let target = stack.desired.clone().unwrap_or_default();
        Operation {
            id,
            kind,
            token: (!token.is_empty()).then(|| token.to_owned()),
            step: Step::Forward,
            before: stack.desired.clone(),
            target,
            disable_rollback: false,
            delete_on_failure: false,
            express: false,
            revert_drift: false,
            to_import: BTreeMap::new(),
            backups: IndexMap::new(),
            leftovers: Vec::new(),
            items: IndexMap::new(),
            pending: IndexMap::new(),
            lasts: BTreeMap::new(),
            failed: Vec::new(),
            stack_failure: None,
            imports: BTreeSet::new(),
        }
    }

    fn rename_operation(&mut self, stack_id: &str, operation: &mut Operation, kind: &str, token: &str) {
        operation.id = self.new_uuid();
        operation.token = (!token.is_empty()).then(|| token.to_owned());
        self.state.stacks[stack_id].operations.push((operation.id.clone(), kind.to_owned()));
    }

    pub(super) fn new_uuid(&mut self) -> String {
        let serial = self.state.next_serial();
        let mixed = serial.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{:08x}-{:04x}-4000-a000-{serial:012x}", mixed >> 32, mixed & 0xffff)
    }

    fn page<T, U>(
        &self,
        operation: &'static str,
        items: Vec<T>,
        next_token: Option<&str>,
        show: impl Fn(T) -> U,
    ) -> Result<Page<U>, ApiError> {
        let start = match next_token {
            None => 0,
            Some(token) => token.parse::<usize>().map_err(|_| validation(operation, "Invalid NextToken"))?,
        };
        let total = items.len();
        let items: Vec<U> = items.into_iter().skip(start).take(self.options.page_size).map(show).collect();
        let end = start + items.len();
        Ok(Page { items, next_token: (end < total).then(|| end.to_string()) })
    }

    fn page_from_end<T, U>(
        &self,
        operation: &'static str,
        items: &[&T],
        next_token: Option<&str>,
        show: impl Fn(&T) -> U,
    ) -> Result<Page<U>, ApiError> {
        let left = match next_token {
            None => items.len(),
            Some(token) => token.parse::<usize>().map_err(|_| validation(operation, "Invalid NextToken"))?,
        };
        let start = items.len().saturating_sub(left);
        let items: Vec<U> = items[start..].iter().take(self.options.page_size).map(|item| show(item)).collect();
        let left = left - items.len();
        Ok(Page { items, next_token: (left > 0).then(|| left.to_string()) })
    }

    /// Where `path` of a resource has drifted.
    pub(super) fn drift(&mut self, stack_id: &str, logical_id: &str, drift: Drift) -> bool {
        let resource = self.state.stacks.get_mut(stack_id).and_then(|stack| stack.resources.get_mut(logical_id));
        let Some(resource) = resource else { return false };
        resource.drift = Some(match (drift, resource.drift.take()) {
            (Drift::Modified(mut more), Some(Drift::Modified(mut known))) => {
                known.append(&mut more);
                Drift::Modified(known)
            }
            (drift, _) => drift,
        });
        true
    }

    /// The value of a property, as text.
    pub(super) fn property_text(&self, stack_id: &str, logical_id: &str, path: &str) -> Option<String> {
        let value = self.state.stacks.get(stack_id)?.resources.get(logical_id)?.properties.pointer(path)?;
        Some(match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }
}

/// Whether an operation runs on a stack.
pub(super) fn is_busy(status: &StackStatus) -> bool {
    status.as_str().ends_with("_IN_PROGRESS") && *status != StackStatus::REVIEW_IN_PROGRESS
}
