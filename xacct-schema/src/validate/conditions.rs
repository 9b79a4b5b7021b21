//! Which conditions of a template can hold together.
//!
//! A condition is a formula over comparisons. Comparisons of one value with different texts rule each other out. All cases are tried, as
//! long as there are few: otherwise, and for what is not understood, the answer is that it is not known.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// How many cases are tried.
const CASES: usize = 2048;

/// The conditions of a template.
#[derive(Debug, Default)]
pub(super) struct Conditions<'t> {
    formulas: HashMap<&'t str, Formula<'t>>,
    /// How many values each compared value can have; the last is any that no comparison names.
    choices: Vec<usize>,
}

#[derive(Debug)]
enum Formula<'t> {
    Constant(bool),
    /// The compared value has this one of its values.
    Is(usize, usize),
    Named(&'t str),
    Not(Box<Formula<'t>>),
    All(Vec<Formula<'t>>),
    Any(Vec<Formula<'t>>),
    Unknown,
}

impl<'t> Conditions<'t> {
    pub(super) fn of(sections: &'t Map<String, Value>) -> Self {
        let mut builder = Builder { parameters: sections.get("Parameters"), ..Builder::default() };
        let section = sections.get("Conditions").and_then(Value::as_object);
        let formulas =
            section.into_iter().flatten().map(|(name, value)| (name.as_str(), builder.formula(value))).collect();
        let choices = builder.values.iter().map(|compared| compared.allowed.unwrap_or(compared.constants.len() + 1));
        Self { choices: choices.collect(), formulas }
    }

    /// Whether the named conditions can have these values at the same time; none if that is not known.
    pub(super) fn can_hold(&self, assumed: &[(&str, bool)]) -> Option<bool> {
        let contradicts = |(name, value): &(&str, bool)| assumed.contains(&(name, !value));
        if assumed.iter().any(contradicts) {
            return Some(false);
        }
        let mut used = vec![false; self.choices.len()];
        for (name, _) in assumed {
            self.uses(self.formulas.get(name)?, &mut used, 0)?;
        }
        let used: Vec<usize> = (0..used.len()).filter(|index| used[*index]).collect();
        let cases = used.iter().try_fold(1usize, |cases, index| cases.checked_mul(self.choices[*index]))?;
        if cases > CASES {
            return None;
        }
        let mut values = vec![0; self.choices.len()];
        for case in 0..cases {
            let mut rest = case;
            for index in &used {
                values[*index] = rest % self.choices[*index];
                rest /= self.choices[*index];
            }
            if assumed.iter().all(|(name, value)| self.holds(&self.formulas[name], &values) == *value) {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Notes which values a formula compares; none if it is not understood or refers to itself.
    fn uses(&self, formula: &Formula<'t>, used: &mut [bool], depth: usize) -> Option<()> {
        if depth > 50 {
            return None;
        }
        match formula {
            Formula::Constant(_) => {}
            Formula::Is(index, _) => used[*index] = true,
            Formula::Named(name) => self.uses(self.formulas.get(name)?, used, depth + 1)?,
            Formula::Not(inner) => self.uses(inner, used, depth + 1)?,
            Formula::All(parts) | Formula::Any(parts) => {
                for part in parts {
                    self.uses(part, used, depth + 1)?;
                }
            }
            Formula::Unknown => return None,
        }
        Some(())
    }

    fn holds(&self, formula: &Formula<'t>, values: &[usize]) -> bool {
        match formula {
            Formula::Constant(value) => *value,
            Formula::Is(index, value) => values[*index] == *value,
            Formula::Named(name) => self.formulas.get(name).is_some_and(|formula| self.holds(formula, values)),
            Formula::Not(inner) => !self.holds(inner, values),
            Formula::All(parts) => parts.iter().all(|part| self.holds(part, values)),
            Formula::Any(parts) => parts.iter().any(|part| self.holds(part, values)),
            Formula::Unknown => false,
        }
    }
}

#[derive(Default)]
struct Builder<'t> {
    parameters: Option<&'t Value>,
    compared: HashMap<String, usize>,
    values: Vec<Compared>,
}

/// A value that comparisons are about.
#[derive(Default)]
struct Compared {
    constants: Vec<String>,
    /// How many of the constants it can have, if it can have no other value.
    allowed: Option<usize>,
}

impl<'t> Builder<'t> {
    fn formula(&mut self, value: &'t Value) -> Formula<'t> {
        let Some((name, argument)) = value.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next())
        else {
            return Formula::Unknown;
        };
        match (name.as_str(), argument) {
            ("Condition", Value::String(name)) => Formula::Named(name),
            ("Fn::Not", Value::Array(parts)) if parts.len() == 1 => Formula::Not(Box::new(self.formula(&parts[0]))),
            ("Fn::And", Value::Array(parts)) => Formula::All(parts.iter().map(|part| self.formula(part)).collect()),
            ("Fn::Or", Value::Array(parts)) => Formula::Any(parts.iter().map(|part| self.formula(part)).collect()),
            ("Fn::Equals", Value::Array(sides)) if sides.len() == 2 => self.equals(&sides[0], &sides[1]),
            _ => Formula::Unknown,
        }
    }

    fn equals(&mut self, left: &Value, right: &Value) -> Formula<'t> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            _ => None,
        };
        match (text(left), text(right)) {
            (Some(left), Some(right)) => Formula::Constant(left == right),
            (None, Some(constant)) => self.is(left.to_string(), constant, self.allowed(left)),
            (Some(constant), None) => self.is(right.to_string(), constant, self.allowed(right)),
            (None, None) if left == right => Formula::Constant(true),
            (None, None) => {
                let (left, right) = (left.to_string(), right.to_string());
                let both = if left < right { format!("{left}={right}") } else { format!("{right}={left}") };
                self.is(both, "true".to_owned(), None)
            }
        }
    }

    /// The only values that a parameter can have.
    fn allowed(&self, value: &Value) -> Option<Vec<String>> {
        let allowed = self.parameters?.get(value["Ref"].as_str()?)?["AllowedValues"].as_array()?;
        Some(allowed.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect())
    }

    fn is(&mut self, compared: String, constant: String, allowed: Option<Vec<String>>) -> Formula<'t> {
        let next = self.values.len();
        let index = *self.compared.entry(compared).or_insert(next);
        if index == next {
            let count = allowed.as_ref().map(Vec::len);
            self.values.push(Compared { constants: allowed.unwrap_or_default(), allowed: count });
        }
        let constants = &mut self.values[index].constants;
        let value = constants.iter().position(|value| *value == constant).unwrap_or_else(|| {
            constants.push(constant);
            constants.len() - 1
        });
        Formula::Is(index, value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Conditions;

    #[test]
    fn conditions_that_rule_each_other_out() {
        let parameters = json!({ "Closed": { "Type": "String", "AllowedValues": ["a", "b"] } });
        let template = json!({ "Parameters": parameters, "Conditions": {
            "A": { "Fn::Equals": [{ "Ref": "Closed" }, "a"] },
            "B": { "Fn::Equals": [{ "Ref": "Closed" }, "b"] },
            "Prod": { "Fn::Equals": [{ "Ref": "Stage" }, "prod"] },
            "Dev": { "Fn::Equals": [{ "Ref": "Stage" }, "dev"] },
            "NotProd": { "Fn::Not": [{ "Condition": "Prod" }] },
            "Other": { "Fn::Equals": [{ "Ref": "Size" }, "big"] },
            "Either": { "Fn::Or": [{ "Condition": "Prod" }, { "Condition": "Dev" }] },
            "Odd": { "Fn::Contains": [] },
        }});
        let conditions = Conditions::of(template.as_object().unwrap());
        assert_eq!(conditions.can_hold(&[("Prod", true), ("Dev", true)]), Some(false));
        assert_eq!(conditions.can_hold(&[("Prod", false), ("Dev", false)]), Some(true));
        assert_eq!(conditions.can_hold(&[("Prod", true), ("NotProd", true)]), Some(false));
        assert_eq!(conditions.can_hold(&[("Prod", true), ("Other", true)]), Some(true));
        assert_eq!(conditions.can_hold(&[("Dev", true), ("Either", false)]), Some(false));
        assert_eq!(conditions.can_hold(&[("A", false), ("B", false)]), Some(false));
        assert_eq!(conditions.can_hold(&[("A", false), ("B", true)]), Some(true));
        assert_eq!(conditions.can_hold(&[("Odd", true)]), None);
        assert_eq!(conditions.can_hold(&[("Missing", true)]), None);
    }
}
