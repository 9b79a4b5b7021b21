//! What the in-memory service remembers. All of it can be written to a file and read back, operations in progress included.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::secret::Secrets;
use super::template::Template;
use crate::cloudformation::{
    ChangeSetType, Environment, OnStackFailure, Output, PropertyDifference, ResourceChange, ResourceToImport,
    StackEvent, StackStatus, StatusText, Timestamp,
};

/// The whole world.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    /// Milliseconds since 1970, of the virtual clock.
    pub(super) now: i64,
    /// Counts everything that gets an id.
    pub(super) serial: u64,
    pub(super) secrets: Secrets,
    /// By stack id. Deleted stacks stay.
    pub(super) stacks: IndexMap<String, Stack>,
    pub(super) templates: BTreeMap<u64, String>,
    /// Things that no stack made.
    pub(super) outside: Vec<Outside>,
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) stored_parameters: Vec<StoredParameter>,
    pub(super) detections: BTreeMap<String, Detection>,
    /// Client tokens that started something, with what they started.
    pub(super) tokens: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) parsed: RefCell<HashMap<u64, Arc<Template>>>,
    /// Counts what was put into `due`, to keep the order of what is due at the same time.
    #[serde(skip)]
    wakes: u64,
    #[serde(skip)]
    pub(super) due: BinaryHeap<Reverse<(i64, u64, String)>>,
    /// The id of the stack that has a name.
    #[serde(skip)]
    pub(super) by_name: HashMap<(Environment, String), String>,
}

/// A stack.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stack {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) environment: Environment,
    pub(super) status: StackStatus,
    pub(super) status_reason: Option<String>,
    pub(super) creation_time: Timestamp,
    pub(super) last_updated_time: Option<Timestamp>,
    pub(super) deletion_time: Option<Timestamp>,
    pub(super) termination_protection: bool,
    pub(super) parent: Option<String>,
    pub(super) change_set_id: Option<String>,
    /// What it was last brought to.
    pub(super) desired: Option<Desired>,
    pub(super) outputs: Vec<Output>,
    /// The exports that it uses.
    pub(super) imports: BTreeSet<String>,
    pub(super) resources: IndexMap<String, Resource>,
    pub(super) events: Vec<StackEvent>,
    pub(super) change_sets: Vec<ChangeSet>,
    /// Id and kind, oldest first.
    pub(super) operations: Vec<(String, String)>,
    pub(super) operation: Option<Operation>,
    /// An operation that failed and was left as it is, to be rolled back or continued.
    pub(super) unfinished: Option<Operation>,
}

/// What a stack is to be brought to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Desired {
    /// Key in [`State::templates`].
    pub(super) template: u64,
    pub(super) parameters: BTreeMap<String, ParameterSetting>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
    pub(super) role_arn: Option<String>,
    pub(super) notification_arns: Vec<String>,
}

/// The value of a parameter; sealed if it is not to be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ParameterSetting {
    pub(super) value: String,
    pub(super) resolved: Option<String>,
    pub(super) no_echo: bool,
}

/// A resource of a stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Resource {
    pub(super) resource_type: String,
    /// None until it exists.
    pub(super) physical_id: Option<String>,
    /// Tells one physical resource from the next.
    pub(super) serial: u64,
    pub(super) properties: Value,
    pub(super) stack_tags: BTreeMap<String, String>,
    pub(super) metadata: Value,
    pub(super) needs: BTreeSet<String>,
    pub(super) deletion_policy: Option<String>,
    pub(super) update_replace_policy: Option<String>,
    pub(super) status: StatusText,
    pub(super) status_reason: Option<String>,
    /// Differences that somebody made by hand.
    pub(super) drift: Option<Drift>,
    /// The stack that a nested stack is.
    pub(super) child: Option<String>,
}

/// What somebody did to a resource by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Drift {
    Deleted,
    Modified(Vec<PropertyDifference>),
}

impl Resource {
    pub(super) fn exists(&self) -> bool {
        self.physical_id.is_some() && self.status != "DELETE_COMPLETE" && self.status != "DELETE_SKIPPED"
    }
}

/// A change set.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChangeSet {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: ChangeSetType,
    pub(super) creation_time: Timestamp,
    /// When it is ready.
    pub(super) due: i64,
    pub(super) status: StatusText,
    pub(super) status_reason: Option<String>,
    pub(super) execution_status: StatusText,
    pub(super) desired: Desired,
    pub(super) on_stack_failure: Option<OnStackFailure>,
    pub(super) disable_rollback: bool,
    pub(super) express: bool,
    pub(super) revert_drift: bool,
    pub(super) import_existing: bool,
    pub(super) imports: Vec<ResourceToImport>,
    pub(super) changes: Vec<ResourceChange>,
    pub(super) operation_id: String,
    pub(super) findings: Vec<Finding>,
    pub(super) execution_token: Option<String>,
}

/// What the validation of a change set found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) hook: String,
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) path: Option<String>,
    pub(super) logical_id: String,
    pub(super) resource_type: String,
    pub(super) time: Timestamp,
}

/// Something that is done to a stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) kind: OperationKind,
    pub(super) token: Option<String>,
    pub(super) step: Step,
    pub(super) target: Desired,
    pub(super) before: Option<Desired>,
    pub(super) disable_rollback: bool,
    pub(super) delete_on_failure: bool,
    pub(super) express: bool,
    pub(super) revert_drift: bool,
    pub(super) to_import: BTreeMap<String, String>,
    /// What each resource that was touched was before; none if it was not there.
    pub(super) backups: IndexMap<String, Option<Resource>>,
    /// Physical resources that have no place any more.
    pub(super) leftovers: Vec<(String, Resource)>,
    pub(super) items: IndexMap<String, Item>,
    /// What resources are being changed to.
    pub(super) pending: IndexMap<String, Resource>,
    /// How long what is done to a resource lasts, in milliseconds.
    pub(super) lasts: BTreeMap<String, i64>,
    /// What failed in this step: verb and logical id.
    pub(super) failed: Vec<(String, String)>,
    /// A failure of the stack as a whole.
    pub(super) stack_failure: Option<String>,
    pub(super) imports: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum OperationKind {
    Create,
    Update,
    Import,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Towards the target.
    Forward,
    /// The target is reached; what it has no place for is removed.
    Cleanup,
    /// Undoing a creation.
    UndoCreate,
    /// Back to what it was.
    Restore,
    /// It is what it was; what has no place is removed.
    RestoreCleanup,
    /// Removing all.
    Delete,
}

/// What is done to one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) work: Work,
    /// Items that come first.
    pub(super) needs: Vec<String>,
    pub(super) progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Work {
    /// Decided when it starts.
    Apply,
    Create,
    Update,
    Replace,
    Import,
    Restore,
    Delete,
    /// Removes the leftover of this logical id.
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Progress {
    Waiting,
    /// The service has been asked.
    Started {
        until: i64,
    },
    /// The physical resource is there or gone, but not settled.
    Initiated {
        until: i64,
    },
    Done,
    Failed,
}

/// Something in an account that no stack made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Outside {
    pub(super) environment: Environment,
    pub(super) resource_type: String,
    /// Name or other physical id.
    pub(super) physical_id: String,
    pub(super) properties: Value,
}

/// A bucket's content.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) size: usize,
    /// Only text of the size of a template is kept.
    pub(super) text: Option<String>,
}

/// A parameter of the parameter store.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredParameter {
    pub(super) environment: Environment,
    pub(super) name: String,
    pub(super) value: String,
}

/// A drift detection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Detection {
    pub(super) stack_id: String,
    pub(super) due: i64,
}

impl State {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now: now.0,
            serial: 0,
            secrets: Secrets::new(),
            stacks: IndexMap::new(),
            templates: BTreeMap::new(),
            outside: Vec::new(),
            buckets: BTreeMap::new(),
            stored_parameters: Vec::new(),
            detections: BTreeMap::new(),
            tokens: BTreeMap::new(),
            parsed: RefCell::default(),
            wakes: 0,
            due: BinaryHeap::new(),
            by_name: HashMap::new(),
        }
    }

    /// Rebuilds what is not in the file.
    pub(super) fn index(&mut self) {
        self.by_name.clear();
        self.due.clear();
        let mut due = Vec::new();
        for stack in self.stacks.values() {
            if stack.status != StackStatus::DELETE_COMPLETE {
                self.by_name.insert((stack.environment.clone(), stack.name.clone()), stack.id.clone());
            }
            if stack.operation.is_some() || !stack.change_sets.is_empty() {
                let times = stack.change_sets.iter().map(|it| it.due);
                let items = stack.operation.iter().flat_map(|operation| operation.items.values());
                let items = items.filter_map(|item| match item.progress {
                    Progress::Started { until } | Progress::Initiated { until } => Some(until),
                    _ => None,
                });
                due.extend(times.chain(items).chain([self.now]).map(|time| (time, stack.id.clone())));
            }
        }
        for (time, id) in due {
            self.wake(&id, time);
        }
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp(self.now)
    }

    /// Looks at a stack again at a time.
    pub(super) fn wake(&mut self, stack_id: &str, time: i64) {
        self.wakes += 1;
        self.due.push(Reverse((time, self.wakes, stack_id.to_owned())));
    }

    /// Keeps a template.
    pub(super) fn keep_template(&mut self, text: &str, template: Template) -> u64 {
        if let Some((key, _)) = self.templates.iter().find(|(_, known)| *known == text) {
            return *key;
        }
        let key = self.next_serial();
        self.templates.insert(key, text.to_owned());
        self.parsed.borrow_mut().insert(key, Arc::new(template));
        key
    }

    /// A template that was kept.
    pub(super) fn template(&self, key: u64) -> Arc<Template> {
        if let Some(known) = self.parsed.borrow().get(&key) {
            return known.clone();
        }
        let text = self.templates.get(&key).map_or("", String::as_str);
        // Only a file that somebody has edited can have a template that is not valid; it then is an empty one.
        let template = Template::parse(text).unwrap_or_else(|_| Template::empty());
        let template = Arc::new(template);
        self.parsed.borrow_mut().insert(key, template.clone());
        template
    }

    /// A stack by name or id. One that is deleted is found by its id only.
    pub(super) fn find(&self, environment: &Environment, stack: &str) -> Option<&Stack> {
        if stack.starts_with("arn:") {
            return self.stacks.get(stack).filter(|it| it.environment == *environment);
        }
        let id = self.by_name.get(&(environment.clone(), stack.to_owned()))?;
        self.stacks.get(id)
    }

    /// A resource that no stack looks after any more stays where it is.
    pub(super) fn abandon(&mut self, environment: Environment, resource: &Resource) {
        if let Some(physical_id) = resource.physical_id.clone() {
            self.outside.push(Outside {
                environment,
                resource_type: resource.resource_type.clone(),
                physical_id,
                properties: resource.properties.clone(),
            });
        }
    }

    /// A bucket that is deleted has no content.
    pub(super) fn forget_content(&mut self, resource: &Resource) {
        if resource.resource_type == "AWS::S3::Bucket"
            && let Some(bucket) = &resource.physical_id
        {
            self.buckets.remove(bucket);
        }
    }

    /// Forgets templates that nothing uses.
    pub(super) fn drop_unused_templates(&mut self) {
        let mut used = BTreeSet::new();
        for stack in self.stacks.values() {
            used.extend(stack.desired.iter().map(|it| it.template));
            used.extend(stack.change_sets.iter().map(|it| it.desired.template));
            for operation in stack.operation.iter().chain(&stack.unfinished) {
                used.insert(operation.target.template);
                used.extend(operation.before.iter().map(|it| it.template));
            }
        }
        self.templates.retain(|key, _| used.contains(key));
        self.parsed.borrow_mut().retain(|key, _| used.contains(key));
    }
}
