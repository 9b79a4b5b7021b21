//! The field's own linters on the main app's templates.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use xacct_tests::{Program, Run, demanded, python_tool};

#[test]
fn cfn_lint_finds_nothing() {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("emulators/cfn-lint.txt");
    let Some(tool) = demanded(python_tool(&requirements, ">=3.11")) else { return };
    let app = Templates::new();
    let mut command = tool.command("cfn-lint");
    command.arg("--").args(&app.templates);
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.text().trim(), "", "cfn-lint has findings");
    assert_eq!(run.code, Some(0));
}

#[test]
fn checkov_finds_nothing_but_what_the_template_explains() {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/repository/tools/checkov.txt");
    let Some(tool) = demanded(python_tool(&requirements, ">=3.11,<3.13")) else { return };
    let app = Templates::new();
    let mut command = tool.command("checkov");
    command.args(["--framework", "cloudformation", "--output", "json", "--quiet", "--skip-download"]);
    for template in &app.templates {
        command.arg("--file").arg(template);
    }
    let run = Run::from(command.output().unwrap());
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.text()));
    assert_eq!(report["summary"]["parsing_errors"], 0, "{}", run.text());
    assert!(report["summary"]["resource_count"].as_u64() > Some(30), "{}", run.text());

    let failed = report["results"]["failed_checks"].as_array().unwrap();
    let finding = |check: &Value| {
        (check["check_id"].as_str().unwrap().to_owned(), check["resource"].as_str().unwrap().to_owned())
    };
    let found: BTreeSet<(String, String)> = failed.iter().map(finding).collect();
    // What the app leaves as it is, it says in the template, with the reason: checkov then counts it as skipped.
    assert!(found.is_empty(), "checkov finds {found:#?}");
}

/// The main app's templates.
struct Templates {
    _program: Program,
    templates: Vec<PathBuf>,
}

impl Templates {
    fn new() -> Self {
        let program = Program::app("", &[("tools", "111111111111"), ("production", "222222222222")], "eu-west-1");
        program.run(&["synth"]).expect_success();
        let files = std::fs::read_dir(program.folder().join("cdk.out")).unwrap().map(|entry| entry.unwrap().path());
        let mut templates: Vec<PathBuf> =
            files.filter(|path| path.to_string_lossy().ends_with(".template.json")).collect();
        templates.sort();
        assert_eq!(templates.len(), 2, "{templates:?}");
        Self { _program: program, templates }
    }
}
