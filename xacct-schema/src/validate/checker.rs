//! Checks the properties of one resource against the schema of its type.
//!
//! The answer to a schema has three values: a part that is only known when the stack is deployed makes it unknown, and what is unknown is no
//! finding. `Fn::If` is followed into both values, with its condition assumed.

use serde_json::{Map, Value};

use super::conditions::Conditions;
use super::intrinsic::{self, Shape};
use super::names::{Names, get};
use super::path::{self, Step};
use super::{Finding, Rule};
use crate::layout::types;
use crate::nearest::nearest;
use crate::pattern::Pattern;
use crate::resource::ResourceType;
use crate::table::{Dependents, Keyword, List, Node, Nodes, Properties, Range};

/// How deep values are followed.
const DEPTH: usize = 60;

pub(super) struct Checker<'t, 'f> {
    logical_id: &'t str,
    kind: ResourceType,
    names: &'t Names<'t>,
    conditions: &'t Conditions<'t>,
    findings: &'f mut Vec<Finding>,
    path: Vec<Step<'t>>,
    assumed: Vec<(&'t str, bool)>,
    /// More than 0 while an alternative is tried: findings are counted and not kept.
    trying: u32,
    failures: usize,
    unknown: bool,
    /// Whether text stands for text only.
    strict: bool,
    /// Whether there are properties within others that only the service sets.
    has_nested_read_only: bool,
}

/// Whether a value fits a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fits,
    Fails,
    Unknown,
}

/// Whether an object has a property.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence<'t> {
    Present,
    Absent,
    /// Not there if this condition has this value.
    AbsentIf(&'t str, bool),
}

impl<'t, 'f> Checker<'t, 'f> {
    pub(super) fn new(
        logical_id: &'t str,
        kind: ResourceType,
        names: &'t Names<'t>,
        conditions: &'t Conditions<'t>,
        findings: &'f mut Vec<Finding>,
    ) -> Self {
        Self {
            logical_id,
            kind,
            names,
            conditions,
            findings,
            path: Vec::new(),
            assumed: Vec::new(),
            trying: 0,
            failures: 0,
            unknown: false,
            strict: false,
            has_nested_read_only: kind.read_only().iter().any(|pointer| pointer.contains('/')),
        }
    }

    /// From here on the condition has this value.
    pub(super) fn assume(&mut self, condition: &'t str, value: bool) {
        self.assumed.push((condition, value));
    }

    /// Checks the properties of a resource that gives none.
    pub(super) fn check_empty(&mut self, node: Node) {
        for keyword in node.keywords() {
            match keyword {
                Keyword::Required(names) => names.iter().for_each(|name| self.missing(name)),
                Keyword::RequiredXor(names) | Keyword::RequiredOr(names) => self.none_given(names),
                _ => {}
            }
        }
    }

    /// Checks a value against a node.
    pub(super) fn check(&mut self, node: Node, value: &'t Value) {
        if self.path.len() + self.assumed.len() > DEPTH {
            self.unknown = true;
            return;
        }
        if let Some((condition, yes, no)) = intrinsic::branches(value) {
            return self.check_branches(node, condition, yes, no);
        }
        if let Some((name, argument)) = intrinsic::intrinsic(value) {
            return self.check_shape(node, name, argument);
        }
        if value.is_null() {
            // A null is a finding by itself.
            self.unknown = true;
            return;
        }
        if let Value::String(text) = value
            && intrinsic::is_dynamic(text)
        {
            self.unknown = true;
            return;
        }
        if !self.accepts(node.types(), value) {
            return self.wrong_type(node, value);
        }
        match value {
            Value::Object(object) => self.check_object(node, object, value),
            Value::Array(items) => self.check_array(node, items, value),
            scalar => self.check_scalar(node, scalar),
        }
    }

    fn check_branches(&mut self, node: Node, condition: &'t str, yes: &'t Value, no: &'t Value) {
        for (value, branch) in [(true, yes), (false, no)] {
            if self.decided(condition) == Some(!value) || intrinsic::is_no_value(branch) {
                continue;
            }
            self.assumed.push((condition, value));
            self.check(node, branch);
            self.assumed.pop();
        }
        self.unknown |= self.decided(condition).is_none();
    }

    /// Which value the condition has here, if the assumptions leave only one.
    fn decided(&self, condition: &'t str) -> Option<bool> {
        if self.assumed.is_empty() {
            return None;
        }
        [true, false].into_iter().find(|value| self.can_hold(condition, !value) == Some(false))
    }

    fn can_hold(&self, condition: &'t str, value: bool) -> Option<bool> {
        let mut assumed = self.assumed.clone();
        assumed.push((condition, value));
        self.conditions.can_hold(&assumed)
    }

    /// Of an intrinsic function, only whether it gives a list is known.
    fn check_shape(&mut self, node: Node, name: &str, argument: &Value) {
        self.unknown = true;
        let scalars = types::STRING | types::INTEGER | types::NUMBER | types::BOOLEAN;
        let bits = node.types();
        let (what, wrong) = match intrinsic::shape(name, argument, self.names) {
            Shape::Scalar => ("a single value", bits == types::ARRAY || bits == types::OBJECT && is_structured(node)),
            Shape::List => ("a list", bits != 0 && bits & !scalars == 0),
            Shape::Unknown => return,
        };
        if wrong {
            let expected = type_names(bits);
            self.report(|| Finding::new(Rule::WrongType, "", "", format!("`{name}` gives {what}")).expected(expected));
        }
    }

    /// CloudFormation takes text for numbers and booleans, and these for text.
    fn accepts(&self, bits: u8, value: &Value) -> bool {
        let has = |bit: u8| bits & bit != 0;
        if bits == 0 {
            return true;
        }
        match value {
            Value::Null => true,
            Value::Object(_) => has(types::OBJECT),
            Value::Array(_) => has(types::ARRAY),
            Value::Bool(_) => has(types::BOOLEAN) || has(types::STRING) && !self.strict,
            Value::Number(number) => {
                let whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
                has(types::NUMBER) || has(types::INTEGER) && whole || has(types::STRING) && !self.strict
            }
            Value::String(text) => {
                has(types::STRING)
                    || !self.strict
                        && (has(types::INTEGER) && text.trim().parse::<i64>().is_ok()
                            || has(types::NUMBER) && text.trim().parse::<f64>().is_ok()
                            || has(types::BOOLEAN) && is_boolean(text))
            }
        }
    }

    fn wrong_type(&mut self, node: Node, value: &Value) {
        let expected = type_names(node.types());
        self.report(|| {
            Finding::new(Rule::WrongType, "", "", format!("{} is not right here", shown(value))).expected(expected)
        });
    }

    fn check_scalar(&mut self, node: Node, value: &'t Value) {
        let before = self.failures;
        let written;
        let text = match value {
            Value::String(text) => Some(text.as_str()),
            // For a property that takes text only, the number is its text.
            Value::Number(_) | Value::Bool(_) if node.types() == types::STRING => {
                written = value.to_string();
                Some(written.as_str())
            }
            _ => None,
        };
        let numeric = node.types() & (types::INTEGER | types::NUMBER) != 0;
        for keyword in node.keywords() {
            match (keyword, text) {
                (Keyword::Enum { values, ignoring_case }, _) => self.check_enum(values, ignoring_case, value),
                (Keyword::Pattern(index), Some(text)) => self.check_pattern(index, text),
                (Keyword::Format { name, pattern: Some(index) }, Some(text)) if self.failures == before => {
                    self.check_format(name, index, text);
                }
                (Keyword::Length(least, most), Some(text)) => self.check_length(least, most, text),
                (Keyword::Range(range), _) => {
                    let number = value.as_f64().or_else(|| value.as_str().filter(|_| numeric)?.trim().parse().ok());
                    if let Some(number) = number {
                        self.check_range(range, number);
                    }
                }
                (Keyword::MultipleOf(factor), _) => {
                    if let Some(number) = value.as_f64()
                        && (number / factor - (number / factor).round()).abs() > 1e-9
                    {
                        self.report(|| {
                            let message = format!("{number} is not a multiple of {factor}");
                            Finding::new(Rule::Range, "", "", message)
                        });
                    }
                }
                (keyword, _) => self.check_combination(keyword, value),
            }
        }
    }

    fn check_enum(&mut self, values: List, ignoring_case: bool, value: &Value) {
        let owned;
        let text = match value {
            Value::String(text) => text.as_str(),
            other => {
                owned = other.to_string();
                owned.as_str()
            }
        };
        let allowed = values.contains_sorted(text)
            || ignoring_case && values.iter().any(|value| value.eq_ignore_ascii_case(text))
            || is_boolean(text) && values.contains_sorted(&text.to_lowercase());
        if !allowed {
            self.report(|| {
                Finding::new(Rule::Enum, "", "", format!("`{text}` is not allowed"))
                    .expected(one_of(values))
                    .nearest(nearest(text, values.iter()))
            });
        }
    }

    fn check_pattern(&mut self, index: u32, text: &str) {
        if !Pattern(index).matches(text) {
            self.report(|| {
                Finding::new(Rule::Pattern, "", "", format!("`{text}` does not look as it must"))
                    .expected(format!("text that matches `{}`", Pattern(index).source()))
            });
        }
    }

    fn check_format(&mut self, name: &str, index: u32, text: &str) {
        if !Pattern(index).matches(text) {
            self.report(|| {
                Finding::new(Rule::Pattern, "", "", format!("`{text}` is not `{name}`"))
                    .expected(format!("text that matches `{}`", Pattern(index).source()))
            });
        }
    }

    fn check_length(&mut self, least: u64, most: Option<u64>, text: &str) {
        // Bytes are at least as many as characters, and at most four times as many.
        let bytes = text.len() as u64;
        if bytes >= least * 4 && most.is_none_or(|most| bytes <= most) {
            return;
        }
        let count = text.chars().count() as u64;
        if count < least || most.is_some_and(|most| count > most) {
            self.report(|| {
                Finding::new(Rule::Length, "", "", format!("the text has {count} characters"))
                    .expected(format!("{} characters", bounds(least, most)))
            });
        }
    }

    fn check_range(&mut self, range: Range, number: f64) {
        let low = number < range.least || range.above && number == range.least;
        let high = number > range.most || range.below && number == range.most;
        if low || high {
            let expected = match (range.least.is_finite(), range.most.is_finite()) {
                (true, true) => format!("{} to {}", range.least, range.most),
                (true, false) => format!("at least {}", range.least),
                _ => format!("at most {}", range.most),
            };
            let what = if low { "small" } else { "large" };
            self.report(|| Finding::new(Rule::Range, "", "", format!("{number} is too {what}")).expected(expected));
        }
    }

    fn check_array(&mut self, node: Node, items: &'t [Value], whole: &'t Value) {
        for keyword in node.keywords() {
            match keyword {
                Keyword::ItemCount(least, most) => self.check_item_count(least, most, items),
                Keyword::UniqueItems => self.check_unique(items),
                Keyword::MaxUniqueItems(most) => {
                    let mut different: Vec<&Value> = Vec::new();
                    for item in items.iter().filter(|item| is_literal(item)) {
                        if !different.contains(&item) {
                            different.push(item);
                        }
                    }
                    let count = different.len() as u64;
                    if count > most {
                        self.count_finding(count, 0, Some(most), "different items");
                    }
                }
                Keyword::UniqueKeys(keys) => self.check_unique_keys(keys, items),
                Keyword::Items(inner) => self.check_items(inner, items),
                Keyword::PrefixItems(nodes) => {
                    for (index, inner) in nodes.iter().enumerate() {
                        if let Some(item) = items.get(index) {
                            self.check_at(Step::Index(index), inner, item);
                        }
                    }
                }
                Keyword::Contains(inner) => self.check_contains(inner, items),
                keyword => self.check_combination(keyword, whole),
            }
        }
    }

    fn check_items(&mut self, node: Node, items: &'t [Value]) {
        for (index, item) in items.iter().enumerate() {
            if !intrinsic::is_no_value(item) {
                self.check_at(Step::Index(index), node, item);
            }
        }
    }

    fn check_item_count(&mut self, least: u64, most: Option<u64>, items: &'t [Value]) {
        let presences: Vec<Presence<'t>> = items.iter().map(|item| self.presence(Some(item))).collect();
        let count = |wanted: fn(&Presence<'t>) -> bool| presences.iter().filter(|it| wanted(it)).count() as u64;
        let surely = count(|presence| *presence == Presence::Present);
        let perhaps = count(|presence| *presence != Presence::Absent);
        if perhaps < least || most.is_some_and(|most| surely > most) {
            self.count_finding(perhaps, least, most, "items");
        } else if surely < least {
            self.too_few_if(&presences, least, most);
        }
    }

    /// Items that are missing under one condition may leave too few.
    fn too_few_if(&mut self, presences: &[Presence<'t>], least: u64, most: Option<u64>) {
        self.unknown = true;
        for presence in presences {
            let Presence::AbsentIf(condition, value) = *presence else { continue };
            let left = presences.iter().filter(|it| **it != Presence::Absent && *it != presence).count() as u64;
            if self.trying == 0 && left < least && self.can_hold(condition, value) == Some(true) {
                let when = if value { "holds" } else { "does not hold" };
                return self.report(|| {
                    let message = format!("there are {left} items when `{condition}` {when}");
                    Finding::new(Rule::ItemCount, "", "", message).expected(format!("{} items", bounds(least, most)))
                });
            }
        }
    }

    fn count_finding(&mut self, count: u64, least: u64, most: Option<u64>, what: &str) {
        self.report(|| {
            Finding::new(Rule::ItemCount, "", "", format!("there are {count} {what}"))
                .expected(format!("{} {what}", bounds(least, most)))
        });
    }

    fn check_unique(&mut self, items: &'t [Value]) {
        for (index, item) in items.iter().enumerate().skip(1) {
            if let Some(first) = items[..index].iter().position(|other| other == item)
                && !intrinsic::is_no_value(item)
                && intrinsic::branches(item).is_none()
            {
                self.report_at(Step::Index(index), || {
                    Finding::new(Rule::UniqueItems, "", "", format!("this item is the same as item {first}"))
                });
            }
        }
    }

    fn check_unique_keys(&mut self, keys: List, items: &'t [Value]) {
        let mut seen: Vec<Vec<&Value>> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let values: Vec<&Value> = keys.iter().filter_map(|key| item.get(key)).collect();
            if values.len() != keys.len() || !values.iter().all(|value| is_literal(value)) {
                continue;
            }
            if seen.contains(&values) {
                let names: Vec<&str> = keys.iter().collect();
                let names = names.join("`, `");
                self.report_at(Step::Index(index), || {
                    Finding::new(Rule::UniqueItems, "", "", format!("another item has the same `{names}`"))
                });
            }
            seen.push(values);
        }
    }

    fn check_contains(&mut self, node: Node, items: &'t [Value]) {
        let mut unknown = false;
        for item in items {
            match self.verdict(node, item) {
                Verdict::Fits => return,
                Verdict::Unknown => unknown = true,
                Verdict::Fails => {}
            }
        }
        if unknown {
            self.unknown = true;
        } else {
            self.report(|| Finding::new(Rule::Alternatives, "", "", "no item is what one item must be"));
        }
    }

    fn check_object(&mut self, node: Node, object: &'t Map<String, Value>, whole: &'t Value) {
        if intrinsic::is_open(object) {
            self.unknown = true;
            return;
        }
        let mut known: Option<Properties> = None;
        let mut patterns: Option<Dependents> = None;
        let mut additional: Option<Node> = None;
        let mut closed = false;
        for keyword in node.keywords() {
            match keyword {
                Keyword::Properties(properties) => known = Some(properties),
                Keyword::PatternProperties(pairs) => patterns = Some(pairs),
                Keyword::Additional(node) => additional = Some(node),
                Keyword::Closed => closed = true,
                Keyword::Required(names) => self.check_required(names, object),
                Keyword::RequiredXor(names) => self.check_required_xor(names, object),
                Keyword::RequiredOr(names) => self.check_required_or(names, object),
                Keyword::DependentRequired(pairs) => self.check_dependent(pairs, object, true),
                Keyword::DependentExcluded(pairs) => self.check_dependent(pairs, object, false),
                Keyword::PropertyCount(least, most) => {
                    let surely = object.values().filter(|value| self.presence(Some(value)) == Presence::Present);
                    let surely = surely.count() as u64;
                    let perhaps = object.len() as u64;
                    if perhaps < least || most.is_some_and(|most| surely > most) {
                        self.count_finding(perhaps, least, most, "properties");
                    }
                }
                Keyword::PropertyNames(inner) => {
                    for name in object.keys() {
                        self.path.push(Step::Key(name));
                        self.check_name(inner, name);
                        self.path.pop();
                    }
                }
                keyword => self.check_combination(keyword, whole),
            }
        }
        if known.is_none() && patterns.is_none() && additional.is_none() && !closed {
            return;
        }
        for (name, value) in object {
            self.check_property(name, value, known, patterns, additional, closed);
        }
    }

    fn check_name(&mut self, node: Node, name: &str) {
        for keyword in node.keywords() {
            match keyword {
                Keyword::Pattern(index) => self.check_pattern(index, name),
                Keyword::Length(least, most) => self.check_length(least, most, name),
                Keyword::Enum { values, ignoring_case }
                    if !(values.contains_sorted(name)
                        || ignoring_case && values.iter().any(|value| value.eq_ignore_ascii_case(name))) =>
                {
                    self.report(|| {
                        Finding::new(Rule::UnknownProperty, "", "", format!("`{name}` is not allowed"))
                            .expected(one_of(values))
                            .nearest(nearest(name, values.iter()))
                    });
                }
                Keyword::Not(inner) => {
                    let before = self.failures;
                    self.trying += 1;
                    self.check_name(inner, name);
                    self.trying -= 1;
                    let fits = self.failures == before;
                    self.failures = before;
                    if fits {
                        self.report(|| {
                            Finding::new(Rule::UnknownProperty, "", "", format!("the name `{name}` is reserved"))
                        });
                    }
                }
                _ => {}
            }
        }
    }

    fn check_property(
        &mut self,
        name: &'t str,
        value: &'t Value,
        known: Option<Properties>,
        patterns: Option<Dependents>,
        additional: Option<Node>,
        closed: bool,
    ) {
        let mut found = false;
        if let Some(node) = known.and_then(|known| known.get(name)) {
            found = true;
            self.check_at(Step::Key(name), node, value);
            if self.trying == 0 && self.path.len() < 4 {
                self.check_read_only(name, value);
            }
        }
        for (pattern, node) in patterns.into_iter().flat_map(Dependents::patterns) {
            if Pattern(pattern).matches(name) {
                found = true;
                self.check_at(Step::Key(name), node, value);
            }
        }
        if found {
            return;
        }
        if let Some(node) = additional {
            self.check_at(Step::Key(name), node, value);
        } else if closed && !intrinsic::is_no_value(value) {
            let names = known.into_iter().flat_map(Properties::iter).map(|(name, _)| name);
            let wanted: Vec<String> = patterns
                .into_iter()
                .flat_map(Dependents::patterns)
                .map(|(pattern, _)| format!("`{}`", Pattern(pattern).source()))
                .collect();
            self.report_at(Step::Key(name), || {
                let message = format!("there is no property `{name}` here");
                let mut finding = Finding::new(Rule::UnknownProperty, "", "", message).nearest(nearest(name, names));
                if !wanted.is_empty() {
                    finding.expected = Some(format!("a name that matches {}", wanted.join(" or ")));
                }
                finding
            });
        }
    }

    fn check_read_only(&mut self, name: &'t str, value: &Value) {
        let top = self.path.is_empty();
        if top && !self.kind.read_only().contains_sorted(name) || !top && !self.has_nested_read_only {
            return;
        }
        if intrinsic::is_no_value(value) {
            return;
        }
        self.path.push(Step::Key(name));
        let here = |pointer: &str| {
            let mut steps = self.path.iter();
            let same = pointer.split('/').all(|wanted| match steps.next() {
                Some(Step::Key(key)) => *key == wanted,
                Some(Step::Index(_)) => wanted == "*",
                None => false,
            });
            same && steps.next().is_none()
        };
        if top || self.kind.read_only().iter().any(here) {
            self.report(|| {
                let message = format!("only the service sets `{name}`: leave it out");
                Finding::new(Rule::ReadOnlyProperty, "", "", message)
            });
        }
        self.path.pop();
    }

    fn presence(&self, value: Option<&'t Value>) -> Presence<'t> {
        let mut value = match value {
            Some(value) => value,
            None => return Presence::Absent,
        };
        while let Some((condition, yes, no)) = intrinsic::branches(value) {
            value = match self.decided(condition) {
                Some(true) => yes,
                Some(false) => no,
                None if intrinsic::is_no_value(yes) && intrinsic::is_no_value(no) => return Presence::Absent,
                None if intrinsic::is_no_value(yes) => return Presence::AbsentIf(condition, true),
                None if intrinsic::is_no_value(no) => return Presence::AbsentIf(condition, false),
                None => return Presence::Present,
            };
        }
        if intrinsic::is_no_value(value) { Presence::Absent } else { Presence::Present }
    }

    fn check_required(&mut self, names: List, object: &'t Map<String, Value>) {
        for name in names.iter() {
            match self.presence(get(object, name)) {
                Presence::Present => {}
                Presence::Absent => self.missing(name),
                Presence::AbsentIf(condition, value) if self.trying == 0 => {
                    if self.can_hold(condition, value) == Some(true) {
                        let when = if value { "holds" } else { "does not hold" };
                        self.report_at(Step::Key(name), || {
                            let message = format!("`{name}` must be given, but is not when `{condition}` {when}");
                            Finding::new(Rule::MissingProperty, "", "", message)
                        });
                    }
                }
                Presence::AbsentIf(..) => self.unknown = true,
            }
        }
    }

    fn missing(&mut self, name: &'static str) {
        self.report_at(Step::Key(name), || {
            Finding::new(Rule::MissingProperty, "", "", format!("`{name}` must be given"))
        });
    }

    /// How many of the properties are there, and how many may be.
    fn count_given(&self, names: List, object: &'t Map<String, Value>) -> (usize, usize) {
        names.iter().fold((0, 0), |(surely, perhaps), name| match self.presence(get(object, name)) {
            Presence::Present => (surely + 1, perhaps + 1),
            Presence::Absent => (surely, perhaps),
            Presence::AbsentIf(..) => (surely, perhaps + 1),
        })
    }

    fn check_required_xor(&mut self, names: List, object: &'t Map<String, Value>) {
        match self.count_given(names, object) {
            (_, 0) => self.none_given(names),
            (2.., _) => self.report(|| {
                Finding::new(Rule::DependentProperties, "", "", "only one of these properties can be given")
                    .expected(one_of(names))
            }),
            (1, 1) => {}
            _ => self.unknown = true,
        }
    }

    fn check_required_or(&mut self, names: List, object: &'t Map<String, Value>) {
        match self.count_given(names, object) {
            (_, 0) => self.none_given(names),
            (0, _) => self.unknown = true,
            _ => {}
        }
    }

    fn none_given(&mut self, names: List) {
        self.report(|| {
            Finding::new(Rule::MissingProperty, "", "", "one of these properties must be given").expected(one_of(names))
        });
    }

    fn check_dependent(&mut self, pairs: Dependents, object: &'t Map<String, Value>, required: bool) {
        for (name, others) in pairs.names() {
            match self.presence(get(object, name)) {
                Presence::Absent => continue,
                Presence::AbsentIf(..) => {
                    self.unknown = true;
                    continue;
                }
                Presence::Present => {}
            }
            for other in others.iter() {
                match (self.presence(get(object, other)), required) {
                    (Presence::Absent, true) => self.report_at(Step::Key(name), || {
                        let message = format!("`{name}` calls for `{other}`");
                        Finding::new(Rule::DependentProperties, "", "", message)
                    }),
                    (Presence::Present, false) => self.report_at(Step::Key(name), || {
                        let message = format!("`{name}` and `{other}` rule each other out");
                        Finding::new(Rule::DependentProperties, "", "", message)
                    }),
                    (Presence::AbsentIf(..), _) => self.unknown = true,
                    _ => {}
                }
            }
        }
    }

    /// The keywords that are about other schemas, and apply to values of all types.
    fn check_combination(&mut self, keyword: Keyword, value: &'t Value) {
        match keyword {
            Keyword::AllOf(nodes) => nodes.iter().for_each(|node| self.check(node, value)),
            Keyword::AnyOf(nodes) => self.check_any_of(nodes, value),
            Keyword::OneOf(nodes) => self.check_one_of(nodes, value),
            Keyword::If { condition, then, otherwise } => {
                let next = match self.verdict(condition, value) {
                    Verdict::Fits => then,
                    Verdict::Fails => otherwise,
                    Verdict::Unknown => {
                        self.unknown = true;
                        None
                    }
                };
                if let Some(node) = next {
                    self.check(node, value);
                }
            }
            Keyword::Not(node) => match self.verdict(node, value) {
                Verdict::Fits => self.report(|| {
                    let message = format!("{} is ruled out here", shown(value));
                    Finding::new(Rule::Alternatives, "", "", message)
                }),
                Verdict::Fails => {}
                Verdict::Unknown => self.unknown = true,
            },
            Keyword::Never => self.report(|| {
                Finding::new(
                    Rule::DependentProperties,
                    "",
                    "",
                    "this cannot be given when the other properties are as they are",
                )
            }),
            _ => {}
        }
    }

    fn check_any_of(&mut self, nodes: Nodes, value: &'t Value) {
        let mut unknown = false;
        for node in nodes.iter() {
            match self.verdict(node, value) {
                Verdict::Fits => return,
                Verdict::Unknown => unknown = true,
                Verdict::Fails => {}
            }
        }
        if unknown {
            self.unknown = true;
        } else {
            self.fits_none(nodes, value);
        }
    }

    fn check_one_of(&mut self, nodes: Nodes, value: &'t Value) {
        let verdicts: Vec<Verdict> = nodes.iter().map(|node| self.verdict(node, value)).collect();
        let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        match (count(Verdict::Fits), count(Verdict::Unknown)) {
            (0, 0) => self.fits_none(nodes, value),
            (1, 0) => {}
            (2.., _) => {
                // Text that stands for a number fits two alternatives only by CloudFormation's leniency.
                let lenient = std::mem::replace(&mut self.strict, true);
                let fitting = nodes.iter().filter(|node| self.verdict(*node, value) == Verdict::Fits).count();
                self.strict = lenient;
                if fitting > 1 {
                    let expected = names_of(nodes);
                    self.report(|| {
                        let message = "this fits more than one of the alternatives";
                        let finding = Finding::new(Rule::Alternatives, "", "", message);
                        expected.into_iter().fold(finding, Finding::expected)
                    });
                }
            }
            _ => self.unknown = true,
        }
    }

    /// Says why, for the one alternative that is nearest, or that none fits.
    fn fits_none(&mut self, nodes: Nodes, value: &'t Value) {
        if self.trying > 0 {
            self.failures += 1;
            return;
        }
        let mut counts: Vec<(usize, Node)> =
            nodes.iter().map(|node| (self.count_failures(node, value), node)).collect();
        counts.sort_by_key(|(failures, _)| *failures);
        match counts.as_slice() {
            [(_, only)] => return self.check(*only, value),
            [(best, node), (second, _), ..] if best < second => return self.check(*node, value),
            _ => {}
        }
        let expected = names_of(nodes);
        let rule = if expected.is_some() { Rule::MissingProperty } else { Rule::Alternatives };
        let message = match &expected {
            Some(_) => "one of these properties must be given".to_owned(),
            None => format!("{} fits none of the alternatives", shown(value)),
        };
        self.report(|| expected.into_iter().fold(Finding::new(rule, "", "", message), Finding::expected));
    }

    fn count_failures(&mut self, node: Node, value: &'t Value) -> usize {
        let (failures, unknown) = (self.failures, self.unknown);
        self.trying += 1;
        self.failures = 0;
        self.check(node, value);
        self.trying -= 1;
        let count = self.failures;
        (self.failures, self.unknown) = (failures, unknown);
        // A value of another type is farther off than any mistake in one of the right type.
        if self.accepts(node.types(), value) { count } else { usize::MAX }
    }

    fn verdict(&mut self, node: Node, value: &'t Value) -> Verdict {
        let (failures, unknown) = (self.failures, self.unknown);
        self.trying += 1;
        (self.failures, self.unknown) = (0, false);
        self.check(node, value);
        self.trying -= 1;
        let verdict = match (self.failures, self.unknown) {
            (1.., _) => Verdict::Fails,
            (0, true) => Verdict::Unknown,
            (0, false) => Verdict::Fits,
        };
        (self.failures, self.unknown) = (failures, unknown);
        verdict
    }

    fn check_at(&mut self, step: Step<'t>, node: Node, value: &'t Value) {
        self.path.push(step);
        self.check(node, value);
        self.path.pop();
    }

    fn report_at(&mut self, step: Step<'t>, finding: impl FnOnce() -> Finding) {
        self.path.push(step);
        self.report(finding);
        self.path.pop();
    }

    fn report(&mut self, finding: impl FnOnce() -> Finding) {
        self.failures += 1;
        if self.trying > 0 {
            return;
        }
        let mut finding = finding();
        self.logical_id.clone_into(&mut finding.logical_id);
        finding.property_path = path::render(&self.path);
        // Several schemas for one value may each miss the type: what fits all of them is what the narrowest takes.
        let is_same_type = |it: &&mut Finding| {
            (it.rule, it.logical_id.as_str(), it.property_path.as_str())
                == (Rule::WrongType, self.logical_id, finding.property_path.as_str())
        };
        if finding.rule == Rule::WrongType
            && let Some(before) = self.findings.iter_mut().find(is_same_type)
        {
            if finding.expected.as_ref().map(String::len) < before.expected.as_ref().map(String::len) {
                before.expected = finding.expected;
            }
        } else if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// Whether an object has properties of its own, so that text cannot stand for it.
fn is_structured(node: Node) -> bool {
    node.properties().is_some_and(|properties| properties.iter().len() > 0)
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// Whether no part of it is only known when the stack is deployed.
fn is_literal(value: &Value) -> bool {
    match value {
        Value::Object(object) => {
            intrinsic::intrinsic_of(object).is_none() && !intrinsic::is_open(object) && object.values().all(is_literal)
        }
        Value::Array(items) => items.iter().all(is_literal),
        Value::String(text) => !intrinsic::is_dynamic(text),
        _ => true,
    }
}

/// The value itself if it is short.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn type_names(bits: u8) -> String {
    let names = [
        (types::STRING, "text"),
        (types::INTEGER, "a whole number"),
        (types::NUMBER, "a number"),
        (types::BOOLEAN, "true or false"),
        (types::ARRAY, "a list"),
        (types::OBJECT, "an object"),
    ];
    let names: Vec<&str> = names.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect();
    names.join(" or ")
}

fn bounds(least: u64, most: Option<u64>) -> String {
    match most {
        Some(most) if most == least => format!("exactly {most}"),
        Some(most) => format!("{least} to {most}"),
        None => format!("at least {least}"),
    }
}

fn one_of(values: List) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = values.iter().take(SHOWN).map(|value| format!("`{value}`")).collect();
    let names = names.join(", ");
    let rest = values.len().saturating_sub(SHOWN);
    if rest > 0 { format!("one of {names} and {rest} more") } else { format!("one of {names}") }
}

/// The names of the properties, if each alternative only calls for one or more properties.
fn names_of(nodes: Nodes) -> Option<String> {
    let mut parts = Vec::new();
    for node in nodes.iter() {
        let mut keywords = node.keywords();
        match (keywords.next(), keywords.next()) {
            (Some(Keyword::Required(names)), None) => {
                let names: Vec<&str> = names.iter().collect();
                parts.push(format!("`{}`", names.join("` and `")));
            }
            _ => return None,
        }
    }
    Some(parts.join(", or "))
}
