//! CloudFormation's YAML as JSON: short forms (`!GetAtt A.Arn`) become objects, and what looks like a number but has leading zeros, as
//! account ids do, stays text.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value as Json, json};

use super::{GIVE_A_TEMPLATE, TemplateError};
use crate::nearest::nearest;

/// Deeper than any template, and no danger to the stack.
const MAX_DEPTH: usize = 200;

/// More values than a template of 1 MB can hold: a few lines of aliases of aliases would fill the memory.
const MAX_VALUES: usize = 1_000_000;

/// The functions that have a short form.
const FUNCTIONS: &str = " And Base64 Cidr Contains EachMemberEquals EachMemberIn Equals FindInMap GetAtt GetAZs GetStackOutput If ImportValue Join Length Not Or \
     RefAll Select Split Sub ToJsonString Transform ValueOf ValueOfAll ";

/// The document as JSON, or what is wrong with it, and where.
pub(super) fn parse(text: &str) -> Result<Json, TemplateError> {
    let mut loader = Loader { parser: Parser::new_from_str(text), anchors: HashMap::new(), values: 0 };
    loop {
        match loader.next()? {
            (Event::StreamEnd, _) => return Err(TemplateError::new("it is empty", GIVE_A_TEMPLATE)),
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (event, span) => {
                let document = loader.value(event, span, 0)?;
                return match (loader.next()?.0, loader.next()?.0) {
                    (Event::DocumentEnd, Event::StreamEnd) => Ok(document),
                    _ => Err(TemplateError::new("it holds more than one document", "include each document by itself")),
                };
            }
        }
    }
}

struct Loader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// What an alias stands for, and how many values that is.
    anchors: HashMap<usize, (Json, usize)>,
    /// How many values there are so far.
    values: usize,
}

impl<'t> Loader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), TemplateError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let (what, at) = (error.info(), error.marker());
                let help = if what.contains("anchor") {
                    "an alias names an anchor (`&name`) that stands before it"
                } else if what.contains("tab") {
                    "indent with spaces"
                } else {
                    "look at the indentation, the colons and the quotes of that line and the one before"
                };
                Err(TemplateError::new(format!("{what} at line {}, column {}", at.line(), at.col() + 1), help))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn value(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Json, TemplateError> {
        if depth > MAX_DEPTH {
            return Err(problem("it is nested too deeply", span, "no template of CloudFormation is"));
        }
        let before = self.values;
        self.values += 1;
        let (value, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor) else {
                    return Err(problem(
                        "an alias stands inside of what it names",
                        span,
                        "write out what it stands for",
                    ));
                };
                self.values += size;
                if self.values > MAX_VALUES {
                    return Err(problem("its aliases make it too large", span, "write out what they stand for"));
                }
                return Ok(value.clone());
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.as_deref().is_some_and(keeps_text);
                let value = if is_text { text.into_owned().into() } else { plain(&text) };
                (value, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.list(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.object(span, depth)?, anchor, tag),
            _ => return Err(problem("something is missing", span, "give the key a value")),
        };
        let value = match tag {
            Some(tag) => tagged(&tag, value, span)?,
            None => value,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - before));
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Json, TemplateError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items.into()),
                (event, span) => items.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn object(&mut self, start: Span, depth: usize) -> Result<Json, TemplateError> {
        let mut fields = Map::new();
        let mut merged = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(key, ..), span) => (key.into_owned(), span),
                (_, span) => return Err(problem("a key is not text", span, "write keys as text")),
            };
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            match key {
                (key, _) if key == "<<" => merged.push(value),
                (key, span) if fields.contains_key(&key) => {
                    return Err(problem(&format!("the key `{key}` is there twice"), span, "keep one of the two"));
                }
                (key, _) => drop(fields.insert(key, value)),
            }
        }
        let merged = merged.into_iter().flat_map(|it| match it {
            Json::Array(items) => items,
            one => vec![one],
        });
        for value in merged {
            let Json::Object(inherited) = value else {
                return Err(problem("`<<` takes objects", start, "name an object, or a list of objects"));
            };
            for (key, value) in inherited {
                fields.entry(key).or_insert(value);
            }
        }
        Ok(fields.into())
    }
}

/// Text stays text under a function's tag, under `!!str` and under a lone `!`.
fn keeps_text(tag: &Tag) -> bool {
    !tag.is_yaml_core_schema() || tag.suffix == "str"
}

fn tagged(tag: &Tag, value: Json, span: Span) -> Result<Json, TemplateError> {
    if tag.is_yaml_core_schema() || tag.suffix.is_empty() || tag.suffix == "!" {
        return Ok(value);
    }
    match tag.suffix.as_str() {
        name @ ("Ref" | "Condition") => Ok(json!({ name: value })),
        "GetAtt" => {
            // The attribute may hold dots of its own.
            let split = value.as_str().and_then(|it| it.split_once('.')).map(|(id, attribute)| json!([id, attribute]));
            Ok(json!({ "Fn::GetAtt": split.unwrap_or(value) }))
        }
        name if FUNCTIONS.contains(&format!(" {name} ")) => Ok(json!({ format!("Fn::{name}"): value })),
        name => {
            let help = match nearest(name, FUNCTIONS.split_whitespace().chain(["Ref", "Condition"])) {
                Some(near) => format!("did you mean `!{near}`?"),
                None => "leave the tag out, or name a function".to_owned(),
            };
            Err(problem(&format!("`!{name}` is not a function of CloudFormation"), span, &help))
        }
    }
}

/// What a text without quotes stands for.
fn plain(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    let digits = text.trim_start_matches(['-', '+']);
    let is_number = text.len() - digits.len() <= 1
        && digits.starts_with(|it: char| it.is_ascii_digit())
        && !(digits.starts_with('0') && digits[1..].starts_with(|it: char| it.is_ascii_digit()))
        && digits.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | 'e' | 'E' | '-' | '+'));
    if is_number {
        if let Ok(whole) = text.parse::<i64>() {
            return whole.into();
        }
        if let Some(number) = text.parse::<f64>().ok().filter(|_| text.contains(['.', 'e', 'E'])) {
            return serde_json::Number::from_f64(number).map_or_else(|| text.into(), Json::Number);
        }
    }
    text.into()
}

fn problem(what: &str, span: Span, help: &str) -> TemplateError {
    TemplateError::new(format!("{what} at line {}, column {}", span.start.line(), span.start.col() + 1), help)
}
