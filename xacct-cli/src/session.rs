//! One invocation: its flags, its streams, its configuration, and the app behind it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio::sync::Mutex;
use xacct_core::assembly::AssemblyError;
use xacct_core::{App, Assembly, Construct};
use xacct_deploy::Engine;

use crate::args::{Flag, Global};
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::problem::{Failure, Problem};
use crate::proxy::ProxyVariable;
use crate::terminal::Terminal;
use crate::{BoxError, ConfigError};

/// Runs the user's definitions.
pub(crate) type Define<'a> = &'a dyn Fn(&App, &Config) -> Result<(), BoxError>;

/// What a verb works with.
pub(crate) struct Session<'a> {
    pub(crate) global: Global,
    /// What counts besides the configuration, for whoever asks.
    pub(crate) flags: Vec<Flag>,
    pub(crate) terminal: Terminal,
    pub(crate) config: Config,
    /// An engine of the program's own, in the place of the one for AWS.
    pub(crate) engine: Option<Engine>,
    /// What the user, or the machine, interrupts with. Whoever waits for something holds it, so that no signal is lost in between.
    pub(crate) interrupts: Mutex<Interrupts>,
    define: Define<'a>,
}

impl<'a> Session<'a> {
    /// Reads the configuration, and tells what is odd about it.
    pub(crate) fn new(
        global: Global,
        flags: Vec<Flag>,
        terminal: Terminal,
        define: Define<'a>,
        engine: Option<Engine>,
    ) -> Result<Self, (Failure, Terminal)> {
        let mut variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        variables.sort();
        for variable in ProxyVariable::all() {
            if let Some(password) = variable.password() {
                terminal.hide(password);
            }
        }
        match config::load(&global.overrides(), &variables) {
            Ok((config, warnings)) => {
                for warning in &warnings {
                    terminal.problem(warning);
                }
                Ok(Self { global, flags, terminal, config, engine, interrupts: Mutex::default(), define })
            }
            Err(error) => Err((error.into(), terminal)),
        }
    }

    /// The assembly that the user names, or that the app's definitions make.
    pub(crate) fn assembly(&self) -> Result<Assembly, Failure> {
        match &self.global.assembly {
            Some(folder) => Assembly::read(folder).map_err(|error| {
                let failure = Failure::internal(&error);
                if folder.join("manifest.json").exists() { failure } else { Failure { exit: Exit::Usage, ..failure } }
            }),
            None => self.synth(),
        }
    }

    fn synth(&self) -> Result<Assembly, Failure> {
        if self.config.file.is_none() {
            let accounts: Vec<String> =
                self.config.accounts.iter().map(|(alias, it)| format!("{alias} {}", it.id.value)).collect();
            self.terminal.say(&format!(
                "{} no xacct.toml: using the sample accounts {}",
                self.terminal.err.dim("note"),
                accounts.join(", ")
            ));
        }
        let app = App::new();
        if self.global.no_validation {
            app.skip_validation();
        }
        for silenced in &self.config.silenced {
            app.node().silence_from(&silenced.rule, &silenced.reason, silenced.location.clone());
        }
        (self.define)(&app, &self.config).map_err(definition_failed)?;
        let (errors, warnings) = self.config.unasked().into_iter().partition::<Vec<_>, _>(Problem::is_error);
        for warning in &warnings {
            self.terminal.problem(warning);
        }
        if !errors.is_empty() {
            return Err(Failure { exit: Exit::Usage, problems: errors });
        }
        let assembly = app.synth().map_err(|error| {
            let problems = error.diagnostics.iter().map(Problem::from).collect();
            Failure { exit: Exit::Rules, problems }
        })?;
        for warning in &assembly.warnings {
            self.terminal.problem(&warning.into());
        }
        Ok(assembly)
    }

    /// Another command for the same app, to paste into a shell: with what this one says about the app and its accounts.
    pub(crate) fn command(&self, verb: &str) -> String {
        let global = &self.global;
        let mut words = vec![verb.to_owned()];
        let mut add = |flag: &str, value: String| words.push(format!("{flag} {}", quoted(&value)));
        let path = |it: &PathBuf| it.display().to_string();
        global.assembly.iter().for_each(|it| add("--assembly", path(it)));
        global.config.iter().for_each(|it| add("--config", path(it)));
        let pairs = [("--account", &global.account), ("--profile", &global.profile), ("--context", &global.context)];
        for (flag, pairs) in pairs {
            pairs.iter().for_each(|(key, value)| add(flag, format!("{key}={value}")));
        }
        global.region.iter().for_each(|it| add("--region", it.clone()));
        format!("{} {}", invocation(), words.join(" "))
    }

    /// Where the assembly goes: CDK's CLI says where it wants it.
    pub(crate) fn output(&self) -> PathBuf {
        let from_cdk = || std::env::var_os("CDK_OUTDIR").map(PathBuf::from);
        self.global.output.clone().or_else(from_cdk).unwrap_or_else(|| PathBuf::from("cdk.out"))
    }

    /// The assembly on disk. One that was read from there is there already.
    pub(crate) fn write(&self, assembly: Assembly) -> Result<Assembly, Failure> {
        if self.global.assembly.is_some() && self.global.output.is_none() {
            return Ok(assembly);
        }
        let folder = self.output();
        assembly.write(&folder).map_err(|error| cannot_write(&error, &folder))
    }
}

fn definition_failed(error: BoxError) -> Failure {
    match error.downcast::<ConfigError>() {
        Ok(error) => (*error).into(),
        Err(error) => {
            let mut failure = Failure::internal(&*error);
            for problem in &mut failure.problems {
                problem.message = format!("the app cannot be defined: {}", problem.message);
            }
            failure
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { exit: Exit::Usage, problems: error.0 }
    }
}

fn cannot_write(error: &AssemblyError, folder: &Path) -> Failure {
    let mend = match error {
        AssemblyError::Io { source, .. } if source.kind() == ErrorKind::StorageFull => "make room on the disk",
        _ => "make it writable",
    };
    Failure::internal(error).help(format!(
        "nothing was written, and what was in `{}` is still there: {mend}, or choose another with --output",
        folder.display()
    ))
}

/// The command line once more, to paste into a shell.
pub(crate) fn same_command() -> String {
    std::iter::once(invocation()).chain(std::env::args().skip(1).map(|it| quoted(&it))).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|it| it.is_ascii_alphanumeric() || "-_./=:,@+".contains(it));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// How the user starts this program: for hints that can be pasted.
pub(crate) fn invocation() -> String {
    match std::env::var("CARGO_PKG_NAME") {
        Ok(package) if std::env::var_os("CARGO").is_some() => format!("cargo run -p {package} --"),
        _ => std::env::args().next().unwrap_or_else(|| "xacct".to_owned()),
    }
}
