//! The construct tree: nodes, paths, and the handle through which all else reaches them.
//!
//! A construct is a small `Clone` struct that holds a [`Node`]: a pointer to the app's tree and an index. Only
//! `Node::with` borrows the tree, and no code from outside runs inside it. Nothing here fails: a mistake is
//! recorded as a diagnostic, with the caller's location, and [`App::synth`] reports all of them at once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::aspect::Aspect;
use crate::assertion::Assertion;
use crate::diagnostic::{Diagnostic, SourceLocation};
use crate::element::{Condition, Mapping, Output, Parameter};
use crate::environment::Environment;
use crate::execution::Execution;
use crate::grant::StoredGrant;
use crate::policy::{PolicySlot, Statement};
use crate::reference::ReferenceStrategy;
use crate::resource::Resource;
use crate::stack::StackData;

/// Anything that has a place in the construct tree, and so can be the scope of others.
///
/// A construct of your own holds its node and its public children:
/// ```
/// use xacct_core::{App, Construct, Node};
///
/// #[derive(Clone)]
/// pub struct Network {
///     node: Node,
/// }
///
/// impl Network {
///     #[track_caller]
///     pub fn new(scope: &dyn Construct, id: &str) -> Self {
///         let node = scope.node().child(id);
///         Self { node }
///     }
/// }
///
/// impl Construct for Network {
///     fn node(&self) -> &Node {
///         &self.node
///     }
/// }
///
/// let app = App::new();
/// let network = Network::new(&app, "Network");
/// assert_eq!(network.node().path(), "Network");
/// ```
pub trait Construct {
    /// The construct's place in the tree.
    fn node(&self) -> &Node;
}

/// Identifies a node in its app's tree. It carries the serial of its app, so that a handle of another app is found
/// out instead of being taken for one of this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    app: u32,
    index: u32,
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.app, self.index)
    }
}

/// A handle to one place in the construct tree. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    tree: Arc<Mutex<Tree>>,
    id: NodeId,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({:?})", self.path())
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Node {}

impl Construct for Node {
    fn node(&self) -> &Node {
        self
    }
}

impl Node {
    pub(crate) fn root_of(tree: Tree) -> Self {
        let id = NodeId { app: tree.app, index: 0 };
        Self { tree: Arc::new(Mutex::new(tree)), id }
    }

    /// The id of the node in its tree.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// A new node below this one, for a construct that groups others.
    ///
    /// Ids and paths are public API: logical ids are made of them, so a change replaces resources.
    #[track_caller]
    pub fn child(&self, id: &str) -> Node {
        self.add(id, Kind::Scope)
    }

    #[track_caller]
    pub(crate) fn add(&self, id: &str, kind: Kind) -> Node {
        let at = Location::caller();
        let id = self.with(|tree| tree.add(self.id, id, kind, at));
        Node { tree: Arc::clone(&self.tree), id }
    }

    /// The path from the app: ids joined by `/`. The app itself has the empty path.
    pub fn path(&self) -> String {
        self.with(|tree| tree.path(self.id))
    }

    /// The last part of the path.
    pub fn name(&self) -> String {
        self.with(|tree| tree[self.id].name.clone())
    }

    /// The node that holds this one.
    pub fn scope(&self) -> Option<Node> {
        let id = self.with(|tree| tree[self.id].parent)?;
        Some(self.at(id))
    }

    /// The nodes right below, in the order of their definition.
    pub fn children(&self) -> Vec<Node> {
        let ids = self.with(|tree| tree[self.id].children.clone());
        ids.into_iter().map(|id| self.at(id)).collect()
    }

    /// The child of that id, where there is one.
    pub fn find_child(&self, id: &str) -> Option<Node> {
        let found = self.with(|tree| tree.child(self.id, id))?;
        Some(self.at(found))
    }

    /// The CloudFormation type, where the node is a resource.
    pub fn resource_type(&self) -> Option<String> {
        self.with(|tree| match &tree[self.id].kind {
            Kind::Resource(resource) => Some(resource.cfn_type.to_string()),
            _ => None,
        })
    }

    /// The stack that holds this node, if one does.
    pub fn stack(&self) -> Option<Node> {
        let id = self.with(|tree| tree.stack_of(self.id))?;
        Some(self.at(id))
    }

    /// The environment of the stack that holds this node. `None` outside of stacks, which synthesis reports for
    /// every resource.
    pub fn environment(&self) -> Option<Environment> {
        self.with(|tree| tree.environment_of(self.id).cloned())
    }

    /// Records a finding about this construct, at the caller's place.
    #[track_caller]
    pub fn report(&self, diagnostic: Diagnostic) {
        let at = Location::caller();
        self.with(|tree| {
            let mut diagnostic = diagnostic;
            diagnostic.path.get_or_insert_with(|| tree.path(self.id));
            diagnostic.location.get_or_insert_with(|| at.into());
            tree.diagnostics.push(diagnostic);
        });
    }

    /// Silences a rule for this construct and all below it. The reason is kept in the assembly and printed in reports.
    ///
    /// `rule` is the name that a finding shows.
    #[track_caller]
    pub fn silence(&self, rule: &str, reason: &str) {
        let at = Location::caller();
        self.silence_from(rule, reason, at.into());
    }

    /// Like [`Node::silence`], where the wish is not written in the program but in a file.
    #[track_caller]
    pub fn silence_from(&self, rule: &str, reason: &str, location: SourceLocation) {
        if reason.trim().is_empty() {
            self.report(
                Diagnostic::error("silence-without-reason", format!("`{rule}` is silenced without a reason"))
                    .help("say why the finding does not matter here"),
            );
            return;
        }
        self.with(|tree| {
            tree.silenced.push(Silence { node: self.id, rule: rule.to_owned(), reason: reason.to_owned(), location })
        });
    }

    fn at(&self, id: NodeId) -> Node {
        Node { tree: Arc::clone(&self.tree), id }
    }

    /// A handle to another node of the same tree.
    pub(crate) fn of(&self, id: NodeId) -> Node {
        self.at(id)
    }

    /// The one place where the tree is borrowed.
    pub(crate) fn with<R>(&self, use_tree: impl FnOnce(&mut Tree) -> R) -> R {
        // Nothing inside can panic halfway through a change, so a poisoned lock still holds a whole tree.
        use_tree(&mut self.tree.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The root of a construct tree: one program's stacks.
///
/// ```
/// use xacct_core::{App, AccountId, Environment, Region, Stack, StackProps};
/// let app = App::new();
/// let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// Stack::new(&app, "Tools", environment, StackProps::new());
/// let assembly = app.synth().unwrap();
/// assert_eq!(assembly.stacks[0].stack_name, "Tools");
/// ```
#[derive(Clone, Debug)]
pub struct App {
    node: Node,
}

impl App {
    /// An app without stacks.
    #[track_caller]
    pub fn new() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let tree = Tree::new(SERIAL.fetch_add(1, Ordering::Relaxed), Location::caller());
        Self { node: Node::root_of(tree) }
    }

    /// How references between stacks are made that no physical name resolves. Default: [`ReferenceStrategy::Parameter`].
    pub fn set_reference_strategy(&self, strategy: ReferenceStrategy) {
        self.node.with(|tree| tree.reference_strategy = strategy);
    }

    /// Leaves out the validation of templates against AWS's resource schemas. It is on by default.
    pub fn skip_validation(&self) {
        self.node.with(|tree| tree.validate = false);
    }
}

impl Default for App {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Construct for App {
    fn node(&self) -> &Node {
        &self.node
    }
}

/// What a node is, besides a place.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scope,
    Stack(StackData),
    Resource(Box<Resource>),
    Output(Output),
    Parameter(Parameter),
    Mapping(Mapping),
    Condition(Condition),
    Included(Box<crate::include::Included>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) parent: Option<NodeId>,
    pub(crate) children: Vec<NodeId>,
    pub(crate) kind: Kind,
    pub(crate) at: &'static Location<'static>,
    pub(crate) depends_on: Vec<(NodeId, &'static Location<'static>)>,
    /// Statements written by hand, as opposed to grants.
    pub(crate) statements: BTreeMap<PolicySlot, Vec<Statement>>,
    pub(crate) asset: Option<crate::asset::AssetData>,
    pub(crate) tags: Vec<(String, Option<String>)>,
    pub(crate) permissions_boundary: Option<crate::value::Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Silence {
    pub(crate) node: NodeId,
    pub(crate) rule: String,
    pub(crate) reason: String,
    pub(crate) location: SourceLocation,
}

/// All that a program has defined.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    app: u32,
    // INVARIANT: index 0 is the app; a parent's index is lower than its children's.
    entries: Vec<Entry>,
    by_name: HashMap<(NodeId, String), NodeId>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) grants: Vec<StoredGrant>,
    pub(crate) assertions: Vec<Assertion>,
    pub(crate) aspects: Vec<Aspect>,
    pub(crate) executions: Vec<Execution>,
    pub(crate) silenced: Vec<Silence>,
    pub(crate) reference_strategy: ReferenceStrategy,
    pub(crate) validate: bool,
}

impl Tree {
    fn new(app: u32, at: &'static Location<'static>) -> Self {
        let root = Entry::new(String::new(), None, Kind::Scope, at);
        Self {
            app,
            entries: vec![root],
            by_name: HashMap::new(),
            diagnostics: Vec::new(),
            grants: Vec::new(),
            assertions: Vec::new(),
            aspects: Vec::new(),
            executions: Vec::new(),
            silenced: Vec::new(),
            reference_strategy: ReferenceStrategy::Parameter,
            validate: true,
        }
    }

    fn add(&mut self, parent: NodeId, name: &str, kind: Kind, at: &'static Location<'static>) -> NodeId {
        let problem = match name {
            "" => Some("is empty"),
            _ if name.contains('/') => Some("contains `/`, which separates the parts of a path"),
            _ => None,
        };
        if let Some(problem) = problem {
            let scope = self.path(parent);
            self.diagnostics.push(
                Diagnostic::error("invalid-id", format!("the id `{name}` {problem}"))
                    .path(scope)
                    .at(at)
                    .help("give the construct an id of letters, digits and dashes"),
            );
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let id = NodeId { app: self.app, index };
        if let Some(&first) = self.by_name.get(&(parent, name.to_owned())) {
            let path = self.path(first);
            let first_at = self[first].at;
            self.diagnostics.push(
                Diagnostic::error("duplicate-id", format!("`{path}` is defined twice"))
                    .path(path)
                    .at(at)
                    .related("first defined at", first_at)
                    .help("give one of the two another id"),
            );
        } else {
            self.by_name.insert((parent, name.to_owned()), id);
        }
        self.entries.push(Entry::new(name.to_owned(), Some(parent), kind, at));
        self[parent].children.push(id);
        id
    }

    pub(crate) fn owns(&self, id: NodeId) -> bool {
        id.app == self.app && (id.index as usize) < self.entries.len()
    }

    pub(crate) fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.by_name.get(&(parent, name.to_owned())).copied()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        let app = self.app;
        (0..self.entries.len() as u32).map(move |index| NodeId { app, index })
    }

    /// The node and those that hold it, up to the app.
    pub(crate) fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(id), |&it| self[it].parent)
    }

    pub(crate) fn path(&self, id: NodeId) -> String {
        let mut names: Vec<&str> = self.ancestors(id).map(|it| self[it].name.as_str()).collect();
        names.pop();
        names.reverse();
        names.join("/")
    }

    pub(crate) fn stack_of(&self, id: NodeId) -> Option<NodeId> {
        self.ancestors(id).find(|&it| matches!(self[it].kind, Kind::Stack(_)))
    }

    pub(crate) fn stack(&self, id: NodeId) -> Option<&StackData> {
        match &self[self.stack_of(id)?].kind {
            Kind::Stack(data) => Some(data),
            _ => None,
        }
    }

    pub(crate) fn environment_of(&self, id: NodeId) -> Option<&Environment> {
        Some(&self.stack(id)?.environment)
    }

    pub(crate) fn resource_mut(&mut self, id: NodeId) -> Option<&mut Resource> {
        match &mut self[id].kind {
            Kind::Resource(resource) => Some(resource),
            _ => None,
        }
    }
}

impl Entry {
    fn new(name: String, parent: Option<NodeId>, kind: Kind, at: &'static Location<'static>) -> Self {
        Self {
            name,
            parent,
            children: Vec::new(),
            kind,
            at,
            depends_on: Vec::new(),
            statements: BTreeMap::new(),
            asset: None,
            tags: Vec::new(),
            permissions_boundary: None,
        }
    }
}

impl std::ops::Index<NodeId> for Tree {
    type Output = Entry;
    fn index(&self, id: NodeId) -> &Entry {
        &self.entries[id.index as usize]
    }
}

impl std::ops::IndexMut<NodeId> for Tree {
    fn index_mut(&mut self, id: NodeId) -> &mut Entry {
        &mut self.entries[id.index as usize]
    }
}
