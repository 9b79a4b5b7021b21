use xacct_constructs::cfn::s3::CfnBucketProps;
use xacct_constructs::cfn::s3::bucket::VersioningConfiguration;

fn main() {
    CfnBucketProps::new().versioning_configuration(VersioningConfiguration::new());
}
