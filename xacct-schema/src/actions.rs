//! IAM's actions: which there are, what they act on, which condition keys they know.
//!
//! Names are compared without regard to case, as IAM does.

use crate::layout::actions::{
    ACTION_FIELDS, ACTIONS, KEY_FIELDS, KEYS, LIST_ITEMS, LIST_OFFSETS, RESOURCE_FIELDS, RESOURCES, SERVICE_FIELDS,
    SERVICES, STRING_OFFSETS,
};
use crate::nearest;

static DATA: &[u8] = include_bytes!("../data/actions.bin");
static TEXT: &str = include_str!("../data/actions.txt");

/// Whether IAM has this action; of a pattern such as `s3:Get*`, whether it has one that matches.
///
/// Fit for constants, so that a wrong literal does not compile:
/// ```
/// const { assert!(xacct_schema::actions::is_known("s3:GetObject")) };
/// const { assert!(xacct_schema::actions::is_known("kms:describe*")) };
/// const { assert!(!xacct_schema::actions::is_known("s3:GetObjekt")) };
/// ```
pub const fn is_known(action: &str) -> bool {
    let wanted = action.as_bytes();
    if wanted.len() == 1 && wanted[0] == b'*' {
        return true;
    }
    if find(wanted, b'*') == wanted.len() && find(wanted, b'?') == wanted.len() {
        return action_index(wanted).is_some();
    }
    let Some(service) = service_index(wanted, find(wanted, b':')) else {
        return false;
    };
    let mut index = word(SERVICES, service * SERVICE_FIELDS + 2);
    let end = index + word(SERVICES, service * SERVICE_FIELDS + 3);
    while index < end {
        if matches(wanted, span(word(ACTIONS, index * ACTION_FIELDS))) {
            return true;
        }
        index += 1;
    }
    false
}

/// The action called `name`, such as `s3:GetObject`.
pub fn find_action(name: &str) -> Option<Action> {
    action_index(name.as_bytes()).map(|index| Action(index as u32))
}

/// The actions that a pattern such as `s3:Get*` matches; `*` matches all.
pub fn expand(pattern: &str) -> impl Iterator<Item = Action> {
    let everything = pattern == "*";
    let prefix = pattern.split_once(':').map_or("", |(prefix, _)| prefix);
    let (first, count) = match service(prefix) {
        Some(service) => service.range(2),
        None if everything => (0, length(ACTIONS) / ACTION_FIELDS),
        None => (0, 0),
    };
    (first..first + count)
        .map(|index| Action(index as u32))
        .filter(move |action| everything || matches(pattern.as_bytes(), span(action.field(0))))
}

/// The action whose name is most like `name`, if one is.
pub fn nearest(name: &str) -> Option<&'static str> {
    let (prefix, _) = name.split_once(':')?;
    match service(prefix) {
        Some(service) => nearest::nearest(name, service.actions().map(Action::name)),
        None => {
            let like = nearest::nearest(prefix, services().map(Service::prefix));
            let within = like.and_then(service).into_iter().flat_map(Service::actions);
            nearest::nearest(name, within.map(Action::name))
        }
    }
}

/// Whether IAM has a service with this prefix.
pub fn service_exists(prefix: &str) -> bool {
    service(prefix).is_some()
}

/// The service with this prefix, such as `s3`.
pub fn service(prefix: &str) -> Option<Service> {
    let bytes = prefix.as_bytes();
    service_index(bytes, bytes.len()).map(|index| Service(index as u32))
}

/// Every service, sorted by prefix.
pub fn services() -> impl Iterator<Item = Service> {
    (0..length(SERVICES) / SERVICE_FIELDS).map(|index| Service(index as u32))
}

/// A service of IAM: a handle into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service(u32);

impl Service {
    /// What its actions start with, such as `s3`.
    pub fn prefix(self) -> &'static str {
        string(self.field(0))
    }

    /// Its name in the documentation.
    pub fn title(self) -> &'static str {
        string(self.field(1))
    }

    /// Its actions, sorted.
    pub fn actions(self) -> impl Iterator<Item = Action> {
        let (first, count) = self.range(2);
        (first..first + count).map(|index| Action(index as u32))
    }

    /// What its actions act on.
    pub fn resources(self) -> impl Iterator<Item = Resource> {
        let (first, count) = self.range(4);
        (first..first + count).map(|index| Resource(index as u32))
    }

    /// Its condition keys with their types, such as `s3:prefix` and `String`.
    pub fn condition_keys(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let (first, count) = self.range(6);
        (first..first + count).map(|index| {
            let at = index * KEY_FIELDS;
            (string(word(KEYS, at)), string(word(KEYS, at + 1)))
        })
    }

    fn field(self, field: usize) -> usize {
        word(SERVICES, self.0 as usize * SERVICE_FIELDS + field)
    }

    fn range(self, field: usize) -> (usize, usize) {
        (self.field(field), self.field(field + 1))
    }
}

/// What an action can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessLevel {
    /// Sees which resources there are.
    List,
    /// Sees what is in them.
    Read,
    /// Changes them.
    Write,
    /// Changes their tags.
    Tagging,
    /// Changes who may do what.
    PermissionsManagement,
}

/// An action of IAM: a handle into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action(u32);

impl Action {
    /// Such as `s3:GetObject`.
    pub fn name(self) -> &'static str {
        string(self.field(0))
    }

    /// The service that it belongs to.
    pub fn service(self) -> Option<Service> {
        service(self.name().split_once(':')?.0)
    }

    /// What it can do.
    pub fn access_level(self) -> AccessLevel {
        match self.field(1) {
            0 => AccessLevel::List,
            1 => AccessLevel::Read,
            2 => AccessLevel::Write,
            3 => AccessLevel::Tagging,
            _ => AccessLevel::PermissionsManagement,
        }
    }

    /// What it acts on. Of an action that acts on nothing in particular a policy's resource must be `*`.
    pub fn resources(self) -> impl Iterator<Item = Resource> {
        let names: Vec<&str> = list(self.field(2)).chain(list(self.field(3))).collect();
        let all = self.service().into_iter().flat_map(Service::resources);
        all.filter(move |resource| names.iter().any(|name| resource.name().eq_ignore_ascii_case(name)))
    }

    /// The names of the resources without which it does nothing.
    pub fn required_resources(self) -> impl Iterator<Item = &'static str> {
        list(self.field(2))
    }

    /// The condition keys that it knows, beside the global ones.
    pub fn condition_keys(self) -> impl Iterator<Item = &'static str> {
        list(self.field(4))
    }

    /// The actions that the caller must be allowed as well.
    pub fn dependent_actions(self) -> impl Iterator<Item = &'static str> {
        list(self.field(5))
    }

    fn field(self, field: usize) -> usize {
        word(ACTIONS, self.0 as usize * ACTION_FIELDS + field)
    }
}

/// What actions of a service act on: a handle into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource(u32);

impl Resource {
    /// Its name in the documentation, such as `object`.
    pub fn name(self) -> &'static str {
        string(self.field(0))
    }

    /// Its ARN, such as `arn:${Partition}:s3:::${BucketName}/${ObjectName}`.
    pub fn arn(self) -> &'static str {
        string(self.field(1))
    }

    /// The condition keys that speak of it.
    pub fn condition_keys(self) -> impl Iterator<Item = &'static str> {
        list(self.field(2))
    }

    fn field(self, field: usize) -> usize {
        word(RESOURCES, self.0 as usize * RESOURCE_FIELDS + field)
    }
}

const fn word_at(at: usize) -> usize {
    u32::from_le_bytes([DATA[at], DATA[at + 1], DATA[at + 2], DATA[at + 3]]) as usize
}

const fn word(section: usize, index: usize) -> usize {
    word_at(word_at(section * 8) + index * 4)
}

fn length(section: usize) -> usize {
    word_at(section * 8 + 4) / 4
}

/// Where a string is in the text.
const fn span(index: usize) -> (usize, usize) {
    (word(STRING_OFFSETS, index), word(STRING_OFFSETS, index + 1) - 1)
}

fn string(index: usize) -> &'static str {
    let (from, to) = span(index);
    &TEXT[from..to]
}

fn list(index: usize) -> impl Iterator<Item = &'static str> {
    let (first, end) = (word(LIST_OFFSETS, index), word(LIST_OFFSETS, index + 1));
    (first..end).map(|item| string(word(LIST_ITEMS, item)))
}

const fn action_index(name: &[u8]) -> Option<usize> {
    let Some(service) = service_index(name, find(name, b':')) else {
        return None;
    };
    let mut low = word(SERVICES, service * SERVICE_FIELDS + 2);
    let mut high = low + word(SERVICES, service * SERVICE_FIELDS + 3);
    while low < high {
        let middle = (low + high) / 2;
        match compare(span(word(ACTIONS, middle * ACTION_FIELDS)), name, name.len()) {
            0 => return Some(middle),
            1 => low = middle + 1,
            _ => high = middle,
        }
    }
    None
}

const fn service_index(name: &[u8], length: usize) -> Option<usize> {
    let (mut low, mut high) = (0, word_at(SERVICES * 8 + 4) / 4 / SERVICE_FIELDS);
    while low < high {
        let middle = (low + high) / 2;
        match compare(span(word(SERVICES, middle * SERVICE_FIELDS)), name, length) {
            0 => return Some(middle),
            1 => low = middle + 1,
            _ => high = middle,
        }
    }
    None
}

/// The place of a byte, or the length.
const fn find(text: &[u8], byte: u8) -> usize {
    let mut at = 0;
    while at < text.len() && text[at] != byte {
        at += 1;
    }
    at
}

/// Whether a string of the table equals the start of `name` up to `length` (0), comes before it (1) or after it (2).
const fn compare(table: (usize, usize), name: &[u8], length: usize) -> u8 {
    let text = TEXT.as_bytes();
    let mut at = 0;
    loop {
        let ended = table.0 + at == table.1;
        if ended || at == length {
            return match (ended, at == length) {
                (true, true) => 0,
                (true, false) => 1,
                _ => 2,
            };
        }
        let (left, right) = (text[table.0 + at].to_ascii_lowercase(), name[at].to_ascii_lowercase());
        if left != right {
            return if left < right { 1 } else { 2 };
        }
        at += 1;
    }
}

/// Whether the pattern matches a string of the table.
const fn matches(pattern: &[u8], span: (usize, usize)) -> bool {
    let text = TEXT.as_bytes();
    let (mut p, mut t) = (0, span.0);
    let mut star = None;
    while t < span.1 {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p].eq_ignore_ascii_case(&text[t])) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    while p < pattern.len() && pattern[p] == b'*' {
        p += 1;
    }
    p == pattern.len()
}
