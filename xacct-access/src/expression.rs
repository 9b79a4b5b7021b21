//! CloudFormation expressions inside a policy document become [`Text`].
//!
//! What the caller knows (its [`Environment`], and names or ARNs through [`Resolve`]) is put in; everything else becomes a
//! symbol that is named after the expression, so that the same reference is the same symbol.

use std::borrow::Cow;

use crate::json::{Json, JsonValue};
use crate::symbol::{Symbol, SymbolKind};
use crate::text::{Atom, Text};

/// Where a template is deployed: resolves the pseudo parameters. What is `None` stays a symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Tells the references of one template from another's, say the stack's name.
    pub scope: String,
    /// `AWS::Partition`.
    pub partition: Option<String>,
    /// `AWS::Region`.
    pub region: Option<String>,
    /// `AWS::AccountId`.
    pub account: Option<String>,
}

impl Environment {
    /// An environment in the partition `aws`.
    #[must_use]
    pub fn new(scope: &str, account: &str, region: &str) -> Environment {
        Environment {
            scope: scope.to_owned(),
            partition: Some("aws".to_owned()),
            region: Some(region.to_owned()),
            account: Some(account.to_owned()),
        }
    }

    fn pseudo(&self, name: &str) -> Option<Text> {
        let known = |value: &Option<String>, kind| {
            value.as_deref().map_or_else(|| Text::from(self.symbol(name, kind)), Text::from)
        };
        Some(match name {
            "AWS::Partition" => known(&self.partition, SymbolKind::Name),
            "AWS::Region" => known(&self.region, SymbolKind::Name),
            "AWS::AccountId" => known(&self.account, SymbolKind::Name),
            "AWS::StackName" => Text::from(self.symbol(name, SymbolKind::Name)),
            "AWS::URLSuffix" => match self.partition.as_deref() {
                Some("aws" | "aws-us-gov") => Text::from("amazonaws.com"),
                Some("aws-cn") => Text::from("amazonaws.com.cn"),
                _ => Text::from(self.symbol(name, SymbolKind::Name)),
            },
            _ => return None,
        })
    }

    fn symbol(&self, name: &str, kind: SymbolKind) -> Symbol {
        let name =
            if self.scope.is_empty() { Cow::Borrowed(name) } else { Cow::Owned(format!("{}:{name}", self.scope)) };
        Symbol::new(&name, kind)
    }
}

/// A reference that a [`Resolve`] is asked about.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Expression<'a> {
    /// `Ref`, never to a pseudo parameter that the environment knows.
    Ref(&'a str),
    /// `Fn::GetAtt`: logical id and attribute.
    GetAtt(&'a str, &'a str),
    /// Any other function, as written.
    Function(&'a serde_json::Value),
}

/// Knows what some references stand for: physical names, ARNs, the values of parameters.
///
/// Every closure of the right shape is one:
/// ```
/// use xacct_access::{Environment, Expression, Policy, PolicyKind, Text};
/// let names = |expression: Expression<'_>| match expression {
///     Expression::GetAtt("Bucket", "Arn") => Some(Text::from("arn:aws:s3:::artifacts")),
///     _ => None,
/// };
/// let document = serde_json::json!({"Version": "2012-10-17", "Statement": {
///     "Effect": "Allow", "Action": "s3:GetObject",
///     "Resource": {"Fn::Join": ["/", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "*"]]}}});
/// let environment = Environment::new("Tools", "111111111111", "eu-west-1");
/// let policy = Policy::from_template(PolicyKind::Identity, "build", &document, &environment, &names)?;
/// let resources = policy.statements()[0].resources().expect("it has some");
/// assert_eq!(resources.patterns[0].to_string(), "arn:aws:s3:::artifacts/*");
/// # Ok::<(), xacct_access::PolicyErrors>(())
/// ```
pub trait Resolve {
    /// What the expression stands for, if more is known than its name. Build it from literals and from symbols of a
    /// narrower kind; `None` makes it a symbol that may be any text.
    fn resolve(&self, expression: Expression<'_>) -> Option<Text>;
}

impl<F: Fn(Expression<'_>) -> Option<Text>> Resolve for F {
    fn resolve(&self, expression: Expression<'_>) -> Option<Text> {
        self(expression)
    }
}

/// Knows no reference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unresolved;

impl Resolve for Unresolved {
    fn resolve(&self, _: Expression<'_>) -> Option<Text> {
        None
    }
}

/// Turns JSON into text. Without an environment the document is taken literally: an object is then no text.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    pub(crate) template: Option<(&'a Environment, &'a dyn Resolve)>,
}

impl Texts<'_> {
    /// The text, or `None` if the value cannot be one.
    pub(crate) fn text(&self, json: &Json) -> Option<Text> {
        match &json.value {
            JsonValue::String(s) => Some(Text::from(s)),
            JsonValue::Bool(b) => Some(Text::from(if *b { "true" } else { "false" })),
            JsonValue::Number(n) => Some(Text::from(n)),
            JsonValue::Null | JsonValue::Array(_) => None,
            JsonValue::Object(_) => {
                let (name, argument) = self.function(json)?;
                self.template
                    .map(|(environment, resolve)| Evaluate { environment, resolve }.function(json, name, argument))
            }
        }
    }

    /// The function's name and argument, if the value is a CloudFormation function in a template.
    pub(crate) fn function<'j>(&self, json: &'j Json) -> Option<(&'j str, &'j Json)> {
        self.template?;
        match json.as_object()? {
            [member] if member.name == "Ref" || member.name.starts_with("Fn::") => Some((&member.name, &member.value)),
            _ => None,
        }
    }

    /// Is it `{"Ref": "AWS::NoValue"}`, which CloudFormation removes?
    pub(crate) fn is_no_value(&self, json: &Json) -> bool {
        matches!(self.function(json), Some(("Ref", name)) if name.as_str() == Some("AWS::NoValue"))
    }
}

struct Evaluate<'a> {
    environment: &'a Environment,
    resolve: &'a dyn Resolve,
}

impl Evaluate<'_> {
    fn function(&self, whole: &Json, name: &str, argument: &Json) -> Text {
        let known = match name {
            "Ref" => argument.as_str().map(|id| self.reference(id)),
            "Fn::GetAtt" => self.get_att(argument),
            "Fn::Join" => self.join(argument),
            "Fn::Sub" => self.sub(argument),
            "Fn::Select" => self.select(argument),
            _ => None,
        };
        known.unwrap_or_else(|| self.other(whole))
    }

    fn value(&self, json: &Json) -> Option<Text> {
        Texts { template: Some((self.environment, self.resolve)) }.text(json)
    }

    fn reference(&self, id: &str) -> Text {
        self.environment
            .pseudo(id)
            .or_else(|| self.resolve.resolve(Expression::Ref(id)))
            .unwrap_or_else(|| self.environment.symbol(id, SymbolKind::Text).into())
    }

    fn attribute(&self, id: &str, attribute: &str) -> Text {
        self.resolve
            .resolve(Expression::GetAtt(id, attribute))
            .unwrap_or_else(|| self.environment.symbol(&format!("{id}.{attribute}"), SymbolKind::Text).into())
    }

    fn get_att(&self, argument: &Json) -> Option<Text> {
        match argument.as_array() {
            Some([id, attribute]) => Some(self.attribute(id.as_str()?, attribute.as_str()?)),
            Some(_) => None,
            None => argument.as_str()?.split_once('.').map(|(id, attribute)| self.attribute(id, attribute)),
        }
    }

    fn join(&self, argument: &Json) -> Option<Text> {
        let [separator, items] = argument.as_array()? else {
            return None;
        };
        let separator = Text::from(separator.as_str()?);
        let mut joined = Text::new();
        for (at, item) in items.as_array()?.iter().enumerate() {
            if at > 0 {
                joined.append(&separator);
            }
            joined.append(&self.value(item)?);
        }
        Some(joined)
    }

    fn sub(&self, argument: &Json) -> Option<Text> {
        let (template, variables) = match argument.as_array() {
            Some([template, variables]) => (template.as_str()?, variables.as_object()?),
            Some(_) => return None,
            None => (argument.as_str()?, [].as_slice()),
        };
        let mut text = Text::new();
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            text.append(&Text::from(&rest[..start]));
            let inner = &rest[start + 2..];
            let end = inner.find('}')?;
            let name = &inner[..end];
            let value = if let Some(literal) = name.strip_prefix('!') {
                Text::from(format!("${{{literal}}}"))
            } else if let Some(variable) = variables.iter().find(|variable| variable.name == name.trim()) {
                self.value(&variable.value)?
            } else if let Some((id, attribute)) = name.trim().split_once('.') {
                self.attribute(id, attribute)
            } else {
                self.reference(name.trim())
            };
            text.append(&value);
            rest = &inner[end + 1..];
        }
        text.append(&Text::from(rest));
        Some(text)
    }

    fn select(&self, argument: &Json) -> Option<Text> {
        let [index, list] = argument.as_array()? else {
            return None;
        };
        let index: usize = match &index.value {
            JsonValue::Number(n) | JsonValue::String(n) => n.parse().ok()?,
            _ => return None,
        };
        if let Some(items) = list.as_array() {
            return self.value(items.get(index)?);
        }
        match (Texts { template: Some((self.environment, self.resolve)) }).function(list)? {
            ("Fn::Split", split) => self.split(split)?.into_iter().nth(index),
            _ => None,
        }
    }

    /// Only where the separator is one character that no symbol in the text can hold.
    fn split(&self, argument: &Json) -> Option<Vec<Text>> {
        let [separator, text] = argument.as_array()? else {
            return None;
        };
        let separator = match separator.as_str()? {
            ":" => Atom::COLON,
            "/" => Atom::SLASH,
            _ => return None,
        };
        let text = self.value(text)?;
        if text.symbols().any(|symbol| symbol.kind() == SymbolKind::Text) {
            return None;
        }
        let parts = text.atoms().split(|atom| *atom == separator);
        Some(parts.map(|part| Text::from_atoms(part.to_vec())).collect())
    }

    fn other(&self, whole: &Json) -> Text {
        let value = whole.to_value();
        self.resolve
            .resolve(Expression::Function(&value))
            .unwrap_or_else(|| self.environment.symbol(&value.to_string(), SymbolKind::Text).into())
    }
}
