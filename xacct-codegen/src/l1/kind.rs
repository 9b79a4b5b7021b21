//! Kinds of text: which resource's ARN, name or id a property wants and an attribute gives.
//!
//! A property gets a kind only where the sources name identifiers of one service's resources. Where they name several services' (the
//! target of a rule), their list is known to be short of some, and a wrong compile error is worse than a missing one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::name::{camel, variant};

/// Identifiers that are the same, or stand in for each other: `(found, taken as)`.
const SAME: [(&str, &str); 16] = [
    ("AWS::KMS::ReplicaKey.Arn", "AWS::KMS::Key.Arn"),
    ("AWS::KMS::ReplicaKey.KeyId", "AWS::KMS::Key.KeyId"),
    ("AWS::KMS::Key.Id", "AWS::KMS::Key.KeyId"),
    ("AWS::Lambda::Alias.Id", "AWS::Lambda::Function.Arn"),
    ("AWS::Lambda::Alias.Arn", "AWS::Lambda::Function.Arn"),
    ("AWS::Lambda::Alias.AliasArn", "AWS::Lambda::Function.Arn"),
    ("AWS::Lambda::Version.Arn", "AWS::Lambda::Function.Arn"),
    ("AWS::Lambda::Version.FunctionArn", "AWS::Lambda::Function.Arn"),
    ("AWS::EC2::SecurityGroup.GroupId", "AWS::EC2::SecurityGroup.Id"),
    ("AWS::EC2::SecurityGroup.Ids", "AWS::EC2::SecurityGroup.Id"),
    ("AWS::EC2::Subnet.Id", "AWS::EC2::Subnet.SubnetId"),
    ("AWS::EC2::Subnet.Ids", "AWS::EC2::Subnet.SubnetId"),
    ("AWS::EC2::VPC.Id", "AWS::EC2::VPC.VpcId"),
    ("AWS::S3::Bucket.Name", "AWS::S3::Bucket.BucketName"),
    ("AWS::Logs::LogGroup.Name", "AWS::Logs::LogGroup.LogGroupName"),
    ("AWS::SNS::Topic.Arn", "AWS::SNS::Topic.TopicArn"),
];

/// What resources have identifiers, to tell real ones from mistakes of the source.
pub(super) struct Identifiers<'a> {
    resources: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Identifiers<'a> {
    pub(super) fn new(resources: impl Iterator<Item = &'a Value>) -> Self {
        Self { resources: resources.filter_map(|it| Some((it["cloudFormationType"].as_str()?, it))).collect() }
    }

    /// `AWS::KMS::Key.Arn` for what the sources call so, if the resource has it.
    fn canonical(&self, identifier: &str) -> Option<String> {
        let same = SAME.iter().find(|(found, _)| *found == identifier).map_or(identifier, |it| it.1);
        let (resource, property) = same.split_once('.')?;
        let resource = self.resources.get(resource)?;
        let known =
            |name: &str| resource["properties"].get(name).is_some() || resource["attributes"].get(name).is_some();
        if known(property) {
            return Some(same.to_owned());
        }
        let reference = ref_identifier(resource).filter(|_| property == "Id").filter(|it| known(it))?;
        Some(format!("{}.{reference}", same.split_once('.')?.0))
    }
}

/// The property or attribute that `Ref` gives, where it is one.
pub(super) fn ref_identifier(resource: &Value) -> Option<&str> {
    let given = resource.get("cfnRefIdentifier").or_else(|| resource.get("primaryIdentifier"))?.as_array()?;
    match given.as_slice() {
        [one] => one.as_str(),
        _ => None,
    }
}

/// All kinds that something wants, by name.
#[derive(Debug, Default)]
pub struct Kinds {
    /// Single identifiers: name of the marker by identifier.
    pub(super) single: BTreeMap<String, String>,
    /// Unions: the single identifiers that fit, by name of the marker.
    pub(super) unions: BTreeMap<String, BTreeSet<String>>,
}

impl Kinds {
    /// The kind for a text that identifies one of `named`; none where the sources are of no help.
    pub(super) fn wanted(&mut self, known: &Identifiers<'_>, named: &[String]) -> Option<String> {
        let found: Option<BTreeSet<String>> = named.iter().map(|it| known.canonical(it)).collect();
        let found = found.filter(|it| (1..=3).contains(&it.len()))?;
        let services: BTreeSet<&str> = found.iter().filter_map(|it| it.rsplit_once("::")).map(|it| it.0).collect();
        if services.len() != 1 {
            return None;
        }
        for it in &found {
            self.single.insert(it.clone(), marker(it));
        }
        if found.len() == 1 {
            return found.first().map(|it| marker(it));
        }
        let service = found.first()?.split("::").nth(1).map(variant)?;
        let names: Vec<String> = found.iter().map(|it| marker(it)[service.len()..].to_owned()).collect();
        let union = format!("{service}{}", names.join("Or"));
        self.unions.insert(union.clone(), found);
        Some(union)
    }

    /// The kind of an identifier of a resource, if anything wants that kind.
    pub(super) fn given(&self, cfn_type: &str, identifier: &str) -> Option<String> {
        let identifier = format!("{cfn_type}.{identifier}");
        let same = SAME.iter().find(|(found, _)| *found == identifier).map_or(identifier.as_str(), |it| it.1);
        self.single.get(same).cloned()
    }
}

/// `S3BucketName` for `AWS::S3::Bucket.BucketName`: words that end the resource's name and begin the property's are said once.
fn marker(identifier: &str) -> String {
    let (cfn_type, property) = identifier.split_once('.').unwrap_or((identifier, ""));
    let mut parts = cfn_type.split("::").skip(1).map(variant);
    let (service, resource) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let property = camel(property);
    let starts_word = |it: &(usize, char)| it.1.is_ascii_uppercase();
    let said = resource.char_indices().filter(starts_word).map(|(start, _)| resource.len() - start).find(|&length| {
        property.get(..length).is_some_and(|it| resource[resource.len() - length..].eq_ignore_ascii_case(it))
    });
    format!("{service}{resource}{}", &property[said.unwrap_or_default()..])
}
