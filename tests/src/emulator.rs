//! Emulators of AWS by others, started on a loopback port and ended with the test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::api::Account;
use crate::tool::{Tool, python_tool};

const READY_WITHIN: Duration = Duration::from_secs(120);

/// A running emulator. It ends when this is dropped, and when the test's process dies in any other way.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    /// Where it listens, such as `http://127.0.0.1:4566`.
    pub url: String,
}

impl Emulator {
    /// A client for an account: in both emulators a 12-digit access key id is the account's root.
    pub fn account(&self, id: &str, region: &str) -> Account {
        Account::new(&self.url, id, region)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Either fails only if the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// MiniStack, with the resource types it lacks (see `emulators/ministack_types.py`): real change sets, events, rollbacks and drift.
pub fn ministack() -> Result<Emulator, String> {
    let tool = python_tool(&emulators().join("ministack.txt"), ">=3.11")?;
    let mut command = python(&tool, "ministack_types.py");
    command.envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", "0")]);
    start(command, |line| {
        let (_, url) = line.split_once("Running on ")?;
        url.split_whitespace().next().map(str::to_owned)
    })
}

/// LocalEmu with IAM enforcement: every call is allowed or denied by the policies of both accounts. The given accounts' ids are
/// root access keys.
pub fn localemu(accounts: &[&str]) -> Result<Emulator, String> {
    // Its package says 3.10, its code does not parse before 3.12.
    let tool = python_tool(&emulators().join("localemu.txt"), ">=3.12,<3.14")?;
    // It cannot pick a port itself. Between this and its start the port can be taken, by bad luck: then it does not get ready.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    drop(listener);
    let mut command = python(&tool, "localemu_accounts.py");
    command.envs([
        ("GATEWAY_LISTEN", address.to_string().as_str()),
        ("ROOT_ACCESS_KEYS", &accounts.join(",")),
        ("IAM_ENFORCEMENT", "1"),
        ("DISABLE_EVENTS", "1"),
        ("SKIP_SSL_CERT_DOWNLOAD", "1"),
        ("DNS_ADDRESS", "0"),
    ]);
    let url = format!("http://{address}");
    start(command, move |line| (line.trim() == "Ready.").then(|| url.clone()))
}

fn emulators() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("emulators")
}

/// An emulator sees nothing of the caller's AWS configuration.
fn python(tool: &Tool, script: &str) -> Command {
    let mut command = tool.command("python");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.arg("-u").arg(emulators().join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Starts the emulator and waits for the line from which `ready` reads its address. Its standard input is a pipe that it watches:
/// when this process dies, the pipe closes and the emulator ends.
fn start(mut command: Command, ready: impl Fn(&str) -> Option<String> + Send + 'static) -> Result<Emulator, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let (sender, receiver) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|out| Box::new(out) as _), child.stderr.take().map(|error| Box::new(error) as _)];
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        // Reads on after the emulator is ready: a full pipe would stop it.
        thread::spawn(move || {
            BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)))
        });
    }
    drop(sender);

    let mut emulator = Emulator { child, url: String::new() };
    let mut said = Vec::new();
    let deadline = std::time::Instant::now() + READY_WITHIN;
    while let Ok(line) = receiver.recv_timeout(deadline.saturating_duration_since(std::time::Instant::now())) {
        if let Some(url) = ready(&line) {
            emulator.url = url;
            return Ok(emulator);
        }
        said.push(line);
    }
    Err(format!("{command:?} did not get ready, it said:\n{}", said.join("\n")))
}
