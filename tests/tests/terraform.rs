//! The Terraform code that the pipeline deploys, with real Terraform: checked, planned and applied by the pipeline's own scripts, with
//! state, lock and saved plans in a real emulator's buckets. The AWS provider's registry is out of reach, so `terraform/provider.py` stands in for the
//! provider, with the real one's schema.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use xacct_tests::{Account, Emulator, Run, Tool, demanded, ministack, python_tool};

const REGION: &str = "eu-central-1";
const STAGES: [(&str, &str); 3] = [("dev", "111111111111"), ("qa", "111111111111"), ("prod", "222222222222")];
/// What the code makes in a stage: 2 zones without NAT gateways in dev and qa, 3 zones with them in prod.
const RESOURCES: [usize; 3] = [17, 17, 32];

#[test]
fn every_stage_is_planned_and_applied() {
    let Some(pipeline) = demanded(Pipeline::new()) else { return };
    for ((stage, account), resources) in STAGES.into_iter().zip(RESOURCES) {
        let build = pipeline.build(stage, account);
        let plan = build.plan().expect_success();
        let summary = format!("{stage}: {resources} to add, 0 to change, 0 to replace, 0 to destroy");
        assert!(plan.stdout.contains(&summary), "{}", plan.text());
        assert_eq!(build.variable("PLAN_CHANGES"), "yes");

        let apply = build.apply().expect_success();
        assert!(apply.stdout.contains(&format!("{resources} added, 0 changed, 0 destroyed")), "{}", apply.text());

        build.plan().expect_success();
        assert_eq!(build.variable("PLAN_CHANGES"), "no");
        let mut objects = build.objects();
        objects.retain(|key| !key.starts_with(&format!("plans/{stage}/")));
        objects.retain(|key| key.ends_with(&format!("{stage}.tfstate")) || key.contains("lock"));
        assert_eq!(objects, [format!("network/{stage}.tfstate")], "the state is kept, the lock is not");
    }
}

#[test]
fn a_plan_that_the_state_has_moved_away_from_is_refused() {
    let Some(pipeline) = demanded(Pipeline::new()) else { return };
    let (early, late) = (pipeline.build("dev", "111111111111"), pipeline.build("dev", "111111111111"));
    early.plan().expect_success();
    late.plan().expect_success();
    late.apply().expect_success();
    let stale = early.apply();
    assert_ne!(stale.code, Some(0));
    assert!(stale.stderr.contains("Saved plan is stale"), "{}", stale.text());
}

#[test]
fn what_would_be_destroyed_is_listed_and_needs_a_word() {
    let Some(pipeline) = demanded(Pipeline::new()) else { return };
    let build = pipeline.build("dev", "111111111111");
    build.plan().expect_success();
    build.apply().expect_success();
    build.write("environments/dev.tfvars", "cidr_block = \"10.10.0.0/16\"\nzones = [\"a\"]\n");
    let refused = build.plan();
    assert_ne!(refused.code, Some(0));
    assert!(refused.stdout.contains("module.private_subnets[1].aws_subnet.this: delete"), "{}", refused.text());
    assert!(
        refused.stderr.contains("the plan destroys or replaces 6 resources: set ALLOW_DESTROY=yes"),
        "{}",
        refused.text()
    );
    build.run("plan", &[("ALLOW_DESTROY", "yes".to_owned())]).expect_success();
    let apply = build.apply().expect_success();
    assert!(apply.stdout.contains("0 added, 0 changed, 6 destroyed"), "{}", apply.text());
}

#[test]
fn values_that_a_stage_cannot_have_are_refused() {
    let Some(pipeline) = demanded(Pipeline::new()) else { return };
    for (settings, message) in [
        ("cidr_block = \"10.10.0.0/24\"\n", "at least a /20"),
        ("cidr_block = \"10.10.0.0\"\n", "at least a /20"),
        ("cidr_block = \"10.10.0.0/16\"\nzones = [\"a\", \"a\"]\n", "given twice"),
        ("cidr_block = \"10.10.0.0/16\"\nzones = [\"eu-central-1a\"]\n", "zones by their letter"),
        (
            "cidr_block = \"10.10.0.0/16\"\nzones = [\"a\", \"b\", \"c\"]\nnat_gateways = 2\n",
            "must be 0, 1 or the number of zones",
        ),
        ("cidr_block = \"10.10.0.0/16\"\naccount_id = \"11111111111\"\n", "must have 12 digits"),
    ] {
        let build = pipeline.build("dev", "111111111111");
        build.write("environments/dev.tfvars", settings);
        let refused = build.plan();
        assert_ne!(refused.code, Some(0), "{settings} was taken");
        // Terraform breaks long lines.
        let text = refused.text().replace("\n│ ", " ").replace('\n', " ");
        assert!(text.contains(message), "{settings}: {text}");
    }
}

#[test]
fn the_code_is_valid_and_a_mistake_in_it_is_not() {
    let Some(pipeline) = demanded(Pipeline::new()) else { return };
    let build = pipeline.build("dev", "111111111111");
    build.run("validate", &[("SCAN", "no".to_owned())]).expect_success();
    for (file, right, wrong) in [
        ("modules/vpc/main.tf", "enable_dns_support   = true", "enable_dns_suport    = true"),
        ("modules/subnet/main.tf", "aws_subnet\" \"this\"", "aws_sub_net\" \"this\""),
        (
            "modules/route-table/main.tf",
            "aws_route_table.this.id\n  destination",
            "aws_route_table.this.idd\n  destination",
        ),
        ("main.tf", "subnet_ids = module.public_subnets[*].subnet_id", "subnet_ids = module.public_subnets[*].subnet"),
    ] {
        let build = pipeline.build("dev", "111111111111");
        let source = fs::read_to_string(build.path(file)).unwrap();
        assert!(source.contains(right), "{file} has no {right}");
        build.write(file, &source.replace(right, wrong));
        assert_ne!(build.run("validate", &[("SCAN", "no".to_owned())]).code, Some(0), "{file}: {wrong} was taken");
    }
}

#[test]
fn the_scanner_finds_nothing_but_what_is_explained() {
    let scanner = python_tool(&repository().join("tools/checkov.txt"), ">=3.11,<3.13");
    let Some(scanner) = demanded(scanner) else { return };
    let mut command = scanner.command("checkov");
    command.args(["--directory", ".", "--config-file", ".checkov.yaml"]).current_dir(repository());
    Run::from(command.output().unwrap()).expect_success();
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    let Some(tool) = demanded(python_tool(&requirements("shellcheck"), ">=3.11")) else { return };
    let scripts = fs::read_dir(repository().join("scripts")).unwrap().map(|entry| entry.unwrap().path());
    let mut command = tool.command("shellcheck");
    command.arg("--external-sources").args(scripts).current_dir(repository());
    Run::from(command.output().unwrap()).expect_success();
}

/// The tools and services that builds use.
struct Pipeline {
    emulator: Emulator,
    provider: Child,
    reattach: String,
    aws: Tool,
}

impl Pipeline {
    fn new() -> Result<Self, String> {
        Command::new("terraform")
            .arg("version")
            .output()
            .map_err(|error| format!("`terraform` cannot be run: {error}"))?;
        let aws = python_tool(&requirements("awscli"), ">=3.11")?;
        let python = python_tool(&terraform_folder().join("terraform-provider.txt"), ">=3.11")?;
        let emulator = ministack()?;
        for (_, account) in STAGES {
            let tools = emulator.account(account, REGION);
            let location = format!(
                "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
            );
            tools.rest("s3", "PUT", &format!("/{}", bucket(account)), &[], &location);
            let versioned = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
            tools.rest("s3", "PUT", &format!("/{}?versioning=", bucket(account)), &[], versioned);
        }
        let mut command = python.command("python");
        command.arg(terraform_folder().join("provider.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut provider = command.spawn().map_err(|error| error.to_string())?;
        let mut reattach = String::new();
        let mut output = BufReader::new(provider.stdout.take().unwrap());
        output.read_line(&mut reattach).map_err(|error| error.to_string())?;
        Ok(Self { emulator, provider, reattach: reattach.trim().to_owned(), aws })
    }

    fn build(&self, stage: &'static str, account: &'static str) -> Build<'_> {
        let folder = tempfile::tempdir().unwrap();
        copy(&repository(), folder.path());
        Build { pipeline: self, folder, stage, account }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Either fails only if the process has ended already.
        let _ = self.provider.kill();
        let _ = self.provider.wait();
    }
}

/// A copy of the package, as a build of one stage gets it.
struct Build<'a> {
    pipeline: &'a Pipeline,
    folder: TempDir,
    stage: &'static str,
    account: &'static str,
}

impl Build<'_> {
    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn write(&self, relative: &str, content: &str) {
        fs::write(self.path(relative), content).unwrap();
    }

    fn plan(&self) -> Run {
        self.run("plan", &[])
    }

    /// Applies what the last plan exported.
    fn apply(&self) -> Run {
        let names = ["PLAN_CHANGES", "PLAN_KEY", "PLAN_VERSION", "PLAN_SHA256"];
        self.run("apply", &names.map(|name| (name, self.variable(name))))
    }

    fn variable(&self, name: &str) -> String {
        let variables = fs::read_to_string(self.path("plan.env")).unwrap();
        let value = variables.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {variables}")).to_owned()
    }

    fn run(&self, script: &str, environment: &[(&str, String)]) -> Run {
        let programs = self.pipeline.aws.path("aws");
        let path = format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .arg(self.path(&format!("scripts/{script}.sh")))
            .current_dir(self.folder.path())
            .env_remove("TF_CLI_CONFIG_FILE")
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("TF_REATTACH_PROVIDERS", &self.pipeline.reattach)
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env("STAGE", self.stage)
            .env("TF_STATE_BUCKET", bucket(self.account))
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", &self.pipeline.emulator.url)
            .env("AWS_ACCESS_KEY_ID", self.account)
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_COLOR", "1")
            .env("TF_CLI_ARGS", "-no-color")
            .envs(environment.iter().map(|(name, value)| (name, value)));
        command.output().unwrap().into()
    }

    fn objects(&self) -> Vec<String> {
        let account: Account = self.pipeline.emulator.account(self.account, REGION);
        account.rest("s3", "GET", &format!("/{}?list-type=2", bucket(self.account)), &[], "").elements("Key")
    }
}

fn bucket(account: &str) -> String {
    format!("terraform-state-{account}")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/repository")
}

fn terraform_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("terraform")
}

fn requirements(tool: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("emulators/{tool}.txt"))
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
