//! Intrinsic functions: a value of a template, with everything in it resolved.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::secret::Secrets;
use super::template::{Template, call, scalar_text};
use crate::cloudformation::Environment;

/// Finds what `Ref` (without an attribute) and `Fn::GetAtt` of a resource are.
pub(super) type Look<'a> = dyn Fn(&str, Option<&str>) -> Result<Value, String> + 'a;

/// Everything that a template's functions look at.
pub(super) struct Scope<'a> {
    pub(super) template: &'a Template,
    pub(super) environment: &'a Environment,
    pub(super) stack_id: &'a str,
    pub(super) stack_name: &'a str,
    pub(super) notification_arns: &'a [String],
    /// The values of parameters: text, or a list of texts.
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) conditions: BTreeMap<String, bool>,
    /// `Ref` (without an attribute) and `Fn::GetAtt` of a resource.
    pub(super) resource: &'a Look<'a>,
    pub(super) elsewhere: &'a dyn Elsewhere,
    pub(super) secrets: &'a Secrets,
    /// The exports that were used.
    pub(super) imports: RefCell<BTreeSet<String>>,
}

/// What other stacks provide.
pub(super) trait Elsewhere {
    /// The value of an export.
    fn export(&self, environment: &Environment, name: &str) -> Option<String>;

    /// The output of another stack, possibly in another account.
    fn stack_output(&self, from: &Environment, request: &StackOutput) -> Result<String, String>;
}

/// The argument of `Fn::GetStackOutput`.
pub(super) struct StackOutput {
    pub(super) stack: String,
    pub(super) output: String,
    pub(super) region: Option<String>,
    pub(super) role_arn: Option<String>,
}

/// Stands for something that is not known before the change is made, in a preview.
pub(super) fn unknown(name: &str, attribute: Option<&str>) -> Value {
    let dot = if attribute.is_some() { "." } else { "" };
    Value::String(format!("\u{27e6}known after the change:{name}{dot}{}\u{27e7}", attribute.unwrap_or_default()))
}

impl Scope<'_> {
    /// Evaluates all conditions; they can use each other.
    pub(super) fn evaluate_conditions(&mut self) -> Result<(), String> {
        let names: Vec<String> = self.template.conditions.keys().cloned().collect();
        for name in names {
            self.evaluate_condition(&name, &mut BTreeSet::new())?;
        }
        Ok(())
    }

    fn evaluate_condition(&mut self, name: &str, open: &mut BTreeSet<String>) -> Result<bool, String> {
        if let Some(known) = self.conditions.get(name) {
            return Ok(*known);
        }
        let template = self.template;
        let Some(condition) = template.conditions.get(name) else {
            return Err(format!(
                "Template format error: Unresolved condition dependency {name} in the Conditions block of the template"
            ));
        };
        if !open.insert(name.to_owned()) {
            return Err("Template error: circular dependency in the Conditions block".to_owned());
        }
        let mut needed = BTreeSet::new();
        collect_conditions(condition, &mut needed);
        for need in needed {
            self.evaluate_condition(&need, open)?;
        }
        let holds = self.test(condition)?;
        self.conditions.insert(name.to_owned(), holds);
        Ok(holds)
    }

    /// The first assertion of a rule that does not hold, in the words of the service.
    pub(super) fn check_rules(&self) -> Result<(), String> {
        for (name, rule) in &self.template.rules {
            if let Some(condition) = rule.get("RuleCondition")
                && !self.test(condition)?
            {
                continue;
            }
            for assertion in rule.get("Assertions").and_then(Value::as_array).into_iter().flatten() {
                let Some(assert) = assertion.get("Assert") else { continue };
                if !self.test(assert)? {
                    let description = assertion.get("AssertDescription").and_then(Value::as_str).unwrap_or_default();
                    return Err(format!(
                        "Template Rule '{name}' validation failed: {}",
                        if description.is_empty() { "assertion is false" } else { description }
                    ));
                }
            }
        }
        Ok(())
    }

    /// Evaluates a condition function.
    fn test(&self, condition: &Value) -> Result<bool, String> {
        let list = |argument: &Value| -> Result<Vec<bool>, String> {
            argument.as_array().into_iter().flatten().map(|item| self.test(item)).collect()
        };
        match (condition, call(condition)) {
            (_, Some(("Condition", name))) => self.condition(name.as_str().unwrap_or_default()),
            (_, Some(("Fn::And", argument))) => Ok(list(argument)?.into_iter().all(|it| it)),
            (_, Some(("Fn::Or", argument))) => Ok(list(argument)?.into_iter().any(|it| it)),
            (_, Some(("Fn::Not", argument))) => Ok(!list(argument)?.into_iter().any(|it| it)),
            (_, Some(("Fn::Equals", argument))) => {
                let (left, right) = self.pair("Fn::Equals", argument)?;
                Ok(scalars_equal(&left, &right))
            }
            (_, Some(("Fn::Contains", argument))) => {
                let (list, item) = self.pair("Fn::Contains", argument)?;
                Ok(list.as_array().is_some_and(|items| items.iter().any(|it| scalars_equal(it, &item))))
            }
            (_, Some(("Fn::EachMemberEquals", argument))) => {
                let (list, item) = self.pair("Fn::EachMemberEquals", argument)?;
                Ok(list.as_array().is_some_and(|items| items.iter().all(|it| scalars_equal(it, &item))))
            }
            (_, Some(("Fn::EachMemberIn", argument))) => {
                let (list, allowed) = self.pair("Fn::EachMemberIn", argument)?;
                let allowed = allowed.as_array().cloned().unwrap_or_default();
                Ok(list
                    .as_array()
                    .is_some_and(|items| items.iter().all(|it| allowed.iter().any(|other| scalars_equal(it, other)))))
            }
            (Value::Bool(holds), _) => Ok(*holds),
            (Value::String(text), _) => Ok(text == "true"),
            _ => Err(format!("Template error: `{condition}` is not a condition")),
        }
    }

    fn pair(&self, function: &str, argument: &Value) -> Result<(Value, Value), String> {
        let items = argument.as_array().filter(|items| items.len() == 2).ok_or_else(|| {
            format!("Template error: every {function} object requires a list of 2 string parameters.")
        })?;
        Ok((self.value(&items[0])?, self.value(&items[1])?))
    }

    fn condition(&self, name: &str) -> Result<bool, String> {
        self.conditions
            .get(name)
            .copied()
            .ok_or_else(|| format!("Template error: unresolved condition dependency: {name}"))
    }

    /// Whether something with this condition is there.
    pub(super) fn is_wanted(&self, condition: Option<&String>) -> bool {
        condition.is_none_or(|name| self.conditions.get(name).copied().unwrap_or(false))
    }

    /// Resolves a value; null where `AWS::NoValue` is left at the top.
    pub(super) fn value(&self, value: &Value) -> Result<Value, String> {
        Ok(self.resolve(value)?.unwrap_or_default())
    }

    /// Resolves a value to text.
    pub(super) fn text(&self, value: &Value) -> Result<String, String> {
        match self.value(value)? {
            Value::Array(_) | Value::Object(_) => {
                Err("Template error: a list or an object is given where text is needed".to_owned())
            }
            scalar => Ok(scalar_text(&scalar)),
        }
    }

    /// Resolves a value; none for `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Result<Option<Value>, String> {
        if let Some((function, argument)) = call(value)
            && (function != "Condition")
        {
            return self.call(function, argument);
        }
        Ok(Some(match value {
            Value::Object(map) => {
                let mut resolved = Map::with_capacity(map.len());
                for (key, inner) in map {
                    if let Some(inner) = self.resolve(inner)? {
                        resolved.insert(key.clone(), inner);
                    }
                }
                Value::Object(resolved)
            }
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for item in items {
                    resolved.extend(self.resolve(item)?);
                }
                Value::Array(resolved)
            }
            other => other.clone(),
        }))
    }

    fn call(&self, function: &str, argument: &Value) -> Result<Option<Value>, String> {
        Ok(Some(match function {
            "Ref" => return self.reference(argument.as_str().unwrap_or_default()),
            "Fn::GetAtt" => self.get_att(argument)?,
            "Fn::Sub" => Value::String(self.sub(argument)?),
            "Fn::Join" => self.join(argument)?,
            "Fn::Split" => self.split(argument)?,
            "Fn::Select" => self.select(argument)?,
            "Fn::If" => {
                let items = argument
                    .as_array()
                    .filter(|items| items.len() == 3)
                    .ok_or("Template error: Fn::If requires a list argument with the condition name and two values")?;
                let holds = self.condition(items[0].as_str().unwrap_or_default())?;
                return self.resolve(&items[if holds { 1 } else { 2 }]);
            }
            "Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals" | "Fn::Contains" => {
                let mut call = Map::new();
                call.insert(function.to_owned(), argument.clone());
                Value::Bool(self.test(&Value::Object(call))?)
            }
            "Fn::FindInMap" => self.find_in_map(argument)?,
            "Fn::ImportValue" => {
                let name = self.text(argument)?;
                self.imports.borrow_mut().insert(name.clone());
                let value = self.elsewhere.export(self.environment, &name);
                Value::String(value.ok_or_else(|| format!("No export named {name} found."))?)
            }
            "Fn::GetStackOutput" => self.stack_output(argument)?,
            "Fn::Cidr" => self.cidr(argument)?,
            "Fn::GetAZs" => {
                let region = self.text(argument)?;
                let region = if region.is_empty() { &self.environment.region } else { &region };
                Value::Array(["a", "b", "c"].map(|zone| Value::String(format!("{region}{zone}"))).to_vec())
            }
            "Fn::Base64" => {
                let text = self.text(argument)?;
                self.secrets.compute(&text, |text| Value::String(base64(text.as_bytes())))
            }
            "Fn::Length" => match self.value(argument)? {
                Value::Array(items) => Value::from(items.len()),
                _ => return Err("Template error: Fn::Length requires a list".to_owned()),
            },
            "Fn::ToJsonString" => Value::String(self.value(argument)?.to_string()),
            "Fn::Transform" => return Err("Template error: Fn::Transform is not available in memory".to_owned()),
            other => return Err(format!("Template error: {other} is not a function of CloudFormation")),
        }))
    }

    fn reference(&self, name: &str) -> Result<Option<Value>, String> {
        let text = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::AccountId" => self.environment.account.clone(),
            "AWS::Region" => self.environment.region.clone(),
            "AWS::Partition" => partition(&self.environment.region).to_owned(),
            "AWS::URLSuffix" => url_suffix(&self.environment.region).to_owned(),
            "AWS::StackId" => self.stack_id.to_owned(),
            "AWS::StackName" => self.stack_name.to_owned(),
            "AWS::NotificationARNs" => {
                return Ok(Some(self.notification_arns.iter().cloned().map(Value::String).collect()));
            }
            _ => match self.parameters.get(name) {
                Some(value) => return Ok(Some(value.clone())),
                None => return (self.resource)(name, None).map(Some),
            },
        };
        Ok(Some(Value::String(text)))
    }

    fn get_att(&self, argument: &Value) -> Result<Value, String> {
        let (name, attribute) = match argument {
            Value::String(text) => text
                .split_once('.')
                .map(|(name, attribute)| (name.to_owned(), attribute.to_owned()))
                .ok_or("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")?,
            Value::Array(parts) if parts.len() == 2 => {
                (parts[0].as_str().unwrap_or_default().to_owned(), self.text(&parts[1])?)
            }
            _ => return Err("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute".to_owned()),
        };
        (self.resource)(&name, Some(&attribute))
    }

    fn sub(&self, argument: &Value) -> Result<String, String> {
        let (text, values) = match argument {
            Value::Array(parts) => (parts.first().and_then(Value::as_str), parts.get(1)),
            text => (text.as_str(), None),
        };
        let mut rest = text.ok_or("Template error: every Fn::Sub object requires text")?;
        let mut result = String::with_capacity(rest.len());
        while let Some(start) = rest.find("${") {
            result.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                rest = &rest[start..];
                break;
            };
            let name = &rest[start + 2..start + length];
            rest = &rest[start + length + 1..];
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let value = match (values.and_then(|values| values.get(name)), name.split_once('.')) {
                (Some(value), _) => self.value(value)?,
                (None, Some((name, attribute))) => (self.resource)(name, Some(attribute))?,
                (None, None) => self.reference(name)?.unwrap_or_default(),
            };
            result.push_str(&scalar_text(&value));
        }
        result.push_str(rest);
        Ok(result)
    }

    fn join(&self, argument: &Value) -> Result<Value, String> {
        const MESSAGE: &str = "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.";
        let parts = argument.as_array().filter(|parts| parts.len() == 2).ok_or(MESSAGE)?;
        let delimiter = parts[0].as_str().ok_or(MESSAGE)?;
        let items = self.value(&parts[1])?;
        let items = items.as_array().ok_or(MESSAGE)?;
        if items.iter().any(|item| item.is_array() || item.is_object()) {
            return Err(MESSAGE.to_owned());
        }
        let items: Vec<String> = items.iter().map(scalar_text).collect();
        Ok(Value::String(items.join(delimiter)))
    }

    fn split(&self, argument: &Value) -> Result<Value, String> {
        const MESSAGE: &str = "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.";
        let parts = argument.as_array().filter(|parts| parts.len() == 2).ok_or(MESSAGE)?;
        let delimiter = parts[0].as_str().filter(|text| !text.is_empty()).ok_or(MESSAGE)?;
        let text = self.text(&parts[1])?;
        Ok(self
            .secrets
            .compute(&text, |text| text.split(delimiter).map(|part| Value::String(part.to_owned())).collect()))
    }

    fn select(&self, argument: &Value) -> Result<Value, String> {
        let parts = argument.as_array().filter(|parts| parts.len() == 2).ok_or(
            "Template error: Fn::Select requires a list argument with two elements: an integer index and a list",
        )?;
        let index = self.text(&parts[0])?;
        let items = match self.value(&parts[1])? {
            Value::Array(items) => items,
            // What a text was split into is not known if only the hash of a secret is.
            Value::String(text) if Secrets::is_in(&text) => return Ok(Value::String(text)),
            _ => {
                return Err("Template error: Fn::Select requires a list argument with two elements: an integer index and a list".to_owned());
            }
        };
        let selected = index.parse::<usize>().ok().and_then(|index| items.get(index));
        selected
            .cloned()
            .ok_or_else(|| format!("Template error: Fn::Select cannot select nonexistent value at index {index}"))
    }

    fn find_in_map(&self, argument: &Value) -> Result<Value, String> {
        let parts = argument
            .as_array()
            .filter(|parts| parts.len() >= 3)
            .ok_or("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")?;
        let (map, key, attribute) = (self.text(&parts[0])?, self.text(&parts[1])?, self.text(&parts[2])?);
        let found = self.template.mappings.get(&map).and_then(|map| map.get(&key)).and_then(|map| map.get(&attribute));
        match (found, parts.get(3).and_then(|options| options.get("DefaultValue"))) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(default)) => self.value(default),
            (None, None) => Err(format!("Template error: Unable to get mapping for {map}::{key}::{attribute}")),
        }
    }

    fn stack_output(&self, argument: &Value) -> Result<Value, String> {
        let field = |name: &str| argument.get(name).map(|value| self.text(value)).transpose();
        let request = StackOutput {
            stack: field("StackName")?.ok_or("Template error: Fn::GetStackOutput requires StackName")?,
            output: field("OutputName")?.ok_or("Template error: Fn::GetStackOutput requires OutputName")?,
            region: field("Region")?,
            role_arn: field("RoleArn")?,
        };
        self.elsewhere.stack_output(self.environment, &request).map(Value::String)
    }

    fn cidr(&self, argument: &Value) -> Result<Value, String> {
        const MESSAGE: &str =
            "Template error: Fn::Cidr requires an IP block, a count and optionally the number of host bits";
        let parts = argument.as_array().filter(|parts| (2..=3).contains(&parts.len())).ok_or(MESSAGE)?;
        let block = self.text(&parts[0])?;
        let count: u32 = self.text(&parts[1])?.parse().map_err(|_| MESSAGE)?;
        let host_bits: u32 = match parts.get(2) {
            Some(bits) => self.text(bits)?.parse().map_err(|_| MESSAGE)?,
            None => 8,
        };
        let (address, prefix) = block.split_once('/').ok_or(MESSAGE)?;
        let blocks = if let (Ok(address), Ok(prefix)) = (address.parse::<std::net::Ipv4Addr>(), prefix.parse::<u32>()) {
            subnets(u128::from(address.to_bits()), prefix, host_bits, count, 32).map(|starts| {
                starts.map(|it| format!("{}/{}", std::net::Ipv4Addr::from_bits(it as u32), 32 - host_bits)).collect()
            })
        } else if let (Ok(address), Ok(prefix)) = (address.parse::<std::net::Ipv6Addr>(), prefix.parse::<u32>()) {
            subnets(address.to_bits(), prefix, host_bits, count, 128).map(|starts| {
                starts.map(|it| format!("{}/{}", std::net::Ipv6Addr::from_bits(it), 128 - host_bits)).collect()
            })
        } else {
            None
        };
        let blocks: Vec<String> = blocks.ok_or_else(|| {
            format!("Template error: Fn::Cidr: {count} blocks of {host_bits} bits do not fit into {block}")
        })?;
        Ok(blocks.into_iter().map(Value::String).collect())
    }
}

/// The first addresses of `count` blocks within a block.
fn subnets(address: u128, prefix: u32, host_bits: u32, count: u32, width: u32) -> Option<impl Iterator<Item = u128>> {
    let room = width.checked_sub(prefix)?.checked_sub(host_bits)?;
    let fits = (1..=256).contains(&count) && (room >= 32 || u64::from(count) <= 1 << room);
    let start = if prefix == 0 { 0 } else { address >> (width - prefix) << (width - prefix) };
    fits.then(|| (0..u128::from(count)).map(move |index| start + (index << host_bits)))
}

fn collect_conditions(value: &Value, found: &mut BTreeSet<String>) {
    match (value, call(value)) {
        (_, Some(("Condition", Value::String(name)))) => {
            found.insert(name.clone());
        }
        (Value::Array(items), _) => items.iter().for_each(|item| collect_conditions(item, found)),
        (Value::Object(map), _) => map.values().for_each(|item| collect_conditions(item, found)),
        _ => {}
    }
}

/// Equal as CloudFormation compares: `1`, `"1"` and `true`, `"true"` are the same.
pub(super) fn scalars_equal(left: &Value, right: &Value) -> bool {
    let scalar = |value: &Value| !value.is_array() && !value.is_object();
    if scalar(left) && scalar(right) { scalar_text(left) == scalar_text(right) } else { left == right }
}

/// Equal all the way down, with scalars compared as text.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| equal(left, right)))
        }
        _ => scalars_equal(left, right),
    }
}

/// The partition of a region.
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

pub(super) fn url_suffix(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let sextet = (bits >> (18 - 6 * position) & 63) as usize;
            text.push(if position > chunk.len() { '=' } else { char::from(ALPHABET[sextet]) });
        }
    }
    text
}
