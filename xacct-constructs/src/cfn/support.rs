//! What the generated modules import: names short because they stand there some hundred thousand times, and unlike any of CloudFormation's.

pub(crate) use std::marker::PhantomData as Phase;

pub(crate) use xacct_core::value::{
    Expr, IntoValue as Arg, Json as Any, List as Arr, Map as Dict, PropertyObject as Done, Props as Bag, StrKind as Kind, Tag as Pair,
    Value as Val,
};
pub(crate) use xacct_core::{Construct as Parent, Node as Place};

pub(crate) use super::{Finished, Missing, Scalar, Set, kind};

/// Sets a property. It takes the value as the user gave it, so that a setter is one call that moves all it has: there are some 42,000
/// setters, and the compiler checks each.
pub(crate) fn put<T: ?Sized>(mut bag: Bag, name: &'static str, value: impl Arg<T>) -> Bag {
    bag.set(name, value.into_expr());
    bag
}

/// A text of an enumeration.
pub(crate) fn text(text: &'static str) -> Expr {
    Expr::Str(std::borrow::Cow::Borrowed(text))
}

/// Markers for required properties.
macro_rules! markers {
    ($($name:ident),*) => { $(
        #[doc = concat!("`", stringify!($name), "`")]
        pub enum $name {}
    )* };
}

/// An enumeration and its texts. Its traits are written out, because `derive` makes more code of them, and there are some 3,400.
macro_rules! values {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* }) => {
        $(#[$doc])*
        pub enum $name { $( #[doc = concat!("`", $text, "`")] $variant ),* }
        impl $name {
            /// The text in a template.
            pub const fn as_str(self) -> &'static str { [$( $text ),*][self as usize] }
        }
        impl Clone for $name { fn clone(&self) -> Self { *self } }
        impl Copy for $name {}
        impl PartialEq for $name { fn eq(&self, other: &Self) -> bool { *self as u8 == *other as u8 } }
        impl Eq for $name {}
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str($name::as_str(*self)) }
        }
        #[diagnostic::do_not_recommend]
        impl Arg<$name> for $name { fn into_expr(self) -> Expr { text($name::as_str(self)) } }
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
