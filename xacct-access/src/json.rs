//! JSON with the place of every element.
//!
//! `serde_json` keeps no positions, and a finding is of little use without the line it is about. Duplicate names, which
//! `serde_json` swallows, are errors here: in a policy the loser is a statement that nobody sees.

use std::collections::HashSet;

use crate::parse::{PolicyError, PolicyErrors};
use crate::position::{Place, Position};

/// Nesting beyond this is refused rather than recursed into.
const MAX_DEPTH: usize = 96;

#[derive(Clone, Debug)]
pub(crate) struct Json {
    pub(crate) value: JsonValue,
    pub(crate) place: Option<Place>,
}

#[derive(Clone, Debug)]
pub(crate) enum JsonValue {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<Member>),
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) place: Option<Place>,
    pub(crate) value: Json,
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Json, PolicyErrors> {
        let mut reader = Reader { text, at: 0, counted: Line::default() };
        let value = reader.value(0)?;
        reader.space();
        if reader.at < text.len() {
            return Err(reader.error("there is text after the end of the document: remove it"));
        }
        Ok(value)
    }

    /// `None` if it is nested too deeply.
    pub(crate) fn from_value(value: &serde_json::Value) -> Option<Json> {
        from_value(value, 0)
    }

    /// Back to `serde_json`, for those who resolve expressions.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            JsonValue::Null => Value::Null,
            JsonValue::Bool(b) => Value::Bool(*b),
            JsonValue::Number(n) => n.parse().map_or_else(|_| Value::String(n.clone()), Value::Number),
            JsonValue::String(s) => Value::String(s.clone()),
            JsonValue::Array(items) => Value::Array(items.iter().map(Json::to_value).collect()),
            JsonValue::Object(members) => {
                Value::Object(members.iter().map(|m| (m.name.clone(), m.value.to_value())).collect())
            }
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            JsonValue::String(s) => Some(s),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Json]> {
        match &self.value {
            JsonValue::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<&[Member]> {
        match &self.value {
            JsonValue::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The value as one item or, if it is an array, its items.
    pub(crate) fn items(&self) -> &[Json] {
        self.as_array().unwrap_or(std::slice::from_ref(self))
    }

    /// What to call it in an error.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.value {
            JsonValue::Null => "null",
            JsonValue::Bool(_) => "a boolean",
            JsonValue::Number(_) => "a number",
            JsonValue::String(_) => "a string",
            JsonValue::Array(_) => "a list",
            JsonValue::Object(_) => "an object",
        }
    }
}

/// `pointer` with one more step.
pub(crate) fn step(pointer: &str, name: impl std::fmt::Display) -> String {
    let name = name.to_string().replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{name}")
}

fn from_value(value: &serde_json::Value, depth: usize) -> Option<Json> {
    use serde_json::Value;
    if depth > MAX_DEPTH {
        return None;
    }
    let value = match value {
        Value::Null => JsonValue::Null,
        Value::Bool(b) => JsonValue::Bool(*b),
        Value::Number(n) => JsonValue::Number(n.to_string()),
        Value::String(s) => JsonValue::String(s.clone()),
        Value::Array(items) => {
            JsonValue::Array(items.iter().map(|item| from_value(item, depth + 1)).collect::<Option<_>>()?)
        }
        Value::Object(members) => JsonValue::Object(
            members
                .iter()
                .map(|(name, value)| {
                    Some(Member { name: name.clone(), place: None, value: from_value(value, depth + 1)? })
                })
                .collect::<Option<_>>()?,
        ),
    };
    Some(Json { value, place: None })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    counted: Line,
}

/// The line that holds an offset.
#[derive(Clone, Copy, Default)]
struct Line {
    offset: usize,
    number: usize,
    start: usize,
}

type Read<T> = Result<T, PolicyErrors>;

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Read<Json> {
        self.space();
        if depth > MAX_DEPTH {
            return Err(self.error("the document is nested too deeply: no policy needs that"));
        }
        let place = Some(self.place(self.at));
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => JsonValue::String(self.string()?),
            Some(b't') => self.word("true", JsonValue::Bool(true))?,
            Some(b'f') => self.word("false", JsonValue::Bool(false))?,
            Some(b'n') => self.word("null", JsonValue::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => {
                return Err(self.error("expected a JSON value here: a string needs double quotes"));
            }
            None => return Err(self.error("the document ends here, expected a JSON value")),
        };
        Ok(Json { value, place })
    }

    fn object(&mut self, depth: usize) -> Read<JsonValue> {
        self.at += 1;
        let mut members: Vec<Member> = Vec::new();
        let mut names = HashSet::new();
        loop {
            self.space();
            match self.peek() {
                Some(b'}') if members.is_empty() => {
                    self.at += 1;
                    return Ok(JsonValue::Object(members));
                }
                Some(b'"') => {}
                _ => return Err(self.error("expected a name in double quotes here")),
            }
            let start = self.at;
            let name = self.string()?;
            if !names.insert(name.clone()) {
                self.at = start;
                return Err(self.error(&format!("`{name}` appears twice in this object: merge the two")));
            }
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.error(&format!("expected `:` after the name `{name}`")));
            }
            self.at += 1;
            let place = Some(self.place(start));
            members.push(Member { name, place, value: self.value(depth + 1)? });
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(JsonValue::Object(members));
                }
                _ => return Err(self.error("expected `,` or `}` here")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Read<JsonValue> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(JsonValue::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(JsonValue::Array(items));
                }
                _ => return Err(self.error("expected `,` or `]` here")),
            }
        }
    }

    fn word(&mut self, word: &str, value: JsonValue) -> Read<JsonValue> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("expected a JSON value here: a string needs double quotes"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Read<JsonValue> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        if serde_json::from_str::<serde_json::Number>(text).is_err() {
            let message = format!("`{text}` is not a JSON number");
            self.at = start;
            return Err(self.error(&message));
        }
        Ok(JsonValue::Number(text.to_owned()))
    }

    fn string(&mut self) -> Read<String> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    let raw = &self.text[start..self.at];
                    return serde_json::from_str(raw).map_err(|error| {
                        let what = error.to_string();
                        let what = what.split(" at line").next().unwrap_or_default().to_owned();
                        self.at = start;
                        self.error(&format!("this string is not valid JSON: {what}"))
                    });
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at = start;
        Err(self.error("this string has no closing quote"))
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Lines are counted on from the last place, because places mostly come in order.
    fn place(&mut self, offset: usize) -> Place {
        if offset < self.counted.offset {
            self.counted = Line::default();
        }
        let between = self.text.get(self.counted.offset..offset).unwrap_or_default();
        for (at, _) in between.match_indices('\n') {
            self.counted.number += 1;
            self.counted.start = self.counted.offset + at + 1;
        }
        self.counted.offset = offset;
        let before = self.text.get(self.counted.start..offset).unwrap_or_default();
        Place { offset, line: self.counted.number + 1, column: before.chars().count() + 1 }
    }

    fn error(&mut self, message: &str) -> PolicyErrors {
        let place = self.place(self.at.min(self.text.len()));
        let position = Position { pointer: String::new(), place: Some(place) };
        PolicyErrors::one(PolicyError { message: message.to_owned(), position })
    }
}
