//! What a template declares, by name.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

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
    resources: Vec<Resource<'t>>,
    by_name: HashMap<&'t str, usize, Fnv>,
    parameters: Option<&'t Map<String, Value>>,
    conditions: Option<&'t Map<String, Value>>,
    mappings: Option<&'t Map<String, Value>>,
}

/// A resource of a template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource<'t> {
    pub(super) logical_id: &'t str,
    pub(super) declaration: &'t Map<String, Value>,
    pub(super) kind: Option<ResourceType>,
}

impl<'t> Resource<'t> {
    pub(super) fn new(logical_id: &'t str, declaration: &'t Map<String, Value>) -> Self {
        let kind = get(declaration, "Type").and_then(Value::as_str).and_then(resource_type);
        Self { logical_id, declaration, kind }
    }

    pub(super) fn properties(&self) -> Option<&'t Value> {
        get(self.declaration, "Properties")
    }

    pub(super) fn condition(&self) -> Option<&'t str> {
        get(self.declaration, "Condition").and_then(Value::as_str)
    }
}

/// The value of a key. Most objects of a template are so small that looking through them is faster than a hash of the key.
pub(super) fn get<'t>(object: &'t Map<String, Value>, key: &str) -> Option<&'t Value> {
    const SMALL: usize = 12;
    if object.len() <= SMALL {
        return object.iter().find(|(name, _)| *name == key).map(|(_, value)| value);
    }
    object.get(key)
}

/// A hash that is fast for short names.
type Fnv = BuildHasherDefault<FnvHasher>;

struct FnvHasher(u64);

impl Default for FnvHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for FnvHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<'t> Names<'t> {
    pub(super) fn of(sections: &'t Map<String, Value>) -> Self {
        let section = |name: &str| sections.get(name).and_then(Value::as_object);
        let resources: Vec<_> = section("Resources")
            .into_iter()
            .flatten()
            .filter_map(|(name, declaration)| Some(Resource::new(name, declaration.as_object()?)))
            .collect();
        let by_name = resources.iter().enumerate().map(|(index, resource)| (resource.logical_id, index)).collect();
        Self {
            resources,
            by_name,
            parameters: section("Parameters"),
            conditions: section("Conditions"),
            mappings: section("Mappings"),
        }
    }

    /// The resources in the order of the template.
    pub(super) fn resources(&self) -> impl Iterator<Item = Resource<'t>> {
        self.resources.iter().copied()
    }

    /// The place of a resource in that order.
    pub(super) fn index(&self, logical_id: &str) -> Option<usize> {
        self.by_name.get(logical_id).copied()
    }

    pub(super) fn resource(&self, logical_id: &str) -> Option<&'t Map<String, Value>> {
        self.index(logical_id).map(|index| self.resources[index].declaration)
    }

    pub(super) fn kind(&self, logical_id: &str) -> Option<ResourceType> {
        self.resources[self.index(logical_id)?].kind
    }

    pub(super) fn has_parameter(&self, name: &str) -> bool {
        self.parameters.is_some_and(|parameters| get(parameters, name).is_some()) || PSEUDO_PARAMETERS.contains(&name)
    }

    pub(super) fn has_condition(&self, name: &str) -> bool {
        self.conditions.is_some_and(|conditions| get(conditions, name).is_some())
    }

    pub(super) fn mapping(&self, name: &str) -> Option<&'t Value> {
        get(self.mappings?, name)
    }

    /// The resource or parameter whose name is most like `name`.
    pub(super) fn nearest_reference(&self, name: &str) -> Option<&'t str> {
        let parameters = self.parameters.into_iter().flat_map(|map| map.keys().map(String::as_str));
        let all = self.resources.iter().map(|resource| resource.logical_id).chain(parameters);
        let mut all: Vec<&str> = all.chain(PSEUDO_PARAMETERS).collect();
        all.sort_unstable();
        nearest(name, all)
    }

    pub(super) fn nearest_resource(&self, name: &str) -> Option<&'t str> {
        nearest(name, self.resources.iter().map(|resource| resource.logical_id))
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
        let parameter = self.parameters.and_then(|parameters| get(parameters, name));
        match parameter.and_then(|parameter| parameter["Type"].as_str()) {
            Some(kind) if kind == "CommaDelimitedList" || kind.contains("List<") => Shape::List,
            Some(_) => Shape::Scalar,
            None => Shape::Unknown,
        }
    }
}
