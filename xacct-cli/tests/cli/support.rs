//! The app under test, each time in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A folder of its own for a test, and the app in it.
pub(crate) struct Place(TempDir);

/// What the app said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn with(file: &str, text: &str) -> Self {
        let place = Self::new();
        fs::write(place.path().join(file), text).unwrap();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testapp"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        // What the machine of the tests has set is nobody's business.
        for (name, _) in std::env::vars() {
            if [
                "XACCT_",
                "CDK_",
                "CARGO",
                "AWS_",
                "NO_COLOR",
                "NO_PROXY",
                "HTTP_PROXY",
                "HTTPS_PROXY",
                "ALL_PROXY",
                "CLICOLOR",
                "CI",
            ]
            .iter()
            .any(|it| name.starts_with(it))
            {
                command.env_remove(name);
            }
        }
        command.env("COLUMNS", "100");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        said(self.command(args).output().unwrap())
    }

    pub(crate) fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Said {
        said(self.command(args).envs(variables.iter().copied()).output().unwrap())
    }

    /// From now on, the app deploys to a world in memory in which things happen as the script says: see `testapp/script.rs`.
    pub(crate) fn script(&self, script: &serde_json::Value) {
        fs::write(self.path().join("script.json"), script.to_string()).unwrap();
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.path().join(file).exists()
    }
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "{}", self.err);
        let err = self.err.split_whitespace().collect::<Vec<_>>().join(" ").replace(" │ ", " ");
        for text in texts {
            assert!(err.contains(text), "`{text}` is not in:\n{}", self.err);
        }
    }

    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    }
}

/// An app that is running, without a terminal.
pub(crate) struct Running {
    child: Child,
    heard_from: Box<dyn BufRead>,
    heard: String,
}

impl Running {
    /// One that is listened to as people do, on standard error.
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let heard_from = Box::new(BufReader::new(child.stderr.take().unwrap()));
        Self { child, heard_from, heard: String::new() }
    }

    /// One that is listened to as programs do, on standard output.
    pub(crate) fn start_json(place: &Place, args: &[&str]) -> Self {
        let mut child = place.command(args).stdout(Stdio::piped()).spawn().unwrap();
        let heard_from = Box::new(BufReader::new(child.stdout.take().unwrap()));
        Self { child, heard_from, heard: String::new() }
    }

    /// Reads until a line says that.
    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let read = self.heard_from.read_line(&mut line).unwrap();
            self.heard.push_str(&line);
            if line.contains(text) {
                return;
            }
            assert!(read > 0, "`{text}` was not said:\n{}", self.heard);
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn ends(mut self) -> Said {
        self.heard_from.read_to_string(&mut self.heard).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Said { err: self.heard, ..said(output) }
    }
}
