use xacct_constructs::cfn::s3::CfnBucketProps;

fn main() {
    let _ = CfnBucketProps::new().buket_name("artifacts");
}
