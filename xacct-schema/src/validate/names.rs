//! What a template declares, by name.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::intrinsic::Shape;
use crate::nearest::nearest;
use crate::resource::{ResourceType, resource_type};

/// The parameters that every template has.
pub(super) const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// The declarations of a template.
#[derive(Debug, Default)]
pub(super) struct Names<'t> {
    resources: Vec<(&'t str, &'t Map<String, Value>)>,
    by_name: HashMap<&'t str, usize>,
    parameters: HashMap<&'t str, &'t Value>,
    conditions: Option<&'t Map<String, Value>>,
    mappings: Option<&'t Map<String, Value>>,
}

impl<'t> Names<'t> {
    pub(super) fn of(sections: &'t Map<String, Value>) -> Self {
        let section = |name: &str| sections.get(name).and_then(Value::as_object);
        let resources: Vec<_> = section("Resources")
            .into_iter()
            .flatten()
            .filter_map(|(name, declaration)| Some((name.as_str(), declaration.as_object()?)))
            .collect();
        let by_name = resources.iter().enumerate().map(|(index, (name, _))| (*name, index)).collect();
        let parameters = section("Parameters").into_iter().flatten();
        Self {
            resources,
            by_name,
            parameters: parameters.map(|(name, declaration)| (name.as_str(), declaration)).collect(),
            conditions: section("Conditions"),
            mappings: section("Mappings"),
        }
    }

    /// The resources in the order of the template.
    pub(super) fn resources(&self) -> impl Iterator<Item = (&'t str, &'t Map<String, Value>)> {
        self.resources.iter().copied()
    }

    /// The place of a resource in that order.
    pub(super) fn index(&self, logical_id: &str) -> Option<usize> {
        self.by_name.get(logical_id).copied()
    }

    pub(super) fn resource(&self, logical_id: &str) -> Option<&'t Map<String, Value>> {
        self.index(logical_id).map(|index| self.resources[index].1)
    }

    pub(super) fn kind(&self, logical_id: &str) -> Option<ResourceType> {
        resource_type(self.resource(logical_id)?.get("Type")?.as_str()?)
    }

    pub(super) fn has_parameter(&self, name: &str) -> bool {
        self.parameters.contains_key(name) || PSEUDO_PARAMETERS.contains(&name)
    }

    pub(super) fn has_condition(&self, name: &str) -> bool {
        self.conditions.is_some_and(|conditions| conditions.contains_key(name))
    }

    pub(super) fn mapping(&self, name: &str) -> Option<&'t Value> {
        self.mappings.and_then(|mappings| mappings.get(name))
    }

    /// The resource or parameter whose name is most like `name`.
    pub(super) fn nearest_reference(&self, name: &str) -> Option<&'t str> {
        let all = self.resources.iter().map(|(name, _)| *name).chain(self.parameters.keys().copied());
        let mut all: Vec<&str> = all.chain(PSEUDO_PARAMETERS).collect();
        all.sort_unstable();
        nearest(name, all)
    }

    pub(super) fn nearest_resource(&self, name: &str) -> Option<&'t str> {
        nearest(name, self.resources.iter().map(|(name, _)| *name))
    }

    pub(super) fn nearest_condition(&self, name: &str) -> Option<&'t str> {
        nearest(name, self.conditions.into_iter().flat_map(|map| map.keys().map(String::as_str)))
    }

    pub(super) fn nearest_mapping(&self, name: &str) -> Option<&'t str> {
        nearest(name, self.mappings.into_iter().flat_map(|map| map.keys().map(String::as_str)))
    }

    /// What kind of value `Ref` gives.
    pub(super) fn shape(&self, name: &str) -> Shape {
        if self.index(name).is_some() {
            return Shape::Scalar;
        }
        if PSEUDO_PARAMETERS.contains(&name) {
            return if name == "AWS::NotificationARNs" { Shape::List } else { Shape::Scalar };
        }
        match self.parameters.get(name).and_then(|parameter| parameter["Type"].as_str()) {
            Some(kind) if kind == "CommaDelimitedList" || kind.contains("List<") => Shape::List,
            Some(_) => Shape::Scalar,
            None => Shape::Unknown,
        }
    }
}
