//! What the resources' own services refuse, in their words.

use serde_json::{Value, json};

use crate::support::{A, B, Place, place, request, resources, role};

/// Why a stack could not be created: the first failure.
async fn failure(place: &Place, stack: &str, template: &Value) -> String {
    let stack = place.deploy(request(stack, template)).await;
    assert_eq!(stack.status.as_str(), "ROLLBACK_COMPLETE");
    let events = place.events(&stack.id).await;
    events.into_iter().find(|it| it.status.is_failure()).unwrap().status_reason.unwrap()
}

fn statement(principal: Value, action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{A}:root")}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}]})
}

fn key(principal: Value) -> Value {
    json!({"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": statement(principal, "kms:Decrypt")}})
}

#[tokio::test]
async fn principals_must_exist() {
    let stranger = format!("arn:aws:iam::{B}:role/prod");
    let bucket = json!({"Type": "AWS::S3::Bucket"});
    let cases = [
        (
            json!({"R": role("r", json!({"AWS": stranger}))}),
            format!("Invalid principal in policy: \\\"AWS\\\":\\\"{stranger}\\\" (Service: Iam, Status Code: 400"),
        ),
        (
            json!({"K": key(json!({"AWS": stranger}))}),
            "Policy contains a statement with one or more invalid principals. (Service: Kms, Status Code: 400".into(),
        ),
        (
            json!({"B": bucket, "P": {"Type": "AWS::S3::BucketPolicy", "Properties": {
                "Bucket": {"Ref": "B"}, "PolicyDocument": statement(json!({"AWS": [stranger]}), "s3:GetObject")}}}),
            "Invalid principal in policy (Service: S3, Status Code: 400".into(),
        ),
        (
            json!({"K": key(json!({"AWS": format!("arn:aws:iam::{B}:user/me")}))}),
            "Policy contains a statement with one or more invalid principals.".into(),
        ),
    ];
    for (template, message) in cases {
        let place = place();
        let said = failure(&place, "Prod", &resources(template.clone())).await;
        assert!(said.contains(&message), "{said}");
        assert!(
            said.starts_with("Resource handler returned message: \"") && said.contains("HandlerErrorCode: "),
            "{said}"
        );
        // The same template is fine once the role is there.
        if said.contains("role/prod") || message.contains("S3") {
            let other = place.other(B);
            other
                .deploy(request(
                    "Base",
                    &resources(json!({"R": role("prod", json!({"Service": "lambda.amazonaws.com"}))})),
                ))
                .await;
            let stack = place.deploy(request("Again", &resources(template))).await;
            assert_eq!(stack.status.as_str(), "CREATE_COMPLETE");
        }
    }
}

#[tokio::test]
async fn account_roots_services_and_conditions_are_not_checked() {
    let document = json!({"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*",
        "Principal": {"AWS": [format!("arn:aws:iam::{A}:root"), format!("arn:aws:iam::{B}:root"), B], "Service": "logs.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:PrincipalArn": format!("arn:aws:iam::{B}:role/not-yet")}}}]});
    let template = resources(json!({"K": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document}}}));
    assert_eq!(place().deploy(request("Prod", &template)).await.status.as_str(), "CREATE_COMPLETE");
}

#[tokio::test]
async fn a_key_must_stay_manageable() {
    let template = |bypass: bool| {
        resources(json!({"K": {"Type": "AWS::KMS::Key", "Properties": {
            "BypassPolicyLockoutSafetyCheck": bypass,
            "KeyPolicy": {"Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
                "Principal": {"AWS": format!("arn:aws:iam::{A}:root")}}]}}}}))
    };
    let said = failure(&place(), "Prod", &template(false)).await;
    assert!(said.contains("The new key policy will not allow you to update the key policy in the future."), "{said}");
    assert_eq!(place().deploy(request("Prod", &template(true))).await.status.as_str(), "CREATE_COMPLETE");
}

/// The service role of a pipeline, and a pipeline with an action that has a role of its own.
fn pipeline(allowed: &str, target: &str) -> Value {
    let mut service = role("pipeline", json!({"Service": "codepipeline.amazonaws.com"}));
    service["Properties"]["Policies"] = json!([{"PolicyName": "p", "PolicyDocument": {"Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": allowed}}}]);
    let action = |name: &str, category: &str, provider: &str| json!({"Name": name, "ActionTypeId": {"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"}});
    let mut deploy = action("Deploy", "Deploy", "S3");
    deploy["RoleArn"] = json!(target);
    resources(json!({
        "Service": service,
        "Pipeline": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {
            "RoleArn": {"Fn::GetAtt": ["Service", "Arn"]},
            "ArtifactStore": {"Type": "S3", "Location": "artifacts"},
            "Stages": [
                {"Name": "Source", "Actions": [action("Source", "Source", "S3")]},
                {"Name": "Prod", "Actions": [deploy]},
            ]}},
    }))
}

#[tokio::test]
async fn a_pipeline_must_be_able_to_assume_the_roles_of_its_actions() {
    let here = place();
    let there = here.other(B);
    let target = format!("arn:aws:iam::{B}:role/deploy");
    let message = format!("arn:aws:iam::{A}:role/pipeline is not authorized to perform AssumeRole on role {target}");
    let trusting = |principal: &str, condition: Option<&str>| {
        let mut role = role("deploy", json!({"AWS": principal}));
        if let Some(arn) = condition {
            role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] =
                json!({"ArnEquals": {"aws:PrincipalArn": arn}});
        }
        resources(json!({"R": role}))
    };
    let root = format!("arn:aws:iam::{A}:root");
    assert!(failure(&here, "NoRole", &pipeline(&target, &target)).await.contains(&message));
    there.deploy(request("Role", &trusting(&format!("arn:aws:iam::{B}:root"), None))).await;
    assert!(failure(&here, "NoTrust", &pipeline(&target, &target)).await.contains(&message));
    there.deploy(request("Role", &trusting(&root, Some("arn:aws:iam::111111111111:role/other")))).await;
    assert!(failure(&here, "OtherRole", &pipeline(&target, &target)).await.contains(&message));
    there.deploy(request("Role", &trusting(&root, Some("arn:aws:iam::111111111111:role/pipeline")))).await;
    assert!(failure(&here, "NoRight", &pipeline("arn:aws:iam::*:role/x", &target)).await.contains(&message));
    let stack = here.deploy(request("Good", &pipeline(&target, &target))).await;
    assert_eq!(stack.status.as_str(), "CREATE_COMPLETE");
}

#[tokio::test]
async fn services_must_be_able_to_assume_their_roles() {
    let wrong = role("wrong", json!({"Service": "ec2.amazonaws.com"}));
    let project = json!({"Type": "AWS::CodeBuild::Project", "Properties": {
        "ServiceRole": {"Fn::GetAtt": ["R", "Arn"]}, "Artifacts": {"Type": "NO_ARTIFACTS"},
        "Source": {"Type": "NO_SOURCE", "BuildSpec": "version: 0.2"},
        "Environment": {"ComputeType": "BUILD_GENERAL1_SMALL", "Image": "x", "Type": "LINUX_CONTAINER"}}});
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {
        "Role": {"Fn::GetAtt": ["R", "Arn"]}, "Code": {"ZipFile": "x"}, "Handler": "index.handler", "Runtime": "python3.13"}});
    for (resource, message) in [
        (project, format!("CodeBuild is not authorized to perform: sts:AssumeRole on arn:aws:iam::{A}:role/wrong")),
        (function, "The role defined for the function cannot be assumed by Lambda.".into()),
    ] {
        let said = failure(&place(), "Prod", &resources(json!({"R": wrong, "X": resource}))).await;
        assert!(said.contains(&message), "{said}");
    }
}

#[tokio::test]
async fn names_are_unique_where_the_service_wants_it() {
    let bucket = resources(json!({"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "the-bucket"}}}));
    let role = resources(json!({"R": role("the-role", json!({"Service": "lambda.amazonaws.com"}))}));
    let queue = resources(json!({"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "the-queue"}}}));
    let here = place();
    let elsewhere =
        Place::new(&here.world, xacct_deploy::Environment { account: A.into(), region: "us-east-1".into() });
    let there = here.other(B);
    for template in [&bucket, &role, &queue] {
        here.deploy(request(
            if template == &bucket {
                "B"
            } else if template == &role {
                "R"
            } else {
                "Q"
            },
            template,
        ))
        .await;
    }
    for (template, in_other_region, in_other_account) in
        [(&bucket, false, false), (&role, false, true), (&queue, true, true)]
    {
        for (place, free) in [(&here, false), (&elsewhere, in_other_region), (&there, in_other_account)] {
            let change_set = place.change_set(request("Twin", template)).await.unwrap();
            assert_eq!(change_set.status == "CREATE_COMPLETE", free, "{template} in {}", place.environment);
            if !free {
                let reason = change_set.status_reason.unwrap();
                assert!(reason.contains("AWS::EarlyValidation::ResourceExistenceCheck"), "{reason}");
            }
            place.delete("Twin").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_name_that_is_taken_while_the_change_set_waits_fails_the_resource() {
    let place = place();
    let template = resources(json!({"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "the-bucket"}}}));
    let first = place.change_set(request("First", &template)).await.unwrap();
    let second = place.deploy(request("Second", &template)).await;
    place.execute(&first).await.unwrap();
    place.settle().await;
    let story = place.story("First").await;
    assert!(
        story.contains(&format!("B CREATE_FAILED (the-bucket already exists in stack {})", second.id)),
        "{story:#?}"
    );
    let outside = place.other(B);
    place.world.create_outside(&outside.environment, "AWS::S3::Bucket", "foreign", Value::Null);
    let error = place.clients.objects.bucket_exists("foreign").await.unwrap_err();
    assert!(error.is_access_denied());
}

#[tokio::test]
async fn a_bucket_with_content_is_not_deleted() {
    let place = place();
    let template = resources(json!({"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "the-bucket"}}}));
    place.deploy(request("Prod", &template)).await;
    let objects = &place.clients.objects;
    assert!(objects.bucket_exists("the-bucket").await.unwrap());
    assert!(!objects.bucket_exists("no-bucket").await.unwrap());
    assert_eq!(
        objects.put_object("no-bucket", "k", Vec::new(), "text/plain").await.unwrap_err().code(),
        "NoSuchBucket"
    );
    objects.put_object("the-bucket", "k", b"x".to_vec(), "text/plain").await.unwrap();
    assert!(objects.object_exists("the-bucket", "k").await.unwrap());
    place.delete("Prod").await.unwrap();
    let stack = place.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(stack.status.as_str(), "DELETE_FAILED");
    let events = place.events("Prod").await;
    let failed = events.iter().find(|it| it.logical_id == "B" && it.status == "DELETE_FAILED").unwrap();
    assert!(failed.status_reason.as_deref().unwrap().contains("The bucket you tried to delete is not empty"));
}

#[tokio::test]
async fn ids_and_arns_look_like_those_of_their_services() {
    let template = json!({
        "Resources": {
            "Key": {"Type": "AWS::KMS::Key", "Properties": {}},
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"Path": "/team/", "AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": "ec2.amazonaws.com"}}]}}},
            "Repo": {"Type": "AWS::CodeCommit::Repository", "Properties": {"RepositoryName": "network"}},
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}},
            "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "db"}},
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/app"}},
            "Policy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"ManagedPolicyName": "pol", "PolicyDocument": {"Statement": [
                {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}}},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {"Name": "rule", "ScheduleExpression": "rate(1 day)"}},
        },
    });
    let mut template = template;
    let pairs = [
        ("Key", "Arn"),
        ("Bucket", "Arn"),
        ("Bucket", "RegionalDomainName"),
        ("Role", "Arn"),
        ("Repo", "Arn"),
        ("Repo", "CloneUrlHttp"),
        ("Vpc", "VpcId"),
        ("Queue", "Arn"),
        ("Queue", "QueueUrl"),
        ("Group", "Arn"),
        ("Rule", "Arn"),
    ];
    let mut outputs = serde_json::Map::new();
    for (name, attribute) in pairs {
        outputs.insert(format!("{name}{attribute}"), json!({"Value": {"Fn::GetAtt": [name, attribute]}}));
    }
    for name in ["Key", "Bucket", "Role", "Secret", "Policy", "Rule", "Queue"] {
        outputs.insert(name.to_owned(), json!({"Value": {"Ref": name}}));
    }
    template["Outputs"] = Value::Object(outputs);
    let found = place().outputs(request("My-Stack", &template)).await;
    for (name, pattern) in [
        ("KeyArn", "arn:aws:kms:eu-west-1:111111111111:key/{}-{}-{}-{}-{}"),
        ("Bucket", "my-stack-bucket-{}"),
        ("BucketArn", "arn:aws:s3:::my-stack-bucket-{}"),
        ("BucketRegionalDomainName", "my-stack-bucket-{}.s3.eu-west-1.amazonaws.com"),
        ("Role", "My-Stack-Role-{}"),
        ("RoleArn", "arn:aws:iam::111111111111:role/team/My-Stack-Role-{}"),
        ("RepoArn", "arn:aws:codecommit:eu-west-1:111111111111:network"),
        ("RepoCloneUrlHttp", "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/network"),
        ("VpcVpcId", "vpc-{}"),
        ("Queue", "https://sqs.eu-west-1.amazonaws.com/111111111111/q"),
        ("QueueArn", "arn:aws:sqs:eu-west-1:111111111111:q"),
        ("Secret", "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-{}"),
        ("GroupArn", "arn:aws:logs:eu-west-1:111111111111:log-group:/app:*"),
        ("Policy", "arn:aws:iam::111111111111:policy/pol"),
        ("Rule", "rule"),
        ("RuleArn", "arn:aws:events:eu-west-1:111111111111:rule/rule"),
    ] {
        let mut rest = found[name].as_str();
        for (index, part) in pattern.split("{}").enumerate() {
            let at = rest.find(part).unwrap_or_else(|| panic!("{name}: `{}` is not like `{pattern}`", found[name]));
            assert!(index > 0 || at == 0, "{name}: `{}` is not like `{pattern}`", found[name]);
            rest = &rest[at + part.len()..];
        }
    }
    assert!(found["KeyArn"].ends_with(&found["Key"]));
}
