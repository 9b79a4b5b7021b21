//! A run: a future, a stream of events, and a handle to steer it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use xacct_core::assembly::Assembly;

use crate::cloudformation::{Clients, Environment, Output};
use crate::desired::StackVersion;
use crate::event::Event;
use crate::redact::Secrets;
use crate::retry::{CallCounts, Caller, RetryPolicy};
use crate::state::Store;

/// A run that makes progress while it is polled. Dropping it stops all work at once and leaves AWS as it is; the next run takes
/// up what was started.
#[must_use = "a run does nothing until it is awaited"]
pub struct Run<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    handle: Handle,
}

impl<T> Run<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static, handle: Handle) -> Self {
        Self { future: Box::pin(future), handle }
    }

    /// A handle to steer the run from elsewhere.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl<T> Future for Run<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.future.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("intent", &self.handle.intent()).finish_non_exhaustive()
    }
}

/// The events of a run, in order. Ends with the run.
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    /// The next event, or none after the last.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// An event that is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

/// What the user wants of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intent {
    /// Go on.
    Continue,
    /// Start no new stacks, and wait for those that are being worked on.
    StopStarting,
    /// Start no new stacks, and cancel the updates in progress; what is being created or deleted is waited for, because
    /// CloudFormation can only cancel updates.
    CancelUpdates,
    /// Return now and leave the operations running in AWS.
    Detach,
}

/// Steers a run.
#[derive(Clone, Debug)]
pub struct Handle(watch::Sender<Intent>);

impl Handle {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Intent::Continue))
    }

    /// Says what is wanted from now on.
    pub fn set(&self, intent: Intent) {
        self.0.send_replace(intent);
    }

    /// What is wanted.
    pub fn intent(&self) -> Intent {
        *self.0.borrow()
    }

    /// Waits for a moment, or until something else than `known` is wanted.
    pub(crate) async fn pause(&self, time: Duration, known: Intent) {
        let mut wishes = self.0.subscribe();
        let changed = wishes.wait_for(|intent| *intent != known);
        // A timeout is the usual end of a pause; the other is a new wish.
        let _ = tokio::time::timeout(time, changed).await;
    }
}

/// Sends events; nobody has to listen.
#[derive(Clone)]
pub(crate) struct Emitter(Option<mpsc::UnboundedSender<Event>>, Secrets);

impl Emitter {
    pub(crate) fn new(secrets: Secrets) -> (Self, Events) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender), secrets), Events(receiver))
    }

    /// Swallows everything.
    #[cfg(test)]
    pub(crate) fn sink() -> Self {
        Self(None, Secrets::default())
    }

    pub(crate) fn emit(&self, mut event: Event) {
        let Some(sender) = &self.0 else { return };
        scrub(&mut event, &self.1);
        // The listener may have gone; the run goes on.
        let _ = sender.send(event);
    }
}

/// The texts that come from a service can quote what was sent to it.
fn scrub(event: &mut Event, secrets: &Secrets) {
    match event {
        Event::Resource { stack, event, nested, .. } => {
            let is_itself = event.is_stack() && nested.is_empty();
            let id = nested.first().unwrap_or(&event.logical_id);
            let resource = (!is_itself).then_some(id.as_str());
            let hook = event.hook.as_mut().and_then(|it| it.reason.as_mut());
            for reason in event.status_reason.iter_mut().chain(hook) {
                secrets.scrub_reason(stack, resource, reason);
            }
            if let Some(name) = &mut event.physical_id {
                secrets.scrub_name(stack, id, name);
            }
        }
        Event::Retrying { error, .. } => secrets.scrub_in_place(error),
        Event::Note { message, .. } => secrets.scrub_in_place(message),
        _ => {}
    }
}

/// How often a running operation is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The first pause, and the one after something happened.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(5) }
    }
}

impl Pace {
    pub(crate) fn slower(self, than: Duration) -> Duration {
        than.mul_f64(1.5).min(self.longest)
    }
}

/// What everything in a run shares.
pub(crate) struct Shared {
    pub(crate) run: String,
    pub(crate) assembly: Assembly,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) retry: RetryPolicy,
    pub(crate) pace: Pace,
    pub(crate) timeout: Option<Duration>,
    pub(crate) emitter: Emitter,
    pub(crate) handle: Handle,
    pub(crate) secrets: Secrets,
    pub(crate) counts: CallCounts,
    pub(crate) clients: BTreeMap<Environment, Clients>,
    /// Outputs of stacks that are as they should be, by the stack's id in the assembly.
    pub(crate) outputs: Mutex<BTreeMap<String, KnownOutputs>>,
}

/// The outputs of a stack, and the state of the stack that they are from.
#[derive(Clone)]
pub(crate) struct KnownOutputs {
    pub(crate) outputs: Vec<Output>,
    pub(crate) state: Option<StackVersion>,
}

impl Shared {
    pub(crate) fn caller(&self, subject: &str) -> Caller {
        Caller::new(subject, self.retry.clone(), self.emitter.clone(), self.counts.clone())
    }

    pub(crate) fn outputs_of(&self, stack: &str) -> Option<KnownOutputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).get(stack).cloned()
    }

    pub(crate) fn keep_outputs(&self, stack: &str, known: KnownOutputs) {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).insert(stack.to_owned(), known);
    }
}
