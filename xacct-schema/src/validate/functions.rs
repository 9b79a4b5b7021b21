//! Which intrinsic functions there are, where they may stand and what they take.

use serde_json::Value;

/// Where a function stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a resource or an output.
    Value,
    /// In a condition.
    Condition,
}

/// Functions of resources and outputs.
pub(super) const OF_VALUES: [&str; 17] = [
    "Ref",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::FindInMap",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::GetStackOutput",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::Transform",
    "Fn::ToJsonString",
    "Fn::Length",
    "Fn::ForEach",
];

/// Functions of conditions.
pub(super) const OF_CONDITIONS: [&str; 4] = ["Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or"];

/// Functions that need the transform `AWS::LanguageExtensions`.
pub(super) const EXTENSIONS: [&str; 2] = ["Fn::ToJsonString", "Fn::Length"];

/// What the argument should be, if it is not.
pub(super) fn misfit(name: &str, argument: &Value, extended: bool) -> Option<&'static str> {
    let list = argument.as_array().map(Vec::as_slice);
    let text = |value: &Value| !matches!(value, Value::Array(_) | Value::Null) && !is_plain_object(value);
    let items = |value: &Value| !matches!(value, Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Null);
    let (right, expected) = match name {
        "Ref" => (argument.is_string() || extended, "the name of a resource or parameter"),
        "Fn::GetAtt" => (
            match list {
                Some([logical_id, attribute]) => (logical_id.is_string() || extended) && text(attribute),
                Some(_) => false,
                None => argument.as_str().is_some_and(|text| text.contains('.')),
            },
            "a list of a logical id and an attribute",
        ),
        "Fn::Join" => (
            matches!(list, Some([Value::String(_), parts]) if items(parts) && !is_plain_object(parts)),
            "a list of the text between the parts, and the list of the parts",
        ),
        "Fn::Split" => (
            matches!(list, Some([Value::String(_), source]) if text(source)),
            "a list of the text that separates, and the text to split",
        ),
        "Fn::Select" => (
            matches!(list, Some([index, from]) if is_index(index) && items(from) && !is_plain_object(from)),
            "a list of an index from 0, and the list to select from",
        ),
        "Fn::Sub" => (
            match list {
                Some([Value::String(_), variables]) => variables.is_object(),
                Some(_) => false,
                None => argument.is_string(),
            },
            "text, or a list of text and an object with its variables",
        ),
        "Fn::If" => (
            matches!(list, Some([Value::String(_), _, _])),
            "a list of a condition, the value when it holds and the value when it does not",
        ),
        "Fn::FindInMap" => (
            match list {
                Some([map, first, second]) => [map, first, second].into_iter().all(text),
                Some([_, _, _, options]) => extended && options.is_object(),
                _ => false,
            },
            "a list of a mapping and two keys",
        ),
        "Fn::Cidr" => (
            matches!(list, Some([block, count] | [block, count, _]) if text(block) && text(count)),
            "a list of a CIDR block, a count and the number of bits",
        ),
        "Fn::Base64" | "Fn::GetAZs" | "Fn::ImportValue" => (text(argument), "text"),
        "Fn::GetStackOutput" => (
            argument.get("StackName").is_some() && argument.get("OutputName").is_some(),
            "an object with `StackName` and `OutputName`",
        ),
        "Fn::Transform" => (argument.get("Name").is_some(), "an object with `Name`"),
        "Fn::And" | "Fn::Or" => {
            (list.is_some_and(|parts| (2..=10).contains(&parts.len())), "a list of 2 to 10 conditions")
        }
        "Fn::Not" => (list.is_some_and(|parts| parts.len() == 1), "a list of one condition"),
        "Fn::Equals" => (list.is_some_and(|parts| parts.len() == 2), "a list of two values"),
        _ => (true, ""),
    };
    (!right).then_some(expected)
}

/// An object that is no function.
fn is_plain_object(value: &Value) -> bool {
    value.is_object() && super::intrinsic::intrinsic(value).is_none()
}

fn is_index(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_u64().is_some(),
        Value::String(text) => text.trim().parse::<u64>().is_ok(),
        Value::Object(_) => !is_plain_object(value),
        _ => false,
    }
}

/// The variables of an `Fn::Sub` text: what stands between `${` and `}`.
pub(super) fn variables(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find("${")?;
            let inner = &rest[start + 2..];
            let end = inner.find('}')?;
            rest = &inner[end + 1..];
            if !inner.starts_with('!') {
                return Some(inner[..end].trim());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::variables;

    #[test]
    fn variables_of_a_text() {
        let found: Vec<_> =
            variables("arn:${AWS::Partition}:s3:::${Bucket.Arn}/${!Literal}/${ Name }/$x/${open").collect();
        assert_eq!(found, ["AWS::Partition", "Bucket.Arn", "Name"]);
    }
}
