//! What each verb does.

mod access;
mod bootstrap;
mod cancel;
mod check;
mod deploy;
mod destroy;
mod diff;
mod doctor;
mod drift;
mod explain;
mod graph;
mod import;
mod init;
mod logs;
mod ls;
mod outputs;
mod rollback;
mod status;
mod synth;

use crate::args::Verb;
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::problem::{Failure, Problem};
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Synth(args) => synth::run(session, &args),
        Verb::Ls(args) => ls::run(session, &args),
        Verb::Graph(args) => graph::run(session, &args),
        Verb::Check(args) => check::run(session, &args),
        Verb::Access(args) => access::run(session, &args),
        Verb::Diff(args) => wait(session, diff::run(session, &args)),
        Verb::Deploy(args) => wait(session, deploy::run(session, &args)),
        Verb::Destroy(args) => wait(session, destroy::run(session, &args)),
        Verb::Bootstrap(args) => wait(session, bootstrap::run(session, &args)),
        Verb::Doctor(args) => wait(session, doctor::run(session, &args)),
        Verb::Status(args) => wait(session, status::run(session, &args)),
        Verb::Logs(args) => wait(session, logs::run(session, &args)),
        Verb::Cancel(args) => wait(session, cancel::run(session, &args)),
        Verb::Rollback(args) => wait(session, rollback::run(session, &args)),
        Verb::Drift(args) => wait(session, drift::run(session, &args)),
        Verb::Import(args) => wait(session, import::run(session, &args)),
        Verb::Outputs(args) => wait(session, outputs::run(session, &args)),
        Verb::Explain(args) => explain::run(session, &args),
        Verb::Init(args) => init::run(session, &args),
        // Needs no session.
        Verb::Completions { .. } => Ok(Exit::Done),
    }
}

/// Runs a verb that talks to accounts. The others do without the cost of a runtime.
fn wait(session: &Session<'_>, verb: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(async {
                *session.interrupts.lock().await = Interrupts::listen();
                verb.await
            });
            // An upload that was given up must not hold the program back.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::new(Exit::Internal, Problem::error(format!("cannot start: {error}")))),
    }
}

/// `1 stack`, `2 stacks`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
