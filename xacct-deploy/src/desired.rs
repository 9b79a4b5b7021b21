//! What a stack should become: its template, parameters, tags and capabilities, in the form CloudFormation takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};
use xacct_core::assembly::{Assembly, StackArtifact};

use crate::cause::{Cause, CauseKind};
use crate::cloudformation::{ParameterValue, Stack};
use crate::plan::ValueDiff;
use crate::redact::{MASK, Secrets};
use crate::template_diff::mentions;
use crate::template_text;
use crate::timestamp::Timestamp;

/// The longest template that is sent in the request itself.
pub(crate) use xacct_core::assembly::INLINE_LIMIT;

/// Values for a stack's inputs, and where they come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputValues {
    /// By parameter.
    pub(crate) values: BTreeMap<String, String>,
    /// By parameter too, where it is known.
    pub(crate) sources: BTreeMap<String, Source>,
}

/// A state of a stack: its outputs are the same as long as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StackVersion {
    pub(crate) stack_id: String,
    /// When its last creation or update began.
    pub(crate) changed: Timestamp,
}

impl From<&Stack> for StackVersion {
    fn from(stack: &Stack) -> Self {
        Self { stack_id: stack.id.clone(), changed: stack.last_updated_time.unwrap_or(stack.creation_time) }
    }
}

/// An output of a stack in a certain state. The same source means the same value, which needs not be known for that: this is how a
/// secret is compared of which nothing may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) stack: StackVersion,
    pub(crate) output: String,
}

/// What a stack should become.
pub(crate) struct Desired<'a> {
    pub(crate) artifact: &'a StackArtifact,
    pub(crate) template_text: String,
    /// Values that are given: by the assembly, and from outputs of other stacks.
    values: BTreeMap<String, String>,
    /// Where the values of inputs come from.
    sources: BTreeMap<String, Source>,
}

impl<'a> Desired<'a> {
    /// Fills the inputs. Values of NoEcho parameters become secrets.
    pub(crate) fn new(artifact: &'a StackArtifact, inputs: InputValues, secrets: &Secrets) -> Self {
        let mut values = artifact.parameters.clone();
        values.extend(inputs.values);
        let declared = parameters(&artifact.template);
        values.retain(|name, _| declared.is_some_and(|it| it.contains_key(name)));
        for (name, value) in &values {
            if is_no_echo(&artifact.template, name) {
                secrets.learn(&artifact.id, name, value);
            }
        }
        Self { artifact, template_text: artifact.template_text(), values, sources: inputs.sources }
    }

    /// Every declared parameter that has a value here, or had one and has no default: its value is kept.
    ///
    /// A parameter with a default and without a value takes the default of this template, not the value it once had: what is
    /// deployed depends on the program alone.
    pub(crate) fn parameters(&self, current: Option<&Stack>) -> Result<Vec<ParameterValue>, Box<Cause>> {
        let mut given = Vec::new();
        for (name, declaration) in parameters(&self.artifact.template).into_iter().flatten() {
            let value = self.values.get(name).cloned();
            let has_default = declaration.get("Default").is_some();
            let has_previous = current.is_some_and(|stack| stack.parameters.contains_key(name));
            match value {
                None if has_default => {}
                None if !has_previous => {
                    let message = format!("parameter `{name}` has neither a value nor a default");
                    let cause = Cause::new(CauseKind::MissingInput, message);
                    return Err(Box::new(
                        cause.with_help("give it a value when you deploy, or a default in the program"),
                    ));
                }
                value => given.push(ParameterValue { key: name.clone(), value }),
            }
        }
        Ok(given)
    }

    /// Whether the same fingerprint means the same values. It does not if a NoEcho value is given by the assembly itself: CloudFormation
    /// does not show the old one, and nothing about it is kept, so only CloudFormation can compare it.
    pub(crate) fn has_whole_fingerprint(&self) -> bool {
        self.values.keys().all(|name| !is_no_echo(&self.artifact.template, name) || self.sources.contains_key(name))
    }

    /// Whether parameters and tags are as they should be. `same_secrets` says that the NoEcho values are those that were deployed, which
    /// cannot be seen; otherwise one that is given counts as changed.
    pub(crate) fn settings_equal(&self, stack: &Stack, same_secrets: bool) -> bool {
        if stack.tags != self.artifact.tags {
            return false;
        }
        let template = &self.artifact.template;
        let declared = parameters(template);
        let none_dropped = stack.parameters.keys().all(|name| declared.is_some_and(|it| it.contains_key(name)));
        none_dropped
            && declared.into_iter().flatten().all(|(name, declaration)| {
                let given = self.values.get(name);
                if is_no_echo(template, name) {
                    return (given.is_none() || same_secrets) && stack.parameters.contains_key(name);
                }
                let Some(current) = stack.parameters.get(name) else {
                    return false;
                };
                match (given, declaration.get("Default")) {
                    (Some(value), _) => *value == current.value,
                    (None, Some(default)) => scalar_text(default) == current.value,
                    (None, None) => true,
                }
            })
    }

    /// The parameters whose value would be another. Secret values are masked; `same_secrets` is that of
    /// [`settings_equal`](Self::settings_equal).
    pub(crate) fn parameter_diffs(&self, stack: &Stack, same_secrets: bool) -> Vec<ValueDiff> {
        let template = &self.artifact.template;
        let mut found = Vec::new();
        for (name, declaration) in parameters(template).into_iter().flatten() {
            let given = self.values.get(name);
            let before = stack.parameters.get(name).map(|it| it.value.clone());
            let default = declaration.get("Default").map(scalar_text);
            if is_no_echo(template, name) {
                if given.is_some() && !same_secrets {
                    let masked = Some(MASK.to_owned());
                    found.push(ValueDiff { name: name.clone(), before, after: masked });
                }
                continue;
            }
            // Without a value and a default, the one that is deployed is kept; or it is an input that is still open.
            let Some(after) = given.cloned().or(default) else { continue };
            if before.as_ref() != Some(&after) {
                found.push(ValueDiff { name: name.clone(), before, after: Some(after) });
            }
        }
        found
    }

    /// The parameters whose value CloudFormation reads from the Parameter Store, each time that it is given a change set: nobody else
    /// knows whether it is another one now. As for CDK's CLI, one that says `[cdk:skip]` in its description is no reason for that.
    ///
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html>
    pub(crate) fn stored_parameters(&self) -> impl Iterator<Item = &str> {
        let is_stored = |declaration: &Value| {
            let text = |key: &str| declaration.get(key).and_then(Value::as_str).unwrap_or_default();
            text("Type").starts_with("AWS::SSM::Parameter::Value<") && !text("Description").contains("[cdk:skip]")
        };
        let declared = parameters(&self.artifact.template).into_iter().flatten();
        declared.filter(move |(_, declaration)| is_stored(declaration)).map(|(name, _)| name.as_str())
    }

    /// Whether a template text means the same as this one.
    pub(crate) fn template_equals(&self, text: &str) -> bool {
        text == self.template_text
            || template_text::read(text)
                .is_ok_and(|template| template == template_text::without_metadata(self.artifact.template.clone()))
    }

    /// A digest of the template, the tags, the values that are not secret, and the sources of those that are.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.template_text.as_bytes());
        let mut add = |parts: &[&str]| {
            for part in parts {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        };
        let secret = |name: &String| is_no_echo(&self.artifact.template, name);
        for (key, value) in self.values.iter().filter(|(name, _)| !secret(name)).chain(&self.artifact.tags) {
            add(&[key, value]);
        }
        for (name, source) in self.sources.iter().filter(|(name, _)| secret(name)) {
            add(&[name, &source.stack.stack_id, &source.stack.changed.0.to_string(), &source.output]);
        }
        hex(&hash.finalize())
    }

    /// The capabilities that the template needs.
    pub(crate) fn capabilities(&self) -> Vec<String> {
        capabilities(&self.artifact.template)
    }
}

/// Whether a property of a resource is, or holds, a secret: what a NoEcho parameter gives, or the secret of an access key. `path` is a JSON
/// pointer into the properties; what it names may be inside of what a function returns.
pub(crate) fn is_secret_property(template: &Value, logical_id: &str, path: &str) -> bool {
    let Some(mut value) = template.pointer(&format!("/Resources/{logical_id}/Properties")) else { return false };
    for part in path.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        let inner = match value {
            Value::Object(map) => map.get(&key),
            Value::Array(items) => key.parse().ok().and_then(|index: usize| items.get(index)),
            _ => None,
        };
        let Some(inner) = inner else { break };
        value = inner;
    }
    hidden_parameters(template).any(|it| mentions(value, it)) || has_access_key(value)
}

/// The secrets that a resource gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fed {
    /// NoEcho parameters; or none for what is not found by their values: the secret of an access key, and what a function makes of them.
    pub(crate) by: BTreeSet<Option<String>>,
    /// Whether its name is made of them.
    pub(crate) in_name: bool,
}

/// The resources that get secrets, by logical id.
pub(crate) fn fed_with_secrets(template: &Value) -> BTreeMap<String, Fed> {
    let mut found = BTreeMap::new();
    for (id, resource) in template.get("Resources").and_then(Value::as_object).into_iter().flatten() {
        let parameters = hidden_parameters(template).filter(|it| mentions(resource, it)).cloned().map(Some);
        let is_made =
            has_access_key(resource) || hidden_parameters(template).any(|it| is_reshaped(template, resource, it));
        let by: BTreeSet<_> = parameters.chain(is_made.then_some(None)).collect();
        if by.is_empty() {
            continue;
        }
        let schema = resource.get("Type").and_then(Value::as_str).and_then(xacct_schema::resource_type);
        let name = schema.and_then(|it| it.name_property());
        let in_name = name.is_some_and(|it| {
            resource.pointer(&format!("/Properties/{it}")).is_some()
                && is_secret_property(template, id, &format!("/{it}"))
        });
        found.insert(id.clone(), Fed { by, in_name });
    }
    found
}

/// Functions whose result does not have its argument in it as it is.
const RESHAPING: [&str; 6] =
    ["Fn::Base64", "Fn::Split", "Fn::Select", "Fn::ToJsonString", "Fn::Transform", "Fn::ForEach"];

/// Whether a value has a parameter in it in another form, so that nobody finds it by its text.
fn is_reshaped(template: &Value, value: &Value, parameter: &str) -> bool {
    let kind = parameters(template).and_then(|it| it[parameter]["Type"].as_str()).unwrap_or_default();
    let is_list = kind == "CommaDelimitedList" || kind.starts_with("List<");
    let reshapes = |key: &str| RESHAPING.iter().any(|it| key.starts_with(it));
    match value {
        _ if is_list => mentions(value, parameter),
        Value::Object(map) => map.iter().any(|(key, inner)| match reshapes(key) {
            true => mentions(inner, parameter),
            false => is_reshaped(template, inner, parameter),
        }),
        Value::Array(items) => items.iter().any(|it| is_reshaped(template, it, parameter)),
        _ => false,
    }
}

fn hidden_parameters(template: &Value) -> impl Iterator<Item = &String> {
    parameters(template).into_iter().flat_map(|it| it.keys()).filter(|name| is_no_echo(template, name))
}

/// The outputs of a stack that must not be shown: made from a NoEcho parameter or the secret of an access key, or handed to a
/// NoEcho parameter of another stack.
pub(crate) fn secret_outputs(assembly: &Assembly, artifact: &StackArtifact) -> BTreeSet<String> {
    let template = &artifact.template;
    let hidden: Vec<&String> = hidden_parameters(template).collect();
    let outputs = template.get("Outputs").and_then(Value::as_object).into_iter().flatten();
    let revealing = outputs
        .filter(|(_, output)| hidden.iter().any(|it| mentions(output, it)) || has_access_key(output))
        .map(|(name, _)| name.clone());
    let handed_on = assembly.stacks.iter().flat_map(|consumer| {
        consumer
            .inputs
            .iter()
            .filter(|it| it.from_stack == artifact.id && is_no_echo(&consumer.template, &it.parameter))
            .map(|it| it.output.clone())
    });
    revealing.chain(handed_on).collect()
}

/// Whether a value contains the secret of an access key.
fn has_access_key(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "SecretAccessKey" || text.contains(".SecretAccessKey"),
        Value::Array(items) => items.iter().any(has_access_key),
        Value::Object(map) => map.values().any(has_access_key),
        _ => false,
    }
}

/// The capabilities that a template needs to be acknowledged.
pub fn capabilities(template: &Value) -> Vec<String> {
    const NAMES: [(&str, &str); 5] = [
        ("AWS::IAM::Role", "RoleName"),
        ("AWS::IAM::User", "UserName"),
        ("AWS::IAM::Group", "GroupName"),
        ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
        ("AWS::IAM::InstanceProfile", "InstanceProfileName"),
    ];
    let (mut iam, mut named) = (false, false);
    let mut expand = template.get("Transform").is_some() || contains_transform(template);
    // What a macro or a nested template makes cannot be seen from here: it may well name IAM resources.
    let mut opaque = expand;
    for resource in template.get("Resources").and_then(Value::as_object).into_iter().flat_map(|it| it.values()) {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or("");
        iam |= kind.starts_with("AWS::IAM::");
        named |= NAMES.iter().any(|(type_name, property)| {
            kind == *type_name && resource.pointer(&format!("/Properties/{property}")).is_some()
        });
        let nested = kind == "AWS::CloudFormation::Stack" || kind.ends_with("::MODULE");
        expand |= nested;
        opaque |= nested;
    }
    let mut needed = Vec::new();
    if named || opaque {
        needed.push("CAPABILITY_NAMED_IAM".to_owned());
    } else if iam {
        needed.push("CAPABILITY_IAM".to_owned());
    }
    if expand {
        needed.push("CAPABILITY_AUTO_EXPAND".to_owned());
    }
    needed
}

fn contains_transform(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key("Fn::Transform") || map.values().any(contains_transform),
        Value::Array(items) => items.iter().any(contains_transform),
        _ => false,
    }
}

fn parameters(template: &Value) -> Option<&serde_json::Map<String, Value>> {
    template.get("Parameters").and_then(Value::as_object)
}

pub(crate) fn is_no_echo(template: &Value, parameter: &str) -> bool {
    let flag = parameters(template).and_then(|it| it.get(parameter)).and_then(|it| it.get("NoEcho"));
    match flag {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(flag)) => flag.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// A default as CloudFormation reports it: all parameters are text.
fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn derives_capabilities() {
        let check = |template: Value, expected: &[&str]| {
            assert_eq!(capabilities(&template), expected, "{template}");
        };
        check(json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}), &[]);
        check(json!({"Resources": {"R": {"Type": "AWS::IAM::Role"}}}), &["CAPABILITY_IAM"]);
        check(
            json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "x"}}}}),
            &["CAPABILITY_NAMED_IAM"],
        );
        check(
            json!({"Resources": {"R": {"Type": "AWS::SQS::Queue", "Properties": {"Fn::Transform": {}}}}}),
            &["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        );
        check(
            json!({"Resources": {"N": {"Type": "AWS::CloudFormation::Stack"}}}),
            &["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        );
    }
}
