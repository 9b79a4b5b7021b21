//! Synthesis: tree in, assembly out. A pipeline of plain functions over a copy of the tree.
//!
//! First the aspects visit every construct; then grants become statements; references that cross environments get names;
//! every stack is rendered, with the references that leave it resolved; the stacks are ordered; limits and schemas are
//! checked. Everything that is wrong is reported at once.

mod context;
mod limits;
mod order;
mod statement;

use std::collections::BTreeMap;

use crate::assembly::{AccessAssertion, Assembly, Dependency, FileAsset, Packaging, Scoped, Silenced, StackArtifact};
use crate::diagnostic::{Diagnostic, Severity, SynthError};
use crate::policy::PrincipalKind;
use crate::tree::{App, Construct, Kind, Node, NodeId, Tree};
use crate::value::Expr;
use context::{Context, Draft};

impl App {
    /// Turns the tree into an assembly, or reports everything that is wrong with it. It can be called again.
    pub fn synth(&self) -> Result<Assembly, SynthError> {
        let copy = Node::root_of(self.node().with(|tree| tree.clone()));
        crate::aspect::run(&copy);
        copy.with(|tree| synthesize(tree))
    }
}

fn synthesize(tree: &Tree) -> Result<Assembly, SynthError> {
    let (mut context, drafts) = render(tree);
    let order = order::order(tree, &drafts).unwrap_or_else(|cycle| {
        context.diagnostics.push(*cycle);
        drafts.keys().copied().collect()
    });
    let stacks: Vec<StackArtifact> = order.iter().map(|&id| artifact(tree, id, &drafts)).collect();
    for (stack, &id) in stacks.iter().zip(&order) {
        limits::check(stack, tree, id, &mut context.diagnostics);
        if tree.validate {
            crate::validation::check(stack, &mut context.diagnostics);
        }
    }
    // Before assertions are rendered, which reach nothing that is deployed.
    let made = std::mem::take(&mut context.silenced);
    let assertions = assertions(&mut context);
    let (errors, warnings) = split(tree, context.diagnostics);
    if !errors.is_empty() {
        return Err(SynthError { diagnostics: errors.into_iter().chain(warnings).collect() });
    }
    Ok(Assembly { stacks, assertions, silenced: silenced(tree, made), warnings, directory: None })
}

/// Renders the stacks; twice, if a role is allowed what a template needs.
fn render(tree: &Tree) -> (Context<'_>, BTreeMap<NodeId, Draft>) {
    let mut context = Context::new(tree, Vec::new());
    let drafts = context.render_stacks();
    if tree.executions.is_empty() {
        return (context, drafts);
    }
    let template = |stack: NodeId| Some(drafts.get(&stack)?.template(None));
    let (statements, diagnostics) = crate::execution::statements(tree, &template);
    let mut context = Context::new(tree, statements);
    context.diagnostics.extend(diagnostics);
    let drafts = context.render_stacks();
    (context, drafts)
}

/// Errors and warnings, without those that are silenced, each once, by construct and property.
fn split(tree: &Tree, mut diagnostics: Vec<Diagnostic>) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    crate::diagnostic::sort(&mut diagnostics);
    diagnostics.dedup();
    diagnostics.retain(|it| !is_silenced(tree, it));
    diagnostics.into_iter().partition(|it| it.severity == Severity::Error)
}

fn is_silenced(tree: &Tree, diagnostic: &Diagnostic) -> bool {
    let Some(path) = &diagnostic.path else { return false };
    tree.silenced.iter().any(|silence| {
        let scope = tree.path(silence.node);
        let covers =
            scope.is_empty() || path.strip_prefix(&scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        silence.rule == diagnostic.rule && covers
    })
}

fn silenced(tree: &Tree, made: Vec<Silenced>) -> Vec<Silenced> {
    let mut all: Vec<Silenced> = tree
        .silenced
        .iter()
        .map(|it| Silenced {
            rule: it.rule.clone(),
            path: tree.path(it.node),
            reason: it.reason.clone(),
            location: it.location.clone(),
        })
        .chain(made)
        .collect();
    all.sort();
    all.dedup();
    all
}

fn artifact(tree: &Tree, id: NodeId, drafts: &BTreeMap<NodeId, Draft>) -> StackArtifact {
    let path = tree.path(id);
    let draft = &drafts[&id];
    let Kind::Stack(data) = &tree[id].kind else { unreachable!("only stacks have drafts") };
    let artifact_id = artifact_id(&path);
    StackArtifact {
        template_file: format!("{artifact_id}.template.json"),
        stack_name: data.stack_name(&path).into_owned(),
        display_name: path,
        environment: data.environment.clone(),
        template: draft.template(data.description()),
        description: data.description().map(str::to_owned),
        tags: data.tags().clone(),
        parameters: BTreeMap::new(),
        termination_protection: data.termination_protection(),
        execution_role: data.execution_role(),
        bootstrap: data.synthesizer().bootstrap(&data.environment),
        dependencies: draft
            .edges
            .iter()
            .map(|(&to, edge)| Dependency { stack: self::artifact_id(&tree.path(to)), reason: edge.reason.clone() })
            .collect(),
        inputs: draft.inputs.iter().cloned().collect(),
        assets: assets(tree, id),
        origins: draft.origins.clone(),
        location: Some(tree[id].at.into()),
        id: artifact_id,
    }
}

/// The id of a stack's artifact, and the stack's name where none is given.
pub(crate) fn artifact_id(path: &str) -> String {
    path.replace('/', "-")
}

fn assets(tree: &Tree, stack: NodeId) -> Vec<FileAsset> {
    let Kind::Stack(data) = &tree[stack].kind else { return Vec::new() };
    let Some(bucket) = data.synthesizer().bucket(&data.environment) else { return Vec::new() };
    let mut assets: Vec<FileAsset> = tree
        .descendants(stack)
        .filter_map(|id| {
            let asset = tree[id].asset.as_ref()?;
            Some(FileAsset {
                hash: asset.hash.clone(),
                display_name: tree.path(id),
                path: asset.source.clone(),
                packaging: if asset.is_folder { Packaging::Zip } else { Packaging::File },
                bucket: bucket.clone(),
                key: format!("{}{}", asset.hash, asset.extension),
                environment: data.environment.clone(),
            })
        })
        .collect();
    assets.sort();
    assets.dedup_by(|a, b| a.hash == b.hash && a.key == b.key);
    assets
}

fn assertions(context: &mut Context<'_>) -> Vec<AccessAssertion> {
    let tree = context.tree;
    let mut all = Vec::new();
    for assertion in &tree.assertions {
        let path = tree.path(assertion.node);
        let principal = match &assertion.principal.kind {
            PrincipalKind::Identity { arn, .. } | PrincipalKind::Arn(arn) | PrincipalKind::Federated(arn) => {
                arn.clone()
            }
            PrincipalKind::Account(account) => {
                let partition = tree.environment_of(assertion.node).map_or("aws", |it| it.region.partition());
                format!("arn:{partition}:iam::{account}:root").into()
            }
            PrincipalKind::Service(name) => name.to_string().into(),
            PrincipalKind::Anyone => "*".into(),
        };
        all.push(AccessAssertion {
            principal: scoped(context, &principal, assertion.node),
            action: assertion.action.as_str().to_owned(),
            resource: scoped(context, &assertion.resource, assertion.node),
            allowed: assertion.allowed,
            context: assertion.context.clone(),
            path,
            location: assertion.at.into(),
        });
    }
    all
}

/// An expression in the terms of the stack that it refers to.
fn scoped(context: &mut Context<'_>, expr: &Expr, asserted_by: NodeId) -> Scoped {
    let tree = context.tree;
    let home = expr.nodes().into_iter().find(|&it| tree.owns(it)).and_then(|it| tree.stack_of(it));
    let Some(stack) = home.or_else(|| tree.stack_of(asserted_by)) else {
        return Scoped { stack: None, expression: context.expression_outside(expr) };
    };
    let expression = context.expression_in(stack, expr);
    let stack = home.map(|_| artifact_id(&tree.path(stack)));
    Scoped { stack, expression }
}
