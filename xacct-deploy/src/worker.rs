//! What work on one stack needs, and the few things that every such work does.

use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};
use xacct_core::assembly::StackArtifact;

use crate::cause::{Cause, CauseKind};
use crate::cloudformation::{ApiError, Clients, DeleteStack, Environment, Stack};
use crate::desired::hex;
use crate::event::{Event, OperationKind};
use crate::follow::{Boundary, Followed, Target};
use crate::report::Outcome;
use crate::retry::Caller;
use crate::run::Shared;
use crate::state::{InFlight, StackKey, StackRecord, StateError, Step};
use crate::status::StackStatus;

/// Works on one stack.
pub(crate) struct Worker<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) clients: &'a Clients,
    pub(crate) artifact: &'a StackArtifact,
    pub(crate) key: StackKey,
    pub(crate) caller: Caller,
    tokens: AtomicU32,
}

/// Why work on a stack ended before its time.
pub(crate) enum Stop {
    Failed { status: Option<StackStatus>, causes: Vec<Cause> },
    Detached { stack_id: Option<String> },
    NotStarted,
}

impl Stop {
    pub(crate) fn failed(status: Option<StackStatus>, cause: Cause) -> Self {
        Self::Failed { status, causes: vec![cause] }
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed { status, causes } => Self::Failed { status: status.map(|it| it.to_string()), causes },
            Stop::Detached { stack_id } => Self::Detached { stack_id },
            Stop::NotStarted => Self::NotStarted,
        }
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        let reason = std::error::Error::source(&error).map(|it| format!(": {it}"));
        let message = format!("{error}{}", reason.unwrap_or_default());
        let help = match error {
            StateError::Format { .. } | StateError::Newer { .. } => {
                "the record can hold an operation that is still open, so it is kept as it is, and nothing was done with the stack"
            }
            _ => "without a record an interrupted run could not be taken up: make room, or make the folder writable",
        };
        Self::failed(None, Cause::new(CauseKind::State, message).with_help(help))
    }
}

impl<'a> Worker<'a> {
    pub(crate) fn new(shared: &'a Shared, clients: &'a Clients, artifact: &'a StackArtifact) -> Self {
        Self {
            shared,
            clients,
            artifact,
            key: StackKey {
                environment: Environment::from(&artifact.environment),
                stack_name: artifact.stack_name.clone(),
            },
            caller: shared.caller(&artifact.id),
            tokens: AtomicU32::new(0),
        }
    }

    pub(crate) fn load(&self) -> Result<StackRecord, Stop> {
        Ok(self.shared.store.load(&self.key)?)
    }

    pub(crate) fn save(&self, record: &StackRecord) -> Result<(), Stop> {
        Ok(self.shared.store.save(&self.key, record)?)
    }

    pub(crate) fn note(&self, message: String) {
        let stack = Some(self.artifact.id.clone());
        self.shared.emitter.emit(Event::Note { stack, message });
    }

    /// A failed call in the terms of the user.
    pub(crate) fn cause_of(&self, error: &ApiError) -> Cause {
        let mut cause = Cause::from(error);
        self.enrich(&mut cause);
        cause
    }

    /// A failed call that ends the work on the stack.
    pub(crate) fn refused(&self, error: &ApiError) -> Stop {
        Stop::failed(None, self.cause_of(error))
    }

    /// The stack with that name or ARN.
    pub(crate) async fn describe(&self, stack: &str) -> Result<Stack, ApiError> {
        let request = || self.clients.cloudformation.describe_stack(stack);
        self.caller.call("DescribeStacks", request).await
    }

    /// The stack with the artifact's name, if there is one.
    pub(crate) async fn find(&self) -> Result<Option<Stack>, Stop> {
        self.find_by(&self.key.stack_name).await
    }

    pub(crate) async fn find_by(&self, name_or_id: &str) -> Result<Option<Stack>, Stop> {
        match self.describe(name_or_id).await {
            Ok(stack) => Ok(Some(stack)),
            Err(error) if error.is_stack_absent() => Ok(None),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// A fresh token for a call. It is written to the record before the call, so that a run that takes it up repeats the same.
    pub(crate) fn token(&self, purpose: &str) -> String {
        let number = self.tokens.fetch_add(1, Ordering::Relaxed) + 1;
        let stack = format!("{}/{}", self.key.environment, self.key.stack_name);
        let digest = hex(&Sha256::digest(stack.as_bytes())[..4]);
        format!("xacct-{}-{digest}-{purpose}-{number}", self.shared.run)
    }

    pub(crate) fn started(&self, operation: OperationKind, stack_id: &str, resources: Option<usize>) {
        self.shared.emitter.emit(Event::OperationStarted {
            stack: self.artifact.id.clone(),
            operation,
            stack_id: stack_id.to_owned(),
            resources,
        });
    }

    pub(crate) fn attached(&self, stack: &Stack, ours: bool) {
        self.shared.emitter.emit(Event::StackAttached {
            stack: self.artifact.id.clone(),
            status: stack.status.to_string(),
            ours,
        });
    }

    /// Follows what somebody else does with the stack, to its end.
    pub(crate) async fn follow_foreign(&self, stack: &Stack) -> Result<Followed, Stop> {
        self.attached(stack, false);
        self.follow(Target {
            stack_id: stack.id.clone(),
            boundary: Boundary::LastStart,
            change_set_id: None,
            token: None,
        })
        .await
    }

    /// Deletes a stack, recorded so that it is taken up after an interruption, and follows it to the end.
    pub(crate) async fn delete(
        &self,
        record: &mut StackRecord,
        stack: &Stack,
        retain: &[String],
    ) -> Result<Followed, Stop> {
        let token = self.token("delete");
        record.in_flight = Some(InFlight {
            run: self.shared.run.clone(),
            kind: OperationKind::Delete,
            step: Step::Executing,
            token: token.clone(),
            fingerprint: None,
            change_set: None,
            change_set_id: None,
            stack_id: Some(stack.id.clone()),
            since: None,
        });
        self.save(record)?;
        self.send_delete(&stack.id, &token, retain).await?;
        self.started(OperationKind::Delete, &stack.id, None);
        self.follow_delete(record, &stack.id, token).await
    }

    /// The role that CloudFormation works with: the stack's own, else the account's.
    pub(crate) fn execution_role(&self) -> Option<String> {
        self.artifact.execution_role.clone().or_else(|| self.clients.execution_role.clone())
    }

    pub(crate) async fn send_delete(&self, stack_id: &str, token: &str, retain: &[String]) -> Result<(), Stop> {
        let request = DeleteStack {
            stack: stack_id.to_owned(),
            client_token: token.to_owned(),
            retain_resources: retain.to_vec(),
            role_arn: self.execution_role(),
        };
        let call = || self.clients.cloudformation.delete_stack(&request);
        match self.caller.call("DeleteStack", call).await {
            Err(error) if !error.is_token_reused() => Err(self.refused(&error)),
            _ => Ok(()),
        }
    }

    pub(crate) async fn follow_delete(
        &self,
        record: &mut StackRecord,
        stack_id: &str,
        token: String,
    ) -> Result<Followed, Stop> {
        let followed = self
            .follow(Target {
                stack_id: stack_id.to_owned(),
                boundary: Boundary::LastStart,
                change_set_id: None,
                token: Some(token),
            })
            .await?;
        record.in_flight = None;
        if followed.stack.status == StackStatus::DELETE_COMPLETE {
            record.deployed = None;
        }
        self.save(record)?;
        Ok(followed)
    }
}
