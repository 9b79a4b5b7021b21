//! Text over characters, wildcards and opaque symbols.

use std::fmt;

use crate::symbol::{Symbol, SymbolKind};

/// One element of a [`Text`] or of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Atom(u32);

impl Atom {
    /// `*`, any characters.
    pub(crate) const STAR: Atom = Atom(0x0020_0000);
    /// `?`, one character.
    pub(crate) const QUESTION: Atom = Atom(0x0020_0001);
    pub(crate) const COLON: Atom = Atom(':' as u32);
    pub(crate) const SLASH: Atom = Atom('/' as u32);

    pub(crate) fn character(c: char) -> Atom {
        Atom(c as u32)
    }

    pub(crate) fn symbol(symbol: Symbol) -> Atom {
        Atom(symbol.bits())
    }

    pub(crate) fn as_char(self) -> Option<char> {
        char::from_u32(self.0)
    }

    pub(crate) fn as_symbol(self) -> Option<Symbol> {
        Symbol::from_bits(self.0)
    }

    pub(crate) fn is_symbol(self) -> bool {
        self.as_symbol().is_some()
    }

    /// May it stand for something that holds a `:`?
    pub(crate) fn may_hold_colon(self) -> bool {
        self == Atom::COLON || self.as_symbol().is_some_and(|s| s.kind() == SymbolKind::Text)
    }

    /// May it stand for something that holds a `*` or `?`?
    pub(crate) fn may_hold_wildcard(self) -> bool {
        matches!(self.as_char(), Some('*' | '?')) || self.as_symbol().is_some_and(|s| s.kind() == SymbolKind::Text)
    }

    pub(crate) fn lowercase(self) -> Atom {
        match self.as_char() {
            Some(c) if c.is_ascii() => Atom::character(c.to_ascii_lowercase()),
            Some(c) => {
                let mut lower = c.to_lowercase();
                match (lower.next(), lower.next()) {
                    (Some(one), None) => Atom::character(one),
                    _ => self,
                }
            }
            None => self,
        }
    }
}

/// A text in which parts may be unknown: characters and [`Symbol`]s.
///
/// ```
/// use xacct_access::{Symbol, SymbolKind, Text};
/// let key = Symbol::new("Tools:Key", SymbolKind::Id);
/// let arn = Text::from("arn:aws:kms:eu-west-1:111111111111:key/").with(key);
/// assert_eq!(arn.to_string(), "arn:aws:kms:eu-west-1:111111111111:key/‹Tools:Key›");
/// assert_eq!(arn.literal(), None);
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text {
    atoms: Vec<Atom>,
    // INVARIANT: true exactly if an atom is a symbol.
    symbolic: bool,
}

impl Text {
    /// The empty text.
    #[must_use]
    pub fn new() -> Text {
        Text::default()
    }

    /// This text, then another.
    #[must_use]
    pub fn with(mut self, more: impl Into<Text>) -> Text {
        self.append(&more.into());
        self
    }

    /// Adds another text at the end.
    pub fn append(&mut self, more: &Text) {
        self.atoms.extend_from_slice(&more.atoms);
        self.symbolic |= more.symbolic;
    }

    /// Adds a character at the end.
    pub fn push(&mut self, c: char) {
        self.atoms.push(Atom::character(c));
    }

    /// The characters, if no symbol is among them.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        self.atoms.iter().map(|atom| atom.as_char()).collect()
    }

    /// Is a part of it unknown?
    #[must_use]
    pub fn is_symbolic(&self) -> bool {
        self.symbolic
    }

    /// Has it no part at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.atoms.is_empty()
    }

    /// The symbols in it, in order.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.atoms.iter().filter_map(|atom| atom.as_symbol())
    }

    /// Does it certainly begin with these characters?
    #[must_use]
    pub fn starts_with(&self, prefix: &str) -> bool {
        let mut atoms = self.atoms.iter();
        prefix.chars().all(|c| atoms.next() == Some(&Atom::character(c)))
    }

    /// Is it certainly these characters?
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let mut characters = text.chars();
        self.atoms.iter().all(|atom| characters.next().map(Atom::character) == Some(*atom))
            && characters.next().is_none()
    }

    /// The part of an ARN at this place (partition 1, service 2, region 3, account 4, resource 5), if no symbol before
    /// it makes the place uncertain.
    ///
    /// ```
    /// # use xacct_access::Text;
    /// let arn = Text::from("arn:aws:iam::111111111111:role/a:b");
    /// assert!(arn.arn_part(4).is_some_and(|account| account.is("111111111111")));
    /// assert!(arn.arn_part(5).is_some_and(|resource| resource.is("role/a:b")));
    /// ```
    #[must_use]
    pub fn arn_part(&self, place: usize) -> Option<Text> {
        let mut rest = self.atoms.as_slice();
        for at in 0..=place.min(5) {
            let end = if at == 5 { rest.len() } else { rest.iter().position(|atom| atom.may_hold_colon())? };
            if at < 5 && rest[end] != Atom::COLON {
                return None;
            }
            if at == place {
                return Some(Text::from_atoms(rest[..end].to_vec()));
            }
            rest = &rest[end + 1..];
        }
        None
    }

    /// Is it certainly this text, then `/` and more?
    #[must_use]
    pub fn is_below(&self, other: &Text) -> bool {
        self.atoms.strip_prefix(other.atoms.as_slice()).is_some_and(|rest| rest.first() == Some(&Atom::SLASH))
    }

    /// The part after the last `/`, if no symbol makes that uncertain.
    #[must_use]
    pub(crate) fn after_last_slash(&self) -> Option<Text> {
        let from = self.atoms.iter().rposition(|atom| {
            *atom == Atom::SLASH || atom.as_symbol().is_some_and(|symbol| symbol.kind() == SymbolKind::Text)
        })?;
        (self.atoms[from] == Atom::SLASH).then(|| Text::from_atoms(self.atoms[from + 1..].to_vec()))
    }

    pub(crate) fn from_atoms(atoms: Vec<Atom>) -> Text {
        let symbolic = atoms.iter().any(|atom| atom.is_symbol());
        Text { atoms, symbolic }
    }

    pub(crate) fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    pub(crate) fn lowercase(&self) -> Text {
        Text { atoms: self.atoms.iter().map(|atom| atom.lowercase()).collect(), symbolic: self.symbolic }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text { atoms: text.chars().map(Atom::character).collect(), symbolic: false }
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Text {
        Text::from(text.as_str())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text::from(text.as_str())
    }
}

impl From<Symbol> for Text {
    fn from(symbol: Symbol) -> Text {
        Text { atoms: vec![Atom::symbol(symbol)], symbolic: true }
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Text {
        text.clone()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One call of the formatter, not one for each character: findings and their keys are made of texts.
        let mut text = String::with_capacity(self.atoms.len());
        for atom in &self.atoms {
            match (atom.as_char(), atom.as_symbol()) {
                (Some(c), _) => text.push(c),
                (_, Some(symbol)) => text.push_str(&symbol.to_string()),
                _ if *atom == Atom::STAR => text.push('*'),
                _ => text.push('?'),
            }
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}
