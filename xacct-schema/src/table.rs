//! Reads `data/schemas.bin` in place: nothing is parsed or allocated when a program starts, a node is decoded when it is looked at.

use crate::layout::{self, NONE, SECTIONS, TYPE_FIELDS, keyword};

static DATA: &[u8] = include_bytes!("../data/schemas.bin");
static TEXT: &str = include_str!("../data/schemas.txt");
static OFFSETS: [usize; SECTIONS] = header(0);
static LENGTHS: [usize; SECTIONS] = header(4);

const fn header(part: usize) -> [usize; SECTIONS] {
    let data = include_bytes!("../data/schemas.bin");
    let mut numbers = [0; SECTIONS];
    let mut section = 0;
    while section < SECTIONS {
        let at = section * 8 + part;
        numbers[section] = u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]) as usize;
        section += 1;
    }
    numbers
}

fn word_at(at: usize) -> u32 {
    match DATA[at..].first_chunk() {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => NONE,
    }
}

/// A `u32` of a section.
pub(crate) fn word(section: usize, index: usize) -> u32 {
    word_at(OFFSETS[section] + index * 4)
}

/// How many `u32` a section has.
pub(crate) fn words(section: usize) -> usize {
    LENGTHS[section] / 4
}

/// A string by its index.
pub(crate) fn string(index: u32) -> &'static str {
    let index = index as usize;
    let from = word(layout::STRING_OFFSETS, index) as usize;
    let to = word(layout::STRING_OFFSETS, index + 1) as usize;
    &TEXT[from..to - 1]
}

/// The bytes of a string, which are cheaper to compare.
pub(crate) fn bytes(index: u32) -> &'static [u8] {
    let index = index as usize;
    let from = word(layout::STRING_OFFSETS, index) as usize;
    let to = word(layout::STRING_OFFSETS, index + 1) as usize;
    &TEXT.as_bytes()[from..to - 1]
}

/// A string by its index, if there is one.
pub(crate) fn maybe_string(index: u32) -> Option<&'static str> {
    (index != NONE).then(|| string(index))
}

/// A field of a resource type.
pub(crate) fn type_field(index: u32, field: usize) -> u32 {
    word(layout::TYPES, index as usize * TYPE_FIELDS + field)
}

/// How many resource types there are.
pub(crate) fn type_count() -> u32 {
    (words(layout::TYPES) / TYPE_FIELDS) as u32
}

/// A list of strings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    first: usize,
    end: usize,
}

impl List {
    pub(crate) fn new(index: u32) -> Self {
        let index = index as usize;
        Self { first: word(layout::LIST_OFFSETS, index) as usize, end: word(layout::LIST_OFFSETS, index + 1) as usize }
    }

    pub(crate) fn empty() -> Self {
        Self { first: 0, end: 0 }
    }

    pub(crate) fn maybe(index: u32) -> Option<Self> {
        (index != NONE).then(|| Self::new(index))
    }

    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = &'static str> + ExactSizeIterator {
        (self.first..self.end).map(|index| string(word(layout::LIST_ITEMS, index)))
    }

    pub(crate) fn len(self) -> usize {
        self.end - self.first
    }

    /// Lists of allowed values are sorted.
    pub(crate) fn contains_sorted(self, text: &str) -> bool {
        let (mut low, mut high) = (self.first, self.end);
        while low < high {
            let middle = (low + high) / 2;
            match bytes(word(layout::LIST_ITEMS, middle)).cmp(text.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return true,
            }
        }
        false
    }
}

/// A node of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node(pub(crate) u32);

impl Node {
    fn at(self) -> usize {
        OFFSETS[layout::NODE_BYTES] + word(layout::NODE_OFFSETS, self.0 as usize) as usize
    }

    /// See [`layout::types`].
    pub(crate) fn types(self) -> u8 {
        DATA[self.at()]
    }

    /// The keywords of this node, in the order of their bits.
    pub(crate) fn keywords(self) -> Keywords {
        let at = self.at();
        Keywords { bits: word_at(at + 1), cursor: Cursor { at: at + 5 } }
    }

    /// The properties that it names itself.
    pub(crate) fn properties(self) -> Option<Properties> {
        self.keywords().find_map(|keyword| match keyword {
            Keyword::Properties(properties) => Some(properties),
            _ => None,
        })
    }
}

/// One keyword with its operands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keyword {
    Enum { values: List, ignoring_case: bool },
    Pattern(u32),
    Length(u64, Option<u64>),
    Range(Range),
    MultipleOf(f64),
    Format { name: &'static str, pattern: Option<u32> },
    ItemCount(u64, Option<u64>),
    UniqueItems,
    UniqueKeys(List),
    Items(Node),
    PrefixItems(Nodes),
    PropertyCount(u64, Option<u64>),
    Required(List),
    RequiredXor(List),
    RequiredOr(List),
    DependentRequired(Dependents),
    DependentExcluded(Dependents),
    Properties(Properties),
    PatternProperties(Dependents),
    Additional(Node),
    Closed,
    AllOf(Nodes),
    AnyOf(Nodes),
    OneOf(Nodes),
    If { condition: Node, then: Option<Node>, otherwise: Option<Node> },
    Not(Node),
    Never,
    MaxUniqueItems(u64),
    Contains(Node),
    PropertyNames(Node),
}

/// Bounds of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) above: bool,
    pub(crate) below: bool,
}

/// Decodes the keywords of a node one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Keywords {
    bits: u32,
    cursor: Cursor,
}

impl Iterator for Keywords {
    type Item = Keyword;

    fn next(&mut self) -> Option<Keyword> {
        if self.bits == 0 {
            return None;
        }
        let bit = 1 << self.bits.trailing_zeros();
        self.bits &= !bit;
        let cursor = &mut self.cursor;
        Some(match bit {
            keyword::ENUM | keyword::ENUM_IGNORING_CASE => {
                Keyword::Enum { values: cursor.list(), ignoring_case: bit == keyword::ENUM_IGNORING_CASE }
            }
            keyword::PATTERN => Keyword::Pattern(cursor.number() as u32),
            keyword::LENGTH => {
                let (least, most) = cursor.bounds();
                Keyword::Length(least, most)
            }
            keyword::RANGE => Keyword::Range(cursor.range()),
            keyword::MULTIPLE_OF => Keyword::MultipleOf(cursor.float()),
            keyword::FORMAT => Keyword::Format {
                name: string(cursor.number() as u32),
                pattern: cursor.maybe_node().map(|Node(pattern)| pattern),
            },
            keyword::ITEM_COUNT => {
                let (least, most) = cursor.bounds();
                Keyword::ItemCount(least, most)
            }
            keyword::UNIQUE_ITEMS => Keyword::UniqueItems,
            keyword::UNIQUE_KEYS => Keyword::UniqueKeys(cursor.list()),
            keyword::ITEMS => Keyword::Items(cursor.node()),
            keyword::PREFIX_ITEMS => Keyword::PrefixItems(cursor.nodes()),
            keyword::PROPERTY_COUNT => {
                let (least, most) = cursor.bounds();
                Keyword::PropertyCount(least, most)
            }
            keyword::REQUIRED => Keyword::Required(cursor.list()),
            keyword::REQUIRED_XOR => Keyword::RequiredXor(cursor.list()),
            keyword::REQUIRED_OR => Keyword::RequiredOr(cursor.list()),
            keyword::DEPENDENT_REQUIRED => Keyword::DependentRequired(cursor.dependents()),
            keyword::DEPENDENT_EXCLUDED => Keyword::DependentExcluded(cursor.dependents()),
            keyword::PROPERTIES => Keyword::Properties(cursor.properties()),
            keyword::PATTERN_PROPERTIES => Keyword::PatternProperties(cursor.dependents()),
            keyword::ADDITIONAL => Keyword::Additional(cursor.node()),
            keyword::CLOSED => Keyword::Closed,
            keyword::ALL_OF => Keyword::AllOf(cursor.nodes()),
            keyword::ANY_OF => Keyword::AnyOf(cursor.nodes()),
            keyword::ONE_OF => Keyword::OneOf(cursor.nodes()),
            keyword::IF => {
                Keyword::If { condition: cursor.node(), then: cursor.maybe_node(), otherwise: cursor.maybe_node() }
            }
            keyword::NOT => Keyword::Not(cursor.node()),
            keyword::MAX_UNIQUE_ITEMS => Keyword::MaxUniqueItems(cursor.number()),
            keyword::CONTAINS => Keyword::Contains(cursor.node()),
            keyword::PROPERTY_NAMES => Keyword::PropertyNames(cursor.node()),
            _ => Keyword::Never,
        })
    }
}

/// Several nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nodes {
    at: usize,
    count: usize,
}

impl Nodes {
    pub(crate) fn iter(self) -> impl Iterator<Item = Node> {
        let mut cursor = Cursor { at: self.at };
        (0..self.count).map(move |_| cursor.node())
    }
}

/// Pairs of a string or pattern, and a list or node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dependents {
    at: usize,
    count: usize,
}

impl Dependents {
    fn pairs(self) -> impl Iterator<Item = (u32, u32)> {
        let mut cursor = Cursor { at: self.at };
        (0..self.count).map(move |_| (cursor.number() as u32, cursor.number() as u32))
    }

    /// Names and what each calls for or rules out.
    pub(crate) fn names(self) -> impl Iterator<Item = (&'static str, List)> {
        self.pairs().map(|(name, names)| (string(name), List::new(names)))
    }

    /// Patterns of names, and the node of a property with such a name.
    pub(crate) fn patterns(self) -> impl Iterator<Item = (u32, Node)> {
        self.pairs().map(|(pattern, node)| (pattern, Node(node)))
    }
}

/// Named properties, sorted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Properties {
    at: usize,
    count: usize,
}

impl Properties {
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = (&'static str, Node)> {
        (0..self.count).map(move |index| self.entry(index))
    }

    pub(crate) fn get(self, name: &str) -> Option<Node> {
        self.position(name).map(|index| self.node(index))
    }

    /// The same, with the name that lives as long as the program.
    pub(crate) fn find(self, name: &str) -> Option<(&'static str, Node)> {
        self.position(name).map(|index| self.entry(index))
    }

    fn position(self, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = (low + high) / 2;
            match bytes(word_at(self.at + middle * 8)).cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    fn entry(self, index: usize) -> (&'static str, Node) {
        (string(word_at(self.at + index * 8)), self.node(index))
    }

    fn node(self, index: usize) -> Node {
        Node(word_at(self.at + index * 8 + 4))
    }
}

#[derive(Clone, Copy, Debug)]
struct Cursor {
    at: usize,
}

impl Cursor {
    fn number(&mut self) -> u64 {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let byte = DATA[self.at];
            self.at += 1;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return number;
            }
            shift += 7;
        }
    }

    fn float(&mut self) -> f64 {
        let bytes = DATA[self.at..].first_chunk().copied().unwrap_or_default();
        self.at += 8;
        f64::from_le_bytes(bytes)
    }

    fn range(&mut self) -> Range {
        let (least, most) = (self.float(), self.float());
        let flags = DATA[self.at];
        self.at += 1;
        Range { least, most, above: flags & 1 != 0, below: flags & 2 != 0 }
    }

    fn bounds(&mut self) -> (u64, Option<u64>) {
        let least = self.number();
        (least, self.number().checked_sub(1))
    }

    fn list(&mut self) -> List {
        List::new(self.number() as u32)
    }

    fn node(&mut self) -> Node {
        Node(self.number() as u32)
    }

    fn maybe_node(&mut self) -> Option<Node> {
        self.number().checked_sub(1).map(|id| Node(id as u32))
    }

    fn nodes(&mut self) -> Nodes {
        let count = self.number() as usize;
        let nodes = Nodes { at: self.at, count };
        for _ in 0..count {
            self.number();
        }
        nodes
    }

    fn dependents(&mut self) -> Dependents {
        let count = self.number() as usize;
        let pairs = Dependents { at: self.at, count };
        for _ in 0..count * 2 {
            self.number();
        }
        pairs
    }

    fn properties(&mut self) -> Properties {
        let count = self.number() as usize;
        let properties = Properties { at: self.at, count };
        self.at += count * 8;
        properties
    }
}
