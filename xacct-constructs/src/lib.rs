//! AWS constructs for xacct: every CloudFormation resource, typed ([`cfn`]), and higher-level constructs with safe defaults.
//!
//! A higher-level construct makes one resource, which has the id `Resource` below it, and what belongs to it: a bucket its
//! policy, a role what it may do. Its defaults are safe, and grants take the place of policies written by hand.
//!
//! Cargo features: one for each service in [`cfn`], or for a family of small ones; `constructs` for all but `cfn`, and the
//! services that it needs; `all` for everything. Who wants the resources of one service alone turns the default features off.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[rustfmt::skip]
pub mod cfn;
#[cfg(feature = "constructs")]
pub mod codebuild;
#[cfg(feature = "constructs")]
pub mod codecommit;
#[cfg(feature = "constructs")]
pub mod codepipeline;
#[cfg(feature = "constructs")]
pub mod cross_account_pipeline;
#[cfg(feature = "constructs")]
pub mod events;
#[cfg(feature = "constructs")]
pub mod iam;
#[cfg(feature = "constructs")]
pub mod kms;
#[cfg(feature = "constructs")]
pub mod logs;
#[cfg(feature = "constructs")]
mod naming;
#[cfg(feature = "constructs")]
mod number;
#[cfg(feature = "constructs")]
pub mod s3;
#[cfg(feature = "constructs")]
pub mod secretsmanager;
#[cfg(feature = "constructs")]
pub mod sns;
