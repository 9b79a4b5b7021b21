//! Brings one stack to its desired state, from whatever state it is in.
//!
//! ```text
//! describe ─► take up what an interrupted run left ─► make ready (wait, roll back, delete) ─► unchanged? done
//!          ─► change set ─► nothing to change? done ─► execute ─► follow ─► judge
//! ```
//! The record of the stack is written before each call that starts something, and says enough to find out afterwards whether
//! the call arrived.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::asset;
use crate::cause::{Cause, CauseKind};
use crate::cloudformation::{
    ApiError, ChangeSet, ChangeSetRef, ChangeSetType, CreateChangeSet, DescribeEvents, ExecuteChangeSet,
    OnStackFailure, ResourceToImport, Stack, TemplateSource,
};
use crate::desired::{Desired, INLINE_LIMIT, InputValues, StackVersion, hex};
use crate::event::{Event, OperationKind};
use crate::follow::{Boundary, Followed, Target};
use crate::loss;
use crate::report::Outcome;
use crate::run::Intent;
use crate::state::{Deployed, InFlight, StackRecord, Step};
use crate::status::{Phase, StackStatus};
use crate::worker::{Stop, Worker};

/// How stacks are deployed, and what may be done about one that is in a bad state.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StackOptions {
    /// Make change sets, show them and remove them again; execute nothing.
    pub dry_run: bool,
    /// `EXPRESS`: done when the configuration is applied. For development.
    pub express: bool,
    /// Keep what was made when something fails.
    pub no_rollback: bool,
    /// Undo drift too.
    pub revert_drift: bool,
    /// Delete a stack whose creation is what failed and was undone. Not used with [`StackOptions::no_rollback`].
    pub delete_on_failed_create: bool,
    /// Make a change set even if nothing seems to have changed.
    pub even_if_unchanged: bool,
    /// Stacks to delete, with what they still hold, and create again, because their first creation or a deletion failed: their ARNs
    /// ([`StackPlan::stack_id`](crate::plan::StackPlan::stack_id)). Another stack that took the name since is left alone.
    pub recreate: BTreeSet<String>,
    /// The logical ids of resources whose data may be lost, by the stack's id in the assembly; for a nested stack, that of its resource.
    /// A change set that would replace or remove another one that [holds data](crate::holds_data) is not executed. Default: none.
    pub may_lose: BTreeMap<String, BTreeSet<String>>,
    /// Go on with a rollback that failed, leaving out these resources.
    pub continue_rollback: Option<Vec<String>>,
    /// Roll back a stack that stands still after a failure, before deploying.
    pub roll_back_paused: bool,
    /// Stop at a stack that somebody else works on, instead of waiting.
    pub refuse_busy: bool,
    /// Take over resources with names of their own that exist already.
    pub import_existing: bool,
    /// Resources to import, by the stack's id in the assembly.
    pub import: BTreeMap<String, Vec<ResourceToImport>>,
    /// Stacks of which a plan has just found that there is nothing to do, by their id in the assembly: they are not looked at again
    /// ([`Plan::unchanged`](crate::Plan::unchanged)).
    pub unchanged: BTreeMap<String, Stack>,
}

/// A change set that is overtaken by somebody else's deployment is made again so many times.
const MAX_ATTEMPTS: u32 = 3;

/// The values of a stack's inputs, or why a dry run cannot know them.
pub(crate) enum Inputs {
    Known(InputValues),
    Unknown(String),
}

/// Deploys the stack.
pub(crate) async fn deploy(worker: &Worker<'_>, inputs: Inputs, options: &StackOptions) -> Outcome {
    let values = match inputs {
        Inputs::Known(values) => values,
        Inputs::Unknown(reason) => return Outcome::Unknown { reason },
    };
    let desired = Desired::new(worker.artifact, values, &worker.shared.secrets);
    let deployment = Deployment { worker, fingerprint: desired.fingerprint(), desired, options };
    deployment.run().await.unwrap_or_else(Outcome::from)
}

struct Deployment<'a> {
    worker: &'a Worker<'a>,
    desired: Desired<'a>,
    fingerprint: String,
    options: &'a StackOptions,
}

/// What came of an attempt with a change set.
enum Attempt {
    Done(Outcome),
    /// Somebody else changed the stack in the meantime.
    Overtaken,
}

impl Deployment<'_> {
    async fn run(&self) -> Result<Outcome, Stop> {
        let mut record = self.worker.load()?;
        if let Some(stack) = self.options.unchanged.get(&self.worker.artifact.id)
            && record.in_flight.is_none()
            && record.deployed.as_ref().is_some_and(|deployed| deployed.is(stack, &self.desired))
            && let Some(outcome) = self.unchanged(&mut record, stack).await?
        {
            return Ok(outcome);
        }
        let mut stack = self.worker.find().await?;
        if let Some(operation) = record.in_flight.clone() {
            if let Some(outcome) = self.take_up(&mut record, operation, stack.as_ref()).await? {
                return Ok(outcome);
            }
            stack = self.worker.find().await?;
        }
        for _ in 0..MAX_ATTEMPTS {
            if let Some(outcome) = stack.as_ref().and_then(|it| self.unknown_until_recreated(it)) {
                return Ok(outcome);
            }
            stack = self.make_ready(&mut record, stack).await?;
            if let Some(stack) = &stack
                && let Some(outcome) = self.unchanged(&mut record, stack).await?
            {
                return Ok(outcome);
            }
            if self.worker.shared.handle.intent() != Intent::Continue {
                return Err(Stop::NotStarted);
            }
            match self.attempt(&mut record, stack.as_ref()).await? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Overtaken => stack = self.worker.find().await?,
            }
        }
        let message = "the stack was changed by somebody else each time a change set was ready";
        Err(Stop::failed(None, Cause::new(CauseKind::Busy, message)))
    }

    // ---- what an interrupted run left behind ----

    /// Finds out what became of an operation that an earlier run started, and sees it to its end. With an outcome, the
    /// operation did what is asked for now, well or not; without one, the stack is at rest and the work begins afresh.
    async fn take_up(
        &self,
        record: &mut StackRecord,
        operation: InFlight,
        stack: Option<&Stack>,
    ) -> Result<Option<Outcome>, Stop> {
        match (operation.kind, operation.step) {
            (_, Step::Preparing) => {
                self.reuse_or_drop(record, &operation).await?;
                Ok(None)
            }
            (OperationKind::Create | OperationKind::Update | OperationKind::Import, _) => {
                self.take_up_execution(record, operation, stack).await
            }
            (OperationKind::Delete, _) => {
                self.take_up_delete(record, &operation).await?;
                Ok(None)
            }
            _ => {
                // A rollback: if it runs, `make_ready` waits for it.
                record.in_flight = None;
                self.worker.save(record)?;
                Ok(None)
            }
        }
    }

    /// Whether an operation was for what is asked for now, and asked for in the same way.
    fn is_same(&self, operation: &InFlight) -> bool {
        self.desired.has_whole_fingerprint() && operation.fingerprint.as_deref() == Some(&self.request_fingerprint())
    }

    /// The fingerprint of what is asked for, and of everything else that a change set is made with.
    fn request_fingerprint(&self) -> String {
        let StackOptions {
            express, no_rollback, revert_drift, delete_on_failed_create, import_existing, import, ..
        } = self.options;
        let import = import.get(&self.worker.artifact.id).map(Vec::as_slice).unwrap_or_default();
        let import: Vec<_> = import.iter().map(|it| (&it.logical_id, &it.resource_type, &it.identifier)).collect();
        let way = serde_json::json!({
            "desired": self.fingerprint,
            "express": express,
            "noRollback": no_rollback,
            "revertDrift": revert_drift,
            "deleteOnFailedCreate": delete_on_failed_create,
            "importExisting": import_existing,
            "import": import,
            "role": self.worker.execution_role(),
        });
        hex(&Sha256::digest(way.to_string().as_bytes()))
    }

    /// A change set that may have been made is used again if it would be made the same, and removed otherwise.
    async fn reuse_or_drop(&self, record: &mut StackRecord, operation: &InFlight) -> Result<(), Stop> {
        if self.is_same(operation) && !self.options.dry_run {
            return Ok(());
        }
        self.drop_change_set(operation).await;
        record.in_flight = None;
        self.worker.save(record)
    }

    async fn take_up_execution(
        &self,
        record: &mut StackRecord,
        operation: InFlight,
        stack: Option<&Stack>,
    ) -> Result<Option<Outcome>, Stop> {
        // The stack may be gone from under its name; its ARN still finds it.
        let by_id = match (&operation.stack_id, stack) {
            (Some(id), Some(stack)) if *id == stack.id => Some(stack.clone()),
            (Some(id), _) => self.worker.find_by(id).await?,
            (None, stack) => stack.cloned(),
        };
        let same = self.is_same(&operation);
        let Some(current) = by_id else {
            record.in_flight = None;
            self.worker.save(record)?;
            return Ok(None);
        };
        if !self.was_executed(&operation, &current).await? {
            if same {
                // The record goes back a step, so that the same change set is used and executed now.
                record.in_flight = Some(InFlight { step: Step::Preparing, ..operation });
            } else {
                self.drop_change_set(&operation).await;
                record.in_flight = None;
            }
            self.worker.save(record)?;
            return Ok(None);
        }
        if !current.status.is_terminal() {
            self.worker.attached(&current, true);
        }
        let followed = self
            .worker
            .follow(Target {
                stack_id: current.id.clone(),
                boundary: operation.boundary(),
                change_set_id: operation.change_set_id.clone(),
                token: Some(operation.token.clone()),
            })
            .await?;
        // What somebody cancelled or changed in the meantime is begun again: the stack is not what was asked for.
        if same && !followed.was_cancelled_elsewhere() && !followed.overtaken {
            return self.judge(record, operation.kind, followed).await.map(Some);
        }
        record.in_flight = None;
        self.worker.save(record)?;
        Ok(None)
    }

    /// Whether the call to execute the change set arrived.
    async fn was_executed(&self, operation: &InFlight, stack: &Stack) -> Result<bool, Stop> {
        if operation.change_set_id.is_some() && stack.change_set_id == operation.change_set_id {
            return Ok(stack.status != StackStatus::REVIEW_IN_PROGRESS);
        }
        let Some(change_set) = operation.change_set_id.clone().or(operation.change_set.clone()) else {
            return Ok(false);
        };
        let reference = ChangeSetRef { stack: stack.id.clone(), change_set };
        match self.describe_page(&reference, None).await {
            Ok(found) => Ok(found.execution_status.as_str().starts_with("EXECUTE_")),
            Err(error) if error.is_change_set_absent() => {
                // Executed change sets can be gone; its token is in the events then.
                Ok(self.token_was_seen(operation, stack).await?)
            }
            Err(error) => Err(self.worker.refused(&error)),
        }
    }

    async fn token_was_seen(&self, operation: &InFlight, stack: &Stack) -> Result<bool, Stop> {
        let mut next: Option<String> = None;
        loop {
            let worker = self.worker;
            let page = worker
                .caller
                .call("DescribeStackEvents", || {
                    worker.clients.cloudformation.describe_stack_events(&stack.id, next.as_deref())
                })
                .await
                .map_err(|error| worker.refused(&error))?;
            for event in &page.items {
                if event.client_token.as_deref() == Some(operation.token.as_str()) {
                    return Ok(true);
                }
                if operation.since.is_some_and(|since| event.timestamp < since) {
                    return Ok(false);
                }
            }
            match page.next_token {
                Some(token) => next = Some(token),
                None => return Ok(false),
            }
        }
    }

    /// Sees a deletion to its end, whether its call had arrived or not.
    async fn take_up_delete(&self, record: &mut StackRecord, operation: &InFlight) -> Result<(), Stop> {
        let id = operation.stack_id.as_deref().unwrap_or(&self.worker.key.stack_name);
        let Some(stack) = self.worker.find_by(id).await? else {
            record.in_flight = None;
            record.deployed = None;
            return self.worker.save(record);
        };
        if stack.status == StackStatus::DELETE_IN_PROGRESS {
            self.worker.attached(&stack, true);
            self.worker.follow_delete(record, &stack.id, operation.token.clone()).await?;
            return Ok(());
        }
        record.in_flight = None;
        self.worker.save(record)
    }

    // ---- from any state to one that can be deployed to ----

    /// Waits, rolls back or deletes until the stack can be created (none) or updated. What loses something is done only on
    /// demand.
    async fn make_ready(&self, record: &mut StackRecord, mut stack: Option<Stack>) -> Result<Option<Stack>, Stop> {
        loop {
            let Some(found) = stack else { return Ok(None) };
            match found.status.phase() {
                Phase::Gone => return Ok(None),
                Phase::Settled | Phase::Review => return Ok(Some(found)),
                Phase::Busy if self.options.refuse_busy => return Err(busy(&found)),
                Phase::Busy => {
                    self.worker.follow_foreign(&found).await?;
                }
                Phase::Paused if self.options.no_rollback => return Ok(Some(found)),
                Phase::Paused if self.options.roll_back_paused => {
                    self.worker.roll_back(record, &found).await?;
                }
                Phase::Paused => return Err(paused(&found)),
                Phase::DeadOnArrival | Phase::DeleteFailed if self.options.recreate.contains(&found.id) => {
                    self.delete_dead(record, &found).await?;
                }
                Phase::DeadOnArrival => return Err(dead_on_arrival(&found)),
                Phase::DeleteFailed => return Err(half_deleted(&found)),
                Phase::Stuck => match &self.options.continue_rollback {
                    Some(skip) => self.worker.continue_rollback(record, &found, skip).await?,
                    None => return Err(self.stuck(&found).await),
                },
            }
            stack = self.worker.find().await?;
        }
    }

    /// A stack that a deployment would delete first: until then CloudFormation computes nothing for it.
    fn unknown_until_recreated(&self, stack: &Stack) -> Option<Outcome> {
        let is_dead = matches!(stack.status.phase(), Phase::DeadOnArrival | Phase::DeleteFailed);
        (self.options.dry_run && is_dead).then(|| Outcome::Unknown {
            reason: format!("`{}` is {}: it has to be deleted and created again", stack.name, stack.status),
        })
    }

    async fn delete_dead(&self, record: &mut StackRecord, stack: &Stack) -> Result<(), Stop> {
        let followed = self.worker.delete(record, stack, &[]).await?;
        if followed.stack.status == StackStatus::DELETE_COMPLETE {
            return Ok(());
        }
        let status = Some(followed.stack.status.clone());
        Err(Stop::Failed { status, causes: self.worker.causes(followed).await })
    }

    /// Names the resources whose rollback failed: they are what can be skipped.
    async fn stuck(&self, stack: &Stack) -> Stop {
        let followed = self
            .worker
            .follow(Target {
                stack_id: stack.id.clone(),
                boundary: Boundary::LastStart,
                change_set_id: None,
                token: None,
            })
            .await;
        let mut causes = match followed {
            Ok(followed) => self.worker.causes(followed).await,
            Err(_) => Vec::new(),
        };
        // What keeps it from being deployed now comes first, before the reason for which it was rolled back.
        causes.sort_by_key(|it| it.kind != CauseKind::Stuck);
        if causes.first().is_none_or(|it| it.kind != CauseKind::Stuck) {
            let message = format!("a rollback of `{}` failed: {}", stack.name, reason_of(stack));
            let help = "mend what the failed resources need, then continue the rollback; resources that cannot be put back \
                        can be skipped";
            causes.insert(0, Cause::new(CauseKind::Stuck, message).with_help(help));
        }
        Stop::Failed { status: Some(stack.status.clone()), causes }
    }

    // ---- a stack that is as it should be ----

    /// Costs no call if the stack was deployed from here and nobody touched it since; one call to compare templates otherwise.
    async fn unchanged(&self, record: &mut StackRecord, stack: &Stack) -> Result<Option<Outcome>, Stop> {
        let importing = self.options.import.contains_key(&self.worker.artifact.id);
        let settled = stack.status.phase() == Phase::Settled;
        // A change set that an interrupted run made says that there was something to do.
        let begun = record.in_flight.is_some();
        // What the Parameter Store has now, only CloudFormation knows.
        let stored = self.desired.stored_parameters().next().is_some();
        if !settled || begun || importing || stored || self.options.revert_drift || self.options.even_if_unchanged {
            return Ok(None);
        }
        let known = record.deployed.as_ref().is_some_and(|deployed| deployed.is(stack, &self.desired));
        if !self.desired.settings_equal(stack, known && self.desired.has_whole_fingerprint()) {
            return Ok(None);
        }
        if !known {
            let worker = self.worker;
            let call = || worker.clients.cloudformation.get_template(&stack.id);
            let template = worker.caller.call("GetTemplate", call).await.map_err(|error| worker.refused(&error))?;
            if !self.desired.template_equals(&template) {
                return Ok(None);
            }
        }
        if !self.options.dry_run {
            self.protect(stack).await?;
            if !known {
                self.remember(record, stack)?;
            }
        }
        Ok(Some(Outcome::Unchanged { stack_id: stack.id.clone(), outputs: stack.outputs.clone() }))
    }

    fn remember(&self, record: &mut StackRecord, stack: &Stack) -> Result<(), Stop> {
        record.in_flight = None;
        let StackVersion { stack_id, changed } = stack.into();
        record.deployed = Some(Deployed { stack_id, changed, fingerprint: self.fingerprint.clone() });
        self.worker.save(record)
    }

    async fn protect(&self, stack: &Stack) -> Result<(), Stop> {
        let wanted = self.worker.artifact.termination_protection;
        if stack.termination_protection == wanted {
            return Ok(());
        }
        self.set_protection(&stack.id, wanted).await
    }

    async fn set_protection(&self, stack_id: &str, enabled: bool) -> Result<(), Stop> {
        let worker = self.worker;
        let call = || worker.clients.cloudformation.update_termination_protection(stack_id, enabled);
        worker.caller.call("UpdateTerminationProtection", call).await.map_err(|error| worker.refused(&error))
    }

    // ---- a change set, and its execution ----

    async fn attempt(&self, record: &mut StackRecord, stack: Option<&Stack>) -> Result<Attempt, Stop> {
        let worker = self.worker;
        let exists = stack.is_some_and(|stack| stack.status.phase() != Phase::Review);
        let parameters =
            self.desired.parameters(stack.filter(|_| exists)).map_err(|cause| Stop::failed(None, *cause))?;
        let import = self.options.import.get(&worker.artifact.id).cloned().unwrap_or_default();
        let kind = match (import.is_empty(), exists) {
            (false, _) => OperationKind::Import,
            (true, true) => OperationKind::Update,
            (true, false) => OperationKind::Create,
        };
        let template = self.template_source().await?;
        // A change set that an interrupted run may have made has a name and a token in the record; they are used again, unless the stack
        // has come or gone since.
        let (name, token, made_stack) = match record.in_flight.take() {
            Some(InFlight { change_set: Some(name), token, kind: before, stack_id, .. }) if before == kind => {
                (name, token, stack_id.is_none())
            }
            left => {
                if let Some(left) = left {
                    self.drop_change_set(&left).await;
                }
                let token = worker.token("deploy");
                (token.clone(), token, stack.is_none())
            }
        };
        let operation = InFlight {
            run: worker.shared.run.clone(),
            kind,
            step: Step::Preparing,
            token: token.clone(),
            fingerprint: Some(self.request_fingerprint()),
            change_set: Some(name.clone()),
            change_set_id: None,
            stack_id: stack.filter(|_| !made_stack).map(|stack| stack.id.clone()),
            since: None,
        };
        record.in_flight = Some(operation.clone());
        worker.save(record)?;

        let rollback_choice = self.options.delete_on_failed_create && !self.options.no_rollback;
        let request = CreateChangeSet {
            stack_name: worker.key.stack_name.clone(),
            change_set_name: name.clone(),
            kind: match kind {
                OperationKind::Import => ChangeSetType::Import,
                OperationKind::Update => ChangeSetType::Update,
                _ => ChangeSetType::Create,
            },
            template,
            parameters,
            tags: worker.artifact.tags.clone(),
            capabilities: self.desired.capabilities(),
            role_arn: worker.execution_role(),
            notification_arns: Vec::new(),
            client_token: token.clone(),
            description: None,
            on_stack_failure: (rollback_choice && kind == OperationKind::Create).then_some(OnStackFailure::Delete),
            resources_to_import: import,
            import_existing_resources: self.options.import_existing && kind != OperationKind::Import,
            include_nested_stacks: !self.options.revert_drift,
            revert_drift: self.options.revert_drift,
            express: self.options.express,
            disable_rollback: self.options.no_rollback && self.options.express,
        };
        let reference = ChangeSetRef { stack: worker.key.stack_name.clone(), change_set: name.clone() };
        let ready = match self.make_change_set(&request, &reference).await? {
            Ok(ready) => ready,
            Err(refusal) => return self.not_ready(record, &operation, stack, made_stack, refusal).await,
        };
        worker.shared.emitter.emit(Event::ChangeSetReady {
            stack: worker.artifact.id.clone(),
            change_set: name,
            changes: ready.changes.clone(),
        });
        let operation = InFlight {
            step: Step::Executing,
            change_set_id: Some(ready.id.clone()),
            stack_id: Some(ready.stack_id.clone()),
            since: Some(ready.creation_time),
            ..operation
        };
        if self.options.dry_run {
            self.clean_up(record, &operation, made_stack).await?;
            return Ok(Attempt::Done(Outcome::Planned { changes: ready.changes }));
        }
        if worker.shared.handle.intent() != Intent::Continue {
            self.clean_up(record, &operation, made_stack).await?;
            return Err(Stop::NotStarted);
        }
        let losing = self.not_allowed(&ready).await?;
        if !losing.is_empty() {
            self.clean_up(record, &operation, made_stack).await?;
            let status = stack.map(|stack| stack.status.clone()).filter(|_| exists);
            return Err(Stop::Failed { status, causes: losing });
        }
        if stack.is_some_and(|it| it.termination_protection) != worker.artifact.termination_protection {
            // Before the execution: a stack that is to be protected is never unprotected while it has resources.
            self.set_protection(&ready.stack_id, worker.artifact.termination_protection).await?;
        }
        record.in_flight = Some(operation.clone());
        worker.save(record)?;
        self.execute(record, operation, &ready, made_stack).await
    }

    /// What the change set, and those of nested stacks in it, would lose and nobody has allowed.
    async fn not_allowed(&self, ready: &ChangeSet) -> Result<Vec<Cause>, Stop> {
        let artifact = self.worker.artifact;
        let allowed = self.options.may_lose.get(&artifact.id);
        let mut found = Vec::new();
        let mut open = vec![(Vec::new(), ready.changes.clone())];
        while let Some((nested, changes)) = open.pop() {
            found.extend(loss::not_allowed(&changes, &nested, artifact, allowed));
            for change in changes {
                let (Some(change_set), Some(stack)) = (change.nested_change_set, change.physical_id) else { continue };
                let reference = ChangeSetRef { stack, change_set };
                let first = self.describe_page(&reference, None).await.map_err(|error| self.worker.refused(&error))?;
                let inner = self.all_changes(&reference, first).await?;
                open.push(([&nested[..], &[change.logical_id]].concat(), inner.changes));
            }
        }
        Ok(found)
    }

    /// The template in the request, or in the asset bucket if it is too long.
    async fn template_source(&self) -> Result<TemplateSource, Stop> {
        let text = &self.desired.template_text;
        if text.len() <= INLINE_LIMIT {
            return Ok(TemplateSource::Body(text.clone()));
        }
        let worker = self.worker;
        let environment = &worker.key.environment;
        let bucket = asset::bucket_of(worker.artifact);
        let key = format!("{}.json", hex(&Sha256::digest(text.as_bytes())));
        let body = text.clone().into_bytes();
        asset::upload(&worker.caller, worker.clients, &bucket, &key, "application/json", move || Ok(body))
        .await
        .map_err(|mut cause| {
            worker.enrich(&mut cause);
            cause.help = Some(format!(
                "the template is longer than {INLINE_LIMIT} bytes and goes through the bucket `{bucket}`: run `bootstrap` for \
                 {environment} if it is not there"
            ));
            Stop::failed(None, cause)
        })?;
        Ok(TemplateSource::Url(worker.clients.objects.url(&bucket, &key)))
    }

    /// Makes the change set and waits until CloudFormation has computed it. The inner error is one that did not come to be.
    async fn make_change_set(
        &self,
        request: &CreateChangeSet,
        reference: &ChangeSetRef,
    ) -> Result<Result<ChangeSet, Refusal>, Stop> {
        let worker = self.worker;
        let call = || worker.clients.cloudformation.create_change_set(request);
        match worker.caller.call("CreateChangeSet", call).await {
            Ok(_) => {}
            // The name is ours alone: an earlier request has arrived, though its answer was lost.
            Err(error) if error.is_already_exists() || error.is_token_reused() => {}
            Err(error) if says_no_changes(&error.message) => return Ok(Err(Refusal::NoChanges)),
            Err(error) => return Ok(Err(Refusal::Error(error))),
        }
        let started = Instant::now();
        let mut pause = worker.shared.pace.first;
        let mut absent = 0;
        loop {
            let page = match self.describe_page(reference, None).await {
                // It can take a moment until a new change set is seen everywhere.
                Err(error) if error.is_change_set_absent() && absent < 5 => {
                    absent += 1;
                    None
                }
                Err(error) => return Ok(Err(Refusal::Error(error))),
                Ok(page) => Some(page),
            };
            match page {
                Some(page) if page.status == "CREATE_COMPLETE" => {
                    return self.all_changes(reference, page).await.map(Ok);
                }
                Some(page) if page.status == "FAILED" => {
                    let reason = page.status_reason.clone().unwrap_or_default();
                    let refusal = if says_no_changes(&reason) {
                        Refusal::NoChanges
                    } else {
                        Refusal::Failed { id: page.id, reason }
                    };
                    return Ok(Err(refusal));
                }
                _ => {}
            }
            if worker.shared.timeout.is_some_and(|limit| started.elapsed() >= limit) {
                let message = format!("the change set `{}` is not computed in time", reference.change_set);
                return Err(Stop::failed(None, Cause::new(CauseKind::Timeout, message)));
            }
            if worker.shared.handle.intent() == Intent::Detach {
                return Err(Stop::Detached { stack_id: page.map(|it| it.stack_id) });
            }
            worker.shared.handle.pause(pause, worker.shared.handle.intent()).await;
            pause = worker.shared.pace.slower(pause);
        }
    }

    async fn describe_page(&self, reference: &ChangeSetRef, next: Option<&str>) -> Result<ChangeSet, ApiError> {
        let worker = self.worker;
        let call = || worker.clients.cloudformation.describe_change_set(reference, next);
        worker.caller.call("DescribeChangeSet", call).await
    }

    async fn all_changes(&self, reference: &ChangeSetRef, first: ChangeSet) -> Result<ChangeSet, Stop> {
        let mut whole = first;
        while let Some(token) = whole.next_token.take() {
            let page =
                self.describe_page(reference, Some(&token)).await.map_err(|error| self.worker.refused(&error))?;
            whole.changes.extend(page.changes);
            whole.next_token = page.next_token;
        }
        Ok(whole)
    }

    /// There is no change set to execute: because there is nothing to do, or because CloudFormation refuses.
    async fn not_ready(
        &self,
        record: &mut StackRecord,
        operation: &InFlight,
        stack: Option<&Stack>,
        made_stack: bool,
        refusal: Refusal,
    ) -> Result<Attempt, Stop> {
        let exists = stack.is_some_and(|stack| stack.status.phase() != Phase::Review);
        let causes = match refusal {
            Refusal::NoChanges => {
                self.clean_up(record, operation, made_stack).await?;
                let Some(stack) = stack.filter(|_| exists) else {
                    let cause = Cause::new(CauseKind::Invalid, "the template has no resources");
                    return Err(Stop::failed(None, cause));
                };
                if !self.options.dry_run {
                    self.protect(stack).await?;
                    self.remember(record, stack)?;
                }
                let outputs = stack.outputs.clone();
                return Ok(Attempt::Done(Outcome::Unchanged { stack_id: stack.id.clone(), outputs }));
            }
            Refusal::Error(error) if error.is_expired() || error.retry() != crate::error::Retry::No => {
                // Nobody knows whether the request arrived: the record stays, for the next run.
                return Err(self.worker.refused(&error));
            }
            // Somebody else's operation is in the way, or has made the change set obsolete.
            Refusal::Error(error) if error.is_change_set_absent() || error.is_stack_busy() => {
                return self.overtaken(record, operation).await;
            }
            Refusal::Error(error) => vec![self.worker.cause_of(&error)],
            Refusal::Failed { id, reason } => {
                let mut cause = Cause::of_change_set(reason, operation.kind == OperationKind::Import);
                self.worker.enrich(&mut cause);
                let mut causes = self
                    .worker
                    .validations(DescribeEvents {
                        change_set: Some(id),
                        failed_only: true,
                        ..DescribeEvents::default()
                    })
                    .await;
                causes.push(cause);
                causes
            }
        };
        let status = stack.map(|stack| stack.status.clone()).filter(|_| exists);
        Err(self.give_up(record, operation, made_stack, status, causes).await)
    }

    /// The work begins again from where the stack is then.
    async fn overtaken(&self, record: &mut StackRecord, operation: &InFlight) -> Result<Attempt, Stop> {
        self.drop_change_set(operation).await;
        record.in_flight = None;
        self.worker.save(record)?;
        Ok(Attempt::Overtaken)
    }

    /// Cleans up after a failure. What goes wrong with that comes after the causes.
    async fn give_up(
        &self,
        record: &mut StackRecord,
        operation: &InFlight,
        made_stack: bool,
        status: Option<StackStatus>,
        mut causes: Vec<Cause>,
    ) -> Stop {
        if let Err(Stop::Failed { causes: more, .. }) = self.clean_up(record, operation, made_stack).await {
            causes.extend(more);
        }
        Stop::Failed { status, causes }
    }

    /// Removes a change set that is not executed, and the empty stack that was made to hold it. A stack that was there before may hold
    /// somebody else's change sets.
    async fn clean_up(&self, record: &mut StackRecord, operation: &InFlight, made_stack: bool) -> Result<(), Stop> {
        self.drop_change_set(operation).await;
        if made_stack && let Err(Stop::Failed { causes, .. }) = self.discard_empty_stack().await {
            let reason = causes.first().map(|it| it.message.as_str()).unwrap_or_default();
            let name = &self.worker.key.stack_name;
            self.worker.note(format!("the empty stack `{name}` is left over in REVIEW_IN_PROGRESS: {reason}"));
        }
        record.in_flight = None;
        self.worker.save(record)
    }

    async fn discard_empty_stack(&self) -> Result<(), Stop> {
        let Some(stack) = self.worker.find().await? else { return Ok(()) };
        if stack.status != StackStatus::REVIEW_IN_PROGRESS {
            return Ok(());
        }
        if stack.termination_protection {
            self.set_protection(&stack.id, false).await?;
        }
        let token = self.worker.token("discard");
        self.worker.send_delete(&stack.id, &token, &[]).await
    }

    /// Deletes a change set; one that is left over does no harm, and is not worth a failure.
    async fn drop_change_set(&self, operation: &InFlight) {
        let Some(change_set) = operation.change_set.clone() else { return };
        let worker = self.worker;
        let stack = worker.key.stack_name.clone();
        let reference = ChangeSetRef { stack, change_set };
        let call = || worker.clients.cloudformation.delete_change_set(&reference);
        let result = worker.caller.call("DeleteChangeSet", call).await;
        if let Err(error) = result
            && !error.is_change_set_absent()
            && !error.is_stack_absent()
        {
            worker.note(format!("the change set `{}` is left over: {error}", reference.change_set));
        }
    }

    async fn execute(
        &self,
        record: &mut StackRecord,
        operation: InFlight,
        ready: &ChangeSet,
        made_stack: bool,
    ) -> Result<Attempt, Stop> {
        let worker = self.worker;
        let request = ExecuteChangeSet {
            change_set: ChangeSetRef { stack: ready.stack_id.clone(), change_set: ready.id.clone() },
            client_token: operation.token.clone(),
            disable_rollback: (self.options.no_rollback && !self.options.express).then_some(true),
        };
        let call = || worker.clients.cloudformation.execute_change_set(&request);
        match worker.caller.call("ExecuteChangeSet", call).await {
            Ok(()) => {}
            Err(error) if error.is_token_reused() => {}
            Err(error)
                if error.is_invalid_change_set_status() || error.is_change_set_absent() || error.is_stack_busy() =>
            {
                // Either an earlier request has arrived, or somebody else's deployment made it obsolete.
                let executed = match worker.find_by(&ready.stack_id).await? {
                    Some(stack) => self.was_executed(&operation, &stack).await?,
                    None => false,
                };
                if !executed {
                    return self.overtaken(record, &operation).await;
                }
            }
            Err(error) if error.is_expired() || error.retry() != crate::error::Retry::No => {
                return Err(worker.refused(&error));
            }
            Err(error) => {
                let causes = vec![worker.cause_of(&error)];
                return Err(self.give_up(record, &operation, made_stack, None, causes).await);
            }
        }
        worker.started(operation.kind, &ready.stack_id, Some(ready.changes.len()));
        let followed = worker
            .follow(Target {
                stack_id: ready.stack_id.clone(),
                boundary: Boundary::Since(ready.creation_time),
                change_set_id: Some(ready.id.clone()),
                token: Some(operation.token.clone()),
            })
            .await?;
        self.judge(record, operation.kind, followed).await.map(Attempt::Done)
    }

    /// The outcome of an operation that has ended.
    async fn judge(&self, record: &mut StackRecord, kind: OperationKind, followed: Followed) -> Result<Outcome, Stop> {
        let stack = &followed.stack;
        if followed.overtaken && followed.ended.as_ref().is_none_or(StackStatus::is_success) {
            record.in_flight = None;
            self.worker.save(record)?;
            let message =
                format!("`{}` was deployed, and then changed by somebody else: it is in {}", stack.name, stack.status);
            let help = "look at what is different now (`diff`), and deploy again if it is to be as this program has it";
            return Err(Stop::failed(Some(stack.status.clone()), Cause::new(CauseKind::Busy, message).with_help(help)));
        }
        if stack.status.is_success() && !followed.overtaken {
            self.remember(record, stack)?;
            return Ok(Outcome::Deployed {
                created: kind == OperationKind::Create,
                stack_id: stack.id.clone(),
                outputs: stack.outputs.clone(),
            });
        }
        record.in_flight = None;
        self.worker.save(record)?;
        let status = Some(followed.ended.clone().unwrap_or_else(|| stack.status.clone()));
        Err(Stop::Failed { status, causes: self.worker.causes(followed).await })
    }
}

/// Why there is no change set.
enum Refusal {
    NoChanges,
    Failed { id: String, reason: String },
    Error(ApiError),
}

impl Deployed {
    /// Whether this is what the stack was deployed to, with nothing done to it since.
    pub(crate) fn is(&self, stack: &Stack, desired: &Desired<'_>) -> bool {
        let StackVersion { stack_id, changed } = stack.into();
        self.stack_id == stack_id && self.changed == changed && self.fingerprint == desired.fingerprint()
    }
}

impl InFlight {
    fn boundary(&self) -> Boundary {
        match self.since {
            Some(since) => Boundary::Since(since),
            None => Boundary::LastStart,
        }
    }
}

/// Two texts mean that nothing would change; CloudFormation calls it a failure.
fn says_no_changes(reason: &str) -> bool {
    reason.contains("didn't contain changes")
        || reason.contains("did not contain changes")
        || reason.contains("No updates are to be performed")
}

pub(crate) fn ignore_reused(result: Result<(), ApiError>) -> Result<(), ApiError> {
    match result {
        Err(error) if error.is_token_reused() => Ok(()),
        other => other,
    }
}

fn reason_of(stack: &Stack) -> &str {
    stack.status_reason.as_deref().unwrap_or("no reason was given")
}

fn busy(stack: &Stack) -> Stop {
    let by = match stack.last_operations.first() {
        Some(operation) => format!("{} {}", operation.kind, operation.id),
        None => match &stack.change_set_id {
            Some(change_set) => format!("change set {change_set}"),
            None => "an unknown operation".to_owned(),
        },
    };
    let message = format!("`{}` is in {} by somebody else: {by}", stack.name, stack.status);
    let cause = Cause::new(CauseKind::Busy, message).with_help("wait for its end, then deploy again");
    Stop::failed(Some(stack.status.clone()), cause)
}

fn paused(stack: &Stack) -> Stop {
    let message = format!("`{}` stands still after a failure: {}", stack.name, reason_of(stack));
    let help = "it may hold resources, so it is not deleted unasked: roll it back first, or deploy without rollback to go \
                on from here";
    let cause = Cause::new(CauseKind::Paused, message).with_help(help);
    Stop::failed(Some(stack.status.clone()), cause)
}

fn dead_on_arrival(stack: &Stack) -> Stop {
    let message = format!("the first creation of `{}` failed: {}", stack.name, reason_of(stack));
    let help = "CloudFormation can only delete it. It was not so when this deployment was agreed to: deploy again, and it is deleted and \
                created again";
    let cause = Cause::new(CauseKind::NeedsRecreate, message).with_help(help);
    Stop::failed(Some(stack.status.clone()), cause)
}

fn half_deleted(stack: &Stack) -> Stop {
    let message = format!("a deletion of `{}` failed: {}", stack.name, reason_of(stack));
    let help = "destroy it again (resources that cannot be deleted can be kept). It was not so when this deployment was agreed to: \
                deploy again to have it deleted, with what it still holds, and created again";
    let cause = Cause::new(CauseKind::NeedsRecreate, message).with_help(help);
    Stop::failed(Some(stack.status.clone()), cause)
}
