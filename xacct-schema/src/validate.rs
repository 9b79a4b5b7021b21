//! Validates templates against what AWS publishes about resource types, and against CloudFormation's own rules.
//!
//! A template that CloudFormation accepts must have no finding: what depends on a value that is only known when the stack is deployed is
//! not judged. All findings come at once.

use std::fmt;

use serde_json::{Map, Value};

use crate::resource::{ResourceType, nearest_resource_type};
use checker::Checker;
use conditions::Conditions;
use names::{Names, Resource};

mod checker;
mod conditions;
mod functions;
mod intrinsic;
mod names;
mod path;
mod references;
mod semantics;
mod structure;

/// What a finding is about. The id of a rule never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// A section, an attribute of a resource, a parameter or an output is not what CloudFormation expects.
    Structure,
    /// There is no such resource type.
    UnknownResourceType,
    /// AWS has shut the service of this resource type down.
    RetiredResourceType,
    /// The region does not have this resource type.
    Region,
    /// The resource type has no such property.
    UnknownProperty,
    /// Only the service sets this property.
    ReadOnlyProperty,
    /// A property that must be given is missing.
    MissingProperty,
    /// A value has the wrong type.
    WrongType,
    /// CloudFormation takes no nulls.
    Null,
    /// A value is not one of the allowed ones.
    Enum,
    /// A text does not look as it must.
    Pattern,
    /// A text is too short or too long.
    Length,
    /// A number is too small or too large.
    Range,
    /// A list or map has too few or too many items.
    ItemCount,
    /// A list has an item twice.
    UniqueItems,
    /// A value fits none, or too many, of the alternatives.
    Alternatives,
    /// A property calls for another, or rules it out.
    DependentProperties,
    /// `Ref` or `Fn::Sub` names what does not exist.
    UnknownReference,
    /// `Fn::GetAtt` names an attribute that the resource type does not have.
    UnknownAttribute,
    /// `DependsOn` names a resource that does not exist.
    UnknownDependency,
    /// There is no such condition.
    UnknownCondition,
    /// There is no such mapping, or no such key in it.
    UnknownMapping,
    /// There is no such intrinsic function, or not here.
    UnknownFunction,
    /// The argument of an intrinsic function is wrong.
    FunctionArgument,
    /// Resources need each other.
    CircularDependency,
    /// What a reference is to may not exist, by its condition.
    ConditionalReference,
    /// Lambda takes no new functions with this runtime.
    RetiredRuntime,
    /// A schedule is neither a right `rate(…)` nor a right `cron(…)` expression.
    ScheduleExpression,
    /// Two resources have the same physical name.
    DuplicateName,
    /// The name of a FIFO queue or topic must end in `.fifo`, and only theirs.
    FifoName,
    /// The keys of a table and its attribute definitions differ.
    TableKey,
    /// A key policy lets nobody change it: the key would be lost to its owner.
    KeyLockout,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 32] = [
        Self::Structure,
        Self::UnknownResourceType,
        Self::RetiredResourceType,
        Self::Region,
        Self::UnknownProperty,
        Self::ReadOnlyProperty,
        Self::MissingProperty,
        Self::WrongType,
        Self::Null,
        Self::Enum,
        Self::Pattern,
        Self::Length,
        Self::Range,
        Self::ItemCount,
        Self::UniqueItems,
        Self::Alternatives,
        Self::DependentProperties,
        Self::UnknownReference,
        Self::UnknownAttribute,
        Self::UnknownDependency,
        Self::UnknownCondition,
        Self::UnknownMapping,
        Self::UnknownFunction,
        Self::FunctionArgument,
        Self::CircularDependency,
        Self::ConditionalReference,
        Self::RetiredRuntime,
        Self::ScheduleExpression,
        Self::DuplicateName,
        Self::FifoName,
        Self::TableKey,
        Self::KeyLockout,
    ];

    /// The id to silence it by, such as `unknown-property`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::UnknownResourceType => "unknown-resource-type",
            Self::RetiredResourceType => "retired-resource-type",
            Self::Region => "region",
            Self::UnknownProperty => "unknown-property",
            Self::ReadOnlyProperty => "read-only-property",
            Self::MissingProperty => "missing-property",
            Self::WrongType => "wrong-type",
            Self::Null => "null",
            Self::Enum => "enum",
            Self::Pattern => "pattern",
            Self::Length => "length",
            Self::Range => "range",
            Self::ItemCount => "item-count",
            Self::UniqueItems => "unique-items",
            Self::Alternatives => "alternatives",
            Self::DependentProperties => "dependent-properties",
            Self::UnknownReference => "unknown-reference",
            Self::UnknownAttribute => "unknown-attribute",
            Self::UnknownDependency => "unknown-dependency",
            Self::UnknownCondition => "unknown-condition",
            Self::UnknownMapping => "unknown-mapping",
            Self::UnknownFunction => "unknown-function",
            Self::FunctionArgument => "function-argument",
            Self::CircularDependency => "circular-dependency",
            Self::ConditionalReference => "conditional-reference",
            Self::RetiredRuntime => "retired-runtime",
            Self::ScheduleExpression => "schedule-expression",
            Self::DuplicateName => "duplicate-name",
            Self::FifoName => "fifo-name",
            Self::TableKey => "table-key",
            Self::KeyLockout => "key-lockout",
        }
    }

    /// The rule with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.id() == id)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

/// One thing that CloudFormation or the service would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about.
    pub rule: Rule,
    /// The resource; empty for what is outside of the resources.
    pub logical_id: String,
    /// Where in the resource's properties, such as `Tags[0].Key`; where in the template for what is outside of the resources.
    pub property_path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// The name or value that was most likely meant.
    pub nearest: Option<String>,
}

impl Finding {
    fn new(rule: Rule, logical_id: &str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            rule,
            logical_id: logical_id.to_owned(),
            property_path: path.into(),
            message: message.into(),
            expected: None,
            nearest: None,
        }
    }

    fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    fn nearest(mut self, nearest: Option<&str>) -> Self {
        self.nearest = nearest.map(str::to_owned);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.logical_id.as_str(), self.property_path.as_str()) {
            ("", "") => {}
            ("", path) => write!(formatter, "{path}: ")?,
            (id, "") => write!(formatter, "{id}: ")?,
            (id, path) => write!(formatter, "{id} {path}: ")?,
        }
        formatter.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(formatter, "; expected {expected}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(formatter, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

/// Everything that CloudFormation would refuse in a template, as far as it can be known before it is deployed.
///
/// A macro may turn the template into another one: with a `Transform` other than AWS's harmless ones, only what no macro would mend is judged.
///
/// ```
/// use xacct_schema::validate::{self, Rule};
/// let template = serde_json::json!({ "Resources": { "Queue": { "Type": "AWS::SQS::Queue", "Properties": { "QueueNam": "x" } } } });
/// let findings = validate::template(&template, Some("eu-central-1"));
/// assert_eq!(findings[0].rule, Rule::UnknownProperty);
/// assert_eq!(findings[0].nearest.as_deref(), Some("QueueName"));
/// ```
pub fn template(template: &Value, region: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(sections) = template.as_object() else {
        findings.push(Finding::new(Rule::Structure, "", "", "a template is an object"));
        return findings;
    };
    if has_macro(sections) {
        return findings;
    }
    let names = Names::of(sections);
    let conditions = Conditions::of(sections);
    structure::check(sections, &names, &mut findings);
    for resource in names.resources() {
        check_resource(resource, &names, &conditions, region, &mut findings);
    }
    references::check(sections, &names, &conditions, &mut findings);
    semantics::check_across(&names, &conditions, &mut findings);
    findings
}

/// Everything wrong with one resource by itself; what it refers to is not looked for.
pub fn resource(logical_id: &str, declaration: &Value, region: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = Names::default();
    if let Some(declaration) = declaration.as_object() {
        let resource = Resource::new(logical_id, declaration);
        check_resource(resource, &names, &Conditions::default(), region, &mut findings);
    }
    findings
}

fn check_resource<'t>(
    resource: Resource<'t>,
    names: &'t Names<'t>,
    conditions: &'t Conditions<'t>,
    region: Option<&str>,
    findings: &mut Vec<Finding>,
) {
    let logical_id = resource.logical_id;
    let Some(kind) = resource.kind else {
        let name = names::get(resource.declaration, "Type").and_then(Value::as_str);
        findings.extend(name.and_then(|name| unknown_type(logical_id, name)));
        return;
    };
    check_availability(logical_id, kind, region, findings);
    let mut checker = Checker::new(logical_id, kind, names, conditions, findings);
    if let Some(condition) = resource.condition() {
        checker.assume(condition, true);
    }
    let properties = resource.properties();
    match properties {
        Some(properties) => checker.check(kind.node(), properties),
        None => checker.check_empty(kind.node()),
    }
    if let Some(properties) = properties.and_then(Value::as_object) {
        semantics::check(logical_id, kind, properties, findings);
    }
}

/// Custom resources, third parties' types and modules are not in the table.
fn unknown_type(logical_id: &str, name: &str) -> Option<Finding> {
    let of_aws = name.starts_with("AWS::");
    let looks_right = !of_aws && (name.starts_with("Custom::") || name.matches("::").count() >= 2);
    if looks_right || name.ends_with("::MODULE") {
        return None;
    }
    let message = format!("there is no resource type `{name}`");
    Some(Finding::new(Rule::UnknownResourceType, logical_id, "Type", message).nearest(nearest_resource_type(name)))
}

fn check_availability(logical_id: &str, kind: ResourceType, region: Option<&str>, findings: &mut Vec<Finding>) {
    if let Some(lifecycle) = kind.lifecycle()
        && lifecycle.status == "shutdown"
    {
        let since = lifecycle.date.unwrap_or("some time ago");
        let message = format!("AWS has shut `{kind}` down, since {since}");
        findings.push(Finding::new(Rule::RetiredResourceType, logical_id, "Type", message));
    }
    if let Some(region) = region
        && kind.is_in_region(region) == Some(false)
    {
        let regions: Vec<&str> = kind.regions().collect();
        let message = format!("`{kind}` is not available in {region}");
        findings.push(Finding::new(Rule::Region, logical_id, "Type", message).expected(regions.join(", ")));
    }
}

/// The transform for `Fn::ToJsonString`, `Fn::Length` and loops.
const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";

fn transforms(sections: &Map<String, Value>) -> &[Value] {
    match sections.get("Transform") {
        None => &[],
        Some(Value::Array(names)) => names,
        Some(name) => std::slice::from_ref(name),
    }
}

fn has_language_extensions(sections: &Map<String, Value>) -> bool {
    transforms(sections).iter().any(|name| name == LANGUAGE_EXTENSIONS)
}

/// Whether a macro or a loop may change what is checked here.
fn has_macro(sections: &Map<String, Value>) -> bool {
    const HARMLESS: [&str; 4] = [
        LANGUAGE_EXTENSIONS,
        "AWS::SecretsManager-2020-07-23",
        "AWS::SecretsManager-2024-09-16",
        "AWS::CodeDeployBlueGreen",
    ];
    let has_loop = |section: &Value| {
        let keys = section.as_object().into_iter().flat_map(Map::keys);
        keys.into_iter().any(|key| key.starts_with("Fn::"))
    };
    !transforms(sections).iter().all(|name| name.as_str().is_some_and(|name| HARMLESS.contains(&name)))
        || sections.values().any(has_loop)
}
