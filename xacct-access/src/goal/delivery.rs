//! What delivers events, notifications and logs needs.

use serde_json::Value as Json;

use super::{For, Goals, Who, identity, over_tls};
use crate::estate::Site;
use crate::request::Context;

/// The targets of a rule. See
/// [target permissions](https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html).
pub(super) fn rule(goals: &mut Goals<'_, '_>, site: &Site, rule: &Json) {
    let source = goals.estate.resource_at(site).map(|it| it.arn.clone());
    for (index, target) in rule["Targets"].as_array().into_iter().flatten().enumerate() {
        let property = format!("Targets[{index}]");
        let Some(arn) = goals.text(site, &target["Arn"]) else { continue };
        let service = arn.arn_part(2).map(|it| it.to_string()).unwrap_or_default();
        let role = goals.text(site, &target["RoleArn"]);
        if let Some(role) = &role {
            // As with pipelines, AWS's own examples for this trust carry no source condition.
            goals.trusts_service(role, "events.amazonaws.com", site, None, &property, "to reach the rule's target");
        }
        let action = match service.as_str() {
            "codepipeline" => "codepipeline:StartPipelineExecution",
            "codebuild" => "codebuild:StartBuild",
            "states" => "states:StartExecution",
            "events" => "events:PutEvents",
            "sns" => "sns:Publish",
            "sqs" => "sqs:SendMessage",
            "lambda" => "lambda:InvokeFunction",
            _ => continue,
        };
        match role {
            Some(role) => {
                let on = For::new(identity(&role), site, property, "to start the rule's target");
                goals.add(&on, &[action], &arn, None, over_tls());
            }
            None if matches!(service.as_str(), "sns" | "sqs") => {
                publish(goals, site, &property, "events.amazonaws.com", &arn, source.clone(), action);
            }
            // A function's permission is a resource of its own kind, and other targets need a role.
            None => {}
        }
    }
}

/// <https://docs.aws.amazon.com/dtconsole/latest/userguide/set-up-sns.html>
pub(super) fn notification(goals: &mut Goals<'_, '_>, site: &Site, rule: &Json) {
    for (index, target) in rule["Targets"].as_array().into_iter().flatten().enumerate() {
        if let Some(topic) = goals.text(site, &target["TargetAddress"]).filter(|_| target["TargetType"] == "SNS") {
            let property = format!("Targets[{index}]");
            publish(goals, site, &property, "codestar-notifications.amazonaws.com", &topic, None, "sns:Publish");
        }
    }
}

/// A service that sends to a topic or queue, and uses its key.
fn publish(
    goals: &mut Goals<'_, '_>,
    site: &Site,
    property: &str,
    service: &str,
    target: &crate::Text,
    source: Option<crate::Text>,
    action: &str,
) {
    let account = goals.estate.stack(site).map(|it| it.environment.account.to_string()).unwrap_or_default();
    let mut context = over_tls().with("aws:SourceAccount", account.as_str());
    if let Some(source) = source {
        context = context.with("aws:SourceArn", source);
    }
    let on = For::new(Who::Service(service.to_owned()), site, property, "to deliver to the target");
    goals.add(&on, &[action], target, None, context.clone());
    let Some(resource) = goals.estate.resource(target) else { return };
    let (site, kind) = (resource.site.clone(), resource.kind.clone());
    if let Some(key) = goals.text(&site, &goals.estate.properties(&site)["KmsMasterKeyId"]) {
        let key = goals.key_arn(&key);
        if service == "events.amazonaws.com" && kind == "AWS::SNS::Topic" {
            // EventBridge does not say for whom it acts when it publishes to a topic with a key of its own:
            // https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
            context = context.absent("aws:SourceAccount").absent("aws:SourceArn").absent("aws:SourceOrgID");
        }
        goals.add(&on, &["kms:GenerateDataKey", "kms:Decrypt"], &key, None, context);
    }
}

const LOGS_ON_KEY: [&str; 6] =
    ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"];

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html>
pub(super) fn log_group(goals: &mut Goals<'_, '_>, site: &Site, group: &Json) {
    let Some(key) = goals.text(site, &group["KmsKeyId"]) else { return };
    let Some(region) = goals.estate.stack(site).map(|it| it.environment.region.clone()) else { return };
    let service = format!("logs.{region}.{}", region.url_suffix());
    let on = For::new(Who::Service(service), site, "KmsKeyId", "to encrypt the log group");
    let mut context = Context::open();
    if let Some(arn) = goals.estate.resource_at(site).map(|it| it.arn.clone()) {
        context = context.with("kms:EncryptionContext:aws:logs:arn", arn);
    }
    let key = goals.key_arn(&key);
    goals.add(&on, &LOGS_ON_KEY, &key, None, context);
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html>
pub(super) fn access_log(goals: &mut Goals<'_, '_>, site: &Site, bucket: &Json) {
    let logging = &bucket["LoggingConfiguration"];
    let Some(target) = goals.text(site, &logging["DestinationBucketName"]) else { return };
    let Some(source) = goals.estate.resource_at(site).map(|it| (it.arn.clone(), it.account.clone())) else { return };
    let target = goals.bucket(site, &target);
    let prefix = goals.text(site, &logging["LogFilePrefix"]).unwrap_or_default();
    let object = target.arn.clone().with("/").with(prefix).with(super::some("log file"));
    let service = "logging.s3.amazonaws.com".to_owned();
    let on = For::new(Who::Service(service), site, "LoggingConfiguration", "to write the access log");
    let context = over_tls().with("aws:SourceArn", source.0).with("aws:SourceAccount", source.1.as_str());
    goals.add(&on, &["s3:PutObject"], &object, target.account.as_deref(), context);
}
