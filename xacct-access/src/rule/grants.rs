//! Grants that allow nothing, and grants that nothing needs.

use xacct_schema::actions;

use super::Findings;
use crate::policy::PolicyKind;
use crate::survey::{PART, SEGMENT, Seen, Survey, may_meet};

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for seen in survey.statements.iter().filter(|it| it.allows() && it.kind != PolicyKind::Trust) {
        dead(seen, findings);
    }
    for seen in survey.of_kind(PolicyKind::Identity).filter(|it| it.allows() && is_about_goals(it)) {
        let (site, index) = (seen.site.to_string(), Some(seen.statement.index()));
        let rests_on = survey.proofs.iter().flat_map(|it| it.decision.decisive()).any(|it| {
            // The policy of a resource is named for it, an inline one for it and its own name.
            let is_of_site =
                || it.policy.strip_prefix(&site).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            it.statement == index && is_of_site()
        });
        if !rests_on {
            let message = "nothing that the assembly needs rests on this statement";
            findings.add("XA202", seen.site, seen.whole(), message, "take it away, unless people or code need it");
        }
    }
}

/// Goals are derived for these services, so that a grant in one of them that no goal rests on says something.
fn is_about_goals(seen: &Seen<'_>) -> bool {
    const SERVICES: [&str; 8] =
        ["s3", "kms", "codebuild", "codecommit", "codepipeline", "sns", "sts", "secretsmanager"];
    let actions = seen.statement.actions();
    !actions.negated
        && actions.patterns.iter().all(|it| {
            it.text().to_string().split(':').next().is_some_and(|it| SERVICES.contains(&it.to_lowercase().as_str()))
        })
}

/// Whether an action meets none of the statement's resources.
fn dead(seen: &Seen<'_>, findings: &mut Findings) {
    let Some(resources) = seen.statement.resources().filter(|it| !it.negated) else { return };
    // In the policy of a resource, `*` and its own ARN are the same.
    if seen.statement.actions().negated || resources.patterns.iter().any(crate::Pattern::is_everything) {
        return;
    }
    // What is not known may be anything.
    let texts: Vec<String> = resources
        .patterns
        .iter()
        .map(|it| {
            it.text().symbols().fold(it.text().to_string(), |text, symbol| text.replace(&symbol.to_string(), "*"))
        })
        .map(|it| it.to_lowercase())
        .collect();
    for pattern in &seen.statement.actions().patterns {
        let text = pattern.text().to_string();
        let mut matching = actions::expand(&text).peekable();
        if matching.peek().is_none() {
            continue;
        }
        // An action without kinds of resources works on `*` only.
        let meets = |action: actions::Action| {
            action.resources().any(|kind| {
                let kind = kind_pattern(kind.arn()).to_lowercase();
                texts.iter().any(|it| may_meet(it, &kind))
            })
        };
        if !matching.any(meets) {
            let works_on: Vec<&str> =
                actions::expand(&text).flat_map(|it| it.resources().map(|it| it.name()).collect::<Vec<_>>()).collect();
            let message = match works_on.first() {
                None => format!("`{text}` cannot be limited to resources, so that this allows nothing"),
                Some(_) => format!("`{text}` works on none of these resources"),
            };
            let help = match works_on.first() {
                None => "give it `*` as its resource, in a statement of its own".to_owned(),
                Some(kind) => format!("name a resource of the kind `{kind}`"),
            };
            findings.add("XA201", seen.site, seen.property(&pattern.position().pointer), message, help);
        }
    }
}

/// The pattern of a kind's ARN, from a form such as `arn:${Partition}:s3:::${BucketName}/${ObjectName}`.
fn kind_pattern(arn: &str) -> String {
    let mut pattern = String::new();
    let mut rest = arn;
    while let Some((literal, after)) = rest.split_once("${") {
        pattern.push_str(literal);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        pattern.push(match name {
            "Partition" | "Region" | "Account" => PART,
            // The name of a bucket has no slash, which tells buckets from objects.
            "BucketName" if after.is_empty() => SEGMENT,
            _ => '*',
        });
        rest = after;
    }
    pattern.push_str(rest);
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_where_a_text_fits_both() {
        for (one, other, meet) in [
            ("arn:aws:s3:::a/*", "arn:*:s3:::*/*", true),
            ("arn:aws:s3:::a", "arn:*:s3:::*/*", false),
            ("arn:aws:kms:eu-west-1:1:alias/x", "arn:*:kms:*:*:key/*", false),
            ("*", "anything", true),
            ("a?c", "abc", true),
            ("a*b", "*c", false),
            ("", "*", true),
            ("arn:aws:s3:::a/*", "arn:\u{2}:s3:::\u{1}", false),
            ("arn:aws:s3:::a*", "arn:\u{2}:s3:::\u{1}", true),
            ("arn:aws:s3:::*", "arn:\u{2}:s3:::\u{1}", true),
        ] {
            assert_eq!(may_meet(one, other), meet, "{one} {other}");
        }
    }
}
