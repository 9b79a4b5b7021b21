//! Three-valued logic (Kleene): what holds under every substitution of the unknowns, under none, or depends on it.

/// A truth value over things that are not all known yet.
///
/// `Yes` and `No` hold whatever the unknowns turn out to be; `Maybe` promises nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tri {
    /// Certainly false.
    No,
    /// Depends on something unknown, or AWS does not document it.
    Maybe,
    /// Certainly true.
    Yes,
}

impl Tri {
    /// Both hold.
    #[must_use]
    pub fn and(self, other: Tri) -> Tri {
        self.min(other)
    }

    /// At least one holds.
    #[must_use]
    pub fn or(self, other: Tri) -> Tri {
        self.max(other)
    }

    /// `self` chooses between two answers; where it cannot choose, only an answer they share is certain.
    #[must_use]
    pub fn choose(self, yes: Tri, no: Tri) -> Tri {
        match self {
            Tri::Yes => yes,
            Tri::No => no,
            Tri::Maybe if yes == no => yes,
            Tri::Maybe => Tri::Maybe,
        }
    }
}

impl std::ops::Not for Tri {
    type Output = Tri;
    fn not(self) -> Tri {
        match self {
            Tri::Yes => Tri::No,
            Tri::Maybe => Tri::Maybe,
            Tri::No => Tri::Yes,
        }
    }
}

impl From<bool> for Tri {
    fn from(known: bool) -> Tri {
        if known { Tri::Yes } else { Tri::No }
    }
}
