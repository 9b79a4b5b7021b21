//! AWS constructs for xacct: every CloudFormation resource, typed ([`cfn`]), and higher-level constructs with safe defaults.

#[rustfmt::skip]
pub mod cfn;
