//! Who may assume a role, and what services may do for whom.

use super::Findings;
use super::buckets::is_foreign;
use super::keys::NARROWS_PRINCIPAL;
use crate::policy::PolicyKind;
use crate::principal::Named;
use crate::survey::{Seen, Survey};

/// What keeps a service to the requests of one's own account.
const SOURCE: &[&str] = &["aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths"];

/// Services that act for others and whose source conditions are known to work on a role's trust. EC2 and Lambda, which run
/// code with a role rather than act on somebody's behalf, do not send them; CodePipeline's and EventBridge's are not
/// documented.
const DEPUTIES: &[&str] = &[
    "codebuild.amazonaws.com",
    "codedeploy.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "config.amazonaws.com",
    "delivery.logs.amazonaws.com",
    "firehose.amazonaws.com",
    "glue.amazonaws.com",
    "sagemaker.amazonaws.com",
    "scheduler.amazonaws.com",
    "states.amazonaws.com",
    "ecs-tasks.amazonaws.com",
];

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for seen in survey.of_kind(PolicyKind::Trust).filter(|it| it.allows()) {
        for named in seen.named() {
            match named {
                Named::Everyone if !seen.is_narrowed_by(NARROWS_PRINCIPAL) => {
                    let message = "any AWS account may assume the role";
                    findings.add("XA121", seen.site, seen.whole(), message, "name the principals in place of `*`");
                }
                Named::Account(account) if is_foreign(named, seen.account) && !is_narrowed(seen) => {
                    let message = format!("anyone whom account {account} lets may assume the role");
                    let help = "add a condition on `aws:PrincipalArn` that names the role or user, or an external id";
                    findings.add("XA122", seen.site, seen.whole(), message, help);
                }
                Named::Service(service) if service.literal().is_some_and(|it| DEPUTIES.contains(&it.as_str())) => {
                    deputy(seen, &service.to_string(), findings);
                }
                _ => {}
            }
        }
    }
}

fn is_narrowed(seen: &Seen<'_>) -> bool {
    seen.is_narrowed_by(&["aws:PrincipalArn", "aws:userid", "aws:username", "sts:ExternalId"])
        || seen.statement.conditions().iter().any(|it| it.key().to_lowercase().starts_with("aws:principaltag/"))
}

fn deputy(seen: &Seen<'_>, service: &str, findings: &mut Findings) {
    if !seen.is_narrowed_by(SOURCE) {
        let message = format!("`{service}` may assume the role for any of its customers");
        findings.add(
            "XA123",
            seen.site,
            seen.whole(),
            message,
            "add conditions on `aws:SourceAccount` and `aws:SourceArn`",
        );
    }
}
