//! What stacks are deployed to: AWS, with the credentials that the configuration names, or a CloudFormation in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use xacct_core::Assembly;
use xacct_deploy::aws::{Access, AwsConnector, Proxy, RoleAccess, Source};
use xacct_deploy::memory::{LIMITS, World};
use xacct_deploy::{
    Cause, Engine, FileLock, FileStore, MemoryStore, Pace, Problem as Unreached, ProblemKind, RunError, Selection,
    StateError,
};

use crate::args::Local;
use crate::config::{Account, Config, bootstrap_qualifier};
use crate::exit::Exit;
use crate::failed::wrap;
use crate::problem::{Failure, Problem, io_reason};
use crate::proxy::ProxyVariable;
use crate::session::{Session, quoted, same_command};
use crate::terminal::Terminal;

/// Where this program keeps what it remembers.
const FOLDER: &str = ".xacct";
/// How many times as fast as the clock a local deployment is.
const LOCAL_SPEED: f64 = 20.0;

/// What to do about a file that cannot be used.
const OTHER_FILE: &str = "name another file with --local-state";

/// An engine, and what is behind it.
pub(crate) struct Cloud {
    pub(crate) engine: Engine,
    local: Option<LocalWorld>,
    /// The flags that lead to the same place.
    flags: String,
}

/// The world in memory, and the file that keeps it.
struct LocalWorld {
    world: World,
    file: PathBuf,
    /// Keeps everybody else from the file. Without it the world is only looked at, and not kept.
    lock: Option<FileLock>,
}

/// What stacks are deployed to is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A run. There is one at a time, from before the plan to the end.
    Run,
    /// Something beside a run, which may be active: in AWS. In memory there is nothing beside it.
    BesideRun,
    /// To look.
    Look,
}

impl Cloud {
    /// For a run: refused while another is active.
    pub(crate) fn new(session: &Session<'_>, local: &Local) -> Result<Self, Failure> {
        Self::open(session, local, Use::Run)
    }

    /// To do something about what another run may be doing.
    pub(crate) fn beside_run(session: &Session<'_>, local: &Local) -> Result<Self, Failure> {
        Self::open(session, local, Use::BesideRun)
    }

    /// To look at what is there.
    pub(crate) fn to_look(session: &Session<'_>, local: &Local) -> Result<Self, Failure> {
        Self::open(session, local, Use::Look)
    }

    fn open(session: &Session<'_>, local: &Local, purpose: Use) -> Result<Self, Failure> {
        if local.local {
            return Self::local(session, local.local_state.as_deref(), purpose);
        }
        Self::aws(session, connector(&session.config), purpose)
    }

    /// With the credentials behind the roles of a bootstrap, which is about to be made or changed.
    pub(crate) fn before_bootstrap(session: &Session<'_>, local: &Local) -> Result<Self, Failure> {
        if local.local {
            return Self::local(session, local.local_state.as_deref(), Use::Run);
        }
        let mut connector = connector(&session.config);
        for access in connector.accounts.values_mut() {
            access.role.take_if(|role| matches!(role, RoleAccess::CdkBootstrap { .. }));
        }
        Self::aws(session, connector, Use::Run)
    }

    fn aws(session: &Session<'_>, connector: AwsConnector, purpose: Use) -> Result<Self, Failure> {
        let engine = session.engine.clone().unwrap_or_else(|| {
            let store = FileStore::new(ignored(state_folder(&session.config)).join("state"));
            Engine::new(Arc::new(connector), Arc::new(store))
        });
        let engine = if purpose == Use::Run { engine.reserve().map_err(|it| no_lock(&it))? } else { engine };
        Ok(Self { engine, local: None, flags: String::new() })
    }

    fn local(session: &Session<'_>, given: Option<&Path>, purpose: Use) -> Result<Self, Failure> {
        let in_folder = || ignored(state_folder(&session.config)).join("local.json");
        let file = given.map_or_else(in_folder, Path::to_owned);
        let lock = match purpose {
            Use::Look => None,
            Use::Run | Use::BesideRun => {
                let mut name = file.clone().into_os_string();
                name.push(".lock");
                Some(
                    FileLock::acquire(Path::new(&name))
                        .map_err(|it| no_lock(&it).help(format!("nothing was done: {OTHER_FILE}")))?,
                )
            }
        };
        let builder = World::builder().speed(LOCAL_SPEED).bootstrapped();
        let world = builder.load(&file).map_err(|error| Failure::internal(&error).help(OTHER_FILE))?;
        let mut engine = Engine::new(Arc::new(world.clone()), Arc::new(MemoryStore::default()));
        engine.pace = Pace { first: Duration::from_millis(20), longest: Duration::from_millis(60) };
        let style = &session.terminal.err;
        session.terminal.say(&format!(
            "{} CloudFormation in memory, not AWS; state in {}",
            style.cyan("local"),
            file.display()
        ));
        let state = given.map(|it| format!(" --local-state {}", quoted(&it.display().to_string())));
        let flags = format!(" --local{}", state.unwrap_or_default());
        Ok(Self { engine, local: Some(LocalWorld { world, file, lock }), flags })
    }

    /// Another command about the same stacks, to paste into a shell.
    pub(crate) fn command(&self, session: &Session<'_>, verb: &str) -> String {
        format!("{}{}", session.command(verb), self.flags)
    }

    pub(crate) fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Says what a deployment does not show, if it is only to the world in memory.
    pub(crate) fn tell_limits(&self, terminal: &Terminal) {
        if self.local.is_none() {
            return;
        }
        if terminal.verbose {
            terminal.say("it does not check:");
            LIMITS.iter().for_each(|it| terminal.say(&format!("  - {it}")));
            return;
        }
        let limits: Vec<&str> = LIMITS.iter().map(|it| it.split([':', ';', ',']).next().unwrap_or(it)).collect();
        let text = format!("it does not check: {} (more with -v)", limits.join(", "));
        for line in wrap(&text, terminal.err.width.saturating_sub(6)) {
            terminal.say(&format!("      {}", terminal.err.dim(&line)));
        }
    }

    /// Keeps the world in memory for the next time.
    pub(crate) fn keep(&self) -> Result<(), Failure> {
        self.save()
            .map_err(|it| it.help(format!("what was deployed now is forgotten: make room there, or {OTHER_FILE}")))
    }

    /// Finds out before anything is done whether the world in memory can be kept afterwards.
    pub(crate) fn ensure_it_keeps(&self) -> Result<(), Failure> {
        self.save().map_err(|it| it.help(format!("nothing was done: make room there, or {OTHER_FILE}")))
    }

    fn save(&self) -> Result<(), Failure> {
        let Some(LocalWorld { world, file, lock: Some(_) }) = &self.local else { return Ok(()) };
        let parent = file.parent().filter(|it| !it.as_os_str().is_empty());
        parent.map_or(Ok(()), fs::create_dir_all).map_err(|error| {
            let message = format!("cannot make the folder of `{}`", file.display());
            Failure::new(Exit::Internal, Problem::error(message).note(io_reason(&error)))
        })?;
        world.save(file).map_err(|error| Failure::internal(&error))
    }
}

/// Where this program keeps what it remembers: beside the configuration file that is in force, else in the current folder. So the same app
/// has the same records and the same lock, wherever it is started from.
pub(crate) fn state_folder(config: &Config) -> PathBuf {
    let file = config.file.as_deref().map(Path::new);
    file.and_then(Path::parent).unwrap_or(Path::new("")).join(FOLDER)
}

/// The folder, which keeps itself out of version control.
fn ignored(folder: PathBuf) -> PathBuf {
    let ignore = folder.join(".gitignore");
    if !ignore.exists() && fs::create_dir_all(&folder).is_ok() {
        // A convenience only: whoever keeps records there finds out what is wrong.
        let _ = fs::write(ignore, "*\n");
    }
    folder
}

/// There is another run, or nothing can be kept.
fn no_lock(error: &StateError) -> Failure {
    match error {
        StateError::Locked { .. } => {
            let problem = Problem::error(error.to_string()).code("locked").note(NOTHING_WRITTEN);
            Failure::new(Exit::DeployFailed, problem)
                .help("`status` and `logs -f` show what it does; they and `cancel` need no lock")
        }
        _ => Failure::internal(error),
    }
}

/// The stacks whose accounts can be reached, and what stands in the way of the others.
pub(crate) async fn reachable(
    session: &Session<'_>,
    cloud: &Cloud,
    assembly: &Assembly,
    selection: &Selection,
) -> Result<(Selection, Vec<Unreached>), Failure> {
    let question = cloud.engine.reachable(assembly, selection);
    answer(session, NOTHING_WRITTEN, question).await
}

/// How it ended for the stacks that could be reached, unless others could not: then that is told now.
pub(crate) fn unless_unreached(session: &Session<'_>, unreached: Vec<Unreached>, exit: Exit) -> Result<Exit, Failure> {
    if unreached.is_empty() { Ok(exit) } else { Err(refused(&RunError::Preflight(unreached), session)) }
}

fn connector(config: &Config) -> AwsConnector {
    let mut connector = AwsConnector::default();
    connector.proxy = Proxy::Environment;
    for account in config.accounts.values() {
        let source = match &account.profile {
            Some(profile) => Source::Profile(profile.value.clone()),
            None => Source::Environment,
        };
        let access = Access { source, role: role(account, config) };
        connector.accounts.insert(account.id.value.to_string(), access);
    }
    connector
}

fn role(account: &Account, config: &Config) -> Option<RoleAccess> {
    let role = account.role.as_ref()?.value.clone();
    if let Some(qualifier) = bootstrap_qualifier(&role) {
        return Some(RoleAccess::CdkBootstrap { qualifier: qualifier.to_owned() });
    }
    let region = account.region.as_ref().unwrap_or(&config.region);
    let arn = if role.starts_with("arn:") {
        role
    } else {
        format!("arn:{}:iam::{}:role/{role}", region.value.partition(), account.id.value)
    };
    let external_id = account.external_id.as_ref().map(|it| it.value.clone());
    Some(RoleAccess::Role { arn, external_id })
}

/// Waits for what the engine finds out. Whoever interrupts leaves at once; `so_far` says what was done until then.
pub(crate) async fn answer<T>(
    session: &Session<'_>,
    so_far: &str,
    question: impl Future<Output = Result<T, RunError>>,
) -> Result<T, Failure> {
    let mut interrupts = session.interrupts.lock().await;
    tokio::select! {
        biased;
        _ = interrupts.next() => {
            Err(Failure::new(Exit::Interrupted, Problem::error(format!("interrupted: {so_far}"))))
        }
        answer = told(session, question) => answer.map_err(|error| refused(&error, session)),
    }
}

/// An answer that takes so long is waited for with a word.
const LONG: Duration = Duration::from_secs(5);

async fn told<T>(session: &Session<'_>, question: impl Future<Output = T>) -> T {
    let mut question = std::pin::pin!(question);
    match tokio::time::timeout(LONG, &mut question).await {
        Ok(answer) => answer,
        Err(_) => {
            let style = &session.terminal.err;
            session.terminal.say(&style.dim("still waiting for an answer; Ctrl-C ends it"));
            question.await
        }
    }
}

/// What most of the program has done when it is interrupted.
pub(crate) const NOTHING_WRITTEN: &str = "nothing was written";

/// A run that could not begin, with everything that stands in its way.
pub(crate) fn refused(error: &RunError, session: &Session<'_>) -> Failure {
    match error {
        RunError::Preflight(problems) => {
            let is_credentials =
                |kind| matches!(kind, ProblemKind::Credentials | ProblemKind::Clock | ProblemKind::WrongAccount);
            let exit = if problems.iter().any(|it| is_credentials(it.kind)) {
                Exit::Credentials
            } else if problems.iter().all(|it| it.kind == ProblemKind::MissingInput) {
                Exit::Usage
            } else {
                Exit::DeployFailed
            };
            let problems = problems.iter().map(|it| standing_in_the_way(it, session)).collect();
            Failure { exit, problems }
        }
        RunError::State(error) => no_lock(error),
        RunError::UnknownStack(_) => Failure { exit: Exit::Usage, ..Failure::internal(error) },
        RunError::Cycle(_) => Failure { exit: Exit::Rules, ..Failure::internal(error) },
        _ => Failure::internal(error),
    }
}

/// A parameter without a value: what is known before anything is written needs no place in a stack that failed.
fn missing_value(cause: &Cause) -> Problem {
    let stack = cause.path.as_deref().unwrap_or_default();
    let parameter = cause.logical_id.as_deref().unwrap_or_default();
    let value = quoted(&format!("{stack}:{parameter}=VALUE"));
    let found = Problem::error(cause.message.clone()).code("missing-input").note(NOTHING_WRITTEN);
    found.help(format!("run `{} --parameters {value}`, or give it a default in the program", same_command()))
}

fn standing_in_the_way(problem: &Unreached, session: &Session<'_>) -> Problem {
    let config = &session.config;
    let environment = &problem.environment;
    let account = config.accounts.iter().find(|(_, it)| it.id.value.as_str() == environment.account);
    let alias = account.map(|(alias, _)| alias.as_str());
    let name = alias.map_or_else(|| environment.to_string(), |alias| format!("{alias} ({environment})"));
    let (code, message) = match problem.kind {
        ProblemKind::Credentials => ("credentials", format!("no credentials that work for {name}")),
        ProblemKind::Clock => ("clock", format!("this machine's clock is wrong, says AWS for {name}")),
        ProblemKind::WrongAccount => ("wrong-account", format!("the credentials for {name} are for another account")),
        ProblemKind::Unreachable => ("unavailable", format!("AWS does not answer for {name}")),
        ProblemKind::NotBootstrapped => ("not-bootstrapped", format!("{name} is not bootstrapped")),
        ProblemKind::MissingInput => return missing_value(&problem.cause),
        ProblemKind::Other => ("preflight", format!("{name} cannot be deployed to")),
    };
    let mut found = Problem::error(message).code(code).note(problem.cause.message.clone());
    if let Some(detail) = &problem.cause.detail {
        found = found.note(detail.clone());
    }
    let proxies = ProxyVariable::all();
    if problem.kind == ProblemKind::Unreachable {
        for proxy in proxies.iter().filter(|it| it.is_proxy()) {
            found = found.note(format!("through the proxy `{}`, from {}", proxy.shown(), proxy.name));
        }
    }
    if let Some((_, account)) = account.filter(|_| problem.kind != ProblemKind::Clock) {
        for (what, setting) in [("profile", &account.profile), ("role", &account.role)] {
            if let Some(setting) = setting {
                found = found.note(format!("{what} `{}`, from {}", setting.value, setting.from));
            }
        }
    }
    let help = match (problem.kind, alias) {
        (ProblemKind::NotBootstrapped, _) => format!("run `{}`", session.command("bootstrap")),
        (ProblemKind::Other | ProblemKind::Clock, _) => problem.cause.help.clone().unwrap_or_default(),
        (ProblemKind::Unreachable, _) => {
            "look at the network, at `HTTPS_PROXY` and `NO_PROXY`, and at `AWS_ENDPOINT_URL` if it is set; nothing was written".to_owned()
        }
        (ProblemKind::Credentials, _) if account.is_some_and(|(_, it)| it.profile.is_some()) => {
            let profile =
                account.and_then(|(_, it)| it.profile.as_ref()).map(|it| it.value.as_str()).unwrap_or_default();
            format!(
                "`aws configure list-profiles` shows which there are, `aws sso login --profile {}` renews a session; nothing was \
                 written",
                quoted(profile)
            )
        }
        (_, Some(alias)) => format!(
            "give the account a `profile` or a `role` in xacct.toml, or `--profile {alias}=NAME`; nothing was written"
        ),
        (_, None) => {
            "configure the account in xacct.toml, with a `profile` or a `role`; nothing was written".to_owned()
        }
    };
    if help.is_empty() { found } else { found.help(help) }
}
