//! The asset bucket of an account and region: made by a stack of our own, unless CDK's bootstrap has made it already.
//!
//! The bucket has the name that CDK's has, because the assembly names it, and CDK's CLI can deploy the same assembly. What CDK
//! has besides (roles, a version in a parameter) is not imitated: a tool that asks for them must find the real thing.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xacct_core::assembly::{Assembly, StackArtifact};

use crate::asset::bucket_name;
use crate::cause::Cause;
use crate::cloudformation::Environment;
use crate::deploy::{self, Inputs, StackOptions};
use crate::engine::{Engine, RunError, RunOptions, Selection, Verb};
use crate::report::{Outcome, Summary};
use crate::run::{Events, Run};
use crate::worker::Worker;

/// The name of the stack.
pub const STACK_NAME: &str = "xacct-bootstrap";

impl Engine {
    /// Makes the asset buckets of environments, or accepts those that are there.
    pub fn bootstrap(
        &self,
        environments: &BTreeSet<xacct_core::Environment>,
        stack_options: StackOptions,
        options: RunOptions,
    ) -> (Run<Result<Summary, RunError>>, Events) {
        let mut assembly = Assembly::default();
        assembly.stacks = environments.iter().map(artifact).collect();
        self.start(&assembly, &Selection::default(), Verb::Bootstrap(stack_options), options)
    }
}

/// The bootstrap stack of an environment, for those who want to see it or deploy it by other means.
pub fn artifact(environment: &xacct_core::Environment) -> StackArtifact {
    let id = format!("{STACK_NAME}-{}-{}", environment.account, environment.region);
    let template = template(&Environment::from(environment));
    let mut artifact = StackArtifact::new(id, environment.clone(), template);
    artifact.stack_name = STACK_NAME.to_owned();
    artifact.display_name = format!("{STACK_NAME} {environment}");
    artifact.termination_protection = true;
    artifact
}

fn template(environment: &Environment) -> Value {
    let bucket = bucket_name(environment);
    let arns = json!([
        {"Fn::GetAtt": ["AssetBucket", "Arn"]},
        {"Fn::Join": ["", [{"Fn::GetAtt": ["AssetBucket", "Arn"]}, "/*"]]}
    ]);
    json!({
        "Description": "Where xacct keeps assets and large templates of this account and region",
        "Resources": {
            "AssetBucket": {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": {
                    "BucketName": bucket,
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
            },
            "AssetBucketPolicy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {
                    "Bucket": {"Ref": "AssetBucket"},
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{
                            "Sid": "TlsOnly",
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:*",
                            "Resource": arns,
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}}
                        }]
                    }
                }
            }
        },
        "Outputs": {
            "BucketName": {"Description": "The asset bucket", "Value": {"Ref": "AssetBucket"}}
        }
    })
}

/// Makes the bucket of one environment.
pub(crate) async fn bootstrap(worker: &Worker<'_>, options: &StackOptions) -> Outcome {
    let ours = match worker.find().await {
        Ok(stack) => stack,
        Err(stop) => return stop.into(),
    };
    if ours.is_none() {
        let bucket = bucket_name(&worker.key.environment);
        let call = || worker.clients.objects.bucket_exists(&bucket);
        match worker.caller.call("HeadBucket", call).await {
            Ok(true) => return Outcome::Accepted { instead: bucket },
            Ok(false) => {}
            Err(error) => return Outcome::failed(None, Cause::from(&error)),
        }
    }
    deploy::deploy(worker, Inputs::Known(Default::default()), options).await
}
