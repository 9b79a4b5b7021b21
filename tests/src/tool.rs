//! Tools of others, by version, from the registries: installed once under `target/e2e/` and shared by all tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

/// Installs the Python environments. One binary from PyPI, much faster than pip.
const UV: &str = "uv==0.13.9";

/// A folder with an installed tool's programs.
#[derive(Clone, Debug)]
pub struct Tool {
    bin: PathBuf,
}

impl Tool {
    /// A command that runs one of the tool's programs.
    pub fn command(&self, program: &str) -> Command {
        Command::new(self.bin.join(program))
    }

    /// The path of one of the tool's programs.
    pub fn path(&self, program: &str) -> PathBuf {
        self.bin.join(program)
    }
}

/// What a test needs from outside. `None`, said loudly, lets the test end without having checked anything; with
/// `XACCT_REQUIRE_TOOLS=1`, as in continuous integration, that is a failure.
///
/// # Panics
/// If the thing is missing and `XACCT_REQUIRE_TOOLS` is set.
pub fn demanded<T>(found: Result<T, String>) -> Option<T> {
    match found {
        Ok(tool) => Some(tool),
        Err(reason) => {
            let message = format!("SKIPPED, nothing was checked: {reason}");
            assert!(std::env::var_os("XACCT_REQUIRE_TOOLS").is_none(), "{message}");
            announce(&message);
            None
        }
    }
}

/// A Python environment with the packages of a requirements file, which pins every one by version. `python` says which Pythons will
/// do, such as `>=3.11`.
pub fn python_tool(requirements: &Path, python: &str) -> Result<Tool, String> {
    let content = fs::read_to_string(requirements)
        .map_err(|error| format!("cannot read `{}`: {error}", requirements.display()))?;
    let name = requirements.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let uv = install("uv", UV, |directory| {
        run(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
        run(Command::new(directory.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", UV]))
    })?;
    let directory = install(&name, &format!("{python}\n{content}"), |directory| {
        let uv = || {
            let mut command = Command::new(uv.join("bin/uv"));
            command.env("PATH", pythons_first()).env("UV_PYTHON_DOWNLOADS", "never");
            command
        };
        run(uv().args(["venv", "--quiet", "--no-project", "--python", python]).arg(directory))?;
        let python = directory.join("bin/python");
        run(uv().args(["pip", "install", "--quiet", "--python"]).arg(python).arg("--requirement").arg(requirements))
    })?;
    Ok(Tool { bin: directory.join("bin") })
}

/// The search path with the Pythons that pyenv keeps before its shims, each of which answers for the selected version only.
fn pythons_first() -> std::ffi::OsString {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let root = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let versions =
        fs::read_dir(root.join("versions")).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(versions.chain(std::env::split_paths(&path))).unwrap_or(path)
}

/// A folder with npm packages, given as `NAME@VERSION`.
pub fn npm_packages(name: &str, packages: &[&str]) -> Result<(PathBuf, Tool), String> {
    let directory = install(name, &packages.join(" "), |directory| {
        fs::create_dir_all(directory).map_err(|error| error.to_string())?;
        fs::write(directory.join("package.json"), "{\"private\":true}").map_err(|error| error.to_string())?;
        run(Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund"])
            .args(packages)
            .current_dir(directory))
    })?;
    let bin = directory.join("node_modules/.bin");
    Ok((directory, Tool { bin }))
}

/// Makes `target/e2e/NAME-HASH` once, whoever asks first; others wait for it.
fn install(name: &str, content: &str, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let hash: String = Sha256::digest(content).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let home = target_directory().join("e2e");
    let directory = home.join(format!("{name}-{hash}"));
    let complete = home.join(format!("{name}-{hash}.complete"));
    let io = |error: std::io::Error| format!("cannot install `{name}` in `{}`: {error}", home.display());

    fs::create_dir_all(&home).map_err(io)?;
    let lock = File::create(home.join(format!("{name}.lock"))).map_err(io)?;
    lock.lock().map_err(io)?;
    if !complete.exists() {
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(io)?;
        }
        make(&directory).map_err(|reason| format!("cannot install `{name}`: {reason}"))?;
        File::create(complete).map_err(io)?;
    }
    Ok(directory)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{}`: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The target directory that the running test was built in.
pub(crate) fn target_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2).expect("a test is in target/PROFILE/deps");
    profile.parent().expect("a profile is in the target directory").to_owned()
}

#[allow(clippy::print_stderr, reason = "a test that checks nothing must say so")]
fn announce(message: &str) {
    eprintln!("{message}");
}
