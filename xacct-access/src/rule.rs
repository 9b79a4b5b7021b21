//! The rules: what is worth a finding beyond a goal that fails, each with an id, an explanation, and the ids that other
//! tools give to the same.

mod buckets;
mod code;
mod grants;
mod identity;
mod keys;
mod order;
mod trust;

use serde::Serialize;

use crate::estate::Site;
use crate::survey::Survey;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Keeps `check` and `deploy` from passing.
    Error,
    /// Worth a change, or a reason.
    Warning,
    /// Worth knowing.
    Note,
}

/// A rule.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rule {
    /// The stable id, such as `XA103`: what is silenced, and what `explain` takes.
    pub id: &'static str,
    /// A short name.
    pub name: &'static str,
    /// How much its findings weigh.
    pub severity: Severity,
    /// What is wrong with what it finds, and what to do instead.
    pub explanation: &'static str,
    /// The ids of the same rule in Checkov (`CKV_`), Security Hub (`S3.5`), and cfn-nag (`F15`).
    pub elsewhere: &'static [&'static str],
    /// The page of AWS's documentation that it follows.
    pub page: &'static str,
}

/// The rule with that id or name.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|it| it.id.eq_ignore_ascii_case(id) || it.name.eq_ignore_ascii_case(id))
}

/// What a rule found, before it is placed in the source.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) rule: &'static Rule,
    pub(crate) site: Site,
    pub(crate) property: String,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Gathers findings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) found: Vec<Found>,
}

impl Findings {
    pub(crate) fn add(
        &mut self,
        id: &str,
        site: &Site,
        property: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if let Some(rule) = find(id) {
            let (property, message, help) = (property.into(), message.into(), help.into());
            self.found.push(Found { rule, site: site.clone(), property, message, help });
        }
    }
}

pub(crate) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    keys::check(survey, findings);
    buckets::check(survey, findings);
    trust::check(survey, findings);
    identity::check(survey, findings);
    code::check(survey, findings);
    grants::check(survey, findings);
    order::check(survey, findings);
}

const EVALUATION: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html";
const LEAST: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html";
const S3_SECURITY: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html";
const KEY_POLICY: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html";
const DEPUTY: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html";
const PRINCIPAL: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html";
const CODEBUILD: &str = "https://docs.aws.amazon.com/codebuild/latest/userguide/security.html";
const PASS_ROLE: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html";

/// Every rule, by id.
pub const RULES: &[Rule] = &[
    Rule {
        id: "XA001",
        name: "access-denied",
        severity: Severity::Error,
        explanation: "A resource of the assembly needs an access that its policies do not allow: the pipeline, build or \
            rule would fail when it runs, with AWS naming one refusal at a time. Within an account the caller's policy or the \
            resource's must allow; across accounts both must, and for a KMS key the key policy always has a say. The finding \
            says which side is missing, or which statement denies. Add the grant on the construct (`grant_read` and the \
            like), which writes both sides.",
        elsewhere: &[],
        page: EVALUATION,
    },
    Rule {
        id: "XA002",
        name: "access-unknown",
        severity: Severity::Warning,
        explanation: "Whether an access that the design needs is allowed depends on something that the assembly does not \
            say: a managed policy that is only named, a condition on a key whose value nobody knows, a parameter. It may \
            work; it is not proved. Name the exact resource or write the policy in the program.",
        elsewhere: &[],
        page: EVALUATION,
    },
    Rule {
        id: "XA003",
        name: "assertion-failed",
        severity: Severity::Error,
        explanation: "The program asserts about an access (`assert_allowed`, `assert_denied`) what its policies do not \
            hold to for every value that is not known yet.",
        elsewhere: &[],
        page: EVALUATION,
    },
    Rule {
        id: "XA004",
        name: "unreadable-policy",
        severity: Severity::Error,
        explanation: "A policy document is not one that AWS would take, so nothing can be said about the access it gives.",
        elsewhere: &[],
        page: "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
    },
    Rule {
        id: "XA101",
        name: "key-rotation",
        severity: Severity::Warning,
        explanation: "A customer managed key that never rotates encrypts ever more under the same material. Rotation is \
            free and keeps the key's id: `EnableKeyRotation`.",
        elsewhere: &["CKV_AWS_7", "KMS.4"],
        page: "https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html",
    },
    Rule {
        id: "XA102",
        name: "key-open-to-anyone",
        severity: Severity::Error,
        explanation: "A key policy that names `*` without narrowing it to accounts or principals lets any AWS account use \
            the key. Name the principals, or their account with a condition on `aws:PrincipalArn`.",
        elsewhere: &["CKV_AWS_33", "KMS.5"],
        page: KEY_POLICY,
    },
    Rule {
        id: "XA103",
        name: "decrypt-with-any-key",
        severity: Severity::Error,
        explanation: "An identity that may decrypt with every key reads whatever any other team or account shares with it. \
            Name the key, or, where its id cannot be known, its alias by `kms:ResourceAliases`. (CDK writes this `*` for a \
            key of another account.)",
        elsewhere: &["KMS.1", "KMS.2"],
        page: "https://docs.aws.amazon.com/kms/latest/developerguide/iam-policies-best-practices.html",
    },
    Rule {
        id: "XA104",
        name: "alias-as-resource",
        severity: Severity::Error,
        explanation: "A statement on the ARN of an alias governs the alias itself, not the key behind it: encrypting and \
            decrypting are not allowed by it. Name the key, or use `kms:ResourceAliases`.",
        elsewhere: &[],
        page: "https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html",
    },
    Rule {
        id: "XA111",
        name: "public-access-block",
        severity: Severity::Error,
        explanation: "All four settings of the public access block keep a bucket private even if a policy or an ACL later \
            says otherwise.",
        elsewhere: &["CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56", "S3.8"],
        page: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html",
    },
    Rule {
        id: "XA112",
        name: "plain-http",
        severity: Severity::Warning,
        explanation: "Without a statement that denies requests over plain HTTP (`aws:SecureTransport` false), objects of a \
            bucket and messages to a topic can travel in clear text.",
        elsewhere: &["S3.5"],
        page: S3_SECURITY,
    },
    Rule {
        id: "XA113",
        name: "bucket-open-to-anyone",
        severity: Severity::Error,
        explanation: "A bucket policy that allows `*`, or every action, without narrowing it to accounts or principals makes \
            the bucket public, or as good as.",
        elsewhere: &["F15", "F16", "CKV_AWS_70"],
        page: S3_SECURITY,
    },
    Rule {
        id: "XA114",
        name: "bucket-control-given-away",
        severity: Severity::Error,
        explanation: "Another account may change the bucket's policy, ACL or encryption, or delete the policy: it can then \
            give itself everything else.",
        elsewhere: &["S3.6"],
        page: S3_SECURITY,
    },
    Rule {
        id: "XA115",
        name: "bucket-key",
        severity: Severity::Note,
        explanation: "Encrypted with a customer managed key, a bucket's content is protected by two policies instead of one.",
        elsewhere: &["CKV_AWS_145"],
        page: S3_SECURITY,
    },
    Rule {
        id: "XA116",
        name: "bucket-versioning",
        severity: Severity::Warning,
        explanation: "In a bucket without versions, an object that is overwritten or deleted, by mistake or by an intruder, is gone.",
        elsewhere: &["CKV_AWS_21", "S3.14"],
        page: S3_SECURITY,
    },
    Rule {
        id: "XA117",
        name: "bucket-access-log",
        severity: Severity::Note,
        explanation: "Server access logs show who read what. They need a bucket of their own, so they are opt-in.",
        elsewhere: &["CKV_AWS_18", "S3.9"],
        page: S3_SECURITY,
    },
    Rule {
        id: "XA121",
        name: "role-open-to-anyone",
        severity: Severity::Error,
        explanation: "A trust policy that names `*` without narrowing it lets any AWS account assume the role.",
        elsewhere: &["CKV_AWS_60"],
        page: PRINCIPAL,
    },
    Rule {
        id: "XA122",
        name: "role-open-to-an-account",
        severity: Severity::Error,
        explanation: "A role that trusts all of another account can be assumed by whomever that account's administrators, or \
            anyone who may write policies there, give the right to. Narrow it by `aws:PrincipalArn` or an external id. A \
            published advisory about CDK's cross-account roles (GHSA-5pq3-h73f-66hr) is of this kind.",
        elsewhere: &["CKV_AWS_61"],
        page: PRINCIPAL,
    },
    Rule {
        id: "XA123",
        name: "confused-deputy",
        severity: Severity::Warning,
        explanation: "A service that acts for many customers can be told by another of them to use this role or resource. \
            `aws:SourceAccount` or `aws:SourceArn` keep it to your own. CodePipeline and EventBridge are left out: AWS's own \
            examples for their roles carry no such condition, and adding one has broken roles.",
        elsewhere: &[],
        page: DEPUTY,
    },
    Rule {
        id: "XA131",
        name: "every-action",
        severity: Severity::Error,
        explanation: "A policy that allows `*`, or every action of IAM, STS, KMS or S3, is an administrator's, whatever it \
            is called.",
        elsewhere: &["CKV_AWS_62", "CKV_AWS_63", "IAM.1", "IAM.21", "F3", "F4"],
        page: LEAST,
    },
    Rule {
        id: "XA132",
        name: "every-resource",
        severity: Severity::Warning,
        explanation: "An action that changes things, and that can be limited to resources, is allowed on all of them. Name \
            the resources, or narrow by a condition on tags, region or account.",
        elsewhere: &["CKV_AWS_355", "CKV_AWS_111", "W12"],
        page: LEAST,
    },
    Rule {
        id: "XA133",
        name: "pass-any-role",
        severity: Severity::Error,
        explanation: "Whoever may pass any role to a service acts with the rights of the strongest one. Name the role, and \
            the service by `iam:PassedToService`.",
        elsewhere: &["F38", "F39", "F40"],
        page: PASS_ROLE,
    },
    Rule {
        id: "XA134",
        name: "allow-all-but",
        severity: Severity::Warning,
        explanation: "`Allow` with `NotAction`, `NotResource` or `NotPrincipal` allows everything that is not named, also \
            what AWS adds tomorrow.",
        elsewhere: &["W14", "W15", "W16", "W17", "W21", "W22", "W23", "F6", "F7"],
        page: LEAST,
    },
    Rule {
        id: "XA135",
        name: "privilege-escalation",
        severity: Severity::Error,
        explanation: "With these actions the identity can give itself rights that it does not have: by changing a policy, \
            making credentials for somebody else, or handing a stronger role to a service that it controls.",
        elsewhere: &["CKV_AWS_110", "CKV_AWS_286"],
        page: LEAST,
    },
    Rule {
        id: "XA136",
        name: "policy-on-user",
        severity: Severity::Note,
        explanation: "A policy on a group or role is seen in one place and goes with the task; on a user it lingers with the person.",
        elsewhere: &["CKV_AWS_40", "IAM.2"],
        page: LEAST,
    },
    Rule {
        id: "XA137",
        name: "iam-user",
        severity: Severity::Note,
        explanation: "Users have long-lived keys. Where people sign in through IAM Identity Center, and programs through \
            roles, there are none to lose.",
        elsewhere: &["CKV_AWS_273"],
        page: LEAST,
    },
    Rule {
        id: "XA138",
        name: "administrator",
        severity: Severity::Warning,
        explanation: "AWS's policies `AdministratorAccess`, `PowerUserAccess` and `IAMFullAccess` allow far more than any \
            one task needs.",
        elsewhere: &["CKV_AWS_274"],
        page: LEAST,
    },
    Rule {
        id: "XA141",
        name: "build-key",
        severity: Severity::Note,
        explanation: "Without a customer managed key, a project's own outputs are encrypted with a key of AWS's that no \
            other account can use.",
        elsewhere: &["CKV_AWS_147"],
        page: CODEBUILD,
    },
    Rule {
        id: "XA142",
        name: "privileged-build",
        severity: Severity::Warning,
        explanation: "A privileged build runs as root on its host's devices. Only building container images needs it.",
        elsewhere: &["CKV_AWS_316", "CodeBuild.5"],
        page: CODEBUILD,
    },
    Rule {
        id: "XA143",
        name: "build-log",
        severity: Severity::Warning,
        explanation: "A build that keeps no log cannot be looked into afterwards, neither when it fails nor when it does what it should not.",
        elsewhere: &["CKV_AWS_314", "CodeBuild.4"],
        page: CODEBUILD,
    },
    Rule {
        id: "XA144",
        name: "secret-in-plain-text",
        severity: Severity::Error,
        explanation: "An environment variable whose name says that it is a secret is in plain text, for everyone who may \
            look at the template, the project or a build. Put it into Secrets Manager and name it there.",
        elsewhere: &["CodeBuild.2"],
        page: CODEBUILD,
    },
    Rule {
        id: "XA145",
        name: "artifact-key",
        severity: Severity::Warning,
        explanation: "A pipeline whose artifact store has no customer managed key cannot hand artifacts to another account.",
        elsewhere: &["CKV_AWS_219"],
        page: "https://docs.aws.amazon.com/codepipeline/latest/userguide/S3-artifact-encryption.html",
    },
    Rule {
        id: "XA146",
        name: "log-retention",
        severity: Severity::Warning,
        explanation: "A log group without retention keeps everything for ever: what it costs, and what should have been forgotten by then.",
        elsewhere: &["CKV_AWS_66", "CloudWatch.16"],
        page: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html",
    },
    Rule {
        id: "XA147",
        name: "log-key",
        severity: Severity::Note,
        explanation: "With a customer managed key, reading a log takes a right on the key as well as one on the log group.",
        elsewhere: &["CKV_AWS_158"],
        page: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
    },
    Rule {
        id: "XA201",
        name: "dead-grant",
        severity: Severity::Warning,
        explanation: "None of the statement's resources is of a kind that the action works on: `s3:ListBucket` on objects, \
            `s3:GetObject` on a bucket. The statement allows nothing, and what was meant is denied.",
        elsewhere: &["CKV2_AWS_40"],
        page: "https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html",
    },
    Rule {
        id: "XA202",
        name: "unused-grant",
        severity: Severity::Note,
        explanation: "No access that the assembly's resources need rests on this statement. It may serve people or code that \
            the assembly does not show; else it is a right that nobody needs.",
        elsewhere: &[],
        page: LEAST,
    },
    Rule {
        id: "XA203",
        name: "principal-before-it-exists",
        severity: Severity::Error,
        explanation: "A bucket, key or trust policy that names a role or user is refused while there is none (`Invalid \
            principal in policy`), and a pipeline whose action role cannot be assumed is not created. The stack that makes it \
            must come first, or the policy name the account's root with a condition on `aws:PrincipalArn`, which is not \
            checked.",
        elsewhere: &[],
        page: PRINCIPAL,
    },
    Rule {
        id: "XA204",
        name: "tombstone",
        severity: Severity::Warning,
        explanation: "AWS stores a role or user in a policy by its unique id. If it is deleted and made again, the policy \
            shows `AROA…` and no longer matches, until the policy is written anew. A condition on `aws:PrincipalArn` goes by \
            the name.",
        elsewhere: &[],
        page: PRINCIPAL,
    },
    Rule {
        id: "XA205",
        name: "pass-role-across-accounts",
        severity: Severity::Error,
        explanation: "`iam:PassRole` passes roles of the caller's own account only: this statement allows nothing. Let the \
            caller assume a role in the other account, and that one pass the role.",
        elsewhere: &[],
        page: PASS_ROLE,
    },
];
