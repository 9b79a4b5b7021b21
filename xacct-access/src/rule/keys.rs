//! KMS keys.

use super::Findings;
use crate::policy::PolicyKind;
use crate::principal::Named;
use crate::survey::Survey;

/// What narrows a principal of `*` to somebody.
pub(super) const NARROWS_PRINCIPAL: &[&str] = &[
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceOrgID",
    "aws:userid",
    "kms:CallerAccount",
    "sts:ExternalId",
];

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for (site, kind, properties) in survey.estate.defined() {
        let symmetric = properties["KeySpec"].as_str().is_none_or(|it| it == "SYMMETRIC_DEFAULT");
        let rotates = properties["EnableKeyRotation"]
            .as_bool()
            .or(properties["EnableKeyRotation"].as_str().map(|it| it == "true"));
        if kind == "AWS::KMS::Key" && symmetric && rotates != Some(true) && !properties["EnableKeyRotation"].is_object()
        {
            findings.add("XA101", &site, "EnableKeyRotation", "the key does not rotate", "set `EnableKeyRotation`");
        }
    }
    for seen in survey.of_kind(PolicyKind::Resource).filter(|it| it.pointer == "/KeyPolicy" && it.allows()) {
        if seen.named().any(|it| *it == Named::Everyone) && !seen.is_narrowed_by(NARROWS_PRINCIPAL) {
            let message = "the key policy lets any AWS account use the key";
            findings.add(
                "XA102",
                seen.site,
                seen.whole(),
                message,
                "name principals in place of `*`, or add a condition on who calls",
            );
        }
    }
    for seen in survey.of_kind(PolicyKind::Identity).filter(|it| it.allows()) {
        let uses = ["kms:Decrypt", "kms:ReEncryptFrom"].into_iter().find(|it| seen.covers(it));
        let resources = seen.statement.resources().filter(|it| !it.negated);
        let any_key = resources.is_some_and(|it| {
            it.patterns.iter().any(|it| it.is_everything() || it.text().to_string().ends_with(":key/*"))
        });
        // `*` as the action has a rule of its own.
        let by_name = seen.statement.actions().patterns.iter().all(|it| !it.is_everything());
        if let (Some(action), true, true) = (uses, any_key, by_name)
            && !seen.is_narrowed_by(&["kms:ResourceAliases", "kms:RequestAlias", "aws:ResourceTag/"])
            && !seen.statement.conditions().iter().any(|it| it.key().to_lowercase().starts_with("aws:resourcetag/"))
        {
            let message = format!("`{action}` is allowed with every key");
            findings.add(
                "XA103",
                seen.site,
                seen.whole(),
                message,
                "name the key's ARN, or add a condition on `kms:ResourceAliases`",
            );
        }
        for pattern in resources.into_iter().flat_map(|it| &it.patterns) {
            let text = pattern.text().to_string();
            let is_alias =
                text.starts_with("arn:") && text.split(':').nth(2) == Some("kms") && text.contains(":alias/");
            if is_alias && ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"].into_iter().any(|it| seen.covers(it)) {
                let message = format!("`{text}` is an alias: this gives no right to use its key");
                let help = "name the key's ARN, or the keys of the account with a condition on `kms:ResourceAliases`";
                findings.add("XA104", seen.site, seen.property(&pattern.position().pointer), message, help);
            }
        }
    }
}
