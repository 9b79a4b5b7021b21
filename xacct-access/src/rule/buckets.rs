//! Buckets.

use serde_json::Value as Json;

use super::Findings;
use super::keys::NARROWS_PRINCIPAL;
use crate::policy::{Effect, PolicyKind};
use crate::principal::Named;
use crate::survey::{Seen, Survey, glob};

const BLOCKS: [&str; 4] = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];

/// What Security Hub's S3.6 names.
const CONTROL: [&str; 5] = [
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:PutEncryptionConfiguration",
    "s3:PutObjectAcl",
];

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for (site, kind, properties) in survey.estate.defined() {
        if kind != "AWS::S3::Bucket" {
            continue;
        }
        let block = &properties["PublicAccessBlockConfiguration"];
        let missing: Vec<&str> = BLOCKS.into_iter().filter(|it| !is_on(&block[*it])).collect();
        if !missing.is_empty() {
            let message = format!(
                "public access is not blocked: `{}` {} off",
                missing.join("`, `"),
                if missing.len() == 1 { "is" } else { "are" }
            );
            findings.add("XA111", &site, "PublicAccessBlockConfiguration", message, "switch all four settings on");
        }
        if properties["VersioningConfiguration"]["Status"] != "Enabled"
            && !properties["VersioningConfiguration"]["Status"].is_object()
        {
            findings.add(
                "XA116",
                &site,
                "VersioningConfiguration",
                "the bucket keeps no versions",
                "enable versioning",
            );
        }
        if properties.get("LoggingConfiguration").is_none() {
            findings.add(
                "XA117",
                &site,
                "LoggingConfiguration",
                "reads and writes are not logged",
                "give it a bucket for access logs",
            );
        }
        let rule =
            &properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"];
        if rule.get("KMSMasterKeyID").is_none() {
            findings.add(
                "XA115",
                &site,
                "BucketEncryption",
                "the bucket has no customer managed key",
                "give it an encryption key",
            );
        }
    }
    plain_http(survey, findings);
    for seen in survey.of_kind(PolicyKind::Resource).filter(|it| it.allows()) {
        let holder = survey.estate.stack(seen.site).map(|it| &it.template["Resources"][&seen.site.logical_id]["Type"]);
        if holder.and_then(Json::as_str) != Some("AWS::S3::BucketPolicy") {
            continue;
        }
        let everyone = seen.named().any(|it| *it == Named::Everyone);
        if everyone && !seen.is_narrowed_by(NARROWS_PRINCIPAL) {
            let message = "the bucket policy lets anyone in";
            findings.add(
                "XA113",
                seen.site,
                seen.whole(),
                message,
                "name principals in place of `*`, or add a condition on who calls",
            );
        } else if seen.statement.actions().patterns.iter().any(|it| it.is_everything() || it.text().is("s3:*")) {
            let message = "the bucket policy allows every action";
            findings.add("XA113", seen.site, seen.whole(), message, "name the actions that are needed");
        }
        let foreign = seen.named().any(|it| is_foreign(it, seen.account));
        if let (Some(action), true) = (CONTROL.into_iter().find(|it| seen.covers(it)), foreign) {
            let message = format!("another account may `{action}`");
            findings.add("XA114", seen.site, seen.whole(), message, "leave that action to the bucket's own account");
        }
    }
}

/// Whether a principal is of another account than this one.
pub(super) fn is_foreign(named: &Named, account: &str) -> bool {
    match named {
        Named::Everyone => true,
        Named::Account(other) => !other.is(account),
        Named::Arn(arn) => arn.arn_part(4).is_none_or(|it| !it.is(account)),
        _ => false,
    }
}

fn is_on(json: &Json) -> bool {
    json == true || json == "true" || json.is_object()
}

/// What may travel in clear text, and an action that would do it.
const OVER_TLS: [(&str, &str); 2] = [("AWS::S3::Bucket", "s3:GetObject"), ("AWS::SNS::Topic", "sns:Publish")];

fn plain_http(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for resource in &survey.estate.resources {
        let Some((kind, action)) = OVER_TLS.into_iter().find(|(kind, _)| *kind == resource.kind) else { continue };
        let policy_site = resource.policy.as_ref().and_then(|it| it.site.as_ref());
        let denies: Vec<_> = survey
            .statements
            .iter()
            .filter(|it| Some(it.site) == policy_site && denies_plain_http(it, action))
            .collect();
        // A bucket itself, which is listed, and what is in it.
        let arn = resource.arn.to_string();
        let mut parts = vec![arn.clone()];
        if kind == "AWS::S3::Bucket" {
            parts.push(format!("{arn}/object"));
        }
        let is_denied = |part: &String| denies.iter().any(|it| is_about(it, part));
        let message = match parts.iter().filter(|it| is_denied(it)).count() {
            0 => "requests over plain HTTP are not denied",
            count if count < parts.len() => "requests over plain HTTP are denied for a part of it only",
            _ => continue,
        };
        let help = "add a statement that denies them, for the resource and all that is in it";
        findings.add("XA112", &resource.site, "", message, help);
    }
}

fn is_about(seen: &Seen<'_>, arn: &str) -> bool {
    let resources = seen.statement.resources();
    resources.is_some_and(|it| !it.negated && it.patterns.iter().any(|it| glob(&it.text().to_string(), arn)))
}

fn denies_plain_http(seen: &Seen<'_>, action: &str) -> bool {
    let condition = seen
        .statement
        .conditions()
        .iter()
        .any(|it| it.key().eq_ignore_ascii_case("aws:SecureTransport") && it.values().any(|it| it.is("false")));
    seen.statement.effect() == Effect::Deny
        && condition
        && seen.named().any(|it| *it == Named::Everyone)
        && seen.covers(action)
}
