//! Sees a run of the engine through: shows its events, and does what the user wants when interrupted.

use std::time::Duration;

use tokio::sync::mpsc;
use xacct_deploy::event::StackInfo;
use xacct_deploy::{Event, Events, Handle, Intent, Run, RunError, Summary};

use crate::cloud::refused;
use crate::exit::Exit;
use crate::interrupt::{Interrupt, Interrupts};
use crate::problem::Failure;
use crate::session::{Session, invocation};
use crate::view::View;

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) summary: Summary,
    /// The stacks that it was about, in order.
    pub(crate) stacks: Vec<StackInfo>,
    pub(crate) was_interrupted: bool,
    pub(crate) took: Duration,
}

/// How often bars are redrawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// Follows a run to its end. An error if it did not begin, or if the user left.
pub(crate) async fn follow(
    session: &Session<'_>,
    run: Run<Result<Summary, RunError>>,
    events: Events,
) -> Result<Ended, Failure> {
    see(session, run, events, false).await
}

/// Shows what is to be seen now, and does not wait for what goes on.
pub(crate) async fn glance(
    session: &Session<'_>,
    run: Run<Result<Summary, RunError>>,
    events: Events,
) -> Result<Ended, Failure> {
    see(session, run, events, true).await
}

async fn see(
    session: &Session<'_>,
    run: Run<Result<Summary, RunError>>,
    mut events: Events,
    only_now: bool,
) -> Result<Ended, Failure> {
    let start = tokio::time::Instant::now();
    let handle = run.handle();
    let mut run = std::pin::pin!(run);
    let mut interrupts = Interrupts::listen();
    let mut view = View::new(&session.terminal);
    let mut stacks = Vec::new();
    let mut wishes: Option<mpsc::UnboundedReceiver<Wish>> = None;
    let mut interrupted = 0;
    let mut begun = 0;
    let mut tick = tokio::time::interval(TICK);
    let result = loop {
        tokio::select! {
            biased;
            signal = interrupts.next() => {
                interrupted += 1;
                if interrupted > 1 || signal == Interrupt::Terminate {
                    view.end();
                    leave(session);
                    return Err(Failure::told(Exit::Interrupted));
                }
                handle.set(Intent::StopStarting);
                wishes = ask(session, &mut view);
            }
            Some(event) = events.next() => {
                keep_stacks(&event, &mut stacks);
                view.event(&event);
                begun += usize::from(matches!(event, Event::StackStarted { .. }));
                if only_now && begun == stacks.len() {
                    handle.set(Intent::Detach);
                }
            }
            Some(wish) = next_wish(&mut wishes) => {
                obey(wish, &handle, &mut view);
                wishes = None;
            }
            result = &mut run => break result,
            _ = tick.tick() => view.tick(),
        }
    };
    while let Some(event) = events.try_next() {
        keep_stacks(&event, &mut stacks);
        view.event(&event);
    }
    view.end();
    let summary = result.map_err(|error| refused(&error, &session.config))?;
    if summary.is_detached() && !only_now {
        leave(session);
    }
    Ok(Ended { summary, stacks, was_interrupted: interrupted > 0, took: start.elapsed() })
}

fn keep_stacks(event: &Event, stacks: &mut Vec<StackInfo>) {
    if let Event::RunStarted { stacks: known, .. } = event {
        stacks.clone_from(known);
    }
}

/// What the user wants after a first Ctrl-C.
#[derive(Clone, Copy)]
enum Wish {
    Detach,
    Cancel,
    Wait,
}

/// Asks what to do, while the run goes on. Without a terminal nobody can answer: then what runs is waited for.
fn ask(session: &Session<'_>, view: &mut View<'_>) -> Option<mpsc::UnboundedReceiver<Wish>> {
    view.note("interrupted: no new stacks are started; once more leaves at once");
    if !session.terminal.can_ask {
        view.note("waiting for the stacks that are being worked on");
        return None;
    }
    view.note(
        "what about the stacks that are being worked on? d detach (they go on in AWS) · c cancel updates · w wait [w]",
    );
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let wish = match std::io::stdin().read_line(&mut answer).map(|_| answer.trim().to_lowercase()) {
            Ok(answer) if answer.starts_with('d') => Wish::Detach,
            Ok(answer) if answer.starts_with('c') => Wish::Cancel,
            _ => Wish::Wait,
        };
        // The run may have ended in the meantime.
        let _ = sender.send(wish);
    });
    Some(receiver)
}

async fn next_wish(wishes: &mut Option<mpsc::UnboundedReceiver<Wish>>) -> Option<Wish> {
    match wishes {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

fn obey(wish: Wish, handle: &Handle, view: &mut View<'_>) {
    match wish {
        Wish::Detach => {
            view.note("leaving the operations to AWS");
            handle.set(Intent::Detach);
        }
        Wish::Cancel => {
            view.note("cancelling updates; what is being created or deleted is waited for");
            handle.set(Intent::CancelUpdates);
        }
        Wish::Wait => view.note("waiting for the stacks that are being worked on"),
    }
}

/// What can be done from here, for somebody who left.
fn leave(session: &Session<'_>) {
    let program = invocation();
    let style = &session.terminal.err;
    session.terminal.say(&format!("{} operations that were started go on without us", style.yellow("left")));
    session.terminal.say(&format!("  how they stand   {program} status"));
    session.terminal.say(&format!("  follow them      {program} logs -f"));
    session.terminal.say(&format!("  cancel updates   {program} cancel"));
    session.terminal.say("  running the same command again takes them up where they are");
}
