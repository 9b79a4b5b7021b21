use xacct_constructs::cfn::kms::CfnKeyProps;
use xacct_constructs::cfn::kms::key::KeyUsage;

fn main() {
    let _ = CfnKeyProps::new().key_usage(KeyUsage::EncryptAndDecrypt);
}
