//! Access of the main app: every goal proved, every assertion held, and who else gets in.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

use xacct_access::{Report, check};
use xacct_core::App;

fn report() -> Report {
    let app = App::new();
    app::define(&app, &xacct_cli::Config::sample()).unwrap();
    check(&app.synth().unwrap())
}

#[test]
fn every_access_that_the_design_needs_is_proved() {
    let report = report();
    let open: Vec<_> = report.accesses.iter().filter(|it| it.verdict != "allowed").collect();
    assert!(open.is_empty(), "{open:#?}");
    assert!(report.passes(), "{:#?}", report.errors().collect::<Vec<_>>());
    assert!(report.proved() > 150, "{}", report.proved());
}

#[test]
fn who_else_gets_in_is_what_a_reviewer_expects() {
    let report = report();
    let mut lines: Vec<String> = report
        .exposures
        .iter()
        .map(|it| format!("{} <- {}", it.path.as_deref().unwrap_or_default().trim_end_matches("/Resource"), it.who))
        .collect();
    lines.sort();
    lines.dedup();
    let (a, b) = ("administrators of 111111111111", "administrators of 222222222222");
    let expected = [
        format!("Production/Network/Account/AccessLogs <- {b}"),
        format!("Production/Network/Account/Key <- {b}"),
        format!("Production/Network/Account/State <- {b}"),
        format!("Production/Network/Operator/AccessKey/Secret <- {b}"),
        // Whoever may make or change the pipeline's role, which the action's role trusts by name.
        format!("Production/ToolsNetworkPipelineActionRole <- {a}"),
        format!("Tools/Network/Account/AccessLogs <- {a}"),
        format!("Tools/Network/Account/Key <- {a}"),
        format!("Tools/Network/Account/State <- {a}"),
        format!("Tools/Network/Artifacts <- {a}"),
        // Whoever may make or change the builds' roles, which the bucket and its key trust by name.
        format!("Tools/Network/Artifacts <- {b}"),
        format!("Tools/Network/Key <- {a}"),
        format!("Tools/Network/Key <- {b}"),
        format!("Tools/Network/Operator/AccessKey/Secret <- {a}"),
    ];
    assert_eq!(lines, expected);
}
