//! How long `check` takes on an assembly like the main app's: a pipeline with stages in two accounts, and its users.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use xacct_access::check;
use xacct_constructs::cross_account_pipeline::{
    CrossAccountPipeline, CrossAccountPipelineProps, Operators, StageProps,
};
use xacct_core::{AccountId, App, Assembly, Environment, Region, Stack, StackProps};

fn assembly() -> Assembly {
    let app = App::new();
    let stack = |id: &str, account: AccountId| {
        Stack::new(&app, id, Environment::new(account, Region::literal("eu-west-1")), StackProps::new())
    };
    let tools = stack("Tools", AccountId::literal("111111111111"));
    let production = stack("Production", AccountId::literal("222222222222"));
    let props = CrossAccountPipelineProps::new("network")
        .stage(StageProps::new("dev", &tools))
        .stage(StageProps::new("qa", &tools))
        .stage(StageProps::new("prod", &production))
        .operators(Operators::new("pipeline-operator"));
    CrossAccountPipeline::new(&tools, "Network", props);
    app.synth().expect("the bench's app is valid")
}

fn bench(criterion: &mut Criterion) {
    let assembly = assembly();
    let report = check(&assembly);
    assert!(report.passes() && report.proved() > 150, "it is the whole design: {} proved", report.proved());
    let mut group = criterion.benchmark_group("assembly");
    group.bench_function("check of the cross-account pipeline", |bencher| bencher.iter(|| check(black_box(&assembly))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
