//! Values that a template may hold: literals, and expressions that CloudFormation resolves.
//!
//! The tree inside ([`Expr`]) is untyped, so that walking it (for references, for rendering) is one plain
//! function; the type stands outside, as the phantom parameter of [`Value`]. No strings with markers in
//! them, no text replacement after rendering.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::tree::NodeId;

/// Text in a template: mostly names known at compile time.
pub type Text = Cow<'static, str>;

/// An untyped value or expression. Users mostly meet it as [`Value`].
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// JSON `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Literal text.
    Str(Text),
    /// A list.
    List(Vec<Expr>),
    /// An object, in the order given.
    Map(Vec<(Text, Expr)>),
    /// `Ref` to a resource or parameter of the tree.
    Ref(NodeId),
    /// `Fn::GetAtt` of a resource of the tree.
    GetAtt(NodeId, Text),
    /// A pseudo parameter, such as `AWS::Region`.
    Pseudo(Pseudo),
    /// Text joined from parts with nothing between them: rendered as text where all parts are known, else as
    /// `Fn::Join`.
    Concat(Vec<Expr>),
    /// Any other intrinsic function by name, with its argument.
    Function(&'static str, Box<Expr>),
    /// What is known only once every grant is: a policy document gathered on a node.
    Lazy(Lazy),
    /// A policy document written out in place.
    Document(Box<crate::policy::PolicyDocument>),
    /// An expression whose references to other stacks are made in a way of their own.
    Via(crate::reference::ReferenceStrategy, Box<Expr>),
}

/// A part of the template that synthesis fills in last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lazy {
    /// The policy document of a [`PolicySlot`](crate::policy::PolicySlot) on a node.
    Policy(NodeId, crate::policy::PolicySlot),
    /// The logical id of a node, as text.
    LogicalId(NodeId),
    /// The name of the stack that holds the node.
    StackName(NodeId),
}

/// Pseudo parameters. See
/// [the reference](https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/pseudo-parameter-reference.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pseudo {
    /// `AWS::AccountId`
    AccountId,
    /// `AWS::Region`
    Region,
    /// `AWS::Partition`
    Partition,
    /// `AWS::StackName`
    StackName,
    /// `AWS::StackId`
    StackId,
    /// `AWS::URLSuffix`
    UrlSuffix,
    /// `AWS::NoValue`: removes the property it is given to.
    NoValue,
    /// `AWS::NotificationARNs`
    NotificationArns,
}

impl Pseudo {
    /// The name in a template.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountId => "AWS::AccountId",
            Self::Region => "AWS::Region",
            Self::Partition => "AWS::Partition",
            Self::StackName => "AWS::StackName",
            Self::StackId => "AWS::StackId",
            Self::UrlSuffix => "AWS::URLSuffix",
            Self::NoValue => "AWS::NoValue",
            Self::NotificationArns => "AWS::NotificationARNs",
        }
    }
}

/// A value of CloudFormation type `T`: a literal, or an expression that CloudFormation resolves when it deploys.
///
/// `T` is a type of values ([`str`], [`bool`], [`i64`], [`f64`], [`List`], [`Map`], [`Json`]), a property
/// type of a resource, or a [`StrKind`] such as the ARN of a role: one kind does not stand in for another.
pub struct Value<T: ?Sized>(Expr, PhantomData<fn() -> T>);

impl<T: ?Sized> Value<T> {
    /// Takes an untyped expression as a value of type `T`. This is an escape hatch: nothing checks the type.
    pub const fn from_expr(expr: Expr) -> Self {
        Self(expr, PhantomData)
    }

    /// The expression inside.
    pub fn expr(&self) -> &Expr {
        &self.0
    }

    /// The expression inside, by value.
    pub fn into_expr(self) -> Expr {
        self.0
    }

    /// The same expression as a value of another type. An escape hatch, for what the types do not know.
    pub fn cast<U: ?Sized>(self) -> Value<U> {
        Value(self.0, PhantomData)
    }

    /// The same value, with its references to other stacks made in this way instead of the app's.
    #[must_use]
    pub fn via(self, strategy: crate::reference::ReferenceStrategy) -> Self {
        Self::from_expr(Expr::Via(strategy, Box::new(self.0)))
    }

    /// The literal text, where the value is one.
    pub fn as_literal(&self) -> Option<&str> {
        match &self.0 {
            Expr::Str(text) => Some(text),
            _ => None,
        }
    }
}

impl<T: ?Sized> Clone for Value<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<T: ?Sized> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized> PartialEq for Value<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// Any JSON value: the type of properties that hold policy documents and the like.
pub struct Json;
/// A tag: a pair of key and value.
pub struct Tag;
/// A list of `T`.
pub struct List<T: ?Sized>(PhantomData<fn() -> T>);
/// An object whose keys the user chooses, with values of type `T`.
pub struct Map<T: ?Sized>(PhantomData<fn() -> T>);

/// Marks a kind of text: the ARN of a role, the name of a bucket. A literal or a plain [`str`] value fits any
/// kind, a value of a kind fits plain text, and a value of another kind does not compile.
pub trait StrKind {}

/// What can stand where a CloudFormation value of type `T` is expected: a literal or an expression of that type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand where a CloudFormation value of type `{T}` is expected",
    label = "expected a literal or a `Value` of type `{T}` (a type that lists `Missing<…>` still lacks those required properties)"
)]
// Every implementation is marked `do_not_recommend`: a list of some that are of no help would hide what the message says.
pub trait IntoValue<T: ?Sized> {
    /// The expression.
    fn into_expr(self) -> Expr;
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized> IntoValue<T> for Value<T> {
    fn into_expr(self) -> Expr {
        self.0
    }
}
#[diagnostic::do_not_recommend]
impl<T: ?Sized> IntoValue<T> for &Value<T> {
    fn into_expr(self) -> Expr {
        self.0.clone()
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<str> for &str {
    fn into_expr(self) -> Expr {
        Expr::Str(Cow::Owned(self.to_owned()))
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<str> for &String {
    fn into_expr(self) -> Expr {
        Expr::Str(Cow::Owned(self.clone()))
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<str> for String {
    fn into_expr(self) -> Expr {
        Expr::Str(Cow::Owned(self))
    }
}
#[diagnostic::do_not_recommend]
impl<K: StrKind> IntoValue<K> for &str {
    fn into_expr(self) -> Expr {
        Expr::Str(Cow::Owned(self.to_owned()))
    }
}
#[diagnostic::do_not_recommend]
impl<K: StrKind> IntoValue<K> for &String {
    fn into_expr(self) -> Expr {
        Expr::Str(Cow::Owned(self.clone()))
    }
}
#[diagnostic::do_not_recommend]
impl<K: StrKind> IntoValue<K> for String {
    fn into_expr(self) -> Expr {
        Expr::Str(Cow::Owned(self))
    }
}
#[diagnostic::do_not_recommend]
impl<K: StrKind> IntoValue<str> for Value<K> {
    fn into_expr(self) -> Expr {
        self.0
    }
}
#[diagnostic::do_not_recommend]
impl<K: StrKind> IntoValue<str> for &Value<K> {
    fn into_expr(self) -> Expr {
        self.0.clone()
    }
}
#[diagnostic::do_not_recommend]
impl<K: StrKind> IntoValue<K> for Value<str> {
    fn into_expr(self) -> Expr {
        self.0
    }
}
#[diagnostic::do_not_recommend]
impl<K: StrKind> IntoValue<K> for &Value<str> {
    fn into_expr(self) -> Expr {
        self.0.clone()
    }
}
#[diagnostic::do_not_recommend]
impl<T: PropertyObject> IntoValue<T> for T {
    fn into_expr(self) -> Expr {
        Expr::Map(self.into_props().0)
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<bool> for bool {
    fn into_expr(self) -> Expr {
        Expr::Bool(self)
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<i64> for i64 {
    fn into_expr(self) -> Expr {
        Expr::Int(self)
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<f64> for f64 {
    fn into_expr(self) -> Expr {
        Expr::Float(self)
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<f64> for i64 {
    fn into_expr(self) -> Expr {
        Expr::Int(self)
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<Json> for Expr {
    fn into_expr(self) -> Expr {
        self
    }
}
#[diagnostic::do_not_recommend]
impl IntoValue<Json> for serde_json::Value {
    fn into_expr(self) -> Expr {
        Expr::from(self)
    }
}
#[diagnostic::do_not_recommend]
impl<K: IntoValue<str>, V: IntoValue<str>> IntoValue<Tag> for (K, V) {
    fn into_expr(self) -> Expr {
        Expr::Map(vec![("Key".into(), self.0.into_expr()), ("Value".into(), self.1.into_expr())])
    }
}
#[diagnostic::do_not_recommend]
impl<T: ?Sized, I: IntoValue<T>> IntoValue<List<T>> for Vec<I> {
    fn into_expr(self) -> Expr {
        Expr::List(self.into_iter().map(I::into_expr).collect())
    }
}
#[diagnostic::do_not_recommend]
impl<T: ?Sized, I: IntoValue<T>, const N: usize> IntoValue<List<T>> for [I; N] {
    fn into_expr(self) -> Expr {
        Expr::List(self.into_iter().map(I::into_expr).collect())
    }
}
#[diagnostic::do_not_recommend]
impl<T: ?Sized, I: IntoValue<T>, const N: usize> IntoValue<Map<T>> for [(&str, I); N] {
    fn into_expr(self) -> Expr {
        Expr::Map(self.into_iter().map(|(key, value)| (key.to_owned().into(), value.into_expr())).collect())
    }
}
#[diagnostic::do_not_recommend]
impl<T: ?Sized, I: IntoValue<T>> IntoValue<Map<T>> for Vec<(String, I)> {
    fn into_expr(self) -> Expr {
        Expr::Map(self.into_iter().map(|(key, value)| (key.into(), value.into_expr())).collect())
    }
}

impl From<serde_json::Value> for Expr {
    /// Takes JSON as it is: an object such as `{"Ref": "X"}` stays an object of that form.
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(it) => Self::Bool(it),
            serde_json::Value::Number(it) => match it.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(it.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(it) => Self::Str(it.into()),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(fields) => {
                Self::Map(fields.into_iter().map(|(key, value)| (key.into(), Self::from(value))).collect())
            }
        }
    }
}

impl From<&'static str> for Expr {
    fn from(text: &'static str) -> Self {
        Self::Str(text.into())
    }
}
impl From<String> for Expr {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}
impl From<bool> for Expr {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}
impl From<i64> for Expr {
    fn from(it: i64) -> Self {
        Self::Int(it)
    }
}
impl<T: ?Sized> From<Value<T>> for Expr {
    fn from(value: Value<T>) -> Self {
        value.0
    }
}
impl<T: Into<Expr>> From<Vec<T>> for Expr {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// Text joined from parts: ``concat([bucket.arn(), "/*"])``. Parts that are all literal give a literal.
pub fn concat<I>(parts: I) -> Value<str>
where
    I: IntoIterator,
    I::Item: Into<Expr>,
{
    Value::from_expr(Expr::Concat(parts.into_iter().map(Into::into).collect()))
}

/// A list of properties: what the generated builders fill.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Props(pub Vec<(Text, Expr)>);

impl Props {
    /// Sets a property. A later value for the same name replaces the earlier.
    #[inline]
    pub fn set(&mut self, name: &'static str, value: Expr) {
        self.0.push((Cow::Borrowed(name), value));
    }
}

/// A finished property object: every required property is set.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not finished: set the required properties that its type still lists as `Missing<…>`",
    label = "a required property is not set"
)]
pub trait PropertyObject {
    /// The properties.
    fn into_props(self) -> Props;
}

impl Expr {
    /// The nodes that the expression refers to.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        let mut found = Vec::new();
        self.collect_nodes(&mut found);
        found
    }

    pub(crate) fn collect_nodes(&self, found: &mut Vec<NodeId>) {
        self.visit(&mut |expr| match expr {
            Self::Ref(node) | Self::GetAtt(node, _) => found.push(*node),
            _ => {}
        });
    }

    /// Whether an attribute of that name is in it.
    pub(crate) fn has_attribute(&self, name: &str) -> bool {
        let mut found = false;
        self.visit(&mut |expr| found |= matches!(expr, Self::GetAtt(_, attribute) if attribute == name));
        found
    }

    fn visit(&self, see: &mut dyn FnMut(&Expr)) {
        see(self);
        match self {
            Self::List(items) | Self::Concat(items) => items.iter().for_each(|it| it.visit(see)),
            Self::Map(fields) => fields.iter().for_each(|(_, it)| it.visit(see)),
            Self::Function(_, inner) | Self::Via(_, inner) => inner.visit(see),
            Self::Document(document) => {
                document.statements.iter().flat_map(crate::policy::Statement::exprs).for_each(|it| it.visit(see));
            }
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Str(_)
            | Self::Ref(_)
            | Self::GetAtt(..)
            | Self::Pseudo(_)
            | Self::Lazy(_) => {}
        }
    }
}
