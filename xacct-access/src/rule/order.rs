//! Principals that a policy names: whether they exist by then, and whether they survive being made again.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Findings;
use crate::estate::Site;
use crate::policy::PolicyKind;
use crate::principal::Named;
use crate::survey::{Seen, Survey};

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for seen in survey.statements.iter().filter(|it| it.kind != PolicyKind::Identity) {
        let Some(principals) = seen.statement.principals() else { continue };
        for entry in &principals.entries {
            if let Named::Arn(arn) = &entry.named {
                let property = seen.property(&entry.position.pointer);
                named(survey, seen, &property, arn, findings);
            }
        }
    }
    pipelines(survey, findings);
}

fn named(survey: &Survey<'_, '_>, seen: &Seen<'_>, property: &str, arn: &crate::Text, findings: &mut Findings) {
    // A session or somebody whom the assembly does not make: whether they exist is not known from here.
    let Some(identity) = survey.identity(arn) else { return };
    let is_before = if identity.site.stack == seen.site.stack {
        waits_for(survey, seen.site, &identity.site)
    } else {
        comes_before(survey, &identity.site.stack, &seen.site.stack)
    };
    if !is_before {
        let message = format!("`{}` is named before it exists", identity.site);
        let help =
            format!("let `{}` wait for it, or name its account with a condition on `aws:PrincipalArn`", seen.site);
        findings.add("XA203", seen.site, property, message, help);
    }
    if identity.site.stack != seen.site.stack {
        let message = format!("if `{}` is deleted and made again, this policy no longer matches it", identity.site);
        findings.add("XA204", seen.site, property, message, "name its account with a condition on `aws:PrincipalArn`");
    }
}

/// CodePipeline checks when it is created that it can assume the role of every action.
fn pipelines(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for (site, kind, properties) in survey.estate.defined() {
        if kind != "AWS::CodePipeline::Pipeline" {
            continue;
        }
        for (stage_index, stage) in properties["Stages"].as_array().into_iter().flatten().enumerate() {
            for (index, action) in stage["Actions"].as_array().into_iter().flatten().enumerate() {
                let Some(arn) = survey.estate.text(&site.stack, &action["RoleArn"]) else { continue };
                let Some(role) = survey.identity(&arn) else { continue };
                let elsewhere = role.site.stack != site.stack;
                if elsewhere && !comes_before(survey, &role.site.stack, &site.stack) {
                    let message = format!("the pipeline is created before the role `{}` of this action", role.site);
                    let property = format!("Stages[{stage_index}].Actions[{index}].RoleArn");
                    let help = format!("let the stack `{}` depend on `{}`", site.stack, role.site.stack);
                    findings.add("XA203", &site, property, message, help);
                }
            }
        }
    }
}

/// Whether a stack is deployed after another.
fn comes_before(survey: &Survey<'_, '_>, first: &str, second: &str) -> bool {
    let mut open = vec![second.to_owned()];
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some(id) = open.pop() {
        if id == first {
            return true;
        }
        if seen.insert(id.clone())
            && let Some(stack) = survey.estate.assembly.stack(&id)
        {
            open.extend(stack.dependencies.iter().map(|it| it.stack.clone()));
        }
    }
    false
}

/// Whether a resource is made after another of its template, by reference or `DependsOn`.
fn waits_for(survey: &Survey<'_, '_>, site: &Site, other: &Site) -> bool {
    let Some(stack) = survey.estate.stack(site) else { return false };
    let resources = &stack.template["Resources"];
    let mut open = vec![site.logical_id.clone()];
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some(id) = open.pop() {
        if id == other.logical_id {
            return true;
        }
        if seen.insert(id.clone()) {
            uses(&resources[&id], &mut open);
        }
    }
    false
}

fn uses(json: &Json, found: &mut Vec<String>) {
    match json {
        Json::Array(items) => items.iter().for_each(|it| uses(it, found)),
        Json::Object(fields) => {
            for (key, value) in fields {
                match key.as_str() {
                    "Ref" => found.extend(value.as_str().map(str::to_owned)),
                    "Fn::GetAtt" => {
                        let id = value.as_str().and_then(|it| it.split('.').next()).or(value[0].as_str());
                        found.extend(id.map(str::to_owned));
                    }
                    "DependsOn" => {
                        let list = value.as_array().into_iter().flatten().chain(value.is_string().then_some(value));
                        found.extend(list.filter_map(|it| it.as_str()).map(str::to_owned));
                    }
                    "Fn::Sub" => {
                        let text = value.as_str().or(value[0].as_str()).unwrap_or_default();
                        let names = text.split("${").skip(1).filter_map(|it| it.split(['}', '.']).next());
                        found.extend(names.map(str::to_owned));
                        uses(value, found);
                    }
                    _ => uses(value, found),
                }
            }
        }
        _ => {}
    }
}
