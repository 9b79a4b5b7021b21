//! Sees a run of the engine through: shows its events, and does what the user wants when interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use xacct_core::Assembly;
use xacct_deploy::event::StackInfo;
use xacct_deploy::{Cause, Environment, Event, Events, Handle, Intent, Outcome, Run, RunError, Summary};

use crate::cloud::{Cloud, NOTHING_WRITTEN, refused};
use crate::exit::Exit;
use crate::failed;
use crate::interrupt::Interrupt;
use crate::problem::{Failure, Problem};
use crate::session::Session;
use crate::view::View;

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) summary: Summary,
    /// The stacks that it was about, in order.
    pub(crate) stacks: Vec<StackInfo>,
    /// The ARNs of the stacks, by their ids, as far as operations on them were seen.
    pub(crate) stack_ids: BTreeMap<String, String>,
    /// The assets that could not be uploaded.
    pub(crate) assets: Vec<FailedAsset>,
    pub(crate) was_interrupted: bool,
    pub(crate) took: Duration,
}

/// An asset that could not be uploaded.
pub(crate) struct FailedAsset {
    /// The path of its construct.
    pub(crate) name: String,
    pub(crate) environment: Environment,
    pub(crate) cause: Cause,
}

/// A run of the engine, and what it tells.
pub(crate) type Started = (Run<Result<Summary, RunError>>, Events);

/// How often bars are redrawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);
/// How long a run may take to let go of what it is doing when the user leaves.
const PARTING: Duration = Duration::from_secs(5);

/// Follows a run to its end, keeps what is local, and tells what failed. An error if the run did not begin, or if the user left.
pub(crate) async fn follow(
    session: &Session<'_>,
    cloud: &Cloud,
    assembly: &Assembly,
    run: Started,
) -> Result<Ended, Failure> {
    cloud.ensure_it_keeps()?;
    let ended = see(session, cloud, run, Manner::Work).await;
    let kept = cloud.keep();
    match ended {
        Ok(ended) => {
            failed::tell(session, cloud, &ended, assembly);
            kept.map(|()| ended)
        }
        Err(mut failure) => {
            failure.problems.extend(kept.err().into_iter().flat_map(|it| it.problems));
            Err(failure)
        }
    }
}

/// Shows what is to be seen now, and does not wait for what goes on.
pub(crate) async fn glance(session: &Session<'_>, cloud: &Cloud, run: Started) -> Result<Ended, Failure> {
    see(session, cloud, run, Manner::Glance).await
}

/// Follows what somebody does, and tells what failed. Whoever has seen enough interrupts it.
pub(crate) async fn watch(
    session: &Session<'_>,
    cloud: &Cloud,
    assembly: &Assembly,
    run: Started,
) -> Result<Ended, Failure> {
    let ended = see(session, cloud, run, Manner::Watch).await?;
    cloud.keep()?;
    failed::tell(session, cloud, &ended, assembly);
    Ok(ended)
}

/// What a run is followed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It does something.
    Work,
    /// It only looks, until what is looked at ends.
    Watch,
    /// It only looks at what is there now.
    Glance,
}

async fn see(session: &Session<'_>, cloud: &Cloud, run: Started, manner: Manner) -> Result<Ended, Failure> {
    let (run, mut events) = run;
    let start = Instant::now();
    let handle = run.handle();
    let mut run = std::pin::pin!(run);
    let mut interrupts = session.interrupts.lock().await;
    let mut view = match manner {
        Manner::Glance => View::of_the_past(&session.terminal),
        Manner::Work if cloud.is_local() => View::new(&session.terminal).of_a_rehearsal(),
        Manner::Work | Manner::Watch => View::new(&session.terminal),
    };
    let mut seen = Seen::default();
    let mut wishes: Option<mpsc::UnboundedReceiver<Wish>> = None;
    let mut interrupted = false;
    let mut parting: Option<Instant> = None;
    let mut tick = tokio::time::interval(TICK);
    let result = loop {
        tokio::select! {
            biased;
            signal = interrupts.next() => {
                if manner != Manner::Work {
                    view.end();
                    return Err(Failure::told(Exit::Interrupted));
                }
                if !seen.has_begun() {
                    view.end();
                    return Err(Failure::new(Exit::Interrupted, Problem::error(format!("interrupted: {NOTHING_WRITTEN}"))));
                }
                if interrupted || signal == Interrupt::Terminate {
                    view.end();
                    return leave(session, cloud, &seen);
                }
                interrupted = true;
                handle.set(Intent::StopStarting);
                wishes = ask(session, &mut view);
            }
            Some(event) = events.next() => {
                seen.event(&event);
                view.event(&event);
                if manner == Manner::Glance && seen.begun == seen.stacks.len() {
                    handle.set(Intent::Detach);
                }
            }
            Some(wish) = next_wish(&mut wishes) => {
                view.resume();
                obey(wish, &handle, &mut view);
                parting = matches!(wish, Wish::Detach).then(|| Instant::now() + PARTING);
                wishes = None;
            }
            result = &mut run => break result,
            // A call that is being repeated does not listen: what it would have told is not worth waiting for.
            () = until(parting) => {
                view.end();
                return leave(session, cloud, &seen);
            }
            _ = tick.tick() => view.tick(),
        }
    };
    while let Some(event) = events.try_next() {
        seen.event(&event);
        view.event(&event);
    }
    view.end();
    let summary = result.map_err(|error| refused(&error, session))?;
    if summary.is_detached() && manner == Manner::Work {
        tell_how_to_go_on(session, cloud, &seen)?;
    }
    let Seen { stacks, failed, stack_ids, .. } = seen;
    Ok(Ended { summary, stacks, stack_ids, assets: failed, was_interrupted: interrupted, took: start.elapsed() })
}

/// What is known of a run from its events.
#[derive(Default)]
struct Seen {
    stacks: Vec<StackInfo>,
    /// How many stacks were begun.
    begun: usize,
    /// The ids of those that are worked on.
    active: BTreeSet<String>,
    /// The ids of those on which an operation was seen to run.
    operating: BTreeSet<String>,
    /// ARNs, by the ids of stacks.
    stack_ids: BTreeMap<String, String>,
    /// The names of assets, by their hash.
    assets: BTreeMap<String, String>,
    failed: Vec<FailedAsset>,
}

impl Seen {
    /// Whether something may have been written.
    fn has_begun(&self) -> bool {
        self.begun > 0 || !self.assets.is_empty()
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted { stacks, .. } => self.stacks.clone_from(stacks),
            Event::StackStarted { stack } => {
                self.begun += 1;
                self.active.insert(stack.clone());
            }
            Event::StackAttached { stack, .. } => {
                self.operating.insert(stack.clone());
            }
            Event::OperationStarted { stack, stack_id, .. } => {
                self.operating.insert(stack.clone());
                self.stack_ids.insert(stack.clone(), stack_id.clone());
            }
            Event::Resource { stack, event, nested, .. } if event.is_stack() && nested.is_empty() => {
                self.stack_ids.insert(stack.clone(), event.stack_id.clone());
            }
            Event::StackFinished { outcome: Outcome::Detached { .. }, .. } => {}
            Event::StackFinished { stack, .. } => {
                self.active.remove(stack);
            }
            Event::AssetStarted { asset, name, .. } => {
                self.assets.insert(asset.clone(), name.clone());
            }
            Event::AssetFailed { asset, environment, cause } => {
                let name = self.assets.get(asset).unwrap_or(asset).clone();
                self.failed.push(FailedAsset { name, environment: environment.clone(), cause: cause.clone() });
            }
            _ => {}
        }
    }

    /// The names of the stacks that are worked on: those on which an operation runs, and those on which none was seen to begin.
    fn active(&self) -> (Vec<&str>, Vec<&str>) {
        let active = |operates: bool| {
            let active = self.stacks.iter().filter(|it| self.active.contains(&it.id));
            let alike = active.filter(move |it| self.operating.contains(&it.id) == operates);
            alike.map(|it| it.display_name.as_str()).collect()
        };
        (active(true), active(false))
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
    view.hold();
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

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
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

/// The user, or the machine, does not wait for the end.
fn leave(session: &Session<'_>, cloud: &Cloud, seen: &Seen) -> Result<Ended, Failure> {
    tell_how_to_go_on(session, cloud, seen)?;
    Err(Failure::told(Exit::Interrupted))
}

/// What can be done from here, for somebody who left. It is said even to those who want to hear of problems only.
fn tell_how_to_go_on(session: &Session<'_>, cloud: &Cloud, seen: &Seen) -> Result<(), Failure> {
    let terminal = &session.terminal;
    let (operating, preparing) = seen.active();
    let [status, follow, cancel] = ["status", "logs -f", "cancel"].map(|it| cloud.command(session, it));
    if terminal.json {
        let operating_ids: Vec<&String> = seen.active.intersection(&seen.operating).collect();
        return terminal
            .json("left", json!({ "stacks": &seen.active, "operating": operating_ids, "status": status, "follow": follow, "cancel": cancel }));
    }
    let left = terminal.err.yellow("left");
    let mut lines = Vec::new();
    if !operating.is_empty() {
        lines.push(format!("operations that were started go on without us: {}", operating.join(", ")));
    }
    if !preparing.is_empty() {
        let what = "no operation was seen to begin on these, but a change set may be left";
        lines.push(format!("{what}: {}", preparing.join(", ")));
    }
    if lines.is_empty() {
        lines.push("no stack was being worked on".to_owned());
    }
    lines.iter().for_each(|it| terminal.err_line(&format!("{left} {it}")));
    terminal.err_line(&format!("  how they stand   {status}"));
    terminal.err_line(&format!("  follow them      {follow}"));
    terminal.err_line(&format!("  cancel updates   {cancel}"));
    terminal.err_line("  running the same command again takes them up where they are");
    Ok(())
}
