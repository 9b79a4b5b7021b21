//! Data that a deployment would lose: seen beforehand in the plan, and once more in what CloudFormation has computed, before it is executed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use xacct_core::assembly::StackArtifact;

use crate::cause::{Cause, CauseKind};
use crate::cloudformation::{ChangeDetail, ResourceChange};
use crate::plan::{Plan, StackPlan};
use crate::template_diff::{ChangeKind, ResourceDiff};

/// Types that hold what cannot be made again. A nested stack may hold any of them.
const WITH_DATA: [&str; 59] = [
    "AWS::ACMPCA::CertificateAuthority",
    "AWS::AmazonMQ::Broker",
    "AWS::Backup::BackupVault",
    "AWS::Backup::LogicallyAirGappedBackupVault",
    "AWS::Cassandra::Keyspace",
    "AWS::Cassandra::Table",
    "AWS::CloudFormation::Stack",
    "AWS::CloudTrail::EventDataStore",
    "AWS::CodeArtifact::Domain",
    "AWS::CodeArtifact::Repository",
    "AWS::CodeCommit::Repository",
    "AWS::Cognito::UserPool",
    "AWS::DSQL::Cluster",
    "AWS::DocDB::DBCluster",
    "AWS::DocDBElastic::Cluster",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Volume",
    "AWS::ECR::PublicRepository",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::Elasticsearch::Domain",
    "AWS::FSx::FileSystem",
    "AWS::FSx::Volume",
    "AWS::KMS::Key",
    "AWS::KMS::ReplicaKey",
    "AWS::Kinesis::Stream",
    "AWS::KinesisVideo::Stream",
    "AWS::Logs::LogGroup",
    "AWS::MSK::Cluster",
    "AWS::MSK::ServerlessCluster",
    "AWS::MemoryDB::Cluster",
    "AWS::MemoryDB::MultiRegionCluster",
    "AWS::Neptune::DBCluster",
    "AWS::NeptuneGraph::Graph",
    "AWS::OpenSearchServerless::Collection",
    "AWS::OpenSearchService::Domain",
    "AWS::Organizations::Account",
    "AWS::QLDB::Ledger",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::Redshift::Cluster",
    "AWS::RedshiftServerless::Namespace",
    "AWS::Route53::HostedZone",
    "AWS::S3::Bucket",
    "AWS::S3Express::DirectoryBucket",
    "AWS::S3Tables::Table",
    "AWS::S3Tables::TableBucket",
    "AWS::S3Vectors::Index",
    "AWS::S3Vectors::VectorBucket",
    "AWS::SDB::Domain",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::Timestream::Database",
    "AWS::Timestream::InfluxDBInstance",
    "AWS::Timestream::Table",
];

/// Whether resources of a type hold what is lost with them, and cannot be made again.
pub fn holds_data(resource_type: &str) -> bool {
    WITH_DATA.contains(&resource_type)
}

/// A resource with data that a deployment would lose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The id of the stack in the assembly.
    pub stack: String,
    /// The logical id.
    pub logical_id: String,
    /// The path of its construct, as it is selected by.
    pub path: String,
    /// The resource type.
    pub resource_type: String,
    /// What happens to it.
    pub how: LossKind,
}

/// How data is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// The resource is replaced.
    Replaced,
    /// It depends on the service whether it is replaced.
    MayBeReplaced,
    /// It is replaced if a value changes that is not known yet.
    ReplacedWithValue,
    /// The resource is removed.
    Removed,
    /// The resource goes with its stack, which is deleted to be created again.
    DeletedWithStack,
}

impl Plan {
    /// The resources whose data a deployment would lose, or may lose.
    pub fn losses(&self) -> Vec<Loss> {
        self.stacks.iter().flat_map(losses_of).collect()
    }
}

fn losses_of(stack: &StackPlan) -> Vec<Loss> {
    let loss = |logical_id: &str, path: &Option<String>, resource_type: &str, how| Loss {
        stack: stack.id.clone(),
        logical_id: logical_id.to_owned(),
        path: path_of(&stack.display_name, logical_id, path.as_deref()),
        resource_type: resource_type.to_owned(),
        how,
    };
    let changed = stack.resources.iter().filter(|it| holds_data(&it.resource_type) && !it.retained);
    let changed = changed.filter_map(|it| Some(loss(&it.logical_id, &it.path, &it.resource_type, kind_of(it)?)));
    let held = stack.held.iter().filter(|it| holds_data(&it.resource_type) && !it.retained);
    let held = held.map(|it| loss(&it.logical_id, &it.path, &it.resource_type, LossKind::DeletedWithStack));
    changed.chain(held).collect()
}

fn kind_of(resource: &ResourceDiff) -> Option<LossKind> {
    match resource.change {
        ChangeKind::Replace => Some(LossKind::Replaced),
        ChangeKind::MayReplace if resource.is_replacement_open() => Some(LossKind::ReplacedWithValue),
        ChangeKind::MayReplace => Some(LossKind::MayBeReplaced),
        ChangeKind::Remove => Some(LossKind::Removed),
        ChangeKind::Add | ChangeKind::Modify => None,
    }
}

/// The path of a resource's construct, without the name that the resource itself has inside of it.
pub fn path_of(stack: &str, logical_id: &str, path: Option<&str>) -> String {
    let path = path.map_or_else(|| format!("{stack}/{logical_id}"), str::to_owned);
    path.strip_suffix("/Resource").map_or_else(|| path.clone(), str::to_owned)
}

/// What a change set would lose and nobody has allowed, as causes for not executing it. `nested` is the way to the nested stack that the
/// changes are of.
pub(crate) fn not_allowed(
    changes: &[ResourceChange],
    nested: &[String],
    artifact: &StackArtifact,
    allowed: Option<&BTreeSet<String>>,
) -> Vec<Cause> {
    let losing = changes.iter().filter_map(|it| Some((it, fate(it, changes, nested, artifact)?)));
    let losing = losing.filter(|(it, _)| {
        let outermost = nested.first().unwrap_or(&it.logical_id);
        !allowed.is_some_and(|it| it.contains(outermost))
    });
    losing.map(|(change, fate)| cause(change, fate, nested, artifact)).collect()
}

fn cause(change: &ResourceChange, fate: &str, nested: &[String], artifact: &StackArtifact) -> Cause {
    let message = format!("it {fate}, and its data is lost; nobody has agreed to that");
    let help = "nothing was executed. Keep the resource as it is, let a policy of the resource retain it, or agree to the loss";
    let mut cause = Cause::new(CauseKind::DataLoss, message).with_help(help);
    cause.logical_id = Some(change.logical_id.clone());
    cause.resource_type = Some(change.resource_type.clone());
    cause.physical_id.clone_from(&change.physical_id);
    cause.nested = nested.to_vec();
    let because = change.details.iter().find(|it| it.requires_recreation.as_deref().is_some_and(|it| it != "Never"));
    cause.detail = because.and_then(|it| {
        let name = it.name.as_ref()?;
        let entity = it.causing_entity.as_ref().map(|it| format!(", because of {it}")).unwrap_or_default();
        Some(format!("`{name}` changes{entity}, as CloudFormation has computed it"))
    });
    if nested.is_empty() {
        cause.locate(artifact.origins.get(&change.logical_id));
    }
    cause
}

/// What happens to a resource with data that is not retained, if it goes or may go.
fn fate(
    change: &ResourceChange,
    changes: &[ResourceChange],
    nested: &[String],
    artifact: &StackArtifact,
) -> Option<&'static str> {
    if !holds_data(&change.resource_type) {
        return None;
    }
    let fate = match (change.action.as_str(), change.replacement.as_deref()) {
        ("Remove", _) => "is removed",
        ("Add" | "Import", _) => return None,
        (_, Some("True")) => "is replaced",
        ("Dynamic", _) | (_, Some("Conditional")) if !stays(change, changes) => "may be replaced",
        _ => return None,
    };
    let retained = match change.policy_action.as_deref() {
        Some(policy) => policy.ends_with("Retain"),
        None if change.action == "Remove" || !nested.is_empty() => false,
        None => {
            let policy = &artifact.template["Resources"][&change.logical_id]["UpdateReplacePolicy"];
            policy.as_str().is_some_and(|it| it.starts_with("Retain"))
        }
    };
    (!retained).then_some(fate)
}

/// Whether everything through which a resource might be replaced stays what it is. CloudFormation says "conditional" whenever something
/// refers to an attribute of a resource that changes; but an ARN or an identifier is another one only if that resource is replaced.
fn stays(change: &ResourceChange, changes: &[ResourceChange]) -> bool {
    let replacing = |it: &&ChangeDetail| it.requires_recreation.as_deref() != Some("Never");
    let mut replacing = change.details.iter().filter(replacing).peekable();
    replacing.peek().is_some() && replacing.all(|it| is_identity_that_stays(it, changes))
}

fn is_identity_that_stays(detail: &ChangeDetail, changes: &[ResourceChange]) -> bool {
    let is_dynamic = detail.evaluation.as_deref() == Some("Dynamic");
    let Some(entity) = detail.causing_entity.as_deref().filter(|_| is_dynamic) else { return false };
    let (id, attribute) = entity.split_once('.').map_or((entity, None), |(id, attribute)| (id, Some(attribute)));
    let Some(source) = changes.iter().find(|it| it.logical_id == id) else { return false };
    let is_identity = attribute.is_none_or(|attribute| {
        let schema = xacct_schema::resource_type(&source.resource_type);
        attribute == "Arn" || schema.is_some_and(|it| it.primary_identifier().any(|it| it == attribute))
    });
    is_identity && source.action == "Modify" && source.replacement.as_deref() == Some("False")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use xacct_core::{AccountId, Environment, Region};

    #[test]
    fn the_types_exist() {
        for name in WITH_DATA {
            assert!(xacct_schema::resource_type(name).is_some(), "{name}");
        }
    }

    fn check(changes: &[ResourceChange], template: Value, expected: &[&str]) {
        let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
        let artifact = StackArtifact::new("Tools", environment, template);
        let found = not_allowed(changes, &[], &artifact, Some(&BTreeSet::from(["Allowed".to_owned()])));
        let found: Vec<String> =
            found.iter().map(|it| format!("{} {}", it.logical_id.as_deref().unwrap(), it.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(a, b)| a.starts_with(b)), "{found:?}");
    }

    fn change(id: &str, kind: &str, action: &str, replacement: Option<&str>) -> ResourceChange {
        ResourceChange {
            action: action.into(),
            logical_id: id.to_owned(),
            resource_type: kind.to_owned(),
            replacement: replacement.map(str::to_owned),
            ..ResourceChange::default()
        }
    }

    const LOG: &str = "AWS::Logs::LogGroup";

    #[test]
    fn what_goes_or_may_go_is_told_unless_it_is_allowed_or_retained() {
        let retained = ResourceChange { policy_action: Some("Retain".into()), ..change("Kept", LOG, "Remove", None) };
        check(
            &[
                change("A", LOG, "Remove", None),
                change("B", LOG, "Modify", Some("True")),
                change("C", LOG, "Modify", Some("Conditional")),
                change("D", LOG, "Modify", Some("False")),
                change("E", LOG, "Add", None),
                change("Allowed", LOG, "Remove", None),
                change("Topic", "AWS::SNS::Topic", "Remove", None),
                change("Nested", "AWS::CloudFormation::Stack", "Remove", None),
                change("Policy", LOG, "Modify", Some("Conditional")),
                retained,
            ],
            json!({"Resources": {"Policy": {"Type": LOG, "UpdateReplacePolicy": "Retain"}}}),
            &["A it is removed", "B it is replaced", "C it may be replaced", "Nested it is removed"],
        );
    }

    #[test]
    fn an_arn_stays_unless_its_resource_is_replaced() {
        let through = |entity: &str| ResourceChange {
            details: vec![ChangeDetail {
                requires_recreation: Some("Always".into()),
                evaluation: Some("Dynamic".into()),
                causing_entity: Some(entity.into()),
                name: Some("KmsKeyId".into()),
                ..ChangeDetail::default()
            }],
            ..change("Table", "AWS::RDS::DBInstance", "Modify", Some("Conditional"))
        };
        let key = |replacement| change("Key", "AWS::KMS::Key", "Modify", Some(replacement));
        check(&[key("False"), through("Key.Arn")], json!({}), &[]);
        check(&[key("False"), through("Key.Other")], json!({}), &["Table it may be replaced"]);
        check(&[through("Key.Arn")], json!({}), &["Table it may be replaced"]);
    }
}
