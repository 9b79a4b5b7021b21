//! CloudFormation's intrinsic functions, with types. See
//! [the reference](https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html).

use crate::value::{Expr, IntoValue, List, Pseudo, Value};

fn call<T: ?Sized>(name: &'static str, argument: Expr) -> Value<T> {
    Value::from_expr(Expr::Function(name, Box::new(argument)))
}

/// A pseudo parameter, resolved by CloudFormation in the stack that it is used in.
pub fn pseudo(parameter: Pseudo) -> Value<str> {
    Value::from_expr(Expr::Pseudo(parameter))
}

/// `AWS::NoValue`: leaves out the property that it is given to; mostly one branch of a condition.
pub fn no_value<T: ?Sized>() -> Value<T> {
    Value::from_expr(Expr::Pseudo(Pseudo::NoValue))
}

/// `Fn::Join` of a list that CloudFormation knows only later. For parts known here use [`concat`](crate::value::concat).
pub fn join(delimiter: &str, list: impl IntoValue<List<str>>) -> Value<str> {
    call("Fn::Join", Expr::List(vec![delimiter.to_owned().into(), list.into_expr()]))
}

/// `Fn::Split`.
pub fn split(delimiter: &str, text: impl IntoValue<str>) -> Value<List<str>> {
    call("Fn::Split", Expr::List(vec![delimiter.to_owned().into(), text.into_expr()]))
}

/// `Fn::Select`: the element at an index, from 0.
pub fn select<T: ?Sized>(index: i64, list: impl IntoValue<List<T>>) -> Value<T> {
    call("Fn::Select", Expr::List(vec![Expr::Int(index), list.into_expr()]))
}

/// `Fn::Base64`.
pub fn base64(text: impl IntoValue<str>) -> Value<str> {
    call("Fn::Base64", text.into_expr())
}

/// `Fn::Cidr`: `count` blocks with `bits` host bits each, out of `block`.
pub fn cidr(block: impl IntoValue<str>, count: i64, bits: i64) -> Value<List<str>> {
    call("Fn::Cidr", Expr::List(vec![block.into_expr(), Expr::Int(count), Expr::Int(bits)]))
}

/// `Fn::GetAZs`: the availability zones of a region; with `""`, of the stack's own.
pub fn get_azs(region: impl IntoValue<str>) -> Value<List<str>> {
    call("Fn::GetAZs", region.into_expr())
}

/// `Fn::ImportValue`: what another stack of this account and region exports under a name.
pub fn import_value(name: impl IntoValue<str>) -> Value<str> {
    call("Fn::ImportValue", name.into_expr())
}

/// `Fn::GetStackOutput` of a stack that is not of this app. Within an app, refer to the construct instead.
///
/// `role_arn` is the role to read with, in the account of the stack; leave it out within one account.
pub fn get_stack_output(
    stack_name: &str,
    output_name: &str,
    region: Option<&str>,
    role_arn: Option<Value<str>>,
) -> Value<str> {
    let mut fields: Vec<(crate::value::Text, Expr)> =
        vec![("StackName".into(), stack_name.to_owned().into()), ("OutputName".into(), output_name.to_owned().into())];
    fields.extend(region.map(|it| ("Region".into(), it.to_owned().into())));
    fields.extend(role_arn.map(|it| ("RoleArn".into(), it.into_expr())));
    call("Fn::GetStackOutput", Expr::Map(fields))
}

/// `Fn::Sub` with text that holds `${…}`, and values for the names in it that are not of the template itself.
pub fn sub<'a>(text: &str, values: impl IntoIterator<Item = (&'a str, Value<str>)>) -> Value<str> {
    let values: Vec<_> = values.into_iter().map(|(name, value)| (name.to_owned().into(), value.into_expr())).collect();
    if values.is_empty() {
        return call("Fn::Sub", text.to_owned().into());
    }
    call("Fn::Sub", Expr::List(vec![text.to_owned().into(), Expr::Map(values)]))
}

/// `Fn::Equals`, for a condition.
pub fn equals(left: impl IntoValue<str>, right: impl IntoValue<str>) -> Value<bool> {
    call("Fn::Equals", Expr::List(vec![left.into_expr(), right.into_expr()]))
}

/// `Fn::And`, for a condition.
pub fn and(conditions: impl IntoIterator<Item = Value<bool>>) -> Value<bool> {
    call("Fn::And", Expr::List(conditions.into_iter().map(Value::into_expr).collect()))
}

/// `Fn::Or`, for a condition.
pub fn or(conditions: impl IntoIterator<Item = Value<bool>>) -> Value<bool> {
    call("Fn::Or", Expr::List(conditions.into_iter().map(Value::into_expr).collect()))
}

/// `Fn::Not`, for a condition.
pub fn not(condition: Value<bool>) -> Value<bool> {
    call("Fn::Not", Expr::List(vec![condition.into_expr()]))
}

/// The value of an SSM parameter, read by CloudFormation when it deploys.
pub fn ssm_parameter(name: &str) -> Value<str> {
    Value::from_expr(format!("{{{{resolve:ssm:{name}}}}}").into())
}

/// A secret of Secrets Manager, read by CloudFormation when it deploys. The template holds only its name.
///
/// `json_key` picks a field of a secret that is JSON.
pub fn secret(secret_id: impl IntoValue<str>, json_key: Option<&str>) -> Value<str> {
    let key = json_key.unwrap_or_default();
    crate::value::concat([
        Expr::from("{{resolve:secretsmanager:"),
        secret_id.into_expr(),
        Expr::from(format!(":SecretString:{key}}}}}")),
    ])
}
