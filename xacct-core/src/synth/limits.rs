//! CloudFormation's and IAM's limits, checked before anything leaves the program. See
//! [CloudFormation quotas](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html) and
//! [IAM quotas](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).

use serde_json::Value as Json;

use crate::assembly::StackArtifact;
use crate::diagnostic::Diagnostic;
use crate::tree::{NodeId, Tree};

/// The largest template, which then goes through S3.
const MAX_TEMPLATE_BYTES: usize = 1_000_000;

pub(super) fn check(stack: &StackArtifact, tree: &Tree, id: NodeId, diagnostics: &mut Vec<Diagnostic>) {
    let at = tree[id].at;
    let name = &stack.display_name;
    let mut report = |rule: &str, message: String, help: &str| {
        diagnostics.push(Diagnostic::error(rule, message).path(name).at(at).help(help));
    };
    for (section, limit) in [("Resources", 500), ("Parameters", 200), ("Outputs", 200), ("Mappings", 200)] {
        let count = stack.template.get(section).and_then(Json::as_object).map_or(0, serde_json::Map::len);
        if count > limit {
            let what = section.to_lowercase();
            report(
                "template-limit",
                format!("`{name}` has {count} {what}, and CloudFormation takes {limit}"),
                "move some to another stack",
            );
        }
    }
    let size = stack.template_text().len();
    if size > MAX_TEMPLATE_BYTES {
        report(
            "template-limit",
            format!("the template of `{name}` has {size} bytes, and CloudFormation takes {MAX_TEMPLATE_BYTES}"),
            "move some resources to another stack",
        );
    }
    if stack.description.as_ref().is_some_and(|it| it.len() > 1024) {
        report("template-limit", format!("the description of `{name}` is longer than 1,024 bytes"), "shorten it");
    }
    if !is_stack_name(&stack.stack_name) {
        report(
            "stack-name",
            format!("`{}` cannot be the name of a stack", stack.stack_name),
            "a stack's name starts with a letter and has at most 128 letters, digits and dashes: `StackProps::stack_name`",
        );
    }
    for (section, limit) in [("Outputs", 255)] {
        for key in stack.template.get(section).and_then(Json::as_object).into_iter().flat_map(|it| it.keys()) {
            if key.len() > limit {
                report(
                    "template-limit",
                    format!("the output `{key}` has a name of more than {limit} characters"),
                    "give it a shorter id",
                );
            }
        }
    }
    // A template that could not be read may well have resources.
    let is_unread = |it: &Diagnostic| {
        it.rule == "include"
            && it.path.as_deref().and_then(|it| it.strip_prefix(name)).is_some_and(|it| it.starts_with('/'))
    };
    if stack.template.get("Resources").is_none() && !diagnostics.iter().any(is_unread) {
        diagnostics.push(
            Diagnostic::warning("empty-stack", format!("`{name}` has no resources"))
                .path(name)
                .at(at)
                .help("CloudFormation refuses an empty template: it will not be deployed"),
        );
    }
    policy_sizes(stack, diagnostics);
}

fn is_stack_name(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-')
}

/// The limits of policy documents: property, bytes (IAM does not count white space), and what to do.
fn policy_sizes(stack: &StackArtifact, diagnostics: &mut Vec<Diagnostic>) {
    for (logical_id, resource) in stack.template.get("Resources").and_then(Json::as_object).into_iter().flatten() {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let (property, limit) = match kind {
            "AWS::IAM::ManagedPolicy" => ("PolicyDocument", 6_144),
            "AWS::IAM::Policy" => ("PolicyDocument", 10_240),
            "AWS::IAM::Role" => ("AssumeRolePolicyDocument", 2_048),
            "AWS::KMS::Key" => ("KeyPolicy", 32_768),
            "AWS::S3::BucketPolicy" => ("PolicyDocument", 20_480),
            _ => continue,
        };
        // An intrinsic function is longer in the template than what it comes to, so only documents without any are sure.
        let document = &resource["Properties"][property];
        let text = document.to_string();
        if text.len() > limit && !text.contains("\"Fn::") && !text.contains("\"Ref\"") {
            let origin = stack.origins.get(logical_id);
            let mut diagnostic =
                Diagnostic::error("policy-size", format!("the policy has {} bytes, and AWS takes {limit}", text.len()))
                    .path(origin.map_or(logical_id.as_str(), |it| &it.path))
                    .property(property)
                    .help("name fewer resources, or spread the statements over several policies");
            diagnostic.location = origin.and_then(|it| it.location.clone());
            diagnostics.push(diagnostic);
        }
    }
}
