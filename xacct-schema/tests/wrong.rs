//! Every mistake in a corpus of wrong templates is found by its rule, and right templates have no finding.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test that fails should stop there, and one that is skipped should say so"
)]

mod corpus;

use std::collections::BTreeSet;

use xacct_schema::validate::template;

const REGION: Option<&str> = Some("eu-west-1");

#[test]
fn right_templates_have_no_finding() {
    let right = corpus::right();
    let types: BTreeSet<&String> = right.iter().map(|(name, _)| name).collect();
    assert!(types.len() >= 60, "{}", types.len());
    for (name, right) in right {
        let found: Vec<_> = template(&right, REGION).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn every_mistake_is_found_by_its_rule() {
    let cases = corpus::wrong();
    assert!(cases.len() >= 200, "{}", cases.len());
    let missed: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let rule = case.rule?;
            let found = template(&case.template, REGION);
            let rules: Vec<_> = found.iter().map(|finding| finding.rule.id()).collect();
            (!found.iter().any(|finding| finding.rule == rule)).then(|| format!("{}: {rules:?}", case.name))
        })
        .collect();
    assert!(missed.is_empty(), "{} of {} are missed: {missed:#?}", missed.len(), cases.len());
}
