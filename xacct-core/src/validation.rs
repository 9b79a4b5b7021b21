//! Templates against the schemas of AWS's resource types, as findings at the constructs that made the resources.

use xacct_schema::validate;

use crate::assembly::StackArtifact;
use crate::diagnostic::Diagnostic;

/// Everything that CloudFormation would refuse in a stack's template, as far as the schemas tell.
pub(crate) fn check(stack: &StackArtifact, diagnostics: &mut Vec<Diagnostic>) {
    if stack.template.get("Resources").is_none() {
        return;
    }
    let region = stack.environment.region.as_str();
    for finding in validate::template(&stack.template, Some(region)) {
        let origin = stack.origins.get(&finding.logical_id);
        let path = match (origin, finding.logical_id.as_str()) {
            (Some(origin), _) => origin.path.clone(),
            (None, "") => stack.display_name.clone(),
            (None, logical_id) => format!("{}/{logical_id}", stack.display_name),
        };
        let mut diagnostic = Diagnostic::error(finding.rule.id(), finding.message).path(path);
        diagnostic.location = origin.and_then(|it| it.location.clone());
        if !finding.property_path.is_empty() {
            diagnostic.property = Some(finding.property_path);
        }
        let meant = finding.nearest.map(|nearest| format!("did you mean `{nearest}`?"));
        let expected = finding.expected.map(|expected| format!("expected is {expected}"));
        let help: Vec<String> = meant.into_iter().chain(expected).collect();
        diagnostic.help = (!help.is_empty()).then(|| help.join(" "));
        diagnostics.push(diagnostic);
    }
}
