//! The template of the bootstrap stack, with the logical ids of CDK's, and the settings that it keeps for the next run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xacct_core::{Arn, Environment, synthesizer};

use super::needs::merged;
use super::{BootstrapOptions, ExecutionNeeds, ExecutionPolicy, Trusted};
use crate::template_text;

/// The parameter by which CDK's CLI tells bootstraps apart: it does not overwrite one of another variant.
pub(super) const VARIANT_PARAMETER: &str = "BootstrapVariant";
pub(super) const VARIANT: &str = "xacct";
/// What CDK's bootstrap of this version can do is here too, but for images.
const VERSION: &str = "23";
/// Where the template keeps its settings.
const METADATA: &str = "xacct:bootstrap";
/// A role has at most so many managed policies, unless its account got a higher quota.
pub(super) const MAX_POLICIES: usize = 10;
/// A managed policy has at most 6,144 characters; this is what its statements may take.
const MAX_STATEMENTS: usize = 6_100;
/// What the actions of a statement may take, and its resources.
const MAX_LIST: usize = 2_900;

/// How a bootstrap was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    trust: BTreeSet<String>,
    execution_policies: BTreeSet<String>,
    /// What the stacks of all apps need.
    statements: Vec<Value>,
}

impl Settings {
    pub(super) fn new(options: &BootstrapOptions, needs: &ExecutionNeeds) -> Self {
        Self {
            trust: options.trust.iter().flatten().map(Trusted::to_string).collect(),
            execution_policies: match &options.execution_policies {
                Some(policies) => policies.iter().map(ExecutionPolicy::to_string).collect(),
                None => BTreeSet::from([ExecutionPolicy::Derived.to_string()]),
            },
            statements: needs.statements.clone(),
        }
    }

    pub(super) fn of_template(text: &str) -> Option<Self> {
        Self::of_value(&template_text::read(text).ok()?)
    }

    pub(super) fn of_value(template: &Value) -> Option<Self> {
        serde_json::from_value(template["Metadata"][METADATA].clone()).ok()
    }

    /// What the next run makes of these: what it names replaces them, and what the role may do only grows, for other apps need it.
    pub(super) fn followed_by(mut self, wanted: Self, options: &BootstrapOptions) -> Self {
        if options.trust.is_some() {
            self.trust = wanted.trust;
        }
        if options.execution_policies.is_some() || self.execution_policies.is_empty() {
            self.execution_policies = wanted.execution_policies;
        }
        self.statements.extend(wanted.statements);
        self.statements = merged(self.statements);
        self
    }

    /// The managed policies that were named.
    fn named_policies(&self) -> impl Iterator<Item = Arn> + '_ {
        self.execution_policies.iter().filter_map(|it| match it.parse() {
            Ok(ExecutionPolicy::Managed(arn)) => Some(arn),
            _ => None,
        })
    }

    pub(super) fn policy_count(&self) -> usize {
        self.named_policies().count() + self.derived_policies().len()
    }

    /// Policies with what the stacks need.
    fn derived_policies(&self) -> Vec<Value> {
        if !self.execution_policies.contains(&ExecutionPolicy::Derived.to_string()) {
            return Vec::new();
        }
        // Each into the first policy that has room for it.
        let mut policies: Vec<(usize, Vec<Value>)> = Vec::new();
        for statement in self.statements.iter().flat_map(pieces) {
            let length = statement.to_string().len() + 1;
            match policies.iter_mut().find(|(room, _)| *room >= length) {
                Some((room, statements)) => {
                    *room -= length;
                    statements.push(statement);
                }
                None => policies.push((MAX_STATEMENTS.saturating_sub(length), vec![statement])),
            }
        }
        policies.into_iter().map(|(_, it)| json!({"Version": "2012-10-17", "Statement": it})).collect()
    }
}

/// A statement in pieces that fit into a policy each, with room for others.
fn pieces(statement: &Value) -> Vec<Value> {
    let mut pieces = Vec::new();
    for resources in chunks(&statement["Resource"]) {
        for actions in chunks(&statement["Action"]) {
            let mut piece = statement.clone();
            (piece["Resource"], piece["Action"]) = (resources.clone(), actions);
            pieces.push(piece);
        }
    }
    pieces
}

/// A list in parts that are not too long.
fn chunks(list: &Value) -> Vec<Value> {
    let mut all: Vec<Vec<&Value>> = Vec::new();
    let mut room = 0;
    for item in list.as_array().into_iter().flatten() {
        let length = item.to_string().len() + 1;
        if length > room {
            all.push(Vec::new());
            room = MAX_LIST;
        }
        room = room.saturating_sub(length);
        all.last_mut().into_iter().for_each(|it| it.push(item));
    }
    // One alone needs no list: characters are scarce.
    let text = |it: Vec<&Value>| if let [one] = it[..] { one.clone() } else { json!(it) };
    all.into_iter().map(text).collect()
}

pub(super) fn template(environment: &Environment, qualifier: &str, settings: &Settings) -> Value {
    let mut template = json!({
        "Description": "What xacct, or the AWS CDK, deploys with in this account and region",
        "Metadata": {METADATA: settings},
        "Parameters": {
            VARIANT_PARAMETER: {
                "Type": "String",
                "Default": VARIANT,
                "Description": "Tells bootstraps apart: CDK's CLI does not overwrite one of another variant"
            }
        },
        "Resources": {},
        "Outputs": {
            "BucketName": {"Description": "The bucket for assets", "Value": {"Ref": "StagingBucket"}},
            "BucketDomainName": {
                "Description": "The domain name of the bucket for assets",
                "Value": {"Fn::GetAtt": ["StagingBucket", "RegionalDomainName"]}
            },
            "BootstrapVersion": {"Description": "The version of CDK's bootstrap that this equals", "Value": VERSION}
        }
    });
    let version_parameter = synthesizer::version_parameter(qualifier);
    let mut add = |logical_id: &str, resource: Value| template["Resources"][logical_id] = resource;
    add("StagingBucket", bucket(environment, qualifier));
    add("StagingBucketPolicy", bucket_policy());
    let roles = Roles { environment, qualifier, settings, version_parameter: &version_parameter };
    add("FilePublishingRole", roles.file_publishing());
    add("LookupRole", roles.lookup());
    add("DeploymentActionRole", roles.deployment());
    let mut policies: Vec<Value> = settings.named_policies().map(|it| json!(it.as_str())).collect();
    for (number, document) in (1..).zip(settings.derived_policies()) {
        let logical_id = format!("CloudFormationExecutionPolicy{number}");
        policies.push(json!({"Ref": logical_id}));
        let description = "What creating, updating and deleting the stacks of the bootstrapped apps needs";
        add(
            &logical_id,
            json!({
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"Description": description, "PolicyDocument": document}
            }),
        );
    }
    add("CloudFormationExecutionRole", roles.execution(policies));
    add(
        "CdkBootstrapVersion",
        json!({
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Name": version_parameter, "Value": VERSION}
        }),
    );
    template
}

fn bucket(environment: &Environment, qualifier: &str) -> Value {
    json!({
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketName": synthesizer::bucket_name(qualifier, environment),
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            ]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": true,
                "BlockPublicPolicy": true,
                "IgnorePublicAcls": true,
                "RestrictPublicBuckets": true
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "VersioningConfiguration": {"Status": "Enabled"},
            "LifecycleConfiguration": {"Rules": [{
                "Id": "OldVersions",
                "Status": "Enabled",
                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}
            }]}
        }
    })
}

fn bucket_policy() -> Value {
    json!({
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "StagingBucket"},
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [bucket_arn(""), bucket_arn("/*")],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}}
                }]
            }
        }
    })
}

fn bucket_arn(rest: &str) -> Value {
    match rest {
        "" => json!({"Fn::GetAtt": ["StagingBucket", "Arn"]}),
        rest => json!({"Fn::Join": ["", [{"Fn::GetAtt": ["StagingBucket", "Arn"]}, rest]]}),
    }
}

struct Roles<'a> {
    environment: &'a Environment,
    qualifier: &'a str,
    settings: &'a Settings,
    version_parameter: &'a str,
}

impl Roles<'_> {
    /// Uploads templates and assets.
    fn file_publishing(&self) -> Value {
        let objects = json!({
            "Effect": "Allow",
            "Action": [
                "s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:GetEncryptionConfiguration", "s3:GetObject",
                "s3:ListBucket", "s3:PutObject"
            ],
            "Resource": [bucket_arn(""), bucket_arn("/*")],
            "Condition": {"StringEquals": {"aws:ResourceAccount": self.environment.account.as_str()}}
        });
        self.role("file-publishing-role", "file-publishing", self.trust(), &[objects])
    }

    /// Reads what is deployed, for a diff.
    fn lookup(&self) -> Value {
        let stacks = json!({
            "Effect": "Allow",
            "Action": [
                "cloudformation:DescribeStackEvents", "cloudformation:DescribeStackResources",
                "cloudformation:DescribeStacks", "cloudformation:GetTemplate", "cloudformation:GetTemplateSummary",
                "cloudformation:ListStackResources"
            ],
            // Stacks of any app, and the list of all of them.
            "Resource": "*"
        });
        self.role("lookup-role", "lookup", self.trust(), &[stacks, self.read_version()])
    }

    /// Makes the calls to CloudFormation.
    fn deployment(&self) -> Value {
        let stacks = json!({
            "Effect": "Allow",
            "Action": [
                "cloudformation:CancelUpdateStack", "cloudformation:ContinueUpdateRollback",
                "cloudformation:CreateChangeSet", "cloudformation:CreateStack", "cloudformation:DeleteChangeSet",
                "cloudformation:DeleteStack", "cloudformation:DescribeChangeSet", "cloudformation:DescribeEvents",
                "cloudformation:DescribeStackDriftDetectionStatus", "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStackResourceDrifts", "cloudformation:DescribeStackResources",
                "cloudformation:DescribeStacks", "cloudformation:DetectStackDrift",
                "cloudformation:DetectStackResourceDrift", "cloudformation:ExecuteChangeSet",
                "cloudformation:GetTemplate", "cloudformation:GetTemplateSummary", "cloudformation:ListChangeSets",
                "cloudformation:ListStackResources", "cloudformation:ListStacks", "cloudformation:RollbackStack",
                "cloudformation:UpdateStack", "cloudformation:UpdateTerminationProtection"
            ],
            // Stacks of any app, and the list of all of them.
            "Resource": "*"
        });
        let pass = json!({
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": {"Fn::GetAtt": ["CloudFormationExecutionRole", "Arn"]},
            "Condition": {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
        });
        let templates = json!({
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"],
            "Resource": [bucket_arn(""), bucket_arn("/*")]
        });
        self.role("deploy-role", "deploy", self.trust(), &[stacks, pass, templates, self.read_version()])
    }

    /// What CloudFormation acts as.
    fn execution(&self, policies: Vec<Value>) -> Value {
        let trust = json!([{
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "cloudformation.amazonaws.com"}
        }]);
        let mut role = self.role("cfn-exec-role", "cfn-exec", trust, &[]);
        if !policies.is_empty() {
            role["Properties"]["ManagedPolicyArns"] = policies.into();
        }
        role
    }

    fn role(&self, name: &str, tag: &str, trust: Value, statements: &[Value]) -> Value {
        let mut role = json!({
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": synthesizer::role_name(self.qualifier, name, self.environment),
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": trust},
                "Tags": [{"Key": "aws-cdk:bootstrap-role", "Value": tag}]
            }
        });
        if !statements.is_empty() {
            let document = json!({"Version": "2012-10-17", "Statement": statements});
            role["Properties"]["Policies"] = json!([{"PolicyName": "default", "PolicyDocument": document}]);
        }
        role
    }

    fn read_version(&self) -> Value {
        let Environment { account, region } = self.environment;
        let (partition, name) = (region.partition(), self.version_parameter);
        json!({
            "Effect": "Allow",
            "Action": ["ssm:GetParameter", "ssm:GetParameters"],
            "Resource": format!("arn:{partition}:ssm:{region}:{account}:parameter{name}")
        })
    }

    /// The account itself, unless principals of it are named, and whoever else is.
    fn trust(&self) -> Value {
        let own = self.environment.account.as_str();
        // They were parsed when they were given; what somebody wrote into the template by hand counts as nobody.
        let mut trusted: Vec<Trusted> = self.settings.trust.iter().filter_map(|it| it.parse().ok()).collect();
        if !trusted.iter().any(|it| it.account() == own) {
            trusted.insert(0, Trusted::Account(self.environment.account));
        }
        let partition = self.environment.region.partition();
        let statement = |it: &Trusted| {
            // A trust policy that names a role ends with the role; a condition goes on for one that is made again.
            let mut statement = json!({
                "Effect": "Allow",
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Principal": {"AWS": format!("arn:{partition}:iam::{}:root", it.account())}
            });
            if let Trusted::Principal(arn) = it {
                statement["Condition"] = json!({"ArnEquals": {"aws:PrincipalArn": arn.as_str()}});
            }
            statement
        };
        trusted.iter().map(statement).collect()
    }
}
