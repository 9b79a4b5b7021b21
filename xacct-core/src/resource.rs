//! Resources of a template: what generated types and hand-made constructs put into the tree.

use std::panic::Location;

use crate::diagnostic::Diagnostic;
use crate::policy::PolicySlot;
use crate::tree::{Construct, Kind, Node, NodeId};
use crate::value::{Expr, Props, Text, Value};

/// A resource as it was defined.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) cfn_type: Text,
    pub(crate) props: Vec<(Text, Expr)>,
    pub(crate) condition: Option<NodeId>,
    pub(crate) removal: Option<RemovalPolicy>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) logical_id: Option<String>,
    pub(crate) only_with: Option<(NodeId, PolicySlot)>,
    pub(crate) physical_name: Option<PhysicalName>,
    pub(crate) completed_by: Option<NodeId>,
    pub(crate) may_lack_properties: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// The path from the resource's own object, such as `["Properties", "Tags", "0"]`.
    pub(crate) path: Vec<String>,
    /// `None` deletes.
    pub(crate) value: Option<Expr>,
}

/// What happens to a resource when its stack no longer has it. See
/// [`DeletionPolicy`](https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalPolicy {
    /// It is deleted, with its data.
    Destroy,
    /// It stays in the account, when it is removed or replaced.
    Retain,
    /// It stays, except where its first creation was rolled back.
    RetainOnUpdateOrDelete,
    /// A snapshot is made, then it is deleted.
    Snapshot,
}

/// How a resource's name and ARN can be written down before it exists.
///
/// With it, another stack refers to the resource by name, without waiting for it. A name that was not given is
/// made by CDK's deterministic rule when another environment needs it.
#[derive(Clone, Debug)]
pub struct PhysicalName {
    property: &'static str,
    given: Option<String>,
    max_length: usize,
    path: String,
    attributes: Vec<(&'static str, &'static str)>,
    reference: &'static str,
}

impl PhysicalName {
    /// A name held by a property of the resource, such as `RoleName`, and whether the user gave it.
    ///
    /// `Ref` is taken to give the name, unless [`reference`](Self::reference) says otherwise.
    pub fn new(property: &'static str, given: Option<String>) -> Self {
        Self { property, given, max_length: 63, path: String::new(), attributes: Vec::new(), reference: "{name}" }
    }

    /// The longest name that the service takes. Default: 63.
    #[must_use]
    pub fn max_length(mut self, characters: usize) -> Self {
        self.max_length = characters;
        self
    }

    /// What `{path}` stands for in the other formats: IAM's path without its leading slash. Default: empty.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// What an attribute (`Fn::GetAtt`) will be, with `{partition}`, `{region}`, `{account}`, `{path}` and `{name}` filled in.
    #[must_use]
    pub fn attribute(mut self, attribute: &'static str, format: &'static str) -> Self {
        self.attributes.push((attribute, format));
        self
    }

    /// What `Ref` will be, in the same notation. Default: `{name}`.
    #[must_use]
    pub fn reference(mut self, format: &'static str) -> Self {
        self.reference = format;
        self
    }

    pub(crate) fn property(&self) -> &'static str {
        self.property
    }

    pub(crate) fn given(&self) -> Option<&str> {
        self.given.as_deref()
    }

    pub(crate) fn limit(&self) -> usize {
        self.max_length
    }

    /// What an attribute (or `Ref`, with no attribute) gives for a name.
    pub(crate) fn resolve(
        &self,
        attribute: Option<&str>,
        name: &str,
        environment: &crate::Environment,
    ) -> Option<String> {
        let format = match attribute {
            None => self.reference,
            Some(attribute) => self.attributes.iter().find(|(it, _)| *it == attribute)?.1,
        };
        Some(
            format
                .replace("{partition}", environment.region.partition())
                .replace("{region}", environment.region.as_str())
                .replace("{account}", environment.account.as_str())
                .replace("{path}", &self.path)
                .replace("{name}", name),
        )
    }
}

/// Resources: made by the generated types, and by you for a type that they lack.
impl Node {
    /// Adds a resource of any CloudFormation type. The generated types call this; prefer them.
    ///
    /// ```
    /// use xacct_core::value::{Expr, Props};
    /// use xacct_core::{App, AccountId, Construct, Environment, Node, Region, Stack, StackProps};
    /// # let app = App::new();
    /// # let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
    /// let stack = Stack::new(&app, "Tools", environment, StackProps::new());
    /// let mut props = Props::default();
    /// props.set("DisplayName", "builds".into());
    /// let topic = Node::new_resource(&stack, "Topic", "AWS::SNS::Topic", props);
    /// assert_eq!(topic.path(), "Tools/Topic");
    /// ```
    #[track_caller]
    pub fn new_resource(scope: &dyn Construct, id: &str, cfn_type: impl Into<Text>, props: Props) -> Node {
        let resource = Resource {
            cfn_type: cfn_type.into(),
            props: props.0,
            condition: None,
            removal: None,
            overrides: Vec::new(),
            logical_id: None,
            only_with: None,
            physical_name: None,
            completed_by: None,
            may_lack_properties: false,
        };
        scope.node().add(id, Kind::Resource(Box::new(resource)))
    }

    /// `Ref` of this resource or parameter.
    pub fn reference<T: ?Sized>(&self) -> Value<T> {
        Value::from_expr(Expr::Ref(self.id()))
    }

    /// `Fn::GetAtt` of this resource.
    pub fn get_att<T: ?Sized>(&self, attribute: impl Into<Text>) -> Value<T> {
        Value::from_expr(Expr::GetAtt(self.id(), attribute.into()))
    }

    /// Sets a property by its CloudFormation name, over what the construct set. A path reaches into objects and lists:
    /// `Tags.0.Value`.
    ///
    /// This is the way to properties that are newer than the generated types.
    #[track_caller]
    pub fn override_property(&self, path: &str, value: impl Into<Expr>) {
        self.add_override(format!("Properties.{path}"), Some(value.into()));
    }

    /// Removes a property by its CloudFormation name.
    #[track_caller]
    pub fn delete_property(&self, path: &str) {
        self.add_override(format!("Properties.{path}"), None);
    }

    /// Sets anything in the resource's own object, such as `Metadata.checkov.skip` or `UpdatePolicy`.
    #[track_caller]
    pub fn override_attribute(&self, path: &str, value: impl Into<Expr>) {
        self.add_override(path.to_owned(), Some(value.into()));
    }

    /// Leaves out the object of properties, which is there even if it is empty, as long as nothing is set.
    #[track_caller]
    pub(crate) fn without_empty_properties(&self) {
        self.change_resource("properties", |it| it.may_lack_properties = true);
    }

    #[track_caller]
    fn add_override(&self, path: String, value: Option<Expr>) {
        let path = path.split('.').map(str::to_owned).collect();
        self.change_resource("override", |it| it.overrides.push(Override { path, value }));
    }

    /// Creates all resources of this construct, whenever they are added, after those of `other`. Across stacks, this orders
    /// the stacks.
    #[track_caller]
    pub fn depends_on(&self, other: &dyn Construct) {
        let at = Location::caller();
        let other = other.node().id();
        self.with(|tree| tree[self.id()].depends_on.push((other, at)));
    }

    /// What happens to this resource when its stack no longer has it. Default: CloudFormation's, which is to delete.
    #[track_caller]
    pub fn apply_removal_policy(&self, policy: RemovalPolicy) {
        self.change_resource("removal policy", |it| it.removal = Some(policy));
    }

    /// Creates this resource only when the condition holds.
    #[track_caller]
    pub fn set_condition(&self, condition: &dyn Construct) {
        let condition = condition.node().id();
        self.change_resource("condition", |it| it.condition = Some(condition));
    }

    /// Gives this resource a logical id of its own, such as one that a stack from elsewhere already has.
    #[track_caller]
    pub fn override_logical_id(&self, logical_id: &str) {
        self.change_resource("logical id", |it| it.logical_id = Some(logical_id.to_owned()));
    }

    /// Says how this resource's name and ARN can be known before it exists.
    #[track_caller]
    pub fn set_physical_name(&self, name: PhysicalName) {
        self.change_resource("physical name", |it| it.physical_name = Some(name));
    }

    /// Leaves this resource out of the template while the policy document of that slot is empty.
    #[track_caller]
    pub fn only_with_policy(&self, of: &dyn Construct, slot: PolicySlot) {
        let of = of.node().id();
        self.change_resource("policy", |it| it.only_with = Some((of, slot)));
    }

    /// Says that this resource is of use only once `other` exists, as a role is with its policy: whatever refers to it waits
    /// for `other` too, unless `other` itself needs it.
    #[track_caller]
    pub fn completed_by(&self, other: &dyn Construct) {
        let other = other.node().id();
        self.change_resource("completion", |it| it.completed_by = Some(other));
    }

    #[track_caller]
    fn change_resource(&self, what: &str, change: impl FnOnce(&mut Resource)) {
        let changed = self.with(|tree| tree.resource_mut(self.id()).map(change).is_some());
        if !changed {
            let path = self.path();
            self.report(
                Diagnostic::error("not-a-resource", format!("`{path}` is not a resource and has no {what}"))
                    .help("use the construct's main resource: `find_child(\"Resource\")`"),
            );
        }
    }
}

impl crate::tree::Tree {
    /// The node and all below it.
    pub(crate) fn descendants(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut open = vec![id];
        std::iter::from_fn(move || {
            let next = open.pop()?;
            open.extend(self[next].children.iter().rev());
            Some(next)
        })
    }
}
