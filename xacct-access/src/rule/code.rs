//! Builds, pipelines and their logs.

use super::Findings;
use crate::survey::Survey;

/// What the name of a variable that holds a secret has in it.
const SECRET_WORDS: [&str; 9] =
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL"];

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for (site, kind, properties) in survey.estate.defined() {
        match kind {
            "AWS::CodeBuild::Project" => {
                if properties.get("EncryptionKey").is_none() {
                    findings.add(
                        "XA141",
                        &site,
                        "EncryptionKey",
                        "the project has no customer managed key",
                        "give it the pipeline's key",
                    );
                }
                let environment = &properties["Environment"];
                if environment["PrivilegedMode"] == true || environment["PrivilegedMode"] == "true" {
                    findings.add(
                        "XA142",
                        &site,
                        "Environment.PrivilegedMode",
                        "the build is privileged",
                        "leave privileged mode off",
                    );
                }
                let logs = &properties["LogsConfig"];
                if logs["CloudWatchLogs"]["Status"] == "DISABLED" && logs["S3Logs"]["Status"] != "ENABLED" {
                    findings.add("XA143", &site, "LogsConfig", "the build keeps no log", "enable its log");
                }
                let variables = environment["EnvironmentVariables"].as_array().into_iter().flatten();
                for (index, variable) in variables.enumerate() {
                    let name = variable["Name"].as_str().unwrap_or_default();
                    let plain = variable.get("Type").is_none_or(|it| it == "PLAINTEXT");
                    if plain
                        && SECRET_WORDS.into_iter().any(|it| name.to_uppercase().contains(it))
                        && !points_elsewhere(name)
                    {
                        let message = format!("the variable `{name}` is in plain text");
                        let help = "put the value into Secrets Manager, and give the variable the type SECRETS_MANAGER";
                        findings.add(
                            "XA144",
                            &site,
                            format!("Environment.EnvironmentVariables[{index}]"),
                            message,
                            help,
                        );
                    }
                }
            }
            "AWS::CodePipeline::Pipeline" => {
                let single = properties.get("ArtifactStore").into_iter();
                let several =
                    properties["ArtifactStores"].as_array().into_iter().flatten().map(|it| &it["ArtifactStore"]);
                if single.chain(several).any(|it| it.get("EncryptionKey").is_none()) {
                    findings.add(
                        "XA145",
                        &site,
                        "ArtifactStore",
                        "the artifact store has no customer managed key",
                        "give it one",
                    );
                }
            }
            "AWS::Logs::LogGroup" => {
                if properties.get("RetentionInDays").is_none() {
                    findings.add("XA146", &site, "RetentionInDays", "the log is kept for ever", "set a retention");
                }
                if properties.get("KmsKeyId").is_none() {
                    findings.add("XA147", &site, "KmsKeyId", "the log has no customer managed key", "give it one");
                }
            }
            _ => {}
        }
    }
}

/// `DB_SECRET_ARN` and `TOKEN_NAME` say where a secret is.
fn points_elsewhere(name: &str) -> bool {
    let name = name.to_uppercase();
    ["_ARN", "_NAME", "_ID", "_PATH", "_URL"].into_iter().any(|it| name.ends_with(it))
}
