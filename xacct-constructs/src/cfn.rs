//! Every CloudFormation resource, typed. Generated; one Cargo feature for each service.

#![allow(clippy::all, reason = "generated: some hundred thousand lines whose names are AWS's")]
#![allow(non_camel_case_types, reason = "names are AWS's")]

#[macro_use]
mod support;
pub mod kind;
mod services;

pub use services::*;
use support::{Arg, Expr, Val};

/// Marks a required property that is set.
#[derive(Clone, Copy, Debug)]
pub enum Set {}

/// Text, number or boolean, where CloudFormation takes any of them.
#[derive(Clone, Copy, Debug)]
pub enum Scalar {}

macro_rules! scalar {
    ($($from:ty as $kind:ty),*) => { $(
        impl Arg<Scalar> for $from { fn into_expr(self) -> Expr { Arg::<$kind>::into_expr(self) } }
    )* };
}
scalar!(
    &str as str, String as str, &String as str, i64 as i64, f64 as f64, bool as bool,
    Val<str> as str, Val<i64> as i64, Val<f64> as f64, Val<bool> as bool,
    &Val<str> as str, &Val<i64> as i64, &Val<f64> as f64, &Val<bool> as bool
);
