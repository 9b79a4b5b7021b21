//! What one stack can see of all others: exports, outputs, names that are taken, principals that exist.

use serde_json::Value;

use super::evaluate::{Elsewhere, StackOutput, partition};
use super::physical::{self, Owner};
use super::policy;
use super::state::{Resource, Stack, State};
use crate::cloudformation::{Environment, StackStatus};

/// The world, as a stack sees it.
pub(super) struct Others<'a> {
    pub(super) state: &'a State,
    pub(super) stack_id: &'a str,
}

impl Elsewhere for Others<'_> {
    fn export(&self, environment: &Environment, name: &str) -> Option<String> {
        let stacks = self.state.stacks.values().filter(|stack| stack.environment == *environment && is_there(stack));
        let mut exports = stacks.filter(|stack| stack.id != self.stack_id).flat_map(|stack| &stack.outputs);
        exports.find(|output| output.export_name.as_deref() == Some(name)).map(|output| output.value.clone())
    }

    fn stack_output(&self, from: &Environment, request: &StackOutput) -> Result<String, String> {
        let mut environment = from.clone();
        if let Some(region) = &request.region {
            environment.region.clone_from(region);
        }
        if let Some(account) = request.role_arn.as_deref().and_then(|arn| arn.split(':').nth(4)) {
            account.clone_into(&mut environment.account);
        }
        if partition(&environment.region) != partition(&from.region) {
            return Err("Template error: Fn::GetStackOutput cannot read from another partition".to_owned());
        }
        if let Some(role) = &request.role_arn {
            self.check_reader(from, role)?;
        }
        let stack = self
            .state
            .find(&environment, &request.stack)
            .filter(|stack| is_there(stack))
            .ok_or_else(|| format!("Stack with id {} does not exist", request.stack))?;
        let found = stack.outputs.iter().find(|output| output.key == request.output);
        found
            .map(|output| output.value.clone())
            .ok_or_else(|| format!("Stack {} has no output named {}", request.stack, request.output))
    }
}

impl Others<'_> {
    /// Whether CloudFormation may read another account's stacks with a role.
    fn check_reader(&self, from: &Environment, role: &str) -> Result<(), String> {
        let refused = || {
            format!(
                "User: arn:aws:sts::{}:assumed-role/cloudformation is not authorized to perform: sts:AssumeRole on resource: {role}",
                from.account
            )
        };
        let properties = find_role(self.state, role).ok_or_else(refused)?;
        let trust = properties.get("AssumeRolePolicyDocument").unwrap_or(&Value::Null);
        if !policy::trusts_account(trust, &from.account) {
            return Err(refused());
        }
        let documents = identity_policies(self.state, role);
        if !documents.iter().any(|document| policy::allows(document, "cloudformation:DescribeStacks", None)) {
            return Err(format!(
                "User: {role} is not authorized to perform: cloudformation:DescribeStacks because no identity-based policy allows the cloudformation:DescribeStacks action"
            ));
        }
        Ok(())
    }
}

fn is_there(stack: &Stack) -> bool {
    stack.status != StackStatus::DELETE_COMPLETE && stack.status != StackStatus::REVIEW_IN_PROGRESS
}

/// All resources that exist and that stacks made.
fn resources(state: &State) -> impl Iterator<Item = (&Stack, &str, &Resource)> {
    state.stacks.values().flat_map(|stack| {
        let existing = stack.resources.iter().filter(|(_, resource)| resource.exists());
        existing.map(move |(name, resource)| (stack, name.as_str(), resource))
    })
}

fn arn_of(stack: &Stack, logical_id: &str, resource: &Resource) -> Option<String> {
    let schema = xacct_schema::resource_type(&resource.resource_type)?;
    let owner = Owner { environment: &stack.environment, stack_name: &stack.name, logical_id, serial: resource.serial };
    Some(physical::arn(&owner, schema, &resource.properties))
}

/// The properties of a role, by its ARN.
pub(super) fn find_role<'a>(state: &'a State, arn: &str) -> Option<&'a Value> {
    find_principal(state, arn, "AWS::IAM::Role")
}

fn find_principal<'a>(state: &'a State, arn: &str, resource_type: &str) -> Option<&'a Value> {
    let account = arn.split(':').nth(4)?;
    let name = arn.rsplit('/').next()?;
    let made = resources(state).find(|(stack, logical_id, resource)| {
        resource.resource_type == resource_type
            && stack.environment.account == account
            && resource.physical_id.as_deref() == Some(name)
            && arn_of(stack, logical_id, resource).as_deref() == Some(arn)
    });
    if let Some((_, _, resource)) = made {
        return Some(&resource.properties);
    }
    let by_hand = state.outside.iter().find(|it| {
        it.resource_type == resource_type
            && it.environment.account == account
            && (it.physical_id == arn || it.physical_id == name)
    });
    by_hand.map(|it| &it.properties)
}

/// The policies that are attached to a role.
pub(super) fn identity_policies(state: &State, role_arn: &str) -> Vec<Value> {
    let Some(account) = role_arn.split(':').nth(4) else { return Vec::new() };
    let name = role_arn.rsplit('/').next().unwrap_or_default();
    let Some(properties) = find_role(state, role_arn) else { return Vec::new() };
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let names_role = |value: Option<&Value>| list(value).iter().any(|it| it.as_str() == Some(name));
    let mut documents: Vec<Value> =
        list(properties.get("Policies")).iter().filter_map(|policy| policy.get("PolicyDocument").cloned()).collect();
    let managed: Vec<Value> = list(properties.get("ManagedPolicyArns"));
    for (stack, logical_id, resource) in resources(state).filter(|(stack, ..)| stack.environment.account == account) {
        let attached = match resource.resource_type.as_str() {
            "AWS::IAM::Policy" => names_role(resource.properties.get("Roles")),
            "AWS::IAM::RolePolicy" => resource.properties.get("RoleName").and_then(Value::as_str) == Some(name),
            "AWS::IAM::ManagedPolicy" => {
                names_role(resource.properties.get("Roles"))
                    || arn_of(stack, logical_id, resource)
                        .is_some_and(|arn| managed.iter().any(|it| it.as_str() == Some(arn.as_str())))
            }
            _ => false,
        };
        if attached {
            documents.extend(resource.properties.get("PolicyDocument").cloned());
        }
    }
    if managed.iter().filter_map(Value::as_str).any(|arn| arn.ends_with(":policy/AdministratorAccess")) {
        documents.push(serde_json::json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}));
    }
    documents
}

/// Whether the principal of a policy exists. Account roots, services and what AWS itself makes always do.
pub(super) fn principal_exists(state: &State, principal: &str) -> bool {
    let parts: Vec<&str> = principal.splitn(6, ':').collect();
    let [_, _, "iam", _, account, resource] = parts.as_slice() else {
        return principal == "*"
            || principal.len() == 12 && principal.bytes().all(|it| it.is_ascii_digit())
            || parts.len() == 6;
    };
    if account.len() != 12 || !account.bytes().all(|it| it.is_ascii_digit()) {
        return false;
    }
    match resource.split_once('/').unwrap_or((resource, "")) {
        ("role", rest) if rest.starts_with("aws-service-role/") || rest.starts_with("aws-reserved/") => true,
        ("role", _) => find_role(state, principal).is_some(),
        ("user", _) => find_principal(state, principal, "AWS::IAM::User").is_some(),
        _ => true,
    }
}

/// Who has a physical id already, seen from an environment.
pub(super) enum Holder<'a> {
    Stack(&'a str),
    Outside,
}

/// Who has a physical id.
pub(super) fn holder<'a>(
    state: &'a State,
    environment: &Environment,
    resource_type: &str,
    physical_id: &str,
    except: (&str, &str),
) -> Option<Holder<'a>> {
    let same_place = |other: &Environment| match resource_type {
        "AWS::S3::Bucket" => true,
        _ if resource_type.starts_with("AWS::IAM::") => other.account == environment.account,
        _ => other == environment,
    };
    let made = resources(state).find(|(stack, logical_id, resource)| {
        resource.resource_type == resource_type
            && resource.physical_id.as_deref() == Some(physical_id)
            && same_place(&stack.environment)
            && (stack.id.as_str(), *logical_id) != except
    });
    if let Some((stack, ..)) = made {
        return Some(Holder::Stack(&stack.id));
    }
    // A replaced resource that waits for its removal holds its name too.
    let waiting = state.stacks.values().find(|stack| {
        same_place(&stack.environment)
            && stack.operation.iter().flat_map(|operation| &operation.leftovers).any(|(_, leftover)| {
                leftover.resource_type == resource_type && leftover.physical_id.as_deref() == Some(physical_id)
            })
    });
    if let Some(stack) = waiting {
        return Some(Holder::Stack(&stack.id));
    }
    let by_hand = state
        .outside
        .iter()
        .any(|it| it.resource_type == resource_type && it.physical_id == physical_id && same_place(&it.environment));
    by_hand.then_some(Holder::Outside)
}

/// The environment of a bucket.
pub(super) fn bucket_home<'a>(state: &'a State, bucket: &str) -> Option<&'a Environment> {
    let made = resources(state).find(|(_, _, resource)| {
        resource.resource_type == "AWS::S3::Bucket" && resource.physical_id.as_deref() == Some(bucket)
    });
    let by_hand = || state.outside.iter().find(|it| it.resource_type == "AWS::S3::Bucket" && it.physical_id == bucket);
    made.map(|(stack, ..)| &stack.environment).or_else(|| by_hand().map(|it| &it.environment))
}

/// The names of other stacks that use an export.
pub(super) fn importers(state: &State, exporter: &Stack, export: &str) -> Vec<String> {
    let others = state
        .stacks
        .values()
        .filter(|stack| stack.id != exporter.id && stack.environment == exporter.environment && is_there(stack));
    others.filter(|stack| stack.imports.contains(export)).map(|stack| stack.name.clone()).collect()
}

/// The name of another stack that has an export of this name already.
pub(super) fn exporter<'a>(state: &'a State, exporter: &Stack, export: &str) -> Option<&'a str> {
    let mut others = state
        .stacks
        .values()
        .filter(|stack| stack.id != exporter.id && stack.environment == exporter.environment && is_there(stack));
    others
        .find(|stack| stack.outputs.iter().any(|output| output.export_name.as_deref() == Some(export)))
        .map(|stack| stack.name.as_str())
}
