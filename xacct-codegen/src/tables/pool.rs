//! Everything that the table file stores once: strings, lists, patterns, character sets, schema nodes.

use std::collections::HashMap;

use indexmap::IndexSet;
use xacct_schema::layout::{self, NONE};

use super::pattern::{Ranges, compile};

/// A pattern that is not checked, and why.
pub(super) type Untranslated = (String, String);

/// Collects and numbers what the file is made of.
#[derive(Default)]
pub(super) struct Pool {
    strings: IndexSet<String>,
    lists: IndexSet<Vec<u32>>,
    nodes: Vec<Vec<u8>>,
    node_ids: HashMap<Vec<u8>, u32>,
    patterns: IndexSet<String>,
    pattern_records: Vec<[u32; 3]>,
    instructions: Vec<[u32; 3]>,
    sets: IndexSet<Ranges>,
    /// The patterns that could not be translated.
    pub(super) untranslated: Vec<Untranslated>,
}

impl Pool {
    /// The index of a string.
    pub(super) fn string(&mut self, text: &str) -> u32 {
        match self.strings.get_index_of(text) {
            Some(index) => index as u32,
            None => self.strings.insert_full(text.to_owned()).0 as u32,
        }
    }

    /// The index of a string, or none.
    pub(super) fn maybe_string(&mut self, text: Option<&str>) -> u32 {
        text.map_or(NONE, |text| self.string(text))
    }

    /// The index of a list of strings.
    pub(super) fn list<S: AsRef<str>>(&mut self, items: impl IntoIterator<Item = S>) -> u32 {
        let items = items.into_iter().map(|item| self.string(item.as_ref())).collect();
        self.lists.insert_full(items).0 as u32
    }

    /// The index of a node with this content.
    pub(super) fn node(&mut self, content: Vec<u8>) -> u32 {
        if let Some(id) = self.node_ids.get(&content) {
            return *id;
        }
        let id = self.nodes.len() as u32;
        self.nodes.push(content.clone());
        self.node_ids.insert(content, id);
        id
    }

    /// An index for a node whose content refers to itself.
    pub(super) fn reserve(&mut self) -> u32 {
        self.nodes.push(Vec::new());
        self.nodes.len() as u32 - 1
    }

    /// Gives a reserved node its content.
    pub(super) fn fill(&mut self, id: u32, content: Vec<u8>) {
        self.nodes[id as usize] = content;
    }

    /// The index of a pattern.
    pub(super) fn pattern(&mut self, source: &str) -> u32 {
        let (index, new) = self.patterns.insert_full(source.to_owned());
        if new {
            let text = self.string(source);
            let first = self.instructions.len() as u32;
            match compile(source) {
                Ok(program) => {
                    for step in program {
                        let set = step.set.map(|set| self.sets.insert_full(set).0 as u32);
                        let step = match (step.op, set) {
                            (layout::op::SET, Some(set)) => [layout::op::SET, set, 0],
                            (code, Some(set)) => [code | (set << 8), step.a, step.b],
                            (code, None) => [code | (step.x << 8), step.a, step.b],
                        };
                        self.instructions.push(step);
                    }
                }
                Err(reason) => self.untranslated.push((source.to_owned(), reason)),
            }
            let count = self.instructions.len() as u32 - first;
            self.pattern_records.push([text, first, count]);
        }
        index as u32
    }

    /// How many strings, lists, nodes and patterns there are.
    pub(super) fn counts(&self) -> [(&'static str, usize); 4] {
        [
            ("strings", self.strings.len()),
            ("lists", self.lists.len()),
            ("nodes", self.nodes.len()),
            ("patterns", self.patterns.len()),
        ]
    }

    /// The table, with the sections that are not made here, and the file of strings.
    pub(super) fn write(
        self,
        types: &[u32],
        attributes: &[u32],
        runtimes: &[u32],
        facts: &[u32],
    ) -> (Vec<u8>, Vec<u8>) {
        let mut strings = Vec::new();
        let mut sections: Vec<Vec<u8>> = vec![Vec::new(); layout::SECTIONS];
        let mut end = 0;
        let mut offsets = vec![0];
        for text in &self.strings {
            strings.extend(text.as_bytes());
            strings.push(b'\n');
            end += text.len() as u32 + 1;
            offsets.push(end);
        }
        sections[layout::STRING_OFFSETS] = bytes(offsets);

        let mut offsets = vec![0];
        let mut items = Vec::new();
        for list in &self.lists {
            items.extend(list);
            offsets.push(items.len() as u32);
        }
        sections[layout::LIST_OFFSETS] = bytes(offsets);
        sections[layout::LIST_ITEMS] = bytes(items);

        let mut offsets = Vec::new();
        for node in &self.nodes {
            offsets.push(sections[layout::NODE_BYTES].len() as u32);
            sections[layout::NODE_BYTES].extend(node);
        }
        sections[layout::NODE_OFFSETS] = bytes(offsets);

        let mut records = Vec::new();
        let mut ranges = Vec::new();
        for set in &self.sets {
            let first = ranges.len() as u32 / 2;
            records.extend(ascii_bits(set));
            for (from, to) in set.iter().filter(|(_, to)| *to >= 128) {
                ranges.extend([(*from).max(128), *to]);
            }
            records.extend([first, ranges.len() as u32 / 2 - first]);
        }
        sections[layout::SETS] = bytes(records);
        sections[layout::RANGES] = bytes(ranges);
        sections[layout::PATTERNS] = bytes(self.pattern_records.into_iter().flatten());
        sections[layout::INSTRUCTIONS] = bytes(self.instructions.into_iter().flatten());
        sections[layout::TYPES] = bytes(types.iter().copied());
        sections[layout::ATTRIBUTES] = bytes(attributes.iter().copied());
        sections[layout::RUNTIMES] = bytes(runtimes.iter().copied());
        sections[layout::FACTS] = bytes(facts.iter().copied());

        let mut header = Vec::new();
        let mut at = layout::SECTIONS * 8;
        for section in &sections {
            header.extend([at as u32, section.len() as u32]);
            at += section.len();
        }
        let mut file = bytes(header);
        file.extend(sections.concat());
        (file, strings)
    }
}

fn ascii_bits(set: &Ranges) -> [u32; 4] {
    let mut bits = [0u32; 4];
    for code in 0..128u32 {
        if set.iter().any(|(from, to)| (*from..=*to).contains(&code)) {
            bits[code as usize / 32] |= 1 << (code % 32);
        }
    }
    bits
}

fn bytes(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_le_bytes).collect()
}
