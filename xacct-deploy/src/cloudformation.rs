//! The calls that the engine makes, in the terms of the CloudFormation API and with plain types of its own.
//!
//! Two implementations exist: the AWS SDK and an in-memory CloudFormation. An
//! implementation makes exactly one request for each call and repeats nothing: the engine decides what is worth repeating
//! ([`ApiError::retry`]), so that every request is counted, told and safe. Times and paging tokens come from the service;
//! statuses stay text, so that a newer service is no surprise. What can hold a secret (resource properties in events) has no
//! field here.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use crate::error::ApiError;
pub use crate::status::{StackStatus, StatusText};
pub use crate::timestamp::Timestamp;

/// CloudFormation in one account and region. A stack is named by its name or its id; a deleted stack is found by id only.
#[async_trait]
pub trait CloudFormation: Send + Sync {
    /// `CreateChangeSet`. A second call with a name that is taken answers `AlreadyExistsException`.
    async fn create_change_set(&self, request: &CreateChangeSet) -> Result<ChangeSetCreated, ApiError>;

    /// `DescribeChangeSet`: one page of changes.
    async fn describe_change_set(
        &self,
        change_set: &ChangeSetRef,
        next_token: Option<&str>,
    ) -> Result<ChangeSet, ApiError>;

    /// `ExecuteChangeSet`.
    async fn execute_change_set(&self, request: &ExecuteChangeSet) -> Result<(), ApiError>;

    /// `DeleteChangeSet`. The stack of a change set of type `CREATE` stays, in `REVIEW_IN_PROGRESS`.
    async fn delete_change_set(&self, change_set: &ChangeSetRef) -> Result<(), ApiError>;

    /// `DescribeStacks` with a name or id: exactly one stack, or an error for which [`ApiError::is_stack_absent`] holds.
    async fn describe_stack(&self, stack: &str) -> Result<Stack, ApiError>;

    /// `DescribeStacks` without a name: one page of all stacks that are not deleted.
    async fn describe_stacks(&self, next_token: Option<&str>) -> Result<Page<Stack>, ApiError>;

    /// `DescribeStackEvents`: one page, newest first.
    async fn describe_stack_events(&self, stack: &str, next_token: Option<&str>) -> Result<Page<StackEvent>, ApiError>;

    /// `DescribeEvents`: one page of the events of an operation or a change set.
    async fn describe_events(
        &self,
        request: &DescribeEvents,
        next_token: Option<&str>,
    ) -> Result<Page<OperationEvent>, ApiError>;

    /// `ListStackResources`: one page.
    async fn list_stack_resources(
        &self,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<StackResource>, ApiError>;

    /// `GetTemplate`, stage `Original`: the text as it was uploaded.
    async fn get_template(&self, stack: &str) -> Result<String, ApiError>;

    /// `DeleteStack`. A stack that does not exist is no error.
    async fn delete_stack(&self, request: &DeleteStack) -> Result<(), ApiError>;

    /// `RollbackStack`: to the last good state, from `CREATE_FAILED` or `UPDATE_FAILED`.
    async fn rollback_stack(&self, request: &RollbackStack) -> Result<(), ApiError>;

    /// `ContinueUpdateRollback`, from `UPDATE_ROLLBACK_FAILED`.
    async fn continue_update_rollback(&self, request: &ContinueUpdateRollback) -> Result<(), ApiError>;

    /// `CancelUpdateStack`, in `UPDATE_IN_PROGRESS` only.
    async fn cancel_update_stack(&self, stack: &str, client_token: &str) -> Result<(), ApiError>;

    /// `UpdateTerminationProtection`.
    async fn update_termination_protection(&self, stack: &str, enabled: bool) -> Result<(), ApiError>;

    /// `DetectStackDrift`: the id of the detection.
    async fn detect_stack_drift(&self, stack: &str) -> Result<String, ApiError>;

    /// `DescribeStackDriftDetectionStatus`.
    async fn describe_drift_detection(&self, detection: &str) -> Result<DriftDetection, ApiError>;

    /// `DescribeStackResourceDrifts`: one page.
    async fn describe_resource_drifts(
        &self,
        stack: &str,
        next_token: Option<&str>,
    ) -> Result<Page<ResourceDrift>, ApiError>;
}

/// Objects in buckets of one account and region: where assets and large templates go.
#[async_trait]
pub trait Objects: Send + Sync {
    /// `HeadBucket`: whether the bucket exists and is ours to use. A bucket of somebody else is an error.
    async fn bucket_exists(&self, bucket: &str) -> Result<bool, ApiError>;

    /// `HeadObject`: whether the object exists.
    async fn object_exists(&self, bucket: &str, key: &str) -> Result<bool, ApiError>;

    /// `PutObject`, with a checksum.
    async fn put_object(&self, bucket: &str, key: &str, body: Vec<u8>, content_type: &str) -> Result<(), ApiError>;

    /// The URL by which CloudFormation fetches an object as a template.
    fn url(&self, bucket: &str, key: &str) -> String;
}

/// Who the credentials belong to.
#[async_trait]
pub trait Identity: Send + Sync {
    /// `GetCallerIdentity`.
    async fn caller(&self) -> Result<Caller, ApiError>;
}

/// The clients of one environment.
#[derive(Clone)]
pub struct Clients {
    /// CloudFormation.
    pub cloudformation: Arc<dyn CloudFormation>,
    /// Asset storage.
    pub objects: Arc<dyn Objects>,
    /// Who is calling.
    pub identity: Arc<dyn Identity>,
    /// The role that CloudFormation acts as, where the credentials are meant to be used with one (CDK's bootstrap).
    pub execution_role: Option<String>,
}

/// Finds the clients of an environment: credentials by profile, role, SSO or environment, or the accounts in memory.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Connects. Called once for each environment of a run; makes no write.
    async fn connect(&self, environment: &Environment) -> Result<Clients, ApiError>;
}

/// An account and a region, both concrete.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Environment {
    /// Twelve digits.
    pub account: String,
    /// Such as `eu-west-1`.
    pub region: String,
}

impl From<&xacct_core::Environment> for Environment {
    fn from(environment: &xacct_core::Environment) -> Self {
        Self { account: environment.account.to_string(), region: environment.region.to_string() }
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// One page of a list, and the token of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The token of the next page.
    pub next_token: Option<String>,
}

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Twelve digits.
    pub account: String,
    /// The ARN of the user or the assumed role.
    pub arn: String,
}

/// Names a change set of a stack; both by name or id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSetRef {
    /// Name or id of the stack.
    pub stack: String,
    /// Name or id of the change set.
    pub change_set: String,
}

/// Where a template comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateSource {
    /// The text itself, up to 51,200 bytes.
    Body(String),
    /// A URL in S3, up to 1 MB.
    Url(String),
    /// The deployed one.
    Previous,
}

/// What a change set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChangeSetType {
    /// A stack that does not exist, or that is in `REVIEW_IN_PROGRESS`.
    Create,
    /// A stack that exists.
    Update,
    /// Taking over existing resources.
    Import,
}

/// What happens when the stack fails; only together with rollback enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnStackFailure {
    /// Delete a stack that was being created.
    Delete,
    /// Leave everything as it is.
    DoNothing,
    /// Roll back.
    Rollback,
}

/// Parameters of `CreateChangeSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateChangeSet {
    /// The name or id of the stack.
    pub stack_name: String,
    /// The name of the change set: unique within the stack.
    pub change_set_name: String,
    /// Create, update or import.
    pub kind: ChangeSetType,
    /// The template.
    pub template: TemplateSource,
    /// Parameter values.
    pub parameters: Vec<ParameterValue>,
    /// Tags of the stack and its resources.
    pub tags: BTreeMap<String, String>,
    /// `CAPABILITY_IAM`, `CAPABILITY_NAMED_IAM`, `CAPABILITY_AUTO_EXPAND`.
    pub capabilities: Vec<String>,
    /// The role that CloudFormation acts as.
    pub role_arn: Option<String>,
    /// Topics that hear of stack events.
    pub notification_arns: Vec<String>,
    /// Makes a repeated call the same call.
    pub client_token: String,
    /// Shown in the console.
    pub description: Option<String>,
    /// Exclusive with `disable_rollback` of the execution.
    pub on_stack_failure: Option<OnStackFailure>,
    /// Resources to take over, for [`ChangeSetType::Import`].
    pub resources_to_import: Vec<ResourceToImport>,
    /// Take over resources with a custom name that exist already.
    pub import_existing_resources: bool,
    /// Look into nested stacks too; not with `revert_drift`.
    pub include_nested_stacks: bool,
    /// `DeploymentMode=REVERT_DRIFT`.
    pub revert_drift: bool,
    /// `DeploymentConfig.Mode=EXPRESS`.
    pub express: bool,
    /// `DeploymentConfig.DisableRollback`, for express mode.
    pub disable_rollback: bool,
}

/// A parameter value of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct ParameterValue {
    /// The name in the template.
    pub key: String,
    /// The value, or none to use the previous one.
    pub value: Option<String>,
}

/// Values can be secret: they are not shown.
impl std::fmt::Debug for ParameterValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParameterValue").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A resource to take over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceToImport {
    /// The logical id in the template.
    pub logical_id: String,
    /// The resource type.
    pub resource_type: String,
    /// The identifying properties, such as `BucketName`.
    pub identifier: BTreeMap<String, String>,
}

/// The answer of `CreateChangeSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSetCreated {
    /// The ARN of the change set.
    pub id: String,
    /// The ARN of the stack.
    pub stack_id: String,
}

/// Parameters of `ExecuteChangeSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecuteChangeSet {
    /// Which one.
    pub change_set: ChangeSetRef,
    /// Makes a repeated call the same call; appears in the stack's events.
    pub client_token: String,
    /// Keep what was made when something fails. None leaves the choice to the change set.
    pub disable_rollback: Option<bool>,
}

/// A change set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// Its ARN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The ARN of the stack.
    pub stack_id: String,
    /// When it was made: every event of its execution is later.
    pub creation_time: Timestamp,
    /// `CREATE_PENDING`, `CREATE_IN_PROGRESS`, `CREATE_COMPLETE`, `FAILED`, `DELETE_…`.
    pub status: StatusText,
    /// Why it failed; also the place where CloudFormation says that there are no changes.
    pub status_reason: Option<String>,
    /// `UNAVAILABLE`, `AVAILABLE`, `EXECUTE_IN_PROGRESS`, `EXECUTE_COMPLETE`, `EXECUTE_FAILED`, `OBSOLETE`.
    pub execution_status: StatusText,
    /// One page of changes.
    pub changes: Vec<ResourceChange>,
    /// The token of the next page.
    pub next_token: Option<String>,
}

/// A change to one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceChange {
    /// `Add`, `Modify`, `Remove`, `Import`, `Dynamic`, `SyncWithActual`.
    pub action: StatusText,
    /// The logical id.
    pub logical_id: String,
    /// The physical id, when it exists.
    pub physical_id: Option<String>,
    /// The resource type.
    pub resource_type: String,
    /// `True`, `False`, `Conditional`; none for an addition or a removal.
    pub replacement: Option<String>,
    /// What is done on removal or replacement: `Delete`, `Retain`, `Snapshot`, `ReplaceAndRetain`, …
    pub policy_action: Option<String>,
    /// `Properties`, `Metadata`, `Tags`, …
    pub scope: Vec<String>,
    /// The causes.
    pub details: Vec<ChangeDetail>,
    /// The change set of a nested stack.
    pub nested_change_set: Option<String>,
}

/// A cause of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeDetail {
    /// `Properties`, `Metadata`, `Tags`, …
    pub attribute: String,
    /// The name of the property.
    pub name: Option<String>,
    /// The path of what changes within the resource.
    pub path: Option<String>,
    /// `Never`, `Conditionally`, `Always`.
    pub requires_recreation: Option<String>,
    /// `Static` or `Dynamic`.
    pub evaluation: Option<String>,
    /// `DirectModification`, `ResourceReference`, `ParameterReference`, …
    pub change_source: Option<String>,
    /// The resource or parameter that causes it.
    pub causing_entity: Option<String>,
}

/// A stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its ARN: new for each creation, and how a deleted stack is found.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: StackStatus,
    /// Why.
    pub status_reason: Option<String>,
    /// The description in the template.
    pub description: Option<String>,
    /// When it was made.
    pub creation_time: Timestamp,
    /// When the last update started.
    pub last_updated_time: Option<Timestamp>,
    /// When its deletion started.
    pub deletion_time: Option<Timestamp>,
    /// Parameters; a NoEcho value is `****`.
    pub parameters: BTreeMap<String, StackParameter>,
    /// Outputs.
    pub outputs: Vec<Output>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Capabilities that were given.
    pub capabilities: Vec<String>,
    /// Whether deletion is refused.
    pub termination_protection: bool,
    /// The role that CloudFormation acts as.
    pub role_arn: Option<String>,
    /// The direct parent of a nested stack.
    pub parent_id: Option<String>,
    /// The change set that was executed last.
    pub change_set_id: Option<String>,
    /// `CONFIGURATION_COMPLETE`, `VALIDATION_FAILED`, …
    pub detailed_status: Option<String>,
    /// The last operations, newest first.
    pub last_operations: Vec<StackOperation>,
}

/// A parameter of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackParameter {
    /// The value that was given; `****` if it is NoEcho.
    pub value: String,
    /// What it was resolved to, for SSM parameters.
    pub resolved: Option<String>,
}

/// An output of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
    /// The description in the template.
    pub description: Option<String>,
    /// The name under which it is exported.
    pub export_name: Option<String>,
}

/// An operation on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackOperation {
    /// Its id.
    pub id: String,
    /// `CREATE_STACK`, `UPDATE_STACK`, `ROLLBACK`, …
    pub kind: String,
}

/// An event of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackEvent {
    /// Unique.
    pub id: String,
    /// The ARN of the stack.
    pub stack_id: String,
    /// The name of the stack.
    pub stack_name: String,
    /// The logical id of the resource; the stack's name for the stack itself.
    pub logical_id: String,
    /// The physical id; the stack's ARN for the stack itself.
    pub physical_id: Option<String>,
    /// The resource type; `AWS::CloudFormation::Stack` for the stack itself and for a nested one.
    pub resource_type: String,
    /// The service's time.
    pub timestamp: Timestamp,
    /// The status.
    pub status: StatusText,
    /// Why.
    pub status_reason: Option<String>,
    /// `CONFIGURATION_COMPLETE`, `VALIDATION_FAILED`.
    pub detailed_status: Option<String>,
    /// The token of the operation that caused it.
    pub client_token: Option<String>,
    /// The operation that caused it.
    pub operation_id: Option<String>,
    /// The hook that was invoked.
    pub hook: Option<HookResult>,
}

impl StackEvent {
    /// Whether the event is about the stack as a whole.
    pub fn is_stack(&self) -> bool {
        self.physical_id.as_deref() == Some(self.stack_id.as_str())
    }
}

/// What a hook said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookResult {
    /// The type of the hook.
    pub hook_type: String,
    /// `HOOK_COMPLETE_FAILED`, …
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// `FAIL` or `WARN`.
    pub failure_mode: Option<String>,
}

/// What to list with `DescribeEvents`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeEvents {
    /// Name or id of the stack.
    pub stack: Option<String>,
    /// Name or id of a change set.
    pub change_set: Option<String>,
    /// The id of an operation.
    pub operation_id: Option<String>,
    /// Only failures.
    pub failed_only: bool,
}

/// An event of an operation: like a stack event, with validations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationEvent {
    /// Like an event of the stack.
    pub event: StackEvent,
    /// The name of the validation that failed.
    pub validation_name: Option<String>,
    /// `FAILED` or `SKIPPED`.
    pub validation_status: Option<String>,
    /// Why.
    pub validation_reason: Option<String>,
    /// The place in the template.
    pub validation_path: Option<String>,
}

/// A resource of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackResource {
    /// The logical id.
    pub logical_id: String,
    /// The physical id.
    pub physical_id: Option<String>,
    /// The resource type.
    pub resource_type: String,
    /// The status.
    pub status: StatusText,
    /// Why.
    pub status_reason: Option<String>,
    /// `IN_SYNC`, `MODIFIED`, `DELETED`, `NOT_CHECKED`.
    pub drift_status: Option<String>,
}

/// Parameters of `DeleteStack`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteStack {
    /// Name or id.
    pub stack: String,
    /// Makes a repeated call the same call.
    pub client_token: String,
    /// Logical ids to leave behind; only for a stack in `DELETE_FAILED`.
    pub retain_resources: Vec<String>,
    /// The role that CloudFormation acts as.
    pub role_arn: Option<String>,
}

/// Parameters of `RollbackStack`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackStack {
    /// Name or id.
    pub stack: String,
    /// Makes a repeated call the same call.
    pub client_token: String,
    /// The role that CloudFormation acts as.
    pub role_arn: Option<String>,
}

/// Parameters of `ContinueUpdateRollback`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContinueUpdateRollback {
    /// Name or id.
    pub stack: String,
    /// Makes a repeated call the same call.
    pub client_token: String,
    /// Logical ids of resources that are not rolled back.
    pub resources_to_skip: Vec<String>,
    /// The role that CloudFormation acts as.
    pub role_arn: Option<String>,
}

/// The state of a drift detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftDetection {
    /// The ARN of the stack.
    pub stack_id: String,
    /// `DETECTION_IN_PROGRESS`, `DETECTION_COMPLETE`, `DETECTION_FAILED`.
    pub status: StatusText,
    /// Why.
    pub status_reason: Option<String>,
    /// `DRIFTED`, `IN_SYNC`, `UNKNOWN`, `NOT_CHECKED`.
    pub drift_status: Option<String>,
}

/// What drifted in a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDrift {
    /// The logical id.
    pub logical_id: String,
    /// The physical id.
    pub physical_id: Option<String>,
    /// The resource type.
    pub resource_type: String,
    /// `IN_SYNC`, `MODIFIED`, `DELETED`, `NOT_CHECKED`, `UNSUPPORTED`.
    pub status: StatusText,
    /// The properties that differ.
    pub differences: Vec<PropertyDifference>,
}

/// A property that drifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyDifference {
    /// A JSON pointer.
    pub path: String,
    /// The value in the template.
    pub expected: String,
    /// The real value.
    pub actual: String,
    /// `ADD`, `REMOVE`, `NOT_EQUAL`.
    pub kind: String,
}
