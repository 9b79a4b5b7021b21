//! The clients of one environment: each call is counted, may fail on order, and then reaches the service.

use std::time::Duration;

use async_trait::async_trait;

use super::World;
use super::elsewhere;
use super::fault::{Call, Fault};
use super::service::Service;
use super::state::Object;
use crate::cloudformation::{
    ApiError, Caller, ChangeSet, ChangeSetCreated, ChangeSetRef, CloudFormation, ContinueUpdateRollback,
    CreateChangeSet, DeleteStack, DescribeEvents, DriftDetection, Environment, ExecuteChangeSet, Identity, Objects,
    OperationEvent, Page, ResourceDrift, RollbackStack, Stack, StackEvent, StackResource,
};

/// How much text is kept of an object: a template may have so many bytes.
const MAX_TEXT: usize = 1_048_576;

/// All three clients of an environment.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) world: World,
    pub(super) environment: Environment,
}

impl Client {
    /// Makes a call: `act` is what the service does.
    async fn call<T>(
        &self,
        operation: &'static str,
        stack: Option<&str>,
        act: impl FnOnce(&mut Service) -> Result<T, ApiError> + Send,
    ) -> Result<T, ApiError> {
        let fault = self.world.with(|service| {
            let stack = stack.map(|stack| service.stack_name(stack).to_owned());
            service.script.on_call(Call { environment: self.environment.clone(), operation, stack })
        });
        let Some(fault) = fault else {
            return self.world.with(act);
        };
        if let Fault::Delay(time) = fault {
            self.world.sleep(time).await;
        }
        let result = if fault.has_effect() { Some(self.world.with(act)) } else { None };
        if matches!(fault, Fault::HangBefore | Fault::HangAfter) {
            self.world.hang().await;
        }
        match (fault.error(operation), result) {
            (None, Some(result)) => result,
            (Some(error), _) => Err(error),
            (None, None) => Err(ApiError::transport(operation, "no answer")),
        }
    }
}

impl Service {
    /// The name of a stack that is named by its name or id.
    fn stack_name<'a>(&'a self, stack: &'a str) -> &'a str {
        self.state.stacks.get(stack).map_or(stack, |stack| stack.name.as_str())
    }
}

#[async_trait]
impl CloudFormation for Client {
    async fn create_change_set(&self, request: &CreateChangeSet) -> Result<ChangeSetCreated, ApiError> {
        self.call("CreateChangeSet", Some(&request.stack_name), |service| {
            service.create_change_set(&self.environment, request)
        })
        .await
    }

    async fn describe_change_set(
        &self,
        change_set: &ChangeSetRef,
        next_token: Option<&str>,
    ) -> Result<ChangeSet, ApiError> {
        self.call("DescribeChangeSet", Some(&change_set.stack), |service| {
            service.describe_change_set(&self.environment, change_set, next_token)
        })
        .await
    }

    async fn execute_change_set(&self, request: &ExecuteChangeSet) -> Result<(), ApiError> {
        self.call("ExecuteChangeSet", Some(&request.change_set.stack), |service| {
            service.execute_change_set(&self.environment, request)
        })
        .await
    }

    async fn delete_change_set(&self, change_set: &ChangeSetRef) -> Result<(), ApiError> {
        self.call("DeleteChangeSet", Some(&change_set.stack), |service| {
            service.delete_change_set(&self.environment, change_set)
        })
        .await
    }

    async fn describe_stack(&self, stack: &str) -> Result<Stack, ApiError> {
        self.call("DescribeStacks", Some(stack), |service| service.describe_stack(&self.environment, stack)).await
    }

    async fn describe_stacks(&self, next_token: Option<&str>) -> Result<Page<Stack>, ApiError> {
        self.call("DescribeStacks", None, |service| service.describe_stacks(&self.environment, next_token)).await
    }

    async fn describe_stack_events(&self, stack: &str, next_token: Option<&str>) -> Result<Page<StackEvent>, ApiError> {
        self.call("DescribeStackEvents", Some(stack), |service| {
            service.describe_stack_events(&self.environment, stack, next_token)
        })
        .await
    }

    async fn describe_events(
        &self,
        request: &DescribeEvents,
        next_token: Option<&str>,
    ) -> Result<Page<OperationEvent>, ApiError> {
        let by_change_set = request.change_set.as_deref();
        let stack = request.stack.clone().or_else(|| {
            self.world.with(|service| by_change_set.and_then(|id| service.stack_of_change_set(id)).map(str::to_owned))
        });
        self.call("DescribeEvents", stack.as_deref(), |service| {
            service.describe_events(&self.environment, request, next_token)
        })
        .await
    }

    async fn list_stack_resources(
        &self,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<StackResource>, ApiError> {
        self.call("ListStackResources", Some(stack), |service| {
            service.list_stack_resources(&self.environment, stack, next_token)
        })
        .await
    }

    async fn get_template(&self, stack: &str) -> Result<String, ApiError> {
        self.call("GetTemplate", Some(stack), |service| service.get_template(&self.environment, stack)).await
    }

    async fn delete_stack(&self, request: &DeleteStack) -> Result<(), ApiError> {
        self.call("DeleteStack", Some(&request.stack), |service| service.delete_stack(&self.environment, request)).await
    }

    async fn rollback_stack(&self, request: &RollbackStack) -> Result<(), ApiError> {
        self.call("RollbackStack", Some(&request.stack), |service| service.rollback_stack(&self.environment, request))
            .await
    }

    async fn continue_update_rollback(&self, request: &ContinueUpdateRollback) -> Result<(), ApiError> {
        self.call("ContinueUpdateRollback", Some(&request.stack), |service| {
            service.continue_update_rollback(&self.environment, request)
        })
        .await
    }

    async fn cancel_update_stack(&self, stack: &str, client_token: &str) -> Result<(), ApiError> {
        self.call("CancelUpdateStack", Some(stack), |service| {
            service.cancel_update_stack(&self.environment, stack, client_token)
        })
        .await
    }

    async fn update_termination_protection(&self, stack: &str, enabled: bool) -> Result<(), ApiError> {
        self.call("UpdateTerminationProtection", Some(stack), |service| {
            service.update_termination_protection(&self.environment, stack, enabled)
        })
        .await
    }

    async fn detect_stack_drift(&self, stack: &str) -> Result<String, ApiError> {
        self.call("DetectStackDrift", Some(stack), |service| service.detect_stack_drift(&self.environment, stack)).await
    }

    async fn describe_drift_detection(&self, detection: &str) -> Result<DriftDetection, ApiError> {
        self.call("DescribeStackDriftDetectionStatus", None, |service| {
            service.describe_drift_detection(&self.environment, detection)
        })
        .await
    }

    async fn describe_resource_drifts(
        &self,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<ResourceDrift>, ApiError> {
        self.call("DescribeStackResourceDrifts", Some(stack), |service| {
            service.describe_resource_drifts(&self.environment, stack, next_token)
        })
        .await
    }
}

#[async_trait]
impl Objects for Client {
    async fn bucket_exists(&self, bucket: &str) -> Result<bool, ApiError> {
        self.call("HeadBucket", None, |service| match elsewhere::bucket_home(&service.state, bucket) {
            None => Ok(false),
            Some(home) if home.account == self.environment.account => Ok(true),
            Some(_) => Err(forbidden("HeadBucket")),
        })
        .await
    }

    async fn object_exists(&self, bucket: &str, key: &str) -> Result<bool, ApiError> {
        self.call("HeadObject", None, |service| {
            Ok(service.state.buckets.get(bucket).is_some_and(|it| it.objects.contains_key(key)))
        })
        .await
    }

    async fn put_object(&self, bucket: &str, key: &str, body: Vec<u8>, _content_type: &str) -> Result<(), ApiError> {
        self.call("PutObject", None, |service| {
            match elsewhere::bucket_home(&service.state, bucket) {
                None => {
                    let message = "The specified bucket does not exist";
                    return Err(ApiError::service("PutObject", "NoSuchBucket", message).with_http(Some(404), None));
                }
                Some(home) if home.account != self.environment.account => return Err(forbidden("PutObject")),
                Some(_) => {}
            }
            let size = body.len();
            let text = (size <= MAX_TEXT).then(|| String::from_utf8(body).ok()).flatten();
            let bucket = service.state.buckets.entry(bucket.to_owned()).or_default();
            bucket.objects.insert(key.to_owned(), Object { size, text });
            Ok(())
        })
        .await
    }

    fn url(&self, bucket: &str, key: &str) -> String {
        let region = &self.environment.region;
        format!("https://{bucket}.s3.{region}.{}/{key}", super::evaluate::url_suffix(region))
    }
}

fn forbidden(operation: &'static str) -> ApiError {
    ApiError::service(operation, "AccessDenied", "Forbidden").with_http(Some(403), None)
}

#[async_trait]
impl Identity for Client {
    async fn caller(&self) -> Result<Caller, ApiError> {
        self.call("GetCallerIdentity", None, |service| {
            let account = service.options.accounts.get(&self.environment.account);
            let account = account.unwrap_or(&self.environment.account).clone();
            Ok(Caller { arn: format!("arn:aws:sts::{account}:assumed-role/in-memory/session"), account })
        })
        .await
    }
}

impl World {
    async fn sleep(&self, time: Duration) {
        match &self.inner.clock {
            super::clock::Clock::Tokio { .. } => tokio::time::sleep(time).await,
            super::clock::Clock::Manual(_) => self.advance(time),
        }
    }

    async fn hang(&self) {
        self.inner.hung.notify_one();
        std::future::pending::<()>().await;
    }
}
