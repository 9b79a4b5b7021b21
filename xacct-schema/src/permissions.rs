//! What CloudFormation's role must be allowed so that it can create, update and delete the resources of a template.
//!
//! AWS publishes the IAM actions of most resource types' handlers. Types without are listed: nothing is guessed for them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::actions;
use crate::resource::{Handler, resource_type};

/// Types of CloudFormation's own that call no other service.
const NEEDS_NOTHING: [&str; 3] =
    ["AWS::CDK::Metadata", "AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle"];

/// What the execution role of a stack needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permissions {
    /// Every action, in IAM's spelling. A few that AWS publishes are patterns, such as `ec2:Describe*`.
    pub actions: BTreeSet<&'static str>,
    /// The same by resource type.
    pub by_type: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Resource types whose handlers are not published, with the logical ids of their resources: what they need has to be added by hand.
    pub unknown: BTreeMap<String, Vec<String>>,
}

/// What the resources of `template` need; `stack_tags` says whether the stack has tags, which CloudFormation puts on its resources.
///
/// ```
/// let template = serde_json::json!({ "Resources": { "Queue": { "Type": "AWS::SQS::Queue" } } });
/// let needed = xacct_schema::permissions::of_template(&template, false);
/// assert!(needed.actions.contains("sqs:CreateQueue"));
/// assert!(!needed.actions.contains("sqs:SendMessage"));
/// assert!(needed.unknown.is_empty());
/// ```
pub fn of_template(template: &Value, stack_tags: bool) -> Permissions {
    let mut needed = Permissions::default();
    for (logical_id, resource) in template["Resources"].as_object().into_iter().flatten() {
        let name = resource["Type"].as_str().unwrap_or_default();
        if NEEDS_NOTHING.contains(&name) {
            continue;
        }
        let Some(kind) = resource_type(name).filter(|kind| kind.has_handlers()) else {
            needed.unknown.entry(name.to_owned()).or_default().push(logical_id.clone());
            continue;
        };
        let actions = needed.by_type.entry(kind.name()).or_default();
        for handler in [Handler::Create, Handler::Read, Handler::Update, Handler::Delete] {
            actions.extend(kind.handler_permissions(handler).into_iter().flatten().map(spelled));
        }
        let own_tags = kind.tag_property().is_some_and(|tags| !resource["Properties"][tags].is_null());
        if own_tags || stack_tags && kind.has_stack_tags() {
            actions.extend(kind.tag_permissions().map(spelled));
        }
    }
    needed.actions = needed.by_type.values().flatten().copied().collect();
    needed
}

/// IAM's own spelling of an action, so that one action is not named twice.
fn spelled(action: &'static str) -> &'static str {
    actions::find_action(action).map_or(action, actions::Action::name)
}
