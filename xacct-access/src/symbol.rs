//! Opaque symbols: what stands in a text for a value that only AWS knows.
//!
//! Names are interned for the life of the process, so that the same reference is the same symbol in every policy and
//! request, and a symbol is one machine word in a text.

use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use indexmap::IndexSet;

/// What is known about the value behind a [`Symbol`]. It is never empty, and never holds a policy variable (`${…}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SymbolKind {
    /// Any text, wildcards included.
    Text,
    /// One part of an ARN: no `:`, no `/`, no wildcard.
    Name,
    /// A [`Name`](SymbolKind::Name) that AWS makes unique: two different symbols of this kind have different values.
    Id,
}

/// A value that is not known before AWS has made it, such as the id of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(u32);

const FLAG: u32 = 0x8000_0000;
const KIND_SHIFT: u32 = 29;
const INDEX: u32 = (1 << KIND_SHIFT) - 1;

static NAMES: LazyLock<RwLock<IndexSet<Arc<str>>>> = LazyLock::new(RwLock::default);

impl Symbol {
    /// The symbol of this name and kind: the same name and kind is the same symbol everywhere.
    #[must_use]
    pub fn new(name: &str, kind: SymbolKind) -> Symbol {
        let known = NAMES.read().unwrap_or_else(PoisonError::into_inner).get_index_of(name);
        let index = known.unwrap_or_else(|| {
            let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
            names.insert_full(Arc::from(name)).0
        });
        let kind = match kind {
            SymbolKind::Text => 0,
            SymbolKind::Name => 1,
            SymbolKind::Id => 2,
        };
        Symbol(FLAG | kind << KIND_SHIFT | (index as u32 & INDEX))
    }

    /// The name it was made with.
    #[must_use]
    pub fn name(self) -> Arc<str> {
        let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
        names.get_index((self.0 & INDEX) as usize).cloned().unwrap_or_else(|| Arc::from("?"))
    }

    /// What is known about its value.
    #[must_use]
    pub fn kind(self) -> SymbolKind {
        match (self.0 & !FLAG) >> KIND_SHIFT {
            0 => SymbolKind::Text,
            1 => SymbolKind::Name,
            _ => SymbolKind::Id,
        }
    }

    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    pub(crate) fn from_bits(bits: u32) -> Option<Symbol> {
        (bits & FLAG != 0).then_some(Symbol(bits))
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "‹{}›", self.name())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
