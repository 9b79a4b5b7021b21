//! What users of the tables rely on.

use xacct_schema::{Handler, Kind, Replacement, nearest_resource_type, resource_type, resource_types};

fn check(name: &str) -> xacct_schema::ResourceType {
    resource_type(name).unwrap_or_else(|| panic!("no type {name}"))
}

#[test]
fn every_type_can_be_read_to_its_leaves() {
    let mut properties = 0;
    for name in resource_types() {
        let resource = check(name);
        assert_eq!(resource.name(), name);
        for property in resource.properties() {
            properties += 1;
            let again = resource.property(&[property.name()]).unwrap();
            assert_eq!(again.kind(), property.kind());
            assert_eq!(again.is_required(), property.is_required());
            property.pattern();
            property.allowed_values().for_each(|value| assert!(value.len() < 10_000));
            for nested in property.properties() {
                assert!(!nested.name().is_empty());
            }
        }
        for attribute in resource.attributes() {
            assert!(resource.has_attribute(attribute.name()));
            attribute.kind();
        }
    }
    assert!(properties > 17_000, "{properties}");
}

#[test]
fn names_are_found_whatever_the_place_in_the_table() {
    let names: Vec<_> = resource_types().collect();
    assert!(names.len() > 1_850, "{}", names.len());
    assert!(names.is_sorted());
    assert_eq!(resource_type("AWS::S3::Buckets"), None);
    assert_eq!(resource_type(""), None);
    assert_eq!(nearest_resource_type("AWS::S3:Bucket"), Some("AWS::S3::Bucket"));
    assert_eq!(nearest_resource_type("AWS::IAM::role"), Some("AWS::IAM::Role"));
    assert_eq!(nearest_resource_type("Nothing::Like::It"), None);
}

#[test]
fn a_bucket() {
    let bucket = check("AWS::S3::Bucket");
    let algorithm = bucket
        .property(&[
            "BucketEncryption",
            "ServerSideEncryptionConfiguration",
            "*",
            "ServerSideEncryptionByDefault",
            "SSEAlgorithm",
        ])
        .unwrap();
    assert_eq!(algorithm.kind(), Kind::String);
    assert!(algorithm.is_required());
    let values: Vec<_> = algorithm.allowed_values().collect();
    assert_eq!(values, ["AES256", "aws:kms", "aws:kms:dsse"]);
    assert_eq!(bucket.name_property(), Some("BucketName"));
    assert_eq!(bucket.tag_property(), Some("Tags"));
    assert_eq!(bucket.ref_property(), Some("BucketName"));
    assert_eq!(bucket.arn_template(), Some("arn:${Partition}:s3:::${BucketName}"));
    assert!(bucket.is_stateful());
    assert_eq!(bucket.replacement(&["BucketName"]), Replacement::Always);
    assert_eq!(bucket.replacement(&["Tags", "0", "Key"]), Replacement::Never);
    assert!(bucket.is_in_region("eu-central-1").unwrap());
    assert_eq!(bucket.is_in_region("xx-nowhere-9"), None);
    let create: Vec<_> = bucket.handler_permissions(Handler::Create).unwrap().collect();
    assert!(create.contains(&"s3:CreateBucket"), "{create:?}");
}

#[test]
fn types_without_handlers_take_replacement_from_the_other_source() {
    let project = check("AWS::CodeBuild::Project");
    assert!(project.handler_permissions(Handler::Create).is_none());
    assert!(project.is_create_only(&["Name"]));
    assert_eq!(project.replacement(&["Source", "Type"]), Replacement::Never);
    assert!(project.has_attribute("Arn"));
}

#[test]
fn kinds_and_constraints_of_properties() {
    let kind = |name: &str, path: &[&str]| check(name).property(path).unwrap().kind();
    assert_eq!(kind("AWS::IAM::Role", &["AssumeRolePolicyDocument"]), Kind::Json);
    assert_eq!(kind("AWS::Lambda::Function", &["Timeout"]), Kind::Integer);
    assert_eq!(kind("AWS::KMS::Key", &["EnableKeyRotation"]), Kind::Boolean);
    assert_eq!(kind("AWS::Lambda::Function", &["Environment"]), Kind::Object);
    assert_eq!(kind("AWS::Lambda::Function", &["Environment", "Variables"]), Kind::Map);
    assert_eq!(kind("AWS::Lambda::Function", &["Environment", "Variables", "ANY"]), Kind::String);
    assert_eq!(kind("AWS::IAM::Role", &["Tags"]), Kind::List);
    let timeout = check("AWS::Lambda::Function").property(&["Timeout"]).unwrap();
    assert_eq!(timeout.range().map(|(least, _)| least), Some(1.0));
    let alias = check("AWS::KMS::Alias").property(&["AliasName"]).unwrap();
    assert_eq!(alias.pattern(), Some("^(alias/)[a-zA-Z0-9:/_-]+$"));
    assert_eq!(alias.length(), Some((1, Some(256))));
    let role = check("AWS::ApiGateway::Account").property(&["CloudWatchRoleArn"]).unwrap();
    assert_eq!(role.format(), Some("AWS::IAM::Role.Arn"));
}

#[test]
fn attributes() {
    assert_eq!(check("AWS::KMS::Key").attribute("Arn").map(|arn| arn.kind()), Some(Kind::String));
    assert!(!check("AWS::KMS::Key").has_attribute("Alias"));
    assert!(check("AWS::CloudFormation::Stack").has_attribute("Outputs.Anything"));
    assert!(check("AWS::CloudFormation::CustomResource").has_attribute("Anything"));
}
