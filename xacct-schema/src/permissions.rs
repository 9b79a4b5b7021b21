//! What CloudFormation's role must be allowed so that it can create, update and delete the resources of a template.
//!
//! AWS publishes the IAM actions of most resource types' handlers. Types without are listed: nothing is guessed for them.
//! [`of_stack`] also says on what each action is needed, as far as names are known before anything is deployed.

mod identities;
mod scope;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::actions;
use crate::resource::{Handler, ResourceType, resource_type};

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
    /// What the handlers name as an action and IAM's reference does not have: mostly operations that another action covers.
    pub not_in_iam: BTreeSet<&'static str>,
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
        let (actions, others): (BTreeSet<_>, BTreeSet<_>) =
            of_resource(kind, resource, stack_tags).into_iter().partition(|action| is_in_iam(action));
        needed.by_type.entry(kind.name()).or_default().extend(actions);
        needed.not_in_iam.extend(others);
    }
    needed.actions = needed.by_type.values().flatten().copied().collect();
    needed
}

/// Whether IAM's reference has an action of this name, or some that match the pattern. AWS's list of handlers names some operations,
/// such as `s3:DeleteBucketCors`, that are no actions: another one (`s3:PutBucketCORS`) covers them.
fn is_in_iam(action: &str) -> bool {
    actions::find_action(action).is_some() || actions::expand(action).next().is_some()
}

/// What one resource needs.
fn of_resource(kind: ResourceType, resource: &Value, stack_tags: bool) -> BTreeSet<&'static str> {
    let mut actions = BTreeSet::new();
    for handler in [Handler::Create, Handler::Read, Handler::Update, Handler::Delete] {
        actions.extend(kind.handler_permissions(handler).into_iter().flatten().map(spelled));
    }
    let own_tags = kind.tag_property().is_some_and(|tags| !resource["Properties"][tags].is_null());
    if own_tags || stack_tags && kind.has_stack_tags() {
        actions.extend(kind.tag_permissions().map(spelled));
    }
    actions
}

/// The stack that a template is deployed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: &'a str,
    /// Such as `eu-west-1`.
    pub region: &'a str,
    /// The account's twelve digits.
    pub account: &'a str,
    /// The stack's name, which the names that CloudFormation makes start with.
    pub stack_name: &'a str,
    /// Whether the stack has tags, which CloudFormation puts on its resources.
    pub tagged: bool,
}

/// Actions that a stack needs on the same resources, in the terms of a policy that allows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Allowance {
    /// ARNs and patterns of ARNs; `*` alone where nothing is known, or where the actions act on nothing in particular.
    pub resources: BTreeSet<String>,
    /// The actions.
    pub actions: BTreeSet<&'static str>,
    /// A condition of each: operator, key and values.
    pub conditions: BTreeMap<(&'static str, &'static str), BTreeSet<String>>,
}

impl Allowance {
    /// The statement of a policy that allows it.
    pub fn statement(&self) -> Value {
        let mut statement = json!({ "Effect": "Allow", "Action": self.actions, "Resource": self.resources });
        if !self.conditions.is_empty() {
            let mut conditions: BTreeMap<&str, BTreeMap<&str, &BTreeSet<String>>> = BTreeMap::new();
            for ((operator, key), values) in &self.conditions {
                conditions.entry(operator).or_default().insert(key, values);
            }
            statement["Condition"] = json!(conditions);
        }
        statement
    }
}

/// What the execution role of a stack needs, and what is not known about that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackPermissions {
    /// What to allow, sorted.
    pub allowances: Vec<Allowance>,
    /// Resource types whose handlers are not published, with the logical ids of their resources.
    pub unknown: BTreeMap<String, Vec<String>>,
    /// What the handlers name as an action and IAM's reference does not have: mostly operations that another action covers.
    pub not_in_iam: BTreeSet<&'static str>,
    /// Identities of IAM that the stack changes but does not name, so that the role may change all of that kind: a kind such as
    /// `role`, with the logical ids of the resources that change it.
    pub unnamed: BTreeMap<&'static str, BTreeSet<String>>,
}

/// What creating, updating and deleting the resources of `template` needs, each action on the narrowest resources that are known.
///
/// - An action on the resource itself is narrowed to its ARN: with the name, where the template gives it, else to all of its kind in
///   the account and region. CloudFormation has no names for most resources before it makes them. What else the action needs may be
///   anywhere: a shared subnet, a layer of another account.
/// - Changes of roles, users, groups, managed policies and instance profiles are narrowed to those of the stack. Where all roles and
///   users of the template have the same permissions boundary, they can only be changed with it.
/// - `iam:PassRole` covers the roles of the stack, for the services that they trust, and those whose ARNs stand in the template.
///
/// A resource that leaves the stack is deleted with what the new template needs.
///
/// ```
/// use xacct_schema::permissions::{Target, of_stack};
/// let template = serde_json::json!({ "Resources": { "Jobs": { "Type": "AWS::SQS::Queue", "Properties": { "QueueName": "jobs" } } } });
/// let target = Target { partition: "aws", region: "eu-west-1", account: "111111111111", stack_name: "Prod", tagged: false };
/// let needed = of_stack(&template, &target);
/// assert!(needed.allowances[0].actions.contains("sqs:CreateQueue"));
/// assert!(needed.allowances[0].resources.contains("arn:aws:sqs:eu-west-1:111111111111:jobs"));
/// ```
pub fn of_stack(template: &Value, target: &Target<'_>) -> StackPermissions {
    of_stack_with(template, target, &[])
}

/// The same, where somebody knows what is needed for types of which AWS publishes no handlers: `by_hand` has the actions of each.
///
/// ```
/// use xacct_schema::permissions::{Target, of_stack_with};
/// let template = serde_json::json!({ "Resources": { "Key": { "Type": "AWS::IAM::AccessKey", "Properties": { "UserName": "anna" } } } });
/// let target = Target { partition: "aws", region: "eu-west-1", account: "111111111111", stack_name: "Prod", tagged: false };
/// let needed = of_stack_with(&template, &target, &[("AWS::IAM::AccessKey", &["iam:CreateAccessKey"])]);
/// assert!(needed.unknown.is_empty());
/// assert!(needed.allowances[0].resources.contains("arn:aws:iam::111111111111:user/anna"));
/// ```
pub fn of_stack_with(template: &Value, target: &Target<'_>, by_hand: &[(&str, &[&'static str])]) -> StackPermissions {
    scope::of_stack(template, target, by_hand)
}

/// IAM's own spelling of an action, so that one action is not named twice.
fn spelled(action: &'static str) -> &'static str {
    actions::find_action(action).map_or(action, actions::Action::name)
}
