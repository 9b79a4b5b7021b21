//! Pipelines: whole ones, and those that CodePipeline would refuse.

use serde_json::json;
use xacct_constructs::codebuild::{Project, ProjectProps, Source};
use xacct_constructs::codecommit::{Repository, RepositoryProps};
use xacct_constructs::codepipeline::{
    Artifact, CloudFormationDeployAction, CodeBuildAction, CodeCommitSourceAction, CodeConnectionsSourceAction,
    Comparison, Condition, ConditionRule, EntryResult, GitFilter, ManualApprovalAction, OnFailure, Pipeline,
    PipelineProps, Retried, S3SourceAction, Stage, SuccessResult,
};
use xacct_constructs::iam::{Role, RoleProps};
use xacct_constructs::s3::{Bucket, BucketProps};
use xacct_constructs::sns::{Topic, TopicProps};
use xacct_core::{AccountId, Environment, Principal, Region, Stack, StackProps};

use crate::support::{PRODUCTION, TOOLS, Two, of_type, statements, texts, the};

const CONNECTION: &str =
    "arn:aws:codeconnections:eu-west-1:111111111111:connection/01234567-89ab-cdef-0123-456789abcdef";

/// What pipelines are made of.
struct Parts {
    two: Two,
    repository: Repository,
    code: Artifact,
    package: Artifact,
}

impl Parts {
    fn new() -> Self {
        let two = Two::new();
        let repository = Repository::new(&two.tools, "Repository", "code", RepositoryProps::new());
        Self { two, repository, code: Artifact::new("Code"), package: Artifact::new("Package") }
    }

    fn source(&self) -> Stage {
        Stage::new("Source").action(CodeCommitSourceAction::new("Code", &self.repository, &self.code))
    }

    fn project(&self, id: &str) -> Project {
        project(&self.two.tools, id)
    }

    fn build(&self, input: &Artifact) -> CodeBuildAction {
        CodeBuildAction::new("Build", &self.project("Build"), input)
    }

    fn pipeline(&self, stages: impl IntoIterator<Item = Stage>) -> Pipeline {
        let props = stages.into_iter().fold(PipelineProps::new().pipeline_name("it"), PipelineProps::stage);
        Pipeline::new(&self.two.tools, "Pipeline", props)
    }

    /// Makes a pipeline and expects exactly these messages.
    #[track_caller]
    fn refused(&self, stages: impl IntoIterator<Item = Stage>, expected: &[&str]) {
        self.pipeline(stages);
        let problems = self.two.own_problems();
        let messages: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(messages, expected);
        assert!(problems.iter().all(|it| it.help.is_some() && it.location.is_some()));
    }
}

fn project(stack: &Stack, id: &str) -> Project {
    Project::new(stack, id, Source::CodePipeline, ProjectProps::new().project_name(id.to_lowercase()))
}

fn rule() -> ConditionRule {
    ConditionRule::cloud_watch_alarm("Quiet", "errors")
}

#[test]
fn every_kind_of_action() {
    let parts = Parts::new();
    let topic = Topic::new(&parts.two.tools, "Topic", TopicProps::new());
    let deployer = Role::new(
        &parts.two.production,
        "Deployer",
        Principal::service("cloudformation.amazonaws.com"),
        RoleProps::new(),
    );
    let uploads = Bucket::new(&parts.two.tools, "Uploads", BucketProps::new().event_bridge());
    let upload = Artifact::new("Upload");
    let filter = GitFilter::push().branches(["main", "release/*"]).file_paths(["src/**"]);
    let git = Artifact::new("Git");
    let pipeline = parts.pipeline([
        parts
            .source()
            .action(CodeConnectionsSourceAction::new("Git", CONNECTION, "owner/name", &git).filter(filter))
            .action(S3SourceAction::new("Upload", &uploads, "site.zip", &upload)),
        Stage::new("Build")
            .action(parts.build(&parts.code).input(&git).input(&upload).output(&parts.package).namespace("Built")),
        Stage::new("Deploy")
            .action(
                ManualApprovalAction::new("Approve").notify(&topic).information("#{Built.SUMMARY}").timeout_minutes(60),
            )
            .action(
                CloudFormationDeployAction::new("Deploy", "site", &parts.package, "site.json", &deployer)
                    .allow_iam()
                    .run_order(2),
            )
            .before_entry(
                EntryResult::Skip,
                Condition::new([ConditionRule::variable_check(
                    "Changed",
                    "#{Built.CHANGED}",
                    Comparison::Equals,
                    "yes",
                )]),
            )
            .on_success(SuccessResult::Rollback, Condition::new([rule()]))
            .on_failure(OnFailure::Retry(Retried::FailedActions)),
    ]);
    pipeline.notify_on_failure("Failure", &topic);
    let assembly = parts.two.synth();
    assert_eq!(assembly.order(), ["Production", "Tools"]);
    insta::assert_json_snapshot!("every_kind_of_action_tools", assembly.template("Tools"));
    insta::assert_json_snapshot!("every_kind_of_action_production", assembly.template("Production"));
}

#[test]
fn another_account_is_reached_by_a_role_that_only_starts_its_builds() {
    let parts = Parts::new();
    let deploy = project(&parts.two.production, "Deploy");
    parts.pipeline([parts.source(), Stage::new("Prod").action(CodeBuildAction::new("Deploy", &deploy, &parts.code))]);
    let assembly = parts.two.synth();
    assert_eq!(assembly.order(), ["Production", "Tools"]);
    let production = assembly.template("Production");
    let of_role: Vec<_> =
        statements(production).into_iter().filter(|(id, _)| id.contains("ActionRoleDefaultPolicy")).collect();
    assert_eq!(of_role.len(), 1, "{of_role:?}");
    assert_eq!(
        texts(&of_role[0].1["Action"]),
        ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"]
    );
    let action = &the(assembly.template("Tools"), "AWS::CodePipeline::Pipeline")["Stages"][1]["Actions"][0];
    assert_eq!(action["Configuration"]["ProjectName"], "deploy");
    assert!(action["RoleArn"].as_str().unwrap().starts_with("arn:aws:iam::222222222222:role/"));
}

#[test]
fn a_role_given_to_an_action_performs_it() {
    let parts = Parts::new();
    let role = Role::new(&parts.two.tools, "Starter", Principal::account(TOOLS), RoleProps::new());
    parts.pipeline([parts.source(), Stage::new("Build").action(parts.build(&parts.code).role(&role))]);
    let assembly = parts.two.synth();
    let found = statements(assembly.template("Tools"));
    let starts = |prefix: &str| {
        found.iter().any(|(id, it)| id.starts_with(prefix) && it["Action"].to_string().contains("StartBuild"))
    };
    assert!(starts("StarterDefaultPolicy") && !starts("PipelineRoleDefaultPolicy"));
}

#[test]
fn a_region_has_a_bucket_of_its_own() {
    let parts = Parts::new();
    let elsewhere = Environment::new(TOOLS, Region::literal("eu-central-1"));
    let elsewhere = Stack::new(&parts.two.app, "Elsewhere", elsewhere, StackProps::new());
    let bucket = Bucket::new(&elsewhere, "Artifacts", BucketProps::new());
    let deploy = project(&elsewhere, "Deploy");
    let props = PipelineProps::new()
        .replication_bucket(&bucket)
        .stage(parts.source())
        .stage(Stage::new("Deploy").action(CodeBuildAction::new("Deploy", &deploy, &parts.code)));
    Pipeline::new(&parts.two.tools, "Pipeline", props);
    let assembly = parts.two.synth();
    let pipeline = the(assembly.template("Tools"), "AWS::CodePipeline::Pipeline");
    let regions: Vec<&str> =
        pipeline["ArtifactStores"].as_array().unwrap().iter().map(|it| it["Region"].as_str().unwrap()).collect();
    assert_eq!(regions, ["eu-central-1", "eu-west-1"]);
    assert_eq!(pipeline["Stages"][1]["Actions"][0]["Region"], "eu-central-1");
    assert!(pipeline.get("ArtifactStore").is_none());
}

#[test]
fn one_role_starts_the_pipeline_for_all_sources() {
    let parts = Parts::new();
    let other = Artifact::new("Other");
    let second = Repository::new(&parts.two.tools, "Second", "other", RepositoryProps::new());
    parts.pipeline([
        parts.source().action(CodeCommitSourceAction::new("Other", &second, &other).branch("trunk")),
        Stage::new("Build").action(parts.build(&parts.code)),
    ]);
    let assembly = parts.two.synth();
    let template = assembly.template("Tools");
    let rules = of_type(template, "AWS::Events::Rule");
    let branches: Vec<_> =
        rules.iter().map(|(_, it)| &it["Properties"]["EventPattern"]["detail"]["referenceName"]).collect();
    assert_eq!(branches, [&json!(["main"]), &json!(["trunk"])]);
    let starters =
        statements(template).into_iter().filter(|(_, it)| it["Action"] == "codepipeline:StartPipelineExecution");
    assert_eq!(starters.count(), 1);
}

#[test]
fn structure() {
    let parts = Parts::new();
    parts.refused([parts.source()], &["the pipeline has 1 stages, and CodePipeline wants at least 2"]);

    let parts = Parts::new();
    parts.refused(
        [parts.source(), Stage::new("Build").action(parts.build(&parts.code)), Stage::new("Build")],
        &["stage `Build` has no action", "there are two stages `Build`"],
    );

    let parts = Parts::new();
    let approve = || ManualApprovalAction::new("Approve");
    parts.refused(
        [parts.source().action(approve()), Stage::new("Go live").action(approve()).action(approve())],
        &[
            "`Go live` cannot be a stage or action name: it contains ` `",
            "action `Approve` of stage `Source` is no source, and the first stage holds sources only",
            "stage `Go live` has two actions `Approve`",
        ],
    );

    let parts = Parts::new();
    let late = CodeCommitSourceAction::new("Late", &parts.repository, &parts.package);
    parts.refused(
        [parts.source(), Stage::new("Build").action(late)],
        &["action `Late` of stage `Build` is a source outside of the first stage"],
    );
}

#[test]
fn artifacts_that_nobody_made() {
    let parts = Parts::new();
    parts.refused(
        [parts.source(), Stage::new("Build").action(parts.build(&parts.package))],
        &["action `Build` of stage `Build` uses artifact `Package`, which no action makes"],
    );

    let parts = Parts::new();
    let test = CodeBuildAction::new("Test", &parts.project("Test"), &parts.package);
    parts.refused(
        [
            parts.source(),
            Stage::new("Test").action(test),
            Stage::new("Build").action(parts.build(&parts.code).output(&parts.package)),
        ],
        &["action `Test` of stage `Test` uses artifact `Package` before it is made, in stage `Build`"],
    );
}

#[test]
fn an_artifact_may_be_used_later_in_its_own_stage() {
    let parts = Parts::new();
    let test = || CodeBuildAction::new("Test", &parts.project("Test"), &parts.package);
    let build = || parts.build(&parts.code).output(&parts.package);
    parts.pipeline([parts.source(), Stage::new("Build").action(build()).action(test().run_order(2))]);
    parts.two.synth();

    let parts = Parts::new();
    let test = CodeBuildAction::new("Test", &parts.project("Test"), &parts.package);
    parts.refused(
        [parts.source(), Stage::new("Build").action(parts.build(&parts.code).output(&parts.package)).action(test)],
        &["action `Test` of stage `Build` uses artifact `Package` before it is made, in stage `Build`"],
    );
}

#[test]
fn an_artifact_made_twice() {
    let parts = Parts::new();
    let again = CodeBuildAction::new("Again", &parts.project("Again"), &parts.code).output(&parts.package);
    parts.refused(
        [parts.source(), Stage::new("Build").action(parts.build(&parts.code).output(&parts.package)).action(again)],
        &["artifact `Package` is made by `Build` of stage `Build` and again by `Again` of stage `Build`"],
    );
}

#[test]
fn a_source_in_another_region() {
    let parts = Parts::new();
    let elsewhere = Environment::new(TOOLS, Region::literal("us-east-1"));
    let elsewhere = Stack::new(&parts.two.app, "Elsewhere", elsewhere, StackProps::new());
    let repository = Repository::new(&elsewhere, "Repository", "code", RepositoryProps::new());
    parts.refused(
        [
            Stage::new("Source").action(CodeCommitSourceAction::new("Code", &repository, &parts.code)),
            Stage::new("Build").action(parts.build(&parts.code)),
        ],
        &["action `Code` of stage `Source` takes its source from us-east-1, and the pipeline is in eu-west-1"],
    );
}

#[test]
fn a_build_in_a_region_without_a_bucket() {
    let parts = Parts::new();
    let elsewhere = Environment::new(TOOLS, Region::literal("us-east-1"));
    let elsewhere = Stack::new(&parts.two.app, "Elsewhere", elsewhere, StackProps::new());
    let deploy = CodeBuildAction::new("Deploy", &project(&elsewhere, "Deploy"), &parts.code);
    parts.refused(
        [parts.source(), Stage::new("Deploy").action(deploy)],
        &["action `Deploy` of stage `Deploy` is performed in us-east-1, where the pipeline has no bucket for artifacts"],
    );
}

#[test]
fn a_build_in_another_account_with_an_output() {
    let parts = Parts::new();
    let build =
        CodeBuildAction::new("Build", &project(&parts.two.production, "Build"), &parts.code).output(&parts.package);
    parts.refused(
        [parts.source(), Stage::new("Prod").action(build)],
        &["action `Build` of stage `Prod` runs in account 222222222222 and has an output, which a build of another account cannot write"],
    );
}

#[test]
fn artifacts_for_another_account_in_a_bucket_without_a_key() {
    let parts = Parts::new();
    let bucket = Bucket::new(&parts.two.tools, "Artifacts", BucketProps::new());
    let build = CodeBuildAction::new("Build", &project(&parts.two.production, "Build"), &parts.code);
    let props =
        PipelineProps::new().artifact_bucket(&bucket).stage(parts.source()).stage(Stage::new("Prod").action(build));
    Pipeline::new(&parts.two.tools, "Pipeline", props);
    let problems = parts.two.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].rule, "artifact-key");
}

#[test]
fn a_role_handed_on_across_accounts() {
    let parts = Parts::new();
    let deployer = Role::new(
        &parts.two.production,
        "Deployer",
        Principal::service("cloudformation.amazonaws.com"),
        RoleProps::new(),
    );
    let role = Role::new(&parts.two.tools, "Role", Principal::account(TOOLS), RoleProps::new());
    let deploy = CloudFormationDeployAction::new("Deploy", "site", &parts.code, "site.json", &deployer).role(&role);
    parts.pipeline([parts.source(), Stage::new("Prod").action(deploy)]);
    let problems = parts.two.problems();
    let found = problems.iter().find(|it| it.rule == "cross-account-pass-role").unwrap();
    assert_eq!(
        found.message,
        "action `Deploy` of stage `Prod` is performed in account 111111111111 and hands on a role of account 222222222222"
    );
}

#[test]
fn an_artifact_between_two_foreign_accounts() {
    let parts = Parts::new();
    let third = Environment::new(AccountId::literal("333333333333"), Region::literal("eu-west-1"));
    let third = Stack::new(&parts.two.app, "Third", third, StackProps::new());
    let build =
        CodeBuildAction::new("Build", &project(&parts.two.production, "Build"), &parts.code).output(&parts.package);
    let deploy = CodeBuildAction::new("Deploy", &project(&third, "Deploy"), &parts.package);
    parts.pipeline([parts.source(), Stage::new("Build").action(build), Stage::new("Deploy").action(deploy)]);
    let problems = parts.two.problems();
    let found = problems.iter().find(|it| it.rule == "artifact-flow").unwrap();
    assert_eq!(
        found.message,
        format!(
            "action `Deploy` of stage `Deploy` in account 333333333333 uses artifact `Package`, which is made in account {PRODUCTION}"
        )
    );
}

#[test]
fn git_filters() {
    let parts = Parts::new();
    let mut source = CodeConnectionsSourceAction::new("Git", CONNECTION, "owner/name", &parts.code);
    for branch in ["a", "b", "c", "d"] {
        source = source.filter(GitFilter::push().branches([branch]));
    }
    source = source.filter(GitFilter::pull_request(["OPEN"]).file_paths(["src/**"]));
    source = source.filter(GitFilter::push().tags(["v*"]));
    parts.refused(
        [Stage::new("Source").action(source), Stage::new("Build").action(parts.build(&parts.code))],
        &[
            "action `Git` of stage `Source` has 5 filters for pushes, and CodePipeline takes 3",
            "action `Git` of stage `Source` has a filter with file paths and without branches",
        ],
    );
}

#[test]
fn conditions() {
    let parts = Parts::new();
    parts.refused(
        [
            parts.source().on_failure(OnFailure::Rollback),
            Stage::new("Build")
                .action(parts.build(&parts.code))
                .before_entry(EntryResult::Fail, Condition::new(vec![rule(); 6])),
        ],
        &["stage `Build` has a condition of 6 rules", "stage `Source` holds the sources, and is to be rolled back"],
    );
}

#[test]
fn timeouts() {
    let parts = Parts::new();
    parts.refused(
        [parts.source(), Stage::new("Go").action(ManualApprovalAction::new("Approve").timeout_minutes(86_401))],
        &["action `Approve` of stage `Go` gives up after 86401 minutes"],
    );
}

#[test]
fn variables_of_nobody() {
    let parts = Parts::new();
    let approve = ManualApprovalAction::new("Approve").information("#{Biuld.SUMMARY}");
    parts.refused(
        [
            parts.source(),
            Stage::new("Build").action(parts.build(&parts.code).namespace("Build")),
            Stage::new("Go").action(approve),
        ],
        &["action `Approve` of stage `Go` uses `#{Biuld.SUMMARY}`, and no action before it has the namespace `Biuld`"],
    );
    let problems = parts.two.problems();
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `Build`?"));
}

#[test]
fn a_project_that_is_not_for_pipelines() {
    let parts = Parts::new();
    let project = Project::new(
        &parts.two.tools,
        "Nightly",
        Source::CodeCommit(parts.repository.clone(), "main".to_owned()),
        ProjectProps::new(),
    );
    parts.refused(
        [parts.source(), Stage::new("Build").action(CodeBuildAction::new("Build", &project, &parts.code))],
        &["the build project gets its source elsewhere, and a pipeline runs it"],
    );
}

#[test]
fn a_bucket_that_tells_nobody_is_no_source() {
    let parts = Parts::new();
    let bucket = Bucket::new(&parts.two.tools, "Uploads", BucketProps::new());
    parts.refused(
        [
            Stage::new("Source").action(S3SourceAction::new("Upload", &bucket, "site.zip", &parts.code)),
            Stage::new("Build").action(parts.build(&parts.code)),
        ],
        &["the bucket is a pipeline's source, but tells nobody about new objects"],
    );
}
