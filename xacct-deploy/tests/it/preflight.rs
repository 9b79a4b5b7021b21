//! What is checked before the first write.

use async_trait::async_trait;
use serde_json::json;
use xacct_core::assembly::{FileAsset, Packaging, StackArtifact};
use xacct_core::{AccountId, Region};
use xacct_deploy::*;

use crate::double::*;

fn problems(played: &Played) -> &[Problem] {
    match &played.result {
        Err(RunError::Preflight(problems)) => problems,
        other => panic!("the run began: {other:?}"),
    }
}

/// One account has the wrong credentials, another none.
struct TwoWrong(Everywhere);

#[async_trait]
impl Connector for TwoWrong {
    async fn connect(&self, environment: &Environment) -> Result<Clients, ApiError> {
        match environment.account.as_str() {
            "333333333333" => Err(ApiError::credentials("GetCredentials", "no such profile: `prod`")),
            _ => self.0.connect(environment).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_accounts_are_checked_and_all_failures_told_before_anything_is_written() {
    let stage = Stage::new();
    let mut assembly = app();
    for account in [AccountId::literal("222222222222"), AccountId::literal("333333333333")] {
        let environment = xacct_core::Environment::new(account, Region::literal("eu-west-1"));
        assembly.stacks.push(StackArtifact::new(format!("In{account}"), environment, template()));
    }
    let connector = TwoWrong(Everywhere(stage.double.clone()));
    let engine = Engine::new(std::sync::Arc::new(connector), std::sync::Arc::new(MemoryStore::default()));
    let (run, events) = engine.deploy(&assembly, &Selection::default(), StackOptions::default(), RunOptions::default());
    let played = play(run, events).await;
    let told: Vec<_> = problems(&played).iter().map(|it| (it.environment.account.as_str(), it.kind)).collect();
    // The double says that everybody is in account 111111111111.
    assert_eq!(told, [("222222222222", ProblemKind::WrongAccount), ("333333333333", ProblemKind::Credentials)]);
    assert!(stage.double.called().iter().all(|it| it == "GetCallerIdentity"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_asset_bucket_is_told_before_anything_is_written() {
    let stage = Stage::new();
    stage.double.on("HeadBucket", [Answer::Flag(false)]);
    let played = stage.deploy(&app_with(|it| it.assets.push(asset("a"))), StackOptions::default()).await;
    assert_eq!(problems(&played)[0].kind, ProblemKind::NotBootstrapped);
    assert_eq!(stage.double.called(), ["GetCallerIdentity", "HeadBucket assets"]);
}

#[tokio::test(start_paused = true)]
async fn an_asset_is_uploaded_once_and_before_its_stack() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("asset.a"), "content").unwrap();
    let stage = Stage::new();
    stage
        .double
        .on("HeadBucket", [Answer::Flag(true)])
        .on("HeadObject", [Answer::Flag(false)])
        .on("PutObject", [Answer::Nothing])
        .on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()])
        .goes_well("CREATE");
    let mut assembly = app_with(|it| it.assets = vec![asset("a"), asset("a")]);
    assembly.directory = Some(directory.path().to_owned());
    let played = stage.deploy(&assembly, StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    let called = stage.double.called();
    assert_eq!(called.iter().filter(|it| *it == "PutObject a.zip 7 bytes").count(), 1, "{called:?}");
    let at = |name: &str| called.iter().position(|it| it.starts_with(name)).unwrap();
    assert!(at("PutObject") < at("CreateChangeSet"));
}

#[tokio::test(start_paused = true)]
async fn an_asset_that_is_there_is_not_sent_and_one_that_cannot_be_read_holds_its_stack_back() {
    let stage = Stage::new();
    stage.double.on("HeadBucket", [Answer::Flag(true)]).on("HeadObject", [Answer::Flag(false)]);
    let played = stage.deploy(&app_with(|it| it.assets.push(asset("missing"))), StackOptions::default()).await;
    assert_eq!(*played.outcome(), Outcome::HeldBack { because: vec!["missing".into()] });
    let stage = Stage::new();
    stage
        .double
        .on("HeadBucket", [Answer::Flag(true)])
        .on("HeadObject", [Answer::Flag(true)])
        .on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()])
        .goes_well("CREATE");
    let played = stage.deploy(&app_with(|it| it.assets.push(asset("missing"))), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }));
    assert_eq!(stage.double.count("PutObject"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_without_a_value_is_told_before_anything_is_written() {
    let stage = Stage::new();
    stage.double.on("DescribeStacks", [absent()]);
    let open = app_with(|it| it.template["Parameters"] = json!({"Size": {"Type": "String"}}));
    let played = stage.deploy(&open, StackOptions::default()).await;
    assert_eq!(problems(&played)[0].kind, ProblemKind::MissingInput);
    assert_eq!(problems(&played)[0].cause.logical_id.as_deref(), Some("Size"));
    let asked = stage.engine.preflight(&open, &Selection::default()).await;
    assert!(matches!(asked, Err(RunError::Preflight(found)) if found == problems(&played)));
    assert_eq!(stage.double.count("CreateChangeSet"), 0);
}

fn asset(hash: &str) -> FileAsset {
    FileAsset {
        hash: hash.into(),
        display_name: "App/Code".into(),
        path: format!("asset.{hash}").into(),
        packaging: Packaging::File,
        bucket: "assets".into(),
        key: format!("{hash}.zip"),
        environment: environment(),
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_keys_are_told_within_half_a_minute() {
    struct Unknown;
    #[async_trait]
    impl Identity for Unknown {
        async fn caller(&self) -> Result<cloudformation::Caller, ApiError> {
            Err(ApiError::service("GetCallerIdentity", "InvalidClientTokenId", "the key is not known"))
        }
    }
    struct WrongKeys(Everywhere);
    #[async_trait]
    impl Connector for WrongKeys {
        async fn connect(&self, environment: &Environment) -> Result<Clients, ApiError> {
            let clients = self.0.connect(environment).await?;
            Ok(Clients { identity: std::sync::Arc::new(Unknown), ..clients })
        }
    }
    let stage = Stage::new();
    let connector = std::sync::Arc::new(WrongKeys(Everywhere(stage.double.clone())));
    let engine = Engine::new(connector, std::sync::Arc::new(MemoryStore::default()));
    let start = tokio::time::Instant::now();
    let (run, events) = engine.deploy(&app(), &Selection::default(), StackOptions::default(), RunOptions::default());
    let played = play(run, events).await;
    assert_eq!(problems(&played)[0].kind, ProblemKind::Credentials);
    assert!(start.elapsed() <= std::time::Duration::from_secs(30), "{:?}", start.elapsed());
}
