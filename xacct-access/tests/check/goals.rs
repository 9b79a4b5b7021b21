//! Goals: a cross-account pipeline that works, and what breaks when a part of it is missing.

use serde_json::{Value as Json, json};
use xacct_access::{Report, check};
use xacct_core::SourceLocation;
use xacct_core::assembly::{AccessAssertion, Assembly, Scoped};

use crate::{A, B, assembly, role, stack};

const KEY: &str = "arn:aws:kms:eu-west-1:111111111111:key/*";

/// The design that breaks the cycle between two accounts: names, roots with a condition, an alias.
fn pipeline() -> Assembly {
    let mut build = role(
        "build",
        "codebuild.amazonaws.com",
        json!([
            { "Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "arn:aws:s3:::artifacts/*" },
            { "Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY, "Condition": {
                "ForAnyValue:StringEquals": { "kms:ResourceAliases": "alias/artifacts" },
                "StringEquals": { "kms:ViaService": "s3.eu-west-1.amazonaws.com" },
            } },
            { "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
              "Resource": "arn:aws:logs:eu-west-1:222222222222:log-group:/aws/codebuild/deploy:*" },
        ]),
    );
    build["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] = json!({
        "ArnEquals": { "aws:SourceArn": "arn:aws:codebuild:eu-west-1:222222222222:project/deploy" },
    });
    let mut action = role(
        "action",
        "x",
        json!([{ "Effect": "Allow", "Action": ["codebuild:StartBuild", "codebuild:BatchGetBuilds", "codebuild:StopBuild"],
                 "Resource": { "Fn::GetAtt": ["Project", "Arn"] } }]),
    );
    action["Properties"]["AssumeRolePolicyDocument"]["Statement"][0] = json!({
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": "arn:aws:iam::111111111111:root" },
        "Condition": { "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::111111111111:role/pipeline" } },
    });
    let production = stack(
        "Production",
        B,
        json!({
            "Build": build,
            "Action": action,
            "Project": { "Type": "AWS::CodeBuild::Project", "Properties": {
                "Name": "deploy", "ServiceRole": { "Fn::GetAtt": ["Build", "Arn"] },
            } },
        }),
    );
    let service = role(
        "pipeline",
        "codepipeline.amazonaws.com",
        json!([
            { "Effect": "Allow", "Action": ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"],
              "Resource": { "Fn::GetAtt": ["Bucket", "Arn"] } },
            { "Effect": "Allow", "Action": ["s3:GetObject*", "s3:PutObject*"], "Resource": { "Fn::Sub": "${Bucket.Arn}/*" } },
            { "Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": { "Fn::GetAtt": ["Key", "Arn"] },
              "Condition": { "StringEquals": { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } } },
            { "Effect": "Allow", "Action": "codecommit:*", "Resource": "arn:aws:codecommit:eu-west-1:111111111111:network" },
            { "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::222222222222:role/action" },
        ]),
    );
    let condition = json!({ "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::222222222222:role/build" } });
    let tools = stack(
        "Tools",
        A,
        json!({
            "Service": service,
            "Key": { "Type": "AWS::KMS::Key", "Properties": { "EnableKeyRotation": true, "KeyPolicy": { "Version": "2012-10-17", "Statement": [
                { "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": { "AWS": "arn:aws:iam::111111111111:root" } },
                { "Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "*",
                  "Principal": { "AWS": "arn:aws:iam::222222222222:root" }, "Condition": condition },
            ] } } },
            "Alias": { "Type": "AWS::KMS::Alias", "Properties": { "AliasName": "alias/artifacts", "TargetKeyId": { "Ref": "Key" } } },
            "Bucket": { "Type": "AWS::S3::Bucket", "Properties": { "BucketName": "artifacts" } },
            "BucketPolicy": { "Type": "AWS::S3::BucketPolicy", "Properties": { "Bucket": { "Ref": "Bucket" }, "PolicyDocument": {
                "Version": "2012-10-17", "Statement": [
                    { "Effect": "Deny", "Action": "s3:*", "Principal": { "AWS": "*" },
                      "Resource": ["arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/*"], "Condition": { "Bool": { "aws:SecureTransport": "false" } } },
                    { "Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": "arn:aws:s3:::artifacts/*",
                      "Principal": { "AWS": "arn:aws:iam::222222222222:root" }, "Condition": condition },
                ] } } },
            "Pipeline": { "Type": "AWS::CodePipeline::Pipeline", "Properties": {
                "RoleArn": { "Fn::GetAtt": ["Service", "Arn"] },
                "ArtifactStore": { "Type": "S3", "Location": { "Ref": "Bucket" }, "EncryptionKey": { "Type": "KMS", "Id": { "Fn::GetAtt": ["Key", "Arn"] } } },
                "Stages": [
                    { "Name": "Source", "Actions": [{ "Name": "Source", "ActionTypeId": { "Category": "Source", "Owner": "AWS", "Provider": "CodeCommit", "Version": "1" },
                      "Configuration": { "RepositoryName": "network", "BranchName": "main" }, "OutputArtifacts": [{ "Name": "Code" }] }] },
                    { "Name": "Prod", "Actions": [{ "Name": "Deploy", "ActionTypeId": { "Category": "Build", "Owner": "AWS", "Provider": "CodeBuild", "Version": "1" },
                      "RoleArn": "arn:aws:iam::222222222222:role/action",
                      "Configuration": { "ProjectName": "deploy" }, "InputArtifacts": [{ "Name": "Code" }] }] },
                ],
            } },
        }),
    );
    assembly(vec![production, tools])
}

fn failures(report: &Report) -> Vec<String> {
    report
        .accesses
        .iter()
        .filter(|it| it.verdict != "allowed")
        .map(|it| format!("{} {} {}", it.verdict, it.who, it.action))
        .collect()
}

#[test]
fn every_access_of_a_cross_account_pipeline_is_proved() {
    let report = check(&pipeline());
    assert_eq!(failures(&report), Vec::<String>::new(), "{:#?}", report.findings);
    assert!(report.proved() >= 18, "{}", report.proved());
    let decrypt =
        report.accesses.iter().find(|it| it.who.ends_with("role/build") && it.action == "kms:Decrypt").unwrap();
    assert_eq!(decrypt.grounds.len(), 2, "both sides: {:?}", decrypt.grounds);
    assert!(decrypt.grounds.iter().any(|it| it.contains("`Tools/Key`, statement 1")), "{:?}", decrypt.grounds);
}

/// Takes one thing out of the design; names the access that then fails.
#[test]
fn what_is_taken_away_is_missed() {
    type Break = fn(&mut Json, &mut Json);
    let cases: [(&str, Break, &str, &str); 8] = [
        (
            "the key's statement for B",
            |_, tools| drop(statements(tools, "Key", "KeyPolicy").remove(1)),
            "kms:Decrypt",
            "no resource policy allows it",
        ),
        (
            "the bucket's statement for B",
            |_, tools| drop(statements(tools, "BucketPolicy", "PolicyDocument").remove(1)),
            "s3:GetObject",
            "no resource policy allows it",
        ),
        (
            "the alias",
            |_, tools| drop(tools.as_object_mut().unwrap().remove("Alias")),
            "kms:Decrypt",
            "no identity policy allows it",
        ),
        (
            "the build's right to decrypt",
            |production, _| drop(own(production, "Build").remove(1)),
            "kms:Decrypt",
            "no identity policy allows it",
        ),
        (
            "the pipeline's right to assume",
            |_, tools| drop(own(tools, "Service").remove(4)),
            "sts:AssumeRole",
            "no identity policy allows it",
        ),
        (
            "the root's statement of the key",
            |_, tools| drop(statements(tools, "Key", "KeyPolicy").remove(0)),
            "kms:GenerateDataKey",
            "neither names the caller",
        ),
        (
            "the build's trust",
            |production, _| {
                production["Build"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] =
                    json!({ "Service": "ec2.amazonaws.com" })
            },
            "sts:AssumeRole",
            "codebuild.amazonaws.com",
        ),
        (
            "the name in the trust",
            |production, _| {
                production["Action"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["ArnEquals"]
                    ["aws:PrincipalArn"] = "arn:aws:iam::111111111111:role/pipelin".into()
            },
            "sts:AssumeRole",
            "`ArnEquals` on `aws:PrincipalArn` does not hold",
        ),
    ];
    for (what, breaks, action, says) in cases {
        let mut assembly = pipeline();
        let (production, tools) = assembly.stacks.split_at_mut(1);
        breaks(&mut production[0].template["Resources"], &mut tools[0].template["Resources"]);
        let report = check(&assembly);
        let found = report
            .errors()
            .find(|it| it.rule == "XA001" && it.message.contains(&format!("`{action}`")) && it.message.contains(says));
        assert!(found.is_some(), "without {what}: {:#?}", report.errors().map(|it| &it.message).collect::<Vec<_>>());
        assert!(!report.passes());
    }
}

fn statements<'t>(resources: &'t mut Json, id: &str, property: &str) -> &'t mut Vec<Json> {
    resources[id]["Properties"][property]["Statement"].as_array_mut().unwrap()
}

fn own<'t>(resources: &'t mut Json, id: &str) -> &'t mut Vec<Json> {
    resources[id]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array_mut().unwrap()
}

#[test]
fn assertions_hold_or_say_why_not() {
    let scoped = |stack: Option<&str>, expression: Json| Scoped { stack: stack.map(str::to_owned), expression };
    let assert = |principal, action: &str, resource, allowed| AccessAssertion {
        principal,
        action: action.into(),
        resource,
        allowed,
        context: std::collections::BTreeMap::new(),
        path: "Tools".into(),
        location: SourceLocation { file: "app.rs".into(), line: 7, column: 1 },
    };
    let build = || scoped(Some("Production"), json!({ "Fn::GetAtt": ["Build", "Arn"] }));
    let object = || scoped(Some("Tools"), json!({ "Fn::Sub": "${Bucket.Arn}/code.zip" }));
    let mut assembly = pipeline();
    assembly.assertions = vec![
        assert(build(), "s3:GetObject", object(), true),
        assert(build(), "s3:PutObject", object(), false),
        assert(scoped(None, "*".into()), "s3:GetObject", object(), false),
        assert(scoped(None, "arn:aws:iam::333333333333:root".into()), "s3:GetObject", object(), false),
    ];
    assert_eq!(
        check(&assembly).errors().map(|it| it.message.clone()).filter(|it| it.contains("asserted")).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    assembly.assertions = vec![assert(build(), "s3:PutObject", object(), true)];
    let report = check(&assembly);
    let finding = report.errors().find(|it| it.rule == "XA003").unwrap();
    assert!(finding.message.contains("asserted to be allowed"), "{}", finding.message);
    assert_eq!(finding.location.as_ref().unwrap().line, 7);
}

#[test]
fn an_assertion_can_name_the_context() {
    let mut assembly = pipeline();
    let mut network = json!({ "Effect": "Allow", "Action": "ec2:DeleteVpc", "Resource": "*" });
    network["Condition"] = json!({ "StringEquals": { "ec2:Region": "eu-west-1" } });
    own(&mut assembly.stacks[0].template["Resources"], "Build").push(network);
    let assert = |context: &[(&str, &str)]| AccessAssertion {
        principal: Scoped { stack: Some("Production".into()), expression: json!({ "Fn::GetAtt": ["Build", "Arn"] }) },
        action: "ec2:DeleteVpc".into(),
        resource: Scoped { stack: None, expression: "arn:aws:ec2:eu-west-1:222222222222:vpc/vpc-1".into() },
        allowed: true,
        context: context.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect(),
        path: "Production".into(),
        location: SourceLocation { file: "app.rs".into(), line: 9, column: 1 },
    };
    for (context, holds) in
        [(&[("ec2:Region", "eu-west-1")][..], true), (&[("ec2:Region", "us-east-1")], false), (&[], false)]
    {
        assembly.assertions = vec![assert(context)];
        let failed = check(&assembly).findings.iter().any(|it| it.rule == "XA003");
        assert_eq!(!failed, holds, "{context:?}");
    }
}

#[test]
fn who_else_gets_in_is_short_and_names_the_other_account() {
    let report = check(&pipeline());
    let mut list: Vec<String> = report.exposures.iter().map(|it| format!("{} <- {}", it.resource, it.who)).collect();
    list.sort();
    assert_eq!(
        list,
        [
            // Who may make or change the role that the other account trusts by name.
            "Production/Action <- administrators of 111111111111",
            "Tools/Bucket <- administrators of 111111111111",
            "Tools/Bucket <- administrators of 222222222222",
            "Tools/Key <- administrators of 111111111111",
            "Tools/Key <- administrators of 222222222222",
        ],
        "{:#?}",
        report.exposures
    );
}

#[test]
fn a_report_is_also_sarif() {
    let mut assembly = pipeline();
    assembly.stacks[1].template["Resources"]["Alias"] = Json::Null;
    let sarif = check(&assembly).sarif();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("XA001"), &json!("error")));
    assert_eq!(result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "Tools/Pipeline");
}
