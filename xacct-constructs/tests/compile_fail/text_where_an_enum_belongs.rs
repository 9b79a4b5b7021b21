use xacct_constructs::cfn::kms::CfnKeyProps;

fn main() {
    let _ = CfnKeyProps::new().key_usage("ENCRYPT_DECRYPT");
}
