//! The resources as they will be written: the sources joined, filtered, and named for Rust.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kind::{Identifiers, Kinds, ref_identifier};
use super::name::{camel, snake, unique, variant};
use super::provider::Place;
use crate::source::SourceError;

/// Enumerations with more texts than this stay plain text: they are lists of instance types and the like, which grow every week.
const MAX_VARIANTS: usize = 60;

/// Everything that is generated, in the order in which it is written.
#[derive(Debug)]
pub struct Model {
    /// By module name.
    pub services: BTreeMap<String, Service>,
    /// The kinds of text.
    pub kinds: Kinds,
    /// Types of the source that are not generated, with the reason.
    pub left_out: BTreeMap<String, &'static str>,
    /// Types that only cfn-lint's provider schemas know.
    pub only_in_provider_schemas: Vec<String>,
}

/// A service: `AWS::KMS`.
#[derive(Debug)]
pub struct Service {
    /// Its name in CloudFormation.
    pub namespace: String,
    /// Its resources, by module name.
    pub resources: BTreeMap<String, Resource>,
}

/// A resource type.
#[derive(Debug)]
pub struct Resource {
    /// `AWS::KMS::Key`
    pub cfn_type: String,
    /// `Key`
    pub name: String,
    /// Its properties, by the name of the setter.
    pub properties: BTreeMap<String, Property>,
    /// Its attributes, by the name of the method.
    pub attributes: BTreeMap<String, Attribute>,
    /// What `Ref` gives: its name, where it has one, and type.
    pub reference: (Option<String>, Type),
    /// Nested property types, by Rust name.
    pub objects: BTreeMap<String, Object>,
    /// Enumerations, by Rust name.
    pub enums: BTreeMap<String, Enum>,
    /// Properties that take one of several types, by Rust name.
    pub unions: BTreeMap<String, Vec<Type>>,
}

/// A nested property type.
#[derive(Debug)]
pub struct Object {
    /// Its name in CloudFormation.
    pub cfn_name: String,
    /// Its properties, by the name of the setter.
    pub properties: BTreeMap<String, Property>,
}

/// A property.
#[derive(Debug)]
pub struct Property {
    /// Its name in CloudFormation.
    pub cfn_name: String,
    /// What it takes.
    pub takes: Type,
    /// Whether it must be set.
    pub required: bool,
    /// What a change of it does.
    pub update: Update,
    /// Whether AWS advises against it.
    pub deprecated: bool,
}

/// What a change does to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It stays.
    InPlace,
    /// Another takes its place.
    Replacement,
    /// That depends on the change.
    MayReplace,
    /// That depends on the property that holds this one.
    ByHolder,
}

/// An attribute.
#[derive(Debug)]
pub struct Attribute {
    /// Its name in CloudFormation.
    pub cfn_name: String,
    /// What it gives.
    pub gives: Type,
}

/// An enumeration: variants and their texts, in the source's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enum {
    /// The property that it is made for.
    pub property: String,
    /// Name and text of each variant.
    pub variants: Vec<(String, String)>,
}

/// A type of values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// Text.
    Text,
    /// Text that identifies something.
    Kind(String),
    /// One of the texts of an enumeration.
    Enum(String),
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// Text, number or boolean: CloudFormation converts.
    Scalar,
    /// Any JSON.
    Json,
    /// A pair of key and value.
    Tag,
    /// A list.
    List(Box<Type>),
    /// An object with keys of the user's choice.
    Map(Box<Type>),
    /// A nested property type.
    Object(String),
    /// One of several types.
    Union(String),
}

/// Builds the model from the database and the provider schemas.
pub(super) fn build(database: &Value, schemas: &BTreeMap<String, Value>) -> Result<Model, SourceError> {
    let tables = Tables::new(database)?;
    let mut model = Model {
        services: BTreeMap::new(),
        kinds: Kinds::default(),
        left_out: BTreeMap::new(),
        only_in_provider_schemas: Vec::new(),
    };
    let known = Identifiers::new(tables.resources.values().copied());
    let mut generated = BTreeSet::new();
    for (service, resources) in &tables.services {
        let module = snake(text(service, "shortName")?);
        let mut written = BTreeMap::new();
        for resource in resources {
            let cfn_type = text(resource, "cloudFormationType")?;
            generated.insert(cfn_type);
            if let Some(reason) = reason_to_leave_out(cfn_type, schemas) {
                model.left_out.insert(cfn_type.to_owned(), reason);
                continue;
            }
            let schema = schemas.get(cfn_type);
            let built = Builder::new(&tables, &known, &mut model.kinds, resource, schema)?.build()?;
            written.insert(snake(&built.name), built);
        }
        if !written.is_empty() {
            let namespace = text(service, "cloudFormationNamespace")?.to_owned();
            model.services.insert(module, Service { namespace, resources: written });
        }
    }
    model.only_in_provider_schemas = schemas.keys().filter(|it| !generated.contains(it.as_str())).cloned().collect();
    // What attributes give can be told once it is known what all properties want.
    let Model { services, kinds, .. } = &mut model;
    for resource in services.values_mut().flat_map(|it| it.resources.values_mut()) {
        let kind = |name: &str| match kinds.given(&resource.cfn_type, name) {
            Some(kind) => Type::Kind(kind),
            None if name.ends_with("Arn") => Type::Kind("OtherArn".to_owned()),
            None => Type::Text,
        };
        if let (Some(name), gives @ Type::Text) = (&resource.reference.0, &mut resource.reference.1) {
            *gives = kind(name);
        }
        for attribute in resource.attributes.values_mut().filter(|it| it.gives == Type::Text) {
            attribute.gives = kind(&attribute.cfn_name);
        }
    }
    Ok(model)
}

fn reason_to_leave_out(cfn_type: &str, schemas: &BTreeMap<String, Value>) -> Option<&'static str> {
    if !schemas.contains_key(cfn_type) {
        return Some("retired: no region's registry has it any more");
    }
    None
}

/// The database's tables, joined by id.
struct Tables<'a> {
    services: Vec<(&'a Value, Vec<&'a Value>)>,
    resources: BTreeMap<&'a str, &'a Value>,
    types: BTreeMap<&'a str, &'a Value>,
    uses: &'a Value,
}

impl<'a> Tables<'a> {
    fn new(database: &'a Value) -> Result<Self, SourceError> {
        let schema = &database["schema"];
        let table = |name: &str| -> Result<BTreeMap<&'a str, &'a Value>, SourceError> {
            let entities = schema[name]["entities"].as_array().ok_or_else(|| fail(format!("no table `{name}`")))?;
            entities.iter().map(|it| Ok((text(it, "$id")?, it))).collect()
        };
        let resources = table("resource")?;
        let mut services = Vec::new();
        for (id, service) in table("service")? {
            let ids = schema["hasResource"]["forward"][id].as_array().into_iter().flatten();
            let of_service = ids.filter_map(|it| resources.get(it["$id"].as_str()?).copied()).collect();
            services.push((service, of_service));
        }
        Ok(Self { services, types: table("typeDefinition")?, resources, uses: &schema["usesType"]["forward"] })
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, SourceError> {
    value[field].as_str().ok_or_else(|| fail(format!("an entity has no `{field}`")))
}

fn fail(reason: String) -> SourceError {
    SourceError::Content { path: "db.json.gz".to_owned(), reason }
}

/// Builds one resource.
struct Builder<'a, 'b> {
    tables: &'b Tables<'a>,
    known: &'b Identifiers<'a>,
    kinds: &'b mut Kinds,
    source: &'a Value,
    schema: Option<&'a Value>,
    /// Rust names of the nested types, by id.
    names: BTreeMap<&'a str, String>,
    /// Where the provider schema has each nested type, by id.
    places: BTreeMap<&'a str, Place<'a>>,
    /// What a change inside each nested type does, by id.
    updates: BTreeMap<&'a str, Update>,
    taken: BTreeSet<String>,
    enums: BTreeMap<String, Enum>,
    unions: BTreeMap<String, Vec<Type>>,
}

impl<'a, 'b> Builder<'a, 'b> {
    fn new(
        tables: &'b Tables<'a>,
        known: &'b Identifiers<'a>,
        kinds: &'b mut Kinds,
        source: &'a Value,
        schema: Option<&'a Value>,
    ) -> Result<Self, SourceError> {
        let mut builder = Self {
            tables,
            known,
            kinds,
            source,
            schema,
            names: BTreeMap::new(),
            places: BTreeMap::new(),
            updates: BTreeMap::new(),
            taken: BTreeSet::new(),
            enums: BTreeMap::new(),
            unions: BTreeMap::new(),
        };
        let mut used: Vec<(&str, &str)> = Vec::new();
        for it in tables.uses[text(source, "$id")?].as_array().into_iter().flatten() {
            let id = text(it, "$id")?;
            let nested = tables.types.get(id).ok_or_else(|| fail(format!("no type `{id}`")))?;
            used.push((text(nested, "name")?, id));
        }
        used.sort_unstable();
        for (name, id) in used {
            let name = unique(camel(name), &mut builder.taken);
            if super::render::RESERVED.contains(&name.as_str()) {
                return Err(fail(format!("`{name}` is a name that generated modules import: give that another alias")));
            }
            builder.names.insert(id, name);
        }
        let root = schema.map(Place::root);
        for (name, property) in fields(source, "properties") {
            let update = own_update(property, Update::InPlace);
            builder.place(&property["type"], root.and_then(|it| it.property(name)), update);
        }
        Ok(builder)
    }

    /// Notes where nested types are in the provider schema, and what a change inside them does.
    fn place(&mut self, of: &'a Value, place: Option<Place<'a>>, update: Update) {
        if let Some(element) = of.get("element") {
            return self.place(element, place.and_then(Place::element), update);
        }
        for choice in of["types"].as_array().into_iter().flatten() {
            self.place(choice, None, update);
        }
        let Some(id) = of["reference"]["$ref"].as_str() else { return };
        let known = self.updates.get(id).copied();
        let joined = match known {
            None => update,
            Some(other) if other == update => update,
            Some(_) => Update::ByHolder,
        };
        self.updates.insert(id, joined);
        let newly_placed = place.filter(|_| !self.places.contains_key(id));
        if let Some(place) = newly_placed {
            self.places.insert(id, place);
        }
        if known == Some(joined) && newly_placed.is_none() {
            return;
        }
        if let Some(nested) = self.tables.types.get(id).copied() {
            for (name, property) in fields(nested, "properties") {
                let inner = own_update(property, joined);
                self.place(&property["type"], place.and_then(|it| it.property(name)), inner);
            }
        }
    }

    fn build(mut self) -> Result<Resource, SourceError> {
        let cfn_type = text(self.source, "cloudFormationType")?.to_owned();
        let name = camel(text(self.source, "name")?);
        let root = self.schema.map(Place::root);
        let properties = self.properties(&name, self.source, root, Update::InPlace)?;
        let mut objects = BTreeMap::new();
        for (id, rust_name) in self.names.clone() {
            let nested = self.tables.types[id];
            let update = self.updates.get(id).copied().unwrap_or(Update::InPlace);
            let properties = self.properties(&rust_name, nested, self.places.get(id).copied(), update)?;
            objects.insert(rust_name, Object { cfn_name: text(nested, "name")?.to_owned(), properties });
        }
        let mut methods = BTreeSet::new();
        let mut attributes = BTreeMap::new();
        for (attribute, description) in fields(self.source, "attributes") {
            let method = unique(format!("attr_{}", snake(attribute)), &mut methods);
            let gives = self.given(&description["type"]);
            attributes.insert(method, Attribute { cfn_name: attribute.to_owned(), gives });
        }
        // `Ref` gives text, whatever the type of the property that it is taken from.
        let reference = (ref_identifier(self.source).map(str::to_owned), Type::Text);
        Ok(Resource {
            cfn_type,
            name,
            properties,
            attributes,
            reference,
            objects,
            enums: self.enums,
            unions: self.unions,
        })
    }

    fn properties(
        &mut self,
        holder: &str,
        source: &'a Value,
        place: Option<Place<'a>>,
        update: Update,
    ) -> Result<BTreeMap<String, Property>, SourceError> {
        let mut setters = BTreeSet::from(["new".to_owned()]);
        let mut properties = BTreeMap::new();
        for (name, property) in fields(source, "properties") {
            let setter = unique(snake(name), &mut setters);
            let related: Vec<String> = property["relationshipRefs"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|it| {
                    Some(format!("{}.{}", it["cloudFormationType"].as_str()?, it["propertyName"].as_str()?))
                })
                .collect();
            let at = place.and_then(|it| it.property(name));
            let takes = self.taken(holder, name, &property["type"], at, &related)?;
            // Where the sources disagree it is optional: a needless demand would keep a right program from compiling, while what is
            // missing is found when the template is validated.
            let required = property["required"] == true && place.is_none_or(|it| it.requires(name));
            let property = Property {
                cfn_name: name.to_owned(),
                takes,
                required,
                update: own_update(property, update),
                deprecated: property.get("deprecated").is_some(),
            };
            properties.insert(setter, property);
        }
        Ok(properties)
    }

    /// The type that a property takes.
    fn taken(
        &mut self,
        holder: &str,
        property: &str,
        of: &'a Value,
        place: Option<Place<'a>>,
        related: &[String],
    ) -> Result<Type, SourceError> {
        match text(of, "type")? {
            "string" => {
                if let Some(texts) = of["allowedValues"].as_array() {
                    return Ok(self.enumeration(holder, property, texts));
                }
                let mut named = related.to_vec();
                named.extend(place.map(Place::formats).unwrap_or_default().into_iter().map(str::to_owned));
                Ok(self.kinds.wanted(self.known, &named).map_or(Type::Text, Type::Kind))
            }
            "date-time" => Ok(Type::Text),
            "integer" => Ok(Type::Integer),
            "number" => Ok(Type::Number),
            "boolean" => Ok(Type::Boolean),
            "json" | "null" => Ok(Type::Json),
            "tag" => Ok(Type::Tag),
            "ref" => Ok(self.object(of)),
            "array" => {
                let mut related = related.to_vec();
                related.extend(place.map(Place::formats).unwrap_or_default().into_iter().map(str::to_owned));
                let element = self.taken(holder, property, &of["element"], place.and_then(Place::element), &related)?;
                Ok(Type::List(Box::new(element)))
            }
            "map" => {
                let element = self.taken(holder, property, &of["element"], place.and_then(Place::element), related)?;
                Ok(Type::Map(Box::new(element)))
            }
            "union" => self.union(holder, property, of),
            other => Err(fail(format!("`{property}` has the unknown type `{other}`"))),
        }
    }

    fn union(&mut self, holder: &str, property: &str, of: &'a Value) -> Result<Type, SourceError> {
        let mut choices = BTreeSet::new();
        for choice in of["types"].as_array().into_iter().flatten() {
            choices.insert(self.taken(holder, property, choice, None, &[])?);
        }
        let scalar = |it: &Type| matches!(it, Type::Text | Type::Integer | Type::Number | Type::Boolean);
        if choices.iter().all(scalar) {
            return Ok(Type::Scalar);
        }
        // Whatever else it could be is JSON too.
        if choices.contains(&Type::Json) && !choices.iter().any(|it| matches!(it, Type::Object(_))) {
            return Ok(Type::Json);
        }
        let choices: Vec<Type> = choices.into_iter().collect();
        if let [one] = choices.as_slice() {
            return Ok(one.clone());
        }
        for name in [property.to_owned() + "Choice", format!("{holder}{property}Choice")] {
            let name = camel(&name);
            if self.unions.get(&name) == Some(&choices) {
                return Ok(Type::Union(name));
            }
            if self.taken.insert(name.clone()) {
                self.unions.insert(name.clone(), choices);
                return Ok(Type::Union(name));
            }
        }
        Err(fail(format!("no name for the choices of `{holder}.{property}`")))
    }

    fn object(&self, of: &'a Value) -> Type {
        let name = of["reference"]["$ref"].as_str().and_then(|id| self.names.get(id));
        name.map_or(Type::Json, |it| Type::Object(it.clone()))
    }

    fn enumeration(&mut self, holder: &str, property: &str, texts: &[Value]) -> Type {
        let texts: BTreeSet<&str> = texts.iter().filter_map(Value::as_str).collect();
        if texts.is_empty() || texts.len() > MAX_VARIANTS {
            return Type::Text;
        }
        let mut names = BTreeSet::new();
        let variants = texts.into_iter().map(|it| (unique(variant(it), &mut names), it.to_owned())).collect();
        let made = Enum { property: property.to_owned(), variants };
        let (short, long) = (camel(property), camel(&format!("{holder}{property}")));
        for name in [short, long.clone()] {
            if self.enums.get(&name) == Some(&made) {
                return Type::Enum(name);
            }
            if !self.taken.contains(&name) && !super::render::RESERVED.contains(&name.as_str()) {
                self.taken.insert(name.clone());
                self.enums.insert(name.clone(), made);
                return Type::Enum(name);
            }
        }
        let name = unique(format!("{long}Value"), &mut self.taken);
        self.enums.insert(name.clone(), made);
        Type::Enum(name)
    }

    /// The type that an attribute gives.
    fn given(&self, of: &'a Value) -> Type {
        match of["type"].as_str().unwrap_or_default() {
            "string" | "date-time" => Type::Text,
            "integer" => Type::Integer,
            "number" => Type::Number,
            "boolean" => Type::Boolean,
            "tag" => Type::Tag,
            "array" => Type::List(Box::new(self.given(&of["element"]))),
            "map" => Type::Map(Box::new(self.given(&of["element"]))),
            "ref" => self.object(of),
            _ => Type::Json,
        }
    }
}

/// The fields of a table, in the order of their names.
fn fields<'a>(entity: &'a Value, table: &str) -> BTreeMap<&'a str, &'a Value> {
    entity[table].as_object().into_iter().flatten().map(|(name, it)| (name.as_str(), it)).collect()
}

fn own_update(property: &Value, holder: Update) -> Update {
    match property["causesReplacement"].as_str() {
        Some("yes") => Update::Replacement,
        Some("maybe") => Update::MayReplace,
        _ => holder,
    }
}
