//! Does a pattern cover a text, whatever the symbols in them stand for?
//!
//! Two questions are asked. *Must* it match: under every valuation of the symbols (sound for proofs of access). *May* it
//! match: under at least one (sound for "who else gets in"). `Maybe` is what lies between. A symbol is equal to itself
//! and otherwise unknown, so a pattern's wildcard covers it and a character never does.

use crate::symbol::SymbolKind;
use crate::text::{Atom, Text};
use crate::tri::Tri;

/// A compiled pattern: `*` and `?` are wildcards unless it was made as an exact text.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    atoms: Box<[Atom]>,
    shape: Shape,
    symbolic: bool,
    inner_wildcards: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Exact,
    Everything,
    Prefix,
    General,
}

impl Glob {
    pub(crate) fn new(atoms: Vec<Atom>) -> Glob {
        let wildcards = atoms.iter().filter(|atom| is_wildcard(**atom)).count();
        let shape = match (wildcards, atoms.last()) {
            (0, _) => Shape::Exact,
            (1, Some(&Atom::STAR)) if atoms.len() == 1 => Shape::Everything,
            (1, Some(&Atom::STAR)) => Shape::Prefix,
            _ => Shape::General,
        };
        let inner_wildcards = atoms
            .iter()
            .enumerate()
            .any(|(at, atom)| *atom == Atom::QUESTION || *atom == Atom::STAR && !ends_segment(&atoms, at));
        Glob {
            symbolic: atoms.iter().any(|atom| atom.is_symbol()),
            atoms: atoms.into_boxed_slice(),
            shape,
            inner_wildcards,
        }
    }

    pub(crate) fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// The pattern against the whole text; a wildcard covers any character.
    #[inline]
    pub(crate) fn matches(&self, text: &Text) -> Tri {
        let subject = text.atoms();
        let must = match self.shape {
            Shape::Exact => *self.atoms == *subject,
            Shape::Everything => true,
            Shape::Prefix => subject.starts_with(&self.atoms[..self.atoms.len() - 1]),
            Shape::General => must_match(&self.atoms, subject),
        };
        if must {
            return Tri::Yes;
        }
        if !self.symbolic && !text.is_symbolic() {
            return Tri::No;
        }
        if may_match(&self.atoms, subject) { Tri::Maybe } else { Tri::No }
    }

    /// The pattern of a `Resource` element. AWS says that a wildcard stays within its colon-separated part of the ARN
    /// unless it ends that part; what a wildcard inside a part does with a colon is left open, so it is `Maybe`.
    #[inline]
    pub(crate) fn matches_resource(&self, text: &Text) -> Tri {
        let whole = self.matches(text);
        if whole == Tri::Yes && self.inner_wildcards && !must_match_within_parts(&self.atoms, text.atoms()) {
            return Tri::Maybe;
        }
        whole
    }
}

/// Are two texts equal, character by character?
pub(crate) fn equal(a: &Text, b: &Text) -> Tri {
    if a == b {
        return Tri::Yes;
    }
    if !a.is_symbolic() && !b.is_symbolic() {
        return Tri::No;
    }
    if may_match(a.atoms(), b.atoms()) { Tri::Maybe } else { Tri::No }
}

/// Are two texts equal but for upper and lower case?
pub(crate) fn equal_ignoring_case(a: &[Atom], b: &[Atom]) -> Tri {
    let same = |(a, b): (&Atom, &Atom)| a == b || a.lowercase() == b.lowercase();
    if a.len() == b.len() && a.iter().zip(b).all(same) {
        return Tri::Yes;
    }
    if !a.iter().chain(b).any(|atom| atom.is_symbol()) {
        return Tri::No;
    }
    let lower = |atoms: &[Atom]| atoms.iter().map(|atom| atom.lowercase()).collect::<Vec<_>>();
    if may_match(&lower(a), &lower(b)) { Tri::Maybe } else { Tri::No }
}

/// `ArnEquals` and `ArnLike`: each of the six parts of the ARN for itself. What AWS does with a text that is not an ARN is
/// not documented: `Maybe`.
pub(crate) fn arn_matches(pattern: &[Atom], text: &Text) -> Tri {
    let subject = text.atoms();
    match (arn_parts(pattern), arn_parts(subject)) {
        (Parts::Six(pattern), Parts::Six(subject)) => {
            let mut all = Tri::Yes;
            for (part, value) in pattern.into_iter().zip(subject) {
                all = all.and(glob(part, value));
                if all == Tri::No {
                    break;
                }
            }
            all
        }
        (a, b) => {
            if !(matches!(a, Parts::None) || matches!(b, Parts::None)) && pattern == subject {
                Tri::Yes
            } else if (matches!(a, Parts::Uncertain) || matches!(b, Parts::Uncertain)) && !may_match(pattern, subject) {
                Tri::No
            } else {
                Tri::Maybe
            }
        }
    }
}

/// The answer for a pattern that has not been compiled.
pub(crate) fn glob(pattern: &[Atom], subject: &[Atom]) -> Tri {
    if must_match(pattern, subject) {
        return Tri::Yes;
    }
    let symbolic = pattern.iter().chain(subject).any(|atom| atom.is_symbol());
    if symbolic && may_match(pattern, subject) { Tri::Maybe } else { Tri::No }
}

fn is_wildcard(atom: Atom) -> bool {
    atom == Atom::STAR || atom == Atom::QUESTION
}

fn ends_segment(pattern: &[Atom], at: usize) -> bool {
    match pattern[at + 1..].iter().find(|atom| **atom != Atom::STAR) {
        None => true,
        Some(next) => *next == Atom::COLON,
    }
}

enum Parts<'a> {
    Six([&'a [Atom]; 6]),
    /// A symbol that may hold a colon stands before the last part.
    Uncertain,
    /// Not an ARN.
    None,
}

fn arn_parts(atoms: &[Atom]) -> Parts<'_> {
    let mut parts = [&atoms[..0]; 6];
    let mut rest = atoms;
    for part in &mut parts[..5] {
        match rest.iter().position(|atom| atom.may_hold_colon()) {
            None => return Parts::None,
            Some(at) if rest[at] == Atom::COLON => {
                *part = &rest[..at];
                rest = &rest[at + 1..];
            }
            Some(_) => return Parts::Uncertain,
        }
    }
    parts[5] = rest;
    Parts::Six(parts)
}

/// Greedy matching with one point of return: enough because every `*` is alike.
fn must_match(pattern: &[Atom], subject: &[Atom]) -> bool {
    let (mut p, mut s) = (0, 0);
    let mut retry = None;
    while s < subject.len() {
        if p < pattern.len() && pattern[p] == Atom::STAR {
            retry = Some((p + 1, s));
            p += 1;
        } else if p < pattern.len()
            && (pattern[p] == subject[s] || pattern[p] == Atom::QUESTION && !subject[s].is_symbol())
        {
            p += 1;
            s += 1;
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            p = after_star;
            s = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|atom| *atom == Atom::STAR)
}

/// As [`must_match`], but a wildcard inside a part of the ARN covers no colon.
fn must_match_within_parts(pattern: &[Atom], subject: &[Atom]) -> bool {
    // `reached[s]`: the pattern up to here can cover exactly the first `s` atoms of the subject.
    let mut reached = vec![false; subject.len() + 1];
    reached[0] = true;
    for (at, atom) in pattern.iter().enumerate() {
        if *atom == Atom::STAR {
            let free = ends_segment(pattern, at);
            for s in 1..=subject.len() {
                reached[s] |= reached[s - 1] && (free || !subject[s - 1].may_hold_colon());
            }
        } else {
            for s in (1..=subject.len()).rev() {
                let here = subject[s - 1];
                let covers =
                    if *atom == Atom::QUESTION { !here.is_symbol() && here != Atom::COLON } else { *atom == here };
                reached[s] = reached[s - 1] && covers;
            }
            reached[0] = false;
        }
    }
    reached[subject.len()]
}

/// Is there a valuation of the symbols under which the pattern covers the subject? Each symbol is taken for any text,
/// also where it occurs twice, so the answer errs on the side of `true`.
fn may_match(pattern: &[Atom], subject: &[Atom]) -> bool {
    let (mut p, mut s) = (pattern, subject);
    while let ([a, p_rest @ ..], [b, s_rest @ ..]) = (p, s) {
        let same_name = a == b && a.as_symbol().is_some_and(|symbol| symbol.kind() != SymbolKind::Text);
        match (a.as_char(), b.as_char()) {
            (Some(x), Some(y)) if x != y => return false,
            (Some(_), Some(_)) => {}
            _ if same_name => {}
            _ => break,
        }
        (p, s) = (p_rest, s_rest);
    }
    while let ([p_rest @ .., a], [s_rest @ .., b]) = (p, s) {
        match (a.as_char(), b.as_char()) {
            (Some(x), Some(y)) if x != y => return false,
            (Some(_), Some(_)) => (p, s) = (p_rest, s_rest),
            _ => break,
        }
    }
    !different_ids(p, s) && overlap(p, s)
}

/// Both begin with an id, not the same one, that is followed by the end or by a character that no id holds.
fn different_ids(a: &[Atom], b: &[Atom]) -> bool {
    let id = |text: &[Atom]| {
        let symbol = text.first()?.as_symbol().filter(|symbol| symbol.kind() == SymbolKind::Id)?;
        let whole = text.get(1).is_none_or(|next| *next == Atom::COLON || *next == Atom::SLASH);
        whole.then_some(symbol)
    };
    matches!((id(a), id(b)), (Some(x), Some(y)) if x != y)
}

fn overlap(pattern: &[Atom], subject: &[Atom]) -> bool {
    let covers_any = |atom: Atom| atom == Atom::STAR || atom.is_symbol();
    let width = subject.len() + 1;
    // `after[s]`: the rest of the pattern and the subject from `s` on can be made equal.
    let mut after = vec![false; width];
    after[subject.len()] = true;
    for s in (0..subject.len()).rev() {
        after[s] = after[s + 1] && covers_any(subject[s]);
    }
    let mut here = vec![false; width];
    for &p in pattern.iter().rev() {
        for s in (0..width).rev() {
            here[s] = if s == subject.len() {
                covers_any(p) && after[s]
            } else if covers_any(p) || covers_any(subject[s]) {
                after[s + 1] || here[s + 1] || after[s]
            } else {
                (p == subject[s] || p == Atom::QUESTION) && after[s + 1]
            };
        }
        std::mem::swap(&mut here, &mut after);
    }
    after[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbol::Symbol;

    /// `{x}` is a name, `<x>` an id, `[x]` any text; `*` and `?` are wildcards.
    fn atoms(text: &str) -> Vec<Atom> {
        let mut out = Vec::new();
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            let kind = match c {
                '{' => SymbolKind::Name,
                '<' => SymbolKind::Id,
                '[' => SymbolKind::Text,
                '*' => {
                    out.push(Atom::STAR);
                    continue;
                }
                '?' => {
                    out.push(Atom::QUESTION);
                    continue;
                }
                c => {
                    out.push(Atom::character(c));
                    continue;
                }
            };
            let name: String = characters.by_ref().take_while(|c| !"}>]".contains(*c)).collect();
            out.push(Atom::symbol(Symbol::new(&name, kind)));
        }
        out
    }

    fn check(pattern: &str, subject: &str, expected: Tri) {
        let text = Text::from_atoms(atoms(subject));
        assert_eq!(Glob::new(atoms(pattern)).matches(&text), expected, "{pattern} over {subject}");
    }

    #[test]
    fn symbols_match_themselves_and_wildcards_cover_them() {
        check("a/{x}", "a/{x}", Tri::Yes);
        check("a/*", "a/{x}", Tri::Yes);
        check("a/{x}/*", "a/{x}/{y}/k", Tri::Yes);
        check("a/?", "a/{x}", Tri::Maybe);
        check("a/b", "a/{x}", Tri::Maybe);
        check("a/{x}", "a/b", Tri::Maybe);
        check("b/{x}", "a/b", Tri::No);
        check("*z", "a/{x}", Tri::Maybe);
        check("*z", "a/{x}y", Tri::No);
        check("a{x}b", "a{x}c", Tri::No);
        check("{x}/a", "{x}/b", Tri::No);
        check("[x]a", "[x]b", Tri::No);
        check("[x]a", "[x]ba", Tri::Maybe);
    }

    #[test]
    fn ids_differ_from_each_other_only_where_they_are_whole() {
        check("key/<k1>", "key/<k2>", Tri::No);
        check("key/{k1}", "key/{k2}", Tri::Maybe);
        check("bucket/<b1>/*", "bucket/<b2>/{object}", Tri::No);
        check("bucket/<b1>*", "bucket/<b2>/{object}", Tri::Maybe);
        check("key/<k1>", "key/1234", Tri::Maybe);
    }

    #[test]
    fn a_wildcard_inside_a_part_of_an_arn_does_not_certainly_cross_a_colon() {
        let resource = |pattern: &str, subject: &str| {
            Glob::new(atoms(pattern)).matches_resource(&Text::from_atoms(atoms(subject)))
        };
        assert_eq!(resource("arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b"), Tri::Yes);
        assert_eq!(resource("arn:aws:s3:::b/*.zip", "arn:aws:s3:::b/a.zip"), Tri::Yes);
        assert_eq!(resource("arn:aws:s3:::b/*.zip", "arn:aws:s3:::b/a:b.zip"), Tri::Maybe);
        assert_eq!(resource("arn:aws:s3:::b/*.zip", "arn:aws:s3:::b/[any].zip"), Tri::Maybe);
        assert_eq!(resource("arn:aws:s3:::b/*.zip", "arn:aws:s3:::b/{any}.zip"), Tri::Yes);
        assert_eq!(resource("arn:*", "arn:aws:s3:::b/a:b"), Tri::Yes);
        assert_eq!(resource("arn:aws:logs:*:log-group:x", "arn:aws:logs:r:1:log-group:x"), Tri::Yes);
        assert_eq!(resource("arn:aws:*x:b", "arn:aws:s3:::x:b"), Tri::Maybe);
        assert_eq!(resource("*", "*"), Tri::Yes);
    }

    #[test]
    fn arns_are_compared_part_by_part() {
        let arn = |pattern: &str, subject: &str| arn_matches(&atoms(pattern), &Text::from_atoms(atoms(subject)));
        assert_eq!(arn("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a:b/c"), Tri::Yes);
        assert_eq!(arn("arn:*:1:role/x", "arn:aws:iam::1:role/x"), Tri::Maybe);
        assert_eq!(arn("arn:*:iam:*:*:role/x", "arn:aws:iam::1:role/x"), Tri::Yes);
        assert_eq!(arn("arn:aws:iam:*:role/x:y", "arn:aws:iam::1:role/x:y"), Tri::No);
        assert_eq!(arn("arn:aws:iam::1:role/{r}", "arn:aws:iam::1:role/{r}"), Tri::Yes);
        assert_eq!(arn("[whole]", "[whole]"), Tri::Yes);
        assert_eq!(arn("[whole]", "arn:aws:iam::1:role/x"), Tri::Maybe);
        assert_eq!(arn("*", "arn:aws:iam::1:role/x"), Tri::Maybe);
    }
}
