//! What a build project needs. See
//! [the service role](https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{For, Goals, identity, some};
use crate::estate::Site;
use crate::request::Context;
use crate::text::Text;

pub(super) fn goals(goals: &mut Goals<'_, '_>, site: &Site, project: &Json) {
    let Some(role) = goals.text(site, &project["ServiceRole"]) else { return };
    let Some(arn) = goals.estate.resource_at(site).map(|it| it.arn.clone()) else { return };
    goals.trusts_service(&role, "codebuild.amazonaws.com", site, Some(&arn), "ServiceRole", "to run the build");
    let Some(environment) = goals.estate.stack(site).map(|it| it.environment.clone()) else { return };
    let prefix = |service: &str| {
        Text::from(format!(
            "arn:{}:{service}:{}:{}:",
            environment.region.partition(),
            environment.region,
            environment.account
        ))
    };
    let logs = &project["LogsConfig"]["CloudWatchLogs"];
    if logs["Status"] != "DISABLED" {
        let named = goals.text(site, &logs["GroupName"]);
        let name = arn.arn_part(5).map(|it| it.to_string().replacen("project/", "", 1)).unwrap_or_default();
        let group = named.unwrap_or_else(|| match goals.text(site, &project["Name"]) {
            Some(name) => Text::from("/aws/codebuild/").with(name),
            None => Text::from(format!("/aws/codebuild/{name}")),
        });
        let stream = prefix("logs").with("log-group:").with(group).with(":log-stream:").with(some("log stream"));
        let on = For::new(identity(&role), site, "LogsConfig", "to write the build's log");
        goals.add(&on, &["logs:CreateLogStream", "logs:PutLogEvents"], &stream, None, Context::open());
    }
    for (index, variable) in project["Environment"]["EnvironmentVariables"].as_array().into_iter().flatten().enumerate()
    {
        let property = format!("Environment.EnvironmentVariables[{index}]");
        let Some(value) = goals.text(site, &variable["Value"]) else { continue };
        let on = For::new(identity(&role), site, property, "for an environment variable");
        match variable["Type"].as_str() {
            Some("SECRETS_MANAGER") => {
                let secret = secret(goals, &value).unwrap_or_else(|| {
                    prefix("secretsmanager").with("secret:").with(value).with("-").with(some("suffix"))
                });
                goals.add(&on, &["secretsmanager:GetSecretValue"], &secret, None, Context::open());
            }
            Some("PARAMETER_STORE") => {
                let name = value.literal().map(|it| it.trim_start_matches('/').to_owned());
                let name = name.map_or(value, Text::from);
                let parameter = prefix("ssm").with("parameter/").with(name);
                goals.add(&on, &["ssm:GetParameters"], &parameter, None, Context::open());
            }
            _ => {}
        }
    }
}

/// A secret is named by its ARN, or by its name; a JSON key may follow.
fn secret(goals: &Goals<'_, '_>, value: &Text) -> Option<Text> {
    let known = goals.estate.resources.iter().filter(|it| it.kind == "AWS::SecretsManager::Secret");
    let text = value.to_string();
    known.map(|it| &it.arn).find(|it| text == it.to_string() || text.starts_with(&format!("{it}:"))).cloned()
}

/// What a build needs that keeps Terraform's state where its environment variables say. See
/// [the S3 backend](https://developer.hashicorp.com/terraform/language/backend/s3#permissions-required).
pub(super) fn terraform_state(
    goals: &mut Goals<'_, '_>,
    on: &For<'_>,
    project: &Site,
    pipeline: &Site,
    variables: &BTreeMap<String, Json>,
    properties: &Json,
) {
    let value = |goals: &Goals<'_, '_>, name: &str| {
        let value = variables.get(name)?;
        goals.text(project, value).filter(|it| !it.is_empty()).or_else(|| goals.text(pipeline, value))
    };
    let Some(bucket) = value(goals, "TF_STATE_BUCKET") else { return };
    let stage = value(goals, "STAGE").unwrap_or_else(|| some("stage"));
    let state =
        value(goals, "TF_STATE_KEY").unwrap_or_else(|| Text::from("network/").with(stage.clone()).with(".tfstate"));
    let bucket = goals.bucket(project, &bucket);
    goals.on_bucket(on, &["s3:ListBucket"], &bucket);
    let lock = state.clone().with(".tflock");
    goals.on_object(on, &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], &bucket, &lock);
    goals.on_object(on, &["s3:GetObject"], &bucket, &state);
    // The plan is stored for the step that applies it, which is the one that writes the state.
    let plans = Text::from("plans/").with(stage).with("/").with(some("plan"));
    match properties["Source"]["BuildSpec"].as_str() {
        Some(spec) if spec.contains("plan") => goals.on_object(on, &["s3:PutObject"], &bucket, &plans),
        Some(spec) if spec.contains("apply") => {
            goals.on_object(on, &["s3:PutObject"], &bucket, &state);
            goals.on_object(on, &["s3:GetObject", "s3:GetObjectVersion"], &bucket, &plans);
        }
        _ => goals.on_object(on, &["s3:PutObject"], &bucket, &state),
    }
}
