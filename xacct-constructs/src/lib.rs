//! AWS constructs for xacct: every CloudFormation resource, typed ([`cfn`]), and higher-level constructs with safe defaults.
//!
//! A higher-level construct makes one resource, which has the id `Resource` below it, and what belongs to it: a bucket its
//! policy, a role what it may do. Its defaults are safe, and grants take the place of policies written by hand.

#[rustfmt::skip]
pub mod cfn;
pub mod codebuild;
pub mod codecommit;
pub mod codepipeline;
pub mod cross_account_pipeline;
pub mod events;
pub mod iam;
pub mod kms;
pub mod logs;
mod naming;
pub mod s3;
pub mod secretsmanager;
pub mod sns;
