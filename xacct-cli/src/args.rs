//! What can be said on the command line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Parser, Subcommand, ValueEnum};

use xacct_deploy::{ExecutionPolicy, Trusted};

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

Options can be given by variables too: XACCT_OUTPUT, XACCT_YES, XACCT_REGION,
XACCT_PROFILE_<ALIAS>, XACCT_CONTEXT_<KEY> and so on; `doctor` shows what counts.

Exit codes: 0 done, 1 internal, 2 differences (with --exit-code), 3 deployment
failed, 4 rules broken, 5 credentials, 6 declined, 64 usage or configuration,
130 interrupted."
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
    /// Do not hold the templates against AWS's schemas of resource types
    #[arg(long, global = true, env = "XACCT_NO_VALIDATION", hide_env = true, value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Global options")]
    pub(crate) no_validation: bool,
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
    /// Prove that every access the design needs is allowed, and find broken rules and who else gets in
    Check(CheckArgs),
    /// Show who may do something, or every access that the design needs
    Access(AccessArgs),
    /// Show what a deployment would change, and who may do more afterwards
    Diff(DiffArgs),
    /// Deploy stacks to all their accounts, in the order of their dependencies
    Deploy(DeployArgs),
    /// Delete stacks, in the reverse order
    Destroy(DestroyArgs),
    /// Make what accounts need before the first deployment: a bucket for assets, and roles to deploy with
    Bootstrap(BootstrapArgs),
    /// Show every effective setting and where it came from, and check tools and accounts
    Doctor(DoctorArgs),
    /// Explain a rule, or a kind of failure
    Explain(ExplainArgs),
    /// Start a new app in a folder of its own
    Init(InitArgs),
    /// Show how stacks are now
    Status(StatusArgs),
    /// Show what happened to stacks, and follow what goes on
    Logs(LogsArgs),
    /// Cancel the updates that run on stacks
    Cancel(CancelArgs),
    /// Roll back stacks that stand still after a failure, and continue rollbacks that failed
    Rollback(RollbackArgs),
    /// Find out what was changed by hand
    Drift(DriftArgs),
    /// Take over resources that exist already
    Import(ImportArgs),
    /// Print the outputs of stacks
    Outputs(OutputsArgs),
    /// Draw which stack comes before which
    Graph(GraphArgs),
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

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// Write the findings to a file too, as SARIF, which code hosts and editors show
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    /// The action, such as s3:GetObject
    pub(crate) action: Option<String>,
    /// The resource: the path of its construct, such as Tools/Artifacts
    pub(crate) resource: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// End with exit code 2 if there are differences
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) parameters: Parameters,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// Leave out the stacks that these depend on
    #[arg(long, short = 'e')]
    pub(crate) exclusively: bool,
    /// When to ask before anything is written
    #[arg(long, value_name = "WHEN", default_value = "any", env = "XACCT_REQUIRE_APPROVAL", hide_env = true)]
    pub(crate) require_approval: RequireApproval,
    /// Agree to losing the data of a resource that is replaced or removed, by the path of its construct
    #[arg(long, value_name = "PATH")]
    pub(crate) allow_replace: Vec<String>,
    /// Make change sets, show them, and remove them again
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not wait until resources are ready: for development
    #[arg(long)]
    pub(crate) express: bool,
    /// Keep what was made when something fails
    #[arg(long)]
    pub(crate) no_rollback: bool,
    /// Undo changes that were made by hand, too
    #[arg(long)]
    pub(crate) revert_drift: bool,
    /// Take over resources that exist already under the name that the template gives them, if they are retained on deletion
    #[arg(long)]
    pub(crate) import_existing_resources: bool,
    /// Write the outputs of all stacks to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) outputs_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) parameters: Parameters,
    #[command(flatten)]
    pub(crate) running: Running,
    #[command(flatten)]
    pub(crate) local: Local,
}

/// How a run goes about its work.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// How many stacks are worked on at the same time
    #[arg(long, value_name = "N", default_value = "10", value_parser = at_least_one)]
    pub(crate) concurrency: usize,
    /// What a failure means for stacks that do not depend on it: start no more, or finish them
    #[arg(long, value_name = "WHAT", default_value = "finish-wave")]
    pub(crate) on_failure: OnFailure,
    /// How long one operation may take, such as 90s, 30m or 2h; after that it is left to AWS
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// What to do about a stack that somebody else works on: follow it to its end first, or stop and say so
    #[arg(long, value_name = "WHAT", default_value = "wait")]
    pub(crate) if_busy: IfBusy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IfBusy {
    /// Follow it to its end, then begin
    Wait,
    /// Leave it alone: that is a failure
    Stop,
}

/// Values for parameters of templates.
#[derive(Debug, Default, Args)]
pub(crate) struct Parameters {
    /// A value for a parameter of a stack's template
    #[arg(long, value_name = "[STACK:]NAME=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
    /// A value for a parameter from an environment variable: for secrets, which do not belong on a command line
    #[arg(long, value_name = "[STACK:]NAME=VARIABLE", value_parser = pair)]
    pub(crate) parameters_from_env: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RequireApproval {
    /// Not at all
    Never,
    /// If somebody may do more afterwards, or data is lost
    Broadening,
    /// If anything changes
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// Start nothing more
    Stop,
    /// Go on with stacks that do not depend on what failed
    FinishWave,
}

/// What to work with.
#[derive(Debug, Args)]
pub(crate) struct Local {
    /// Work with a CloudFormation in memory instead of AWS: no account is needed
    #[arg(long, env = "XACCT_LOCAL", hide_env = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) local: bool,
    /// Where the state of the local CloudFormation is kept [default: .xacct/local.json]
    #[arg(long, value_name = "FILE", requires = "local")]
    pub(crate) local_state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DestroyArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// Leave out the stacks that depend on these
    #[arg(long, short = 'e')]
    pub(crate) exclusively: bool,
    /// Turn termination protection off first
    #[arg(long)]
    pub(crate) remove_protection: bool,
    /// Delete a stack even if resources in it cannot be deleted, and leave those
    #[arg(long)]
    pub(crate) keep_what_fails: bool,
    #[command(flatten)]
    pub(crate) running: Running,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct BootstrapArgs {
    /// Who may use the roles besides the account itself: an account's id, or the ARN of a role or user. Named anew, it replaces
    /// who was named before; principals of the account itself take the place of the whole account
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    pub(crate) trust: Vec<Trusted>,
    /// What CloudFormation may do: `derived`, which is what the stacks need as far as AWS publishes it, and managed policies by their
    /// ARNs [default: what was said before, or derived]
    #[arg(long, value_name = "POLICY", value_delimiter = ',')]
    pub(crate) execution_policies: Vec<ExecutionPolicy>,
    /// Tells several bootstraps of an environment apart [default: hnb659fds, as in CDK]
    #[arg(long, value_name = "NAME", value_parser = qualifier)]
    pub(crate) qualifier: Option<String>,
    #[command(flatten)]
    pub(crate) running: Running,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Do not look into the accounts
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The name that a finding shows, such as duplicate-id; without one, all are listed
    pub(crate) rule: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder to make
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// Follow what runs to its end
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// Logical id of a resource to leave as it is, when a rollback that failed is continued
    #[arg(long, value_name = "LOGICAL_ID")]
    pub(crate) skip: Vec<String>,
    #[command(flatten)]
    pub(crate) running: Running,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    /// End with exit code 2 if there is drift
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The stack that takes the resources over
    #[arg(value_name = "STACK")]
    pub(crate) stack: String,
    /// Which resource is which: its construct's path or logical id, and the identifiers that it has in AWS
    #[arg(value_name = "PATH:KEY=VALUE[,KEY=VALUE]", required = true, value_parser = identified)]
    pub(crate) resources: Vec<(String, BTreeMap<String, String>)>,
    #[command(flatten)]
    pub(crate) parameters: Parameters,
    #[command(flatten)]
    pub(crate) running: Running,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct OutputsArgs {
    #[command(flatten)]
    pub(crate) stacks: Stacks,
    #[command(flatten)]
    pub(crate) local: Local,
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

/// A flag that is not about one setting of the configuration, as it counts now.
pub(crate) struct Flag {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The flag, the variable, or that it is a default.
    pub(crate) from: String,
}

/// What is about single settings, or of no interest by itself.
const ELSEWHERE: [&str; 5] = ["account", "profile", "region", "context", "help"];

/// The flags of every verb, and those of `deploy` that variables give.
pub(crate) fn flags(command: &Command, matches: &ArgMatches) -> Vec<Flag> {
    let of_verb = matches.subcommand().map_or(matches, |(_, it)| it);
    let of_deploy = command.find_subcommand("deploy").into_iter().flat_map(Command::get_arguments);
    let all = command.get_arguments().chain(of_deploy.filter(|it| it.get_env().is_some()));
    all.filter(|it| !ELSEWHERE.contains(&it.get_id().as_str())).map(|it| flag(it, of_verb)).collect()
}

fn flag(arg: &Arg, matches: &ArgMatches) -> Flag {
    let id = arg.get_id().as_str();
    let name = arg.get_long().unwrap_or(id).to_owned();
    let variable = arg.get_env().map(|it| it.to_string_lossy().into_owned());
    let text = |values: Vec<&OsStr>| values.iter().map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(", ");
    let Ok(raw) = matches.try_get_raw(id) else {
        // The verb does not have it; another reads the variable.
        let set = variable.and_then(|it| Some((std::env::var(&it).ok()?, it)));
        let default =
            || (text(arg.get_default_values().iter().map(|it| it.as_os_str()).collect()), "default".to_owned());
        let (value, from) = set.unwrap_or_else(default);
        return Flag { name, value, from };
    };
    let value = match arg.get_action() {
        ArgAction::SetTrue => matches.get_flag(id).to_string(),
        _ => raw.map_or_else(|| "none".to_owned(), |it| text(it.collect())),
    };
    let from = match (matches.value_source(id), variable) {
        (Some(ValueSource::CommandLine), _) => format!("--{name}"),
        (Some(ValueSource::EnvVariable), Some(variable)) => variable,
        _ => "default".to_owned(),
    };
    Flag { name, value, from }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// Names of roles are at most 64 characters, which leaves ten.
fn qualifier(text: &str) -> Result<String, String> {
    let is_good = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    let is_good = (1..=10).contains(&text.len()) && text.chars().all(is_good);
    is_good.then(|| text.to_owned()).ok_or_else(|| "up to ten letters, digits, - and _".to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|it| *it > 0).ok_or_else(|| "give a number from 1".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let error = || "write it as a number with `s`, `m` or `h`, such as 30m".to_owned();
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(error()),
    };
    let number: u64 = number.parse().map_err(|_| error())?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

fn identified(text: &str) -> Result<(String, BTreeMap<String, String>), String> {
    let error = || "write it as PATH:KEY=VALUE, such as Tools/Bucket:BucketName=my-bucket".to_owned();
    let (resource, identifiers) = text.split_once(':').ok_or_else(error)?;
    let identifiers: Result<BTreeMap<_, _>, String> = identifiers.split(',').map(pair).collect();
    Ok((resource.to_owned(), identifiers.map_err(|_| error())?))
}
