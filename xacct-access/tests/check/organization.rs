//! What is over the identities of an assembly: permissions boundaries in its templates, and the organization's policies beside them.

use serde_json::{Value as Json, json};
use xacct_access::estate::Estate;
use xacct_access::{Organization, Policy, PolicyKind, Report, check_within};
use xacct_core::assembly::Assembly;

use crate::{A, assembly, role, stack};

/// A project that reads a secret; what the role may is given, and its boundary.
fn project(allowed: Json, boundary: Option<Json>) -> Assembly {
    let mut build = role("build", "codebuild.amazonaws.com", json!([allowed]));
    let mut resources = json!({
        "Secret": { "Type": "AWS::SecretsManager::Secret", "Properties": { "Name": "token" } },
        "Project": { "Type": "AWS::CodeBuild::Project", "Properties": {
            "Name": "deploy", "ServiceRole": { "Fn::GetAtt": ["Build", "Arn"] },
            "LogsConfig": { "CloudWatchLogs": { "Status": "DISABLED" } },
            "Environment": { "EnvironmentVariables": [
                { "Name": "TOKEN", "Type": "SECRETS_MANAGER", "Value": { "Ref": "Secret" } },
            ] },
        } },
    });
    if let Some(statement) = boundary {
        build["Properties"]["PermissionsBoundary"] = json!({ "Ref": "Boundary" });
        resources["Boundary"] = json!({ "Type": "AWS::IAM::ManagedPolicy", "Properties": {
            "PolicyDocument": { "Version": "2012-10-17", "Statement": [statement] },
        } });
    }
    resources["Build"] = build;
    assembly(vec![stack("Tools", A, resources)])
}

fn statement(effect: &str, action: &str) -> Json {
    json!({ "Effect": effect, "Action": action, "Resource": "*" })
}

fn read_secret(report: &Report) -> (&str, String) {
    let access = report.accesses.iter().find(|it| it.action == "secretsmanager:GetSecretValue").unwrap();
    (&access.verdict, access.grounds.join("; "))
}

fn policy(kind: PolicyKind, statement: &Json) -> Policy {
    Policy::from_value(kind, "over", &json!({ "Version": "2012-10-17", "Statement": [statement] })).unwrap()
}

fn under(organization: &Organization) -> Report {
    check_within(&project(statement("Allow", "secretsmanager:GetSecretValue"), None), organization)
}

#[test]
fn a_boundary_of_the_template_limits_its_role() {
    let report = |boundary: Json| {
        let assembly = project(statement("Allow", "secretsmanager:GetSecretValue"), Some(boundary));
        check_within(&assembly, &Organization::default())
    };
    let wide = report(statement("Allow", "secretsmanager:*"));
    let (verdict, grounds) = read_secret(&wide);
    assert_eq!(verdict, "allowed");
    assert!(grounds.contains("allow by permissions boundary `Tools/Boundary`"), "{grounds}");
    let narrow = report(statement("Allow", "s3:*"));
    let (verdict, grounds) = read_secret(&narrow);
    assert_eq!(verdict, "denied");
    assert!(grounds.contains("no permissions boundary allows it"), "{grounds}");
}

#[test]
fn every_level_of_service_control_policies_must_allow() {
    let allow = policy(PolicyKind::ServiceControl, &statement("Allow", "*"));
    let other = policy(PolicyKind::ServiceControl, &statement("Allow", "s3:*"));
    let deny = policy(PolicyKind::ServiceControl, &statement("Deny", "secretsmanager:*"));
    for (levels, verdict) in [
        (vec![vec![allow.clone()], vec![other.clone(), allow.clone()]], "allowed"),
        (vec![vec![allow.clone()], vec![other]], "denied"),
        (vec![vec![allow, deny]], "denied"),
    ] {
        let mut organization = Organization::default();
        levels.into_iter().for_each(|level| organization.add_service_control(A.as_str(), level));
        assert_eq!(read_secret(&under(&organization)).0, verdict);
        let mut elsewhere = Organization::default();
        elsewhere.add_service_control("333333333333", Vec::new());
        assert_eq!(read_secret(&under(&elsewhere)).0, "allowed", "those of another account do not count");
    }
}

#[test]
fn resource_control_policies_deny() {
    let mut denial = statement("Deny", "secretsmanager:*");
    denial["Principal"] = "*".into();
    let mut organization = Organization::default();
    organization.add_resource_control(A.as_str(), vec![policy(PolicyKind::ResourceControl, &denial)]);
    let report = under(&organization);
    let (verdict, grounds) = read_secret(&report);
    assert_eq!(verdict, "denied");
    assert!(grounds.contains("deny by resource control policy (level 0) `over`"), "{grounds}");
    // Nor does anyone else get in.
    assert!(
        !report.exposures.iter().any(
            |it| it.resource == "Tools/Secret" && it.actions.iter().any(|it| it == "secretsmanager:GetSecretValue")
        )
    );
    let assembly = project(statement("Allow", "secretsmanager:GetSecretValue"), None);
    let estate = Estate::new(&assembly).within(&organization);
    let secret = estate.resources.iter().find(|it| it.kind == "AWS::SecretsManager::Secret").unwrap();
    let who = xacct_access::exposure::who_can(&estate, "secretsmanager:GetSecretValue", secret, None).unwrap();
    assert!(who.is_empty(), "{who:?}");
}
