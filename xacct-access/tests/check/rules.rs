//! Every rule: a template that has the fault, and one that has not.

use serde_json::{Value as Json, json};
use xacct_access::rule::{RULES, find};
use xacct_access::{Finding, check};
use xacct_core::SourceLocation;
use xacct_core::assembly::{Origin, Silenced};

use crate::{A, B, assembly, policy, role, stack};

fn findings(resources: Json) -> Vec<Finding> {
    check(&assembly(vec![stack("Tools", A, resources)])).findings
}

fn has(findings: &[Finding], rule: &str) -> bool {
    findings.iter().any(|it| it.rule == rule)
}

fn identity(statement: Json) -> Json {
    let mut role = role("r", "ec2.amazonaws.com", json!([]));
    role["Properties"]["Policies"] = policy(statement);
    json!({ "Role": role })
}

fn trust(statement: Json) -> Json {
    let mut role = role(
        "r",
        "ec2.amazonaws.com",
        json!([{ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*" }]),
    );
    role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0] = statement;
    json!({ "Role": role })
}

fn key(statement: Json) -> Json {
    let root = json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": { "AWS": "arn:aws:iam::111111111111:root" } });
    json!({ "Key": { "Type": "AWS::KMS::Key", "Properties": {
        "EnableKeyRotation": true,
        "KeyPolicy": { "Version": "2012-10-17", "Statement": [root, statement] },
    } } })
}

fn bucket(statement: Json) -> Json {
    json!({
        "Bucket": { "Type": "AWS::S3::Bucket", "Properties": {} },
        "Policy": { "Type": "AWS::S3::BucketPolicy", "Properties": {
            "Bucket": { "Ref": "Bucket" }, "PolicyDocument": { "Version": "2012-10-17", "Statement": [statement] },
        } },
    })
}

fn one(kind: &str, properties: Json) -> Json {
    json!({ "It": { "Type": kind, "Properties": properties } })
}

fn allow(action: &str, resource: &str) -> Json {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

fn with(mut statement: Json, field: &str, value: Json) -> Json {
    statement[field] = value;
    statement
}

#[test]
fn each_rule_finds_its_fault_and_leaves_the_mended_alone() {
    let b_root = json!({ "AWS": "arn:aws:iam::222222222222:root" });
    let by_name = json!({ "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::222222222222:role/build" } });
    let everyone = json!({ "AWS": "*" });
    let block = json!({ "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true });
    let assume = |principal: &Json| json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal });
    let codebuild = json!({ "Service": "codebuild.amazonaws.com" });
    let on_key = |principal: &Json| json!({ "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Principal": principal });
    let on_bucket = |action: &str, principal: &Json| json!({ "Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::x/*", "Principal": principal });
    let tls = json!({ "Effect": "Deny", "Action": "s3:*", "Principal": everyone, "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": "false" } } });
    let variable = |name: &str, kind: &str| json!({ "ServiceRole": "arn:aws:iam::111111111111:role/x", "EncryptionKey": "k", "Environment": { "EnvironmentVariables": [{ "Name": name, "Value": "v", "Type": kind }] } });
    let store = |key: bool| {
        let mut store = json!({ "Type": "S3", "Location": "b" });
        if key {
            store["EncryptionKey"] = json!({ "Id": "k", "Type": "KMS" });
        }
        json!({ "RoleArn": "arn:aws:iam::111111111111:role/x", "ArtifactStore": store })
    };
    let alias = "arn:aws:kms:eu-west-1:111111111111:alias/a";
    let any_key = "arn:aws:kms:eu-west-1:111111111111:key/*";
    let user = |properties: Json| one("AWS::IAM::User", properties);
    let cases: Vec<(&str, Json, Json)> = vec![
        ("XA101", one("AWS::KMS::Key", json!({})), one("AWS::KMS::Key", json!({ "EnableKeyRotation": true }))),
        (
            "XA102",
            key(on_key(&everyone)),
            key(with(
                on_key(&everyone),
                "Condition",
                json!({ "StringEquals": { "kms:CallerAccount": "222222222222" } }),
            )),
        ),
        (
            "XA103",
            identity(allow("kms:Decrypt", "*")),
            identity(allow("kms:Decrypt", "arn:aws:kms:eu-west-1:111111111111:key/1")),
        ),
        (
            "XA103",
            identity(allow("kms:*", any_key)),
            identity(with(
                allow("kms:Decrypt", any_key),
                "Condition",
                json!({ "ForAnyValue:StringEquals": { "kms:ResourceAliases": "alias/a" } }),
            )),
        ),
        ("XA104", identity(allow("kms:Decrypt", alias)), identity(allow("kms:CreateAlias", alias))),
        (
            "XA111",
            one("AWS::S3::Bucket", json!({})),
            one("AWS::S3::Bucket", json!({ "PublicAccessBlockConfiguration": block })),
        ),
        ("XA112", one("AWS::S3::Bucket", json!({})), bucket(tls.clone())),
        ("XA113", bucket(on_bucket("s3:GetObject", &everyone)), bucket(on_bucket("s3:GetObject", &b_root))),
        ("XA113", bucket(on_bucket("s3:*", &b_root)), bucket(tls.clone())),
        ("XA114", bucket(on_bucket("s3:Put*", &b_root)), bucket(on_bucket("s3:PutObject", &b_root))),
        (
            "XA115",
            one("AWS::S3::Bucket", json!({})),
            one(
                "AWS::S3::Bucket",
                json!({ "BucketEncryption": { "ServerSideEncryptionConfiguration": [{ "ServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k" } }] } }),
            ),
        ),
        (
            "XA116",
            one("AWS::S3::Bucket", json!({})),
            one("AWS::S3::Bucket", json!({ "VersioningConfiguration": { "Status": "Enabled" } })),
        ),
        ("XA117", one("AWS::S3::Bucket", json!({})), one("AWS::S3::Bucket", json!({ "LoggingConfiguration": {} }))),
        (
            "XA121",
            trust(assume(&everyone)),
            trust(with(assume(&everyone), "Condition", json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } }))),
        ),
        ("XA122", trust(assume(&b_root)), trust(with(assume(&b_root), "Condition", by_name.clone()))),
        (
            "XA123",
            trust(assume(&codebuild)),
            trust(with(
                assume(&codebuild),
                "Condition",
                json!({ "StringEquals": { "aws:SourceAccount": "111111111111" } }),
            )),
        ),
        ("XA131", identity(allow("*", "*")), identity(allow("s3:GetObject", "*"))),
        (
            "XA132",
            identity(allow("s3:PutObject", "*")),
            identity(with(
                allow("ec2:DeleteVpc", "*"),
                "Condition",
                json!({ "StringEquals": { "ec2:Region": "eu-west-1" } }),
            )),
        ),
        ("XA132", identity(allow("sqs:*", "*")), identity(allow("ec2:DescribeVpcs", "*"))),
        (
            "XA133",
            identity(allow("iam:PassRole", "*")),
            identity(allow("iam:PassRole", "arn:aws:iam::111111111111:role/r")),
        ),
        (
            "XA134",
            identity(json!({ "Effect": "Allow", "NotAction": "iam:*", "Resource": "*" })),
            identity(json!({ "Effect": "Deny", "NotAction": "iam:*", "Resource": "*" })),
        ),
        (
            "XA135",
            identity(allow("iam:PutRolePolicy", "*")),
            identity(allow("iam:PutRolePolicy", "arn:aws:iam::111111111111:role/other")),
        ),
        (
            "XA136",
            user(json!({ "Policies": policy(allow("s3:GetObject", "arn:aws:s3:::a/*")) })),
            user(json!({ "Groups": ["g"] })),
        ),
        ("XA137", user(json!({})), json!({})),
        (
            "XA138",
            user(json!({ "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"] })),
            user(json!({ "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"] })),
        ),
        (
            "XA141",
            one("AWS::CodeBuild::Project", json!({})),
            one("AWS::CodeBuild::Project", variable("X", "PLAINTEXT")),
        ),
        (
            "XA142",
            one("AWS::CodeBuild::Project", json!({ "Environment": { "PrivilegedMode": true } })),
            one("AWS::CodeBuild::Project", json!({ "Environment": { "PrivilegedMode": false } })),
        ),
        (
            "XA143",
            one("AWS::CodeBuild::Project", json!({ "LogsConfig": { "CloudWatchLogs": { "Status": "DISABLED" } } })),
            one("AWS::CodeBuild::Project", json!({ "LogsConfig": { "CloudWatchLogs": { "Status": "ENABLED" } } })),
        ),
        (
            "XA144",
            one("AWS::CodeBuild::Project", variable("DB_PASSWORD", "PLAINTEXT")),
            one("AWS::CodeBuild::Project", variable("DB_PASSWORD", "SECRETS_MANAGER")),
        ),
        ("XA145", one("AWS::CodePipeline::Pipeline", store(false)), one("AWS::CodePipeline::Pipeline", store(true))),
        ("XA146", one("AWS::Logs::LogGroup", json!({})), one("AWS::Logs::LogGroup", json!({ "RetentionInDays": 30 }))),
        (
            "XA147",
            one("AWS::Logs::LogGroup", json!({})),
            one("AWS::Logs::LogGroup", json!({ "KmsKeyId": "arn:aws:kms:eu-west-1:111111111111:key/1" })),
        ),
        (
            "XA201",
            identity(allow("s3:ListBucket", "arn:aws:s3:::a/*")),
            identity(allow("s3:ListBucket", "arn:aws:s3:::a")),
        ),
        (
            "XA201",
            identity(allow("ec2:DescribeVpcs", "arn:aws:ec2:eu-west-1:111111111111:vpc/v")),
            identity(allow("ec2:DescribeVpcs", "*")),
        ),
        ("XA202", identity(allow("s3:GetObject", "arn:aws:s3:::a/*")), identity(allow("ec2:DescribeVpcs", "*"))),
        (
            "XA205",
            identity(allow("iam:PassRole", "arn:aws:iam::222222222222:role/r")),
            identity(allow("iam:PassRole", "arn:aws:iam::111111111111:role/r")),
        ),
        ("XA004", key(json!({ "Effect": "Permit" })), key(on_key(&b_root))),
    ];
    for (rule, faulty, mended) in cases {
        assert!(has(&findings(faulty.clone()), rule), "{rule} is not found in {faulty:#}");
        let found: Vec<Finding> = findings(mended.clone()).into_iter().filter(|it| it.rule == rule).collect();
        assert!(found.is_empty(), "{rule} in {mended:#}: {found:#?}");
    }
}

#[test]
fn principals_must_exist_by_then_and_survive() {
    let names_role = |arn: Json| {
        let mut role = role("action", "ec2.amazonaws.com", json!([]));
        role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = json!({ "AWS": arn });
        role
    };
    let named = role("named", "ec2.amazonaws.com", json!([]));
    let arn = "arn:aws:iam::222222222222:role/named";
    let before = assembly(vec![
        stack("First", B, json!({ "Named": named })),
        stack("Second", A, json!({ "Role": names_role(arn.into()) })),
    ]);
    let found = check(&before).findings;
    assert!(!has(&found, "XA203") && has(&found, "XA204"), "{found:#?}");
    let after = assembly(vec![
        stack("First", A, json!({ "Role": names_role(arn.into()) })),
        stack("Second", B, json!({ "Named": named })),
    ]);
    assert!(has(&check(&after).findings, "XA203"));
    // Within a stack a reference makes the order, and a literal ARN does not.
    let literal = json!({ "Named": named, "Role": names_role("arn:aws:iam::111111111111:role/named".into()) });
    assert!(has(&findings(literal), "XA203"));
    let reference = json!({ "Named": named, "Role": names_role(json!({ "Fn::GetAtt": ["Named", "Arn"] })) });
    assert!(!has(&findings(reference), "XA203"));
}

#[test]
fn a_pipeline_comes_after_the_roles_of_its_actions() {
    let pipeline = json!({ "Pipeline": { "Type": "AWS::CodePipeline::Pipeline", "Properties": {
        "RoleArn": "arn:aws:iam::111111111111:role/p",
        "Stages": [{ "Name": "S", "Actions": [{ "Name": "A", "RoleArn": "arn:aws:iam::222222222222:role/named" }] }],
    } } });
    let named = json!({ "Named": role("named", "ec2.amazonaws.com", json!([])) });
    let right = assembly(vec![stack("Production", B, named.clone()), stack("Tools", A, pipeline.clone())]);
    assert!(!has(&check(&right).findings, "XA203"));
    let wrong = assembly(vec![stack("Tools", A, pipeline), stack("Production", B, named)]);
    assert!(has(&check(&wrong).findings, "XA203"));
}

/// The published advisory about CDK (GHSA-5pq3-h73f-66hr), and CDK's grant on a key of another account.
#[test]
fn what_cdk_writes_across_accounts_is_found() {
    let action_role = trust(
        json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": "arn:aws:iam::222222222222:root" } }),
    );
    let found = findings(action_role);
    let finding = found.iter().find(|it| it.rule == "XA122").unwrap();
    assert_eq!(finding.property, "AssumeRolePolicyDocument.Statement[0]");
    let star = identity(allow("kms:Decrypt", "*"));
    assert!(has(&findings(star), "XA103"));
    let every_action = findings(identity(allow("kms:*", "*")));
    assert!(has(&every_action, "XA103") && has(&every_action, "XA131"), "{every_action:#?}");
}

#[test]
fn a_silenced_finding_keeps_its_reason_and_lets_the_check_pass() {
    let mut stack = stack(
        "Tools",
        A,
        key(json!({ "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Principal": "*" })),
    );
    let location = SourceLocation { file: "app.rs".into(), line: 3, column: 1 };
    stack.origins.insert("Key".into(), Origin { path: "Tools/Key/Resource".into(), location: Some(location.clone()) });
    let mut assembly = assembly(vec![stack]);
    assert!(!check(&assembly).passes());
    let silence = |rule: &str, path: &str| Silenced {
        rule: rule.into(),
        path: path.into(),
        reason: "a public example".into(),
        location: location.clone(),
    };
    assembly.silenced = vec![silence("XA102", "Tools/Ke")];
    assert!(!check(&assembly).passes(), "a path that only begins alike does not count");
    assembly.silenced = vec![silence("key-open-to-anyone", "Tools/Key")];
    let report = check(&assembly);
    assert!(report.passes(), "{:#?}", report.findings);
    let finding = report.findings.iter().find(|it| it.rule == "XA102").unwrap();
    assert_eq!(finding.silenced.as_deref(), Some("a public example"));
    assert_eq!(finding.location.as_ref().unwrap().line, 3);
}

#[test]
fn rules_have_unique_ids_and_something_to_say() {
    for (index, rule) in RULES.iter().enumerate() {
        assert!(RULES[..index].iter().all(|it| it.id != rule.id && it.name != rule.name), "{}", rule.id);
        assert!(index == 0 || RULES[index - 1].id < rule.id, "{} is not in order", rule.id);
        assert!(rule.explanation.len() > 80 && rule.page.starts_with("https://docs.aws.amazon.com/"), "{}", rule.id);
        assert_eq!(find(&rule.id.to_lowercase()).unwrap().id, rule.id);
        assert_eq!(find(rule.name).unwrap().id, rule.id);
    }
}
