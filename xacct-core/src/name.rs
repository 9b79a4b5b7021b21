//! Logical ids and generated physical names, by exactly the rules of the AWS CDK: so a CDK user can move a stack here
//! without replacing a resource.

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::environment::Environment;

/// The longest logical id that CloudFormation takes.
pub(crate) const MAX_LOGICAL_ID: usize = 255;
const MAX_HUMAN_PART: usize = 240;

/// The logical id of an element, from the ids below its stack down to its own. `None` where nothing is left to make it of.
///
/// ```
/// use xacct_core::name::logical_id;
/// assert_eq!(logical_id(&["MyTopic", "Resource"]).unwrap(), "MyTopic86869434");
/// assert_eq!(logical_id(&["Topic"]).unwrap(), "Topic");
/// ```
pub fn logical_id(path: &[&str]) -> Option<String> {
    let components: Vec<&str> = path.iter().copied().filter(|it| *it != "Default").collect();
    if let [only] = components[..] {
        let id = alphanumeric(only);
        if !id.is_empty() && id.len() <= MAX_LOGICAL_ID {
            return Some(id);
        }
    }
    if components.is_empty() {
        return None;
    }
    let hash = hex(&Md5::digest(components.join("/")))[..8].to_uppercase();
    let mut kept: Vec<&str> = Vec::new();
    for component in components {
        if !kept.last().is_some_and(|it| it.ends_with(component)) {
            kept.push(component);
        }
    }
    let mut human: String = kept.into_iter().filter(|it| *it != "Resource").map(alphanumeric).collect();
    human.truncate(MAX_HUMAN_PART);
    Some(human + &hash)
}

/// The name that a resource gets when another environment needs to know it: the same for the same path, stack and
/// environment, different for any other. `path` starts with the stack's own id.
///
/// ```
/// use xacct_core::{AccountId, Environment, Region, name::physical_name};
/// let environment = Environment::new(AccountId::literal("222222222222"), Region::literal("us-east-1"));
/// assert_eq!(physical_name("AccountB", &["AccountB", "CrossAccountRole"], &environment), "accountbcrossaccountrole9c5adc2a3cab430d71c2");
/// ```
pub fn physical_name(stack_name: &str, path: &[&str], environment: &Environment) -> String {
    let unique = logical_id(path).unwrap_or_default();
    let hash = hex(&Sha256::digest(format!("{stack_name}{unique}{}{}", environment.region, environment.account)));
    let stack: String = stack_name.chars().take(25).collect();
    let tail = &unique[unique.len().saturating_sub(24)..];
    format!("{stack}{tail}{}", &hash[..12]).to_lowercase()
}

/// Whether a text can be a logical id.
pub(crate) fn is_logical_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_LOGICAL_ID && text.bytes().all(|it| it.is_ascii_alphanumeric())
}

pub(crate) fn alphanumeric(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, Region};

    #[test]
    fn names_are_those_that_cdk_gives() {
        let environment = |account| Environment::new(AccountId::literal(account), Region::literal("us-east-1"));
        let (a, b) = (environment("111111111111"), environment("222222222222"));
        assert_eq!(
            physical_name("AccountA", &["AccountA", "Artifacts"], &a),
            "accountaccountaartifactsaec617b9dc7a3f61c787"
        );
        assert_eq!(
            physical_name("AccountB", &["AccountB", "ProdBuild"], &b),
            "accountbccountbprodbuild5bb5504c2563558c3ad1"
        );
        assert_eq!(
            physical_name("AccountB", &["AccountB", "CrossAccountRole"], &b),
            "accountbcrossaccountrole9c5adc2a3cab430d71c2"
        );
    }

    #[test]
    fn default_is_dropped_and_repeats_are_folded() {
        assert_eq!(logical_id(&["Default"]), None);
        assert_eq!(logical_id(&["My-Topic"]).as_deref(), Some("MyTopic"));
        assert_eq!(logical_id(&["Default", "Topic"]), logical_id(&["Topic"]));
        let id = logical_id(&["Bucket", "Bucket", "Resource"]).unwrap_or_default();
        assert!(id.starts_with("Bucket") && id.len() == "Bucket".len() + 8, "{id}");
    }

    #[test]
    fn ids_stay_within_the_limit() {
        let long = "x".repeat(300);
        let id = logical_id(&[&long, "Resource"]).unwrap_or_default();
        assert_eq!(id.len(), 248);
    }
}
