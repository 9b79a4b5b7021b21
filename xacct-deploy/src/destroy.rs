//! Deletes one stack, from whatever state it is in.

use crate::cause::{Cause, CauseKind};
use crate::cloudformation::Stack;
use crate::event::OperationKind;
use crate::follow::Followed;
use crate::report::Outcome;
use crate::state::{InFlight, StackRecord, Step};
use crate::status::{Phase, StackStatus};
use crate::worker::{Stop, Worker};

/// How stacks are deleted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DestroyOptions {
    /// Turn termination protection off first.
    pub remove_protection: bool,
    /// When a deletion failed: delete the stack, and leave the resources that could not be deleted.
    pub keep_what_fails: bool,
    /// Stop at a stack that somebody else works on, instead of waiting.
    pub refuse_busy: bool,
}

/// Deletes the stack.
pub(crate) async fn destroy(worker: &Worker<'_>, options: &DestroyOptions) -> Outcome {
    run(worker, options).await.unwrap_or_else(Outcome::from)
}

async fn run(worker: &Worker<'_>, options: &DestroyOptions) -> Result<Outcome, Stop> {
    let mut record = worker.load()?;
    if let Some(operation) = record.in_flight.clone()
        && let Some(outcome) = take_up(worker, &mut record, &operation, options).await?
    {
        return Ok(outcome);
    }
    loop {
        let Some(stack) = worker.find().await? else {
            worker.shared.store.remove(&worker.key)?;
            return Ok(Outcome::Absent);
        };
        if stack.status.phase() == Phase::Busy && stack.status != StackStatus::DELETE_IN_PROGRESS {
            if options.refuse_busy {
                return Err(busy(&stack));
            }
            worker.follow_foreign(&stack).await?;
            continue;
        }
        if stack.status == StackStatus::DELETE_IN_PROGRESS {
            let followed = worker.follow_foreign(&stack).await?;
            return finish(worker, &mut record, followed, options).await;
        }
        unprotect(worker, &stack, options).await?;
        let followed = worker.delete(&mut record, &stack, &[]).await?;
        return finish(worker, &mut record, followed, options).await;
    }
}

/// A deletion that an earlier run began is seen to its end; anything else that it began is waited for by the main loop.
async fn take_up(
    worker: &Worker<'_>,
    record: &mut StackRecord,
    operation: &InFlight,
    options: &DestroyOptions,
) -> Result<Option<Outcome>, Stop> {
    let deleting = operation.kind == OperationKind::Delete && operation.step == Step::Executing;
    let (true, Some(id)) = (deleting, operation.stack_id.as_deref()) else {
        record.in_flight = None;
        worker.save(record)?;
        return Ok(None);
    };
    let stack = worker.find_by(id).await?;
    match stack.as_ref().map(|stack| &stack.status) {
        Some(status) if *status == StackStatus::DELETE_IN_PROGRESS || *status == StackStatus::DELETE_COMPLETE => {
            if let Some(stack) = stack.as_ref().filter(|it| !it.status.is_terminal()) {
                worker.attached(stack, true);
            }
            let followed = worker.follow_delete(record, id, operation.token.clone()).await?;
            finish(worker, record, followed, options).await.map(Some)
        }
        _ => {
            record.in_flight = None;
            worker.save(record)?;
            Ok(None)
        }
    }
}

async fn finish(
    worker: &Worker<'_>,
    record: &mut StackRecord,
    mut followed: Followed,
    options: &DestroyOptions,
) -> Result<Outcome, Stop> {
    if followed.stack.status == StackStatus::DELETE_FAILED && options.keep_what_fails {
        let kept = failed_resources(&followed);
        worker.note(format!("kept, because they cannot be deleted: {}", kept.join(", ")));
        let stack = followed.stack.clone();
        followed = worker.delete(record, &stack, &kept).await?;
        followed.retained.extend(kept);
        followed.retained.sort();
        followed.retained.dedup();
    }
    if followed.stack.status == StackStatus::DELETE_COMPLETE {
        worker.shared.store.remove(&worker.key)?;
        return Ok(Outcome::Deleted { retained: followed.retained });
    }
    let status = Some(followed.stack.status.clone());
    Err(Stop::Failed { status, causes: worker.causes(followed).await })
}

fn failed_resources(followed: &Followed) -> Vec<String> {
    let mut ids: Vec<String> = followed
        .failed
        .iter()
        .filter(|it| it.nested.is_empty() && !it.event.is_stack())
        .map(|it| it.event.logical_id.clone())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

async fn unprotect(worker: &Worker<'_>, stack: &Stack, options: &DestroyOptions) -> Result<(), Stop> {
    if !stack.termination_protection {
        return Ok(());
    }
    if !options.remove_protection {
        let message = format!("`{}` is protected from being deleted", stack.name);
        let help = "turn termination protection off in the program and deploy, then destroy";
        let cause = Cause::new(CauseKind::Protected, message).with_help(help);
        return Err(Stop::failed(Some(stack.status.clone()), cause));
    }
    let call = || worker.clients.cloudformation.update_termination_protection(&stack.id, false);
    worker.caller.call("UpdateTerminationProtection", call).await.map_err(|error| worker.refused(&error))
}

fn busy(stack: &Stack) -> Stop {
    let message = format!("`{}` is in {} by somebody else", stack.name, stack.status);
    let cause = Cause::new(CauseKind::Busy, message).with_help("wait for its end, then destroy again");
    Stop::failed(Some(stack.status.clone()), cause)
}
