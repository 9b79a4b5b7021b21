//! The command line of every xacct app, from one call.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use xacct_cli::{Config, ConfigError};
//! use xacct_core::{App, Stack, StackProps};
//!
//! fn define(app: &App, config: &Config) -> Result<(), ConfigError> {
//!     Stack::new(app, "Tools", config.environment("tools")?, StackProps::new());
//!     Ok(())
//! }
//!
//! fn main() -> ExitCode {
//!     xacct_cli::run(define)
//! }
//! ```
//!
//! That program has `synth`, `ls`, `deploy` and all the other verbs, reads `xacct.toml`, and follows the rules of a
//! good citizen: data to standard output and the rest to standard error, exit codes that mean something, JSON on demand.

mod approval;
mod args;
mod cloud;
mod config;
mod console;
mod exit;
mod explanations;
mod failed;
mod follow;
mod interrupt;
mod organization;
mod parameters;
mod plan_report;
mod problem;
mod proxy;
mod report;
mod select;
mod session;
mod terminal;
mod verbs;
mod view;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use xacct_core::App;
use xacct_deploy::Engine;

use args::{CommandLine, Flag, SynthArgs, Verb, flags};
use exit::Exit;
use problem::Failure;
use session::{Define, Session};
use terminal::Terminal;

pub use config::{Config, ConfigError};

/// The error of a definition that returns a result.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a definition may return: nothing, or a `Result` whose error ends the program.
pub trait Defined {
    /// As a result.
    fn into_result(self) -> Result<(), BoxError>;
}

impl Defined for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Defined for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// Runs the command line of an app. `define` builds the app's tree; it is called when a verb needs it.
pub fn run<R: Defined>(define: impl Fn(&App, &Config) -> R) -> ExitCode {
    let define = |app: &App, config: &Config| define(app, config).into_result();
    main(&define, None).into()
}

/// Runs the command line of an app over an engine of one's own: one that finds credentials in another way than
/// [`AwsConnector`](xacct_deploy::aws::AwsConnector), keeps its records elsewhere than in `.xacct/state`, or is more or less patient. What
/// `xacct.toml` says about profiles and roles is then the engine's business. With `--local` stacks still go to the CloudFormation in memory.
///
/// Tests of an app give it a [`World`](xacct_deploy::memory::World) in which things are there already, or go wrong:
/// ```no_run
/// use std::process::ExitCode;
/// use std::sync::Arc;
///
/// use xacct_cli::{Config, ConfigError};
/// use xacct_core::{App, Stack, StackProps};
/// use xacct_deploy::memory::{CallFault, Fault, World};
/// use xacct_deploy::{Engine, FileStore};
///
/// fn define(app: &App, config: &Config) -> Result<(), ConfigError> {
///     Stack::new(app, "Tools", config.environment("tools")?, StackProps::new());
///     Ok(())
/// }
///
/// fn main() -> ExitCode {
///     let world = World::builder().speed(20.0).build();
///     world.fail_call(CallFault::new(Fault::ExpiredCredentials).operation("DescribeStackEvents"));
///     let engine = Engine::new(Arc::new(world), Arc::new(FileStore::new(".xacct/state")));
///     xacct_cli::run_with(engine, define)
/// }
/// ```
pub fn run_with<R: Defined>(engine: Engine, define: impl Fn(&App, &Config) -> R) -> ExitCode {
    let define = |app: &App, config: &Config| define(app, config).into_result();
    main(&define, Some(engine)).into()
}

fn main(define: Define<'_>, engine: Option<Engine>) -> Exit {
    let (line, flags) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            // A reader that has gone does not want to know.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let CommandLine { verb, global } = line;
    let terminal = Terminal::new(&global);
    let verb = match verb {
        Some(verb) => verb,
        // CDK's CLI runs an app without arguments, and says by a variable where it wants the assembly.
        None if std::env::var_os("CDK_OUTDIR").is_some() => Verb::Synth(SynthArgs { stdout: None }),
        None => {
            let _ = command().write_long_help(&mut std::io::stderr());
            return Exit::Usage;
        }
    };
    if let Verb::Completions { shell } = verb {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), command().get_name().to_owned(), &mut script);
        return end(&terminal, terminal.write(&String::from_utf8_lossy(&script)).map(|()| Exit::Done));
    }
    if let Err(failure) = terminal.json_version() {
        return end(&terminal, Err(failure));
    }
    match Session::new(global, flags, terminal, define, engine) {
        Ok(session) => {
            let result = verbs::run(&session, verb);
            end(&session.terminal, result)
        }
        Err((failure, terminal)) => end(&terminal, Err(failure)),
    }
}

/// Tells why it did not work, and how the program ends.
fn end(terminal: &Terminal, result: Result<Exit, Failure>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            for problem in &failure.problems {
                terminal.problem(problem);
            }
            failure.exit
        }
    }
}

/// The command, under the name that the user's program has.
fn command() -> clap::Command {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&program).file_stem().and_then(|it| it.to_str()).unwrap_or("xacct").to_owned();
    CommandLine::command().name(name.clone()).bin_name(name)
}

fn parse() -> Result<(CommandLine, Vec<Flag>), clap::Error> {
    let matches = command().try_get_matches()?;
    Ok((CommandLine::from_arg_matches(&matches)?, flags(&command(), &matches)))
}

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
