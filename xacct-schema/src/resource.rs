//! Resource types and their properties.

use std::fmt;

use crate::layout::{self, field, flag, types};
use crate::nearest::nearest;
use crate::pattern::Pattern;
use crate::table::{self, Keyword, List, Node, type_field};

/// A resource type of CloudFormation: a handle into the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType(u32);

/// The resource type called `name`.
pub fn resource_type(name: &str) -> Option<ResourceType> {
    let (mut low, mut high) = (0, table::type_count());
    while low < high {
        let middle = low.midpoint(high);
        match table::bytes(type_field(middle, field::NAME)).cmp(name.as_bytes()) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(ResourceType(middle)),
        }
    }
    None
}

/// The names of all resource types, sorted.
pub fn resource_types() -> impl Iterator<Item = &'static str> {
    (0..table::type_count()).map(|index| ResourceType(index).name())
}

/// The resource type whose name is most like `name`, if one is.
pub fn nearest_resource_type(name: &str) -> Option<&'static str> {
    nearest(name, resource_types())
}

/// A handler of a resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Handler {
    /// Creates the resource.
    Create,
    /// Reads its state.
    Read,
    /// Updates it.
    Update,
    /// Deletes it.
    Delete,
    /// Lists the resources of its type.
    List,
}

impl Handler {
    /// Every handler.
    pub const ALL: [Self; 5] = [Self::Create, Self::Read, Self::Update, Self::Delete, Self::List];
}

/// What changing a property does to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Replacement {
    /// It is updated where it is.
    Never,
    /// It depends on the value or on what else is changed.
    Maybe,
    /// It is replaced by a new one.
    Always,
}

/// That AWS gives up on a resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// `maintenance`, `sunset` or `shutdown`.
    pub status: &'static str,
    /// Since when.
    pub date: Option<&'static str>,
}

impl ResourceType {
    /// Such as `AWS::S3::Bucket`.
    pub fn name(self) -> &'static str {
        table::string(self.field(field::NAME))
    }

    /// Its properties, sorted by name, among them those that only the service sets.
    pub fn properties(self) -> impl Iterator<Item = Property> {
        self.root().properties()
    }

    /// The property at a path: names, and `*` or a number for an item of a list or a value of a map.
    pub fn property(self, path: &[&str]) -> Option<Property> {
        let mut property = self.root();
        for step in path {
            property = property.step(step)?;
        }
        (!path.is_empty()).then_some(property)
    }

    /// The property whose name is most like `name`, if one is.
    pub fn nearest_property(self, name: &str) -> Option<&'static str> {
        nearest(name, self.properties().map(|property| property.name()))
    }

    /// What changing the property at `path` does (see [`ResourceType::property`] for paths).
    pub fn replacement(self, path: &[&str]) -> Replacement {
        if self.is_create_only(path) {
            Replacement::Always
        } else if covers(self.list(field::CONDITIONAL_CREATE_ONLY), path) {
            Replacement::Maybe
        } else {
            Replacement::Never
        }
    }

    /// Whether changing the property at `path`, or what it is in, always replaces the resource.
    pub fn is_create_only(self, path: &[&str]) -> bool {
        covers(self.list(field::CREATE_ONLY), path)
    }

    /// The properties whose change replaces the resource, as `A/B/*/C`.
    pub fn create_only_properties(self) -> impl Iterator<Item = &'static str> {
        self.list(field::CREATE_ONLY).iter()
    }

    /// The properties whose change may replace the resource, as `A/B/*/C`.
    pub fn conditional_create_only_properties(self) -> impl Iterator<Item = &'static str> {
        self.list(field::CONDITIONAL_CREATE_ONLY).iter()
    }

    /// The properties that only the service sets, as `A/B/*/C`.
    pub fn read_only_properties(self) -> impl Iterator<Item = &'static str> {
        self.list(field::READ_ONLY).iter()
    }

    /// The properties that the service never gives back, as `A/B/*/C`.
    pub fn write_only_properties(self) -> impl Iterator<Item = &'static str> {
        self.list(field::WRITE_ONLY).iter()
    }

    /// The properties that should no longer be used, as `A/B/*/C`.
    pub fn deprecated_properties(self) -> impl Iterator<Item = &'static str> {
        self.list(field::DEPRECATED).iter()
    }

    /// Whether only the service sets the property at `path`.
    pub fn is_read_only(self, path: &[&str]) -> bool {
        covers(self.list(field::READ_ONLY), path)
    }

    /// The names for `Fn::GetAtt`, sorted.
    pub fn attributes(self) -> impl Iterator<Item = Attribute> {
        let first = self.field(field::ATTRIBUTE_FIRST);
        let count = self.field(field::ATTRIBUTE_COUNT);
        (first..first + count).map(Attribute)
    }

    /// What `Fn::GetAtt` returns for `name`; none if there is no such attribute, or if any name is right
    /// ([`ResourceType::has_any_attribute`]).
    pub fn attribute(self, name: &str) -> Option<Attribute> {
        self.attributes().find(|attribute| attribute.name() == name)
    }

    /// Whether `Fn::GetAtt` takes `name`. A nested stack takes every `Outputs.…`, a custom resource everything.
    pub fn has_attribute(self, name: &str) -> bool {
        self.has_any_attribute()
            || self.has_flag(flag::OUTPUT_ATTRIBUTES) && name.starts_with("Outputs.")
            || self.attribute(name).is_some()
    }

    /// Whether `Fn::GetAtt` takes any name.
    pub fn has_any_attribute(self) -> bool {
        self.has_flag(flag::ANY_ATTRIBUTE)
    }

    /// The properties that together identify a resource.
    pub fn primary_identifier(self) -> impl ExactSizeIterator<Item = &'static str> {
        self.list(field::PRIMARY_IDENTIFIER).iter()
    }

    /// The properties whose values `Ref` returns, joined by `|` if there are several.
    pub fn reference(self) -> impl ExactSizeIterator<Item = &'static str> {
        self.list(field::REF).iter()
    }

    /// The property whose value `Ref` returns, if it is one.
    pub fn ref_property(self) -> Option<&'static str> {
        let mut names = self.reference();
        (names.len() == 1).then(|| names.next()).flatten()
    }

    /// Such as `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`.
    pub fn arn_template(self) -> Option<&'static str> {
        table::maybe_string(self.field(field::ARN))
    }

    /// The property that gives the physical resource its name.
    pub fn name_property(self) -> Option<&'static str> {
        table::maybe_string(self.field(field::NAME_PROPERTY))
    }

    /// Whether the resource can be tagged.
    pub fn is_taggable(self) -> bool {
        self.has_flag(flag::TAGGABLE) && self.tag_property().is_some()
    }

    /// Whether tags can be changed without replacing the resource.
    pub fn has_updatable_tags(self) -> bool {
        self.has_flag(flag::TAG_UPDATABLE)
    }

    /// Whether CloudFormation adds its own tags and those of the stack.
    pub fn has_stack_tags(self) -> bool {
        self.has_flag(flag::SYSTEM_TAGS)
    }

    /// The property that holds the tags.
    pub fn tag_property(self) -> Option<&'static str> {
        table::maybe_string(self.field(field::TAG_PROPERTY))
    }

    /// The IAM actions that CloudFormation needs to tag the resource.
    pub fn tag_permissions(self) -> impl Iterator<Item = &'static str> {
        List::maybe(self.field(field::TAG_PERMISSIONS)).into_iter().flat_map(List::iter)
    }

    /// The IAM actions that a handler needs; none if AWS does not publish the handler.
    pub fn handler_permissions(self, handler: Handler) -> Option<impl ExactSizeIterator<Item = &'static str>> {
        List::maybe(self.field(field::HANDLERS + handler as usize)).map(List::iter)
    }

    /// Whether AWS publishes what the handlers of this type need.
    pub fn has_handlers(self) -> bool {
        self.handler_permissions(Handler::Create).is_some()
    }

    /// Whether losing the resource loses data.
    pub fn is_stateful(self) -> bool {
        self.has_flag(flag::STATEFUL)
    }

    /// Whether a replacement deletes the old resource before it creates the new one.
    pub fn is_deleted_before_replacement(self) -> bool {
        self.has_flag(flag::DELETE_FIRST)
    }

    /// Whether AWS gives up on this type.
    pub fn lifecycle(self) -> Option<Lifecycle> {
        Some(Lifecycle {
            status: table::maybe_string(self.field(field::LIFECYCLE))?,
            date: table::maybe_string(self.field(field::LIFECYCLE_DATE)),
        })
    }

    /// The regions that are known to have this type, sorted.
    pub fn regions(self) -> impl ExactSizeIterator<Item = &'static str> {
        self.list(field::REGIONS).iter()
    }

    /// Whether a region has this type; none if the table knows nothing about the region.
    pub fn is_in_region(self, region: &str) -> Option<bool> {
        if self.list(field::REGIONS).contains_sorted(region) {
            return Some(true);
        }
        // Every known region has stacks.
        let known = resource_type("AWS::CloudFormation::Stack")
            .is_some_and(|stack| stack.list(field::REGIONS).contains_sorted(region));
        known.then_some(false)
    }

    /// Its properties as one object.
    pub fn root(self) -> Property {
        Property { name: "Properties", node: self.node(), required: false }
    }

    pub(crate) fn node(self) -> Node {
        Node(self.field(field::ROOT))
    }

    /// Sorted.
    pub(crate) fn read_only(self) -> List {
        self.list(field::READ_ONLY)
    }

    fn field(self, field: usize) -> u32 {
        type_field(self.0, field)
    }

    fn list(self, field: usize) -> List {
        List::new(self.field(field))
    }

    fn has_flag(self, flag: u32) -> bool {
        self.field(field::FLAGS) & flag != 0
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ResourceType({})", self.name())
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Whether one of the pointers leads to `path` or to something that it is in.
fn covers(pointers: List, path: &[&str]) -> bool {
    pointers.iter().any(|pointer| {
        let mut steps = path.iter();
        pointer.split('/').all(|wanted| steps.next().is_some_and(|step| same_step(wanted, step)))
    })
}

fn same_step(wanted: &str, step: &str) -> bool {
    wanted == step || wanted == "*" && (step == "*" || step.parse::<u32>().is_ok())
}

/// What `Fn::GetAtt` returns for one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute(u32);

impl Attribute {
    /// The name, with dots for nested ones.
    pub fn name(self) -> &'static str {
        table::string(table::word(layout::ATTRIBUTES, self.0 as usize * 2))
    }

    /// What kind of value it has.
    pub fn kind(self) -> Kind {
        kind_of(self.node())
    }

    /// The format of the value, such as `AWS::IAM::Role.Arn`.
    pub fn format(self) -> Option<&'static str> {
        format_of(self.node())
    }

    fn node(self) -> Node {
        Node(table::word(layout::ATTRIBUTES, self.0 as usize * 2 + 1))
    }
}

/// What kind of value a property has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Anything, most often a document such as a policy.
    Json,
    /// A list; [`Property::item`] has its items.
    List,
    /// An object with names of the user's choice; [`Property::item`] has its values.
    Map,
    /// An object with [`Property::properties`].
    Object,
}

/// A property of a resource type or of an object in one: a handle into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    name: &'static str,
    node: Node,
    required: bool,
}

impl Property {
    /// Its name; that of the list or map for an item.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Whether it must be given.
    pub fn is_required(self) -> bool {
        self.required
    }

    /// What kind of value it takes.
    pub fn kind(self) -> Kind {
        kind_of(self.node)
    }

    /// The properties of an object, sorted by name; nothing for another kind.
    pub fn properties(self) -> impl Iterator<Item = Property> {
        let required = self.keyword(|keyword| match keyword {
            Keyword::Required(names) => Some(names),
            _ => None,
        });
        let is_required = move |name| required.is_some_and(|names| names.contains_sorted(name));
        self.node.properties().into_iter().flat_map(|properties| properties.iter()).map(move |(name, node)| Property {
            name,
            node,
            required: is_required(name),
        })
    }

    /// The items of a list, the values of a map.
    pub fn item(self) -> Option<Property> {
        let node = self.keyword(|keyword| match keyword {
            Keyword::Items(node) | Keyword::Additional(node) => Some(node),
            Keyword::PatternProperties(patterns) => patterns.patterns().next().map(|(_, node)| node),
            _ => None,
        })?;
        Some(Property { name: self.name, node, required: false })
    }

    /// The only values that it takes, sorted; empty if there is no such restriction.
    pub fn allowed_values(self) -> impl ExactSizeIterator<Item = &'static str> {
        let values = self.keyword(|keyword| match keyword {
            Keyword::Enum { values, .. } => Some(values),
            _ => None,
        });
        values.unwrap_or_else(List::empty).iter()
    }

    /// Whether the allowed values may be written in upper or lower case.
    pub fn ignores_case(self) -> bool {
        self.keyword(|keyword| matches!(keyword, Keyword::Enum { ignoring_case: true, .. }).then_some(())).is_some()
    }

    /// The regular expression that its text must match.
    pub fn pattern(self) -> Option<&'static str> {
        self.keyword(|keyword| match keyword {
            Keyword::Pattern(index) => Some(Pattern(index).source()),
            _ => None,
        })
    }

    /// The least and greatest number of characters.
    pub fn length(self) -> Option<(u64, Option<u64>)> {
        self.keyword(|keyword| match keyword {
            Keyword::Length(least, most) => Some((least, most)),
            _ => None,
        })
    }

    /// The least and greatest number; infinite if there is no such bound.
    pub fn range(self) -> Option<(f64, f64)> {
        self.keyword(|keyword| match keyword {
            Keyword::Range(range) => Some((range.least, range.most)),
            _ => None,
        })
    }

    /// The least and greatest number of items.
    pub fn item_count(self) -> Option<(u64, Option<u64>)> {
        self.keyword(|keyword| match keyword {
            Keyword::ItemCount(least, most) => Some((least, most)),
            _ => None,
        })
    }

    /// Whether no two items of the list may be equal.
    pub fn has_unique_items(self) -> bool {
        self.keyword(|keyword| matches!(keyword, Keyword::UniqueItems).then_some(())).is_some()
    }

    /// What its text stands for, such as `AWS::IAM::Role.Arn` or `date-time`.
    pub fn format(self) -> Option<&'static str> {
        format_of(self.node)
    }

    fn step(self, step: &str) -> Option<Property> {
        let named = self.node.properties().and_then(|all| all.find(step));
        match named {
            Some((name, node)) => {
                Some(Property { name, node, required: self.properties().any(|p| p.name == name && p.required) })
            }
            None if matches!(self.kind(), Kind::Map) => self.item(),
            None if step == "*" || step.parse::<u32>().is_ok() => self.item(),
            None => None,
        }
    }

    fn keyword<T>(self, find: impl FnMut(Keyword) -> Option<T>) -> Option<T> {
        self.node.keywords().find_map(find)
    }
}

fn format_of(node: Node) -> Option<&'static str> {
    node.keywords().find_map(|keyword| match keyword {
        Keyword::Format { name, .. } => Some(name),
        Keyword::AnyOf(nodes) | Keyword::OneOf(nodes) => nodes.iter().find_map(format_of),
        _ => None,
    })
}

fn kind_of(node: Node) -> Kind {
    let bits = node.types();
    let scalars = types::STRING | types::INTEGER | types::NUMBER | types::BOOLEAN;
    match bits {
        types::ARRAY => return Kind::List,
        types::INTEGER => return Kind::Integer,
        types::NUMBER => return Kind::Number,
        types::BOOLEAN => return Kind::Boolean,
        _ if bits & types::STRING != 0 && bits & !scalars == 0 => return Kind::String,
        _ if bits & types::OBJECT != 0 && bits & !types::OBJECT != 0 => return Kind::Json,
        _ => {}
    }
    node.keywords()
        .find_map(|keyword| match keyword {
            Keyword::Properties(properties) if properties.iter().len() > 0 => Some(Kind::Object),
            Keyword::Additional(_) | Keyword::PatternProperties(_) => Some(Kind::Map),
            Keyword::AnyOf(nodes) | Keyword::OneOf(nodes) if bits == 0 => {
                nodes.iter().map(kind_of).find(|kind| *kind != Kind::Json)
            }
            _ => None,
        })
        .unwrap_or(Kind::Json)
}
