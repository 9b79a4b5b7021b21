//! Keeps secrets out of what is shown and stored.

use std::sync::{Arc, PoisonError, RwLock};

/// The secret values of a run, so that they can be taken out of texts. They come from NoEcho parameters.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<RwLock<Vec<String>>>);

/// What stands in the place of a secret: what CloudFormation itself shows for a NoEcho parameter.
pub(crate) const MASK: &str = "****";

impl Secrets {
    /// Remembers a value. A value of less than four characters would blot out ordinary text, and protects nothing.
    pub(crate) fn add(&self, value: &str) {
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if value.chars().count() < 4 || values.iter().any(|known| known == value) {
            return;
        }
        values.push(value.to_owned());
        // A secret that contains another is replaced first.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The text without the secrets.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        values.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }

    /// Scrubs a text in place.
    pub(crate) fn scrub_in_place(&self, text: &mut String) {
        if self.is_empty() {
            return;
        }
        *text = self.scrub(text);
    }

    fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_out_the_longest_first() {
        let secrets = Secrets::default();
        secrets.add("hunter2");
        secrets.add("hunter2-extended");
        assert_eq!(secrets.scrub("a hunter2-extended b hunter2 c"), "a **** b **** c");
    }

    #[test]
    fn leaves_short_values_alone() {
        let secrets = Secrets::default();
        secrets.add("on");
        assert_eq!(secrets.scrub("one"), "one");
    }
}
