//! Turns a JSON schema of a resource type into nodes of the table file.

use std::collections::HashMap;

use serde_json::{Map, Value};
use xacct_schema::layout::{keyword, types};

use super::pool::Pool;

/// Keywords that say nothing about which values are right.
const ANNOTATIONS: [&str; 39] = [
    "cfnLint",
    "description",
    "title",
    "default",
    "examples",
    "insertionOrder",
    "arrayType",
    "relationshipRef",
    "$comment",
    "$schema",
    "$id",
    "definitions",
    "typeName",
    "sourceUrl",
    "documentationUrl",
    "replacementStrategy",
    "taggable",
    "tagging",
    "handlers",
    "createOnlyProperties",
    "conditionalCreateOnlyProperties",
    "readOnlyProperties",
    "writeOnlyProperties",
    "deprecatedProperties",
    "nonPublicProperties",
    "primaryIdentifier",
    "additionalIdentifiers",
    "propertyTransform",
    "lifecycle",
    "resourceLink",
    "typeConfiguration",
    "type",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "minItems",
    "minProperties",
    "then",
    "else",
];

/// Formats that validation or the typed resources make use of, with what their text looks like where AWS is strict about it. The others
/// only say how a number is stored, or are no format at all.
const FORMATS: [(&str, Option<&str>); 23] = [
    ("AWS::ACM::Certificate.Arn", Some(r"^arn:aws[a-zA-Z-]*:acm:[a-z0-9-]+:\d{12}:certificate/.+$")),
    ("AWS::EC2::Image.Id", Some(r"^(ami-([0-9a-z]{8}|[0-9a-z]{17})$|resolve:ssm)")),
    ("AWS::EC2::SecurityGroup.Id", Some(r"^sg-([a-fA-F0-9]{8}|[a-fA-F0-9]{17})$")),
    ("AWS::EC2::SecurityGroup.Ids", None),
    ("AWS::EC2::SecurityGroup.Name", None),
    ("AWS::EC2::SecurityGroup.Names", None),
    ("AWS::EC2::Subnet.Id", Some(r"^subnet-([0-9A-Fa-f]{8}|[0-9A-Fa-f]{17})$")),
    ("AWS::EC2::Subnet.Ids", None),
    ("AWS::EC2::VPC.Id", Some(r"^vpc-([0-9A-Fa-f]{8}|[0-9A-Fa-f]{17})$")),
    ("AWS::IAM::Role.Arn", Some(r"^arn:aws[a-zA-Z-]*:iam::\d{12}:role/.+$")),
    ("AWS::KMS::Alias.AliasName", Some(r"^alias/[a-zA-Z0-9:/_-]+$")),
    ("AWS::KMS::Key.Arn", Some(r"^arn:aws[a-zA-Z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/.+$")),
    (
        "AWS::KMS::Key.Id",
        Some(
            r"^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}|alias/[a-zA-Z0-9/_-]+)$",
        ),
    ),
    ("AWS::Lambda::Function.Arn", Some(r"^arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:function:.+$")),
    ("AWS::Logs::LogGroup.Name", Some(r"^[\.\-_/#A-Za-z0-9]{1,512}$")),
    ("AWS::S3::Bucket.Name", Some(r"^$|^(?![.\-])(?!.*\.\.)(?!.*\-\.)(?!.*\.\-)[a-z0-9.\-]{3,63}(?<![.\-])$")),
    ("AWS::SNS::Topic.Arn", Some(r"^arn:aws[a-zA-Z-]*:sns:[a-z0-9-]+:\d{12}:.+$")),
    ("date-time", Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")),
    ("ipv4", Some(r"^((\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])(\.(?!$)|$)){4}$")),
    ("ipv6", Some(r"^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$")),
    ("json", None),
    (
        "ipv4-network",
        Some(r"^((\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])(\.(?!$|/)|(?=$|/))){4}(/([0-9]|[12][0-9]|3[0-2]))?$"),
    ),
    ("ipv6-network", Some(r"^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?$")),
];

/// Builds the nodes of one resource type.
pub(super) struct Nodes<'a> {
    pool: &'a mut Pool,
    root: &'a Value,
    done: HashMap<String, u32>,
    open: HashMap<String, Option<u32>>,
    /// Keywords that are not known here; the generator refuses to drop them silently.
    pub(super) unknown: Vec<String>,
}

impl<'a> Nodes<'a> {
    /// For the type with this schema.
    pub(super) fn new(pool: &'a mut Pool, root: &'a Value) -> Self {
        Self { pool, root, done: HashMap::new(), open: HashMap::new(), unknown: Vec::new() }
    }

    /// The node of a schema.
    pub(super) fn node(&mut self, schema: &Value) -> u32 {
        match schema {
            Value::Object(map) if map.contains_key("$ref") => self.reference(map),
            Value::Object(map) => {
                let content = self.content(map);
                self.pool.node(content)
            }
            Value::Bool(false) => self.pool.node(encode(0, keyword::NEVER, &[])),
            _ => self.pool.node(encode(0, 0, &[])),
        }
    }

    /// The node of the property that a pointer such as `A/B` leads to.
    pub(super) fn at(&mut self, pointer: &str) -> Option<u32> {
        let mut schema = self.root.clone();
        for step in pointer.split('/') {
            schema = self.resolve(&schema);
            schema = if step == "*" || step == "items" {
                schema.get("items")?.clone()
            } else {
                schema.get("properties")?.get(step)?.clone()
            };
        }
        Some(self.node(&schema))
    }

    fn resolve(&self, schema: &Value) -> Value {
        let mut schema = schema.clone();
        while let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
            match self.root.pointer(pointer.trim_start_matches('#')) {
                Some(target) => schema = target.clone(),
                None => return Value::Null,
            }
        }
        schema
    }

    fn reference(&mut self, map: &Map<String, Value>) -> u32 {
        let pointer = map["$ref"].as_str().unwrap_or_default().to_owned();
        let Some(target) = self.root.pointer(pointer.trim_start_matches('#')) else {
            self.unknown.push(format!("$ref {pointer}"));
            return self.pool.node(encode(0, 0, &[]));
        };
        let own: Map<String, Value> = map
            .iter()
            .filter(|(key, _)| key.as_str() != "$ref" && is_constraint(key))
            // A few places repeat the type, and wrongly.
            .filter(|(key, _)| key.as_str() != "type" || target.get("type").is_none() || target["type"] == "object")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let key = match own.is_empty() {
            true => pointer,
            false => format!("{pointer} {}", Value::Object(own.clone())),
        };
        if let Some(id) = self.done.get(&key) {
            return *id;
        }
        if let Some(reserved) = self.open.get_mut(&key) {
            return *reserved.get_or_insert_with(|| self.pool.reserve());
        }
        let mut merged = target.as_object().cloned().unwrap_or_default();
        merged.extend(own);
        self.open.insert(key.clone(), None);
        let id = if merged.contains_key("$ref") {
            self.reference(&merged)
        } else {
            let content = self.content(&merged);
            match self.open.get(&key) {
                Some(Some(reserved)) => {
                    self.pool.fill(*reserved, content);
                    *reserved
                }
                _ => self.pool.node(content),
            }
        };
        self.open.remove(&key);
        self.done.insert(key, id);
        id
    }

    fn content(&mut self, map: &Map<String, Value>) -> Vec<u8> {
        let mut bits = 0;
        let mut operands: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut all_of: Vec<u32> = Vec::new();
        for (key, value) in map {
            let entry = self.keyword(key, value, map, &mut all_of);
            if let Some((bit, bytes)) = entry
                && bits & bit == 0
            {
                bits |= bit;
                operands.push((bit, bytes));
            }
        }
        if !all_of.is_empty() {
            bits |= keyword::ALL_OF;
            operands.push((keyword::ALL_OF, ids(&all_of)));
        }
        for (range, least, most) in [
            (keyword::LENGTH, "minLength", "maxLength"),
            (keyword::ITEM_COUNT, "minItems", "maxItems"),
            (keyword::PROPERTY_COUNT, "minProperties", "maxProperties"),
        ] {
            let number = |key: &str| map.get(key).and_then(Value::as_u64);
            let (least, most) = (number(least).unwrap_or(0), number(most));
            if least > 0 || most.is_some() {
                bits |= range;
                let mut bytes = Vec::new();
                varint(&mut bytes, least);
                varint(&mut bytes, most.map_or(0, |most| most + 1));
                operands.push((range, bytes));
            }
        }
        if let Some(bytes) = number_range(map) {
            bits |= keyword::RANGE;
            operands.push((keyword::RANGE, bytes));
        }
        operands.sort_by_key(|(bit, _)| *bit);
        let operands: Vec<u8> = operands.into_iter().flat_map(|(_, bytes)| bytes).collect();
        encode(type_bits(map.get("type")), bits, &operands)
    }

    /// The bit and the operands of one keyword; those with two keywords (a minimum and a maximum) are not made here.
    fn keyword(
        &mut self,
        key: &str,
        value: &Value,
        map: &Map<String, Value>,
        all_of: &mut Vec<u32>,
    ) -> Option<(u32, Vec<u8>)> {
        let one = |id: u32| {
            let mut bytes = Vec::new();
            varint(&mut bytes, u64::from(id));
            bytes
        };
        Some(match key {
            "enum" => (keyword::ENUM, one(self.scalars(value))),
            "const" => (keyword::ENUM, one(self.scalars(&Value::Array(vec![value.clone()])))),
            "enumCaseInsensitive" => (keyword::ENUM_IGNORING_CASE, one(self.scalars(value))),
            "pattern" => (keyword::PATTERN, one(self.pool.pattern(value.as_str().unwrap_or_default()))),
            "multipleOf" => (keyword::MULTIPLE_OF, value.as_f64().unwrap_or(1.0).to_le_bytes().to_vec()),
            "format" => {
                let format = value.as_str()?;
                let text = FORMATS.iter().find(|(name, _)| *name == format);
                if text.is_none() && !format.starts_with("AWS::") {
                    return None;
                }
                let mut bytes = one(self.pool.string(format));
                let pattern = text.and_then(|(_, pattern)| *pattern).map(|pattern| self.pool.pattern(pattern));
                varint(&mut bytes, pattern.map_or(0, |pattern| u64::from(pattern) + 1));
                (keyword::FORMAT, bytes)
            }
            "uniqueItems" if value == &Value::Bool(true) => (keyword::UNIQUE_ITEMS, Vec::new()),
            "maxUniqueItems" => (keyword::MAX_UNIQUE_ITEMS, one(value.as_u64().unwrap_or(0) as u32)),
            "uniqueKeys" => (keyword::UNIQUE_KEYS, one(self.names(value))),
            "items" => (keyword::ITEMS, one(self.node(value))),
            "contains" => (keyword::CONTAINS, one(self.node(value))),
            "propertyNames" => (keyword::PROPERTY_NAMES, one(self.node(value))),
            "prefixItems" => (keyword::PREFIX_ITEMS, self.nodes(value)),
            "required" if value.as_array().is_some_and(|names| !names.is_empty()) => {
                (keyword::REQUIRED, one(self.names(value)))
            }
            "requiredXor" => (keyword::REQUIRED_XOR, one(self.names(value))),
            "requiredOr" => (keyword::REQUIRED_OR, one(self.names(value))),
            "dependentRequired" => (keyword::DEPENDENT_REQUIRED, self.dependent(value)),
            "dependentExcluded" => (keyword::DEPENDENT_EXCLUDED, self.dependent(value)),
            "dependencies" => {
                self.dependencies(value, all_of);
                return None;
            }
            "properties" => (keyword::PROPERTIES, self.properties(value)),
            "patternProperties" => {
                let patterns = value.as_object()?;
                let mut bytes = one(patterns.len() as u32);
                for (pattern, schema) in patterns {
                    varint(&mut bytes, u64::from(self.pool.pattern(pattern)));
                    varint(&mut bytes, u64::from(self.node(schema)));
                }
                (keyword::PATTERN_PROPERTIES, bytes)
            }
            "additionalProperties" => match value {
                Value::Bool(false) => (keyword::CLOSED, Vec::new()),
                Value::Object(_) => (keyword::ADDITIONAL, one(self.node(value))),
                _ => return None,
            },
            "allOf" => {
                for part in value.as_array()? {
                    let node = self.node(part);
                    all_of.push(node);
                }
                return None;
            }
            "anyOf" => (keyword::ANY_OF, self.nodes(value)),
            "oneOf" => (keyword::ONE_OF, self.nodes(value)),
            "not" => (keyword::NOT, one(self.node(value))),
            "if" => {
                let mut bytes = one(self.node(value));
                for branch in ["then", "else"] {
                    let node = map.get(branch).map(|schema| self.node(schema));
                    varint(&mut bytes, node.map_or(0, |node| u64::from(node) + 1));
                }
                (keyword::IF, bytes)
            }
            "maxLength" | "maxItems" | "maxProperties" | "minimum" | "maximum" => return None,
            "uniqueItems" | "required" => return None,
            other if ANNOTATIONS.contains(&other) => return None,
            other => {
                self.unknown.push(other.to_owned());
                return None;
            }
        })
    }

    fn nodes(&mut self, value: &Value) -> Vec<u8> {
        let parts = value.as_array().cloned().unwrap_or_default();
        let parts: Vec<u32> = parts.iter().map(|part| self.node(part)).collect();
        ids(&parts)
    }

    fn names(&mut self, value: &Value) -> u32 {
        let mut names: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        names.sort_unstable();
        names.dedup();
        self.pool.list(names)
    }

    /// The text of every value: CloudFormation takes `"5"` for 5 and `"true"` for true.
    fn scalars(&mut self, value: &Value) -> u32 {
        let mut texts: Vec<String> = value
            .as_array()
            .into_iter()
            .flatten()
            .map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect();
        texts.sort();
        texts.dedup();
        self.pool.list(texts)
    }

    fn dependent(&mut self, value: &Value) -> Vec<u8> {
        let pairs = value.as_object().cloned().unwrap_or_default();
        let mut bytes = Vec::new();
        varint(&mut bytes, pairs.len() as u64);
        for (name, others) in &pairs {
            varint(&mut bytes, u64::from(self.pool.string(name)));
            varint(&mut bytes, u64::from(self.names(others)));
        }
        bytes
    }

    /// The older `dependencies` is a condition: if the property is there, the rest holds.
    fn dependencies(&mut self, value: &Value, all_of: &mut Vec<u32>) {
        for (name, then) in value.as_object().into_iter().flatten() {
            let then = match then {
                Value::Array(names) => serde_json::json!({ "required": names }),
                schema => schema.clone(),
            };
            let condition = serde_json::json!({ "if": { "required": [name] }, "then": then });
            let node = self.node(&condition);
            all_of.push(node);
        }
    }

    fn properties(&mut self, value: &Value) -> Vec<u8> {
        let empty = Map::new();
        let mut properties: Vec<(&String, &Value)> = value.as_object().unwrap_or(&empty).iter().collect();
        properties.sort_by_key(|(name, _)| name.as_str());
        let mut bytes = Vec::new();
        varint(&mut bytes, properties.len() as u64);
        for (name, schema) in properties {
            let node = self.node(schema);
            bytes.extend(self.pool.string(name).to_le_bytes());
            bytes.extend(node.to_le_bytes());
        }
        bytes
    }
}

fn is_constraint(key: &str) -> bool {
    key == "type" || !ANNOTATIONS.contains(&key) || key.starts_with("min")
}

fn number_range(map: &Map<String, Value>) -> Option<Vec<u8>> {
    let number = |key: &str| map.get(key).and_then(Value::as_f64);
    let (least, above) = (number("minimum"), number("exclusiveMinimum"));
    let (most, below) = (number("maximum"), number("exclusiveMaximum"));
    least.or(above).or(most).or(below)?;
    let mut bytes = Vec::new();
    bytes.extend(above.or(least).unwrap_or(f64::NEG_INFINITY).to_le_bytes());
    bytes.extend(below.or(most).unwrap_or(f64::INFINITY).to_le_bytes());
    bytes.push(u8::from(above.is_some()) + 2 * u8::from(below.is_some()));
    Some(bytes)
}

fn type_bits(value: Option<&Value>) -> u8 {
    let bit = |name: &Value| match name.as_str() {
        Some("string") => types::STRING,
        Some("integer") => types::INTEGER,
        Some("number") => types::NUMBER,
        Some("boolean") => types::BOOLEAN,
        Some("array") => types::ARRAY,
        Some("object") => types::OBJECT,
        Some("null") => types::NULL,
        _ => 0,
    };
    match value {
        Some(Value::Array(names)) => names.iter().map(bit).fold(0, |all, bit| all | bit),
        Some(name) => bit(name),
        None => 0,
    }
}

fn encode(types: u8, bits: u32, operands: &[u8]) -> Vec<u8> {
    let mut bytes = vec![types];
    bytes.extend(bits.to_le_bytes());
    bytes.extend(operands);
    bytes
}

fn ids(nodes: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(&mut bytes, nodes.len() as u64);
    for node in nodes {
        varint(&mut bytes, u64::from(*node));
    }
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        bytes.push((number % 128) as u8 | 128);
        number /= 128;
    }
    bytes.push(number as u8);
}
