//! Where a stack goes: an account and a region.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of an AWS account: exactly twelve digits, kept as text, because a leading zero counts.
///
/// A wrong literal in a `const` does not compile:
/// ```
/// use xacct_core::AccountId;
/// const TOOLS: AccountId = AccountId::literal("111111111111");
/// assert_eq!(TOOLS.as_str(), "111111111111");
/// ```
/// ```compile_fail
/// # use xacct_core::AccountId;
/// const SHORT: AccountId = AccountId::literal("11111111111");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
// INVARIANT: twelve ASCII digits.
pub struct AccountId([u8; 12]);

impl AccountId {
    /// An account id written in the program.
    ///
    /// # Panics
    /// If `digits` are not twelve digits: in a `const`, that is a compile error. Use [`FromStr`] for input.
    pub const fn literal(digits: &str) -> Self {
        match Self::parse(digits.as_bytes()) {
            Some(id) => id,
            None => panic!("an AWS account id has exactly twelve digits"),
        }
    }

    const fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 12 {
            return None;
        }
        let mut digits = [0; 12];
        let mut at = 0;
        while at < 12 {
            if !bytes[at].is_ascii_digit() {
                return None;
            }
            digits[at] = bytes[at];
            at += 1;
        }
        Some(Self(digits))
    }

    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not an account id, a region or an ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not twelve digits.
    #[error("`{text}` is not an AWS account id: {problem}")]
    AccountId {
        /// What was given.
        text: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Not a region that AWS has.
    #[error("`{text}` is not an AWS region{}", .nearest.map(|it| format!(": did you mean `{it}`?")).unwrap_or_default())]
    Region {
        /// What was given.
        text: String,
        /// The region whose name is nearest.
        nearest: Option<&'static str>,
    },
    /// Not an ARN.
    #[error("`{text}` is not an ARN: {problem}")]
    Arn {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl FromStr for AccountId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text.as_bytes()).ok_or_else(|| {
            let digits = text.chars().filter(char::is_ascii_digit).count();
            let problem = if digits != text.chars().count() {
                "write its twelve digits, without dashes or spaces".to_owned()
            } else if digits < 12 {
                format!("it has {digits} digits instead of 12 (was a leading zero lost? write it in quotes)")
            } else {
                format!("it has {digits} digits instead of 12")
            };
            ParseError::AccountId { text: text.to_owned(), problem }
        })
    }
}

impl TryFrom<String> for AccountId {
    type Error = ParseError;
    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.as_str().to_owned()
    }
}

/// A region of AWS, such as `eu-west-1`.
///
/// Only regions that AWS has are accepted; one newer than this list is taken by [`Region::unlisted`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(std::borrow::Cow<'static, str>);

/// Every region, by partition. From
/// [AWS's list](https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html).
const REGIONS: [&str; 43] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-west-1",
    "us-west-2",
];

impl Region {
    /// A region written in the program.
    ///
    /// # Panics
    /// If AWS has no region of that name: in a `const`, that is a compile error. Use [`FromStr`] for input.
    pub const fn literal(name: &'static str) -> Self {
        let mut at = 0;
        while at < REGIONS.len() {
            if same(REGIONS[at].as_bytes(), name.as_bytes()) {
                return Self(std::borrow::Cow::Borrowed(REGIONS[at]));
            }
            at += 1;
        }
        panic!("not a region that AWS is known to have: use `Region::unlisted` for a new one")
    }

    /// A region that is newer than this crate's list.
    pub fn unlisted(name: impl Into<String>) -> Self {
        Self(std::borrow::Cow::Owned(name.into()))
    }

    /// The name, such as `eu-west-1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that the region is in: `aws`, `aws-cn`, `aws-us-gov`, …
    pub fn partition(&self) -> &'static str {
        match self.0.split_once('-').map_or("", |(area, _)| area) {
            "cn" => "aws-cn",
            "eusc" => "aws-eusc",
            "us" if self.0.starts_with("us-gov-") => "aws-us-gov",
            "us" if self.0.starts_with("us-isob-") => "aws-iso-b",
            "us" if self.0.starts_with("us-iso-") => "aws-iso",
            "eu" if self.0.starts_with("eu-isoe-") => "aws-iso-e",
            _ => "aws",
        }
    }

    /// The domain under which the partition's services are, such as `amazonaws.com`.
    pub fn url_suffix(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "amazonaws.com.cn",
            "aws-eusc" => "amazonaws.eu",
            "aws-iso" => "c2s.ic.gov",
            "aws-iso-b" => "sc2s.sgov.gov",
            "aws-iso-e" => "cloud.adc-e.uk",
            _ => "amazonaws.com",
        }
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

impl FromStr for Region {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match REGIONS.iter().find(|it| **it == text) {
            Some(name) => Ok(Self(std::borrow::Cow::Borrowed(name))),
            None => Err(ParseError::Region { text: text.to_owned(), nearest: crate::nearest::nearest(text, REGIONS) }),
        }
    }
}

impl TryFrom<String> for Region {
    type Error = ParseError;
    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse().or_else(|error| if looks_like_a_region(&text) { Ok(Self::unlisted(text)) } else { Err(error) })
    }
}

/// An assembly may come from a newer version of this crate, which knows more regions.
fn looks_like_a_region(text: &str) -> bool {
    text.split('-').count() >= 3 && text.ends_with(|it: char| it.is_ascii_digit())
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0.into_owned()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account and a region: where a stack is deployed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Environment {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

impl Environment {
    /// An environment of an account and a region.
    pub const fn new(account: AccountId, region: Region) -> Self {
        Self { account, region }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}
