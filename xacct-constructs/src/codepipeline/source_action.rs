//! Sources: what a pipeline begins with.

use serde_json::json;
use xacct_core::value::Expr;
use xacct_core::{Arn, Construct, Grant};

use super::action::shared_setters;
use super::{Action, Artifact, GitFilter, Performance, Trigger};
use crate::cfn::codepipeline::pipeline::Category;
use crate::codecommit::Repository;
use crate::s3::{Bucket, READ};

/// Takes the source from a branch of a CodeCommit repository. A push starts the pipeline, through EventBridge.
#[derive(Clone, Debug)]
pub struct CodeCommitSourceAction {
    action: Action,
    repository: Repository,
    branch: String,
    full_clone: bool,
    starts: bool,
}

impl CodeCommitSourceAction {
    /// Takes the source from the branch `main` of `repository`.
    #[track_caller]
    pub fn new(name: impl Into<String>, repository: &Repository, output: &Artifact) -> Self {
        let action = Action::new(name, Category::Source, "CodeCommit").output(output).acts_on(repository);
        Self { action, repository: repository.clone(), branch: "main".to_owned(), full_clone: false, starts: true }
    }

    /// The branch. Default: `main`.
    #[must_use]
    pub fn branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = branch.into();
        self
    }

    /// Hands on a Git repository with its history, which the build then clones itself; its role needs
    /// [`Repository::grant_pull`]. Default: the files alone.
    #[must_use]
    pub fn full_clone(mut self) -> Self {
        self.full_clone = true;
        self
    }

    /// Leaves it to others to start the pipeline. Default: a push to the branch does.
    #[must_use]
    pub fn without_trigger(mut self) -> Self {
        self.starts = false;
        self
    }

    fn finish(self) -> Action {
        let Self { action, repository, branch, full_clone, starts } = self;
        let mut action = action
            .configure("RepositoryName", repository.repository_name())
            .configure("BranchName", branch.clone())
            // EventBridge starts the pipeline; polling is slower, and AWS is giving it up.
            .configure("PollForSourceChanges", "false");
        if full_clone {
            action = action.configure("OutputArtifactFormat", "CODEBUILD_CLONE_REF");
        }
        if starts {
            action = action.trigger(Trigger::Event(pushed(&repository, &branch)));
        }
        action.needs(move |Performance { performer, artifacts, by_pipeline }| {
            let mut actions = vec![
                "codecommit:CancelUploadArchive",
                "codecommit:GetBranch",
                "codecommit:GetCommit",
                "codecommit:GetUploadArchiveStatus",
                "codecommit:UploadArchive",
            ];
            if full_clone {
                actions.push("codecommit:GetRepository");
            }
            repository.grant(*performer, &actions);
            if !by_pipeline {
                artifacts.grant_put(*performer);
            }
        })
    }
}

shared_setters!(CodeCommitSourceAction);

fn pushed(repository: &Repository, branch: &str) -> Expr {
    let detail = json!({
        "event": ["referenceCreated", "referenceUpdated"],
        "referenceType": ["branch"],
        "referenceName": [branch],
    });
    Expr::Map(vec![
        ("source".into(), Expr::from(json!(["aws.codecommit"]))),
        ("detail-type".into(), Expr::from(json!(["CodeCommit Repository State Change"]))),
        ("resources".into(), Expr::List(vec![repository.arn().into()])),
        ("detail".into(), Expr::from(detail)),
    ])
}

/// Takes the source from GitHub, GitLab, Bitbucket or another provider, over a connection.
#[derive(Clone, Debug)]
pub struct CodeConnectionsSourceAction {
    action: Action,
    connection_arn: String,
    filters: Vec<GitFilter>,
}

impl CodeConnectionsSourceAction {
    /// Takes the source from the branch `main` of `repository`, such as `owner/name`. Somebody must have completed the
    /// connection in the console.
    #[track_caller]
    pub fn new(
        name: impl Into<String>,
        connection_arn: impl Into<String>,
        repository: impl Into<String>,
        output: &Artifact,
    ) -> Self {
        let connection_arn = connection_arn.into();
        let action = Action::new(name, Category::Source, "CodeStarSourceConnection")
            .output(output)
            .configure("ConnectionArn", connection_arn.clone())
            .configure("FullRepositoryId", repository.into())
            .configure("BranchName", "main")
            .configure("OutputArtifactFormat", "CODE_ZIP");
        Self { action, connection_arn, filters: Vec::new() }
    }

    /// The branch. Default: `main`.
    #[must_use]
    pub fn branch(mut self, branch: impl Into<String>) -> Self {
        self.action = self.action.configure("BranchName", branch.into());
        self
    }

    /// Starts the pipeline only for what passes one of the filters; at most three for pushes and three for pull requests.
    /// Default: every push to the branch.
    #[must_use]
    pub fn filter(mut self, filter: GitFilter) -> Self {
        self.filters.push(filter);
        self
    }

    fn finish(self) -> Action {
        let Self { action, connection_arn, filters } = self;
        // The service was renamed; connections made before keep their old ARNs, and those the old name of the action.
        let service = connection_arn.parse::<Arn>().map(|it| it.service().to_owned());
        let service = service.unwrap_or_else(|_| "codeconnections".to_owned());
        // With filters, a push that passes none of them must not start the pipeline either.
        let detects = if filters.is_empty() { "true" } else { "false" };
        let action = action.configure("DetectChanges", detects);
        let action = if filters.is_empty() { action } else { action.trigger(Trigger::Git(filters)) };
        action.needs(move |Performance { performer, artifacts, .. }| {
            Grant::new(*artifacts, *performer, [format!("{service}:UseConnection")])
                .on([connection_arn.as_str()])
                .record();
        })
    }
}

shared_setters!(CodeConnectionsSourceAction);

/// Takes the source from an object of a versioned bucket: a zip archive. A new version starts the pipeline, through EventBridge.
#[derive(Clone, Debug)]
pub struct S3SourceAction {
    action: Action,
    bucket: Bucket,
    key: String,
}

impl S3SourceAction {
    /// Takes the source from the object `key` of `bucket`, which must have been made with
    /// [`BucketProps::event_bridge`](crate::s3::BucketProps::event_bridge).
    #[track_caller]
    pub fn new(name: impl Into<String>, bucket: &Bucket, key: impl Into<String>, output: &Artifact) -> Self {
        let key = key.into();
        let action = Action::new(name, Category::Source, "S3")
            .output(output)
            .acts_on(bucket)
            .configure("S3Bucket", bucket.bucket_name())
            .configure("S3ObjectKey", key.clone())
            .configure("PollForSourceChanges", "false");
        Self { action, bucket: bucket.clone(), key }
    }

    fn finish(self) -> Action {
        let Self { action, bucket, key } = self;
        if !bucket.may_send_events() {
            bucket.node().report(
                xacct_core::Diagnostic::error(
                    "source-without-events",
                    "the bucket is a pipeline's source, but tells nobody about new objects",
                )
                .help("make it with `BucketProps::event_bridge`"),
            );
        }
        let detail = Expr::Map(vec![
            ("bucket".into(), Expr::Map(vec![("name".into(), Expr::List(vec![bucket.bucket_name().into()]))])),
            ("object".into(), Expr::from(json!({ "key": [key] }))),
        ]);
        let pattern = Expr::Map(vec![
            ("source".into(), Expr::from(json!(["aws.s3"]))),
            ("detail-type".into(), Expr::from(json!(["Object Created"]))),
            ("detail".into(), detail),
        ]);
        action.trigger(Trigger::Event(pattern)).needs(move |Performance { performer, artifacts, by_pipeline }| {
            bucket.grant_on_objects(*performer, &key, READ);
            bucket.grant_on_bucket(*performer, &["s3:GetBucketVersioning"]);
            if !by_pipeline {
                artifacts.grant_put(*performer);
            }
        })
    }
}

shared_setters!(S3SourceAction);
