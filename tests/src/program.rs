//! The programs under test, run as a user runs them: their own process, with a folder and AWS configuration of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::tool::target_directory;

/// The main app's binary in a working folder of its own, with a profile for every account it deploys to.
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
    folder: TempDir,
    endpoint: String,
}

/// What a finished run said.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Run {
    /// This run, if it ended well.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Program {
    /// The main app, against this endpoint, with accounts by alias. Every account's profile is named by its id, and so is its access key, which is
    /// how the emulators tell accounts apart.
    ///
    /// # Panics
    /// If the app does not build, or no temporary folder can be had.
    pub fn app(endpoint: &str, accounts: &[(&str, &str)], region: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (mut profiles, mut settings) = (String::new(), format!("region = \"{region}\"\n"));
        for (alias, id) in accounts {
            profiles.push_str(&format!(
                "[profile {id}]\naws_access_key_id = {id}\naws_secret_access_key = test\nregion = {region}\n"
            ));
            settings.push_str(&format!("[accounts.{alias}]\nid = \"{id}\"\nprofile = \"{id}\"\n"));
        }
        fs::write(folder.path().join("aws-config"), profiles).expect("the folder can be written to");
        fs::write(folder.path().join("xacct.toml"), settings).expect("the folder can be written to");
        Self { binary: app().to_owned(), folder, endpoint: endpoint.to_owned() }
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command that runs it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("AWS_CONFIG_FILE", self.folder.path().join("aws-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.folder.path().join("no-credentials"))
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().expect("the app can be started").into()
    }
}

/// What a user's shell may set and a test must not depend on.
fn is_setting(name: &str) -> bool {
    name.starts_with("AWS_") || name.starts_with("XACCT_") || name.starts_with("CDK_")
}

/// The main app's binary. Cargo hands a test the binaries of its own package only. A test of the whole workspace has built it before; otherwise it is
/// asked for here, which is not done needlessly because building it alone would build what it needs in another way.
fn app() -> &'static Path {
    static APP: OnceLock<PathBuf> = OnceLock::new();
    APP.get_or_init(|| {
        let binary = target_directory().join("debug/app");
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        if is_newer_than_sources(&binary, &workspace) {
            return binary;
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--package", "app", "--manifest-path"]).arg(workspace.join("Cargo.toml"));
        command.arg("--target-dir").arg(target_directory());
        let output = command.output().expect("cargo can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        binary
    })
}

/// Whether the binary is from after the last change of what it is made of.
fn is_newer_than_sources(binary: &Path, workspace: &Path) -> bool {
    let Ok(built) = fs::metadata(binary).and_then(|metadata| metadata.modified()) else { return false };
    let crates = fs::read_dir(workspace).into_iter().flatten().flatten().map(|entry| entry.path().join("src"));
    crates.filter(|folder| !folder.starts_with(workspace.join("tests"))).all(|folder| is_older(&folder, built))
}

fn is_older(folder: &Path, than: SystemTime) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().all(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => is_older(&entry.path(), than),
        Ok(metadata) => metadata.modified().is_ok_and(|modified| modified <= than),
        Err(_) => false,
    })
}
