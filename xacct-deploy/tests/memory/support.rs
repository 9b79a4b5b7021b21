//! A world on a clock that is driven by hand, and the few steps that most tests make.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use xacct_deploy::cloudformation::{
    ChangeSet, ChangeSetRef, ChangeSetType, CreateChangeSet, DeleteStack, DescribeEvents, ExecuteChangeSet, Output,
    ParameterValue, Stack, StackEvent, TemplateSource,
};
use xacct_deploy::memory::{World, WorldBuilder};
use xacct_deploy::{ApiError, Clients, Environment};

pub(crate) const A: &str = "111111111111";
pub(crate) const B: &str = "222222222222";

/// One environment of a world.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) environment: Environment,
    pub(crate) clients: Clients,
}

/// An environment in an account.
pub(crate) fn environment(account: &str) -> Environment {
    Environment { account: account.into(), region: "eu-west-1".into() }
}

/// An empty world, seen from account A.
pub(crate) fn place() -> Place {
    place_in(World::builder())
}

pub(crate) fn place_in(builder: WorldBuilder) -> Place {
    Place::new(&builder.manual_clock().build(), environment(A))
}

/// What a deployment asks for.
pub(crate) struct Request(pub(crate) CreateChangeSet);

impl Request {
    pub(crate) fn parameter(mut self, key: &str, value: &str) -> Self {
        self.0.parameters.push(ParameterValue { key: key.into(), value: Some(value.into()) });
        self
    }

    pub(crate) fn previous(mut self, key: &str) -> Self {
        self.0.parameters.push(ParameterValue { key: key.into(), value: None });
        self
    }

    pub(crate) fn tag(mut self, key: &str, value: &str) -> Self {
        self.0.tags.insert(key.into(), value.into());
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut CreateChangeSet)) -> Self {
        change(&mut self.0);
        self
    }
}

/// A request with all capabilities.
pub(crate) fn request(stack: &str, template: &Value) -> Request {
    Request(CreateChangeSet {
        stack_name: stack.into(),
        change_set_name: "change".into(),
        kind: ChangeSetType::Update,
        template: TemplateSource::Body(template.to_string()),
        parameters: Vec::new(),
        tags: BTreeMap::new(),
        capabilities: vec!["CAPABILITY_NAMED_IAM".into()],
        role_arn: None,
        notification_arns: Vec::new(),
        client_token: String::new(),
        description: None,
        on_stack_failure: None,
        resources_to_import: Vec::new(),
        import_existing_resources: false,
        include_nested_stacks: false,
        revert_drift: false,
        express: false,
        disable_rollback: false,
    })
}

impl Place {
    pub(crate) fn new(world: &World, environment: Environment) -> Self {
        Self { world: world.clone(), clients: world.clients(&environment), environment }
    }

    /// The same world, seen from another account.
    pub(crate) fn other(&self, account: &str) -> Self {
        Self::new(&self.world, environment(account))
    }

    /// Makes a change set, of the kind that the stack needs, and waits for it.
    pub(crate) async fn change_set(&self, request: Request) -> Result<ChangeSet, ApiError> {
        let Request(mut request) = request;
        let absent = match self.clients.cloudformation.describe_stack(&request.stack_name).await {
            Ok(stack) => stack.status.as_str() == "REVIEW_IN_PROGRESS",
            Err(error) => error.is_stack_absent(),
        };
        if absent && request.kind == ChangeSetType::Update {
            request.kind = ChangeSetType::Create;
        }
        if request.client_token.is_empty() {
            request.client_token = format!("token-{}", self.world.calls().len());
        }
        let created = self.clients.cloudformation.create_change_set(&request).await?;
        self.world.advance(Duration::from_secs(10));
        let wanted = ChangeSetRef { stack: created.stack_id, change_set: created.id };
        self.clients.cloudformation.describe_change_set(&wanted, None).await
    }

    pub(crate) async fn execute(&self, change_set: &ChangeSet) -> Result<(), ApiError> {
        self.execute_with(change_set, |_| ()).await
    }

    pub(crate) async fn execute_with(
        &self,
        change_set: &ChangeSet,
        change: impl FnOnce(&mut ExecuteChangeSet),
    ) -> Result<(), ApiError> {
        let mut request = ExecuteChangeSet {
            change_set: ChangeSetRef { stack: change_set.stack_id.clone(), change_set: change_set.id.clone() },
            client_token: format!("token-{}", self.world.calls().len()),
            disable_rollback: None,
        };
        change(&mut request);
        self.clients.cloudformation.execute_change_set(&request).await
    }

    /// Deploys and waits; the stack as it is then. A change set that fails is an error of the test.
    pub(crate) async fn deploy(&self, request: Request) -> Stack {
        self.deploy_with(request, |_| ()).await
    }

    pub(crate) async fn deploy_with(&self, request: Request, change: impl FnOnce(&mut ExecuteChangeSet)) -> Stack {
        let change_set = self.change_set(request).await.unwrap();
        let wanted = DescribeEvents { change_set: Some(change_set.id.clone()), ..DescribeEvents::default() };
        let found = self.clients.cloudformation.describe_events(&wanted, None).await.unwrap().items;
        let found: Vec<_> = found.into_iter().map(|it| (it.validation_path, it.validation_reason)).collect();
        assert_eq!(change_set.status, "CREATE_COMPLETE", "{:?} {found:#?}", change_set.status_reason);
        self.execute_with(&change_set, change).await.unwrap();
        self.settle().await;
        let stack = self.clients.cloudformation.describe_stack(&change_set.stack_id).await.unwrap();
        let wanted = ChangeSetRef { stack: change_set.stack_id, change_set: change_set.id };
        self.clients.cloudformation.delete_change_set(&wanted).await.unwrap();
        stack
    }

    /// Lets so much time pass that everything ends.
    pub(crate) async fn settle(&self) {
        self.world.advance(Duration::from_secs(3600));
    }

    /// Why a template cannot be deployed: the error of the call, or the reason of the change set.
    pub(crate) async fn refusal(&self, request: Request) -> String {
        let name = request.0.stack_name.clone();
        match self.change_set(request).await {
            Err(error) => error.message,
            Ok(change_set) => {
                assert_eq!(change_set.status, "FAILED", "{name}");
                let wanted = ChangeSetRef { stack: change_set.stack_id, change_set: change_set.id };
                self.clients.cloudformation.delete_change_set(&wanted).await.unwrap();
                change_set.status_reason.unwrap()
            }
        }
    }

    /// Every event of a stack, oldest first.
    pub(crate) async fn events(&self, stack: &str) -> Vec<StackEvent> {
        let mut events = Vec::new();
        let mut token = None;
        loop {
            let page = self.clients.cloudformation.describe_stack_events(stack, token.as_deref()).await.unwrap();
            events.extend(page.items);
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        events.reverse();
        events
    }

    /// Each event as `logical id STATUS`, with ` (reason)` where there is one; from the last time on that the stack was told to do
    /// something.
    pub(crate) async fn story(&self, stack: &str) -> Vec<String> {
        let events = self.events(stack).await;
        let start =
            events.iter().rposition(|it| it.is_stack() && it.status_reason.as_deref() == Some("User Initiated"));
        let told = events[start.unwrap_or_default()..].iter().map(|event| match &event.status_reason {
            Some(reason) => format!("{} {} ({reason})", event.logical_id, event.status),
            None => format!("{} {}", event.logical_id, event.status),
        });
        told.collect()
    }

    pub(crate) async fn delete(&self, stack: &str) -> Result<(), ApiError> {
        self.delete_retaining(stack, &[]).await
    }

    pub(crate) async fn delete_retaining(&self, stack: &str, retained: &[&str]) -> Result<(), ApiError> {
        let request = DeleteStack {
            stack: stack.into(),
            client_token: format!("token-{}", self.world.calls().len()),
            retain_resources: retained.iter().map(|it| (*it).to_owned()).collect(),
            role_arn: None,
        };
        self.clients.cloudformation.delete_stack(&request).await?;
        self.settle().await;
        Ok(())
    }

    /// Physical id and status of each resource.
    pub(crate) async fn resources(&self, stack: &str) -> BTreeMap<String, (String, String)> {
        let page = self.clients.cloudformation.list_stack_resources(stack, None).await.unwrap();
        let resources = page.items.into_iter();
        resources.map(|it| (it.logical_id, (it.physical_id.unwrap_or_default(), it.status.to_string()))).collect()
    }

    /// What a template's outputs come to.
    pub(crate) async fn outputs(&self, request: Request) -> BTreeMap<String, String> {
        let stack = self.deploy(request).await;
        assert!(stack.status.is_success(), "{} {:?}", stack.status, stack.status_reason);
        outputs(&stack)
    }
}

pub(crate) fn outputs(stack: &Stack) -> BTreeMap<String, String> {
    stack.outputs.iter().map(|Output { key, value, .. }| (key.clone(), value.clone())).collect()
}

/// A template with resources only.
pub(crate) fn resources(resources: Value) -> Value {
    json!({ "Resources": resources })
}

/// A topic with a display name.
pub(crate) fn topic(display: &str) -> Value {
    json!({"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": display}})
}

/// A role that a principal can assume.
pub(crate) fn role(name: &str, principal: Value) -> Value {
    json!({"Type": "AWS::IAM::Role", "Properties": {"RoleName": name, "AssumeRolePolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}]}}})
}

/// The policy of a topic.
pub(crate) fn topic_policy() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*", "Principal": {"Service": "events.amazonaws.com"}}]})
}
