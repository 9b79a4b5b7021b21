//! A text of a policy as it is matched: wildcards and policy variables compiled.

use std::fmt;
use std::sync::Arc;

use crate::decision::Reason;
use crate::matching::Glob;
use crate::position::Position;
use crate::record::Record;
use crate::request::{Key, Lookup, Request};
use crate::symbol::{Symbol, SymbolKind};
use crate::text::{Atom, Text};

/// One action, resource or condition value of a policy.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Text,
    position: Position,
    compiled: Compiled,
}

#[derive(Clone, Debug)]
enum Compiled {
    Fixed(Glob),
    Template { parts: Vec<Part>, wildcards: bool },
}

#[derive(Clone, Debug)]
enum Part {
    Fixed(Vec<Atom>),
    Variable {
        key: Key,
        default: Option<Text>,
        written: Arc<str>,
    },
    /// Between `${` and `}` stands something that is no variable.
    Malformed(Arc<str>),
}

/// How the characters of a pattern are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
    /// `${…}` is a policy variable.
    pub(crate) variables: bool,
    pub(crate) lowercase: bool,
}

impl Pattern {
    pub(crate) fn new(text: Text, position: Position, reading: Reading) -> Pattern {
        let source = if reading.lowercase { text.lowercase() } else { text.clone() };
        Pattern { compiled: compile(&source, reading), text, position }
    }

    /// As written, with expressions resolved.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Is it exactly `*`?
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.text.is("*")
    }

    /// The pattern with the request's values in it. `Filled::certain` is false where AWS might void the statement or treat
    /// a value in a way that it does not document.
    #[inline]
    pub(crate) fn fill<'a>(&'a self, request: &Request, record: &mut impl Record) -> Filled<'a> {
        match &self.compiled {
            Compiled::Fixed(glob) => Filled { glob: std::borrow::Cow::Borrowed(glob), certain: true },
            Compiled::Template { parts, wildcards } => {
                let (atoms, certain) = substitute(parts, *wildcards, request, record);
                Filled { glob: std::borrow::Cow::Owned(Glob::new(atoms)), certain }
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

pub(crate) struct Filled<'a> {
    pub(crate) glob: std::borrow::Cow<'a, Glob>,
    pub(crate) certain: bool,
}

fn substitute(parts: &[Part], wildcards: bool, request: &Request, record: &mut impl Record) -> (Vec<Atom>, bool) {
    let mut atoms = Vec::with_capacity(64);
    let mut certain = true;
    for part in parts {
        match part {
            Part::Fixed(fixed) => atoms.extend_from_slice(fixed),
            Part::Malformed(written) => {
                record.unknown(|| Reason::Variable(written.to_string()));
                certain = false;
                atoms.push(Atom::symbol(Symbol::new(written, SymbolKind::Text)));
            }
            Part::Variable { key, default, written } => {
                let value = match request.lookup(key) {
                    Lookup::Values([value]) => Some(value),
                    Lookup::Values(_) => None,
                    Lookup::Absent => default.as_ref(),
                    Lookup::Unknown => None,
                };
                // What AWS makes of a wildcard in a value is not documented.
                let plain = |value: &&Text| !wildcards || !value.atoms().iter().any(|atom| atom.may_hold_wildcard());
                if let Some(value) = value.filter(plain) {
                    atoms.extend_from_slice(value.atoms());
                } else {
                    record.unknown(|| match request.lookup(key) {
                        Lookup::Unknown => Reason::Key(key.name().to_owned()),
                        _ => Reason::Variable(written.to_string()),
                    });
                    certain = false;
                    atoms.push(Atom::symbol(Symbol::new(written, SymbolKind::Text)));
                }
            }
        }
    }
    (atoms, certain)
}

fn compile(text: &Text, reading: Reading) -> Compiled {
    let convert = |atom: Atom| match atom.as_char() {
        Some('*') if reading.wildcards => Atom::STAR,
        Some('?') if reading.wildcards => Atom::QUESTION,
        _ => atom,
    };
    let (dollar, open, close) = (Atom::character('$'), Atom::character('{'), Atom::character('}'));
    let mut parts = Vec::new();
    let mut fixed = Vec::new();
    let mut rest = text.atoms();
    while let [first, after @ ..] = rest {
        if !(reading.variables && *first == dollar && after.first() == Some(&open)) {
            fixed.push(convert(*first));
            rest = after;
            continue;
        }
        let end = after.iter().position(|atom| *atom == close).unwrap_or(after.len());
        let inner: String = after[1..end].iter().map(|atom| atom.as_char().unwrap_or('\u{fffd}')).collect();
        rest = after.get(end + 1..).unwrap_or_default();
        // The three escapes for characters that would mean something else.
        if let Some(escaped) = ["*", "?", "$"].iter().find(|escaped| **escaped == inner) {
            fixed.extend(escaped.chars().map(Atom::character));
            continue;
        }
        if !fixed.is_empty() {
            parts.push(Part::Fixed(std::mem::take(&mut fixed)));
        }
        parts.push(if end < after.len() {
            variable(&inner)
        } else {
            Part::Malformed(Arc::from(format!("${{{inner}")))
        });
    }
    if parts.is_empty() {
        return Compiled::Fixed(Glob::new(fixed));
    }
    if !fixed.is_empty() {
        parts.push(Part::Fixed(fixed));
    }
    Compiled::Template { parts, wildcards: reading.wildcards }
}

fn variable(inner: &str) -> Part {
    let written = Arc::from(format!("${{{inner}}}"));
    let (name, default) = match inner.split_once(',') {
        None => (inner, None),
        Some((name, default)) => {
            let quoted = default.trim().strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            match quoted {
                Some(default) => (name, Some(Text::from(default))),
                None => return Part::Malformed(written),
            }
        }
    };
    let name = name.trim();
    let plausible = !name.is_empty() && !name.contains(['$', '{', '\u{fffd}', ' ', '\'']);
    if plausible { Part::Variable { key: Key::new(name), default, written } } else { Part::Malformed(written) }
}
