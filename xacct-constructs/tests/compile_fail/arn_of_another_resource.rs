use xacct_constructs::cfn::codepipeline::CfnPipelineProps;
use xacct_constructs::cfn::kms::CfnKey;

fn define(key: &CfnKey) {
    let _ = CfnPipelineProps::new().role_arn(key.attr_arn());
}

fn main() {}
