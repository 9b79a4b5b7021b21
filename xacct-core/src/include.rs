//! Templates from elsewhere, taken into a stack as they are: logical ids, parameters, conditions, mappings and outputs are kept.
//!
//! What stands in the template is not interpreted, so that it comes out as it went in; references inside of it stay names.

use std::fmt;
use std::panic::Location;

use serde_json::{Map, Value as Json};

use crate::diagnostic::Diagnostic;
use crate::nearest::nearest;
use crate::tree::{Construct, Kind, Node};
use crate::value::{Expr, Props};

mod json;
#[cfg(feature = "yaml")]
mod yaml;

/// Why a text is not taken for a template.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateError {
    /// What is wrong, and at which line and column of the text if it is at one.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl TemplateError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// What to do about a text that is something else altogether.
const GIVE_A_TEMPLATE: &str = "give the text of a CloudFormation template, in JSON or YAML";

/// An element of an included template that is no resource.
#[derive(Clone, Debug)]
pub(crate) struct Included {
    pub(crate) section: Section,
    pub(crate) name: String,
    pub(crate) body: Expr,
}

/// The part of a template that an [`Included`] element goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Section {
    Parameters,
    Mappings,
    Conditions,
    /// For `Fn::ForEach`, which makes resources and is none.
    Resources,
    Outputs,
    /// A section itself, such as `Transform`.
    Template,
}

impl Section {
    fn of(name: &str) -> Option<Self> {
        match name {
            "Parameters" => Some(Self::Parameters),
            "Mappings" => Some(Self::Mappings),
            "Conditions" => Some(Self::Conditions),
            "Outputs" => Some(Self::Outputs),
            _ => None,
        }
    }
}

/// A CloudFormation template in JSON or YAML, with short forms such as `!Ref`, as part of a stack.
///
/// Its resources are constructs like others, under their logical ids: refer to them, override their properties, let others depend on them.
/// ```
/// use xacct_core::value::IntoValue;
/// use xacct_core::{AccountId, App, CfnInclude, CfnOutput, CfnOutputProps, Environment, Region, Stack, StackProps, Value};
///
/// let app = App::new();
/// let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// let stack = Stack::new(&app, "Legacy", environment, StackProps::new());
/// let legacy = CfnInclude::new(&stack, "Template", r#"{
///     "Resources": { "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "DisplayName": "news" } } }
/// }"#);
///
/// let topic = legacy.resource("Topic");
/// topic.override_property("DisplayName", "all the news");
/// let arn: Value<str> = topic.reference();
/// CfnOutput::new(&stack, "TopicArn", arn, CfnOutputProps::new());
///
/// let template = &app.synth()?.stacks[0].template;
/// assert_eq!(template["Resources"]["Topic"]["Properties"]["DisplayName"], "all the news");
/// assert_eq!(template["Outputs"]["TopicArn"]["Value"]["Ref"], "Topic");
/// # Ok::<(), xacct_core::SynthError>(())
/// ```
/// Nothing is read from disk: `include_str!("legacy.yaml")` is at hand.
#[derive(Clone, Debug)]
pub struct CfnInclude {
    node: Node,
}

impl Construct for CfnInclude {
    fn node(&self) -> &Node {
        &self.node
    }
}

impl CfnInclude {
    /// Takes a template into the stack of `scope`. What cannot be read is reported by synthesis.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, template: &str) -> Self {
        let include = Self { node: scope.node().child(id) };
        match parse(template) {
            Ok(Json::Object(sections)) => include.add_sections(sections),
            Ok(_) => include.refuse("it is not an object", GIVE_A_TEMPLATE),
            Err(error) => include.refuse(&error.message, &error.help),
        }
        include
    }

    /// The resource of that logical id. A name that the template does not have is reported by synthesis.
    #[track_caller]
    pub fn resource(&self, logical_id: &str) -> Node {
        self.find(&self.node, "resource", logical_id)
    }

    /// The parameter of that name; its [`reference`](Node::reference) is its value.
    #[track_caller]
    pub fn parameter(&self, name: &str) -> Node {
        self.find_in("Parameters", "parameter", name)
    }

    /// The condition of that name, for [`set_condition`](Node::set_condition).
    #[track_caller]
    pub fn condition(&self, name: &str) -> Node {
        self.find_in("Conditions", "condition", name)
    }

    #[track_caller]
    fn find_in(&self, section: &str, what: &str, name: &str) -> Node {
        let scope = self.node.find_child(section).unwrap_or_else(|| self.node.clone());
        self.find(&scope, what, name)
    }

    #[track_caller]
    fn find(&self, scope: &Node, what: &str, name: &str) -> Node {
        if let Some(found) = scope.find_child(name) {
            return found;
        }
        let names: Vec<String> = scope.children().iter().map(Node::name).collect();
        let mut diagnostic = Diagnostic::error("include", format!("the template has no {what} `{name}`"));
        diagnostic = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("look for the {what} in the template")),
        };
        self.node.report(diagnostic);
        self.node.clone()
    }

    #[track_caller]
    fn add_sections(&self, sections: Map<String, Json>) {
        for (name, content) in sections {
            match (name.as_str(), Section::of(&name), content) {
                ("Resources", _, Json::Object(resources)) => self.add_resources(resources),
                (_, Some(section), Json::Object(elements)) => {
                    let scope = self.node.child(&name);
                    for (name, body) in elements {
                        add(&scope, section, name, body);
                    }
                }
                ("Resources", ..) | (_, Some(_), _) => {
                    self.refuse(&format!("its `{name}` are not an object"), "a section has names as keys: `Name: …`");
                }
                (_, None, body) => {
                    let scope = self.node.find_child("Template").unwrap_or_else(|| self.node.child("Template"));
                    add(&scope, Section::Template, name, body);
                }
            }
        }
    }

    #[track_caller]
    fn add_resources(&self, resources: Map<String, Json>) {
        for (logical_id, body) in resources {
            if logical_id.starts_with("Fn::ForEach::") {
                add(&self.node, Section::Resources, logical_id, body);
                continue;
            }
            let Json::Object(mut attributes) = body else {
                let help = "a resource is an object with `Type` and `Properties`";
                self.refuse(&format!("the resource `{logical_id}` is not an object"), help);
                continue;
            };
            let Some(Json::String(cfn_type)) = attributes.shift_remove("Type") else {
                self.refuse(
                    &format!("the resource `{logical_id}` has no `Type`"),
                    "add one, such as `AWS::SQS::Queue`",
                );
                continue;
            };
            let properties = match attributes.shift_remove("Properties") {
                Some(Json::Object(properties)) => Some(properties),
                None | Some(Json::Null) => None,
                Some(_) => {
                    let problem = format!("the properties of the resource `{logical_id}` are not an object");
                    self.refuse(&problem, "properties have names as keys: `Name: value`");
                    continue;
                }
            };
            let has_properties = properties.is_some();
            let props = properties.into_iter().flatten().map(|(name, value)| (name.into(), Expr::from(value)));
            let node = Node::new_resource(&self.node, &logical_id, cfn_type, Props(props.collect()));
            node.override_logical_id(&logical_id);
            if !has_properties {
                node.without_empty_properties();
            }
            for (attribute, value) in attributes {
                node.override_attribute(&attribute, Expr::from(value));
            }
        }
    }

    #[track_caller]
    fn refuse(&self, problem: &str, help: &str) {
        let path = self.node.path();
        let message = format!("the template of `{path}` cannot be taken in: {problem}");
        self.node.report(Diagnostic::error("include", message).help(help));
    }
}

#[track_caller]
fn add(scope: &Node, section: Section, name: String, body: Json) {
    let id = name.replace('/', "-");
    scope.add(&id, Kind::Included(Box::new(Included { section, name, body: Expr::from(body) })));
}

/// The text of a template as JSON: from JSON where it begins like JSON, else from YAML, with short forms such as `!Ref` as objects.
///
/// The error says what is wrong, where, and what to do. YAML is read with the feature `yaml` of this crate, which is on by default.
pub fn parse(template: &str) -> Result<Json, TemplateError> {
    let template = template.strip_prefix('\u{feff}').unwrap_or(template);
    if template.trim_start().starts_with('{') {
        return json::parse(template);
    }
    #[cfg(feature = "yaml")]
    return yaml::parse(template);
    #[cfg(not(feature = "yaml"))]
    Err(TemplateError::new("it is not JSON", "turn on the feature `yaml` of xacct-core, if it is YAML"))
}

/// What synthesis says about a section that two templates want to have different.
pub(crate) fn conflict(name: &str, path: String, at: &'static Location<'static>) -> Diagnostic {
    Diagnostic::error("include", format!("`{name}` is already in the template of the stack, with another content"))
        .path(path)
        .at(at)
        .help("include the templates into stacks of their own")
}
