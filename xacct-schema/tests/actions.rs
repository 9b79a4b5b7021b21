//! What users of IAM's actions rely on.

use xacct_schema::actions::{AccessLevel, expand, find_action, is_known, nearest, service_exists, services};

#[test]
fn every_action_is_found_by_its_name() {
    let mut count = 0;
    for service in services() {
        assert!(service_exists(service.prefix()), "{}", service.prefix());
        for action in service.actions() {
            count += 1;
            assert!(is_known(action.name()), "{}", action.name());
            assert!(is_known(&action.name().to_uppercase()), "{}", action.name());
            assert_eq!(action.service(), Some(service));
        }
    }
    assert!(count > 22_000, "{count}");
}

#[test]
fn a_compile_time_check_of_a_literal() {
    const {
        assert!(is_known("s3:GetObject"));
        assert!(is_known("ec2:Describe*"));
        assert!(!is_known("s3:GetObjcet"));
        assert!(!is_known("s4:GetObject"));
        assert!(!is_known("s3:Nothing*"));
    }
    assert!(is_known("*"));
    assert!(!is_known(""));
    assert!(!is_known("s3"));
    assert!(!is_known("s3:"));
}

#[test]
fn patterns() {
    let names = |pattern: &str| expand(pattern).map(|action| action.name()).collect::<Vec<_>>();
    assert_eq!(names("codecommit:GitP*"), ["codecommit:GitPull", "codecommit:GitPush"]);
    assert_eq!(names("SQS:sendmessag?"), ["sqs:SendMessage"]);
    assert_eq!(names("sqs:nothing"), [""; 0]);
    assert!(names("*").len() > 22_000);
}

#[test]
fn what_an_action_is_about() {
    let get = find_action("s3:getobject").unwrap();
    assert_eq!(get.name(), "s3:GetObject");
    assert_eq!(get.access_level(), AccessLevel::Read);
    let arns: Vec<_> = get.resources().map(|resource| resource.arn()).collect();
    assert!(arns.contains(&"arn:${Partition}:s3:::${BucketName}/${ObjectName}"), "{arns:?}");
    assert!(get.condition_keys().any(|key| key == "s3:ExistingObjectTag/<key>"));
    let pass = find_action("iam:PassRole").unwrap();
    assert_eq!(pass.required_resources().collect::<Vec<_>>(), ["role"]);
    assert_eq!(find_action("kms:PutKeyPolicy").unwrap().access_level(), AccessLevel::PermissionsManagement);
}

#[test]
fn the_nearest_name() {
    assert_eq!(nearest("s3:GetObjekt"), Some("s3:GetObject"));
    assert_eq!(nearest("codecomit:GitPull"), Some("codecommit:GitPull"));
    assert_eq!(nearest("nonsense:Thing"), None);
}
