//! Recognises intrinsic functions, and says what kind of value they give.

use serde_json::{Map, Value};

use super::names::Names;
use crate::resource::Kind;

/// The name and the argument of an intrinsic function, if the value is one.
pub(super) fn intrinsic(value: &Value) -> Option<(&str, &Value)> {
    intrinsic_of(value.as_object()?)
}

/// The same for an object.
pub(super) fn intrinsic_of(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    if object.len() != 1 {
        return None;
    }
    let (name, argument) = object.iter().next()?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

/// Whether the value is `AWS::NoValue`, which takes the property away.
pub(super) fn is_no_value(value: &Value) -> bool {
    matches!(intrinsic(value), Some(("Ref", Value::String(name))) if name == "AWS::NoValue")
}

/// The condition and both values of an `Fn::If` of the right shape.
pub(super) fn branches(value: &Value) -> Option<(&str, &Value, &Value)> {
    match intrinsic(value)? {
        ("Fn::If", Value::Array(arguments)) => match arguments.as_slice() {
            [Value::String(condition), yes, no] => Some((condition, yes, no)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an object holds what a macro or a loop fills in, so that its properties are not yet known.
pub(super) fn is_open(object: &Map<String, Value>) -> bool {
    object.keys().any(|key| key.starts_with("Fn::") && (key == "Fn::Transform" || key.starts_with("Fn::ForEach::")))
}

/// Whether CloudFormation replaces this text, or a part of it, by a value from elsewhere.
pub(super) fn is_dynamic(text: &str) -> bool {
    // Most texts have no brace, which is faster to see.
    text.as_bytes().contains(&b'{') && text.contains("{{resolve:")
}

/// What kind of value an intrinsic function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    List,
    Unknown,
}

/// See [`Shape`].
pub(super) fn shape(name: &str, argument: &Value, names: &Names<'_>) -> Shape {
    match name {
        "Fn::Sub" | "Fn::Join" | "Fn::Base64" | "Fn::ToJsonString" => Shape::Scalar,
        "Fn::Split" | "Fn::GetAZs" | "Fn::Cidr" => Shape::List,
        "Ref" => argument.as_str().map_or(Shape::Unknown, |name| names.shape(name)),
        "Fn::GetAtt" => match get_att(argument) {
            Some((logical_id, attribute)) => attribute_shape(logical_id, attribute, names),
            None => Shape::Unknown,
        },
        _ => Shape::Unknown,
    }
}

/// The logical id and the attribute of an `Fn::GetAtt`, if both are plain text.
pub(super) fn get_att(argument: &Value) -> Option<(&str, &str)> {
    match argument {
        Value::String(text) => text.split_once('.'),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(logical_id), Value::String(attribute)] => Some((logical_id, attribute)),
            _ => None,
        },
        _ => None,
    }
}

fn attribute_shape(logical_id: &str, attribute: &str, names: &Names<'_>) -> Shape {
    let attribute = names.kind(logical_id).and_then(|kind| kind.attribute(attribute));
    match attribute.map(|attribute| attribute.kind()) {
        Some(Kind::List) => Shape::List,
        Some(Kind::String | Kind::Integer | Kind::Number | Kind::Boolean) => Shape::Scalar,
        _ => Shape::Unknown,
    }
}
