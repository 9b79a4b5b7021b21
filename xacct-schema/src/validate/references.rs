//! Follows every intrinsic function of a template to what it names, and finds resources that need each other.

use serde_json::{Map, Value};

use super::conditions::Conditions;
use super::functions::{EXTENSIONS, OF_CONDITIONS, OF_VALUES, Place, misfit, variables};
use super::intrinsic;
use super::names::{Names, get};
use super::path::{self, Step};
use super::{Finding, Rule};
use crate::nearest::nearest;

/// Attributes of a resource, beside its properties, that take intrinsic functions.
const ATTRIBUTES: [&str; 2] = ["CreationPolicy", "UpdatePolicy"];

pub(super) fn check(
    sections: &Map<String, Value>,
    names: &Names<'_>,
    conditions: &Conditions<'_>,
    findings: &mut Vec<Finding>,
) {
    let extended = super::has_language_extensions(sections);
    let mut edges: Vec<Vec<usize>> = Vec::new();
    for resource in names.resources() {
        let mut walker = Walker::new(names, conditions, findings, resource.logical_id, extended);
        walker.assume(resource.condition());
        if let Some(properties) = resource.properties() {
            walker.walk(properties);
        }
        for attribute in ATTRIBUTES {
            if let Some(value) = get(resource.declaration, attribute) {
                walker.walk_at(Step::Key(attribute), value);
            }
        }
        let mut needs = walker.edges;
        let depends_on = match get(resource.declaration, "DependsOn") {
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        needs.extend(depends_on.iter().filter_map(Value::as_str).filter_map(|name| names.index(name)));
        edges.push(needs);
    }
    for (name, output) in sections.get("Outputs").and_then(Value::as_object).into_iter().flatten() {
        let Some(output) = output.as_object() else { continue };
        let mut walker = Walker::new(names, conditions, findings, "", extended);
        walker.assume(get(output, "Condition").and_then(Value::as_str));
        walker.path.extend([Step::Key("Outputs"), Step::Key(name)]);
        for key in ["Value", "Export"] {
            if let Some(value) = output.get(key) {
                walker.walk_at(Step::Key(key), value);
            }
        }
    }
    for (name, condition) in sections.get("Conditions").and_then(Value::as_object).into_iter().flatten() {
        let mut walker = Walker::new(names, conditions, findings, "", extended);
        walker.place = Place::Condition;
        walker.path.push(Step::Key("Conditions"));
        walker.walk_at(Step::Key(name), condition);
    }
    report_cycles(names, &edges, findings);
}

struct Walker<'t, 'f> {
    names: &'t Names<'t>,
    conditions: &'t Conditions<'t>,
    findings: &'f mut Vec<Finding>,
    logical_id: &'t str,
    /// Whether the template uses `AWS::LanguageExtensions`.
    extended: bool,
    place: Place,
    path: Vec<Step<'t>>,
    assumed: Vec<(&'t str, bool)>,
    /// The resources that are referred to.
    edges: Vec<usize>,
}

impl<'t, 'f> Walker<'t, 'f> {
    fn new(
        names: &'t Names<'t>,
        conditions: &'t Conditions<'t>,
        findings: &'f mut Vec<Finding>,
        logical_id: &'t str,
        extended: bool,
    ) -> Self {
        Self {
            names,
            conditions,
            findings,
            logical_id,
            extended,
            place: Place::Value,
            path: Vec::new(),
            assumed: Vec::new(),
            edges: Vec::new(),
        }
    }

    fn assume(&mut self, condition: Option<&'t str>) {
        self.assumed.extend(condition.map(|condition| (condition, true)));
    }

    fn walk(&mut self, value: &'t Value) {
        match value {
            Value::Object(object) => match self.function_of(object) {
                Some((name, argument)) => self.function(name, argument),
                None => {
                    for (key, value) in object {
                        self.walk_at(Step::Key(key), value);
                    }
                }
            },
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.walk_at(Step::Index(index), item);
                }
            }
            Value::Null => self.report(Rule::Null, "CloudFormation takes no nulls: leave it out".to_owned(), None),
            _ => {}
        }
    }

    fn walk_at(&mut self, step: Step<'t>, value: &'t Value) {
        self.path.push(step);
        self.walk(value);
        self.path.pop();
    }

    fn function_of(&self, object: &'t Map<String, Value>) -> Option<(&'t str, &'t Value)> {
        if self.place == Place::Condition && object.len() == 1 {
            let (name, argument) = object.iter().next()?;
            if name == "Condition" {
                return Some((name, argument));
            }
        }
        intrinsic::intrinsic_of(object)
    }

    fn function(&mut self, name: &'t str, argument: &'t Value) {
        if !self.is_known_function(name) {
            return;
        }
        if let Some(expected) = misfit(name, argument, self.extended) {
            self.report(
                Rule::FunctionArgument,
                format!("the argument of `{name}` is wrong"),
                Some(expected.to_owned()),
            );
            return;
        }
        match (name, argument) {
            ("Ref", Value::String(target)) => self.reference(target),
            ("Condition", Value::String(condition)) => self.condition(condition),
            ("Fn::GetAtt", argument) => self.get_att(argument),
            ("Fn::Sub", Value::String(text)) => self.substitute(text, None),
            ("Fn::Sub", Value::Array(parts)) => {
                if let [Value::String(text), Value::Object(variables)] = parts.as_slice() {
                    self.substitute(text, Some(variables));
                    for (variable, value) in variables {
                        self.walk_at(Step::Key(variable), value);
                    }
                }
            }
            ("Fn::If", Value::Array(parts)) => self.branches(parts),
            ("Fn::FindInMap", Value::Array(parts)) => self.find_in_map(parts),
            ("Fn::Select", Value::Array(parts)) => {
                self.select(parts);
                parts.iter().for_each(|part| self.walk(part));
            }
            (_, argument) => self.walk_argument(argument),
        }
    }

    /// Lists as arguments are no lists of the template: their indexes would be confusing in a path.
    fn walk_argument(&mut self, argument: &'t Value) {
        match argument {
            Value::Array(parts) => parts.iter().for_each(|part| self.walk(part)),
            other => self.walk(other),
        }
    }

    fn is_known_function(&mut self, name: &str) -> bool {
        if name == "Condition" || name.starts_with("Fn::ForEach::") {
            return true;
        }
        let of_values = OF_VALUES.contains(&name);
        let of_conditions = OF_CONDITIONS.contains(&name);
        if EXTENSIONS.contains(&name) && !self.extended {
            let message = format!("`{name}` needs the transform `AWS::LanguageExtensions`");
            self.report(Rule::UnknownFunction, message, None);
            return false;
        }
        if of_values || of_conditions && self.place == Place::Condition {
            return true;
        }
        if of_conditions {
            let message = format!("`{name}` can only stand in a condition");
            self.report(Rule::UnknownFunction, message, Some("`Fn::If` with a condition".to_owned()));
            return false;
        }
        let message = format!("there is no function `{name}`");
        self.report(Rule::UnknownFunction, message, None);
        if let Some(finding) = self.findings.last_mut() {
            finding.nearest = nearest(name, OF_VALUES.into_iter().chain(OF_CONDITIONS)).map(str::to_owned);
        }
        false
    }

    fn reference(&mut self, target: &'t str) {
        match self.names.index(target) {
            Some(index) if self.place == Place::Value => {
                self.edges.push(index);
                self.may_not_exist(target);
            }
            Some(_) => {
                let message = format!("a condition cannot refer to the resource `{target}`");
                self.report(Rule::UnknownReference, message, Some("a parameter".to_owned()));
            }
            None if self.names.has_parameter(target) => {}
            None => {
                let message = format!("there is no resource or parameter `{target}`");
                let nearest = self.names.nearest_reference(target);
                self.report(Rule::UnknownReference, message, None);
                self.suggest(nearest);
            }
        }
    }

    fn get_att(&mut self, argument: &'t Value) {
        match intrinsic::get_att(argument) {
            Some((logical_id, attribute)) => self.attribute(logical_id, attribute),
            None => {
                if let Some(Value::String(logical_id)) = argument.get(0) {
                    self.attribute(logical_id, "");
                }
                self.walk_argument(argument);
            }
        }
    }

    /// An empty attribute is one that is only known when the stack is deployed.
    fn attribute(&mut self, logical_id: &'t str, attribute: &str) {
        let Some(index) = self.names.index(logical_id) else {
            let message = format!("there is no resource `{logical_id}`");
            let nearest = self.names.nearest_resource(logical_id);
            self.report(Rule::UnknownReference, message, None);
            self.suggest(nearest);
            return;
        };
        if self.place == Place::Condition {
            let message = format!("a condition cannot refer to the resource `{logical_id}`");
            self.report(Rule::UnknownReference, message, Some("a parameter".to_owned()));
            return;
        }
        self.edges.push(index);
        self.may_not_exist(logical_id);
        let Some(kind) = self.names.kind(logical_id) else { return };
        if !attribute.is_empty() && !kind.has_attribute(attribute) {
            let all: Vec<&str> = kind.attributes().map(|attribute| attribute.name()).collect();
            let expected = (!all.is_empty()).then(|| format!("one of `{}`", all.join("`, `")));
            let message = format!("`{kind}` has no attribute `{attribute}`");
            self.report(Rule::UnknownAttribute, message, expected);
            self.suggest(nearest(attribute, all));
        }
    }

    fn may_not_exist(&mut self, target: &str) {
        let condition = self.names.resource(target).and_then(|resource| get(resource, "Condition")?.as_str());
        let Some(condition) = condition else { return };
        let mut assumed: Vec<(&str, bool)> = self.assumed.clone();
        assumed.push((condition, false));
        if self.conditions.can_hold(&assumed) == Some(true) {
            let message = format!("`{target}` only exists if `{condition}` holds");
            self.report(Rule::ConditionalReference, message, Some(format!("an `Fn::If` with `{condition}` around it")));
        }
    }

    fn substitute(&mut self, text: &'t str, own: Option<&Map<String, Value>>) {
        for variable in variables(text) {
            if own.is_some_and(|own| own.contains_key(variable)) || self.names.has_parameter(variable) {
                continue;
            }
            match variable.split_once('.') {
                Some((logical_id, attribute)) => self.attribute(logical_id, attribute),
                None => self.reference(variable),
            }
        }
    }

    fn branches(&mut self, parts: &'t [Value]) {
        let [Value::String(condition), yes, no] = parts else { return };
        self.condition(condition);
        for (value, branch) in [(true, yes), (false, no)] {
            self.assumed.push((condition, value));
            self.walk(branch);
            self.assumed.pop();
        }
    }

    fn condition(&mut self, condition: &'t str) {
        if !self.names.has_condition(condition) {
            let nearest = self.names.nearest_condition(condition);
            self.report(Rule::UnknownCondition, format!("there is no condition `{condition}`"), None);
            self.suggest(nearest);
        }
    }

    fn find_in_map(&mut self, parts: &'t [Value]) {
        parts.iter().for_each(|part| self.walk(part));
        let (Some(Value::String(name)), None) = (parts.first(), parts.get(3)) else { return };
        let Some(mapping) = self.names.mapping(name) else {
            let nearest = self.names.nearest_mapping(name);
            self.report(Rule::UnknownMapping, format!("there is no mapping `{name}`"), None);
            return self.suggest(nearest);
        };
        let Some(rows) = mapping.as_object().filter(|rows| !rows.contains_key("Fn::Transform")) else { return };
        let first = parts.get(1).and_then(Value::as_str);
        if let Some(first) = first
            && !rows.contains_key(first)
        {
            self.report(Rule::UnknownMapping, format!("the mapping `{name}` has no key `{first}`"), None);
            return self.suggest(nearest(first, rows.keys().map(String::as_str)));
        }
        let Some(second) = parts.get(2).and_then(Value::as_str) else { return };
        let mut candidates = rows.iter().filter(|(key, _)| first.is_none_or(|first| first == key.as_str()));
        if candidates.all(|(_, row)| row.as_object().is_some_and(|row| !row.contains_key(second))) {
            let columns = rows.values().filter_map(Value::as_object).flat_map(|row| row.keys().map(String::as_str));
            let nearest = nearest(second, columns);
            self.report(Rule::UnknownMapping, format!("the mapping `{name}` has no second key `{second}`"), None);
            self.suggest(nearest);
        }
    }

    /// The index must be in a list that is written out.
    fn select(&mut self, parts: &[Value]) {
        let [index, Value::Array(items)] = parts else { return };
        let index = match index {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64(),
        };
        if let Some(index) = index
            && index >= items.len() as u64
            && !items.iter().any(intrinsic::is_no_value)
        {
            let message = format!("`Fn::Select` takes item {index} of {}", items.len());
            self.report(Rule::FunctionArgument, message, None);
        }
    }

    fn report(&mut self, rule: Rule, message: String, expected: Option<String>) {
        let mut finding = Finding::new(rule, self.logical_id, path::render(&self.path), message);
        finding.expected = expected;
        self.findings.push(finding);
    }

    fn suggest(&mut self, nearest: Option<&str>) {
        if let Some(finding) = self.findings.last_mut() {
            finding.nearest = nearest.map(str::to_owned);
        }
    }
}

/// Reports one cycle of each group of resources that need each other.
fn report_cycles(names: &Names<'_>, edges: &[Vec<usize>], findings: &mut Vec<Finding>) {
    let logical_ids: Vec<&str> = names.resources().map(|resource| resource.logical_id).collect();
    let mut search =
        CycleSearch { edges, states: vec![State::New; edges.len()], stack: Vec::new(), cycles: Vec::new() };
    for start in 0..edges.len() {
        search.visit(start);
    }
    for cycle in search.cycles {
        let first = logical_ids[cycle[0]];
        let path: Vec<&str> = cycle.iter().map(|index| logical_ids[*index]).chain([first]).collect();
        let message = format!("these resources need each other: {}", path.join(" → "));
        findings.push(Finding::new(Rule::CircularDependency, first, "", message));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
    InCycle,
}

struct CycleSearch<'e> {
    edges: &'e [Vec<usize>],
    states: Vec<State>,
    stack: Vec<usize>,
    cycles: Vec<Vec<usize>>,
}

impl CycleSearch<'_> {
    fn visit(&mut self, node: usize) {
        if self.states[node] != State::New {
            return;
        }
        self.states[node] = State::Open;
        self.stack.push(node);
        for &next in &self.edges[node] {
            match self.states[next] {
                State::New => self.visit(next),
                State::Open => {
                    let start = self.stack.iter().position(|one| *one == next).unwrap_or(0);
                    let cycle = self.stack[start..].to_vec();
                    cycle.iter().for_each(|one| self.states[*one] = State::InCycle);
                    self.cycles.push(cycle);
                }
                State::Done | State::InCycle => {}
            }
        }
        self.stack.pop();
        if self.states[node] == State::Open {
            self.states[node] = State::Done;
        }
    }
}
