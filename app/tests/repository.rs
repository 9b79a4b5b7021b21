//! The Terraform code that the pipeline deploys: its builds are run as CodeBuild would run them, with stand-ins for `terraform`,
//! `aws` and `curl` that record how they are called.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const STAGES: [&str; 3] = ["dev", "qa", "prod"];
const BUILDSPECS: [&str; 3] = ["buildspec.yml", "buildspec-plan.yml", "buildspec-apply.yml"];

#[test]
fn has_the_files_that_readers_expect() {
    let mut expected: Vec<String> = [
        "main.tf",
        "variables.tf",
        "outputs.tf",
        "backend.tf",
        "versions.tf",
        ".terraform.lock.hcl",
        ".checkov.yaml",
        "README.md",
    ]
    .map(str::to_owned)
    .to_vec();
    expected.extend(BUILDSPECS.map(str::to_owned));
    expected.extend(STAGES.map(|stage| format!("environments/{stage}.tfvars")));
    for module in ["vpc", "subnet", "route-table", "network-interface"] {
        expected.extend(["main.tf", "variables.tf", "outputs.tf"].map(|file| format!("modules/{module}/{file}")));
    }
    let missing: Vec<_> = expected.iter().filter(|path| !repository().join(path).is_file()).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn is_formatted_as_terraform_wants_it() {
    if Command::new("terraform").arg("version").output().is_err() {
        let message = "SKIPPED: `terraform` is not on the PATH, so its format check did not run";
        assert!(std::env::var_os("XACCT_REQUIRE_TOOLS").is_none(), "{message}");
        return eprintln!("{message}");
    }
    let output =
        Command::new("terraform").args(["fmt", "-check", "-recursive", "-diff"]).arg(repository()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn shell_of_every_build_parses() {
    for script in scripts() {
        assert_parses(&fs::read_to_string(&script).unwrap(), &script.display().to_string());
    }
    for buildspec in BUILDSPECS {
        for phase in ["install", "build"] {
            let commands = commands(buildspec, phase);
            assert!(!commands.is_empty(), "{buildspec} has no commands in phase {phase}");
            assert_parses(&commands.join("\n"), buildspec);
        }
    }
}

#[test]
fn every_build_pins_the_same_terraform() {
    let pins = BUILDSPECS.map(|buildspec| {
        let values = variables(buildspec);
        (values["TERRAFORM_VERSION"].clone(), values["TERRAFORM_SHA256"].clone())
    });
    assert!(pins.iter().all(|pin| pin == &pins[0]), "{pins:?}");
    assert_eq!(pins[0].1.len(), 64);
}

#[test]
fn a_tool_with_another_checksum_is_not_installed() {
    let build = Build::new();
    build
        .tool("curl", r#"while [[ $# -gt 0 ]]; do [[ $1 == --output ]] && printf 'something else' >"$2"; shift; done"#);
    build.tool("unzip", "exit 0");
    let output = build.run("buildspec-plan.yml", "install", &[("TOOLS_DIR", "tools-here")]);
    assert!(!output.status.success());
    assert!(text(&output).contains("nothing was installed"), "{}", text(&output));
    assert!(build.calls("unzip").is_empty());
}

#[test]
fn the_package_carries_sources_only() {
    let build = Build::new();
    build.tool("terraform", r#"[[ $1 == init ]] && mkdir -p .terraform/providers; exit 0"#);
    build.tool("checkov", "exit 0");
    let output = build.run("buildspec.yml", "build", NOTHING);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!build.path(".terraform").exists());
    let calls = build.calls("terraform");
    assert!(calls[0].starts_with("fmt -check"), "{calls:?}");
    assert!(calls[1].contains("-backend=false") && calls[1].contains("-lockfile=readonly"), "{calls:?}");
    assert!(calls[2].starts_with("validate"), "{calls:?}");
    assert_eq!(build.calls("checkov").len(), 1);
}

#[test]
fn a_finding_of_the_scanner_fails_the_build() {
    let build = Build::new();
    build.tool("terraform", "exit 0");
    build.tool("checkov", "exit 1");
    assert!(!build.run("buildspec.yml", "build", NOTHING).status.success());
}

#[test]
fn a_plan_is_saved_summarized_and_exported() {
    let build = Build::new();
    build.plans(2, &[&["create"], &["create"], &["update"], &["no-op"]]);
    let output = build.run("buildspec-plan.yml", "build", &STATE);
    assert!(output.status.success(), "{}", text(&output));

    let exported = build.exported();
    assert_eq!(exported["PLAN_SUMMARY"], "prod: 2 to add, 1 to change, 0 to replace, 0 to destroy");
    assert_eq!(exported["PLAN_CHANGES"], "yes");
    assert_eq!(exported["PLAN_VERSION"], "version-1");
    assert_eq!(exported["PLAN_KEY"], format!("plans/prod/{}.tar.gz", exported["PLAN_SHA256"]));
    assert_eq!(exported.keys().cloned().collect::<Vec<_>>(), sorted(list("buildspec-plan.yml", "exported-variables:")));

    let calls = build.calls("terraform");
    assert!(calls[0].contains("-backend-config=bucket=state-of-prod"), "{calls:?}");
    assert!(calls[0].contains("-backend-config=key=network/prod.tfstate"), "{calls:?}");
    assert!(calls[1].contains("-var-file=environments/prod.tfvars -out=tfplan"), "{calls:?}");
    let saved = Command::new("tar").args(["tzf", "uploaded"]).current_dir(build.path(".")).output().unwrap();
    assert_eq!(
        sorted(text(&saved).lines().map(str::to_owned).collect()),
        [".terraform.lock.hcl", "source-version", "tfplan", "tfplan.json", "tfplan.txt"]
    );
}

#[test]
fn a_plan_without_changes_says_so() {
    let build = Build::new();
    build.plans(0, &[&["no-op"]]);
    assert!(build.run("buildspec-plan.yml", "build", &STATE).status.success());
    assert_eq!(build.exported()["PLAN_CHANGES"], "no");
}

#[test]
fn a_failed_plan_fails_the_build() {
    let build = Build::new();
    build.plans(1, &[]);
    assert!(!build.run("buildspec-plan.yml", "build", &STATE).status.success());
    assert!(build.calls("aws").is_empty());
}

#[test]
fn only_the_word_yes_opens_the_gate_for_destruction() {
    for actions in [&["delete"][..], &["delete", "create"], &["create", "delete"]] {
        for value in ["no", "", "YES", "true", "1", "0", "N", "yes please"] {
            let build = Build::new();
            build.plans(2, &[actions]);
            let output = build.run("buildspec-plan.yml", "build", &with(&STATE, "ALLOW_DESTROY", value));
            assert!(!output.status.success(), "`{value}` let {actions:?} pass");
            assert!(text(&output).contains("set ALLOW_DESTROY=yes"), "{}", text(&output));
            assert!(build.calls("aws").is_empty(), "a refused plan was saved");
        }
        let build = Build::new();
        build.plans(2, &[actions]);
        assert!(build.run("buildspec-plan.yml", "build", &with(&STATE, "ALLOW_DESTROY", "yes")).status.success());
    }
}

#[test]
fn a_stage_must_be_known() {
    for stage in ["production", "", "../dev", "dev qa"] {
        let build = Build::new();
        build.plans(0, &[]);
        let output = build.run("buildspec-plan.yml", "build", &with(&STATE, "STAGE", stage));
        assert!(!output.status.success(), "`{stage}` was taken");
        assert!(build.calls("terraform").is_empty());
    }
}

#[test]
fn apply_uses_the_approved_plan_and_never_makes_one() {
    let build = Build::planned();
    let output = build.run("buildspec-apply.yml", "build", &build.approval());
    assert!(output.status.success(), "{}", text(&output));
    let calls = build.calls("terraform");
    assert!(calls.last().unwrap().starts_with("apply ") && calls.last().unwrap().ends_with("/tfplan"), "{calls:?}");
    assert!(calls.iter().all(|call| !call.starts_with("plan")), "{calls:?}");
    assert!(build.calls("aws")[0].contains("--version-id version-1"));
}

#[test]
fn apply_refuses_what_was_not_approved() {
    let refused = |name: &str, value: &str, message: &str| {
        let build = Build::planned();
        let output = build.run("buildspec-apply.yml", "build", &with(&build.approval(), name, value));
        assert!(!output.status.success(), "{name}={value} was taken");
        assert!(text(&output).contains(message), "{}", text(&output));
        assert!(build.calls("terraform").iter().all(|call| !call.starts_with("apply")));
    };
    refused("PLAN_SHA256", &"0".repeat(64), "nothing was applied");
    refused("STAGE", "dev", "is not one of stage");
    refused("PLAN_KEY", "", "set PLAN_KEY");

    let build = Build::planned();
    fs::write(build.path(".terraform.lock.hcl"), "# other providers").unwrap();
    let output = build.run("buildspec-apply.yml", "build", &build.approval());
    assert!(!output.status.success() && text(&output).contains("other providers"), "{}", text(&output));
}

#[test]
fn apply_of_a_plan_without_changes_does_nothing() {
    let build = Build::planned();
    let output = build.run("buildspec-apply.yml", "build", &with(&build.approval(), "PLAN_CHANGES", "no"));
    assert!(output.status.success(), "{}", text(&output));
    assert!(build.calls("terraform").is_empty() && build.calls("aws").is_empty());
}

#[test]
fn the_readme_names_every_variable_that_a_build_reads() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let mut names: Vec<String> = BUILDSPECS.iter().flat_map(|buildspec| variables(buildspec).into_keys()).collect();
    names.extend(list("buildspec-plan.yml", "exported-variables:"));
    for script in scripts() {
        let source = fs::read_to_string(script).unwrap();
        let required = source.lines().filter_map(|line| line.trim().strip_prefix("require "));
        names.extend(required.flat_map(str::split_whitespace).map(str::to_owned));
    }
    names.retain(|name| name != "TF_IN_AUTOMATION");
    let missing: Vec<_> = names.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in README.md: {missing:?}");
}

const NOTHING: &[(&str, &str)] = &[];
const STATE: [(&str, &str); 3] =
    [("STAGE", "prod"), ("TF_STATE_BUCKET", "state-of-prod"), ("AWS_REGION", "eu-central-1")];

/// A copy of the repository in which a buildspec's commands run, with recorded stand-ins for the tools they call.
struct Build {
    directory: TempDir,
}

impl Build {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(&repository(), &directory.path().join("src"));
        fs::create_dir(directory.path().join("bin")).unwrap();
        Self { directory }
    }

    /// One whose plan step has run, with one resource to add, and whose calls so far are forgotten.
    fn planned() -> Self {
        let build = Self::new();
        build.plans(2, &[&["create"]]);
        assert!(build.run("buildspec-plan.yml", "build", &STATE).status.success());
        for tool in ["terraform", "aws"] {
            fs::remove_file(build.path(&format!("../{tool}.calls"))).unwrap();
        }
        for file in ["tfplan", "tfplan.json", "tfplan.txt", "plan.tar.gz"] {
            fs::remove_file(build.path(file)).unwrap();
        }
        build
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join("src").join(relative)
    }

    fn tool(&self, name: &str, body: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.directory.path().join("bin").join(name);
        let calls = self.directory.path().join(format!("{name}.calls"));
        fs::write(&path, format!("#!/usr/bin/env bash\nprintf '%s\\n' \"$*\" >>'{}'\n{body}\n", calls.display()))
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Stand-ins for a plan that ends with `exit` and treats one resource with each of `changes`.
    fn plans(&self, exit: i32, changes: &[&[&str]]) {
        let changes: Vec<_> = changes
            .iter()
            .enumerate()
            .map(|(index, actions)| serde_json::json!({ "address": format!("aws_vpc.v{index}"), "change": { "actions": actions } }))
            .collect();
        let plan = serde_json::json!({ "resource_changes": changes });
        self.tool(
            "terraform",
            &format!(
                "case \"$1 $2\" in\n plan*) printf plan >tfplan; exit {exit} ;;\n 'show -json') printf '%s' '{plan}' ;;\n show*) echo text ;;\nesac"
            ),
        );
        self.tool(
            "aws",
            "case \"$2\" in\n put-object) while [[ $# -gt 0 ]]; do [[ $1 == --body ]] && cp \"$2\" uploaded; shift; done; echo version-1 ;;\n get-object) cp uploaded \"${@: -1}\" ;;\nesac",
        );
    }

    /// Runs the commands of one phase in one shell, as CodeBuild does, with the buildspec's own variables as defaults.
    fn run<V: AsRef<str>>(&self, buildspec: &str, phase: &str, environment: &[(&str, V)]) -> Output {
        let mut script = String::from("set -e\n");
        script.push_str(&commands(buildspec, phase).join("\n"));
        let exported = list(buildspec, "exported-variables:");
        for name in exported {
            script.push_str(&format!("\nprintf '%s=%s\\n' {name} \"${{{name}}}\" >>../exported"));
        }
        let path = format!("{}:{}", self.directory.path().join("bin").display(), std::env::var("PATH").unwrap());
        Command::new("bash")
            .args(["-c", &script])
            .current_dir(self.path("."))
            .env_remove("ALLOW_DESTROY")
            .envs(variables(buildspec))
            .envs(environment.iter().map(|(name, value)| (name, value.as_ref())))
            .env("PATH", path)
            .env("HOME", self.directory.path())
            .output()
            .unwrap()
    }

    fn calls(&self, tool: &str) -> Vec<String> {
        let calls = fs::read_to_string(self.directory.path().join(format!("{tool}.calls"))).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn exported(&self) -> BTreeMap<String, String> {
        let exported = fs::read_to_string(self.directory.path().join("exported")).unwrap();
        exported
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// What the pipeline hands from the plan step to the apply step.
    fn approval(&self) -> Vec<(&'static str, String)> {
        let mut exported = self.exported();
        let mut environment: Vec<_> = STATE.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        for name in ["PLAN_CHANGES", "PLAN_KEY", "PLAN_VERSION", "PLAN_SHA256"] {
            environment.push((name, exported.remove(name).unwrap()));
        }
        environment
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("repository")
}

fn scripts() -> Vec<PathBuf> {
    fs::read_dir(repository().join("scripts")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The commands of a phase. The buildspecs are written one command a line, which keeps this reader this small.
fn commands(buildspec: &str, phase: &str) -> Vec<String> {
    let source = fs::read_to_string(repository().join(buildspec)).unwrap();
    let (_, phases) = source.split_once("\nphases:\n").unwrap();
    let Some((_, rest)) = phases.split_once(&format!("  {phase}:\n")) else {
        return Vec::new();
    };
    let (_, rest) = rest.split_once("    commands:\n").unwrap();
    rest.lines().map_while(|line| line.strip_prefix("      - ")).map(str::to_owned).collect()
}

fn list(buildspec: &str, heading: &str) -> Vec<String> {
    let source = fs::read_to_string(repository().join(buildspec)).unwrap();
    let Some((_, rest)) = source.split_once(&format!("  {heading}\n")) else {
        return Vec::new();
    };
    rest.lines().map_while(|line| line.strip_prefix("    - ")).map(str::to_owned).collect()
}

fn variables(buildspec: &str) -> BTreeMap<String, String> {
    let source = fs::read_to_string(repository().join(buildspec)).unwrap();
    let (_, rest) = source.split_once("  variables:\n").unwrap();
    let lines = rest.lines().map_while(|line| line.strip_prefix("    ").filter(|line| !line.starts_with('-')));
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

fn with<'a, V: AsRef<str>>(environment: &'a [(&'a str, V)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    environment.retain(|(existing, _)| *existing != name);
    environment.push((name, value));
    environment
}

fn sorted(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items
}

fn assert_parses(source: &str, name: &str) {
    let output = Command::new("bash").args(["-n", "-c", source]).output().unwrap();
    assert!(output.status.success(), "{name}: {}", text(&output));
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
