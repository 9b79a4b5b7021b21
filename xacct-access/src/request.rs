//! What is asked: who, which action, on what, in which context.

use std::fmt;
use std::str::FromStr;

use crate::matching::equal;
use crate::principal::Principal;
use crate::text::Text;
use crate::tri::Tri;

/// One API call.
///
/// What a principal brings with it (`aws:PrincipalArn`, `aws:PrincipalAccount`, `aws:PrincipalType`, `aws:username`,
/// `aws:PrincipalIsAWSService`, …) and `aws:ResourceAccount` need not be given in the context; what is given there wins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// Who asks.
    pub principal: Principal,
    /// What they want to do.
    pub action: Action,
    /// What they want to do it to: an ARN, or `*` for actions that have no resource.
    pub resource: Text,
    /// The account that owns the resource, if it is known.
    pub resource_account: Option<Text>,
    /// The rest of the request context.
    pub context: Context,
}

impl Request {
    /// A request in an open context. The resource's account is read from its ARN if it stands there; a resource without an
    /// account in its ARN (a bucket) needs [`owned_by`](Request::owned_by); `*` is in the principal's account.
    #[must_use]
    pub fn new(principal: Principal, action: Action, resource: impl Into<Text>) -> Request {
        let resource = resource.into();
        let resource_account = if resource.is("*") {
            principal.account().cloned()
        } else {
            resource.arn_part(4).filter(|account| !account.is_empty())
        };
        Request { principal, action, resource, resource_account, context: Context::open() }
    }

    /// The account that owns the resource.
    #[must_use]
    pub fn owned_by(mut self, account: impl Into<Text>) -> Request {
        self.resource_account = Some(account.into());
        self
    }

    /// Replaces the context.
    #[must_use]
    pub fn in_context(mut self, context: Context) -> Request {
        self.context = context;
        self
    }

    #[inline]
    pub(crate) fn lookup<'a>(&'a self, key: &Key) -> Lookup<'a> {
        for (known, entry) in &self.context.entries {
            if known == key {
                return match entry {
                    Entry::Values(values) => Lookup::Values(values),
                    Entry::Absent => Lookup::Absent,
                    Entry::Unknown => Lookup::Unknown,
                };
            }
        }
        match key.derived.and_then(|derived| self.derive(derived)) {
            Some(lookup) => lookup,
            None if self.context.open => Lookup::Unknown,
            None => Lookup::Absent,
        }
    }

    fn derive(&self, key: Derived) -> Option<Lookup<'_>> {
        let facts = self.principal.facts();
        let fact = match key {
            Derived::PrincipalArn => &facts.arn,
            Derived::PrincipalAccount => &facts.account,
            Derived::PrincipalType => &facts.kind,
            Derived::UserId => &facts.user_id,
            Derived::UserName => &facts.user_name,
            Derived::IsService => &facts.is_service,
            Derived::ServiceName => &facts.service,
            Derived::CallerAccount if self.action.service() == "kms" => &facts.account,
            Derived::CallerAccount => return None,
            Derived::OfServiceCall => {
                return (!self.principal.is_service()).then_some(Lookup::Absent);
            }
            // Which account an action without a resource is in, AWS tells only some of them.
            Derived::ResourceAccount if self.resource.is("*") => return None,
            Derived::ResourceAccount if equal(&self.resource, &Text::from("*")) != Tri::No => {
                return Some(Lookup::Unknown);
            }
            Derived::ResourceAccount => {
                return Some(self.resource_account.as_ref().map_or(Lookup::Unknown, one));
            }
        };
        Some(match fact {
            Fact::Known(value) => one(value),
            Fact::Absent => Lookup::Absent,
            Fact::Unknown => Lookup::Unknown,
        })
    }
}

fn one(value: &Text) -> Lookup<'_> {
    Lookup::Values(std::slice::from_ref(value))
}

/// An API action such as `s3:GetObject`; upper and lower case are the same.
///
/// ```
/// use xacct_access::Action;
/// let action: Action = "s3:GetObject".parse()?;
/// assert_eq!(action.service(), "s3");
/// assert!("s3:Get*".parse::<Action>().is_err());
/// # Ok::<(), xacct_access::ActionError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Action {
    written: Box<str>,
    lower: Box<str>,
    text: Text,
}

impl Action {
    /// The service's prefix, in lower case.
    #[must_use]
    pub fn service(&self) -> &str {
        self.lower.split_once(':').map_or("", |(service, _)| service)
    }

    /// The whole action in lower case.
    #[must_use]
    pub fn lowercase(&self) -> &str {
        &self.lower
    }

    pub(crate) fn text(&self) -> &Text {
        &self.text
    }
}

/// Something is not the name of one action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an action: write one as `service:Name`, without wildcards")]
pub struct ActionError(String);

impl FromStr for Action {
    type Err = ActionError;
    fn from_str(written: &str) -> Result<Action, ActionError> {
        let word = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        match written.split_once(':') {
            Some((service, name)) if word(service) && word(name) => {
                let lower = written.to_ascii_lowercase();
                Ok(Action { written: written.into(), text: Text::from(&lower), lower: lower.into() })
            }
            _ => Err(ActionError(written.to_owned())),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written)
    }
}

/// The context keys of a request.
///
/// In an **open** context a key that nobody mentioned is unknown: it may be absent or have any value. In a **closed** one
/// it is absent. Open is the default, because a proof must hold for every context.
///
/// ```
/// use xacct_access::Context;
/// let context = Context::open().with("aws:SecureTransport", "true").absent("aws:SourceVpce");
/// # let _ = context;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Context {
    entries: Vec<(Key, Entry)>,
    open: bool,
}

#[derive(Clone, Debug)]
enum Entry {
    Values(Vec<Text>),
    Absent,
    Unknown,
}

impl Context {
    /// Keys that are not mentioned are unknown.
    #[must_use]
    pub fn open() -> Context {
        Context { entries: Vec::new(), open: true }
    }

    /// Keys that are not mentioned are absent.
    #[must_use]
    pub fn closed() -> Context {
        Context { entries: Vec::new(), open: false }
    }

    /// The key has this value. A value that exists but is not known is a [`Symbol`](crate::Symbol).
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Text>) -> Context {
        self.set(key, Entry::Values(vec![value.into()]))
    }

    /// The key has several values. Without any it is absent.
    #[must_use]
    pub fn with_values<T: Into<Text>>(self, key: &str, values: impl IntoIterator<Item = T>) -> Context {
        let values: Vec<Text> = values.into_iter().map(Into::into).collect();
        self.set(key, if values.is_empty() { Entry::Absent } else { Entry::Values(values) })
    }

    /// The request does not have this key.
    #[must_use]
    pub fn absent(self, key: &str) -> Context {
        self.set(key, Entry::Absent)
    }

    /// Nothing is known about this key.
    #[must_use]
    pub fn unknown(self, key: &str) -> Context {
        self.set(key, Entry::Unknown)
    }

    /// The one value that a key has, where it has one.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Text> {
        let key = Key::new(key);
        match self.entries.iter().find(|(known, _)| *known == key) {
            Some((_, Entry::Values(values))) if values.len() == 1 => values.first(),
            _ => None,
        }
    }

    fn set(mut self, key: &str, entry: Entry) -> Context {
        let key = Key::new(key);
        match self.entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = entry,
            None => self.entries.push((key, entry)),
        }
        self
    }
}

/// The name of a context key. Upper and lower case are the same, in the names of tags too.
#[derive(Clone)]
pub(crate) struct Key {
    name: Box<str>,
    hash: u64,
    derived: Option<Derived>,
}

#[derive(Clone, Copy, Debug)]
enum Derived {
    PrincipalArn,
    PrincipalAccount,
    PrincipalType,
    UserId,
    UserName,
    IsService,
    ServiceName,
    CallerAccount,
    /// Exists only where a service itself makes the call.
    OfServiceCall,
    ResourceAccount,
}

impl Key {
    pub(crate) fn new(name: &str) -> Key {
        let name = name.to_lowercase().into_boxed_str();
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let derived = Some(match &*name {
            "aws:principalarn" => Derived::PrincipalArn,
            "aws:principalaccount" => Derived::PrincipalAccount,
            "aws:principaltype" => Derived::PrincipalType,
            "aws:userid" => Derived::UserId,
            "aws:username" => Derived::UserName,
            "aws:principalisawsservice" => Derived::IsService,
            "aws:principalservicename" => Derived::ServiceName,
            "kms:calleraccount" => Derived::CallerAccount,
            "aws:sourceaccount"
            | "aws:sourcearn"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths"
            | "aws:principalservicenameslist" => Derived::OfServiceCall,
            "aws:resourceaccount" => Derived::ResourceAccount,
            _ => {
                return Key { name, hash, derived: None };
            }
        });
        Key { name, hash, derived }
    }

    /// In lower case.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.hash == other.hash && self.name == other.name
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What the request says about a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lookup<'a> {
    Values(&'a [Text]),
    Absent,
    Unknown,
}

/// What is known of a key that follows from the principal.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Known(Text),
    Absent,
    Unknown,
}
