use xacct_constructs::cfn::iam::CfnRole;
use xacct_constructs::cfn::s3::CfnBucketPolicyProps;

fn define(role: &CfnRole) {
    let _ = CfnBucketPolicyProps::new().bucket(role.attr_arn());
}

fn main() {}
