//! JSON in which no key is there twice: serde_json would take the last one, and a resource would be lost without a word.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::TemplateError;

/// The document, or what is wrong with it, and where.
pub(super) fn parse(text: &str) -> Result<Json, TemplateError> {
    serde_json::from_str::<Unique>(text).map(|it| it.0).map_err(|error| {
        let with_place = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = with_place.strip_suffix(&place).unwrap_or(&with_place);
        let help = if what.starts_with(TWICE) {
            "keep one of the two"
        } else {
            "JSON has neither comments nor commas before a bracket that closes"
        };
        TemplateError::new(format!("{what} at line {}, column {}", error.line(), error.column()), help)
    })
}

/// How the message about a key that is there twice begins.
const TWICE: &str = "the key `";

struct Unique(Json);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, it: bool) -> Result<Json, E> {
        Ok(it.into())
    }

    fn visit_i64<E: Error>(self, it: i64) -> Result<Json, E> {
        Ok(it.into())
    }

    fn visit_u64<E: Error>(self, it: u64) -> Result<Json, E> {
        Ok(it.into())
    }

    fn visit_f64<E: Error>(self, it: f64) -> Result<Json, E> {
        Ok(it.into())
    }

    fn visit_str<E: Error>(self, it: &str) -> Result<Json, E> {
        Ok(it.into())
    }

    fn visit_string<E: Error>(self, it: String) -> Result<Json, E> {
        Ok(it.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{TWICE}{key}` is there twice")));
            }
            let Unique(value) = entries.next_value()?;
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}
