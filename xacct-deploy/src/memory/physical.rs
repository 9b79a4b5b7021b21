//! Physical resources: the ids, ARNs and attributes that a service would give them.
//!
//! The schema tables say of what a type's `Ref` and ARN consist. Ids depend on nothing but the world's count of resources, so that
//! the same deployment gives the same ids.

use serde_json::Value;
use xacct_schema::{Kind, ResourceType};

use super::evaluate::{partition, url_suffix};
use super::secret::Secrets;
use super::state::Resource;
use super::template::scalar_text;
use crate::cloudformation::Environment;

/// Whose resource it is: what names are made of.
pub(super) struct Owner<'a> {
    pub(super) environment: &'a Environment,
    pub(super) stack_name: &'a str,
    pub(super) logical_id: &'a str,
    pub(super) serial: u64,
}

/// The physical id of a new resource: what `Ref` returns.
pub(super) fn physical_id(owner: &Owner<'_>, resource_type: &str, properties: &Value) -> String {
    let Some(schema) = xacct_schema::resource_type(resource_type) else {
        return generated_name(owner, resource_type);
    };
    match resource_type {
        "AWS::IAM::Policy" | "AWS::IAM::UserToGroupAddition" | "AWS::S3::BucketPolicy" => {
            let target = if resource_type == "AWS::S3::BucketPolicy" { "Bucket" } else { "" };
            return text(properties, target).unwrap_or_else(|| generated_name(owner, resource_type));
        }
        "AWS::SecretsManager::Secret" => return arn(owner, schema, properties),
        "AWS::SQS::Queue" => {
            let name = name(owner, schema, properties);
            let Environment { account, region } = owner.environment;
            return format!("https://sqs.{region}.{}/{account}/{name}", url_suffix(region));
        }
        "AWS::Events::Rule" => {
            let name = name(owner, schema, properties);
            return match text(properties, "EventBusName").filter(|bus| bus != "default") {
                Some(bus) => format!("{bus}|{name}"),
                None => name,
            };
        }
        _ => {}
    }
    let parts: Vec<String> = schema.reference().map(|part| identifier(owner, schema, properties, part)).collect();
    if parts.is_empty() { name(owner, schema, properties) } else { parts.join("|") }
}

/// What `Fn::GetAtt` returns.
pub(super) fn attribute(
    owner: &Owner<'_>,
    resource: &Resource,
    name: &str,
    secrets: &Secrets,
) -> Result<Value, String> {
    let Some(schema) = xacct_schema::resource_type(&resource.resource_type) else {
        return Ok(Value::String(generated_id(owner, name, 16)));
    };
    if !schema.has_attribute(name) {
        return Err(no_such_attribute(owner.logical_id, name));
    }
    if let Some(known) = special_attribute(owner, resource, name, secrets) {
        return Ok(known);
    }
    let pointer = format!("/{}", name.replace('.', "/"));
    if let Some(given) = resource.properties.pointer(&pointer) {
        return Ok(given.clone());
    }
    let kind = schema.attribute(name).map_or(Kind::String, |attribute| attribute.kind());
    Ok(match kind {
        Kind::Integer | Kind::Number => Value::from(1),
        Kind::Boolean => Value::Bool(true),
        Kind::List => vec![Value::String(identifier(owner, schema, &resource.properties, name))].into(),
        _ => Value::String(identifier(owner, schema, &resource.properties, name)),
    })
}

/// In the words of the service.
pub(super) fn no_such_attribute(logical_id: &str, name: &str) -> String {
    format!("Template error: resource {logical_id} does not support attribute type {name} in Fn::GetAtt")
}

fn special_attribute(owner: &Owner<'_>, resource: &Resource, name: &str, secrets: &Secrets) -> Option<Value> {
    let Environment { account, region } = owner.environment;
    let suffix = url_suffix(region);
    let id = resource.physical_id.as_deref().unwrap_or_default();
    Some(Value::String(match (resource.resource_type.as_str(), name) {
        ("AWS::S3::Bucket", "DomainName") => format!("{id}.s3.{suffix}"),
        ("AWS::S3::Bucket", "RegionalDomainName") => format!("{id}.s3.{region}.{suffix}"),
        ("AWS::S3::Bucket", "DualStackDomainName") => format!("{id}.s3.dualstack.{region}.{suffix}"),
        ("AWS::S3::Bucket", "WebsiteURL") => format!("http://{id}.s3-website-{region}.{suffix}"),
        ("AWS::CodeCommit::Repository", "Name") => text(&resource.properties, "RepositoryName")?,
        ("AWS::CodeCommit::Repository", "CloneUrlHttp") => {
            format!(
                "https://git-codecommit.{region}.{suffix}/v1/repos/{}",
                text(&resource.properties, "RepositoryName")?
            )
        }
        ("AWS::CodeCommit::Repository", "CloneUrlSsh") => {
            format!("ssh://git-codecommit.{region}.{suffix}/v1/repos/{}", text(&resource.properties, "RepositoryName")?)
        }
        ("AWS::IAM::Role", "RoleId") => format!("AROA{}", generated_id(owner, name, 17)),
        ("AWS::IAM::User", "UserId") => format!("AIDA{}", generated_id(owner, name, 17)),
        ("AWS::IAM::AccessKey", "SecretAccessKey") => secrets.seal(&generated_secret(owner)),
        ("AWS::SQS::Queue", "QueueName") => id.rsplit('/').next()?.to_owned(),
        ("AWS::SQS::Queue", "QueueUrl") => id.to_owned(),
        ("AWS::SNS::Topic", "TopicName") => id.rsplit(':').next()?.to_owned(),
        ("AWS::EC2::VPC", "DefaultSecurityGroup") => format!("sg-{}", hex_id(owner, name, 17)),
        ("AWS::EC2::VPC", "DefaultNetworkAcl") => format!("acl-{}", hex_id(owner, name, 17)),
        ("AWS::CloudFormation::WaitCondition", "Data") => "{}".to_owned(),
        (_, "Arn") if id.starts_with("arn:") => id.to_owned(),
        (_, "AccountId") => account.clone(),
        _ => return None,
    }))
}

/// One of the values that identify a resource.
fn identifier(owner: &Owner<'_>, schema: ResourceType, properties: &Value, part: &str) -> String {
    if let Some(given) = properties.pointer(&format!("/{}", part.replace('.', "/"))) {
        return scalar_text(given);
    }
    if part == "Arn" || part.ends_with("Arn") && is_own_arn(schema, part) {
        return arn(owner, schema, properties);
    }
    if schema.name_property() == Some(part) || part.ends_with("Name") {
        return name(owner, schema, properties);
    }
    if schema.name() == "AWS::KMS::Key" || schema.name() == "AWS::CodeCommit::Repository" {
        return uuid(owner, "id");
    }
    if schema.name() == "AWS::IAM::AccessKey" {
        return format!("AKIA{}", generated_id(owner, "id", 16));
    }
    if part.ends_with("Arn") {
        return format!("{}/{}", arn(owner, schema, properties), part.trim_end_matches("Arn").to_lowercase());
    }
    if schema.name().starts_with("AWS::EC2::") {
        return format!("{}-{}", ec2_prefix(schema.name()), hex_id(owner, part, 17));
    }
    let own = schema.primary_identifier().any(|it| it == part) || schema.reference().any(|it| it == part);
    if own {
        generated_id(owner, "id", 14).to_lowercase()
    } else {
        format!("{}-{}", name(owner, schema, properties), part.replace('.', "-").to_lowercase())
    }
}

/// Whether an attribute is the resource's own ARN.
fn is_own_arn(schema: ResourceType, part: &str) -> bool {
    let stem = part.trim_end_matches("Arn");
    schema.name().rsplit("::").next().is_some_and(|short| short.ends_with(stem))
        || schema.reference().any(|it| it == part)
        || schema.primary_identifier().any(|it| it == part)
}

/// The ARN of a resource.
pub(super) fn arn(owner: &Owner<'_>, schema: ResourceType, properties: &Value) -> String {
    let Environment { account, region } = owner.environment;
    let partition = partition(region);
    let fallback = || {
        let mut parts = schema.name().split("::").skip(1);
        let service = parts.next().unwrap_or_default().to_lowercase();
        let kind = parts.next().unwrap_or_default().to_lowercase();
        format!("arn:${{Partition}}:{service}:${{Region}}:${{Account}}:{kind}/${{Id}}")
    };
    let template = match schema.name() {
        "AWS::CodeCommit::Repository" => {
            "arn:${Partition}:codecommit:${Region}:${Account}:${RepositoryName}".to_owned()
        }
        "AWS::CodePipeline::Pipeline" => "arn:${Partition}:codepipeline:${Region}:${Account}:${Name}".to_owned(),
        "AWS::CodeBuild::Project" => "arn:${Partition}:codebuild:${Region}:${Account}:project/${Name}".to_owned(),
        "AWS::Logs::LogGroup" => "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:*".to_owned(),
        "AWS::SecretsManager::Secret" => {
            let suffix = generated_id(owner, "suffix", 6);
            format!("arn:${{Partition}}:secretsmanager:${{Region}}:${{Account}}:secret:${{Name}}-{suffix}")
        }
        _ => schema.arn_template().map_or_else(fallback, str::to_owned),
    };
    let mut result = String::new();
    let mut rest = template.as_str();
    while let Some(start) = rest.find("${") {
        result.push_str(&rest[..start]);
        let Some(length) = rest[start..].find('}') else { break };
        let variable = &rest[start + 2..start + length];
        rest = &rest[start + length + 1..];
        let value = match variable {
            "Partition" => partition.to_owned(),
            "Region" => region.clone(),
            "Account" => account.clone(),
            _ if variable.ends_with("NameWithPath") => {
                let path = text(properties, "Path").unwrap_or_else(|| "/".to_owned());
                format!("{}{}", path.trim_start_matches('/'), name(owner, schema, properties))
            }
            _ => arn_variable(owner, schema, properties, variable),
        };
        result.push_str(&value);
    }
    result.push_str(rest);
    result
}

fn arn_variable(owner: &Owner<'_>, schema: ResourceType, properties: &Value, variable: &str) -> String {
    if let Some(given) = text(properties, variable) {
        return given;
    }
    // Variables are named as in IAM's reference, which is not always the property's name.
    let is_identifier = |wanted: &str| schema.primary_identifier().chain(schema.reference()).any(|it| it == wanted);
    if is_identifier(variable) && !variable.ends_with("Arn") {
        return identifier(owner, schema, properties, variable);
    }
    if variable.ends_with("Name") || schema.name_property().is_some() {
        return name(owner, schema, properties);
    }
    let by_id = schema.primary_identifier().chain(schema.reference()).find(|it| !it.ends_with("Arn"));
    match by_id {
        Some(part) => identifier(owner, schema, properties, part),
        None => generated_id(owner, "id", 14).to_lowercase(),
    }
}

/// The name: given, or generated as CloudFormation does.
pub(super) fn name(owner: &Owner<'_>, schema: ResourceType, properties: &Value) -> String {
    schema
        .name_property()
        .and_then(|property| text(properties, property))
        .unwrap_or_else(|| generated_name(owner, schema.name()))
}

fn generated_name(owner: &Owner<'_>, resource_type: &str) -> String {
    let random = generated_id(owner, "name", 12);
    let (most, lower) = match resource_type {
        "AWS::S3::Bucket" => (63, true),
        "AWS::IAM::Role" | "AWS::IAM::User" | "AWS::Lambda::Function" | "AWS::Events::Rule" => (64, false),
        _ => (80, false),
    };
    let room = most - random.len() - 2;
    let half = |text: &str| -> String { text.chars().take(room / 2).collect() };
    let name = format!("{}-{}-{random}", half(owner.stack_name), half(owner.logical_id));
    if lower { name.to_lowercase() } else { name }
}

fn text(properties: &Value, name: &str) -> Option<String> {
    properties.get(name).filter(|value| value.is_string() || value.is_number()).map(scalar_text)
}

fn ec2_prefix(resource_type: &str) -> String {
    let short = resource_type.rsplit("::").next().unwrap_or_default();
    match short {
        "VPC" => "vpc",
        "Subnet" => "subnet",
        "RouteTable" => "rtb",
        "InternetGateway" => "igw",
        "NatGateway" => "nat",
        "SecurityGroup" => "sg",
        "NetworkInterface" => "eni",
        "EIP" => "eipalloc",
        "Instance" => "i",
        "VPCEndpoint" => "vpce",
        "NetworkAcl" => "acl",
        "Volume" => "vol",
        "LaunchTemplate" => "lt",
        "SubnetRouteTableAssociation" => "rtbassoc",
        "TransitGateway" => "tgw",
        "FlowLog" => "fl",
        _ => return short.to_lowercase(),
    }
    .to_owned()
}

/// Numbers that look random and are always the same.
fn stream(owner: &Owner<'_>, purpose: &str) -> impl Iterator<Item = u64> {
    let mut seed = owner.serial ^ 0x9e37_79b9_7f4a_7c15;
    let parts =
        [owner.environment.account.as_str(), &owner.environment.region, owner.stack_name, owner.logical_id, purpose];
    for byte in parts.join("\0").bytes() {
        seed = (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    std::iter::repeat_with(move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

fn letters(owner: &Owner<'_>, purpose: &str, alphabet: &[u8], length: usize) -> String {
    stream(owner, purpose).take(length).map(|number| char::from(alphabet[number as usize % alphabet.len()])).collect()
}

fn generated_id(owner: &Owner<'_>, purpose: &str, length: usize) -> String {
    letters(owner, purpose, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length)
}

fn generated_secret(owner: &Owner<'_>) -> String {
    letters(owner, "secret", b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40)
}

fn hex_id(owner: &Owner<'_>, purpose: &str, length: usize) -> String {
    letters(owner, purpose, b"0123456789abcdef", length)
}

/// A UUID.
pub(super) fn uuid(owner: &Owner<'_>, purpose: &str) -> String {
    let hex = hex_id(owner, purpose, 32);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
