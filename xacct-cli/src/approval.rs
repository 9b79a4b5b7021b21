//! The one question before anything is written.

use std::io::{self, Write};

use crate::exit::Exit;
use crate::problem::{Failure, Problem};
use crate::session::Session;

/// What to ask.
pub(crate) struct Question<'a> {
    /// `Deploy these changes to 2 accounts?`
    pub(crate) text: &'a str,
    /// More to read before the answer, line by line.
    pub(crate) details: &'a [String],
    /// What else has to be said on the command line to do without the question.
    pub(crate) instead: &'a str,
}

/// Asks, unless the user has agreed in advance. An error is a no.
pub(crate) async fn agree(session: &Session<'_>, question: &Question<'_>) -> Result<(), Failure> {
    if session.global.yes {
        return Ok(());
    }
    if !session.terminal.can_ask {
        let message = format!("cannot ask without a terminal: {}", question.text);
        let problem = Problem::error(message).code("cannot-ask");
        return Err(Failure::new(Exit::Usage, problem.help(format!("agree in advance with {}", question.instead))));
    }
    let choices = if question.details.is_empty() { "[y/N]" } else { "[y/N/d/?]" };
    let mut interrupts = session.interrupts.lock().await;
    loop {
        let _ = write!(io::stderr().lock(), "{} {choices} ", session.terminal.err.bold(question.text));
        let answer = tokio::select! {
            _ = interrupts.next() => {
                session.terminal.err_line("");
                return Err(Failure::new(Exit::Interrupted, Problem::error("interrupted: nothing was written")));
            }
            answer = read_line() => answer,
        };
        match answer.as_deref().map(str::trim) {
            Some("y" | "Y" | "yes" | "Yes") => return Ok(()),
            Some("d" | "D") => question.details.iter().for_each(|it| session.terminal.err_line(it)),
            Some("?") => session.terminal.err_line("y do it · n leave everything as it is · d show all that changes"),
            _ => {
                session.terminal.err_line("declined: nothing was written");
                return Err(Failure::told(Exit::Declined));
            }
        }
    }
}

/// A line of standard input, or nothing at its end.
async fn read_line() -> Option<String> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime would wait for one of its threads when the program ends.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        // Nobody waits any more if the user interrupted.
        let _ = sender.send(read.ok().filter(|it| *it > 0).map(|_| line));
    });
    receiver.await.ok().flatten()
}
