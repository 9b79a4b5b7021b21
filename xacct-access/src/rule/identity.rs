//! What roles and users may do.

use xacct_schema::actions::{self, AccessLevel};

use super::Findings;
use crate::policy::PolicyKind;
use crate::survey::{Seen, Survey};

const ADMINISTRATORS: [&str; 3] = ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"];

/// Ways to more rights: all of the actions of a row together, on resources that are not narrowed. After
/// [the list by Rhino Security Labs](https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/).
const ESCALATIONS: &[&[&str]] = &[
    &["iam:CreatePolicyVersion"],
    &["iam:SetDefaultPolicyVersion"],
    &["iam:AttachUserPolicy"],
    &["iam:AttachGroupPolicy"],
    &["iam:AttachRolePolicy"],
    &["iam:PutUserPolicy"],
    &["iam:PutGroupPolicy"],
    &["iam:PutRolePolicy"],
    &["iam:AddUserToGroup"],
    &["iam:UpdateAssumeRolePolicy", "sts:AssumeRole"],
    &["iam:CreateAccessKey"],
    &["iam:CreateLoginProfile"],
    &["iam:UpdateLoginProfile"],
    &["iam:PassRole", "ec2:RunInstances"],
    &["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"],
    &["iam:PassRole", "lambda:CreateFunction", "lambda:CreateEventSourceMapping"],
    &["iam:PassRole", "cloudformation:CreateStack"],
    &["iam:PassRole", "codebuild:CreateProject", "codebuild:StartBuild"],
    &["iam:PassRole", "glue:CreateDevEndpoint"],
    &["iam:PassRole", "datapipeline:CreatePipeline"],
    &["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"],
    &["iam:PassRole", "sagemaker:CreateNotebookInstance"],
];

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    users(survey, findings);
    for seen in survey.statements.iter().filter(|it| it.allows()) {
        all_but(seen, findings);
    }
    for seen in survey.of_kind(PolicyKind::Identity).filter(|it| it.allows()) {
        every_action(seen, findings);
        every_resource(seen, findings);
        pass_role(seen, findings);
    }
    escalation(survey, findings);
}

fn users(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for (site, kind, properties) in survey.estate.defined() {
        let arns = properties["ManagedPolicyArns"].as_array().into_iter().flatten();
        for (index, arn) in arns.enumerate() {
            let text = survey.estate.text(&site.stack, arn).map(|it| it.to_string()).unwrap_or_default();
            if let Some(name) = ADMINISTRATORS.into_iter().find(|it| text.ends_with(&format!(":iam::aws:policy/{it}")))
            {
                let message = format!("it has AWS's policy `{name}`");
                findings.add(
                    "XA138",
                    &site,
                    format!("ManagedPolicyArns[{index}]"),
                    message,
                    "attach a policy with what is needed",
                );
            }
        }
        if kind == "AWS::IAM::User" {
            findings.add(
                "XA137",
                &site,
                "",
                "an IAM user has long-lived credentials",
                "prefer a role, or IAM Identity Center for people",
            );
            let own = ["Policies", "ManagedPolicyArns"]
                .into_iter()
                .any(|it| properties[it].as_array().is_some_and(|it| !it.is_empty()));
            if own {
                findings.add("XA136", &site, "", "policies are attached to the user itself", "attach them to a group");
            }
        }
        let on_users = kind == "AWS::IAM::Policy" || kind == "AWS::IAM::ManagedPolicy";
        if on_users && properties["Users"].as_array().is_some_and(|it| !it.is_empty()) {
            findings.add("XA136", &site, "Users", "the policy is attached to users", "attach it to a group");
        }
    }
}

fn all_but(seen: &Seen<'_>, findings: &mut Findings) {
    let statement = seen.statement;
    let negated = [
        ("NotAction", statement.actions().negated),
        ("NotResource", statement.resources().is_some_and(|it| it.negated)),
        ("NotPrincipal", statement.principals().is_some_and(|it| it.negated)),
    ];
    for (element, _) in negated.into_iter().filter(|(_, negated)| *negated) {
        let message = format!("`Allow` with `{element}` allows everything else");
        findings.add("XA134", seen.site, seen.whole(), message, "name what is allowed");
    }
}

fn every_action(seen: &Seen<'_>, findings: &mut Findings) {
    for pattern in &seen.statement.actions().patterns {
        let text = pattern.text().to_string().to_lowercase();
        if matches!(text.as_str(), "*" | "*:*" | "iam:*" | "sts:*" | "kms:*" | "s3:*")
            && !seen.statement.actions().negated
        {
            let message = format!("every action is allowed: `{}`", pattern.text());
            findings.add(
                "XA131",
                seen.site,
                seen.property(&pattern.position().pointer),
                message,
                "name the actions that are needed",
            );
        }
    }
}

/// Conditions that limit an action on `*` to something.
fn is_limited(seen: &Seen<'_>) -> bool {
    seen.statement.conditions().iter().any(|it| !it.is_negated() && !it.holds_without_key())
}

fn every_resource(seen: &Seen<'_>, findings: &mut Findings) {
    if !seen.is_on_everything() || is_limited(seen) || seen.statement.actions().negated {
        return;
    }
    let changes = |action: &actions::Action| {
        let level = action.access_level();
        matches!(level, AccessLevel::Write | AccessLevel::PermissionsManagement) && action.resources().next().is_some()
    };
    for pattern in seen.statement.actions().patterns.iter().filter(|it| !it.is_everything()) {
        let text = pattern.text().to_string();
        if let Some(action) = actions::expand(&text).find(changes).filter(|it| it.name() != "iam:PassRole") {
            let message = format!("`{}` is allowed on every resource", action.name());
            findings.add(
                "XA132",
                seen.site,
                seen.property(&pattern.position().pointer),
                message,
                "name the resources, or add a condition",
            );
        }
    }
}

fn pass_role(seen: &Seen<'_>, findings: &mut Findings) {
    let Some(resources) = seen.statement.resources() else { return };
    if !seen.covers("iam:PassRole") || seen.statement.actions().patterns.iter().any(crate::Pattern::is_everything) {
        return;
    }
    for pattern in &resources.patterns {
        let text = pattern.text().to_string();
        if pattern.is_everything() || text.ends_with(":role/*") || text == "arn:aws:iam::*" {
            let message = format!("any role can be passed: `{text}`");
            findings.add("XA133", seen.site, seen.property(&pattern.position().pointer), message, "name the role");
        }
        let account = pattern.text().arn_part(4).and_then(|it| it.literal()).filter(|it| it.len() == 12);
        if account.is_some_and(|it| it != seen.account) {
            let message = format!("`{text}` is in another account, to which no role can be passed");
            let help = "let it assume a role in that account, which passes this one";
            findings.add("XA205", seen.site, seen.property(&pattern.position().pointer), message, help);
        }
    }
}

fn escalation(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for identity in &survey.estate.identities {
        // Who has a boundary cannot get past it.
        if identity.boundary.is_some() {
            continue;
        }
        let wide: Vec<Seen<'_>> = survey
            .of_kind(PolicyKind::Identity)
            .filter(|it| {
                identity
                    .policies
                    .iter()
                    .any(|policy| policy.site.as_ref() == Some(it.site) && policy.pointer == it.pointer)
            })
            .filter(|it| it.allows() && !is_limited(it) && is_broad(it))
            .copied()
            .collect();
        let can = |action: &&str| wide.iter().find(|it| it.covers(action));
        for actions in ESCALATIONS {
            let by: Vec<&Seen<'_>> = actions.iter().filter_map(can).collect();
            // A policy that allows everything has a finding of its own.
            let explicit =
                by.iter().any(|it| !it.statement.actions().patterns.iter().any(crate::Pattern::is_everything));
            if by.len() == actions.len() && explicit {
                let message = format!("`{}` lets it give itself more rights", actions.join("` with `"));
                let help = "name the resources that it may do this to, or give it a permissions boundary";
                findings.add("XA135", by[0].site, by[0].whole(), message, help);
            }
        }
    }
}

/// On resources that nobody has narrowed down to a few.
fn is_broad(seen: &Seen<'_>) -> bool {
    let Some(resources) = seen.statement.resources() else { return false };
    resources.negated || resources.patterns.iter().any(|it| it.is_everything() || it.text().to_string().ends_with("/*"))
}
