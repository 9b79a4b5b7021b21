//! Change sets: made, validated, described, executed.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use xacct_schema::validate::Rule;

use super::checks;
use super::elsewhere::{self, Holder};
use super::preview;
use super::secret::Secrets;
use super::service::{Service, is_busy, validation};
use super::state::{ChangeSet, Desired, Finding, Item, Operation, OperationKind, Progress, Stack, Step, Work};
use super::template::Template;
use crate::cloudformation::{
    self as api, ApiError, ChangeSetCreated, ChangeSetRef, ChangeSetType, CreateChangeSet, Environment,
    ExecuteChangeSet, OnStackFailure, StackStatus, TemplateSource,
};

const CREATE: &str = "CreateChangeSet";
const MAX_BODY: usize = 51_200;
const MAX_TEMPLATE: usize = 1_048_576;
/// How CloudFormation says that nothing changes.
const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";
const NO_UPDATES: &str = "No updates are to be performed.";

impl Service {
    pub(super) fn create_change_set(
        &mut self,
        environment: &Environment,
        request: &CreateChangeSet,
    ) -> Result<ChangeSetCreated, ApiError> {
        check_request(request)?;
        let existing =
            self.state.find(environment, &request.stack_name).filter(|it| it.status != StackStatus::DELETE_COMPLETE);
        let existing = existing.map(|stack| stack.id.clone());
        let fresh = self.check_stack(existing.as_deref(), request)?;
        let (text, template) = self.fetch_template(existing.as_deref(), &request.template)?;
        check_capabilities(&template, &request.capabilities)?;
        let unknown: BTreeSet<&str> =
            template.resources.values().map(|it| it.resource_type.as_str()).filter(|it| !is_known_type(it)).collect();
        if !unknown.is_empty() {
            let unknown: Vec<&str> = unknown.into_iter().collect();
            let message = format!("Template format error: Unrecognized resource types: [{}]", unknown.join(", "));
            return Err(validation(CREATE, message));
        }
        template.check_attributes().map_err(|message| validation(CREATE, message))?;
        let previous = existing.as_ref().and_then(|id| self.state.stacks[id].desired.clone());
        let parameters =
            preview::settle_parameters(&self.state, &template, &request.parameters, previous.as_ref(), environment)
                .map_err(|message| validation(CREATE, message))?;
        self.check_type_changes(existing.as_deref(), &template)?;
        let stack_id = match existing {
            Some(id) => id,
            None => self.new_stack(environment, &request.stack_name),
        };
        let desired = Desired {
            template: self.state.keep_template(&text, template),
            parameters,
            tags: request.tags.clone(),
            capabilities: request.capabilities.clone(),
            role_arn: request.role_arn.clone().or_else(|| previous.as_ref().and_then(|it| it.role_arn.clone())),
            notification_arns: request.notification_arns.clone(),
        };
        let id = format!(
            "arn:{}:cloudformation:{}:{}:changeSet/{}/{}",
            super::evaluate::partition(&environment.region),
            environment.region,
            environment.account,
            request.change_set_name,
            self.new_uuid()
        );
        let operation_id = self.new_uuid();
        let lasts = i64::try_from(self.options.durations.change_set.as_millis()).unwrap_or(i64::MAX / 4);
        let due = self.state.now + lasts;
        let creation_time = self.state.time();
        let stack = &mut self.state.stacks[&stack_id];
        stack.operations.push((operation_id.clone(), "CREATE_CHANGESET".to_owned()));
        stack.change_sets.push(ChangeSet {
            id: id.clone(),
            name: request.change_set_name.clone(),
            kind: request.kind,
            creation_time,
            due,
            status: "CREATE_PENDING".into(),
            status_reason: None,
            execution_status: "UNAVAILABLE".into(),
            desired,
            on_stack_failure: request.on_stack_failure,
            disable_rollback: request.disable_rollback,
            express: request.express,
            revert_drift: request.revert_drift,
            import_existing: request.import_existing_resources,
            imports: request.resources_to_import.clone(),
            changes: Vec::new(),
            operation_id,
            findings: Vec::new(),
            execution_token: None,
        });
        if fresh {
            let operation = self.new_operation(&stack_id, OperationKind::Create, &request.client_token);
            self.state.stacks[&stack_id].operations.pop();
            self.set_status(&stack_id, &operation, StackStatus::REVIEW_IN_PROGRESS, Some("User Initiated"));
        }
        self.state.wake(&stack_id, due);
        Ok(ChangeSetCreated { id, stack_id })
    }

    /// Whether the stack can have such a change set; true if the stack is to be made.
    fn check_stack(&self, existing: Option<&str>, request: &CreateChangeSet) -> Result<bool, ApiError> {
        let (name, change_set) = (&request.stack_name, &request.change_set_name);
        let Some(stack) = existing.map(|id| &self.state.stacks[id]) else {
            if request.kind == ChangeSetType::Update {
                return Err(validation(CREATE, format!("Stack [{name}] does not exist")));
            }
            if name.starts_with("arn:") {
                return Err(validation(CREATE, format!("Stack [{name}] does not exist")));
            }
            return Ok(true);
        };
        if stack.change_sets.iter().any(|it| it.name == *change_set) {
            let message = format!("ChangeSet {change_set} already exists");
            return Err(ApiError::service(CREATE, "AlreadyExistsException", message).with_http(Some(400), None));
        }
        let review = stack.status == StackStatus::REVIEW_IN_PROGRESS;
        match request.kind {
            ChangeSetType::Create if !review => {
                let message = format!(
                    "Stack [{}] already exists and cannot be created again with the changeSet [{change_set}].",
                    stack.name
                );
                return Err(validation(CREATE, message));
            }
            ChangeSetType::Update if review => {
                let message = format!("Stack:{} is in REVIEW_IN_PROGRESS state and can not be updated.", stack.id);
                return Err(validation(CREATE, message));
            }
            _ => {}
        }
        let can = review
            || matches!(
                stack.status.as_str(),
                "CREATE_COMPLETE"
                    | "UPDATE_COMPLETE"
                    | "UPDATE_ROLLBACK_COMPLETE"
                    | "IMPORT_COMPLETE"
                    | "IMPORT_ROLLBACK_COMPLETE"
                    | "CREATE_FAILED"
                    | "UPDATE_FAILED"
            );
        if !can {
            let message = format!("Stack:{} is in {} state and can not be updated.", stack.id, stack.status);
            return Err(validation(CREATE, message));
        }
        Ok(false)
    }

    fn fetch_template(&self, existing: Option<&str>, source: &TemplateSource) -> Result<(String, Template), ApiError> {
        let text = match source {
            TemplateSource::Body(text) if text.len() > MAX_BODY => {
                return Err(validation(
                    CREATE,
                    "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200",
                ));
            }
            TemplateSource::Body(text) => text.clone(),
            TemplateSource::Url(url) => self.object_text(url).map_err(|message| validation(CREATE, message))?,
            TemplateSource::Previous => existing
                .and_then(|id| self.state.stacks[id].desired.as_ref())
                .and_then(|desired| self.state.templates.get(&desired.template))
                .cloned()
                .ok_or_else(|| validation(CREATE, "Template URL or Template Body must be specified."))?,
        };
        if text.len() > MAX_TEMPLATE {
            return Err(validation(CREATE, "Template may not exceed 1048576 bytes in size."));
        }
        let template = Template::parse(&text).map_err(|message| validation(CREATE, message))?;
        Ok((text, template))
    }

    /// The text of an object that holds a template.
    pub(super) fn object_text(&self, url: &str) -> Result<String, String> {
        let path = url.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
        let Some((host, key)) = path.filter(|(host, _)| host.contains(".s3.")) else {
            return Err("TemplateURL must be a supported URL.".to_owned());
        };
        let bucket = host.split(".s3.").next().unwrap_or_default();
        let object = self.state.buckets.get(bucket).and_then(|it| it.objects.get(key));
        object
            .and_then(|it| it.text.clone())
            .ok_or_else(|| "S3 error: The specified key does not exist.\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html".to_owned())
    }

    fn check_type_changes(&self, existing: Option<&str>, template: &Template) -> Result<(), ApiError> {
        let Some(stack) = existing.map(|id| &self.state.stacks[id]) else { return Ok(()) };
        let changed: Vec<&str> = stack
            .resources
            .iter()
            .filter(|(name, resource)| {
                resource.exists()
                    && template.resources.get(*name).is_some_and(|it| it.resource_type != resource.resource_type)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let message = format!(
            "Update of resource type is not permitted. The new template modifies resource type of the following resources: [{}]",
            changed.join(", ")
        );
        Err(validation(CREATE, message))
    }

    pub(super) fn new_stack(&mut self, environment: &Environment, name: &str) -> String {
        let Environment { account, region } = environment;
        let partition = super::evaluate::partition(region);
        let id = format!("arn:{partition}:cloudformation:{region}:{account}:stack/{name}/{}", self.new_uuid());
        let stack = Stack {
            id: id.clone(),
            name: name.to_owned(),
            environment: environment.clone(),
            status: StackStatus::REVIEW_IN_PROGRESS,
            status_reason: None,
            creation_time: self.state.time(),
            last_updated_time: None,
            deletion_time: None,
            termination_protection: false,
            parent: None,
            change_set_id: None,
            desired: None,
            outputs: Vec::new(),
            imports: BTreeSet::new(),
            resources: IndexMap::new(),
            events: Vec::new(),
            change_sets: Vec::new(),
            operations: Vec::new(),
            operation: None,
            unfinished: None,
        };
        self.state.stacks.insert(id.clone(), stack);
        self.state.by_name.insert((environment.clone(), name.to_owned()), id.clone());
        id
    }

    /// Finishes the change sets of a stack whose time has come.
    pub(super) fn finish_change_sets(&mut self, stack_id: &str) {
        let Some(stack) = self.state.stacks.get(stack_id) else { return };
        let now = self.state.now;
        let due: Vec<usize> = (0..stack.change_sets.len())
            .filter(|index| {
                let change_set = &stack.change_sets[*index];
                change_set.due <= now && change_set.status == "CREATE_PENDING"
            })
            .collect();
        for index in due {
            let stack = &self.state.stacks[stack_id];
            let change_set = &stack.change_sets[index];
            let examined = self.examine(stack, change_set);
            let change_set = &mut self.state.stacks[stack_id].change_sets[index];
            match examined {
                Ok(changes) => {
                    change_set.status = "CREATE_COMPLETE".into();
                    change_set.execution_status = "AVAILABLE".into();
                    change_set.changes = changes;
                }
                Err(Refusal { reason, findings }) => {
                    change_set.status = "FAILED".into();
                    change_set.status_reason = Some(reason);
                    change_set.findings = findings;
                }
            }
        }
    }

    fn examine(&self, stack: &Stack, change_set: &ChangeSet) -> Result<Vec<api::ResourceChange>, Refusal> {
        let desired = &change_set.desired;
        let imports = self.imports(stack, change_set)?;
        let changes = preview::changes(&self.state, stack, desired, &imports, change_set.revert_drift)?;
        let findings = self.validate(stack, change_set, &changes);
        if !findings.is_empty() {
            let hooks: BTreeSet<&str> = findings.iter().map(|it| it.hook.as_str()).collect();
            let hooks: Vec<&str> = hooks.into_iter().collect();
            let reason = format!(
                "The following hook(s)/validation failed: [{}]. To troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure information.",
                hooks.join(", ")
            );
            return Err(Refusal { reason, findings });
        }
        let same = stack.desired.as_ref().is_some_and(|before| {
            before.template == desired.template
                && before.parameters == desired.parameters
                && before.tags == desired.tags
        });
        let is_update = change_set.kind == ChangeSetType::Update;
        let settled = !stack.status.as_str().ends_with("_FAILED");
        if is_update && settled && same && changes.is_empty() {
            return Err(NO_CHANGES.to_owned().into());
        }
        if is_update && settled && changes.is_empty() && !self.outputs_change(stack, desired) {
            return Err(NO_UPDATES.to_owned().into());
        }
        Ok(changes)
    }

    /// The physical ids of what is to be imported.
    fn imports(&self, stack: &Stack, change_set: &ChangeSet) -> Result<BTreeMap<String, String>, Refusal> {
        let mut imports = BTreeMap::new();
        let template = self.state.template(change_set.desired.template);
        for import in &change_set.imports {
            let id: Vec<&str> = import.identifier.values().map(String::as_str).collect();
            let id = id.join("|");
            let there = self.state.outside.iter().any(|it| {
                it.resource_type == import.resource_type && it.physical_id == id && it.environment == stack.environment
            });
            if !there {
                let reason = format!("Resource {id} of type {} does not exist", import.resource_type);
                return Err(reason.into());
            }
            let policy = template.resources.get(&import.logical_id).map(|it| it.deletion_policy.is_some());
            match policy {
                None => return Err(format!("Resources [{}] do not exist in the template", import.logical_id).into()),
                Some(false) => {
                    let reason =
                        format!("Resources to import must have a DeletionPolicy attribute: [{}]", import.logical_id);
                    return Err(reason.into());
                }
                Some(true) => {}
            }
            imports.insert(import.logical_id.clone(), id);
        }
        if change_set.import_existing {
            let mut unretained = Vec::new();
            for (name, definition) in &template.resources {
                let schema = xacct_schema::resource_type(&definition.resource_type);
                let given = schema.and_then(|schema| checks::given_name(stack, name, schema, &definition.properties));
                let outside = given.filter(|id| {
                    self.state.outside.iter().any(|it| {
                        it.resource_type == definition.resource_type
                            && it.physical_id == *id
                            && it.environment.account == stack.environment.account
                    })
                });
                let Some(id) = outside else { continue };
                if !matches!(definition.deletion_policy.as_deref(), Some("Retain" | "RetainExceptOnCreate")) {
                    unretained.push(name.as_str());
                }
                imports.insert(name.clone(), id);
            }
            if !unretained.is_empty() {
                let reason = format!(
                    "CloudFormation is attempting to import some resources because they already exist in your account. The resources \
                     must have the DeletionPolicy attribute set to 'Retain' or 'RetainExceptOnCreate' in the template for successful \
                     import. The affected resources are {}",
                    unretained.join(", ")
                );
                return Err(reason.into());
            }
        }
        Ok(imports)
    }

    fn outputs_change(&self, stack: &Stack, desired: &Desired) -> bool {
        let look = |other: &str, attribute: Option<&str>| match stack.resources.get(other) {
            Some(resource) => preview::look_at(&self.state, stack, other, resource, attribute),
            None => Ok(super::evaluate::unknown(other, attribute)),
        };
        let outputs = preview::with_scope(&self.state, stack, desired, &look, preview::outputs);
        outputs.map_or(true, |(outputs, _)| outputs != stack.outputs)
    }

    /// What can be said to be wrong before anything is changed.
    fn validate(&self, stack: &Stack, change_set: &ChangeSet, changes: &[api::ResourceChange]) -> Vec<Finding> {
        let template = self.state.template(change_set.desired.template);
        let mut findings = Vec::new();
        for change in changes.iter().filter(|change| change.action != "Remove") {
            let name = &change.logical_id;
            let definition = &template.resources[name];
            let Some(schema) = xacct_schema::resource_type(&definition.resource_type) else { continue };
            let mut add = |hook: &str, rule: &str, reason: String, path: Option<String>| {
                findings.push(Finding {
                    hook: format!("AWS::EarlyValidation::{hook}"),
                    name: rule.to_owned(),
                    reason,
                    path,
                    logical_id: name.clone(),
                    resource_type: definition.resource_type.clone(),
                    time: self.state.time(),
                });
            };
            let declaration = serde_json::json!({
                "Type": definition.resource_type,
                "Properties": definition.properties,
            });
            let region = Some(stack.environment.region.as_str());
            for finding in xacct_schema::validate::resource(name, &declaration, region) {
                // The service itself says this, when the key is made.
                if finding.rule != Rule::KeyLockout {
                    let path = format!("/Resources/{name}/Properties{}", pointer(&finding.property_path));
                    add("PropertyValidation", "PROPERTY_VALIDATION", explain(&finding), Some(path));
                }
            }
            if change.action == "Add"
                && let Some(id) = checks::given_name(stack, name, schema, &definition.properties)
            {
                let except = (stack.id.as_str(), name.as_str());
                let taken = elsewhere::holder(&self.state, &stack.environment, schema.name(), &id, except);
                if let Some(Holder::Stack(_) | Holder::Outside) = taken {
                    let reason = format!("Resource of type '{}' with identifier '{id}' already exists.", schema.name());
                    let path = Some(format!("/Resources/{name}"));
                    add("ResourceExistenceCheck", "NAME_CONFLICT_VALIDATION", reason, path);
                }
            }
        }
        findings
    }

    fn change_set(
        &self,
        operation: &'static str,
        environment: &Environment,
        wanted: &ChangeSetRef,
    ) -> Result<(&Stack, usize), ApiError> {
        let absent = || {
            ApiError::service(
                operation,
                "ChangeSetNotFound",
                format!("ChangeSet [{}] does not exist", wanted.change_set),
            )
            .with_http(Some(404), None)
        };
        let stack = if wanted.change_set.starts_with("arn:") {
            let mut stacks = self.state.stacks.values();
            stacks
                .find(|it| it.environment == *environment && it.change_sets.iter().any(|it| it.id == wanted.change_set))
        } else {
            Some(
                self.stack(operation, environment, &wanted.stack)
                    .map_err(|_| validation(operation, format!("Stack [{}] does not exist", wanted.stack)))?,
            )
        };
        let stack = stack.ok_or_else(absent)?;
        let index = stack
            .change_sets
            .iter()
            .position(|it| it.id == wanted.change_set || it.name == wanted.change_set)
            .ok_or_else(absent)?;
        Ok((stack, index))
    }

    /// The name of the stack of a change set that is named by its ARN.
    pub(super) fn stack_of_change_set(&self, id: &str) -> Option<&str> {
        let mut stacks = self.state.stacks.values();
        stacks.find(|it| it.change_sets.iter().any(|it| it.id == id)).map(|it| it.name.as_str())
    }

    pub(super) fn describe_change_set(
        &self,
        environment: &Environment,
        wanted: &ChangeSetRef,
        next_token: Option<&str>,
    ) -> Result<api::ChangeSet, ApiError> {
        const OPERATION: &str = "DescribeChangeSet";
        let (stack, index) = self.change_set(OPERATION, environment, wanted)?;
        let change_set = &stack.change_sets[index];
        let start = match next_token {
            None => 0,
            Some(token) => token.parse::<usize>().map_err(|_| validation(OPERATION, "Invalid NextToken"))?,
        };
        let changes: Vec<_> = change_set.changes.iter().skip(start).take(self.options.page_size).cloned().collect();
        let end = start + changes.len();
        Ok(api::ChangeSet {
            id: change_set.id.clone(),
            name: change_set.name.clone(),
            stack_id: stack.id.clone(),
            creation_time: change_set.creation_time,
            status: change_set.status.clone(),
            status_reason: change_set.status_reason.as_deref().map(Secrets::mask),
            execution_status: change_set.execution_status.clone(),
            changes,
            next_token: (end < change_set.changes.len()).then(|| end.to_string()),
        })
    }

    pub(super) fn delete_change_set(
        &mut self,
        environment: &Environment,
        wanted: &ChangeSetRef,
    ) -> Result<(), ApiError> {
        const OPERATION: &str = "DeleteChangeSet";
        let Ok((stack, index)) = self.change_set(OPERATION, environment, wanted) else { return Ok(()) };
        let id = stack.id.clone();
        if stack.change_sets[index].execution_status == "EXECUTE_IN_PROGRESS" {
            let message =
                format!("ChangeSet [{}] cannot be deleted while it is being executed", stack.change_sets[index].id);
            return Err(ApiError::service(OPERATION, "InvalidChangeSetStatus", message).with_http(Some(400), None));
        }
        self.state.stacks[&id].change_sets.remove(index);
        Ok(())
    }

    pub(super) fn execute_change_set(
        &mut self,
        environment: &Environment,
        request: &ExecuteChangeSet,
    ) -> Result<(), ApiError> {
        const OPERATION: &str = "ExecuteChangeSet";
        let (stack, index) = self.change_set(OPERATION, environment, &request.change_set)?;
        let change_set = &stack.change_sets[index];
        if change_set.execution_token.as_ref().is_some_and(|token| *token == request.client_token) {
            return Ok(());
        }
        if change_set.execution_status != "AVAILABLE" {
            let status = match change_set.execution_status.as_str() {
                "UNAVAILABLE" => change_set.status.to_string(),
                other => other.to_owned(),
            };
            let message =
                format!("ChangeSet [{}] cannot be executed in its current status of [{status}]", change_set.id);
            return Err(ApiError::service(OPERATION, "InvalidChangeSetStatus", message).with_http(Some(400), None));
        }
        if is_busy(&stack.status) {
            let message = format!("Stack:{} is in {} state and can not be updated.", stack.id, stack.status);
            return Err(validation(OPERATION, message));
        }
        if request.disable_rollback == Some(true) && change_set.on_stack_failure.is_some() {
            let message = "DisableRollback cannot be specified together with OnStackFailure.";
            return Err(validation(OPERATION, message));
        }
        let (id, change_set_id) = (stack.id.clone(), change_set.id.clone());
        self.use_token(OPERATION, &request.client_token, &change_set_id)?;
        self.begin(&id, index, request);
        Ok(())
    }

    fn begin(&mut self, stack_id: &str, index: usize, request: &ExecuteChangeSet) {
        let now = self.state.time();
        let stack = &self.state.stacks[stack_id];
        let kind = match stack.change_sets[index].kind {
            ChangeSetType::Import => OperationKind::Import,
            _ if stack.status == StackStatus::REVIEW_IN_PROGRESS => OperationKind::Create,
            _ if stack.status == StackStatus::CREATE_FAILED => OperationKind::Create,
            _ => OperationKind::Update,
        };
        let resumed = stack.status == StackStatus::CREATE_FAILED;
        let imports = self.imports(stack, &stack.change_sets[index]).unwrap_or_default();
        let mut operation = self.new_operation(stack_id, kind, &request.client_token);
        let stack = &mut self.state.stacks[stack_id];
        let unfinished = stack.unfinished.take();
        let change_set = &mut stack.change_sets[index];
        change_set.execution_status = "EXECUTE_IN_PROGRESS".into();
        change_set.execution_token = Some(request.client_token.clone());
        operation.target = change_set.desired.clone();
        operation.disable_rollback = request
            .disable_rollback
            .unwrap_or(change_set.disable_rollback || change_set.on_stack_failure == Some(OnStackFailure::DoNothing));
        operation.delete_on_failure = change_set.on_stack_failure == Some(OnStackFailure::Delete);
        operation.express = change_set.express;
        operation.revert_drift = change_set.revert_drift;
        operation.to_import = imports;
        stack.change_set_id = Some(change_set.id.clone());
        if let Some(unfinished) = unfinished {
            // The last good state is still the one before the operation that failed.
            operation.before = unfinished.before;
            operation.backups = unfinished.backups;
            operation.leftovers = unfinished.leftovers;
        }
        if kind == OperationKind::Create && !resumed {
            stack.creation_time = now;
        }
        self.begin_forward(stack_id, operation);
    }

    /// Starts to bring a stack to the target of an operation.
    pub(super) fn begin_forward(&mut self, stack_id: &str, mut operation: Operation) {
        let kind = operation.kind;
        let now = self.state.time();
        let stack = &mut self.state.stacks[stack_id];
        if kind == OperationKind::Create {
            stack.desired = Some(operation.target.clone());
        } else {
            stack.last_updated_time = Some(now);
        }
        let wanted = preview::wanted(&self.state, &self.state.stacks[stack_id], &operation.target);
        let template = self.state.template(operation.target.template);
        match wanted {
            Ok(wanted) => {
                operation.items = template
                    .resources
                    .iter()
                    .filter(|(name, _)| wanted.contains(*name))
                    .map(|(name, definition)| {
                        let needs = definition.needs.iter().filter(|need| wanted.contains(*need)).cloned().collect();
                        (name.clone(), Item { work: Work::Apply, needs, progress: Progress::Waiting })
                    })
                    .collect();
            }
            Err(reason) => operation.stack_failure = Some(reason),
        }
        operation.step = Step::Forward;
        let status = match kind {
            OperationKind::Create => StackStatus::CREATE_IN_PROGRESS,
            OperationKind::Import => StackStatus::IMPORT_IN_PROGRESS,
            _ => StackStatus::UPDATE_IN_PROGRESS,
        };
        self.set_status(stack_id, &operation, status, Some("User Initiated"));
        self.run(stack_id, operation);
    }
}

/// Why a change set cannot be made.
struct Refusal {
    reason: String,
    findings: Vec<Finding>,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, findings: Vec::new() }
    }
}

fn check_request(request: &CreateChangeSet) -> Result<(), ApiError> {
    let constraint = |field: &str, value: &str, rule: &str| {
        Err(validation(
            CREATE,
            format!("1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {rule}"),
        ))
    };
    let is_name = |text: &str| {
        text.len() <= 128
            && text.chars().next().is_some_and(|it| it.is_ascii_alphabetic())
            && text.chars().all(|it| it.is_ascii_alphanumeric() || it == '-')
    };
    let pattern = "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*";
    if !request.stack_name.starts_with("arn:") && !is_name(&request.stack_name) {
        return constraint("stackName", &request.stack_name, pattern);
    }
    if !is_name(&request.change_set_name) {
        return constraint("changeSetName", &request.change_set_name, pattern);
    }
    if request.tags.len() > 50 {
        return constraint("tags", "…", "Member must have length less than or equal to 50");
    }
    if request.disable_rollback && request.on_stack_failure.is_some() {
        return Err(validation(CREATE, "DisableRollback cannot be specified together with OnStackFailure."));
    }
    if request.revert_drift && request.include_nested_stacks {
        return Err(validation(CREATE, "DeploymentMode REVERT_DRIFT is not supported with IncludeNestedStacks."));
    }
    Ok(())
}

fn check_capabilities(template: &Template, given: &[String]) -> Result<(), ApiError> {
    let Some(needed) = template.capability() else { return Ok(()) };
    let enough: &[&str] = match needed {
        "CAPABILITY_IAM" => &["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        _ => &[needed],
    };
    if given.iter().any(|it| enough.contains(&it.as_str())) {
        return Ok(());
    }
    let message = format!("Requires capabilities : [{needed}]");
    Err(ApiError::service(CREATE, "InsufficientCapabilitiesException", message).with_http(Some(400), None))
}

fn is_known_type(name: &str) -> bool {
    name.starts_with("Custom::") || xacct_schema::resource_type(name).is_some()
}

/// What is wrong, and what would be right.
fn explain(finding: &xacct_schema::validate::Finding) -> String {
    let mut text = finding.message.clone();
    if let Some(expected) = &finding.expected {
        text.push_str(&format!("; expected {expected}"));
    }
    if let Some(nearest) = &finding.nearest {
        text.push_str(&format!("; did you mean `{nearest}`?"));
    }
    text
}

/// `A[0].B` as `/A/0/B`.
fn pointer(path: &str) -> String {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps.map(|step| format!("/{}", step.trim_end_matches(']'))).collect()
}
