//! AWS's evaluation logic over all policies that take part in a request.
//!
//! Every step is three-valued, so that the answer holds for every substitution of what is not known. Not evaluated, because
//! they are no policies of the kinds here: S3 ACLs, KMS grants, VPC endpoint policies, forward access sessions, and the
//! delay with which AWS makes changes take effect.

use crate::decision::{Decision, Failure, Layer, Mismatch, Missing, Outcome, Reason, Traced, Verdict};
use crate::matching::equal;
use crate::policy::{Effect, Policy, Statement};
use crate::principal::{Covers, PrincipalKind, Purpose};
use crate::record::{Record, Silent};
use crate::request::Request;
use crate::tri::Tri;

/// The policies that take part in a request. What is left empty does not exist.
///
/// For an `sts:AssumeRole` on a role the resource policy is the role's trust policy, for a KMS key its key policy. Both
/// always exist: if one is not given, no request can be proved to be allowed.
#[derive(Clone, Debug, Default)]
pub struct Policies<'a> {
    /// The policies of the caller: inline, attached, and of its groups.
    pub identity: Vec<&'a Policy>,
    /// The caller's permissions boundary.
    pub boundary: Option<&'a Policy>,
    /// The policies passed when the session was made.
    pub session: Vec<&'a Policy>,
    /// The policy of the resource.
    pub resource: Option<&'a Policy>,
    /// Service control policies over the caller's account: one list for each level from the root to the account. Leave out
    /// those of an organization's management account, to which they do not apply.
    pub scps: Vec<Vec<&'a Policy>>,
    /// Resource control policies over the resource's account, by level.
    pub rcps: Vec<Vec<&'a Policy>>,
}

/// Answers whether the request is allowed, with the grounds.
///
/// ```
/// use xacct_access::{Policies, Policy, PolicyKind, Principal, Request, Verdict, evaluate};
/// let build = Policy::parse(PolicyKind::Identity, "build", r#"{"Version": "2012-10-17", "Statement": {
///     "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::artifacts/*"}}"#)?;
/// let bucket = Policy::parse(PolicyKind::Resource, "artifacts", r#"{"Version": "2012-10-17", "Statement": {
///     "Sid": "Read", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
///     "Action": "s3:GetObject", "Resource": "arn:aws:s3:::artifacts/*",
///     "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::222222222222:role/build"}}}}"#)?;
/// let role = Principal::role("arn:aws:iam::222222222222:role/build");
/// let request = Request::new(role, "s3:GetObject".parse()?, "arn:aws:s3:::artifacts/app.zip").owned_by("111111111111");
/// let both = Policies { identity: vec![&build], resource: Some(&bucket), ..Policies::default() };
///
/// let decision = evaluate(&both, &request);
/// assert_eq!(decision.verdict, Verdict::Allowed);
/// let by: Vec<String> = decision.decisive().map(ToString::to_string).collect();
/// assert_eq!(by, [
///     "allow by identity policy `build`, statement 0 at 1:40",
///     "allow by resource policy `artifacts`, statement `Read` at 1:40",
/// ]);
///
/// let one_side = Policies { resource: None, ..both };
/// assert_eq!(evaluate(&one_side, &request).to_string(),
///     "denied, nothing allows it\n  missing: no resource policy allows it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn evaluate(policies: &Policies<'_>, request: &Request) -> Decision {
    let mut grounds = Grounds::default();
    let verdict = decide(policies, request, &mut grounds);
    if matches!(verdict, Verdict::Allowed | Verdict::ExplicitlyDenied) {
        grounds.missing.clear();
    }
    if verdict != Verdict::Unknown {
        grounds.reasons.clear();
    }
    Decision { verdict, trace: grounds.trace, missing: grounds.missing, reasons: grounds.reasons }
}

/// Answers whether the request is allowed, without the grounds and so much faster.
#[must_use]
pub fn verdict(policies: &Policies<'_>, request: &Request) -> Verdict {
    decide(policies, request, &mut Silent)
}

/// The statements that would allow the request but for one element, in the layers that do not allow it: where a grant has
/// lost something, or has something misspelt. An action counts as near if the statement is about the same service.
#[must_use]
pub fn nearest(policies: &Policies<'_>, request: &Request) -> Vec<Traced> {
    let decision = evaluate(policies, request);
    let allows = |layer: Layer| {
        let mut of_layer = decision.trace.iter().filter(|it| it.layer == layer && it.effect == Effect::Allow);
        of_layer.any(|it| it.outcome == Outcome::Applies)
    };
    let own = [
        (Layer::Identity, policies.identity.as_slice()),
        (Layer::Boundary, policies.boundary.as_slice()),
        (Layer::Session, policies.session.as_slice()),
        (Layer::Resource, policies.resource.as_slice()),
    ];
    let control = policies.scps.iter().enumerate().map(|(level, it)| (Layer::ServiceControl(level), it.as_slice()));
    let mut near = Grounds::default();
    for (layer, documents) in own.into_iter().chain(control).filter(|(layer, _)| !allows(*layer)) {
        for policy in documents {
            for statement in policy.statements.iter().filter(|it| it.effect == Effect::Allow) {
                let mut failures = statement.mismatches(request);
                if layer == Layer::Resource && !names(statement, request) {
                    failures.push(Failure::Principal);
                }
                match failures[..] {
                    [Failure::Action] if !is_about(statement, request.action.service()) => {}
                    [failure] => near.statement(layer, policy, statement, Err(failure)),
                    _ => {}
                }
            }
        }
    }
    near.trace
}

fn names(statement: &Statement, request: &Request) -> bool {
    let purpose = if is_role_action(request) { Purpose::AllowToAssume } else { Purpose::Allow };
    let covers = statement.principals.as_ref().map(|it| it.cover(&request.principal, purpose, &mut Silent));
    covers.is_some_and(|it| it.any() != Tri::No)
}

fn is_about(statement: &Statement, service: &str) -> bool {
    let mut services = statement.actions.patterns.iter().map(|it| it.text().to_string().to_lowercase());
    services.any(|it| it.strip_prefix(service).is_some_and(|rest| rest.starts_with(':')))
}

trait Observe: Record {
    /// Does anybody want to know about statements that cannot change the answer?
    const EXPLAINS: bool;
    fn statement(&mut self, layer: Layer, policy: &Policy, statement: &Statement, result: Result<Tri, Failure>);
    fn unseen(&mut self, layer: Layer, policy: &Policy, effect: Effect);
    fn missing(&mut self, missing: Missing);
}

/// What a layer says about the request.
#[derive(Clone, Copy)]
struct Says {
    allow: Tri,
    deny: Tri,
}

/// What the resource policy says; the ways to be allowed differ in what they are worth.
#[derive(Clone, Copy)]
struct ResourceSays {
    itself: Tri,
    parent: Tri,
    account: Tri,
    deny: Tri,
}

fn decide<O: Observe>(policies: &Policies<'_>, request: &Request, observe: &mut O) -> Verdict {
    let caller = &request.principal;
    if request.action.lowercase() == "sts:getcalleridentity" && caller.is_iam() {
        return Verdict::Allowed;
    }
    let has_boundary = policies.boundary.is_some();
    let mut deny = Tri::No;
    // A deny anywhere is final, so the layers are asked one after the other until one denies.
    macro_rules! layer {
        ($says:expr) => {{
            let says = $says;
            deny = deny.or(says.deny);
            if deny == Tri::Yes && !O::EXPLAINS {
                return Verdict::ExplicitlyDenied;
            }
            says
        }};
    }

    let identity = layer!(ask(&policies.identity, Layer::Identity, request, observe));
    let resource = layer!(ask_resource(policies.resource, has_boundary, request, observe));
    let boundary = match &policies.boundary {
        None => Tri::Yes,
        Some(boundary) => layer!(ask(std::slice::from_ref(boundary), Layer::Boundary, request, observe)).allow,
    };
    let federated_user = caller.kind() == PrincipalKind::FederatedUser;
    let session = if policies.session.is_empty() && !federated_user {
        Tri::Yes
    } else {
        layer!(ask(&policies.session, Layer::Session, request, observe)).allow
    };
    let mut control = Tri::Yes;
    if caller.is_iam() && !caller.is_service_linked() {
        for (level, policies) in policies.scps.iter().enumerate() {
            let layer = Layer::ServiceControl(level);
            let says = layer!(ask(policies, layer, request, observe));
            if says.allow != Tri::Yes {
                observe.missing(Missing::Allow(layer));
            }
            control = control.and(says.allow);
        }
    }
    if !caller.is_service_linked() {
        // Every level has AWS's policy that allows everything, and no other may allow: only denies count.
        for (level, policies) in policies.rcps.iter().enumerate() {
            layer!(ask(policies, Layer::ResourceControl(level), request, observe));
        }
    }

    let sides = Sides { identity: identity.allow, boundary, session, resource };
    let allow = control.and(sides.allow(policies, request, observe));
    match (allow, deny) {
        (_, Tri::Yes) => Verdict::ExplicitlyDenied,
        (Tri::Yes, Tri::No) => Verdict::Allowed,
        (Tri::No, _) => Verdict::ImplicitlyDenied,
        _ => Verdict::Unknown,
    }
}

/// What both sides say, denies and control policies aside.
struct Sides {
    identity: Tri,
    boundary: Tri,
    session: Tri,
    resource: ResourceSays,
}

impl Sides {
    fn allow<O: Observe>(&self, policies: &Policies<'_>, request: &Request, observe: &mut O) -> Tri {
        let service = request.action.service();
        let needed = |allow: Tri, missing: Missing, observe: &mut O| {
            if allow != Tri::Yes {
                observe.missing(missing);
            }
            allow
        };
        match request.principal.kind() {
            PrincipalKind::Anonymous if matches!(service, "kms" | "sts" | "iam") => {
                needed(Tri::No, Missing::Signature, observe)
            }
            PrincipalKind::Root if request.action.lowercase() == "sts:assumerole" => {
                needed(Tri::No, Missing::RootAssumesNoRole, observe)
            }
            PrincipalKind::FederatedUser if service == "sts" => {
                needed(Tri::No, Missing::FederatedUserCallsNoSts, observe)
            }
            PrincipalKind::Federated if !is_role_action(request) => needed(Tri::No, Missing::RoleFirst, observe),
            PrincipalKind::Anonymous | PrincipalKind::Service | PrincipalKind::Federated => {
                let allow = self.unless_not_given(policies, request, observe).itself;
                needed(allow, Missing::Allow(Layer::Resource), observe)
            }
            _ => self.allow_iam(policies, request, observe),
        }
    }

    fn allow_iam<O: Observe>(&self, policies: &Policies<'_>, request: &Request, observe: &mut O) -> Tri {
        let same = match (request.principal.account(), &request.resource_account) {
            (Some(caller), Some(owner)) => equal(caller, owner),
            _ => Tri::Maybe,
        };
        match same {
            Tri::Yes => self.within_account(policies, request, observe),
            Tri::No => self.across_accounts(policies, request, observe),
            Tri::Maybe => {
                let within = self.within_account(policies, request, observe);
                let across = self.across_accounts(policies, request, observe);
                if within != across {
                    observe.unknown(|| Reason::Account);
                }
                same.choose(within, across)
            }
        }
    }

    fn within_account<O: Observe>(&self, policies: &Policies<'_>, request: &Request, observe: &mut O) -> Tri {
        let resource = self.unless_not_given(policies, request, observe);
        let limit = self.boundary.and(self.session);
        let own = self.own(request).and(limit);
        let named = resource.itself.or(resource.parent.and(limit));
        let decided_by_resource = is_decided_by_resource(request);
        let delegated = own.and(resource.account);
        if decided_by_resource == Tri::Maybe && delegated != own {
            // It may be a key or a role, or not.
            if let Some(symbol) = request.resource.symbols().next() {
                observe.unknown(|| Reason::Symbol(symbol));
            }
        }
        let allow = named.or(decided_by_resource.choose(delegated, own));
        if O::EXPLAINS && allow != Tri::Yes {
            self.explain_limits(observe);
            let own = self.own(request);
            if decided_by_resource != Tri::No && resource.account != Tri::Yes {
                observe.missing(Missing::Delegation);
            } else if own != Tri::Yes && resource.parent != Tri::Yes {
                observe.missing(match decided_by_resource {
                    Tri::No => Missing::IdentityOrResource,
                    _ => Missing::Allow(Layer::Identity),
                });
            }
        }
        allow
    }

    fn across_accounts<O: Observe>(&self, policies: &Policies<'_>, request: &Request, observe: &mut O) -> Tri {
        if request.action.lowercase() == "iam:passrole" {
            observe.missing(Missing::PassRoleAcrossAccounts);
            return Tri::No;
        }
        if request.action.service() == "kms" && !KMS_ACROSS_ACCOUNTS.contains(&request.action.lowercase()) {
            observe.missing(Missing::KmsActionAcrossAccounts);
            return Tri::No;
        }
        let resource = self.unless_not_given(policies, request, observe);
        let own = self.own(request);
        let theirs = resource.itself.or(resource.parent).or(resource.account);
        if O::EXPLAINS {
            self.explain_limits(observe);
            if own != Tri::Yes {
                observe.missing(Missing::Allow(Layer::Identity));
            }
            if theirs != Tri::Yes {
                observe.missing(Missing::Allow(Layer::Resource));
            }
        }
        own.and(self.boundary).and(self.session).and(theirs)
    }

    /// The root user may do everything that its account may.
    fn own(&self, request: &Request) -> Tri {
        match request.principal.kind() {
            PrincipalKind::Root => Tri::Yes,
            _ => self.identity,
        }
    }

    /// Keys and roles always have a policy; one that is not given may say anything.
    fn unless_not_given<O: Observe>(
        &self,
        policies: &Policies<'_>,
        request: &Request,
        observe: &mut O,
    ) -> ResourceSays {
        if policies.resource.is_some() || is_decided_by_resource(request) == Tri::No {
            return self.resource;
        }
        observe.unknown(|| Reason::NoResourcePolicy(request.resource.to_string()));
        ResourceSays { itself: Tri::Maybe, parent: Tri::Maybe, account: Tri::Maybe, deny: Tri::Maybe }
    }

    fn explain_limits<O: Observe>(&self, observe: &mut O) {
        for (allow, layer) in [(self.boundary, Layer::Boundary), (self.session, Layer::Session)] {
            if allow != Tri::Yes {
                observe.missing(Missing::Allow(layer));
            }
        }
    }
}

/// What KMS takes from other accounts: cryptographic operations, grants, and three that read.
const KMS_ACROSS_ACCOUNTS: [&str; 20] = [
    "kms:creategrant",
    "kms:decrypt",
    "kms:derivesharedsecret",
    "kms:describekey",
    "kms:encrypt",
    "kms:generatedatakey",
    "kms:generatedatakeypair",
    "kms:generatedatakeypairwithoutplaintext",
    "kms:generatedatakeywithoutplaintext",
    "kms:generatemac",
    "kms:getkeyrotationstatus",
    "kms:getpublickey",
    "kms:listgrants",
    "kms:reencryptfrom",
    "kms:reencryptto",
    "kms:retiregrant",
    "kms:revokegrant",
    "kms:sign",
    "kms:verify",
    "kms:verifymac",
];

fn is_role_action(request: &Request) -> bool {
    matches!(
        request.action.lowercase(),
        "sts:assumerole"
            | "sts:assumerolewithsaml"
            | "sts:assumerolewithwebidentity"
            | "sts:tagsession"
            | "sts:setsourceidentity"
            | "sts:setcontext"
    )
}

/// Is it a KMS key, or a role to be assumed? There the resource's policy decides, and identity policies count only as far
/// as it says so.
fn is_decided_by_resource(request: &Request) -> Tri {
    let (service, form) = match request.action.service() {
        "kms" => ("kms", "key/"),
        "sts" if is_role_action(request) => ("iam", "role/"),
        _ => return Tri::No,
    };
    let part = |place: usize| request.resource.arn_part(place);
    match (part(2), part(5)) {
        (Some(of), Some(resource)) if of.is(service) && resource.starts_with(form) => Tri::Yes,
        (Some(of), _) if !of.is_symbolic() && !of.is(service) => Tri::No,
        (_, Some(resource)) if !resource.is_symbolic() && !resource.starts_with(form) => Tri::No,
        _ if request.resource.is_symbolic() => Tri::Maybe,
        _ => Tri::No,
    }
}

#[inline]
fn ask<O: Observe>(policies: &[&Policy], layer: Layer, request: &Request, observe: &mut O) -> Says {
    let mut says = Says { allow: Tri::No, deny: Tri::No };
    for policy in policies {
        if let Some(unseen) = unseen(policy, layer, observe) {
            says = Says { allow: says.allow.or(Tri::Maybe), deny: says.deny.or(unseen) };
            continue;
        }
        for statement in &policy.statements {
            let side = match statement.effect {
                Effect::Allow => &mut says.allow,
                Effect::Deny => &mut says.deny,
            };
            if *side == Tri::Yes && !O::EXPLAINS {
                continue;
            }
            let mark = observe.mark();
            let result = statement.applies(request, observe);
            if result != Ok(Tri::Maybe) {
                observe.rewind(mark);
            }
            observe.statement(layer, policy, statement, result);
            *side = side.or(result.unwrap_or(Tri::No));
        }
    }
    says
}

#[inline]
fn ask_resource<O: Observe>(
    policy: Option<&Policy>,
    has_boundary: bool,
    request: &Request,
    observe: &mut O,
) -> ResourceSays {
    let layer = Layer::Resource;
    let mut says = ResourceSays { itself: Tri::No, parent: Tri::No, account: Tri::No, deny: Tri::No };
    let Some(policy) = policy else { return says };
    if let Some(deny) = unseen(policy, layer, observe) {
        return ResourceSays { itself: Tri::Maybe, parent: Tri::Maybe, account: Tri::Maybe, deny };
    }
    for statement in &policy.statements {
        let deny = statement.effect == Effect::Deny;
        let mark = observe.mark();
        let purpose = match statement.effect {
            Effect::Deny => Purpose::Deny { has_boundary },
            Effect::Allow if is_role_action(request) => Purpose::AllowToAssume,
            Effect::Allow => Purpose::Allow,
        };
        let covers = match &statement.principals {
            Some(principals) => principals.cover(&request.principal, purpose, observe),
            None => Covers::NOBODY,
        };
        if covers.any() == Tri::No {
            observe.rewind(mark);
            observe.statement(layer, policy, statement, Err(Failure::Principal));
            continue;
        }
        let rest = statement.applies(request, observe);
        let result = rest.map(|rest| rest.and(covers.any()));
        // An Allow may be certain in one way that counts for little, and uncertain in another.
        if rest.is_err() || rest == Ok(Tri::Yes) && !covers.is_uncertain() {
            observe.rewind(mark);
        }
        observe.statement(layer, policy, statement, result);
        let Ok(rest) = rest else { continue };
        if deny {
            says.deny = says.deny.or(rest.and(covers.any()));
        } else {
            says.itself = says.itself.or(rest.and(covers.itself));
            says.parent = says.parent.or(rest.and(covers.parent));
            says.account = says.account.or(rest.and(covers.account));
        }
    }
    says
}

/// What a policy that nobody can see may deny.
fn unseen<O: Observe>(policy: &Policy, layer: Layer, observe: &mut O) -> Option<Tri> {
    let unseen = policy.unseen?;
    observe.unknown(|| Reason::Policy(policy.name().to_owned()));
    observe.unseen(layer, policy, Effect::Allow);
    if unseen.may_deny {
        observe.unseen(layer, policy, Effect::Deny);
        return Some(Tri::Maybe);
    }
    Some(Tri::No)
}

impl Observe for Silent {
    const EXPLAINS: bool = false;
    #[inline(always)]
    fn statement(&mut self, _: Layer, _: &Policy, _: &Statement, _: Result<Tri, Failure>) {}
    #[inline(always)]
    fn unseen(&mut self, _: Layer, _: &Policy, _: Effect) {}
    #[inline(always)]
    fn missing(&mut self, _: Missing) {}
}

#[derive(Default)]
struct Grounds {
    trace: Vec<Traced>,
    missing: Vec<Missing>,
    reasons: Vec<Reason>,
}

impl Record for Grounds {
    fn unknown(&mut self, reason: impl FnOnce() -> Reason) {
        self.reasons.unknown(reason);
    }
    fn mark(&self) -> usize {
        self.reasons.mark()
    }
    fn rewind(&mut self, mark: usize) {
        self.reasons.rewind(mark);
    }
}

impl Observe for Grounds {
    const EXPLAINS: bool = true;

    fn statement(&mut self, layer: Layer, policy: &Policy, statement: &Statement, result: Result<Tri, Failure>) {
        let outcome = match result {
            Ok(Tri::Yes) => Outcome::Applies,
            Ok(Tri::Maybe) => Outcome::MayApply,
            Ok(Tri::No) => Outcome::Fails(Mismatch::Principal),
            Err(Failure::Principal) => Outcome::Fails(Mismatch::Principal),
            Err(Failure::Action) => Outcome::Fails(Mismatch::Action),
            Err(Failure::Resource) => Outcome::Fails(Mismatch::Resource),
            Err(Failure::Condition(at)) => {
                let condition = &statement.conditions[at];
                Outcome::Fails(Mismatch::Condition {
                    operator: condition.operator().to_owned(),
                    key: condition.key().to_owned(),
                    position: condition.position().clone(),
                })
            }
        };
        self.trace.push(Traced {
            layer,
            policy: policy.name.clone(),
            statement: Some(statement.index),
            sid: statement.sid.as_ref().map(ToString::to_string),
            position: statement.position.clone(),
            effect: statement.effect,
            outcome,
        });
    }

    fn unseen(&mut self, layer: Layer, policy: &Policy, effect: Effect) {
        self.trace.push(Traced {
            layer,
            policy: policy.name.clone(),
            statement: None,
            sid: None,
            position: crate::position::Position::default(),
            effect,
            outcome: Outcome::MayApply,
        });
    }

    fn missing(&mut self, missing: Missing) {
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }
}
