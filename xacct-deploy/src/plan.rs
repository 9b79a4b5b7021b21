//! What a deploy would do, found out without writing anything: the assembly compared with what is deployed.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xacct_core::assembly::{Assembly, StackArtifact};

use crate::cause::Cause;
use crate::cloudformation::{ApiError, Clients, Environment, ResourceDrift, Stack};
use crate::desired::{Desired, InputValues, Source, is_no_echo};
use crate::engine::{Engine, RunError, Selection, needs, select};
use crate::holdings::{HeldResource, held};
use crate::operate::Drift;
use crate::redact::Secrets;
use crate::retry::{CallCounts, Caller};
use crate::run::Emitter;
use crate::security_diff::{SecurityChange, security_diff};
use crate::state::{Deployed, StackKey};
use crate::status::Phase;
use crate::template_diff::{ChangeKind, ChangedParameters, EntryDiff, ResourceDiff, entry_diffs, resource_diffs};
use crate::template_text;

/// What a deploy would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The stacks, in an order in which they would be deployed.
    pub stacks: Vec<StackPlan>,
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.stacks.iter().all(|it| it.action == StackAction::Nothing)
    }

    /// Whether somebody may do more afterwards: a statement allows more, or a stack can be deleted that could not be before.
    pub fn broadens(&self) -> bool {
        let broadens = |it: &StackPlan| {
            it.termination_protection == Some(false) || it.security.iter().any(|statement| statement.broadens)
        };
        self.stacks.iter().any(broadens)
    }

    /// The stacks that are as they were deployed from here and have nothing to do, for [`StackOptions::unchanged`].
    ///
    /// [`StackOptions::unchanged`]: crate::StackOptions::unchanged
    pub fn unchanged(&self) -> BTreeMap<String, Stack> {
        let unchanged = self.stacks.iter().filter(|it| it.action == StackAction::Nothing);
        unchanged.filter_map(|it| Some((it.id.clone(), it.unchanged.clone()?))).collect()
    }

    /// Takes up what [`Engine::drift`] has found, for a deployment that undoes drift ([`StackOptions::revert_drift`]).
    ///
    /// [`StackOptions::revert_drift`]: crate::StackOptions::revert_drift
    pub fn add_drift(&mut self, found: BTreeMap<String, Drift>) {
        for (id, drift) in found {
            let Some(stack) = self.stacks.iter_mut().find(|it| it.id == id) else { continue };
            let action = match drift {
                Drift::Found { resources, .. } => {
                    stack.drift = resources;
                    if stack.drift.is_empty() { StackAction::Nothing } else { StackAction::Update }
                }
                Drift::Failed { cause } => {
                    stack.problem = Some(*cause);
                    StackAction::Maybe
                }
                Drift::Absent => StackAction::Nothing,
            };
            if matches!(stack.action, StackAction::Nothing | StackAction::Maybe) && action != StackAction::Nothing {
                stack.action = action;
            }
        }
    }
}

/// What would happen to one stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StackPlan {
    /// The id in the assembly.
    pub id: String,
    /// What people select it by.
    pub display_name: String,
    /// The name in CloudFormation.
    pub stack_name: String,
    /// Where it goes.
    pub environment: Environment,
    /// The ARN of the stack that is there.
    #[serde(default)]
    pub stack_id: Option<String>,
    /// The number of the wave: 0 for stacks that wait for nobody.
    pub wave: usize,
    /// What would be done.
    pub action: StackAction,
    /// The stack, if it is as it was deployed from here and there is nothing to do.
    #[serde(skip)]
    pub(crate) unchanged: Option<Stack>,
    /// What the stack is now; none if there is no such stack.
    pub status: Option<String>,
    /// Why the stack, or its drift, could not be looked at.
    pub problem: Option<Cause>,
    /// What a stack still holds that has to be deleted and created again: it goes with it, unless it is retained.
    #[serde(default)]
    pub held: Vec<HeldResource>,
    /// Resources that would change, by logical id.
    pub resources: Vec<ResourceDiff>,
    /// Outputs, parameters and other entries of the template that would change.
    pub entries: Vec<EntryDiff>,
    /// Parameters whose value would change. Secret values are not compared: they count as changed when they are given.
    pub parameters: Vec<ValueDiff>,
    /// Tags of the stack that would change.
    pub tags: Vec<ValueDiff>,
    /// What termination protection would become, if it changes.
    #[serde(default)]
    pub termination_protection: Option<bool>,
    /// What was changed by hand and would be put back, if [`Plan::add_drift`] was told.
    #[serde(default)]
    pub drift: Vec<ResourceDrift>,
    /// Parameters that CloudFormation reads from the Parameter Store. Nothing is known of what is there now.
    #[serde(default)]
    pub stored_parameters: Vec<StoredParameter>,
    /// Inputs that are known only once the stacks before are deployed, with the stack they come from.
    pub open_inputs: Vec<OpenInput>,
    /// Permissions that come and go.
    pub security: Vec<SecurityChange>,
    /// Users and roles with a name of their own that would be replaced. Policies elsewhere keep pointing at the old one until
    /// they are written again.
    pub replaced_principals: Vec<ReplacedPrincipal>,
}

/// What would be done with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StackAction {
    /// It is as it should be.
    Nothing,
    /// It would be created.
    Create,
    /// It would be updated.
    Update,
    /// Its template is the same, but values that come from other stacks or from the Parameter Store may change.
    Maybe,
    /// It would have to be deleted and created again, because its first creation, or a deletion, failed.
    Recreate,
    /// It must be mended, or an operation must end, before it can be deployed.
    Blocked,
}

/// A value that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueDiff {
    /// Its name.
    pub name: String,
    /// What it is now.
    pub before: Option<String>,
    /// What it would be.
    pub after: Option<String>,
}

/// A parameter that takes its value from a stack that is not deployed yet, or is about to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenInput {
    /// The parameter.
    pub parameter: String,
    /// The id of the stack that it comes from.
    pub from_stack: String,
    /// The output.
    pub output: String,
}

/// A parameter whose value CloudFormation reads from the Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredParameter {
    /// The parameter.
    pub parameter: String,
    /// The name in the Parameter Store.
    pub name: String,
    /// The value when the stack was deployed last; none for a `NoEcho` parameter.
    pub value: Option<String>,
}

/// A named user or role that would be replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedPrincipal {
    /// The logical id.
    pub logical_id: String,
    /// The name that it has now, where the deployed template has it as plain text.
    pub name: Option<String>,
    /// The name of the one that takes its place, if that is another.
    pub new_name: Option<String>,
    /// The ids of the stacks whose templates name it, by the one name or the other.
    pub named_by: Vec<String>,
}

/// How many stacks are looked at concurrently.
const LOOKS: usize = 16;

impl Engine {
    /// Compares stacks of an assembly with what is deployed. Writes nothing.
    pub async fn plan(&self, assembly: &Assembly, selection: &Selection) -> Result<Plan, RunError> {
        let stacks = select(assembly, selection, false)?;
        let (emitter, _events) = Emitter::new(Secrets::default());
        let counts = CallCounts::default();
        let environments = stacks.iter().map(|it| Environment::from(&it.environment)).collect();
        let clients = self.connect(&environments, &emitter, &counts).await.map_err(RunError::Preflight)?;
        let caller_of =
            |artifact: &StackArtifact| Caller::new(&artifact.id, self.retry.brief(), emitter.clone(), counts.clone());
        let clients_of = |artifact: &StackArtifact| &clients[&Environment::from(&artifact.environment)];
        let described = stacks
            .iter()
            .map(|artifact| async { describe(clients_of(artifact), &caller_of(artifact), artifact).await });
        let described: Vec<Result<Option<Stack>, ApiError>> = stream::iter(described).buffered(LOOKS).collect().await;
        let mut outputs: BTreeMap<&str, &Stack> = BTreeMap::new();
        let mut records = Vec::new();
        for (artifact, stack) in stacks.iter().zip(&described) {
            if let Ok(Some(stack)) = stack {
                outputs.insert(&artifact.id, stack);
            }
            let environment = Environment::from(&artifact.environment);
            let key = StackKey { environment, stack_name: artifact.stack_name.clone() };
            // What is deployed is compared even if its record cannot be read; a deployment says so.
            records.push(self.store.load(&key).ok().and_then(|it| it.deployed));
        }
        let looks = stacks.iter().zip(&described).zip(&records).map(|((artifact, stack), record)| {
            let (outputs, stack) = (&outputs, stack.clone());
            async move {
                match stack? {
                    Some(stack) if !is_as_deployed(&stack, artifact, record.as_ref(), outputs) => {
                        look(clients_of(artifact), &caller_of(artifact), artifact, stack).await
                    }
                    stack => Ok(Look { stack, ..Look::default() }),
                }
            }
        });
        let found: Vec<Result<Look, ApiError>> = stream::iter(looks).buffered(LOOKS).collect().await;
        let mut plan = Plan::default();
        for ((artifact, look), record) in stacks.iter().zip(&found).zip(&records) {
            let mut stack_plan = empty_plan(artifact, &plan);
            match look {
                Err(error) => {
                    stack_plan.action = StackAction::Blocked;
                    stack_plan.problem = Some(Cause::from(error));
                }
                Ok(look) => {
                    fill(&mut stack_plan, artifact, look, record.as_ref(), &outputs, &plan, assembly);
                }
            }
            plan.stacks.push(stack_plan);
        }
        Ok(plan)
    }
}

/// What is deployed under a stack's name.
#[derive(Default)]
struct Look {
    stack: Option<Stack>,
    template: Option<String>,
    held: Vec<HeldResource>,
}

impl Look {
    fn template(&self) -> &str {
        self.template.as_deref().unwrap_or_default()
    }
}

async fn describe(clients: &Clients, caller: &Caller, artifact: &StackArtifact) -> Result<Option<Stack>, ApiError> {
    let call = || clients.cloudformation.describe_stack(&artifact.stack_name);
    match caller.call("DescribeStacks", call).await {
        Ok(stack) => Ok(Some(stack)),
        Err(error) if error.is_stack_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the stack is as it was deployed from here, and as it should be: then its template is known.
fn is_as_deployed(
    stack: &Stack,
    artifact: &StackArtifact,
    record: Option<&Deployed>,
    outputs: &BTreeMap<&str, &Stack>,
) -> bool {
    let values = inputs(&mut empty_plan(artifact, &Plan::default()), artifact, outputs, &Plan::default());
    let desired = Desired::new(artifact, values, &Secrets::default());
    stack.status.phase() == Phase::Settled && record.is_some_and(|it| it.is(stack, &desired))
}

async fn look(clients: &Clients, caller: &Caller, artifact: &StackArtifact, stack: Stack) -> Result<Look, ApiError> {
    if stack.status.holds_nothing() {
        return Ok(Look { stack: Some(stack), ..Look::default() });
    }
    let call = || clients.cloudformation.get_template(&stack.id);
    let template = caller.call("GetTemplate", call).await?;
    let held = match stack.status.phase() {
        Phase::DeadOnArrival | Phase::DeleteFailed => held(clients, caller, artifact, &stack, &template).await?,
        _ => Vec::new(),
    };
    Ok(Look { stack: Some(stack), template: Some(template), held })
}

fn empty_plan(artifact: &StackArtifact, plan: &Plan) -> StackPlan {
    let needed = needs(artifact);
    let wave = plan.stacks.iter().filter(|it| needed.contains(&it.id)).map(|it| it.wave + 1).max();
    StackPlan {
        id: artifact.id.clone(),
        display_name: artifact.display_name.clone(),
        stack_name: artifact.stack_name.clone(),
        environment: Environment::from(&artifact.environment),
        stack_id: None,
        unchanged: None,
        wave: wave.unwrap_or(0),
        action: StackAction::Nothing,
        status: None,
        problem: None,
        held: Vec::new(),
        resources: Vec::new(),
        entries: Vec::new(),
        parameters: Vec::new(),
        tags: Vec::new(),
        termination_protection: None,
        drift: Vec::new(),
        stored_parameters: Vec::new(),
        open_inputs: Vec::new(),
        security: Vec::new(),
        replaced_principals: Vec::new(),
    }
}

fn fill(
    plan: &mut StackPlan,
    artifact: &StackArtifact,
    look: &Look,
    record: Option<&Deployed>,
    deployed: &BTreeMap<&str, &Stack>,
    before: &Plan,
    assembly: &Assembly,
) {
    let live = look.stack.as_ref().filter(|it| !matches!(it.status.phase(), Phase::Review | Phase::Gone));
    plan.stack_id = live.map(|it| it.id.clone());
    plan.status = look.stack.as_ref().map(|it| it.status.to_string());
    plan.held.clone_from(&look.held);
    // What has to be deleted first is nothing that could be compared with.
    let kept = live.filter(|it| !matches!(it.status.phase(), Phase::DeadOnArrival | Phase::DeleteFailed));
    let values = inputs(plan, artifact, deployed, before);
    let desired = Desired::new(artifact, values, &Secrets::default());
    let is_protected = kept.is_some_and(|it| it.termination_protection);
    let wanted = artifact.termination_protection;
    plan.termination_protection = (is_protected != wanted).then_some(wanted);
    let known = kept.is_some_and(|stack| record.is_some_and(|it| it.is(stack, &desired)));
    let same_secrets = known && desired.has_whole_fingerprint();
    if let Some(stack) = kept {
        plan.parameters = desired.parameter_diffs(stack, same_secrets);
        plan.tags = tag_diffs(stack, artifact);
        plan.stored_parameters = stored_parameters(&desired, stack);
    }
    if !known {
        let old = kept.and(look.template.as_deref());
        compare_templates(plan, artifact, old, &desired, assembly);
    }
    plan.unchanged = look.stack.clone().filter(|_| known && look.template.is_none());
    plan.action = action(plan, live);
    if let (Some(stack), StackAction::Nothing | StackAction::Maybe) = (kept, plan.action)
        && !(desired.settings_equal(stack, same_secrets) && (known || desired.template_equals(look.template())))
    {
        // Such as the paths that CDK writes into the metadata: nothing to look at, but it is written.
        plan.entries.push(EntryDiff {
            section: "Template".to_owned(),
            name: "what changes no property of a resource, such as the metadata of CDK".to_owned(),
            before: None,
            after: None,
        });
        plan.action = action(plan, live);
    }
}

/// Compares with the template that is deployed, or with none.
fn compare_templates(
    plan: &mut StackPlan,
    artifact: &StackArtifact,
    deployed: Option<&str>,
    desired: &Desired<'_>,
    assembly: &Assembly,
) {
    let (old, new) = match deployed {
        Some(text) => (template_text::read(text), &template_text::without_metadata(artifact.template.clone())),
        None => (Ok(json!({})), &artifact.template),
    };
    let old = match old {
        Ok(old) => old,
        Err(problem) => {
            // Only CloudFormation itself can compare it: a dry run asks.
            plan.entries.push(EntryDiff {
                section: "Template".to_owned(),
                name: "format".to_owned(),
                before: Some(json!(format!("not readable here, a dry run tells what would change: {problem}"))),
                after: Some(json!("JSON")),
            });
            return;
        }
    };
    plan.resources = resource_diffs(&old, new, &changed_parameters(plan, desired));
    plan.entries = entry_diffs(&old, new);
    plan.security = security_diff(&old, new, &plan.environment.account);
    let path_of = |id: &str| artifact.origins.get(id).map(|it| it.path.clone());
    for resource in &mut plan.resources {
        resource.path = path_of(&resource.logical_id);
    }
    for change in &mut plan.security {
        change.path = path_of(&change.logical_id);
    }
    plan.replaced_principals = replaced_principals(plan, &old, artifact, assembly);
}

fn changed_parameters(plan: &StackPlan, desired: &Desired<'_>) -> ChangedParameters {
    let inputs = plan.open_inputs.iter().map(|it| {
        let from = format!("output `{}` of `{}`", it.output, it.from_stack);
        (it.parameter.clone(), from)
    });
    let stored =
        desired.stored_parameters().map(|it| (it.to_owned(), format!("parameter `{it}` of the Parameter Store")));
    ChangedParameters {
        surely: plan.parameters.iter().map(|it| it.name.clone()).collect(),
        perhaps: inputs.chain(stored).collect(),
    }
}

fn stored_parameters(desired: &Desired<'_>, stack: &Stack) -> Vec<StoredParameter> {
    let find = |parameter: &str| {
        let current = stack.parameters.get(parameter)?;
        let is_secret = is_no_echo(&desired.artifact.template, parameter);
        Some(StoredParameter {
            parameter: parameter.to_owned(),
            name: current.value.clone(),
            value: current.resolved.clone().filter(|_| !is_secret),
        })
    };
    desired.stored_parameters().filter_map(find).collect()
}

fn action(plan: &StackPlan, live: Option<&Stack>) -> StackAction {
    let Some(stack) = live else { return StackAction::Create };
    match stack.status.phase() {
        Phase::DeadOnArrival | Phase::DeleteFailed => StackAction::Recreate,
        Phase::Busy | Phase::Stuck => StackAction::Blocked,
        _ => {
            let differs = plan.resources.iter().any(|it| !it.is_open())
                || !plan.entries.is_empty()
                || !plan.parameters.is_empty()
                || !plan.tags.is_empty()
                || plan.termination_protection.is_some();
            let is_open = !plan.open_inputs.is_empty() || !plan.stored_parameters.is_empty();
            match (differs, is_open) {
                (true, _) => StackAction::Update,
                (false, true) => StackAction::Maybe,
                (false, false) => StackAction::Nothing,
            }
        }
    }
}

/// The inputs that are known, from what is deployed; the others are open. An output of a stack that is about to change is both.
fn inputs(
    plan: &mut StackPlan,
    artifact: &StackArtifact,
    deployed: &BTreeMap<&str, &Stack>,
    before: &Plan,
) -> InputValues {
    let mut inputs = InputValues::default();
    for input in &artifact.inputs {
        let producer = deployed.get(input.from_stack.as_str());
        let output = producer.and_then(|it| it.outputs.iter().find(|it| it.key == input.output));
        let changes = before.stacks.iter().any(|it| it.id == input.from_stack && it.action != StackAction::Nothing);
        if let (Some(producer), Some(output)) = (producer, output) {
            inputs.values.insert(input.parameter.clone(), output.value.clone());
            let source = Source { stack: (*producer).into(), output: input.output.clone() };
            inputs.sources.insert(input.parameter.clone(), source);
        }
        if output.is_none() || changes {
            plan.open_inputs.push(OpenInput {
                parameter: input.parameter.clone(),
                from_stack: input.from_stack.clone(),
                output: input.output.clone(),
            });
        }
    }
    inputs
}

fn tag_diffs(stack: &Stack, artifact: &StackArtifact) -> Vec<ValueDiff> {
    let names: BTreeSet<&String> = stack.tags.keys().chain(artifact.tags.keys()).collect();
    names
        .into_iter()
        .filter(|name| stack.tags.get(*name) != artifact.tags.get(*name))
        .map(|name| ValueDiff {
            name: name.clone(),
            before: stack.tags.get(name).cloned(),
            after: artifact.tags.get(name).cloned(),
        })
        .collect()
}

fn replaced_principals(
    plan: &StackPlan,
    old: &Value,
    artifact: &StackArtifact,
    assembly: &Assembly,
) -> Vec<ReplacedPrincipal> {
    let kinds = [("AWS::IAM::Role", "RoleName", "role/"), ("AWS::IAM::User", "UserName", "user/")];
    let mut found = Vec::new();
    for resource in &plan.resources {
        let kind = kinds.iter().find(|(kind, ..)| *kind == resource.resource_type && !resource.is_replacement_open());
        let (Some((_, property, prefix)), ChangeKind::Replace | ChangeKind::MayReplace) = (kind, resource.change)
        else {
            continue;
        };
        let pointer = format!("/Resources/{}/Properties/{property}", resource.logical_id);
        let name_in = |template: &Value| template.pointer(&pointer).and_then(Value::as_str).map(str::to_owned);
        let (name, new_name) = (name_in(old), name_in(&artifact.template));
        let mut named_by: Vec<String> = assembly
            .stacks
            .iter()
            .filter(|it| it.id != artifact.id)
            .filter(|it| {
                let account = &plan.environment.account;
                let mut names = [&name, &new_name].into_iter().flatten();
                names.any(|name| names_principal(&it.template, account, prefix, name))
            })
            .map(|it| it.id.clone())
            .collect();
        named_by.sort();
        let new_name = new_name.filter(|it| Some(it) != name.as_ref());
        found.push(ReplacedPrincipal { logical_id: resource.logical_id.clone(), name, new_name, named_by });
    }
    found
}

/// Whether a template has the ARN of a user or role, with any partition and path.
fn names_principal(value: &Value, account: &str, prefix: &str, name: &str) -> bool {
    match value {
        Value::String(text) => {
            let ends = text.strip_suffix(name).is_some_and(|it| it.ends_with('/'));
            ends && text.contains(&format!("iam::{account}:{prefix}"))
        }
        Value::Array(items) => items.iter().any(|it| names_principal(it, account, prefix, name)),
        Value::Object(map) => map.values().any(|it| names_principal(it, account, prefix, name)),
        _ => false,
    }
}
