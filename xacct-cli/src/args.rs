//! What can be said on the command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::Overrides;

/// Infrastructure for several AWS accounts: synthesize it, prove its access, deploy it.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    disable_help_flag = true,
    after_help = "\
Data goes to standard output, progress to standard error.


Options can be given by variables too: XACCT_OUTPUT, XACCT_CONFIG, XACCT_REGION, XACCT_YES, XACCT_ACCOUNT_<ALIAS>,
XACCT_PROFILE_<ALIAS>, XACCT_ROLE_<ALIAS>, XACCT_CONTEXT_<KEY> and so on. `doctor` shows what is in effect.

Exit codes: 0 done, 1 internal, 2 differences (with --exit-code), 3 deployment failed, 4 rules broken,
5 credentials, 6 declined, 64 usage or configuration, 130 interrupted."
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder for the cloud assembly [default: cdk.out]
    #[arg(
        long,
        short = 'o',
        value_name = "DIR",
        global = true,
        env = "XACCT_OUTPUT",
        hide_env = true,
        help_heading = "Global options"
    )]
    pub(crate) output: Option<PathBuf>,
    /// Use the assembly in this folder as it is, instead of running the app's definitions
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        env = "XACCT_ASSEMBLY",
        hide_env = true,
        help_heading = "Global options"
    )]
    pub(crate) assembly: Option<PathBuf>,
    /// Configuration file [default: xacct.toml here, or beside the app's Cargo.toml]
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "XACCT_CONFIG",
        hide_env = true,
        help_heading = "Global options"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Id of an account, such as tools=111111111111
    #[arg(long, value_name = "ALIAS=ID", value_parser = pair, global = true, help_heading = "Global options")]
    pub(crate) account: Vec<(String, String)>,
    /// Credentials of an account: a profile of the AWS configuration, such as tools=my-profile
    #[arg(long, value_name = "ALIAS=NAME", value_parser = pair, global = true, help_heading = "Global options")]
    pub(crate) profile: Vec<(String, String)>,
    /// Region of all that has none of its own
    #[arg(long, value_name = "REGION", global = true, help_heading = "Global options")]
    pub(crate) region: Option<String>,
    /// A value for the app
    #[arg(long, short = 'c', value_name = "KEY=VALUE", value_parser = pair, global = true, help_heading = "Global options")]
    pub(crate) context: Vec<(String, String)>,
    /// Answer every question with yes
    #[arg(long, short = 'y', global = true, env = "XACCT_YES", hide_env = true, value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Global options")]
    pub(crate) yes: bool,
    /// Print JSON, one object a line, to standard output and nothing else
    #[arg(long, global = true, env = "XACCT_JSON", hide_env = true, value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Global options")]
    pub(crate) json: bool,
    /// When to use colors
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        env = "XACCT_COLOR",
        hide_env = true,
        default_value = "auto",
        help_heading = "Global options"
    )]
    pub(crate) color: ColorWhen,
    /// How to show progress: bars on a terminal, otherwise one line an event
    #[arg(
        long,
        value_name = "HOW",
        global = true,
        env = "XACCT_PROGRESS",
        hide_env = true,
        default_value = "auto",
        help_heading = "Global options"
    )]
    pub(crate) progress: ProgressHow,
    /// Say only what is wrong
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Say more: repeated calls, every event
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) verbose: bool,
    /// Print help
    #[arg(long, short, action = ArgAction::HelpShort, global = true, help_heading = "Global options")]
    help: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressHow {
    /// Bars on a terminal, events elsewhere
    Auto,
    /// A line a stack that is redrawn
    Bars,
    /// A line an event
    Events,
    /// Nothing but failures
    Errors,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write the templates of all stacks, in the format of CDK's cloud assembly
    Synth(SynthArgs),
    /// List the stacks in the order of their deployment
    Ls(LsArgs),
    /// Draw which stack comes before which
    Graph(GraphArgs),
    /// Show every effective setting and where it came from
    Doctor,
    /// Print a script that completes this command line in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// Print the template of this stack to standard output as well
    #[arg(long, value_name = "STACK")]
    pub(crate) stdout: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// Show environment, resources and dependencies too
    #[arg(long, short)]
    pub(crate) long: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// The language of the drawing
    #[arg(long, value_name = "LANGUAGE", default_value = "mermaid")]
    pub(crate) format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Mermaid,
    Dot,
}

/// Which stacks.
#[derive(Debug, Default, Args)]
pub(crate) struct Stacks {
    /// Stacks by name; `*` and `?` stand for others [default: all]
    #[arg(value_name = "STACK")]
    pub(crate) patterns: Vec<String>,
}

impl Global {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            file: self.config.clone(),
            region: self.region.clone(),
            accounts: self.account.clone(),
            profiles: self.profile.clone(),
            context: self.context.clone(),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
