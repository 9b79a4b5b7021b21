use xacct_constructs::cfn::kms::{CfnAlias, CfnAliasProps};
use xacct_core::Stack;

fn define(stack: &Stack) {
    CfnAlias::new(stack, "Alias", CfnAliasProps::new().alias_name("alias/artifacts"));
}

fn main() {}
