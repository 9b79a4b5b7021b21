//! Every CloudFormation resource, typed; one Cargo feature for each service.
//!
//! `AWS::KMS::Key` is [`kms::CfnKey`] with the properties [`kms::CfnKeyProps`]; its nested property types and enumerations are in the module
//! [`kms::key`]. Properties keep AWS's names in snake case.
//! ```
//! use xacct_constructs::cfn::{kms, sqs};
//! use xacct_core::{AccountId, App, Construct, Environment, Region, Stack, StackProps, Value};
//!
//! let app = App::new();
//! let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
//! let stack = Stack::new(&app, "Jobs", environment, StackProps::new());
//!
//! let key = kms::CfnKey::new(&stack, "Key", kms::CfnKeyProps::new().key_spec(kms::key::KeySpec::SymmetricDefault));
//! // What is required is part of the type: without `target_key_id` this does not compile.
//! kms::CfnAlias::new(&stack, "Alias", kms::CfnAliasProps::new().alias_name("alias/jobs").target_key_id(key.attr_key_id()));
//!
//! // A property takes a literal, or an expression of its type. `attr_…` are the attributes, `reference` is `Ref`.
//! let queue = sqs::CfnQueue::new(
//!     &stack,
//!     "Queue",
//!     sqs::CfnQueueProps::new().kms_master_key_id(key.reference()).visibility_timeout(60).tags([("team", "platform")]),
//! );
//!
//! // The ways out: a property newer than these types, and a value whose type says too little.
//! queue.node().override_property("SqsManagedSseEnabled", false);
//! let name: Value<str> = queue.attr_queue_name().cast();
//!
//! let template = &app.synth()?.stacks[0].template;
//! assert_eq!(template["Resources"]["Queue"]["Properties"]["KmsMasterKeyId"]["Ref"], "Key");
//! # Ok::<(), xacct_core::SynthError>(())
//! ```
//! - **Required** properties that are not set stand in the type as [`Missing`]: `CfnAliasProps<Set, Missing<TargetKeyId>>`.
//! - **Kinds** ([`kind`]): where AWS's schemas say whose ARN, name or id a text is, another one does not compile. A literal or a
//!   plain `Value<str>` fits; [`Value::cast`](xacct_core::Value::cast) overrules.
//! - **Enumerations** are Rust `enum`s; a text newer than them goes in as `Value::<TheEnum>::from_expr("NEW".into())`.
//! - A property that is set twice has the last value.
//! - The documentation of a setter says what a change of the property does to the resource that exists.

#![allow(clippy::all, reason = "generated: some hundred thousand lines whose names are AWS's")]
#![allow(non_camel_case_types, reason = "names are AWS's")]

#[macro_use]
#[allow(unused_imports, unused_macros, dead_code, reason = "no selection of services uses all of it")]
mod support;
pub mod kind;
mod services;

use std::marker::PhantomData;

#[allow(unused_imports, unreachable_pub, reason = "there may be no service at all")]
pub use services::*;
use support::{Arg, Done as PropertyObject, Expr, Val};

/// Marks a required property that is set.
pub enum Set {}

/// Marks a required property that is not set yet.
pub struct Missing<P>(PhantomData<fn() -> P>);

/// Properties of which every required one is set: what the constructor of a resource takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a finished `{P}`: set the required properties that it still lists as `Missing<…>`",
    label = "a required property is not set"
)]
pub trait Finished<P> {
    /// The properties.
    fn into_finished(self) -> P;
}

impl<P: PropertyObject> Finished<P> for P {
    fn into_finished(self) -> P {
        self
    }
}

/// Text, number or boolean, where CloudFormation takes any of them.
pub enum Scalar {}

macro_rules! scalar {
    ($($from:ty as $kind:ty),*) => { $(
        #[diagnostic::do_not_recommend]
        impl Arg<Scalar> for $from { fn into_expr(self) -> Expr { Arg::<$kind>::into_expr(self) } }
    )* };
}
scalar!(
    &str as str, String as str, &String as str, i64 as i64, f64 as f64, bool as bool,
    Val<str> as str, Val<i64> as i64, Val<f64> as f64, Val<bool> as bool,
    &Val<str> as str, &Val<i64> as i64, &Val<f64> as f64, &Val<bool> as bool
);
