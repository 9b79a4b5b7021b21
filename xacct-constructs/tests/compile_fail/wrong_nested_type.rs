use xacct_constructs::cfn::s3::CfnBucketProps;
use xacct_constructs::cfn::s3::bucket::BucketEncryption;

fn main() {
    let _ = CfnBucketProps::new().versioning_configuration(BucketEncryption::new());
}
