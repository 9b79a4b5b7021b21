//! CloudFormation.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::primitives::DateTime;
use aws_sdk_cloudformation::types as sdk;

use super::failure::api_error;
use super::{once, within};
use crate::cloudformation::*;

pub(super) struct Sdk(Client);

impl Sdk {
    pub(super) fn new(config: &SdkConfig, limit: Duration) -> Self {
        let config = aws_sdk_cloudformation::config::Builder::from(config)
            .retry_config(once())
            .timeout_config(within(limit))
            .build();
        Self(Client::from_conf(config))
    }
}

#[async_trait]
impl CloudFormation for Sdk {
    async fn create_change_set(&self, request: &CreateChangeSet) -> Result<ChangeSetCreated, ApiError> {
        let kind = match request.kind {
            ChangeSetType::Create => sdk::ChangeSetType::Create,
            ChangeSetType::Update => sdk::ChangeSetType::Update,
            ChangeSetType::Import => sdk::ChangeSetType::Import,
        };
        let failure = request.on_stack_failure.map(|choice| match choice {
            OnStackFailure::Delete => sdk::OnStackFailure::Delete,
            OnStackFailure::DoNothing => sdk::OnStackFailure::DoNothing,
            OnStackFailure::Rollback => sdk::OnStackFailure::Rollback,
        });
        let mut call = self
            .0
            .create_change_set()
            .stack_name(&request.stack_name)
            .change_set_name(&request.change_set_name)
            .change_set_type(kind)
            .client_token(&request.client_token)
            .set_parameters(Some(request.parameters.iter().map(parameter).collect()))
            .set_tags(Some(request.tags.iter().map(tag).collect()))
            .set_role_arn(request.role_arn.clone())
            .set_description(request.description.clone())
            .set_on_stack_failure(failure);
        call = match &request.template {
            TemplateSource::Body(text) => call.template_body(text),
            TemplateSource::Url(url) => call.template_url(url),
            TemplateSource::Previous => call.use_previous_template(true),
        };
        for capability in &request.capabilities {
            call = call.capabilities(sdk::Capability::from(capability.as_str()));
        }
        for arn in &request.notification_arns {
            call = call.notification_arns(arn);
        }
        for resource in &request.resources_to_import {
            call = call.resources_to_import(resource_to_import(resource));
        }
        // What is not asked for is not sent: older partitions and emulators do not know all of it.
        if request.import_existing_resources {
            call = call.import_existing_resources(true);
        }
        if request.include_nested_stacks && request.kind != ChangeSetType::Import {
            call = call.include_nested_stacks(true);
        }
        if request.revert_drift {
            call = call.deployment_mode(sdk::DeploymentMode::RevertDrift);
        }
        if request.express {
            let config = sdk::DeploymentConfig::builder()
                .mode(sdk::DeploymentConfigMode::Express)
                .disable_rollback(request.disable_rollback);
            call = call.deployment_config(config.build());
        }
        let answer = call.send().await.map_err(|error| api_error("CreateChangeSet", error))?;
        Ok(ChangeSetCreated { id: answer.id.unwrap_or_default(), stack_id: answer.stack_id.unwrap_or_default() })
    }

    async fn describe_change_set(
        &self,
        change_set: &ChangeSetRef,
        next_token: Option<&str>,
    ) -> Result<ChangeSet, ApiError> {
        let answer = self
            .0
            .describe_change_set()
            .stack_name(&change_set.stack)
            .change_set_name(&change_set.change_set)
            .set_next_token(next_token.map(str::to_owned))
            .send()
            .await
            .map_err(|error| api_error("DescribeChangeSet", error))?;
        let changes = answer.changes.unwrap_or_default();
        Ok(ChangeSet {
            id: answer.change_set_id.unwrap_or_default(),
            name: answer.change_set_name.unwrap_or_default(),
            stack_id: answer.stack_id.unwrap_or_default(),
            creation_time: time(answer.creation_time.as_ref()),
            status: text(answer.status.as_ref().map(|it| it.as_str())).into(),
            status_reason: answer.status_reason,
            execution_status: text(answer.execution_status.as_ref().map(|it| it.as_str())).into(),
            changes: changes.into_iter().filter_map(|it| it.resource_change).map(resource_change).collect(),
            next_token: answer.next_token,
        })
    }

    async fn execute_change_set(&self, request: &ExecuteChangeSet) -> Result<(), ApiError> {
        self.0
            .execute_change_set()
            .stack_name(&request.change_set.stack)
            .change_set_name(&request.change_set.change_set)
            .client_request_token(&request.client_token)
            .set_disable_rollback(request.disable_rollback)
            .send()
            .await
            .map(drop)
            .map_err(|error| api_error("ExecuteChangeSet", error))
    }

    async fn delete_change_set(&self, change_set: &ChangeSetRef) -> Result<(), ApiError> {
        self.0
            .delete_change_set()
            .stack_name(&change_set.stack)
            .change_set_name(&change_set.change_set)
            .send()
            .await
            .map(drop)
            .map_err(|error| api_error("DeleteChangeSet", error))
    }

    async fn describe_stack(&self, name: &str) -> Result<Stack, ApiError> {
        let answer = self
            .0
            .describe_stacks()
            .stack_name(name)
            .send()
            .await
            .map_err(|error| api_error("DescribeStacks", error))?;
        let first = answer.stacks.unwrap_or_default().into_iter().next();
        let absent = || {
            let message = format!("Stack with id {name} does not exist");
            ApiError::service("DescribeStacks", "ValidationError", message)
        };
        first.map(stack).ok_or_else(absent)
    }

    async fn describe_stacks(&self, next_token: Option<&str>) -> Result<Page<Stack>, ApiError> {
        let answer = self
            .0
            .describe_stacks()
            .set_next_token(next_token.map(str::to_owned))
            .send()
            .await
            .map_err(|error| api_error("DescribeStacks", error))?;
        Ok(page(answer.stacks, answer.next_token, stack))
    }

    async fn describe_stack_events(&self, stack: &str, next_token: Option<&str>) -> Result<Page<StackEvent>, ApiError> {
        let answer = self
            .0
            .describe_stack_events()
            .stack_name(stack)
            .set_next_token(next_token.map(str::to_owned))
            .send()
            .await
            .map_err(|error| api_error("DescribeStackEvents", error))?;
        Ok(page(answer.stack_events, answer.next_token, stack_event))
    }

    async fn describe_events(
        &self,
        request: &DescribeEvents,
        next_token: Option<&str>,
    ) -> Result<Page<OperationEvent>, ApiError> {
        let filter = request.failed_only.then(|| sdk::EventFilter::builder().failed_events(true).build());
        let answer = self
            .0
            .describe_events()
            .set_stack_name(request.stack.clone())
            .set_change_set_name(request.change_set.clone())
            .set_operation_id(request.operation_id.clone())
            .set_filters(filter)
            .set_next_token(next_token.map(str::to_owned))
            .send()
            .await
            .map_err(|error| api_error("DescribeEvents", error))?;
        Ok(page(answer.operation_events, answer.next_token, operation_event))
    }

    async fn list_stack_resources(
        &self,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<StackResource>, ApiError> {
        let answer = self
            .0
            .list_stack_resources()
            .stack_name(stack)
            .set_next_token(next_token.map(str::to_owned))
            .send()
            .await
            .map_err(|error| api_error("ListStackResources", error))?;
        Ok(page(answer.stack_resource_summaries, answer.next_token, stack_resource))
    }

    async fn get_template(&self, stack: &str) -> Result<String, ApiError> {
        let answer = self
            .0
            .get_template()
            .stack_name(stack)
            .template_stage(sdk::TemplateStage::Original)
            .send()
            .await
            .map_err(|error| api_error("GetTemplate", error))?;
        Ok(answer.template_body.unwrap_or_default())
    }

    async fn delete_stack(&self, request: &DeleteStack) -> Result<(), ApiError> {
        let retain = (!request.retain_resources.is_empty()).then(|| request.retain_resources.clone());
        self.0
            .delete_stack()
            .stack_name(&request.stack)
            .client_request_token(&request.client_token)
            .set_retain_resources(retain)
            .set_role_arn(request.role_arn.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| api_error("DeleteStack", error))
    }

    async fn rollback_stack(&self, request: &RollbackStack) -> Result<(), ApiError> {
        self.0
            .rollback_stack()
            .stack_name(&request.stack)
            .client_request_token(&request.client_token)
            .set_role_arn(request.role_arn.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| api_error("RollbackStack", error))
    }

    async fn continue_update_rollback(&self, request: &ContinueUpdateRollback) -> Result<(), ApiError> {
        let skip = (!request.resources_to_skip.is_empty()).then(|| request.resources_to_skip.clone());
        self.0
            .continue_update_rollback()
            .stack_name(&request.stack)
            .client_request_token(&request.client_token)
            .set_resources_to_skip(skip)
            .set_role_arn(request.role_arn.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| api_error("ContinueUpdateRollback", error))
    }

    async fn cancel_update_stack(&self, stack: &str, client_token: &str) -> Result<(), ApiError> {
        self.0
            .cancel_update_stack()
            .stack_name(stack)
            .client_request_token(client_token)
            .send()
            .await
            .map(drop)
            .map_err(|error| api_error("CancelUpdateStack", error))
    }

    async fn update_termination_protection(&self, stack: &str, enabled: bool) -> Result<(), ApiError> {
        self.0
            .update_termination_protection()
            .stack_name(stack)
            .enable_termination_protection(enabled)
            .send()
            .await
            .map(drop)
            .map_err(|error| api_error("UpdateTerminationProtection", error))
    }

    async fn detect_stack_drift(&self, stack: &str) -> Result<String, ApiError> {
        let answer = self
            .0
            .detect_stack_drift()
            .stack_name(stack)
            .send()
            .await
            .map_err(|error| api_error("DetectStackDrift", error))?;
        Ok(answer.stack_drift_detection_id.unwrap_or_default())
    }

    async fn describe_drift_detection(&self, detection: &str) -> Result<DriftDetection, ApiError> {
        let answer = self
            .0
            .describe_stack_drift_detection_status()
            .stack_drift_detection_id(detection)
            .send()
            .await
            .map_err(|error| api_error("DescribeStackDriftDetectionStatus", error))?;
        Ok(DriftDetection {
            stack_id: answer.stack_id.unwrap_or_default(),
            status: text(answer.detection_status.as_ref().map(|it| it.as_str())).into(),
            status_reason: answer.detection_status_reason,
            drift_status: answer.stack_drift_status.map(|it| it.as_str().to_owned()),
        })
    }

    async fn describe_resource_drifts(
        &self,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<ResourceDrift>, ApiError> {
        let answer = self
            .0
            .describe_stack_resource_drifts()
            .stack_name(stack)
            .set_next_token(next_token.map(str::to_owned))
            .send()
            .await
            .map_err(|error| api_error("DescribeStackResourceDrifts", error))?;
        Ok(page(answer.stack_resource_drifts, answer.next_token, resource_drift))
    }
}

fn page<A, B>(items: Option<Vec<A>>, next_token: Option<String>, convert: fn(A) -> B) -> Page<B> {
    Page { items: items.unwrap_or_default().into_iter().map(convert).collect(), next_token }
}

fn text(value: Option<&str>) -> &str {
    value.unwrap_or_default()
}

/// A time that the service did not send is the beginning of time: every event is later.
fn time(value: Option<&DateTime>) -> Timestamp {
    Timestamp(value.and_then(|it| it.to_millis().ok()).unwrap_or_default())
}

fn parameter(value: &ParameterValue) -> sdk::Parameter {
    let builder = sdk::Parameter::builder().parameter_key(&value.key);
    match &value.value {
        Some(text) => builder.parameter_value(text).build(),
        None => builder.use_previous_value(true).build(),
    }
}

fn tag((key, value): (&String, &String)) -> sdk::Tag {
    sdk::Tag::builder().key(key).value(value).build()
}

fn resource_to_import(resource: &ResourceToImport) -> sdk::ResourceToImport {
    let mut builder = sdk::ResourceToImport::builder()
        .logical_resource_id(&resource.logical_id)
        .resource_type(&resource.resource_type);
    for (name, value) in &resource.identifier {
        builder = builder.resource_identifier(name, value);
    }
    builder.build()
}

fn resource_change(change: sdk::ResourceChange) -> ResourceChange {
    ResourceChange {
        action: text(change.action.as_ref().map(|it| it.as_str())).into(),
        logical_id: change.logical_resource_id.unwrap_or_default(),
        physical_id: change.physical_resource_id,
        resource_type: change.resource_type.unwrap_or_default(),
        replacement: change.replacement.map(|it| it.as_str().to_owned()),
        policy_action: change.policy_action.map(|it| it.as_str().to_owned()),
        scope: change.scope.unwrap_or_default().iter().map(|it| it.as_str().to_owned()).collect(),
        details: change.details.unwrap_or_default().into_iter().map(change_detail).collect(),
        nested_change_set: change.change_set_id,
    }
}

fn change_detail(detail: sdk::ResourceChangeDetail) -> ChangeDetail {
    let target = detail.target.as_ref();
    ChangeDetail {
        attribute: text(target.and_then(|it| it.attribute()).map(|it| it.as_str())).to_owned(),
        name: target.and_then(|it| it.name()).map(str::to_owned),
        path: target.and_then(|it| it.path()).map(str::to_owned),
        requires_recreation: target.and_then(|it| it.requires_recreation()).map(|it| it.as_str().to_owned()),
        evaluation: detail.evaluation.map(|it| it.as_str().to_owned()),
        change_source: detail.change_source.map(|it| it.as_str().to_owned()),
        causing_entity: detail.causing_entity,
    }
}

fn stack(found: sdk::Stack) -> Stack {
    let parameters = found.parameters.unwrap_or_default().into_iter().map(|it| {
        let value = StackParameter { value: it.parameter_value.unwrap_or_default(), resolved: it.resolved_value };
        (it.parameter_key.unwrap_or_default(), value)
    });
    let tags = found.tags.unwrap_or_default().into_iter();
    let operations = found.last_operations.unwrap_or_default().into_iter();
    Stack {
        id: found.stack_id.unwrap_or_default(),
        name: found.stack_name.unwrap_or_default(),
        status: StackStatus::new(text(found.stack_status.as_ref().map(|it| it.as_str()))),
        status_reason: found.stack_status_reason,
        description: found.description,
        creation_time: time(found.creation_time.as_ref()),
        last_updated_time: found.last_updated_time.as_ref().map(|it| time(Some(it))),
        deletion_time: found.deletion_time.as_ref().map(|it| time(Some(it))),
        parameters: parameters.collect(),
        outputs: found.outputs.unwrap_or_default().into_iter().map(output).collect(),
        tags: tags.map(|it| (it.key.unwrap_or_default(), it.value.unwrap_or_default())).collect::<BTreeMap<_, _>>(),
        capabilities: found.capabilities.unwrap_or_default().iter().map(|it| it.as_str().to_owned()).collect(),
        termination_protection: found.enable_termination_protection.unwrap_or_default(),
        role_arn: found.role_arn,
        parent_id: found.parent_id,
        change_set_id: found.change_set_id,
        detailed_status: found.detailed_status.map(|it| it.as_str().to_owned()),
        last_operations: operations
            .map(|it| StackOperation {
                id: it.operation_id.unwrap_or_default(),
                kind: text(it.operation_type.as_ref().map(|it| it.as_str())).to_owned(),
            })
            .collect(),
    }
}

fn output(found: sdk::Output) -> Output {
    Output {
        key: found.output_key.unwrap_or_default(),
        value: found.output_value.unwrap_or_default(),
        description: found.description,
        export_name: found.export_name,
    }
}

fn stack_event(found: sdk::StackEvent) -> StackEvent {
    let hook = found.hook_type.map(|hook_type| HookResult {
        hook_type,
        status: text(found.hook_status.as_ref().map(|it| it.as_str())).to_owned(),
        reason: found.hook_status_reason,
        failure_mode: found.hook_failure_mode.map(|it| it.as_str().to_owned()),
    });
    StackEvent {
        id: found.event_id.unwrap_or_default(),
        stack_id: found.stack_id.unwrap_or_default(),
        stack_name: found.stack_name.unwrap_or_default(),
        logical_id: found.logical_resource_id.unwrap_or_default(),
        physical_id: found.physical_resource_id.filter(|it| !it.is_empty()),
        resource_type: found.resource_type.unwrap_or_default(),
        timestamp: time(found.timestamp.as_ref()),
        status: text(found.resource_status.as_ref().map(|it| it.as_str())).into(),
        status_reason: found.resource_status_reason.filter(|it| !it.is_empty()),
        detailed_status: found.detailed_status.map(|it| it.as_str().to_owned()),
        client_token: found.client_request_token,
        operation_id: found.operation_id,
        hook,
    }
}

fn operation_event(found: sdk::OperationEvent) -> OperationEvent {
    let hook = found.hook_type.map(|hook_type| HookResult {
        hook_type,
        status: text(found.hook_status.as_ref().map(|it| it.as_str())).to_owned(),
        reason: found.hook_status_reason,
        failure_mode: found.hook_failure_mode.map(|it| it.as_str().to_owned()),
    });
    OperationEvent {
        event: StackEvent {
            id: found.event_id.unwrap_or_default(),
            stack_id: found.stack_id.unwrap_or_default(),
            stack_name: String::new(),
            logical_id: found.logical_resource_id.unwrap_or_default(),
            physical_id: found.physical_resource_id.filter(|it| !it.is_empty()),
            resource_type: found.resource_type.unwrap_or_default(),
            timestamp: time(found.timestamp.as_ref()),
            status: text(found.resource_status.as_ref().map(|it| it.as_str())).into(),
            status_reason: found.resource_status_reason.filter(|it| !it.is_empty()),
            detailed_status: found.detailed_status.map(|it| it.as_str().to_owned()),
            client_token: found.client_request_token,
            operation_id: found.operation_id,
            hook,
        },
        validation_name: found.validation_name,
        validation_status: found.validation_status.map(|it| it.as_str().to_owned()),
        validation_reason: found.validation_status_reason,
        validation_path: found.validation_path,
    }
}

fn stack_resource(found: sdk::StackResourceSummary) -> StackResource {
    let drift = found.drift_information.and_then(|it| it.stack_resource_drift_status);
    StackResource {
        logical_id: found.logical_resource_id.unwrap_or_default(),
        physical_id: found.physical_resource_id,
        resource_type: found.resource_type.unwrap_or_default(),
        status: text(found.resource_status.as_ref().map(|it| it.as_str())).into(),
        status_reason: found.resource_status_reason,
        drift_status: drift.map(|it| it.as_str().to_owned()),
    }
}

fn resource_drift(found: sdk::StackResourceDrift) -> ResourceDrift {
    let differences = found.property_differences.unwrap_or_default().into_iter();
    ResourceDrift {
        logical_id: found.logical_resource_id.unwrap_or_default(),
        physical_id: found.physical_resource_id,
        resource_type: found.resource_type.unwrap_or_default(),
        status: text(found.stack_resource_drift_status.as_ref().map(|it| it.as_str())).into(),
        differences: differences
            .map(|it| PropertyDifference {
                path: it.property_path.unwrap_or_default(),
                expected: it.expected_value.unwrap_or_default(),
                actual: it.actual_value.unwrap_or_default(),
                kind: text(it.difference_type.as_ref().map(|it| it.as_str())).to_owned(),
            })
            .collect(),
    }
}
