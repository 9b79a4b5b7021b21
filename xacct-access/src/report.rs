//! The whole check of an assembly: goals, assertions, rules, and who else gets in; as data, and as SARIF.

use serde::Serialize;
use serde_json::{Value as Json, json};
use xacct_core::SourceLocation;
use xacct_core::assembly::Assembly;

use crate::decision::Verdict;
use crate::estate::{Estate, Site};
use crate::exposure::{Exposure, exposures};
use crate::goal::{Goal, Proof, Who, answer, asked, decide, nearest, prove};
use crate::organization::Organization;
use crate::request::Context;
use crate::rule::{self, Findings, RULES, Rule, Severity};
use crate::survey::Survey;

/// One finding, placed in the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// The rule's name.
    pub name: String,
    /// How much it weighs.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// The stack.
    pub stack: String,
    /// The logical id.
    pub logical_id: String,
    /// The property, such as `KeyPolicy.Statement[1]`; empty for the resource as a whole.
    pub property: String,
    /// The construct's path.
    pub path: Option<String>,
    /// Where the program made it.
    pub location: Option<SourceLocation>,
    /// What to do.
    pub help: String,
    /// The reason with which the program silences it.
    pub silenced: Option<String>,
}

/// A proved or failed access, as data.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ProvedAccess {
    /// Who.
    pub who: String,
    /// What they do.
    pub action: String,
    /// On what.
    pub resource: String,
    /// What for.
    pub purpose: String,
    /// `allowed`, `denied` or `unknown`.
    pub verdict: String,
    /// The statements that it rests on, a line each.
    pub grounds: Vec<String>,
}

/// The outcome of a check.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The accesses that the assembly needs.
    pub accesses: Vec<ProvedAccess>,
    /// What was found, the weightiest first; also what is silenced.
    pub findings: Vec<Finding>,
    /// Who else gets in.
    pub exposures: Vec<Exposure>,
}

/// What a check does not look at, in words.
pub const NOT_CHECKED: &[&str] = &[
    "S3 access control lists",
    "KMS grants",
    "policies of VPC endpoints",
    "service control and resource control policies that are not given as files",
    "forward access sessions",
    "the time that AWS takes to apply a change",
];

/// Checks an assembly.
///
/// ```
/// use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// let app = App::new();
/// let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// Stack::new(&app, "Tools", environment, StackProps::new());
/// let report = xacct_access::check(&app.synth().unwrap());
/// assert!(report.passes());
/// ```
#[must_use]
pub fn check(assembly: &Assembly) -> Report {
    check_within(assembly, &Organization::default())
}

/// Checks an assembly whose accounts are under the policies of an organization.
#[must_use]
pub fn check_within(assembly: &Assembly, organization: &Organization) -> Report {
    let estate = Estate::new(assembly).within(organization);
    let proofs = prove(&estate);
    let mut findings = Findings::default();
    for bad in &estate.bad {
        let property = crate::survey::property(&bad.pointer);
        findings.add(
            "XA004",
            &bad.site,
            property,
            format!("the policy cannot be read: {}", bad.message),
            "mend the document",
        );
    }
    for proof in &proofs {
        unproved(&estate, proof, &mut findings);
    }
    let survey = Survey::new(&estate, &proofs);
    rule::check(&survey, &mut findings);
    let mut placed: Vec<Finding> = findings.found.into_iter().map(|it| place(&estate, it)).collect();
    placed.extend(assertions(&estate));
    placed.sort_by(|a, b| key(a).cmp(&key(b)));
    placed.dedup();
    let named = Estate::with_made_up_names(assembly).within(organization);
    let exposures = exposures(&named, &prove(&named));
    Report { accesses: proofs.iter().map(access).collect(), findings: placed, exposures }
}

fn key(finding: &Finding) -> (bool, Severity, &str, &str, &str, &str, &str) {
    let Finding { severity, rule, stack, logical_id, property, message, .. } = finding;
    (finding.silenced.is_some(), *severity, rule, stack, logical_id, property, message)
}

impl Report {
    /// Whether nothing of weight is left: no error that is not silenced.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.errors().next().is_none()
    }

    /// The errors that are not silenced.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|it| it.severity == Severity::Error && it.silenced.is_none())
    }

    /// How many of the needed accesses are proved.
    #[must_use]
    pub fn proved(&self) -> usize {
        self.accesses.iter().filter(|it| it.verdict == "allowed").count()
    }

    /// The findings in the [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html) format, which code
    /// hosts and editors show.
    #[must_use]
    pub fn sarif(&self) -> Json {
        let rules: Vec<Json> = RULES
            .iter()
            .map(|it| {
                json!({
                    "id": it.id,
                    "name": it.name,
                    "fullDescription": { "text": it.explanation },
                    "helpUri": it.page,
                    "defaultConfiguration": { "level": level(it.severity) },
                })
            })
            .collect();
        let results: Vec<Json> = self.findings.iter().map(result).collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "xacct", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
                "results": results,
            }],
        })
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn result(finding: &Finding) -> Json {
    let mut text = finding.message.clone();
    if !finding.help.is_empty() {
        text = format!("{text}. To mend it: {}", finding.help);
    }
    let name = finding.path.clone().unwrap_or_else(|| format!("{}/{}", finding.stack, finding.logical_id));
    let mut location = json!({ "logicalLocations": [{ "fullyQualifiedName": name, "kind": "resource" }] });
    if let Some(at) = &finding.location {
        location["physicalLocation"] = json!({
            "artifactLocation": { "uri": at.file },
            "region": { "startLine": at.line, "startColumn": at.column },
        });
    }
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location],
    });
    if let Some(reason) = &finding.silenced {
        result["suppressions"] = json!([{ "kind": "inSource", "justification": reason }]);
    }
    result
}

fn access(proof: &Proof) -> ProvedAccess {
    let decision = &proof.decision;
    let mut grounds: Vec<String> = decision.decisive().map(ToString::to_string).collect();
    grounds.extend(decision.missing.iter().map(ToString::to_string));
    grounds.extend(decision.reasons.iter().map(ToString::to_string));
    ProvedAccess {
        who: proof.goal.who.to_string(),
        action: proof.goal.action.to_string(),
        resource: proof.goal.resource.to_string(),
        purpose: proof.goal.purpose.clone(),
        verdict: word(decision.verdict).to_owned(),
        grounds,
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::Unknown => "unknown",
        Verdict::ImplicitlyDenied | Verdict::ExplicitlyDenied => "denied",
    }
}

fn unproved(estate: &Estate<'_>, proof: &Proof, findings: &mut Findings) {
    let goal = &proof.goal;
    let who = match &goal.who {
        Who::Identity(arn) => {
            estate.identity(arn).map_or_else(|| arn.to_string(), |it| crate::exposure::describe(estate, &it.site))
        }
        who => who.to_string(),
    };
    let what = format!("`{who}` needs `{}` on {} {}", goal.action, goal.resource, goal.purpose);
    match proof.decision.verdict {
        Verdict::Allowed => {}
        Verdict::ImplicitlyDenied => {
            let missing: Vec<String> = proof.decision.missing.iter().map(ToString::to_string).collect();
            let message = format!("{what}, and {}{}", missing.join("; "), lacking(estate, goal));
            findings.add(
                "XA001",
                &goal.site,
                &goal.property,
                message,
                "grant it on the construct, which writes every side that is needed",
            );
        }
        Verdict::ExplicitlyDenied => {
            let by: Vec<String> = proof.decision.decisive().map(ToString::to_string).collect();
            findings.add(
                "XA001",
                &goal.site,
                &goal.property,
                format!("{what}, and it is denied: {}", by.join("; ")),
                "narrow the statement that denies it",
            );
        }
        Verdict::Unknown => {
            let reasons: Vec<String> = proof.decision.reasons.iter().map(ToString::to_string).collect();
            let mut message = format!("{what}; whether it is allowed is not known: {}", reasons.join("; "));
            let perhaps: Vec<String> = proof.decision.decisive().map(ToString::to_string).collect();
            if !perhaps.is_empty() {
                message = format!("{message}; {}", perhaps.join("; "));
            }
            message += &lacking(estate, goal);
            findings.add(
                "XA002",
                &goal.site,
                &goal.property,
                message,
                "name the exact resource, or write the policy in the program",
            );
        }
    }
}

/// Where an access is lacking: the statements that come nearest say what is wrong with them; else the policies that say
/// nothing.
fn lacking(estate: &Estate<'_>, goal: &Goal) -> String {
    let near: Vec<String> = nearest(estate, goal).iter().map(ToString::to_string).collect();
    let asked = asked(estate, goal);
    let mut text = match asked.as_slice() {
        [] => "; there is no policy".to_owned(),
        names => format!("; asked: `{}`", names.join("`, `")),
    };
    if !near.is_empty() {
        text = format!("{text}; nearest: {}", near.join("; "));
    }
    text
}

fn place(estate: &Estate<'_>, found: rule::Found) -> Finding {
    let origin = estate.origin(&found.site);
    let path = origin.map(|it| it.path.clone());
    let silenced = silenced(estate.assembly, found.rule, path.as_deref());
    Finding {
        rule: found.rule.id.to_owned(),
        name: found.rule.name.to_owned(),
        severity: found.rule.severity,
        message: found.message,
        stack: found.site.stack,
        logical_id: found.site.logical_id,
        property: found.property,
        location: origin.and_then(|it| it.location.clone()),
        path,
        help: found.help,
        silenced,
    }
}

fn silenced(assembly: &Assembly, rule: &Rule, path: Option<&str>) -> Option<String> {
    let path = path.unwrap_or_default();
    let covers = |scope: &str| {
        scope.is_empty() || path.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let silence =
        assembly.silenced.iter().find(|it| (it.rule == rule.id || it.rule == rule.name) && covers(&it.path))?;
    Some(silence.reason.clone())
}

fn assertions(estate: &Estate<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for assertion in &estate.assembly.assertions {
        let asserted = if assertion.allowed { "allowed" } else { "denied" };
        let (who, resource) = (estate.scoped(&assertion.principal), estate.scoped(&assertion.resource));
        let outcome = match (who, resource, assertion.action.parse()) {
            (Some(who), Some(resource), Ok(action)) => {
                let text = who.to_string();
                let is_service = !text.contains(':') && text.contains('.');
                let who = match estate.identity(&who) {
                    Some(_) => Who::Identity(who),
                    None if is_service => Who::Service(text),
                    None if text == "*" || text.ends_with(":root") => Who::Other(who),
                    None => Who::Identity(who),
                };
                let owner = owner(estate, &resource);
                let goal = Goal {
                    who,
                    action,
                    resource,
                    owner,
                    context: assertion
                        .context
                        .iter()
                        .fold(Context::open().with("aws:SecureTransport", "true"), |context, (key, values)| {
                            context.with_values(key, values.iter().map(String::as_str))
                        }),
                    site: Site { stack: String::new(), logical_id: String::new() },
                    property: String::new(),
                    purpose: String::new(),
                };
                let holds = match answer(estate, &goal) {
                    Verdict::Allowed => assertion.allowed,
                    Verdict::ImplicitlyDenied | Verdict::ExplicitlyDenied => !assertion.allowed,
                    Verdict::Unknown => false,
                };
                if holds {
                    continue;
                }
                let decision = decide(estate, &goal);
                let lacking = match decision.verdict {
                    Verdict::ImplicitlyDenied | Verdict::Unknown if assertion.allowed => lacking(estate, &goal),
                    _ => String::new(),
                };
                format!(
                    "`{}` for {} on {} is asserted to be {asserted}: {decision}{lacking}",
                    assertion.action, goal.who, goal.resource
                )
            }
            (_, _, Err(error)) => error.to_string(),
            _ => format!("who or what is asserted about is not known: `{}`", assertion.action),
        };
        let rule = "XA003";
        let Some(rule) = rule::find(rule) else { continue };
        findings.push(Finding {
            rule: rule.id.to_owned(),
            name: rule.name.to_owned(),
            severity: rule.severity,
            message: outcome,
            stack: assertion.resource.stack.clone().unwrap_or_default(),
            logical_id: String::new(),
            property: String::new(),
            path: Some(assertion.path.clone()),
            location: Some(assertion.location.clone()),
            help: "change the grant, or the assertion".to_owned(),
            silenced: silenced(estate.assembly, rule, Some(&assertion.path)),
        });
    }
    findings
}

/// The account of a bucket or of an object in it, whose ARN does not say.
fn owner(estate: &Estate<'_>, arn: &crate::Text) -> Option<crate::Text> {
    let holder = estate.resources.iter().find(|it| it.arn == *arn || arn.is_below(&it.arn))?;
    Some(holder.account.as_str().into())
}
