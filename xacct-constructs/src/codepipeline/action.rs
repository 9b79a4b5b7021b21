//! What every action of a pipeline has, whatever it does.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use xacct_core::value::Expr;
use xacct_core::{Construct, Environment, Grantable, Node, Region};

use super::{Artifact, Trigger};
use crate::cfn::codepipeline::pipeline::{ActionDeclaration, ActionTypeId, Category, InputArtifact, OutputArtifact};
use crate::iam::Role;
use crate::s3::Bucket;

/// An action of a stage.
///
/// The types beside this one make the usual actions. For any other, describe it with [`Action::new`]: its
/// [configuration](https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-structure-reference.html), and with
/// [`needs`](Self::needs) what whoever performs it must be granted.
#[derive(Clone)]
pub struct Action {
    pub(super) name: String,
    pub(super) category: Category,
    pub(super) owner: String,
    pub(super) provider: String,
    pub(super) version: String,
    pub(super) configuration: Vec<(String, Expr)>,
    pub(super) inputs: Vec<Artifact>,
    pub(super) outputs: Vec<Artifact>,
    pub(super) run_order: i64,
    pub(super) namespace: Option<String>,
    pub(super) role: Option<Role>,
    /// What the action acts on: it is performed in that one's account and region.
    pub(super) subject: Option<Node>,
    pub(super) region: Option<Region>,
    pub(super) timeout_minutes: Option<i64>,
    /// The role that the action hands to a service, if it does.
    pub(super) passes: Option<Role>,
    pub(super) trigger: Option<Trigger>,
    needs: Vec<Need>,
    pub(super) at: &'static Location<'static>,
}

type Need = Arc<dyn Fn(&Performance<'_>) + Send + Sync>;

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Action({}, {:?} by {})", self.name, self.category, self.provider)
    }
}

/// Who performs an action, and where its artifacts are.
#[derive(Clone, Copy)]
pub struct Performance<'a> {
    /// The pipeline's role, or the action's own.
    pub performer: &'a dyn Grantable,
    /// The bucket that the action's artifacts are in.
    pub artifacts: &'a Bucket,
    /// Whether the action uses the pipeline's own role, which may read and write all artifacts.
    pub by_pipeline: bool,
}

impl Action {
    /// An action of one of AWS's own providers, version 1.
    #[track_caller]
    pub fn new(name: impl Into<String>, category: Category, provider: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            category,
            owner: "AWS".to_owned(),
            provider: provider.into(),
            version: "1".to_owned(),
            configuration: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            run_order: 1,
            namespace: None,
            role: None,
            subject: None,
            region: None,
            timeout_minutes: None,
            passes: None,
            trigger: None,
            needs: Vec::new(),
            at: Location::caller(),
        }
    }

    /// Sets a field of the configuration.
    #[must_use]
    pub fn configure(mut self, field: impl Into<String>, value: impl Into<Expr>) -> Self {
        let field = field.into();
        self.configuration.retain(|(it, _)| *it != field);
        self.configuration.push((field, value.into()));
        self
    }

    /// Uses an artifact.
    #[must_use]
    pub fn input(mut self, artifact: &Artifact) -> Self {
        self.inputs.push(artifact.clone());
        self
    }

    /// Makes an artifact.
    #[must_use]
    pub fn output(mut self, artifact: &Artifact) -> Self {
        self.outputs.push(artifact.clone());
        self
    }

    /// Runs after the actions of the stage with a lower number, together with those of the same. Default: 1.
    #[must_use]
    pub fn run_order(mut self, order: i64) -> Self {
        self.run_order = order;
        self
    }

    /// Where later actions find this one's variables: `#{NAMESPACE.VARIABLE}`. Default: nowhere.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Who performs the action. Default: the pipeline's role, and in another account a role made there that trusts it.
    #[must_use]
    pub fn role(mut self, role: &Role) -> Self {
        self.role = Some(role.clone());
        self
    }

    /// What the action acts on: it is performed in that one's account and region.
    #[must_use]
    pub fn acts_on(mut self, subject: &dyn Construct) -> Self {
        self.subject = Some(subject.node().clone());
        self
    }

    /// Where the action is performed. Default: in the region of what it acts on.
    #[must_use]
    pub fn region(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// Gives up after so many minutes. Default: that of the provider.
    #[must_use]
    pub fn timeout_minutes(mut self, minutes: i64) -> Self {
        self.timeout_minutes = Some(minutes);
        self
    }

    /// The role that the action hands to a service: of the same account as the one that performs it.
    #[must_use]
    pub fn passes_role(mut self, role: &Role) -> Self {
        self.passes = Some(role.clone());
        self
    }

    /// What starts the pipeline, for a source.
    #[must_use]
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = Some(trigger);
        self
    }

    /// What must be granted for the action to work: called once, when the pipeline is made.
    #[must_use]
    pub fn needs(mut self, grant: impl Fn(&Performance<'_>) + Send + Sync + 'static) -> Self {
        self.needs.push(Arc::new(grant));
        self
    }

    pub(super) fn is_source(&self) -> bool {
        self.category == Category::Source
    }

    /// Where the action is performed; `home` is the pipeline's own environment.
    pub(super) fn environment(&self, home: &Environment) -> Environment {
        let subject = self.subject.as_ref().and_then(Node::environment);
        let role = self.role.as_ref().and_then(|it| it.node().environment());
        let account = role.as_ref().or(subject.as_ref()).map_or(home.account, |it| it.account);
        let region = self.region.clone().or(subject.map(|it| it.region)).unwrap_or_else(|| home.region.clone());
        Environment::new(account, region)
    }

    pub(super) fn grant(&self, performance: &Performance<'_>) {
        for need in &self.needs {
            need(performance);
        }
    }

    pub(super) fn declaration(&self, role: Option<&Role>, home: &Environment) -> ActionDeclaration {
        let kind = ActionTypeId::new()
            .category(self.category)
            .owner(self.owner.as_str())
            .provider(self.provider.as_str())
            .version(self.version.as_str());
        let mut declaration =
            ActionDeclaration::new().name(self.name.as_str()).action_type_id(kind).run_order(self.run_order);
        if !self.configuration.is_empty() {
            let fields =
                self.configuration.iter().map(|(field, value)| (field.clone().into(), value.clone())).collect();
            declaration = declaration.configuration(Expr::Map(fields));
        }
        if !self.inputs.is_empty() {
            let inputs: Vec<InputArtifact> =
                self.inputs.iter().map(|it| InputArtifact::new().name(it.name())).collect();
            declaration = declaration.input_artifacts(inputs);
        }
        if !self.outputs.is_empty() {
            let outputs: Vec<OutputArtifact> =
                self.outputs.iter().map(|it| OutputArtifact::new().name(it.name())).collect();
            declaration = declaration.output_artifacts(outputs);
        }
        if let Some(namespace) = &self.namespace {
            declaration = declaration.namespace(namespace);
        }
        if let Some(role) = role {
            declaration = declaration.role_arn(role.arn());
        }
        let region = self.environment(home).region;
        if region != home.region {
            declaration = declaration.region(region.as_str());
        }
        if let Some(minutes) = self.timeout_minutes {
            declaration = declaration.timeout_in_minutes(minutes);
        }
        declaration
    }
}

/// The setters that all kinds of actions share.
macro_rules! shared_setters {
    ($kind:ident) => {
        impl $kind {
            /// Runs after the actions of the stage with a lower number, together with those of the same. Default: 1.
            #[must_use]
            pub fn run_order(mut self, order: i64) -> Self {
                self.action = self.action.run_order(order);
                self
            }

            /// Where later actions find this one's variables: `#{NAMESPACE.VARIABLE}`. Default: nowhere.
            #[must_use]
            pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
                self.action = self.action.namespace(namespace);
                self
            }

            /// Who performs the action. Default: the pipeline's role, and in another account a role made there that trusts
            /// it.
            #[must_use]
            pub fn role(mut self, role: &$crate::iam::Role) -> Self {
                self.action = self.action.role(role);
                self
            }
        }

        impl From<$kind> for $crate::codepipeline::Action {
            fn from(it: $kind) -> Self {
                it.finish()
            }
        }
    };
}
pub(super) use shared_setters;
