//! The `Condition` element: operators, set operators, `…IfExists`, missing keys.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use crate::decision::Reason;
use crate::matching::{arn_matches, equal_ignoring_case};
use crate::pattern::{Pattern, Reading};
use crate::position::Position;
use crate::record::Record;
use crate::request::{Key, Lookup, Request};
use crate::scalar::{Cidr, Moment, Number, base64};
use crate::text::Text;
use crate::tri::Tri;

/// One operator over one context key.
#[derive(Clone, Debug)]
pub struct Condition {
    pub(crate) operator: Operator,
    pub(crate) key: Key,
    pub(crate) values: Vec<ConditionValue>,
    pub(crate) written_operator: String,
    pub(crate) written_key: String,
    pub(crate) position: Position,
}

impl Condition {
    /// The operator as written, such as `ForAnyValue:StringLike`.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.written_operator
    }

    /// The context key as written.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.written_key
    }

    /// The values as written.
    pub fn values(&self) -> impl Iterator<Item = &Text> {
        self.values.iter().map(|value| value.pattern.text())
    }

    /// Where the key stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Does it ask that the key is *not* one of the values?
    #[must_use]
    pub fn is_negated(&self) -> bool {
        self.operator.negated
    }

    /// Does it hold for every request that lacks the key?
    #[must_use]
    pub fn holds_without_key(&self) -> bool {
        self.without_key() == Tri::Yes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) test: Test,
    pub(crate) negated: bool,
    pub(crate) if_exists: bool,
    pub(crate) over: Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    One,
    All,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
    Bool,
    Binary,
    Ip,
    Number(Compare),
    Date(Compare),
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Compare::Equal => ordering.is_eq(),
            Compare::Less => ordering.is_lt(),
            Compare::LessOrEqual => ordering.is_le(),
            Compare::Greater => ordering.is_gt(),
            Compare::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

const OPERATORS: [(&str, Test, bool); 27] = {
    use Compare::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    [
        ("StringEquals", Test::Equals, false),
        ("StringNotEquals", Test::Equals, true),
        ("StringEqualsIgnoreCase", Test::EqualsIgnoreCase, false),
        ("StringNotEqualsIgnoreCase", Test::EqualsIgnoreCase, true),
        ("StringLike", Test::Like, false),
        ("StringNotLike", Test::Like, true),
        ("NumericEquals", Test::Number(Equal), false),
        ("NumericNotEquals", Test::Number(Equal), true),
        ("NumericLessThan", Test::Number(Less), false),
        ("NumericLessThanEquals", Test::Number(LessOrEqual), false),
        ("NumericGreaterThan", Test::Number(Greater), false),
        ("NumericGreaterThanEquals", Test::Number(GreaterOrEqual), false),
        ("DateEquals", Test::Date(Equal), false),
        ("DateNotEquals", Test::Date(Equal), true),
        ("DateLessThan", Test::Date(Less), false),
        ("DateLessThanEquals", Test::Date(LessOrEqual), false),
        ("DateGreaterThan", Test::Date(Greater), false),
        ("DateGreaterThanEquals", Test::Date(GreaterOrEqual), false),
        ("Bool", Test::Bool, false),
        ("BinaryEquals", Test::Binary, false),
        ("IpAddress", Test::Ip, false),
        ("NotIpAddress", Test::Ip, true),
        ("ArnEquals", Test::Arn, false),
        ("ArnNotEquals", Test::Arn, true),
        ("ArnLike", Test::Arn, false),
        ("ArnNotLike", Test::Arn, true),
        ("Null", Test::Null, false),
    ]
};

impl Operator {
    /// Reads `ForAllValues:StringLikeIfExists` and the like; upper and lower case are the same.
    pub(crate) fn parse(written: &str) -> Result<Operator, String> {
        let (over, rest) = match written.split_once(':') {
            None => (Over::One, written),
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAllValues") => (Over::All, rest),
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAnyValue") => (Over::Any, rest),
            Some((set, _)) => {
                return Err(format!("`{set}` is not a set operator: use `ForAllValues` or `ForAnyValue`"));
            }
        };
        let suffix_at = rest.len().saturating_sub("IfExists".len());
        let (name, if_exists) = match (rest.get(..suffix_at), rest.get(suffix_at..)) {
            (Some(name), Some(suffix)) if suffix.eq_ignore_ascii_case("IfExists") => (name, true),
            _ => (rest, false),
        };
        let known = OPERATORS.iter().find(|(operator, _, _)| operator.eq_ignore_ascii_case(name));
        let Some((_, test, negated)) = known.copied() else {
            return Err(format!("`{name}` is not a condition operator: see AWS's list, for example `StringEquals`"));
        };
        if test == Test::Null && (if_exists || over != Over::One) {
            return Err("`Null` takes neither `IfExists` nor a set operator: write `Null`".to_owned());
        }
        Ok(Operator { test, negated, if_exists, over })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ConditionValue {
    pub(crate) pattern: Pattern,
    scalar: Scalar,
}

/// A value that is not compared as text, parsed once.
#[derive(Clone, Debug)]
enum Scalar {
    None,
    Number(Number),
    Date(Moment),
    Ip(Cidr),
    Bytes(Vec<u8>),
    /// Not known before AWS fills it in.
    Unknown,
}

impl ConditionValue {
    pub(crate) fn new(test: Test, text: Text, position: Position, variables: bool) -> Result<ConditionValue, String> {
        let literal = text.literal();
        let open = literal.as_deref().is_none_or(|literal| variables && literal.contains("${"));
        let scalar = match (test, literal.as_deref()) {
            (Test::Equals | Test::EqualsIgnoreCase | Test::Like | Test::Arn, _) => Scalar::None,
            (_, Some(literal)) if !open => match test {
                Test::Number(_) => Scalar::Number(
                    Number::parse(literal).ok_or_else(|| format!("`{literal}` is not a number: write digits"))?,
                ),
                Test::Date(_) => Scalar::Date(Moment::parse(literal).ok_or_else(|| {
                    format!("`{literal}` is not a date: write one like `2026-01-31T12:00:00Z`, or seconds since 1970")
                })?),
                Test::Ip => {
                    Scalar::Ip(Cidr::parse(literal).ok_or_else(|| {
                        format!("`{literal}` is not an address range: write one like `203.0.113.0/24`")
                    })?)
                }
                Test::Binary => Scalar::Bytes(
                    base64(literal).ok_or_else(|| format!("`{literal}` is not base-64: encode the bytes"))?,
                ),
                Test::Bool | Test::Null => {
                    if !literal.eq_ignore_ascii_case("true") && !literal.eq_ignore_ascii_case("false") {
                        return Err(format!("`{literal}` is neither `true` nor `false`"));
                    }
                    Scalar::None
                }
                _ => Scalar::None,
            },
            _ => Scalar::Unknown,
        };
        let reading = Reading {
            wildcards: matches!(test, Test::Like | Test::Arn),
            variables: variables && matches!(scalar, Scalar::None),
            lowercase: matches!(test, Test::EqualsIgnoreCase | Test::Bool | Test::Null),
        };
        Ok(ConditionValue { pattern: Pattern::new(text, position, reading), scalar })
    }
}

impl Condition {
    #[inline]
    pub(crate) fn holds(&self, request: &Request, record: &mut impl Record) -> Tri {
        let values = match request.lookup(&self.key) {
            Lookup::Unknown => {
                record.unknown(|| Reason::Key(self.written_key.clone()));
                return Tri::Maybe;
            }
            Lookup::Absent => return self.explained(self.without_key(), record),
            Lookup::Values(values) => values,
        };
        // AWS calls a key whose values are all empty a null dataset. A symbol is never empty.
        let null = values.iter().all(Text::is_empty);
        if self.operator.test == Test::Null {
            return self.explained(self.is_null(null), record);
        }
        if null && self.operator.over != Over::One {
            return self.without_key();
        }
        match self.operator.over {
            Over::One => {
                if values.len() > 1 {
                    record.unknown(|| {
                        Reason::Undocumented(format!(
                            "`{}` has several values and `{}` is no set operator: use `ForAllValues` or `ForAnyValue`",
                            self.written_key, self.written_operator
                        ))
                    });
                    return Tri::Maybe;
                }
                self.test(&values[0], request, record)
            }
            Over::All => values.iter().fold(Tri::Yes, |all, value| all.and(self.test(value, request, record))),
            Over::Any => values.iter().fold(Tri::No, |any, value| any.or(self.test(value, request, record))),
        }
    }

    fn explained(&self, answer: Tri, record: &mut impl Record) -> Tri {
        if answer == Tri::Maybe {
            let unknown = self.values.iter().find(|value| matches!(value.scalar, Scalar::Unknown));
            record.unknown(|| Reason::Value(unknown.map_or_else(String::new, |value| value.pattern.to_string())));
        }
        answer
    }

    fn is_null(&self, null: bool) -> Tri {
        self.values.iter().fold(Tri::No, |any, value| {
            any.or(match value.scalar {
                Scalar::Unknown => Tri::Maybe,
                _ => Tri::from(value.pattern.text().lowercase().is("true") == null),
            })
        })
    }

    fn without_key(&self) -> Tri {
        let Operator { test, negated, if_exists, over } = self.operator;
        if test == Test::Null {
            return self.is_null(true);
        }
        Tri::from(match over {
            Over::All => true,
            Over::Any => if_exists,
            Over::One => if_exists || negated,
        })
    }

    /// One value of the request against all of the policy's.
    fn test(&self, actual: &Text, request: &Request, record: &mut impl Record) -> Tri {
        let mark = record.mark();
        let mut any = Tri::No;
        // A variable that cannot be resolved may void the whole statement, even if another value matches.
        let mut certain = true;
        for value in &self.values {
            let (one, sure) = self.operator.test.compare(value, actual, request, record);
            any = any.or(one);
            certain &= sure;
        }
        let answer = if self.operator.negated { !any } else { any };
        let answer = if certain { answer } else { answer.and(Tri::Maybe) };
        if answer != Tri::Maybe {
            record.rewind(mark);
        }
        answer
    }
}

impl Test {
    /// The answer, and whether the value itself was beyond doubt.
    #[inline]
    fn compare(
        self,
        value: &ConditionValue,
        actual: &Text,
        request: &Request,
        record: &mut impl Record,
    ) -> (Tri, bool) {
        let answer = match (self, &value.scalar) {
            (_, Scalar::None) => {
                let filled = value.pattern.fill(request, record);
                let answer = match self {
                    Test::Arn => arn_matches(filled.glob.atoms(), actual),
                    Test::EqualsIgnoreCase | Test::Bool => equal_ignoring_case(filled.glob.atoms(), actual.atoms()),
                    _ => filled.glob.matches(actual),
                };
                if answer == Tri::Maybe {
                    explain(&value.pattern, actual, record);
                }
                return (answer, filled.certain);
            }
            (_, Scalar::Unknown) => Tri::Maybe,
            (Test::Number(compare), Scalar::Number(wanted)) => {
                ordered(actual, Number::parse, |number| compare.holds(number.cmp(wanted)))
            }
            (Test::Date(compare), Scalar::Date(wanted)) => {
                ordered(actual, Moment::parse, |moment| compare.holds(moment.cmp(wanted)))
            }
            (_, Scalar::Ip(range)) => {
                ordered(actual, |text| text.parse::<IpAddr>().ok(), |address| range.contains(*address))
            }
            (_, Scalar::Bytes(wanted)) => ordered(actual, base64, |bytes| bytes == wanted),
            (_, Scalar::Number(_) | Scalar::Date(_)) => Tri::Maybe,
        };
        if answer == Tri::Maybe {
            explain(&value.pattern, actual, record);
        }
        (answer, true)
    }
}

/// `Maybe` where the request's value is unknown or not of the right kind.
fn ordered<T>(actual: &Text, parse: impl Fn(&str) -> Option<T>, holds: impl Fn(&T) -> bool) -> Tri {
    match actual.literal().as_deref().and_then(parse) {
        Some(parsed) => Tri::from(holds(&parsed)),
        None => Tri::Maybe,
    }
}

fn explain(pattern: &Pattern, actual: &Text, record: &mut impl Record) {
    let symbol = pattern.text().symbols().chain(actual.symbols()).next();
    record.unknown(|| match symbol {
        Some(symbol) => Reason::Symbol(symbol),
        None => Reason::Undocumented(format!("what `{actual}` compared with `{pattern}` gives")),
    });
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.written_operator, self.written_key)
    }
}
