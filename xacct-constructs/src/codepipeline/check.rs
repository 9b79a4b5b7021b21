//! What CodePipeline would refuse, or fail at only when it runs, said before anything is deployed.

use std::collections::{BTreeMap, BTreeSet};

use xacct_core::{Construct, Diagnostic, Environment, Node, Region};

use super::{Action, Artifact, GitFilter, Stage, Trigger};
use crate::cfn::codepipeline::pipeline::Category;
use crate::naming::NameRule;
use crate::s3::Bucket;

const NAME: NameRule = NameRule { what: "a stage or action name", length: 1..=100, besides: ".@-_" };
const ARTIFACT: NameRule = NameRule { what: "an artifact name", length: 1..=100, besides: "-_" };
const NAMESPACE: NameRule = NameRule { what: "a namespace", length: 1..=100, besides: "@-_" };

/// Namespaces that CodePipeline itself fills.
const OWN_NAMESPACES: [&str; 2] = ["codepipeline", "variables"];

/// A pipeline as it was described, to be looked at.
pub(super) struct Checked<'a> {
    pub(super) node: &'a Node,
    pub(super) home: &'a Environment,
    pub(super) stages: &'a [Stage],
    pub(super) stores: &'a BTreeMap<Region, Bucket>,
}

impl Checked<'_> {
    pub(super) fn report_all(&self) {
        self.structure();
        for (index, stage) in self.stages.iter().enumerate() {
            self.stage(index, stage);
            for action in &stage.actions {
                self.action(index, stage, action);
            }
        }
        self.artifact_flow();
        self.variables();
    }

    fn report(&self, diagnostic: Diagnostic) {
        self.node.report(diagnostic);
    }

    fn structure(&self) {
        if self.stages.len() < 2 {
            let message = format!("the pipeline has {} stages, and CodePipeline wants at least 2", self.stages.len());
            self.report(
                Diagnostic::error("pipeline-structure", message)
                    .help("begin with a stage of sources, and add one that uses them"),
            );
        }
        let mut seen: BTreeMap<&str, &Stage> = BTreeMap::new();
        for stage in self.stages {
            if let Some(first) = seen.insert(&stage.name, stage) {
                self.report(
                    Diagnostic::error("pipeline-structure", format!("there are two stages `{}`", stage.name))
                        .at(stage.at)
                        .related("the first is at", first.at)
                        .help("give one of the two another name"),
                );
            }
        }
    }

    fn stage(&self, index: usize, stage: &Stage) {
        self.name(&NAME, &stage.name, stage.at);
        let message = |problem: &str| format!("stage `{}` {problem}", stage.name);
        if stage.actions.is_empty() {
            self.report(
                Diagnostic::error("pipeline-structure", message("has no action"))
                    .at(stage.at)
                    .help("add one: `Stage::action`"),
            );
        }
        let mut seen = BTreeSet::new();
        for action in stage.actions.iter().filter(|it| !seen.insert(&it.name)) {
            self.report(
                Diagnostic::error("pipeline-structure", message(&format!("has two actions `{}`", action.name)))
                    .at(action.at)
                    .help("give one of the two another name"),
            );
        }
        if index == 0 && stage.rolls_back() {
            self.report(
                Diagnostic::error("stage-condition", message("holds the sources, and is to be rolled back"))
                    .at(stage.at)
                    .help("CodePipeline rolls back every stage but the first: leave the condition out here"),
            );
        }
        for condition in stage.conditions().filter(|it| !(1..=5).contains(&it.rules.len())) {
            let problem = format!("has a condition of {} rules", condition.rules.len());
            self.report(
                Diagnostic::error("stage-condition", message(&problem))
                    .at(condition.at)
                    .help("give a condition 1 to 5 rules"),
            );
        }
    }

    fn action(&self, index: usize, stage: &Stage, action: &Action) {
        self.name(&NAME, &action.name, action.at);
        action.outputs.iter().for_each(|it| self.name(&ARTIFACT, it.name(), action.at));
        action.namespace.iter().for_each(|it| self.name(&NAMESPACE, it, action.at));
        let what = format!("action `{}` of stage `{}`", action.name, stage.name);
        let error = |rule: &str, problem: &str| Diagnostic::error(rule, format!("{what} {problem}")).at(action.at);
        if index == 0 && !action.is_source() {
            self.report(
                error("pipeline-structure", "is no source, and the first stage holds sources only")
                    .help("move it to a later stage"),
            );
        }
        if index > 0 && action.is_source() {
            self.report(
                error("pipeline-structure", "is a source outside of the first stage")
                    .help("move it to the first stage"),
            );
        }
        if !(1..=999).contains(&action.run_order) {
            self.report(
                error("out-of-range", &format!("has the run order {}", action.run_order)).help("give it 1 to 999"),
            );
        }
        self.timeout(action, &error);
        self.place(action, &error);
        if let Some(Trigger::Git(filters)) = &action.trigger {
            self.filters(filters, &error);
        }
    }

    fn timeout(&self, action: &Action, error: &dyn Fn(&str, &str) -> Diagnostic) {
        let Some(minutes) = action.timeout_minutes else { return };
        let longest = if action.category == Category::Approval { 86_400 } else { 2_160 };
        if !(5..=longest).contains(&minutes) {
            let problem = format!("gives up after {minutes} minutes");
            self.report(error("out-of-range", &problem).help(format!("give it 5 to {longest} minutes")));
        }
    }

    /// What may be done in another account or region.
    fn place(&self, action: &Action, error: &dyn Fn(&str, &str) -> Diagnostic) {
        let there = action.environment(self.home);
        let home = self.home;
        if action.is_source() && there.region != home.region {
            let problem = format!("takes its source from {}, and the pipeline is in {}", there.region, home.region);
            self.report(error("source-region", &problem).help("put the pipeline into the region of its source"));
        } else if !self.stores.contains_key(&there.region) && action.category != Category::Approval {
            let problem = format!("is performed in {}, where the pipeline has no bucket for artifacts", there.region);
            self.report(
                error("artifact-region", &problem).help("give the pipeline one: `PipelineProps::replication_bucket`"),
            );
        }
        let across = there.account != home.account;
        if across && action.provider == "CodeBuild" && !action.outputs.is_empty() {
            let problem = format!(
                "runs in account {} and has an output, which a build of another account cannot write",
                there.account
            );
            self.report(
                error("cross-account-output", &problem)
                    .help("leave the output out, and keep what the build makes in its own account"),
            );
        }
        let moves_artifacts = !action.inputs.is_empty() || !action.outputs.is_empty();
        if across && moves_artifacts && self.stores.get(&there.region).is_some_and(|it| it.encryption_key().is_none()) {
            let problem = format!(
                "is performed in account {}, which cannot decrypt the artifacts of a bucket without a key of yours",
                there.account
            );
            self.report(error("artifact-key", &problem).help("make the bucket for artifacts with `encryption_key`"));
        }
        if let Some(passed) = action.passes.as_ref().and_then(|it| it.node().environment())
            && passed.account != there.account
        {
            let problem =
                format!("is performed in account {} and hands on a role of account {}", there.account, passed.account);
            self.report(
                error("cross-account-pass-role", &problem)
                    .help("take both roles from one account: a role is never passed to another"),
            );
        }
    }

    fn filters(&self, filters: &[GitFilter], error: &dyn Fn(&str, &str) -> Diagnostic) {
        for (what, count) in [
            ("pushes", filters.iter().filter(|it| it.pull_request.is_none()).count()),
            ("pull requests", filters.iter().filter(|it| it.pull_request.is_some()).count()),
        ] {
            if count > 3 {
                let problem = format!("has {count} filters for {what}, and CodePipeline takes 3");
                self.report(error("git-filter", &problem).help("join some: a filter takes several patterns"));
            }
        }
        for filter in filters {
            if !filter.file_paths.is_empty() && filter.branches.is_empty() {
                self.report(
                    error("git-filter", "has a filter with file paths and without branches")
                        .help("say for which branches: `GitFilter::branches`"),
                );
            }
            if !filter.tags.is_empty() && (filter.pull_request.is_some() || !filter.branches.is_empty()) {
                self.report(
                    error("git-filter", "has a filter with tags and branches or pull requests")
                        .help("make a filter for the tags alone, of pushes"),
                );
            }
        }
    }

    /// Artifacts are made once, before they are used, and not handed from one foreign account to another.
    fn artifact_flow(&self) {
        let mut producers: BTreeMap<&Artifact, (usize, &Stage, &Action)> = BTreeMap::new();
        for (index, stage) in self.stages.iter().enumerate() {
            for action in &stage.actions {
                for output in &action.outputs {
                    let Some((_, first_stage, first)) = producers.insert(output, (index, stage, action)) else {
                        continue;
                    };
                    let message = format!(
                        "artifact `{}` is made by `{}` of stage `{}` and again by `{}` of stage `{}`",
                        output.name(),
                        first.name,
                        first_stage.name,
                        action.name,
                        stage.name
                    );
                    self.report(
                        Diagnostic::error("artifact-flow", message)
                            .at(action.at)
                            .related("the first is at", first.at)
                            .help("give one of the two another name"),
                    );
                }
            }
        }
        for (index, stage) in self.stages.iter().enumerate() {
            let of_rules = stage
                .conditions()
                .flat_map(|it| it.rules.iter().flat_map(|rule| rule.inputs()).map(|input| (input, it.at)));
            for (input, at) in of_rules {
                if producers.get(input).is_none_or(|(produced, ..)| *produced >= index) {
                    let what = format!("a condition of stage `{}`", stage.name);
                    self.report(
                        missing_artifact(&what, input, producers.get(input).map(|(_, stage, _)| *stage)).at(at),
                    );
                }
            }
            for action in &stage.actions {
                for input in &action.inputs {
                    let made_before = producers.get(input).filter(|(produced, _, producer)| {
                        *produced < index || (*produced == index && producer.run_order < action.run_order)
                    });
                    match made_before {
                        Some((_, _, producer)) => self.accounts(producer, stage, action, input),
                        None => {
                            let what = format!("action `{}` of stage `{}`", action.name, stage.name);
                            let made_in = producers.get(input).map(|(_, stage, _)| *stage);
                            self.report(missing_artifact(&what, input, made_in).at(action.at));
                        }
                    }
                }
            }
        }
    }

    fn accounts(&self, producer: &Action, stage: &Stage, action: &Action, input: &Artifact) {
        let (from, to) = (producer.environment(self.home).account, action.environment(self.home).account);
        if from == to || from == self.home.account || to == self.home.account {
            return;
        }
        let message = format!(
            "action `{}` of stage `{}` in account {to} uses artifact `{}`, which is made in account {from}",
            action.name,
            stage.name,
            input.name()
        );
        self.report(
            Diagnostic::error("artifact-flow", message).at(action.at).related("it is made at", producer.at).help(
                format!(
                    "make it in the pipeline's account, {}: neither of the two can read what the other encrypts",
                    self.home.account
                ),
            ),
        );
    }

    /// Every `#{NAMESPACE.VARIABLE}` is of an action before.
    fn variables(&self) {
        let mut known: BTreeSet<&str> = BTreeSet::from(OWN_NAMESPACES);
        for stage in self.stages {
            for rule in stage.before_entry.iter().flat_map(|(_, it)| &it.rules) {
                self.variables_in(rule.texts(), &known, stage.at, &format!("a condition of stage `{}`", stage.name));
            }
            let mut actions: Vec<&Action> = stage.actions.iter().collect();
            actions.sort_by_key(|it| it.run_order);
            for together in actions.chunk_by(|a, b| a.run_order == b.run_order) {
                for action in together {
                    let texts = action.configuration.iter().filter_map(|(_, value)| match value {
                        xacct_core::Expr::Str(text) => Some(text.as_ref()),
                        _ => None,
                    });
                    self.variables_in(
                        texts,
                        &known,
                        action.at,
                        &format!("action `{}` of stage `{}`", action.name, stage.name),
                    );
                }
                for action in together {
                    let Some(namespace) = &action.namespace else { continue };
                    if !known.insert(namespace) {
                        let message = format!(
                            "action `{}` of stage `{}` has the namespace `{namespace}`, which is taken",
                            action.name, stage.name
                        );
                        self.report(Diagnostic::error("variables", message).at(action.at).help("give it another"));
                    }
                }
            }
        }
    }

    fn variables_in<'t>(
        &self,
        texts: impl Iterator<Item = &'t str>,
        known: &BTreeSet<&str>,
        at: &'static std::panic::Location<'static>,
        what: &str,
    ) {
        for text in texts {
            for reference in text.split("#{").skip(1).filter_map(|it| it.split_once('}')).map(|(it, _)| it) {
                let namespace = reference.split_once('.').map_or(reference, |(namespace, _)| namespace);
                if !known.contains(namespace) {
                    let message = format!(
                        "{what} uses `#{{{reference}}}`, and no action before it has the namespace `{namespace}`"
                    );
                    let mut diagnostic = Diagnostic::error("variables", message).at(at);
                    let names: Vec<&str> = known.iter().copied().collect();
                    diagnostic = match xacct_core::nearest::nearest(namespace, names) {
                        Some(nearest) => diagnostic.help(format!("did you mean `{nearest}`?")),
                        None => diagnostic.help("give the action that makes the variable this namespace"),
                    };
                    self.report(diagnostic);
                }
            }
        }
    }

    fn name(&self, rule: &NameRule, name: &str, at: &'static std::panic::Location<'static>) {
        if let Some(diagnostic) = rule.diagnostic(name) {
            self.report(diagnostic.at(at));
        }
    }
}

fn missing_artifact(what: &str, input: &Artifact, made_in: Option<&Stage>) -> Diagnostic {
    match made_in {
        Some(stage) => {
            let message =
                format!("{what} uses artifact `{}` before it is made, in stage `{}`", input.name(), stage.name);
            Diagnostic::error("artifact-flow", message)
                .help("let the action that makes it run before: in an earlier stage, or with a lower run order")
        }
        None => Diagnostic::error(
            "artifact-flow",
            format!("{what} uses artifact `{}`, which no action makes", input.name()),
        )
        .help("make it the output of an action before"),
    }
}
