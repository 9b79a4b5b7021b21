//! The other elements of a template: outputs, parameters, mappings, conditions.

use crate::tree::{Construct, Kind, Node};
use crate::value::{Expr, IntoValue, Value};

#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) value: Expr,
    pub(crate) description: Option<String>,
    pub(crate) export_name: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) fields: Vec<(&'static str, Expr)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) rows: Vec<(String, Vec<(String, Expr)>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) expression: Expr,
}

/// An output of a stack, under its own logical id.
#[derive(Clone, Debug)]
pub struct CfnOutput {
    node: Node,
}

/// How to make a [`CfnOutput`].
#[derive(Clone, Debug, Default)]
pub struct CfnOutputProps {
    description: Option<String>,
    export_name: Option<Expr>,
}

impl CfnOutputProps {
    /// The defaults: no description, not exported.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the output is, at most 1,024 bytes.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Exports the output under this name to the other stacks of its account and region, which can then not lose it.
    #[must_use]
    pub fn export_name(mut self, name: impl IntoValue<str>) -> Self {
        self.export_name = Some(name.into_expr());
        self
    }
}

impl CfnOutput {
    /// An output that shows `value`. A secret does not belong into one.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, value: impl IntoValue<str>, props: CfnOutputProps) -> Self {
        let output =
            Output { value: value.into_expr(), description: props.description, export_name: props.export_name };
        Self { node: scope.node().add(id, Kind::Output(output)) }
    }
}

impl Construct for CfnOutput {
    fn node(&self) -> &Node {
        &self.node
    }
}

/// A parameter of a stack, which whoever deploys gives a value.
#[derive(Clone, Debug)]
pub struct CfnParameter {
    node: Node,
}

/// How to make a [`CfnParameter`]. The default is a `String` without default value.
#[derive(Clone, Debug, Default)]
pub struct CfnParameterProps {
    fields: Vec<(&'static str, Expr)>,
}

impl CfnParameterProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The type, such as `Number` or `AWS::SSM::Parameter::Value<String>`. Default: `String`.
    #[must_use]
    pub fn parameter_type(self, name: impl Into<String>) -> Self {
        self.field("Type", name.into().into())
    }

    /// What holds when no value is given.
    #[must_use]
    pub fn default_value(self, value: impl Into<String>) -> Self {
        self.field("Default", value.into().into())
    }

    /// What the parameter is for.
    #[must_use]
    pub fn description(self, text: impl Into<String>) -> Self {
        self.field("Description", text.into().into())
    }

    /// Masks the value in CloudFormation's answers, and in everything that xacct prints or keeps. Default: off.
    #[must_use]
    pub fn no_echo(self) -> Self {
        self.field("NoEcho", true.into())
    }

    /// The values that are allowed.
    #[must_use]
    pub fn allowed_values(self, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        self.field("AllowedValues", values.into())
    }

    /// A regular expression that the whole value matches.
    #[must_use]
    pub fn allowed_pattern(self, pattern: impl Into<String>) -> Self {
        self.field("AllowedPattern", pattern.into().into())
    }

    fn field(mut self, name: &'static str, value: Expr) -> Self {
        self.fields.retain(|(it, _)| *it != name);
        self.fields.push((name, value));
        self
    }
}

impl CfnParameter {
    /// A parameter of the stack that holds `scope`.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: CfnParameterProps) -> Self {
        let mut fields = props.fields;
        if !fields.iter().any(|(name, _)| *name == "Type") {
            fields.push(("Type", "String".into()));
        }
        fields.sort_by_key(|(name, _)| *name);
        Self { node: scope.node().add(id, Kind::Parameter(Parameter { fields })) }
    }

    /// The value, as text.
    pub fn value(&self) -> Value<str> {
        self.node.reference()
    }
}

impl Construct for CfnParameter {
    fn node(&self) -> &Node {
        &self.node
    }
}

/// A mapping: a table of two keys.
#[derive(Clone, Debug)]
pub struct CfnMapping {
    node: Node,
}

impl CfnMapping {
    /// A mapping with its rows: `[("eu-west-1", [("Ami", "ami-1")])]`.
    #[track_caller]
    pub fn new<R, C>(scope: &dyn Construct, id: &str, rows: R) -> Self
    where
        R: IntoIterator<Item = (&'static str, C)>,
        C: IntoIterator<Item = (&'static str, &'static str)>,
    {
        let rows = rows
            .into_iter()
            .map(|(key, cells)| {
                (key.to_owned(), cells.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect())
            })
            .collect();
        Self { node: scope.node().add(id, Kind::Mapping(Mapping { rows })) }
    }

    /// `Fn::FindInMap` in this mapping.
    pub fn find(&self, row: impl IntoValue<str>, column: impl IntoValue<str>) -> Value<str> {
        let name = Expr::Lazy(crate::value::Lazy::LogicalId(self.node.id()));
        let arguments = Expr::List(vec![name, row.into_expr(), column.into_expr()]);
        Value::from_expr(Expr::Function("Fn::FindInMap", Box::new(arguments)))
    }
}

impl Construct for CfnMapping {
    fn node(&self) -> &Node {
        &self.node
    }
}

/// A condition that decides whether resources exist or which value a property has.
#[derive(Clone, Debug)]
pub struct CfnCondition {
    node: Node,
}

impl CfnCondition {
    /// A condition, made of the functions in [`intrinsics`](crate::intrinsics) such as [`equals`](crate::intrinsics::equals).
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, expression: Value<bool>) -> Self {
        let condition = Condition { expression: expression.into_expr() };
        Self { node: scope.node().add(id, Kind::Condition(condition)) }
    }

    /// This condition inside another: `{"Condition": "Name"}`.
    pub fn value(&self) -> Value<bool> {
        let name = Expr::Lazy(crate::value::Lazy::LogicalId(self.node.id()));
        Value::from_expr(Expr::Map(vec![("Condition".into(), name)]))
    }

    /// `Fn::If`: the first value when the condition holds, else the second.
    pub fn choose<T: ?Sized>(&self, then: impl IntoValue<T>, otherwise: impl IntoValue<T>) -> Value<T> {
        let name = Expr::Lazy(crate::value::Lazy::LogicalId(self.node.id()));
        let arguments = Expr::List(vec![name, then.into_expr(), otherwise.into_expr()]);
        Value::from_expr(Expr::Function("Fn::If", Box::new(arguments)))
    }
}

impl Construct for CfnCondition {
    fn node(&self) -> &Node {
        &self.node
    }
}
