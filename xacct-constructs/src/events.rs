//! Rules of EventBridge.

use xacct_core::value::{Expr, IntoValue, Value};
use xacct_core::{Construct, Diagnostic, Node, Principal};

use crate::cfn::events::rule::{InputTransformer, State, Target as CfnTarget};
use crate::cfn::events::{CfnRule, CfnRuleProps};
use crate::cfn::kind;
use crate::iam::Role;
use crate::naming::NameRule;
use crate::sns::Topic;

const NAME: NameRule = NameRule { what: "a rule name", length: 1..=64, besides: "_-." };
const SERVICE: &str = "events.amazonaws.com";

/// A rule: which events, or when, and where they go.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// use xacct_constructs::events::{Rule, RuleProps, Target};
/// use xacct_constructs::sns::{Topic, TopicProps};
/// use serde_json::json;
/// # let app = App::new();
/// # let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// # let stack = Stack::new(&app, "Tools", environment, StackProps::new());
/// let topic = Topic::new(&stack, "Topic", TopicProps::new());
/// let pattern = json!({ "source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"] });
/// Rule::new(&stack, "Rule", RuleProps::new().event_pattern(pattern).target(Target::topic(&topic)));
/// # app.synth().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Rule {
    node: Node,
    arn: Value<kind::OtherArn>,
}

/// How to make a [`Rule`].
#[derive(Clone, Debug, Default)]
pub struct RuleProps {
    rule_name: Option<String>,
    description: Option<String>,
    event_pattern: Option<Expr>,
    schedule: Option<String>,
    targets: Vec<Target>,
    disabled: bool,
}

impl RuleProps {
    /// The defaults. A pattern or a schedule must be added.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: CloudFormation makes one.
    #[must_use]
    pub fn rule_name(mut self, name: impl Into<String>) -> Self {
        self.rule_name = Some(name.into());
        self
    }

    /// What the rule is for. Default: none.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Which events: JSON, or an expression with references. Default: none.
    #[must_use]
    pub fn event_pattern(mut self, pattern: impl Into<Expr>) -> Self {
        self.event_pattern = Some(pattern.into());
        self
    }

    /// When: such as `rate(1 day)` or `cron(0 8 * * ? *)`. Default: never.
    #[must_use]
    pub fn schedule(mut self, expression: impl Into<String>) -> Self {
        self.schedule = Some(expression.into());
        self
    }

    /// Where events go; at most five. Default: nowhere.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Makes the rule, but leaves it off. Default: it is on.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }
}

/// Where a rule sends its events.
#[derive(Clone, Debug)]
pub struct Target {
    arn: Expr,
    role: Option<Role>,
    message: Option<Message>,
}

#[derive(Clone, Debug)]
struct Message {
    fields: Vec<(String, String)>,
    template: String,
}

impl Target {
    /// Anything with an ARN, with the role that EventBridge reaches it by.
    pub fn new(arn: impl IntoValue<str>, role: &Role) -> Self {
        Self { arn: arn.into_expr(), role: Some(role.clone()), message: None }
    }

    /// A topic, which is told to take messages from EventBridge.
    #[track_caller]
    pub fn topic(topic: &Topic) -> Self {
        // AWS's own examples narrow neither of the two policies, and an encrypted topic does not take a narrowed one.
        topic.grant_publish(&Principal::service(SERVICE));
        Self { arn: topic.arn().into_expr(), role: None, message: None }
    }

    /// A sentence in place of the event's JSON. Names in angle brackets stand for fields of the event, given by their paths:
    /// `message("build <id> failed", [("id", "$.detail.build-id")])`.
    #[must_use]
    pub fn message<'a>(mut self, template: &str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let fields = fields.into_iter().map(|(name, path)| (name.to_owned(), path.to_owned())).collect();
        self.message = Some(Message { fields, template: format!("\"{template}\"") });
        self
    }

    fn declaration(&self, index: usize) -> CfnTarget {
        let mut target = CfnTarget::new().arn(Value::<str>::from_expr(self.arn.clone())).id(format!("Target{index}"));
        if let Some(role) = &self.role {
            target = target.role_arn(role.arn());
        }
        if let Some(Message { fields, template }) = &self.message {
            let transformer = InputTransformer::new().input_template(template).input_paths_map(fields.clone());
            target = target.input_transformer(transformer);
        }
        target
    }
}

/// The principal that rules act as: a role for it is what [`Target::new`] takes.
pub fn service_principal() -> Principal {
    // No `aws:SourceArn` on the trust: AWS's own examples have none, and roles with one have failed in the field.
    Principal::service(SERVICE)
}

impl Rule {
    /// A rule on the account's default event bus.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: RuleProps) -> Self {
        let node = scope.node().child(id);
        if props.event_pattern.is_none() && props.schedule.is_none() {
            node.report(
                Diagnostic::error("empty-rule", "the rule has neither an event pattern nor a schedule")
                    .help("say which events it is for, or when"),
            );
        }
        if props.targets.len() > 5 {
            node.report(
                Diagnostic::error("too-many", format!("the rule has {} targets, and AWS takes 5", props.targets.len()))
                    .help("make another rule for the rest"),
            );
        }
        let state = if props.disabled { State::Disabled } else { State::Enabled };
        let mut resource = CfnRuleProps::new().state(state);
        if let Some(name) = NAME.accepted(&node, props.rule_name) {
            resource = resource.name(name);
        }
        if let Some(text) = props.description {
            resource = resource.description(text);
        }
        if let Some(pattern) = props.event_pattern {
            resource = resource.event_pattern(pattern);
        }
        if let Some(expression) = props.schedule {
            resource = resource.schedule_expression(expression);
        }
        if !props.targets.is_empty() {
            let targets: Vec<CfnTarget> =
                props.targets.iter().enumerate().map(|(index, it)| it.declaration(index)).collect();
            resource = resource.targets(targets);
        }
        let resource = CfnRule::new(&node, "Resource", resource);
        Self { node, arn: resource.attr_arn() }
    }

    /// The rule's ARN.
    pub fn arn(&self) -> Value<kind::OtherArn> {
        self.arn.clone()
    }
}

impl Construct for Rule {
    fn node(&self) -> &Node {
        &self.node
    }
}
