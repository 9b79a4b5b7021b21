//! Repositories in CodeCommit.

use xacct_core::value::Value;
use xacct_core::{Asset, Construct, Grant, Grantable, Node, PhysicalName};

use crate::cfn::codecommit::repository::{Code as CfnCode, S3};
use crate::cfn::codecommit::{CfnRepository, CfnRepositoryProps};
use crate::cfn::kind;
use crate::kms::Key;
use crate::naming::{self, NameRule};

const NAME: NameRule = NameRule { what: "a repository name", length: 1..=100, besides: "._-" };

/// A Git repository.
#[derive(Clone, Debug)]
pub struct Repository {
    node: Node,
    name: Value<str>,
    arn: Value<kind::OtherArn>,
    clone_url: Value<str>,
}

/// What a new repository holds: the first commit on a branch.
///
/// CodeCommit takes it when it makes the repository and never again: later commits come by `git push`.
#[derive(Clone, Debug)]
pub struct Code {
    asset: Asset,
    branch: String,
}

impl Code {
    /// A folder of files, as the first commit on `branch`.
    pub fn from_asset(asset: &Asset, branch: impl Into<String>) -> Self {
        Self { asset: asset.clone(), branch: branch.into() }
    }
}

/// How to make a [`Repository`].
#[derive(Clone, Debug, Default)]
pub struct RepositoryProps {
    description: Option<String>,
    code: Option<Code>,
    encryption_key: Option<Key>,
}

impl RepositoryProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the repository is for. Default: none.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// What the repository holds at first. Default: nothing.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The key that the repository is encrypted with. Default: the account's own for CodeCommit.
    #[must_use]
    pub fn encryption_key(mut self, key: &Key) -> Self {
        self.encryption_key = Some(key.clone());
        self
    }
}

impl Repository {
    /// A repository of that name.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, repository_name: &str, props: RepositoryProps) -> Self {
        let node = scope.node().child(id);
        if repository_name.ends_with(".git") {
            naming::report(&node, NAME.what, repository_name, "it ends with `.git`", "leave the ending out");
        }
        let name = NAME.accepted(&node, Some(repository_name.trim_end_matches(".git").to_owned()));
        let name = name.unwrap_or_else(|| naming::generated(&node, *NAME.length.end()));
        let mut resource = CfnRepositoryProps::new().repository_name(name.as_str());
        if let Some(text) = props.description {
            resource = resource.repository_description(text);
        }
        if let Some(key) = &props.encryption_key {
            resource = resource.kms_key_id(key.arn());
        }
        if let Some(Code { asset, branch }) = props.code {
            let content = S3::new().bucket(asset.bucket()).key(asset.key());
            resource = resource.code(CfnCode::new().branch_name(branch).s3(content));
        }
        let resource = CfnRepository::new(&node, "Resource", resource);
        resource.node().set_physical_name(
            PhysicalName::new("RepositoryName", Some(name))
                .max_length(100)
                .attribute("Name", "{name}")
                .attribute("Arn", "arn:{partition}:codecommit:{region}:{account}:{name}"),
        );
        Self { name: resource.attr_name(), arn: resource.attr_arn(), clone_url: resource.attr_clone_url_http(), node }
    }

    /// A repository that the app does not own, in the account and region of `scope`.
    #[track_caller]
    pub fn from_repository_name(scope: &dyn Construct, id: &str, name: &str) -> Self {
        let node = scope.node().child(id);
        NAME.check(&node, name);
        let (arn, url) = node.environment().map_or_else(Default::default, |it| {
            let (region, account) = (&it.region, it.account);
            (
                format!("arn:{}:codecommit:{region}:{account}:{name}", region.partition()),
                format!("https://git-codecommit.{region}.amazonaws.com/v1/repos/{name}"),
            )
        });
        Self {
            node,
            name: Value::from_expr(name.to_owned().into()),
            arn: Value::from_expr(arn.into()),
            clone_url: Value::from_expr(url.into()),
        }
    }

    /// The repository's name.
    pub fn repository_name(&self) -> Value<str> {
        self.name.clone()
    }

    /// The repository's ARN.
    pub fn arn(&self) -> Value<kind::OtherArn> {
        self.arn.clone()
    }

    /// What `git clone` takes, over HTTPS.
    pub fn clone_url_http(&self) -> Value<str> {
        self.clone_url.clone()
    }

    /// Lets `grantee` clone and pull.
    #[track_caller]
    pub fn grant_pull(&self, grantee: &dyn Grantable) {
        self.grant(grantee, &["codecommit:GitPull"]);
    }

    /// Lets `grantee` clone, pull and push.
    #[track_caller]
    pub fn grant_pull_push(&self, grantee: &dyn Grantable) {
        self.grant(grantee, &["codecommit:GitPull", "codecommit:GitPush"]);
    }

    /// Lets `grantee` do `actions` with the repository. It has no policy of its own: `grantee` must be of its account.
    #[track_caller]
    pub fn grant(&self, grantee: &dyn Grantable, actions: &[&str]) {
        Grant::new(&self.node, grantee, actions.iter().copied()).on([&self.arn]).record();
    }
}

impl Construct for Repository {
    fn node(&self) -> &Node {
        &self.node
    }
}
