//! Writes `docs/schema.md`: what the tables have, against what the sources have.

use std::fmt::Write as _;

use super::Report;
use crate::source::{CFN_LINT, IAM_DATA, SERVICE_SPEC, workspace};

/// Where the document is written.
pub(super) const FILE: &str = "docs/schema.md";

const CORPUS_REPORT: &str = "xacct-schema/tests/corpus/report.md";

const HEAD: &str = "# Schema data

`xacct-schema` knows every CloudFormation resource type and every IAM action. Its tables in `xacct-schema/data` are written by
`cargo run -p xacct-codegen -- tables` and `-- actions`, as is this page; a test writes them again and compares. They are read in place:
nothing is unpacked, parsed or allocated when a program starts, so a debug build is as quick to start as a release build.

## Sources

| package | version | what is taken from it |
|---|---|---|
";

const SECTIONS: &str = "
Defects of the sources are mended in `xacct-codegen/patches.json`, each with its reason, and never in the tables.

## What is judged

`validate::template` finds everything at once; each rule has an id that never changes (`Rule::id`). It checks: names of types,
properties, attributes, functions, conditions, mappings and parameters, with the nearest right one; types, with CloudFormation's own
leniency (`\"5\"` for 5); required properties, also in each value of an `Fn::If`, as far as the conditions can hold together; allowed values,
patterns, lengths, ranges, counts, uniqueness; alternatives and properties that call for or rule out others; the shape of IAM policies and tags;
references to what does not exist, or only under another condition; cycles; regions; Lambda runtimes; schedules; duplicate names; FIFO
names; keys of DynamoDB tables; key policies that lock the owner out.

What is only known when a stack is deployed is not judged, and neither is a template with a macro.

A template of 500 resources of 80 types takes 1.2 ms, 2.4 µs a resource (`cargo bench -p xacct-schema --bench validate`, the middle of a run on
two cores that others used too; 2.1 ms in a run when they were busier). Findings come by construct, then by property: see `SynthError::diagnostics`.

Not judged, although cfn-lint does: instance types and engine versions (they differ by region and change weekly), rules that relate
several resources, documents in other languages (Step Functions, SSM), styles and warnings.
";

/// The page.
pub(super) fn write(report: &Report) -> String {
    let mut page = HEAD.to_owned();
    for (package, use_of) in [
        (CFN_LINT, "properties, constraints, handlers, tagging, regions, lifecycle of types and runtimes (MIT-0)"),
        (
            SERVICE_SPEC,
            "what `Ref` returns, ARN templates, attributes, replacement for types without handlers (Apache-2.0)",
        ),
        (IAM_DATA, "IAM's services, actions, resources and condition keys (MIT)"),
    ] {
        let _ = writeln!(page, "| {} | {} | {use_of} |", package.name, package.version);
    }
    page.push_str("\n## Counts\n\n| | tables | cfn-lint | the CDK's database |\n|---|---|---|---|\n");
    for name in
        ["resource types", "properties", "attributes", "nested types", "nested properties", "types with handlers"]
    {
        let count = |counts: &std::collections::BTreeMap<&str, usize>| {
            counts.get(name).map_or_else(|| "–".to_owned(), ToString::to_string)
        };
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} |",
            count(&report.counts),
            count(&report.source),
            count(&report.database)
        );
    }
    page.push_str(
        "\nProperties are those of resource types, with the ones that only the service sets; nested ones are those of named \
         definitions. Equal schemas are stored once: ",
    );
    let stored = ["nodes", "strings", "lists", "patterns"];
    let stored = stored.map(|name| format!("{} {name}", report.counts.get(name).copied().unwrap_or_default()));
    let _ = writeln!(page, "{}.\n\n## Left out\n\n### Resource types\n", stored.join(", "));
    for (name, reason) in &report.left_out {
        let _ = writeln!(page, "- `{name}`: {reason}");
    }
    page.push_str("\n### Regions\n\nThe list of types of these regions is a copy of another region's, so nothing is known about them: ");
    let _ = writeln!(
        page,
        "{}.\n\n### Patterns\n\nThese cannot be translated and are not checked:\n",
        report.unusable_regions.join(", ")
    );
    for (pattern, reason) in &report.untranslated {
        let _ = writeln!(page, "- {reason}: `{pattern}`");
    }
    page.push_str("\n### Conditions of cfn-lint\'s own\n\n");
    for (name, reason) in &report.unused_extensions {
        let _ = writeln!(page, "- `{name}`: {reason}");
    }
    page.push_str(SECTIONS);
    page.push_str(&corpus());
    page
}

/// The report of the test that compares the findings with cfn-lint's, without the list of what only this crate catches.
fn corpus() -> String {
    let report = std::fs::read_to_string(workspace().join(CORPUS_REPORT)).unwrap_or_default();
    let mut sections = report.split("\n## ");
    let numbers = sections.next().and_then(|it| it.split_once('\n')).map_or("", |it| it.1);
    let mut text = format!(
        "\n## A corpus of right and wrong templates\n\nFrom `{CORPUS_REPORT}`, which `cargo test -p xacct-schema --test cfn_lint` compares. "
    );
    text.push_str(numbers.trim_start());
    for section in sections.filter(|it| !it.starts_with("Only xacct-schema")) {
        let (title, list) = section.split_once('\n').unwrap_or((section, ""));
        let list = if list.trim().is_empty() { "\nNone.\n" } else { list };
        let _ = write!(text, "\n### {title}\n{list}");
    }
    text
}
