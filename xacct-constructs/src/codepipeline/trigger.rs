//! What starts a pipeline.

use xacct_core::value::Expr;

use crate::cfn::codepipeline::pipeline::{
    GitBranchFilterCriteria, GitConfiguration, GitFilePathFilterCriteria, GitPullRequestFilter, GitPushFilter,
    GitTagFilterCriteria, PipelineTriggerDeclaration, ProviderType,
};

/// What starts a pipeline, besides people.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// An event of EventBridge, by its pattern.
    Event(Expr),
    /// A push or pull request that passes one of these filters.
    Git(Vec<GitFilter>),
}

/// Which pushes or pull requests start a pipeline.
#[derive(Clone, Debug, Default)]
pub struct GitFilter {
    pub(super) pull_request: Option<Vec<String>>,
    pub(super) branches: Patterns,
    pub(super) file_paths: Patterns,
    pub(super) tags: Patterns,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    pub(super) includes: Vec<String>,
    pub(super) excludes: Vec<String>,
}

impl Patterns {
    pub(super) fn is_empty(&self) -> bool {
        self.includes.is_empty() && self.excludes.is_empty()
    }
}

fn texts<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    patterns.into_iter().map(str::to_owned).collect()
}

impl GitFilter {
    /// Pushes.
    pub fn push() -> Self {
        Self::default()
    }

    /// Pull requests, when they are `OPEN`, `UPDATED` or `CLOSED`.
    pub fn pull_request<'a>(events: impl IntoIterator<Item = &'a str>) -> Self {
        Self { pull_request: Some(texts(events)), ..Self::default() }
    }

    /// Only to branches that match one of these patterns. Default: any.
    #[must_use]
    pub fn branches<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.branches.includes.extend(texts(patterns));
        self
    }

    /// Not to branches that match one of these patterns. Default: none.
    #[must_use]
    pub fn exclude_branches<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.branches.excludes.extend(texts(patterns));
        self
    }

    /// Only with changes to files that match one of these patterns; needs branches. Default: any.
    #[must_use]
    pub fn file_paths<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.file_paths.includes.extend(texts(patterns));
        self
    }

    /// Not for changes to files that match one of these patterns; needs branches. Default: none.
    #[must_use]
    pub fn exclude_file_paths<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.file_paths.excludes.extend(texts(patterns));
        self
    }

    /// Only of tags that match one of these patterns, for pushes. Default: tags do not start the pipeline.
    #[must_use]
    pub fn tags<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.tags.includes.extend(texts(patterns));
        self
    }

    fn branch_criteria(&self) -> Option<GitBranchFilterCriteria> {
        criteria(
            &self.branches,
            GitBranchFilterCriteria::new(),
            GitBranchFilterCriteria::includes,
            GitBranchFilterCriteria::excludes,
        )
    }

    fn path_criteria(&self) -> Option<GitFilePathFilterCriteria> {
        criteria(
            &self.file_paths,
            GitFilePathFilterCriteria::new(),
            GitFilePathFilterCriteria::includes,
            GitFilePathFilterCriteria::excludes,
        )
    }

    fn as_push(&self) -> GitPushFilter {
        let mut filter = GitPushFilter::new();
        if let Some(branches) = self.branch_criteria() {
            filter = filter.branches(branches);
        }
        if let Some(paths) = self.path_criteria() {
            filter = filter.file_paths(paths);
        }
        if !self.tags.is_empty() {
            filter = filter.tags(GitTagFilterCriteria::new().includes(self.tags.includes.clone()));
        }
        filter
    }

    fn as_pull_request(&self, events: &[String]) -> GitPullRequestFilter {
        let mut filter = GitPullRequestFilter::new().events(events.to_vec());
        if let Some(branches) = self.branch_criteria() {
            filter = filter.branches(branches);
        }
        if let Some(paths) = self.path_criteria() {
            filter = filter.file_paths(paths);
        }
        filter
    }
}

fn criteria<C>(
    patterns: &Patterns,
    empty: C,
    includes: impl Fn(C, Vec<String>) -> C,
    excludes: impl Fn(C, Vec<String>) -> C,
) -> Option<C> {
    if patterns.is_empty() {
        return None;
    }
    let mut criteria = empty;
    if !patterns.includes.is_empty() {
        criteria = includes(criteria, patterns.includes.clone());
    }
    if !patterns.excludes.is_empty() {
        criteria = excludes(criteria, patterns.excludes.clone());
    }
    Some(criteria)
}

/// The declaration for the filters of a source action.
pub(super) fn git_declaration(source_action: &str, filters: &[GitFilter]) -> PipelineTriggerDeclaration {
    let mut pushes = Vec::new();
    let mut pull_requests = Vec::new();
    for filter in filters {
        match &filter.pull_request {
            Some(events) => pull_requests.push(filter.as_pull_request(events)),
            None => pushes.push(filter.as_push()),
        }
    }
    let mut git = GitConfiguration::new().source_action_name(source_action);
    if !pushes.is_empty() {
        git = git.push(pushes);
    }
    if !pull_requests.is_empty() {
        git = git.pull_request(pull_requests);
    }
    PipelineTriggerDeclaration::new().provider_type(ProviderType::CodeStarSourceConnection).git_configuration(git)
}
