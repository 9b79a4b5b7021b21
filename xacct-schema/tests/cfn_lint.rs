//! The corpus judged by cfn-lint as well. What each finds is in `corpus/report.md`, which this test compares; run it with `UPDATE_REPORT=1`
//! to write it.
//!
//! It makes itself a virtual environment in the target folder. Where that cannot be done (no Python, no registry) there is nothing to compare.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test that fails should stop there, and one that is skipped should say so"
)]

mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use xacct_schema::validate::template;

const VERSION: &str = "1.58.0";
const REGION: &str = "eu-west-1";

#[test]
fn the_corpus_judged_by_both() {
    let Some(program) = cfn_lint() else { return };
    let (right, wrong) = (corpus::right(), corpus::wrong());
    let templates: Vec<&Value> =
        right.iter().map(|(_, template)| template).chain(wrong.iter().map(|case| &case.template)).collect();
    let theirs = judge(&program, &templates);
    let ours: Vec<BTreeSet<String>> = templates
        .iter()
        .map(|it| template(it, Some(REGION)).iter().map(|finding| finding.rule.id().to_owned()).collect())
        .collect();
    let (right_ours, wrong_ours) = ours.split_at(right.len());
    let (right_theirs, wrong_theirs) = theirs.split_at(right.len());

    let mut report = String::from("# The corpus, judged by this crate and by cfn-lint\n\n");
    let false_alarms = |found: &[BTreeSet<String>]| found.iter().filter(|found| !found.is_empty()).count();
    let caught = |found: &[BTreeSet<String>]| found.iter().filter(|found| !found.is_empty()).count();
    let types: BTreeSet<&str> =
        wrong.iter().filter_map(|case| case.template["Resources"]["It"]["Type"].as_str()).collect();
    let table = [
        ("right templates", right.len(), right.len(), right.len()),
        ("false alarms", 0, false_alarms(right_ours), false_alarms(right_theirs)),
        ("wrong templates", wrong.len(), wrong.len(), wrong.len()),
        ("caught", wrong.len(), caught(wrong_ours), caught(wrong_theirs)),
    ];
    let _ =
        writeln!(report, "Wrong templates are of {} resource types. cfn-lint {VERSION}, errors only.\n", types.len());
    report.push_str("| | goal | xacct-schema | cfn-lint |\n|---|---|---|---|\n");
    for (name, goal, ours, theirs) in table {
        let _ = writeln!(report, "| {name} | {goal} | {ours} | {theirs} |");
    }

    report.push_str("\n## By rule\n\n| rule | wrong templates | xacct-schema | cfn-lint |\n|---|---|---|---|\n");
    let mut by_rule: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for ((case, ours), theirs) in wrong.iter().zip(wrong_ours).zip(wrong_theirs) {
        let counts = by_rule.entry(case.rule.map_or("(none)", |rule| rule.id())).or_default();
        counts[0] += 1;
        counts[1] += usize::from(!ours.is_empty());
        counts[2] += usize::from(!theirs.is_empty());
    }
    for (rule, [all, ours, theirs]) in by_rule {
        let _ = writeln!(report, "| {rule} | {all} | {ours} | {theirs} |");
    }

    let cases = || wrong.iter().zip(wrong_ours).zip(wrong_theirs);
    let mut list = |title: &str, names: Vec<String>| {
        let _ = writeln!(report, "\n## {title}\n");
        for name in names {
            let _ = writeln!(report, "- {name}");
        }
    };
    let joined = |rules: &BTreeSet<String>| rules.iter().cloned().collect::<Vec<_>>().join(", ");
    list(
        "Only cfn-lint catches these",
        cases()
            .filter(|((_, ours), theirs)| ours.is_empty() && !theirs.is_empty())
            .map(|((case, _), theirs)| format!("{} ({})", case.name, joined(theirs)))
            .collect(),
    );
    list(
        "Only xacct-schema catches these",
        cases()
            .filter(|((_, ours), theirs)| !ours.is_empty() && theirs.is_empty())
            .map(|((case, ours), _)| format!("{} ({})", case.name, joined(ours)))
            .collect(),
    );
    list(
        "Neither catches these",
        cases()
            .filter(|((_, ours), theirs)| ours.is_empty() && theirs.is_empty())
            .map(|((case, _), _)| case.name.clone())
            .collect(),
    );
    list(
        "False alarms",
        right
            .iter()
            .zip(right_ours)
            .zip(right_theirs)
            .filter(|((_, ours), theirs)| !ours.is_empty() || !theirs.is_empty())
            .map(|(((name, _), ours), theirs)| format!("{name} ({} / {})", joined(ours), joined(theirs)))
            .collect(),
    );

    assert_eq!(false_alarms(right_ours), 0);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/report.md");
    if std::env::var_os("UPDATE_REPORT").is_some() {
        fs::write(&path, &report).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), report, "run with UPDATE_REPORT=1");
}

/// The program in a virtual environment that is made when it is missing.
fn cfn_lint() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("venv-cfn-lint");
    let program = folder.join("bin/cfn-lint");
    let works = || {
        let output = Command::new(&program).arg("--version").output().ok()?;
        String::from_utf8_lossy(&output.stdout).contains(VERSION).then(|| program.clone())
    };
    if let Some(program) = works() {
        return Some(program);
    }
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let made = run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
        && run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", &format!("cfn-lint=={VERSION}")]));
    made.then(works).flatten()
}

/// The ids of cfn-lint's errors in each template.
fn judge(program: &Path, templates: &[&Value]) -> Vec<BTreeSet<String>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
    fs::create_dir_all(&folder).unwrap();
    let paths: Vec<PathBuf> = (0..templates.len()).map(|index| folder.join(format!("{index}.json"))).collect();
    for (path, template) in paths.iter().zip(templates) {
        fs::write(path, template.to_string()).unwrap();
    }
    let mut found = vec![BTreeSet::new(); templates.len()];
    let output = Command::new(program)
        .args(["--format", "json", "--regions", REGION, "--ignore-checks", "W", "I", "--template"])
        .args(&paths)
        .output()
        .unwrap();
    let matches: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    for one in matches {
        let name = Path::new(one["Filename"].as_str().unwrap()).file_stem().unwrap().to_string_lossy().into_owned();
        let index: usize = name.parse().unwrap();
        found[index].insert(one["Rule"]["Id"].as_str().unwrap().to_owned());
    }
    found
}
