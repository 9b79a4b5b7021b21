//! Every statement of an estate, each once, with what it stands in: what the rules look at.

use crate::estate::{Attached, Estate, Identity, Site};
use crate::goal::Proof;
use crate::policy::{Effect, PolicyKind, Statement};
use crate::principal::Named;
use crate::text::Text;

/// A statement and its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'s> {
    pub(crate) statement: &'s Statement,
    /// The resource that holds the document.
    pub(crate) site: &'s Site,
    /// The JSON pointer of the document in its properties.
    pub(crate) pointer: &'s str,
    pub(crate) kind: PolicyKind,
    /// The account that the document is in.
    pub(crate) account: &'s str,
}

impl Seen<'_> {
    pub(crate) fn allows(&self) -> bool {
        self.statement.effect() == Effect::Allow
    }

    /// The path of an element in the resource's properties, as people write it.
    pub(crate) fn property(&self, pointer: &str) -> String {
        property(&format!("{}{pointer}", self.pointer))
    }

    pub(crate) fn whole(&self) -> String {
        self.property(&self.statement.position().pointer)
    }

    /// Whether a pattern of its actions covers an action. An element that is negated covers what it does not name.
    pub(crate) fn covers(&self, action: &str) -> bool {
        let actions = self.statement.actions();
        let named = actions.patterns.iter().any(|it| glob(&it.text().to_string(), action));
        named != actions.negated
    }

    /// Whether it is on every resource.
    pub(crate) fn is_on_everything(&self) -> bool {
        self.statement
            .resources()
            .is_some_and(|it| !it.negated && it.patterns.iter().any(crate::Pattern::is_everything))
    }

    /// The named principals.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Named> {
        let principals = self.statement.principals().filter(|it| !it.negated);
        principals.into_iter().flat_map(|it| &it.entries).map(|it| &it.named)
    }

    /// Whether a condition on one of these keys narrows it: one that does not hold for requests that lack the key.
    pub(crate) fn is_narrowed_by(&self, keys: &[&str]) -> bool {
        self.statement.conditions().iter().any(|it| {
            let narrows = !it.is_negated() && !it.holds_without_key() && !it.values().any(|value| value.is("*"));
            narrows && keys.iter().any(|key| it.key().eq_ignore_ascii_case(key))
        })
    }
}

/// A JSON pointer as a property path: `/Statement/0/Action` is `Statement[0].Action`.
pub(crate) fn property(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').filter(|it| !it.is_empty()) {
        if part.chars().all(|it| it.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(part);
        }
    }
    path
}

/// Whether a pattern with `*` and `?` matches a text, upper and lower case of ASCII alike. In the text they are characters like
/// any other, which only a wildcard takes.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on if what follows the last star does not match: the star takes one character more.
    let mut retry = None;
    loop {
        match (pattern.next(), text.clone().next()) {
            (Some('*'), _) => retry = Some((pattern.clone(), text.clone())),
            (Some(a), Some(b)) if a == '?' || a.eq_ignore_ascii_case(&b) => {
                text.next();
            }
            (None, None) => return true,
            _ => {
                let Some((after_star, mut taken)) = retry.take() else { return false };
                if taken.next().is_none() {
                    return false;
                }
                (pattern, text) = (after_star.clone(), taken.clone());
                retry = Some((after_star, taken));
            }
        }
    }
}

/// In a pattern, any characters but `/`.
pub(crate) const SEGMENT: char = '\u{1}';

/// In a pattern, any characters but `:`.
pub(crate) const PART: char = '\u{2}';

/// Whether there is a text that both patterns match.
pub(crate) fn may_meet(one: &str, other: &str) -> bool {
    match (arn_parts(one), arn_parts(other)) {
        // Where no star reaches over a colon, ARNs meet if their parts do.
        (Some(one), Some(other)) => one.iter().zip(other).all(|(one, other)| parts_may_meet(one, other)),
        _ => parts_may_meet(one, other),
    }
}

/// The six parts of an ARN, if no `*` in the first five could stand for a colon.
fn arn_parts(text: &str) -> Option<[&str; 6]> {
    let mut parts = text.splitn(6, ':');
    let parts = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let fixed = parts[..5].iter().all(|it| !it.contains(['*', '?', SEGMENT]));
    fixed.then_some(parts)
}

fn parts_may_meet(one: &str, other: &str) -> bool {
    let is_wild = |c: char| matches!(c, '*' | '?' | SEGMENT | PART);
    // Most pairs differ before the first wildcard.
    let parting = one.chars().zip(other.chars()).find(|(a, b)| a != b || is_wild(*a));
    if parting.is_some_and(|(a, b)| !is_wild(a) && !is_wild(b)) {
        return false;
    }
    let other: Vec<char> = other.chars().collect();
    let is_star = |c: char| matches!(c, '*' | SEGMENT | PART);
    // Whether a star can stand for what the other pattern has here.
    let takes = |star: char, c: char| star == '*' || c != if star == PART { ':' } else { '/' };
    // row[j]: whether one[..i] and other[..j] can match the same text.
    let mut row = vec![true];
    for (j, b) in other.iter().enumerate() {
        row.push(row[j] && is_star(*b));
    }
    let mut next = Vec::with_capacity(row.len());
    for a in one.chars() {
        next.clear();
        next.push(row[0] && is_star(a));
        for (j, &b) in other.iter().enumerate() {
            let single = row[j] && !is_star(a) && !is_star(b) && (a == b || a == '?' || b == '?');
            let first = is_star(a) && (row[j + 1] || next[j] && takes(a, b));
            let second = is_star(b) && (next[j] || row[j + 1] && takes(b, a));
            next.push(single || first || second);
        }
        std::mem::swap(&mut row, &mut next);
    }
    row[other.len()]
}

/// What the rules look at.
pub(crate) struct Survey<'s, 'a> {
    pub(crate) estate: &'s Estate<'a>,
    pub(crate) proofs: &'s [Proof],
    pub(crate) statements: Vec<Seen<'s>>,
}

impl<'s, 'a> Survey<'s, 'a> {
    pub(crate) fn new(estate: &'s Estate<'a>, proofs: &'s [Proof]) -> Survey<'s, 'a> {
        let mut documents: Vec<(&Attached, &str)> = Vec::new();
        let mut add = |attached: &'s Attached, account: &'s str| {
            let known = documents.iter().any(|(it, _)| it.site == attached.site && it.pointer == attached.pointer);
            if attached.site.is_some() && !known {
                documents.push((attached, account));
            }
        };
        for identity in &estate.identities {
            identity.policies.iter().chain(&identity.boundary).for_each(|it| add(it, &identity.account));
        }
        for resource in &estate.resources {
            resource.policy.iter().for_each(|it| add(it, &resource.account));
        }
        let statements = documents.into_iter().flat_map(|(attached, account)| {
            let site = attached.site.as_ref();
            attached.policy.statements().iter().filter_map(move |statement| {
                let (pointer, kind) = (attached.pointer.as_str(), attached.policy.kind());
                Some(Seen { statement, site: site?, pointer, kind, account })
            })
        });
        Survey { estate, proofs, statements: statements.collect() }
    }

    pub(crate) fn of_kind(&self, kind: PolicyKind) -> impl Iterator<Item = &Seen<'s>> {
        self.statements.iter().filter(move |it| it.kind == kind)
    }

    /// The role or user that a principal in a policy names.
    pub(crate) fn identity(&self, arn: &Text) -> Option<&'s Identity> {
        self.estate.identity(arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_take_what_they_may() {
        for (pattern, text, matches) in [
            ("s3:Get*", "s3:getobject", true),
            ("s3:*Object", "s3:GetObjectAcl", false),
            ("s3:*Object*", "s3:GetObjectAcl", true),
            ("*a*b", "xaxbab", true),
            ("*a*b", "xaxbac", false),
            ("a?c", "abc", true),
            ("a?", "a", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("arn:aws:s3:::bucket/key", "arn:aws:s3:::bucket/*", false),
            ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/*", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }
}
