//! Infrastructure as code for several AWS accounts: the construct tree, values, references between stacks, permissions,
//! and synthesis into a cloud assembly.
//!
//! A program builds a tree of constructs and synthesizes it. Nothing here talks to AWS: `xacct-deploy` takes the
//! assembly from there.
//!
//! ```
//! use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
//!
//! let app = App::new();
//! let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
//! let stack = Stack::new(&app, "Tools", environment, StackProps::new().description("the tools account"));
//! let assembly = app.synth()?;
//! assert_eq!(assembly.stacks[0].environment.account.as_str(), "111111111111");
//! # Ok::<(), xacct_core::SynthError>(())
//! ```

pub mod arn;
mod aspect;
pub mod assembly;
mod assertion;
pub mod asset;
pub mod diagnostic;
pub mod element;
pub mod environment;
mod execution;
pub mod grant;
pub mod include;
pub mod intrinsics;
pub mod name;
pub mod nearest;
pub mod policy;
pub mod reference;
pub mod resource;
pub mod stack;
mod synth;
pub mod synthesizer;
mod tag;
pub mod tree;
mod validation;
pub mod value;

pub use arn::Arn;
pub use assembly::Assembly;
pub use asset::Asset;
pub use diagnostic::{Diagnostic, Severity, SourceLocation, SynthError};
pub use element::{CfnCondition, CfnMapping, CfnOutput, CfnOutputProps, CfnParameter, CfnParameterProps};
pub use environment::{AccountId, Environment, ParseError, Region};
pub use grant::{Grant, Grantable};
pub use include::CfnInclude;
pub use policy::{Action, Effect, PolicyDocument, PolicySlot, Principal, Statement};
pub use reference::ReferenceStrategy;
pub use resource::{PhysicalName, RemovalPolicy};
pub use stack::{Stack, StackProps};
pub use synthesizer::StackSynthesizer;
pub use tree::{App, Construct, Node, NodeId};
#[doc(hidden)]
pub use xacct_schema as __schema;

pub use value::{Expr, IntoValue, Value, concat};
