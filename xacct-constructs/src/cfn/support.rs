//! What the generated modules import: names short because they stand there some hundred thousand times, and unlike any of CloudFormation's.

pub(crate) use std::marker::PhantomData as Phase;

pub(crate) use xacct_core::value::{
    Expr, IntoValue as Arg, Json as Any, List as Arr, Map as Dict, PropertyObject as Done, Props as Bag, StrKind as Kind, Tag as Pair,
    Value as Val,
};
pub(crate) use xacct_core::{Construct as Parent, Node as Place};

pub(crate) use super::{Finished, Missing, Scalar, Set, kind};

/// Sets a property.
pub(crate) fn put(mut bag: Bag, name: &'static str, value: Expr) -> Bag {
    bag.set(name, value);
    bag
}

/// Markers for required properties.
macro_rules! markers {
    ($($name:ident),*) => { $(
        #[doc = concat!("`", stringify!($name), "`")]
        pub enum $name {}
    )* };
}

/// An enumeration and its texts.
macro_rules! values {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( #[doc = concat!("`", $text, "`")] $variant ),* }
        impl $name {
            /// The text in a template.
            pub const fn as_str(self) -> &'static str { match self { $( Self::$variant => $text ),* } }
        }
        #[diagnostic::do_not_recommend]
        impl Arg<$name> for $name {
            fn into_expr(self) -> Expr { Expr::Str(std::borrow::Cow::Borrowed(self.as_str())) }
        }
    };
}

/// Kinds of text, and unions of them.
macro_rules! kinds {
    ($($name:ident = $doc:literal $(: $($member:ident),*)?;)*) => { $(
        #[doc = $doc]
        pub enum $name {}
        #[diagnostic::do_not_recommend]
        impl Kind for $name {}
        $( $(
            #[diagnostic::do_not_recommend]
            impl Arg<$name> for Val<$member> { fn into_expr(self) -> Expr { Val::into_expr(self) } }
            #[diagnostic::do_not_recommend]
            impl Arg<$name> for &Val<$member> { fn into_expr(self) -> Expr { self.expr().clone() } }
        )* )?
    )* };
}
