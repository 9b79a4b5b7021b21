//! Small constructs for the tests, written as a user would: a role and a store.

use xacct_core::value::Props;
use xacct_core::{
    AccountId, App, Assembly, Construct, Environment, Expr, Grant, Grantable, Node, PhysicalName, PolicySlot,
    Principal, Region, Stack, StackProps, Statement, Value, concat,
};

pub(crate) const A: AccountId = AccountId::literal("111111111111");
pub(crate) const B: AccountId = AccountId::literal("222222222222");

pub(crate) fn environment(account: AccountId) -> Environment {
    Environment::new(account, Region::literal("eu-west-1"))
}

pub(crate) fn stack(app: &App, id: &str, account: AccountId) -> Stack {
    Stack::new(app, id, environment(account), StackProps::new())
}

pub(crate) fn props<const N: usize>(fields: [(&'static str, Expr); N]) -> Props {
    let mut props = Props::default();
    for (name, value) in fields {
        props.set(name, value);
    }
    props
}

/// A role whose permissions are a policy of their own.
#[derive(Clone)]
pub(crate) struct Role {
    node: Node,
    resource: Node,
}

impl Role {
    #[track_caller]
    pub(crate) fn new(scope: &dyn Construct, id: &str, assumed_by: Principal, name: Option<&str>) -> Self {
        let node = scope.node().child(id);
        node.add_statement(PolicySlot::Trust, Statement::allow(["sts:AssumeRole"]).to(assumed_by));
        let trust = node.policy(PolicySlot::Trust).into_expr();
        let resource =
            Node::new_resource(&node, "Resource", "AWS::IAM::Role", props([("AssumeRolePolicyDocument", trust)]));
        resource.set_physical_name(
            PhysicalName::new("RoleName", name.map(str::to_owned))
                .max_length(64)
                .attribute("Arn", "arn:{partition}:iam::{account}:role/{path}{name}"),
        );
        let policy = Node::new_resource(
            &node.child("DefaultPolicy"),
            "Resource",
            "AWS::IAM::Policy",
            props([
                ("PolicyDocument", node.policy(PolicySlot::Identity).into_expr()),
                ("PolicyName", "Default".into()),
                ("Roles", Expr::List(vec![resource.reference::<str>().into_expr()])),
            ]),
        );
        policy.only_with_policy(&node, PolicySlot::Identity);
        resource.completed_by(&policy);
        Self { node, resource }
    }

    pub(crate) fn arn(&self) -> Value<str> {
        self.resource.get_att("Arn")
    }
}

impl Construct for Role {
    fn node(&self) -> &Node {
        &self.node
    }
}

impl Grantable for Role {
    fn grant_principal(&self) -> Principal {
        Principal::identity(self, self.arn())
    }
}

/// A bucket with a policy.
#[derive(Clone)]
pub(crate) struct Store {
    node: Node,
    pub(crate) resource: Node,
}

impl Store {
    #[track_caller]
    pub(crate) fn new(scope: &dyn Construct, id: &str) -> Self {
        let node = scope.node().child(id);
        let resource = Node::new_resource(&node, "Resource", "AWS::S3::Bucket", Props::default());
        resource
            .set_physical_name(PhysicalName::new("BucketName", None).attribute("Arn", "arn:{partition}:s3:::{name}"));
        let policy = Node::new_resource(
            &node,
            "Policy",
            "AWS::S3::BucketPolicy",
            props([
                ("Bucket", resource.reference::<str>().into_expr()),
                ("PolicyDocument", node.policy(PolicySlot::Resource).into_expr()),
            ]),
        );
        policy.only_with_policy(&node, PolicySlot::Resource);
        Self { node, resource }
    }

    pub(crate) fn arn(&self) -> Value<str> {
        self.resource.get_att("Arn")
    }

    #[track_caller]
    pub(crate) fn grant(&self, grantee: &dyn Grantable, action: &str) {
        let objects = concat([self.arn().into_expr(), "/*".into()]);
        Grant::new(self, grantee, [action]).on([&objects]).in_policy([&objects]).record();
    }
}

impl Construct for Store {
    fn node(&self) -> &Node {
        &self.node
    }
}

/// The only resource of a type in a stack.
pub(crate) fn only<'a>(assembly: &'a Assembly, stack: &str, cfn_type: &str) -> &'a serde_json::Value {
    let found: Vec<_> = resources(assembly, stack).filter(|(_, it)| it["Type"] == cfn_type).collect();
    assert_eq!(found.len(), 1, "{cfn_type} in {stack}: {found:?}");
    found[0].1
}

pub(crate) fn resources<'a>(
    assembly: &'a Assembly,
    stack: &str,
) -> impl Iterator<Item = (&'a String, &'a serde_json::Value)> {
    let stack = assembly.stack(stack).expect("the stack");
    stack.template["Resources"].as_object().into_iter().flatten()
}

pub(crate) fn names(assembly: &Assembly) -> Vec<&str> {
    assembly.stacks.iter().map(|it| it.id.as_str()).collect()
}
