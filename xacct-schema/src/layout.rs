//! The layout of `data/schemas.bin` and of its strings in `data/schemas.txt`, shared by the generator that writes it and the readers here.
//!
//! The file starts with one `(offset, length)` pair of bytes per section; all integers are little-endian. Strings, lists of strings,
//! schema nodes, patterns and character sets are each stored once and named by their index.

/// How many sections the file has; its header is twice as many 32-bit integers.
pub const SECTIONS: usize = 13;

/// `u32` offsets into the file of strings, one more than there are strings; each ends in a line break that is not part of it.
pub const STRING_OFFSETS: usize = 0;
/// Single numbers: see [`fact`].
pub const FACTS: usize = 1;
/// `u32` offsets into [`LIST_ITEMS`] (counted in items), one more than there are lists.
pub const LIST_OFFSETS: usize = 2;
/// `u32` string indexes.
pub const LIST_ITEMS: usize = 3;
/// Resource types, sorted by name: [`TYPE_FIELDS`] `u32` each.
pub const TYPES: usize = 4;
/// `u32` offsets into [`NODE_BYTES`].
pub const NODE_OFFSETS: usize = 5;
/// Schema nodes: a byte of [`type bits`](types), a `u32` of [`keyword bits`](keyword), and what each set bit calls for, in bit order.
pub const NODE_BYTES: usize = 6;
/// Attributes: `u32` name, `u32` node; those of a type are sorted by name.
pub const ATTRIBUTES: usize = 7;
/// Patterns: `u32` source string, `u32` first instruction, `u32` number of instructions (0: not translatable).
pub const PATTERNS: usize = 8;
/// Instructions of patterns: three `u32` each.
pub const INSTRUCTIONS: usize = 9;
/// Character sets: four `u32` with a bit per ASCII character, `u32` first range, `u32` number of ranges.
pub const SETS: usize = 10;
/// Ranges of characters beyond ASCII: `u32` first, `u32` last.
pub const RANGES: usize = 11;

/// Runtimes of Lambda functions, sorted by name: name, since when it is deprecated, since when no function can be created and updated with
/// it, what follows it (strings).
pub const RUNTIMES: usize = 12;

/// `u32` fields of a runtime.
pub const RUNTIME_FIELDS: usize = 5;

/// The absence of a string, list or node.
pub const NONE: u32 = u32::MAX;

/// `u32` fields of a resource type.
pub const TYPE_FIELDS: usize = 24;

/// Indexes of the fields of a resource type.
pub mod field {
    /// String: the type's name.
    pub const NAME: usize = 0;
    /// Node: the schema of its properties.
    pub const ROOT: usize = 1;
    /// List of pointers without `/properties/`: replaced when changed.
    pub const CREATE_ONLY: usize = 2;
    /// List of pointers: may be replaced when changed.
    pub const CONDITIONAL_CREATE_ONLY: usize = 3;
    /// List of pointers: set by the service.
    pub const READ_ONLY: usize = 4;
    /// List of pointers: never returned by the service.
    pub const WRITE_ONLY: usize = 5;
    /// List of pointers: deprecated.
    pub const DEPRECATED: usize = 6;
    /// List of property names.
    pub const PRIMARY_IDENTIFIER: usize = 7;
    /// List of property names.
    pub const REF: usize = 8;
    /// First attribute.
    pub const ATTRIBUTE_FIRST: usize = 9;
    /// Number of attributes.
    pub const ATTRIBUTE_COUNT: usize = 10;
    /// String: ARN template.
    pub const ARN: usize = 11;
    /// String: the property that names the physical resource.
    pub const NAME_PROPERTY: usize = 12;
    /// String: the property that holds the tags.
    pub const TAG_PROPERTY: usize = 13;
    /// Bits, see [`super::flag`].
    pub const FLAGS: usize = 14;
    /// List of IAM actions of the create handler; read, update, delete and list follow.
    pub const HANDLERS: usize = 15;
    /// List of regions.
    pub const REGIONS: usize = 20;
    /// List of IAM actions that tagging needs.
    pub const TAG_PERMISSIONS: usize = 21;
    /// String: `maintenance`, `sunset` or `shutdown`.
    pub const LIFECYCLE: usize = 22;
    /// String: the date of that.
    pub const LIFECYCLE_DATE: usize = 23;
}

/// Bits of [`field::FLAGS`].
pub mod flag {
    /// The resource can be tagged.
    pub const TAGGABLE: u32 = 1;
    /// Tags can be changed.
    pub const TAG_UPDATABLE: u32 = 2;
    /// `Fn::GetAtt` takes any name.
    pub const ANY_ATTRIBUTE: u32 = 4;
    /// `Fn::GetAtt` takes `Outputs.` and any name.
    pub const OUTPUT_ATTRIBUTES: u32 = 8;
    /// Losing the resource loses data.
    pub const STATEFUL: u32 = 16;
    /// CloudFormation adds its own tags.
    pub const SYSTEM_TAGS: u32 = 32;
    /// Deleted before its replacement is created.
    pub const DELETE_FIRST: u32 = 64;
}

/// Type bits of a node.
pub mod types {
    /// A string.
    pub const STRING: u8 = 1;
    /// A whole number.
    pub const INTEGER: u8 = 2;
    /// A number.
    pub const NUMBER: u8 = 4;
    /// True or false.
    pub const BOOLEAN: u8 = 8;
    /// A list.
    pub const ARRAY: u8 = 16;
    /// An object.
    pub const OBJECT: u8 = 32;
    /// Null.
    pub const NULL: u8 = 64;
}

/// Keyword bits of a node, in the order in which their operands follow. A `varint` is LEB128; counts and maxima are varints; a maximum is
/// stored plus one, with 0 for none.
pub mod keyword {
    /// List of the allowed values, as text.
    pub const ENUM: u32 = 1;
    /// The same, but case does not matter.
    pub const ENUM_IGNORING_CASE: u32 = 1 << 1;
    /// Pattern.
    pub const PATTERN: u32 = 1 << 2;
    /// Least and greatest number of characters.
    pub const LENGTH: u32 = 1 << 3;
    /// Least and greatest number (`f64`), and a byte: 1 the least is excluded, 2 the greatest is.
    pub const RANGE: u32 = 1 << 4;
    /// `f64`.
    pub const MULTIPLE_OF: u32 = 1 << 5;
    /// String, and a pattern plus one, with 0 for none.
    pub const FORMAT: u32 = 1 << 6;
    /// Least and greatest number of items.
    pub const ITEM_COUNT: u32 = 1 << 7;
    /// No operand.
    pub const UNIQUE_ITEMS: u32 = 1 << 8;
    /// List of the properties by which items differ.
    pub const UNIQUE_KEYS: u32 = 1 << 9;
    /// Node of every item.
    pub const ITEMS: u32 = 1 << 10;
    /// Nodes of the first items.
    pub const PREFIX_ITEMS: u32 = 1 << 11;
    /// Least and greatest number of properties.
    pub const PROPERTY_COUNT: u32 = 1 << 12;
    /// List of names.
    pub const REQUIRED: u32 = 1 << 13;
    /// List of names, of which exactly one must be there.
    pub const REQUIRED_XOR: u32 = 1 << 14;
    /// List of names, of which one must be there.
    pub const REQUIRED_OR: u32 = 1 << 15;
    /// Number of pairs of a name (string) and the names (list) that it calls for.
    pub const DEPENDENT_REQUIRED: u32 = 1 << 16;
    /// Number of pairs of a name (string) and the names (list) that it rules out.
    pub const DEPENDENT_EXCLUDED: u32 = 1 << 17;
    /// Number of properties, then for each a name (`u32` string) and a node (`u32`), sorted by name.
    pub const PROPERTIES: u32 = 1 << 18;
    /// Number of pairs of a pattern and a node.
    pub const PATTERN_PROPERTIES: u32 = 1 << 19;
    /// Node of every other property.
    pub const ADDITIONAL: u32 = 1 << 20;
    /// No operand: there are no other properties.
    pub const CLOSED: u32 = 1 << 21;
    /// Number of nodes, and the nodes.
    pub const ALL_OF: u32 = 1 << 22;
    /// Number of nodes, and the nodes.
    pub const ANY_OF: u32 = 1 << 23;
    /// Number of nodes, and the nodes.
    pub const ONE_OF: u32 = 1 << 24;
    /// Three nodes: the condition, what holds then, and otherwise; the last two are stored plus one, with 0 for none.
    pub const IF: u32 = 1 << 25;
    /// Node.
    pub const NOT: u32 = 1 << 26;
    /// No operand: nothing is allowed.
    pub const NEVER: u32 = 1 << 27;
    /// Greatest number of different items.
    pub const MAX_UNIQUE_ITEMS: u32 = 1 << 28;
    /// Node of at least one item.
    pub const CONTAINS: u32 = 1 << 29;
    /// Node of the name of every property.
    pub const PROPERTY_NAMES: u32 = 1 << 30;
}

/// Operation codes of patterns: the low byte of an instruction's first word; `x` is the rest of that word, `a` and `b` the other words.
pub mod op {
    /// The text matches.
    pub const MATCH: u32 = 0;
    /// The character `a`.
    pub const CHAR: u32 = 1;
    /// A character of the set `a`.
    pub const SET: u32 = 2;
    /// The start of the text.
    pub const START: u32 = 3;
    /// The end of the text, or before a line break there.
    pub const END: u32 = 4;
    /// Between a word character and another.
    pub const WORD_BOUNDARY: u32 = 5;
    /// Continue at `a`, if that fails at `b`.
    pub const SPLIT: u32 = 6;
    /// Continue at `a`.
    pub const JUMP: u32 = 7;
    /// As many characters of the set `x` as there are, at least `a` and at most `b`.
    pub const REPEAT_SET: u32 = 8;
    /// The program up to the instruction before `a` must match here (`b` is 0) or must not (1); it ends with `MATCH`.
    pub const LOOK_AHEAD: u32 = 9;
    /// Set the counter `x` to 0.
    pub const COUNTER: u32 = 10;
    /// The loop of counter `x`, at least `a` and at most `b` times: its body is the next instruction but one, its exit is at the `a` of the next.
    pub const LOOP: u32 = 11;
    /// Operand of [`LOOP`]: `a` is where it exits to.
    pub const LOOP_EXIT: u32 = 12;
    /// The text before is not (`b` is 1) or is (0) the program up to the instruction before `a`, which starts `x` characters back.
    pub const LOOK_BEHIND: u32 = 13;
    /// Not between a word character and another.
    pub const NO_WORD_BOUNDARY: u32 = 14;
}

/// Indexes into [`FACTS`].
pub mod fact {
    /// String: the day on which AWS published the schemas.
    pub const DATE: usize = 0;
}

/// The layout of `data/actions.bin` and of its strings in `data/actions.txt`, made of sections like the other table.
pub mod actions {
    /// How many sections the file has.
    pub const SECTIONS: usize = 7;
    /// `u32` offsets into the file of strings, one more than there are strings.
    pub const STRING_OFFSETS: usize = 0;
    /// `u32` offsets into [`LIST_ITEMS`], one more than there are lists.
    pub const LIST_OFFSETS: usize = 1;
    /// `u32` string indexes.
    pub const LIST_ITEMS: usize = 2;
    /// Services, sorted by prefix: prefix, title (strings), first action, number of actions, first resource, number of resources, first
    /// condition key, number of condition keys.
    pub const SERVICES: usize = 3;
    /// Actions, sorted by service and by name in lower case: name with the service's prefix (string), access level, required resources,
    /// other resources, condition keys, dependent actions (lists).
    pub const ACTIONS: usize = 4;
    /// Resources of a service: name, ARN (strings), condition keys (list).
    pub const RESOURCES: usize = 5;
    /// Condition keys of a service: name, type (strings).
    pub const KEYS: usize = 6;

    /// `u32` fields of a service.
    pub const SERVICE_FIELDS: usize = 8;
    /// `u32` fields of an action.
    pub const ACTION_FIELDS: usize = 6;
    /// `u32` fields of a resource.
    pub const RESOURCE_FIELDS: usize = 3;
    /// `u32` fields of a condition key.
    pub const KEY_FIELDS: usize = 2;
}
