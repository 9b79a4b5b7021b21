//! Amazon Resource Names.

use std::fmt;
use std::str::FromStr;

use crate::environment::ParseError;

/// An ARN that is known as text, parsed into its parts. What AWS will only make later is a
/// [`Value`](crate::Value) instead. See
/// [the format](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html).
///
/// ```
/// use xacct_core::Arn;
/// let arn: Arn = "arn:aws:iam::111111111111:role/deploy/prod".parse().unwrap();
/// assert_eq!((arn.service(), arn.account(), arn.resource()), ("iam", "111111111111", "role/deploy/prod"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
// INVARIANT: six parts separated by colons, the first `arn`, service and resource not empty.
pub struct Arn(String);

impl Arn {
    fn part(&self, index: usize) -> &str {
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// The partition, such as `aws`.
    pub fn partition(&self) -> &str {
        self.part(1)
    }

    /// The service, such as `iam`.
    pub fn service(&self) -> &str {
        self.part(2)
    }

    /// The region; empty for global services.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The account; empty where names are global, as with buckets.
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// All behind the account.
    pub fn resource(&self) -> &str {
        self.part(5)
    }

    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Arn {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let problem = match parts[..] {
            [prefix, ..] if prefix != "arn" => "it does not start with `arn:`",
            [_, partition, service, _, account, resource] => {
                if partition.is_empty() || service.is_empty() || resource.is_empty() {
                    "its partition, service or resource is empty"
                } else if !account.is_empty() && account != "aws" && account.parse::<crate::AccountId>().is_err() {
                    "its account is not twelve digits"
                } else {
                    return Ok(Self(text.to_owned()));
                }
            }
            _ => "it has fewer than six parts separated by colons",
        };
        Err(ParseError::Arn { text: text.to_owned(), problem })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
