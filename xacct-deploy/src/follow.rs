//! Follows an operation on a stack to its end, through its events.
//!
//! Events are read by the stack's ARN, because a deleted stack is found by nothing else, from a boundary in the service's own
//! time, because the local clock may be wrong. The stack itself is described only when its events say that it is done, and
//! now and then, so that a tick costs one call.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use xacct_core::assembly::{Assembly, StackArtifact};

use crate::cause::{Cause, CauseKind, FailedEvent, causes_of};
use crate::cloudformation::{ApiError, DescribeEvents, Stack, StackEvent, StackStatus, Timestamp};
use crate::event::Event;
use crate::principal::{Named, maker, named_principals};
use crate::run::Intent;
use crate::worker::{Stop, Worker};

/// An operation to follow.
pub(crate) struct Target {
    pub(crate) stack_id: String,
    pub(crate) boundary: Boundary,
    /// The change set that was executed, if that is how the operation began.
    pub(crate) change_set_id: Option<String>,
    /// The token of the call that began it, if this engine did.
    pub(crate) token: Option<String>,
}

/// Where an operation's events begin.
pub(crate) enum Boundary {
    /// At that time.
    Since(Timestamp),
    /// At the last event of the stack itself that begins an operation; if the operation has a token, only if the event has that or none.
    LastStart,
}

/// How an operation ended.
pub(crate) struct Followed {
    pub(crate) stack: Stack,
    pub(crate) failed: Vec<FailedEvent>,
    /// Logical ids of resources that were kept in a deletion.
    pub(crate) retained: Vec<String>,
    /// Whether this run cancelled it.
    pub(crate) cancelled: bool,
    /// How it ended, if the stack is not in that status any more.
    pub(crate) ended: Option<StackStatus>,
    /// Whether somebody else has begun another operation after its end.
    pub(crate) overtaken: bool,
    /// Whether it was an update that is rolled back because somebody asked for that, and not because something failed.
    pub(crate) on_request: bool,
}

impl Followed {
    /// Whether it was rolled back for no other reason than that somebody, not this run, cancelled it.
    pub(crate) fn was_cancelled_elsewhere(&self) -> bool {
        let causes = causes_of(self.failed.clone());
        let only_cancelled = !causes.is_empty() && causes.iter().all(|it| it.kind == CauseKind::Cancelled);
        let on_request = only_cancelled || self.on_request;
        on_request && !self.cancelled && self.stack.status == StackStatus::UPDATE_ROLLBACK_COMPLETE
    }
}

/// The stack is described every so many ticks, even if its events say nothing.
const DESCRIBE_EVERY: u32 = 6;

/// A stack that is at rest without any sign that the operation began is believed after so many looks: before, it may be the
/// state from before the operation.
const LOOKS_WITHOUT_EVIDENCE: u32 = 5;

impl Worker<'_> {
    /// Follows an operation until the stack is at rest.
    pub(crate) async fn follow(&self, target: Target) -> Result<Followed, Stop> {
        let mut watch = Watch::new(self, target);
        let started = Instant::now();
        let mut pause = self.shared.pace.first;
        let mut tick = 0;
        let mut looks = 0;
        let mut asked_to_cancel = false;
        loop {
            let polled = watch.poll().await;
            let news = match polled {
                Ok(news) => news,
                Err(error) => return Err(self.lost(&watch, &error).await),
            };
            let root_at_rest = watch.root_status.as_ref().is_some_and(StackStatus::is_terminal);
            let intent = self.shared.handle.intent();
            if watch.is_foreign() && intent > Intent::Continue && intent < Intent::Detach {
                // Of this run, nothing has begun.
                return Err(Stop::NotStarted);
            }
            let wants_cancel = intent == Intent::CancelUpdates && !asked_to_cancel;
            if root_at_rest || wants_cancel || tick % DESCRIBE_EVERY == DESCRIBE_EVERY - 1 {
                let stack = match self.describe(&watch.target.stack_id).await {
                    Ok(stack) => stack,
                    Err(error) => return Err(self.lost(&watch, &error).await),
                };
                if watch.overtaken {
                    return Ok(watch.into_followed(stack));
                }
                // A status from before the operation says nothing about whether it can be cancelled.
                if wants_cancel && !stack.status.is_terminal() {
                    asked_to_cancel = true;
                    watch.cancelled = self.cancel(&stack).await;
                }
                let at_rest = stack.status.is_terminal() && stack.status != StackStatus::REVIEW_IN_PROGRESS;
                looks += u32::from(at_rest);
                if at_rest && (watch.shows(&stack) || looks >= LOOKS_WITHOUT_EVIDENCE) {
                    if !root_at_rest && let Err(error) = watch.poll().await {
                        return Err(self.lost(&watch, &error).await);
                    }
                    return Ok(watch.into_followed(stack));
                }
            }
            if intent == Intent::Detach {
                return Err(Stop::Detached { stack_id: Some(watch.target.stack_id) });
            }
            if self.shared.timeout.is_some_and(|limit| started.elapsed() >= limit) {
                return Err(self.timed_out(&watch));
            }
            pause = if news { self.shared.pace.first } else { self.shared.pace.slower(pause) };
            // After a cancellation the wish stands, and must not end the pause again.
            self.shared.handle.pause(pause, intent).await;
            tick += 1;
        }
    }

    /// Cancels an update; whether it did. Only `UPDATE_IN_PROGRESS` can be cancelled; anything else is waited for.
    async fn cancel(&self, stack: &Stack) -> bool {
        if stack.status != StackStatus::UPDATE_IN_PROGRESS {
            let message = format!(
                "`{}` is in {}, which CloudFormation cannot cancel: waiting for its end",
                stack.name, stack.status
            );
            self.note(message);
            return false;
        }
        let token = self.token("cancel");
        let cancelled = self
            .caller
            .call("CancelUpdateStack", || self.clients.cloudformation.cancel_update_stack(&stack.id, &token))
            .await;
        let Err(error) = cancelled else { return true };
        // An earlier request may have arrived, and its answer been lost.
        let now = self.find_by(&stack.id).await;
        if error.is_token_reused() || matches!(now, Ok(Some(now)) if now.status.is_rolling_back_update()) {
            return true;
        }
        self.note(format!("the update was not cancelled: {error}"));
        false
    }

    /// The operation goes on in AWS, but it cannot be seen any more.
    async fn lost(&self, watch: &Watch<'_>, error: &ApiError) -> Stop {
        let mut cause = self.cause_of(error);
        let id = &watch.target.stack_id;
        cause.detail = Some(format!("the operation on `{id}` goes on in AWS, but it cannot be followed any more"));
        let status = match &watch.root_status {
            Some(status) => Some(status.clone()),
            None => self.describe(id).await.ok().map(|stack| stack.status),
        };
        Stop::failed(status, cause)
    }

    fn timed_out(&self, watch: &Watch<'_>) -> Stop {
        let limit = self.shared.timeout.unwrap_or(Duration::ZERO);
        let message = format!(
            "the operation on `{}` is not done after {} s; it goes on in AWS",
            watch.target.stack_id,
            limit.as_secs()
        );
        let help = "run the same command again to follow it to its end";
        Stop::failed(watch.root_status.clone(), Cause::new(CauseKind::Timeout, message).with_help(help))
    }

    /// The causes of a failed operation, the root cause first, each with its construct.
    pub(crate) async fn causes(&self, followed: Followed) -> Vec<Cause> {
        let elsewhere = followed.was_cancelled_elsewhere();
        let Followed { stack, failed, cancelled, .. } = followed;
        if cancelled || elsewhere {
            let by = if cancelled { "on request" } else { "by somebody else than this run" };
            let message = format!("the update of `{}` was cancelled {by}", stack.name);
            let help = "deploy again when you want the change";
            return vec![Cause::new(CauseKind::Cancelled, message).with_help(help)];
        }
        let mut causes = causes_of(failed);
        causes.extend(
            self.validations(DescribeEvents {
                stack: Some(stack.id.clone()),
                operation_id: stack.last_operations.first().map(|it| it.id.clone()),
                failed_only: true,
                ..DescribeEvents::default()
            })
            .await,
        );
        if causes.is_empty() {
            let reason = stack.status_reason.filter(|it| !it.is_empty());
            let reason = reason.unwrap_or_else(|| "no reason was given".into());
            causes.push(Cause::new(CauseKind::Other, format!("{}: {reason}", stack.status)));
        }
        for cause in &mut causes {
            self.enrich(cause);
        }
        causes
    }

    /// Failed validations of an operation or a change set; none where the call is not to be had.
    pub(crate) async fn validations(&self, request: DescribeEvents) -> Vec<Cause> {
        if request.operation_id.is_none() && request.change_set.is_none() {
            return Vec::new();
        }
        let page =
            self.caller.call("DescribeEvents", || self.clients.cloudformation.describe_events(&request, None)).await;
        let found = page.map(|page| page.items).unwrap_or_default();
        let mut causes: Vec<Cause> = found.iter().filter_map(Cause::from_validation).collect();
        for cause in &mut causes {
            self.enrich(cause);
        }
        causes
    }

    /// Adds the construct and takes out secrets.
    pub(crate) fn enrich(&self, cause: &mut Cause) {
        self.shared.secrets.scrub_in_place(&mut cause.message);
        let id = cause.nested.first().or(cause.logical_id.as_ref()).cloned();
        let id = id.as_deref();
        let origin = id.and_then(|id| self.artifact.origins.get(id));
        cause.locate(origin);
        match cause.kind {
            CauseKind::InvalidPrincipal => {
                if let Some(resource) = id.and_then(|id| self.artifact.template.pointer(&format!("/Resources/{id}"))) {
                    tell_principals(cause, named_principals(&self.shared.assembly, resource));
                }
            }
            CauseKind::NameTaken => {
                let namesake = id.and_then(|id| namesake(&self.shared.assembly, self.artifact, id));
                if let Some(namesake) = namesake {
                    cause.detail = Some(format!("{namesake} has that name too"));
                    cause.help = Some("give one of them another name".to_owned());
                }
            }
            CauseKind::RoleNotAssumable => {
                let target = last_role(&cause.message).map(str::to_owned);
                if let Some(maker) = target.as_deref().and_then(|it| maker(&self.shared.assembly, it))
                    && maker.id != self.artifact.id
                {
                    cause.detail = target.map(|it| format!("stack `{}` makes `{it}`", maker.display_name));
                    let trust = "the trust policy of the role does not name who assumes it";
                    // A stack whose outputs are known is as this program has it.
                    if self.shared.outputs_of(&maker.id).is_some() {
                        cause.help = Some(format!("{trust}: let it, and deploy again"));
                    } else {
                        cause.deploy_first = vec![maker.id.clone()];
                        cause.help = Some(format!("deploy `{}` first; if it is deployed, {trust}", maker.display_name));
                    }
                }
            }
            _ => {}
        }
    }
}

/// Another resource of the app that has the same name, with its place.
fn namesake(assembly: &Assembly, artifact: &StackArtifact, logical_id: &str) -> Option<String> {
    let resource = artifact.template.pointer(&format!("/Resources/{logical_id}"))?;
    let schema = xacct_schema::resource_type(resource.get("Type")?.as_str()?)?;
    let pointer = format!("/Properties/{}", schema.name_property()?);
    let name = resource.pointer(&pointer)?.as_str()?;
    let others = assembly.stacks.iter().filter(|it| it.environment.account == artifact.environment.account);
    for stack in others {
        for (id, other) in stack.template.get("Resources").and_then(serde_json::Value::as_object).into_iter().flatten()
        {
            let is_itself = stack.id == artifact.id && id == logical_id;
            let is_alike = other.get("Type") == resource.get("Type")
                && other.pointer(&pointer).and_then(serde_json::Value::as_str) == Some(name);
            if is_alike && !is_itself {
                let origin = stack.origins.get(id);
                let path = origin.map_or_else(|| format!("{}/{id}", stack.display_name), |it| it.path.clone());
                let place = origin.and_then(|it| it.location.as_ref());
                let place = place.map(|it| format!(" ({}:{})", it.file, it.line)).unwrap_or_default();
                return Some(format!("`{}`{place}", path.strip_suffix("/Resource").unwrap_or(&path)));
            }
        }
    }
    None
}

/// Names the principals that may be the ones that do not exist, and who makes them.
fn tell_principals(cause: &mut Cause, named: Vec<Named<'_>>) {
    if named.is_empty() {
        return;
    }
    let told = named.iter().map(|it| match it.maker {
        Some(maker) => format!("`{}`, which stack `{}` makes", it.arn, maker.display_name),
        None => format!("`{}`, which no stack of this app makes", it.arn),
    });
    cause.detail = Some(format!("its policy names {}", told.collect::<Vec<_>>().join(", and ")));
    let mut makers: Vec<&StackArtifact> = named.iter().filter_map(|it| it.maker).collect();
    makers.dedup_by_key(|it| &it.id);
    cause.deploy_first = makers.iter().map(|it| it.id.clone()).collect();
    let names: Vec<String> = makers.iter().map(|it| format!("`{}`", it.display_name)).collect();
    cause.help = Some(match names.is_empty() {
        true => "make the user or role first, or mend its name in the policy".to_owned(),
        false => format!("deploy {} first: AWS checks that a principal exists", names.join(" and ")),
    });
}

/// The last ARN of a role in a text: who is to be assumed comes after who assumes.
fn last_role(text: &str) -> Option<&str> {
    let words = text.split(|it: char| it.is_whitespace() || "\"'`,()".contains(it));
    words.map(|it| it.trim_end_matches('.')).rfind(|it| it.starts_with("arn:") && it.contains(":role/"))
}

/// What was seen of an operation so far.
struct Watch<'a> {
    worker: &'a Worker<'a>,
    target: Target,
    /// The stack and its nested stacks, by ARN, with the logical ids on the way.
    stacks: BTreeMap<String, Vec<String>>,
    /// Nested stacks that are at rest: they are not asked again until their parent works on them.
    at_rest: HashSet<String>,
    seen: HashSet<String>,
    since: Option<Timestamp>,
    root_status: Option<StackStatus>,
    failed: Vec<FailedEvent>,
    /// Whether an update is being rolled back.
    undoing: bool,
    retained: Vec<String>,
    cancelled: bool,
    on_request: bool,
    /// Whether another operation was begun after the end of this one.
    overtaken: bool,
    /// The status in which it ended, if it was overtaken.
    ended: Option<StackStatus>,
}

impl<'a> Watch<'a> {
    fn new(worker: &'a Worker<'a>, target: Target) -> Self {
        let since = match target.boundary {
            Boundary::Since(time) => Some(time),
            Boundary::LastStart => None,
        };
        Self {
            worker,
            stacks: BTreeMap::from([(target.stack_id.clone(), Vec::new())]),
            target,
            at_rest: HashSet::new(),
            seen: HashSet::new(),
            since,
            root_status: None,
            failed: Vec::new(),
            undoing: false,
            retained: Vec::new(),
            cancelled: false,
            on_request: false,
            overtaken: false,
            ended: None,
        }
    }

    /// Whether the operation is not this engine's.
    fn is_foreign(&self) -> bool {
        self.target.token.is_none()
    }

    /// Whether there is a sign that the stack's status is the operation's result.
    fn shows(&self, stack: &Stack) -> bool {
        let executed = self.target.change_set_id.is_some() && stack.change_set_id == self.target.change_set_id;
        self.root_status.is_some() || executed
    }

    /// Reads what is new, and tells it. Whether there was anything.
    async fn poll(&mut self) -> Result<bool, ApiError> {
        let mut news = false;
        let asked = self.stacks.iter().filter(|(id, _)| !self.at_rest.contains(*id));
        let mut queue: Vec<(String, Vec<String>)> = asked.map(|(id, way)| (id.clone(), way.clone())).collect();
        while let Some((id, way)) = queue.pop() {
            let fresh = match self.fresh_events(&id, way.is_empty()).await {
                Ok(fresh) => fresh,
                // A nested stack that cannot be read hides details; the operation can be followed all the same.
                Err(_) if !way.is_empty() => continue,
                Err(error) => return Err(error),
            };
            news |= !fresh.is_empty();
            for event in fresh {
                if let Some((nested, nested_way)) = self.take(event, &way) {
                    queue.push((nested, nested_way));
                }
            }
        }
        Ok(news)
    }

    /// The unseen events of a stack that belong to the operation, oldest first.
    async fn fresh_events(&mut self, id: &str, root: bool) -> Result<Vec<StackEvent>, ApiError> {
        let mut fresh = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let worker = self.worker;
            let page = worker
                .caller
                .call("DescribeStackEvents", || {
                    worker.clients.cloudformation.describe_stack_events(id, token.as_deref())
                })
                .await?;
            let mut end = page.next_token.is_none();
            for event in page.items {
                let before = self.since.is_some_and(|since| event.timestamp < since);
                // Late events can appear among those that were seen: the whole page is looked at.
                if before || self.seen.contains(&event.id) {
                    end = true;
                    continue;
                }
                let starts = root && self.since.is_none() && self.starts_operation(&event);
                let time = event.timestamp;
                fresh.push(event);
                if starts {
                    self.since = Some(time);
                }
            }
            if end {
                break;
            }
            token = page.next_token;
        }
        if root && self.since.is_none() {
            // The operation has left no trace yet: these are the events of the one before.
            return Ok(Vec::new());
        }
        self.seen.extend(fresh.iter().map(|event| event.id.clone()));
        fresh.reverse();
        Ok(fresh)
    }

    fn starts_operation(&self, event: &StackEvent) -> bool {
        let ours = match (&self.target.token, &event.client_token) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        ours && event.is_stack() && is_start(event)
    }

    /// Whether an event of the stack, after the end of our operation, begins one of somebody else. Ours has a token, and so has what
    /// CloudFormation does because of it, but for the deletion of what could not be created.
    fn begins_another(&self, event: &StackEvent) -> bool {
        let Some(ours) = &self.target.token else { return false };
        is_start(event)
            && match &event.client_token {
                Some(theirs) => theirs != ours,
                None => event.status != StackStatus::DELETE_IN_PROGRESS.as_str(),
            }
    }

    /// Tells one event. The nested stack that it makes known, if any.
    fn take(&mut self, event: StackEvent, way: &[String]) -> Option<(String, Vec<String>)> {
        if self.overtaken {
            return None;
        }
        if event.status.as_str() == StackStatus::REVIEW_IN_PROGRESS.as_str() {
            // The change set was made; the operation has not begun.
            return None;
        }
        if event.is_stack() && way.is_empty() {
            let at_rest = self.root_status.as_ref().is_some_and(StackStatus::is_terminal);
            if at_rest && self.begins_another(&event) {
                self.overtaken = true;
                self.ended = self.root_status.clone();
                return None;
            }
            if event.status == "UPDATE_ROLLBACK_IN_PROGRESS" {
                // An operation that begins so is a rollback of its own.
                self.on_request |= self.root_status.is_some() && !self.undoing && is_user_initiated(&event);
                self.undoing = true;
            }
            self.root_status = Some(StackStatus::new(event.status.as_str()));
        }
        if event.is_stack() && !way.is_empty() && StackStatus::new(event.status.as_str()).is_terminal() {
            self.at_rest.insert(event.stack_id.clone());
        }
        let failed_hook = event.hook.as_ref().is_some_and(|hook| hook.status.ends_with("FAILED"));
        if event.status.is_failure() || failed_hook {
            self.failed.push(FailedEvent { event: event.clone(), nested: way.to_vec(), undoing: self.undoing });
        }
        if event.status == "DELETE_SKIPPED" && way.is_empty() {
            self.retained.push(event.logical_id.clone());
        }
        let found = self.nested_stack(&event, way);
        let outer = way.first().unwrap_or(&event.logical_id);
        let origin = self.worker.artifact.origins.get(outer);
        self.worker.shared.emitter.emit(Event::Resource {
            stack: self.worker.artifact.id.clone(),
            path: origin.map(|it| it.path.clone()),
            event,
            nested: way.to_vec(),
        });
        found
    }

    fn nested_stack(&mut self, event: &StackEvent, way: &[String]) -> Option<(String, Vec<String>)> {
        let id = event.physical_id.as_ref()?;
        let nested = event.resource_type == "AWS::CloudFormation::Stack" && !event.is_stack() && id.starts_with("arn:");
        if !nested {
            return None;
        }
        let woken = event.status.as_str().ends_with("_IN_PROGRESS") && self.at_rest.remove(id);
        if self.stacks.contains_key(id) {
            return woken.then(|| (id.clone(), self.stacks[id].clone()));
        }
        let mut nested_way = way.to_vec();
        nested_way.push(event.logical_id.clone());
        self.stacks.insert(id.clone(), nested_way.clone());
        Some((id.clone(), nested_way))
    }

    fn into_followed(self, stack: Stack) -> Followed {
        Followed {
            stack,
            failed: self.failed,
            retained: self.retained,
            cancelled: self.cancelled,
            on_request: self.on_request,
            ended: self.ended,
            overtaken: self.overtaken,
        }
    }
}

/// Whether an event of the stack itself is the first of an operation.
fn is_start(event: &StackEvent) -> bool {
    let begins = ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"];
    is_user_initiated(event) || begins.contains(&event.status.as_str())
}

fn is_user_initiated(event: &StackEvent) -> bool {
    event.status_reason.as_deref().is_some_and(|reason| reason.eq_ignore_ascii_case("user initiated"))
}
