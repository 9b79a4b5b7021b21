//! Who asks, and whom a policy names.

use std::fmt;
use std::sync::Arc;

use crate::decision::Reason;
use crate::matching::equal;
use crate::position::Position;
use crate::record::Record;
use crate::request::Fact;
use crate::symbol::{Symbol, SymbolKind};
use crate::text::Text;
use crate::tri::Tri;

/// Who makes a request.
///
/// ```
/// use xacct_access::Principal;
/// let build = Principal::role("arn:aws:iam::222222222222:role/service/build");
/// assert!(build.account().is_some_and(|account| account.is("222222222222")));
/// ```
#[derive(Clone)]
pub struct Principal(Arc<Inner>);

struct Inner {
    kind: PrincipalKind,
    /// The ARN (or service, or provider) under which policies name it.
    arn: Text,
    /// The role behind a session, the user behind a federated user.
    parent: Option<Text>,
    account: Option<Text>,
    root: Option<Text>,
    unique_id: Option<Text>,
    service_linked: bool,
    facts: Facts,
}

pub(crate) struct Facts {
    pub(crate) arn: Fact,
    pub(crate) account: Fact,
    pub(crate) kind: Fact,
    pub(crate) user_id: Fact,
    pub(crate) user_name: Fact,
    pub(crate) is_service: Fact,
    pub(crate) service: Fact,
}

/// The kinds of [`Principal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrincipalKind {
    /// The root user of an account.
    Root,
    /// An IAM user.
    User,
    /// A session of a role.
    Session,
    /// A session from `sts:GetFederationToken`.
    FederatedUser,
    /// An AWS service that acts for itself.
    Service,
    /// Somebody whom an identity provider vouches for, before assuming a role.
    Federated,
    /// Nobody: the request is not signed.
    Anonymous,
}

impl Principal {
    /// The root user of an account, by its ARN `arn:PARTITION:iam::ACCOUNT:root`.
    #[must_use]
    pub fn root(arn: impl Into<Text>) -> Principal {
        let arn = arn.into();
        let account = arn.arn_part(4);
        Principal::make(PrincipalKind::Root, arn, None, account, None)
    }

    /// An IAM user, by ARN.
    #[must_use]
    pub fn user(arn: impl Into<Text>) -> Principal {
        let arn = arn.into();
        let account = arn.arn_part(4);
        Principal::make(PrincipalKind::User, arn, None, account, None)
    }

    /// Any session of a role, by the role's ARN: an answer holds for every session name.
    #[must_use]
    pub fn role(arn: impl Into<Text>) -> Principal {
        let arn = arn.into();
        let session = Symbol::new(&format!("any session of {arn}"), SymbolKind::Name);
        Principal::session(arn, session)
    }

    /// One session of a role, by the role's ARN (path included) and the session's name.
    #[must_use]
    pub fn session(role: impl Into<Text>, session: impl Into<Text>) -> Principal {
        let (role, session) = (role.into(), session.into());
        let account = role.arn_part(4);
        let arn = match (role.arn_part(1), &account, role.after_last_slash()) {
            (Some(partition), Some(account), Some(name)) => Text::from("arn:")
                .with(partition)
                .with(":sts::")
                .with(account)
                .with(":assumed-role/")
                .with(name)
                .with("/")
                .with(session),
            _ => Text::from(Symbol::new(&format!("session {session} of {role}"), SymbolKind::Text)),
        };
        Principal::make(PrincipalKind::Session, arn, Some(role), account, None)
    }

    /// A session that an IAM user got for a federated user: the session's ARN and the user's.
    #[must_use]
    pub fn federated_user(arn: impl Into<Text>, user: impl Into<Text>) -> Principal {
        let arn = arn.into();
        let account = arn.arn_part(4);
        Principal::make(PrincipalKind::FederatedUser, arn, Some(user.into()), account, None)
    }

    /// A service that calls for itself, such as `codepipeline.amazonaws.com`.
    #[must_use]
    pub fn service(name: impl Into<Text>) -> Principal {
        Principal::make(PrincipalKind::Service, name.into(), None, None, None)
    }

    /// Somebody from an identity provider: the provider's ARN, or its name for the built-in ones.
    #[must_use]
    pub fn federated(provider: impl Into<Text>) -> Principal {
        Principal::make(PrincipalKind::Federated, provider.into(), None, None, None)
    }

    /// Whoever sends an unsigned request.
    #[must_use]
    pub fn anonymous() -> Principal {
        Principal::make(PrincipalKind::Anonymous, Text::from("anonymous"), None, None, None)
    }

    /// The same principal with the unique id (`AIDA…`, `AROA…`) that AWS gave the user or role.
    #[must_use]
    pub fn with_unique_id(&self, id: impl Into<Text>) -> Principal {
        let inner = &self.0;
        let (arn, parent, account) = (inner.arn.clone(), inner.parent.clone(), inner.account.clone());
        Principal::make(inner.kind, arn, parent, account, Some(id.into()))
    }

    /// The same principal in an account that its ARN does not tell.
    #[must_use]
    pub fn in_account(&self, account: impl Into<Text>) -> Principal {
        let inner = &self.0;
        let (arn, parent, id) = (inner.arn.clone(), inner.parent.clone(), inner.unique_id.clone());
        Principal::make(inner.kind, arn, parent, Some(account.into()), id)
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> PrincipalKind {
        self.0.kind
    }

    /// Its ARN; for a service its name, for a federated principal its provider.
    #[must_use]
    pub fn arn(&self) -> &Text {
        &self.0.arn
    }

    /// The role behind a session, the user behind a federated user.
    #[must_use]
    pub fn parent(&self) -> Option<&Text> {
        self.0.parent.as_ref()
    }

    /// Its account, if it has one that is known.
    #[must_use]
    pub fn account(&self) -> Option<&Text> {
        self.0.account.as_ref()
    }

    pub(crate) fn is_service(&self) -> bool {
        self.0.kind == PrincipalKind::Service
    }

    /// Does it belong to an account, as users and roles do?
    pub(crate) fn is_iam(&self) -> bool {
        use PrincipalKind::{FederatedUser, Root, Session, User};
        matches!(self.0.kind, Root | User | Session | FederatedUser)
    }

    /// A role that a service owns; service and resource control policies leave it alone.
    pub(crate) fn is_service_linked(&self) -> bool {
        self.0.service_linked
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.0.facts
    }

    fn make(
        kind: PrincipalKind,
        arn: Text,
        parent: Option<Text>,
        account: Option<Text>,
        unique_id: Option<Text>,
    ) -> Principal {
        let facts = facts(kind, &arn, parent.as_ref(), account.as_ref(), unique_id.as_ref());
        let root = account.as_ref().map(|account| root_arn(parent.as_ref().unwrap_or(&arn), account));
        let service_linked = kind == PrincipalKind::Session
            && parent
                .as_ref()
                .and_then(|role| role.arn_part(5))
                .is_some_and(|resource| resource.starts_with("role/aws-service-role/"));
        Principal(Arc::new(Inner { kind, arn, parent, account, root, unique_id, service_linked, facts }))
    }
}

/// The ARN of an account's root, in the partition of another ARN.
fn root_arn(like: &Text, account: &Text) -> Text {
    let partition = like.arn_part(1).unwrap_or_else(|| "aws".into());
    Text::from("arn:").with(partition).with(":iam::").with(account).with(":root")
}

fn facts(
    kind: PrincipalKind,
    arn: &Text,
    parent: Option<&Text>,
    account: Option<&Text>,
    unique_id: Option<&Text>,
) -> Facts {
    use PrincipalKind::{Anonymous, Federated, FederatedUser, Root, Service, Session, User};
    let known = |text: Option<Text>| text.map_or(Fact::Unknown, Fact::Known);
    let word = |word: &str| Fact::Known(Text::from(word));
    let iam = matches!(kind, Root | User | Session | FederatedUser);
    Facts {
        arn: match kind {
            Session => known(parent.cloned()),
            Root | User | FederatedUser => Fact::Known(arn.clone()),
            Anonymous => Fact::Absent,
            Service | Federated => Fact::Unknown,
        },
        account: match kind {
            Anonymous => word("anonymous"),
            _ => known(account.cloned()),
        },
        kind: match kind {
            Root => word("Account"),
            User => word("User"),
            Session => word("AssumedRole"),
            FederatedUser => word("FederatedUser"),
            Anonymous => word("Anonymous"),
            Service | Federated => Fact::Unknown,
        },
        user_id: match kind {
            Root => known(account.cloned()),
            User => known(unique_id.cloned()),
            Session => known(unique_id.and_then(|id| Some(id.clone().with(":").with(arn.after_last_slash()?)))),
            FederatedUser => {
                known(account.and_then(|account| Some(account.clone().with(":").with(arn.after_last_slash()?))))
            }
            Anonymous => word("anonymous"),
            Service | Federated => Fact::Unknown,
        },
        user_name: match kind {
            User => known(arn.after_last_slash()),
            Federated => Fact::Unknown,
            _ => Fact::Absent,
        },
        is_service: match kind {
            Service => word("true"),
            Anonymous => Fact::Absent,
            Federated => Fact::Unknown,
            _ if iam => word("false"),
            _ => Fact::Unknown,
        },
        service: match kind {
            Service => Fact::Known(arn.clone()),
            _ => Fact::Absent,
        },
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.arn.fmt(f)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.0.kind, self.0.arn)
    }
}

/// The `Principal` or `NotPrincipal` element of a statement.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Principals {
    /// It is `NotPrincipal`.
    pub negated: bool,
    /// Whom it names.
    pub entries: Vec<PrincipalEntry>,
}

/// One principal that a policy names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrincipalEntry {
    /// Whom.
    pub named: Named,
    /// Where it stands.
    pub position: Position,
}

/// The forms that a principal in a policy can take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Named {
    /// `*`
    Everyone,
    /// The account, by its number or as `arn:aws:iam::…:root`.
    Account(Text),
    /// A user, role, session or federated user.
    Arn(Text),
    /// `AIDA…` or `AROA…`: what AWS puts in place of a user or role that has been deleted.
    UniqueId(Text),
    /// A service.
    Service(Text),
    /// An identity provider.
    Federated(Text),
    /// An S3 canonical user id.
    CanonicalUser(Text),
    /// An expression of which not even the form is known.
    Unresolved(Text),
}

/// How a statement's principals cover the caller; the ways differ in what an Allow is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covers {
    /// By its own ARN or as `*`: nothing in its account limits that.
    pub(crate) itself: Tri,
    /// By the ARN of its role (or, for a federated user, its user): limited by boundary and session policy.
    pub(crate) parent: Tri,
    /// By its account: only delegates to the account's own policies.
    pub(crate) account: Tri,
}

impl Covers {
    pub(crate) const NOBODY: Covers = Covers { itself: Tri::No, parent: Tri::No, account: Tri::No };

    pub(crate) fn any(self) -> Tri {
        self.itself.or(self.parent).or(self.account)
    }

    /// Is one of the ways neither certain nor out of the question?
    pub(crate) fn is_uncertain(self) -> bool {
        [self.itself, self.parent, self.account].contains(&Tri::Maybe)
    }
}

/// What covering the caller would lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Allow,
    /// To allow the caller to assume a role.
    AllowToAssume,
    Deny {
        has_boundary: bool,
    },
}

impl Principals {
    #[inline]
    pub(crate) fn cover(&self, caller: &Principal, purpose: Purpose, record: &mut impl Record) -> Covers {
        // Whether everyone who may assume a role includes services and identity providers is not documented.
        let vague = purpose == Purpose::AllowToAssume
            && matches!(caller.kind(), PrincipalKind::Service | PrincipalKind::Federated);
        let everyone = if vague { Tri::Maybe } else { Tri::Yes };
        let explain_vague = |record: &mut _| {
            Record::unknown(record, || {
                Reason::Undocumented("whether `*` in a trust policy covers a service".to_owned())
            });
        };
        if self.negated {
            let itself = match purpose {
                Purpose::Deny { has_boundary: true } => Tri::Yes,
                _ => self.cover_all_but(caller, record).and(everyone),
            };
            if vague && itself == Tri::Maybe {
                explain_vague(record);
            }
            return Covers { itself, ..Covers::NOBODY };
        }
        let mut covers = Covers::NOBODY;
        for entry in &self.entries {
            let mark = record.mark();
            let one = match entry.named {
                Named::Everyone if vague => {
                    explain_vague(record);
                    Covers { itself: Tri::Maybe, ..Covers::NOBODY }
                }
                _ => entry.cover(caller, record),
            };
            if !one.is_uncertain() {
                record.rewind(mark);
            }
            covers.itself = covers.itself.or(one.itself);
            covers.parent = covers.parent.or(one.parent);
            covers.account = covers.account.or(one.account);
        }
        covers
    }

    /// `NotPrincipal` leaves somebody out for certain only if it names the session, the role and the account: which of
    /// them a service looks at first is its own affair.
    fn cover_all_but(&self, caller: &Principal, record: &mut impl Record) -> Tri {
        let inner = &*caller.0;
        let named = |wanted: Option<&Text>| -> Option<Tri> {
            let wanted = wanted?;
            Some(self.entries.iter().fold(Tri::No, |any, entry| any.or(entry.names(caller, wanted))))
        };
        if self.entries.iter().any(|entry| entry.named == Named::Everyone) {
            return Tri::No;
        }
        let chain = match inner.kind {
            PrincipalKind::Root => vec![named(inner.root.as_ref())],
            // Only `*` names everyone, and an expression may be that.
            PrincipalKind::Anonymous => vec![named(Some(&inner.arn))],
            PrincipalKind::Service | PrincipalKind::Federated => vec![named(Some(&inner.arn))],
            PrincipalKind::User => vec![named(Some(&inner.arn)), named(inner.root.as_ref())],
            PrincipalKind::Session | PrincipalKind::FederatedUser => {
                vec![named(Some(&inner.arn)), named(inner.parent.as_ref()), named(inner.root.as_ref())]
            }
        };
        let chain: Vec<Tri> = chain.into_iter().map(|link| link.unwrap_or(Tri::Maybe)).collect();
        let all = chain.iter().fold(Tri::Yes, |all, link| all.and(*link));
        let any = chain.iter().fold(Tri::No, |any, link| any.or(*link));
        match (all, any) {
            (Tri::Yes, _) => Tri::No,
            (_, Tri::No) => Tri::Yes,
            _ => {
                record.unknown(|| {
                    Reason::Undocumented(
                        "`NotPrincipal` names only some of session, role and account: name all of them".to_owned(),
                    )
                });
                Tri::Maybe
            }
        }
    }
}

impl PrincipalEntry {
    fn cover(&self, caller: &Principal, record: &mut impl Record) -> Covers {
        let inner = &*caller.0;
        let itself = |itself: Tri| Covers { itself, ..Covers::NOBODY };
        let covers = match &self.named {
            Named::Everyone => return itself(Tri::Yes),
            Named::Unresolved(text) => Covers {
                itself: equal(text, &inner.arn).or(equal(text, &Text::from("*"))),
                parent: inner.parent.as_ref().map_or(Tri::No, |parent| equal(text, parent)),
                account: if caller.is_iam() { Tri::Maybe } else { Tri::No },
            },
            _ if inner.kind == PrincipalKind::Anonymous => return Covers::NOBODY,
            Named::Account(account) if caller.is_iam() => {
                let same = inner.account.as_ref().map_or(Tri::Maybe, |own| equal(account, own));
                if inner.kind == PrincipalKind::Root {
                    itself(same)
                } else {
                    Covers { account: same, ..Covers::NOBODY }
                }
            }
            Named::Arn(arn) if caller.is_iam() => Covers {
                itself: equal(arn, &inner.arn),
                parent: inner.parent.as_ref().map_or(Tri::No, |parent| equal(arn, parent)),
                account: Tri::No,
            },
            Named::UniqueId(id) if caller.is_iam() => {
                let same = inner.unique_id.as_ref().map_or(Tri::Maybe, |own| equal(id, own));
                match inner.kind {
                    PrincipalKind::Session => Covers { parent: same, ..Covers::NOBODY },
                    PrincipalKind::User => itself(same),
                    _ => Covers::NOBODY,
                }
            }
            Named::Service(name) if inner.kind == PrincipalKind::Service => itself(equal(name, &inner.arn)),
            Named::Federated(name) if inner.kind == PrincipalKind::Federated => itself(equal(name, &inner.arn)),
            // S3 turns the id into the account, and only AWS knows which.
            Named::CanonicalUser(_) if caller.is_iam() => Covers { account: Tri::Maybe, ..Covers::NOBODY },
            _ => return Covers::NOBODY,
        };
        if covers.is_uncertain() {
            record.unknown(|| Reason::Principal(self.named.to_string()));
        }
        covers
    }

    /// Does the entry name exactly this ARN (of the caller, its role or its account)?
    fn names(&self, caller: &Principal, wanted: &Text) -> Tri {
        let inner = &*caller.0;
        match &self.named {
            Named::Everyone => Tri::Yes,
            Named::Account(account) if caller.is_iam() => equal(&root_arn(wanted, account), wanted),
            Named::Arn(arn) if caller.is_iam() => equal(arn, wanted),
            Named::UniqueId(_) if caller.is_iam() && Some(wanted) != inner.root.as_ref() => Tri::Maybe,
            Named::CanonicalUser(_) if caller.is_iam() && Some(wanted) == inner.root.as_ref() => Tri::Maybe,
            Named::Service(name) if inner.kind == PrincipalKind::Service => equal(name, wanted),
            Named::Federated(name) if inner.kind == PrincipalKind::Federated => equal(name, wanted),
            Named::Unresolved(text) => equal(text, wanted).or(Tri::Maybe),
            _ => Tri::No,
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Everyone => f.write_str("*"),
            Named::Account(account) => write!(f, "account {account}"),
            Named::Arn(text)
            | Named::UniqueId(text)
            | Named::Service(text)
            | Named::Federated(text)
            | Named::CanonicalUser(text)
            | Named::Unresolved(text) => text.fmt(f),
        }
    }
}
