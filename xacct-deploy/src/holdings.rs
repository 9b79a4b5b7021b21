//! What stacks hold: what goes when they are deleted, and what stays.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xacct_core::assembly::StackArtifact;

use crate::cloudformation::{ApiError, Clients, Stack, StackResource};
use crate::retry::Caller;
use crate::status::StackStatus;
use crate::template_text;

/// A resource that a stack holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldResource {
    /// The logical id.
    pub logical_id: String,
    /// The physical id.
    pub physical_id: String,
    /// The resource type.
    pub resource_type: String,
    /// The construct's path, where the program still has it.
    pub path: Option<String>,
    /// Whether it stays behind when the stack is deleted: the template that is deployed says so.
    pub retained: bool,
}

/// What a stack holds, by logical id.
pub(crate) async fn held(
    clients: &Clients,
    caller: &Caller,
    artifact: &StackArtifact,
    stack: &Stack,
    template: &str,
) -> Result<Vec<HeldResource>, ApiError> {
    let template = template_text::read(template).unwrap_or_default();
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let call = || clients.cloudformation.list_stack_resources(&stack.id, next.as_deref());
        let page = caller.call("ListStackResources", call).await?;
        found.extend(page.items.into_iter().filter_map(|it| HeldResource::new(it, artifact, stack, &template)));
        match page.next_token {
            Some(token) => next = Some(token),
            None => break,
        }
    }
    found.sort_by(|a, b| a.logical_id.cmp(&b.logical_id));
    Ok(found)
}

impl HeldResource {
    fn new(resource: StackResource, artifact: &StackArtifact, stack: &Stack, template: &Value) -> Option<Self> {
        // One that is skipped has been left behind already.
        if matches!(resource.status.as_str(), "DELETE_COMPLETE" | "DELETE_SKIPPED") {
            return None;
        }
        let physical_id = resource.physical_id.filter(|it| !it.is_empty())?;
        let policy = template["Resources"][&resource.logical_id]["DeletionPolicy"].as_str().unwrap_or_default();
        let is_new = stack.status == StackStatus::ROLLBACK_FAILED || stack.status == StackStatus::CREATE_FAILED;
        Some(Self {
            path: artifact.origins.get(&resource.logical_id).map(|it| it.path.clone()),
            retained: policy == "Retain" || policy == "RetainExceptOnCreate" && !is_new,
            logical_id: resource.logical_id,
            physical_id,
            resource_type: resource.resource_type,
        })
    }
}
