//! Keeps secrets out of what is shown and stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use xacct_core::assembly::StackArtifact;

use crate::desired::{Fed, fed_with_secrets};

/// The secret values of a run, so that they can be taken out of texts, and which resources get secrets that are not known here: what a
/// service says about these is not shown, because it may quote them.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    values: Vec<String>,
    /// The parameters whose values are among these, each with the id of its stack.
    parameters: BTreeSet<(String, String)>,
    /// What gets a secret, by the id of the stack and the logical id.
    fed: BTreeMap<String, BTreeMap<String, Fed>>,
}

/// What stands in the place of a secret: what CloudFormation itself shows for a NoEcho parameter.
pub(crate) const MASK: &str = "****";
/// What stands in the place of a text that may quote a secret.
const UNSHOWN: &str = "**** (not shown, because it may quote a secret: the events of the stack in AWS have it)";
/// How texts of CloudFormation begin that quote nothing.
const PLAIN: [&str; 8] = [
    "The following resource(s) failed",
    "The following resource types",
    "Resource creation ",
    "Resource update cancelled",
    "Eventual consistency check",
    "Requested update required",
    "User Initiated",
    "User initiated",
];

impl Secrets {
    /// Remembers a value. A value of less than four characters would blot out ordinary text, and protects nothing.
    pub(crate) fn add(&self, value: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_short(value) || known.values.iter().any(|known| known == value) {
            return;
        }
        known.values.push(value.to_owned());
        // A secret that contains another is replaced first.
        known.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// Remembers the value of a NoEcho parameter of a stack: from now on, texts about what gets it can be shown without it.
    pub(crate) fn learn(&self, stack: &str, parameter: &str, value: &str) {
        self.add(value);
        // As it stands in a document that a service quotes.
        let escaped = serde_json::Value::from(value).to_string();
        self.add(escaped.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(value));
        if !is_short(value) {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            known.parameters.insert((stack.to_owned(), parameter.to_owned()));
        }
    }

    /// Remembers what gets secrets in a stack.
    pub(crate) fn watch_over(&self, artifact: &StackArtifact) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.fed.insert(artifact.id.clone(), fed_with_secrets(&artifact.template));
    }

    /// The text without the secrets.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.values.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }

    /// Scrubs a text in place.
    pub(crate) fn scrub_in_place(&self, text: &mut String) {
        if self.is_empty() {
            return;
        }
        *text = self.scrub(text);
    }

    /// Takes out of a text of a service what it may quote: about a resource, or about the stack itself.
    pub(crate) fn scrub_reason(&self, stack: &str, logical_id: Option<&str>, reason: &mut String) {
        self.scrub_in_place(reason);
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(fed) = known.fed.get(stack) else { return };
        let is_unknown = |it: &Fed| it.by.iter().any(|it| !known.knows(stack, it.as_deref()));
        let may_quote = match logical_id {
            Some(id) => fed.get(id).is_some_and(is_unknown),
            None => fed.values().any(is_unknown),
        };
        if may_quote && !reason.is_empty() && !PLAIN.iter().any(|it| reason.starts_with(it)) {
            UNSHOWN.clone_into(reason);
        }
    }

    /// Takes a secret out of the name of a resource.
    pub(crate) fn scrub_name(&self, stack: &str, logical_id: &str, name: &mut String) {
        self.scrub_in_place(name);
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.fed.get(stack).and_then(|it| it.get(logical_id)).is_some_and(|it| it.in_name) {
            MASK.clone_into(name);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values.is_empty()
    }
}

impl Known {
    /// Whether a secret is among the values. That of an access key never is.
    fn knows(&self, stack: &str, parameter: Option<&str>) -> bool {
        parameter.is_some_and(|it| self.parameters.contains(&(stack.to_owned(), it.to_owned())))
    }
}

fn is_short(value: &str) -> bool {
    value.chars().count() < 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use xacct_core::{AccountId, Environment, Region};

    use super::*;

    #[test]
    fn takes_out_the_longest_first() {
        let secrets = Secrets::default();
        secrets.add("hunter2");
        secrets.add("hunter2-extended");
        assert_eq!(secrets.scrub("a hunter2-extended b hunter2 c"), "a **** b **** c");
    }

    /// A stack with a secret that is used as it is, in other forms, and as a name.
    fn stack() -> StackArtifact {
        let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
        let template = json!({
            "Parameters": {"Secret": {"Type": "String", "NoEcho": true}, "Plain": {"Type": "String"}},
            "Resources": {
                "Direct": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::Sub": "x-${Secret}"}}},
                "Encoded": {"Type": "AWS::EC2::Instance", "Properties": {"UserData": {"Fn::Base64": {"Ref": "Secret"}}}},
                "Named": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Secret"}}},
                "Other": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Plain"}}},
            },
        });
        StackArtifact::new("S", environment, template)
    }

    #[test]
    fn a_reason_is_shown_where_the_secret_is_known_or_not_used() {
        let said = |secrets: &Secrets, resource: Option<&str>, reason: &str| {
            let mut reason = reason.to_owned();
            secrets.scrub_reason("S", resource, &mut reason);
            reason
        };
        let secrets = Secrets::default();
        secrets.watch_over(&stack());
        let reason = "`hunter2` is too short";
        for id in ["Direct", "Encoded", "Named"] {
            assert_eq!(said(&secrets, Some(id), reason), UNSHOWN, "{id}");
        }
        assert_eq!(said(&secrets, Some("Other"), reason), reason);
        assert_eq!(said(&secrets, None, reason), UNSHOWN);
        let summary = "The following resource(s) failed to create: [Direct].";
        assert_eq!(said(&secrets, None, summary), summary);
        secrets.learn("S", "Secret", "hunter2");
        assert_eq!(said(&secrets, Some("Direct"), reason), "`****` is too short");
        // Nobody looks for what a function makes of it.
        assert_eq!(said(&secrets, Some("Encoded"), reason), UNSHOWN);
        let mut name = "hunt".to_owned();
        secrets.scrub_name("S", "Named", &mut name);
        assert_eq!(name, MASK);
    }

    #[test]
    fn a_secret_is_found_in_a_document_that_is_quoted() {
        let secrets = Secrets::default();
        secrets.learn("S", "Secret", "line 1\n\"line 2\"");
        assert_eq!(secrets.scrub(r#"bad: {"Key": "line 1\n\"line 2\""}"#), r#"bad: {"Key": "****"}"#);
    }

    #[test]
    fn leaves_short_values_alone() {
        let secrets = Secrets::default();
        secrets.add("on");
        assert_eq!(secrets.scrub("one"), "one");
    }
}
