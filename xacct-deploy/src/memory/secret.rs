//! Secret values: the state holds a keyed hash in their place, so that two values can be compared and none is ever written.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const OPEN: &str = "\u{27e6}secret:";
const CLOSE: char = '\u{27e7}';

/// Knows the clear text of secrets while the process lives; only the key of the hash is kept in a file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Secrets {
    key: String,
    #[serde(skip)]
    clear: RefCell<HashMap<String, String>>,
}

impl Secrets {
    pub(super) fn new() -> Self {
        let random = || std::hash::RandomState::new().build_hasher().finish();
        Self { key: format!("{:016x}{:016x}", random(), random()), clear: RefCell::default() }
    }

    /// What stands for a secret in the state.
    pub(super) fn seal(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let digest = Sha256::new().chain_update(&self.key).chain_update([0]).chain_update(text).finalize();
        let mut token = OPEN.to_owned();
        for byte in digest.iter().take(16) {
            let _ = write!(token, "{byte:02x}");
        }
        token.push(CLOSE);
        self.clear.borrow_mut().insert(token.clone(), text.to_owned());
        token
    }

    /// The text with every secret in clear, or as `****` where only its hash is known.
    pub(super) fn reveal(&self, text: &str) -> String {
        self.clear_text(text).unwrap_or_else(|masked| masked)
    }

    /// The text with every secret in clear; an error if one is not known, with it as `****`.
    fn clear_text(&self, text: &str) -> Result<String, String> {
        let clear = self.clear.borrow();
        let mut all_known = true;
        let text = replace(text, |token| {
            let known = clear.get(token);
            all_known &= known.is_some();
            known.map_or("****", String::as_str)
        });
        if all_known { Ok(text) } else { Err(text) }
    }

    /// The text with every secret as `****`.
    pub(super) fn mask(text: &str) -> String {
        replace(text, |_| "****")
    }

    /// Whether a secret is in the text.
    pub(super) fn is_in(text: &str) -> bool {
        text.contains(OPEN)
    }

    /// Computes with the clear text; if there was a secret in `text`, all texts of the result are secrets. Where only the hash is
    /// known, nothing can be computed: the text stays what it is.
    pub(super) fn compute(&self, text: &str, f: impl FnOnce(&str) -> Value) -> Value {
        if !Self::is_in(text) {
            return f(text);
        }
        let Ok(clear) = self.clear_text(text) else { return Value::String(text.to_owned()) };
        let mut result = f(&clear);
        self.seal_all(&mut result);
        result
    }

    fn seal_all(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.seal(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.seal_all(item)),
            _ => {}
        }
    }
}

fn replace<'a, 'b>(text: &'a str, mut by: impl FnMut(&'a str) -> &'b str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let Some(length) = rest[start..].find(CLOSE) else { break };
        let end = start + length + CLOSE.len_utf8();
        result.push_str(&rest[..start]);
        result.push_str(by(&rest[start..end]));
        rest = &rest[end..];
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_seen_only_where_it_is_asked_for() {
        let secrets = Secrets::new();
        let text = format!("a-{}-b-{}", secrets.seal("hunter2"), secrets.seal("other"));
        assert!(!text.contains("hunter2"));
        assert_eq!(secrets.reveal(&text), "a-hunter2-b-other");
        assert_eq!(Secrets::mask(&text), "a-****-b-****");
        assert_eq!(secrets.seal("hunter2"), secrets.seal("hunter2"));
        let kept: Secrets = serde_json::from_str(&serde_json::to_string(&secrets).unwrap()).unwrap();
        assert_eq!(kept.seal("hunter2"), secrets.seal("hunter2"), "the hash is comparable after a restart");
        assert_eq!(kept.reveal(&secrets.seal("other")), "****");
    }
}
