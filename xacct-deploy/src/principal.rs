//! Who makes the principals that a policy names: for a failure that says only that one of them does not exist.

use serde_json::Value;
use xacct_core::assembly::{Assembly, StackArtifact};

/// A user or role that a policy names, and the stack of the assembly that makes it.
pub(crate) struct Named<'a> {
    pub(crate) arn: String,
    pub(crate) maker: Option<&'a StackArtifact>,
}

/// The users and roles that a resource's policies name by ARN, those first that a stack of the assembly makes.
pub(crate) fn named_principals<'a>(assembly: &'a Assembly, resource: &Value) -> Vec<Named<'a>> {
    let mut arns = Vec::new();
    collect(resource, &mut arns);
    arns.sort();
    arns.dedup();
    let mut named: Vec<Named<'a>> = arns
        .into_iter()
        .map(|arn| {
            let maker = maker(assembly, &arn);
            Named { arn, maker }
        })
        .collect();
    named.sort_by_key(|it| it.maker.is_none());
    named
}

/// The stack of the assembly that makes a user or role, by its ARN.
pub(crate) fn maker<'a>(assembly: &'a Assembly, arn: &str) -> Option<&'a StackArtifact> {
    assembly.stacks.iter().find(|it| makes(it, arn))
}

/// ARNs of users and roles below a `Principal`.
fn collect(value: &Value, arns: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if key == "Principal" {
                    texts(inner, arns);
                } else {
                    collect(inner, arns);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| collect(it, arns)),
        _ => {}
    }
}

fn texts(value: &Value, arns: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains(":role/") || text.contains(":user/") => arns.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|it| texts(it, arns)),
        Value::Object(map) => map.values().for_each(|it| texts(it, arns)),
        _ => {}
    }
}

/// Whether a stack has a user or role of that account and name.
fn makes(artifact: &StackArtifact, arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':').skip(4);
    let (Some(account), Some(rest)) = (parts.next(), parts.next()) else { return false };
    let name = rest.rsplit('/').next();
    let property = if rest.starts_with("role/") { "RoleName" } else { "UserName" };
    account == artifact.environment.account.as_str()
        && artifact
            .template
            .get("Resources")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|it| it.values())
            .filter_map(|resource| resource.pointer(&format!("/Properties/{property}")))
            .any(|it| it.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use xacct_core::{AccountId, Environment, Region};

    #[test]
    fn finds_the_stack_that_makes_a_role() {
        let environment = Environment::new(AccountId::literal("222222222222"), Region::literal("eu-west-1"));
        let template = json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "build"}}}});
        let mut assembly = Assembly::default();
        assembly.stacks.push(StackArtifact::new("Production", environment, template));
        let key = json!({"KeyPolicy": {"Statement": [{"Principal": {"AWS": [
            "arn:aws:iam::333333333333:role/build", "arn:aws:iam::222222222222:role/path/build"
        ]}}]}});
        let named = named_principals(&assembly, &key);
        assert_eq!(named[0].maker.unwrap().id, "Production");
        assert!(named[1].maker.is_none());
    }
}
