//! Where something stands in a policy document.

use std::fmt;

/// A place in the text of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Bytes before it.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Where an element stands: always its JSON pointer, and its place if the document was read from text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// JSON pointer from the root of the document, such as `/Statement/0/Action/1`; empty for the document itself.
    pub pointer: String,
    /// The place in the text.
    pub place: Option<Place>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{}:{}", place.line, place.column)?;
            if !self.pointer.is_empty() {
                write!(f, " ({})", self.pointer)?;
            }
            Ok(())
        } else if self.pointer.is_empty() {
            f.write_str("/")
        } else {
            f.write_str(&self.pointer)
        }
    }
}
