//! Topics.

use xacct_core::policy::{PolicySlot, Principal, Statement};
use xacct_core::value::Value;
use xacct_core::{Construct, Diagnostic, Grant, Grantable, Node, PhysicalName, action};

use crate::cfn::kind;
use crate::cfn::sns::{
    CfnSubscription, CfnSubscriptionProps, CfnTopic, CfnTopicPolicy, CfnTopicPolicyProps, CfnTopicProps,
};
use crate::kms::Key;
use crate::naming::NameRule;

const NAME: NameRule = NameRule { what: "a topic name", length: 1..=256, besides: "_-" };

/// A topic of the Simple Notification Service. It refuses messages that come without TLS.
#[derive(Clone, Debug)]
pub struct Topic {
    node: Node,
    arn: Value<kind::SnsTopicArn>,
    key: Option<Key>,
}

/// How to make a [`Topic`].
#[derive(Clone, Debug, Default)]
pub struct TopicProps {
    topic_name: Option<String>,
    display_name: Option<String>,
    encryption_key: Option<Key>,
}

impl TopicProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: CloudFormation makes one, or the app does, by a fixed rule, where another account needs to know it.
    #[must_use]
    pub fn topic_name(mut self, name: impl Into<String>) -> Self {
        self.topic_name = Some(name.into());
        self
    }

    /// Who messages come from, as mail programs show it. Default: none.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// The key that messages are encrypted with. Default: SNS's own encryption of its disks.
    #[must_use]
    pub fn encryption_key(mut self, key: &Key) -> Self {
        self.encryption_key = Some(key.clone());
        self
    }
}

impl Topic {
    /// A topic without subscriptions.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: TopicProps) -> Self {
        let node = scope.node().child(id);
        let mut resource = CfnTopicProps::new();
        let topic_name = NAME.accepted(&node, props.topic_name);
        if let Some(name) = &topic_name {
            resource = resource.topic_name(name);
        }
        if let Some(name) = props.display_name {
            resource = resource.display_name(name);
        }
        if let Some(key) = &props.encryption_key {
            resource = resource.kms_master_key_id(key.arn());
        }
        let resource = CfnTopic::new(&node, "Resource", resource);
        let format = "arn:{partition}:sns:{region}:{account}:{name}";
        resource.node().set_physical_name(
            PhysicalName::new("TopicName", topic_name).max_length(256).attribute("TopicArn", format).reference(format),
        );
        let policy = CfnTopicPolicyProps::new()
            .topics([resource.reference().cast::<str>()])
            .policy_document(node.policy(PolicySlot::Resource));
        CfnTopicPolicy::new(&node.child("Policy"), "Resource", policy);
        let without_tls = Statement::deny([action!("sns:Publish")])
            .on([resource.reference().cast::<str>()])
            .to(Principal::anyone())
            .when("Bool", "aws:SecureTransport", ["false"]);
        node.add_statement(PolicySlot::Resource, without_tls);
        Self { node, arn: resource.reference(), key: props.encryption_key }
    }

    /// The topic's ARN.
    pub fn arn(&self) -> Value<kind::SnsTopicArn> {
        self.arn.clone()
    }

    /// Sends messages to a mail address. AWS asks its owner first.
    #[track_caller]
    pub fn add_email_subscription(&self, id: &str, address: &str) {
        if address.split('@').filter(|it| !it.is_empty()).count() != 2 {
            self.node.report(
                Diagnostic::error("invalid-address", format!("`{address}` is not a mail address"))
                    .help("write it as `name@example.com`"),
            );
        }
        let props = CfnSubscriptionProps::new().topic_arn(self.arn()).protocol("email").endpoint(address);
        CfnSubscription::new(&self.node, id, props);
    }

    /// Lets `grantee` publish messages.
    #[track_caller]
    pub fn grant_publish(&self, grantee: &dyn Grantable) {
        Grant::new(&self.node, grantee, [action!("sns:Publish")]).on([&self.arn]).in_policy([&self.arn]).record();
        if let Some(key) = &self.key {
            key.grant_via("sns", grantee, &["kms:Decrypt", "kms:GenerateDataKey"]);
        }
    }
}

impl Construct for Topic {
    fn node(&self) -> &Node {
        &self.node
    }
}
