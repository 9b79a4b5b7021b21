//! What each verb does.

mod doctor;
mod graph;
mod ls;
mod synth;

use crate::args::Verb;
use crate::exit::Exit;
use crate::problem::Failure;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Synth(args) => synth::run(session, &args),
        Verb::Ls(args) => ls::run(session, &args),
        Verb::Graph(args) => graph::run(session, &args),
        Verb::Doctor => doctor::run(session),
        // Needs no session.
        Verb::Completions { .. } => Ok(Exit::Done),
    }
}
